package meta

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
)

// Group is the raft group of an asset. Its slices are shared, and never changed.
type Group struct {
	ID uint64 `json:"id"`
	// Nodes are the servers that are to have a replica, in order. While there is a Change
	// they may not all have one yet.
	Nodes []uint32 `json:"nodes"`
	// Memory is whether the entries are kept in memory.
	Memory bool `json:"memory,omitempty"`
	// Founders are the replicas that the group begins with (raft.PeerID: the server above, the
	// incarnation of its disk below). A server begins a replica as one of them only if it still
	// has that disk; there are none any more when the group has changed once, for then who has
	// nothing of it has to be admitted.
	Founders []uint64 `json:"founders,omitempty"`
	// Preferred is the node that should lead, 0 if it makes no difference.
	Preferred uint32 `json:"preferred,omitempty"`
	// Change is set until the group has come to be where Nodes say.
	Change *Change `json:"change,omitempty"`
}

// Change is a change of servers that is under way. It ends when the group's leader says so
// (EndChange).
type Change struct {
	// ID is the revision with which it began. A report that names another is of something
	// else.
	ID uint64 `json:"id"`
	// Began is in nanoseconds since the epoch.
	Began int64 `json:"began"`
	// From are the servers that the group was on, and goes back to if it is cancelled.
	From []uint32 `json:"from"`
	// Leaving are those that may have a replica, and are to lose it at the end.
	Leaving []uint32 `json:"leaving,omitempty"`
	// Cancelled is whether it is on its way back.
	Cancelled bool `json:"cancelled,omitempty"`
	// Forced is whether a stream does not wait for its consumers.
	Forced bool `json:"forced,omitempty"`
	// Origin is what of the configuration was replaced with it, nil if nothing.
	Origin *Origin `json:"origin,omitempty"`
}

// Origin is what a stream's configuration said of its servers before a change.
type Origin struct {
	Replicas  int            `json:"replicas"`
	Placement *api.Placement `json:"placement,omitempty"`
}

// all gives the servers that have or may have a replica.
func (g *Group) all() []uint32 {
	if g.Change == nil {
		return g.Nodes
	}
	return slices.Concat(g.Nodes, g.Change.Leaving)
}

// leads is the server that should lead, 0 if it makes no difference.
func (g *Group) leads() uint32 {
	if len(g.Nodes) == 1 {
		return g.Nodes[0]
	}
	return g.Preferred
}

// holders are the servers that are known to have what is in the group.
func (g *Group) holders() []uint32 {
	if g.Change == nil {
		return g.Nodes
	}
	return g.Change.From
}

// busy is the error for a second change while there is one.
func (g *Group) busy() *api.Error {
	switch {
	case g.Change == nil:
		return nil
	case len(g.Change.From) == len(g.Nodes):
		return api.ErrStreamMoveInProgress
	default:
		return api.ErrStreamReconfigureInProgress
	}
}

// toward returns the group on its way to other servers. Who was to get a replica and is
// not any more leaves with those that have one.
func (g Group) toward(nodes []uint32, id uint64, now int64) Group {
	next := &Change{ID: id, Began: now, From: g.holders(), Leaving: without(g.all(), nodes)}
	if old := g.Change; old != nil {
		next.Cancelled, next.Forced, next.Origin = old.Cancelled, old.Forced, old.Origin
	}
	g.Change, g.Nodes = next, nodes
	if !slices.Contains(nodes, g.Preferred) {
		g.Preferred = 0
	}
	return g
}

// arrived returns the group at the end of its change.
func (g Group) arrived() Group {
	g.Change, g.Founders = nil, nil
	return g
}

// without returns those that are not among others.
func without(nodes, others []uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(nodes), func(n uint32) bool { return slices.Contains(others, n) })
}

// sameNodes reports whether both are the same servers, whatever their order. No list has a
// server twice.
func sameNodes(a, b []uint32) bool { return len(a) == len(b) && len(without(a, b)) == 0 }

// isDistinct reports whether there are not too many, and none twice.
func isDistinct(nodes []uint32) bool {
	for i, n := range nodes {
		if slices.Contains(nodes[:i], n) {
			return false
		}
	}
	return len(nodes) <= maxNodes
}

// maxNodes bounds the servers of a group.
const maxNodes = 16

// group makes a group that never was, on servers that are known.
func (s *State) group(nodes []uint32, preferred uint32, storage api.Storage) Group {
	s.groups = s.nextGroup()
	g := Group{ID: s.groups, Nodes: nodes, Memory: storage == api.MemoryStorage}
	if slices.Contains(nodes, preferred) {
		g.Preferred = preferred
	}
	for _, n := range nodes {
		if sv := s.servers[n]; sv != nil {
			g.Founders = append(g.Founders, sv.replica())
		}
	}
	return g
}

// nextGroup is the ID of the group that is made next.
func (s *State) nextGroup() uint64 { return max(s.groups+1, FirstGroup) }

// among returns the servers of a consumer, of which its stream's are given: those that it
// had as far as it may keep them, and for the rest some that are told by its group's ID. Those
// to be avoided come last.
func (s *State) among(of []uint32, replicas int, had, avoid []uint32, id uint64) []uint32 {
	if replicas = max(replicas, 1); replicas >= len(of) {
		return of
	}
	rank := func(n uint32) int {
		switch {
		case slices.Contains(had, n):
			return slices.Index(had, n) - maxNodes
		case s.servers[n] == nil || slices.Contains(avoid, n):
			return 1
		}
		return 0
	}
	nodes := slices.Clone(of)
	slices.SortFunc(nodes, func(a, b uint32) int {
		if x, y := rank(a), rank(b); x != y {
			return x - y
		}
		if placement.Mix(id, a) < placement.Mix(id, b) {
			return -1
		}
		return 1
	})
	return nodes[:replicas:replicas]
}

// follow has a consumer be where its stream is, or on its way there. One of which no server is
// left that has it stays where it is: there is nobody to take it from.
func (s *State) follow(st *Stream, c *Consumer) *Consumer {
	if !s.IsClustered() || !s.isHeld(&c.Group) {
		return c
	}
	nodes := s.among(st.Group.Nodes, c.Config.ReplicasOn(st.Config), c.Group.Nodes, nil, c.Group.ID)
	if sameNodes(nodes, c.Group.Nodes) {
		return c
	}
	next := *c
	next.Group = c.Group.toward(nodes, s.next(), s.time)
	return &next
}

// followAll does so with all consumers of a stream.
func (s *State) followAll(st *Stream) {
	for c := range st.Consumers() {
		if next := s.follow(st, c); next != c {
			s.setConsumer(st, c.Name(), next)
		}
	}
}

// isHeld reports whether a server is left that has what is in the group.
func (s *State) isHeld(g *Group) bool {
	return !s.IsClustered() || slices.ContainsFunc(g.holders(), func(n uint32) bool { return s.servers[n] != nil })
}

// Waits reports whether a consumer of the stream is still on its way to other servers. Until
// all are there the stream stays where they come from, for they read it where they are; unless
// its change is forced.
func (s *State) Waits(st *Stream) bool {
	if ch := st.Group.Change; ch != nil && ch.Forced {
		return false
	}
	for _, c := range st.consumers.byName { // the order makes no difference
		if c.Group.Change != nil && s.isHeld(&c.Group) {
			return true
		}
	}
	return false
}
