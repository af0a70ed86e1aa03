package file

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func numbered(t testing.TB, s *Store, n int) {
	t.Helper()
	m := store.Message{Seq: s.State().Last}
	for range n {
		m.Seq++
		m.Subject, m.Data = fmt.Appendf(nil, "a.%d", m.Seq%4), fmt.Appendf(nil, "this is message %d.", m.Seq)
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
}

// What is removed while a block is written anew is removed from the new one, and
// erased if that was asked for.
func TestRemovedDuringRewrite(t *testing.T) {
	for _, compression := range []bool{false, true} {
		mem := vfs.NewMem()
		var during func()
		fs := errorfs.Wrap(mem, clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, blockSuffix) && during != nil {
				during()
				during = nil
			}
			return errorfs.Fault{}
		}))
		s, _ := mustOpen(t, Config{BlockBytes: 2 << 10, Compression: compression}, fs)
		numbered(t, s, 60)
		maintain(t, s)
		b := s.blocks[0]
		for seq := store.Seq(1); seq <= b.last; seq++ {
			if seq%3 > 0 {
				if _, err := s.Remove(seq, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		during = func() {
			for _, seq := range []store.Seq{3, 9} {
				if _, err := s.Remove(seq, true); err != nil {
					t.Error(err)
				}
			}
			if removed, err := s.RemoveOldest(""); err != nil || removed.Seq != 6 {
				t.Errorf("removed %+v: %v", removed, err)
			}
		}
		maintain(t, s)
		if during != nil || s.blocks[0] == b {
			t.Fatal("the block was not written anew")
		}
		for range 4 {
			commit(t, s, nil)
			maintain(t, s)
		}
		check := func() {
			t.Helper()
			var m store.Message
			for seq := store.Seq(1); seq <= 60; seq++ {
				err := s.Load(seq, &m)
				there := seq > b.last || seq%3 == 0 && seq > 9
				if there != (err == nil) || err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Fatalf("message %d: %v", seq, err)
				}
			}
			if st := s.State(); st.First != 12 || st.Deleted != uint64(st.Last-st.First)+1-st.Messages {
				t.Errorf("state %+v", st)
			}
		}
		check()
		for name, content := range readFiles(t, mem) {
			for _, seq := range []int{3, 9} {
				if bytes.Contains(content, fmt.Appendf(nil, "this is message %d.", seq)) {
					t.Errorf("message %d is still in %s", seq, name)
				}
			}
		}
		cfg := s.cfg
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, _ = mustOpen(t, Config{}, cfg.FS)
		check()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A snapshot keeps the files it needs, for as long as it is held.
func TestSnapshotKeepsFiles(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, Config{BlockBytes: 1 << 10}, mem)
	numbered(t, s, 60)
	maintain(t, s)
	commit(t, s, nil)
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	blocks := func() (n int) {
		for name := range readFiles(t, mem) {
			if strings.HasSuffix(name, blockSuffix) {
				n++
			}
		}
		return n
	}
	before := blocks()
	if _, err := s.Compact(100); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		commit(t, s, nil)
	}
	next := store.Seq(1)
	for m, err := range sn.Messages(0) {
		if err != nil || m.Seq != next {
			t.Fatalf("message %d: %v", next, err)
		}
		next++
	}
	if next != 61 || blocks() != before {
		t.Errorf("%d messages in %d blocks, want those of %d", next-1, blocks(), before)
	}
	if err := sn.Close(); err != nil {
		t.Fatal(err)
	}
	commit(t, s, nil)
	if n := blocks(); n != 0 {
		t.Errorf("%d blocks without message", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A block that was written to behind the checkpoint is cut, and what is applied
// again goes to another one; a block that was not goes on.
func TestCutBlockIsNotContinued(t *testing.T) {
	for _, behind := range []int{0, 5} {
		mem := vfs.NewMem()
		s, _ := mustOpen(t, Config{}, mem)
		numbered(t, s, 10)
		commit(t, s, nil)
		path, end := s.blocks[0].path, s.blocks[0].written
		numbered(t, s, behind)
		if sn, err := s.Snapshot(); err != nil || sn.Close() != nil {
			t.Fatal(err)
		}
		crashed := mem.CrashClone(vfs.Killed)
		if info, err := crashed.Stat(path); err != nil || behind > 0 != (info.Size > end) {
			t.Fatalf("%+v, %v", info, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, _ = mustOpen(t, Config{}, crashed)
		if info, err := crashed.Stat(path); err != nil || info.Size != end {
			t.Errorf("%d behind the checkpoint: the file has %d bytes, want %d (%v)", behind, info.Size, end, err)
		}
		numbered(t, s, 5)
		maintain(t, s)
		want := 1
		if behind > 0 {
			want = 2
		}
		if len(s.blocks) != want {
			t.Errorf("%d behind the checkpoint: %d blocks, want %d", behind, len(s.blocks), want)
		}
		commit(t, s, nil)
		if behind > 0 && !s.blocks[0].foot.sealed() {
			t.Error("the block that was cut is not sealed")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Many small blocks, such as crashes leave, become one.
func TestSmallBlocksAreJoined(t *testing.T) {
	fs := vfs.NewMem()
	for range 20 {
		s, rec := mustOpen(t, Config{}, fs)
		if len(rec.Losses) > 0 {
			t.Fatalf("opened as %+v", rec)
		}
		numbered(t, s, 7)
		commit(t, s, nil)
		numbered(t, s, 1)
		if sn, err := s.Snapshot(); err != nil || sn.Close() != nil {
			t.Fatal(err)
		}
		fs = fs.CrashClone(vfs.Killed)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := mustOpen(t, Config{}, fs)
	if len(s.blocks) != 20 {
		t.Errorf("%d blocks", len(s.blocks))
	}
	maintain(t, s)
	if len(s.blocks) > 1 || s.State().Messages != 140 {
		t.Errorf("%d blocks, state %+v", len(s.blocks), s.State())
	}
	for range 2 {
		commit(t, s, nil)
	}
	if files := readFiles(t, fs); len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// What nobody knows is left alone and told; what was never in effect is removed.
func TestUnknownFiles(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := mustOpen(t, Config{}, mem)
	numbered(t, s, 3)
	commit(t, s, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notes.txt", "1.blk", "0000000000000099.idx.tmp"} {
		if err := vfs.WriteFile(mem, filepath.Join("stream", name), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	s, rec := mustOpen(t, Config{}, mem)
	if fmt.Sprint(rec.Unknown) != "[1.blk notes.txt]" || s.State().Messages != 3 {
		t.Errorf("opened as %+v", rec)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if files := readFiles(t, mem); files["notes.txt"] == nil || files["1.blk"] == nil || files["0000000000000099.idx.tmp"] != nil {
		t.Errorf("%d files are left", len(files))
	}
}
