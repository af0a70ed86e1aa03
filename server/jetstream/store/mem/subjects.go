package mem

import (
	"iter"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Subject implements [store.Reader].
func (s *Store) Subject(subject string) (store.SubjectState, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.subjects.Get([]byte(subject))
	if !ok {
		return store.SubjectState{}, false
	}
	return v.state(), true
}

func (v *subjectState) state() store.SubjectState {
	return store.SubjectState{First: v.first, Last: v.last, Messages: v.messages}
}

// Subjects implements [store.Reader].
func (s *Store) Subjects(pattern string) iter.Seq2[[]byte, store.SubjectState] {
	return func(yield func([]byte, store.SubjectState) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for subject, v := range s.subjects.Match(pattern) {
			if !yield(subject, v.state()) {
				return
			}
		}
	}
}

// selected goes over the subjects that a filter selects, each once.
func (s *Store) selected(f *store.Filter) iter.Seq2[[]byte, *subjectState] {
	return func(yield func([]byte, *subjectState) bool) {
		if literal, ok := f.Literal(); ok {
			subject := []byte(literal)
			if v, ok := s.subjects.Get(subject); ok {
				yield(subject, v)
			}
			return
		}
		for i, pattern := range f.Patterns() {
			for subject, v := range s.subjects.Match(pattern) {
				if f.First(i, subject) && !yield(subject, v) {
					return
				}
			}
		}
	}
}

// LastOf implements [store.Reader].
func (s *Store) LastOf(f *store.Filter, upTo store.Seq, limit int, dst []store.Seq) ([]store.Seq, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return dst, store.ErrClosed
	}
	upTo = s.ceiling(upTo)
	all, ok := s.lastBySubject(f, upTo, limit, dst)
	if !ok {
		all = s.lastByMessage(f, upTo, limit, dst)
	}
	found := all[len(dst):]
	if len(found) > limit {
		return dst, store.ErrTooMany
	}
	slices.Sort(found)
	return all, nil
}

// lastBySubject appends the newest message of each subject, no more than limit and
// one. It gives up when that has cost as much as to look at all messages.
func (s *Store) lastBySubject(f *store.Filter, upTo store.Seq, limit int, dst []store.Seq) (_ []store.Seq, ok bool) {
	budget, found := s.blocks.countBefore(upTo+1, s.messages), len(dst)
	for _, v := range s.selected(f) {
		if budget == 0 {
			return nil, false
		}
		budget--
		g := gapAt(v, upTo+1)
		if budget, ok = g.close(s, budget); !ok {
			return nil, false
		}
		if g.low == 0 {
			continue
		}
		if dst = append(dst, g.low); len(dst)-found > limit {
			break
		}
	}
	return dst, true
}

// lastByMessage is lastBySubject by a walk over the messages. A message is the
// newest of its subject up to a number if the next one is behind that.
func (s *Store) lastByMessage(f *store.Filter, upTo store.Seq, limit int, dst []store.Seq) []store.Seq {
	found := len(dst)
	for p := s.blocks.seekBack(upTo); p.block >= 0 && len(dst)-found <= limit; p = s.blocks.prev(p) {
		b := s.blocks[p.block]
		next := b.slots[p.slot].next
		if (next == 0 || next > upTo) && f.Matches(b.subject(p.slot)) {
			dst = append(dst, b.seq(p.slot))
		}
	}
	return dst
}

// gap is a place in the list of a subject's messages: between the last one in
// front of a bound and the first one behind it. It is found from both ends of
// the list, so that it takes as many steps as the shorter way.
type gap struct {
	// bound is the lowest number that is behind it.
	bound store.Seq
	// low is in front of the bound, high behind it; 0 if there is none. Until the
	// gap is closed there are others in between.
	low, high store.Seq
	closed    bool
	// steps is how many were taken on either side.
	steps uint64
	// messages is how many there are in all, and behind, once the gap is closed,
	// how many are behind the bound.
	messages, behind uint64
}

func gapAt(v *subjectState, bound store.Seq) gap {
	g := gap{bound: bound, low: v.first, high: v.last, messages: v.messages}
	switch {
	case v.first >= bound:
		g.low, g.high, g.closed, g.behind = 0, v.first, true, v.messages
	case v.last < bound:
		g.low, g.high, g.closed = v.last, 0, true
	}
	return g
}

// narrow takes a step on both sides of a gap that is not closed.
func (g *gap) narrow(l blocks) {
	g.steps++
	next, prev := l.slot(g.low).next, l.slot(g.high).prev
	switch {
	case next >= g.bound:
		g.high, g.closed, g.behind = next, true, g.messages-g.steps
	case prev < g.bound:
		g.low, g.closed, g.behind = prev, true, g.steps
	default:
		g.low, g.high = next, prev
	}
}

// close narrows a gap until it is closed. It gives up when that has cost as much as
// to look at budget messages, and returns what is left of the budget.
func (g *gap) close(s *Store, budget uint64) (left uint64, ok bool) {
	step := uint64(2 * s.tuning.scanPerStep)
	for !g.closed {
		if budget < step {
			return 0, false
		}
		budget -= step
		g.narrow(s.blocks)
	}
	return budget, true
}
