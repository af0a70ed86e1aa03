package host

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// A replica that may have forgotten something asks to be admitted as a new one.
//
//	 replica                                   leader
//	    │  rejoin(new identity), each second       │
//	    ├─────────────────────────────────────────▶│ proposes: old out, new in
//	    │                                          │ … committed
//	    │                       admit(new identity)│
//	    │◀─────────────────────────────────────────┤
//	    │ makes the new identity durable           │
//	    │ entries, or an image                     │
//	    │◀────────────────────────────────────────▶│ makes a voter of it
//
// If all it had is gone anyway (a new disk, a group in memory) it takes the new
// identity at once. If something is left, the log is kept as it is until the
// group has admitted the new identity, which takes a majority that has not
// forgotten: without one the damaged log may hold the only copy of something.

// forgotten ends the replica's part under its present identity, for a reason,
// because it may have forgotten some of what it has promised.
func (g *Group) forgotten(why error) {
	if s := g.State(); s == Halted || s == Stopped {
		return
	}
	g.host.event(Event{Kind: EventDamage, Group: g.id, Peer: g.Self(), Err: why})
	g.renew(why)
}

// renew ends the replica's part under its present identity, for a reason, and has it ask to be
// admitted under another one.
func (g *Group) renew(why error) {
	h := g.host
	if g.core != nil {
		g.contacts = h.otherNodes(g.conf.Peers(), g.contacts)
	}
	g.troubles().err = why
	if g.last() {
		g.halt(why)
		return
	}
	g.dropCore(why)
	self := raft.MakePeerID(h.cfg.Node, h.newIncarnation(g.Self().Incarnation()))
	g.rejoin(self, why)
	g.rebirth = self
	g.setNodes()
}

// announce tells the other nodes what they have to know of this replica.
func (g *Group) announce(w *worker) {
	n := notice{kind: noticeRejoin, group: g.id, inc: g.Self().Incarnation()}
	if g.State() == Halted || g.blind {
		n.kind = noticeHalted
	} else if g.rebirth == raft.None && !g.joining {
		return
	} else if g.plea != nil {
		n.plea = g.plea()
	}
	for _, node := range g.nodes {
		w.out.notice(node, n)
	}
}

// noticed handles what another node says about a replica of this group.
func (g *Group) noticed(w *worker, n *peerNotice) {
	theirs := raft.MakePeerID(n.from, n.inc)
	switch n.kind {
	case noticeRejoin:
		if g.core != nil && g.core.Leader().Node() == n.from && g.core.Leader() != theirs {
			g.orphaned() // it is somebody else now
		}
		g.askedIn(w, theirs, n.plea)
	case noticeAdmit:
		if r := g.rebirth; r != raft.None && r.Incarnation() == n.inc {
			g.reborn()
		}
	case noticeForgot:
		if g.core != nil && g.core.ID().Incarnation() == n.inc && g.conf.Contains(g.core.ID()) {
			g.forgotten(errForgot)
		}
	case noticeRemoved:
		g.removed(n)
	case noticeFounded:
		if g.campaign && g.core != nil && g.core.Leader() == raft.None && (g.core.Role() == raft.Follower || g.core.Role() == raft.PreCandidate) {
			g.core.Campaign()
		}
	case noticeHalted:
		g.leaderGone(theirs)
	case noticeAbsent:
		g.leaderGone(theirs)
		g.host.transfers.cancelSends(g, func(p raft.PeerID) bool { return p == theirs })
		if n.now != 0 && n.now != n.inc {
			g.askedIn(w, raft.MakePeerID(n.from, n.now), 0)
		}
	}
}

var errForgot = errors.New("the leader has found that entries are missing which were acknowledged")

// answerRemoved tells a replica that wants to be voted for, and has no part in the group, that this
// is so. It has been away while it was removed, and would stand for ever.
func (g *Group) answerRemoved(w *worker, m *raft.Message) {
	if m.Type != raft.MsgPreVote && m.Type != raft.MsgVote || g.core.Leader() == raft.None || m.To != g.core.ID() {
		return
	}
	conf := g.core.Conf()
	if s := g.core.Status(); conf.Joint() || conf.Contains(m.From) || s.ConfIndex > s.Commit {
		return
	}
	w.out.notice(m.From.Node(), notice{kind: noticeRemoved, group: g.id, inc: m.From.Incarnation(), plea: uint64(g.core.Committed())})
}

// removed is told that this replica has no part in the group any more. Who says so may not
// have heard yet that it has one again: but then this replica, which has one, has more of
// the log. To believe it is safe in any case, for the identity ends with it.
func (g *Group) removed(n *peerNotice) {
	c := g.core
	if c == nil || c.ID().Incarnation() != n.inc || !g.conf.Contains(c.ID()) || c.Leader() != raft.None || n.plea <= uint64(c.LastIndex()) {
		return
	}
	g.renew(ErrRemoved)
}

// leaderGone is told that a replica does not take part any more.
func (g *Group) leaderGone(p raft.PeerID) {
	if g.core != nil && g.core.Leader() == p {
		g.orphaned()
	}
}

// askedIn handles the wish of a replica to be admitted. A node that has no part in
// the group is given one only if the group admits it.
func (g *Group) askedIn(w *worker, p raft.PeerID, plea uint64) {
	if g.core == nil || g.core.Role() != raft.Leader {
		return
	}
	conf := g.core.Conf()
	if conf.Contains(p) {
		g.core.Wake()
		if s := g.core.Status(); s.ConfIndex <= s.Commit {
			w.out.notice(p.Node(), notice{kind: noticeAdmit, group: g.id, inc: p.Incarnation()})
		}
		return
	}
	var changes []raft.Change
	add := raft.AddLearner
	for _, old := range conf.Peers() {
		if old.Node() != p.Node() || old == g.core.ID() {
			continue
		}
		if !slices.Contains(conf.Learners, old) {
			add = raft.AddVoter
		}
		changes = append(changes, raft.Change{Type: raft.RemovePeer, Peer: old})
	}
	switch {
	case len(changes) > 0 && !g.canSpare(changes):
		return
	case len(changes) > 0:
	case g.admits == nil || !g.admits(p, plea):
		return
	default:
		add = raft.AddVoter
	}
	changes = append(changes, raft.Change{Type: add, Peer: p})
	index, term, err := g.core.ProposeConf(changes...)
	if err != nil {
		return // it asks again
	}
	g.busy = true
	g.waits.push(wait{index: index, term: term, admits: p})
}

// canSpare reports whether the voters that are left without those to be removed
// could go on. If they could not, the removal would never be committed, and the
// group would be stuck with it even if the removed one came back as it was.
func (g *Group) canSpare(removed []raft.Change) bool {
	left, alive := 0, 0
	for _, p := range g.core.Conf().Voters {
		if slices.ContainsFunc(removed, func(c raft.Change) bool { return c.Peer == p }) {
			continue
		}
		left++
		if g.host.alive(p.Node()) {
			alive++
		}
	}
	return alive > left/2
}

// tellForgetful tells peers that have less than they have acknowledged.
func (g *Group) tellForgetful(w *worker) {
	for _, p := range g.core.Status().Peers {
		if p.Forgot {
			w.out.notice(p.ID.Node(), notice{kind: noticeForgot, group: g.id, inc: p.ID.Incarnation()})
		}
	}
}

// reborn takes the identity that has been admitted. The machine's state is kept as far as it is
// durable: it is what was committed up to its position, and the log goes on from there.
func (g *Group) reborn() {
	self := g.rebirth
	g.rebirth = raft.None
	g.apply.post(task{then: func() {
		err := g.apply.keep()
		at := g.apply.at.Base
		g.control(func(w *worker) {
			switch s := g.State(); {
			case s == Halted || s == Stopped || g.core != nil:
			case err != nil:
				g.halt(fmt.Errorf("keeping what is applied: %w", err))
			default:
				g.checkpoint, g.appliedTo = min(g.checkpoint, at.Index), at.Index
				g.box.setApplied(at.Index)
				g.begin(w, self, at)
			}
		})
	}})
}

// keep has the machine make durable what is applied, or go back to what is.
func (a *applier) keep() error {
	k, ok := a.machine.(Keeper)
	if !ok || a.failed != nil {
		return a.failed
	}
	at, err := k.Keep()
	if err != nil {
		return err
	}
	a.at = at
	a.at.Base.Conf = at.Base.Conf.Clone()
	a.applied.Store(uint64(at.Base.Index))
	return nil
}
