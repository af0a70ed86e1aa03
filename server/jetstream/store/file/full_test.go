package file

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// fillUp appends messages of 10,000 bytes, from one number to another.
func fillUp(s *Store, first, last store.Seq) error {
	for seq := first; seq <= last; seq++ {
		m := store.Message{Seq: seq, Time: int64(seq), Subject: []byte("s"), Data: []byte(strings.Repeat("x", 10_000))}
		if err := s.Append(&m); err != nil {
			return err
		}
	}
	return nil
}

func commitIt(s *Store) error {
	c, err := s.Checkpoint(nil)
	if err == nil {
		err = c.Commit()
	}
	return err
}

// blockBytes is how much the blocks in a directory take.
func blockBytes(t *testing.T, disk vfs.FS, dir string) (sum int64) {
	t.Helper()
	list, err := disk.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range list {
		info, err := disk.Stat(dir + "/" + e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name, blockSuffix) {
			sum += info.Size
		}
	}
	return sum
}

// On a disk without any space, what was purged goes with the second checkpoint.
func TestPurgeOnAFullDisk(t *testing.T) {
	for name, cfg := range storyConfigs(t) {
		disk := errorfs.Wrap(vfs.NewMem(), clock.Real(), nil)
		cfg.FS, cfg.Dir, cfg.BlockBytes = disk, "store", 100_000
		s, _, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(fillUp(s, 1, 50), commitIt(s), fillUp(s, 51, 60), commitIt(s), fillUp(s, 61, 63)); err != nil {
			t.Fatal(err)
		}
		disk.LimitSpace(0)
		if _, err := s.Purge(nil, 0, 0); err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			if err := commitIt(s); err != nil {
				t.Fatalf("%s: checkpoint %d: %v", name, n, err)
			}
		}
		if n := blockBytes(t, disk, cfg.Dir); n > 0 {
			t.Errorf("%s: %d bytes are left", name, n)
		}
		if err := errors.Join(fillUp(s, 64, 70), commitIt(s), s.Close()); err != nil {
			t.Fatal(err)
		}
		s, _, err = Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if st := s.State(); st.First != 64 || st.Last != 70 {
			t.Errorf("%s: %+v", name, st)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What only the older index needs makes no room: it is there to make up for damage.
func TestFullDiskSparesTheOlderIndex(t *testing.T) {
	mem := vfs.NewMem()
	cfg := Config{FS: mem, Dir: "store", BlockBytes: 100_000}
	s, _, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fillUp(s, 1, 20), commitIt(s)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compact(21); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(commitIt(s), s.Close()); err != nil {
		t.Fatal(err)
	}
	disk := errorfs.Wrap(mem, clock.Real(), nil)
	cfg.FS = disk
	if s, _, err = Open(cfg); err != nil {
		t.Fatal(err)
	}
	disk.LimitSpace(0)
	if err := fillUp(s, 21, 60); !noSpace(err) {
		t.Errorf("on a full disk: %v", err)
	}
	newest := s.indexPath(s.committing.kept[1])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk.LimitSpace(-1)
	if err := vfs.WriteFile(mem, newest, []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	cfg.CanReplay = func([]byte) bool { return true }
	s, rec, err := Open(cfg)
	if err != nil || s.State().Messages != 20 || !rec.Older || len(rec.Losses) > 0 {
		t.Fatalf("opened as %+v: %v", rec, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What was written behind the newest checkpoint has room when it is written once more.
func TestWrittenAgainOnAFullDisk(t *testing.T) {
	for name, cfg := range storyConfigs(t) {
		mem := vfs.NewMem()
		cfg.FS, cfg.Dir, cfg.BlockBytes = mem, "store", 100_000
		s, _, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(fillUp(s, 1, 20), commitIt(s), fillUp(s, 21, 60), s.flush()); err != nil {
			t.Fatal(err)
		}
		mem = mem.CrashClone(vfs.Killed)
		for _, last := range []store.Seq{22, 40} {
			disk := errorfs.Wrap(mem.CrashClone(vfs.Killed), clock.Real(), nil)
			cfg.FS = disk
			if s, _, err = Open(cfg); err != nil {
				t.Fatal(err)
			}
			disk.LimitSpace(0)
			if before := blockBytes(t, disk, cfg.Dir); s.State().Last != 20 || before == 0 {
				t.Fatalf("%s: opened with %+v", name, s.State())
			}
			if err := errors.Join(fillUp(s, 21, last), commitIt(s)); err != nil {
				t.Errorf("%s: behind %d: %v", name, s.State().Last, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
