package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// tracer hears of deliveries within the account alone.
type tracer func(s *Subscription, problem string)

func (f tracer) Delivered(s *Subscription, _ *Message, in *Account, problem string) {
	if in != nil {
		problem += " in " + in.Name()
	}
	f(s, problem)
}
func (tracer) Stream(*Account, []byte)          {}
func (tracer) Service(*Account, []byte, []byte) {}

// What does a trace say of each kind of subscription, and do others get the
// message nevertheless?
func TestTrace(t *testing.T) {
	for _, only := range []bool{false, true} {
		a := New("A")
		self := newRecorder(1, true)
		gone := newRecorder(2, true)
		gone.Close()
		other := newRecorder(3, true)
		handled := int64(0)
		subs := []struct {
			*Subscription
			problem string
			max     int64
		}{
			{Subscription: &Subscription{SID: "plain", Target: &other.Target}},
			{Subscription: &Subscription{SID: "handler", Handler: func(*Message) { handled++ }}},
			{Subscription: &Subscription{SID: "own", Target: &self.Target}, problem: event.NotNoEcho},
			{Subscription: &Subscription{SID: "gone", Target: &gone.Target}, problem: event.NotClientClosed},
			{Subscription: &Subscription{SID: "closed", Target: &other.Target}, problem: event.NotSubClosed},
			{Subscription: &Subscription{SID: "filter", Target: &other.Target, Filter: evenOnly{}}, problem: event.NotSubDenied},
			{Subscription: &Subscription{SID: "had", Target: &other.Target}, problem: event.NotExhausted, max: 1},
			{Subscription: &Subscription{SID: "last", Target: &other.Target}, max: 2},
		}
		for _, s := range subs {
			s.Subject = "odd"
			s.SetFiltered(s.Filter != nil)
			if err := a.Subscribe(s.Subscription); err != nil {
				t.Fatal(err)
			}
		}
		f := a.NewFanout(Config{Self: &self.Target, NoEcho: true})
		send(f, "odd", "")
		f.Flush()
		other.take()
		handled = 0
		for _, s := range subs {
			if s.max > 0 {
				s.SetMax(s.max)
			}
			if s.problem == event.NotSubClosed {
				s.Close()
			}
		}

		reported := make(map[string]string)
		m := NewMessage("odd", []byte("x"))
		n := f.Trace(f.Routes(m.Subject), m, only, tracer(func(s *Subscription, problem string) {
			if _, twice := reported[s.SID]; twice {
				t.Errorf("%s was reported twice", s.SID)
			}
			reported[s.SID] = problem
		}))
		f.Flush()
		for _, s := range subs {
			if got, ok := reported[s.SID]; !ok || got != s.problem {
				t.Errorf("%s: %q, want %q", s.SID, got, s.problem)
			}
		}
		want := encode(m, "plain", true) + encode(m, "last", true)
		wantHandled := int64(1)
		if only {
			want, wantHandled = "", 0
		}
		if n != 3 || other.take() != want || handled != wantHandled {
			t.Errorf("only %t: went to %d, %d handled", only, n, handled)
		}
		if got := slices.Contains(other.exhausted, subs[7].Subscription); got == only {
			t.Errorf("only %t: the last message ended the subscription: %t", only, got)
		}
	}
}

// Does a trace of a queue group end with the member that got the message?
func TestTraceOfQueue(t *testing.T) {
	a := New("A")
	for i := range 4 {
		r := newRecorder(uint64(i), true)
		listen(t, a, r, "a", "q")
		if i < 3 {
			r.Close()
		}
	}
	closedFirst := 0
	f := a.NewFanout(Config{Seed: 3})
	for range 200 {
		var problems []string
		m := NewMessage("a", nil)
		if n := f.Trace(f.Routes(m.Subject), m, false, tracer(func(_ *Subscription, p string) { problems = append(problems, p) })); n != 1 {
			t.Fatalf("went to %d", n)
		}
		f.Flush()
		last := len(problems) - 1
		if problems[last] != "" || slices.ContainsFunc(problems[:last], func(p string) bool { return p != event.NotClientClosed }) {
			t.Fatalf("reported %q", problems)
		}
		if last > 0 {
			closedFirst++
		}
	}
	if closedFirst == 0 || closedFirst == 200 {
		t.Error("no choice among the members")
	}
}

func TestNobodyListens(t *testing.T) {
	f := New("A").NewFanout(Config{})
	m := NewMessage("a", nil)
	for range 3 {
		r := f.Routes(m.Subject)
		if !r.None() || f.Deliver(r, m) != 0 {
			t.Error("somebody got it")
		}
		if f.Trace(r, m, false, tracer(func(*Subscription, string) { t.Error("somebody was tried") })) != 0 {
			t.Error("somebody got it")
		}
	}
	if f.Flush() != nil || f.Staged() != 0 || f.Account().Name() != "A" {
		t.Error("something was staged")
	}
}

// steps are what a trace says, a line for each thing.
type steps []string

func (s *steps) Delivered(sub *Subscription, _ *Message, in *Account, problem string) {
	where := ""
	if in != nil {
		where = " in " + in.Name()
	}
	*s = append(*s, fmt.Sprintf("delivered to %s%s: %q", sub.SID, where, problem))
}

func (s *steps) Stream(to *Account, as []byte) {
	*s = append(*s, fmt.Sprintf("stream to %s as %s", to.Name(), as))
}

func (s *steps) Service(to *Account, from, as []byte) {
	*s = append(*s, fmt.Sprintf("service of %s from %s as %s", to.Name(), from, as))
}

// What does a trace tell of other accounts, where it may follow and where not?
func TestTraceOverAccounts(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		for _, only := range []bool{false, true} {
			a, b := New("A"), New("B")
			list := streams(t, a, "feed.*", "from.$1")
			list.Streams[0].AllowTrace = allowed
			list.Services = services(t, a, "svc", "ask").Services
			list.Services[0].AllowTrace = allowed
			b.Import(list)
			server, reader := join(t, a, 1, "svc"), join(t, b, 2)
			s := listen(t, b, reader.recorder, "from.*", "")
			s.SID = "reader"

			trace := func(p *party, subj, reply string) (int, string) {
				var got steps
				m := NewMessage(subj, []byte("x"), event.TraceDest, "trace")
				m.Reply, m.From = []byte(reply), &p.Target
				n := p.f.Trace(p.f.Routes(m.Subject), m, only, &got)
				p.f.Flush()
				return n, strings.Join(got, "\n")
			}
			want := "stream to B as from.x"
			if allowed {
				want += "\ndelivered to reader in B: \"\""
			}
			if n, got := trace(server, "feed.x", ""); n != 1 || got != want {
				t.Errorf("allowed %v, only %v: %d: %s", allowed, only, n, got)
			}
			if got := len(reader.messages()); got == 1 == only {
				t.Errorf("allowed %v, only %v: %d messages", allowed, only, got)
			}

			listen(t, b, reader.recorder, "inbox.1", "")
			want = "service of A from ask as svc"
			if allowed {
				want += "\ndelivered to 1 in A: \"\""
			}
			if n, got := trace(reader, "ask", "inbox.1"); n != 1 || got != want {
				t.Errorf("allowed %v, only %v: %d: %s", allowed, only, n, got)
			}
			requests := server.messages()
			if only {
				if len(requests) > 0 || waiting(a) > 0 {
					t.Errorf("allowed %v: %d messages, %d wait", allowed, len(requests), waiting(a))
				}
				continue
			}
			dest := event.TraceDisabled
			if allowed {
				dest = "trace"
			}
			if got := string(proto.HeaderValue([]byte(requests[0].header), event.TraceDest)); got != dest {
				t.Errorf("allowed %v: the trace goes to %q", allowed, got)
			}
			want = "service of B from " + requests[0].reply + " as inbox.1"
			if allowed {
				want += "\ndelivered to 1 in B: \"\""
			}
			if n, got := trace(server, requests[0].reply, ""); n != 1 || got != want || len(reader.messages()) != 1 {
				t.Errorf("allowed %v: %d: %s", allowed, n, got)
			}
		}
	}
}
