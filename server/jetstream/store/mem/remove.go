package mem

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Remove implements [store.Store]. What is erased is overwritten at once, though a
// snapshot that has the message keeps it.
func (s *Store) Remove(seq store.Seq, erase bool) (store.Removed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.blocks.at(seq)
	switch {
	case s.closed:
		return store.Removed{}, store.ErrClosed
	case !ok:
		return store.Removed{}, store.ErrNotFound
	}
	b := s.blocks[p.block]
	r := removed(b, p.slot)
	s.unlink(b, p.slot)
	shared := s.snapshots.Load() > 0
	if erase && !shared {
		clear(b.record(p.slot))
	}
	if erase && shared && b.live > 0 {
		s.blocks.tighten(p.block, &s.tuning)
	} else {
		s.tidy(p.block)
	}
	return r, nil
}

// RemoveOldest implements [store.Store].
func (s *Store) RemoveOldest(subject string) (store.Removed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p position
	if v, ok := s.subjects.Get([]byte(subject)); ok {
		p, _ = s.blocks.at(v.first)
	} else if subject == "" && s.messages > 0 {
		p = s.blocks.from(0)
	} else {
		return store.Removed{}, s.notFound()
	}
	b := s.blocks[p.block]
	r := removed(b, p.slot)
	s.unlink(b, p.slot)
	s.tidy(p.block)
	return r, nil
}

func removed(b *block, i int) store.Removed {
	return store.Removed{Seq: b.seq(i), Size: b.size(i), Subject: string(b.subject(i))}
}

// unlink removes a message from the index and the counts, and marks its slot dead.
// The record stays as it is.
func (s *Store) unlink(b *block, i int) {
	gone, subject := &b.slots[i], b.subject(i)
	v, _ := s.subjects.Get(subject)
	if gone.prev != 0 {
		s.blocks.slot(gone.prev).next = gone.next
	} else {
		v.first = gone.next
	}
	if gone.next != 0 {
		s.blocks.slot(gone.next).prev = gone.prev
	} else {
		v.last = gone.prev
	}
	if v.messages--; v.messages == 0 {
		s.subjects.Delete(subject)
	}
	s.bytes -= b.size(i)
	b.kill(i)
	if s.messages--; s.messages == 0 {
		s.first = s.last + 1
	}
}

// tidy gives back what a block does not need. As long as they hold a message, the
// last block keeps its room for what comes, and the first one waits for its end,
// which is near if messages are removed in order.
func (s *Store) tidy(k int) {
	switch b := s.blocks[k]; {
	case b.live == 0:
		s.drop(k)
	case k > 0 && k < len(s.blocks)-1 && b.isLoose():
		s.blocks.tighten(k, &s.tuning)
	}
}

// drop takes a block without messages out of the list, and may keep it as spare.
func (s *Store) drop(k int) {
	b := s.blocks[k]
	if k == 0 {
		// In front, where most blocks end, nothing has to be moved.
		s.blocks[0] = nil
		s.blocks = s.blocks[1:]
	} else {
		s.blocks = slices.Delete(s.blocks, k, k+1)
	}
	if s.spare == nil && s.snapshots.Load() == 0 && cap(b.data) <= s.tuning.blockBytes {
		*b = block{slots: b.slots[:0], data: b.data[:0], dead: b.dead[:0]}
		s.spare = b
	}
}
