package options

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
	"github.com/nats-lite/nats-lite/server/auth"
)

func clusterKeyTest(text string, want func(*Cluster)) keyTest {
	return keyTest{"cluster { " + text + " }", func(o *Options) { want(&o.Cluster) }}
}

func allowing(subjects ...string) *auth.SubjectPermission {
	return &auth.SubjectPermission{Allow: subjects}
}

var clusterKeyTests = []keyTest{
	clusterKeyTest(``, func(*Cluster) {}),
	clusterKeyTest(`name: "one.two"`, func(c *Cluster) { c.Name = "one.two" }),
	clusterKeyTest(`listen: 6222`, func(c *Cluster) { c.Port = 6222 }),
	clusterKeyTest(`listen: "10.0.0.1:6222"`, func(c *Cluster) { c.Host, c.Port = "10.0.0.1", 6222 }),
	clusterKeyTest(`listen: ":-1"`, func(c *Cluster) { c.Port = -1 }),
	clusterKeyTest(`host: h, port: 6222`, func(c *Cluster) { c.Host, c.Port = "h", 6222 }),
	clusterKeyTest(`net: h, PORT: -1`, func(c *Cluster) { c.Host, c.Port = "h", -1 }),
	clusterKeyTest(`cluster_advertise: "h:1"`, func(c *Cluster) { c.Advertise = "h:1" }),
	clusterKeyTest(`advertise: h`, func(c *Cluster) { c.Advertise = "h" }),
	clusterKeyTest(`no_advertise: true`, func(c *Cluster) { c.NoAdvertise = true }),

	clusterKeyTest(`authorization { user: a, password: b }`, func(c *Cluster) {
		c.Auth = ClusterAuth{Username: "a", Password: "b"}
	}),
	clusterKeyTest(`authorization { username: a, pass: b, timeout: 0.5 }`, func(c *Cluster) {
		c.Auth = ClusterAuth{Username: "a", Password: "b", Timeout: time.Second / 2}
	}),
	clusterKeyTest(`permissions { import: a, export: ["b.*", c] }`, func(c *Cluster) {
		c.Permissions = &RoutePermissions{Import: allowing("a"), Export: allowing("b.*", "c")}
	}),
	clusterKeyTest(`permissions { publish: {allow: a, deny: b}, subscribe: [] }`, func(c *Cluster) {
		c.Permissions = &RoutePermissions{
			Import: &auth.SubjectPermission{Allow: []string{"a"}, Deny: []string{"b"}},
			Export: &auth.SubjectPermission{Allow: []string{}},
		}
	}),
	clusterKeyTest(`permissions { pub: a, sub: b, allow_responses: false, publish_allow_responses: false }`, func(c *Cluster) {
		c.Permissions = &RoutePermissions{Import: allowing("a"), Export: allowing("b")}
	}),

	clusterKeyTest(`routes: [ "nats-route://u:p@a.example:6222", "nats://b:1", " tls://[::1]:2/ ", "nats://u@c:3" ]`, func(c *Cluster) {
		c.Routes = []Route{
			{Host: "a.example", Port: 6222, Username: "u", Password: "p"},
			{Host: "b", Port: 1},
			{Host: "::1", Port: 2},
			{Host: "c", Port: 3, Username: "u"},
		}
	}),
	clusterKeyTest("routes = [\n nats-route://a:1\n nats-route://b:1\n]", func(c *Cluster) {
		c.Routes = []Route{{Host: "a", Port: 1}, {Host: "b", Port: 1}}
	}),
	clusterKeyTest(`routes: [ "nats://u:p%40ss@a:1" ]`, func(c *Cluster) {
		c.Routes = []Route{{Host: "a", Port: 1, Username: "u", Password: "p@ss"}}
	}),
	clusterKeyTest(`routes: []`, func(*Cluster) {}),
	clusterKeyTest(`connect_retries: 5, connect_backoff: true`, func(c *Cluster) { c.ConnectRetries, c.ConnectBackoff = 5, true }),
	clusterKeyTest(`connect_retries: -5`, func(*Cluster) {}),

	clusterKeyTest(`pool_size: 5`, func(c *Cluster) { c.PoolSize = 5 }),
	clusterKeyTest(`pool_size: 0`, func(*Cluster) {}),
	clusterKeyTest(`pool_size: -7`, func(c *Cluster) { c.PoolSize = -1 }),
	clusterKeyTest(`accounts: [A, B]`, func(c *Cluster) { c.Accounts = []string{"A", "B"} }),
	clusterKeyTest(`accounts: A`, func(c *Cluster) { c.Accounts = []string{"A"} }),
	clusterKeyTest(`accounts: []`, func(*Cluster) {}),

	clusterKeyTest(`compression: accept`, func(*Cluster) {}),
	clusterKeyTest(`compression: on`, func(c *Cluster) { c.Compression.Mode = CompressionFast }),
	clusterKeyTest(`compression: "enabled"`, func(c *Cluster) { c.Compression.Mode = CompressionFast }),
	clusterKeyTest(`compression: false`, func(c *Cluster) { c.Compression.Mode = CompressionOff }),
	clusterKeyTest(`compression: disabled`, func(c *Cluster) { c.Compression.Mode = CompressionOff }),
	clusterKeyTest(`compression: S2_Fast`, func(c *Cluster) { c.Compression.Mode = CompressionFast }),
	clusterKeyTest(`compression: better`, func(c *Cluster) { c.Compression.Mode = CompressionBetter }),
	clusterKeyTest(`compression: s2_best`, func(c *Cluster) { c.Compression.Mode = CompressionBest }),
	clusterKeyTest(`compression: s2_auto`, autoWith(10, 50, 100)),
	clusterKeyTest(`compression {}`, func(*Cluster) {}),
	clusterKeyTest(`compression { mode: best, rtt_thresholds: [5ms] }`, func(c *Cluster) { c.Compression.Mode = CompressionBest }),
	clusterKeyTest(`compression { mode: auto, rtt_thresholds: [] }`, autoWith(10, 50, 100)),
	clusterKeyTest(`compression { mode: auto, rtt_thresholds: [5ms, 5ms, 7ms, 8ms] }`, autoWith(5, 5, 7, 8)),
	clusterKeyTest(`compression { mode: auto, thresholds: ["0s", 5ms, "-1s", 7ms] }`, autoWith(0, 5, 0, 7)),
	clusterKeyTest(`compression { mode: auto, rtts: [5ms, 0s, 0s] }`, autoWith(5)),
	clusterKeyTest(`compression { rtt: [1ms, 2ms, 3ms, 4ms, 0s, 0s], mode: auto }`, autoWith(1, 2, 3, 4)),

	clusterKeyTest(`ping_interval: "5s", ping_max: 5`, func(c *Cluster) { c.PingInterval, c.PingMax = 5*time.Second, 5 }),
	clusterKeyTest(`write_deadline: "5s"`, func(c *Cluster) { c.WriteDeadline = 5 * time.Second }),
	clusterKeyTest(`write_timeout: close`, func(c *Cluster) { c.WriteTimeout = WriteTimeoutClose }),
	clusterKeyTest(`write_timeout: default`, func(*Cluster) {}),

	{"cluster { port: 5 }\nCluster { name: b }", func(o *Options) { o.Cluster.Name = "b" }},
	{`connect_error_reports: 5`, func(o *Options) { o.ConnectErrorReports = 5 }},
	{`connect_error_reports: 0`, func(*Options) {}},
	{`reconnect_error_reports: 5`, func(o *Options) { o.ReconnectErrorReports = 5 }},
}

func autoWith(milliseconds ...time.Duration) func(*Cluster) {
	return func(c *Cluster) {
		c.Compression.Mode = CompressionAuto
		for _, n := range milliseconds {
			c.Compression.RTTThresholds = append(c.Compression.RTTThresholds, n*time.Millisecond)
		}
	}
}

// inCluster puts the text at the beginning of line 2.
func inCluster(text string) string { return "cluster {\n" + text + "\n}" }

var clusterProblemTests = []problemTest{
	{"cluster", "cluster: 5", `f.conf:1:0: Expected map to define cluster, got int64`},
	{"cluster key", inCluster("foo: 5"), `f.conf:2:1: unknown field "foo"`},
	{"cluster name", inCluster(`name: "a b"`), `f.conf:2:1: cluster name cannot contain spaces`},
	{"cluster name for none", inCluster(`name: "_"`), `f.conf:2:1: cluster name "_" is reserved`},
	{"cluster name of another kind", inCluster("name: 5.5"), `f.conf:2:1: interface conversion: interface {} is float64, not string`},
	{"cluster listen", inCluster(`listen: "0.0.0.0:XXXX"`), `f.conf:2:1: could not parse port "XXXX"`},
	{"cluster port", inCluster("port: true"), `f.conf:2:1: interface conversion: interface {} is bool, not int64`},

	{"cluster authorization", inCluster("authorization: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not map[string]interface {}`},
	{"cluster authorization key", inCluster("authorization {\nfoo: 5\n}"), `f.conf:3:1: unknown field "foo"`},
	{"cluster users", inCluster("authorization {\nusers: []\n}"), `f.conf:3:1: Cluster authorization does not allow multiple users`},
	{"cluster token", inCluster("authorization {\ntoken: a\n}"), `f.conf:3:1: Cluster authorization does not support tokens`},
	{"cluster authorization timeout", inCluster("authorization {\ntimeout: x\n}"), `f.conf:3:1: error parsing authorization config, 'timeout' time: invalid duration "x"`},
	{
		"permissions in the authorization of a cluster", inCluster("authorization {\npermissions {export: a}\n}"),
		`f.conf:3:1: invalid use of field "permissions": setting "permissions" within cluster authorization block is deprecated`,
	},

	{"cluster permissions", inCluster("permissions: 5"), `f.conf:2:1: Expected permissions to be a map/struct, got 5`},
	{"cluster permission", inCluster("permissions {\nfoo: 5\n}"), `f.conf:3:1: Unknown field "foo" parsing permissions`},
	{"cluster subject", inCluster("permissions {\nimport: a..b\n}"), `f.conf:3:1: subject "a..b" is not a valid subject`},
	{"cluster queue", inCluster("permissions {\nexport: \"a q\"\n}"), `f.conf:3:1: subject "a q" is not a valid subject`},
	{"cluster responses", inCluster("permissions {\nallow_responses: true\n}"), `f.conf:3:1: Cluster permissions do not support dynamic responses`},

	{"routes", inCluster(`routes: "nats://h:1"`), `f.conf:2:1: interface conversion: interface {} is string, not []interface {}`},
	{"route of another kind", inCluster(`routes: [5]`), `f.conf:2:10: interface conversion: interface {} is int64, not string`},
	{"route that is no URL", inCluster(`routes: ["0.0.0.0:XXXX"]`), `f.conf:2:11: error parsing route url ["0.0.0.0:XXXX"]`},
	{"route without a scheme", inCluster(`routes: ["localhost:6222"]`), `f.conf:2:11: error parsing route url ["localhost:6222"]`},
	{"route without a port", inCluster(`routes: ["nats://h"]`), `f.conf:2:11: error parsing route url ["nats://h"]`},
	{"route without a host", inCluster(`routes: ["nats://:1"]`), `f.conf:2:11: error parsing route url ["nats://:1"]`},
	{"route to a port that is none", inCluster(`routes: ["nats://h:0", "nats://h:65536"]`), `f.conf:2:11: error parsing route url ["nats://h:0"]
		f.conf:2:25: error parsing route url ["nats://h:65536"]`},
	{"route with a secret", inCluster(`routes: ["nats://u:hunter%2@h:1"]`), `f.conf:2:11: error parsing route url ["[hidden]@h:1"]`},
	{
		"route twice", inCluster("routes: [\"nats://u:hunter2@h:1\"\n\"nats-route://u:hunter2@h:1\"]"),
		`f.conf:3:2: invalid use of field "nats-route://u:xxxxx@h:1": Duplicate route entry detected`,
	},

	{"pool", inCluster("pool_size: x"), `f.conf:2:1: interface conversion: interface {} is string, not int64`},
	{"cluster accounts", inCluster("accounts: 5"), `f.conf:2:1: error parsing accounts: unsupported type int64`},
	{"cluster account", inCluster("accounts: [A, 5]"), `f.conf:2:15: error parsing accounts: unsupported type in array int64`},

	{"compression", inCluster("compression: foo"), `f.conf:2:1: unsupported compression mode "foo"`},
	{"compression of another kind", inCluster("compression: 5"), `f.conf:2:1: field "compression" should be a boolean or a structure, got int64`},
	{"compression mode", inCluster("compression {mode: foo}"), `f.conf:2:1: unsupported compression mode "foo"`},
	{"compression mode of another kind", inCluster("compression {\nmode: true\n}"), `f.conf:3:1: interface conversion: interface {} is bool, not string`},
	{"compression key", inCluster("compression {\nfoo: 5\n}"), `f.conf:3:1: unknown field "foo"`},
	{"thresholds", inCluster("compression {\nrtts: 5\n}"), `f.conf:3:1: interface conversion: interface {} is int64, not []interface {}`},
	{"threshold of another kind", inCluster("compression {\nrtts: [5]\n}"), `f.conf:3:8: interface conversion: interface {} is int64, not string`},
	{"threshold", inCluster("compression {\nrtts: [x]\n}"), `f.conf:3:8: time: invalid duration "x"`},
	{
		"thresholds that descend", inCluster("compression {mode: auto, rtts: [5ms, 0s, 4ms]}"),
		`f.conf:2:1: RTT threshold values [5ms 0s 4ms] should be in ascending order`,
	},
	{
		"many thresholds", inCluster("compression {mode: auto, rtts: [1ms, 2ms, 3ms, 4ms, 5ms]}"),
		`f.conf:2:1: compression mode "s2_auto" should have no more than 4 RTT thresholds: [1ms 2ms 3ms 4ms 5ms]`,
	},
	{"no threshold", inCluster("compression {mode: auto, rtts: [0s]}"), `f.conf:2:1: compression mode "s2_auto" requires at least one RTT threshold`},

	{"cluster write timeout", inCluster("write_timeout: never"), `f.conf:2:1: write_timeout must be 'default', 'close' or 'retry'`},
	{
		"rare pings", inCluster(`ping_interval: "1m"`),
		`f.conf:2:1: invalid use of field "ping_interval": Cluster 'ping_interval' will reset to 30s which is the max for routes`,
	},
	{"cluster tls", inCluster("tls: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not map[string]interface {}`},
	{"cluster tls key", inCluster("tls {\nfoo: 5\n}"), `f.conf:3:1: error parsing tls config, unknown field "foo"`},
	{"cluster tls insecure", inCluster("tls {\ninsecure: 5\n}"), `f.conf:3:1: error parsing tls config, expected 'insecure' to be a boolean`},
	{"cluster tls without key", inCluster("tls { cert_file: x }"), `f.conf:2:1: missing 'key_file' in TLS configuration`},
}

func clusterTLS(pair, text string) string { return "cluster { tls { " + pair + ", " + text + " } }" }

// Servers among themselves always show certificates, whatever the block says.
func TestClusterTLSKeys(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "ca")
	caFile := ca.WriteFile(t, dir)
	certFile, keyFile := ca.Server(t, "localhost").WriteFiles(t, t.TempDir())
	pair := fmt.Sprintf("cert_file: %q, key_file: %q", certFile, keyFile)
	base := func(o *Options) {
		o.Cluster.TLS = flagTLS(certFile, keyFile)
		o.Cluster.TLS.Verify = true
	}
	for _, test := range []keyTest{
		{"", func(*Options) {}},
		{"verify: false", func(*Options) {}},
		{fmt.Sprintf("ca_file: %q", caFile), func(o *Options) { o.Cluster.TLS.CAFile = caFile }},
		{"insecure: true", func(o *Options) { o.Cluster.TLS.Insecure = true }},
		{"verify_cert_and_check_known_urls: true", func(o *Options) { o.Cluster.TLS.CheckKnownURLs = true }},
		{"verify_and_map: true", func(o *Options) { o.Cluster.TLS.Map = true }},
		{"timeout: 5", func(o *Options) { o.Cluster.TLS.Timeout = 5 * time.Second }},
		{"timeout: 0", func(*Options) {}},
		{"pinned_certs: [" + someDigest + "]", func(o *Options) { o.Cluster.TLS.PinnedCerts = map[string]struct{}{someDigest: {}} }},
	} {
		t.Run(test.text, func(t *testing.T) {
			want := New()
			want.finish()
			base(want)
			test.want(want)
			expectOptions(t, clusterTLS(pair, test.text), want)
		})
	}
}

func TestPermissionsOfAClusterWinOverOldOnes(t *testing.T) {
	const now = "permissions {import: now}"
	for _, key := range []string{"permissions", "default_permissions", "default_permission"} {
		old := "authorization { " + key + " {import: old} }"
		for text, want := range map[string]string{old: "old", old + "\n" + now: "now", now + "\n" + old: "now"} {
			o, warnings, err := FromBytes([]byte(inCluster(text)), "f.conf")
			if err != nil || len(warnings) != 1 || o.Cluster.Permissions.Import.Allow[0] != want {
				t.Errorf("%s: options %+v, warnings %v, error %v", text, o, warnings, err)
			}
		}
	}
}

// clusterFlagTests are a text, flags, and what both make of the cluster.
var clusterFlagTests = []struct {
	text, args string
	want       func(*Cluster)
}{
	{"", "--cluster nats://h:6222", func(c *Cluster) { c.Host, c.Port = "h", 6222 }},
	{"", "--cluster_listen nats://u:p@[::1]:-1", func(c *Cluster) {
		c.Host, c.Port, c.Auth.Username, c.Auth.Password = "::1", -1, "u", "p"
	}},
	{"", "--cluster nats://:6222", func(c *Cluster) { c.Port = 6222 }},
	{"", "--cluster_name n", func(c *Cluster) { c.Name = "n" }},
	{"", "--routes nats://a:1,nats://u:p@b:2", func(c *Cluster) {
		c.Routes = []Route{{Host: "a", Port: 1}, {Host: "b", Port: 2, Username: "u", Password: "p"}}
	}},
	{"", "--routes nats://a:1,nats://a:1", func(c *Cluster) { c.Routes = []Route{{Host: "a", Port: 1}} }},
	{"", "--no_advertise", func(c *Cluster) { c.NoAdvertise = true }},
	{"", "--cluster_advertise h:1", func(c *Cluster) { c.Advertise = "h:1" }},
	{"", "--connect_retries 5", func(c *Cluster) { c.ConnectRetries = 5 }},

	{"name: file, listen: \"file:1\"", "--cluster nats://flag:2 --cluster_name flag", func(c *Cluster) { c.Name, c.Host, c.Port = "flag", "flag", 2 }},
	{"authorization {user: a, password: b, timeout: 5}, pool_size: 5", "--cluster nats://h:2", func(c *Cluster) {
		c.Host, c.Port, c.PoolSize, c.Auth.Timeout = "h", 2, 5, 5*time.Second
	}},
	{"port: 1, name: a, routes: [\"nats://h:1\"]", "--cluster=", func(*Cluster) {}},
	{"port: 1, routes: [\"nats://h:1\"]", "--routes nats://i:1", func(c *Cluster) { c.Port, c.Routes = 1, []Route{{Host: "i", Port: 1}} }},
	{"port: 1, routes: [\"nats://h:1\"]", "--routes=", func(c *Cluster) { c.Port = 1 }},
	{"no_advertise: true, advertise: file, connect_retries: 5", "--no_advertise=false --cluster_advertise flag --connect_retries 6", func(c *Cluster) {
		c.Advertise, c.ConnectRetries = "flag", 6
	}},
}

func TestClusterFlags(t *testing.T) {
	for _, test := range clusterFlagTests {
		t.Run(test.text+" "+test.args, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.conf")
			if err := os.WriteFile(path, []byte(inCluster(test.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			c := new(commandLine)
			if err := c.flagSet("prog").Parse(strings.Fields(test.args)); err != nil || len(c.wrong) > 0 {
				t.Fatal(err, c.wrong)
			}
			want := newCluster()
			test.want(&want)
			// A reload applies the flags to the file once more.
			for range 2 {
				o, _, err := FromFile(path, c.overrides...)
				if err != nil || !reflect.DeepEqual(o.Cluster, want) {
					t.Errorf("got  %+v\nwant %+v, error %v", o.Cluster, want, err)
				}
			}
		})
	}
}

// These go together with a cluster, or with the block where there is none.
func TestClusterWithOthers(t *testing.T) {
	for _, text := range []string{
		"cluster {port: 6222}",
		"cluster {name: a}",
		"server_name: a\njetstream {}\ncluster {name: a, port: -1}",
		"jetstream {}\ncluster {name: a}",
		"cluster {port: 1, compression: s2_auto}",
		"connect_error_reports: 5",
	} {
		if err := parsed(t, text).Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestValidClusters(t *testing.T) {
	for _, text := range []string{
		"name: a, port: -1",
		`port: 1, routes: ["nats://u:p@h:1"], advertise: "h:0"`,
		"port: 1, permissions {import: {deny: a}, export: \"b.>\"}, compression: s2_auto",
		`port: 1, accounts: ["$G", "$SYS", A]`,
	} {
		if err := checkCluster(parsed(t, "accounts: [A]\n"+inCluster(text))); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	named := parsed(t, "accounts: [S]\nsystem_account: S\ncluster {port: 1, accounts: [S]}")
	if err := checkCluster(named); err != nil {
		t.Errorf("a system account with a name of its own: %v", err)
	}
	withTLS := New()
	withTLS.Cluster.Port, withTLS.Cluster.TLS = 1, flagTLS("c", "k")
	if err := checkCluster(withTLS); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	without := parsed(t, "no_system_account: true\ncluster {port: 1, accounts: [\"$SYS\"]}")
	if err := checkCluster(without); err == nil {
		t.Error("a system account that is not there: no error")
	}
}

func clusterWith(change func(*Cluster)) func(*Options) {
	return func(o *Options) {
		o.Cluster.Port = 6222
		change(&o.Cluster)
	}
}

// What the block leaves open is as for clients.
func TestRouteTimes(t *testing.T) {
	for _, test := range []struct {
		text           string
		interval       time.Duration
		unanswered     int
		deadline, auth time.Duration
	}{
		{"", 30 * time.Second, 2, 10 * time.Second, 2 * time.Second},
		{"ping_interval: 5s\nping_max: 3\nwrite_deadline: 4s\nauthorization {timeout: 9}", 5 * time.Second, 3, 4 * time.Second, 2 * time.Second},
		{
			"ping_interval: 5s\ncluster {ping_interval: 7s, ping_max: 4, write_deadline: 1s, authorization {timeout: 6}}",
			7 * time.Second, 4, time.Second, 6 * time.Second,
		},
		{"cluster {ping_interval: 70s}", 30 * time.Second, 2, 10 * time.Second, 2 * time.Second},
		{"cluster {tls {timeout: 5}}", 30 * time.Second, 2, 10 * time.Second, 6 * time.Second},
	} {
		o := parsed(t, test.text)
		interval, unanswered := o.RoutePing()
		if interval != test.interval || unanswered != test.unanswered || o.RouteWriteDeadline() != test.deadline || o.Cluster.AuthTimeout() != test.auth {
			t.Errorf("%s: pings %v, %d, deadline %v, auth %v", test.text, interval, unanswered, o.RouteWriteDeadline(), o.Cluster.AuthTimeout())
		}
	}
}

func TestClusterAdvertiseAddr(t *testing.T) {
	c := newCluster()
	for _, test := range []struct {
		advertise string
		host      string
		port      int
	}{
		{"", "", 0}, {"h", "h", 6222}, {"[::1]:5", "::1", 5},
	} {
		c.Advertise = test.advertise
		if host, port, err := c.AdvertiseAddr(6222); host != test.host || port != test.port || err != nil {
			t.Errorf("%q: %q, %d, %v; want %q, %d", test.advertise, host, port, err, test.host, test.port)
		}
	}
}

func TestRouteString(t *testing.T) {
	for want, r := range map[string]Route{
		"nats-route://h:1":           {Host: "h", Port: 1},
		"nats-route://[::1]:1":       {Host: "::1", Port: 1},
		"nats-route://u@h:1":         {Host: "h", Port: 1, Username: "u"},
		"nats-route://u:xxxxx@h:1":   {Host: "h", Port: 1, Username: "u", Password: "hunter2"},
		"nats-route://:xxxxx@h:1":    {Host: "h", Port: 1, Password: "hunter2"},
		"nats-route://a%2Fb@h:65535": {Host: "h", Port: 65535, Username: "a/b"},
	} {
		if r.String() != want {
			t.Errorf("%q, want %q", r.String(), want)
		}
	}
}
