package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Run tests an engine. open returns a new and empty store each time; the tests
// close it.
func Run(t *testing.T, size Size, open func(t *testing.T) store.Store) {
	k := &kit{size: size, open: open}
	t.Run("State", k.testState)
	t.Run("Remove", k.testRemove)
	t.Run("Purge", k.testPurge)
	t.Run("Load", k.testLoad)
	t.Run("Next", k.testNext)
	t.Run("Last", k.testLast)
	t.Run("LastOf", k.testLastOf)
	t.Run("Count", k.testCount)
	t.Run("Subjects", k.testSubjects)
	t.Run("At", k.testAt)
	t.Run("Deleted", k.testDeleted)
	t.Run("Message", k.testMessage)
	t.Run("Closed", k.testClosed)
	for _, w := range workloads {
		t.Run("random/"+w.name, func(t *testing.T) { k.testRandom(t, w) })
	}
	t.Run("Snapshot", k.testSnapshot)
	t.Run("Checkpoint", k.testCheckpoint)
	t.Run("readers", k.testReaders)
}

// kit is the tests of one engine.
type kit struct {
	size Size
	open func(t *testing.T) store.Store
}

// start returns an empty store that is closed at the end.
func (k *kit) start(t *testing.T) store.Store {
	t.Helper()
	s := k.open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// testRandom compares every answer with that of the model after every step.
func (k *kit) testRandom(t *testing.T, w workload) {
	steps := 200
	if race.Enabled {
		steps = 60 // it is the readers that the detector is for
	}
	for seed := range uint64(2) {
		r := newRun(t, w, seed, k.start(t), k.size)
		r.compare()
		for range steps {
			r.change()
			if r.rng.IntN(10) == 0 {
				r.maintain()
			}
			r.compare()
		}
	}
}

// testSnapshot keeps snapshots for a while, in which the store goes on.
func (k *kit) testSnapshot(t *testing.T) {
	type held struct {
		store.Snapshot
		m     *model
		where string
	}
	for seed, w := range workloads {
		r := newRun(t, w, uint64(seed), k.start(t), k.size)
		var snapshots []held
		release := func(i int) {
			compareSnapshot(t, snapshots[i].where, snapshots[i], snapshots[i].m)
			if err := snapshots[i].Close(); err != nil {
				t.Fatalf("%s: Close of the snapshot: %v", snapshots[i].where, err)
			}
			snapshots = append(snapshots[:i], snapshots[i+1:]...)
		}
		for range 400 {
			r.change()
			r.maintain()
			if r.rng.IntN(10) == 0 {
				s, err := r.s.Snapshot()
				if err != nil {
					r.fail("Snapshot(): %v", err)
				}
				snapshots = append(snapshots, held{s, r.m.clone(), r.where()})
			}
			if len(snapshots) > 3 {
				release(r.rng.IntN(len(snapshots)))
			}
		}
		r.compare()
		for len(snapshots) > 0 {
			release(0)
		}
	}
}

// testCheckpoint asks for checkpoints between changes, which changes nothing.
func (k *kit) testCheckpoint(t *testing.T) {
	for seed, w := range workloads {
		r := newRun(t, w, uint64(seed), k.start(t), k.size)
		for range 20 {
			r.change()
			c, err := r.s.Checkpoint([]byte(r.where()))
			if err != nil {
				r.fail("Checkpoint(): %v", err)
			}
			r.change()
			if err := c.Commit(); err != nil {
				r.fail("Commit(): %v", err)
			}
			r.maintain()
			r.compare()
		}
	}
}

// testReaders has readers look on while the store changes, mostly for the race
// detector. What they can know is that changes are whole: the writer adds ten
// messages and removes ten, and no count in between is a whole one.
func (k *kit) testReaders(t *testing.T) {
	const group, rounds = 10, 60
	s := k.start(t)
	var wg sync.WaitGroup
	var done atomic.Bool
	look := func(f func(m *store.Message) error) {
		wg.Go(func() {
			var m store.Message
			for !done.Load() {
				if err := f(&m); err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
					return
				}
			}
		})
	}
	look(func(*store.Message) error {
		st := s.State()
		if st.Messages > 0 && (st.First%group != 1 || uint64(st.Last-st.First)+1 != st.Messages+st.Deleted) {
			return fmt.Errorf("a reader saw %+v", st)
		}
		return nil
	})
	look(func(m *store.Message) error {
		if err := s.Load(s.State().First, m); err != nil {
			return err
		}
		return k.checkWritten(m)
	})
	odd := store.NewFilter("n.1", "n.3", "*.5")
	look(func(m *store.Message) error {
		if err := s.Next(odd, s.State().First+3, m); err != nil {
			return err
		}
		if m.Seq%2 == 0 {
			return fmt.Errorf("a reader asked for odd numbers and saw %d", m.Seq)
		}
		return k.checkWritten(m)
	})
	look(func(m *store.Message) error {
		if err := s.Last(store.NewFilter("n.2"), 0, m); err != nil {
			return err
		}
		return k.checkWritten(m)
	})
	look(func(*store.Message) error {
		seqs, err := s.LastOf(nil, 0, group, nil)
		if err != nil || len(seqs) > group {
			return fmt.Errorf("a reader saw the newest of each subject as %d, %w", seqs, err)
		}
		s.Count(odd, s.State().Last-2, true)
		s.At(int64(s.State().Last))
		return nil
	})
	look(func(*store.Message) error {
		for name, state := range s.Subjects("n.*") {
			if state.First > state.Last || uint64(state.Last-state.First)/group+1 != state.Messages {
				return fmt.Errorf("a reader saw %s as %+v", name, state)
			}
		}
		for range s.Deleted() {
		}
		return nil
	})

	write := func() error {
		for round := range rounds {
			for range group {
				if err := s.Append(k.written(s.State().Last + 1)); err != nil {
					return err
				}
			}
			if round < 3 {
				continue
			}
			snapshot, err := s.Snapshot()
			if err != nil {
				return err
			}
			wg.Go(func() {
				for m, err := range snapshot.Messages(0) {
					if err == nil {
						err = k.checkWritten(m)
					}
					if err != nil {
						t.Error(err)
					}
				}
				if err := snapshot.Close(); err != nil {
					t.Error(err)
				}
			})
			if n, err := s.Compact(s.State().First + group); n != group || err != nil {
				return fmt.Errorf("Compact = %d, %w", n, err)
			}
			if round%20 == 0 {
				if _, err := s.Purge(nil, 0, 0); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := write(); err != nil {
		t.Error(err)
	}
	done.Store(true)
	wg.Wait()
}

// written returns the message that testReaders writes under a number.
func (k *kit) written(seq store.Seq) *store.Message {
	return &store.Message{
		Seq: seq, Time: int64(seq),
		Subject: fmt.Appendf(nil, "n.%d", seq%10),
		Data:    fmt.Appendf(nil, "this is message %d", seq),
	}
}

func (k *kit) checkWritten(m *store.Message) error {
	if want := flat(k.written(m.Seq)); flat(m) != want {
		return fmt.Errorf("a reader saw %+v, want %+v", flat(m), want)
	}
	return nil
}
