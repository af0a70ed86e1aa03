package meta

import (
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
)

// Server is a server that may have replicas. A State without any is that of one server
// alone, which has them all.
type Server struct {
	Node uint32 `json:"node"`
	Name string `json:"name"`
	// Incarnation is that of its disk: with another one it has forgotten all.
	Incarnation uint32   `json:"incarnation"`
	Cluster     string   `json:"cluster,omitempty"`
	Domain      string   `json:"domain,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// replica is the identity of the replicas that begin on it, as raft.PeerID has it.
func (s *Server) replica() uint64 { return uint64(s.Node)<<32 | uint64(s.Incarnation) }

// Load is what servers have of assets.
type Load struct {
	// Assets are replicas of groups that have several, Streams all of streams.
	Assets, Streams int
	// Leads are groups that should be led there: those that prefer it, and those that are
	// nowhere else.
	Leads int
	// Memory and File are what is reserved, in bytes.
	Memory, File int64
}

// IsClustered reports whether servers have to be known. Otherwise the server is alone, and has
// everything.
func (s *State) IsClustered() bool { return len(s.servers) > 0 }

// Servers goes over the servers by node.
func (s *State) Servers() iter.Seq[*Server] { return sorted(s.servers) }

// Server returns a server, or nil.
func (s *State) Server(node uint32) *Server { return s.servers[node] }

// Removing returns the node of the server that is being removed, 0 if none is: its assets
// are assigned to others, and it still has to go from the group that decides that.
func (s *State) Removing() uint32 { return s.removing }

// Load returns what a server has.
func (s *State) Load(node uint32) Load {
	if l := s.loads[node]; l != nil {
		return *l
	}
	return Load{}
}

// Candidates returns the servers for a choice, with what the caller sees of them.
func (s *State) Candidates(v *View) []placement.Server {
	list := make([]placement.Server, 0, len(s.servers))
	for sv := range s.Servers() {
		p := placement.Server{
			Node: sv.Node, Name: sv.Name, Cluster: sv.Cluster, Domain: sv.Domain, Tags: sv.Tags, JetStream: true,
		}
		if i := slices.IndexFunc(v.Seen, func(seen Seen) bool { return seen.Node == sv.Node }); i >= 0 {
			seen := &v.Seen[i]
			p.Online, p.OfflineSince = seen.Online, seen.OfflineSince
			p.Memory.Limit, p.File.Limit = seen.Memory, seen.File
		}
		list = append(list, p)
	}
	s.refresh(list)
	return list
}

// refresh takes over what servers have now.
func (s *State) refresh(list []placement.Server) {
	for i := range list {
		p := &list[i]
		l := s.Load(p.Node)
		p.Assets, p.Streams, p.Leads, p.Memory.Reserved, p.File.Reserved = l.Assets, l.Streams, l.Leads, l.Memory, l.File
	}
}

// Wish returns what is to be wished for a stream whose group has or will have that ID.
func (v *View) Wish(c *api.StreamConfig, cluster string, group uint64) placement.Wish {
	w := placement.Wish{
		Replicas: c.Replicas, Cluster: cluster, UniqueTag: v.UniqueTag, MaxAssets: v.MaxAssets, NotSince: v.NotSince,
		Storage: c.Storage, Bytes: c.MaxBytes, Seed: group,
	}
	if p := c.Placement; p != nil {
		w.Tags = p.Tags
		if p.Cluster != "" {
			w.Cluster = p.Cluster
		}
	}
	return w
}

// count adds what a group takes on its servers, or with sign -1 takes it back.
func (s *State) count(g *Group, stream *api.StreamConfig, sign int) {
	for _, n := range g.all() {
		l := s.loads[n]
		if l == nil {
			if s.loads == nil {
				s.loads = make(map[uint32]*Load)
			}
			l = new(Load)
			s.loads[n] = l
		}
		if len(g.Nodes) > 1 {
			l.Assets += sign
		}
		if n == g.leads() {
			l.Leads += sign
		}
		if stream == nil {
			continue
		}
		l.Streams += sign
		switch bytes := int64(sign) * max(stream.MaxBytes, 0); stream.Storage {
		case api.MemoryStorage:
			l.Memory += bytes
		default:
			l.File += bytes
		}
	}
}

// areKnown reports whether replicas may be placed on all of some servers.
func (s *State) areKnown(nodes []uint32) bool {
	return !slices.ContainsFunc(nodes, func(n uint32) bool { return s.servers[n] == nil })
}

// Lacking returns how many replicas of a stream have no server. Those of a stream do, too,
// of which nobody is left who has its messages: they are what a server that comes back may
// have.
func (s *State) Lacking(st *Stream) int {
	switch {
	case !s.IsClustered():
		return 0
	case !s.isHeld(&st.Group):
		return st.Config.Replicas
	}
	return max(st.Config.Replicas-len(s.known(st.Group.Nodes)), 0)
}

// known returns those of some servers that there are.
func (s *State) known(nodes []uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(nodes), func(n uint32) bool { return s.servers[n] == nil })
}

func (s *State) addServer(o *AddServer) Result {
	sv := o.Server
	switch old := s.servers[sv.Node]; {
	case sv.Node == s.removing:
		return Result{Err: api.ErrClusterServerMemberChangeInflight}
	case old != nil && old.Name == sv.Name && old.replica() == sv.replica() && old.Cluster == sv.Cluster && old.Domain == sv.Domain && slices.Equal(old.Tags, sv.Tags):
		return Result{}
	}
	if s.servers == nil {
		s.servers = make(map[uint32]*Server)
	}
	isBack := s.servers[sv.Node] == nil
	if s.servers[sv.Node] = &sv; isBack {
		// Streams may have moved on without the consumers of which it has the only replica.
		for st := range s.All() {
			s.followAll(st)
		}
	}
	return Result{Changed: true}
}

func (s *State) removeServer(o *RemoveServer) Result {
	sv := s.servers[o.Node]
	switch {
	case s.removing != 0:
		return Result{Err: api.ErrClusterServerMemberChangeInflight}
	case sv == nil:
		return Result{Err: api.ErrClusterServerNotMember}
	case len(s.servers) == 1:
		return Result{Err: api.ErrPeerRemap}
	}
	delete(s.servers, o.Node)
	s.removing = o.Node
	servers := s.Candidates(&o.View)
	for st := range s.All() {
		if slices.Contains(st.Group.Nodes, o.Node) {
			s.fill(st, without(st.Group.Nodes, []uint32{o.Node}), sv.Cluster, &o.View, servers)
		}
	}
	return Result{Changed: true}
}

func (s *State) endRemoval(o *EndRemoval) Result {
	if o.Node != s.removing {
		return Result{Stale: true}
	}
	s.removing = 0
	return Result{Changed: true}
}

// evacuateServer has others take over what is on a server. What nobody else can take stays.
func (s *State) evacuateServer(o *EvacuateServer) Result {
	sv := s.servers[o.Node]
	if sv == nil {
		return Result{Err: api.ErrClusterServerNotMember}
	}
	var r Result
	servers := s.Candidates(&o.View)
	for st := range s.All() {
		if !slices.Contains(st.Group.Nodes, o.Node) {
			continue
		}
		w := o.Wish(st.Config, sv.Cluster, st.Group.ID)
		w.Replicas = len(st.Group.Nodes)
		if choice, no := placement.Replace(servers, &w, st.Group.Nodes, o.Node); no == nil {
			s.send(st, choice.Nodes, false)
			s.refresh(servers)
			r.Changed = true
		}
	}
	return r
}

// placeMissing gives servers to the replicas that lack one.
func (s *State) placeMissing(o *PlaceMissing) Result {
	var r Result
	servers := s.Candidates(&o.View)
	for st := range s.All() {
		if known := s.known(st.Group.Nodes); s.Lacking(st) > 0 && len(known) > 0 {
			r.Changed = s.fill(st, known, s.servers[known[0]].Cluster, &o.View, servers) || r.Changed
		}
	}
	return r
}

// CanPlaceMissing reports whether PlaceMissing would do anything.
func (s *State) CanPlaceMissing(v *View) bool {
	servers := s.Candidates(v)
	for st := range s.All() {
		known := s.known(st.Group.Nodes)
		if s.Lacking(st) == 0 || len(known) == 0 {
			continue
		}
		if nodes := s.filled(st, known, s.servers[known[0]].Cluster, v, servers); !sameNodes(nodes, st.Group.Nodes) {
			return true
		}
	}
	return false
}

// fill sends a stream to some servers that it has and as many others as there are for it,
// if one is left that has its messages. It reports whether there was something to do.
func (s *State) fill(st *Stream, nodes []uint32, cluster string, v *View, servers []placement.Server) bool {
	nodes = s.filled(st, nodes, cluster, v, servers)
	if sameNodes(nodes, st.Group.Nodes) {
		return false
	}
	s.send(st, nodes, false)
	s.refresh(servers)
	return true
}

// filled returns the servers that fill sends a stream to, which are those that it has if there is
// nothing to do.
func (s *State) filled(st *Stream, nodes []uint32, cluster string, v *View, servers []placement.Server) []uint32 {
	if !s.isHeld(&st.Group) || len(nodes) == 0 {
		return st.Group.Nodes
	}
	w := v.Wish(st.Config, cluster, st.Group.ID)
	w.Keep = nodes
	for ; w.Replicas > len(nodes); w.Replicas-- {
		if choice, no := placement.Choose(servers, &w); no == nil {
			return choice.Nodes
		}
	}
	return nodes
}

// send puts a stream on its way to other servers, with its consumers, for which it does not
// wait if that is forced.
func (s *State) send(st *Stream, nodes []uint32, forced bool) *Stream {
	next := *st
	next.Group = st.Group.toward(nodes, s.next(), s.time)
	next.Group.Change.Forced = next.Group.Change.Forced || forced
	next.Revision = next.Group.Change.ID
	s.put(&next)
	s.followAll(&next)
	return &next
}
