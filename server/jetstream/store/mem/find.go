package mem

import (
	"bytes"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Load implements [store.Reader].
func (s *Store) Load(seq store.Seq, m *store.Message) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.blocks.at(seq)
	if !ok {
		return s.notFound()
	}
	s.blocks[p.block].fill(p.slot, m)
	return nil
}

// notFound is the error of whoever found nothing; a closed store has nothing.
func (s *Store) notFound() error {
	if s.closed {
		return store.ErrClosed
	}
	return store.ErrNotFound
}

// Next implements [store.Reader].
func (s *Store) Next(f *store.Filter, from store.Seq, m *store.Message) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.blocks.seek(from)
	if f != nil && p.block < len(s.blocks) {
		q := search{s: s, f: f, at: p, bound: from}
		p = q.run()
	}
	if p.block == len(s.blocks) {
		return s.notFound()
	}
	s.blocks[p.block].fill(p.slot, m)
	return nil
}

// Last implements [store.Reader].
func (s *Store) Last(f *store.Filter, upTo store.Seq, m *store.Message) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	upTo = s.ceiling(upTo)
	p := s.blocks.seekBack(upTo)
	if f != nil && p.block >= 0 {
		q := search{s: s, f: f, at: p, bound: upTo + 1, back: true}
		p = q.run()
	}
	if p.block < 0 {
		return s.notFound()
	}
	s.blocks[p.block].fill(p.slot, m)
	return nil
}

// ceiling returns the highest number that upTo admits and that there is.
func (s *Store) ceiling(upTo store.Seq) store.Seq {
	if upTo == 0 {
		return s.last
	}
	return min(upTo, s.last)
}

// search looks for the message closest to a bound that a filter selects: for the
// first behind it or, going back, for the last in front of it. It walks messages
// from the bound on, and between two steps of that the subjects of the filter, for
// each of which it knows or finds the closest message by its list. The first of
// the two walks to end ends the search.
type search struct {
	s *Store
	f *store.Filter
	// at is the message to be looked at next, or the end of all in the direction.
	at position
	// bound is the lowest number that is behind it.
	bound store.Seq
	back  bool
	// best is the closest message of the subjects so far, 0 if there is none.
	best store.Seq
}

// run returns the position of the message, or the end in the direction.
func (q *search) run() position {
	if literal, ok := q.f.Literal(); ok {
		return q.runLiteral([]byte(literal))
	}
	if q.scan(q.s.tuning.scanFirst) {
		return q.at
	}
	return q.runSubjects()
}

// runLiteral is run for a single subject.
func (q *search) runLiteral(subject []byte) position {
	if !q.back && q.bound > 0 {
		// A reader that goes from message to message of the subject has just been at
		// the one in front of the bound.
		if p, ok := q.s.blocks.at(q.bound - 1); ok {
			if b := q.s.blocks[p.block]; bytes.Equal(b.subject(p.slot), subject) {
				return q.found(b.slots[p.slot].next)
			}
		}
	}
	v, ok := q.s.subjects.Get(subject)
	if !ok {
		return q.found(0)
	}
	seq, done := q.closest(v)
	if done {
		return q.at
	}
	return q.found(seq)
}

// runSubjects goes over the subjects of the filter. It has a search of its own,
// so that one which does not come here need not be allocated.
func (q search) runSubjects() position {
	for _, v := range q.s.selected(q.f) {
		seq, done := q.closest(v)
		if done {
			return q.at
		}
		if seq != 0 && (q.best == 0 || q.isCloser(seq, q.best)) {
			q.best = seq
		}
		if q.scan(q.s.tuning.scanPerStep) {
			return q.at
		}
	}
	return q.found(q.best)
}

// found returns the position of a message that is there, or the end for 0.
func (q *search) found(seq store.Seq) position {
	if seq != 0 {
		p, _ := q.s.blocks.at(seq)
		return p
	}
	if q.back {
		return position{block: -1}
	}
	return position{block: len(q.s.blocks)}
}

// isCloser reports whether a is closer to the bound than b.
func (q *search) isCloser(a, b store.Seq) bool { return a < b != q.back }

// scan looks at up to n messages. It returns true when the search is done, with
// its result in at. It cannot pass the best of the subjects, which matches too.
func (q *search) scan(n int) bool {
	blocks := q.s.blocks
	for range n {
		if q.at.block < 0 || q.at.block == len(blocks) {
			return true
		}
		switch b := blocks[q.at.block]; {
		case q.f.Matches(b.subject(q.at.slot)):
			return true
		case q.back:
			q.at = blocks.prev(q.at)
		default:
			q.at = blocks.next(q.at)
		}
	}
	return false
}

// closest returns the number of a subject's closest message, 0 if all are on the
// other side of the bound. Its list is walked, and messages meanwhile: done is
// true if that has ended the search.
func (q *search) closest(v *subjectState) (seq store.Seq, done bool) {
	g := gapAt(v, q.bound)
	for !g.closed {
		g.narrow(q.s.blocks)
		if q.scan(2 * q.s.tuning.scanPerStep) {
			return 0, true
		}
	}
	if q.back {
		return g.low, false
	}
	return g.high, false
}
