package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// lane is the way to one node in one class: its queue, and the goroutine that
// connects when something is put there, and writes.
//
//	        put                connected
//	idle ────────▶ connecting ───────────▶ session
//	  ▲                │ failed               │ ended
//	  │     time       ▼                      ▼
//	  └───────────  backing off ◀──── (at once if it was long)
//
// What waits when a session ends or cannot begin is dropped, for it would be
// stale; while backing off, the queue refuses.
type lane struct {
	t     *TCP
	to    raft.NodeID
	name  string
	class host.Class
	queue *queue

	backoff backoff
	// moved has an element when the address has changed.
	moved chan struct{}

	// Counters of all sessions. sent includes headers.
	connects, failures, sentFrames, sent, writes atomic.Uint64
	rtt                                          atomic.Int64
	// heard is when an answer came last, since the transport was made.
	heard atomic.Int64

	mu sync.Mutex
	at Peer
	// gone says that the node is no longer a peer.
	gone bool
	// leave ends the session, or the attempt to have one.
	leave context.CancelFunc
	// connected is since when there is a session; zero if there is none.
	connected   time.Time
	instance    string
	incarnation uint32
	lastErr     error
}

func newLane(t *TCP, at Peer, class host.Class) *lane {
	return &lane{
		t: t, to: at.Node, name: at.Name, class: class, at: at,
		queue: newQueue(t.config.Limits, t.now),
		moved: make(chan struct{}, 1),
		backoff: backoff{
			min: t.config.Timing.BackoffMin, max: t.config.Timing.BackoffMax,
			rng: rand.New(rand.NewPCG(t.config.Seed, uint64(at.Node)<<8|uint64(class))),
		},
	}
}

func (l *lane) String() string { return fmt.Sprintf("server %s (%s)", l.name, l.class) }

// about is what complaints are about: the node, whatever the lane.
func (l *lane) about() string { return "to " + l.name }

// move sets where the node is, and leaves where it was if that is somewhere else.
func (l *lane) move(at Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == at {
		return
	}
	l.at = at
	l.t.complaints.settle(l.about())
	if l.leave != nil {
		l.leave()
	}
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

// stop ends run, before long.
func (l *lane) stop() {
	l.queue.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	if l.leave != nil {
		l.leave()
	}
	close(l.moved)
}

// run connects on demand, until stop.
func (l *lane) run() {
	for l.queue.await() {
		lived, err := l.session()
		l.report(lived, err)
		if lived > l.backoff.max {
			l.backoff.reset()
			continue
		}
		l.queue.refuse()
		pause := l.t.config.Clock.NewTimer(l.backoff.next())
		select {
		case <-pause.C():
		case <-l.moved:
			l.backoff.reset()
		}
		pause.Stop()
		l.queue.accept()
	}
}

// report tells how a session ended; lived is 0 if there was none. What still
// waits is dropped.
func (l *lane) report(lived time.Duration, err error) {
	dropped := l.queue.discard()
	l.mu.Lock()
	l.lastErr = err
	addr := l.at.Addr
	l.mu.Unlock()
	if l.t.ctx.Err() != nil {
		return
	}
	if lived > 0 {
		l.t.config.Logf("lost the connection to %v at %s after %v: %v; %d waiting frames are dropped", l, addr, lived, err, dropped)
		return
	}
	l.failures.Add(1)
	if l.t.complaints.first(l.about(), err, l.t.now()) {
		l.t.config.Logf("cannot connect to %v at %s: %v", l, addr, err)
	}
}

// errMoved ends a session because there is another address, or none.
var errMoved = errors.New("this is no longer its address")

// session connects, and sends what is queued for as long as it goes well. It
// returns how long that was, and why it ended.
func (l *lane) session() (lived time.Duration, err error) {
	ctx, leave := context.WithCancel(l.t.ctx)
	defer leave()
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return 0, errMoved
	}
	at := l.at
	l.leave = leave
	// What has happened before is in at.
	select {
	case <-l.moved:
	default:
	}
	l.mu.Unlock()

	conn, r, err := l.connect(ctx, at)
	if err != nil {
		if ctx.Err() != nil {
			err = errMoved
		}
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { hangUp(conn) })()

	begun := l.t.config.Clock.Now()
	l.connects.Add(1)
	l.mu.Lock()
	l.connected, l.instance, l.incarnation, l.lastErr = begun, r.Instance, r.Incarnation, nil
	l.mu.Unlock()
	l.t.complaints.settle(l.about())
	l.t.config.Logf("connected to %v at %s", l, at.Addr)

	s := newSession(l, conn, r.MaxFrame)
	err = s.run()
	if ctx.Err() != nil {
		err = errMoved
	}
	l.mu.Lock()
	l.connected = time.Time{}
	l.mu.Unlock()
	// A session that ended within the clock's grain was one nevertheless.
	return max(l.t.config.Clock.Now().Sub(begun), 1), err
}

// connect dials and shakes hands.
func (l *lane) connect(ctx context.Context, at Peer) (net.Conn, *reply, error) {
	ctx, cancel := context.WithTimeout(ctx, l.t.config.Timing.Connect)
	defer cancel()
	conn, err := l.t.config.Dial(ctx, "tcp", at.Addr)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { hangUp(conn) })
	r, err := l.t.greet(conn, at, l.class)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		hangUp(conn)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no answer to the handshake within %v", l.t.config.Timing.Connect)
		}
		return nil, nil, err
	}
	return conn, r, nil
}

// backoff is the time between attempts.
type backoff struct {
	min, max time.Duration
	rng      *rand.Rand
	last     time.Duration
}

func (b *backoff) reset() { b.last = 0 }

// next is twice as long as the one before, and random in its upper half.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, b.min), b.max)
	half := int64(b.last / 2)
	return time.Duration(half + b.rng.Int64N(half+1))
}
