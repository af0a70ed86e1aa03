package host

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// confChanged finds out whether the configuration has changed, which only comes
// with an Append.
func (g *Group) confChanged() {
	c := g.core.Conf()
	if c.Equal(&g.conf) {
		return
	}
	g.conf, g.confIndex = c.Clone(), g.core.Status().ConfIndex
	if g.joining && g.conf.Contains(g.core.ID()) {
		g.joining = false
		g.host.event(Event{Kind: EventAdmitted, Group: g.id, Peer: g.core.ID()})
	}
	if !g.joining {
		g.state.Store(uint32(Running))
	}
	g.setNodes()
	g.host.transfers.cancelSends(g, func(p raft.PeerID) bool { return !g.conf.Contains(p) })
}

// setNodes keeps the links to the nodes of the configuration.
func (g *Group) setNodes() {
	old := g.nodes
	g.nodes = nil
	if g.State() != Stopped {
		g.nodes = g.host.otherNodes(g.conf.Peers(), g.contactsIfJoining())
	}
	for _, n := range g.nodes {
		g.host.links.get(n).refs.Add(1)
	}
	for _, n := range old {
		g.host.links.get(n).refs.Add(-1)
	}
}

func (g *Group) contactsIfJoining() []raft.NodeID {
	if g.joining || g.core == nil {
		return g.contacts
	}
	return nil
}

// otherNodes returns the nodes of peers, and others, but for the own one, sorted.
func (h *Host) otherNodes(peers []raft.PeerID, others []raft.NodeID) []raft.NodeID {
	nodes := slices.Clone(others)
	for _, p := range peers {
		nodes = append(nodes, p.Node())
	}
	slices.Sort(nodes)
	nodes = slices.Compact(nodes)
	return slices.Clip(slices.DeleteFunc(nodes, func(n raft.NodeID) bool { return n == h.cfg.Node || n == 0 }))
}
