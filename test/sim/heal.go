package sim

import (
	"fmt"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Patience is how long a cluster may take to be whole again, in virtual time.
const Patience = 3 * time.Minute

// healMajority ends the faults and makes all good but for one server, if one can
// be left dead: each group has to go on without it.
func (s *Sim) healMajority() error {
	s.faults.off = true
	s.clients.end()
	s.calm()
	for _, n := range s.nodes {
		if n.up && n.broken != nil {
			s.faults.restart(n, "log has failed")
		}
	}
	var dead *node
	for _, n := range s.nodes {
		if dead == nil && s.faults.mayLose(n) && s.chance(0.7) {
			dead = n
		}
	}
	if dead != nil {
		dead.life++ // whoever meant to start it does not
		if dead.up {
			s.faults.loseMemory(dead)
			dead.stop("left dead")
			dead.disk = dead.disk.CrashClone(vfs.Killed)
		}
		s.logf("node %d: stays dead", dead.id)
	}
	for _, n := range s.nodes {
		if n != dead && !n.up {
			n.boot()
		}
	}
	for _, g := range s.groups {
		if g.lost || dead != nil && !s.faults.survives(g, dead) {
			continue
		}
		if err := s.progress(g); err != nil {
			return fmt.Errorf("with a majority that is well: %w", err)
		}
	}
	return nil
}

// calm takes all faults back.
func (s *Sim) calm() {
	s.net.heal()
	for _, n := range s.nodes {
		n.slow = 1
		n.wall = 0
		n.fs.LimitSpace(-1)
		n.fs.SetInjector(nil)
		n.unreadable = nil
		if n.up && n.paused {
			n.resume()
		}
	}
}

// progress has a group carry out one operation.
func (s *Sim) progress(g *group) error {
	end := s.clock.Now().Add(Patience)
	for s.clock.Now().Before(end) && s.err == nil {
		s.calm()
		r := g.leading(s)
		if r != nil && g.kind.asset {
			// Its clients go on by themselves; that it leads shows that it can write.
			leads, over := false, false
			r.handle.ReadIndex(func(_ raft.Index, err error) { leads, over = err == nil, true })
			r.node.work()
			if s.until(5*time.Second, func() bool { return over }) && leads {
				return nil
			}
		} else if r != nil {
			c := &call{client: clientCount, group: g.id, kind: opAppend, begin: s.now()}
			s.clients.run(g, r, c, func() {})
			s.until(5*time.Second, func() bool { return c.end != 0 })
			if c.outcome == done {
				return nil
			}
		}
		s.until(200*time.Millisecond, nil)
	}
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("group %d gets nothing done in %v: %s", g.id, Patience, s.describe(g))
}

// healAll makes everything good and waits until each group is whole.
func (s *Sim) healAll() error {
	s.calm()
	for _, n := range s.nodes {
		if !n.up {
			n.boot()
		}
	}
	for _, g := range s.groups {
		if g.lost {
			continue
		}
		if err := s.progress(g); err != nil {
			return fmt.Errorf("with all well: %w", err)
		}
		if !s.until(Patience, func() bool { s.calm(); return s.whole(g) }) {
			if s.err != nil {
				return s.err
			}
			return fmt.Errorf("group %d is not whole after %v: %s", g.id, Patience, s.describe(g))
		}
	}
	return nil
}

// whole reports whether all members of a group are there, voters for good, and
// have applied the same.
func (s *Sim) whole(g *group) bool {
	leader := g.leading(s)
	if leader == nil {
		return false
	}
	core := leader.core()
	conf := core.Conf()
	if conf.Joint() || len(conf.Joining) > 0 || core.Committed() != core.LastIndex() {
		return false
	}
	for _, p := range conf.Peers() {
		n := s.node(p.Node())
		if n.up && n.replica(g) == nil {
			n.open(g) // a member whose node was told to forget it
			n.work()
		}
		r := n.replica(g)
		if r == nil || r.self != p || r.core() == nil {
			return false
		}
		if r.state.applied != leader.state.applied || r.state.hash != leader.state.hash || r.core().Leader() != core.ID() {
			return false
		}
	}
	return leader.state.applied == core.Committed()
}

// describe tells where a group's replicas are.
func (s *Sim) describe(g *group) string {
	var text string
	for _, n := range s.nodes {
		text += fmt.Sprintf("\n  node %d: ", n.id)
		r := n.replica(g)
		switch {
		case !n.up:
			text += "down"
		case r == nil:
			text += "no replica"
		case r.core() == nil:
			text += fmt.Sprintf("%v has no raft: %+v", r.self, r.handle.Status())
		default:
			st := r.core().Status()
			text += fmt.Sprintf("%v is %v of term %d, leader %v, log %d to %d (stable %d), committed %d, applied %d, %v at %d, quiescent %v, fault %v, peers %+v",
				r.self, st.Role, st.Term, st.Leader, st.First, st.Last, st.Stable, st.Commit, r.state.applied, st.Conf, st.ConfIndex, st.Quiescent, st.Fault, st.Peers)
		}
	}
	return text
}

// phases tells which of the phases hold at the moment.
func (s *Sim) phases() []bool {
	p := make(map[string]bool)
	for _, n := range s.nodes {
		if !n.up {
			continue
		}
		p["restart"] = p["restart"] || s.clock.Now().Sub(n.started) < 2*time.Second
		for _, r := range n.replicas {
			core := r.core()
			if core == nil {
				continue
			}
			p["compaction"] = p["compaction"] || r.compacted.Add(500*time.Millisecond).After(s.clock.Now())
			p["rejoin"] = p["rejoin"] || !core.Conf().Contains(core.ID())
			p["quiescent"] = p["quiescent"] || core.Quiescent()
			p["election"] = p["election"] || core.Leader() == raft.None
			if core.Role() != raft.Leader {
				continue
			}
			st := core.Status()
			p["transfer"] = p["transfer"] || st.Transferee != raft.None
			p["membership"] = p["membership"] || st.ConfIndex > st.Commit || st.Conf.Joint() || len(st.Conf.Joining) > 0
			for _, peer := range st.Peers {
				p["catch-up"] = p["catch-up"] || peer.ID != st.ID && peer.State == raft.Probe
				p["snapshot"] = p["snapshot"] || peer.State == raft.Snapshot
			}
		}
	}
	is := make([]bool, len(phases))
	none := true
	for n, name := range phases {
		is[n] = p[name]
		none = none && (!p[name] || name == "quiescent")
	}
	is[0] = none
	return is
}
