package host

import (
	"github.com/nats-lite/nats-lite/server/raft"
)

// soft takes note of a change of leader or role.
func (g *Group) soft(s *raft.SoftState, t *task) {
	h := g.host
	leading := s.Role == raft.Leader
	g.leader.Store(uint64(s.Leader))
	g.term.Store(uint64(s.Term))
	was := g.leading.Swap(leading)
	switch {
	case leading && !was:
		h.leaders.Add(1)
	case was && !leading:
		h.leaders.Add(-1)
		g.lostAt = g.age
		h.transfers.cancelSends(g, everyPeer)
	}
	if s.Role == raft.PreCandidate || s.Role == raft.Candidate {
		h.elections.Add(1)
	}
	now := Leadership{Term: s.Term, Leader: s.Leader, Leading: leading}
	if now.Leader == g.told.Leader && (now.Term == g.told.Term || now.Leader == raft.None) {
		return
	}
	g.told = now
	if now.Leader != raft.None {
		g.led.Store(h.cfg.Clock.Now().UnixNano())
	}
	t.lead, t.leadAt, t.hasLead = now, g.core.KnownFrom(), true
	h.leaderChanges.Add(1)
	h.event(Event{Kind: EventLeader, Group: g.id, Peer: now.Leader, Term: now.Term})
}

// nodesChanged is told of nodes that have come, gone, or been started anew.
func (g *Group) nodesChanged(events []nodeEvent) {
	for _, e := range events {
		leader := g.core.Leader()
		leading := g.core.Role() == raft.Leader
		here := false
		for _, n := range g.nodes {
			here = here || n == e.node
		}
		switch {
		case !here:
		case leading && e.kind == nodeDown:
			if g.core.Quiescent() && !g.host.quorumAlive(&g.conf) {
				g.core.Wake() // and find out that it no longer leads
			}
		case leading:
			g.core.Wake()
		case leader == raft.None:
			if e.kind != nodeDown && g.age >= g.host.cfg.ElectionTicks && g.pace == still {
				g.core.LeaderLost() // there may be a majority again
			}
		case leader.Node() == e.node && e.kind == nodeUp:
			g.lostIn = 0 // it was not gone for long
		case leader.Node() == e.node:
			g.orphaned()
		}
	}
}

// orphaned is told that the leader is gone. All its followers learn of it at about
// the same time, here and elsewhere, and if they all stood for election many
// would stand in each other's way. So one of the live voters is to stand first,
// another one for each group; the others follow only if nothing has come of it.
func (g *Group) orphaned() {
	leader, self := g.core.Leader(), g.core.ID()
	if leader == raft.None || leader == self {
		return
	}
	if !g.conf.IsVoter(self) {
		g.core.LeaderLost()
		return
	}
	before := 0
	for _, p := range g.conf.Voters {
		if p != leader && p != self && g.host.alive(p.Node()) && g.precedence(p) < g.precedence(self) {
			before++
		}
	}
	// The others may find it out a little later, and would refuse until then.
	g.orphan, g.lostIn = leader, g.host.cfg.HeartbeatTicks+before*g.host.cfg.ElectionTicks
}

func (g *Group) precedence(p raft.PeerID) uint64 { return mix(uint64(p), uint64(g.id)) }

// countDown ends the wait of a replica whose leader is gone.
func (g *Group) countDown() {
	switch {
	case g.lostIn == 0:
	case g.core.Leader() != g.orphan:
		g.lostIn = 0
	default:
		if g.lostIn--; g.lostIn == 0 {
			g.core.LeaderLost()
		}
	}
}
