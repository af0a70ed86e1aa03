package options

import (
	"crypto/tls"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/internal/testcert"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

const (
	accountKey = "AAO7NMCXBT5IPSSQIXTKFPQX5WGKMT6UHV6TELZYUBRYRGGHLXELP737"
	userKey    = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR"
	someDigest = "7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069"
)

// keyTest is a text and what it changes in the options of a server that was
// told nothing.
type keyTest struct {
	text string
	want func(*Options)
}

var keyTests = slices.Concat(jetStreamKeyTests, clusterKeyTests, sharingKeyTests, []keyTest{
	{`listen: 5000`, func(o *Options) { o.Port = 5000 }},
	{`listen: "10.0.0.1:5000"`, func(o *Options) { o.Host, o.HTTPHost, o.Port = "10.0.0.1", "10.0.0.1", 5000 }},
	{`listen: "[::1]:5000"`, func(o *Options) { o.Host, o.HTTPHost, o.Port = "::1", "::1", 5000 }},
	{`listen: ":5000"`, func(o *Options) { o.Port = 5000 }},
	{`listen: "localhost:-1"`, func(o *Options) { o.Host, o.HTTPHost, o.Port = "localhost", "localhost", -1 }},
	{`host: localhost`, func(o *Options) { o.Host, o.HTTPHost = "localhost", "localhost" }},
	{`net: localhost`, func(o *Options) { o.Host, o.HTTPHost = "localhost", "localhost" }},
	{`host: ""`, func(*Options) {}},
	{`port: -1`, func(o *Options) { o.Port = -1 }},
	{`PORT: 7`, func(o *Options) { o.Port = 7 }},
	{"port: 7\nPort: 8", func(o *Options) { o.Port = 8 }},
	{`client_advertise: "a.example:4333"`, func(o *Options) { o.ClientAdvertise = "a.example:4333" }},
	{`proxy_protocol: true`, func(o *Options) { o.ProxyProtocol = true }},

	{`server_name: one`, func(o *Options) { o.ServerName = "one" }},
	{`server_tags: "a,B c"`, func(o *Options) { o.Tags = []string{"a,b c"} }},
	{`server_tags: [One, "two"]`, func(o *Options) { o.Tags = []string{"one", "two"} }},
	{`server_metadata { Zone: "A b", rack: "5" }`, func(o *Options) { o.Metadata = map[string]string{"Zone": "A b", "rack": "5"} }},
	{`feature_flags { js_ack_fc_v2: true, js_raft_delete_range: false, later: true }`, func(o *Options) {
		o.FeatureFlags = map[string]bool{"js_ack_fc_v2": true, "js_raft_delete_range": false, "later": true}
	}},

	{`debug: true`, func(o *Options) { o.Log.Debug = true }},
	{`trace: on`, func(o *Options) { o.Log.Trace = true }},
	{`trace_verbose: true`, func(o *Options) { o.Log.Trace, o.Log.TraceVerbose = true, true }},
	{`trace_headers: true`, func(o *Options) { o.Log.Trace, o.Log.TraceHeaders = true, true }},
	{"trace_verbose: true\ntrace: false", func(o *Options) { o.Log.Trace, o.Log.TraceVerbose = true, true }},
	{`logtime: false`, func(o *Options) { o.Log.Time = false }},
	{`logtime_utc: true`, func(o *Options) { o.Log.UTC = true }},
	{`log_file: "/tmp/x.log"`, func(o *Options) { o.Log.File = "/tmp/x.log" }},
	{`logfile: "/tmp/x.log"`, func(o *Options) { o.Log.File = "/tmp/x.log" }},
	{`log_size_limit: 1MB`, func(o *Options) { o.Log.SizeLimit = 1 << 20 }},
	{`logfile_size_limit: 1k`, func(o *Options) { o.Log.SizeLimit = 1000 }},
	{`log_max_num: 3`, func(o *Options) { o.Log.MaxFiles = 3 }},
	{`logfile_max_num: 3`, func(o *Options) { o.Log.MaxFiles = 3 }},
	{`syslog: true`, func(o *Options) { o.Log.Syslog = true }},
	{`remote_syslog: "udp://localhost:514"`, func(o *Options) { o.Log.RemoteSyslog = "udp://localhost:514" }},
	{`max_traced_msg_len: 100`, func(o *Options) { o.Log.MaxTracedMsgLen = 100 }},

	{`pid_file: "/tmp/p"`, func(o *Options) { o.PidFile = "/tmp/p" }},
	{`pidfile: "/tmp/p"`, func(o *Options) { o.PidFile = "/tmp/p" }},
	{`ports_file_dir: "/tmp"`, func(o *Options) { o.PortsFileDir = "/tmp" }},
	{`prof_port: 6060`, func(o *Options) { o.ProfPort = 6060 }},
	{`prof_block_rate: 5`, func(o *Options) { o.ProfBlockRate = 5 }},

	{`http: 8222`, func(o *Options) { o.HTTPPort = 8222 }},
	{`http: "127.0.0.1:8222"`, func(o *Options) { o.HTTPHost, o.HTTPPort = "127.0.0.1", 8222 }},
	{"http: 8222\nhost: h", func(o *Options) { o.Host, o.HTTPHost, o.HTTPPort = "h", "h", 8222 }},
	{`https: "h:8443"`, func(o *Options) { o.HTTPHost, o.HTTPSPort = "h", 8443 }},
	{`http_port: 8222`, func(o *Options) { o.HTTPPort = 8222 }},
	{`monitor_port: 8222`, func(o *Options) { o.HTTPPort = 8222 }},
	{`https_port: 8443`, func(o *Options) { o.HTTPSPort = 8443 }},
	{`http_base_path: "/nats"`, func(o *Options) { o.HTTPBasePath = "/nats" }},

	{`max_connections: 10`, func(o *Options) { o.MaxConn = 10 }},
	{`max_conn: 0`, func(o *Options) { o.MaxConn = 0 }},
	{`max_subscriptions: 10`, func(o *Options) { o.MaxSubs = 10 }},
	{`max_subs: -1`, func(*Options) {}},
	{`max_sub_tokens: 255`, func(o *Options) { o.MaxSubTokens = 255 }},
	{`max_subscription_tokens: 1`, func(o *Options) { o.MaxSubTokens = 1 }},
	{`max_control_line: 8kb`, func(o *Options) { o.MaxControlLine = 8192 }},
	{`max_control_line: 0`, func(*Options) {}},
	{`max_payload: 8MB`, func(o *Options) { o.MaxPayload = 8 << 20 }},
	{`max_payload: 0`, func(*Options) {}},
	{`max_payload: -1`, func(o *Options) { o.MaxPayload = DefaultMaxPending }},
	{`max_pending: 1GB`, func(o *Options) { o.MaxPending = 1 << 30 }},
	{`max_pending: 0`, func(*Options) {}},
	{`max_closed_clients: 5`, func(o *Options) { o.MaxClosedClients = 5 }},
	{`max_closed_clients: 0`, func(*Options) {}},

	{`ping_interval: "5s"`, func(o *Options) { o.PingInterval = 5 * time.Second }},
	{`ping_interval: "0s"`, func(*Options) {}},
	{`ping_max: 5`, func(o *Options) { o.PingMax = 5 }},
	{`ping_max: 0`, func(*Options) {}},
	{`write_deadline: "1m30s"`, func(o *Options) { o.WriteDeadline = 90 * time.Second }},
	{`write_timeout: close`, func(o *Options) { o.WriteTimeout = WriteTimeoutClose }},
	{`write_timeout: retry`, func(o *Options) { o.WriteTimeout = WriteTimeoutRetry }},
	{`write_timeout: default`, func(*Options) {}},
	{`no_fast_producer_stall: true`, func(o *Options) { o.NoFastProducerStall = true }},

	{`lame_duck_duration: "30s"`, func(o *Options) { o.LameDuckDuration = 30 * time.Second }},
	{`lame_duck_grace_period: "1s"`, func(o *Options) { o.LameDuckGracePeriod = time.Second }},
	{`lame_duck_grace_period: "0s"`, func(*Options) {}},

	{`disable_sublist_cache: true`, func(o *Options) { o.NoSublistCache = true }},
	{`no_sublist_cache: true`, func(o *Options) { o.NoSublistCache = true }},
	{`no_header_support: true`, func(o *Options) { o.NoHeaderSupport = true }},
	{`allow_non_tls: true`, func(o *Options) { o.AllowNonTLS = true }},

	{`no_auth_user: joe`, func(o *Options) { o.NoAuthUser = "joe" }},
	{`system_account: SYS`, func(o *Options) { o.SystemAccount = "SYS" }},
	{`system: SYS`, func(o *Options) { o.SystemAccount = "SYS" }},
	{`no_system_account: true`, func(o *Options) { o.NoSystemAccount = true }},
	{`no_system: true`, func(o *Options) { o.NoSystemAccount = true }},
	{`no_sys_acc: true`, func(o *Options) { o.NoSystemAccount = true }},
	{`proxies { trusted: [ {key: ` + userKey + `} ] }`, func(o *Options) { o.TrustedProxies = []string{userKey} }},
	{`proxies { trusted: [] }`, func(o *Options) { o.TrustedProxies = []string{} }},

	{`mappings { foo: bar, "a.*": "b.$1" }`, func(o *Options) {
		o.Mappings = []Mapping{
			{Source: "foo", Destinations: []MapDestination{{Subject: "bar", Weight: 100}}},
			{Source: "a.*", Destinations: []MapDestination{{Subject: "b.$1", Weight: 100}}},
		}
	}},
	{`maps { foo: [ {destination: bar, weight: 20%}, {dest: baz, weight: 80, cluster: A}, {dest: foo, weight: "0"} ] }`, func(o *Options) {
		o.Mappings = []Mapping{{Source: "foo", Destinations: []MapDestination{
			{Subject: "bar", Weight: 20}, {Subject: "baz", Weight: 80, Cluster: "A"}, {Subject: "foo", Weight: 0},
		}}}
	}},
	{`mappings { foo: {dest: bar, weight: 100} }`, func(o *Options) {
		o.Mappings = []Mapping{{Source: "foo", Destinations: []MapDestination{{Subject: "bar", Weight: 100}}}}
	}},

	{`authorization { user: joe, password: pw }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Username: "joe", Password: "pw"}
	}},
	{`authorization { username: joe, pass: pw, timeout: 3 }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Username: "joe", Password: "pw", Timeout: 3 * time.Second}
	}},
	{`authorization { token: s3cr3t, timeout: 0.5 }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Token: "s3cr3t", Timeout: time.Second / 2}
	}},
	{`authorization { timeout: "1m", proxy_required: true }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Timeout: time.Minute, ProxyRequired: true}
	}},
	{`authorization {}`, func(o *Options) { o.Auth = Authorization{Defined: true} }},
	{`authorization { users: [] }`, func(o *Options) { o.Auth = Authorization{Defined: true, Users: []*auth.User{}} }},
	{`authorization { users: [ {user: a, password: b}, {username: c, pass: d, proxy_required: true}, {nkey: ` + userKey + `} ] }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Users: []*auth.User{
			{Username: "a", Password: "b", Account: "$G"},
			{Username: "c", Password: "d", Account: "$G", ProxyRequired: true},
			{NKey: userKey, Account: "$G"},
		}}
	}},
	{`authorization { users: [ {user: a, allowed_connection_types: [STANDARD, mqtt]}, {user: b, connection_types: in_process}, {user: c, clients: [leafnode_ws]} ] }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Users: []*auth.User{
			{Username: "a", Account: "$G", ConnectionTypes: []auth.ConnectionType{auth.ConnStandard, auth.ConnMQTT}},
			{Username: "b", Account: "$G", ConnectionTypes: []auth.ConnectionType{auth.ConnInProcess}},
			{Username: "c", Account: "$G", ConnectionTypes: []auth.ConnectionType{auth.ConnLeafnodeWS}},
		}}
	}},
	{`authorization { default_permissions: {publish: a}, users: [ {user: u, permission: {publish: b}}, {user: v, authorization: {publish: c}} ] }`, func(o *Options) {
		allow := func(s string) *auth.Permissions {
			return &auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{s}}}
		}
		o.Auth = Authorization{Defined: true, DefaultPermissions: allow("a"), Users: []*auth.User{
			{Username: "u", Account: "$G", Permissions: allow("b")},
			{Username: "v", Account: "$G", Permissions: allow("c")},
		}}
	}},
	permissionTest(`publish: "a.>"`, auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"a.>"}}}),
	permissionTest(`pub: [a, "b.*"]`, auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"a", "b.*"}}}),
	permissionTest(`import: { deny: a }`, auth.Permissions{Publish: &auth.SubjectPermission{Deny: []string{"a"}}}),
	permissionTest(`publish: []`, auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{}}}),
	permissionTest(`publish: { allow: [], deny: [] }`, auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{}, Deny: []string{}}}),
	permissionTest(`subscribe: { allow: ["a  q.*", b], deny: "b q" }`, auth.Permissions{
		Subscribe: &auth.SubjectPermission{Allow: []string{"a q.*", "b"}, Deny: []string{"b q"}},
	}),
	permissionTest(`sub: a`, auth.Permissions{Subscribe: &auth.SubjectPermission{Allow: []string{"a"}}}),
	permissionTest(`export: a`, auth.Permissions{Subscribe: &auth.SubjectPermission{Allow: []string{"a"}}}),
	permissionTest(`allow_responses: true`, auth.Permissions{Responses: &auth.ResponsePermission{MaxMsgs: 1, Expires: 2 * time.Minute}}),
	permissionTest(`allow_responses: false`, auth.Permissions{}),
	permissionTest(`publish_allow_responses: { max: 5, expires: "1m" }`, auth.Permissions{Responses: &auth.ResponsePermission{MaxMsgs: 5, Expires: time.Minute}}),
	permissionTest(`allow_responses: { max_msgs: -1, ttl: "-1s" }`, auth.Permissions{Responses: &auth.ResponsePermission{MaxMsgs: -1, Expires: -time.Second}}),
	permissionTest(`allow_responses: { max_messages: 0, expiration: "0s" }`, auth.Permissions{Responses: &auth.ResponsePermission{MaxMsgs: 1, Expires: 2 * time.Minute}}),
	permissionTest(`allow_responses: { max_responses: 2 }`, auth.Permissions{Responses: &auth.ResponsePermission{MaxMsgs: 2, Expires: 2 * time.Minute}}),

	{`accounts: [A, b]`, func(o *Options) { o.Accounts = []*Account{newAccount("A"), newAccount("b")} }},
	{`accounts { A {}, a {}, $SYS { users: [ {user: admin, password: pw} ] } }`, func(o *Options) {
		sys := newAccount("$SYS")
		sys.Users = []*auth.User{{Username: "admin", Password: "pw", Account: "$SYS"}}
		o.Accounts = []*Account{newAccount("A"), newAccount("a"), sys}
	}},
	{`accounts { A { nkey: ` + accountKey + ` } }`, accountWith(func(a *Account) {
		a.NKey = accountKey
	})},
	{`accounts { A { limits { max_connections: 1, max_subscriptions: 2, max_payload: 1KB, max_leafnodes: 3 } } }`, accountWith(func(a *Account) {
		a.Limits = AccountLimits{MaxConn: 1, MaxSubs: 2, MaxPayload: 1024, MaxLeafs: 3}
	})},
	{`accounts { A { limits { max_conn: 0, max_subs: -7, max_pay: 5, max_leafs: -1 } } }`, accountWith(func(a *Account) {
		a.Limits = AccountLimits{MaxConn: 0, MaxSubs: -1, MaxPayload: 5, MaxLeafs: -1}
	})},
	{`accounts { A { default_permissions { publish: x } } }`, accountWith(func(a *Account) {
		a.DefaultPermissions = &auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"x"}}}
	})},
	{`accounts { A { mappings { foo: bar } } }`, accountWith(func(a *Account) {
		a.Mappings = []Mapping{{Source: "foo", Destinations: []MapDestination{{Subject: "bar", Weight: 100}}}}
	})},
	{`accounts { A { maps {} } }`, accountWith(func(a *Account) { a.Mappings = []Mapping{} })},
	{`accounts { A { msg_trace: "t.d" } }`, accountWith(func(a *Account) { a.TraceDest, a.TraceSampling = "t.d", 100 })},
	{`accounts { A { trace_dest: {dest: t, sampling: 20} } }`, accountWith(func(a *Account) { a.TraceDest, a.TraceSampling = "t", 20 })},
	{`accounts { A { msg_trace: {dest: t, sampling: 50%} } }`, accountWith(func(a *Account) { a.TraceDest, a.TraceSampling = "t", 50 })},

	{"NAME = one\nserver_name: $NAME", func(o *Options) { o.ServerName = "one" }},
	{"P = {publish: x}\nauthorization { default_permission: $P }", func(o *Options) {
		o.Auth = Authorization{Defined: true, DefaultPermissions: &auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"x"}}}}
	}},
	{`authorization { permissions: {publish: x} }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, DefaultPermissions: &auth.Permissions{Publish: &auth.SubjectPermission{Allow: []string{"x"}}}}
	}},
})

func permissionTest(text string, want auth.Permissions) keyTest {
	return keyTest{`authorization { users: [ {user: a, permissions: {` + text + `}} ] }`, func(o *Options) {
		o.Auth = Authorization{Defined: true, Users: []*auth.User{{Username: "a", Account: "$G", Permissions: &want}}}
	}}
}

func accountWith(change func(*Account)) func(*Options) {
	return func(o *Options) {
		a := newAccount("A")
		change(a)
		o.Accounts = []*Account{a}
	}
}

func TestKeys(t *testing.T) {
	for _, test := range keyTests {
		t.Run(test.text, func(t *testing.T) {
			want := New()
			want.finish()
			test.want(want)
			expectOptions(t, test.text, want)
		})
	}
}

func expectOptions(t *testing.T, text string, want *Options) {
	t.Helper()
	got, warnings, err := FromBytes([]byte(text), "f.conf")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	if !strings.HasPrefix(got.ConfigDigest, "sha256:") {
		t.Errorf("digest %q", got.ConfigDigest)
	}
	got.ConfigDigest = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", dump(got), dump(want))
	}
}

// dump shows what pointers lead to.
func dump(o *Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v", *o)
	for name, c := range map[string]*tlsconf.Config{"tls": o.TLS, "cluster tls": o.Cluster.TLS} {
		if c != nil {
			fmt.Fprintf(&b, "\n  %s %+v", name, *c)
		}
	}
	if p := o.Cluster.Permissions; p != nil {
		fmt.Fprintf(&b, "\n  cluster import %+v export %+v", p.Import, p.Export)
	}
	for u, d := range o.users() {
		fmt.Fprintf(&b, "\n  user %+v permissions %+v defaults %+v", *u, u.Permissions, d)
	}
	for _, a := range o.Accounts {
		fmt.Fprintf(&b, "\n  account %+v jetstream %+v", *a, a.JetStream)
		for _, x := range a.Exports {
			fmt.Fprintf(&b, "\n    export %+v latency %+v", *x, x.Latency)
		}
		for _, im := range a.Imports {
			fmt.Fprintf(&b, "\n    import %+v", *im)
		}
	}
	return b.String()
}

func TestTLSKeys(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "ca")
	caFile := ca.WriteFile(t, dir)
	certFile, keyFile := ca.Server(t, "localhost").WriteFiles(t, t.TempDir())
	pair := fmt.Sprintf("cert_file: %q, key_file: %q", certFile, keyFile)

	for _, test := range tlsKeyTests(pair, certFile, keyFile, caFile) {
		t.Run(strings.TrimPrefix(test.text, pair), func(t *testing.T) {
			want := New()
			want.finish()
			want.TLS = newTLS()
			want.TLS.CertFile, want.TLS.KeyFile = certFile, keyFile
			test.want(want.TLS)
			expectOptions(t, "tls { "+test.text+" }", want)
		})
	}
}

type tlsKeyTest struct {
	text string
	want func(*tlsconf.Config)
}

func tlsKeyTests(pair, certFile, keyFile, caFile string) []tlsKeyTest {
	return []tlsKeyTest{
		{pair, func(*tlsconf.Config) {}},
		{pair + fmt.Sprintf(", ca_file: %q, verify: true", caFile), func(c *tlsconf.Config) { c.CAFile, c.Verify = caFile, true }},
		{pair + ", verify_and_map: true", func(c *tlsconf.Config) { c.Verify, c.Map = true, true }},
		{pair + ", verify: false, verify_and_map: false", func(*tlsconf.Config) {}},
		{pair + ", verify_cert_and_check_known_urls: false, insecure: true", func(*tlsconf.Config) {}},
		{pair + ", timeout: 5", func(c *tlsconf.Config) { c.Timeout = 5 * time.Second }},
		{pair + ", timeout: 0.25", func(c *tlsconf.Config) { c.Timeout = 250 * time.Millisecond }},
		{pair + `, timeout: "3s"`, func(c *tlsconf.Config) { c.Timeout = 3 * time.Second }},
		{pair + ", timeout: 0", func(*tlsconf.Config) {}},
		{pair + `, min_version: "1.3"`, func(c *tlsconf.Config) { c.MinVersion = tls.VersionTLS13 }},
		{pair + `, min_version: "1.2"`, func(*tlsconf.Config) {}},
		{pair + ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]", func(c *tlsconf.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_AES_128_GCM_SHA256}
		}},
		{pair + ", cipher_suites: [TLS_RSA_WITH_RC4_128_SHA], allow_insecure_cipher_suites: true", func(c *tlsconf.Config) {
			c.CipherSuites, c.AllowInsecureCiphers = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}, true
		}},
		{pair + ", curve_preferences: [CurveP256, X25519]", func(c *tlsconf.Config) { c.Curves = []tls.CurveID{tls.CurveP256, tls.X25519} }},
		{pair + ", pinned_certs: [" + strings.ToUpper(someDigest) + "]", func(c *tlsconf.Config) { c.PinnedCerts = map[string]struct{}{someDigest: {}} }},
		{pair + ", pinned_certs: []", func(*tlsconf.Config) {}},
		{pair + ", handshake_first: true", func(c *tlsconf.Config) { c.HandshakeFirst = true }},
		{pair + ", handshake_first: false", func(*tlsconf.Config) {}},
		{pair + `, handshake_first: "off"`, func(*tlsconf.Config) {}},
		{pair + `, handshake_first: "yes"`, func(c *tlsconf.Config) { c.HandshakeFirst = true }},
		{pair + ", first: auto", func(c *tlsconf.Config) { c.HandshakeFirst, c.HandshakeFirstFallback = true, 50*time.Millisecond }},
		{pair + ", immediate: AUTO_FALLBACK", func(c *tlsconf.Config) { c.HandshakeFirst, c.HandshakeFirstFallback = true, 50*time.Millisecond }},
		{pair + `, handshake_first: "300ms"`, func(c *tlsconf.Config) { c.HandshakeFirst, c.HandshakeFirstFallback = true, 300*time.Millisecond }},
		{pair + ", connection_rate_limit: 5", func(c *tlsconf.Config) { c.RateLimit = 5 }},
		{pair + ", connection_rate_limit: -1", func(*tlsconf.Config) {}},
		{"certs: [ {" + pair + "}, {" + pair + "} ]", func(c *tlsconf.Config) {
			c.CertFile, c.KeyFile = "", ""
			c.Certificates = []tlsconf.KeyPair{{CertFile: certFile, KeyFile: keyFile}, {CertFile: certFile, KeyFile: keyFile}}
		}},
		{"certificates: [], " + pair, func(*tlsconf.Config) {}},
		{pair + ", ocsp_peer: false", func(*tlsconf.Config) {}},
	}
}

// Every name of every key has a test that stores a value with it.
func TestKeysAreTested(t *testing.T) {
	seen := make(map[string]bool)
	var walk func(*conf.Map)
	walkValue := func(v *conf.Value) {
		if v.Map != nil {
			walk(v.Map)
		}
		for _, item := range v.List {
			if item.Map != nil {
				walk(item.Map)
			}
		}
	}
	walk = func(m *conf.Map) {
		for _, e := range m.Entries() {
			seen[strings.ToLower(e.Key)] = true
			walkValue(e.Value)
		}
	}
	var texts []string
	for _, test := range keyTests {
		texts = append(texts, test.text)
	}
	for _, test := range tlsKeyTests("cert_file: a, key_file: b", "a", "b", "c") {
		texts = append(texts, "tls { "+test.text+" }")
	}
	for _, text := range texts {
		c, err := conf.Parse([]byte(text), "f.conf")
		if err != nil {
			t.Fatal(err)
		}
		walk(c.Root)
	}
	check := func(block string, keys []string) {
		for _, key := range keys {
			if !seen[key] {
				t.Errorf("key %q of block %q has no test", key, block)
			}
		}
	}
	check("", slices.Collect(maps.Keys(topLevel.rows)))
	check("proxies", slices.Collect(maps.Keys(proxiesBlock.rows)))
	check("proxy", slices.Collect(maps.Keys(proxyBlock.rows)))
	check("authorization", slices.Collect(maps.Keys(authorizationBlock.rows)))
	check("user", slices.Collect(maps.Keys(userBlock.rows)))
	check("permissions", slices.Collect(maps.Keys(permissionsBlock.rows)))
	check("responses", slices.Collect(maps.Keys(responsesBlock.rows)))
	check("account", slices.Collect(maps.Keys(accountBlock.rows)))
	check("export", slices.Collect(maps.Keys(exportBlock.rows)))
	check("latency", slices.Collect(maps.Keys(latencyBlock.rows)))
	check("import", slices.Collect(maps.Keys(importBlock.rows)))
	check("import source", slices.Collect(maps.Keys(sourceBlock.rows)))
	check("limits", slices.Collect(maps.Keys(limitsBlock.rows)))
	check("mapping", slices.Collect(maps.Keys(weightedBlock.rows)))
	check("tls", slices.Collect(maps.Keys(tlsKeys.rows)))
	check("tls of a cluster", slices.Collect(maps.Keys(peerTLSKeys.rows)))
	check("cluster", slices.Collect(maps.Keys(clusterBlock.rows)))
	check("cluster permissions", slices.Collect(maps.Keys(routePermissionsBlock.rows)))
	check("compression", slices.Collect(maps.Keys(compressionBlock.rows)))
	check("certs", slices.Collect(maps.Keys(keyPairBlock.rows)))
	check("jetstream", slices.Collect(maps.Keys(jetStreamBlock.rows)))
	check("jetstream limits", slices.Collect(maps.Keys(jetStreamLimitsBlock.rows)))
	check("batch limits", slices.Collect(maps.Keys(batchLimitsBlock.rows)))
	check("account jetstream", slices.Collect(maps.Keys(accountJetStreamBlock.rows)))
}

func TestFeatures(t *testing.T) {
	o := New()
	o.FeatureFlags = map[string]bool{"js_ack_fc_v2": true, "unknown": true}
	want := map[string]bool{"js_ack_fc_v2": true, "js_api_reply_v2": false, "js_raft_delete_range": true, "js_snapshot_sources": false}
	if got := o.Features(); !maps.Equal(got, want) {
		t.Errorf("Features() = %v, want %v", got, want)
	}
	for name, on := range want {
		if o.HasFeature(name) != on {
			t.Errorf("HasFeature(%q) is not %v", name, on)
		}
	}
}
