package file

import (
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// matching goes over the subjects that a filter selects.
func (s *subjects) matching(f *store.Filter) iter.Seq2[[]byte, *subjectEntry] {
	return func(yield func([]byte, *subjectEntry) bool) {
		if literal, ok := f.Literal(); ok {
			name := []byte(literal)
			if e, ok := s.tree.Get(name); ok {
				yield(name, e)
			}
			return
		}
		for i, pattern := range f.Patterns() {
			for name, e := range s.tree.Match(pattern) {
				if f.First(i, name) && !yield(name, e) {
					return
				}
			}
		}
	}
}

// Count implements store.Reader. Messages of which nothing can be read are not
// counted, if it takes reading.
func (s *Store) Count(f *store.Filter, from store.Seq, lastOnly bool) (count uint64) {
	s.mu.RLock()
	if s.state.Messages == 0 {
		s.mu.RUnlock()
		return 0
	}
	if f == nil && !lastOnly {
		return s.countAll(from)
	}
	// Subjects that begin in front of from and end behind it have to be counted by
	// their messages.
	across := false
	for name, e := range s.subjects.matching(f) {
		sp := s.subjects.span(name, e)
		switch {
		case sp.last < from:
		case lastOnly:
			count++
		case sp.first >= from: // also if first may come later
			count += sp.count
		default:
			across = true
		}
	}
	if !across {
		s.mu.RUnlock()
		return count
	}
	return s.countFiltered(f, from)
}

// countAll counts messages from a number on. The caller holds mu for reading; it
// is unlocked.
func (s *Store) countAll(from store.Seq) (count uint64) {
	i := findBlock(s.blocks, from)
	var part view
	for k, b := range s.blocks[i:] {
		switch {
		case k > 0 || from <= b.base:
			count += uint64(b.live)
		case b.dense():
			count += uint64(countWithout(nil, b.dead, b.ordinal(from), b.n))
		default:
			b.pin()
			part = b.viewLocked(true)
		}
	}
	s.mu.RUnlock()
	if part.b == nil {
		return count
	}
	defer part.b.unpin()
	// What cannot be read counts for nothing; Next tells of it.
	_ = s.use(&part, func(x index) error {
		at, err := searchSeq(x, &part, from)
		if err == nil {
			count += uint64(countWithout(nil, part.dead, at, part.n))
		}
		return err
	})
	return count
}

// countFiltered counts messages from a number on, by their blocks: those behind
// it, or those in front of it and what is left of all. The caller holds mu for
// reading; it is unlocked.
func (s *Store) countFiltered(f *store.Filter, from store.Seq) uint64 {
	p := s.pruneLocked(f)
	i := findBlock(s.blocks, from)
	var total uint64
	front := i < len(s.blocks)-i
	im := &image{s: s}
	blocks := s.blocks[i:]
	if front {
		for name, e := range s.subjects.matching(f) {
			total += s.subjects.span(name, e).count
		}
		blocks = s.blocks[:min(i+1, len(s.blocks))]
	}
	for _, b := range blocks {
		if b.live > 0 && p.mayHave(b) {
			b.pin()
			im.views = append(im.views, b.viewLocked(true))
		}
	}
	s.mu.RUnlock()
	defer im.release()
	var count uint64
	for i := range im.views {
		v := &im.views[i]
		n := 0
		// What cannot be read counts for nothing; Next tells of it.
		_ = s.use(v, func(x index) error {
			at, err := searchSeq(x, v, from)
			if err != nil {
				return err
			}
			sel, err := x.selection(f, &p)
			if err != nil {
				return err
			}
			if front {
				n = countWithout(sel, v.dead, 0, at)
			} else {
				n = countWithout(sel, v.dead, at, v.n)
			}
			return nil
		})
		count += uint64(n)
	}
	if front {
		return total - min(count, total)
	}
	return count
}

// searchSeq returns the ordinal of the first record of a block from a number on.
func searchSeq(x index, v *view, from store.Seq) (int, error) {
	switch {
	case from <= v.b.base:
		return 0, nil
	case from-v.b.base > 1<<32-1:
		return v.n, nil
	}
	return x.search(uint32(from - v.b.base))
}

// Subject implements store.Reader.
func (s *Store) Subject(subject string) (store.SubjectState, bool) {
	name := []byte(subject)
	s.mu.RLock()
	sp, ok := s.subjects.get(name)
	if !ok {
		s.mu.RUnlock()
		return store.SubjectState{}, false
	}
	state := store.SubjectState{First: sp.first, Last: sp.last, Messages: sp.count}
	if !sp.stale {
		s.mu.RUnlock()
		return state, true
	}
	p := prune{lo: sp.first, hi: sp.last, hashes: []uint64{hashSubject(name)}}
	im := s.imageLocked(&p, sp.last)
	s.mu.RUnlock()
	defer im.release()
	state.First = im.first(name, sp)
	return state, true
}

// first returns the number of the first message of a subject, or the best that is
// known of it if that cannot be read.
func (im *image) first(subject []byte, sp span) store.Seq {
	for i := range im.views {
		v := &im.views[i]
		seq := store.Seq(0)
		err := im.s.use(v, func(x index) error {
			at, err := searchSeq(x, v, sp.first)
			for err == nil {
				if at, err = x.nextOn(subject, at); err != nil || at >= v.n {
					return err
				}
				if !v.dead.has(at) {
					sl, err := x.slot(at)
					seq = v.b.base + store.Seq(sl.seq)
					return err
				}
				at++
			}
			return err
		})
		if err != nil {
			return sp.first
		}
		if seq > 0 {
			return seq
		}
	}
	return sp.last
}

// Subjects implements store.Reader. Where the first message of a subject is not
// known any more it is looked for, under the lock.
func (s *Store) Subjects(pattern string) iter.Seq2[[]byte, store.SubjectState] {
	return func(yield func([]byte, store.SubjectState) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for name, e := range s.subjects.tree.Match(pattern) {
			sp := s.subjects.span(name, e)
			if sp.stale {
				sp.first = s.firstLocked(name, sp)
			}
			if !yield(name, store.SubjectState{First: sp.first, Last: sp.last, Messages: sp.count}) {
				return
			}
		}
	}
}

// firstLocked returns the number of the first message of a subject. A footer that
// is damaged is not repaired here: the lock is held.
func (s *Store) firstLocked(subject []byte, sp span) store.Seq {
	hash := hashSubject(subject)
	for _, b := range s.blocks[findBlock(s.blocks, sp.first):] {
		if b.live == 0 || b.base > sp.last || !b.bloom.mayHave(hash) {
			continue
		}
		v := b.viewLocked(false)
		x, err := v.index(s)
		at := 0
		if err == nil {
			at, err = searchSeq(x, &v, sp.first)
		}
		for err == nil {
			if at, err = x.nextOn(subject, at); err != nil || at >= b.n {
				break
			}
			if !b.dead.has(at) {
				if sl, err := x.slot(at); err == nil {
					return b.base + store.Seq(sl.seq)
				}
			}
			at++
		}
		if err != nil {
			return sp.first
		}
	}
	return sp.last
}
