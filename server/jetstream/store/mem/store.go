package mem

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject/tree"
)

// Store is a store.Store in memory. One goroutine may change it, any number may
// read meanwhile.
type Store struct {
	tuning tuning
	// snapshots is how many are open: while there are any, no block is used
	// again or overwritten.
	snapshots atomic.Int32

	mu sync.RWMutex
	// blocks hold the messages, subjects finds them by subject. Invariant: what
	// both say of a subject (first, last, count, and the list in between) agrees.
	blocks   blocks
	subjects tree.Tree[subjectState]
	// spare is an old block whose memory the next one takes, so that a stream at
	// its limit allocates nothing. It may be nil.
	spare *block
	// messages and bytes count what is in the blocks.
	messages, bytes uint64
	// first is State.First if there is no message.
	first, last store.Seq
	lastTime    int64
	// losses are those of the store that the content came from. It is replaced, and not
	// changed.
	losses []store.Loss
	closed bool
}

var _ store.Store = (*Store)(nil)

// tuning is what weighs one cost against another. No answer depends on it.
type tuning struct {
	// blockSlots and blockBytes say when a block is full: a block of small
	// messages by the one, of large messages by the other. It is also what may be
	// copied at a time when a block is written anew.
	blockSlots, blockBytes int
	// scanFirst is how many messages a search looks at before it turns to the
	// subjects, scanPerStep how many more it does for a subject, or a step in a
	// subject's list: those may visit memory anywhere, while messages lie side by
	// side.
	scanFirst, scanPerStep int
}

var defaultTuning = tuning{blockSlots: 1024, blockBytes: 128 << 10, scanFirst: 64, scanPerStep: 4}

// subjectState is what the index has on a subject with messages.
type subjectState struct {
	first, last store.Seq
	messages    uint64
}

// New returns an empty store.
func New() *Store { return &Store{tuning: defaultTuning} }

// State implements [store.Reader].
func (s *Store) State() store.State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stateLocked()
}

func (s *Store) stateLocked() store.State {
	st := store.State{
		Messages: s.messages, Bytes: s.bytes,
		First: s.first, Last: s.last, LastTime: s.lastTime,
		Subjects: uint64(s.subjects.Len()),
	}
	if s.messages > 0 {
		p := s.blocks.from(0)
		st.First, st.FirstTime = s.blocks[0].seq(p.slot), s.blocks[0].slots[p.slot].time
		st.Deleted = uint64(st.Last-st.First) + 1 - st.Messages
	}
	return st
}

// Append implements [store.Store]. It fails only if the store is closed, and
// panics if the number is not above Last.
func (s *Store) Append(m *store.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return store.ErrClosed
	case m.Seq <= s.last:
		panic(fmt.Sprintf("mem: message %d is appended behind %d", m.Seq, s.last))
	}
	b := s.blockFor(m)
	b.add(m, &s.tuning)
	s.link(b, len(b.slots)-1)
	s.last, s.lastTime = m.Seq, m.Time
	return nil
}

// link adds a message, which is behind all others there, to the index and the
// counts.
func (s *Store) link(b *block, i int) {
	added, seq := &b.slots[i], b.seq(i)
	v, isNew := s.subjects.Put(b.subject(i))
	if isNew {
		v.first = seq
		added.prev = 0
	} else {
		s.blocks.slot(v.last).next = seq
		added.prev = v.last
	}
	added.next = 0
	v.last = seq
	v.messages++
	s.messages++
	s.bytes += b.size(i)
}

// blockFor returns the block that takes the next message: the last one, or a new
// one behind it.
func (s *Store) blockFor(m *store.Message) *block {
	k := len(s.blocks) - 1
	if k >= 0 && s.blocks[k].fits(m, &s.tuning) {
		return s.blocks[k]
	}
	b := new(block)
	switch {
	case recordSize(m) > s.tuning.blockBytes:
		// It has a block of its own, which is made to measure.
	case s.spare != nil:
		b, s.spare = s.spare, nil
	case k >= 0:
		// Messages are likely to be as those of the block before.
		full := s.blocks[k]
		b.slots = make([]slot, 0, min(len(full.slots)+len(full.slots)/16, s.tuning.blockSlots))
		b.data = make([]byte, 0, min(len(full.data)+len(full.data)/16, s.tuning.blockBytes))
	}
	b.base = m.Seq
	s.blocks = append(s.blocks, b)
	if k >= 0 && (s.blocks[k].isLoose() || !s.blocks[k].isTight()) {
		s.blocks.tighten(k, &s.tuning)
	}
	return b
}

// Skip implements [store.Store].
func (s *Store) Skip(seq store.Seq, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return store.ErrClosed
	case seq > s.last:
		s.last, s.lastTime = seq, now
		s.first = seq + 1
	}
	return nil
}

// Reset implements [store.Store].
func (s *Store) Reset(first store.Seq) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.clear()
	s.first, s.last, s.lastTime = first, first-1, 0
	return nil
}

// clear removes all messages.
func (s *Store) clear() {
	s.blocks, s.spare, s.losses = nil, nil, nil
	s.subjects.Clear()
	s.messages, s.bytes = 0, 0
}

// Lost implements [store.Reader]. Memory loses nothing, but what it was made from may
// have.
func (s *Store) Lost() []store.Loss {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.losses)
}

// Checkpoint implements [store.Store]. There is nothing to make durable.
func (s *Store) Checkpoint([]byte) (store.Checkpoint, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	return checkpoint{}, nil
}

type checkpoint struct{}

// Commit implements [store.Checkpoint].
func (checkpoint) Commit() error { return nil }

// Close implements [store.Store]: the messages are gone. Open snapshots stay.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.first, s.last, s.lastTime = 0, 0, 0
	s.closed = true
	return nil
}

// Delete implements [store.Store].
func (s *Store) Delete() error { return s.Close() }
