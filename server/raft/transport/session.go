package transport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft/host"
)

// session is the sending half of one connection. Its writer sends frames; its
// watcher reads the answers that come back, and thereby sees whether the other
// end lives. Neither is held up by the other.
type session struct {
	lane *lane
	conn net.Conn
	// maxFrame is what the other end accepts.
	maxFrame uint32

	// sent counts the bytes of frames of this connection, from before they are
	// written: what is stuck in a write is to be answered as well.
	sent atomic.Uint64
	// wanted asks the writer for a ping.
	wanted atomic.Bool
	// The ping under way: it was written at pinged (nanoseconds since begun),
	// and is answered when the other end has received pingEnd bytes. 0 is none.
	begun           time.Time
	pinged, pingEnd atomic.Uint64

	end   sync.Once
	ended atomic.Bool
	cause error // why; set before ended
}

func newSession(l *lane, conn net.Conn, maxFrame uint32) *session {
	return &session{lane: l, conn: conn, maxFrame: maxFrame, begun: l.t.config.Clock.Now()}
}

// run returns why the session ended.
func (s *session) run() error {
	var wg sync.WaitGroup
	wg.Go(func() { s.fail(s.watch()) })
	s.fail(s.write())
	wg.Wait()
	return s.cause
}

// fail ends the session. The first error counts; the others follow from it.
func (s *session) fail(err error) {
	s.end.Do(func() {
		s.cause = err
		s.ended.Store(true)
		hangUp(s.conn)
		s.lane.queue.stir()
	})
}

func (s *session) now() uint64 { return uint64(s.lane.t.config.Clock.Now().Sub(s.begun)) }

// write sends what is queued, and pings, until the session has ended.
func (s *session) write() error {
	q := s.lane.queue
	w := newFrameWriter(s.conn, &s.sent, &s.lane.writes)
	var frames [][]byte
	for {
		var ok bool
		if frames, ok = q.take(frames); !ok {
			return errMoved
		}
		if s.ended.Load() {
			q.done(frames, false)
			return net.ErrClosed
		}
		frames = s.dropLarge(frames)
		before := s.sent.Load()
		err := s.writeAll(w, frames)
		s.lane.sent.Add(s.sent.Load() - before)
		for _, f := range frames {
			host.Recycle(f) // nothing refers to it any more
		}
		q.done(frames, err == nil)
		if err != nil {
			return err
		}
	}
}

// dropLarge drops what the other end would hang up on, as may be if its limits
// are not ours.
func (s *session) dropLarge(frames [][]byte) [][]byte {
	return slices.DeleteFunc(frames, func(f []byte) bool {
		if uint64(len(f)) <= uint64(s.maxFrame) {
			return false
		}
		s.lane.t.config.Logf("dropped what %v does not accept: %v", s.lane, &TooLargeError{Size: uint64(len(f)), Max: uint64(s.maxFrame)})
		s.lane.queue.done([][]byte{f}, false)
		return true
	})
}

func (s *session) writeAll(w *frameWriter, frames [][]byte) error {
	for _, f := range frames {
		if err := w.add(f); err != nil {
			return err
		}
	}
	if s.wanted.Swap(false) {
		if err := w.add(nil); err != nil {
			return err
		}
		s.pinged.Store(s.now())
		s.pingEnd.Store(s.sent.Load() + uint64(w.size))
	}
	if err := w.flush(); err != nil {
		return err
	}
	s.lane.sentFrames.Add(uint64(len(frames)))
	return nil
}

// watch reads answers, and asks for them. It returns when the connection has
// ended, or the other end has been silent for too long.
func (s *session) watch() error {
	timing := &s.lane.t.config.Timing
	var (
		answer   [answerSize]byte
		have     int
		acked    uint64
		heard    = s.now()
		asked    uint64
		answered = true
	)
	for {
		if now := s.now(); answered && now >= asked+uint64(timing.Ping) || asked == 0 {
			asked, answered = max(now, 1), false
			s.wanted.Store(true)
			s.lane.queue.stir()
		}
		if err := s.conn.SetReadDeadline(deadline(timing.Ping)); err != nil {
			return err
		}
		n, err := s.conn.Read(answer[have:])
		if have += n; have == answerSize {
			have = 0
			received, err := parseAnswer(answer)
			if err == nil && (received < acked || received > s.sent.Load()) {
				err = ErrDamaged
			}
			if err != nil {
				return fmt.Errorf("answer of the peer: %w", err)
			}
			acked, heard = received, s.now()
			s.lane.heard.Store(int64(s.lane.t.now()))
			if end := s.pingEnd.Load(); end != 0 && received >= end {
				s.lane.rtt.Store(int64(heard - s.pinged.Load()))
				s.pingEnd.Store(0)
				answered = true
			}
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		// Pings flow always, hence so do answers.
		if silent := s.now() - heard; silent >= uint64(timing.Timeout) {
			return &SilenceError{For: time.Duration(silent)}
		}
	}
}

// SilenceError says that a connection was given up because nothing came from its
// other end.
type SilenceError struct {
	For time.Duration
}

func (e *SilenceError) Error() string { return fmt.Sprintf("the peer has been silent for %v", e.For) }
