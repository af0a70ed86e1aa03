package consumer

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// shelf is a store of the obvious kind.
type shelf struct {
	messages []shelved
	last     store.Seq
	// damaged are messages that cannot be read.
	damaged map[store.Seq]bool
	broken  error
}

type shelved struct {
	seq           store.Seq
	time          int64
	subject, data string
}

func (s *shelf) put(time int64, subject, data string) store.Seq {
	s.last++
	s.messages = append(s.messages, shelved{s.last, time, subject, data})
	return s.last
}

func (s *shelf) find(seq store.Seq) (int, bool) {
	return slices.BinarySearchFunc(s.messages, seq, func(m shelved, seq store.Seq) int { return cmp.Compare(m.seq, seq) })
}

func (s *shelf) remove(seq store.Seq) (shelved, bool) {
	i, ok := s.find(seq)
	if !ok {
		return shelved{}, false
	}
	m := s.messages[i]
	s.messages = slices.Delete(s.messages, i, i+1)
	return m, true
}

func (s *shelf) State() store.State {
	if len(s.messages) == 0 {
		if s.last == 0 {
			return store.State{}
		}
		return store.State{First: s.last + 1, Last: s.last}
	}
	return store.State{First: s.messages[0].seq, Last: s.last}
}

func (s *shelf) fill(i int, m *store.Message) error {
	if s.broken != nil {
		return s.broken
	}
	v := &s.messages[i]
	if s.damaged[v.seq] {
		return &store.CorruptionError{File: "block", Range: store.Range{First: v.seq, Last: v.seq}, Err: errors.New("flipped")}
	}
	m.Fill(v.seq, v.time, []byte(v.subject), nil, []byte(v.data))
	return nil
}

func (s *shelf) Load(seq store.Seq, m *store.Message) error {
	i, ok := s.find(seq)
	if !ok {
		return store.ErrNotFound
	}
	return s.fill(i, m)
}

func (s *shelf) Next(f *store.Filter, from store.Seq, m *store.Message) error {
	i, _ := s.find(from)
	for ; i < len(s.messages); i++ {
		if f.Matches([]byte(s.messages[i].subject)) {
			return s.fill(i, m)
		}
	}
	return store.ErrNotFound
}

func (s *shelf) Last(f *store.Filter, upTo store.Seq, m *store.Message) error {
	for i := len(s.messages) - 1; i >= 0; i-- {
		if v := s.messages[i]; v.seq <= upTo && f.Matches([]byte(v.subject)) {
			return s.fill(i, m)
		}
	}
	return store.ErrNotFound
}

func (s *shelf) LastOf(f *store.Filter, upTo store.Seq, _ int, dst []store.Seq) ([]store.Seq, error) {
	newest := map[string]store.Seq{}
	for _, v := range s.messages {
		if v.seq <= upTo && f.Matches([]byte(v.subject)) {
			newest[v.subject] = v.seq
		}
	}
	for _, v := range s.messages {
		if newest[v.subject] == v.seq {
			dst = append(dst, v.seq)
		}
	}
	return dst, nil
}

func (s *shelf) Count(f *store.Filter, from store.Seq, _ bool) (n uint64) {
	for _, v := range s.messages {
		if v.seq >= from && f.Matches([]byte(v.subject)) {
			n++
		}
	}
	return n
}

func (s *shelf) At(time int64) store.Seq {
	for _, v := range s.messages {
		if v.time >= time {
			return v.seq
		}
	}
	return s.last + 1
}

// The engine asks for nothing of this.

func (s *shelf) Subject(string) (store.SubjectState, bool) { panic("not asked for") }

func (s *shelf) Subjects(string) iter.Seq2[[]byte, store.SubjectState] {
	panic("not asked for")
}
func (s *shelf) Deleted() iter.Seq[store.Range] { panic("not asked for") }
func (s *shelf) Lost() []store.Loss             { panic("not asked for") }

// rig is an engine with its surroundings: a stream, a log, and a clock. What the
// engine does is written down as text.
type rig struct {
	t      *testing.T
	params Params
	shelf  *shelf
	state  *State
	engine *Engine
	out    Effects
	now    int64
	// log is what is committed, onTheWay what is proposed only. The latter is
	// committed after each step unless holdCommits.
	log, onTheWay [][]byte
	holdCommits   bool
	res           Result
	// deaf are the subjects that nobody listens to.
	deaf  map[string]bool
	wrote []string
	ids   int
}

// start is when tests begin.
const start = int64(1_700_000_000_000_000_000)

func newRig(t *testing.T) *rig {
	r := &rig{t: t, shelf: &shelf{damaged: map[store.Seq]bool{}}, state: &State{}, now: start, deaf: map[string]bool{}}
	r.params = Params{
		Store:      r.shelf,
		AckPrefix:  "$JS.ACK.S.C.",
		FlowPrefix: "$JS.FC.S.C.",
		Burst:      1 << 20,
		Listening:  func(s string) bool { return !r.deaf[s] },
		NewID:      func() string { r.ids++; return fmt.Sprintf("id%d", r.ids) },
		Rand:       rand.New(rand.NewPCG(1, 2)),
	}
	return r
}

// config is a configuration as it is after having been checked.
func config(c api.ConsumerConfig) *api.ConsumerConfig {
	if c.AckPolicy == api.AckExplicit || c.AckPolicy == api.AckAll {
		if c.AckWait == 0 {
			c.AckWait = 30 * time.Second
		}
	}
	if len(c.BackOff) > 0 {
		c.AckWait = c.BackOff[0]
	}
	if c.MaxAckPending == 0 && c.AckPolicy != api.AckNone {
		c.MaxAckPending = 1000
	}
	if c.MaxDeliver == 0 {
		c.MaxDeliver = -1
	}
	if c.MaxWaiting == 0 && !c.IsPush() {
		c.MaxWaiting = 512
	}
	if c.PriorityPolicy == api.PriorityPinnedClient && c.PriorityTimeout == 0 {
		c.PriorityTimeout = 2 * time.Minute
	}
	return &c
}

// consumerOf makes a rig with a consumer.
func consumerOf(t *testing.T, c api.ConsumerConfig) *rig {
	r := newRig(t)
	r.create(c)
	return r
}

func (r *rig) create(c api.ConsumerConfig) {
	r.t.Helper()
	r.lead()
	if err := r.engine.Create(r.now, config(c), &r.out); err != nil {
		r.t.Fatal(err)
	}
	r.step()
}

// lead begins a leadership: whatever was not committed is lost.
func (r *rig) lead() {
	r.t.Helper()
	r.onTheWay, r.out = nil, Effects{}
	e, err := NewEngine(r.state, r.params, r.now, &r.out)
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine = e
}

// publish stores messages on a subject and tells the engine.
func (r *rig) publish(subject string, data ...string) {
	r.t.Helper()
	for _, d := range data {
		r.engine.Stored(r.shelf.put(r.now, subject, d), []byte(subject))
	}
	r.step()
}

// remove takes a message out of the stream and tells the engine.
func (r *rig) remove(seqs ...store.Seq) {
	r.t.Helper()
	for _, seq := range seqs {
		if m, ok := r.shelf.remove(seq); ok {
			r.engine.Removed(r.now, seq, []byte(m.subject), &r.out)
		}
	}
	r.step()
}

func (r *rig) pull(reply, body string) {
	r.t.Helper()
	r.engine.Pull(r.now, reply, []byte(body), false, &r.out)
	r.step()
}

// ack sends a payload for a message.
func (r *rig) ack(seq uint64, payload, reply string) {
	r.t.Helper()
	r.engine.Ack(r.now, api.Delivery{StreamSeq: seq, ConsumerSeq: seq, Deliveries: 1}, []byte(payload), reply, &r.out)
	r.step()
}

func (r *rig) bind(bound bool) {
	r.t.Helper()
	r.engine.Bind(r.now, bound)
	r.step()
}

// wait lets time pass, with all that falls due meanwhile.
func (r *rig) wait(d time.Duration) {
	r.t.Helper()
	end := r.now + int64(d)
	for {
		at, ok := r.engine.Deadline()
		if !ok || at > end {
			break
		}
		r.now = max(at, r.now)
		r.step()
	}
	r.now = end
	r.step()
}

// step lets the engine work until there is nothing more to do, and commits.
func (r *rig) step() {
	r.t.Helper()
	for range 10_000 {
		more := r.engine.Step(r.now, &r.out)
		r.carryOut()
		if r.holdCommits || len(r.onTheWay) == 0 {
			if more {
				continue
			}
			if at, ok := r.engine.Deadline(); ok && at <= r.now {
				r.t.Fatalf("the deadline is %v ago", time.Duration(r.now-at))
			}
			return
		}
		r.commit(len(r.onTheWay))
	}
	r.t.Fatal("the engine does not come to rest")
}

// commit commits the n oldest proposals.
func (r *rig) commit(n int) {
	r.t.Helper()
	for _, frame := range r.onTheWay[:n] {
		if err := r.state.Apply(frame, &r.res); err != nil {
			r.t.Fatal(err)
		}
	}
	r.log = append(r.log, r.onTheWay[:n]...)
	r.onTheWay = r.onTheWay[n:]
	r.engine.Committed(n, &r.out)
	r.carryOut()
	if len(r.onTheWay) == 0 && !r.engine.log.frame.hasOps() && r.state.Digest() != r.engine.ahead.Digest() {
		r.t.Fatalf("the engine is at %+v, the state at %+v", r.engine.ahead, r.state)
	}
}

// carryOut writes down the effects.
func (r *rig) carryOut() {
	for i := range r.out.List {
		f := &r.out.List[i]
		if f.Kind == Propose {
			r.onTheWay = append(r.onTheWay, slices.Clone(f.Frame))
			continue
		}
		r.wrote = append(r.wrote, describe(f))
	}
	r.out.Reset()
}

func describe(f *Effect) string {
	switch f.Kind {
	case Deliver:
		d := &f.Delivery
		s := fmt.Sprintf("%s: %d (c%d", f.To, d.Stream, d.Consumer)
		if d.Count > 1 {
			s += fmt.Sprintf(", #%d", d.Count)
		}
		s += fmt.Sprintf(", %d left)", d.Pending)
		if d.PinID != "" {
			s += " pin " + d.PinID
		}
		return s
	case SendStatus:
		s := &f.Status
		header := strings.TrimSuffix(string(s.AppendHeader(nil)), "\r\n\r\n")
		line := f.To + ": " + strings.ReplaceAll(strings.TrimPrefix(header, "NATS/1.0 "), "\r\n", " | ")
		if s.Reply != "" {
			line += " -> " + s.Reply
		}
		return line
	case Answer:
		return "answer " + f.To
	case Advise:
		return describeAdvice(&f.Advice)
	case Delete:
		return "delete"
	case Fault:
		return "fault: " + f.Err.Error()
	}
	return fmt.Sprintf("effect %d", f.Kind)
}

func describeAdvice(a *Advice) string {
	name := [...]string{"", "naked", "terminated", "max deliveries", "paused", "pinned", "unpinned", "sampled"}[a.Kind]
	var parts []string
	add := func(set bool, format string, args ...any) {
		if set {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(a.Stream > 0, "%d (c%d, #%d)", a.Stream, a.Consumer, a.Count)
	add(a.Group != "", "group %s", a.Group)
	add(a.PinID != "", "%s", a.PinID)
	add(a.Reason != "", "%q", a.Reason)
	add(a.AckTime != 0, "after %v", a.AckTime)
	add(a.Kind == Paused && a.Until != 0, "until +%v", time.Duration(a.Until-start))
	add(a.Kind == Paused && a.Until == 0, "no more")
	return strings.Join(append([]string{name}, parts...), " ")
}

// want compares what was written since the last time.
func (r *rig) want(lines ...string) {
	r.t.Helper()
	if !slices.Equal(r.wrote, lines) {
		r.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(r.wrote, "\n\t"), strings.Join(lines, "\n\t"))
	}
	r.wrote = nil
}

// wantInfo compares the figures that change all the time.
func (r *rig) wantInfo(want string) {
	r.t.Helper()
	i := r.engine.Info()
	got := fmt.Sprintf("delivered %d/%d floor %d/%d unacked %d again %d waiting %d left %d",
		i.Delivered.Consumer, i.Delivered.Stream, i.AckFloor.Consumer, i.AckFloor.Stream, i.AckPending, i.Redelivered, i.Waiting, i.Pending)
	if got != want {
		r.t.Errorf("got  %s\nwant %s", got, want)
	}
}
