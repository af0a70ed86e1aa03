package mem

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Compact implements [store.Store].
func (s *Store) Compact(seq store.Seq) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	n := s.removeBefore(seq)
	if seq > s.last+1 {
		s.last = seq - 1
	}
	if s.messages == 0 {
		s.first = max(s.first, seq)
	}
	return n, nil
}

// Purge implements [store.Store].
func (s *Store) Purge(f *store.Filter, before store.Seq, keep uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	all := before == 0
	if all || before > s.last {
		before = s.last + 1
	}
	switch {
	case f == nil && all && keep == 0:
		n := s.messages
		s.clear()
		s.first = s.last + 1
		return n, nil
	case f == nil && keep == 0:
		return s.removeBefore(before), nil
	case f == nil:
		n := s.blocks.countBefore(before, s.messages)
		if n <= keep {
			return 0, nil
		}
		return s.removeBefore(s.blocks.nth(n - keep)), nil
	}
	victims := s.selectedBefore(f, before)
	n := uint64(len(victims)) - min(keep, uint64(len(victims)))
	s.removeAll(victims[:n])
	return n, nil
}

// removeBefore removes all messages in front of seq, and returns how many.
func (s *Store) removeBefore(seq store.Seq) uint64 {
	n := s.blocks.countBefore(seq, s.messages)
	if s.areMost(n) {
		for _, b := range s.blocks {
			for i := b.nextLive(0); i < len(b.slots) && b.seq(i) < seq; i = b.nextLive(i + 1) {
				b.kill(i)
			}
		}
		s.rebuild()
		return n
	}
	for range n {
		p := s.blocks.from(0)
		s.unlink(s.blocks[0], p.slot)
		s.tidy(0)
	}
	return n
}

// removeAll removes messages that are all there.
func (s *Store) removeAll(victims []store.Seq) {
	most := s.areMost(uint64(len(victims)))
	for _, seq := range victims {
		p, _ := s.blocks.at(seq)
		if most {
			s.blocks[p.block].kill(p.slot)
			continue
		}
		s.unlink(s.blocks[p.block], p.slot)
		s.tidy(p.block)
	}
	if most {
		s.rebuild()
	}
}

// areMost reports whether n messages are so many that it is less work to index
// what is left than to take them out of the index.
func (s *Store) areMost(n uint64) bool { return n > s.messages/2 }

// rebuild makes the index and the counts from what is left in the blocks.
func (s *Store) rebuild() {
	s.blocks = slices.DeleteFunc(s.blocks, func(b *block) bool { return b.live == 0 })
	for k := len(s.blocks) - 1; k >= 0; k-- {
		s.tidy(k)
	}
	s.subjects.Clear()
	s.messages, s.bytes = 0, 0
	for _, b := range s.blocks {
		for i := b.nextLive(0); i < len(b.slots); i = b.nextLive(i + 1) {
			s.link(b, i)
		}
	}
	if s.messages == 0 {
		s.first = s.last + 1
	}
}

// selectedBefore returns the numbers of the messages that f, which is not nil,
// selects in front of a number, in order.
func (s *Store) selectedBefore(f *store.Filter, before store.Seq) (seqs []store.Seq) {
	// It is less work to go over the lists of the subjects than over all messages,
	// unless most are selected; that is known when that many were found.
	limit := s.blocks.countBefore(before, s.messages) / 2
	for _, v := range s.selected(f) {
		for seq := v.first; seq != 0 && seq < before; seq = s.blocks.slot(seq).next {
			seqs = append(seqs, seq)
			if uint64(len(seqs)) > limit {
				return s.scanBefore(f, before, seqs[:0])
			}
		}
	}
	slices.Sort(seqs)
	return seqs
}

// scanBefore is selectedBefore by a walk over all messages.
func (s *Store) scanBefore(f *store.Filter, before store.Seq, seqs []store.Seq) []store.Seq {
	for _, b := range s.blocks {
		for i := b.nextLive(0); i < len(b.slots) && b.seq(i) < before; i = b.nextLive(i + 1) {
			if f.Matches(b.subject(i)) {
				seqs = append(seqs, b.seq(i))
			}
		}
	}
	return seqs
}
