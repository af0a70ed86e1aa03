package auth

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// rdns is a subject in the order of a certificate; a set of several attributes
// is an element with several pairs.
func rdns(sets ...[]string) pkix.RDNSequence {
	oids := map[string]asn1.ObjectIdentifier{
		"C": {2, 5, 4, 6}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "CN": {2, 5, 4, 3},
		"DC": oidDomainComponent, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
	}
	var out pkix.RDNSequence
	for _, set := range sets {
		var attrs pkix.RelativeDistinguishedNameSET
		for i := 0; i < len(set); i += 2 {
			attrs = append(attrs, pkix.AttributeTypeAndValue{Type: oids[set[i]], Value: set[i+1]})
		}
		out = append(out, attrs)
	}
	return out
}

func stateOf(cert *testcert.Cert) *tls.ConnectionState {
	return &tls.ConnectionState{
		PeerCertificates: []*x509.Certificate{cert.X509},
		VerifiedChains:   [][]*x509.Certificate{{cert.X509}},
	}
}

func TestVerifyAndMap(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	full := testcert.Template{
		RDNs:   rdns([]string{"DC", "org"}, []string{"DC", "example"}, []string{"O", "NATS"}, []string{"CN", "alice"}),
		DNS:    []string{"a.example", "b.example"},
		Emails: []string{"alice@example", "bob@example"},
		URIs:   []string{"spiffe://example/alice"},
	}
	subjectOnly := testcert.Template{RDNs: full.RDNs}
	plain := testcert.Template{RDNs: rdns([]string{"C", "US"}, []string{"O", "NATS, Inc."}, []string{"CN", "alice"})}
	multi := testcert.Template{RDNs: rdns([]string{"O", "NATS"}, []string{"UID", "1", "CN", "alice"})}

	for _, tc := range []struct {
		name     string
		template testcert.Template
		users    []*User
		want     string // "" if refused
	}{
		{"first e-mail before the second", full, []*User{{Username: "bob@example"}, {Username: "alice@example"}}, "alice@example"},
		{"second e-mail before DNS", full, []*User{{Username: "a.example"}, {Username: "bob@example"}}, "bob@example"},
		{"DNS before URI", full, []*User{{Username: "spiffe://example/alice"}, {Username: "b.example"}}, "b.example"},
		{"URI before the subject", full, []*User{{Username: "CN=alice,O=NATS,DC=example,DC=org"}, {Username: "spiffe://example/alice"}}, "spiffe://example/alice"},
		{"subject", full, []*User{{Username: "CN=alice,O=NATS,DC=example,DC=org"}}, "CN=alice,O=NATS,DC=example,DC=org"},
		{"subject, spelled otherwise", full, []*User{{Username: "cn = alice , 2.5.4.10=NATS, dc=#0c076578616d706c65; DC=\"org\""}}, "cn = alice , 2.5.4.10=NATS, dc=#0c076578616d706c65; DC=\"org\""},
		{"subject in any order", full, []*User{{Username: "DC=org,O=NATS,CN=alice,DC=example"}}, "DC=org,O=NATS,CN=alice,DC=example"},
		{"its own order first", full, []*User{{Username: "DC=org,DC=example,O=NATS,CN=alice"}, {Username: "CN=alice,O=NATS,DC=example,DC=org"}}, "CN=alice,O=NATS,DC=example,DC=org"},
		{"an attribute is missing", full, []*User{{Username: "CN=alice,O=NATS,DC=example"}}, ""},
		{"an attribute too many", full, []*User{{Username: "CN=alice,O=NATS,DC=example,DC=org,C=US"}}, ""},
		{"a value in other case", full, []*User{{Username: "CN=Alice,O=NATS,DC=example,DC=org"}}, ""},
		{"common name alone is no user name", full, []*User{{Username: "alice"}}, ""},
		{"escaped comma", plain, []*User{{Username: `CN=alice,O=NATS\, Inc.,C=US`}}, `CN=alice,O=NATS\, Inc.,C=US`},
		{"set of several attributes", multi, []*User{{Username: "CN=alice+UID=1,O=NATS"}}, "CN=alice+UID=1,O=NATS"},
		{"set of several attributes is not a sequence", multi, []*User{{Username: "CN=alice,UID=1,O=NATS"}}, ""},
		// Names that do not parse as a distinguished name, because the spelling
		// of crypto/x509 does not escape here, are found as strings.
		{
			"Go's spelling with domain components",
			testcert.Template{RDNs: rdns([]string{"DC", `a"b`}, []string{"CN", "alice"})},
			[]*User{{Username: `CN=alice,DC=a"b`}},
			`CN=alice,DC=a"b`,
		},
		{
			"Go's spelling without domain components, last of all", subjectOnly,
			[]*User{{Username: "CN=alice,O=NATS"}},
			"CN=alice,O=NATS",
		},
		{
			"the whole subject before Go's spelling of a part", subjectOnly,
			[]*User{{Username: "CN=alice,O=NATS"}, {Username: "DC=org,DC=example,O=NATS,CN=alice"}},
			"DC=org,DC=example,O=NATS,CN=alice",
		},
		{
			"a user of another transport is passed over", full,
			[]*User{{Username: "alice@example", ConnectionTypes: []ConnectionType{ConnWebsocket}}, {Username: "a.example"}},
			"a.example",
		},
		{
			"only a user of another transport", full,
			[]*User{{Username: "CN=alice,O=NATS,DC=example,DC=org", ConnectionTypes: []ConnectionType{ConnWebsocket}}},
			"",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := mustNew(t, Config{Users: tc.users, VerifyAndMap: true})
			id, err := a.Authenticate(Request{Type: ConnStandard, TLS: stateOf(ca.Issue(t, tc.template))})
			if got := id.Name; got != tc.want {
				t.Errorf("user %q, error %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestVerifyAndMapAndOtherCredentials(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	cert := stateOf(ca.Issue(t, testcert.Template{Emails: []string{"alice@example"}}))
	unverified := *cert
	unverified.VerifiedChains = nil
	users := []*User{{Username: "alice@example"}, {Username: "bob", Password: "p"}}
	cfg := Config{Users: users, VerifyAndMap: true, NoAuthUser: "bob"}

	for _, tc := range []struct {
		name          string
		req           Request
		want, ignored string
	}{
		{"the certificate overrules the name", Request{TLS: cert, User: "bob", Pass: "p"}, "alice@example", "bob"},
		{"the same name", Request{TLS: cert, User: "alice@example"}, "alice@example", ""},
		{"no name", Request{TLS: cert}, "alice@example", ""},
		{"no TLS", Request{User: "bob", Pass: "p"}, "", ""},
		{"no certificate", Request{TLS: &tls.ConnectionState{}, User: "bob", Pass: "p"}, "", ""},
		{"certificate that nobody verified", Request{TLS: &unverified}, "", ""},
		{"no credentials at all", Request{}, "", ""},
		{"in process by password", Request{Type: ConnInProcess, User: "bob", Pass: "p"}, "bob", ""},
		{"in process, a user who has none", Request{Type: ConnInProcess, User: "alice@example"}, "", ""},
		{"in process with a certificate", Request{Type: ConnInProcess, TLS: cert, User: "bob"}, "alice@example", "bob"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.req.Type == "" {
				tc.req.Type = ConnStandard
			}
			id, err := mustNew(t, cfg).Authenticate(tc.req)
			if id.Name != tc.want || id.IgnoredUser != tc.ignored {
				t.Errorf("user %q, ignored %q, error %v; want %q, %q", id.Name, id.IgnoredUser, err, tc.want, tc.ignored)
			}
			if (err == nil) != (tc.want != "") {
				t.Errorf("error is %v", err)
			}
		})
	}
}
