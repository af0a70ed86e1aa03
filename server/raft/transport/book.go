package transport

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Peer is how a node is reached.
type Peer struct {
	Node raft.NodeID
	// Name is that of the server, of at most MaxName bytes and without blanks. A
	// server of another name is refused.
	Name string
	// Addr is where it is dialled.
	Addr string
}

// MaxPeers is how many nodes a Book has room for.
const MaxPeers = 4096

// Book says where nodes are. Whoever learns of it writes it down here, and
// transports ask, when they have something for a node and when an address that they
// have asked for has changed. What is not heard of any more stays until it is
// removed: that a server cannot be seen does not mean that it has moved.
//
// Its methods may be called from several goroutines. Several transports may have one
// book.
type Book struct {
	mu    sync.RWMutex
	peers map[raft.NodeID]Peer
	// watchers are told of changes, outside of mu. The slice is replaced, never
	// changed.
	watchers []*watcher
}

type watcher struct{ changed func(raft.NodeID) }

// NewBook returns an empty book.
func NewBook() *Book { return &Book{peers: make(map[raft.NodeID]Peer)} }

// NumberError says that two servers have names that make the same number, so that
// one of them has to be called something else.
type NumberError struct {
	Node        raft.NodeID
	Known, Name string
}

func (e *NumberError) Error() string {
	return fmt.Sprintf("servers %q and %q have names that make the same number, %d; one of them needs another name", e.Known, e.Name, e.Node)
}

// Set writes down how a node is reached, in place of what was known. The error may
// be a *NumberError; then nothing is changed.
func (b *Book) Set(p Peer) error {
	switch {
	case p.Node == 0:
		return errors.New("raft transport: node 0 is nobody")
	case checkNames(p.Name) != nil:
		return fmt.Errorf("raft transport: node %d: %w", p.Node, checkNames(p.Name))
	case p.Addr == "":
		return fmt.Errorf("raft transport: server %q has no address", p.Name)
	}
	b.mu.Lock()
	old, known := b.peers[p.Node]
	if known && old.Name != p.Name {
		b.mu.Unlock()
		return &NumberError{Node: p.Node, Known: old.Name, Name: p.Name}
	}
	if !known && len(b.peers) >= MaxPeers {
		b.mu.Unlock()
		return fmt.Errorf("raft transport: there is no room for server %q beside %d others", p.Name, MaxPeers)
	}
	b.peers[p.Node] = p
	watchers := b.watchers
	b.mu.Unlock()
	if old != p {
		tell(watchers, p.Node)
	}
	return nil
}

// Remove forgets a node: connections to it are closed, and there will be none.
func (b *Book) Remove(node raft.NodeID) {
	b.mu.Lock()
	delete(b.peers, node)
	watchers := b.watchers
	b.mu.Unlock()
	tell(watchers, node)
}

func tell(watchers []*watcher, node raft.NodeID) {
	for _, w := range watchers {
		w.changed(node)
	}
}

// Find returns how a node is reached, if that is known.
func (b *Book) Find(node raft.NodeID) (Peer, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	p, ok := b.peers[node]
	return p, ok
}

// Peers returns all nodes, in order of their numbers.
func (b *Book) Peers() []Peer {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.SortedFunc(maps.Values(b.peers), func(x, y Peer) int { return cmp.Compare(x.Node, y.Node) })
}

// watch has changed called with each node that is known in another way than before,
// or not at all any more. It must not change the book.
func (b *Book) watch(changed func(raft.NodeID)) (stop func()) {
	w := &watcher{changed}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = append(slices.Clip(b.watchers), w)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.watchers = slices.DeleteFunc(slices.Clone(b.watchers), func(other *watcher) bool { return other == w })
	}
}
