package sim

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/rafttest"
)

// groupKind is what a group is made as.
type groupKind struct {
	size    int
	memory  bool
	content func(*replica) content
	// asset is whether it is one of JetStream's: what is applied is recorded then.
	asset bool
}

// group is what the simulation knows of a group: what a meta layer would, and
// what the clients have seen.
type group struct {
	id   raft.GroupID
	kind groupKind
	// home are the nodes that the group was made on; peers its first voters.
	home  []*node
	peers []raft.PeerID
	// hosted are the nodes on which a replica has been started.
	hosted map[raft.NodeID]bool
	check  *rafttest.Checker
	calls  []*call
	next   uint64 // the value of the next operation
	// chain is the hash of the state after each index, by the first replica
	// that has applied it.
	chain []uint64
	// stream is that of a consumer, consumer that of a stream, readers its clients.
	stream, consumer *group
	readers          *readers
	// posts are what was published to a stream, gone what clients were told to be
	// removed, told what they were told of other ops.
	posts []*post
	gone  []gone
	told  []told
	// entries are what was applied, by index.
	entries []entry
	// lost is set if a fault took what no majority is left to know. Nothing that
	// was acknowledged can be asked of the group any more.
	lost bool
	// memories are what is known of the replicas on nodes that are down.
	memories map[raft.NodeID]memory
}

// memory is what a replica was when its process ended.
type memory struct {
	self      raft.PeerID
	conf      raft.ConfState
	confIndex raft.Index
	committed raft.Index
}

func newGroup(s *Sim, id raft.GroupID, k groupKind) *group {
	g := &group{id: id, kind: k, hosted: make(map[raft.NodeID]bool), check: rafttest.NewChecker(), memories: make(map[raft.NodeID]memory)}
	g.home = slices.Clone(s.nodes)
	s.rnd.Shuffle(len(g.home), func(i, j int) { g.home[i], g.home[j] = g.home[j], g.home[i] })
	g.home = g.home[:k.size]
	for _, n := range g.home {
		g.peers = append(g.peers, n.peer())
	}
	slices.Sort(g.peers)
	return g
}

// entry is what was committed.
type entry struct {
	there, conf bool
	term        raft.Term
	time        int64
	ops         [][]byte
}

// at returns the entry of an index, nil if it is known already or not to be recorded.
func (g *group) at(i raft.Index) *entry {
	if !g.kind.asset {
		return nil
	}
	for raft.Index(len(g.entries)) <= i {
		g.entries = append(g.entries, entry{})
	}
	if g.entries[i].there {
		return nil
	}
	return &g.entries[i]
}

// record takes note of what is applied, for the check in the end.
func (g *group) record(b *host.Batch) {
	if e := g.at(b.Index); e != nil {
		*e = entry{there: true, term: b.Term, time: b.Time}
		for _, op := range b.Proposals() {
			e.ops = append(e.ops, slices.Clone(op))
		}
	}
}

func (g *group) recordConf(index raft.Index, term raft.Term) {
	if e := g.at(index); e != nil {
		*e = entry{there: true, conf: true, term: term}
	}
}

func (s *Sim) group(id raft.GroupID) *group {
	if id < 1 || int(id) > len(s.groups) {
		return nil
	}
	return s.groups[id-1]
}

// remember keeps what is to be known of a replica while its node is down.
func (r *replica) remember() {
	m := r.g.memories[r.node.id] // of a replica that is halted the last is known
	m.self = r.self
	if core := r.core(); core != nil {
		st := core.Status()
		m.conf, m.confIndex, m.committed = st.Conf, st.ConfIndex, st.Commit
	}
	r.g.memories[r.node.id] = m
}

// core returns the replica's raft, nil if it has none.
func (r *replica) core() *raft.Raft {
	if r == nil || r.handle == nil {
		return nil
	}
	return r.handle.Raft()
}

// self returns who the replica on a node is.
func (g *group) self(n *node) raft.PeerID {
	if r := n.replica(g); r != nil {
		return r.self
	}
	return g.memories[n.id].self
}

// confs returns the configurations that may rule: the newest one that is
// committed, and those that were appended behind it.
func (g *group) confs(s *Sim) (confs []raft.ConfState) {
	var all []memory
	newest := raft.Index(0)
	for _, n := range s.nodes {
		if r := n.replica(g); r != nil {
			r.remember()
		}
		m, ok := g.memories[n.id]
		if !ok || m.conf.Empty() {
			continue
		}
		all = append(all, m)
		if m.confIndex <= m.committed {
			newest = max(newest, m.confIndex)
		}
	}
	for _, m := range all {
		if m.confIndex >= newest {
			confs = append(confs, m.conf)
		}
	}
	return confs
}

// drop deletes a replica that has been removed, if it is there.
func (g *group) drop(s *Sim, p raft.PeerID) {
	n := s.node(p.Node())
	r := n.replica(g)
	if r == nil || r.self != p {
		return // down, or somebody else by now
	}
	s.logf("node %d, group %d: deleted", n.id, g.id)
	if err := r.handle.Delete(); err != nil {
		s.logf("node %d, group %d: %v", n.id, g.id, err)
	}
	n.replicas = slices.DeleteFunc(n.replicas, func(o *replica) bool { return o == r })
	delete(g.hosted, n.id)
	delete(g.memories, n.id)
	must(n.disk.RemoveAll(stateFile(g.id)))
	n.work()
}

// sole reports whether a node has the group's only voter, as far as is known.
func (g *group) sole(n *node) bool {
	if s := n.sim; s.founding {
		return g.kind.size == 1
	}
	for _, conf := range g.confs(n.sim) {
		if len(conf.Voters) == 1 && conf.Voters[0].Node() == n.id {
			return true
		}
	}
	return false
}
