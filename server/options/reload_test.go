package options

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// notCompared are fields that say where options come from, not what they are.
var notCompared = []string{"ConfigFile", "ConfigDigest", "overrides"}

// Whatever leaf of Options differs, down to the destinations of the mappings of
// an account, Diff sees it: a field without a row in the reload table fails.
func TestDiffSeesEveryField(t *testing.T) {
	leaves := leavesOf(reflect.TypeFor[Options](), "")
	if len(leaves) < 100 {
		t.Fatalf("only %d fields found", len(leaves))
	}
	for _, leaf := range leaves {
		old, changed := filled(), filled()
		v := leaf.of(reflect.ValueOf(changed).Elem())
		v.Set(sample(v.Type(), 2))

		changes, err := Diff(old, changed)
		if _, ok := errors.AsType[*NotReloadableError](err); ok {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", leaf.path, err)
			continue
		}
		if len(changes.List) == 0 && changes.Effects == old.standingChanges().Effects {
			t.Errorf("%s: a change goes unseen; it needs a row in reloadTable", leaf.path)
		}
	}
	if changes, err := Diff(filled(), filled()); err != nil || len(changes.List) > 0 || changes.Effects != ReloadTLS|ReloadCluster {
		t.Errorf("equal options: changes %+v, error %v", changes, err)
	}
}

type leaf struct {
	path string
	of   func(reflect.Value) reflect.Value
}

// leavesOf lists what of a type can be set to a sample, following pointers and
// the first elements of slices.
func leavesOf(typ reflect.Type, path string) []leaf {
	follow := func(inner []leaf, step func(reflect.Value) reflect.Value) []leaf {
		for i, l := range inner {
			inner[i].of = func(v reflect.Value) reflect.Value { return l.of(step(v)) }
		}
		return inner
	}
	switch typ.Kind() {
	case reflect.Struct:
		var all []leaf
		for i := range typ.NumField() {
			f := typ.Field(i)
			if path == "" && slices.Contains(notCompared, f.Name) {
				continue
			}
			all = append(all, follow(leavesOf(f.Type, path+"."+f.Name), func(v reflect.Value) reflect.Value { return v.Field(i) })...)
		}
		return all
	case reflect.Pointer:
		return follow(leavesOf(typ.Elem(), path), reflect.Value.Elem)
	case reflect.Slice:
		return follow(leavesOf(typ.Elem(), path+"[0]"), func(v reflect.Value) reflect.Value { return v.Index(0) })
	}
	return []leaf{{path, func(v reflect.Value) reflect.Value { return v }}}
}

// filled returns options in which nothing is nil or empty.
func filled() *Options {
	o := sample(reflect.TypeFor[Options](), 1).Interface().(Options)
	return &o
}

// sample makes a value of a type from a small number.
func sample(typ reflect.Type, n int) reflect.Value {
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.Bool:
		v.SetBool(n == 2)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(uint64(n))
	case reflect.String:
		v.SetString(fmt.Sprint("s", n))
	case reflect.Map:
		v.Set(reflect.MakeMap(typ))
		v.SetMapIndex(sample(typ.Key(), n), sample(typ.Elem(), n))
	case reflect.Slice:
		v.Set(reflect.Append(v, sample(typ.Elem(), n)))
	case reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		v.Elem().Set(sample(typ.Elem(), n))
	case reflect.Struct:
		for i := range typ.NumField() {
			if typ.Field(i).IsExported() {
				v.Field(i).Set(sample(typ.Field(i).Type, n))
			}
		}
	case reflect.Func:
	default:
		panic("sample does not know " + typ.String())
	}
	return v
}

func TestDiff(t *testing.T) {
	const (
		decreasing = "config reload not supported for decreasing jetstream max memory and store"
		dynamic    = "config reload not supported for jetstream dynamic max memory and store"
	)
	certFile, keyFile := testcert.NewCA(t, "ca").Server(t, "a").WriteFiles(t, t.TempDir())
	pair := fmt.Sprintf("cert_file: %q, key_file: %q", certFile, keyFile)
	tlsWith := func(text string) string {
		return fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 2\n%s }", certFile, keyFile, text)
	}
	const usersAC = "authorization {users: [{user: a}, {user: c}]}\n"

	for _, test := range []struct {
		old, new string
		// want is the error, or the notices one a line.
		want    string
		effects Effect
	}{
		{"", "", "", 0},
		{"", "port: 4222\nmax_payload: 1MB", "", 0},
		{"", "client_advertise: \"a:1\"", "client_advertise = a:1", ReloadAdvertise},
		{"", "server_tags: [A]", "tags", ReloadIdentity},
		{"", "server_metadata {a: b}", "metadata", ReloadIdentity},
		{"", "debug: true", "debug = true", ReloadLogging},
		{"", "trace_headers: true", "trace = true\ntrace_headers = true", ReloadLogging},
		{"", "trace_verbose: true", "trace = true\ntrace_verbose = true", ReloadLogging},
		{"", "logtime: false", "logtime = false", ReloadLogging},
		{"", "logtime_utc: true", "logtime_utc = true", ReloadLogging},
		{"", "log_file: x", "log_file = x", ReloadLogging},
		{"", "syslog: true", "syslog = true", ReloadLogging},
		{"", `remote_syslog: "udp://h:514"`, "remote_syslog = udp://h:514", ReloadLogging},
		{"", `remote_syslog: "tcp://u:secret@h:514"`, "remote_syslog = tcp://u:xxxxx@h:514", ReloadLogging},
		{"", "max_traced_msg_len: 5", "max_traced_msg_len = 5", ReloadLogging},
		{"", "pid_file: x", "pid_file = x", ReloadFiles},
		{"", "ports_file_dir: x", "ports_file_dir = x", ReloadFiles},
		{"", "prof_block_rate: 5", "prof_block_rate = 5", ReloadProfiling},
		{
			"", "max_connections: 5\nmax_control_line: 5000\nmax_payload: 6000",
			"max_connections = 5\nmax_control_line = 5000\nmax_payload = 6000", ReloadLimits,
		},
		{"", `ping_interval: "5s"`, "ping_interval = 5s", ReloadPing},
		{"", "ping_max: 5", "ping_max = 5", ReloadPing},
		{"", `write_deadline: "5s"`, "write_deadline = 5s", ReloadDelivery},
		{"", "no_fast_producer_stall: true", "fast producers will not be stalled", ReloadDelivery},
		{"no_fast_producer_stall: true", "", "fast producers will be stalled", ReloadDelivery},

		{"", "authorization {user: a, password: b}", "authorization username\nauthorization password", ReloadAuth},
		{"authorization {user: a, password: b}", "authorization {token: c}", "authorization username\nauthorization password\nauthorization token", ReloadAuth},
		{"", "authorization {timeout: 5}", "authorization timeout = 5s", ReloadAuth},
		{"", "authorization {}", "", ReloadAuth},
		{"", "authorization {users: [{user: a}]}", "authorization users", ReloadAuth},
		{"authorization {users: [{user: a, password: b}]}", "authorization {users: [{user: a, password: c}]}", "authorization users", ReloadAuth},
		{"", "accounts {A {}}", "accounts", ReloadAccounts | ReloadAuth},
		{"accounts {A {}}", "accounts {A {limits {max_conn: 5}}}", "accounts", ReloadAccounts | ReloadAuth},
		{"accounts {A {exports: [{stream: a}]}}", "accounts {A {exports: [{stream: b}]}}", "accounts", ReloadAccounts | ReloadAuth},
		{"", "mappings {foo: bar}", "mappings", ReloadMappings},
		{"", "proxies {trusted: [{key: " + userKey + "}]}", "proxies trusted keys", ReloadAuth},
		{usersAC + "no_auth_user: a", "authorization {users: [{user: c}]}", "authorization users", ReloadAuth},

		{"", tlsWith(""), "tls timeout = 2s\ntls = enabled\nauthorization timeout = 3s", ReloadTLS | ReloadAuth},
		{tlsWith(""), "", "tls timeout = 0s\ntls = disabled\nauthorization timeout = 2s", ReloadTLS | ReloadAuth},
		{tlsWith(""), tlsWith(""), "", ReloadTLS},
		{tlsWith(""), tlsWith("verify: true"), "tls = enabled", ReloadTLS},
		{tlsWith(""), tlsWith("handshake_first: true"), "Client TLS handshake first: true", ReloadTLS},
		{tlsWith(""), tlsWith("handshake_first: auto"), "Client TLS handshake first: 50ms", ReloadTLS},
		{tlsWith(""), tlsWith("pinned_certs: [" + someDigest + "]"), "1 pinned_certs", ReloadTLS},
		{tlsWith(""), tlsWith("verify_and_map: true"), notReloadable("TLSMap", "false", "true"), 0},
		{tlsWith(""), tlsWith("connection_rate_limit: 5"), notReloadable("TLSRateLimit", "0", "5"), 0},

		{"", "port: 5", notReloadable("Port", "4222", "5"), 0},
		{"", "host: h", notReloadable("Host", "0.0.0.0", "h"), 0},
		{"", "server_name: x", notReloadable("ServerName", "", "x"), 0},
		{"", "feature_flags {x: true}", notReloadable("FeatureFlags", "map[]", "map[x:true]"), 0},
		{"", "log_size_limit: 1000", notReloadable("LogSizeLimit", "0", "1000"), 0},
		{"", "log_max_num: 5", notReloadable("LogMaxFiles", "0", "5"), 0},
		{"", "prof_port: -1", notReloadable("ProfPort", "0", "-1"), 0},
		{"", "http: 1", notReloadable("HTTPPort", "0", "1"), 0},
		{"", "http_base_path: \"/x\"", notReloadable("HTTPBasePath", "", "/x"), 0},
		{"", "max_subs: 5", notReloadable("MaxSubs", "0", "5"), 0},
		{"", "max_sub_tokens: 5", notReloadable("MaxSubTokens", "0", "5"), 0},
		{"", "max_pending: 5MB", notReloadable("MaxPending", "67108864", "5242880"), 0},
		{"", "max_closed_clients: 5", notReloadable("MaxClosedClients", "10000", "5"), 0},
		{"", "write_timeout: close", notReloadable("WriteTimeout", "default", "close"), 0},
		{"", `lame_duck_duration: "3m"`, notReloadable("LameDuckDuration", "2m0s", "3m0s"), 0},
		{"", `lame_duck_grace_period: "5s"`, notReloadable("LameDuckGracePeriod", "10s", "5s"), 0},
		{"", "no_sublist_cache: true", notReloadable("NoSublistCache", "false", "true"), 0},
		{"", "no_header_support: true", notReloadable("NoHeaderSupport", "false", "true"), 0},
		{"", "proxy_protocol: true", notReloadable("ProxyProtocol", "false", "true"), 0},
		{"", "allow_non_tls: true", notReloadable("AllowNonTLS", "false", "true"), 0},
		{"", "authorization {proxy_required: true}", notReloadable("ProxyRequired", "false", "true"), 0},
		{"", "no_system_account: true", notReloadable("NoSystemAccount", "false", "true"), 0},
		{"accounts [A, B]", "accounts [A, B]\nsystem_account: A", notReloadable("SystemAccount", "", "A"), 0},
		{usersAC + "no_auth_user: a", usersAC, notReloadable("NoAuthUser", "a", ""), 0},
		{usersAC, usersAC + "no_auth_user: a", notReloadable("NoAuthUser", "", "a"), 0},
		{usersAC + "no_auth_user: a", usersAC + "no_auth_user: c", notReloadable("NoAuthUser", "a", "c"), 0},

		{"cluster {port: 1}", "cluster {port: 2}", notReloadable("cluster port", "1", "2"), 0},
		{"", "cluster {port: 1}", notReloadable("cluster port", "0", "1"), 0},
		{"cluster {port: 1}", "", notReloadable("cluster port", "1", "0"), 0},
		{"jetstream {}\ncluster {name: a}", "jetstream {}\ncluster {name: b}", "config reload not supported for cluster name of a server with JetStream", 0},
		{"cluster {port: 1}", "cluster {listen: \"h:1\"}", notReloadable("cluster host", "0.0.0.0", "h"), 0},
		{"cluster {name: a}", "cluster {name: b}", "cluster", ReloadCluster},
		{"cluster {}", "cluster {authorization {user: a, password: b}}", "cluster", ReloadCluster},
		{"cluster {permissions {import: a}}", "cluster {permissions {import: b}}", "cluster", ReloadCluster},
		{"cluster {}", "cluster {pool_size: 5, compression: on, accounts: [A]}", "cluster", ReloadCluster},
		{"cluster {}", "cluster {no_advertise: true, advertise: \"h:1\"}", "cluster", ReloadCluster},
		{
			"cluster {routes: [\"nats://a:1\"]}", "cluster {routes: [\"nats://a:1\", \"nats://b:1\"]}",
			"cluster routes", ReloadRoutes,
		},
		{"cluster {routes: [\"nats://a:1\"]}", "cluster {routes: [\"tls://a:1\"]}", "", 0},
		{"cluster {}", clusterTLS(pair, ""), "cluster", ReloadCluster},
		{clusterTLS(pair, ""), clusterTLS(pair, ""), "", ReloadCluster},
		{"", "connect_error_reports: 5\nreconnect_error_reports: 6", "connect_error_reports = 5\nreconnect_error_reports = 6", ReloadCluster},

		{"", "jetstream {domain: d, max_mem: 5}", "JetStream\nJetStream max_mem_store = 5 B", ReloadJetStream},
		{"jetstream {domain: d, max_mem: 5}", "jetstream: false", "JetStream", ReloadJetStream},
		{"jetstream: off\nstore_dir: d", "jetstream: off\nstore_dir: e", "", ReloadJetStream},
		{"jetstream {max_mem: 5}", "jetstream {max_mem: 6}", "JetStream max_mem_store = 6 B", ReloadJetStream},
		{"jetstream {max_mem: 5}", "jetstream {max_mem: 4}", decreasing, 0},
		{"jetstream {max_mem: 5}", "jetstream {}", dynamic, 0},
		{"jetstream {}", "jetstream {max_mem: 5}", dynamic, 0},
		{"jetstream {max_file: 5}", "jetstream {max_file: 1K}", "JetStream max_file_store = 1000 B", ReloadJetStream},
		{"jetstream {max_file: 5}", "jetstream {max_file: 4}", decreasing, 0},
		{"jetstream {}", "jetstream {max_file: 5}", dynamic, 0},
		{"jetstream {}", "jetstream {limits {max_ack_pending: 5}}", "JetStream limits", ReloadJetStream},
		{"jetstream {limits {batch {timeout: 5s}}}", "jetstream {}", "JetStream limits", ReloadJetStream},
		{"jetstream {}", "jetstream {meta_compact: 5}", "JetStream meta_compact", ReloadJetStream},
		{"jetstream {meta_compact_size: 5}", "jetstream {meta_compact_sync: true}", "JetStream meta_compact", ReloadJetStream},
		{"jetstream {}", "jetstream {store_dir: d}", "config reload not supported for jetstream storage directory", 0},
		{"jetstream {domain: d}", "jetstream {domain: e}", notReloadable("JetStreamDomain", "d", "e"), 0},
		{"jetstream {}", "jetstream {strict: false}", notReloadable("NoJetStreamStrict", "false", "true"), 0},
		{"jetstream {}", `jetstream {sync: "5s"}`, notReloadable("SyncInterval", "0s", "5s"), 0},
		{"jetstream {key: a}", "jetstream {key: b}", notReloadable("JetStreamKey", "[hidden]", "[hidden]"), 0},
		{"jetstream {key: a}", "jetstream {key: a, prev_key: b}", notReloadable("JetStreamOldKey", "[hidden]", "[hidden]"), 0},
		{"jetstream {}", "jetstream {cipher: aes}", notReloadable("JetStreamCipher", "chacha", "aes"), 0},
		{"jetstream {}", "jetstream {unique_tag: az}", notReloadable("JetStreamUniqueTag", "", "az"), 0},
		{"jetstream {}", "jetstream {extension_hint: no_extend}", notReloadable("JetStreamExtHint", "", "no_extend"), 0},
		{"jetstream {}", "jetstream {request_queue_limit: 5}", notReloadable("JetStreamRequestQueueLimit", "10000", "5"), 0},
		{"jetstream {}", "jetstream {info_queue_limit: 5}", notReloadable("JetStreamInfoQueueLimit", "10000", "5"), 0},
		{"jetstream {}", "jetstream {max_concurrent_io: 5}", notReloadable("JetStreamConcurrentIOs", "4096", "5"), 0},
		{"jetstream {}", "jetstream {max_buffered_msgs: 5}", notReloadable("StreamMaxBufferedMsgs", "0", "5"), 0},
		{"jetstream {}", "jetstream {max_buffered_size: 5}", notReloadable("StreamMaxBufferedSize", "0", "5"), 0},
		{"jetstream {}", "jetstream {max_outstanding_catchup: 5}", notReloadable("JetStreamMaxCatchup", "0", "5"), 0},
		{"accounts {A {}}", "accounts {A {jetstream: enabled}}", "accounts", ReloadAccounts | ReloadAuth},
		{
			"accounts {A {jetstream {max_mem: 5}}}", "accounts {A {jetstream {max_mem: 4, cluster_traffic: owner}}}",
			"accounts", ReloadAccounts | ReloadAuth,
		},
	} {
		t.Run(test.old+" -> "+test.new, func(t *testing.T) {
			changes, err := Diff(parsed(t, test.old), parsed(t, test.new))
			var got []string
			if err != nil {
				got = append(got, err.Error())
				changes = new(Changes)
			}
			for _, c := range changes.List {
				got = append(got, c.String())
			}
			if strings.Join(got, "\n") != test.want || changes.Effects != test.effects {
				t.Errorf("got %q, effects %b; want %q, %b", got, changes.Effects, test.want, test.effects)
			}
			if test.effects != 0 && !changes.Has(test.effects) || changes.Has(^test.effects) {
				t.Error("Has contradicts Effects")
			}
		})
	}
}

func notReloadable(field, old, new string) string {
	return fmt.Sprintf("config reload not supported for %s: old=%s, new=%s", field, old, new)
}

// parsed allows an empty text.
func parsed(t *testing.T, text string) *Options {
	t.Helper()
	o, _, err := FromBytes([]byte("logtime_utc: false\n"+text), "f.conf")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// No text that a reload prints holds a secret.
func TestDiffKeepsSecrets(t *testing.T) {
	const secret = "hunter2"
	old, secretive := New(), filled()
	secretive.Auth.Password, secretive.Auth.Token = secret, secret
	secretive.Auth.Users[0].Password = secret
	secretive.Accounts[0].Users[0].Password = secret
	secretive.Log.RemoteSyslog = "tcp://u:" + secret + "@h:1"
	secretive.Cluster.Auth.Password, secretive.Cluster.Routes[0].Password = secret, secret
	secretive.JetStream.Key, secretive.JetStream.PrevKey = secret, secret
	for _, r := range reloadTable {
		if (r.effects == 0 || r.fixed != nil) && strings.Contains(fmt.Sprint(r.get(secretive)), secret) {
			t.Errorf("%s prints a secret when it is not reloadable", r.field)
		}
		if r.notice != nil && strings.Contains(r.notice(secretive).String(), secret) {
			t.Errorf("%s prints a secret", r.field)
		}
	}
	if _, err := Diff(old, secretive); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

func TestReparse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.conf")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("port: 1\nserver_name: file")
	first, _, err := FromFile(path, func(o *Options) { o.Port = 2 })
	if err != nil || first.Port != 2 || first.ServerName != "file" || first.ConfigFile != path {
		t.Fatalf("options %+v, error %v", first, err)
	}
	before := *first

	write("port: 3\nserver_name: changed\nping_interval: 5")
	second, warnings, err := first.Reparse()
	if err != nil || second.Port != 2 || second.ServerName != "changed" || len(warnings) != 1 || second.ConfigDigest == first.ConfigDigest {
		t.Errorf("options %+v, warnings %v, error %v", second, warnings, err)
	}
	before.overrides, first.overrides = nil, nil
	if !reflect.DeepEqual(&before, first) {
		t.Error("the options that were read again have changed")
	}

	write("server_name: third")
	if third, _, err := second.Reparse(); err != nil || third.Port != 2 || third.ServerName != "third" {
		t.Errorf("options %+v, error %v", third, err)
	}
	for text, want := range map[string]string{
		"bogus: 1":                       path + `:1:0: unknown field "bogus"`,
		"max_pending: 5":                 "max_payload (1048576) cannot be higher than max_pending (5)",
		"cluster {port: 70000}":          "cluster port 70000 is not a port",
		"no_auth_user: a\nhost: a\nx: 5": path + `:3:1: unknown field "x"`,
	} {
		write(text)
		if _, _, err := second.Reparse(); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
	if _, _, err := New().Reparse(); !errors.Is(err, ErrNoConfigFile) {
		t.Errorf("without a file: %v", err)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KB", 10_000_000: "9.54 MB", 50903906304: "47.41 GB", 1 << 40: "1.00 TB", 1<<63 - 1: "8.00 EB",
	} {
		if got := Size(n); got != want {
			t.Errorf("%d is shown as %q, want %q", n, got, want)
		}
	}
}
