package mem

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Snapshot implements [store.Store]. It takes a copy of the list of blocks, and
// shares their content.
func (s *Store) Snapshot() (store.Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	blocks := make([]block, len(s.blocks))
	for k, b := range s.blocks {
		blocks[k] = *b
		blocks[k].dead = slices.Clone(b.dead)
	}
	s.snapshots.Add(1)
	return &snapshot{state: s.stateLocked(), blocks: blocks, open: &s.snapshots}, nil
}

// snapshot is a store.Snapshot. Its blocks are as those of the store were. Of
// their slots it must not look at prev and next, which the store still changes.
type snapshot struct {
	state  store.State
	blocks []block
	open   *atomic.Int32
	closed bool
}

// State implements [store.Snapshot].
func (s *snapshot) State() store.State { return s.state }

// Messages implements [store.Snapshot].
func (s *snapshot) Messages() iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		if s.closed {
			yield(nil, store.ErrClosed)
			return
		}
		var m store.Message
		for k := range s.blocks {
			b := &s.blocks[k]
			for i := b.nextLive(0); i < len(b.slots); i = b.nextLive(i + 1) {
				b.fill(i, &m)
				if !yield(&m, nil) {
					return
				}
			}
		}
	}
}

// Close implements [store.Snapshot].
func (s *snapshot) Close() error {
	if !s.closed {
		s.closed = true
		s.blocks = nil
		s.open.Add(-1)
	}
	return nil
}
