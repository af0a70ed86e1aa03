package wal

import (
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// noRoom fails all that may need space, whatever was given back before.
var noRoom = errorfs.On(errorfs.Kinds(errorfs.OpCreate, errorfs.OpWrite, errorfs.OpWriteAt, errorfs.OpPreallocate), errorfs.Fault{Err: syscall.ENOSPC})

// A log that was killed opens on a disk that takes nothing at all, again and again: what
// was in it can be read, also what could not be written once more yet, and that comes
// before anything else when there is space.
func TestOpenedWithATailOnAFullDisk(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4, 5} {
		mem := vfs.NewMem()
		s := newStory(t, nil, seed)
		s.cfg.FS = mem
		s.log = open(t, s.cfg)
		for range 200 {
			must(t, s.step())
		}
		must(t, s.log.Flush())
		var l *Log
		for life := range 4 {
			mem = mem.CrashClone(vfs.Killed)
			fs := errorfs.Wrap(mem, s.cfg.Clock, noRoom)
			var errs []error
			cfg := s.cfg
			cfg.FS, cfg.OnError = fs, func(err error) { errs = append(errs, err) }
			l = open(t, cfg)
			if err := s.last().check(l); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			done := 0
			write := func(w Write) {
				w.Done = func(err error) { must(t, err); done++ }
				must(t, l.Append(w))
			}
			write(Write{Group: 99, Replica: &Replica{Self: 1}})
			write(Write{Group: 99, Entries: []raft.Entry{{Index: 1, Term: 1, Data: []byte("x")}}})
			must(t, l.Flush())
			must(t, l.Housekeep())
			if done != 0 || !l.Full() || len(errs) == 0 {
				t.Fatalf("seed %d, life %d: %d writes are done, full %v, told %v", seed, life, done, l.Full(), errs)
			}
			if life < 3 {
				continue // it is killed
			}
			fs.SetInjector(nil)
			must(t, l.Housekeep())
			must(t, l.Flush())
			if done != 2 || l.Full() {
				t.Fatalf("seed %d: with space %d writes are done, full %v", seed, done, l.Full())
			}
			for i := range raft.Index(40) {
				write(Write{Group: 99, Entries: []raft.Entry{{Index: 2 + i, Term: 1, Data: make([]byte, 1000)}}})
				must(t, l.Flush())
				must(t, l.Housekeep())
				if !slices.IsSorted(l.segs.Load().numbers()) {
					t.Fatalf("seed %d: segments %v", seed, l.segs.Load().numbers())
				}
			}
		}
		// The power goes: all that anybody has heard of is there.
		for _, o := range []vfs.CrashOptions{{}, vfs.Killed} {
			cfg := s.cfg
			cfg.FS = mem.CrashClone(o)
			again := open(t, cfg)
			g, ok := again.Group(99)
			if !ok || g.Last() != 41 {
				t.Errorf("seed %d: what was written behind it is gone", seed)
			}
			must(t, again.Append(Write{Group: 99, Delete: true}))
			must(t, again.Flush())
			if err := s.last().check(again); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			must(t, again.Close())
		}
		must(t, l.Close())
	}
}

// On a full disk there is room for what tells who leads, and for what is to win space
// back, also in a log that was just opened: the room that was kept in the last segment.
func TestRoomOnAFullDisk(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", killed), func(t *testing.T) {
			mem := vfs.NewMem()
			cfg := testConfig(mem, nil)
			l := open(t, cfg)
			must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
			must(t, l.Append(Write{Group: 2, Replica: &Replica{Self: 1}}))
			must(t, l.Flush())
			if killed {
				mem = mem.CrashClone(vfs.Killed)
			} else {
				must(t, l.Close())
			}
			fs := errorfs.Wrap(mem, cfg.Clock, nil)
			if !killed {
				fs.LimitSpace(6 << 10) // closing it has given the room back
			} else {
				fs.LimitSpace(0)
			}
			cfg.FS = fs
			l = open(t, cfg)
			done := map[string]bool{}
			write := func(what string, w Write) {
				w.Done = func(err error) { must(t, err); done[what] = true }
				must(t, l.Append(w))
			}
			large := make([]byte, 30<<10)
			write("a message of another", Write{Group: 2, Entries: []raft.Entry{{Index: 1, Term: 1, Data: large}}})
			write("a leader", Write{Group: 1, Hard: &raft.HardState{Term: 1, Vote: 1}, Entries: []raft.Entry{{Index: 1, Term: 1}}})
			write("what wins space back", Write{Group: 1, Entries: []raft.Entry{{Index: 2, Term: 1, Data: []byte("delete")}}, Frees: true})
			write("a message", Write{Group: 1, Entries: []raft.Entry{{Index: 3, Term: 1, Data: large}}})
			write("a deletion behind it", Write{Group: 1, Entries: []raft.Entry{{Index: 4, Term: 1, Data: []byte("delete")}}, Frees: true})
			must(t, l.Flush())
			must(t, l.Housekeep())
			if !l.Full() || len(done) != 2 || !done["a leader"] || !done["what wins space back"] {
				t.Errorf("full %v, done %v", l.Full(), done)
			}
			fs.LimitSpace(-1)
			must(t, l.Housekeep())
			must(t, l.Flush())
			if l.Full() || len(done) != 5 {
				t.Errorf("with space: full %v, done %v", l.Full(), done)
			}
			must(t, l.Close())
			l = open(t, testConfig(mem, nil))
			if g, _ := l.Group(1); g.Last() != 4 {
				t.Errorf("the log ends at %d", g.Last())
			}
			must(t, l.Close())
		})
	}
}

// On a disk that has room for less than a segment, a smaller one will do.
func TestSmallerSegments(t *testing.T) {
	cfg := testConfig(nil, nil)
	cfg.SegmentBytes = 256 << 10
	fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
	cfg.FS = fs
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
	must(t, l.Flush())
	fs.LimitSpace(0)
	last := raft.Index(0)
	write := func() {
		last++
		must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: last, Term: 1, Data: make([]byte, 10<<10)}}}))
		must(t, l.Flush())
	}
	for !l.Full() {
		write()
	}
	if room := l.Room(); room < 15<<10 || room > 27<<10 {
		t.Errorf("there is room for %d bytes", room)
	}
	fs.LimitSpace(150 << 10)
	must(t, l.Housekeep())
	must(t, l.Flush())
	g, _ := l.Group(1)
	if l.Full() || g.Last() != last {
		t.Fatalf("full %v with %d of %d entries", l.Full(), g.Last(), last)
	}
	for range 8 {
		write()
	}
	if l.Full() || g.Last() != last {
		t.Errorf("full %v with %d of %d entries", l.Full(), g.Last(), last)
	}
	must(t, l.Close())
}
