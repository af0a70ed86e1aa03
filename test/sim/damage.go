package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
)

// Damage is done to the disk of a server that is down, to what was synced long
// enough ago that the log can know of it: bytes of the last moment before a
// crash cannot be told from a write that the crash has cut.

const page = 4096

// damage changes a disk in the way that kind says, and reports whether it found
// something to change. old is the disk as it was some time ago.
func (s *Sim) damage(kind string, disk, old *vfs.Mem) (where string, ok bool) {
	dir := "wal"
	if kind == "state file damaged" {
		dir = "state"
	}
	name, size := s.victim(disk, dir)
	if name == "" {
		return "", false
	}
	pages := (size + page - 1) / page
	at := s.rnd.Int64N(pages) * page
	n := min(page, size-at)
	switch kind {
	case "bit flip", "state file damaged":
		bit := s.rnd.Int64N(size * 8)
		must(errorfs.FlipStoredBit(disk, name, bit))
		return fmt.Sprintf("%s: bit %d of %d bytes", name, bit, size), true
	case "page zeroed":
		s.overwrite(disk, name, at, make([]byte, n))
	case "old page back":
		b := readPage(old, name, at, n)
		if b == nil {
			return "", false
		}
		s.overwrite(disk, name, at, b)
	case "page misplaced":
		from := s.rnd.Int64N(pages) * page
		b := readPage(disk, name, from, n)
		if b == nil {
			return "", false
		}
		s.overwrite(disk, name, at, b)
	case "file cut":
		f, err := disk.OpenReadWrite(name)
		must(err)
		at = s.rnd.Int64N(size)
		must(errors.Join(f.Truncate(at), f.Sync(), f.Close()))
	case "file lost":
		must(errors.Join(disk.Remove(name), vfs.SyncDir(disk, path.Dir(name))))
		return name, true
	default:
		panic("sim: unknown damage " + kind)
	}
	return fmt.Sprintf("%s: at %d of %d bytes", name, at, size), true
}

// victim returns a file below a directory that is not empty, and its size.
func (s *Sim) victim(disk *vfs.Mem, dir string) (string, int64) {
	list, err := disk.List(dir)
	if isNotExist(err) {
		return "", 0
	}
	must(err)
	var names []string
	for _, e := range list {
		if e.Dir || e.Name == "LOCK" || strings.HasSuffix(e.Name, vfs.TempSuffix) {
			continue
		}
		names = append(names, path.Join(dir, e.Name))
	}
	if len(names) == 0 {
		return "", 0
	}
	name := pick(s, names)
	info, err := disk.Stat(name)
	must(err)
	if info.Size == 0 {
		return "", 0
	}
	return name, info.Size
}

// readPage returns n bytes of a file, or nil if it does not have them.
func readPage(disk *vfs.Mem, name string, at, n int64) []byte {
	f, err := disk.Open(name)
	if isNotExist(err) {
		return nil
	}
	must(err)
	b := make([]byte, n)
	_, err = f.ReadAt(b, at)
	must(f.Close())
	if err != nil {
		return nil
	}
	return b
}

func (s *Sim) overwrite(disk *vfs.Mem, name string, at int64, b []byte) {
	f, err := disk.OpenReadWrite(name)
	must(err)
	_, err = f.WriteAt(b, at)
	must(errors.Join(err, f.Sync(), f.Close()))
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// must is for operations on a disk that is not faulty.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("sim: a disk without faults: %v", err))
	}
}
