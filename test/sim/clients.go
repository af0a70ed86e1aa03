package sim

import (
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// clients propose and read, one operation at a time each, and remember what they
// were told. They end when the run is being healed.
type clients struct {
	sim     *Sim
	stopped bool
	// assets are those of JetStream, nil if there are none.
	assets *assets
}

const clientCount = 5

func (cs *clients) begin() {
	if cs.assets != nil {
		cs.assets.begin()
		return
	}
	for id := range clientCount {
		cs.next(id, cs.sim.between(0, time.Second))
	}
}

func (cs *clients) next(id int, wait time.Duration) {
	cs.sim.after(wait, func() {
		if !cs.stopped {
			cs.act(id)
		}
	})
}

// act begins one operation at a replica that seems to lead.
func (cs *clients) act(id int) {
	s := cs.sim
	g := pick(s, s.groups)
	r := g.leading(s)
	if r == nil || s.chance(0.05) {
		if n := pick(s, s.nodes); n.up && !n.paused {
			r = n.replica(g)
		}
	}
	if r == nil || r.handle == nil {
		cs.next(id, s.between(50*time.Millisecond, 500*time.Millisecond))
		return
	}
	c := &call{client: id, group: g.id, kind: opAppend, begin: s.now()}
	switch p := s.rnd.Float64(); {
	case p < 0.3:
		c.kind = opRead
	case p < 0.55:
		c.kind = opWrite
	}
	cs.run(g, r, c, func() { cs.next(id, s.between(0, 400*time.Millisecond)) })
}

// run carries out an operation, and goes on when it is over or has taken too
// long.
func (cs *clients) run(g *group, r *replica, c *call, then func()) {
	s := cs.sim
	over := false
	finish := func(o outcome) {
		if over {
			return
		}
		over = true
		c.outcome, c.end = o, s.now()
		if o == done {
			s.acked++
		}
		then()
	}
	s.after(4*time.Second, func() { finish(unknown) })
	if c.kind == opRead {
		g.calls = append(g.calls, c)
		r.handle.ReadIndex(func(_ raft.Index, err error) {
			if err != nil || over {
				finish(never)
				return
			}
			// The local state is at least as new as the index.
			now := r.state.content.(*registers)
			c.result, c.logLen = now.register(), len(now.log)
			var l logSoFar
			for _, v := range now.log {
				l = l.append(v)
			}
			c.logHash = l.hash
			finish(done)
		})
		r.node.work()
		return
	}
	g.next++
	c.value = g.next
	g.calls = append(g.calls, c)
	err := r.handle.Propose(host.Proposal{Data: encodeOp(c.kind, c.value), Done: func(o host.Outcome) {
		switch o.Fate {
		case host.Applied:
			c.result, _ = o.Result.(uint64)
			finish(done)
		case host.Dropped:
			if over {
				// It was given up as unknown, and is now known not to be there.
				c.outcome = never
			}
			finish(never)
		default:
			finish(unknown)
		}
	}})
	if err != nil {
		c.outcome = never
		finish(never)
		return
	}
	r.node.work()
}

// end has clients change nothing any more.
func (cs *clients) end() {
	cs.stopped = true
	if cs.assets != nil {
		cs.assets.stopped = true
	}
}

// leading returns a running replica that believes it leads, the one of the
// highest term if there are several; mostly.
func (g *group) leading(s *Sim) *replica {
	var best *replica
	for _, n := range s.nodes {
		if !n.up || n.paused {
			continue
		}
		r := n.replica(g)
		if r == nil || r.handle == nil {
			continue
		}
		core := r.handle.Raft()
		if core == nil || core.Role() != raft.Leader {
			continue
		}
		if best == nil || core.Term() > best.handle.Raft().Term() && !s.chance(0.2) {
			best = r
		}
	}
	return best
}

func (s *Sim) now() int64 { return s.clock.Now().UnixNano() }
