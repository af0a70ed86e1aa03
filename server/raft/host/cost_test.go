package host

import (
	"runtime"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/raft"
)

// nothing is a machine that keeps nothing but its position.
type nothing struct{ at Position }

func (m *nothing) Applied() Position { return Position{} }

func (m *nothing) Apply(b *Batch) error {
	m.at.Base.Index, m.at.Base.Term, m.at.Time = b.Index, b.Term, b.Time
	return nil
}

func (m *nothing) ApplyConf(i raft.Index, t raft.Term, c *raft.ConfState) error { return nil }
func (m *nothing) Snapshot() (Snapshot, error)                                  { panic("not asked for") }

func (m *nothing) Restore(Position, Image) error { panic("not asked for") }
func (m *nothing) LeaderChanged(Leadership)      {}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return ms.HeapAlloc
}

// An idle replica, with its core and its share of the log, has to be cheap: there
// may be ten thousand.
func TestIdleReplicasAreSmall(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes everything bigger")
	}
	c := newClusterOn(t, 3, t.TempDir()) // for disks in memory would count
	total := 0
	add := func(groups int) {
		for range groups {
			total++
			c.create(raft.GroupID(total), func(cfg *GroupConfig) { cfg.Machine = &nothing{} })
		}
		c.until("all have leaders", 100, func() bool {
			n := 0
			for _, nd := range c.up() {
				n += nd.host.Stats().Leaders
				clear(nd.machines)
				clear(nd.saved)
				nd.events = nil
			}
			return n == total
		})
		for id := range raft.GroupID(total) {
			g := c.leader(id + 1).group(id + 1)
			if err := g.Propose(Proposal{Data: make([]byte, 100)}); err != nil {
				t.Fatal(err)
			}
		}
		c.asleep()
	}
	const groups = 500
	add(groups) // with what the hosts and logs keep for themselves
	before := heap()
	add(groups)
	each := (heap() - before) / (3 * groups)
	t.Logf("%d bytes for each replica", each)
	if each > 6<<10 {
		t.Errorf("%d bytes for each replica", each)
	}
	runtime.KeepAlive(c)
}

// Passing one more proposal on costs next to no memory: what is allocated is per
// entry.
func TestProposalsShareTheirCost(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes pools forgetful")
	}
	c := newCluster(t, 1)
	c.create(1, func(cfg *GroupConfig) { cfg.Machine = &nothing{} })
	nd := c.nodes[1]
	g := nd.group(1)
	data := make([]byte, 128)
	done := func(Outcome) {}
	const batch = 100
	n := testing.AllocsPerRun(100, func() {
		for range batch {
			if err := g.Propose(Proposal{Data: data, Done: done}); err != nil {
				t.Fatal(err)
			}
		}
		c.run()
	})
	if n > 60 {
		t.Errorf("%.0f allocations for an entry of %d proposals", n, batch)
	}
	t.Logf("%.0f allocations for an entry of %d proposals", n, batch)
}
