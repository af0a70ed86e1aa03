package file

import (
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject/tree"
)

// subjects is what a store has on each subject, for as many as a million or ten.
type subjects struct {
	tree tree.Tree[subjectEntry]
	// wide has those whose numbers do not fit into an entry.
	wide map[string]span
}

// subjectEntry is a span in 16 bytes.
type subjectEntry struct {
	last store.Seq
	// back is how far in front of last the first one is.
	back uint32
	// count has staleBit on top. It is 0 if the span is in wide.
	count uint32
}

const (
	staleBit = 1 << 31
	maxCount = staleBit - 1
)

// span is what there is of a subject.
type span struct {
	// first is the number of the first message; if stale is set, that one may come
	// later.
	first, last store.Seq
	count       uint64
	stale       bool
}

func (s *subjects) len() int { return s.tree.Len() }

func (s *subjects) clear() {
	s.tree.Clear()
	s.wide = nil
}

func (s *subjects) get(subject []byte) (sp span, ok bool) {
	e, ok := s.tree.Get(subject)
	if !ok {
		return span{}, false
	}
	return s.span(subject, e), true
}

func (s *subjects) span(subject []byte, e *subjectEntry) span {
	if e.count == 0 {
		return s.wide[string(subject)]
	}
	return span{first: e.last - store.Seq(e.back), last: e.last, count: uint64(e.count &^ staleBit), stale: e.count&staleBit != 0}
}

// store replaces the span of a subject, whose entry is e.
func (s *subjects) store(subject []byte, e *subjectEntry, sp span) {
	if e.count == 0 && len(s.wide) > 0 {
		delete(s.wide, string(subject))
	}
	if sp.count > maxCount || sp.last-sp.first > math.MaxUint32 {
		*e = subjectEntry{}
		if s.wide == nil {
			s.wide = make(map[string]span)
		}
		s.wide[string(subject)] = sp
		return
	}
	*e = subjectEntry{last: sp.last, back: uint32(sp.last - sp.first), count: uint32(sp.count)}
	if sp.stale {
		e.count |= staleBit
	}
}

// add notes one more message.
func (s *subjects) add(subject []byte, seq store.Seq) { s.addMany(subject, seq, seq, 1) }

// addMany notes messages that are behind all others of the subject.
func (s *subjects) addMany(subject []byte, first, last store.Seq, count uint64) {
	e, isNew := s.tree.Put(subject)
	if isNew {
		s.store(subject, e, span{first: first, last: last, count: count})
		return
	}
	sp := s.span(subject, e)
	sp.last = last
	sp.count += count
	s.store(subject, e, sp)
}

func (s *subjects) delete(subject []byte) {
	s.tree.Delete(subject)
	if len(s.wide) > 0 {
		delete(s.wide, string(subject))
	}
}

// remove notes that one message is gone. last is the last one that is left, if
// it was the last that went.
func (s *subjects) remove(subject []byte, seq, last store.Seq) {
	e, ok := s.tree.Get(subject)
	if !ok {
		return
	}
	sp := s.span(subject, e)
	if sp.count <= 1 {
		s.delete(subject)
		return
	}
	sp.count--
	if seq == sp.last {
		sp.last = last
	}
	if seq == sp.first {
		sp.first, sp.stale = seq+1, true
	}
	s.settle(&sp)
	s.store(subject, e, sp)
}

// removeFront notes that count messages in front of a number are gone, and that
// no other is there.
func (s *subjects) removeFront(subject []byte, cut store.Seq, count uint64) {
	e, ok := s.tree.Get(subject)
	if !ok {
		return
	}
	sp := s.span(subject, e)
	if sp.count <= count {
		s.delete(subject)
		return
	}
	sp.count -= count
	if sp.first < cut {
		sp.first, sp.stale = cut, true
	}
	s.settle(&sp)
	s.store(subject, e, sp)
}

func (s *subjects) settle(sp *span) {
	if sp.count == 1 {
		sp.first, sp.stale = sp.last, false
	}
}
