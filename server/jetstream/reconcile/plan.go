package reconcile

import (
	"cmp"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Part is what a server has to do with a group.
type Part uint8

const (
	// Member: it has a replica, and keeps it.
	Member Part = iota
	// Coming: it is to have a replica, which is a learner first.
	Coming
	// Leaving: it keeps what it has until the change is over.
	Leaving
)

func (p Part) String() string { return [...]string{"member", "coming", "leaving"}[p] }

// Task is a replica that is to run on a server.
type Task struct {
	Group raft.GroupID
	Part  Part
	// Change is the one that is under way, 0 if none is. A replica that asks to be admitted
	// tells it.
	Change uint64
	// Memory is whether the entries are kept in memory.
	Memory bool
	// Found are the group's first voters, if the server is one of them, and nil if it is
	// not: then a server that has nothing of the group joins it.
	Found []raft.PeerID
	// Preferred is the one that should lead, 0 if it makes no difference.
	Preferred raft.NodeID
	// Contacts are the other servers that may have a replica, in order.
	Contacts []raft.NodeID
	// Stream is the asset, or that of which Consumer is, which is nil otherwise.
	Stream   *meta.Stream
	Consumer *meta.Consumer
}

// Plan is what a state assigns to a server.
type Plan struct {
	state *meta.State
	at    raft.Index
	tasks []Task
}

// New returns the plan of a server with the disk that self tells, by the state as of an index
// of the group that decides it.
func New(s *meta.State, at raft.Index, self raft.PeerID) *Plan {
	p := &Plan{state: s, at: at}
	add := func(st *meta.Stream, c *meta.Consumer) {
		if t, ok := TaskOf(s, self, st, c); ok {
			p.tasks = append(p.tasks, t)
		}
	}
	for st := range s.All() {
		add(st, nil)
		for c := range st.Consumers() {
			add(st, c)
		}
	}
	slices.SortFunc(p.tasks, func(a, b Task) int { return cmp.Compare(a.Group, b.Group) })
	return p
}

// TaskOf returns what a server has to do for a stream of the state, or for a consumer of it if that
// is not nil. ok is false if it has nothing to do.
func TaskOf(s *meta.State, self raft.PeerID, st *meta.Stream, c *meta.Consumer) (t Task, ok bool) {
	g := &st.Group
	if c != nil {
		g = &c.Group
	}
	t = Task{Group: raft.GroupID(g.ID), Memory: g.Memory, Preferred: raft.NodeID(g.Preferred), Stream: st, Consumer: c}
	if s.IsClustered() {
		return t, t.assign(g, self)
	}
	t.Found = []raft.PeerID{self} // it is alone, and has everything
	return t, true
}

// Sole reports whether the replica is the only one.
func (t *Task) Sole() bool { return len(t.Contacts) == 0 }

// Campaigns reports whether it is this founder's turn to stand for election first.
func (t *Task) Campaigns(self raft.PeerID) bool {
	if i := slices.IndexFunc(t.Found, func(p raft.PeerID) bool { return p.Node() == t.Preferred }); i >= 0 {
		return t.Found[i] == self
	}
	return len(t.Found) > 0 && t.Found[0] == self
}

// assign fills in what a server has to do with a group, and reports whether it has
// anything.
func (t *Task) assign(g *meta.Group, self raft.PeerID) bool {
	node, there := uint32(self.Node()), g.Nodes
	switch ch := g.Change; {
	case slices.Contains(g.Nodes, node):
		if ch != nil && !slices.Contains(ch.From, node) {
			t.Part = Coming
		}
	case ch != nil && slices.Contains(ch.Leaving, node):
		t.Part = Leaving
	default:
		return false
	}
	if g.Change != nil {
		there, t.Change = slices.Concat(g.Nodes, g.Change.Leaving), g.Change.ID
	}
	for _, n := range there {
		if n != node {
			t.Contacts = append(t.Contacts, raft.NodeID(n))
		}
	}
	slices.Sort(t.Contacts)
	if slices.Contains(g.Founders, uint64(self)) {
		for _, p := range g.Founders {
			t.Found = append(t.Found, raft.PeerID(p))
		}
	}
	return true
}

// Tasks returns what is to run, by group.
func (p *Plan) Tasks() []Task { return p.tasks }

// task returns what is to be done for a group, or nil.
func (p *Plan) task(g raft.GroupID) *Task {
	i, found := slices.BinarySearchFunc(p.tasks, g, func(t Task, g raft.GroupID) int { return cmp.Compare(t.Group, g) })
	if !found {
		return nil
	}
	return &p.tasks[i]
}

// Fate is what becomes of a replica that is on disk.
type Fate uint8

const (
	// Keep: it stays as it is.
	Keep Fate = iota
	// Remove: its asset was deleted, or it has moved away, which is committed.
	Remove
	// Aside: no asset ever had that group, as far as is known. It is put where it is not in
	// the way.
	Aside
)

func (f Fate) String() string { return [...]string{"keep", "remove", "aside"}[f] }

// Fate returns what becomes of a group of which something is on disk. Seen is the newest index
// of a state that the server has ever acted on: if this one is older, nobody knows.
func (p *Plan) Fate(g raft.GroupID, seen raft.Index) Fate {
	switch {
	case g < meta.FirstGroup || p.at < seen || p.task(g) != nil:
		return Keep
	case p.state.Made(uint64(g)):
		return Remove
	default:
		return Aside
	}
}
