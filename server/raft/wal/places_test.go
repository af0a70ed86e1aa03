package wal

import (
	"bytes"
	"path"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
)

// watcher notes which parts of segments something was written to, by path. Zeros do
// not count: they are what is in a segment from its beginning.
type watcher struct {
	vfs.FS
	t     *testing.T
	seed  uint64
	parts map[string][]span
}

func (w *watcher) Create(name string) (vfs.File, error) {
	f, err := w.FS.Create(name)
	return &watchedFile{f, w, name}, err
}

func (w *watcher) OpenReadWrite(name string) (vfs.File, error) {
	f, err := w.FS.OpenReadWrite(name)
	return &watchedFile{f, w, name}, err
}

type watchedFile struct {
	vfs.File
	w    *watcher
	name string
}

func (f *watchedFile) WriteAt(b []byte, off int64) (int, error) {
	// Some zeros more or less belong to the last record.
	if n := len(bytes.TrimRight(b, "\x00")); path.Ext(f.name) == ".wal" && len(b) > 0 {
		s := span{off, off + int64(n)}
		for _, o := range f.w.parts[f.name] {
			if o.from < off+int64(len(b)) && s.from < o.to {
				f.w.t.Errorf("seed %d: %s: a write to [%d, %d), and [%d, %d) was written before", f.w.seed, f.name, off, off+int64(len(b)), o.from, o.to)
			}
		}
		f.w.parts[f.name] = append(f.w.parts[f.name], s)
	}
	return f.File.WriteAt(b, off)
}

// No place of a segment is written twice, not after a write that met a full disk
// and not after a crash, and the number of a segment that had something in it is
// never used again: else what is valid behind a torn write may be of another
// time.
func TestNoPlaceIsWrittenTwice(t *testing.T) {
	for seed := range uint64(12) {
		mem := vfs.NewMem()
		s := newStory(t, nil, seed)
		s.disorder = true
		all := make(map[string][]span)
		full := false // now and then
		disk := func() vfs.FS {
			w := &watcher{FS: mem, t: t, seed: seed, parts: all}
			return errorfs.Wrap(w, s.cfg.Clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
				if full && op.Kind == errorfs.OpWriteAt && op.Offset >= segmentStart && s.rng.IntN(30) == 0 {
					return errorfs.Fault{Err: syscall.ENOSPC, Part: s.rng.IntN(op.Len + 1)}
				}
				return errorfs.Fault{}
			}))
		}
		s.cfg.FS = disk()
		s.log = open(t, s.cfg)
		for range 300 {
			full = true
			must(t, s.step())
			full = false
			if s.rng.IntN(60) > 0 {
				continue
			}
			if s.rng.IntN(2) == 0 {
				must(t, s.log.Close())
			} else {
				mem = mem.CrashClone(vfs.CrashOptions{Rand: s.rng, Page: 0.7, Torn: 0.3, Name: 0.7})
			}
			s.cfg.FS = disk()
			l, m, err := s.reopenGroups(s.cfg.FS)
			must(t, err)
			s.restart(m)
			s.log = l
		}
		if t.Failed() {
			return
		}
		if len(all) < 5 {
			t.Errorf("seed %d: %d segments only", seed, len(all))
		}
	}
}
