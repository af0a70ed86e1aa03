package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/rafttest"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// checker watches everything that happens. What raft promises is checked by a
// rafttest.Checker for each group; this adds what a disk and a client are promised.
type checker struct {
	sim     *Sim
	shadows map[shadowID]*shadow
	// linearized counts the operations that the histories had.
	linearized int
}

type shadowID struct {
	group raft.GroupID
	peer  raft.PeerID
}

// shadow is what a replica's disk has to have: what was stored, and what was
// handed over and may be there or not. A crash leaves the first of pending up to
// some point, and nothing behind that.
type shadow struct {
	hard    raft.HardState
	base    raft.Base
	terms   []raft.Term // of the entries behind base
	pending []raft.Append
}

func (sh *shadow) last() raft.Index { return sh.base.Index + raft.Index(len(sh.terms)) }

// apply is what an Append does to a disk.
func (sh *shadow) apply(a *raft.Append) {
	if a.Hard != nil {
		sh.hard = *a.Hard
	}
	if a.Base != nil {
		sh.base, sh.terms = *a.Base, nil
	}
	for n := range a.Entries {
		e := &a.Entries[n]
		sh.terms = append(sh.terms[:e.Index-sh.base.Index-1:e.Index-sh.base.Index-1], e.Term)
	}
}

func (sh *shadow) clone() *shadow {
	c := *sh
	c.terms, c.pending = slices.Clone(sh.terms), nil
	return &c
}

// is reports whether a disk has just this. The log may begin later: compaction
// is not followed here.
func (sh *shadow) is(n *node, gs *wal.GroupState) bool {
	if gs.Hard != sh.hard || gs.Last != sh.last() || gs.Base.Index < sh.base.Index {
		return false
	}
	log, ok := n.log.Group(gs.ID)
	if !ok {
		return false
	}
	for i := gs.Base.Index; i <= gs.Last; i++ {
		want := sh.base.Term
		if i > sh.base.Index {
			want = sh.terms[i-sh.base.Index-1]
		}
		if have, err := log.Term(i); err != nil || have != want {
			return false
		}
	}
	return true
}

func newChecker(s *Sim) *checker {
	return &checker{sim: s, shadows: make(map[shadowID]*shadow)}
}

// booted compares what a log has recovered with what it was given.
func (c *checker) booted(n *node) {
	for _, gs := range n.log.Groups() {
		gs := &gs
		g := c.sim.group(gs.ID)
		if g == nil {
			c.sim.failf("node %d: the log has a group %d", n.id, gs.ID)
			return
		}
		sh := c.shadows[shadowID{gs.ID, gs.Replica.Self}]
		if sh == nil || gs.Replica.Memory || len(gs.Damage) > 0 {
			continue
		}
		if !c.reconcile(n, g, gs, sh) {
			c.sim.failf("node %d, group %d: the log comes back with term %d, vote %v, entries %d to %d; stored were term %d, vote %v, entries up to %d, and %d writes were on their way",
				n.id, gs.ID, gs.Hard.Term, gs.Hard.Vote, gs.Base.Index+1, gs.Last, sh.hard.Term, sh.hard.Vote, sh.last(), len(sh.pending))
			return
		}
	}
	for _, g := range c.sim.groups {
		_, found := n.log.Group(g.id)
		sh := c.shadows[shadowID{g.id, g.self(n)}]
		if g.hosted[n.id] && !found && sh != nil && sh.hard.Term > 0 && !c.sim.faults.damaged(n, g) {
			c.sim.failf("node %d, group %d: the log has nothing of it", n.id, g.id)
		}
	}
}

// reconcile finds out how many of the writes that were on their way a log has,
// and takes note that they are durable. It reports false if it has not what it
// has to have.
func (c *checker) reconcile(n *node, g *group, gs *wal.GroupState, sh *shadow) bool {
	pending, k := sh.pending, 0
	try := sh.clone()
	for !try.is(n, gs) {
		if k == len(pending) {
			return c.rebased(n, g, gs, sh)
		}
		try.apply(&pending[k])
		k++
	}
	for i := range k {
		c.sim.fail(g.check.Stored(gs.Replica.Self, &pending[i]))
	}
	*sh = *try
	return true
}

// rebased reports whether a log has begun anew where its machine stands, as the
// host has it do when the machine is ahead of it: after an image was restored and before
// the log had that. It takes note of it.
func (c *checker) rebased(n *node, g *group, gs *wal.GroupState, sh *shadow) bool {
	st, _, err := loadState(n.disk, g.id)
	if err != nil || st.applied != gs.Base.Index || st.term != gs.Base.Term || gs.Last != gs.Base.Index || gs.Hard.Term < sh.hard.Term {
		return false
	}
	c.begin(g, gs.Replica.Self, sh, gs.Base, gs.Hard)
	return true
}

// begin takes note of a new beginning of a log.
func (c *checker) begin(g *group, self raft.PeerID, sh *shadow, base raft.Base, hard raft.HardState) {
	a := raft.Append{Base: &base}
	if hard != sh.hard {
		a.Hard = &hard
	}
	sh.apply(&a)
	sh.pending = nil
	c.sim.fail(g.check.Stored(self, &a))
}

// stopped tells that a process has ended.
func (c *checker) stopped(n *node) {
	for _, r := range n.replicas {
		r.g.check.Stopped(r.self)
	}
}

// step looks at all replicas of a node that has done something.
func (c *checker) step(n *node) {
	for _, r := range n.replicas {
		if core := r.handle.Raft(); core != nil && core.ID() == r.self {
			c.sim.fail(c.explain(n, r.g, r.g.check.Step(core)))
		}
	}
}

func (c *checker) explain(n *node, g *group, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("node %d, group %d: %w", n.id, g.id, err)
}

// observer is told by a host what it does. It implements host.Observer.
type observer struct{ n *node }

// Started implements host.Observer.
func (o observer) Started(id raft.GroupID, core *raft.Raft, base raft.Base, applied raft.Index) {
	c := o.n.sim.check
	g := c.sim.group(id)
	r := o.n.replica(g)
	if r == nil {
		r = o.n.starting
	}
	self := core.ID()
	if self != r.self {
		if r.self != raft.None {
			// What it was before has stopped for good.
			g.check.Forgotten(r.self)
		}
		r.self = self
	}
	key := shadowID{id, self}
	if c.shadows[key] == nil {
		c.shadows[key] = &shadow{base: base}
		c.sim.fail(c.explain(o.n, g, g.check.Found(self, raft.HardState{}, base, nil)))
	}
	if sh := c.shadows[key]; base.Index > sh.last() || base.Index > sh.base.Index && sh.terms[base.Index-sh.base.Index-1] != base.Term {
		st := core.Status()
		c.begin(g, self, sh, base, raft.HardState{Term: st.Term, Vote: st.Vote})
	}
	if lg, ok := o.n.log.Group(id); ok && !g.kind.memory && len(c.shadows[key].pending) > 0 {
		// It goes on in the same life, after an error of the disk that has passed.
		gs := lg.State()
		if !c.reconcile(o.n, g, &gs, c.shadows[key]) {
			c.sim.failf("node %d, group %d: it goes on with a log that is not its own", o.n.id, id)
		}
	}
	c.sim.fail(c.explain(o.n, g, g.check.Started(core, applied)))
}

// Handed implements host.Observer.
func (o observer) Handed(id raft.GroupID, core *raft.Raft, a *raft.Append) {
	c := o.n.sim.check
	g := c.sim.group(id)
	sh := c.shadows[shadowID{id, core.ID()}]
	sh.pending = append(sh.pending, *a)
	// The checker looks at the log as it is before it is handed out.
	c.sim.fail(c.explain(o.n, g, g.check.Handed(core, a)))
	// A configuration rules from now on, wherever its entry gets to, even if this is
	// the last that is heard of the replica.
	if r := o.n.replica(g); r != nil && slices.ContainsFunc(a.Entries, func(e raft.Entry) bool { return e.Type == raft.EntryConf }) {
		r.remember()
	}
}

// Stored implements host.Observer.
func (o observer) Stored(id raft.GroupID, core *raft.Raft, seq uint64) {
	c := o.n.sim.check
	g := c.sim.group(id)
	sh := c.shadows[shadowID{id, core.ID()}]
	for len(sh.pending) > 0 && sh.pending[0].Seq <= seq {
		a := sh.pending[0]
		sh.pending = sh.pending[1:]
		sh.apply(&a)
		c.sim.fail(c.explain(o.n, g, g.check.Stored(core.ID(), &a)))
	}
}

// Sent implements host.Observer.
func (o observer) Sent(id raft.GroupID, m *raft.Message) {
	c := o.n.sim.check
	g := c.sim.group(id)
	c.sim.fail(c.explain(o.n, g, g.check.Sent(m)))
}

var errHistory = errors.New("history")

// history checks what clients have seen, after everything has been healed.
func (c *checker) history() error {
	for _, g := range c.sim.groups {
		if g.lost || g.kind.asset {
			continue
		}
		final := c.finalState(g)
		if final == nil {
			return fmt.Errorf("group %d: no replica has a state: %w", g.id, errHistory)
		}
		in := make(map[uint64]bool, len(final.log))
		for _, v := range final.log {
			if in[v] {
				return fmt.Errorf("group %d: value %d was appended twice: %w", g.id, v, errHistory)
			}
			in[v] = true
		}
		for _, call := range g.calls {
			switch {
			case call.kind != opAppend:
			case call.outcome == done && !in[call.value]:
				return fmt.Errorf("group %d: value %d was acknowledged and is gone: %w", g.id, call.value, errHistory)
			case call.outcome == never && in[call.value]:
				return fmt.Errorf("group %d: value %d was refused and is there: %w", g.id, call.value, errHistory)
			}
		}
		for _, call := range g.calls {
			if call.kind == opWrite && call.outcome == done && !slices.Contains(final.writes, call.value) {
				return fmt.Errorf("group %d: the write of %d was acknowledged and is gone: %w", g.id, call.value, errHistory)
			}
		}
		resolve(g.calls, final)
		n, err := checkLinearizable(g.id, g.calls)
		if err != nil {
			return err
		}
		c.linearized += n
	}
	return nil
}

// finalState returns the state of a replica that has all; healAll has seen to it
// that they are equal.
func (c *checker) finalState(g *group) *registers {
	var best *state
	for _, n := range c.sim.nodes {
		if r := n.replica(g); r != nil && (best == nil || r.state.applied > best.applied) {
			best = &r.state
		}
	}
	if best == nil {
		return nil
	}
	return best.content.(*registers)
}

var _ rafttest.View = (*raft.Raft)(nil)
