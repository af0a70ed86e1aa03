package mem

import (
	"cmp"
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
	return &snapshot{state: s.stateLocked(), losses: s.losses, blocks: blocks, open: &s.snapshots}, nil
}

// snapshot is a store.Snapshot. Its blocks are as those of the store were. Of
// their slots it must not look at prev and next, which the store still changes.
type snapshot struct {
	state  store.State
	losses []store.Loss
	blocks []block
	open   *atomic.Int32
	closed bool
}

// State implements [store.Content].
func (s *snapshot) State() store.State { return s.state }

// Lost implements [store.Content].
func (s *snapshot) Lost() []store.Loss { return slices.Clone(s.losses) }

// Parts implements [store.Snapshot]: each is a block.
func (s *snapshot) Parts() []store.Part {
	parts := make([]store.Part, len(s.blocks))
	for k := range s.blocks {
		b := &s.blocks[k]
		parts[k].First = b.base
		for i := b.nextLive(0); i < len(b.slots); i = b.nextLive(i + 1) {
			subject, header, data := b.message(i)
			parts[k].Size += store.FileSize(len(subject), len(header), len(data))
		}
	}
	return parts
}

// Messages implements [store.Content].
func (s *snapshot) Messages(from store.Seq) iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		if s.closed {
			yield(nil, store.ErrClosed)
			return
		}
		var m store.Message
		for k := max(0, s.find(from)); k < len(s.blocks); k++ {
			b := &s.blocks[k]
			at := 0
			if from > b.base {
				at = b.search(from)
			}
			for i := b.nextLive(at); i < len(b.slots); i = b.nextLive(i + 1) {
				b.fill(i, &m)
				if !yield(&m, nil) {
					return
				}
			}
		}
	}
}

// find returns the index of the last block whose base is at most seq, -1 if there is
// none.
func (s *snapshot) find(seq store.Seq) int {
	k, found := slices.BinarySearchFunc(s.blocks, seq, func(b block, seq store.Seq) int { return cmp.Compare(b.base, seq) })
	if found {
		return k
	}
	return k - 1
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
