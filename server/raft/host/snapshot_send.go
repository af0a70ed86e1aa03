package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/raft"
)

// sender sends one image to one peer. It is an actor.
type sender struct {
	wish
	host *Host
	// id names the image, 0 before there is one.
	id atomic.Uint64

	mu        sync.Mutex
	mail      senderMail
	scheduled bool

	// The rest belongs to the worker that runs it.
	image Snapshot
	at    Position
	size  int64
	// acked <= next: what the peer has taken over, what was sent.
	acked, next int64
	// hash has seen the first hashed bytes.
	hash   hash.Hash
	hashed int64
	// going is whether the peer has accepted, sentAll whether it has been sent
	// the digest.
	going, sentAll bool
	quiet          int // ticks without progress
	buf            []byte
	ended          bool
}

type senderMail struct {
	image     Snapshot
	err       error
	answers   []answer
	ticks     int
	cancelled bool
}

var (
	errNoProgress = errors.New("the peer does not take it")
	errRefusedBy  = errors.New("the peer could not install it")
	errNonsense   = errors.New("the peer asks for what it was not sent")
)

func (s *sender) post(put func(*senderMail)) {
	s.mu.Lock()
	put(&s.mail)
	wake := !s.scheduled
	s.scheduled = true
	s.mu.Unlock()
	if wake {
		s.host.bulkPool.push(s)
	}
}

// release implements actor.
func (s *sender) release() *pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.mail
	if m.image == nil && m.err == nil && len(m.answers) == 0 && m.ticks == 0 && !m.cancelled {
		s.scheduled = false
		return nil
	}
	return s.host.bulkPool
}

// takeImage has the machine make the image for a transfer.
func (a *applier) takeImage(s *sender) {
	err := a.failed
	var image Snapshot
	if err == nil {
		image, err = a.machine.Snapshot()
	}
	s.post(func(m *senderMail) { m.image, m.err = image, err })
}

// run implements actor.
func (s *sender) run(*worker) {
	s.mu.Lock()
	m := s.mail
	s.mail = senderMail{}
	s.mu.Unlock()
	if m.image != nil {
		s.image, s.at, s.size = m.image, m.image.Position(), m.image.Size()
		s.hash = sha256.New()
		s.id.Store(s.host.random())
	}
	switch {
	case s.ended:
		s.closeImage()
		return
	case m.cancelled:
		s.end(0, false, nil)
		return
	case m.err != nil:
		s.end(0, false, fmt.Errorf("taking an image: %w", m.err))
		return
	case s.image == nil:
		return // it is still being made
	case m.image != nil:
		s.offer()
	}
	for _, a := range m.answers {
		if s.answered(a); s.ended {
			return
		}
	}
	if m.ticks > 0 {
		s.quiet++
		switch {
		case s.quiet >= giveUpTicks:
			s.end(0, false, errNoProgress)
			return
		case s.quiet%reofferTicks == 0:
			s.offer()
		}
	}
	s.pump()
}

func (s *sender) offer() {
	o := offer{group: s.group.id, from: s.from, to: s.to, id: s.id.Load(), term: s.term, size: s.size, at: s.at}
	s.host.sendRecord(s.to.Node(), Bulk, 4096, func(b []byte) []byte { return appendOffer(b, &o) })
}

func (s *sender) answered(a answer) {
	offset := int64(a.value)
	switch a.code {
	case answerAccept, answerAck:
		if offset < 0 || offset > s.hashed {
			s.end(0, false, errNonsense)
			return
		}
		if a.code == answerAccept {
			// What was sent and has not arrived is sent again.
			s.next, s.going = offset, true
			s.sentAll = offset == s.size
			s.quiet = 0
		}
		if offset > s.acked {
			s.acked, s.quiet = offset, 0
		}
	case answerBusy:
		s.going = false
	case answerStale:
		// If it is past the image by itself, the log can go on from there.
		s.end(raft.Index(a.value), raft.Index(a.value) >= s.at.Base.Index, nil)
	case answerFailed:
		s.end(0, false, errRefusedBy)
	case answerInstalled:
		s.host.snapshotsOut.Add(1)
		s.end(s.at.Base.Index, true, nil)
	}
}

// pump sends what the window and the rate allow.
func (s *sender) pump() {
	size := s.host.cfg.SnapshotChunkBytes
	for s.going && !s.sentAll && s.next-s.acked < windowChunks*size {
		n := min(size, s.size-s.next)
		if !s.host.transfers.take(n) {
			return // the next tick goes on
		}
		if s.buf == nil {
			s.buf = make([]byte, min(size, s.size))
		}
		c := chunk{id: s.id.Load(), offset: s.next, data: s.buf[:n]}
		if k, err := s.image.ReadAt(c.data, s.next); int64(k) < n {
			s.end(0, false, fmt.Errorf("reading the image at %d: %w", s.next, errors.Join(err, io.ErrUnexpectedEOF)))
			return
		}
		if end := s.next + n; s.hashed < end {
			s.hash.Write(c.data[s.hashed-s.next:])
			s.hashed = end
		}
		if s.next+n == s.size {
			c.digest = s.hash.Sum(nil)
		}
		if !s.host.sendRecord(s.to.Node(), Bulk, len(c.data)+96, func(b []byte) []byte { return appendChunk(b, &c) }) {
			return // it is offered again in a while
		}
		s.next += n
		s.sentAll = s.next == s.size
		s.host.snapshotBytes.Add(uint64(n))
	}
}

// end ends the transfer, and tells the core. Index is what the peer is known to
// have.
func (s *sender) end(index raft.Index, ok bool, err error) {
	s.ended = true
	s.closeImage()
	s.buf = nil
	if err != nil {
		s.host.event(Event{Kind: EventSnapshot, Group: s.group.id, Peer: s.to, Err: err})
	}
	s.host.transfers.sent(s, !ok)
	s.group.control(func(*worker) {
		if c := s.group.core; c != nil && c.ID() == s.from && c.Term() == s.term {
			c.SnapshotDone(s.to, min(index, c.LastIndex()), ok)
		}
	})
	s.host.transfers.begin()
}

func (s *sender) closeImage() {
	if s.image == nil {
		return
	}
	if err := s.image.Close(); err != nil {
		s.host.event(Event{Kind: EventSnapshot, Group: s.group.id, Peer: s.to, Err: fmt.Errorf("closing the image: %w", err)})
	}
	s.image = nil
}
