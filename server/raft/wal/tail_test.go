package wal

import (
	"errors"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// leaveTail leaves a log whose last write is in its files and not on disk: the
// sync has failed, and no later one makes up for it.
func leaveTail(t *testing.T) (*vfs.Mem, Config) {
	t.Helper()
	mem := vfs.NewMem()
	cfg := testConfig(nil, nil)
	fs := errorfs.Wrap(mem, cfg.Clock, nil)
	cfg.FS = fs
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Entries: []raft.Entry{{Index: 1, Term: 1, Data: []byte("synced")}}}))
	must(t, l.Flush())
	fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSyncData), errorfs.Fault{Err: syscall.EIO}))
	must(t, l.Append(Write{Group: 1, Hard: &raft.HardState{Term: 2, Vote: 1}, Entries: []raft.Entry{{Index: 2, Term: 2, Data: make([]byte, 2*pageSize)}}}))
	for _, err := range []error{l.Flush(), l.Close()} {
		if !errors.Is(err, ErrPoisoned) {
			t.Fatalf("after a failed sync: %v", err)
		}
	}
	cfg.FS = mem
	return mem, cfg
}

// content reads a file of a log.
func content(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	b, err := vfs.ReadFile(fs, "/wal/"+name, 1<<20)
	must(t, err)
	return b
}

// What the files show when the log is opened need not be on disk. Once somebody
// was told of it, it is.
func TestTailIsOnDiskWhenItIsTold(t *testing.T) {
	fs, cfg := leaveTail(t)
	l := open(t, cfg)
	g, _ := l.Group(1)
	if g.Last() != 2 || g.State().Hard.Term != 2 {
		t.Fatalf("the files show %+v", g.State())
	}
	cfg.FS = fs.CrashClone(vfs.CrashOptions{})
	must(t, l.Close())
	l = open(t, cfg)
	g, _ = l.Group(1)
	if s := g.State(); s.Last != 2 || s.Hard.Term != 2 || len(s.Damage) > 0 {
		t.Errorf("after a power cut there is %+v", s)
	}
	must(t, l.Close())
}

// A sector of the tail that cannot be read for now may hold something that was
// acknowledged. It is not cut away.
func TestTailThatCannotBeRead(t *testing.T) {
	mem, cfg := leaveTail(t)
	before := content(t, mem, segmentName(1))
	behindHeader := func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpReadAt && op.Offset+int64(op.Len) > segmentStart
	}
	cfg.FS = errorfs.Wrap(mem, cfg.Clock, errorfs.On(behindHeader, errorfs.Fault{Err: syscall.EIO}))
	if l, err := Open(cfg); err == nil {
		t.Errorf("opened with %+v", l.Groups())
		must(t, l.Close())
	} else if errors.Is(err, vfs.ErrLocked) {
		t.Fatal(err)
	}
	if after := content(t, mem, segmentName(1)); string(before) != string(after) {
		t.Error("the segment was changed")
	}
	cfg.FS = mem
	l := open(t, cfg)
	if g, _ := l.Group(1); g.Last() != 2 {
		t.Errorf("when it can be read again the log ends at %d", g.Last())
	}
	must(t, l.Close())
}

// What a sidecar describes was on disk: if it is not valid any more that is no
// torn tail, though no flush has followed it.
func TestSidecarVouchesForTheLastFlush(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs, nil)
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Entries: []raft.Entry{{Index: 1, Term: 1}}}))
	must(t, l.Flush())
	must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 2, Term: 1, Data: []byte("acknowledged")}}}))
	must(t, l.Flush())
	must(t, l.Housekeep())
	g, _ := l.Group(1)
	at := g.locs[1]
	crashed := fs.CrashClone(vfs.CrashOptions{})
	must(t, l.Close())
	overwrite(t, crashed, segmentName(1), at.offset(), make([]byte, at.length()))
	cfg.FS = crashed
	l = open(t, cfg)
	g, _ = l.Group(1)
	if d := normal(g.State().Damage); len(d) != 1 || d[0].Kind != DamagedEntries || d[0].First != 2 || d[0].Last != 2 {
		t.Errorf("%+v", g.State())
	}
	if n := int64(len(content(t, crashed, segmentName(1)))); n < at.offset()+at.length() {
		t.Errorf("the segment is cut to %d bytes, in front of what is damaged", n)
	}
	must(t, l.Close())
}
