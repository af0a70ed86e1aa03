package host

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

func everybody(cfg *GroupConfig) { cfg.Contacts = []raft.NodeID{1, 2, 3} }

func memory(cfg *GroupConfig) { cfg.Memory = true }

// voters waits until exactly the given identities vote.
func (c *cluster) voters(id raft.GroupID, want ...raft.PeerID) {
	c.t.Helper()
	slices.Sort(want)
	c.until("the voters are as wanted", 100, func() bool {
		l := c.leader(id)
		if l == nil {
			return false
		}
		conf := l.group(id).Status().Conf
		return slices.Equal(conf.Voters, want) && len(conf.Outgoing)+len(conf.Joining) == 0
	})
}

func TestWipedDiskComesBackAsAStranger(t *testing.T) {
	for _, whose := range []string{"a follower's", "the leader's"} {
		t.Run(whose, func(t *testing.T) {
			c := newCluster(t, 3)
			c.create(1, nil)
			c.apply(1, series("a", 10)...)
			nd := c.leader(1)
			if whose == "a follower's" {
				nd = c.nodes[1+nd.id%3]
			}
			old := nd.peer()
			nd.crash()
			nd.wipe()
			nd.start()
			if g := nd.join(1, everybody); g.Self() == old {
				t.Fatal("it has the old identity")
			}
			c.apply(1, "b")
			var want []raft.PeerID
			for _, n := range c.up() {
				want = append(want, n.group(1).Self())
			}
			c.voters(1, want...)
			c.same(1)
			c.asleep()
			if nd.group(1).State() != Running {
				t.Errorf("it is %v", nd.group(1).State())
			}
		})
	}
}

func TestMemoryGroup(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, memory)
	c.apply(1, series("a", 10)...)
	c.asleep()
	nd := c.nodes[2]
	old := nd.group(1).Self()
	nd.crash()
	nd.saved[1] = nil // its machine is in memory as well
	nd.start()
	g := nd.open(1)
	c.run()
	if g.Self() == old || g.Self().Node() != 2 {
		t.Errorf("it comes back as %v, was %v", g.Self(), old)
	}
	c.apply(1, "b")
	c.voters(1, c.nodes[1].group(1).Self(), g.Self(), c.nodes[3].group(1).Self())
	c.same(1)
	// And once more, at once.
	nd.crash()
	nd.saved[1] = nil
	nd.start()
	nd.open(1)
	c.apply(1, "c")
	c.same(1)
	if got := c.nodes[3].machines[1].items(); len(got) != 12 {
		t.Errorf("applied %q", got)
	}
}

func TestMemoryGroupOfOneIsHaltedByRestart(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, memory)
	c.apply(1, "a")
	c.nodes[1].crash()
	c.nodes[1].start()
	c.nodes[1].open(1, func(cfg *GroupConfig) { cfg.Sole = true })
	c.tick(30)
	if st := c.nodes[1].group(1).Status(); st.State != Halted || st.Err == nil {
		t.Errorf("%+v", st)
	}
}

// A replica whose state is damaged keeps what it has until the others have taken
// it in again, and is then refilled.
func TestDamagedReplicaIsRefilled(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, series("a", 10)...)
	nd := c.nodes[2]
	c.elect(1, 1)
	c.tick(2)
	index := nd.machines[1].checkpoint()
	nd.group(1).Checkpointed(index)
	c.run()
	old := nd.group(1).Self()
	nd.crash()
	nd.saved[1] = nil // what the log no longer has is gone
	for _, n := range []raft.NodeID{1, 3} {
		c.cut[[2]raft.NodeID{n, 2}] = true
	}
	nd.start()
	g := nd.open(1)
	c.tick(30)
	st := g.Status()
	if st.State != Rejoining || st.Err == nil || len(nd.told(EventDamage)) != 1 {
		t.Errorf("%+v, events %+v", st, nd.events)
	}
	if lg, ok := nd.log.Group(1); !ok || lg.State().Replica.Self != old || lg.State().Base.Index != index {
		t.Error("its log was not left alone")
	}
	clear(c.cut)
	c.apply(1, "b")
	c.voters(1, c.nodes[1].peer(), g.Self(), c.nodes[3].peer())
	c.same(1)
	if lg, ok := nd.log.Group(1); !ok || lg.State().Replica.Self != g.Self() || g.Self() == old {
		t.Errorf("it is %v", g.Self())
	}
}

// If a majority is damaged nobody can admit anybody, and nothing is touched.
func TestDamagedMajorityIsLeftAlone(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, series("a", 10)...)
	for _, nd := range c.up() {
		nd.group(1).Checkpointed(nd.machines[1].checkpoint())
	}
	c.tick(2)
	for _, n := range []raft.NodeID{1, 2} {
		c.nodes[n].crash()
		c.nodes[n].saved[1] = nil
		c.nodes[n].start()
		c.nodes[n].open(1)
	}
	c.tick(100)
	for _, n := range []raft.NodeID{1, 2} {
		nd := c.nodes[n]
		if st := nd.group(1).Status(); st.State != Rejoining || st.Err == nil {
			t.Errorf("node %d: %+v", n, st)
		}
		if lg, ok := nd.log.Group(1); !ok || lg.State().Replica.Self != nd.peer() || lg.State().Base.Index == 0 {
			t.Errorf("node %d has made itself anew", n)
		}
	}
}

func TestDamagedSoleVoterIsHalted(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	c.apply(1, "a")
	nd := c.nodes[1]
	nd.group(1).Checkpointed(nd.machines[1].checkpoint())
	c.run()
	nd.crash()
	nd.saved[1] = nil
	nd.start()
	g := nd.open(1)
	c.tick(20)
	if st := g.Status(); st.State != Halted || st.Err == nil || nd.host.Stats().Halted != 1 {
		t.Errorf("%+v", st)
	}
	if err := g.Propose(Proposal{}); !errors.Is(err, ErrHalted) {
		t.Errorf("proposing: %v", err)
	}
	var readErr error
	g.ReadIndex(func(_ raft.Index, err error) { readErr = err })
	if !errors.Is(readErr, ErrHalted) {
		t.Errorf("reading: %v", readErr)
	}
	if lg, _ := nd.log.Group(1); lg.State().Base.Index == 0 {
		t.Error("its log was cut")
	}
	g.Stop()
	if nd.host.Stats().Halted != 0 {
		t.Error("it still counts as halted")
	}
}

// The machine is durable further than the log, as when the server stops between
// the two writes at the end of a transfer.
func TestMachineAheadOfTheLog(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elect(1, 1)
	c.apply(1, series("a", 5)...)
	nd := c.nodes[3]
	c.tick(3)
	c.nodes[1].propose(1, "b")
	c.run()
	// All that comes from now on is applied, and not written.
	ahead := c.nodes[1].machines[1].state.clone()
	nd.crash()
	ahead.At.Base.Index += 7
	ahead.At.Base.Term++
	nd.saved[1].state = ahead
	nd.start()
	g := nd.open(1)
	c.run()
	if lg, _ := nd.log.Group(1); lg.State().Base.Index != ahead.At.Base.Index || lg.State().Hard.Term < ahead.At.Base.Term {
		t.Errorf("the log begins behind %d in term %d", lg.State().Base.Index, lg.State().Hard.Term)
	}
	if st := g.Status(); st.State != Running || st.Commit != ahead.At.Base.Index {
		t.Errorf("%+v", st)
	}
}

// A leader that finds out that a follower has forgotten has it come back as a
// stranger.
func TestForgetfulFollowerIsTold(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elect(1, 1)
	c.apply(1, "a")
	c.asleep()
	old := c.nodes[2].group(1).Self()
	c.nodes[2].host.Receive(1, Normal, appendNotice(appendFrameHead(nil, c.nodes[1].host.epoch), notice{kind: noticeForgot, group: 1, inc: old.Incarnation()}))
	c.apply(1, "b")
	c.voters(1, c.nodes[1].peer(), c.nodes[2].group(1).Self(), c.nodes[3].peer())
	if c.nodes[2].group(1).Self() == old {
		t.Error("it is the same")
	}
	c.same(1)
}

// What a replica counts for that was admitted again, it has on its disk: it begins with what its
// machine has made durable, and no crash makes it forget that.
func TestAdmittedReplicaHasWhatItCountsFor(t *testing.T) {
	for _, goesBack := range []bool{false, true} {
		t.Run(fmt.Sprint("goes back ", goesBack), func(t *testing.T) {
			c := newCluster(t, 3)
			c.create(1, nil)
			c.elect(1, 1)
			c.apply(1, series("a", 10)...)
			c.asleep()
			nd := c.nodes[2]
			nd.machines[1].goesBack = goesBack
			forgot := notice{kind: noticeForgot, group: 1, inc: nd.group(1).Self().Incarnation()}
			nd.host.Receive(1, Normal, appendNotice(appendFrameHead(nil, c.nodes[1].host.epoch), forgot))
			c.apply(1, "b")
			self := nd.group(1).Self()
			c.voters(1, c.nodes[1].peer(), self, c.nodes[3].peer())
			c.same(1)
			nd.crash()
			nd.start()
			g := nd.open(1)
			c.apply(1, "c")
			c.voters(1, c.nodes[1].peer(), self, c.nodes[3].peer())
			c.same(1)
			if g.Self() != self {
				t.Errorf("%v was admitted, and is %v after a crash", self, g.Self())
			}
		})
	}
}

// A replica whose machine cannot keep what it has is halted rather than counted.
func TestAdmittedReplicaCannotKeep(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elect(1, 1)
	c.apply(1, "a")
	c.asleep()
	nd := c.nodes[2]
	nd.machines[1].noKeeping = errors.New("no space")
	forgot := notice{kind: noticeForgot, group: 1, inc: nd.group(1).Self().Incarnation()}
	nd.host.Receive(1, Normal, appendNotice(appendFrameHead(nil, c.nodes[1].host.epoch), forgot))
	c.apply(1, "b")
	c.tick(30)
	if st := nd.group(1).Status(); st.State != Halted || st.Err == nil {
		t.Errorf("%+v", st)
	}
}

// Rejoining is no way into a group for those who have no part in it.
func TestStrangersAreNotLetIn(t *testing.T) {
	c := newCluster(t, 4)
	c.create(1, nil, 1, 2, 3)
	c.apply(1, "a")
	c.nodes[4].join(1, everybody)
	c.tick(50)
	if st := c.leader(1).group(1).Status(); len(st.Conf.Peers()) != 3 {
		t.Errorf("%v", st.Conf)
	}
}

func TestLearnerComesBackAsLearner(t *testing.T) {
	c := newCluster(t, 4)
	c.create(1, nil, 1, 2, 3)
	c.apply(1, "a")
	nd := c.nodes[4]
	nd.join(1, everybody)
	c.leader(1).group(1).Change([]raft.Change{{Type: raft.AddLearner, Peer: nd.group(1).Self()}}, nil)
	c.same(1)
	nd.crash()
	nd.wipe()
	nd.start()
	nd.join(1, everybody)
	c.until("it is a learner again", 60, func() bool {
		return slices.Equal(c.leader(1).group(1).Status().Conf.Learners, []raft.PeerID{nd.group(1).Self()})
	})
	c.same(1)
	c.asleep()
}

// A replica that was removed, whether it was there or not, comes back as a stranger, who is
// admitted if he may be.
func TestRemovedReplicaComesBackAsAStranger(t *testing.T) {
	for n := range 4 {
		away, joint := n%2 == 0, n > 1
		t.Run(fmt.Sprintf("away %v, joint %v", away, joint), func(t *testing.T) {
			c := newCluster(t, 5)
			welcome := false
			c.create(1, func(cfg *GroupConfig) { cfg.Admits = func(p raft.PeerID, _ uint64) bool { return welcome } })
			nd := c.elect(1, 1)
			gone := c.nodes[3]
			old := gone.peer()
			c.apply(1, "a")
			if away {
				gone.crash()
			}
			changes := []raft.Change{{Type: raft.RemovePeer, Peer: old}}
			left := []raft.PeerID{c.nodes[1].peer(), c.nodes[2].peer(), c.nodes[4].peer(), c.nodes[5].peer()}
			if joint {
				changes = append(changes, raft.Change{Type: raft.RemovePeer, Peer: c.nodes[5].peer()})
				left = left[:3]
			}
			nd.group(1).Change(changes, nil)
			c.voters(1, left...)
			c.apply(1, "b")
			if !away {
				c.tick(50)
				gone.crash()
			}
			c.asleep()
			gone.start()
			g := gone.open(1)
			c.until("it has found out", 200, func() bool { return g.State() == Rejoining })
			c.tick(50)
			if g.Self() == old || g.State() != Rejoining {
				t.Errorf("it is %v, %v", g.Self(), g.State())
			}
			welcome = true
			if joint {
				c.nodes[5].crash()
			}
			c.voters(1, append(left, g.Self())...)
			c.apply(1, "c")
		})
	}
}

// What is said to be removed by somebody who is behind is not.
func TestRemovalIsNotBelievedOfWhoIsBehind(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.apply(1, "a")
	c.asleep()
	to, epoch := c.nodes[2], nd.host.epoch
	old := to.peer()
	tell := func(index raft.Index) {
		to.host.Receive(1, Normal, appendNotice(appendFrameHead(nil, epoch), notice{kind: noticeRemoved, group: 1, inc: old.Incarnation(), plea: uint64(index)}))
		c.tick(1)
	}
	tell(1000) // it knows a leader
	nd.crash()
	c.nodes[3].crash()
	c.tick(30)
	tell(to.group(1).Status().Last) // it has as much
	if g := to.group(1); g.Self() != old || g.State() != Running {
		t.Errorf("it is %v, %v", g.Self(), g.State())
	}
}
