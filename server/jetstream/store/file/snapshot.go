package file

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// snapshot is a store.Snapshot. It keeps the files of its blocks, however long it
// is held.
type snapshot struct {
	image
	state  store.State
	losses []store.Loss
	parts  []store.Part
	closed bool
}

// Snapshot implements store.Store. It writes what is in the buffer: an error of a
// full disk leaves the store as it was.
func (s *Store) Snapshot() (store.Snapshot, error) {
	if err := s.beginWrite(); err != nil {
		return nil, err
	}
	defer s.write.Unlock()
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := prune{hi: math.MaxUint64}
	sn := &snapshot{image: *s.imageLocked(&all, math.MaxUint64), state: s.stateLocked(), losses: s.losses}
	for i := range sn.views {
		b := sn.views[i].b
		sn.parts = append(sn.parts, store.Part{First: b.base, Size: b.liveBytes})
	}
	return sn, nil
}

// State implements store.Content.
func (sn *snapshot) State() store.State { return sn.state }

// Lost implements store.Content.
func (sn *snapshot) Lost() []store.Loss { return slices.Clone(sn.losses) }

// Parts implements store.Snapshot: each is a block.
func (sn *snapshot) Parts() []store.Part { return sn.parts }

// Messages implements store.Content. It leaves the cache to others. What was erased meanwhile has a content of
// zeros.
func (sn *snapshot) Messages(from store.Seq) iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		var m store.Message
		pass := new(pass)
		first, found := slices.BinarySearchFunc(sn.parts, from, func(p store.Part, seq store.Seq) int { return cmp.Compare(p.First, seq) })
		if !found {
			first = max(0, first-1) // it may begin in the middle of that
		}
		for i := first; i < len(sn.views); i++ {
			v := &sn.views[i]
			v.pass = pass
			next := 0
			more := true
			err := sn.s.use(v, func(x index) (err error) {
				if d := from - v.b.base; from > v.b.base && next == 0 {
					next = v.n
					if d <= math.MaxUint32 {
						next, err = x.search(uint32(d))
					}
					if err != nil {
						return err
					}
				}
				for at := nextWithout(nil, v.dead, next, v.n); at < v.n; at = nextWithout(nil, v.dead, at+1, v.n) {
					sl, err := x.slot(at)
					if err == nil {
						err = sn.s.readLive(v, at, &sl, &m)
					}
					if err != nil {
						return err
					}
					next = at + 1
					if more = yield(&m, nil); !more {
						return nil
					}
				}
				return nil
			})
			if err != nil {
				yield(nil, sn.s.orClosed(err))
				return
			}
			if !more {
				return
			}
		}
	}
}

// Close implements io.Closer.
func (sn *snapshot) Close() error {
	if !sn.closed {
		sn.closed = true
		sn.release()
	}
	return nil
}
