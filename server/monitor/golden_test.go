package monitor

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// TestGolden pins the fields of the answers: their names, order, formats, and
// which are missing.
func TestGolden(t *testing.T) {
	east := time.FixedZone("east", 3600)
	cert := &x509.Certificate{
		Subject:                 pkix.Name{CommonName: "client", Organization: []string{"Acme"}},
		Raw:                     []byte("certificate"),
		RawSubjectPublicKeyInfo: []byte("public key"),
	}
	plain := &Conn{
		CID: 5, Kind: KindClient, Transport: TransportNATS, IP: "127.0.0.1", Port: 50001,
		Start: ago(90 * time.Second).In(east), LastActivity: ago(5 * time.Second), RTT: 458 * time.Microsecond,
		Account: globalAccount, NameTag: globalAccount,
	}
	full := &Conn{
		CID: 7, Kind: KindClient, Transport: TransportWebsocket, IP: "10.0.0.1", Port: 50002,
		Start: ago(26 * time.Hour), LastActivity: ago(2 * time.Hour), Stop: ago(time.Hour).In(east), Reason: "Stale Connection",
		RTT: 1500 * time.Microsecond, PendingBytes: 12, InMsgs: 1, OutMsgs: 2, InBytes: 3, OutBytes: 4, Stalls: 6,
		NumSubs: 2, Subs: subsOf(
			Sub{Account: "A", AccountTag: "a", Subject: "foo.>", SID: "1", Msgs: 8, CID: 7},
			Sub{Account: "A", AccountTag: "a", Subject: "bar", Queue: "q", SID: "2", Max: 10, CID: 7},
		),
		Name: "app", Lang: "go", Version: "1.50.0",
		TLS: &tls.ConnectionState{
			Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256,
			PeerCertificates: []*x509.Certificate{cert},
		},
		TLSFirst: true, User: "joe", Account: "A", JWT: "ey.J.W", IssuerKey: "AISS", NameTag: "a", Tags: []string{"x:y"},
		MQTTClient: "mqtt-1", ProxyKey: "UPROXY",
	}
	leaf := &Conn{CID: 9, Kind: KindLeafnode, IP: "10.0.0.2", Port: 50003, Start: ago(time.Minute), LastActivity: ago(time.Minute)}
	minimal := Varz{
		ID: "NTEST", Name: "tester", Version: "2.15.0", Proto: 1, Host: "0.0.0.0", Port: 4222,
		MaxConn: 65536, PingInterval: 2 * time.Minute, PingMax: 2, HTTPHost: "127.0.0.1", HTTPPort: 8222,
		AuthTimeout: 2, MaxControlLine: 4096, MaxPayload: 1 << 20, MaxPending: 64 << 20, TLSTimeout: 2,
		WriteDeadline: 10 * time.Second, Start: ago(3725 * time.Second).In(east), ConfigLoadTime: ago(time.Hour).In(east),
	}
	everything := minimal
	everything.GitCommit = "abcdef"
	everything.AuthRequired, everything.TLSRequired, everything.TLSVerify = true, true, true
	everything.IP = "10.1.1.1"
	everything.ClientConnectURLs = []string{"10.1.1.1:4222"}
	everything.MaxSubs = 100
	everything.HTTPBasePath, everything.HTTPSPort = "/mon", 8443
	everything.WriteTimeout = "retry"
	everything.Connections, everything.TotalConnections, everything.Subscriptions = 1, 2, 3
	everything.Cluster = ClusterVarz{
		Name: "C", Addr: "0.0.0.0", Port: 6222, AuthTimeout: 2, URLs: []string{"h:6222"}, TLSTimeout: 3, TLSRequired: true, TLSVerify: true,
		PoolSize: 3, WriteDeadline: 10 * time.Second, WriteTimeout: "retry", TLSCertNotAfter: epoch.AddDate(1, 0, 0).In(east),
	}
	everything.Routes, everything.Remotes, everything.Leafs = 4, 5, 6
	everything.InMsgs, everything.InBytes, everything.InClientMsgs, everything.InClientBytes = 7, 8, 9, 10
	everything.OutMsgs, everything.OutBytes, everything.OutClientMsgs, everything.OutClientBytes = 11, 12, 13, 14
	everything.SlowConsumers, everything.StaleConnections, everything.StalledClients = 15, 16, 17
	everything.ConfigDigest = "sha256:00"
	everything.Tags, everything.Metadata = []string{"a"}, map[string]string{"k": "v"}
	everything.FeatureFlags, everything.SystemAccount = map[string]bool{"f": true}, "SYS"
	everything.SlowConsumerStats = KindCounts{Clients: 1, Routes: 2, Gateways: 3, Leafs: 4}
	everything.StaleConnectionStats = KindCounts{Clients: 5, Routes: 6, Gateways: 7, Leafs: 8}
	everything.DiskIOWaitStats = DiskIOWaits{Waiters: 1, Waits: 2, WaitTime: 3, MaxWaitTime: 4}
	everything.Proxies = &Proxies{Trusted: []Proxy{{Key: "UPROXY"}}}
	everything.TLSCertNotAfter = epoch.AddDate(1, 0, 0).In(east)

	src := func(varz Varz) *fakeSource {
		return &fakeSource{
			varz:  varz,
			conns: []*Conn{full, leaf, plain},
			subs: []Sub{
				{Account: "A", AccountTag: "tag", Subject: "foo.*", Queue: "q", SID: "1", Msgs: 2, Max: 3, CID: 5},
				{Account: globalAccount, Subject: "bar", SID: "x", CID: 7},
			},
			stats: map[string]SubStats{"": {
				NumSubs: 2, NumCache: 1, NumInserts: 5, NumRemoves: 3, NumMatches: 4, CacheHitRate: 0.25, MaxFanout: 2, AvgFanout: 1.5,
			}},
		}
	}
	broken := src(minimal)
	broken.problems = []HealthProblem{
		{Code: 503, Area: HealthStream, Account: "A", Stream: "S", Error: "behind"},
		{Code: 404, Area: HealthConsumer, Account: "A", Stream: "S", Consumer: "C", Error: "gone"},
	}

	meshed := src(minimal)
	meshed.routes = Routes{
		Import: &SubjectPermission{Allow: []string{"a.>"}}, Export: &SubjectPermission{Deny: []string{"b"}},
		List: []*Route{
			{
				RID: 3, RemoteID: "NOTHER", RemoteName: "other", Solicited: true, Configured: true, IP: "10.0.0.3", Port: 6222,
				Start: ago(26 * time.Hour).In(east), LastActivity: ago(2 * time.Second).In(east), RTT: 458 * time.Microsecond,
				Import: &SubjectPermission{Allow: []string{}}, Export: &SubjectPermission{Deny: []string{"c"}},
				PendingBytes: 1, InMsgs: 2, OutMsgs: 3, InBytes: 4, OutBytes: 5, NumSubs: 2, Account: "A", Compression: "s2_fast",
				Subs: subsOf(Sub{Account: "A", Subject: "foo", CID: 3}, Sub{Account: "A", Subject: "bar", Queue: "q", CID: 3}),
			},
			{RID: 4, RemoteID: "NTHIRD", RemoteName: "third", IP: "10.0.0.4", Port: 50000, Subs: subsOf(), Start: ago(time.Minute), LastActivity: ago(time.Minute)},
		},
	}

	for _, test := range []struct {
		file, url string
		src       *fakeSource
		status    int
	}{
		{"varz_minimal", "/varz", src(minimal), 200},
		{"varz_everything", "/varz", src(everything), 200},
		{"connz_open", "/connz", src(minimal), 200},
		{"connz_closed", "/connz?state=closed&subs=1", src(minimal), 200},
		{"connz_auth_detail", "/connz?state=any&auth=1&subs=detail", src(minimal), 200},
		{"connz_none", "/connz?cid=99", src(minimal), 200},
		{"routez", "/routez", meshed, 200},
		{"routez_list", "/routez?subs=1", meshed, 200},
		{"routez_detail", "/routez?subs=detail", meshed, 200},
		{"routez_none", "/routez", src(minimal), 200},
		{"subsz", "/subsz", src(minimal), 200},
		{"subsz_list", "/subsz?subs=1", src(minimal), 200},
		{"subsz_unknown_account", "/subsz?subs=1&acc=none", src(minimal), 200},
		{"healthz_ok", "/healthz", src(minimal), 200},
		{"healthz_unavailable", "/healthz", broken, 503},
		{"healthz_details", "/healthz?details=1", broken, 503},
		{"healthz_contradiction", "/healthz?stream=S", broken, 400},
		{"index", "/", src(minimal), 200},
	} {
		t.Run(test.file, func(t *testing.T) {
			checkGolden(t, newMonitor(t, test.src), test.file, test.url, test.status)
		})
	}
}

// checkGolden compares the answer of a monitor with a golden file.
func checkGolden(t *testing.T, m *Monitor, name, url string, status int) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	got := hideProcess(w.Body.String())
	file := filepath.Join("testdata", "golden", name+".txt")
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from %s (renew with -rewrite):\n%s", url, file, got)
	}
}

var (
	processFields = regexp.MustCompile(`("(?:go|mem|cores|gomaxprocs|cpu)": )("[^"]+"|[0-9.]+)`)
	memLimit      = regexp.MustCompile(`\n *"gomemlimit": [0-9]+,`)
)

// hideProcess replaces what depends on the process that runs the test.
func hideProcess(body string) string {
	return memLimit.ReplaceAllString(processFields.ReplaceAllString(body, "${1}…"), "")
}
