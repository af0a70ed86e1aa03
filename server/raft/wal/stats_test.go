package wal

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Whoever wonders why a server is slow is told how long its disk takes.
func TestStatsTellSlowSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(nil, nil)
		cfg.Clock = clock.Real()
		fs := errorfs.Wrap(vfs.NewMem(), cfg.Clock, nil)
		cfg.FS = fs
		l := open(t, cfg)
		before := l.Stats()
		for i, takes := range []time.Duration{5 * time.Millisecond, 300 * time.Millisecond, 7 * time.Millisecond} {
			fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSyncData), errorfs.Fault{Delay: takes}))
			must(t, l.Append(Write{Group: raft.GroupID(i + 1), Replica: &Replica{Self: 1}}))
			must(t, l.Flush())
		}
		s := l.Stats()
		if s.Syncs-before.Syncs != 3 || s.SyncTime-before.SyncTime != 312*time.Millisecond || s.LongestSync != 300*time.Millisecond {
			t.Errorf("%d syncs took %v, the longest %v", s.Syncs-before.Syncs, s.SyncTime-before.SyncTime, s.LongestSync)
		}
		fs.SetInjector(nil)
		must(t, l.Close())
	})
}
