package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/raft"
)

// readers are the clients of a consumer. They remember what they were given, and what
// was confirmed to them.
type readers struct {
	sim *Sim
	g   *group
	// numbers are the deliveries, asked the acknowledgements on their way by their
	// replies, settled the messages whose acknowledgement is confirmed.
	numbers map[consumercore.ConsumerSeq]store.Seq
	asked   map[string]store.Seq
	settled map[store.Seq]bool
	next    int
	// willing has them acknowledge all they get.
	willing bool
}

func newReaders(s *Sim, g *group) *readers {
	return &readers{sim: s, g: g, numbers: make(map[consumercore.ConsumerSeq]store.Seq), asked: make(map[string]store.Seq), settled: make(map[store.Seq]bool)}
}

// begin has them ask for messages, for as long as the run takes.
func (rs *readers) begin() {
	s := rs.sim
	s.after(s.between(50*time.Millisecond, 600*time.Millisecond), func() {
		rs.begin()
		if c := rs.leader(); c != nil {
			rs.next++
			body := fmt.Appendf(nil, `{"batch":%d,"expires":%d}`, 1+s.rnd.IntN(6), 2*time.Second)
			c.engine.Pull(c.r.node.now(), fmt.Sprintf("in.%d", rs.next), body, false, &c.out)
			c.drive()
			c.r.node.work()
		}
	})
}

// leader returns the consumer where it is served, nil if it is not.
func (rs *readers) leader() *consumer {
	if r := rs.g.leading(rs.sim); r != nil {
		if c := r.state.content.(*consumer); c.engine != nil {
			return c
		}
	}
	return nil
}

// deliver takes a message as it leaves the engine.
func (rs *readers) deliver(c *consumer, f *consumercore.Effect) {
	s, d := rs.sim, f.Delivery
	s.note(nil, uint64(rs.g.id), uint64(d.Consumer), uint64(d.Stream))
	if rs.g.lost {
		return
	}
	before, used := rs.numbers[d.Consumer]
	switch {
	case used:
		s.failf("node %d, group %d: delivery %d of message %d has the number of that of message %d", c.r.node.id, rs.g.id, d.Consumer, d.Stream, before)
	case c.state.Delivered().Consumer < d.Consumer:
		s.failf("node %d, group %d: delivery %d of message %d leaves before it is committed", c.r.node.id, rs.g.id, d.Consumer, d.Stream)
	case rs.settled[d.Stream]:
		s.failf("node %d, group %d: message %d is delivered, and its acknowledgement was confirmed", c.r.node.id, rs.g.id, d.Stream)
	}
	rs.numbers[d.Consumer] = d.Stream
	if s.clients.assets.lossy() {
		return
	}
	sent := api.Delivery{Deliveries: uint64(d.Count), StreamSeq: uint64(d.Stream), ConsumerSeq: uint64(d.Consumer), Time: d.Time, Pending: d.Pending}
	s.after(s.between(0, 300*time.Millisecond), func() { rs.answer(&sent) })
}

// answer says something to a message, or nothing.
func (rs *readers) answer(sent *api.Delivery) {
	s := rs.sim
	payload := "+ACK"
	if p := s.rnd.Float64(); !rs.willing {
		switch {
		case p < 0.1:
			return
		case p < 0.18:
			payload = "-NAK"
		case p < 0.25:
			payload = `-NAK {"delay": 700000000}`
		case p < 0.3:
			payload = "+WPI"
		case p < 0.33:
			payload = "+TERM"
		}
	}
	c := rs.leader()
	if c == nil {
		return
	}
	rs.next++
	reply := fmt.Sprintf("done.%d", rs.next)
	if payload == "+ACK" || payload == "+TERM" {
		rs.asked[reply] = store.Seq(sent.StreamSeq)
	}
	c.engine.Ack(c.r.node.now(), *sent, []byte(payload), reply, &c.out)
	c.drive()
	c.r.node.work()
}

// confirmed takes the answer to an acknowledgement.
func (rs *readers) confirmed(reply string) {
	if seq, ok := rs.asked[reply]; ok {
		delete(rs.asked, reply)
		rs.settled[seq] = true
		rs.sim.acked++
	}
}

// busy tells what is not delivered and settled yet, and is empty if there is nothing.
func (rs *readers) busy() string {
	rs.willing = true
	s := rs.sim
	r, st := rs.g.leading(s), rs.g.stream.leading(s)
	if r == nil || st == nil {
		return "nobody leads"
	}
	if members := st.core().Conf().Peers(); !hasNode(members, r.node) {
		// Nobody has moved it with its stream: it is served where the stream is, or nowhere.
		for _, p := range r.core().Conf().Voters {
			if n := s.node(p.Node()); hasNode(members, n) {
				_ = r.handle.Transfer(n.id) // it is tried again
				r.node.work()
				return "it leads where its stream is not"
			}
		}
		return ""
	}
	c := r.state.content.(*consumer)
	if c.engine == nil {
		return "it has no engine"
	}
	if c.underway > 0 || c.untold {
		return "something is on its way"
	}
	if i := c.engine.Info(); i.AckPending > 0 || i.Pending > 0 {
		return fmt.Sprintf("%d messages are not settled, %d not delivered", i.AckPending, i.Pending)
	}
	var m store.Message
	if !errors.Is(c.of.state.content.(*stream).store.Next(nil, c.engine.Delivered().Stream+1, &m), store.ErrNotFound) {
		return fmt.Sprintf("message %d was passed over", m.Seq)
	}
	return ""
}

func hasNode(list []raft.PeerID, n *node) bool {
	return slices.ContainsFunc(list, func(p raft.PeerID) bool { return p.Node() == n.id })
}
