package transport

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// source is the receiving end of a node that has connected.
type source struct {
	from   raft.NodeID
	inlets [len(classes)]inlet
}

// inlet is where the frames of one node and class come in. One connection, the
// newest, is current; there may be older ones which are about to end.
type inlet struct {
	// turn holds an element while a connection is being read. The next one waits
	// for it, so that no two are in Receive, and order is kept.
	turn chan struct{}

	// Counters of all connections. received includes headers.
	accepts, receivedFrames, received, reads, damaged atomic.Uint64

	mu          sync.Mutex
	current     *inbound
	since       time.Time
	incarnation uint32
	lastErr     error
}

func newSource(from raft.NodeID) *source {
	s := &source{from: from}
	for i := range s.inlets {
		s.inlets[i].turn = make(chan struct{}, 1)
	}
	return s
}

// connections returns those that are open.
func (s *source) connections() (open []*inbound) {
	for i := range s.inlets {
		in := &s.inlets[i]
		in.mu.Lock()
		if in.current != nil {
			open = append(open, in.current)
		}
		in.mu.Unlock()
	}
	return open
}

// inbound is the receiving half of one connection. Its reader hands frames over;
// its answerer tells the sender that it lives, also while Receive blocks.
type inbound struct {
	t     *TCP
	inlet *inlet
	conn  net.Conn
	src   io.Reader // what conn brings, and has brought before it was taken over
	from  raft.NodeID
	class host.Class

	// received counts the bytes of frames that have been read.
	received atomic.Uint64
	// held is true while it is not for want of bytes that none are read.
	held atomic.Bool
	// pinged has an element when an answer is due.
	pinged chan struct{}

	end   sync.Once
	gone  chan struct{} // closed by fail
	cause error         // set before gone is closed
}

var (
	errReplaced = errors.New("the peer has connected anew")
	errStopped  = errors.New("the transport is stopped")
)

// Accept takes over a connection that somebody else has accepted, after TLS if there
// is any. read is what has been read of it already, to look at its FirstByte; it
// must not be changed any more. Accept returns at once.
func (t *TCP) Accept(conn net.Conn, read []byte) {
	t.mu.Lock()
	if t.stopped {
		t.mu.Unlock()
		hangUp(conn)
		return
	}
	if len(t.strangers) >= t.config.Limits.MaxHandshakes {
		t.refused++
		t.mu.Unlock()
		hangUp(conn)
		return
	}
	t.strangers[conn] = struct{}{}
	t.wg.Add(1)
	t.mu.Unlock()
	go func() {
		defer t.wg.Done()
		defer hangUp(conn)
		t.serve(conn, io.MultiReader(bytes.NewReader(read), conn))
	}()
}

// serve serves a connection of which src are the bytes, until it has ended.
func (t *TCP) serve(conn net.Conn, src io.Reader) {
	h, err := t.receiveHello(conn, src)
	if err != nil {
		t.refuse(conn, err)
		return
	}
	in, err := t.admit(conn, src, h)
	if err != nil {
		t.refuse(conn, err)
		return
	}
	err = in.run()
	in.inlet.mu.Lock()
	in.inlet.lastErr = err
	in.inlet.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	t.config.Logf("connection from node %d (%s) at %v has ended: %v", in.from, in.class, conn.RemoteAddr(), err)
}

// receiveHello is the first half of the handshake. A RefusedError is what the
// other end is to be told.
func (t *TCP) receiveHello(conn net.Conn, src io.Reader) (hello, error) {
	if err := conn.SetDeadline(deadline(t.config.Timing.Connect)); err != nil {
		return hello{}, err
	}
	body, err := readHandshake(src)
	if version := versionError(0); errors.As(err, &version) {
		return hello{}, &RefusedError{Reason: RefusedVersion, Text: version.Error()}
	} else if err != nil {
		return hello{}, err
	}
	h, err := decodeHello(body)
	switch c := &t.config; {
	case err != nil:
		return hello{}, &RefusedError{Reason: RefusedMalformed, Text: err.Error()}
	case h.Cluster != c.Cluster:
		return hello{}, &RefusedError{
			Reason: RefusedCluster,
			Text:   fmt.Sprintf("node %d is of cluster %q, not %q", c.Self, c.Cluster, h.Cluster),
		}
	case h.To != c.Self:
		return hello{}, &RefusedError{Reason: RefusedNode, Text: fmt.Sprintf("this is node %d, not %d", c.Self, h.To)}
	case h.From == c.Self:
		return hello{}, &RefusedError{Reason: RefusedNode, Text: fmt.Sprintf("the caller has the number of this node, %d", c.Self)}
	}
	return h, nil
}

// refuse says no, if the other end is one that would understand.
func (t *TCP) refuse(conn net.Conn, err error) {
	t.mu.Lock()
	delete(t.strangers, conn)
	t.refused++
	t.mu.Unlock()
	if t.ctx.Err() != nil {
		return
	}
	t.config.Logf("refused the connection from %v: %v", conn.RemoteAddr(), err)
	if refusal := (*RefusedError)(nil); errors.As(err, &refusal) {
		r := reply{Reason: refusal.Reason, Node: t.config.Self, Incarnation: t.config.Incarnation, Text: refusal.Text}
		// It is a courtesy; the connection is closed next.
		_, _ = conn.Write(r.encode())
	}
}

// admit makes a connection the current one of its inlet, in the place of an
// older one.
func (t *TCP) admit(conn net.Conn, src io.Reader, h hello) (*inbound, error) {
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	in := &inbound{
		t: t, conn: conn, src: src, from: h.From, class: h.Class,
		pinged: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	t.mu.Lock()
	s := t.sources[h.From]
	switch {
	case t.stopped:
		t.mu.Unlock()
		return nil, errStopped
	case s == nil && len(t.sources) >= t.config.Limits.MaxNodes:
		t.mu.Unlock()
		return nil, &RefusedError{Reason: RefusedBusy, Text: "too many nodes have connected already"}
	case s == nil:
		s = newSource(h.From)
		t.sources[h.From] = s
	}
	in.inlet = &s.inlets[h.Class]
	// Stop looks among the strangers first and the sources then, under the
	// same lock.
	delete(t.strangers, conn)
	in.inlet.mu.Lock()
	old := in.inlet.current
	in.inlet.current = in
	in.inlet.since, in.inlet.incarnation = t.config.Clock.Now(), h.Incarnation
	in.inlet.mu.Unlock()
	t.mu.Unlock()
	if old != nil {
		old.fail(errReplaced)
	}
	in.inlet.accepts.Add(1)
	return in, nil
}

// run serves the connection and returns why it ended.
func (in *inbound) run() error {
	t := in.t
	r := reply{Node: t.config.Self, Incarnation: t.config.Incarnation, MaxFrame: uint32(t.config.Limits.MaxFrame)}
	var wg sync.WaitGroup
	if err := in.conn.SetWriteDeadline(deadline(t.config.Timing.Connect)); err != nil {
		in.fail(err)
	} else if _, err := in.conn.Write(r.encode()); err != nil {
		in.fail(fmt.Errorf("handshake: %w", err))
	} else {
		t.config.Logf("accepted a connection from node %d (%s) at %v", in.from, in.class, in.conn.RemoteAddr())
		in.held.Store(true) // until it is its turn
		wg.Go(func() { in.fail(in.answer()) })
		in.fail(in.read())
	}
	wg.Wait()
	in.inlet.mu.Lock()
	if in.inlet.current == in {
		in.inlet.current = nil
	}
	in.inlet.mu.Unlock()
	return in.cause
}

// fail ends the connection. The first error counts; the others follow from it.
func (in *inbound) fail(err error) {
	in.end.Do(func() {
		in.cause = err
		close(in.gone)
		hangUp(in.conn)
	})
}

func (in *inbound) isGone() bool {
	select {
	case <-in.gone:
		return true
	default:
		return false
	}
}

// read hands over what arrives.
func (in *inbound) read() error {
	select {
	case in.inlet.turn <- struct{}{}:
		defer func() { <-in.inlet.turn }()
	case <-in.gone:
		return net.ErrClosed
	}
	in.held.Store(false)
	frames := newFrameReader(in, in.t.config.Limits.MaxFrame)
	for {
		frame, err := frames.next()
		if err != nil {
			if large := (*TooLargeError)(nil); errors.Is(err, ErrDamaged) || errors.As(err, &large) {
				in.inlet.damaged.Add(1)
			}
			return err
		}
		if len(frame) == 0 {
			select {
			case in.pinged <- struct{}{}:
			default: // an answer is due as it is
			}
			continue
		}
		// What is read ahead is not handed over once another connection waits
		// for its turn, or Stop for the end.
		if in.isGone() {
			return net.ErrClosed
		}
		in.inlet.receivedFrames.Add(1)
		in.held.Store(true)
		in.t.config.Receive(in.from, in.class, frame)
		in.held.Store(false)
	}
}

// Read reads what the connection brings and counts.
func (in *inbound) Read(p []byte) (int, error) {
	n, err := in.src.Read(p)
	in.received.Add(uint64(n))
	in.inlet.received.Add(uint64(n))
	in.inlet.reads.Add(1)
	return n, err
}

// answer tells the sender how far the reader is: when it asks, and from time to
// time as long as bytes arrive or the reader is held. If neither is the case for
// too long, the sender is gone, for it would have asked.
func (in *inbound) answer() error {
	timing := &in.t.config.Timing
	// A little more than the time between pings, so that as a rule it is they
	// that are answered.
	pause := timing.Ping + timing.Ping/4
	tick := in.t.config.Clock.NewTimer(pause)
	defer tick.Stop()
	var (
		seen  uint64
		alive = in.t.config.Clock.Now()
	)
	for {
		select {
		case <-in.gone:
			return net.ErrClosed
		case <-in.pinged:
			tick.Reset(pause)
		case now := <-tick.C():
			tick.Reset(pause)
			if received := in.received.Load(); received == seen && !in.held.Load() {
				if silent := now.Sub(alive); silent >= timing.Timeout {
					return &SilenceError{For: silent}
				}
				continue
			}
		}
		seen, alive = in.received.Load(), in.t.config.Clock.Now()
		a := makeAnswer(seen)
		if err := in.conn.SetWriteDeadline(deadline(timing.Timeout)); err != nil {
			return err
		}
		if _, err := in.conn.Write(a[:]); err != nil {
			return err
		}
	}
}

// sourcesByNode returns all sources, sorted.
func (t *TCP) sourcesByNode() []*source {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.sources), func(a, b *source) int { return cmp.Compare(a.from, b.from) })
}
