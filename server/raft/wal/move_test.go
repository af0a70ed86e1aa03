package wal

import (
	"maps"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A record that is replaced in the flush that moves it forward stays replaced.
func TestMoveMeetsANewerWrite(t *testing.T) {
	for _, tt := range []struct {
		name string
		w    Write
	}{
		{"nothing", Write{Group: 2, Hard: &raft.HardState{Term: 1}}},
		{"hard state", Write{Group: 1, Hard: &raft.HardState{Term: 9, Vote: 9}}},
		{"entries", Write{Group: 1, Entries: []raft.Entry{{Index: 12, Term: 9, Data: []byte("new")}}}},
		{"base", Write{Group: 1, Base: &raft.Base{Index: 12, Term: 1}}},
		{"snapshot", Write{Group: 1, Base: &raft.Base{Index: 12, Term: 9}}},
		{"replica", Write{Group: 1, Replica: &Replica{Self: 9}, Base: &raft.Base{Index: 13, Term: 9}}},
		{"deletion", Write{Group: 1, Delete: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := vfs.NewMem()
			cfg := testConfig(fs, nil)
			cfg.MaxFlushBytes = 1 << 20
			l := open(t, cfg)
			m := make(model)
			write := func(w Write) {
				m.apply(w)
				must(t, l.Append(w))
			}
			write(Write{Group: 1, Replica: &Replica{Self: 1}, Base: &raft.Base{Index: 10, Term: 1}, Hard: &raft.HardState{Term: 1, Vote: 1}, Entries: []raft.Entry{
				{Index: 11, Term: 1, Data: []byte("a")}, {Index: 12, Term: 1, Data: []byte("b")}, {Index: 13, Term: 1, Data: []byte("c")},
			}})
			write(Write{Group: 2, Replica: &Replica{Self: 1}, Entries: []raft.Entry{{Index: 1, Term: 1, Data: make([]byte, cfg.SegmentBytes/2)}}})
			must(t, l.Flush())
			write(Write{Group: 2, Entries: []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, cfg.SegmentBytes/2)}}})
			must(t, l.Flush())
			first := l.segs.Load().list[0]
			if first == l.active {
				t.Fatal("there is one segment only")
			}
			flushes := l.Stats().Flushes
			write(tt.w)
			must(t, l.moveForward(first))
			if n := l.Stats().Flushes - flushes; n != 1 {
				t.Fatalf("%d flushes", n)
			}
			if first.live.Load() != 0 {
				t.Errorf("%d bytes of the segment are needed", first.live.Load())
			}
			live := make(map[uint64]int64)
			for _, s := range l.segs.Load().list {
				live[s.number] = s.live.Load()
			}
			if want := recount(l); !maps.Equal(live, want) {
				t.Errorf("live bytes %v, want %v", live, want)
			}
			if err := m.check(l); err != nil {
				t.Error(err)
			}
			must(t, l.remove([]*segment{first}))
			must(t, l.Close())
			l = open(t, cfg)
			if err := m.check(l); err != nil {
				t.Errorf("opened again: %v", err)
			}
			must(t, l.Close())
		})
	}
}

// With SyncInterval, too, a segment goes when what was moved out of it is on
// disk: a power cut may not take both.
func TestMoveIsSyncedBeforeTheSegmentGoes(t *testing.T) {
	fs := vfs.NewMem()
	cfg := testConfig(fs, nil)
	cfg.SyncInterval = time.Hour
	l := open(t, cfg)
	m := make(model)
	for _, w := range []Write{
		{Group: 1, Replica: &Replica{Self: 1}, Entries: []raft.Entry{{Index: 1, Term: 1, Data: []byte("lazy")}}},
		{Group: 2, Replica: &Replica{Self: 1}, Entries: []raft.Entry{{Index: 1, Term: 1, Data: make([]byte, cfg.SegmentBytes/2)}}},
		{Group: 2, Hard: &raft.HardState{Term: 1}, Entries: []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, cfg.SegmentBytes/2)}}},
	} {
		m.apply(w)
		must(t, l.Append(w))
		must(t, l.Flush())
	}
	first := l.segs.Load().list[0]
	must(t, l.moveForward(first))
	must(t, l.remove([]*segment{first}))
	// The names are on disk at once, as may be, and of the rest what was synced.
	cfg.FS = fs.CrashClone(vfs.CrashOptions{Name: 1})
	must(t, l.Close())
	l = open(t, cfg)
	if l.segs.Load().find(first.number) != nil {
		t.Error("the segment is still there")
	}
	if err := m.check(l); err != nil {
		t.Error(err)
	}
	must(t, l.Close())
}
