package file

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// location is where a message is.
type location struct {
	b       *block
	ordinal int
	slot    slot
}

func (l *location) seq() store.Seq { return l.b.base + store.Seq(l.slot.seq) }

// Remove implements store.Store.
func (s *Store) Remove(seq store.Seq, erase bool) (store.Removed, error) {
	if err := s.beginWrite(); err != nil {
		return store.Removed{}, err
	}
	defer s.write.Unlock()
	l, err := s.locate(seq)
	if err != nil {
		return store.Removed{}, err
	}
	subject, err := s.subjectAt(&l)
	if err != nil {
		return store.Removed{}, err
	}
	removed := store.Removed{Seq: seq, Size: l.slot.messageSize(), Subject: string(subject)}
	return removed, s.remove(&l, subject, erase)
}

// RemoveOldest implements store.Store.
func (s *Store) RemoveOldest(subject string) (removed store.Removed, err error) {
	if err := s.beginWrite(); err != nil {
		return store.Removed{}, err
	}
	defer s.write.Unlock()
	if s.state.Messages == 0 {
		return store.Removed{}, store.ErrNotFound
	}
	if subject == "" {
		l := s.writer.oldest
		if l.b == nil || l.b.gone || l.seq() != s.state.First || l.b.dead.has(l.ordinal) {
			if l, err = s.locate(s.state.First); err != nil {
				return store.Removed{}, err
			}
		}
		name, err := s.subjectAt(&l)
		if err != nil {
			return store.Removed{}, err
		}
		removed = store.Removed{Seq: l.seq(), Size: l.slot.messageSize(), Subject: string(name)}
		return removed, s.remove(&l, name, false)
	}
	s.writer.subject = append(s.writer.subject[:0], subject...)
	l, err := s.locateFirst(s.writer.subject)
	if err != nil {
		return store.Removed{}, err
	}
	removed = store.Removed{Seq: l.seq(), Size: l.slot.messageSize(), Subject: subject}
	return removed, s.remove(&l, s.writer.subject, false)
}

// locate finds a message for the writer.
func (s *Store) locate(seq store.Seq) (l location, err error) {
	if s.state.Messages == 0 || seq < s.state.First {
		return l, store.ErrNotFound
	}
	i := findBlock(s.blocks, seq)
	if i == len(s.blocks) || seq < s.blocks[i].base {
		return l, store.ErrNotFound
	}
	l.b = s.blocks[i]
	err = s.withIndex(l.b, func(x index) (err error) {
		l.ordinal, l.slot, err = find(x, l.b, seq)
		return err
	})
	if err == nil && l.b.dead.has(l.ordinal) {
		err = store.ErrNotFound
	}
	return l, err
}

// find returns the record with a number.
func find(x index, b *block, seq store.Seq) (ordinal int, sl slot, err error) {
	if b.dense() {
		ordinal = b.ordinal(seq)
	} else if ordinal, err = x.search(uint32(seq - b.base)); err != nil {
		return 0, sl, err
	}
	if ordinal >= b.n {
		return 0, sl, store.ErrNotFound
	}
	sl, err = x.slot(ordinal)
	if err == nil && sl.seq != uint32(seq-b.base) {
		err = store.ErrNotFound
	}
	return ordinal, sl, err
}

// findBlock returns the index of the first block whose last number is seq or
// higher.
func findBlock(blocks []*block, seq store.Seq) int {
	lo, hi := 0, len(blocks)
	for lo < hi {
		mid := (lo + hi) / 2
		if blocks[mid].last < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// locateFirst finds the first message of a subject for the writer.
func (s *Store) locateFirst(subject []byte) (l location, err error) {
	sp, ok := s.subjects.get(subject)
	if !ok {
		return l, store.ErrNotFound
	}
	if !sp.stale {
		return s.locate(sp.first)
	}
	hash := hashSubject(subject)
	for _, b := range s.blocks[findBlock(s.blocks, sp.first):] {
		if b.base > sp.last {
			break
		}
		if b.live == 0 || !b.bloom.mayHave(hash) {
			continue
		}
		if l, ok, err = s.firstOn(b, b.dead, subject, sp.first); ok || err != nil {
			return l, err
		}
	}
	return l, store.ErrNotFound
}

// firstOn returns the first message of a subject in a block, from a number on.
func (s *Store) firstOn(b *block, dead *bitmap, subject []byte, from store.Seq) (l location, ok bool, err error) {
	err = s.withIndex(b, func(x index) error {
		at, n := 0, b.n
		if from > b.base {
			if at, err = x.search(uint32(from - b.base)); err != nil {
				return err
			}
		}
		for {
			if at, err = x.nextOn(subject, at); err != nil || at >= n {
				return err
			}
			if !dead.has(at) {
				l = location{b: b, ordinal: at}
				l.slot, err = x.slot(at)
				ok = err == nil
				return err
			}
			at++
		}
	})
	return l, ok, err
}

// lastOn returns the last message of a subject in a block, up to an ordinal.
func (s *Store) lastOn(b *block, dead *bitmap, subject []byte, upTo int) (l location, ok bool, err error) {
	err = s.withIndex(b, func(x index) error {
		for at := upTo; ; at-- {
			if at, err = x.lastOn(subject, at); err != nil || at < 0 {
				return err
			}
			if !dead.has(at) {
				l = location{b: b, ordinal: at}
				l.slot, err = x.slot(at)
				ok = err == nil
				return err
			}
		}
	})
	return l, ok, err
}

// subjectAt returns the subject of a message, in the writer's own buffer.
func (s *Store) subjectAt(l *location) ([]byte, error) {
	err := s.withIndex(l.b, func(x index) (err error) {
		s.writer.subject, err = x.subject(l.ordinal, s.writer.subject[:0])
		return err
	})
	return s.writer.subject, err
}

// remove removes a message that is there.
func (s *Store) remove(l *location, subject []byte, erase bool) error {
	seq := l.seq()
	var next location
	var nextOK bool
	var err error
	if seq == s.state.First {
		if next, nextOK, err = s.after(l); err != nil {
			return err
		}
	}
	last := store.Seq(0)
	if sp, ok := s.subjects.get(subject); ok && seq == sp.last && sp.count > 1 {
		if last, err = s.lastBefore(l, subject); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, size := l.b, l.slot.messageSize()
	b.kill(l.ordinal, size)
	s.state.Messages--
	s.state.Bytes -= size
	s.subjects.remove(subject, seq, last)
	if seq == s.state.First {
		s.setFirstLocked(next, nextOK)
	}
	if len(s.losses) > 0 {
		s.losses = slices.DeleteFunc(slices.Clone(s.losses), func(x store.Loss) bool { return x.First == seq && x.Last == seq })
		s.pruneLossesLocked()
	}
	if erase && !l.slot.lost() {
		s.erase = append(s.erase, erasure{b: b, at: l.slot.place(), size: padded(l.slot.rawLen()), ordinal: l.ordinal})
	}
	if b.live == 0 && b.full {
		s.dropLocked(b)
	}
	return nil
}

// setFirstLocked notes which message is the oldest one now.
func (s *Store) setFirstLocked(l location, ok bool) {
	s.writer.oldest = l
	if ok {
		s.state.First, s.state.FirstTime = l.seq(), l.slot.time
	} else {
		s.state.First, s.state.FirstTime = s.state.Last+1, 0
	}
	s.pruneLossesLocked()
}

// pruneLossesLocked forgets losses in front of what is there.
func (s *Store) pruneLossesLocked() {
	if len(s.losses) > 0 && s.losses[0].Last < s.state.First {
		s.losses = slices.DeleteFunc(slices.Clone(s.losses), func(x store.Loss) bool { return x.Last < s.state.First })
	}
}

// after returns the message behind one.
func (s *Store) after(l *location) (next location, ok bool, err error) {
	i := findBlock(s.blocks, l.seq())
	at := l.ordinal + 1
	for _, b := range s.blocks[i:] {
		if b.live > 0 {
			if at = nextWithout(nil, b.dead, at, b.n); at < b.n {
				return s.at(b, at)
			}
		}
		at = 0
	}
	return location{}, false, nil
}

// at returns the location of a record.
func (s *Store) at(b *block, ordinal int) (l location, ok bool, err error) {
	l = location{b: b, ordinal: ordinal}
	err = s.withIndex(b, func(x index) error {
		l.slot, err = x.slot(ordinal)
		return err
	})
	return l, err == nil, err
}

// lastBefore returns the newest message of a subject in front of its last one.
func (s *Store) lastBefore(l *location, subject []byte) (store.Seq, error) {
	hash := hashSubject(subject)
	upTo := l.ordinal - 1
	for i := findBlock(s.blocks, l.seq()); i >= 0; i-- {
		b := s.blocks[i]
		if b.live > 0 && b.bloom.mayHave(hash) {
			if b != l.b {
				upTo = b.n - 1
			}
			found, ok, err := s.lastOn(b, b.dead, subject, upTo)
			if err != nil {
				return 0, err
			}
			if ok {
				return found.seq(), nil
			}
		}
	}
	// The index of subjects says that there is one: it must be one of those that
	// were lost.
	return l.seq(), nil
}

// dropLocked takes a block out of the store. Its file stays until no checkpoint
// needs it any more.
func (s *Store) dropLocked(gone ...*block) {
	for _, b := range gone {
		b.gone, b.dropped = true, s.generation
		if b == s.active {
			s.active, s.buf = nil, s.buf[:0]
		}
	}
	s.blocks = slices.DeleteFunc(slices.Clone(s.blocks), func(b *block) bool { return b.gone })
	s.dropped = append(s.dropped, gone...)
}

// Reset implements store.Store.
func (s *Store) Reset(first store.Seq) error {
	if err := s.beginWrite(); err != nil {
		return err
	}
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	first = max(first, 1)
	s.dropLocked(s.blocks...)
	s.subjects.clear()
	s.state = store.State{First: first, Last: first - 1}
	s.losses = nil
	s.epoch++
	return nil
}
