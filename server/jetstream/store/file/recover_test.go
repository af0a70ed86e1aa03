package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Where the oldest messages are lost, the store begins with what is left.
func TestFirstIsLost(t *testing.T) {
	mem := vfs.NewMem()
	cfg := Config{BlockBytes: 1 << 10}
	s, _ := mustOpen(t, cfg, mem)
	fill(t, s, 40, 50, func(dst []byte, _ int) []byte { return append(dst, 'a') })
	commit(t, s, nil)
	path, next, left := s.blocks[0].path, s.blocks[1], uint64(40-s.blocks[0].live)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, _ = mustOpen(t, cfg, mem)
		if st := s.State(); st.First != next.base || st.FirstTime != next.firstTime || st.Messages != left || st.Last != 40 {
			t.Errorf("state %+v, want %d messages from %d on", st, left, next.base)
		}
		commit(t, s, nil)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What had been removed is not told to be lost, where it can be told apart.
func TestRemovedIsNotLost(t *testing.T) {
	mem := vfs.NewMem()
	cfg := Config{BlockBytes: 1 << 10}
	s, _ := mustOpen(t, cfg, mem)
	numbered(t, s, 40)
	first := s.blocks[0]
	if _, err := s.Remove(first.base+3, false); err != nil {
		t.Fatal(err)
	}
	maintain(t, s)
	commit(t, s, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.Remove(first.path); err != nil {
		t.Fatal(err)
	}
	s, rec := mustOpen(t, cfg, mem)
	want := []store.Range{{First: first.base, Last: first.base + 2}, {First: first.base + 4, Last: first.last}}
	if lost := rec.Losses; len(lost) != 2 || lost[0].Range != want[0] || lost[1].Range != want[1] {
		t.Errorf("lost %+v, want %v", lost, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// What was set aside once is not overwritten by what is set aside later.
func TestSetAsideTwice(t *testing.T) {
	mem := vfs.NewMem()
	for round := range 3 {
		s, _ := mustOpen(t, Config{}, mem)
		numbered(t, s, 1+round)
		commit(t, s, nil)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := SetAside(mem, "stream"); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := mem.List(filepath.Join("stream", lostDir))
	if err != nil {
		t.Fatal(err)
	}
	// Two indexes and a block of each.
	if len(entries) != 9 {
		t.Errorf("%d files are kept: %v", len(entries), entries)
	}
}

// A store of which a power cut leaves half the deletion is empty, or what it was.
func TestDeleteIsCut(t *testing.T) {
	type clone struct {
		fs *vfs.Mem
		op errorfs.Op
	}
	var clones []clone
	deleting := false
	mem := vfs.NewMem()
	fs := errorfs.Wrap(mem, clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if deleting && op.Kind.Changes() {
			clones = append(clones, clone{mem.CrashClone(vfs.CrashOptions{}), op}, clone{mem.CrashClone(vfs.Killed), op})
		}
		return errorfs.Fault{}
	}))
	s, _ := mustOpen(t, Config{BlockBytes: 1 << 10}, fs)
	numbered(t, s, 60)
	commit(t, s, nil)
	numbered(t, s, 5)
	if sn, err := s.Snapshot(); err != nil || sn.Close() != nil { // which writes them
		t.Fatal(err)
	}
	deleting = true
	if err := s.Delete(); err != nil {
		t.Fatal(err)
	}
	for _, c := range clones {
		cfg := Config{FS: c.fs, Dir: "stream"}
		s, rec, err := Open(cfg)
		if err != nil {
			t.Errorf("cut at %v: %v", c.op, err)
			continue
		}
		if n := s.State().Messages; n != 0 && n != 60 || len(rec.Losses) > 0 {
			t.Errorf("cut at %v: %d messages, opened as %+v", c.op, n, rec)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(clones) < 20 {
		t.Errorf("%d power cuts only", len(clones))
	}
}

// Each number is told to be lost once.
func TestMergeLosses(t *testing.T) {
	loss := func(first, last store.Seq) store.Loss {
		return store.Loss{Range: store.Range{First: first, Last: last}, Err: errors.New("damaged")}
	}
	for _, tt := range []struct{ known, more, want []store.Range }{
		{nil, []store.Range{{First: 3, Last: 5}}, []store.Range{{First: 3, Last: 5}}},
		{[]store.Range{{First: 3, Last: 5}}, []store.Range{{First: 3, Last: 5}}, []store.Range{{First: 3, Last: 5}}},
		{[]store.Range{{First: 3, Last: 5}}, []store.Range{{First: 4, Last: 4}}, []store.Range{{First: 3, Last: 5}}},
		{[]store.Range{{First: 4, Last: 4}, {First: 9, Last: 9}}, []store.Range{{First: 3, Last: 5}}, []store.Range{{First: 3, Last: 5}, {First: 9, Last: 9}}},
		{[]store.Range{{First: 9, Last: 9}}, []store.Range{{First: 7, Last: 7}, {First: 1, Last: 2}}, []store.Range{{First: 1, Last: 2}, {First: 7, Last: 7}, {First: 9, Last: 9}}},
	} {
		var known, more []store.Loss
		for _, r := range tt.known {
			known = append(known, loss(r.First, r.Last))
		}
		for _, r := range tt.more {
			more = append(more, loss(r.First, r.Last))
		}
		before := fmt.Sprint(known)
		var got []store.Range
		for _, l := range mergeLosses(known, more) {
			got = append(got, l.Range)
		}
		if !slices.Equal(got, tt.want) || fmt.Sprint(known) != before {
			t.Errorf("%v and %v: %v, want %v", tt.known, tt.more, got, tt.want)
		}
	}
}
