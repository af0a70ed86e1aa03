package wal

import (
	"path"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
)

// places are the parts of files that were written, by path.
type places map[string][]span

// note takes note of an operation, and returns what of its place was written
// before.
func (p places) note(op errorfs.Op) (twice *span) {
	if op.Kind != errorfs.OpWriteAt || op.Len == 0 || path.Ext(op.Path) != ".wal" {
		return nil
	}
	w := span{op.Offset, op.Offset + int64(op.Len)}
	for _, o := range p[op.Path] {
		if o.from < w.to && w.from < o.to {
			twice = &o
		}
	}
	p[op.Path] = append(p[op.Path], w)
	return twice
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
		all := make(places)
		full := false // now and then
		disk := func() vfs.FS {
			return errorfs.Wrap(mem, s.cfg.Clock, errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
				if twice := all.note(op); twice != nil {
					t.Errorf("seed %d: %v, and [%d, %d) was written before", seed, op, twice.from, twice.to)
				}
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
