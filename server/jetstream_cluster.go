package server

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/jetstream"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/transport"
)

// neighbours are the other servers of the cluster to JetStream: who is there, and the connections
// on which raft speaks with them. Each server tells its node on its routes, so that one that was given
// another name stays the node that its log says it is.
//
// A server stays in the book when it is not seen any more: it may be cut off, or down. It goes when
// another one has taken its place: its number, its name, or its address.
type neighbours struct {
	s    *Server
	node raft.NodeID
	book *transport.Book
	tcp  *transport.TCP
	// begun is when JetStream started; some time later all is looked at once more.
	begun  time.Time
	settle clock.Timer

	mu sync.Mutex
	// nodes are those that are seen, complete as jetstream.Neighbours has it.
	nodes    []raft.NodeID
	complete bool
	watchers map[int]func()
	watched  int
	// said are complaints that were made.
	said map[string]bool
}

const (
	// farewell is how long what was said to others last may take to go out.
	farewell = time.Second / 2
	// settling is for how long a server that is there without JetStream may be about to have it. Where
	// it is switched on everywhere at once, each would otherwise found a group by itself.
	settling = 10 * time.Second
	// maxSaid bounds the complaints that are remembered.
	maxSaid = 1000
)

// newNeighbours returns those of a node that has a log of the given incarnation. What comes from them
// is given to receive, but nothing comes before the server has it as its JetStream.
func (s *Server) newNeighbours(opts *options.Options, node raft.NodeID, incarnation uint32, receive transport.ReceiveFunc) (*neighbours, error) {
	n := &neighbours{
		s: s, node: node, book: transport.NewBook(), begun: s.clock.Now(), watchers: make(map[int]func()), said: make(map[string]bool),
	}
	tcp, err := transport.New(transport.Config{
		Self: node, Incarnation: incarnation, Cluster: opts.Cluster.Name, Name: s.name, Instance: s.id,
		Authorize: n.authorize, Credentials: n.credentials, Receive: receive, Book: n.book, Dial: n.dial,
		Logf:  func(format string, args ...any) { s.log.Noticef("JetStream: "+format, args...) },
		Clock: s.clock, Seed: rand.Uint64(),
	})
	if err != nil {
		return nil, err
	}
	n.tcp, n.settle = tcp, s.clock.AfterFunc(settling, n.look)
	return n, nil
}

// close ends all connections, when what was said on them is out.
func (n *neighbours) close() {
	n.settle.Stop()
	n.tcp.Flush(farewell)
	n.tcp.Stop()
}

// errNoCluster says that the port of the cluster is not open yet.
var errNoCluster = errors.New("the cluster is not there yet")

func (n *neighbours) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	c := n.s.cluster.Load()
	if c == nil {
		return nil, errNoCluster
	}
	name := ""
	for _, p := range n.book.Peers() {
		if p.Addr == addr {
			name = p.Name
		}
	}
	return c.DialRaft(ctx, name, addr)
}

func (n *neighbours) authorize(user, password string) bool {
	c := n.s.cluster.Load()
	return c != nil && c.AdmitsRaft(user, password)
}

func (n *neighbours) credentials(to transport.Peer) (user, password string) {
	if c := n.s.cluster.Load(); c != nil {
		user, password = c.RaftCredentials(to.Name, to.Addr)
	}
	return user, password
}

// Seen implements jetstream.Neighbours.
func (n *neighbours) Seen() (nodes []raft.NodeID, complete bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.nodes), n.complete
}

// Watch implements jetstream.Neighbours.
func (n *neighbours) Watch(changed func()) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watched++
	id := n.watched
	n.watchers[id] = changed
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.watchers, id)
	}
}

// look takes note of who is there now. It does not block.
func (n *neighbours) look() {
	c := n.s.cluster.Load()
	if c == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	peers, complete := c.Sight()
	without := slices.ContainsFunc(peers, func(p mesh.Server) bool { return p.Node == 0 })
	n.nodes = n.writeDown(peers)
	n.complete = complete && (!without || n.s.clock.Now().Sub(n.begun) >= settling)
	for _, changed := range n.watchers {
		changed() // which must not block, nor call
	}
}

// writeDown has the book say what the servers that there are say of themselves, and returns
// their nodes.
func (n *neighbours) writeDown(peers []mesh.Server) (nodes []raft.NodeID) {
	peers = slices.DeleteFunc(peers, func(p mesh.Server) bool { return p.Node == 0 })
	// Of two with the same number the one is kept that was there before.
	known := func(p mesh.Server) int {
		if at, ok := n.book.Find(raft.NodeID(p.Node)); ok && at.Name == p.Name {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(peers, func(a, b mesh.Server) int { return cmp.Compare(known(a), known(b)) })
	seen := map[raft.NodeID]mesh.Server{n.node: {Name: n.s.name}}
	for _, p := range peers {
		node := raft.NodeID(p.Node)
		if other, taken := seen[node]; taken {
			n.complain("servers %q and %q have the same number, %d: nothing is replicated with %q. Its store directory may have been copied from the other one. "+
				"It has to be emptied, and if that is not enough the server needs another name", other.Name, p.Name, node, p.Name)
			continue
		}
		seen[node] = p
	}
	for _, at := range n.book.Peers() {
		if n.isReplaced(at, seen) {
			n.book.Remove(at.Node)
		}
	}
	for node, p := range seen {
		if node == n.node {
			continue
		}
		if err := n.book.Set(transport.Peer{Node: node, Name: p.Name, Addr: p.Addr}); err != nil {
			n.complain("nothing is replicated with server %q: %v", p.Name, err)
			continue
		}
		nodes = append(nodes, node)
	}
	slices.Sort(nodes)
	return nodes
}

// isReplaced reports whether another server is what one in the book was.
func (n *neighbours) isReplaced(at transport.Peer, seen map[raft.NodeID]mesh.Server) bool {
	if now, ok := seen[at.Node]; ok {
		return now.Name != at.Name
	}
	for _, p := range seen {
		if p.Name == at.Name || p.Addr == at.Addr {
			return true
		}
	}
	return false
}

// complain logs an error that was not logged yet.
func (n *neighbours) complain(format string, args ...any) {
	key := format
	for _, a := range args {
		if name, ok := a.(string); ok {
			key += " " + name
		}
	}
	if n.said[key] {
		return
	}
	if len(n.said) >= maxSaid {
		clear(n.said)
	}
	n.said[key] = true
	n.s.log.Errorf("JetStream: "+format, args...)
}

// neighbours are those of JetStream, nil if it does not run or the server is alone.
func (s *Server) neighbours() *neighbours {
	if j := s.jetStream.Load(); j != nil {
		return j.others
	}
	return nil
}

// acceptRaft takes a connection of raft that has come to the port of the cluster, of which some was
// read. It is the cluster's Env.Raft.
func (s *Server) acceptRaft(nc net.Conn, read []byte) {
	if n := s.neighbours(); n != nil {
		n.tcp.Accept(nc, read)
		return
	}
	s.log.Debugf("A connection of raft from %s is closed: JetStream does not run", nc.RemoteAddr())
	_ = nc.Close() // nothing was said
}

// meetNeighbours has JetStream look who is there.
func (s *Server) meetNeighbours() {
	if n := s.neighbours(); n != nil {
		n.look()
	}
}

// hostEvent takes note of what the host of raft groups tells.
func (s *Server) hostEvent(engine *jetstream.Engine, e *host.Event) {
	engine.HostEvent(*e)
	if c := s.cluster.Load(); c != nil && e.Kind == host.EventNodeDown {
		c.Suspect(uint32(e.Node))
	}
}

// raftNode is what other servers are told of this one as a node, 0 if it is none.
func (s *Server) raftNode() uint32 {
	if n := s.neighbours(); n != nil {
		return uint32(n.node)
	}
	return 0
}

// tellOthers tells other servers what there is to tell of this one.
func (s *Server) tellOthers() {
	if c := s.cluster.Load(); c != nil {
		c.SetInfo(s.routeInfo())
	}
}

var _ jetstream.Neighbours = (*neighbours)(nil)
