package transport

import (
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// Mem connects nodes of one process. It has the bounds and the order of a TCP,
// and real goroutines, but no connections to be made. Its methods and those of
// its nodes may be called from several goroutines.
type Mem struct {
	limits Limits
	now    func() time.Duration

	mu    sync.RWMutex
	nodes map[raft.NodeID]*MemNode
	cut   map[[2]raft.NodeID]bool // lower node first
}

// NewMem returns a network without nodes. Of the limits, MaxFrame and those of queues
// count; a queue is what waits for the receiver.
func NewMem(l Limits) *Mem {
	begun := time.Now()
	return &Mem{
		limits: l.withDefaults(),
		now:    func() time.Duration { return time.Since(begun) },
		nodes:  make(map[raft.NodeID]*MemNode),
		cut:    make(map[[2]raft.NodeID]bool),
	}
}

// MemNode is a node on a Mem, and its transport.
type MemNode struct {
	net     *Mem
	id      raft.NodeID
	receive ReceiveFunc
	wg      sync.WaitGroup

	// Guarded by net.mu.
	inboxes map[inboxKey]*queue
	stopped bool
}

var _ host.Transport = (*MemNode)(nil)

type inboxKey struct {
	from  raft.NodeID
	class host.Class
}

// Attach adds a node, whose frames go to receive. It takes the place of one
// with the same number that has been stopped.
func (m *Mem) Attach(id raft.NodeID, receive ReceiveFunc) *MemNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &MemNode{net: m, id: id, receive: receive, inboxes: make(map[inboxKey]*queue)}
	m.nodes[id] = n
	return n
}

// Cut separates two nodes; what is under way between them is lost.
func (m *Mem) Cut(a, b raft.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut[pairOf(a, b)] = true
	for _, ends := range [][2]raft.NodeID{{a, b}, {b, a}} {
		n := m.nodes[ends[1]]
		if n == nil {
			continue
		}
		for key, inbox := range n.inboxes {
			if key.from == ends[0] {
				inbox.discard()
			}
		}
	}
}

// Heal undoes Cut.
func (m *Mem) Heal(a, b raft.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.cut, pairOf(a, b))
}

func pairOf(a, b raft.NodeID) [2]raft.NodeID { return [2]raft.NodeID{min(a, b), max(a, b)} }

// Send implements host.Transport. A false says that the frame is dropped, as by
// TCP's Send.
func (n *MemNode) Send(to raft.NodeID, class host.Class, frame []byte) bool {
	way, ok := wayOf(class)
	if !ok || len(frame) == 0 || len(frame) > n.net.limits.MaxFrame {
		return false
	}
	inbox := n.net.inbox(n, to, way)
	return inbox != nil && inbox.put(frame, class == host.Entries)
}

// inbox returns what n has to put frames into, or nil.
func (m *Mem) inbox(n *MemNode, to raft.NodeID, class host.Class) *queue {
	key := inboxKey{n.id, class}
	m.mu.RLock()
	target := m.nodes[to]
	reachable := target != nil && target != n && !n.stopped && !m.cut[pairOf(n.id, to)]
	var inbox *queue
	if reachable {
		inbox = target.inboxes[key]
	}
	m.mu.RUnlock()
	if !reachable || inbox != nil {
		return inbox
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n.stopped || target.stopped { // whose inboxes, if there are any, are closed
		return nil
	}
	inbox = target.inboxes[key]
	if inbox == nil {
		inbox = newQueue(m.limits, m.now)
		target.inboxes[key] = inbox
		target.wg.Go(func() { target.deliver(key, inbox) })
	}
	return inbox
}

// deliver hands over what comes into an inbox, until that is closed.
func (n *MemNode) deliver(key inboxKey, inbox *queue) {
	var frames [][]byte
	for {
		var ok bool
		if frames, ok = inbox.take(frames); !ok {
			return
		}
		for i, f := range frames {
			if inbox.isClosed() {
				inbox.done(frames[i:], false)
				break
			}
			n.receive(key.from, key.class, f)
			inbox.done(frames[i:i+1], true)
		}
	}
}

// Stop takes the node off the network. It waits until no call of its receiver is
// left; those have to return. What it has sent still arrives.
func (n *MemNode) Stop() {
	n.net.mu.Lock()
	n.stopped = true
	for _, inbox := range n.inboxes {
		inbox.close()
	}
	n.net.mu.Unlock()
	n.wg.Wait()
}
