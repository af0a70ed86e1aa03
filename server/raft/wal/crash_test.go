package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// story is a run of random writes whose every state is kept, so that what a
// crash leaves can be compared with each.
type story struct {
	// disorder lets writes of different groups be done in another order than
	// that of Append, as they are while the disk is full.
	disorder bool
	t        testing.TB
	rng      *rand.Rand
	cfg      Config
	log      *Log
	gen      generator
	// states[n] is what the first n writes lead to; done of them are
	// acknowledged.
	states []model
	done   int
	// groups has the states of each group after each of its writes, nil where it
	// does not exist, and acked how many of them are acknowledged.
	groups map[raft.GroupID][]*modelGroup
	acked  map[raft.GroupID]int
	failed error // what a write was answered
	errs   []error
}

// newStory begins a story on a log, which is encrypted if the seed is odd.
func newStory(t testing.TB, fs vfs.FS, seed uint64) *story {
	s := &story{t: t, rng: rand.New(rand.NewPCG(seed, 7))}
	s.restart(model{})
	s.gen = generator{rng: s.rng, groups: 5, maxData: 700}
	s.cfg = testConfig(fs, &s.errs)
	if seed%2 == 1 {
		s.cfg.Keys = testKeys(t, "secret")
	}
	return s
}

// restart takes m for what has been acknowledged.
func (s *story) restart(m model) {
	s.states, s.done, s.failed = []model{m}, 0, nil
	s.groups, s.acked = make(map[raft.GroupID][]*modelGroup), make(map[raft.GroupID]int)
	for id := range raft.GroupID(10) {
		s.groups[id] = []*modelGroup{m[id]}
	}
}

func (s *story) last() model { return s.states[len(s.states)-1] }

func (s *story) append() error {
	w := s.gen.write(s.last())
	n, own := len(s.states), len(s.groups[w.Group])
	w.Done = func(err error) {
		if err != nil {
			s.failed = err
			return
		}
		if !s.disorder && s.done != n-1 {
			s.t.Errorf("write %d is done after %d", n, s.done)
		}
		s.done++
		if s.disorder && s.acked[w.Group] < own-1 && w.Base != nil {
			return // it has passed others
		}
		if s.acked[w.Group]++; s.acked[w.Group] != own && !s.disorder {
			s.t.Errorf("write %d of group %d is done as %d", own, w.Group, s.acked[w.Group])
		}
	}
	if err := s.log.Append(w); err != nil {
		return err
	}
	next := s.last().clone()
	next.apply(w)
	s.states = append(s.states, next)
	s.groups[w.Group] = append(s.groups[w.Group], next[w.Group])
	return nil
}

// compacted is the group with the base that was found, if that is in its log: a
// write that compacts may have passed others.
func (m *modelGroup) compacted(have *GroupState) *modelGroup {
	n := int(have.Base.Index) - int(m.base.Index)
	if n <= 0 || n > len(m.entries) || m.entries[n-1].Term != have.Base.Term {
		return m
	}
	c := m.clone()
	c.base, c.entries = have.Base, c.entries[n:]
	return c
}

// reopenGroups is reopen where each group counts by itself. It returns what is
// there.
func (s *story) reopenGroups(fs vfs.FS) (*Log, model, error) {
	cfg := s.cfg
	cfg.FS = fs
	var errs []error
	cfg.OnError = func(err error) { errs = append(errs, err) }
	l, err := Open(cfg)
	if err != nil {
		return nil, nil, err
	}
	if len(errs) > 0 {
		return l, nil, fmt.Errorf("damage reported after a crash: %w", errors.Join(errs...))
	}
	there := make(map[raft.GroupID]GroupState)
	for _, g := range l.Groups() {
		there[g.ID] = g
	}
	m := make(model)
	for id, states := range s.groups {
		have, exists := there[id]
		err := fmt.Errorf("group %d exists: %v", id, exists)
		for n := len(states) - 1; n >= s.acked[id] && err != nil; n-- {
			switch {
			case states[n] == nil && !exists:
				err = nil
			case states[n] != nil && exists:
				m[id] = states[n]
				if s.disorder {
					m[id] = states[n].compacted(&have)
				}
				err = m[id].check(l, &have)
			}
		}
		if err != nil {
			return l, nil, fmt.Errorf("group %d is in none of its states %d to %d: %w", id, s.acked[id], len(states)-1, err)
		}
		if !exists {
			delete(m, id)
		}
	}
	return l, m, nil
}

// step does something at random.
func (s *story) step() error {
	s.cfg.Clock.(*clock.Virtual).Advance(time.Duration(s.rng.IntN(100)) * time.Millisecond)
	switch op := s.rng.IntN(20); {
	case op < 2:
		return s.log.Housekeep()
	case op < 6:
		return s.log.Flush()
	default:
		return s.append()
	}
}

// reopen opens what a crash has left and finds the state that it is: one with at
// least the first least writes, and at most the first most.
func (s *story) reopen(fs vfs.FS, least, most int) (*Log, int, error) {
	cfg := s.cfg
	cfg.FS = fs
	var errs []error
	cfg.OnError = func(err error) { errs = append(errs, err) }
	l, err := Open(cfg)
	if err != nil {
		return nil, 0, err
	}
	if len(errs) > 0 {
		return l, 0, fmt.Errorf("damage reported after a crash: %w", errors.Join(errs...))
	}
	var first error
	for n := most; n >= least; n-- {
		err := s.states[n].check(l)
		if err == nil {
			return l, n, nil
		}
		if first == nil {
			first = err
		}
	}
	return l, 0, fmt.Errorf("it is none of the states %d to %d: %w", least, most, first)
}

// A power cut at any operation, with any part of what is not synced on disk,
// leaves a log that has all that was acknowledged, and a second power cut while
// that is opened does not change it.
func TestPowerCutAnywhere(t *testing.T) {
	withoutRace(t)
	for seed := range uint64(16) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { cutPower(t, seed) })
	}
}

func cutPower(t *testing.T, seed uint64) {
	mem := vfs.NewMem()
	s := newStory(t, nil, seed)
	crashes := rand.New(rand.NewPCG(seed, 8))
	options := func() vfs.CrashOptions {
		o := vfs.CrashOptions{Rand: crashes, Page: crashes.Float64(), Torn: crashes.Float64() / 2, Name: crashes.Float64(), Journal: crashes.IntN(2) == 0}
		switch crashes.IntN(6) {
		case 0:
			o.Page, o.Name = 0, 0
		case 1:
			o = vfs.Killed
		}
		return o
	}
	type clone struct {
		fs   *vfs.Mem
		op   errorfs.Op
		done int
		all  int
	}
	var clones []clone
	fs := errorfs.Wrap(mem, s.cfg.Clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if op.Kind.Changes() && crashes.IntN(12) == 0 {
			clones = append(clones, clone{mem.CrashClone(options()), op, s.done, len(s.states) - 1})
		}
		return errorfs.Fault{}
	}))
	s.cfg.FS = fs
	s.log = open(t, s.cfg)
	secrets := []string{"secret"}
	for range 500 {
		must(t, s.step())
		if s.rng.IntN(150) == 0 {
			must(t, s.log.Close())
			if seed%4 == 3 {
				// Clones are opened with all of them, whichever was in use.
				secrets = append([]string{fmt.Sprint("secret ", len(secrets))}, secrets...)
				s.cfg.Keys = testKeys(t, secrets[0], secrets[1:]...)
			}
			s.log = open(t, s.cfg)
		}
	}
	for _, c := range clones {
		// The first opening is cut, too, at an operation of its own.
		again := make([]*vfs.Mem, 0, 4)
		during := errorfs.Wrap(c.fs, s.cfg.Clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			if op.Kind.Changes() && crashes.IntN(4) == 0 && len(again) < cap(again) {
				again = append(again, c.fs.CrashClone(options()))
			}
			return errorfs.Fault{}
		}))
		l, n, err := s.reopen(during, c.done, c.all)
		if err != nil {
			t.Fatalf("power cut at %v: %v", c.op, err)
		}
		again = append(again, c.fs.CrashClone(vfs.CrashOptions{}))
		for i, fs := range again {
			// Once opened, what was found is durable.
			least := c.done
			if i == len(again)-1 {
				least = n
			}
			second, _, err := s.reopen(fs, least, c.all)
			if err != nil {
				t.Fatalf("power cut at %v, and once more (%d) while that was opened: %v", c.op, i, err)
			}
			must(t, second.Close())
		}
		goOn(t, l)
		must(t, l.Close())
	}
	if len(clones) == 0 {
		t.Error("no power cut")
	}
}

// goOn writes something to a log that was opened after a crash.
func goOn(t testing.TB, l *Log) {
	t.Helper()
	var result error
	w := Write{Group: 99, Replica: &Replica{Self: 7}, Entries: []raft.Entry{{Index: 1, Term: 1}}, Done: func(err error) { result = err }}
	must(t, l.Append(w))
	must(t, l.Flush())
	must(t, result)
	must(t, l.Housekeep())
}

// With SyncInterval a power cut may take the end of what was acknowledged, the
// death of the process nothing.
func TestSyncInterval(t *testing.T) {
	for seed := range uint64(8) {
		mem := vfs.NewMem()
		s := newStory(t, mem, seed)
		s.cfg.SyncInterval = 200 * time.Millisecond
		s.log = open(t, s.cfg)
		synced, behind := 0, 0
		for range 400 {
			syncs := s.log.Stats().Syncs
			must(t, s.step())
			if s.log.Stats().Syncs > syncs && s.log.active.synced == s.log.active.end {
				synced = s.done
			}
			if s.rng.IntN(10) > 0 {
				continue
			}
			behind = max(behind, s.done-synced)
			l, _, err := s.reopen(mem.CrashClone(vfs.Killed), s.done, len(s.states)-1)
			if err != nil {
				t.Fatalf("seed %d: killed: %v", seed, err)
			}
			must(t, l.Close())
			l, _, err = s.reopen(mem.CrashClone(vfs.CrashOptions{Rand: s.rng, Page: 0.5, Torn: 0.2}), synced, len(s.states)-1)
			if err != nil {
				t.Fatalf("seed %d: power cut: %v", seed, err)
			}
			must(t, l.Close())
		}
		if synced == 0 || behind == 0 {
			t.Errorf("seed %d: %d of %d writes synced, never behind by more than %d", seed, synced, s.done, behind)
		}
		must(t, s.log.Close())
	}
}

// With a SyncInterval a power cut takes entries, but no term and no vote that
// was reported as durable: a replica that votes twice costs more than an interval.
func TestSyncIntervalKeepsVotes(t *testing.T) {
	mem := vfs.NewMem()
	cfg := testConfig(mem, nil)
	cfg.SyncInterval = time.Hour
	l := open(t, cfg)
	var hard raft.HardState
	write := func(w Write) {
		t.Helper()
		w.Group = 1
		done := false
		w.Done = func(err error) { must(t, err); done = true }
		must(t, l.Append(w))
		must(t, l.Flush())
		if !done {
			t.Fatal("not done")
		}
	}
	lost := 0
	write(Write{Replica: &Replica{Self: 7}})
	for i := range raft.Index(20) {
		if i%3 == 0 {
			hard = raft.HardState{Term: raft.Term(i) + 1, Vote: 7}
			write(Write{Hard: &hard})
		}
		write(Write{Entries: []raft.Entry{{Index: i + 1, Term: hard.Term}}})
		again := cfg
		again.FS = mem.CrashClone(vfs.CrashOptions{})
		l2 := open(t, again)
		gs := l2.Groups()[0]
		if gs.Hard != hard || gs.Replica.Self != 7 {
			t.Errorf("after entry %d a power cut left %+v of %+v", i+1, gs.Hard, hard)
		}
		lost = max(lost, int(i+1-gs.Last))
		must(t, l2.Close())
	}
	if lost == 0 {
		t.Error("each entry was synced at once")
	}
	must(t, l.Close())
}

// Whichever operation fails, nothing is acknowledged afterwards that is not
// there, and the log can be opened again with all that was.
func TestEveryOperationFails(t *testing.T) {
	for i, fault := range []struct {
		name  string
		fault errorfs.Fault
	}{
		{"EIO", errorfs.Fault{Err: syscall.EIO}},
		{"EIO after it happened", errorfs.Fault{Err: syscall.EIO, After: true}},
		{"EIO half-way", errorfs.Fault{Err: syscall.EIO, Part: 100}},
		{"ENOSPC", errorfs.Fault{Err: syscall.ENOSPC}},
		{"ENOSPC half-way", errorfs.Fault{Err: syscall.ENOSPC, Part: 3000}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for n := uint64(1); ; n++ {
				if !failNth(t, n, uint64(3+i%2), fault.fault) {
					if n < 50 {
						t.Errorf("%d operations only", n)
					}
					return
				}
			}
		})
	}
}

// failNth reports whether there was an nth operation.
func failNth(t *testing.T, n, seed uint64, fault errorfs.Fault) bool {
	mem := vfs.NewMem()
	s := newStory(t, nil, seed)
	s.disorder = noSpace(fault.Err)
	fail := errorfs.FailNth(n, errorfs.Every, fault)
	s.cfg.FS = errorfs.Wrap(mem, s.cfg.Clock, fail)
	l, err := Open(s.cfg)
	if err == nil {
		s.log = l
		for range 150 {
			err = s.step()
			if s.failed != nil {
				if !errors.Is(s.failed, ErrPoisoned) {
					t.Fatalf("failing %d: a write was answered %v", n, s.failed)
				}
				if err := s.log.Append(Write{Group: 1}); !errors.Is(err, ErrPoisoned) {
					t.Fatalf("failing %d: a write was taken after it (%v)", n, err)
				}
				if len(s.errs) == 0 {
					t.Fatalf("failing %d: nobody was told", n)
				}
			}
			if err != nil || s.failed != nil {
				break
			}
		}
		closeErr := s.log.Close()
		if noSpace(fault.Err) && closeErr == nil && s.failed == nil && s.done != len(s.states)-1 {
			t.Fatalf("failing %d: %d of %d writes done after Close", n, s.done, len(s.states)-1)
		}
	}
	op, fired := fail.Fired()
	// What the process has left, and what a power cut leaves of that.
	for _, fs := range []*vfs.Mem{mem, mem.CrashClone(vfs.CrashOptions{}), mem.CrashClone(vfs.Killed)} {
		l, _, err := s.reopenGroups(fs)
		if err != nil {
			t.Fatalf("failing %v: %v", op, err)
		}
		goOn(t, l)
		must(t, l.Close())
	}
	return fired
}

// A full disk makes writes wait; when there is space again they go on, and
// nothing is lost either way.
func TestFullDisk(t *testing.T) {
	passed, late := 0, 0
	for seed := range uint64(40) {
		mem := vfs.NewMem()
		s := newStory(t, nil, seed)
		s.disorder = true
		fs := errorfs.Wrap(mem, s.cfg.Clock, nil)
		s.cfg.FS = fs
		s.log = open(t, s.cfg)
		fs.LimitSpace(20 << 10)
		full := 0
		for range 600 {
			before, was := s.done, s.log.Full()
			must(t, s.step())
			if !s.log.Full() {
				continue
			}
			full++
			if was && s.done > before {
				passed++
			}
			switch s.rng.IntN(30) {
			case 0:
				fs.LimitSpace(40 << 10)
			case 1:
				must(t, s.log.Close())
				if s.failed != nil && !errors.Is(s.failed, ErrClosed) {
					t.Fatalf("seed %d: a write was answered %v", seed, s.failed)
				}
				l, m, err := s.reopenGroups(mem)
				if err != nil {
					t.Fatalf("seed %d: opened while full: %v", seed, err)
				}
				must(t, l.Close())
				s.restart(m)
				s.log = open(t, s.cfg)
			case 2:
				mem = mem.CrashClone(vfs.Killed)
				_, m, err := s.reopenGroups(mem.CrashClone(vfs.Killed))
				if err != nil {
					t.Fatalf("seed %d: killed while full: %v", seed, err)
				}
				s.restart(m)
				fs = errorfs.Wrap(mem, s.cfg.Clock, nil)
				fs.LimitSpace(s.rng.Int64N(3) * 10 << 10)
				s.cfg.FS = fs
				if s.log = open(t, s.cfg); s.log.unrenewed.Load() {
					late++
				}
			}
		}
		if full == 0 {
			t.Errorf("seed %d: the disk was never full", seed)
		}
		fs.LimitSpace(-1)
		must(t, s.log.Housekeep())
		must(t, s.log.Flush())
		if s.log.Full() || s.done != len(s.states)-1 {
			t.Fatalf("seed %d: %d of %d writes done with space", seed, s.done, len(s.states)-1)
		}
		if err := s.last().check(s.log); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		// And so it stays.
		for range 100 {
			must(t, s.step())
		}
		must(t, s.log.Flush())
		if err := s.last().check(s.log); err != nil {
			t.Fatalf("seed %d, some time after: %v", seed, err)
		}
		for _, err := range s.errs {
			if !errors.Is(err, ErrFull) {
				t.Errorf("seed %d: %v", seed, err)
			}
		}
		must(t, s.log.Close())
		s.cfg.FS = mem.CrashClone(vfs.CrashOptions{})
		l := open(t, s.cfg)
		if err := s.last().check(l); err != nil {
			t.Fatalf("seed %d, opened again: %v", seed, err)
		}
		must(t, l.Close())
	}
	if passed == 0 || late == 0 {
		t.Errorf("%d times something has passed what waits, %d times the tail had to wait", passed, late)
	}
}
