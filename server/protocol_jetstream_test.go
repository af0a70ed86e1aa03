package server_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// request sends a request and returns what comes back, "" if nobody listens. The peer
// must have been connected with headers and no_responders.
func (p *peer) request(subject, payload string) string {
	p.t.Helper()
	p.replies++
	inbox := fmt.Sprintf("_INBOX.%d", p.replies)
	sid := 900 + p.replies
	p.sendf("SUB %s %d\r\nPUB %s %s %d\r\n%s\r\n", inbox, sid, subject, inbox, len(payload), payload)
	defer p.sendf("UNSUB %d\r\n", sid)
	for range 100 {
		got, end := p.settle()
		if strings.HasPrefix(got, "PING\r\n") {
			p.want("PING\r\n")
			p.send("PONG\r\n")
		} else if got != "" || end != nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	got, end := p.settle()
	line, rest, _ := strings.Cut(got, "\r\n")
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[1] != inbox {
		p.t.Fatalf("got %s (end: %v), want an answer to %s", brief(got), end, subject)
	}
	n, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil || len(rest) < n+2 {
		p.t.Fatalf("got %s, want an answer to %s", brief(got), subject)
	}
	p.take(len(line) + 2 + n + 2)
	rest = rest[:n]
	if fields[0] == "HMSG" {
		_, rest, _ = strings.Cut(rest, "\r\n\r\n")
	}
	return rest
}

// asking are the CONNECT fields of those who make requests.
const asking = `"headers":true,"no_responders":true`

// value finds a member of a JSON text, by the names that lead to it.
func value(t *testing.T, text, path string) any {
	t.Helper()
	var at any
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatalf("%s: %v", brief(text), err)
	}
	for name := range strings.SplitSeq(path, ".") {
		if n, err := strconv.Atoi(name); err == nil {
			list, _ := at.([]any)
			if at = nil; n < len(list) {
				at = list[n]
			}
			continue
		}
		m, _ := at.(map[string]any)
		at = m[name]
	}
	return at
}

// has checks members of a JSON text: paths and their values in turn. nil is for what
// must not be there.
func has(t *testing.T, text string, members ...any) {
	t.Helper()
	for i := 0; i < len(members); i += 2 {
		want := members[i+1]
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got := value(t, text, members[i].(string)); got != want {
			t.Errorf("%s is %v, want %v, in %s", members[i], got, want, text)
		}
	}
}

// jsConfig is a configuration with JetStream in a directory of its own.
func jsConfig(t *testing.T, block, rest string) string {
	t.Helper()
	return fmt.Sprintf("jetstream {\n store_dir: %q\n %s\n}\n%s\n", t.TempDir(), block, rest)
}

const jsAccounts = `accounts {
	A { jetstream: enabled, users: [{user: a, password: a}] }
	B { users: [{user: b, password: b}] }
	$SYS { users: [{user: s, password: s}] }
}`

func TestJetStreamStart(t *testing.T) {
	for _, c := range []struct {
		name, block string
		want        []string
	}{
		{"as configured", "max_mem: 10M\n max_file: 1GB\n domain: hub", []string{
			"Max Memory:      9.54 MB", "Max Storage:     1.00 GB", "Domain:          hub", "Strict:          true", "API Level:       5", "to start JetStream",
		}},
		{"no room", "max_mem: 0\n max_file: 0\n strict: false", []string{"Max Memory:      0 B", "Max Storage:     0 B"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := jsConfig(t, c.block, "")
			script(t, config, func(s *site) {
				s.shutdown()
				log := s.log()
				at := 0
				want := append([]string{"Starting JetStream", "---------------- JETSTREAM ----------------"}, c.want...)
				want = append(want, "Server is ready", "Initiating JetStream Shutdown...", "JetStream Shutdown", "Server Exiting")
				for _, text := range want {
					if !strings.Contains(log, text) {
						t.Errorf("%q is not in the log:\n%s", text, log)
					}
				}
				for _, text := range []string{"Starting JetStream", "-- JETSTREAM --", "Store Directory: ", "to start JetStream", "Server is ready", "JetStream Shutdown..."} {
					n := strings.Index(log[at:], text)
					if n < 0 {
						t.Fatalf("%q is not in its place in the log:\n%s", text, log)
					}
					at += n
				}
				if strings.Contains(log, "Temporary storage") || strings.Contains(log, "Strict") != !strings.Contains(c.block, "strict") {
					t.Errorf("in the log:\n%s", log)
				}
			})
		})
	}
}

// Without a directory it is one below that for temporary files, with a warning.
func TestJetStreamInATemporaryDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	script(t, "jetstream: enabled", func(s *site) {
		if log := s.log(); !strings.Contains(log, "[WRN] Temporary storage directory used, data could be lost on system reboot") {
			t.Errorf("in the log:\n%s", log)
		}
		if _, err := os.Stat(filepath.Join(dir, "nats", "jetstream", "raft")); err != nil {
			t.Error(err)
		}
	})
}

// What is left to the server is most of what there is, is the same wherever it is
// shown, and does not become less with what is stored.
func TestJetStreamRoom(t *testing.T) {
	config := jsConfig(t, "", jsAccounts)
	var memory, file float64
	script(t, config, func(s *site) {
		p := s.connect(as("s"), asking)
		varz := p.request("$SYS.REQ.SERVER.PING.VARZ", "")
		memory, _ = value(t, varz, "data.jetstream.config.max_memory").(float64)
		file, _ = value(t, varz, "data.jetstream.config.max_storage").(float64)
		if memory < 1<<20 || file < 1<<20 {
			t.Fatalf("%v bytes of memory, %v of disk", memory, file)
		}
		jsz := p.request("$SYS.REQ.SERVER.PING.JSZ", "")
		has(t, jsz, "data.config.max_memory", memory, "data.config.max_storage", file)
		a := s.connect(as("a"), asking)
		too := fmt.Sprintf(`{"name":"S","storage":"memory","max_bytes":%.0f}`, memory+1)
		has(t, a.request("$JS.API.STREAM.CREATE.S", too), "error.err_code", 10028)
		too = fmt.Sprintf(`{"name":"S","max_bytes":%.0f}`, file+1)
		has(t, a.request("$JS.API.STREAM.CREATE.S", too), "error.err_code", 10047)
	})
}

// What may change by a reload and what may not, in the words that operators know.
func TestReloadOfJetStreamOptions(t *testing.T) {
	dir := t.TempDir()
	config := func(block string) string {
		return fmt.Sprintf("jetstream {\n store_dir: %q\n %s\n}\n%s\n", dir, block, jsAccounts)
	}
	const before = "max_mem: 10M\n domain: hub\n limits { max_ack_pending: 500 }"
	script(t, config(before), func(s *site) {
		for _, c := range []struct{ name, block, want string }{
			{"less memory", strings.Replace(before, "10M", "5M", 1), "config reload not supported for decreasing jetstream max memory and store"},
			{"what was left to the server", before + "\n max_file: 5G", "config reload not supported for jetstream dynamic max memory and store"},
			{"another domain", strings.Replace(before, "hub", "hub2", 1), "config reload not supported for JetStreamDomain: old=hub, new=hub2"},
			{"less strict", before + "\n strict: false", "config reload not supported for NoJetStreamStrict: old=false, new=true"},
		} {
			s.configure(config(c.block))
			if err := s.srv.Reload(); err == nil || err.Error() != c.want {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
		}
		s.configure(strings.Replace(config(before), dir, t.TempDir(), 1))
		if err := s.srv.Reload(); err == nil || err.Error() != "config reload not supported for jetstream storage directory" {
			t.Errorf("another directory: %v", err)
		}

		sys := s.connect(as("s"), asking)
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", ""), "data.limits.max_ack_pending", 500, "data.config.max_memory", 10_000_000)
		s.reload(config("max_mem: 50M\n domain: hub\n limits { max_ack_pending: 20, default_max_consumers: 1 }"))
		for _, want := range []string{"Reloaded: JetStream max_mem_store = 47.68 MB", "Reloaded: JetStream limits"} {
			if log := s.log(); !strings.Contains(log, want) {
				t.Errorf("%q is not in the log:\n%s", want, log)
			}
		}
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", ""),
			"data.limits.max_ack_pending", 20, "data.limits.default_max_consumers", 1, "data.config.max_memory", 50_000_000)
		a := s.connect(as("a"), asking)
		has(t, a.request("$JS.API.STREAM.CREATE.S", `{"name":"S","storage":"memory","max_bytes":40000000}`), "error", nil)
		has(t, a.request("$JS.API.CONSUMER.CREATE.S.C", `{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}`), "error", nil, "config.max_ack_pending", 20)
		has(t, a.request("$JS.API.CONSUMER.CREATE.S.D", `{"stream_name":"S","config":{"durable_name":"D","ack_policy":"explicit"}}`), "error.err_code", 10026)
	})
}

// JetStream is switched off and on, for accounts and for the server.
func TestReloadSwitchesJetStream(t *testing.T) {
	on := jsConfig(t, "", jsAccounts)
	off := strings.Replace(on, "jetstream {", "jetstream {\n enabled: false\n", 1)
	without := strings.Replace(on, "A { jetstream: enabled,", "A {", 1)
	both := strings.Replace(on, "B {", "B { jetstream { max_streams: 1 },", 1)
	script(t, on, func(s *site) {
		a, b, sys := s.connect(as("a"), asking), s.connect(as("b"), asking), s.connect(as("s"), asking)
		has(t, a.request("$JS.API.STREAM.CREATE.S", `{"name":"S","subjects":["s"]}`), "did_create", true)
		has(t, a.request("s", "x"), "seq", 1)
		has(t, b.request("$JS.API.INFO", ""), "error.err_code", 10039, "error.description", "JetStream not enabled for account")

		s.reload(both)
		has(t, b.request("$JS.API.INFO", ""), "error", nil, "limits.max_streams", 1)
		has(t, b.request("$JS.API.STREAM.CREATE.S", `{"name":"S","subjects":["s"]}`), "did_create", true)
		has(t, b.request("$JS.API.STREAM.CREATE.T", `{"name":"T"}`), "error.err_code", 10027)
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", ""), "data.accounts", 2, "data.total", 2, "data.streams", 2)

		s.reload(without)
		has(t, a.request("$JS.API.STREAM.INFO.S", ""), "error.err_code", 10039)
		if got := a.request("s", "x"); got != "" {
			t.Errorf("a message is answered by %q while the account has no JetStream", got)
		}
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", `{"account":"A"}`), "data.account_details", nil)
		has(t, sys.request("$SYS.REQ.ACCOUNT.A.JSZ", ""), "error.description", `account "A" not jetstream enabled`)

		s.reload(on)
		has(t, a.request("$JS.API.STREAM.INFO.S", ""), "state.messages", 1)
		has(t, a.request("s", "x"), "seq", 2)
		has(t, b.request("$JS.API.INFO", ""), "error.err_code", 10039)

		s.reload(off)
		if got := a.request("$JS.API.INFO", ""); got != "" {
			t.Errorf("a request is answered by %q", got)
		}
		if got := a.request("s", "x"); got != "" {
			t.Errorf("a message is answered by %q", got)
		}
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", ""), "data.disabled", true, "data.streams", 0, "server.jetstream", false)
		has(t, sys.request("$SYS.REQ.SERVER.PING.HEALTHZ", ""), "data.status", "ok")
		has(t, sys.request("$SYS.REQ.SERVER.PING.VARZ", ""), "data.jetstream.config", nil)

		s.reload(on)
		has(t, a.request("s", "x"), "seq", 3)
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", ""), "data.disabled", nil, "data.streams", 1, "server.jetstream", true)
		synctest.Wait()
	})
}

// The advisory of a request tells who asked.
func TestAuditOfAClient(t *testing.T) {
	script(t, jsConfig(t, "", jsAccounts), func(s *site) {
		w := s.connect(as("a"))
		w.send("SUB $JS.EVENT.ADVISORY.API 1\r\n")
		w.ping()
		p := s.connect(as("a"), asking, `"name":"asker","lang":"go","version":"9.8"`)
		p.request("$JS.API.STREAM.NAMES", "{}")
		got := w.mustGet()
		_, text, _ := strings.Cut(got, "\r\n")
		has(t, text, "type", "io.nats.jetstream.advisory.v1.api_audit", "server", "test", "subject", "$JS.API.STREAM.NAMES", "request", "{}",
			"client.name", "asker", "client.user", "a", "client.acc", "A", "client.lang", "go", "client.ver", "9.8", "client.kind", "Client",
			"client.client_type", "nats", "client.host", "10.0.0.2", "client.server", "test")
		w.take(len(got))
	})
}

// The API is known by the name of the domain, too, and everybody is told of it.
func TestJetStreamDomain(t *testing.T) {
	script(t, jsConfig(t, "domain: hub", jsAccounts), func(s *site) {
		if got := s.dial().wantInfo().text("domain"); got != "hub" {
			t.Errorf("INFO tells of the domain %q", got)
		}
		a, sys := s.connect(as("a"), asking), s.connect(as("s"), asking)
		has(t, a.request("$JS.hub.API.STREAM.CREATE.S", `{"name":"S","subjects":["s"]}`), "did_create", true, "domain", "hub")
		has(t, a.request("s", "x"), "stream", "S", "domain", "hub")
		has(t, a.request("$JS.API.INFO", ""), "streams", 1, "domain", "hub")
		has(t, a.request("$JS.hub.API.INFO", ""), "streams", 1)
		if got := a.request("$JS.other.API.INFO", ""); got != "" {
			t.Errorf("another domain answers %s", got)
		}
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", `{"domain":"hub"}`), "server.domain", "hub", "data.config.domain", "hub")
	})
}

// Monitoring shows the same in all places, of what clients have done.
func TestJetStreamMonitoring(t *testing.T) {
	script(t, jsConfig(t, "max_mem: 1M\n max_file: 1G", strings.Replace(jsAccounts, "enabled", "{ max_mem: 500K }", 1)), func(s *site) {
		a, sys := s.connect(as("a"), asking), s.connect(as("s"), asking)
		for _, c := range []struct{ subject, body string }{
			{"STREAM.CREATE.F", `{"name":"F","subjects":["f"],"max_bytes":1000}`},
			{"STREAM.CREATE.M", `{"name":"M","subjects":["m"],"storage":"memory","max_bytes":200}`},
			{"CONSUMER.CREATE.F.C", `{"stream_name":"F","config":{"durable_name":"C","ack_policy":"explicit"}}`},
		} {
			has(t, a.request("$JS.API."+c.subject, c.body), "error", nil)
		}
		has(t, a.request("$JS.API.STREAM.INFO.none", ""), "error.err_code", 10059)
		a.request("f", "1")
		a.request("f", "2")
		a.request("m", "1")
		sums := []any{
			"memory", 18, "storage", 64, "reserved_memory", 200, "reserved_storage", 1000, "accounts", 1, "ha_assets", 0,
			"api.level", 5, "api.total", 4, "api.errors", 1,
		}
		at := func(prefix string, more ...any) (list []any) {
			for i, v := range append(append([]any{}, sums...), more...) {
				if i%2 == 0 {
					v = prefix + v.(string)
				}
				list = append(list, v)
			}
			return list
		}
		has(t, sys.request("$SYS.REQ.SERVER.PING.VARZ", ""), at("data.jetstream.stats.")...)
		has(t, sys.request("$SYS.REQ.SERVER.PING.STATSZ", ""), at("statsz.jetstream.stats.")...)
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", `{"raft":true}`), at("data.", "streams", 2, "consumers", 1, "messages", 3, "bytes", 82,
			"total", 1, "streams_leader", 2, "consumers_leader", 1, "account_details", nil, "meta_cluster", nil)...)
		// Tools read limits as what is reserved.
		account := []any{"name", "A", "id", "A", "memory", 18, "storage", 64, "reserved_memory", 500_000, "accounts", 0, "api.total", 4, "api.errors", 1}
		jsz := sys.request("$SYS.REQ.SERVER.PING.JSZ", `{"account":"A","consumer":true,"config":true}`)
		own := sys.request("$SYS.REQ.ACCOUNT.A.JSZ", `{"streams":true}`)
		for i := 0; i < len(account); i += 2 {
			has(t, jsz, "data.account_details.0."+account[i].(string), account[i+1])
			has(t, own, "data."+account[i].(string), account[i+1])
		}
		has(t, jsz, "data.account_details.0.stream_detail.0.name", "F", "data.account_details.0.stream_detail.0.state.messages", 2,
			"data.account_details.0.stream_detail.0.config.max_bytes", 1000, "data.account_details.0.stream_detail.0.consumer_detail.0.name", "C",
			"data.account_details.0.stream_detail.0.consumer_detail.0.num_pending", 2, "data.account_details.0.stream_detail.1.name", "M")
		has(t, own, "data.stream_detail.0.name", "F", "data.stream_detail.0.config", nil, "data.stream_detail.0.consumer_detail", nil)
		has(t, sys.request("$SYS.REQ.SERVER.PING.JSZ", `{"accounts":true,"offset":1}`), "data.account_details", nil, "data.total", 1)

		for _, c := range []struct {
			ask, status string
			code        int
			error       any
		}{
			{`{}`, "ok", 200, nil},
			{`{"js-enabled-only":true}`, "ok", 200, nil},
			{`{"js-server-only":true}`, "ok", 200, nil},
			{`{"account":"A","stream":"F","consumer":"C"}`, "ok", 200, nil},
			{`{"account":"B"}`, "unavailable", 404, `JetStream account "B" not found`},
			{`{"account":"A","stream":"X"}`, "unavailable", 404, `JetStream stream "X" not found on account "A"`},
			{`{"account":"A","stream":"F","consumer":"X"}`, "unavailable", 404, `JetStream consumer "X" not found for stream "F" on account "A"`},
			{`{"stream":"F"}`, "error", 400, `"account" must not be empty when checking stream health`},
		} {
			has(t, sys.request("$SYS.REQ.SERVER.PING.HEALTHZ", c.ask), "data.status", c.status, "data.status_code", c.code, "data.error", c.error)
		}
		has(t, sys.request("$SYS.REQ.SERVER.PING.HEALTHZ", `{"account":"B","details":true}`), "data.status", "error", "data.errors.0.type", "ACCOUNT")
	})
}
