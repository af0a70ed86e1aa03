package wal

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// writes are the operations whose failure ends the log.
var writes = errorfs.Kinds(errorfs.OpCreate, errorfs.OpRename, errorfs.OpWrite, errorfs.OpWriteAt, errorfs.OpTruncate,
	errorfs.OpPreallocate, errorfs.OpSync, errorfs.OpSyncData, errorfs.OpSyncDir)

// Whichever write or sync fails, somebody is told, and from then on the files
// stay as they are: nothing is tried again, by the log or by those who keep its
// house.
func TestFailureEndsTheLog(t *testing.T) {
	withoutRace(t)
	for i, interval := range []time.Duration{0, 300 * time.Millisecond} {
		for n := uint64(1); failWrite(t, n, uint64(10+i), interval); n++ {
			if t.Failed() {
				return
			}
		}
	}
}

// failWrite reports whether there was an nth write.
func failWrite(t *testing.T, n, seed uint64, interval time.Duration) bool {
	mem := vfs.NewMem()
	s := newStory(t, nil, seed)
	s.cfg.SyncInterval = interval
	s.gen.maxData = 300
	fail := errorfs.FailNth(n, writes, errorfs.Fault{Err: syscall.EIO})
	s.cfg.FS = errorfs.Wrap(mem, s.cfg.Clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if first, failed := fail.Fired(); failed && writes(op) {
			t.Errorf("interval %v: %v failed, and then came %v", interval, first, op)
		}
		return fail.Inject(op)
	}))
	told := false
	tell := func(err error) { told = told || errors.Is(err, syscall.EIO) }
	l, err := Open(s.cfg)
	tell(err)
	if err == nil {
		s.log = l
		for range 200 {
			if err := s.step(); err != nil {
				tell(err)
			}
			tell(l.Stats().Poisoned)
		}
		// What it is asked to do once more it does not do.
		tell(l.Flush())
		if err := l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}); l.Stats().Poisoned != nil && !errors.Is(err, ErrPoisoned) {
			t.Errorf("interval %v: a poisoned log takes a write: %v", interval, err)
		}
		tell(l.Housekeep())
		tell(l.Housekeep())
		tell(l.Close())
	}
	op, fired := fail.Fired()
	if fired && !told {
		t.Errorf("interval %v: %v failed, and nobody was told", interval, op)
	}
	return fired
}

// A full disk does not excuse that what was acknowledged before could not be
// synced: it may be gone, and no room brings it back.
func TestFullDiskExcusesNoLoss(t *testing.T) {
	mem := vfs.NewMem()
	cfg := testConfig(nil, nil)
	cfg.SyncInterval = time.Hour
	fs := errorfs.Wrap(mem, cfg.Clock, nil)
	cfg.FS = fs
	l := open(t, cfg)
	acknowledged := 0
	done := func(err error) { must(t, err); acknowledged++ }
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Done: done}))
	must(t, l.Flush())
	must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 1, Term: 1}}, Done: done}))
	must(t, l.Flush())
	if acknowledged != 2 {
		t.Fatalf("%d writes acknowledged", acknowledged)
	}
	fs.SetInjector(errorfs.FailNth(1, errorfs.Kinds(errorfs.OpSyncData), errorfs.Fault{Err: syscall.ENOSPC}))
	if err := l.Housekeep(); !errors.Is(err, ErrPoisoned) {
		t.Errorf("housekeeping says %v", err)
	}
	if err := l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 2, Term: 1}}}); !errors.Is(err, ErrPoisoned) {
		t.Errorf("a write is taken: %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrPoisoned) {
		t.Errorf("closed with %v", err)
	}
}

// While the disk is full a compaction passes what waits of its group, but not what
// would come to another end behind it.
func TestCompactionDoesNotPassWhatItIsAbout(t *testing.T) {
	cfg := testConfig(nil, nil)
	fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
	cfg.FS = fs
	l := open(t, cfg)
	m := make(model)
	done := 0
	write := func(w Write) {
		w.Done = func(err error) {
			if done++; err != nil {
				t.Error(err)
			}
		}
		must(t, l.Append(w))
		m.apply(w)
	}
	entries := func(first, last raft.Index, term raft.Term, size int) (ents []raft.Entry) {
		for i := first; i <= last; i++ {
			ents = append(ents, raft.Entry{Index: i, Term: term, Data: make([]byte, size)})
		}
		return ents
	}
	write(Write{Group: 1, Replica: &Replica{Self: 1}, Entries: entries(1, 5, 1, 10)})
	must(t, l.Flush())
	fs.LimitSpace(0)
	write(Write{Group: 1, Entries: entries(3, 5, 2, 10<<10)})
	write(Write{Group: 1, Base: &raft.Base{Index: 4, Term: 1}})
	must(t, l.Flush())
	if !l.Full() || done != 1 {
		t.Fatalf("full %v with %d writes done", l.Full(), done)
	}
	fs.LimitSpace(-1)
	must(t, l.Housekeep())
	must(t, l.Flush())
	if done != 3 {
		t.Errorf("%d writes done", done)
	}
	if err := m.check(l); err != nil {
		t.Error(err)
	}
	must(t, l.Close())
}

// With SyncInterval, too, a log that was closed is on disk.
func TestClosedLogIsOnDisk(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs, nil)
	cfg.SyncInterval = time.Hour
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
	must(t, l.Flush())
	must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 1, Term: 1}}}))
	must(t, l.Close())
	cfg.FS = fs.CrashClone(vfs.CrashOptions{})
	l = open(t, cfg)
	if g, ok := l.Group(1); !ok || g.Last() != 1 || len(g.State().Damage) > 0 {
		t.Errorf("the group exists: %v, %+v", ok, g.State())
	}
	must(t, l.Close())
}

// A log is made or not, whenever the power goes: what is told of afterwards is
// there, and nothing looks as if it had been lost.
func TestPowerCutWhileTheStoreIsMade(t *testing.T) {
	mem := vfs.NewMem()
	cfg := testConfig(nil, nil)
	type cut struct {
		fs   *vfs.Mem
		op   errorfs.Op
		done bool
	}
	var cuts []cut
	done := false
	cfg.FS = errorfs.Wrap(mem, cfg.Clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		for _, o := range []vfs.CrashOptions{{}, {Name: 1}, {Page: 1}, vfs.Killed} {
			cuts = append(cuts, cut{mem.CrashClone(o), op, done})
		}
		return errorfs.Fault{}
	}))
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Done: func(error) { done = true }}))
	must(t, l.Flush())
	must(t, l.Housekeep())
	must(t, l.Close())
	for _, c := range cuts {
		var errs []error
		cfg := testConfig(c.fs, &errs)
		l := open(t, cfg)
		if _, ok := l.Group(1); c.done && !ok || len(errs) > 0 {
			t.Errorf("power cut at %v: the group exists: %v, errors %v", c.op, ok, errs)
		}
		goOn(t, l)
		must(t, l.Close())
	}
}
