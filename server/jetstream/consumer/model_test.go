package consumer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// model is an explicit-ack pull consumer of the obvious kind: it judges what an
// engine does, one delivery after the other.
type model struct {
	t           *testing.T
	now         int64
	ackWait     int64
	maxPending  int
	maxDeliver  int
	stream      []store.Seq
	next        store.Seq
	consumerSeq ConsumerSeq
	pending     map[store.Seq]*modelPending
	requests    []modelRequest
}

type modelPending struct {
	first ConsumerSeq
	count int
	due   int64
}

type modelRequest struct {
	reply string
	left  int
}

// due returns the pending messages that are due, with those that have become so by
// their last delivery given up.
func (m *model) due() (due []store.Seq) {
	for seq, p := range m.pending {
		if p.due > m.now {
			continue
		}
		if p.count >= m.maxDeliver {
			delete(m.pending, seq)
			continue
		}
		due = append(due, seq)
	}
	return due
}

func (m *model) nextNew() store.Seq {
	for _, seq := range m.stream {
		if seq >= m.next {
			return seq
		}
	}
	return 0
}

func (m *model) left() (n uint64) {
	for _, seq := range m.stream {
		if seq >= m.next {
			n++
		}
	}
	return n
}

// deliverable reports whether a message can be delivered now.
func (m *model) deliverable() bool {
	return len(m.requests) > 0 && (len(m.due()) > 0 || len(m.pending) < m.maxPending && m.nextNew() != 0)
}

// judge checks a delivery that the engine has made.
func (m *model) judge(f *Effect) {
	m.t.Helper()
	d := f.Delivery
	m.due()
	if !m.deliverable() {
		m.t.Fatalf("nothing can be delivered, got %s", describe(f))
	}
	r := m.requests[0]
	m.requests = m.requests[1:]
	if r.left--; r.left > 0 {
		m.requests = append(m.requests, r)
	}
	m.consumerSeq++
	p := m.pending[d.Stream]
	switch due := m.due(); {
	case len(due) > 0 && !slices.Contains(due, d.Stream):
		m.t.Fatalf("%v are due, got %s", due, describe(f))
	case len(due) == 0 && d.Stream != m.nextNew():
		m.t.Fatalf("%d is next, got %s", m.nextNew(), describe(f))
	case len(due) == 0:
		m.next = d.Stream + 1
		p = &modelPending{first: m.consumerSeq}
		m.pending[d.Stream] = p
	}
	p.count++
	p.due = m.now + m.ackWait
	if f.To != r.reply || d.Consumer != m.consumerSeq || int(d.Count) != p.count || d.Pending != m.left() {
		m.t.Fatalf("want %s: %d (c%d, #%d, %d left), got %s", r.reply, d.Stream, m.consumerSeq, p.count, m.left(), describe(f))
	}
}

// settled checks that the engine has done all that it could, and that it says so.
func (m *model) settled(e *Engine) {
	m.t.Helper()
	m.due()
	if m.deliverable() {
		m.t.Fatalf("due are %v, new is %d, and %v wait", m.due(), m.nextNew(), m.requests)
	}
	i := e.Info()
	repeated, low := 0, (*modelPending)(nil)
	var wake int64 = never
	for _, p := range m.pending {
		if p.count > 1 {
			repeated++
		}
		if low == nil || p.first < low.first {
			low = p
		}
		if p.due > m.now {
			wake = min(wake, p.due)
		}
	}
	if i.AckPending != len(m.pending) || i.Redelivered != repeated || i.Waiting != len(m.requests) || i.Pending != m.left() || i.Delivered.Consumer != m.consumerSeq {
		m.t.Fatalf("%+v; want %d pending, %d repeated, %d waiting, %d left, consumer seq %d",
			i, len(m.pending), repeated, len(m.requests), m.left(), m.consumerSeq)
	}
	if floor := i.AckFloor.Consumer; low == nil && floor != m.consumerSeq || low != nil && floor >= low.first {
		m.t.Fatalf("the ack floor is %d, the lowest pending message %+v", floor, low)
	}
	if at, ok := e.Deadline(); ok != (wake != never) || ok && at != wake {
		m.t.Fatalf("the deadline is %d, %v; want %d", at-start, ok, wake-start)
	}
}

// The engine does what the obvious consumer does, also if another leader goes on.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			cfg := api.ConsumerConfig{AckPolicy: api.AckExplicit, AckWait: time.Second, MaxAckPending: 1 + rnd.IntN(8), MaxDeliver: 1 + rnd.IntN(4)}
			r := newRig(t)
			r.params.Replicated = rnd.IntN(2) == 0
			r.create(cfg)
			m := &model{
				t: t, now: r.now, ackWait: int64(cfg.AckWait), maxPending: cfg.MaxAckPending, maxDeliver: cfg.MaxDeliver,
				next: 1, pending: map[store.Seq]*modelPending{},
			}
			for range 300 {
				randomChange(r, m, rnd)
			}
			checkReplicas(t, r.log, rnd)
		})
	}
}

// judgeStep lets the engine work, with the model watching.
func judgeStep(r *rig, m *model) {
	r.t.Helper()
	m.now = r.now
	for range 1000 {
		more := r.engine.Step(r.now, &r.out)
		for i := range r.out.List {
			if f := &r.out.List[i]; f.Kind == Deliver {
				m.judge(f)
			}
		}
		r.carryOut()
		if !more && len(r.onTheWay) == 0 && len(r.out.List) == 0 {
			m.settled(r.engine)
			return
		}
		for _, frame := range r.onTheWay {
			if err := r.state.Apply(frame, &r.res); err != nil {
				r.t.Fatal(err)
			}
		}
		r.log = append(r.log, r.onTheWay...)
		n := len(r.onTheWay)
		r.onTheWay = nil
		r.engine.Committed(n, &r.out)
	}
	r.t.Fatal("the engine does not come to rest")
}

func randomChange(r *rig, m *model, rnd *rand.Rand) {
	r.t.Helper()
	anyOf := func() (seq store.Seq, p *modelPending) {
		if seq = store.Seq(1 + rnd.IntN(int(m.next)+1)); len(m.pending) > 0 && rnd.IntN(4) > 0 {
			seqs := make([]store.Seq, 0, len(m.pending))
			for s := range m.pending {
				seqs = append(seqs, s)
			}
			slices.Sort(seqs)
			seq = seqs[rnd.IntN(len(seqs))]
		}
		return seq, m.pending[seq]
	}
	send := func(seq store.Seq, payload string) {
		r.engine.Ack(r.now, api.Delivery{StreamSeq: uint64(seq)}, []byte(payload), "", &r.out)
	}
	switch n := rnd.IntN(20); {
	case n < 5:
		seq := r.shelf.put(r.now, "a", "x")
		r.engine.Stored(seq, []byte("a"))
		m.stream = append(m.stream, seq)
	case n < 9:
		reply, batch := fmt.Sprintf("I%d", rnd.IntN(1000)), 1+rnd.IntN(4)
		r.engine.Pull(r.now, reply, fmt.Append(nil, batch), false, &r.out)
		m.requests = append(m.requests, modelRequest{reply, batch})
	case n < 12:
		seq, _ := anyOf()
		send(seq, "+ACK")
		delete(m.pending, seq)
	case n < 13:
		seq, _ := anyOf()
		send(seq, "+TERM")
		delete(m.pending, seq)
	case n < 15:
		seq, p := anyOf()
		delay := rnd.IntN(2) * rnd.IntN(2000)
		send(seq, fmt.Sprintf("-NAK %dms", delay))
		if p != nil {
			p.due = r.now + int64(delay)*int64(time.Millisecond)
		}
	case n < 16:
		seq, p := anyOf()
		send(seq, "+WPI")
		if p != nil {
			p.due = r.now + m.ackWait
		}
	case n < 17:
		seq, _ := anyOf()
		if v, ok := r.shelf.remove(seq); ok {
			r.engine.Removed(r.now, seq, []byte(v.subject), &r.out)
			delete(m.pending, seq)
			m.stream = slices.DeleteFunc(m.stream, func(s store.Seq) bool { return s == seq })
		}
	case n < 18:
		r.lead()
		m.requests = nil
	default:
		for end := r.now + rnd.Int64N(int64(2*time.Second)); ; {
			at, ok := r.engine.Deadline()
			if !ok || at > end {
				r.now = end
				break
			}
			r.now = at
			judgeStep(r, m)
		}
	}
	judgeStep(r, m)
}

// checkReplicas checks that replicas which have applied a log are equal, also if
// they began with the whole state as of some moment.
func checkReplicas(t *testing.T, log [][]byte, rnd *rand.Rand) {
	t.Helper()
	var whole State
	var res Result
	images := make([][]byte, 0, len(log))
	for i, frame := range log {
		before := whole.floor
		if err := whole.Apply(frame, &res); err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if whole.floor.Consumer < before.Consumer || whole.floor.Stream < before.Stream {
			t.Fatalf("frame %d: the ack floor goes back from %+v to %+v", i, before, whole.floor)
		}
		images = append(images, whole.AppendFull(nil))
	}
	for range 20 {
		if len(images) == 0 {
			return
		}
		i := rnd.IntN(len(images))
		var late State
		for _, frame := range append([][]byte{images[i]}, log[i+1:]...) {
			if err := late.Apply(frame, &res); err != nil {
				t.Fatal(err)
			}
		}
		if late.Digest() != whole.Digest() {
			t.Fatalf("begun after frame %d of %d: %+v, want %+v", i, len(log), late, whole)
		}
	}
}

// Whatever was promised survives a crash of the leader at any moment: what was said
// to be acknowledged never comes again, each message comes until it is settled, and
// with replicas no delivery is made twice under the same number.
func TestCrashes(t *testing.T) {
	for seed := range uint64(80) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			r := newRig(t)
			r.params.Replicated = seed%2 == 0
			policy := []api.AckPolicy{api.AckExplicit, api.AckAll}[rnd.IntN(2)]
			r.create(api.ConsumerConfig{AckPolicy: policy, AckWait: time.Second, MaxAckPending: 1 + rnd.IntN(20)})
			h := &history{t: t, r: r, policy: policy, answered: map[store.Seq]bool{}, counts: map[store.Seq]uint32{}}
			for range 300 {
				h.change(rnd)
			}
			h.drain()
			checkReplicas(t, r.log, rnd)
			checkCompacted(t, r.log)
		})
	}
}

// checkCompacted checks that the log from a full state on makes the same state.
func checkCompacted(t *testing.T, log [][]byte) {
	t.Helper()
	digest := func(log [][]byte) uint64 {
		var s State
		var res Result
		for _, frame := range log {
			if err := s.Apply(frame, &res); err != nil {
				t.Fatal(err)
			}
		}
		return s.Digest()
	}
	want := digest(log)
	for i, frame := range log {
		if IsFull(frame) && digest(log[i:]) != want {
			t.Fatalf("from frame %d of %d on it is another state", i, len(log))
		}
	}
}

// history is what clients saw.
type history struct {
	t         *testing.T
	r         *rig
	policy    api.AckPolicy
	delivered []store.Seq
	// answered are the messages whose acknowledgement was answered, counts the
	// numbers of their last deliveries.
	answered map[store.Seq]bool
	counts   map[store.Seq]uint32
	requests int
}

func (h *history) change(rnd *rand.Rand) {
	r := h.r
	switch n := rnd.IntN(16); {
	case n < 4:
		for range 1 + rnd.IntN(5) {
			r.engine.Stored(r.shelf.put(r.now, "a", "x"), []byte("a"))
		}
	case n < 7:
		h.requests++
		r.engine.Pull(r.now, fmt.Sprintf("I%d", h.requests), fmt.Append(nil, 1+rnd.IntN(5)), false, &r.out)
	case n < 11:
		if len(h.delivered) > 0 {
			h.ack(h.delivered[rnd.IntN(len(h.delivered))])
		}
	case n < 12:
		r.now += rnd.Int64N(int64(2 * time.Second))
	case n < 13:
		if len(h.delivered) > 0 && rnd.IntN(2) == 0 {
			h.ack(h.delivered[rnd.IntN(len(h.delivered))])
		}
		r.engine.Compact(r.now, &r.out)
		if last := &r.out.List[len(r.out.List)-1]; last.Kind != Propose || !IsFull(last.Frame) {
			h.t.Fatalf("compacted by %+v", last)
		}
	case n < 15:
		h.commit(rnd.IntN(len(r.onTheWay) + 1))
	default:
		r.lead()
	}
	h.step()
}

func (h *history) ack(seq store.Seq) {
	h.r.engine.Ack(h.r.now, api.Delivery{StreamSeq: uint64(seq)}, nil, fmt.Sprint(seq), &h.r.out)
}

func (h *history) commit(n int) {
	r := h.r
	for _, frame := range r.onTheWay[:n] {
		if err := r.state.Apply(frame, &r.res); err != nil {
			h.t.Fatal(err)
		}
		r.log = append(r.log, frame)
	}
	r.onTheWay = r.onTheWay[n:]
	r.engine.Committed(n, &r.out)
}

func (h *history) step() {
	for more := true; more; {
		more = h.r.engine.Step(h.r.now, &h.r.out)
		for i := range h.r.out.List {
			h.see(&h.r.out.List[i])
		}
		h.r.carryOut()
	}
}

func (h *history) see(f *Effect) {
	switch f.Kind {
	case Answer:
		var acked store.Seq
		fmt.Sscan(f.To, &acked)
		h.answered[acked] = true
		for seq := store.Seq(1); seq < acked && h.policy == api.AckAll; seq++ {
			h.answered[seq] = true
		}
	case Deliver:
		d := f.Delivery
		if h.answered[d.Stream] {
			h.t.Fatalf("it was settled: %s", describe(f))
		}
		if last := h.counts[d.Stream]; h.r.params.Replicated && d.Count != last+1 {
			h.t.Fatalf("the delivery before was #%d: %s", last, describe(f))
		}
		h.counts[d.Stream] = d.Count
		h.delivered = append(h.delivered, d.Stream)
	}
}

// drain acknowledges all that comes, until nothing does any more.
func (h *history) drain() {
	r := h.r
	for range 1000 {
		h.requests++
		r.engine.Pull(r.now, "drain", []byte("100"), false, &r.out)
		h.step()
		for _, seq := range h.delivered {
			h.ack(seq)
		}
		h.delivered = nil
		h.step()
		h.commit(len(r.onTheWay))
		h.step()
		if r.now += int64(2 * time.Second); len(h.answered) == len(r.shelf.messages) {
			h.step()
			h.commit(len(r.onTheWay))
			if i := r.engine.Info(); i.AckPending != 0 || i.Pending != 0 {
				h.t.Fatalf("all are settled: %+v", i)
			}
			return
		}
	}
	h.t.Fatalf("%d of %d messages are settled", len(h.answered), len(r.shelf.messages))
}
