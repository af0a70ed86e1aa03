package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// files is a file system of whole files by path.
type files map[string][]byte

func (f files) read(path string) ([]byte, error) {
	content, ok := f[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

// add puts a certificate under the paths of a pair called name.
func (f files) add(name string, cert *testcert.Cert) KeyPair {
	pair := KeyPair{CertFile: name + ".crt", KeyFile: name + ".key"}
	f[pair.CertFile], f[pair.KeyFile] = cert.CertPEM, cert.KeyPEM
	return pair
}

// handshake runs one and returns what each side says to it. It takes a real
// socket: without its buffers two sides that both send an alert wait for each
// other.
func handshake(t *testing.T, server, client *tls.Config) (serverSide *tls.Conn, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()

	serverSide = tls.Server(accepted, server)
	done := make(chan error, 1)
	go func() { done <- serverSide.HandshakeContext(t.Context()) }()
	if clientErr = tls.Client(dialed, client).HandshakeContext(t.Context()); clientErr != nil {
		dialed.Close()
	}
	return serverSide, <-done, clientErr
}

func TestServerConfigHandshakes(t *testing.T) {
	ca, otherCA := testcert.NewCA(t, "ca"), testcert.NewCA(t, "other")
	f := files{"ca.crt": ca.CertPEM}
	a := f.add("a", ca.Server(t, "a.example"))
	b := f.add("b", ca.Server(t, "b.example"))
	trusted, stranger := ca.Client(t, "trusted"), otherCA.Client(t, "stranger")
	pin := func(certs ...*testcert.Cert) map[string]struct{} {
		pins := map[string]struct{}{}
		for _, cert := range certs {
			pins[SPKISHA256(cert.X509)] = struct{}{}
		}
		return pins
	}
	single := Config{CertFile: a.CertFile, KeyFile: a.KeyFile}
	verify := single
	verify.CAFile, verify.Verify = "ca.crt", true
	mapped := single
	mapped.CAFile, mapped.Map = "ca.crt", true
	both := verify
	both.PinnedCerts = pin(stranger)
	pinned := single
	pinned.PinnedCerts = pin(stranger)
	only13 := single
	only13.MinVersion = tls.VersionTLS13
	oneCipher := single
	oneCipher.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	oneCurve := single
	oneCurve.Curves = []tls.CurveID{tls.CurveP384}

	for _, tc := range []struct {
		name   string
		block  Config
		host   string // "a.example" by default
		cert   *testcert.Cert
		client func(*tls.Config)
		fails  bool
		check  func(*testing.T, tls.ConnectionState)
	}{
		{name: "plain", block: single},
		{name: "no client certificate is asked for", block: single, cert: trusted, check: func(t *testing.T, s tls.ConnectionState) {
			if len(s.PeerCertificates) != 0 {
				t.Error("the client's certificate arrived")
			}
		}},
		{name: "verify", block: verify, cert: trusted, check: func(t *testing.T, s tls.ConnectionState) {
			if len(s.VerifiedChains) == 0 {
				t.Error("no chain is verified")
			}
		}},
		{name: "verify without a certificate", block: verify, fails: true},
		{name: "verify with a stranger", block: verify, cert: stranger, fails: true},
		{name: "map implies verify", block: mapped, fails: true},
		{name: "pinned", block: pinned, cert: stranger},
		{name: "not pinned", block: pinned, cert: trusted, fails: true},
		{name: "pinned without a certificate", block: pinned, fails: true},
		{name: "pinned but not verified", block: both, cert: stranger, fails: true},
		{name: "verified but not pinned", block: both, cert: trusted, fails: true},
		{name: "server name picks the first", block: Config{Certificates: []KeyPair{a, b}}, host: "a.example"},
		{name: "server name picks the second", block: Config{Certificates: []KeyPair{a, b}}, host: "b.example"},
		{name: "old TLS", block: single, client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }, fails: true},
		{name: "TLS 1.2", block: single, client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		{name: "TLS 1.2 where 1.3 is the least", block: only13, client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, fails: true},
		{name: "cipher", block: oneCipher, client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, check: func(t *testing.T, s tls.ConnectionState) {
			if got := CipherName(s.CipherSuite); got != "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" {
				t.Errorf("cipher is %s", got)
			}
		}},
		{name: "curve", block: oneCurve, check: func(t *testing.T, s tls.ConnectionState) {
			if s.CurveID != tls.CurveP384 {
				t.Errorf("curve is %v", s.CurveID)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server, err := tc.block.ServerConfig(f.read)
			if err != nil {
				t.Fatal(err)
			}
			client := &tls.Config{RootCAs: ca.Pool(), ServerName: tc.host, MinVersion: tls.VersionTLS10}
			if tc.host == "" {
				client.ServerName = "a.example"
			}
			if tc.cert != nil {
				// Offered whatever authorities the server says it accepts.
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					cert := tc.cert.TLS()
					return &cert, nil
				}
			}
			if tc.client != nil {
				tc.client(client)
			}
			conn, serverErr, clientErr := handshake(t, server, client)
			if tc.fails {
				if serverErr == nil {
					t.Error("the handshake succeeds")
				}
				return
			}
			if serverErr != nil || clientErr != nil {
				t.Fatalf("server %v, client %v", serverErr, clientErr)
			}
			if tc.check != nil {
				tc.check(t, conn.ConnectionState())
			}
		})
	}
}

func TestServerConfigErrorsNameTheFile(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	f := files{"empty.crt": nil, "text.crt": []byte("hello")}
	a := f.add("a", ca.Server(t, "a.example"))
	b := f.add("b", ca.Server(t, "b.example"))
	for _, tc := range []struct {
		name  string
		block Config
		want  []string
	}{
		{"nothing", Config{}, []string{"no certificate"}},
		{"no key", Config{CertFile: a.CertFile}, []string{"a.crt", "no key file"}},
		{"no certificate for the key", Config{KeyFile: a.KeyFile}, []string{"a.key", "no certificate file"}},
		{"both forms", Config{CertFile: a.CertFile, KeyFile: a.KeyFile, Certificates: []KeyPair{b}}, []string{"exclude each other"}},
		{"certificate is missing", Config{CertFile: "x.crt", KeyFile: a.KeyFile}, []string{"x.crt", "not exist"}},
		{"key is missing", Config{CertFile: a.CertFile, KeyFile: "x.key"}, []string{"x.key", "not exist"}},
		{"second of a list", Config{Certificates: []KeyPair{a, {CertFile: "x.crt", KeyFile: "x.key"}}}, []string{"x.crt", "not exist"}},
		{"no PEM", Config{CertFile: "text.crt", KeyFile: a.KeyFile}, []string{"text.crt", "PEM"}},
		{"key of another", Config{CertFile: a.CertFile, KeyFile: b.KeyFile}, []string{"a.crt", "b.key", "match"}},
		{"CA is missing", Config{CertFile: a.CertFile, KeyFile: a.KeyFile, CAFile: "x.ca"}, []string{"x.ca", "not exist"}},
		{"CA is empty", Config{CertFile: a.CertFile, KeyFile: a.KeyFile, CAFile: "empty.crt"}, []string{"empty.crt", "no certificate"}},
		{
			"insecure cipher",
			Config{CertFile: a.CertFile, KeyFile: a.KeyFile, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}},
			[]string{"TLS_RSA_WITH_RC4_128_SHA", "allow_insecure_cipher_suites"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tc.block.ServerConfig(f.read)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
	_, err := (&Config{CertFile: "x.crt", KeyFile: "x.key"}).ServerConfig(f.read)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v does not wrap its cause", err)
	}
	insecure := Config{CertFile: a.CertFile, KeyFile: a.KeyFile, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}, AllowInsecureCiphers: true}
	if _, err := insecure.ServerConfig(f.read); err != nil {
		t.Errorf("insecure cipher that is allowed: %v", err)
	}
}

func TestCheckPinned(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	one, two := ca.Client(t, "one"), ca.Client(t, "two")
	state := func(certs ...*testcert.Cert) (s tls.ConnectionState) {
		for _, cert := range certs {
			s.PeerCertificates = append(s.PeerCertificates, cert.X509)
		}
		return s
	}
	pins := &Config{PinnedCerts: map[string]struct{}{SPKISHA256(one.X509): {}}}
	for _, tc := range []struct {
		name  string
		block *Config
		state tls.ConnectionState
		want  error
	}{
		{"no pins", &Config{}, state(), nil},
		{"empty pins accept none", &Config{PinnedCerts: map[string]struct{}{}}, state(one), ErrPinned},
		{"pinned", pins, state(one), nil},
		{"other", pins, state(two), ErrPinned},
		{"no certificate", pins, state(), ErrPinned},
		{"only the peer itself counts, not its chain", pins, state(two, one), ErrPinned},
	} {
		if got := tc.block.CheckPinned(tc.state); !errors.Is(got, tc.want) {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// The digest is the one that operators compute with openssl:
// openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256
func TestSPKISHA256IsOfTheWholeKeyInfo(t *testing.T) {
	cert := testcert.NewCA(t, "ca")
	der, err := x509.MarshalPKIXPublicKey(cert.X509.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := SPKISHA256(cert.X509), SPKISHA256(&x509.Certificate{RawSubjectPublicKeyInfo: der}); got != want || len(got) != 64 {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestCertNotAfter(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	soon, late := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC)
	f := files{}
	pairs := []KeyPair{
		f.add("late", ca.Issue(t, testcert.Template{NotAfter: late})),
		f.add("soon", ca.Issue(t, testcert.Template{NotAfter: soon})),
	}
	config, err := (&Config{Certificates: pairs}).ServerConfig(f.read)
	if err != nil {
		t.Fatal(err)
	}
	if got := CertNotAfter(config); !got.Equal(soon) {
		t.Errorf("got %v, want %v", got, soon)
	}
	if !CertNotAfter(nil).IsZero() || !CertNotAfter(&tls.Config{}).IsZero() {
		t.Error("no certificate has an end")
	}
}
