package sim

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// consumer is the content of a group that is a consumer: its state, and the engine of
// its leader, which reads the stream as it is on the same server.
type consumer struct {
	r      *replica // nil if it is the one that all are compared with
	state  *consumercore.State
	result consumercore.Result

	term   raft.Term
	engine *consumercore.Engine
	of     *replica // the stream that the engine reads
	out    consumercore.Effects
	// life tells engines apart; underway counts the proposals of all that have no
	// outcome yet.
	life, underway int
	committed      int
	lost           bool
	beginning      bool
	// againAt is when to try again to make an engine.
	againAt int64
	// news is what has become of the stream's messages. untold is set when the stream has
	// to be told what the consumer is done with.
	news   []event
	untold bool
	tellAt int64
}

// event is a message that is new or removed; of number 0, many that are gone.
type event struct {
	seq     store.Seq
	subject string
	removed bool
}

func newConsumer(r *replica) content { return &consumer{r: r, state: &consumercore.State{}} }

// apply implements content.
func (c *consumer) apply(op []byte, _ int64) (any, []byte, error) {
	c.result.Reset()
	if err := c.state.Apply(op, &c.result); err != nil {
		return nil, nil, err
	}
	var b []byte
	for _, f := range c.result.Finished {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(f.First)), uint64(f.Last))
	}
	if len(c.result.Finished) > 0 && c.term != 0 {
		c.tell(c.result.Finished)
	}
	return nil, b, nil
}

// digest implements content.
func (c *consumer) digest() (uint64, error) { return c.state.Digest(), nil }

// image implements content. Of a consumer that is not made yet there is none.
func (c *consumer) image() ([]byte, error) {
	if c.state.Created() == 0 {
		return nil, nil
	}
	return c.state.AppendFull(nil), nil
}

// prepare implements content.
func (c *consumer) prepare(b []byte) (func(), error) {
	st := &consumercore.State{}
	if len(b) > 0 {
		if err := st.Apply(b, &c.result); err != nil {
			return nil, err
		}
	}
	return func() { c.state = st }, nil
}

// leads implements leads.
func (c *consumer) leads(l host.Leadership) {
	c.end()
	c.term, c.beginning, c.againAt = 0, false, 0
	if l.Leading {
		c.term = l.Term
	}
}

// end throws the engine away.
func (c *consumer) end() {
	c.engine, c.of, c.news = nil, nil, nil
	c.committed, c.lost = 0, false
	c.life++
}

// again has another engine begin after a while.
func (c *consumer) again() {
	c.end()
	c.againAt = c.r.node.now() + int64(250*time.Millisecond)
}

// stream returns the stream as it is on the same server, nil if it is not there.
func (c *consumer) stream() *replica { return c.r.node.replica(c.r.g.stream) }

// drive has the leader do what is due.
func (c *consumer) drive() {
	now := c.r.node.now()
	switch {
	case c.term == 0:
		return
	case c.engine != nil && (c.lost || c.stream() != c.of):
		c.again()
	case c.engine == nil && c.underway == 0 && !c.beginning && now >= c.againAt:
		c.begin()
	}
	if c.engine == nil {
		return
	}
	if c.committed > 0 {
		n := c.committed
		c.committed = 0
		c.engine.Committed(n, &c.out)
	}
	news := c.news
	c.news = nil
	for _, e := range news {
		switch {
		case e.seq == 0:
			if err := c.engine.Purged(now, &c.out); err != nil {
				c.r.node.sim.failf("group %d: after a purge: %w", c.r.g.id, err)
			}
		case e.removed:
			c.engine.Removed(now, e.seq, []byte(e.subject), &c.out)
		default:
			c.engine.Stored(e.seq, []byte(e.subject))
		}
	}
	for range 100 {
		more := c.engine.Step(now, &c.out)
		c.carryOut()
		if c.engine == nil || !more {
			break
		}
	}
	if c.untold && now >= c.tellAt {
		c.tellAll()
	}
}

// begin makes an engine, of what is committed.
func (c *consumer) begin() {
	c.beginning = true
	term := c.term
	c.r.handle.ReadIndex(func(_ raft.Index, err error) {
		if c.term != term {
			return
		}
		c.beginning = false
		c.of = c.stream()
		if err != nil || c.of == nil {
			c.again()
			return
		}
		s := c.r.node.sim
		st := c.of.state.content.(*stream)
		cfg := st.core.Config()
		retains := cfg.Retention != api.RetainLimits
		created := c.state.Created() == 0
		c.engine, err = consumercore.NewEngine(c.state.Clone(), consumercore.Params{
			Store: st.store, Replicated: true, Retains: retains, AckPrefix: "ack.", FlowPrefix: "flow.", Burst: 1 << 20,
			Listening: func(string) bool { return true }, NewID: func() string { return fmt.Sprint(s.rnd.Uint64()) },
			Rand: rand.New(rand.NewPCG(s.rnd.Uint64(), 1)),
		}, c.r.node.now(), &c.out)
		if err == nil && created {
			want, refused := api.CheckConsumer(&api.ConsumerConfig{
				Durable: "C", Name: "C", AckPolicy: api.AckExplicit, AckWait: 3 * time.Second, MaxAckPending: 30, MaxDeliver: -1,
			}, cfg, api.ConsumerRules{}, false)
			if refused != nil {
				panic(fmt.Sprintf("sim: consumer: %v", refused))
			}
			err = c.engine.Create(c.r.node.now(), want, &c.out)
		}
		if err != nil {
			s.failf("node %d, group %d: the engine does not begin: %w", c.r.node.id, c.r.g.id, err)
			return
		}
		c.untold = retains
		c.carryOut()
	})
}

// carryOut does what the engine wants done.
func (c *consumer) carryOut() {
	for n := range c.out.List {
		f := &c.out.List[n]
		switch f.Kind {
		case consumercore.Deliver:
			c.r.g.readers.deliver(c, f)
		case consumercore.Answer:
			c.r.g.readers.confirmed(f.To)
		case consumercore.Propose:
			c.propose(f.Frame)
		case consumercore.Fault:
			c.r.node.sim.logf("node %d, group %d: %v", c.r.node.id, c.r.g.id, f.Err)
		}
	}
	c.out.Reset()
}

// propose proposes a frame of the engine. Behind one that could not be, none is.
func (c *consumer) propose(frame []byte) {
	if c.lost || c.engine == nil {
		return
	}
	life := c.life
	err := c.r.handle.Propose(host.Proposal{Data: frame, Term: c.term, Done: func(o host.Outcome) {
		c.underway--
		switch {
		case life != c.life:
		case o.Fate == host.Applied:
			c.committed++
		default:
			c.lost = true
		}
	}})
	if err != nil {
		c.lost = true
		return
	}
	c.underway++
}

// tell tells the stream what the consumer is done with.
func (c *consumer) tell(ranges []store.Range) {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b store.Range) int { return cmp.Compare(a.First, b.First) })
	var joined []store.Range
	for _, r := range ranges {
		if n := len(joined); n > 0 && r.First <= joined[n-1].Last+1 {
			joined[n-1].Last = max(joined[n-1].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	c.send(streamcore.AppendAcked(nil, "C", 0, joined))
}

// tellAll tells the stream what it may not have been told.
func (c *consumer) tellAll() {
	c.untold = false
	c.send(streamcore.AppendConsumer(nil, "C", 0, false, nil))
	c.tell(slices.Collect(c.state.Finished()))
}

// send has the stream's leader propose an op. It is behind a network that fails.
func (c *consumer) send(op []byte) {
	s, g := c.r.node.sim, c.r.g.stream
	failed := func() { c.untold, c.tellAt = true, c.r.node.now()+int64(time.Second) }
	s.after(s.between(0, 5*time.Millisecond), func() {
		leader := g.leading(s)
		if leader == nil || s.clients.assets.lossy() {
			failed()
			return
		}
		err := leader.handle.Propose(host.Proposal{Data: op, Done: func(o host.Outcome) {
			if o.Fate != host.Applied {
				failed()
			}
		}})
		if err != nil {
			failed()
			return
		}
		leader.node.work()
	})
}
