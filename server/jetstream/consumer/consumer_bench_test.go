package consumer

import (
	"iter"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// endless is a stream in which every number has the same message, so that what is
// measured is the consumer's own work.
type endless struct{ last store.Seq }

var (
	endlessSubject = []byte("orders.new")
	endlessData    = make([]byte, 128)
)

func (s *endless) State() store.State { return store.State{First: 1, Last: s.last} }
func (s *endless) Load(seq store.Seq, m *store.Message) error {
	m.Fill(seq, int64(seq), endlessSubject, nil, endlessData)
	return nil
}

func (s *endless) Next(_ *store.Filter, from store.Seq, m *store.Message) error {
	if from > s.last {
		return store.ErrNotFound
	}
	return s.Load(from, m)
}

func (s *endless) Last(_ *store.Filter, _ store.Seq, m *store.Message) error {
	return s.Load(s.last, m)
}

func (s *endless) Count(_ *store.Filter, from store.Seq, _ bool) uint64 {
	return uint64(s.last + 1 - min(from, s.last+1))
}

func (s *endless) LastOf(*store.Filter, store.Seq, int, []store.Seq) ([]store.Seq, error) {
	return nil, nil
}
func (s *endless) At(int64) store.Seq                            { return 1 }
func (s *endless) Subject(string) (_ store.SubjectState, _ bool) { return }
func (s *endless) Subjects(string) iter.Seq2[[]byte, store.SubjectState] {
	return func(func([]byte, store.SubjectState) bool) {}
}
func (s *endless) Deleted() iter.Seq[store.Range] { return func(func(store.Range) bool) {} }
func (s *endless) Lost() []store.Loss             { return nil }

// loop is an engine on an endless stream, with replicas that commit at once.
type loop struct {
	tb     testing.TB
	shelf  endless
	engine *Engine
	state  State
	out    Effects
	res    Result
	now    int64
	acks   []api.Delivery
	sent   int
}

func newLoop(tb testing.TB, c api.ConsumerConfig, replicated bool) *loop {
	l := &loop{tb: tb, now: start}
	e, err := NewEngine(&l.state, Params{Store: &l.shelf, Replicated: replicated, AckPrefix: "$JS.ACK.ORDERS.C.", Burst: 1 << 20}, l.now, &l.out)
	if err != nil {
		tb.Fatal(err)
	}
	if err := e.Create(l.now, config(c), &l.out); err != nil {
		tb.Fatal(err)
	}
	l.engine = e
	if c.IsPush() {
		e.Bind(l.now, true)
	} else {
		e.Pull(l.now, "_INBOX.x", []byte("2000000000"), false, &l.out)
	}
	l.step()
	return l
}

// step carries out all that there is to do, and notes what is to be acknowledged.
func (l *loop) step() {
	for {
		more := l.engine.Step(l.now, &l.out)
		for len(l.out.List) > 0 {
			commits := 0
			for i := range l.out.List {
				switch f := &l.out.List[i]; f.Kind {
				case Propose:
					if err := l.state.Apply(f.Frame, &l.res); err != nil {
						l.tb.Fatal(err)
					}
					commits++
				case Deliver:
					l.sent++
					l.acks = append(l.acks, api.Delivery{StreamSeq: uint64(f.Delivery.Stream), ConsumerSeq: uint64(f.Delivery.Consumer), Deliveries: 1})
				}
			}
			l.res.Reset()
			l.out.Reset()
			l.engine.Committed(commits, &l.out)
		}
		if !more {
			return
		}
	}
}

// messages stores n messages, has them delivered, and acknowledges them if ack is
// set.
func (l *loop) messages(n int, ack bool) {
	l.now += int64(time.Microsecond)
	for range n {
		l.shelf.last++
		l.engine.Stored(l.shelf.last, endlessSubject)
	}
	l.step()
	if ack {
		for i := range l.acks {
			l.engine.Ack(l.now, l.acks[i], nil, "", &l.out)
		}
		l.step()
	}
	l.acks = l.acks[:0]
}

var loops = []struct {
	name       string
	config     api.ConsumerConfig
	replicated bool
	ack        bool
}{
	{"explicit", api.ConsumerConfig{AckPolicy: api.AckExplicit}, false, true},
	{"explicit replicated", api.ConsumerConfig{AckPolicy: api.AckExplicit}, true, true},
	{"all", api.ConsumerConfig{AckPolicy: api.AckAll}, false, true},
	{"push none", api.ConsumerConfig{DeliverSubject: "D"}, false, false},
}

// BenchmarkMessages is a message stored, delivered and acknowledged, on the leader
// and on a replica, in bursts of 100.
func BenchmarkMessages(b *testing.B) {
	for _, c := range loops {
		b.Run(c.name, func(b *testing.B) {
			l := newLoop(b, c.config, c.replicated)
			b.ReportAllocs()
			for n := 0; n < b.N; n += 100 {
				l.messages(100, c.ack)
			}
			if l.sent < b.N {
				b.Fatalf("%d of %d messages were delivered", l.sent, b.N)
			}
		})
	}
}

// BenchmarkOneByOne is the same, with a proposal for each step.
func BenchmarkOneByOne(b *testing.B) {
	l := newLoop(b, explicit, true)
	b.ReportAllocs()
	for b.Loop() {
		l.messages(1, true)
	}
}

// BenchmarkUnacknowledged is 100,000 pending messages that are delivered again.
func BenchmarkUnacknowledged(b *testing.B) {
	const pending = 100_000
	l := newLoop(b, api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: -1, AckWait: time.Second}, false)
	l.messages(pending, false)
	b.ReportAllocs()
	for b.Loop() {
		l.now += int64(time.Second)
		l.step()
		l.acks = l.acks[:0]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pending, "ns/delivery")
}

// BenchmarkFull is the whole state with 100,000 pending messages.
func BenchmarkFull(b *testing.B) {
	l := newLoop(b, api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: -1}, false)
	l.messages(100_000, false)
	var image []byte
	for b.Loop() {
		image = l.state.AppendFull(image[:0])
	}
	b.ReportMetric(float64(len(image)), "bytes")
}

func TestNoAllocationPerMessage(t *testing.T) {
	for _, c := range loops {
		t.Run(c.name, func(t *testing.T) {
			l := newLoop(t, c.config, c.replicated)
			for range 100 {
				l.messages(100, c.ack)
			}
			if allocs := testing.AllocsPerRun(100, func() { l.messages(100, c.ack) }); allocs > 1 {
				t.Errorf("%v allocations for 100 messages", allocs)
			}
		})
	}
}
