package file

import (
	"errors"
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// While somebody was about to read a message, its block has become no part of
// the store any more, or it was removed.
var (
	errMoved   = errors.New("moved meanwhile")
	errRemoved = errors.New("removed meanwhile")
)

// again reports whether it is worth to look once more.
func again(err error) bool { return errors.Is(err, errMoved) || errors.Is(err, errRemoved) }

// candidate is a record that somebody wants to read.
type candidate struct {
	b       *block
	ordinal int
}

// Load implements store.Reader.
func (s *Store) Load(seq store.Seq, m *store.Message) error {
	for {
		s.mu.RLock()
		if s.closed {
			s.mu.RUnlock()
			return store.ErrClosed
		}
		i := findBlock(s.blocks, seq)
		if i == len(s.blocks) || seq < s.blocks[i].base || seq < s.state.First {
			s.mu.RUnlock()
			return store.ErrNotFound
		}
		b := s.blocks[i]
		if b.mem != nil || b.dense() {
			// The ordinal can be told without reading anything.
			at := b.ordinal(seq)
			if !b.dense() {
				at, _ = b.mem.search(uint32(seq - b.base)) // an index in memory gives no error
				if at == b.n || b.mem.slots[at].seq != uint32(seq-b.base) {
					s.mu.RUnlock()
					return store.ErrNotFound
				}
			}
			return notFound(s.loadLocked(candidate{b, at}, m))
		}
		b.pin()
		s.mu.RUnlock()
		at, err := s.findPinned(b, seq)
		if err == nil {
			err = s.load(candidate{b, at}, m)
		}
		b.unpin()
		if !errors.Is(err, errMoved) {
			return notFound(err)
		}
	}
}

func notFound(err error) error {
	if errors.Is(err, errRemoved) {
		return store.ErrNotFound
	}
	return err
}

// findPinned returns the ordinal of a message in a sealed block.
func (s *Store) findPinned(b *block, seq store.Seq) (at int, err error) {
	err = s.withPinned(b, func(x index) (err error) {
		at, _, err = find(x, b, seq)
		return err
	})
	return at, err
}

// load reads a message if it is there.
func (s *Store) load(c candidate, m *store.Message) error {
	s.mu.RLock()
	return s.loadLocked(c, m)
}

// loadLocked reads a message if it is there. The caller holds mu for reading; it
// is unlocked. The error is errMoved if the block is no part of the store any
// more, errRemoved if the message is not.
func (s *Store) loadLocked(c candidate, m *store.Message) error {
	b := c.b
	switch {
	case s.closed:
		s.mu.RUnlock()
		return store.ErrClosed
	case b.gone:
		s.mu.RUnlock()
		return errMoved
	case b.dead.has(c.ordinal):
		s.mu.RUnlock()
		return errRemoved
	}
	// Of an index in memory nothing is needed but the slot; whether there is one
	// says where frames are found.
	v := view{b: b, n: b.n, end: b.end, written: b.written, mem: b.mem, foot: b.foot, frames: b.frames}
	if b.mem != nil {
		sl := b.mem.slots[c.ordinal]
		if b == s.active && sl.place() >= s.bufAt {
			// It is not written yet.
			at := sl.place() - s.bufAt
			raw := m.Buffer(padded(sl.rawLen()))
			copy(raw, s.buf[at:])
			s.mu.RUnlock()
			return viewBuffered(b, &sl, raw, m)
		}
		b.pin()
		s.mu.RUnlock()
		defer b.unpin()
		return s.orClosed(s.readLive(&v, c.ordinal, &sl, m))
	}
	b.pin()
	s.mu.RUnlock()
	defer b.unpin()
	var sl slot
	err := s.use(&v, func(x index) (err error) {
		sl, err = x.slot(c.ordinal)
		return err
	})
	if err == nil {
		err = s.readLive(&v, c.ordinal, &sl, m)
	}
	return s.orClosed(err)
}

// viewBuffered makes m a view of a record that was in the buffer a moment ago.
func viewBuffered(b *block, sl *slot, raw []byte, m *store.Message) error {
	r, ok := decodeRecord(raw, b.seed, sl.place())
	if !ok {
		panic("store: a record in memory is not valid")
	}
	r.view(raw, m)
	return nil
}

// orClosed replaces the error of a file that was closed while it was read.
func (s *Store) orClosed(err error) error {
	if err == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	return err
}

// readLive reads a record of a pinned block. Damage is noted, unless the message was
// removed meanwhile, and perhaps erased.
func (s *Store) readLive(v *view, ordinal int, sl *slot, m *store.Message) error {
	err := s.readRecord(v, sl, m)
	if err == nil {
		return nil
	}
	var damage *store.CorruptionError
	if !errors.As(err, &damage) {
		return err
	}
	s.mu.RLock()
	live := !v.b.gone && !v.b.dead.has(ordinal)
	s.mu.RUnlock()
	if !live {
		// It may just have been overwritten.
		return s.readRecord(v, sl, m)
	}
	s.note(v.b, damage, sl.messageSize())
	return err
}

// At implements store.Reader. Where the index of a block cannot be read, its first
// message is the best that can be said.
func (s *Store) At(time int64) store.Seq {
	s.mu.RLock()
	none := s.state.Last + 1
	lo, hi := 0, len(s.blocks)
	for lo < hi {
		mid := (lo + hi) / 2
		if s.blocks[mid].lastTime < time {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	// The message is in this block, or if all that comes into question there are
	// removed, the first one of the next that has any.
	im := image{s: s}
	for _, b := range s.blocks[lo:] {
		if b.live > 0 && len(im.views) < 2 {
			b.pin()
			im.views = append(im.views, b.viewLocked(true))
		}
	}
	s.mu.RUnlock()
	defer im.release()
	for i := range im.views {
		v := &im.views[i]
		seq := store.Seq(0)
		err := s.use(v, func(x index) error {
			at, err := x.searchTime(time)
			if err != nil {
				return err
			}
			if at = nextWithout(nil, v.dead, at, v.n); at == v.n {
				return nil
			}
			sl, err := x.slot(at)
			seq = v.b.base + store.Seq(sl.seq)
			return err
		})
		if err != nil {
			return v.b.base
		}
		if seq > 0 {
			return seq
		}
	}
	return none
}

// Deleted implements store.Reader.
func (s *Store) Deleted() iter.Seq[store.Range] {
	return func(yield func(store.Range) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.state.Messages == 0 {
			return
		}
		free := s.state.First
		gap := func(until store.Seq) bool {
			return until <= free || yield(store.Range{First: free, Last: until - 1})
		}
		for _, b := range s.blocks {
			if !s.liveRuns(b, func(first, last store.Seq) bool {
				more := gap(first)
				free = last + 1
				return more
			}) {
				return
			}
		}
		gap(s.state.Last + 1)
	}
}

// liveRuns goes over the ranges of numbers of a block that have messages. The
// caller holds mu; where the index of the block has to be read that is I/O under
// a lock, which whoever asks for all that is deleted has to pay.
func (s *Store) liveRuns(b *block, yield func(first, last store.Seq) bool) bool {
	if b.dense() {
		for at := nextWithout(nil, b.dead, 0, b.n); at < b.n; {
			end := b.n
			if b.dead != nil {
				end = nextWithout(b.dead, nil, at, b.n)
			}
			if !yield(b.base+store.Seq(at), b.base+store.Seq(end)-1) {
				return false
			}
			at = nextWithout(nil, b.dead, end, b.n)
		}
		return true
	}
	v := b.viewLocked(false)
	x, err := v.index(s)
	for at := nextWithout(nil, b.dead, 0, b.n); at < b.n && err == nil; at = nextWithout(nil, b.dead, at+1, b.n) {
		var sl slot
		if sl, err = x.slot(at); err == nil {
			seq := b.base + store.Seq(sl.seq)
			if !yield(seq, seq) {
				return false
			}
		}
	}
	if err != nil {
		// A footer that cannot be read: as far as is known the messages are there.
		return yield(b.base, b.last)
	}
	return true
}
