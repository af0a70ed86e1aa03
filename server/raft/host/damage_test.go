package host

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// flip changes a bit of what a server that is down has of something in its log.
func (nd *node) flip(what string) {
	nd.t.Helper()
	files, err := nd.fs.List("wal")
	if err != nil {
		nd.t.Fatal(err)
	}
	for _, e := range files {
		name := filepath.Join("wal", e.Name)
		if !strings.HasSuffix(name, ".wal") {
			continue
		}
		content, err := vfs.ReadFile(nd.fs, name, 1<<30)
		if err != nil {
			nd.t.Fatal(err)
		}
		at := bytes.Index(content, []byte(what))
		if at < 0 {
			continue
		}
		f, err := nd.fs.OpenReadWrite(name)
		if err != nil {
			nd.t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{content[at] ^ 1}, int64(at))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			nd.t.Fatal(err)
		}
		return
	}
	nd.t.Fatalf("%q is not in the log", what)
}

// The damage is real here: a bit on the disk. One of three heals, and all that it
// had of other groups stays.
func TestBitFlipHeals(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.create(2, nil)
	c.apply(1, series("first-", 10)...)
	c.apply(2, "other")
	c.apply(1, series("second-", 10)...)
	c.asleep()
	nd := c.nodes[2]
	old := nd.group(1).Self()
	nd.crash()
	nd.flip("first-3")
	nd.start()
	g, other := nd.open(1), nd.open(2)
	c.run()
	if st := g.Status(); st.State != Rejoining || len(st.Damage) == 0 || st.Err == nil || len(nd.told(EventDamage)) != 1 {
		t.Errorf("%+v, events %+v", st, nd.events)
	}
	c.apply(1, "third")
	c.same(1)
	c.same(2)
	c.voters(1, c.nodes[1].peer(), g.Self(), c.nodes[3].peer())
	if g.Self() == old || other.Self() != old {
		t.Errorf("the damaged group's replica is %v, the other's %v, both were %v", g.Self(), other.Self(), old)
	}
	nd.crash()
	nd.start()
	g = nd.open(1)
	c.apply(1, "fourth")
	c.same(1)
	if g.State() != Running || len(g.Status().Damage) != 0 {
		t.Errorf("%+v", g.Status())
	}
}

// A lone replica is not healed by anybody. Wherever the damage is, it has a part of what
// was applied, without gap, all of it if it goes on, and nothing is given up otherwise.
func TestBitFlipInALoneReplica(t *testing.T) {
	all := slices.Concat(series("first-", 5), []string{"more"}, series("second-", 5), []string{"last"})
	for _, checkpoint := range []bool{false, true} {
		c := newCluster(t, 1)
		nd := c.nodes[1]
		c.create(1, nil)
		c.create(2, nil)
		c.apply(1, all[:5]...)
		c.apply(1, all[5])
		if checkpoint {
			nd.machines[1].checkpoint()
		}
		c.apply(1, all[6:11]...)
		c.apply(1, all[11])
		c.apply(2, "other") // what was written last cannot be told from torn
		nd.crash()
		sound, saved := nd.fs, nd.saved[1].state.clone()
		segment, err := nd.newestSegment()
		if err != nil {
			t.Fatal(err)
		}
		content, err := vfs.ReadFile(sound, segment, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := map[State]int{}
		step := 20
		if race.Enabled {
			step = 200
		}
		for at := 0; at < len(bytes.TrimRight(content, "\x00")); at += step {
			nd.fs, nd.saved[1].state = sound.CrashClone(vfs.Killed), saved.clone()
			if err := errorfs.FlipStoredBit(nd.fs, segment, int64(at)*8+3); err != nil {
				t.Fatal(err)
			}
			nd.events = nil
			nd.start()
			if _, ok := nd.log.Group(1); !ok {
				t.Fatalf("damage at %d: the group is gone", at)
			}
			g := nd.open(1)
			c.tick(3)
			st, m := g.Status(), nd.machines[1]
			got := m.items()
			unknown := slices.ContainsFunc(st.Damage, func(d wal.Damage) bool { return d.Kind == wal.DamagedUnknown })
			switch {
			case !slices.Equal(got, all[:len(got)]):
				t.Errorf("damage at %d: applied %q", at, got)
			case len(st.Damage) > 0 && (st.Err == nil || len(nd.told(EventDamage)) == 0):
				t.Errorf("damage at %d: nobody is told: %+v", at, st)
			case st.State == Running && len(got) < len(all) && !unknown:
				t.Errorf("damage at %d: %q goes on, damage %v", at, got, st.Damage)
			case st.State == Halted && m.halted == nil:
				t.Errorf("damage at %d: the machine is not told", at)
			case st.State != Running && st.State != Halted:
				t.Errorf("damage at %d: it is %v", at, st.State)
			}
			outcomes[st.State]++
			if lg, _ := nd.log.Group(1); st.State == Halted {
				// What is not damaged is still in the log.
				if lost := lg.State().Damage; len(lost) == 0 || lg.Last() == 0 {
					t.Errorf("damage at %d: the log has forgotten it", at)
				}
			} else if len(st.Damage) > 0 {
				// It has made up for it, and the next start is an ordinary one.
				c.apply(1, "goes on")
				nd.crash()
				nd.start()
				g := nd.open(1)
				c.run()
				if again := nd.machines[1].items(); !slices.Equal(again, append(slices.Clone(got), "goes on")) || len(g.Status().Damage) > 0 {
					t.Errorf("damage at %d: then %q, %+v", at, again, g.Status())
				}
			}
			nd.crash()
		}
		if outcomes[Running] == 0 || !checkpoint && outcomes[Halted] == 0 {
			t.Errorf("outcomes %v", outcomes)
		}
		t.Logf("checkpoint %v: %v", checkpoint, outcomes)
	}
}

// newestSegment returns the path of the newest segment of the log of a server that is
// down.
func (nd *node) newestSegment() (path string, err error) {
	files, err := nd.fs.List("wal")
	for _, e := range files {
		if strings.HasSuffix(e.Name, ".wal") {
			path = filepath.Join("wal", e.Name)
		}
	}
	return path, err
}

// A disk that fails under a running server: the log is poisoned, the group goes on
// without it, and the server comes back as it was when it is started again.
func TestFailedSync(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.apply(1, "a")
	c.asleep()
	fail := errors.New("input/output error")
	nd.breakDisk(func(op errorfs.Op) bool { return op.Kind.Syncs() }, fail)
	out := nd.propose(1, "b")
	c.run()
	c.until("another leader", 40, func() bool { l := c.leader(1); return l != nil && l != nd })
	if out[0].Fate != Unknown {
		t.Errorf("outcome %+v", *out[0])
	}
	if len(nd.told(EventPoisoned)) != 1 {
		t.Errorf("events %+v", nd.events)
	}
	c.apply(1, "c")
	nd.crash()
	nd.start()
	nd.open(1)
	c.same(1)
}

// A log that cannot be read for a while is no log that is lost. Nobody comes back
// as somebody else, not even if the group cannot go on meanwhile.
func TestReadErrorsPass(t *testing.T) {
	c := newCluster(t, 3)
	c.cache = -1
	for _, nd := range c.up() {
		nd.crash()
		nd.wipe()
		nd.start()
	}
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(2)
	c.nodes[3].crash()
	c.apply(1, series("a", 10)...)
	c.apply(1, series("b", 10)...)
	fail := errors.New("input/output error")
	for _, n := range []raft.NodeID{1, 2} {
		c.nodes[n].breakDisk(errorfs.Kinds(errorfs.OpReadAt), fail)
	}
	c.nodes[3].start()
	c.nodes[3].open(1) // and needs what is in the log
	c.until("somebody cannot read", 60, func() bool {
		return len(c.nodes[1].told(EventUnreadable))+len(c.nodes[2].told(EventUnreadable)) > 0
	})
	c.tick(50)
	for _, n := range []raft.NodeID{1, 2} {
		if len(c.nodes[n].told(EventRejoin)) > 0 || len(c.nodes[n].told(EventPoisoned)) > 0 {
			t.Errorf("node %d: %+v", n, c.nodes[n].events)
		}
		c.nodes[n].disk.SetInjector(nil)
	}
	c.same(1)
	c.apply(1, "c")
	c.same(1)
	c.voters(1, c.nodes[1].peer(), c.nodes[2].peer(), c.nodes[3].peer())
	if st := nd.group(1).State(); st != Running {
		t.Errorf("it is %v", st)
	}
}
