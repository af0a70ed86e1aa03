package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
)

// msg is a message as it came.
type msg struct {
	subject, sid string
	header       string
	payload      string
}

// wantMsg takes a MSG or HMSG.
func (p *peer) wantMsg() msg {
	p.t.Helper()
	got := p.mustGet()
	line, rest, _ := strings.Cut(got, "\r\n")
	f := strings.Fields(line)
	if len(f) < 4 || f[0] != "MSG" && f[0] != "HMSG" {
		p.t.Fatalf("got %s, want a message", brief(got))
	}
	var hdr, size int
	fmt.Sscan(f[len(f)-1], &size)
	if f[0] == "HMSG" {
		fmt.Sscan(f[len(f)-2], &hdr)
	}
	if len(rest) < size+2 {
		p.t.Fatalf("got %s, which is not all of it", brief(got))
	}
	p.take(len(line) + 2 + size + 2)
	return msg{subject: f[1], sid: f[2], header: rest[:hdr], payload: rest[hdr:size]}
}

// trace is a trace as it came, without what is another each time.
type trace struct {
	Server struct {
		Name, ID, Ver string
	}
	Request struct {
		Header map[string][]string
		Size   int `json:"msgsize"`
	}
	Events []map[string]any
}

// summary is a line per event: type, subject or name, error.
func (tr trace) summary() string {
	var b strings.Builder
	for _, e := range tr.Events {
		for _, key := range []string{"type", "acc", "subj", "to", "name", "sub", "queue", "error"} {
			if v, ok := e[key]; ok {
				fmt.Fprintf(&b, "%s=%v ", key, v)
			}
		}
		b.WriteString("\n")
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

func parseTrace(t *testing.T, payload string) trace {
	t.Helper()
	var tr trace
	if err := json.Unmarshal([]byte(payload), &tr); err != nil {
		t.Fatalf("trace %q: %v", payload, err)
	}
	return tr
}

const traceConfig = `
	mappings { m: n, z: [{destination: z, weight: 0%}] }
	max_payload: 1000
	authorization { users: [
		{user: a, password: a}
		{user: p, password: p, permissions: {publish: {deny: [nope, secret]}, subscribe: {deny: x.no}}}
	] }`

// What becomes of a message that asks for it is told, and the message goes where
// it would have gone.
func TestTrace(t *testing.T) {
	const to = "Nats-Trace-Dest: t.d"
	const only = "Nats-Trace-Only: true"
	const a = `"headers":true,"no_responders":true,"name":"N",` + `"user":"a","pass":"a"`
	const p = `"headers":true,"no_responders":true,"name":"N",` + `"user":"p","pass":"p"`
	in := "type=in acc=$G subj=foo name=N\n"
	for _, tc := range []struct {
		name, connect, subs, target string
		headers                     []string
		got                         string // by the publisher, besides the message to sid 1
		delivered                   int
		trace                       string // "" if there is none
	}{
		{name: "delivered", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{to}, delivered: 1, trace: in + "type=eg name=N sub=foo\n"},
		{name: "nobody", connect: a, target: "foo", headers: []string{to}, trace: in},
		{name: "to a queue", connect: a, subs: "SUB foo q 1", target: "foo", headers: []string{to}, delivered: 1, trace: in + "type=eg name=N sub=foo queue=q\n"},
		{name: "one of a queue", connect: a, subs: "SUB * q 1\r\nSUB * q 2", target: "foo", headers: []string{to}, delivered: 1, trace: in + "type=eg name=N sub=* queue=q\n"},
		{name: "no echo", connect: a + `,"echo":false`, subs: "SUB foo 1\r\nSUB foo q 2", target: "foo", headers: []string{to}, trace: in + "type=eg name=N sub=foo error=Not delivered because of no echo\ntype=eg name=N sub=foo queue=q error=Not delivered because of no echo\n"},
		{name: "denied to the subscription", connect: p, subs: "SUB x.* 1", target: "x.no", headers: []string{to}, trace: "type=in acc=$G subj=x.no name=N\ntype=eg name=N sub=x.* error=Not delivered because subscription denies this subject\n"},
		{name: "denied to the publisher", connect: p, subs: "SUB nope 1", target: "nope", headers: []string{to}, got: denyPub("nope"), trace: `type=in acc=$G subj=nope name=N error=Permissions Violation for Publish to "nope"` + "\n"},
		{name: "destination denied", connect: p, subs: "SUB foo 1", target: "foo", headers: []string{"Nats-Trace-Dest: secret"}, got: denyPub("secret")},
		{name: "mapped", connect: a, subs: "SUB n 1", target: "m", headers: []string{to}, delivered: 1, trace: "type=in acc=$G subj=m name=N\ntype=sm to=n\ntype=eg name=N sub=n\n"},
		{name: "dropped by a mapping", connect: a, subs: "SUB z 1", target: "z", headers: []string{to}, trace: "type=in acc=$G subj=z name=N\ntype=sm to=\n"},
		{name: "no responders", connect: a, subs: "SUB r 9", target: "foo r", headers: []string{to}, got: "HMSG r 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: foo\r\n\r\n\r\n", trace: in},

		{name: "only traced", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{to, only}, trace: in + "type=eg name=N sub=foo\n"},
		{name: "only traced: 1", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{to, "Nats-Trace-Only: 1"}, trace: in + "type=eg name=N sub=foo\n"},
		{name: "only traced: On", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{to, "Nats-Trace-Only: On"}, trace: in + "type=eg name=N sub=foo\n"},
		{name: "only traced: no", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{to, "Nats-Trace-Only: no"}, delivered: 1, trace: in + "type=eg name=N sub=foo\n"},
		{name: "only traced: a responder counts", connect: a, subs: "SUB r 9\r\nSUB foo 1", target: "foo r", headers: []string{to, only}, trace: in + "type=eg name=N sub=foo\n"},
		{name: "only traced: no responders", connect: a, subs: "SUB r 9", target: "foo r", headers: []string{to, only}, got: "HMSG r 9 35 35\r\nNATS/1.0 503\r\nNats-Subject: foo\r\n\r\n\r\n", trace: in},
		{name: "only, without destination", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{only}, delivered: 1},

		{name: "not asked for", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{"X: y"}, delivered: 1},
		{name: "disabled", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{"Nats-Trace-Dest: trace disabled"}, delivered: 1},
		{name: "no destination", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{"Nats-Trace-Dest: "}, delivered: 1},
		{name: "destination with wildcards", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{"Nats-Trace-Dest: t.*"}, delivered: 1},
		{name: "header in another case", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{"nats-trace-dest: t.d"}, delivered: 1},
		{name: "from an older server", connect: a, subs: "SUB foo 1", target: "foo", headers: []string{to, "Nats-Trace-Origin-Account: A"}, delivered: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, traceConfig, func(s *site) {
				watcher, pub := s.connect(as("a")), s.connect(tc.connect)
				watcher.send("SUB t.> 1\r\nSUB secret 2\r\n")
				watcher.ping()
				if tc.subs != "" {
					pub.send(tc.subs + "\r\n")
				}
				pub.hpub(tc.target, "hi", tc.headers...)
				pub.send("PING\r\n")
				for range tc.delivered {
					if m := pub.wantMsg(); m.payload != "hi" || !strings.Contains(m.header, tc.headers[0]) {
						t.Errorf("got %v", m)
					}
				}
				pub.wantOnly(tc.got + "PONG\r\n")
				if tc.trace == "" {
					watcher.wantIdle()
					return
				}
				m := watcher.wantMsg()
				watcher.wantIdle()
				tr := parseTrace(t, m.payload)
				if got := tr.summary(); got != tc.trace || m.subject != "t.d" {
					t.Errorf("trace to %s:\n%swant:\n%s", m.subject, got, tc.trace)
				}
				if tr.Server.ID != s.srv.ID() || tr.Server.Name != "test" {
					t.Errorf("server %v", tr.Server)
				}
				if tr.Request.Header["Nats-Trace-Dest"][0] != "t.d" || tr.Request.Size == 0 {
					t.Errorf("request %v", tr.Request)
				}
				for _, e := range tr.Events {
					if ts, _ := e["ts"].(string); ts == "" {
						t.Errorf("no time in %v", e)
					}
				}
			})
		})
	}
}

// A message that is only traced does not count towards a maximum.
func TestTraceAndAutoUnsubscribe(t *testing.T) {
	script(t, traceConfig, func(s *site) {
		watcher, pub := s.connect(as("a")), s.connect(as("a"), `"headers":true`)
		watcher.send("SUB t 1\r\n")
		watcher.ping()
		pub.send("SUB foo 1\r\nUNSUB 1 1\r\n")
		pub.hpub("foo", "", "Nats-Trace-Dest: t", "Nats-Trace-Only: true")
		pub.ping()
		pub.hpub("foo", "", "Nats-Trace-Dest: t")
		pub.hpub("foo", "", "Nats-Trace-Dest: t")
		pub.wantMsg()
		pub.ping()
		for i, want := range []int{2, 2, 1} {
			if tr := parseTrace(t, watcher.wantMsg().payload); len(tr.Events) != want {
				t.Errorf("trace %d:\n%s", i, tr.summary())
			}
		}
	})
}

// Traces to many receivers and of many headers.
func TestTraceTellsAll(t *testing.T) {
	script(t, traceConfig, func(s *site) {
		watcher, pub := s.connect(as("a")), s.connect(as("a"), `"headers":true`)
		watcher.send("SUB t 1\r\n")
		watcher.ping()
		var others []*peer
		for i := range 5 {
			p := s.connect(as("a"), fmt.Sprintf(`"name":"p%d"`, i))
			p.send("SUB foo 1\r\n")
			p.ping()
			others = append(others, p)
		}
		pub.hpub("foo", "hi", "Nats-Trace-Dest: t", "X: 1", "x: 2", "X: 3")
		pub.ping()
		m := watcher.wantMsg()
		tr := parseTrace(t, m.payload)
		if h := tr.Request.Header; fmt.Sprint(h["X"]) != "[1 3]" || fmt.Sprint(h["x"]) != "[2]" || len(h) != 3 {
			t.Errorf("headers %v", h)
		}
		seen := make(map[any]any)
		for _, e := range tr.Events[1:] {
			seen[e["name"]] = e["cid"]
			if e["kind"] != 0.0 {
				t.Errorf("kind of %v", e)
			}
		}
		if len(seen) != 5 {
			t.Errorf("trace:\n%s", tr.summary())
		}
		for _, p := range others {
			p.wantOnly(lines("MSG foo 1 2", "hi"))
		}
	})
}

// A traceparent header that is sampled asks for a trace where the account has a
// destination.
func TestTraceParent(t *testing.T) {
	const id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	config := func(trace string) string {
		return "accounts { A { users: [{user: a, password: a}], " + trace + " } }"
	}
	for _, tc := range []struct {
		name, config string
		headers      []string
		dest         string
		only         bool
	}{
		{name: "sampled", config: config("msg_trace: t.acc"), headers: []string{"traceparent: " + id + "01"}, dest: "t.acc"},
		{name: "in another case", config: config("msg_trace: t.acc"), headers: []string{"TraceParent: " + id + "03"}, dest: "t.acc"},
		{name: "not sampled", config: config("msg_trace: t.acc"), headers: []string{"traceparent: " + id + "00"}},
		{name: "malformed", config: config("msg_trace: t.acc"), headers: []string{"traceparent: 00-01"}},
		{name: "no destination", config: config("limits { max_subs: 9 }"), headers: []string{"traceparent: " + id + "01"}},
		{name: "the message names one", config: config("msg_trace: t.acc"), headers: []string{"traceparent: " + id + "01", "Nats-Trace-Dest: t.msg"}, dest: "t.msg"},
		{name: "it is delivered", config: config("msg_trace: t.acc"), headers: []string{"traceparent: " + id + "01", "Nats-Trace-Only: true"}, dest: "t.acc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script(t, tc.config, func(s *site) {
				watcher, pub := s.connect(as("a")), s.connect(as("a"), `"headers":true`)
				watcher.send("SUB t.> 1\r\n")
				watcher.ping()
				pub.send("SUB foo 1\r\n")
				pub.hpub("foo", "hi", tc.headers...)
				pub.wantMsg()
				pub.ping()
				if tc.dest == "" {
					watcher.wantIdle()
				} else if m := watcher.wantMsg(); m.subject != tc.dest {
					t.Errorf("trace to %s, want %s", m.subject, tc.dest)
				}
			})
		})
	}
	t.Run("some of them", func(t *testing.T) {
		script(t, config("msg_trace: {dest: t, sampling: 25%}"), func(s *site) {
			const n = 400
			watcher, pub := s.connect(as("a")), s.connect(as("a"), `"headers":true`)
			watcher.send("SUB t 1\r\n")
			watcher.ping()
			for range n {
				pub.hpub("foo", "", "traceparent: "+id+"01")
			}
			pub.ping()
			if k := strings.Count(watcher.mustGet(), "MSG t "); k < n/8 || k > n/2 {
				t.Errorf("%d of %d are traced, want about a quarter", k, n)
			}
		})
	})
}

// Who says so gets traces compressed.
func TestTraceCompression(t *testing.T) {
	for _, tc := range []struct {
		accept, encoding string
		reader           func(io.Reader) io.Reader
	}{
		{"gzip", "gzip", func(r io.Reader) io.Reader {
			z, err := gzip.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			return z
		}},
		{"snappy", "snappy", func(r io.Reader) io.Reader { return s2.NewReader(r) }},
		{"s2", "snappy", func(r io.Reader) io.Reader { return s2.NewReader(r) }},
		{"br", "identity", func(r io.Reader) io.Reader { return r }},
	} {
		t.Run(tc.accept, func(t *testing.T) {
			script(t, traceConfig, func(s *site) {
				watcher, pub := s.connect(as("a"), `"headers":true`), s.connect(as("a"), `"headers":true`)
				watcher.send("SUB t 1\r\n")
				watcher.ping()
				pub.hpub("foo", "", "Nats-Trace-Dest: t", "Accept-Encoding: "+tc.accept)
				m := watcher.wantMsg()
				if !strings.Contains(m.header, "Content-Encoding: "+tc.encoding+"\r\n") {
					t.Errorf("header %q", m.header)
				}
				text, err := io.ReadAll(tc.reader(bytes.NewReader([]byte(m.payload))))
				if err != nil {
					t.Fatal(err)
				}
				if tr := parseTrace(t, string(text)); len(tr.Events) != 1 {
					t.Errorf("trace:\n%s", tr.summary())
				}
			})
		})
	}
}
