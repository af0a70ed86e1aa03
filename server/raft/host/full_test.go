package host

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// noRoom fails all that may need space.
var noRoom = errorfs.On(errorfs.Kinds(errorfs.OpCreate, errorfs.OpWrite, errorfs.OpWriteAt, errorfs.OpPreallocate), errorfs.Fault{Err: syscall.ENOSPC})

// keepHouse has the log find out whether there is space.
func (nd *node) keepHouse() {
	nd.t.Helper()
	if err := nd.log.Housekeep(); err != nil {
		nd.t.Fatal(err)
	}
}

// A lone replica that is started on a disk which takes nothing at all leads, shows all
// that it had, and says why it takes nothing. With space it goes on by itself.
func TestAloneOnAFullDisk(t *testing.T) {
	c := newCluster(t, 1)
	nd := c.nodes[1]
	c.create(1, nil)
	c.apply(1, series("item-", 20)...)
	nd.machines[1].checkpoint()
	c.apply(1, series("more-", 20)...)
	all := nd.machines[1].items()
	for range 3 {
		nd.crash()
		nd.start()
		nd.disk.SetInjector(noRoom)
		g := nd.open(1)
		c.tick(5)
		m := nd.machines[1]
		if got := m.items(); !slices.Equal(got, all) {
			t.Fatalf("%d of %d items are applied", len(got), len(all))
		}
		if len(m.leads) == 0 || !m.leads[len(m.leads)-1].Leading {
			t.Fatalf("the machine was told %+v", m.leads)
		}
		read := errors.New("no answer")
		g.ReadIndex(func(_ raft.Index, err error) { read = err })
		c.run()
		if read != nil {
			t.Errorf("a read: %v", read)
		}
		for _, frees := range []bool{false, true} {
			if err := g.Propose(Proposal{Data: []byte("x"), Frees: frees}); !errors.Is(err, ErrFull) {
				t.Errorf("a proposal: %v", err)
			}
		}
	}
	nd.disk.SetInjector(nil)
	nd.keepHouse()
	c.tick(5)
	c.apply(1, "again")
	if got := nd.machines[1].items(); !slices.Equal(got, append(slices.Clone(all), "again")) {
		t.Errorf("then %d items are applied", len(got))
	}
}

// While the disk is full what wins space back is taken, and nothing else; what was on its
// way is dropped in time for that.
func TestFreesOnAFullDisk(t *testing.T) {
	for _, started := range []bool{false, true} {
		c := newCluster(t, 1)
		nd := c.nodes[1]
		c.create(1, nil)
		c.create(2, nil)
		c.create(3, nil)
		c.apply(1, "first")
		large := strings.Repeat("x", 1<<20)
		if started {
			nd.crash()
			nd.start()
		}
		// There is room for a small segment, or what was kept of the last one.
		nd.disk.LimitSpace(100 << 10)
		if started {
			nd.open(1)
			nd.open(2)
			nd.open(3)
		}
		c.tick(3)
		stuck, small := nd.propose(2, large), nd.propose(3, "small")
		c.tick(3)
		if stuck[0].Fate != 0 || small[0].Fate != 0 || !nd.log.Full() {
			t.Fatalf("started %v: %+v, %+v, full %v", started, *stuck[0], *small[0], nd.log.Full())
		}
		g := nd.group(1)
		if err := g.Propose(Proposal{Data: []byte("x")}); !errors.Is(err, ErrFull) {
			t.Errorf("started %v: %v", started, err)
		}
		var dropped, freed Outcome
		nd.host.logBusy.Store(false) // it does not know yet
		if err := g.Propose(Proposal{Data: []byte("late"), Done: func(o Outcome) { dropped = o }}); err != nil {
			t.Fatal(err)
		}
		nd.host.checkLog()
		if err := g.Propose(Proposal{Data: []byte("frees"), Frees: true, Done: func(o Outcome) { freed = o }}); err != nil {
			t.Fatal(err)
		}
		c.tick(3)
		if dropped.Fate != Dropped || !errors.Is(dropped.Err, ErrFull) || freed.Fate != Applied {
			t.Errorf("started %v: %+v and %+v", started, dropped, freed)
		}
		nd.disk.LimitSpace(-1)
		nd.keepHouse()
		c.tick(5)
		if stuck[0].Fate != Applied || small[0].Fate != Applied {
			t.Errorf("started %v: with space %+v and %+v", started, *stuck[0], *small[0])
		}
		c.apply(1, "again")
		if got := nd.machines[1].items(); !slices.Equal(got, []string{"first", "frees", "again"}) {
			t.Errorf("started %v: %q", started, got)
		}
	}
}
