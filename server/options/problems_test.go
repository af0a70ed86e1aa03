package options

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/testcert"
)

// problemTest is a text and its problems, in the form operators see them.
type problemTest struct {
	name, text string
	want       string
}

var problemTests = slices.Concat(jetStreamProblemTests, clusterProblemTests, sharingProblemTests, []problemTest{
	{"unknown key", "port: 1\nbogus: 1", `f.conf:2:1: unknown field "bogus"`},
	{
		"all problems at once, warnings first", "port: x\nbogus { a: 1 }\nping_interval: 5\nhost: 1",
		`f.conf:3:1: invalid use of field "ping_interval": ping_interval should be converted to a duration
		f.conf:1:0: interface conversion: interface {} is string, not int64
		f.conf:2:1: unknown field "bogus"
		f.conf:4:1: interface conversion: interface {} is int64, not string`,
	},
	{"unknown key of a block", "authorization {\n  foo: 1\n}", `f.conf:2:3: unknown field "foo"`},
	{"variables are case sensitive, others are keys", "foo = 5\nport: 1", `f.conf:1:0: unknown field "foo"`},

	{"bool", "debug: 1", `f.conf:1:0: interface conversion: interface {} is int64, not bool`},
	{"float for int", "port: 1.5", `f.conf:1:0: interface conversion: interface {} is float64, not int64`},
	{"size in quotes", `max_pending: "1MB"`, `f.conf:1:0: interface conversion: interface {} is string, not int64`},
	{"array for map", "tls: []", `f.conf:1:0: interface conversion: interface {} is []interface {}, not map[string]interface {}`},
	{"time for string", "server_name: 2026-01-02T03:04:05Z", `f.conf:1:0: interface conversion: interface {} is time.Time, not string`},

	{"listen without port", "listen: abc", `f.conf:1:0: could not parse address string "abc"`},
	{"listen with a name for a port", `listen: "h:abc"`, `f.conf:1:0: could not parse port "abc"`},
	{"listen with an empty port", `http: "h:"`, `f.conf:1:0: could not parse port ""`},
	{"listen of another kind", "https: true", `f.conf:1:0: expected port or host:port, got bool`},

	{"server name", `server_name: "a b"`, `f.conf:1:0: server name cannot contain spaces`},
	{"tags", "server_tags: 5", `f.conf:1:0: error parsing tags: unsupported type int64`},
	{"tag", "server_tags: [a\n true]", `f.conf:2:2: error parsing tags: unsupported type bool where string is expected`},
	{"metadata", "server_metadata: 5", `f.conf:1:0: error parsing metadata: unsupported type int64`},
	{"metadata value", "server_metadata {\na: 5\n}", `f.conf:2:1: interface conversion: interface {} is int64, not string`},
	{"feature flags", "feature_flags: 5", `f.conf:1:0: error parsing feature flags: unsupported type int64`},
	{"feature flag", "feature_flags {\nx: 5\n}", `f.conf:2:1: error parsing feature flag "x": expected bool, got int64`},

	{"no tokens", "max_sub_tokens: 0", `f.conf:1:0: max_sub_tokens value can not be negative`},
	{"many tokens", "max_sub_tokens: 256", `f.conf:1:0: max_sub_tokens value is too big`},
	{"control line", "max_control_line: 3GB", `f.conf:1:0: max_control_line value is too big`},
	{"payload", "max_payload: 3GB", `f.conf:1:0: max_payload value is too big`},

	{"duration", `ping_interval: "5x"`, `f.conf:1:0: error parsing ping_interval: time: unknown unit "x" in duration "5x"`},
	{"duration of another kind", "write_deadline: true", `f.conf:1:0: interface conversion: interface {} is bool, not int64`},
	{"seconds beyond all bounds", "write_deadline: 10000000000", `f.conf:1:0: error parsing write_deadline: 10000000000 seconds are too many`},
	{"write timeout", "write_timeout: CLOSE", `f.conf:1:0: write_timeout must be 'default', 'close' or 'retry'`},
	{"lame duck duration", `lame_duck_duration: "10s"`, `f.conf:1:0: invalid lame_duck_duration of 10s, minimum is 30 seconds`},
	{"lame duck duration as a number", `lame_duck_duration: 60`, `f.conf:1:0: interface conversion: interface {} is int64, not string`},
	{"lame duck duration of nonsense", `lame_duck_duration: x`, `f.conf:1:0: error parsing lame_duck_duration: time: invalid duration "x"`},
	{"lame duck grace period", `lame_duck_grace_period: "-1s"`, `f.conf:1:0: invalid lame_duck_grace_period, needs to be positive`},

	{"system account", "system_account: 1", `f.conf:1:0: system account name must be a string`},
	{"proxies", "proxies: 1", `f.conf:1:0: expected proxies to be a map/struct, got int64`},
	{"trusted proxies", "proxies {\ntrusted: 1\n}", `f.conf:2:1: expected proxies' trusted field to be an array, got int64`},
	{"trusted proxy", "proxies {\ntrusted: [a]\n}", `f.conf:2:11: expected proxies' trusted entry to be a map/struct, got string`},
	{"trusted proxy key", "proxies {\ntrusted: [{key: foo}]\n}", `f.conf:2:12: invalid proxy key "foo"`},
	{"trusted proxy without key", "proxies {\ntrusted: [{}]\n}", `f.conf:2:11: invalid proxy key ""`},

	{"authorization", "authorization: 1", `f.conf:1:0: interface conversion: interface {} is int64, not map[string]interface {}`},
	{"user and token", "\nauthorization { user: a, password: b, token: c }", `f.conf:2:1: Cannot have a user/pass and token`},
	{"user and users", "\nauthorization { user: a, users: [] }", `f.conf:2:1: Can not have a single user/pass and a users array`},
	{"token and users", "\nauthorization { token: a, users: [{user: b}] }", `f.conf:2:1: Can not have a token and a users array`},
	{"token and users of an account", "accounts { A { users: [{user: b}] } }\nauthorization { token: a }", `f.conf:2:1: Can not have a token and a users array`},
	{"timeout", "authorization {\ntimeout: x\n}", `f.conf:2:1: error parsing authorization config, 'timeout' time: invalid duration "x"`},
	{"timeout of another kind", "authorization {\ntimeout: true\n}", `f.conf:2:1: error parsing authorization config, 'timeout' wrong type`},
	{"timeout beyond all bounds", "authorization {\ntimeout: 10000000000\n}", `f.conf:2:1: error parsing authorization config, 'timeout' 10000000000 seconds are too many`},
	{
		"long timeout", "authorization {\ntimeout: 90s\n}",
		`f.conf:2:1: invalid use of field "timeout": timeout of 90s (90.000000 seconds) is high, consider keeping it under 60 seconds. possibly caused by unquoted duration; use '1m' instead of 1m, for example`,
	},
	{"users", "authorization {\nusers: 1\n}", `f.conf:2:1: Expected users field to be an array, got 1`},
	{"user entry", "authorization {\nusers: [a]\n}", `f.conf:2:9: Expected user entry to be a map/struct, got a`},
	{"user without a name", "authorization {\nusers: [{password: a}]\n}", `f.conf:2:9: User entry requires a user`},
	{"nkey", "authorization {\nusers: [{nkey: a}]\n}", `f.conf:2:9: Not a valid public nkey for a user`},
	{"nkey of an account", "authorization {\nusers: [{nkey: " + accountKey + "}]\n}", `f.conf:2:9: Not a valid public nkey for a user`},
	{"nkey and user", "authorization {\nusers: [{nkey: " + userKey + ", user: a}]\n}", `f.conf:2:9: Nkey users do not take usernames or passwords`},
	{"user twice", "authorization {\nusers: [{user: a}\n{user: a}]\n}", `f.conf:3:1: Duplicate user "a" detected`},
	{"nkey twice", "authorization {\nusers: [{nkey: " + userKey + "}\n{nkey: " + userKey + "}]\n}", `f.conf:3:1: Duplicate nkey "` + userKey + `" detected`},
	{"user of two accounts", "accounts {\nA { users: [{user: a}] }\nB { users: [{user: a}] }\n}", `f.conf:3:13: Duplicate user "a" detected`},
	{"connection types", "authorization { users: [{user: a\nclients: 5\n}] }", `f.conf:2:1: error parsing allowed connection types: unsupported type int64`},
	{"connection type of another kind", "authorization { users: [{user: a\nclients: [true]\n}] }", `f.conf:2:11: error parsing allowed connection types: unsupported type in array bool`},
	{"connection type", "authorization { users: [{user: a\nclients: [foo]\n}] }", `f.conf:2:11: unknown connection type "foo"`},

	{"permissions", perms("permissions: 1"), `f.conf:2:1: Expected permissions to be a map/struct, got 1`},
	{"permission", perms("permissions: {\nfoo: 1\n}"), `f.conf:3:1: Unknown field "foo" parsing permissions`},
	{"subjects", perms("permissions: {\npublish: 1\n}"), `f.conf:3:1: Expected subject permissions to be a subject, or array of subjects, got int64`},
	{"subject of another kind", perms("permissions: {\npublish: [1.5, x]\n}"), `f.conf:3:11: Subject in permissions array cannot be cast to string`},
	{"subject", perms("permissions: {\npublish: a..b\n}"), `f.conf:3:1: subject "a..b" is not a valid subject`},
	{"empty subject", perms("permissions: {\nsubscribe: [\"\"]\n}"), `f.conf:3:14: subject "" is not a valid subject`},
	{"queue to publish", perms("permissions: {\npublish: \"a q\"\n}"), `f.conf:3:1: subject "a q" is not a valid subject`},
	{"two queues", perms("permissions: {\nsubscribe: \"a b c\"\n}"), `f.conf:3:1: subject "a b c" is not a valid subject`},
	{"subject before queue", perms("permissions: {\nsubscribe: \"a..b c\"\n}"), `f.conf:3:1: subject "a..b" is not a valid subject`},
	{"queue", perms("permissions: {\nsubscribe: {allow: \"a b..c\"}\n}"), `f.conf:3:13: queue "b..c" is not a valid queue`},
	{
		"subject list", perms("permissions: {\nsubscribe: {foo: a}\n}"),
		`f.conf:3:13: Unknown field name "foo" parsing subject permissions, only 'allow' or 'deny' are permitted`,
	},
	{
		"map in a subject list", perms("permissions: {\npublish: {deny: {}}\n}"),
		`f.conf:3:11: Expected subject permissions to be a subject, or array of subjects, got map[string]interface {}`,
	},
	{"responses", perms("permissions: {\nallow_responses: 5\n}"), `f.conf:3:1: error parsing response permissions, expected a boolean or a map`},
	{"responses key", perms("permissions: {\nallow_responses: {foo: 1}\n}"), `f.conf:3:19: Unknown field "foo" parsing permissions`},
	{"response count", perms("permissions: {\nallow_responses: {max: a}\n}"), `f.conf:3:19: interface conversion: interface {} is string, not int64`},
	{"response time", perms("permissions: {\nallow_responses: {ttl: 5}\n}"), `f.conf:3:19: error parsing expires, not a duration string`},
	{"response time of nonsense", perms("permissions: {\nallow_responses: {ttl: x}\n}"), `f.conf:3:19: error parsing expires: time: invalid duration "x"`},

	{"accounts", "accounts: 1", `f.conf:1:0: Expected accounts to be a map/struct or an array, got int64`},
	{"account name of another kind", "accounts: [A\n5.5]", `f.conf:2:1: interface conversion: interface {} is float64, not string`},
	{"account", "accounts {\nA: 1\n}", `f.conf:2:1: Expected map entries for accounts`},
	{"account twice", "accounts: [A\nA]", `f.conf:2:1: Duplicate Account Entry: A`},
	{"global account", "accounts {\n$G {}\n}", `f.conf:2:1: "$G" is a Reserved Account`},
	{"account without a name", "accounts {\n\"\" {}\n}", `f.conf:2:2: an account needs a name`},
	{"account key", account("foo: 1"), `f.conf:2:1: unknown field "foo"`},
	{"account nkey", account("nkey: foo"), `f.conf:2:1: Not a valid public nkey for an account: "foo"`},
	{"account nkey of another kind", account("nkey: 5"), `f.conf:2:1: Not a valid public nkey for an account: "5"`},
	{"account limits", account("limits: 5"), `f.conf:2:1: Expected account limits to be a map/struct, got 5`},
	{"account limit", account("limits { foo: 5 }"), `f.conf:2:10: Unknown field "foo" parsing account limits`},
	{"account trace", account("msg_trace: 5"), `f.conf:2:1: Expected account message trace "msg_trace" to be a string or a map/struct, got int64`},
	{"account trace subject", account("trace_dest: \"a.*\""), `f.conf:2:1: Trace destination "a.*" is not valid`},
	{"account trace subject of another kind", account("msg_trace { dest: 5 }"), `f.conf:2:13: Field "dest" should be a string, got int64`},
	{"account trace sampling", account("msg_trace { dest: a, sampling: 0 }"), `f.conf:2:22: Trace destination sampling value 0 is invalid, needs to be [1..100]`},
	{"account trace sampling in percent", account("msg_trace { dest: a, sampling: 101% }"), `f.conf:2:22: Trace destination sampling value 101 is invalid, needs to be [1..100]`},
	{"account trace sampling of nonsense", account("msg_trace { dest: a, sampling: x }"), `f.conf:2:22: Invalid trace destination sampling value "x"`},
	{
		"account trace sampling of another kind", account("msg_trace { dest: a, sampling: 1.5 }"),
		`f.conf:2:22: Trace destination sampling field "sampling" should be an integer or a percentage, got float64`,
	},
	{"account trace key", account("msg_trace { dest: a, foo: 5 }"), `f.conf:2:22: Unknown field "foo" parsing account message trace map/struct "msg_trace"`},
	{
		"account trace without a subject", account("msg_trace { sampling: 5 }"),
		`f.conf:2:1: invalid use of field "msg_trace": Trace destination sampling ignored since no destination was set`,
	},

	{"mappings", "mappings: 5", `f.conf:1:0: interface conversion: interface {} is int64, not map[string]interface {}`},
	{"mapping", "mappings {\nfoo: 5\n}", `f.conf:2:1: Expected an entry for the mapping destination`},
	{"mapping in a list", "mappings {\nfoo: [x]\n}", `f.conf:2:7: Expected an entry for the mapping destination`},
	{"mapping source", "mappings {\n\"foo..a\": bar\n}", `f.conf:2:2: Subject "foo..a" is not a valid subject`},
	{"mapping destination", "mappings {\nfoo: \"bar..a\"\n}", `f.conf:2:1: Error adding mapping for "foo" to "bar..a" : invalid mapping destination: invalid transform`},
	{"mapping wildcard", "mappings {\nfoo.*: bar.$2\n}", `f.conf:2:1: Error adding mapping for "foo.*" to "bar.$2" : invalid mapping destination: wildcard index out of range in $2: [2]`},
	{"mapping function", "mappings {\nfoo.*: [{dest: \"bar.{{foo(1)}}\", weight: 5}]\n}", `f.conf:2:1: Error adding mapping for "foo.*" : invalid mapping destination: unknown function in {{foo(1)}}`},
	{"mapping without weight", "mappings {\nfoo: [{dest: bar}]\n}", `f.conf:2:7: Missing weight for mapping destination "bar"`},
	{"mapping of one without weight", "mappings {\nfoo: {dest: bar}\n}", `f.conf:2:1: Missing weight for mapping destination "bar"`},
	{"mapping weight", "mappings {\nfoo: [{dest: bar, weight: 101}]\n}", `f.conf:2:19: Invalid weight 101 for mapping destination`},
	{"mapping weight of nonsense", "mappings {\nfoo: [{dest: bar, weight: x}]\n}", `f.conf:2:19: Invalid weight "x" for mapping destination`},
	{"mapping weight of another kind", "mappings {\nfoo: [{dest: bar, weight: 1.5}]\n}", `f.conf:2:19: Unknown entry type for weight of 1.5`},
	{"mapping weights", "mappings {\nfoo: [{dest: bar, weight: 50%}, {dest: baz, weight: 60}]\n}", `f.conf:2:1: Error adding mapping for "foo" : total weight needs to be <= 100`},
	{"mapping twice", "mappings {\nfoo: [{dest: bar, weight: 50}, {dest: bar, weight: 50}]\n}", `f.conf:2:1: Error adding mapping for "foo" : duplicate entry for "bar"`},
	{"mapping key", "mappings {\nfoo: [{dest: bar, weight: 50, foo: 5}]\n}", `f.conf:2:31: Unknown field "foo" for mapping destination`},
	{"mapping cluster", "mappings {\nfoo: [{dest: bar, weight: 50, cluster: 5}]\n}", `f.conf:2:31: interface conversion: interface {} is int64, not string`},

	{"tls key", tlsText("foo: 1"), `f.conf:2:1: error parsing tls config, unknown field "foo"`},
	{"tls file", tlsText("cert_file: 1"), `f.conf:2:1: error parsing tls config, expected 'cert_file' to be filename`},
	{"tls without key", tlsText("cert_file: x"), `f.conf:1:0: missing 'key_file' in TLS configuration`},
	{"tls without certificate", tlsText("key_file: x"), `f.conf:1:0: missing 'cert_file' in TLS configuration`},
	{"tls verify", tlsText("verify: 1"), `f.conf:2:1: error parsing tls config, expected 'verify' to be a boolean`},
	{"tls map", tlsText("verify_and_map: 1"), `f.conf:2:1: error parsing tls config, expected 'verify_and_map' to be a boolean`},
	{"tls insecure", tlsText("insecure: 1"), `f.conf:2:1: error parsing tls config, expected 'insecure' to be a boolean`},
	{"tls known urls", tlsText("verify_cert_and_check_known_urls: true"), `f.conf:2:1: verify_cert_and_check_known_urls not supported in this context`},
	{"tls timeout", tlsText("timeout: x"), `f.conf:2:1: error parsing tls config, 'timeout' time: invalid duration "x"`},
	{"tls timeout of another kind", tlsText("timeout: []"), `f.conf:2:1: error parsing tls config, 'timeout' wrong type`},
	{"tls version of another kind", tlsText("min_version: 1.2"), `f.conf:2:1: error parsing tls config: 'min_version' wrong type: 1.2`},
	{"tls old version", tlsText(`min_version: "1.1"`), `f.conf:2:1: error parsing tls config: unsupported TLS version: TLS 1.1`},
	{"tls version", tlsText("min_version: TLS1.2"), `f.conf:2:1: error parsing tls config: unknown version: TLS1.2`},
	{"tls ciphers", tlsText("cipher_suites: 1"), `f.conf:2:1: interface conversion: interface {} is int64, not []interface {}`},
	{"tls no ciphers", tlsText("cipher_suites: []"), `f.conf:2:1: error parsing tls config, 'cipher_suites' cannot be empty`},
	{"tls cipher", tlsText("cipher_suites: [foo]"), `f.conf:2:17: unrecognized cipher foo`},
	{"tls cipher of another kind", tlsText("cipher_suites: [5.5]"), `f.conf:2:17: interface conversion: interface {} is float64, not string`},
	{
		"tls insecure cipher", tlsText("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
		`f.conf:1:0: insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: TLS_RSA_WITH_RC4_128_SHA`,
	},
	{"tls no curves", tlsText("curve_preferences: []"), `f.conf:2:1: error parsing tls config, 'curve_preferences' cannot be empty`},
	{"tls curve", tlsText("curve_preferences: [foo]"), `f.conf:2:21: unrecognized curve preference foo`},
	{
		"tls pins", tlsText("pinned_certs: 1"),
		`f.conf:2:1: error parsing tls config, expected 'pinned_certs' to be a list of hex-encoded sha256 of DER encoded SubjectPublicKeyInfo`,
	},
	{
		"tls pin", tlsText("pinned_certs: [foo]"),
		`f.conf:2:16: error parsing tls config, 'pinned_certs' key foo does not look like hex-encoded sha256 of DER encoded SubjectPublicKeyInfo`,
	},
	{"tls handshake", tlsText("handshake_first: foo"), `f.conf:2:1: field "handshake_first"'s value "foo" is invalid`},
	{"tls handshake of another kind", tlsText("first: 5"), `f.conf:2:1: field "first" should be a boolean or a string, got int64`},
	{"tls rate", tlsText("connection_rate_limit: x"), `f.conf:2:1: error parsing tls config, 'connection_rate_limit' wrong type`},
	{"tls certs", tlsText("certs: 5"), `f.conf:2:1: error parsing certificates config: unsupported type int64`},
	{"tls pair", tlsText("certs: [5.5]"), `f.conf:2:9: error parsing certificates config: unsupported type float64`},
	{"tls half a pair", tlsText("certs: [{cert_file: x}]"), `f.conf:2:9: error parsing certificates config: both 'cert_file' and 'cert_key' options are required`},
	{"tls pair key", tlsText("certs: [{cert_file: x, key_file: y, foo: 1}]"), `f.conf:2:37: error parsing certificates config, unknown field "foo"`},
	{"tls pair file", tlsText("certs: [{cert_file: 1}]"), `f.conf:2:10: error parsing certificates config: unsupported type int64`},
	{
		"tls certs and file", tlsText("cert_file: x, key_file: y, certs: [{cert_file: x, key_file: y}]"),
		`f.conf:1:0: error parsing tls config, cannot combine 'cert_file' option with 'certs' option`,
	},
})

// The helpers put the text at the beginning of line 2.

func perms(text string) string {
	return "authorization { users: [{user: a\n" + text + "\n}] }"
}

func account(text string) string { return "accounts { A {\n" + text + "\n} }" }

func tlsText(text string) string { return "tls {\n" + text + "\n}" }

func TestProblems(t *testing.T) {
	for _, test := range problemTests {
		t.Run(test.name, func(t *testing.T) {
			_, warnings, err := FromBytes([]byte(test.text), "f.conf")
			got := warnings.String()
			if err != nil {
				if _, ok := errors.AsType[*ConfigError](err); !ok {
					t.Fatalf("error %v is a %T", err, err)
				}
				got = err.Error()
			}
			want := strings.ReplaceAll(test.want, "\t", "")
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestWarningsAloneAreNoError(t *testing.T) {
	o, warnings, err := FromBytes([]byte("port: 1\nping_interval: 5"), "f.conf")
	if err != nil || o.Port != 1 || o.PingInterval.Seconds() != 5 {
		t.Fatalf("options %+v, error %v", o, err)
	}
	const want = `f.conf:2:1: invalid use of field "ping_interval": ping_interval should be converted to a duration`
	if got := warnings.String(); got != want {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

func TestTLSFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "ca")
	certFile, keyFile := ca.Server(t, "a").WriteFiles(t, dir)
	_, otherKey := ca.Server(t, "b").WriteFiles(t, t.TempDir())
	for _, test := range []struct{ name, text, want string }{
		{"missing", `cert_file: "` + dir + `/nothing.pem", key_file: "x"`, "no such file"},
		{"of another pair", `cert_file: "` + certFile + `", key_file: "` + otherKey + `"`, certFile},
		{"missing authority", `cert_file: "` + certFile + `", key_file: "` + keyFile + `", ca_file: "` + dir + `/nothing.pem"`, "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := FromBytes([]byte("\ntls { "+test.text+" }"), "f.conf")
			if err == nil || !strings.HasPrefix(err.Error(), "f.conf:2:1: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one at f.conf:2:1 with %q", err, test.want)
			}
		})
	}
}

func TestUnsupported(t *testing.T) {
	at := func(block, text string) string {
		switch block {
		case blockAuthorization:
			return "authorization {\n" + text + "\n}"
		case blockAccount:
			return account(text)
		case blockTLS:
			return tlsText(text)
		case blockJetStream:
			return "jetstream {\n" + text + "\n}"
		}
		return "\n" + text
	}
	// What is not about a feature as such.
	values := map[string]string{
		"ocsp": "true", "ocsp_cache": "local",
	}
	for _, u := range unsupportedKeys {
		for key := range strings.FieldsSeq(u.names) {
			value, ok := values[key]
			if !ok {
				value = "{ a: b }"
			}
			_, _, err := FromBytes([]byte(at(u.block, key+": "+value)), "f.conf")
			want := `f.conf:2:1: "` + key + `": ` + u.feature + " is not supported by this version of nats-lite"
			if err == nil || err.Error() != want {
				t.Errorf("%s: error %v, want %s", key, err, want)
			}
		}
	}

	for _, test := range []struct{ block, text string }{
		{"", "default_js_domain {}"},
		{"", "ocsp: false"},
		{"", "ocsp { mode: never }"},
		{"", "ocsp_cache: false"},
		{"", "ocsp_cache { type: none }"},
		{blockJetStream, "tpm {}"},
	} {
		if _, _, err := FromBytes([]byte(at(test.block, test.text)), "f.conf"); err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
	}

	for _, test := range []struct{ text, want string }{
		{"ocsp: 5", "error parsing ocsp config: unsupported type int64"},
	} {
		if _, _, err := FromBytes([]byte(test.text), "f.conf"); err == nil || err.Error() != "f.conf:1:0: "+test.want {
			t.Errorf("%s: error %v, want %s", test.text, err, test.want)
		}
	}
}
