package wal

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// In the steady state what is appended costs no allocation for each record.
func TestAllocsOfAppend(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	cfg := testConfig(sink{vfs.NewMem()}, nil)
	cfg.SegmentBytes, cfg.CacheBytes = 16<<20, 1<<20
	t.Run("in clear", func(t *testing.T) { countAllocs(t, cfg) })
	cfg.FS, cfg.Keys = sink{vfs.NewMem()}, testKeys(t, "secret")
	t.Run("encrypted", func(t *testing.T) { countAllocs(t, cfg) })
}

func countAllocs(t *testing.T, cfg Config) {
	t.Helper()
	l := open(t, cfg)
	const groups = 64
	for g := range groups {
		must(t, l.Append(Write{Group: raft.GroupID(g + 1), Replica: &Replica{Self: 1}}))
	}
	must(t, l.Flush())
	data := make([]byte, 200)
	i := raft.Index(0)
	ents := make([]raft.Entry, 4)
	done := func(error) {}
	round := func() {
		for n := range ents {
			i++
			ents[n] = raft.Entry{Index: i, Term: 1, Data: data}
		}
		for g := range groups {
			must(t, l.Append(Write{Group: raft.GroupID(g + 1), Entries: ents, Done: done}))
		}
		must(t, l.Flush())
	}
	for range 30 {
		round()
	}
	// What grows with the log and the cache does so by doubling.
	if n := testing.AllocsPerRun(20, round); n > 40 {
		t.Errorf("%v allocations for %d records", n, groups*len(ents))
	}
	must(t, l.Close())
}
