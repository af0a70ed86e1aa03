package account

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/event"
)

// listen subscribes a receiver and returns the subscription.
func listen(t testing.TB, a *Account, r *recorder, subject, queue string) *Subscription {
	t.Helper()
	s := &Subscription{Subject: subject, Queue: queue, SID: "1", Target: &r.Target}
	if err := a.Subscribe(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// send publishes a message with a payload.
func send(f *Fanout, subject, payload string) int {
	m := NewMessage(subject, []byte(payload))
	return f.Deliver(f.Routes(m.Subject), m)
}

// A message that is forwarded goes to the listeners of the subject it is forwarded to,
// plain ones and queues, and keeps its own.
func TestForwardKeepsTheSubject(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	listen(t, a, r, "inbox.*", "")
	listen(t, a, r, "inbox.1", "workers")
	listen(t, a, r, "stored", "")
	f := a.NewFanout(Config{})
	for range 3 { // known subjects have their lines ready
		m := NewMessage("stored", []byte("hi"))
		m.Reply = []byte("ack")
		if n := f.Forward(f.Routes([]byte("inbox.1")), m); n != 2 {
			t.Fatalf("%d receivers", n)
		}
		f.Flush()
		if got := r.take(); got != "MSG stored 1 ack 2\r\nhi\r\nMSG stored 1 ack 2\r\nhi\r\n" {
			t.Errorf("%q", got)
		}
	}
}

// Does a maximum that is set in the middle of a batch hold, though nothing of
// the batch is counted yet?
func TestMaxSetInTheMiddle(t *testing.T) {
	for _, tc := range []struct {
		name string
		max  int64
		// before and after are the subjects published to.
		before, after []string
		delivered     int64
	}{
		{"one subject", 4, []string{"a.x", "a.x"}, []string{"a.x", "a.x", "a.x"}, 4},
		{"a subject not seen before", 4, []string{"a.x", "a.x"}, []string{"a.1", "a.2", "a.3"}, 4},
		{"two subjects", 5, []string{"a.x", "a.x", "a.y", "a.y"}, []string{"a.y", "a.x", "a.y"}, 5},
		{"as many as were delivered", 2, []string{"a.x", "a.x"}, []string{"a.x"}, 2},
		{"fewer than were delivered", 1, []string{"a.x", "a.x"}, []string{"a.x"}, 2},
		{"one", 1, nil, []string{"a.x", "a.x"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, r := New("A"), newRecorder(1, true)
			s := listen(t, a, r, "a.*", "")
			f := a.NewFanout(Config{})
			f.Routes([]byte("a.x")) // seen once, so that it is kept the next time
			f.Routes([]byte("a.y"))
			for _, subj := range tc.before {
				send(f, subj, "")
			}
			if s.SetMax(tc.max) {
				t.Fatal("reached before anything is counted")
			}
			for _, subj := range tc.after {
				send(f, subj, "")
			}
			f.Flush()
			if got := s.Delivered(); got != tc.delivered || r.msgs != got {
				t.Errorf("delivered %d, counted %d, want %d", r.msgs, got, tc.delivered)
			}
			if len(r.exhausted) != 1 {
				t.Errorf("Exhausted was called %d times", len(r.exhausted))
			}
		})
	}
}

// Is Exhausted called once when several publishers find out at the same time?
func TestExhaustedOnce(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	s := listen(t, a, r, "a", "")
	var pubs []*Fanout
	for range 3 {
		f := a.NewFanout(Config{})
		f.Routes([]byte("a"))
		send(f, "a", "")
		send(f, "a", "")
		pubs = append(pubs, f)
	}
	if s.SetMax(3) {
		t.Fatal("reached before anybody has counted")
	}
	for _, f := range pubs {
		f.Settle()
	}
	if s.Delivered() != 6 || len(r.exhausted) != 1 || r.exhausted[0] != s {
		t.Errorf("%d counted, Exhausted for %v", s.Delivered(), r.exhausted)
	}
	if !s.SetMax(5) || len(r.exhausted) != 1 {
		t.Error("another maximum is not reached, or was told twice")
	}
}

// However a maximum and messages meet, somebody ends the subscription: the one
// who set it, or Exhausted, and that once.
func TestMaxAndMessagesAtTheSameTime(t *testing.T) {
	for range 200 {
		a := New("A")
		r := newCounter()
		s := &Subscription{Subject: "a", SID: "1", Target: &r.Target}
		if err := a.Subscribe(s); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				f := a.NewFanout(Config{})
				for range 4 {
					send(f, "a", "")
					send(f, "a", "")
					f.Flush()
				}
			})
		}
		var reached bool
		wg.Go(func() { reached = s.SetMax(10) })
		wg.Wait()
		ends := r.exhausted.Load()
		if ends > 1 || ends == 0 && !reached {
			t.Fatalf("Exhausted was called %d times, SetMax said %t, after %d messages", ends, reached, s.Delivered())
		}
		if s.Delivered() != r.msgs.Load() {
			t.Fatalf("%d messages counted, %d delivered", s.Delivered(), r.msgs.Load())
		}
	}
}

// Do publishers that all see a maximum keep to it together? Each of these
// subscriptions is to end with its first message, and all of them want to be
// the one that brings it.
func TestMaxIsExact(t *testing.T) {
	subs := make([]Subscription, 100_000)
	var taken, ended atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range subs {
				ok, last := subs[i].take(1)
				if ok {
					taken.Add(1)
				}
				if last {
					ended.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := int64(len(subs)); taken.Load() != n || ended.Load() != n {
		t.Errorf("%d messages for %d subscriptions, of which %d ended", taken.Load(), n, ended.Load())
	}
}

// Has every member of a queue group the same chance among those who can take a
// message?
func TestQueueIsFair(t *testing.T) {
	const members, messages = 5, 20_000
	for _, tc := range []struct {
		name     string
		eligible int
		spoil    func(self *recorder, targets []*recorder)
	}{
		{"all can", members, func(_ *recorder, _ []*recorder) {}},
		{"one is closed", members - 1, func(_ *recorder, targets []*recorder) { targets[2].Close() }},
		{"neighbours are closed", members - 3, func(_ *recorder, targets []*recorder) {
			for _, r := range targets[1:4] {
				r.Close()
			}
		}},
	} {
		for _, noCache := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, noCache), func(t *testing.T) {
				a := New("A")
				var targets []*recorder
				for i := range members {
					r := newRecorder(uint64(i), true)
					// One group, though the subjects differ.
					listen(t, a, r, []string{"a.b", "a.*", ">"}[i%3], "q")
					targets = append(targets, r)
				}
				tc.spoil(targets[0], targets)
				f := a.NewFanout(Config{NoCache: noCache, Seed: 7})
				for range messages {
					if n := send(f, "a.b", ""); n != 1 {
						t.Fatalf("went to %d", n)
					}
					f.Flush()
				}
				for _, r := range targets {
					want := int64(messages / tc.eligible)
					if r.closed.Load() {
						want = 0
					}
					if diff := r.msgs - want; diff < -want/10 || diff > want/10 {
						t.Errorf("target %d got %d, want about %d", r.ID, r.msgs, want)
					}
				}
			})
		}
	}
}

// Do publishers that send one message each choose different members?
func TestQueueIsFairOverPublishers(t *testing.T) {
	a := New("A")
	var targets []*recorder
	for i := range 4 {
		r := newRecorder(uint64(i), true)
		listen(t, a, r, "a", "q")
		targets = append(targets, r)
	}
	for i := range 4000 {
		if i%2 == 0 {
			f := a.NewFanout(Config{Seed: uint64(i)})
			send(f, "a", "")
			f.Flush()
		} else {
			a.Publish(NewMessage("a", nil))
		}
	}
	for _, r := range targets {
		if r.msgs < 800 || r.msgs > 1200 {
			t.Errorf("target %d got %d of 4000 messages", r.ID, r.msgs)
		}
	}
}

// Does everything that is for one target keep its order, whether subjects are
// kept or not, and though stages are dropped in between?
func TestOrderAcrossDroppedStages(t *testing.T) {
	a := New("A")
	r := newRecorder(1, true)
	listen(t, a, r, "known.*", "")
	listen(t, a, r, "once.0.*", "")
	for i := 1; i <= 2*idleStages; i++ {
		listen(t, a, newRecorder(uint64(1000+i), true), fmt.Sprintf("once.%d.*", i), "")
	}
	f := a.NewFanout(Config{Self: &r.Target})
	rng := rand.New(rand.NewPCG(1, 2))
	var want strings.Builder
	for i := range 20_000 {
		subj := "known.x"
		switch rng.IntN(4) {
		case 0:
			subj = fmt.Sprintf("once.0.%d", i)
		case 1:
			subj = fmt.Sprintf("once.%d.%d", 1+rng.IntN(2*idleStages), i)
		case 2:
			line := fmt.Sprintf("+OK %d\r\n", i)
			f.OwnString(line)
			want.WriteString(line)
		}
		m := NewMessage(subj, fmt.Append(nil, i))
		if n := f.Deliver(f.Routes(m.Subject), m); n != 1 {
			t.Fatalf("%q went to %d", subj, n)
		}
		if strings.HasPrefix(subj, "known.") || strings.HasPrefix(subj, "once.0.") {
			want.WriteString(encode(m, "1", true))
		}
		if rng.IntN(200) == 0 {
			for range rng.IntN(2 * idleFlushes) {
				f.Flush() // sometimes so often that everything is forgotten
			}
			f.Flush()
			if n := len(f.stages.of); n > 2*idleStages {
				t.Fatalf("%d stages are kept", n)
			}
		}
	}
	f.Flush()
	if r.take() != want.String() {
		t.Error("out of order")
	}
}

// What does the publisher hear of receivers that are behind?
func TestFlushTellsWhoIsBehind(t *testing.T) {
	a := New("A")
	self, slow := newRecorder(1, true), newRecorder(2, true)
	listen(t, a, self, "self", "")
	listen(t, a, slow, "slow", "")
	self.behind, slow.behind = make(chan struct{}), make(chan struct{})
	f := a.NewFanout(Config{Self: &self.Target})
	send(f, "self", "")
	if f.Flush() != nil {
		t.Error("a publisher is to wait for itself")
	}
	send(f, "slow", "")
	send(f, "self", "")
	if f.Flush() != slow.behind {
		t.Error("a publisher is not told whom to wait for")
	}
	if f.Flush() != nil {
		t.Error("a publisher is to wait with nothing delivered")
	}
	send(f, "slow", "")
	slow.Close()
	got := len(slow.got)
	if f.Flush() != nil || len(slow.got) != got {
		t.Error("a closed target got something")
	}
}

// Does a handler get the message as it is, and only when it is called?
func TestHandlers(t *testing.T) {
	a := New("A")
	var got []string
	handler := func(m *Message) {
		from := uint64(0)
		if m.From != nil {
			from = m.From.ID
		}
		got = append(got, fmt.Sprintf("%s %s %d %q %q", m.Subject, m.Reply, from, m.Header(), m.Payload()))
		if string(m.Subject) == "nested" {
			a.Publish(NewMessage("other", m.Payload()))
		}
	}
	s := &Subscription{Subject: ">", Handler: handler}
	if err := a.Subscribe(s); err != nil {
		t.Fatal(err)
	}
	f := a.NewFanout(Config{Self: &newRecorder(9, true).Target, NoEcho: true})
	m := NewMessage("x", []byte("hi"), "A", "b")
	m.Reply, m.From = []byte("r"), f.self
	if f.Deliver(f.Routes(m.Subject), m) != 1 || a.Publish(NewMessage("nested", nil)) != 1 {
		t.Error("not delivered")
	}
	want := []string{
		`x r 9 "NATS/1.0\r\nA: b\r\n\r\n" "hi"`,
		`nested  0 "" ""`,
		`other  0 "" ""`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	f.Settle()
	if s.Delivered() != 3 {
		t.Errorf("%d messages counted", s.Delivered())
	}
}

// Is the permission to publish asked for once for a subject that is kept, and
// each time for others?
func TestAllowedIsKept(t *testing.T) {
	asked := make(map[string]int)
	f := New("A").NewFanout(Config{Allowed: func(subj []byte) bool {
		asked[string(subj)]++
		return subj[0] != 'x'
	}})
	for i := range 10 {
		for _, subj := range []string{"a", "x.y"} {
			if got := f.Routes([]byte(subj)).Allowed; got != (subj[0] != 'x') {
				t.Errorf("Allowed is %t for %s in round %d", got, subj, i)
			}
		}
	}
	if asked["a"] != 2 || asked["x.y"] != 2 {
		t.Errorf("asked %v", asked)
	}
}

// Does the cache learn what is published to again, whatever else is published
// in between, stay within its bounds, and forget nothing too early?
func TestCache(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	listen(t, a, r, ">", "")
	publish := func(f *Fanout, subject string) *Routes {
		routes := f.Routes([]byte(subject))
		m := NewMessage(subject, nil)
		if n := f.Deliver(routes, m); n != 1 {
			t.Fatalf("%q went to %d", subject, n)
		}
		return routes
	}
	t.Run("one-off subjects stay out", func(t *testing.T) {
		f := a.NewFanout(Config{})
		for i := range 20_000 {
			publish(f, "busy")
			if r := publish(f, fmt.Sprint("once.", i)); !r.scratch {
				t.Fatal("a subject is kept that was published to once")
			}
			if i%100 == 0 {
				f.Flush()
			}
		}
		if len(f.cache.kept) != 1 {
			t.Errorf("%d subjects are kept", len(f.cache.kept))
		}
	})
	t.Run("subjects that take turns get in", func(t *testing.T) {
		f := a.NewFanout(Config{})
		const n = 1000
		for range 100 {
			for i := range n {
				publish(f, fmt.Sprint("device.", i))
			}
			f.Flush()
		}
		if len(f.cache.kept) < n*9/10 {
			t.Errorf("%d of %d subjects are kept", len(f.cache.kept), n)
		}
	})
	t.Run("too many subjects", func(t *testing.T) {
		f := a.NewFanout(Config{})
		for i := range 3 * maxKept {
			for subj := fmt.Sprint("s.", i); publish(f, subj).scratch; {
			}
			if n := len(f.cache.kept); n > maxKept || i >= maxKept && n < maxKept {
				t.Fatalf("%d of %d subjects are kept", n, i)
			}
		}
		f.Settle()
	})
	t.Run("too many routes", func(t *testing.T) {
		b := New("B")
		for range 100 {
			listen(t, b, r, "wide.>", "")
		}
		f := b.NewFanout(Config{})
		for i := range 1000 {
			for range 2 {
				send(f, fmt.Sprint("wide.", i), "")
			}
			weight := 0
			for _, r := range f.cache.kept {
				weight += r.weight()
			}
			if weight != f.cache.weight || weight > maxWeight+100 {
				t.Fatalf("%d routes are kept, and %d counted", weight, f.cache.weight)
			}
			f.Flush()
		}
	})
	t.Run("what is in use stays", func(t *testing.T) {
		b := New("B")
		listen(t, b, r, "busy", "")
		f := b.NewFanout(Config{})
		publish(f, "busy")
		routes := publish(f, "busy")
		for i := range 20 * sweepPause {
			if i == 10*sweepPause {
				// From now on the interest stays as it is.
				listen(t, b, r, "other", "")
			} else if i < 10*sweepPause {
				b.Unsubscribe(listen(t, b, r, "other", ""))
			}
			if publish(f, "busy") != routes {
				t.Fatal("routes were found anew")
			}
			f.Flush()
			if routes.gen != b.subs.Generation() {
				t.Fatal("routes are out of date after their use")
			}
		}
	})
	t.Run("none", func(t *testing.T) {
		f := a.NewFanout(Config{NoCache: true})
		for range 10 {
			publish(f, "busy")
		}
		if len(f.cache.kept) != 0 {
			t.Error("routes are kept")
		}
	})
}

// Do routes that were forgotten in the middle of a batch still count?
func TestForgottenRoutesCount(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	s := listen(t, a, r, ">", "")
	f := a.NewFanout(Config{})
	n := int64(0)
	for i := range 2 * maxKept {
		for range 3 {
			send(f, fmt.Sprint("s.", i), "")
			n++
		}
	}
	f.Flush()
	if s.Delivered() != n || r.msgs != n {
		t.Errorf("%d counted, %d delivered, want %d", s.Delivered(), r.msgs, n)
	}
}

// closing is a receiver that can be collected.
type closing struct {
	Target
	_ [1 << 10]byte
}

// kept and once publish to one subject again and again, and to ever new ones.
func kept(subj string) func(*Fanout, int) {
	return func(f *Fanout, _ int) { send(f, subj, "") }
}

func once(subj string) func(*Fanout, int) {
	return func(f *Fanout, i int) { send(f, fmt.Sprint(subj, ".", i), "") }
}

// Does a Fanout that goes on let go of targets that are closed?
func TestClosedTargetsAreForgotten(t *testing.T) {
	for _, tc := range []struct {
		name string
		// before is published while the targets are there, after when they are
		// gone.
		before, after func(f *Fanout, i int)
		// flushes is how often that is done; 0 is as often as it may take.
		flushes int
	}{
		{"kept routes", kept("all"), kept("other"), 0},
		{"kept routes, used again", kept("some"), kept("some"), 0},
		{"routes for one message", once("all"), kept("other"), 0},
		{"queue group", kept("queue"), kept("other"), 0},
		{"queue group, used again", kept("queue"), kept("queue"), 0},
		{"one-off subjects afterwards", kept("all"), once("other"), 0},
		{"nobody listens afterwards", kept("all"), kept("nothing"), 0},
		{"nothing is published afterwards", kept("all"), func(*Fanout, int) {}, idleFlushes},
		{"only PINGs come afterwards", kept("all"), func(f *Fanout, _ int) { f.OwnString("PONG\r\n") }, idleFlushes},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := New("A")
			stays := newRecorder(1, true)
			f := a.NewFanout(Config{Self: &stays.Target})
			for _, subj := range []string{"other", "other.*", "some"} {
				listen(t, a, stays, subj, "")
			}
			listen(t, a, stays, "queue", "q")
			var refs []weak.Pointer[closing]
			func() {
				var subs []*Subscription
				for range 100 {
					c := &closing{}
					c.Receiver = sink{}
					for _, s := range []*Subscription{
						{Subject: "all", Target: &c.Target},
						{Subject: "all.*", Target: &c.Target},
						{Subject: "some", Target: &c.Target},
						{Subject: "queue", Queue: "q", Target: &c.Target},
					} {
						subs = append(subs, s)
						if err := a.Subscribe(s); err != nil {
							t.Fatal(err)
						}
					}
					refs = append(refs, weak.Make(c))
				}
				for i := range 100 {
					tc.before(f, i)
				}
				f.Flush()
				for _, s := range subs {
					s.Target.Close()
				}
				a.UnsubscribeAll(subs)
			}()
			if tc.flushes == 0 {
				tc.flushes = 4 * (sweepPause + len(refs))
			}
			for i := range tc.flushes {
				tc.after(f, i)
				f.Flush()
			}
			runtime.GC()
			kept := 0
			for _, ref := range refs {
				if ref.Value() != nil {
					kept++
				}
			}
			if kept > 0 {
				t.Errorf("%d of %d closed targets are kept", kept, len(refs))
			}
			if len(f.stages.of) > 1 {
				t.Errorf("%d stages are kept", len(f.stages.of))
			}
			if f.cache == nil {
				return
			}
			weight := 0
			for _, r := range f.cache.kept {
				weight += r.weight()
			}
			if weight != f.cache.weight {
				t.Errorf("%d routes are kept, %d are counted", weight, f.cache.weight)
			}
			runtime.KeepAlive(f)
			runtime.KeepAlive(a)
		})
	}
}

// Are publishers, subscribers and closing connections safe from each other, and
// does a subscription that stays get everything in order?
func TestConcurrency(t *testing.T) {
	const publishers, messages = 4, 2000
	a := New("A")
	steady := newCounter()
	steady.keep = true
	for _, subj := range []string{"data.*", "once.>"} {
		if err := a.Subscribe(&Subscription{Subject: subj, SID: "1", Target: &steady.Target}); err != nil {
			t.Fatal(err)
		}
	}
	group := [3]*counter{}
	for i := range group {
		group[i] = newCounter()
		if err := a.Subscribe(&Subscription{Subject: "data.>", Queue: "q", SID: "1", Target: &group[i].Target}); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var churn, wg sync.WaitGroup
	for seed := range uint64(2) {
		churn.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for {
				select {
				case <-stop:
					return
				default:
				}
				c := newCounter()
				c.onExhausted = a.Unsubscribe
				var subs []*Subscription
				for _, subj := range []string{"data.*", "data.1", ">", "once.*"} {
					s := &Subscription{Subject: subj, SID: "2", Target: &c.Target}
					if err := a.Subscribe(s); err != nil {
						t.Error(err)
					}
					if rng.IntN(2) == 0 {
						s.SetMax(1 + rng.Int64N(5))
					}
					subs = append(subs, s)
				}
				c.Close()
				a.UnsubscribeAll(subs)
			}
		})
	}
	for p := range publishers {
		wg.Go(func() {
			f := a.NewFanout(Config{Seed: uint64(p), NoCache: p == 0})
			for i := range messages {
				send(f, fmt.Sprintf("data.%d", p), fmt.Sprintf("%d-%d", p, i))
				send(f, fmt.Sprintf("once.%d.%d", p, i), fmt.Sprintf("%d-%d", p, i))
				if i%7 == 0 {
					f.Flush()
				}
			}
			f.Flush()
		})
	}
	wg.Wait()
	close(stop)
	churn.Wait()

	if n := a.Interest().Len(); n != 5 {
		t.Errorf("%d subscriptions are left", n)
	}
	for p := range publishers {
		var got, want []string
		for _, line := range strings.Split(string(steady.got), "\r\n") {
			if strings.HasPrefix(line, fmt.Sprintf("%d-", p)) {
				got = append(got, line)
			}
		}
		for i := range messages {
			want = append(want, fmt.Sprintf("%d-%d", p, i), fmt.Sprintf("%d-%d", p, i))
		}
		if !slices.Equal(got, want) {
			t.Errorf("publisher %d: %d messages, not the %d in their order", p, len(got), len(want))
		}
	}
	inGroup := int64(0)
	for _, c := range group {
		inGroup += c.msgs.Load()
	}
	if inGroup != publishers*messages {
		t.Errorf("the group got %d messages, want %d", inGroup, publishers*messages)
	}
}

// closer is a filter that has the subscription closed while a message is on
// its way to it.
type closer struct {
	a *Account
	s *Subscription
}

func (c *closer) CanDeliver([]byte, string) bool {
	c.a.Unsubscribe(c.s)
	return true
}

// Is a subscription that is closed in the very moment of a message over?
func TestClosedInTheMiddle(t *testing.T) {
	a, r := New("A"), newRecorder(1, true)
	s := &Subscription{Subject: "a", SID: "1", Target: &r.Target}
	s.Filter = &closer{a, s}
	s.SetFiltered(true)
	if err := a.Subscribe(s); err != nil {
		t.Fatal(err)
	}
	f := a.NewFanout(Config{})
	if n := send(f, "a", ""); n != 0 {
		t.Errorf("went to %d", n)
	}
	f.Flush()
	r.Await()
	if r.take() != "" {
		t.Error("something came after the end")
	}
}

// Does a connection that has left a subscription, and waited, get no more
// messages for it from publishers in the middle of their batches?
func TestNothingComesAfterAwait(t *testing.T) {
	a := New("A")
	r := newCounter()
	var done atomic.Bool
	var publishers sync.WaitGroup
	for p := range 3 {
		publishers.Go(func() {
			f := a.NewFanout(Config{NoCache: p == 0})
			for !done.Load() {
				for range p + 1 {
					send(f, "a", "")
					runtime.Gosched()
				}
				f.Flush()
			}
		})
	}
	for round := range 2000 {
		s := &Subscription{Subject: "a", SID: "1", Target: &r.Target}
		if err := a.Subscribe(s); err != nil {
			t.Fatal(err)
		}
		for range round % 5 {
			runtime.Gosched()
		}
		a.Unsubscribe(s)
		r.Await()
		before := r.msgs.Load()
		runtime.Gosched()
		if after := r.msgs.Load(); after != before {
			t.Errorf("round %d: %d messages came late", round, after-before)
			break
		}
	}
	done.Store(true)
	publishers.Wait()
}

// Does publishing allocate?
func TestFanoutDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector empties pools at random")
	}
	for _, tc := range []struct {
		name    string
		targets int
		queue   string
		size    int
		once    bool
		limited bool
	}{
		{name: "one target", targets: 1, size: 16},
		{name: "one target, large", targets: 1, size: 32 << 10},
		{name: "8 targets", targets: 8, size: 128},
		{name: "queue", targets: 10, queue: "q", size: 128},
		{name: "one-off subject", targets: 1, size: 128, once: true},
		{name: "one-off subject, queue", targets: 10, queue: "q", size: 128, once: true},
		{name: "maximum", targets: 1, size: 128, limited: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := New("A")
			sinks(t, a, tc.targets, "a.*", tc.queue)
			if tc.limited {
				for _, s := range a.Subscriptions("") {
					s.SetMax(1 << 40)
				}
			}
			self := &Target{Receiver: sink{}}
			f := a.NewFanout(Config{Self: self})
			m := NewMessage("a.00000000", bytes.Repeat([]byte("x"), tc.size))
			m.Reply = []byte("_INBOX.reply")
			batch := func() {
				for range 20 {
					if tc.once {
						next(m.Subject)
					}
					f.Deliver(f.Routes(m.Subject), m)
				}
				f.OwnString("PONG\r\n")
				f.Flush()
			}
			for range 100 {
				batch()
			}
			// Less than one for some batches: pools may be emptied by the
			// garbage collector.
			if n := testing.AllocsPerRun(500, batch); n > 0 {
				t.Errorf("%v allocations for 20 messages", n)
			}
		})
	}
}

// next changes a subject to another that was not used before.
func next(subject []byte) {
	for i := len(subject) - 1; ; i-- {
		if subject[i]++; subject[i] <= 'z' {
			return
		}
		subject[i] = '0'
	}
}

// counter is a receiver for many goroutines.
type counter struct {
	Target
	// keep has it remember what it gets.
	keep        bool
	onExhausted func(*Subscription)
	msgs        atomic.Int64
	exhausted   atomic.Int64

	mu  sync.Mutex
	got []byte
}

func newCounter() *counter {
	c := &counter{}
	c.Receiver = c
	return c
}

func (c *counter) Accept(l *chunk.List, msgs, _ int64) <-chan struct{} {
	c.msgs.Add(msgs)
	if c.keep {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, l.Bytes()...)
	}
	l.Free()
	return nil
}

func (c *counter) Flush() {}

func (c *counter) Exhausted(s *Subscription) {
	c.exhausted.Add(1)
	if c.onExhausted != nil {
		c.onExhausted(s)
	}
}

func (c *counter) Name() string { return "counter" }

func (c *counter) TrackReply([]byte) {}
func (c *counter) Behind() bool      { return false }

func (c *counter) Info() event.ClientInfo { return event.ClientInfo{} }

// Is a target that is slow left out, a queue group's message given to another
// member, and the slow one let in again once it has caught up?
func TestSlowTargetsAreLeftOut(t *testing.T) {
	a := New("A")
	slow, other := newRecorder(1, true), newRecorder(2, true)
	for _, s := range []*Subscription{
		{Subject: "a", SID: "1", Target: &slow.Target},
		{Subject: "q", Queue: "g", SID: "2", Target: &slow.Target},
		{Subject: "q", Queue: "g", SID: "3", Target: &other.Target},
	} {
		if err := a.Subscribe(s); err != nil {
			t.Fatal(err)
		}
	}
	f := a.NewFanout(Config{Self: &slow.Target})
	slow.slow = true
	slow.SetSlow()
	if n := send(f, "a", "1"); n != 0 {
		t.Errorf("went to %d", n)
	}
	for range 20 {
		if n := send(f, "q", "2"); n != 1 {
			t.Errorf("went to %d members", n)
		}
	}
	f.OwnString("PONG\r\n") // it still gets what is no message
	f.Flush()
	if got := slow.take(); got != "PONG\r\n" {
		t.Errorf("the slow one got %q", got)
	}
	if got, want := other.take(), strings.Repeat(encode(NewMessage("q", []byte("2")), "3", true), 20); got != want {
		t.Errorf("the other got %q", got)
	}
	slow.slow = false
	if n := send(f, "a", "3"); n != 1 {
		t.Errorf("went to %d when it had caught up", n)
	}
	f.Flush()
	if got, want := slow.take(), encode(NewMessage("a", []byte("3")), "1", true); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
