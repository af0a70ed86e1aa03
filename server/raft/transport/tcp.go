package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// classes are those that have connections of their own; each is its own index.
var classes = [...]host.Class{host.Normal, host.Bulk}

// wayOf returns the class whose way a class takes, false if there is no such class.
func wayOf(c host.Class) (host.Class, bool) {
	if c == host.Entries {
		return host.Normal, true
	}
	return c, int(c) < len(classes)
}

// ReceiveFunc gets what arrives, as the method of a host.Receiver, which may not
// be there yet when the transport is made. It owns the frame, and may block to
// hold up the sender, but must return once the receiver stops. There is one call
// at a time for a node and class, and calls for different ones are concurrent.
type ReceiveFunc func(from raft.NodeID, class host.Class, frame []byte)

// Limits bound what a transport keeps. A zero field is its default.
type Limits struct {
	// MaxFrame is the largest frame that is sent or accepted, in bytes:
	// host.MaxFrame.
	MaxFrame int
	// QueueFrames and QueueBytes bound what waits to be sent to a node in a
	// class: 65,536 and 64 MiB. A frame that is alone is sent in any case.
	QueueFrames, QueueBytes int
	// QueueDelay is about how long what is put into a queue may wait: Entries are
	// refused when that would be longer, small ones at twice of it. It has to be
	// well below the time of an election: 200 ms.
	QueueDelay time.Duration
	// MaxNodes bounds the nodes that connections are accepted from: 1024.
	MaxNodes int
	// MaxHandshakes bounds the accepted connections that have not said who they
	// are: 64. The oldest makes room for another.
	MaxHandshakes int
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxFrame:      cmp.Or(l.MaxFrame, host.MaxFrame),
		QueueFrames:   cmp.Or(l.QueueFrames, 1<<16),
		QueueBytes:    cmp.Or(l.QueueBytes, 64<<20),
		QueueDelay:    cmp.Or(l.QueueDelay, 200*time.Millisecond),
		MaxNodes:      cmp.Or(l.MaxNodes, 1024),
		MaxHandshakes: cmp.Or(l.MaxHandshakes, 64),
	}
}

// Timing says how patient a transport is. A zero field is its default.
type Timing struct {
	// Connect bounds a dial together with its handshake, and the handshake of
	// an accepted connection: 3 s.
	Connect time.Duration
	// Ping is how often a connection is checked: 2 s.
	Ping time.Duration
	// Timeout is how long the other end of a connection may be silent although
	// it has been asked: 5 s. It is then given up. Too long, and after a
	// partition has healed nothing flows until TCP tries again by itself, which
	// it does more and more rarely.
	Timeout time.Duration
	// BackoffMin and BackoffMax bound the time between attempts to connect,
	// which doubles and is random in its upper half: 50 ms and 1 s.
	BackoffMin, BackoffMax time.Duration
}

func (t Timing) withDefaults() Timing {
	return Timing{
		Connect:    cmp.Or(t.Connect, 3*time.Second),
		Ping:       cmp.Or(t.Ping, 2*time.Second),
		Timeout:    cmp.Or(t.Timeout, 5*time.Second),
		BackoffMin: cmp.Or(t.BackoffMin, 50*time.Millisecond),
		BackoffMax: cmp.Or(t.BackoffMax, time.Second),
	}
}

// Config is what a TCP is made with.
type Config struct {
	// Self is this node, Incarnation that of its store, which peers show in
	// their Stats.
	Self        raft.NodeID
	Incarnation uint32
	// Cluster is the name that all servers have in common; others are refused. Name
	// is that of this server, Instance that of this process, which is another one
	// each time the server starts. They have at most MaxName bytes, without blanks.
	Cluster, Name, Instance string
	// Authorize reports whether user and password are those of the cluster. It must
	// not tell by the time it takes how much of them was right, and may be called by
	// several goroutines. The default is that the name of the cluster will do.
	Authorize func(username, password string) bool
	// Credentials are what a node wants to see that is dialled, of at most MaxName
	// bytes each. The default is none.
	Credentials func(to Peer) (username, password string)
	// Receive gets what arrives. Nothing does before Accept.
	Receive ReceiveFunc
	// Book says where other nodes are. An entry for this one is ignored.
	Book *Book
	// Dial connects to the address of a peer, up to where the handshake of this
	// package begins: if the servers speak TLS with each other, that has been
	// done, and the certificate verified, when it returns. network is "tcp". It
	// must give up when ctx is done.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Logf is told when connections are made, lost and refused, with whatever
	// is to blame; what goes wrong with the same node for the same reason again
	// and again, once an hour. It must not block. The default is silence.
	Logf func(format string, args ...any)
	// Clock tells when to try again; the deadlines of connections are package
	// time's. The default is clock.Real.
	Clock clock.Clock
	// Seed makes the randomness of Backoff.
	Seed uint64

	Limits Limits
	Timing Timing
}

// TCP is a transport over connections that stream bytes. It listens nowhere: the
// connections of others are handed to it. All methods may be called from several
// goroutines.
type TCP struct {
	config Config
	begun  time.Time
	// ctx ends with Stop.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// unwatch ends the calls of changed.
	unwatch func()

	// peers are those that something was sent to; the map is replaced, never
	// changed.
	peers atomic.Pointer[map[raft.NodeID]*peer]

	mu      sync.Mutex // also for replacing peers
	stopped bool
	// strangers are the accepted connections in their handshake, with the number of
	// their arrival, which arrivals counts.
	strangers map[net.Conn]uint64
	arrivals  uint64
	// sources are by those who have connected, ever.
	sources map[raft.NodeID]*source
	// refused counts the accepted connections that came to nothing.
	refused [reasons]uint64

	complaints complaints
}

var _ host.Transport = (*TCP)(nil)

// peer is a node that can be dialled.
type peer struct {
	lanes [len(classes)]*lane
}

// New returns a transport.
func New(c Config) (*TCP, error) {
	c.Limits, c.Timing = c.Limits.withDefaults(), c.Timing.withDefaults()
	switch {
	case c.Self == 0:
		return nil, errors.New("raft transport: node 0 is nobody")
	case c.Receive == nil:
		return nil, errors.New("raft transport: nobody receives")
	case c.Book == nil:
		return nil, errors.New("raft transport: nobody says where nodes are")
	case c.Dial == nil:
		return nil, errors.New("raft transport: nobody dials")
	case checkNames(c.Cluster, c.Name, c.Instance) != nil:
		return nil, fmt.Errorf("raft transport: %w", checkNames(c.Cluster, c.Name, c.Instance))
	case c.Limits.MaxFrame < 0 || c.Limits.MaxFrame > 1<<30:
		return nil, fmt.Errorf("raft transport: frames of %d bytes", c.Limits.MaxFrame)
	}
	if c.Authorize == nil {
		c.Authorize = func(string, string) bool { return true }
	}
	if c.Credentials == nil {
		c.Credentials = func(Peer) (string, string) { return "", "" }
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	t := &TCP{
		config:    c,
		begun:     c.Clock.Now(),
		strangers: make(map[net.Conn]uint64),
		sources:   make(map[raft.NodeID]*source),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.peers.Store(&map[raft.NodeID]*peer{})
	t.unwatch = c.Book.watch(t.changed)
	return t, nil
}

// Send implements host.Transport. The frame belongs to the transport from here
// on. A false says that it is dropped, because the node is not known or cannot be
// reached, its queue is full, or the frame is empty or too large; Entries also because
// they would hold up what comes behind them.
func (t *TCP) Send(to raft.NodeID, class host.Class, frame []byte) bool {
	way, ok := wayOf(class)
	if !ok || len(frame) == 0 || len(frame) > t.config.Limits.MaxFrame {
		return false
	}
	p := (*t.peers.Load())[to]
	if p == nil {
		if p = t.meet(to); p == nil {
			return false
		}
	}
	return p.lanes[way].queue.put(frame, class == host.Entries)
}

// meet makes the lanes to a node for which there is something for the first time, if
// it is known where that is.
func (t *TCP) meet(to raft.NodeID) *peer {
	// Without a lock of the transport, for this may be asked very often.
	if _, ok := t.config.Book.Find(to); !ok || to == t.config.Self {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	peers := *t.peers.Load()
	if p := peers[to]; p != nil || t.stopped {
		return p
	}
	at, ok := t.config.Book.Find(to) // whatever changes after this, changed will see
	if !ok {
		return nil
	}
	p := new(peer)
	for i, class := range classes {
		p.lanes[i] = newLane(t, at, class)
		t.wg.Go(p.lanes[i].run)
	}
	grown := maps.Clone(peers)
	grown[to] = p
	t.peers.Store(&grown)
	return p
}

// changed follows the book. Connections to a node that is gone or has moved are
// closed. Connections from it are not: whoever belongs to the cluster may send.
func (t *TCP) changed(node raft.NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	peers := *t.peers.Load()
	p := peers[node]
	if p == nil {
		return // nothing was ever sent there, or it is stopped
	}
	if at, ok := t.config.Book.Find(node); ok {
		for _, l := range p.lanes {
			l.move(at)
		}
		return
	}
	left := maps.Clone(peers)
	delete(left, node)
	t.peers.Store(&left)
	p.stop()
}

func (p *peer) stop() {
	for _, l := range p.lanes {
		l.stop()
	}
}

// Stop ends all connections and waits until no goroutine is left; those that
// are in Receive have to return. What waits to be sent is dropped.
func (t *TCP) Stop() {
	t.mu.Lock()
	t.stopped = true // from here on nothing is added
	t.cancel()
	strangers := slices.Collect(maps.Keys(t.strangers))
	peers := t.peers.Swap(&map[raft.NodeID]*peer{})
	t.mu.Unlock()

	t.unwatch()
	for _, c := range strangers {
		hangUp(c)
	}
	for _, p := range *peers {
		p.stop()
	}
	for _, s := range t.sourcesByNode() {
		for _, in := range s.connections() {
			in.fail(errStopped)
		}
	}
	t.wg.Wait()
}

// now is the time since the transport was made; it is not 0.
func (t *TCP) now() time.Duration { return max(t.config.Clock.Now().Sub(t.begun), 1) }

// deadline is for connections, whose deadlines are on the machine's clock.
func deadline(d time.Duration) time.Time { return time.Now().Add(d) }

// hangUp closes a connection, and does not wait. The end of TLS is left out, which
// would be said to a peer that may not read; who is told what has its own end.
func hangUp(conn net.Conn) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	_ = conn.Close() // it has gone, whatever the error
}
