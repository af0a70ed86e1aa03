package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Many groups write and read at once, while segments come and go.
func TestManyAtOnce(t *testing.T) {
	for _, interval := range []time.Duration{0, 20 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) { manyAtOnce(t, interval) })
	}
}

func manyAtOnce(t *testing.T, interval time.Duration) {
	var errs []error
	cfg := testConfig(vfs.NewMem(), &errs)
	cfg.Clock, cfg.SyncInterval = clock.Real(), interval
	if interval > 0 {
		cfg.Keys = testKeys(t, "secret")
	}
	l := open(t, cfg)
	l.Start()
	models := make([]model, 12)
	var wg sync.WaitGroup
	for i := range models {
		wg.Go(func() {
			m := make(model)
			models[i] = m
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			gen := generator{rng: rng, groups: 1, maxData: 400}
			for step := range 120 {
				w := gen.write(m)
				m.apply(w)
				w.Group = raft.GroupID(i + 1)
				done := make(chan error, 1)
				w.Done = func(err error) { done <- err }
				if err := l.Append(w); err != nil {
					t.Error(err)
					return
				}
				if rng.IntN(10) == 0 {
					time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
				}
				if err := <-done; err != nil {
					t.Error(err)
					return
				}
				g, ok := l.Group(w.Group)
				if exists := m[1] != nil; ok != exists {
					t.Errorf("group %d step %d: exists %v", i+1, step, ok)
				} else if !exists {
					continue
				}
				s := g.State()
				if err := m[1].check(l, &s); err != nil {
					t.Errorf("group %d step %d: %v", i+1, step, err)
					return
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Second)
	if s := l.Stats(); s.PendingBytes != 0 || s.Flushes == 0 || s.Rewritten == 0 || s.CacheHits == 0 || s.CacheMisses == 0 {
		t.Errorf("not all happened: %+v", s)
	}
	must(t, l.Close())
	if err := l.Append(Write{Group: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed log takes a write: %v", err)
	}
	l = open(t, cfg)
	all := make(model)
	for i, m := range models {
		if m[1] != nil {
			all[raft.GroupID(i+1)] = m[1]
		}
	}
	if err := all.check(l); err != nil {
		t.Error(err)
	}
	must(t, l.Close())
	if len(errs) > 0 {
		t.Error(errs)
	}
}

// A full disk is noticed and its end, too, without anybody's doing.
func TestStartedOnFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		cfg := testConfig(nil, &errs)
		cfg.Clock = clock.Real()
		fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
		cfg.FS = fs
		l := open(t, cfg)
		l.Start()
		fs.LimitSpace(20 << 10)
		done, want := 0, 60
		must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
		for i := range want {
			e := raft.Entry{Index: raft.Index(i + 1), Term: 1, Data: make([]byte, 1000)}
			must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{e}, Done: func(err error) {
				if err != nil {
					t.Error(err)
				}
				done++
			}}))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !l.Full() || done == want {
			t.Fatalf("full %v with %d of %d writes done", l.Full(), done, want)
		}
		fs.LimitSpace(-1)
		time.Sleep(time.Second)
		synctest.Wait()
		if l.Full() || done != want {
			t.Fatalf("full %v with %d of %d writes done", l.Full(), done, want)
		}
		must(t, l.Close())
	})
}

// A log that is opened on a full disk writes what waits when there is space, though
// nobody asks again.
func TestOpenedOnFullDisk(t *testing.T) {
	for i := range 3 {
		killed, quiet := i > 0, i > 1
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			cfg := testConfig(mem, nil)
			cfg.Clock = clock.Real()
			l := open(t, cfg)
			must(t, l.Append(Write{Group: 2, Replica: &Replica{Self: 1}, Entries: []raft.Entry{{Index: 1, Term: 1, Data: []byte("old")}}}))
			must(t, l.Flush())
			if killed {
				mem = mem.CrashClone(vfs.Killed)
			} else {
				must(t, l.Close())
			}
			fs := errorfs.Wrap(mem, clock.Real(), noRoom)
			cfg.FS, cfg.CacheBytes = fs, -1
			l = open(t, cfg)
			l.Start()
			done := make(chan error, 1)
			if quiet {
				done <- nil // nobody has anything to write
			} else {
				must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Done: func(err error) { done <- err }}))
			}
			read := func() {
				g, _ := l.Group(2)
				if ents, err := g.Entries(1, 2, 1<<20); err != nil || string(ents[0].Data) != "old" {
					t.Errorf("killed %v: %v, %v", killed, ents, err)
				}
			}
			for range 60 {
				time.Sleep(time.Second)
				read()
			}
			if len(done) > 0 && !quiet {
				t.Fatalf("killed %v: done on a full disk", killed)
			}
			if !l.Full() {
				t.Errorf("killed %v: it does not say that the disk is full", killed)
			}
			fs.SetInjector(nil)
			for range 1000 {
				time.Sleep(time.Millisecond)
				read()
			}
			select {
			case err := <-done:
				must(t, err)
			default:
				t.Errorf("killed %v: with space again nothing is written", killed)
			}
			if l.Full() {
				t.Errorf("killed %v: it still says that the disk is full", killed)
			}
			must(t, l.Close())
		})
	}
}

// While the disk is full a group can be compacted, and that gives back the space
// that others wait for.
func TestCompactionWinsSpaceBack(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			cfg := testConfig(nil, nil)
			cfg.Clock = clock.Real()
			fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
			cfg.FS = fs
			l := open(t, cfg)
			fs.LimitSpace(70 << 10)
			l.Start()
			var done [3]int
			write := func(w Write) {
				t.Helper()
				w.Done = func(err error) {
					if err != nil {
						t.Error(err)
					}
					done[w.Group]++
				}
				must(t, l.Append(w))
			}
			for id := range raft.GroupID(2) {
				write(Write{Group: id + 1, Replica: &Replica{Self: 1}})
			}
			for i := range raft.Index(80) {
				write(Write{Group: raft.GroupID(i%2 + 1), Entries: []raft.Entry{{Index: i/2 + 1, Term: 1, Data: make([]byte, 1500)}}})
			}
			time.Sleep(time.Second)
			g, _ := l.Group(1)
			if !l.Full() || done[1] == 41 || g.Last() == 0 {
				t.Fatalf("full %v, %d writes done", l.Full(), done)
			}
			if deleted {
				write(Write{Group: 1, Delete: true})
				time.Sleep(time.Second)
			}
			for range 20 {
				for id := range raft.GroupID(2) {
					if g, ok := l.Group(id + 1); ok && g.Last() >= g.First() {
						write(Write{Group: id + 1, Base: &raft.Base{Index: g.Last(), Term: 1}})
					}
				}
				time.Sleep(10 * time.Second)
			}
			if l.Full() || done[1] < 41 || done[2] < 41 {
				t.Errorf("full %v, %d writes done, %+v", l.Full(), done, l.Stats())
			}
			must(t, l.Close())
		})
	}
}

// The log has no timer and no goroutine that runs when there is nothing to do.
func TestIdleLogSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(nil, nil)
		cfg.Clock = clock.Real()
		fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
		cfg.FS = fs
		l := open(t, cfg)
		l.Start()
		must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
		time.Sleep(time.Minute)
		before := fs.Ops()
		time.Sleep(time.Hour)
		if n := fs.Ops() - before; n != 0 {
			t.Errorf("%d operations in an hour of nothing", n)
		}
		must(t, l.Close())
	})
}

// A poisoned log answers everything, also what comes while it fails.
func TestPoisonWhileStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		cfg := testConfig(nil, &errs)
		cfg.Clock = clock.Real()
		fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
		cfg.FS = fs
		l := open(t, cfg)
		l.Start()
		must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
		synctest.Wait()
		fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSyncData), errorfs.Fault{Err: errors.New("disk is gone")}))
		answers := make(chan error, 10)
		for i := range 10 {
			w := Write{Group: 1, Entries: []raft.Entry{{Index: raft.Index(i + 1), Term: 1}}, Done: func(err error) { answers <- err }}
			if err := l.Append(w); err != nil {
				answers <- err
			}
		}
		for range 10 {
			if err := <-answers; !errors.Is(err, ErrPoisoned) {
				t.Errorf("answered %v", err)
			}
		}
		if len(errs) != 1 || l.Stats().Poisoned == nil || l.Pending() != 0 {
			t.Errorf("errors %v, stats %+v", errs, l.Stats())
		}
		g, _ := l.Group(1)
		if g.Last() != 0 {
			t.Errorf("the group has entries up to %d", g.Last())
		}
		if err := l.Close(); !errors.Is(err, ErrPoisoned) {
			t.Errorf("closed with %v", err)
		}
	})
}

func TestInvalidWrites(t *testing.T) {
	entries := func(is ...raft.Index) (ents []raft.Entry) {
		for _, i := range is {
			ents = append(ents, raft.Entry{Index: i, Term: 1})
		}
		return ents
	}
	for _, tt := range []struct {
		name string
		w    Write
		want error // of Append
	}{
		{"no group", Write{Replica: &Replica{Self: 1}}, ErrInvalid},
		{"a replica that is nobody", Write{Group: 1, Replica: &Replica{}}, ErrInvalid},
		{"a gap among the entries", Write{Group: 1, Entries: entries(5, 7)}, ErrInvalid},
		{"entry 0", Write{Group: 1, Entries: entries(0)}, ErrInvalid},
		{"an unknown type", Write{Group: 1, Entries: []raft.Entry{{Index: 5, Type: 7}}}, ErrInvalid},
		{"a group that does not exist", Write{Group: 2, Hard: &raft.HardState{}}, nil},
		{"a gap behind the last", Write{Group: 1, Entries: entries(6)}, nil},
		{"an entry that is compacted", Write{Group: 1, Entries: entries(2)}, nil},
		{"a base before the base", Write{Group: 1, Base: &raft.Base{Index: 1, Term: 1}}, nil},
		{"an entry in the base", Write{Group: 1, Base: &raft.Base{Index: 9, Term: 1}, Entries: entries(9)}, nil},
		{"a deleted group", Write{Group: 3, Entries: entries(1)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := vfs.NewMem()
			l := open(t, testConfig(fs, nil))
			for _, w := range []Write{
				{Group: 1, Replica: &Replica{Self: 1}, Entries: entries(1, 2, 3, 4)},
				{Group: 1, Base: &raft.Base{Index: 2, Term: 1}},
				{Group: 3, Replica: &Replica{Self: 1}, Entries: entries(1)},
				{Group: 3, Delete: true},
			} {
				must(t, l.Append(w))
			}
			must(t, l.Flush())
			before := fmt.Sprint(l.Groups())
			var answer error
			tt.w.Done = func(err error) { answer = err }
			err := l.Append(tt.w)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Append: %v, want %v", err, tt.want)
			}
			must(t, l.Flush())
			if tt.want == nil && !errors.Is(answer, ErrInvalid) {
				t.Errorf("answered %v", answer)
			}
			if after := fmt.Sprint(l.Groups()); after != before {
				t.Errorf("it changed %s to %s", before, after)
			}
			must(t, l.Close())
		})
	}
}

func TestOpenTwice(t *testing.T) {
	cfg := testConfig(vfs.NewMem(), nil)
	l := open(t, cfg)
	if !l.Created() {
		t.Error("it was not created")
	}
	if _, err := Open(cfg); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	inc := l.Incarnation()
	must(t, l.Close())
	l = open(t, cfg)
	if l.Created() || l.Incarnation() != inc || inc == 0 {
		t.Errorf("created %v, incarnation %d after %d", l.Created(), l.Incarnation(), inc)
	}
	must(t, l.Close())
}

// A store that has lost everything is another store.
func TestLostStore(t *testing.T) {
	fs := vfs.NewMem()
	var errs []error
	cfg := testConfig(fs, &errs)
	l := open(t, cfg)
	inc := l.Incarnation()
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
	must(t, l.Flush())
	must(t, l.Close())
	for _, name := range []string{segmentName(1), sidecarName(1)} {
		must(t, fs.Remove("/wal/"+name))
	}
	l = open(t, cfg)
	if !l.Created() || l.Incarnation() == inc || len(l.Groups()) != 0 || len(errs) != 1 {
		t.Errorf("created %v, incarnation %d after %d, groups %v, errors %v", l.Created(), l.Incarnation(), inc, l.Groups(), errs)
	}
	must(t, l.Close())
}

// Nobody writes into a log before it was started, however much he would like to help.
func TestHelpBeforeStart(t *testing.T) {
	var errs []error
	l := open(t, testConfig(vfs.NewMem(), &errs))
	written := false
	must(t, l.Queue(Write{Group: 1, Replica: &Replica{Self: 1}, Done: func(err error) { written = err == nil }}))
	if l.Help(nil); written || l.Queued() {
		t.Error("it was written")
	}
	must(t, l.Close())
}

// What is queued waits for somebody who helps, and is durable when that is over. Who
// comes while another one flushes need not wait: it is seen to.
func TestHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs []error
		cfg := testConfig(nil, &errs)
		cfg.Clock = clock.Real()
		fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
		cfg.FS = fs
		l := open(t, cfg)
		l.Help(nil) // is not for a log that was not started
		l.Start()
		synctest.Wait()
		done := make(chan int, 10)
		queue := func(n int) {
			w := Write{Group: 1, Entries: []raft.Entry{{Index: raft.Index(n), Term: 1, Data: []byte("x")}}, Done: func(err error) {
				if err != nil {
					t.Error(err)
				}
				done <- n
			}}
			if n == 1 {
				w.Replica = &Replica{Self: 1}
			}
			must(t, l.Queue(w))
		}
		queue(1)
		synctest.Wait()
		if len(done) != 0 {
			t.Error("somebody was woken")
		}
		l.Help(func() {
			if len(done) != 0 {
				t.Error("told before it was over")
			}
		})
		if len(done) != 1 {
			t.Error("it is not written")
		}
		fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: time.Second}))
		queue(2)
		var wg sync.WaitGroup
		wg.Go(func() { l.Help(nil) })
		synctest.Wait()
		begun := time.Now()
		for n := 3; n < 6; n++ {
			queue(n)
			l.Help(nil)
		}
		if time.Since(begun) != 0 {
			t.Error("who comes second waits")
		}
		wg.Wait()
		time.Sleep(time.Minute)
		for want := 1; want < 6; want++ {
			if n := <-done; n != want {
				t.Errorf("write %d was done, not %d", n, want)
			}
		}
		fs.SetInjector(nil)
		must(t, l.Close())
	})
}
