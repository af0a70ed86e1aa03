package file

import (
	"iter"
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// snapshot is a store.Snapshot. It keeps the files of its blocks, however long it
// is held.
type snapshot struct {
	image
	state  store.State
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
	return &snapshot{image: *s.imageLocked(&all, math.MaxUint64), state: s.stateLocked()}, nil
}

func (sn *snapshot) State() store.State { return sn.state }

// Messages implements store.Snapshot. It leaves the cache to others. What was erased meanwhile has a content of
// zeros.
func (sn *snapshot) Messages() iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		var m store.Message
		pass := new(pass)
		for i := range sn.views {
			v := &sn.views[i]
			v.pass = pass
			next := 0
			more := true
			err := sn.s.use(v, func(x index) error {
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
