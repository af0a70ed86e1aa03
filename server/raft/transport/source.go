package transport

import (
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
	from raft.NodeID
	// name and instance are who the node is at present; guarded by the transport.
	name, instance string
	inlets         [len(classes)]inlet
}

// inlet is where the frames of one node and class come in. One connection, the
// newest, is current; there may be older ones which are about to end.
type inlet struct {
	// turn holds an element while a connection is being read. The next one waits
	// for it, so that no two are in Receive, and order is kept.
	turn chan struct{}

	// Counters of all connections. received includes headers.
	accepts, receivedFrames, received, reads, damaged atomic.Uint64
	// heard is when bytes came last on any, since the transport was made.
	heard atomic.Int64

	mu          sync.Mutex
	current     *inbound
	since       time.Time
	instance    string
	incarnation uint32
	lastErr     error
}

func newSource(h *hello) *source {
	s := &source{from: h.From, name: h.Name, instance: h.Instance}
	for i := range s.inlets {
		s.inlets[i].turn = make(chan struct{}, 1)
	}
	return s
}

// alive reports whether the node has been heard on a connection so lately that it
// would have been given up otherwise.
func (s *source) alive(now, timeout time.Duration) bool {
	return slices.ContainsFunc(s.connections(), func(in *inbound) bool {
		return !in.isGone() && now-time.Duration(in.heard.Load()) < timeout
	})
}

// idle reports whether nothing of the node is left.
func (s *source) idle() bool {
	for i := range s.inlets {
		if len(s.inlets[i].turn) > 0 {
			return false
		}
	}
	return len(s.connections()) == 0
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
	name  string
	class host.Class

	// heard is when bytes came last, since the transport was made.
	heard atomic.Int64
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

func (in *inbound) String() string { return fmt.Sprintf("server %s (%s)", in.name, in.class) }

var (
	errReplaced = errors.New("the peer has connected anew")
	errStopped  = errors.New("the transport is stopped")
)

// run serves the connection and returns why it ended.
func (in *inbound) run() error {
	t := in.t
	r := t.reply(welcome, "")
	var wg sync.WaitGroup
	if err := in.conn.SetWriteDeadline(deadline(t.config.Timing.Connect)); err != nil {
		in.fail(err)
	} else if _, err := in.conn.Write(r.encode()); err != nil {
		in.fail(fmt.Errorf("handshake: %w", err))
	} else {
		t.config.Logf("accepted a connection from %v at %v", in, in.conn.RemoteAddr())
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
	if n > 0 {
		now := int64(in.t.now())
		in.heard.Store(now)
		in.inlet.heard.Store(now)
	}
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
