package options

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var jetStreamKeyTests = slices.Concat(
	[]keyTest{
		{`jetstream: true`, jetStreamWith(func(*JetStream) {})},
		{`jetstream: on`, jetStreamWith(func(*JetStream) {})},
		{`jetstream: enabled`, jetStreamWith(func(*JetStream) {})},
		{`JetStream: Enable`, jetStreamWith(func(*JetStream) {})},
		{`jetstream {}`, jetStreamWith(func(*JetStream) {})},
		{`jetstream: false`, func(*Options) {}},
		{`jetstream: off`, func(*Options) {}},
		{`jetstream: disabled`, func(*Options) {}},
		{`jetstream: "DISABLE"`, func(*Options) {}},
		{"jetstream: true\nJetStream: false", func(*Options) {}},

		{`store_dir: "/d"`, func(o *Options) { o.JetStream.StoreDir = "/d" }},
		{`storedir: "/d"`, func(o *Options) { o.JetStream.StoreDir = "/d" }},
		{"store_dir: d\njetstream { domain: x }", jetStreamWith(func(j *JetStream) { j.StoreDir, j.Domain = "d", "x" })},
		{"jetstream { store_dir: d }\njetstream: enabled", jetStreamWith(func(*JetStream) {})},
		{"store_dir: d\njetstream: enabled", jetStreamWith(func(j *JetStream) { j.StoreDir = "d" })},
	},
	jetStreamKey("enabled enable", `true`, func(*JetStream) {}),
	jetStreamKey("enabled enable", `false`, func(j *JetStream) { j.Enabled = false }),
	jetStreamKey("domain", `x, enabled: no`, func(j *JetStream) { j.Enabled, j.Domain = false, "x" }),
	jetStreamKey("store_dir store storedir", `"/d"`, func(j *JetStream) { j.StoreDir = "/d" }),

	jetStreamKey("max_memory_store max_mem_store max_mem", `4G`, func(j *JetStream) { j.MaxMemory = 4_000_000_000 }),
	jetStreamKey("max_mem", `4GB`, func(j *JetStream) { j.MaxMemory = 4 << 30 }),
	jetStreamKey("max_mem", `"4G"`, func(j *JetStream) { j.MaxMemory = 4 << 30 }),
	jetStreamKey("max_mem", `0`, func(j *JetStream) { j.MaxMemory = 0 }),
	jetStreamKey("max_mem", `-5`, func(*JetStream) {}),
	jetStreamKey("max_mem", `"-4G"`, func(*JetStream) {}),
	jetStreamKey("max_file_store max_file", `"4T"`, func(j *JetStream) { j.MaxStore = 4 << 40 }),
	jetStreamKey("max_file", `"3M"`, func(j *JetStream) { j.MaxStore = 3 << 20 }),
	jetStreamKey("max_file", `"2K"`, func(j *JetStream) { j.MaxStore = 2048 }),
	jetStreamKey("max_file", `-1`, func(*JetStream) {}),

	jetStreamKey("domain", `hub`, func(j *JetStream) { j.Domain = "hub" }),
	jetStreamKey("domain", `""`, func(*JetStream) {}),
	jetStreamKey("strict", `false`, func(j *JetStream) { j.Strict = false }),
	jetStreamKey("strict", `true`, func(*JetStream) {}),
	jetStreamKey("sync_interval sync", `"2m"`, func(j *JetStream) { j.SyncInterval = 2 * time.Minute }),
	jetStreamKey("sync_interval sync", `always`, func(*JetStream) {}),
	jetStreamKey("sync", `ALWAYS`, func(*JetStream) {}),
	jetStreamKey("key ek encryption_key", `k`, func(j *JetStream) { j.Key = "k" }),
	jetStreamKey("prev_key prev_ek prev_encryption_key", `k`, func(j *JetStream) { j.PrevKey = "k" }),
	jetStreamKey("cipher", `AES`, func(j *JetStream) { j.Cipher = CipherAES }),
	jetStreamKey("cipher", `chacha`, func(*JetStream) {}),
	jetStreamKey("cipher", `ChaChaPoly`, func(*JetStream) {}),
	jetStreamKey("unique_tag", `" Az: "`, func(j *JetStream) { j.UniqueTag = "az:" }),
	jetStreamKey("extension_hint", `will_extend`, func(j *JetStream) { j.ExtensionHint = "will_extend" }),

	jetStreamKey("request_queue_limit", `7`, func(j *JetStream) { j.RequestQueueLimit, j.InfoQueueLimit = 7, 7 }),
	jetStreamKey("request_queue_limit", `7, info_queue_limit: 5`, func(j *JetStream) { j.RequestQueueLimit, j.InfoQueueLimit = 7, 5 }),
	jetStreamKey("info_queue_limit", `5, request_queue_limit: 7`, func(j *JetStream) { j.RequestQueueLimit, j.InfoQueueLimit = 7, 5 }),
	jetStreamKey("request_queue_limit", `-4`, func(*JetStream) {}),
	jetStreamKey("info_queue_limit", `0`, func(*JetStream) {}),
	jetStreamKey("max_concurrent_io", `4`, func(j *JetStream) { j.MaxConcurrentIO = 4 }),
	jetStreamKey("max_concurrent_io", `8192`, func(j *JetStream) { j.MaxConcurrentIO = 8192 }),
	jetStreamKey("max_buffered_msgs", `10`, func(j *JetStream) { j.MaxBufferedMsgs = 10 }),
	jetStreamKey("max_buffered_msgs", `-1`, func(*JetStream) {}),
	jetStreamKey("max_buffered_size", `"1M"`, func(j *JetStream) { j.MaxBufferedSize = 1 << 20 }),
	jetStreamKey("max_buffered_size", `-1`, func(*JetStream) {}),
	jetStreamKey("max_outstanding_catchup", `1MB`, func(j *JetStream) { j.MaxOutstandingCatchup = 1 << 20 }),
	jetStreamKey("max_outstanding_catchup", `-1`, func(*JetStream) {}),
	jetStreamKey("meta_compact", `5`, func(j *JetStream) { j.MetaCompact = 5 }),
	jetStreamKey("meta_compact_size", `"5K"`, func(j *JetStream) { j.MetaCompactSize = 5120 }),
	jetStreamKey("meta_compact_sync", `true`, func(j *JetStream) { j.MetaCompactSync = true }),

	jetStreamKey("limits", `{}`, func(*JetStream) {}),
	jetStreamKey("limits", `{ max_ack_pending: 1, max_ha_assets: 2, max_request_batch: 3, duplicate_window: "4m", default_max_consumers: 5 }`,
		func(j *JetStream) {
			j.Limits = JetStreamLimits{
				MaxAckPending: 1, MaxHAAssets: 2, MaxRequestBatch: 3, DuplicateWindow: 4 * time.Minute, DefaultMaxConsumers: 5,
			}
		}),
	jetStreamKey("limits", `{ max_ack_pending: -1, max_ha_assets: -1, max_request_batch: -1, duplicate_window: "-1s", default_max_consumers: -7 }`,
		func(j *JetStream) { j.Limits = JetStreamLimits{DefaultMaxConsumers: -1} }),
	jetStreamKey("limits", `{ default_max_consumers: 0 }`, func(*JetStream) {}),
	jetStreamKey("limits", `{ batch { max_inflight_per_stream: 1, max_inflight_total: 2, max_msgs: 3, timeout: "4s" } }`, func(j *JetStream) {
		j.Limits.Batch = BatchLimits{MaxInflightPerStream: 1, MaxInflightTotal: 2, MaxMsgs: 3, Timeout: 4 * time.Second}
	}),
	jetStreamKey("limits", `{ batch { max_inflight_per_stream: -1, max_inflight_total: -1, max_msgs: -1, timeout: "-4s" } }`, func(*JetStream) {}),
	jetStreamKey("N", `5, limits { max_ack_pending: $N, batch { max_msgs: $N } }`, func(j *JetStream) {
		j.Limits.MaxAckPending, j.Limits.Batch.MaxMsgs = 5, 5
	}),

	[]keyTest{
		{`accounts { A { jetstream: true } }`, accountJetStreamWith(func(*AccountJetStream) {})},
		{`accounts { A { jetstream: enable } }`, accountJetStreamWith(func(*AccountJetStream) {})},
		{`accounts { A { JetStream: ENABLED } }`, accountJetStreamWith(func(*AccountJetStream) {})},
		{`accounts { A { jetstream {} } }`, accountJetStreamWith(func(*AccountJetStream) {})},
		{`accounts { A { jetstream: false } }`, accountWith(func(*Account) {})},
		{`accounts { A { jetstream: disabled } }`, accountWith(func(*Account) {})},
		{"accounts { A { jetstream {}\nJetStream: disable } }", accountWith(func(*Account) {})},
	},
	accountJetStreamKey("max_memory max_mem mem memory", `1GB`, func(a *AccountJetStream) { a.MaxMemory = 1 << 30 }),
	accountJetStreamKey("max_memory", `0`, func(a *AccountJetStream) { a.MaxMemory = 0 }),
	accountJetStreamKey("max_memory", `-5`, func(*AccountJetStream) {}),
	accountJetStreamKey("max_store max_file max_disk store disk", `1GB`, func(a *AccountJetStream) { a.MaxStore = 1 << 30 }),
	accountJetStreamKey("max_streams streams", `5`, func(a *AccountJetStream) { a.MaxStreams = 5 }),
	accountJetStreamKey("max_streams", `-5`, func(*AccountJetStream) {}),
	accountJetStreamKey("max_consumers consumers", `5`, func(a *AccountJetStream) { a.MaxConsumers = 5 }),
	accountJetStreamKey("max_ack_pending", `5`, func(a *AccountJetStream) { a.MaxAckPending = 5 }),
	accountJetStreamKey("max_bytes_required max_stream_bytes max_bytes", `true`, func(a *AccountJetStream) { a.MaxBytesRequired = true }),
	accountJetStreamKey("mem_max_stream_bytes memory_max_stream_bytes", `5`, func(a *AccountJetStream) { a.MemoryMaxStreamBytes = 5 }),
	accountJetStreamKey("disk_max_stream_bytes store_max_stream_bytes", `5`, func(a *AccountJetStream) { a.StoreMaxStreamBytes = 5 }),
	accountJetStreamKey("disk_max_stream_bytes", `-5`, func(*AccountJetStream) {}),
	accountJetStreamKey("cluster_traffic", `owner`, func(a *AccountJetStream) { a.ClusterTraffic = TrafficOwner }),
	accountJetStreamKey("cluster_traffic", `system`, func(*AccountJetStream) {}),
	accountJetStreamKey("cluster_traffic", `""`, func(*AccountJetStream) {}),
)

// jetStreamKey makes a test of a block with each of the names of a key.
func jetStreamKey(names, value string, change func(*JetStream)) []keyTest {
	var tests []keyTest
	for name := range strings.FieldsSeq(names) {
		tests = append(tests, keyTest{fmt.Sprintf("jetstream { %s: %s }", name, value), jetStreamWith(change)})
	}
	return tests
}

func jetStreamWith(change func(*JetStream)) func(*Options) {
	return func(o *Options) {
		o.JetStream.Enabled = true
		change(&o.JetStream)
	}
}

func accountJetStreamKey(names, value string, change func(*AccountJetStream)) []keyTest {
	var tests []keyTest
	for name := range strings.FieldsSeq(names) {
		tests = append(tests, keyTest{
			fmt.Sprintf("accounts { A { jetstream { %s: %s } } }", name, value), accountJetStreamWith(change),
		})
	}
	return tests
}

func accountJetStreamWith(change func(*AccountJetStream)) func(*Options) {
	return accountWith(func(a *Account) {
		a.JetStream = newAccountJetStream()
		change(a.JetStream)
	})
}

var jetStreamProblemTests = []problemTest{
	{"jetstream of another word", "jetstream: foo", `f.conf:1:0: Expected 'enabled' or 'disabled' for string value, got 'foo'`},
	{"jetstream of another kind", "\njetstream: 5", `f.conf:2:1: Expected map, bool or string to define JetStream, got int64`},
	{"jetstream key", jetStreamText("foo: 1"), `f.conf:2:1: unknown field "foo"`},
	{"jetstream switch", jetStreamText("enabled: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not bool`},

	{"store_dir of another kind", jetStreamText("store_dir: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not string`},
	{"store_dir twice", jetStreamText("store_dir: a\nstore: b"), `f.conf:3:1: Duplicate 'store_dir' configuration`},
	{"store_dir in front of the block", "store_dir: a\njetstream {\nstore_dir: a\n}", `f.conf:3:1: Duplicate 'store_dir' configuration`},
	{"store_dir behind the block", "jetstream {\nstore_dir: a\n}\nstoredir: b", `f.conf:4:1: Duplicate 'store_dir' configuration`},

	{"max_mem of another kind", jetStreamText("max_mem: 4.5"), `f.conf:2:1: max_mem must be int64 or string`},
	{"max_mem without a unit", jetStreamText(`max_mem: "45"`), `f.conf:2:1: max_mem sizes defined as strings must end in K, M, G, T`},
	{"max_mem of another unit", jetStreamText(`max_mem: "4g"`), `f.conf:2:1: max_mem sizes defined as strings must end in K, M, G, T`},
	{"max_mem of nothing", jetStreamText(`max_mem: ""`), `f.conf:2:1: max_mem sizes defined as strings must end in K, M, G, T`},
	{"max_file of a unit alone", jetStreamText(`max_file: "G"`), `f.conf:2:1: max_file "G" is not a size`},
	{"max_file with a fraction", jetStreamText(`max_file: "1.5G"`), `f.conf:2:1: max_file "1.5G" is not a size`},
	{"max_file beyond all bounds", jetStreamText(`max_file: "8388608T"`), `f.conf:2:1: max_file "8388608T" is too big`},
	{"max_file below all bounds", jetStreamText(`max_file: "-8388608T"`), `f.conf:2:1: max_file "-8388608T" is too big`},

	{"domain of another kind", jetStreamText("domain: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not string`},
	{"domain of two tokens", jetStreamText(`domain: "a.b"`), `f.conf:2:1: invalid domain name: may not contain ., * or >`},
	{"domain with a wildcard", jetStreamText(`domain: "a*"`), `f.conf:2:1: invalid domain name: may not contain ., * or >`},
	{"domain with a space", jetStreamText(`domain: "a b"`), `f.conf:2:1: invalid domain name: derived "$JS.a b.API.>" is not a valid subject`},

	{"sync as a number", jetStreamText("sync: 5"), `f.conf:2:1: invalid use of field "sync": sync should be converted to a duration`},
	{"sync of nonsense", jetStreamText("sync: x"), `f.conf:2:1: error parsing sync: time: invalid duration "x"`},
	{"sync of another kind", jetStreamText("sync: true"), `f.conf:2:1: interface conversion: interface {} is bool, not int64`},
	{"sync of nothing", jetStreamText(`sync_interval: "0s"`), `f.conf:2:1: sync_interval (0s) must be greater than zero, or 'always'`},
	{"sync in the past", jetStreamText(`sync_interval: "-1s"`), `f.conf:2:1: sync_interval (-1s) must be greater than zero, or 'always'`},

	{"key of another kind", jetStreamText("key: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not string`},
	{"key of nothing", jetStreamText(`ek: ""`), `f.conf:2:1: invalid use of field "ek": an empty key does not encrypt`},
	{"cipher", jetStreamText("cipher: rot13"), `f.conf:2:1: Unknown cipher type: "rot13"`},
	{"cipher of another kind", jetStreamText("cipher: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not string`},
	{"unique tag", jetStreamText("unique_tag: 5"), `f.conf:2:1: interface conversion: interface {} is int64, not string`},

	{"queue limit", jetStreamText("request_queue_limit: x"), `f.conf:2:1: Expected a parseable size for "request_queue_limit", got x`},
	{"buffered messages", jetStreamText(`max_buffered_msgs: "4K"`), `f.conf:2:1: Expected a parseable size for "max_buffered_msgs", got 4K`},
	{"meta_compact", jetStreamText("meta_compact: -1"), `f.conf:2:1: Expected an absolute size for "meta_compact", got -1`},
	{"meta_compact of another kind", jetStreamText("meta_compact: 5.5"), `f.conf:2:1: Expected an absolute size for "meta_compact", got 5.5`},
	{"meta_compact_size", jetStreamText("meta_compact_size: -1"), `f.conf:2:1: meta_compact_size value can not be negative`},
	{"little I/O", jetStreamText("max_concurrent_io: 3"), `f.conf:2:1: Expected an absolute size for "max_concurrent_io" between 4 and 8192, got 3`},
	{"much I/O", jetStreamText("max_concurrent_io: 8193"), `f.conf:2:1: Expected an absolute size for "max_concurrent_io" between 4 and 8192, got 8193`},

	{"limits", jetStreamText("limits: x"), `f.conf:2:1: Expected a map to define JetStreamLimits, got string`},
	{"limit", jetStreamText("limits {\nfoo: 1\n}"), `f.conf:3:1: unknown field "foo"`},
	{"limit of another kind", jetStreamText("limits {\nmax_ack_pending: x\n}"), `f.conf:3:1: interface conversion: interface {} is string, not int64`},
	{"window as a number", jetStreamText("limits {\nduplicate_window: 5\n}"), `f.conf:3:1: interface conversion: interface {} is int64, not string`},
	{"window of nonsense", jetStreamText("limits {\nduplicate_window: x\n}"), `f.conf:3:1: error parsing duplicate_window: time: invalid duration "x"`},
	{"batch limits", jetStreamText("limits {\nbatch: x\n}"), `f.conf:3:1: Expected a map to define batch limits, got string`},
	{"batch limit", jetStreamText("limits { batch {\nfoo: 1\n} }"), `f.conf:3:1: unknown field "foo"`},
	{"batch timeout", jetStreamText("limits { batch {\ntimeout: 5\n} }"), `f.conf:3:1: interface conversion: interface {} is int64, not string`},

	{"jetstream of an account", account("jetstream: foo"), `f.conf:2:1: Expected 'enabled' or 'disabled' for string value, got 'foo'`},
	{"jetstream of an account of another kind", account("jetstream: 5"), `f.conf:2:1: Expected map, bool or string to define JetStream, got int64`},
	{"jetstream key of an account", account("jetstream {\nenabled: false\n}"), `f.conf:3:1: unknown field "enabled"`},
	{"jetstream size of an account", account("jetstream {\nmax_mem: \"4G\"\n}"), `f.conf:3:1: Expected a parseable size for "max_mem", got 4G`},
	{"streams of an account", account("jetstream {\nstreams: x\n}"), `f.conf:3:1: Expected a parseable size for "streams", got x`},
	{"bytes required of an account", account("jetstream {\nmax_bytes: 5\n}"), `f.conf:3:1: Expected a parseable bool for "max_bytes", got 5`},
	{
		"traffic of an account", account("jetstream {\ncluster_traffic: OWNER\n}"),
		`f.conf:3:1: Expected 'system' or 'owner' string value for "cluster_traffic", got OWNER`,
	},
	{
		"traffic of an account of another kind", account("jetstream {\ncluster_traffic: 5\n}"),
		`f.conf:3:1: Expected 'system' or 'owner' string value for "cluster_traffic", got 5`,
	},
}

// jetStreamText puts the text at the beginning of line 2.
func jetStreamText(text string) string { return "jetstream {\n" + text + "\n}" }

func TestJetStreamAccounts(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"disabled", "accounts { A { jetstream: enabled } }", nil},
		{"no accounts", "jetstream: true", []string{"$G"}},
		{"a system account alone", "jetstream: true\naccounts { $SYS { users: [{user: a}] } }", []string{"$G"}},
		{"a system account of another name alone", "jetstream: true\naccounts { S {} }\nsystem_account: S", []string{"$G"}},
		{"an account without", "jetstream: true\naccounts { A {} }", nil},
		{"accounts with and without", "jetstream: true\naccounts { A { jetstream: true }, B {}, C { jetstream { max_mem: 5 } } }", []string{"A", "C"}},
		{"no system account", "jetstream: true\nno_system_account: true\naccounts { A { jetstream: true } }", []string{"A"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := parsed(t, test.text)
			got := o.JetStreamAccounts()
			if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, test.want) {
				t.Errorf("accounts %q, want %q", names, test.want)
			}
			if global := got["$G"]; global != nil && !reflect.DeepEqual(global, newAccountJetStream()) {
				t.Errorf("the global account is bounded: %+v", global)
			}
			for _, a := range o.Accounts {
				if j := got[a.Name]; j != nil && j != a.JetStream {
					t.Errorf("account %s got bounds of another", a.Name)
				}
			}
		})
	}
}

func TestSyncAlwaysIsTheDefault(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "jetstream: true": true, "jetstream { sync: always }": true, `jetstream { sync: "1s" }`: false,
	} {
		o := parsed(t, text)
		if got := o.JetStream.SyncAlways(); got != want {
			t.Errorf("%s: SyncAlways is %v", text, got)
		}
	}
}

// What an operator is shown of these can be written into a file.
func TestJetStreamNamesAreValues(t *testing.T) {
	for _, want := range []Cipher{CipherChaCha, CipherAES} {
		if o := parsed(t, fmt.Sprintf("jetstream { cipher: %v }", want)); o.JetStream.Cipher != want {
			t.Errorf("cipher %v is read as %v", want, o.JetStream.Cipher)
		}
	}
	for _, want := range []ClusterTraffic{TrafficSystem, TrafficOwner} {
		o := parsed(t, fmt.Sprintf("accounts { A { jetstream { cluster_traffic: %v } } }", want))
		if got := o.Accounts[0].JetStream.ClusterTraffic; got != want {
			t.Errorf("traffic %v is read as %v", want, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1K": 1 << 10, "1M": 1 << 20, "1G": 1 << 30, "1T": 1 << 40, "0T": 0, "-2K": -2048, "8388607T": 8388607 << 40,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
}
