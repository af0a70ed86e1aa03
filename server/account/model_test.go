package account

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/subject"
)

// recorder is a receiver that remembers everything.
type recorder struct {
	Target
	got         []byte
	msgs, bytes int64
	tracked     []string
	exhausted   []*Subscription
	onExhausted func(*Subscription)
	behind      chan struct{}
	// slow is what it says when it is asked whether it is behind.
	slow bool
	// account and rtt are what it tells of itself.
	account string
	rtt     time.Duration
	// log is where it says what was called, together with others.
	log *[]string
}

func newRecorder(id uint64, headers bool) *recorder {
	r := &recorder{}
	r.ID, r.Receiver = id, r
	r.SetHeaders(headers)
	return r
}

func (r *recorder) Accept(l *chunk.List, msgs, n int64) <-chan struct{} {
	r.note("accept")
	r.got = append(r.got, l.Bytes()...)
	r.msgs += msgs
	r.bytes += n
	l.Free()
	return r.behind
}

func (r *recorder) Flush() { r.note("flush") }

func (r *recorder) Exhausted(s *Subscription) {
	r.exhausted = append(r.exhausted, s)
	if r.onExhausted != nil {
		r.onExhausted(s)
	}
}

func (r *recorder) Name() string { return fmt.Sprint("target-", r.ID) }

func (r *recorder) Behind() bool { return r.slow }

func (r *recorder) Info() event.ClientInfo {
	return event.ClientInfo{ID: r.ID, Account: r.account, User: r.Name(), RTT: r.rtt}
}

func (r *recorder) TrackReply(reply []byte) { r.tracked = append(r.tracked, string(reply)) }

func (r *recorder) note(what string) {
	if r.log != nil {
		*r.log = append(*r.log, fmt.Sprint(what, " ", r.ID))
	}
}

// take returns what came since the last call.
func (r *recorder) take() string {
	s := string(r.got)
	r.got = nil
	return s
}

// encode is the plain version of how a message looks to a subscription.
func encode(m *Message, sid string, headers bool) string {
	reply := ""
	if len(m.Reply) > 0 {
		reply = string(m.Reply) + " "
	}
	if m.HeaderLen > 0 && headers {
		return fmt.Sprintf("HMSG %s %s %s%d %d\r\n%s%s\r\n", m.Subject, sid, reply, m.HeaderLen, m.Size(), m.Header(), m.Payload())
	}
	return fmt.Sprintf("MSG %s %s %s%d\r\n%s\r\n", m.Subject, sid, reply, len(m.Payload()), m.Payload())
}

// evenOnly is a filter that a test can see through.
type evenOnly struct{}

func (evenOnly) CanDeliver(subject []byte, _ string) bool { return len(subject)%2 == 0 }

// world is a history of some accounts, publishers and receivers, and the slow
// and obvious version of what must come of it.
type world struct {
	t   *testing.T
	rng *rand.Rand
	// step names the operation under way.
	step string

	accounts []*Account
	targets  []*recorder
	pubs     []*publisher
	subs     []*modelSub
	sids     int
	ids      uint64
	log      []string
	// handled are the subscriptions whose handlers were called, in order.
	handled []*modelSub
}

// modelSub is what the model knows of a subscription.
type modelSub struct {
	*Subscription
	acc    *Account
	target *recorder
	filter bool
	// gone is set when nothing is to be delivered any more.
	gone  bool
	count int64
	limit int64
}

// publisher is a Fanout and what must be staged in it.
type publisher struct {
	*Fanout
	self   *recorder
	noEcho bool
	staged map[*recorder]string
	msgs   map[*recorder]int64
	bytes  map[*recorder]int64
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
	for i := range 2 {
		w.accounts = append(w.accounts, New(fmt.Sprint("A", i)))
	}
	for range 5 {
		w.addTarget()
	}
	for range 4 {
		w.addPublisher()
	}
	return w
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s: %s", w.step, fmt.Sprintf(format, args...))
}

func (w *world) addTarget() *recorder {
	w.ids++
	r := newRecorder(w.ids, w.rng.IntN(2) == 0)
	r.log = &w.log
	r.SetTracksReplies(w.rng.IntN(3) == 0)
	if w.rng.IntN(2) == 0 {
		// As a connection does; the other kind is slow to react.
		r.onExhausted = func(s *Subscription) { w.model(s).acc.Unsubscribe(s) }
	}
	w.targets = append(w.targets, r)
	return r
}

func (w *world) addPublisher() *publisher {
	p := &publisher{
		noEcho: w.rng.IntN(2) == 0,
		staged: make(map[*recorder]string),
		msgs:   make(map[*recorder]int64),
		bytes:  make(map[*recorder]int64),
	}
	c := Config{NoEcho: p.noEcho, NoCache: w.rng.IntN(4) == 0, Seed: w.rng.Uint64()}
	if w.rng.IntN(4) != 0 {
		p.self = pick(w.rng, w.targets)
		c.Self = &p.self.Target
	}
	p.Fanout = pick(w.rng, w.accounts).NewFanout(c)
	w.pubs = append(w.pubs, p)
	return p
}

func (w *world) model(s *Subscription) *modelSub {
	i := slices.IndexFunc(w.subs, func(ms *modelSub) bool { return ms.Subscription == s })
	if i < 0 {
		w.fatalf("nobody knows subscription %q", s.SID)
	}
	return w.subs[i]
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// subscribe makes a subscription of a random kind.
func (w *world) subscribe() {
	w.sids++
	ms := &modelSub{acc: pick(w.rng, w.accounts), Subscription: &Subscription{
		Subject: pick(w.rng, []string{"a", "b", "a.b", "a.*", "*.b", ">", "a.>", "a.b.c", "*", "*.*.c"}),
		Queue:   pick(w.rng, []string{"", "", "", "q1", "q2"}),
		SID:     fmt.Sprint(w.sids),
	}}
	if w.rng.IntN(8) == 0 {
		ms.Handler = func(*Message) { w.handled = append(w.handled, ms) }
	} else {
		ms.target = pick(w.rng, w.targets)
		ms.Target = &ms.target.Target
		ms.Filter = evenOnly{}
		ms.filter = w.rng.IntN(5) == 0
		ms.SetFiltered(ms.filter)
	}
	w.subs = append(w.subs, ms)
	if err := ms.acc.Subscribe(ms.Subscription); err != nil {
		w.fatalf("%v", err)
	}
}

// open returns a subscription that is not gone and that suits, nil if there is
// none.
func (w *world) open(suits func(*modelSub) bool) *modelSub {
	var list []*modelSub
	for _, ms := range w.subs {
		if !ms.gone && suits(ms) {
			list = append(list, ms)
		}
	}
	if list == nil {
		return nil
	}
	return pick(w.rng, list)
}

// settleAll has everybody count, so that the model's counts are known to all.
func (w *world) settleAll() {
	for _, p := range w.pubs {
		p.Settle()
	}
	for _, ms := range w.subs {
		if ms.Delivered() != ms.count {
			w.fatalf("subscription %s to %q has had %d messages, want %d", ms.SID, ms.Subject, ms.Delivered(), ms.count)
		}
	}
}

func (w *world) setMax() {
	ms := w.open(func(ms *modelSub) bool { return ms.target != nil })
	if ms == nil {
		return
	}
	w.settleAll()
	ms.limit = 1 + w.rng.Int64N(6)
	reached := ms.SetMax(ms.limit)
	if reached != (ms.count >= ms.limit) {
		w.fatalf("SetMax(%d) after %d says %t", ms.limit, ms.count, reached)
	}
	if reached {
		ms.gone = true
		ms.acc.Unsubscribe(ms.Subscription)
	}
}

// refilter switches the filter of a subscription on or off.
func (w *world) refilter() {
	ms := w.open(func(ms *modelSub) bool { return ms.target != nil && !ms.Closed() })
	if ms == nil {
		return
	}
	ms.filter = !ms.filter
	ms.SetFiltered(ms.filter)
}

// closeTarget ends a connection and lets another one come.
func (w *world) closeTarget() {
	i := w.rng.IntN(len(w.targets))
	t := w.targets[i]
	byAccount := make(map[*Account][]*Subscription)
	for _, ms := range w.subs {
		if ms.target == t && !ms.gone {
			ms.gone = true
			byAccount[ms.acc] = append(byAccount[ms.acc], ms.Subscription)
		}
	}
	t.Close()
	// Sometimes publishers see the closed target before its interest is gone.
	if w.rng.IntN(2) == 0 {
		for range 5 {
			w.publish()
		}
	}
	for a, subs := range byAccount {
		a.UnsubscribeAll(subs)
	}
	for _, p := range w.pubs {
		delete(p.staged, t) // nobody is there to get it
		delete(p.msgs, t)
		delete(p.bytes, t)
	}
	w.targets = slices.Delete(w.targets, i, i+1)
	w.addTarget()
}

// message makes a random message.
func (w *world) message() *Message {
	subj := pick(w.rng, []string{"a", "b", "c", "a.b", "a.c", "c.b", "a.b.c", "b.b.c", "a.*"})
	size := pick(w.rng, []int{0, 1, 12, 200, 200, 1000, inlineBody - 2, inlineBody - 1, inlineBody + 10})
	if w.rng.IntN(200) == 0 {
		size = 100_000
	}
	var headers []string
	if w.rng.IntN(3) == 0 {
		headers = []string{"Name", "value", "Other", strings.Repeat("v", w.rng.IntN(100))}
	}
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(w.rng.Uint32())
	}
	m := NewMessage(subj, payload, headers...)
	switch w.rng.IntN(4) {
	case 0:
		m.Reply = fmt.Appendf(nil, "_INBOX.%d", w.rng.IntN(1000))
	case 1:
		// A subject that is used once.
		m.Subject = fmt.Appendf(nil, "a.%d", w.rng.Uint32())
	}
	return m
}

// obstacle is why a subscription may not have a message of p's now.
func (w *world) obstacle(p *publisher, ms *modelSub, m *Message) string {
	switch {
	case ms.Closed():
		return event.NotSubClosed
	case ms.target == nil:
		return ""
	case ms.target.closed.Load():
		return event.NotClientClosed
	case p.noEcho && ms.target == p.self:
		return event.NotNoEcho
	case ms.filter && len(m.Subject)%2 != 0:
		return event.NotSubDenied
	case ms.limit > 0 && ms.count >= ms.limit:
		return event.NotExhausted
	}
	return ""
}

// publish delivers a random message and checks what was staged for whom.
func (w *world) publish() {
	p, m := pick(w.rng, w.pubs), w.message()
	if p.self != nil {
		m.From = &p.self.Target
	}
	// Who must get it, before anything changes on account of it.
	var plain []*modelSub
	groups := make(map[string][]*modelSub)
	for _, ms := range w.subs {
		if ms.acc != p.Account() || ms.gone || !subject.Matches(string(m.Subject), ms.Subject) {
			continue
		}
		if w.obstacle(p, ms, m) != "" {
			continue
		}
		if ms.Queue == "" {
			plain = append(plain, ms)
		} else {
			groups[ms.Queue] = append(groups[ms.Queue], ms)
		}
	}
	want := len(plain) + len(groups)

	w.handled = nil
	tracked := make(map[*recorder]int)
	for _, t := range w.targets {
		t.exhausted = nil
		tracked[t] = len(t.tracked)
	}
	var got int
	switch w.rng.IntN(12) {
	case 0:
		report := make(map[string]int)
		only := w.rng.IntN(2) == 0
		got = p.Trace(p.Routes(m.Subject), m, only, tracer(func(s *Subscription, problem string) {
			if want := w.obstacle(p, w.model(s), m); only && problem != want {
				w.fatalf("trace says %q of subscription %s, want %q", problem, s.SID, want)
			}
			report[problem]++
		}))
		if report[""] != want {
			w.fatalf("trace reports %v for %d receivers", report, want)
		}
		if only {
			plain, groups = nil, nil
		}
	default:
		got = p.Deliver(p.Routes(m.Subject), m)
	}
	if got != want {
		w.fatalf("%q went to %d, want %d and one of each group in %v", m.Subject, got, len(plain), groups)
	}

	receivers := w.received(p, m)
	for _, ms := range plain {
		i := slices.Index(receivers, ms)
		if i < 0 {
			w.fatalf("%q did not go to subscription %s to %q of target %d", m.Subject, ms.SID, ms.Subject, ms.Target.ID)
		}
		receivers = slices.Delete(receivers, i, i+1)
	}
	for name, members := range groups {
		i := slices.IndexFunc(receivers, func(ms *modelSub) bool { return slices.Contains(members, ms) })
		if i < 0 {
			w.fatalf("%q did not go to group %q", m.Subject, name)
		}
		receivers = slices.Delete(receivers, i, i+1)
	}
	if len(receivers) > 0 {
		w.fatalf("%q went to subscription %s to %q, queue %q, as well", m.Subject, receivers[0].SID, receivers[0].Subject, receivers[0].Queue)
	}
	for _, t := range w.targets {
		if n := len(t.tracked) - tracked[t]; n > 0 && (len(m.Reply) == 0 || !t.replies.Load()) {
			w.fatalf("%d replies tracked for nothing", n)
		}
	}
}

// received finds out who got a message that p has just staged, checks what it
// looks like, and counts it.
func (w *world) received(p *publisher, m *Message) []*modelSub {
	receivers := slices.Clone(w.handled)
	for _, t := range w.targets {
		now := ""
		if st := p.stages.of[&t.Target]; st != nil {
			now = string(st.list.Bytes())
		}
		added, ok := strings.CutPrefix(now, p.staged[t])
		if !ok {
			w.fatalf("what was staged for target %d has changed", t.ID)
		}
		p.staged[t] = now
		for added != "" {
			ms := w.receiver(t, m, added)
			added = added[len(encode(m, ms.SID, t.headers.Load())):]
			receivers = append(receivers, ms)
			p.msgs[t]++
			p.bytes[t] += int64(m.Size())
			if m.HeaderLen > 0 && !t.headers.Load() {
				p.bytes[t] -= int64(m.HeaderLen)
			}
			if len(m.Reply) > 0 && t.replies.Load() && (len(t.tracked) == 0 || t.tracked[len(t.tracked)-1] != string(m.Reply)) {
				w.fatalf("reply %q was not tracked", m.Reply)
			}
		}
	}
	staged := 0
	for _, st := range p.stages.touched {
		staged += st.list.Len()
	}
	if p.Staged() != staged {
		w.fatalf("%d bytes are staged, %d are counted", staged, p.Staged())
	}
	for _, ms := range receivers {
		ms.count++
		if ms.limit == 0 || ms.target == nil {
			continue
		}
		ended := 0
		for _, s := range ms.target.exhausted {
			if s == ms.Subscription {
				ended++
			}
		}
		if want := ms.count == ms.limit; (ended == 1) != want || ended > 1 {
			w.fatalf("after %d of %d messages Exhausted was called %d times", ms.count, ms.limit, ended)
		}
		if ms.Closed() {
			ms.gone = true
		}
	}
	return receivers
}

// receiver is the subscription that the first message in text is for.
func (w *world) receiver(t *recorder, m *Message, text string) *modelSub {
	for _, ms := range w.subs {
		if ms.target == t && !ms.gone && strings.HasPrefix(text, encode(m, ms.SID, t.headers.Load())) {
			return ms
		}
	}
	w.fatalf("target %d got %.80q for a message to %q", t.ID, text, m.Subject)
	return nil
}

// flush has a publisher hand over what it has, and checks that it does.
func (w *world) flush() {
	p := pick(w.rng, w.pubs)
	if p.self != nil && !p.self.closed.Load() && w.rng.IntN(2) == 0 {
		line := fmt.Sprintf("+OK %d\r\n", w.rng.IntN(100))
		if w.rng.IntN(2) == 0 {
			p.Own([]byte(line))
		} else {
			p.OwnString(line)
		}
		p.staged[p.self] += line
	}
	w.log = nil
	for _, t := range w.targets {
		t.got, t.msgs, t.bytes = nil, 0, 0
	}
	p.Flush()
	for _, t := range w.targets {
		if string(t.got) != p.staged[t] {
			w.fatalf("target %d got %q, want %q", t.ID, t.got, p.staged[t])
		}
		if t.msgs != p.msgs[t] || t.bytes != p.bytes[t] {
			w.fatalf("target %d got %d messages of %d bytes, want %d of %d", t.ID, t.msgs, t.bytes, p.msgs[t], p.bytes[t])
		}
	}
	clear(p.staged)
	clear(p.msgs)
	clear(p.bytes)
	if p.Staged() != 0 {
		w.fatalf("%d bytes are left", p.Staged())
	}
	// Everything is handed over before anybody writes.
	if i := slices.IndexFunc(w.log, func(s string) bool { return strings.HasPrefix(s, "flush") }); i >= 0 {
		for _, s := range w.log[i:] {
			if !strings.HasPrefix(s, "flush") {
				w.fatalf("%s after the first write", s)
			}
		}
	}
	for _, s := range w.log {
		if id, ok := strings.CutPrefix(s, "accept"); ok && !slices.Contains(w.log, "flush"+id) {
			w.fatalf("%s, but it did not write", s)
		}
	}
	slices.Sort(w.log)
	if len(slices.Compact(slices.Clone(w.log))) != len(w.log) {
		w.fatalf("more than once for one target: %v", w.log)
	}
}

func (w *world) unsubscribe() {
	if ms := w.open(func(*modelSub) bool { return true }); ms != nil {
		ms.gone = true
		ms.acc.Unsubscribe(ms.Subscription)
	}
}

// Does a Fanout deliver what the obvious version says, whatever happens between
// messages?
func TestFanoutAgreesWithModel(t *testing.T) {
	for seed := range uint64(12) {
		w := newWorld(t, seed)
		for i := range 1500 {
			w.step = fmt.Sprintf("seed %d step %d", seed, i)
			switch w.rng.IntN(40) {
			case 0, 1:
				if len(w.subs) < 400 {
					w.subscribe()
				}
			case 2:
				w.unsubscribe()
			case 3:
				w.setMax()
			case 4:
				w.refilter()
			case 5:
				if w.rng.IntN(3) == 0 {
					w.closeTarget()
				}
			case 6:
				t := pick(w.rng, w.targets)
				t.SetHeaders(w.rng.IntN(2) == 0)
			case 7:
				w.settleAll()
			case 8, 9, 10, 11:
				w.flush()
			case 12:
				// A reload makes a publisher start anew.
				if w.rng.IntN(3) == 0 {
					p := w.pubs[0]
					p.Flush()
					w.pubs = w.pubs[1:]
					w.addPublisher()
				}
			default:
				w.publish()
			}
		}
		for range 50 {
			w.flush()
		}
		w.settleAll()
	}
}

// What a Fanout has of one message does not depend on where in its buffers it
// lies.
func TestEncodingAcrossChunks(t *testing.T) {
	a := New("A")
	plain, rich := newRecorder(1, false), newRecorder(2, true)
	for _, r := range []*recorder{plain, rich} {
		if err := a.Subscribe(&Subscription{Subject: ">", SID: "sid-of-" + r.Name(), Target: &r.Target}); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(5, 5))
	f := a.NewFanout(Config{})
	var wantPlain, wantRich bytes.Buffer
	for i := range 2000 {
		size := rng.IntN(300)
		if i%10 == 0 {
			size = rng.IntN(3 * inlineBody)
		}
		if i%200 == 0 {
			size = rng.IntN(200 << 10)
		}
		m := NewMessage(fmt.Sprint("subject.", i%3), bytes.Repeat([]byte{byte('a' + i%26)}, size))
		if i%2 == 0 {
			m = NewMessage(string(m.Subject), m.Payload(), "K", strings.Repeat("v", rng.IntN(2*inlineBody)))
		}
		if i%3 == 0 {
			m.Reply = bytes.Repeat([]byte("r"), 1+rng.IntN(100))
		}
		if i%500 == 7 {
			// Longer than any buffer, as a large max_control_line allows.
			m.Subject = bytes.Repeat([]byte("s"), 70_000)
			m.Reply = bytes.Repeat([]byte("r"), 70_000)
		}
		wantPlain.WriteString(encode(m, "sid-of-target-1", false))
		wantRich.WriteString(encode(m, "sid-of-target-2", true))
		if n := f.Deliver(f.Routes(m.Subject), m); n != 2 {
			t.Fatalf("message %d went to %d", i, n)
		}
		if rng.IntN(50) == 0 {
			f.Flush()
		}
	}
	f.Flush()
	if plain.take() != wantPlain.String() || rich.take() != wantRich.String() {
		t.Error("bytes differ")
	}
}
