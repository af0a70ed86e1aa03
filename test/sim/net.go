package sim

import (
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// network carries frames between hosts. Each direction of each pair is a link of
// its own.
type network struct {
	sim   *Sim
	links map[linkID]*link
}

type linkID struct{ from, to raft.NodeID }

// link is one direction between two nodes.
type link struct {
	blocked    bool
	loss, dup  float64
	reorder    float64
	min, extra time.Duration
	// last is when the frame before arrives, by class, so that order is kept.
	last [2]time.Time
}

func newNetwork(s *Sim) *network {
	return &network{sim: s, links: make(map[linkID]*link)}
}

func (nw *network) link(from, to raft.NodeID) *link {
	id := linkID{from, to}
	l := nw.links[id]
	if l == nil {
		l = &link{min: 100 * time.Microsecond, extra: 400 * time.Microsecond}
		nw.links[id] = l
	}
	return l
}

// heal makes all links good.
func (nw *network) heal() {
	for _, l := range nw.links {
		*l = link{min: 100 * time.Microsecond, extra: 400 * time.Microsecond, last: l.last}
	}
}

// port is a node's end of the network: its host.Transport.
type port struct {
	node *node
	life int
}

// Send implements host.Transport.
func (p port) Send(to raft.NodeID, class host.Class, frame []byte) bool {
	n := p.node
	s := n.sim
	if p.life != n.life || !n.up {
		return false
	}
	s.note(frame, uint64(n.id), uint64(to))
	l := s.net.link(n.id, to)
	if l.blocked {
		// A real transport notices sometimes.
		return s.chance(0.5)
	}
	if s.chance(l.loss) {
		s.cover.met("loss", s)
		return true
	}
	copies := 1
	if s.chance(l.dup) {
		s.cover.met("duplication", s)
		copies = 2
	}
	for range copies {
		at := s.clock.Now().Add(l.min + time.Duration(s.rnd.Int64N(int64(l.extra)+1)))
		if s.chance(l.reorder) {
			s.cover.met("reordering", s)
			at = at.Add(s.between(0, 3*time.Second))
		} else {
			if last := l.last[class&1]; at.Before(last) {
				at = last
			}
			l.last[class&1] = at
		}
		s.deliver(n.id, to, class, slices.Clone(frame), at) // each receiver owns its own
	}
	return true
}

func (s *Sim) deliver(from, to raft.NodeID, class host.Class, frame []byte, at time.Time) {
	s.after(at.Sub(s.clock.Now()), func() {
		dest := s.node(to)
		if dest == nil || !dest.up || s.net.link(from, to).blocked {
			return
		}
		if dest.paused {
			dest.backlog = append(dest.backlog, func() { dest.receive(from, class, frame) })
			return
		}
		dest.receive(from, class, frame)
	})
}

func (s *Sim) node(id raft.NodeID) *node {
	if id < 1 || int(id) > len(s.nodes) {
		return nil
	}
	return s.nodes[id-1]
}
