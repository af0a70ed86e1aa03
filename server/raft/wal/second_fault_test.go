package wal

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// What one Open has found the next one finds as well, if nobody has made up for
// it, and even if another file is lost between them: the one that proved that
// the damaged part had been synced, for instance.
func TestSecondFaultHidesNothing(t *testing.T) {
	withoutRace(t)
	for seed := range uint64(2) {
		d := makeSound(t, seed, true)
		cfg := d.cfg
		cfg.OnError = func(error) {}
		// opened returns the groups that are damaged, and the disk as the end of
		// the process leaves it.
		opened := func(fs *vfs.Mem) (map[raft.GroupID]bool, uint32, *vfs.Mem) {
			t.Helper()
			cfg.FS = fs
			l, err := Open(cfg)
			must(t, err)
			bad := make(map[raft.GroupID]bool)
			for _, g := range l.Groups() {
				bad[g.ID] = len(g.Damage) > 0
			}
			inc := l.Incarnation()
			left := fs.CrashClone(vfs.Killed)
			must(t, l.Close())
			return bad, inc, left
		}
		for n, w := range d.records {
			if !w.needed || n%5 != 0 && n < len(d.records)-5 {
				continue
			}
			fs := d.clone()
			overwrite(t, fs, segmentName(w.segment), w.at, make([]byte, w.end-w.at))
			first, inc, fs := opened(fs)
			if !first[w.group] {
				// There may be a copy of it.
				continue
			}
			files, err := fs.List("/wal")
			must(t, err)
			for _, f := range files {
				if f.Name == lockName || f.Name == segmentName(w.segment) {
					continue
				}
				again := fs.CrashClone(vfs.Killed)
				must(t, again.Remove("/wal/"+f.Name))
				must(t, vfs.SyncDir(again, "/wal"))
				second, inc2, _ := opened(again)
				damaged, known := second[w.group]
				// A group may be gone, but then the store is another one.
				if known && !damaged || !known && inc2 == inc {
					t.Errorf("seed %d: group %d lost a %v (%d in segment %d), which is forgotten when %s is gone", seed, w.group, w.kind, w.at, w.segment, f.Name)
				}
			}
		}
	}
}
