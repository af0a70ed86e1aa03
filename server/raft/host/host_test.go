package host

import (
	"errors"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

func TestProposalsAreAppliedEverywhere(t *testing.T) {
	c := newCluster(t, 3)
	c.create(7, nil)
	c.apply(7, series("a", 100)...)
	c.apply(7, "")
	c.same(7)
	m := c.nodes[1].machines[7]
	if want := append(series("a", 100), ""); !slices.Equal(m.items(), want) {
		t.Errorf("applied %q", m.items())
	}
	if m.calls > 3 {
		t.Errorf("%d entries for two moments of proposals and a mark", m.calls)
	}
	l := c.leader(7)
	if st := l.host.Stats(); st.PendingBytes != 0 || st.Proposals != 101 || l.group(7).Status().PendingBytes != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

func TestSoleVoterLeadsAtOnce(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	if c.leader(1) == nil {
		t.Fatal("it waits for somebody")
	}
	c.apply(1, "x")
	c.nodes[1].crash()
	c.nodes[1].start()
	c.nodes[1].open(1)
	c.run()
	c.apply(1, "y")
	if got := c.nodes[1].machines[1].items(); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("applied %q", got)
	}
}

func TestLeaderIsToldWhenItHasAppliedItsMark(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, "x")
	nd := c.leader(1)
	leads := nd.machines[1].leads
	last := leads[len(leads)-1]
	if !last.Leading || last.Leader != nd.peer() || last.Term == 0 {
		t.Errorf("the leader's machine was told %+v", leads)
	}
	for _, other := range c.up() {
		if leads := other.machines[1].leads; leads[len(leads)-1].Leader != nd.peer() {
			t.Errorf("node %d was told %+v", other.id, leads)
		}
	}
}

// Time is the leader's, and goes on growing when the next leader's clock, which is
// the same here, has not moved, and when all that is left of it is in an image.
func TestTimeGrowsOverLeadersAndRestarts(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elected(1)
	frozen := c.clock.Now()
	for range 20 {
		c.apply(1, "x")
	}
	if got := c.nodes[1].machines[1].state.At.Time - frozen.UnixNano(); got != 19 {
		t.Errorf("20 entries of one moment are spread over %d ns", got)
	}
	for _, nd := range c.up() {
		m := nd.machines[1]
		// As if the clock had been far ahead.
		m.state.At.Time += 1e18
		m.checkpoint()
		nd.crash()
		nd.start()
		nd.open(1)
	}
	for range 3 {
		c.apply(1, "y") // or the machine refuses it
	}
	c.same(1)
}

func TestOutcomesOfADeposedLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	old := c.elect(1, 1)
	c.tick(2)
	// It cannot be heard any more, nor hear.
	for _, n := range []raft.NodeID{2, 3} {
		c.cut[[2]raft.NodeID{1, n}], c.cut[[2]raft.NodeID{n, 1}] = true, true
	}
	lost := old.propose(1, "lost")
	c.until("another leader", 60, func() bool { return c.nodes[2].group(1).Leading() || c.nodes[3].group(1).Leading() })
	if lost[0].Fate != 0 {
		t.Errorf("it was told %+v while nobody can know", *lost[0])
	}
	next := c.nodes[2]
	if !next.group(1).Leading() {
		next = c.nodes[3]
	}
	next.propose(1, "kept")
	c.run()
	clear(c.cut)
	c.until("the outcome is known", 60, func() bool { return lost[0].Fate != 0 })
	if lost[0].Fate != Dropped || !errors.Is(lost[0].Err, ErrReplaced) {
		t.Errorf("outcome %+v", *lost[0])
	}
	c.same(1)
	if got := c.nodes[1].machines[1].items(); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("applied %q", got)
	}
}

func TestOutcomeIsUnknownWithoutAnotherLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.nodes[2].crash()
	c.nodes[3].crash()
	out := nd.propose(1, "x")
	c.until("the outcome is given up", 100, func() bool { return out[0].Fate != 0 })
	if out[0].Fate != Unknown || nd.host.Stats().PendingBytes != 0 {
		t.Errorf("outcome %+v", *out[0])
	}
	if err := nd.group(1).Propose(Proposal{}); !errors.Is(err, ErrNotLeader) {
		t.Errorf("proposing without a majority: %v", err)
	}
}

func TestProposalForAnotherTermIsDropped(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	g := c.nodes[1].group(1)
	_, term := g.Leader()
	var got []Outcome
	for _, tt := range []raft.Term{term, term + 2, 0, term + 1, term} {
		if err := g.Propose(Proposal{Data: []byte("x"), Term: tt, Done: func(o Outcome) { got = append(got, o) }}); err != nil {
			t.Fatal(err)
		}
	}
	c.run()
	var fates []Fate
	for _, o := range got {
		fates = append(fates, o.Fate)
	}
	slices.Sort(fates)
	if want := []Fate{Applied, Applied, Applied, Dropped, Dropped}; !slices.Equal(fates, want) {
		t.Errorf("fates %v", fates)
	}
	if st := c.nodes[1].host.Stats(); st.PendingBytes != 0 {
		t.Errorf("%d bytes pending", st.PendingBytes)
	}
}

func TestReadsSeeWhatIsCommitted(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, "x")
	for _, nd := range c.up() {
		c.apply(1, "y")
		want := c.leader(1).group(1).Applied()
		var got raft.Index
		var seen raft.Index
		nd.group(1).ReadIndex(func(i raft.Index, err error) {
			if err != nil {
				t.Errorf("node %d: %v", nd.id, err)
			}
			got, seen = i, nd.group(1).Applied()
		})
		c.until("the read is answered", 20, func() bool { return got != 0 })
		if got < want || nd.machines[1].state.At.Base.Index < got {
			t.Errorf("node %d reads at %d of %d, applied %d", nd.id, got, want, seen)
		}
	}
}

func TestReadIsGivenUp(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(20) // asleep
	c.nodes[2].crash()
	c.nodes[3].crash()
	var err error
	nd.group(1).ReadIndex(func(_ raft.Index, e error) { err = e })
	c.until("it is given up", 60, func() bool { return err != nil })
	if !errors.Is(err, ErrReadLost) {
		t.Errorf("error %v", err)
	}
	err = nil
	nd.group(1).ReadIndex(func(_ raft.Index, e error) { err = e })
	c.run()
	if !errors.Is(err, raft.ErrNoLeader) {
		t.Errorf("error %v", err)
	}
}

func TestTransfer(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, "x")
	for _, n := range []raft.NodeID{1, 2, 3, 1} {
		c.elect(1, n)
		c.apply(1, "y")
	}
	c.same(1)
	if err := c.nodes[2].group(1).Transfer(3); !errors.Is(err, ErrNotLeader) {
		t.Errorf("transfer by a follower: %v", err)
	}
}

func TestMembershipChanges(t *testing.T) {
	c := newCluster(t, 4)
	c.create(1, nil, 1, 2, 3)
	c.apply(1, series("a", 10)...)
	nd := c.leader(1)
	// The new member is there before or after it is admitted.
	c.nodes[4].join(1, func(cfg *GroupConfig) { cfg.Contacts = []raft.NodeID{1, 2, 3} })
	changed := false
	joined := c.nodes[4].group(1).Self()
	nd.group(1).Change([]raft.Change{{Type: raft.AddVoter, Peer: joined}}, func(err error) {
		if err != nil {
			t.Error(err)
		}
		changed = true
	})
	c.until("node 4 is a voter", 50, func() bool {
		conf := nd.group(1).Status().Conf
		return slices.Contains(conf.Voters, joined)
	})
	if !changed {
		t.Error("nobody was told")
	}
	c.same(1)
	if got := c.nodes[4].told(EventAdmitted); len(got) != 1 {
		t.Errorf("events %+v", got)
	}

	var refused error
	nd.group(1).Change([]raft.Change{{Type: raft.RemovePeer, Peer: 99}}, func(err error) { refused = err })
	c.run()
	if !errors.Is(refused, raft.ErrConfInvalid) {
		t.Errorf("removing a stranger: %v", refused)
	}

	// Away with one, and its data.
	gone := c.nodes[1]
	if gone == nd {
		gone = c.nodes[2]
	}
	peer := gone.peer()
	nd.group(1).Change([]raft.Change{{Type: raft.RemovePeer, Peer: peer}}, nil)
	c.tick(5)
	if err := gone.group(1).Delete(); err != nil {
		t.Fatal(err)
	}
	c.apply(1, "b")
	// Back again: the old identity is used up.
	g := gone.join(1, func(cfg *GroupConfig) { cfg.Contacts = []raft.NodeID{1, 2, 3, 4} })
	if g.Self() == peer {
		t.Error("the identity of a deleted replica is used again")
	}
	c.tick(20)
	if st := g.Status(); st.State != Rejoining || st.Last != 0 {
		t.Errorf("a node that was removed was let in: %+v", st)
	}
	nd.group(1).Change([]raft.Change{{Type: raft.AddVoter, Peer: g.Self()}}, nil)
	c.same(1)
}

func TestStopAndOpenAgain(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, "x")
	c.tick(20) // asleep
	nd := c.leader(1)
	nd.group(1).Stop()
	if _, ok := nd.host.Group(1); ok {
		t.Error("it is still there")
	}
	c.run()
	c.until("another leader", 30, func() bool { l := c.leader(1); return l != nil && l != nd })
	c.apply(1, "y")
	nd.open(1)
	c.same(1)
	if _, err := nd.host.Open(nd.config(1)); !errors.Is(err, ErrExists) {
		t.Errorf("opening it twice: %v", err)
	}
	if _, err := nd.host.Open(nd.config(2)); !errors.Is(err, ErrUnknownGroup) {
		t.Errorf("opening a stranger: %v", err)
	}
}

func TestStopTellsAllWhoWait(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.nodes[2].crash()
	c.nodes[3].crash()
	outs := nd.propose(1, "x", "y")
	nd.host.Poll()
	outs = append(outs, nd.propose(1, "z")...)
	var readErr, changeErr error
	g := nd.group(1)
	g.ReadIndex(func(_ raft.Index, err error) { readErr = err })
	g.Change([]raft.Change{{Type: raft.AddLearner, Peer: 77}}, func(err error) { changeErr = err })
	nd.host.Stop()
	for i, want := range []Fate{Unknown, Unknown, Unknown} {
		if i == 2 {
			want = Dropped
		}
		if outs[i].Fate != want && outs[i].Fate != Unknown {
			t.Errorf("proposal %d: %+v", i, *outs[i])
		}
	}
	if readErr == nil || changeErr == nil {
		t.Errorf("read: %v, change: %v", readErr, changeErr)
	}
	if err := g.Propose(Proposal{}); !errors.Is(err, ErrStopped) {
		t.Errorf("proposing after the end: %v", err)
	}
	if st := nd.host.Stats(); st.PendingBytes != 0 || st.Groups != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

// A cluster that is driven the same way does the same.
func TestDeterminism(t *testing.T) {
	history := func() (sum []string) {
		c := newCluster(t, 3)
		for id := range raft.GroupID(5) {
			c.create(id+1, nil)
		}
		for id := range raft.GroupID(5) {
			c.apply(id+1, series("a", 20)...)
		}
		c.nodes[2].crash()
		c.tick(30)
		for id := range raft.GroupID(5) {
			c.apply(id+1, "b")
		}
		c.nodes[2].start()
		for id := range raft.GroupID(5) {
			c.nodes[2].open(id + 1)
		}
		c.tick(30)
		return append(sum, c.dump())
	}
	if a, b := history(), history(); !slices.Equal(a, b) {
		t.Errorf("first\n%s\nthen\n%s", a[0], b[0])
	}
}
