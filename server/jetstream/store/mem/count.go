package mem

import (
	"iter"
	"sort"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Count implements [store.Reader].
func (s *Store) Count(f *store.Filter, from store.Seq, lastOnly bool) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	messages := s.messages - s.blocks.countBefore(from, s.messages)
	if f == nil && !lastOnly {
		return messages
	}
	if f == nil && messages == s.messages {
		return uint64(s.subjects.Len())
	}
	if n, ok := s.countBySubject(f, from, lastOnly, messages); ok {
		return n
	}
	return s.countByMessage(f, from, lastOnly)
}

// countBySubject adds up what the subjects have behind a number. It gives up when
// that has cost as much as to look at the messages there.
func (s *Store) countBySubject(f *store.Filter, from store.Seq, lastOnly bool, budget uint64) (n uint64, ok bool) {
	for _, v := range s.selected(f) {
		if budget == 0 {
			return 0, false
		}
		budget--
		if lastOnly {
			if v.last >= from {
				n++
			}
			continue
		}
		g := gapAt(v, from)
		if budget, ok = g.close(s, budget); !ok {
			return 0, false
		}
		n += g.behind
	}
	return n, true
}

// countByMessage is countBySubject by a walk over the messages.
func (s *Store) countByMessage(f *store.Filter, from store.Seq, lastOnly bool) (n uint64) {
	for p := s.blocks.seek(from); p.block < len(s.blocks); p = s.blocks.next(p) {
		b := s.blocks[p.block]
		if (!lastOnly || b.slots[p.slot].next == 0) && f.Matches(b.subject(p.slot)) {
			n++
		}
	}
	return n
}

// At implements [store.Reader].
func (s *Store) At(time int64) store.Seq {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.blocks
	k := sort.Search(len(l), func(k int) bool { return l[k].slots[len(l[k].slots)-1].time >= time })
	if k == len(l) {
		return s.last + 1
	}
	b := l[k]
	i := b.nextLive(sort.Search(len(b.slots), func(i int) bool { return b.slots[i].time >= time }))
	if i < len(b.slots) {
		return b.seq(i)
	}
	if k+1 == len(l) {
		return s.last + 1
	}
	return l[k+1].seq(l[k+1].nextLive(0))
}

// Deleted implements [store.Reader].
func (s *Store) Deleted() iter.Seq[store.Range] {
	return func(yield func(store.Range) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.messages == 0 {
			return
		}
		free := s.stateLocked().First
		for _, b := range s.blocks {
			if b.isWhole() && b.base == free {
				free = b.lastSeq() + 1
				continue
			}
			for i := b.nextLive(0); i < len(b.slots); i = b.nextLive(i + 1) {
				seq := b.seq(i)
				if seq > free && !yield(store.Range{First: free, Last: seq - 1}) {
					return
				}
				free = seq + 1
			}
		}
		if free <= s.last {
			yield(store.Range{First: free, Last: s.last})
		}
	}
}
