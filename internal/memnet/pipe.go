package memnet

import (
	"io"
	"slices"
	"sync"
	"syscall"
	"time"
)

// pipe is one direction of a connection: bytes in flight and those that arrived
// and wait to be read. The network's mutex guards it.
//
// Everything under way has a time of arrival, which never decreases along the
// pipe. On a blocked link that is never; when the link opens, it is set as if
// all had been sent again.
type pipe struct {
	// id counts the pipes of the network.
	id   uint64
	link *link
	// back is the link that acknowledgements take.
	back *link
	// twin is the other direction.
	twin *pipe
	// limit bounds size + unacknowledged.
	limit int

	segments []segment
	// size is the number of bytes in segments, or thrown away.
	size int
	// unacknowledged bytes have been read, but the sender cannot know.
	unacknowledged int
	// last is the latest time of arrival given out.
	last time.Time
	// fin and reset are when the end of the stream and a reset arrive; zero
	// if none was sent.
	fin, reset time.Time

	// abandoned says that the reading end is closed: what is sent is thrown
	// away and answered with a reset. unanswered says that the answer is due
	// when the link opens.
	abandoned, unanswered bool

	readable, writable *sync.Cond
}

type segment struct {
	arrival time.Time
	data    []byte
}

// never is the time of arrival of what is stuck at a blocked link.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func arrived(t time.Time) bool { return !t.IsZero() && !t.After(time.Now()) }

func (n *Network) newPipeLocked(l, back *link) *pipe {
	n.pipes++
	p := &pipe{
		id: n.pipes, link: l, back: back, limit: n.config.Buffer,
		readable: sync.NewCond(&n.mu), writable: sync.NewCond(&n.mu),
	}
	l.pipes[p] = struct{}{}
	return p
}

func (p *pipe) removeLocked() { delete(p.link.pipes, p) }

// arrivalLocked gives a time of arrival to n bytes sent now.
func (p *pipe) arrivalLocked(n int) time.Time {
	if p.link.blocked {
		p.last = never
	} else if at := p.link.arrival(n); at.After(p.last) {
		p.last = at
	}
	return p.last
}

func (p *pipe) roomLocked() int {
	return p.limit - p.size - p.unacknowledged
}

// sendLocked takes a copy of b.
func (p *pipe) sendLocked(b []byte) {
	if len(b) == 0 {
		return
	}
	p.size += len(b)
	if p.abandoned {
		p.bounceLocked()
		return
	}
	p.segments = append(p.segments, segment{p.arrivalLocked(len(b)), slices.Clone(b)})
	p.readable.Broadcast()
}

// takeLocked moves what has arrived into b.
func (p *pipe) takeLocked(b []byte) (n int) {
	for n < len(b) && p.hasArrivedLocked() {
		s := &p.segments[0]
		k := copy(b[n:], s.data)
		n, s.data = n+k, s.data[k:]
		if len(s.data) == 0 {
			p.segments[0] = segment{}
			p.segments = p.segments[1:]
		}
	}
	if n == 0 {
		return 0
	}
	p.size -= n
	if p.back.blocked {
		p.unacknowledged += n
	} else {
		p.writable.Broadcast()
	}
	return n
}

func (p *pipe) acknowledgeLocked() {
	p.unacknowledged = 0
	p.writable.Broadcast()
}

func (p *pipe) hasArrivedLocked() bool {
	return len(p.segments) > 0 && arrived(p.segments[0].arrival)
}

// endLocked returns how the stream has ended for a reader who has taken all
// that arrived, nil if it has not.
func (p *pipe) endLocked() error {
	switch {
	case arrived(p.reset):
		return syscall.ECONNRESET
	case len(p.segments) == 0 && arrived(p.fin):
		return io.EOF
	}
	return nil
}

// nextLocked returns when there is something to read, as far as is known.
func (p *pipe) nextLocked() time.Time {
	if len(p.segments) > 0 {
		return p.segments[0].arrival
	}
	if !p.reset.IsZero() && (p.fin.IsZero() || p.reset.Before(p.fin)) {
		return p.reset
	}
	return p.fin
}

// ended reports whether the sending end has finished.
func (p *pipe) ended() bool { return !p.fin.IsZero() }

// finishLocked sends the end of the stream.
func (p *pipe) finishLocked() {
	if p.fin.IsZero() {
		p.fin = p.arrivalLocked(0)
		p.readable.Broadcast()
	}
}

// abortLocked sends a reset, behind all that was sent before.
func (p *pipe) abortLocked() { p.resetLocked(p.arrivalLocked(0)) }

func (p *pipe) resetLocked(at time.Time) {
	if p.reset.IsZero() || at.Before(p.reset) {
		p.reset = at
		p.wakeLocked()
	}
}

// wakeLocked wakes those at the reading end, and those there who write the other
// direction, for a reset concerns both.
func (p *pipe) wakeLocked() {
	p.readable.Broadcast()
	p.twin.writable.Broadcast()
}

// abandonLocked throws away what nobody will read. It takes up room all the
// same: no acknowledgement will free it, and a writer who waits for room waits
// for the reset now.
func (p *pipe) abandonLocked() {
	p.abandoned = true
	p.segments = nil
}

// bounceLocked answers bytes sent to a closed end with a reset, after the way
// there and back.
func (p *pipe) bounceLocked() {
	switch {
	case p.link.blocked:
		p.unanswered = true
	case p.twin.link.blocked:
		p.twin.resetLocked(never)
	default:
		there := time.Until(p.arrivalLocked(0))
		p.twin.resetLocked(p.twin.arrivalLocked(0).Add(max(there, 0)))
	}
}

// holdLocked keeps what is in flight from arriving.
func (p *pipe) holdLocked() {
	for i := range p.segments {
		hold(&p.segments[i].arrival)
	}
	hold(&p.fin)
	hold(&p.reset)
}

func hold(t *time.Time) {
	if !t.IsZero() && !arrived(*t) {
		*t = never
	}
}

// repeatLocked sends again what could not arrive.
func (p *pipe) repeatLocked() {
	p.last = time.Time{}
	at := p.arrivalLocked(0)
	for i := range p.segments {
		repeat(&p.segments[i].arrival, at)
	}
	repeat(&p.fin, at)
	repeat(&p.reset, at)
	p.wakeLocked()
	if p.unanswered {
		p.unanswered = false
		p.bounceLocked()
	}
}

func repeat(t *time.Time, at time.Time) {
	if t.Equal(never) {
		*t = at
	}
}
