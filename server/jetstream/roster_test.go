package jetstream

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// room has a server have so much room for streams on disk.
func room(file int64) rigOption {
	return func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) { c.Limits.MaxFile = file }
}

// tagged has a server have tags.
func tagged(tags ...string) rigOption {
	return func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) { c.Tags = tags }
}

// newCity starts servers from node 1 on, each with options of its own, and waits until they
// are a group.
func newCity(t *testing.T, n int, options func(node raft.NodeID) []rigOption) *town {
	t.Helper()
	w := newTown(t, n)
	for node := raft.NodeID(1); node <= raft.NodeID(n); node++ {
		var own []rigOption
		if options != nil {
			own = options(node)
		}
		w.open(node, vfs.NewMem(), own...)
	}
	time.Sleep(10 * time.Second)
	w.wantGroup(n)
	return w
}

// Every server knows how all others are, and hears of what changes.
func TestRoster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, func(node raft.NodeID) []rigOption { return []rigOption{room(int64(node) * 1000)} })
		defer w.close()
		want := func(node raft.NodeID, want ...meta.Seen) {
			t.Helper()
			if v := w.houses[node].e.view(); !slices.Equal(v.Seen, want) {
				t.Errorf("server %d sees %+v, want %+v", node, v.Seen, want)
			}
		}
		seen := func(node uint32, file int64) meta.Seen {
			return meta.Seen{Node: node, Online: true, Memory: -1, File: file}
		}
		for n := range raft.NodeID(3) {
			want(n+1, seen(1, 1000), seen(2, 2000), seen(3, 3000))
		}
		w.houses[2].e.SetLimits(Limits{MaxMemory: 5, MaxFile: 7})
		synctest.Wait()
		changed := meta.Seen{Node: 2, Online: true, Memory: 5, File: 7}
		for n := range raft.NodeID(3) {
			want(n+1, seen(1, 1000), changed, seen(3, 3000))
		}

		// Who is gone is remembered, with the time at which it was heard last.
		before, disk := time.Now(), w.houses[3].disk
		w.houses[3].close()
		time.Sleep(20 * time.Second)
		for n := range raft.NodeID(2) {
			v := w.houses[n+1].e.view()
			gone := v.Seen[2]
			if at := time.Unix(0, gone.OfflineSince); gone.Online || gone.File != 3000 || at.After(before) || before.Sub(at) > reportEvery {
				t.Errorf("server %d sees %+v", n+1, gone)
			}
			if off := w.houses[n+1].e.unreachable(); !slices.Equal(off, []uint32{3}) {
				t.Errorf("server %d does not reach %v", n+1, off)
			}
		}
		// A server that starts asks how the others are, and is heard.
		w.open(3, disk, room(9000))
		time.Sleep(5 * time.Second)
		for n := range raft.NodeID(3) {
			want(n+1, seen(1, 1000), changed, seen(3, 9000))
		}
	})
}

func TestReportIsDecoded(t *testing.T) {
	for body, want := range map[string]report{
		`{"node":1,"memory":-1,"file":5}`:                {Node: 1, Memory: -1, File: 5},
		`{"node":1,"memory":-7,"ask":true,"more":[1,2]}`: {Node: 1, Memory: -1, Ask: true},
		`{"memory":1}`: {}, `{"node":-1}`: {}, `x`: {}, ``: {},
		`{"node":1,"x":"` + strings.Repeat("x", maxReport) + `"}`: {},
	} {
		if got, ok := decodeReport([]byte(body)); got != want || ok != (want.Node != 0) {
			t.Errorf("%.40q: %+v, %v", body, got, ok)
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"node":1,"memory":-1,"file":5,"ask":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := decodeReport(b)
		if !ok {
			return
		}
		if again, ok := decodeReport(mustJSON(&r)); !ok || again != r {
			t.Errorf("%+v is read again as %+v", r, again)
		}
	})
}
