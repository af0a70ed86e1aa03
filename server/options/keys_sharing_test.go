package options

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// exporting is a configuration of an account A with exports and one B without.
func exported(exports string) string {
	return "accounts { A { exports: [ " + exports + " ] }, B { nkey: " + accountKey + " } }"
}

func withExports(exports ...*Export) func(*Options) {
	return func(o *Options) {
		a, b := newAccount("A"), newAccount("B")
		a.Exports, b.NKey = exports, accountKey
		o.Accounts = []*Account{a, b}
	}
}

// imported is one of an account B that imports of A what it offers below s (streams)
// and v (services).
func imported(imports string) string {
	return "accounts { A { exports: [ {stream: \"s.>\"}, {service: \"v.>\"} ] }, B { imports: [ " + imports + " ] } }"
}

func withImports(imports ...*Import) func(*Options) {
	return func(o *Options) {
		a, b := newAccount("A"), newAccount("B")
		a.Exports = []*Export{{Subject: "s.>"}, {Subject: "v.>", Service: true}}
		b.Imports = imports
		o.Accounts = []*Account{a, b}
	}
}

var sharingKeyTests = []keyTest{
	{account("exports: []"), accountWith(func(*Account) {})},
	{account("imports: []"), accountWith(func(*Account) {})},
	{exported(`{stream: "a.>"}, {service: b}`), withExports(&Export{Subject: "a.>"}, &Export{Subject: "b", Service: true})},
	{exported(`{stream: a, accounts: [B]}`), withExports(&Export{Subject: "a", Accounts: []string{"B"}})},
	{exported(`{stream: "a.*", account_token_position: 2}`), withExports(&Export{Subject: "a.*", AccountTokenPosition: 2})},
	{exported(`{response: stream, service: a}`), withExports(&Export{Subject: "a", Service: true, Response: ResponseStream})},
	{exported(`{service: a, response_type: Chunked}, {service: b, response: chunk}`), withExports(
		&Export{Subject: "a", Service: true, Response: ResponseChunked}, &Export{Subject: "b", Service: true, Response: ResponseChunked},
	)},
	{exported(`{service: a, response: singleton}, {service: b, response: single}`), withExports(
		&Export{Subject: "a", Service: true}, &Export{Subject: "b", Service: true},
	)},
	{
		exported(`{service: a, threshold: 1s}, {service: b, response_threshold: "2s"}, {service: c, response_max_time: 3s}, {service: d, response_time: "-4s"}`),
		withExports(
			&Export{Subject: "a", Service: true, Threshold: time.Second}, &Export{Subject: "b", Service: true, Threshold: 2 * time.Second},
			&Export{Subject: "c", Service: true, Threshold: 3 * time.Second}, &Export{Subject: "d", Service: true},
		),
	},
	{exported(`{service: a, latency: l, allow_trace: true}`), withExports(
		&Export{Subject: "a", Service: true, Latency: &Latency{Subject: "l", Sampling: 100}, AllowTrace: true},
	)},
	{
		exported(`{service: a, latency: {subject: l, sampling: 5}}, {service: b, latency: {sampling: "50%", subject: l}}, {service: c, latency: {subject: l, sampling: Headers}}`),
		withExports(
			&Export{Subject: "a", Service: true, Latency: &Latency{"l", 5}}, &Export{Subject: "b", Service: true, Latency: &Latency{"l", 50}},
			&Export{Subject: "c", Service: true, Latency: &Latency{"l", 0}},
		),
	},
	{imported(`{stream: {account: A, subject: s.a}}, {service: {subject: v.a, account: A}}`), withImports(
		&Import{Account: "A", Subject: "s.a"}, &Import{Account: "A", Subject: "v.a", Service: true},
	)},
	{imported(`{stream: {account: A, subject: "s.*"}, to: "x.$1", allow_trace: true}`), withImports(
		&Import{Account: "A", Subject: "s.*", To: "x.$1", AllowTrace: true},
	)},
	{imported(`{prefix: p, stream: {account: A, subject: "s.*"}}`), withImports(&Import{Account: "A", Subject: "s.*", Prefix: "p"})},
	{imported(`{service: {account: A, subject: "v.*"}, to: "x.*", share: true}`), withImports(
		&Import{Account: "A", Subject: "v.*", Service: true, To: "x.*", Share: true},
	)},
	{imported(`{service: {account: A, subject: v.a}, prefix: ignored}`), withImports(&Import{Account: "A", Subject: "v.a", Service: true})},
	{imported(`{}`), withImports()},
}

// inExport is an item of A's exports on a line of its own.
func inExport(item string) string { return "accounts { A { exports: [{\n" + item + "\n}] } }" }

func inImport(item string) string {
	return "accounts { A { exports: [{stream: \"s.>\"}, {service: \"v.>\"}] }\nB { imports: [{\n" + item + "\n}] } }"
}

var sharingProblemTests = []problemTest{
	{"exports", account("exports: 5"), `f.conf:2:1: Exports should be an array, got int64`},
	{"export", account("exports: [a]"), `f.conf:2:11: Export Items should be a map with type entry, got string`},
	{"export key", inExport("foo: 1"), `f.conf:2:1: unknown field "foo"`},
	{"export of another kind", inExport("stream: 5"), `f.conf:2:1: Expected stream name to be string, got int64`},
	{"export of both", inExport("stream: a\nservice: b"), `f.conf:3:1: Detected service "b" but already saw a stream`},
	{"export of both, turned around", inExport("service: b\nstream: a"), `f.conf:3:1: Detected stream "a" but already saw a service`},
	{"export with a response", inExport("response: stream\nstream: a"), `f.conf:2:1: Detected response directive on non-service`},
	{"export with a threshold", inExport("stream: a\nthreshold: 2s"), `f.conf:3:1: Detected response directive on non-service`},
	{"export with latency", inExport("stream: a\nlatency: l"), `f.conf:3:1: Detected latency directive on non-service`},
	{"export with traces", inExport("stream: a\nallow_trace: true"), `f.conf:3:1: Detected allow_trace directive on non-service`},
	{"export to", inExport("service: a\naccounts: B"), `f.conf:3:1: interface conversion: interface {} is string, not []interface {}`},
	{"export to of another kind", inExport("service: a\naccounts: [5 ]"), `f.conf:3:12: interface conversion: interface {} is int64, not string`},
	{"response", inExport("service: a\nresponse: foo"), `f.conf:3:1: Unknown response type: "foo"`},
	{"response of another kind", inExport("service: a\nresponse: 5"), `f.conf:3:1: Expected response type to be string, got int64`},
	{"threshold", inExport("service: a\nthreshold: x"), `f.conf:3:1: Expected response threshold to be a parseable time duration, got "x"`},
	{"threshold of another kind", inExport("service: a\nthreshold: 5"), `f.conf:3:1: Expected response threshold to be a parseable time duration, got int64`},
	{"latency of another kind", inExport("service: a\nlatency: 5"), `f.conf:3:1: Expected latency entry to be a map/struct or string, got int64`},
	{"latency without subject", inExport("service: a\nlatency: {sampling: 5}"), `f.conf:3:1: Latency subject required, but missing`},
	{"latency key", inExport("service: a\nlatency: {subject: l, foo: 1}"), `f.conf:3:23: unknown field "foo"`},
	{"latency subject of another kind", inExport("service: a\nlatency: {subject: 5}"), `f.conf:3:11: Expected latency subject to be a string, got int64`},
	{"latency sampling", inExport("service: a\nlatency: {subject: l, sampling: 101}"), `f.conf:3:23: bad sampling percentage, should be 1-100`},
	{"latency sampling of nonsense", inExport("service: a\nlatency: {subject: l, sampling: x}"), `f.conf:3:23: Failed to parse latency sample: strconv.Atoi: parsing "x": invalid syntax`},
	{"latency sampling of another kind", inExport("service: a\nlatency: {subject: l, sampling: true}"), `f.conf:3:23: Expected latency sample to be a string or map/struct, got bool`},
	{"latency with wildcards", inExport(`service: a, latency: "l.*"`), `f.conf:1:0: Error adding service latency sampling for "a" on subject "l.*": invalid publish subject`},
	{"latency of a stream", inExport("service: a, latency: l, response: stream"), `f.conf:1:0: Error adding service latency sampling for "a" on subject "l": bad service response type`},
	{"export to nobody", inExport("service: a, accounts: [X]"), `f.conf:1:0: "X" account not defined for service export`},
	{"export subject", inExport(`stream: "a..b"`), `f.conf:1:0: Error adding stream export "a..b": invalid subject`},
	{"token position", inExport(`service: "a.*", account_token_position: 1`), `f.conf:1:0: Error adding service export "a.*": invalid subject`},
	{"token position behind the end", inExport(`stream: "a.*", account_token_position: 3`), `f.conf:1:0: Error adding stream export "a.*": invalid subject`},
	{"token position in front", inExport(`stream: "a.*", account_token_position: -1`), `f.conf:1:0: Error adding stream export "a.*": invalid subject`},

	{"imports", account("imports: 5"), `f.conf:2:1: Imports should be an array, got int64`},
	{"import", account("imports: [a]"), `f.conf:2:11: Import Items should be a map with type entry, got string`},
	{"import key", inImport("foo: 1"), `f.conf:3:1: unknown field "foo"`},
	{"stream of another kind", inImport("stream: 5"), `f.conf:3:1: Stream entry should be an account map, got int64`},
	{"service of another kind", inImport("service: 5"), `f.conf:3:1: Service entry should be an account map, got int64`},
	{"import of nothing", inImport("stream: {account: A}"), `f.conf:3:1: Expect an account name and a subject`},
	{"import of nobody", inImport("service: {subject: v.a}"), `f.conf:3:1: Expect an account name and a subject`},
	{"import source", inImport("stream: {account: A, subject: s.a, foo: 1}"), `f.conf:3:36: unknown field "foo"`},
	{"import of both", inImport("stream: {account: A, subject: s.a}\nservice: {account: A, subject: v.a}"), `f.conf:4:1: Detected service but already saw a stream`},
	{"import with two names", inImport("stream: {account: A, subject: s.a}\nprefix: p\nto: x"), `f.conf:5:1: Stream import can not have a 'prefix' and a 'to' property`},
	{"service with traces", inImport("service: {account: A, subject: v.a}\nallow_trace: true"), `f.conf:4:1: Detected allow_trace directive on a non-stream`},
	{"share", inImport("service: {account: A, subject: v.a}\nshare: 5"), `f.conf:4:1: interface conversion: interface {} is int64, not bool`},
	{
		"service twice", inImport("service: {account: A, subject: v.a}, to: x}\n{service: {account: A, subject: v.b}, to: x"),
		`f.conf:4:1: Duplicate service import subject "x", previously used in import for account "A", subject "v.a"`,
	},
	{"import from nobody", inImport("stream: {account: X, subject: s.a}"), `f.conf:1:0: "X" account not defined for stream import`},
	{"import of what is not there", inImport("service: {account: A, subject: s.a}"), `f.conf:1:0: Error adding service import "s.a": service import not authorized`},
	{"import of more than is there", inImport(`stream: {account: A, subject: ">"}`), `f.conf:1:0: Error adding stream import ">": stream import not authorized`},
	{
		"all imports that are wrong", inImport("stream: {account: X, subject: s.a}}, {stream: {account: A, subject: t}}, {service: {account: X, subject: v}"),
		"f.conf:1:0: \"X\" account not defined for stream import\nf.conf:1:0: Error adding stream import \"t\": stream import not authorized\n" +
			"f.conf:1:0: \"X\" account not defined for service import",
	},
	{"prefix", inImport(`stream: {account: A, subject: "s.>"}, prefix: "p.*"`), `f.conf:1:0: Error adding stream import "s.>": stream import prefix can not contain wildcard tokens`},
	{
		"name of a stream", inImport(`stream: {account: A, subject: "s.*"}, to: p`),
		`f.conf:1:0: Error adding stream import "s.*": failed to create mapping transform for stream import subject from "s.*" to "p": invalid mapping destination: not using all of the token wildcard(s) in p`,
	},
	{
		"name of a service", inImport(`service: {account: A, subject: "v.*"}, to: p`),
		`f.conf:1:0: Error adding service import "v.*": failed to create mapping transform for service import subject from "p" to "v.*": invalid mapping destination: not using all of the token wildcard(s) in p`,
	},
	{"stream twice", inImport("stream: {account: A, subject: s.a}}, {stream: {account: A, subject: s.a}, to: b"), `f.conf:1:0: Error adding stream import "s.a": stream import already exists`},
}

// Which export does an import take over, if it may at all?
func TestExportFor(t *testing.T) {
	for _, tc := range []struct {
		name, exports, subject, want string
	}{
		{"the same", "{stream: a}", "a", "a"},
		{"a part", `{stream: "a.>"}`, "a.*", "a.>"},
		{"more", `{stream: "a.*"}`, "a.>", ""},
		{"services are others", "{service: a}", "a", ""},
		{"private", "{stream: a, accounts: [C]}", "a", ""},
		{"private, to the importer", "{stream: a, accounts: [C, B]}", "a", "a"},
		{"to none is to all", "{stream: a, accounts: []}", "a", "a"},
		{"exactly that one decides", `{stream: "a.>"}, {stream: a.b, accounts: [C]}`, "a.b", ""},
		{"also if it allows", `{stream: "a.>", accounts: [C]}, {stream: a.b}`, "a.b", "a.b"},
		{"the first that allows", `{stream: "a.>", accounts: [C]}, {stream: "a.*"}, {stream: "*.b"}`, "a.b", "a.*"},
		{"own name in its place", `{stream: "a.*", account_token_position: 2}`, "a.B", "a.*"},
		{"another's name", `{stream: "a.*", account_token_position: 2}`, "a.C", ""},
		{"any name", `{stream: "a.*", account_token_position: 2}`, "a.*", ""},
		{"own name, whoever is listed", `{stream: "a.*", accounts: [C], account_token_position: 2}`, "a.B", "a.*"},
		{"own name in a tail", `{stream: "a.*.>", account_token_position: 2}`, "a.B.x", "a.*.>"},
	} {
		o, _, err := FromBytes([]byte("accounts { A { exports: [ "+tc.exports+" ] }, B { exports: [] }, C { exports: [] } }"), "f.conf")
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		got := ""
		if x := o.ExportFor("B", &Import{Account: "A", Subject: tc.subject}); x != nil {
			got = x.Subject
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if (&Options{}).ExportFor("B", &Import{Account: "A", Subject: "a"}) != nil {
		t.Error("an account that is not there exports something")
	}
}

// Which imports lead in a circle? Each is "importer:kind account subject local".
func TestImportCycles(t *testing.T) {
	for _, tc := range []struct {
		name    string
		imports string
		// closes is the subject of the one that closes the circle.
		closes string
	}{
		{"two services", "A:service B b a, B:service A a b", "a"},
		{"two streams", "A:stream B b a, B:stream A a b", "a"},
		{"of different kinds", "A:stream B b a, B:service A a b", ""},
		{"three", "A:service C c a, B:service A a b, C:service B b c", "b"},
		{"itself", "A:service A a a", "a"},
		{"itself by another name", "A:service A a b", ""},
		{"wildcards", "A:service B b.* a.x.*, B:service A a.*.y b.*", "a.*.y"},
		{"wildcards that do not meet", "A:service B b.q a.x.z, B:service A a.*.y b.*", ""},
		{"there and back by other names", "A:service B x y, B:service A q r", ""},
		{"a circle that somebody joins", "C:service A a c, A:service B b a, B:service A a b", "a"},
		{"two ways to one", "A:service C c a, B:service C c b, D:service A a x, D:service B b y", ""},
	} {
		o := New()
		for _, name := range []string{"A", "B", "C", "D"} {
			a := newAccount(name)
			a.Exports = []*Export{{Subject: ">"}, {Subject: ">", Service: true}}
			o.Accounts = append(o.Accounts, a)
		}
		for text := range strings.SplitSeq(tc.imports, ", ") {
			w := strings.Fields(text)
			importer, kind, _ := strings.Cut(w[0], ":")
			a := o.Accounts[accountIndex(o.Accounts, importer)]
			a.Imports = append(a.Imports, &Import{Service: kind == "service", Account: w[1], Subject: w[2], To: w[3]})
		}
		errs := sharingErrors(o)
		if tc.closes == "" {
			if len(errs) > 0 {
				t.Errorf("%s: %v", tc.name, errs)
			}
			continue
		}
		i := slices.IndexFunc(errs, func(err error) bool { return strings.HasSuffix(err.Error(), ": import forms a cycle") })
		if i < 0 || !strings.Contains(errs[i].Error(), ` import "`+tc.closes+`":`) {
			t.Errorf("%s: %v", tc.name, errs)
		}
		if o.Validate() == nil {
			t.Errorf("%s: valid", tc.name)
		}
	}
}
