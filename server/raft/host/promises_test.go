package host

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// What a disk has failed to take is acknowledged by nobody, be it the leader's or
// the only follower's.
func TestFailedSyncAcknowledgesNothing(t *testing.T) {
	for _, whose := range []raft.NodeID{1, 2} {
		c := newCluster(t, 3)
		c.create(1, nil)
		nd := c.elect(1, 1)
		c.apply(1, "a")
		c.asleep()
		c.nodes[3].crash()
		c.nodes[whose].breakDisk(func(op errorfs.Op) bool { return op.Kind.Syncs() }, errors.New("input/output error"))
		committed := nd.group(1).Status().Commit
		out := nd.propose(1, "b")
		c.tick(30)
		for _, up := range c.up() {
			if got := up.group(1).Status(); got.Commit > committed {
				t.Errorf("with the disk of node %d broken node %d has committed %d, it was %d", whose, up.id, got.Commit, committed)
			}
		}
		if out[0].Fate == Applied {
			t.Errorf("with the disk of node %d broken: %+v", whose, *out[0])
		}
	}
}

// What is on its way to the disk is not acknowledged either.
func TestSlowDiskAcknowledgesNothing(t *testing.T) {
	for _, whose := range []raft.NodeID{1, 2} {
		c := newCluster(t, 3)
		c.create(1, nil)
		nd := c.elect(1, 1)
		c.apply(1, "a")
		c.tick(2)
		c.nodes[3].crash()
		slow := c.nodes[whose]
		first := nd.propose(1, "b")
		c.run()
		slow.stuck = true
		second := nd.propose(1, "c")
		c.run()
		third := nd.propose(1, "d")
		c.run()
		if first[0].Fate != Applied || second[0].Fate != 0 || third[0].Fate != 0 {
			t.Errorf("with the disk of node %d standing still: %+v, %+v, %+v", whose, *first[0], *second[0], *third[0])
		}
		slow.stuck = false
		c.until("all is applied", 30, func() bool { return second[0].Fate == Applied && third[0].Fate == Applied })
	}
}

// trusting is a machine that takes whatever it is given, and counts it.
type trusting struct {
	*machine
	given int
}

func (m *trusting) Apply(b *Batch) error {
	m.given++
	return nil
}

// An entry is applied once, behind the one before it, or not at all.
func TestMachineSeesEachIndexOnce(t *testing.T) {
	entry := func(i raft.Index) []raft.Entry {
		return []raft.Entry{{Index: i, Term: 1, Data: appendEntry(nil, 1<<62, []Proposal{{Data: []byte("x")}})}}
	}
	for _, tt := range []struct {
		name string
		// offset is added to what is applied.
		offset int
		want   State
	}{
		{"before", -1, Running},
		{"the same again", 0, Running},
		{"behind a gap", 2, Halted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1)
			m := &trusting{}
			c.create(1, func(cfg *GroupConfig) { m.machine, cfg.Machine = cfg.Machine.(*machine), m })
			nd := c.nodes[1]
			nd.propose(1, "a")
			c.run()
			nd.propose(1, "b")
			c.run()
			g, before := nd.group(1), m.given
			i := raft.Index(int(g.Applied()) + tt.offset)
			var out Outcome
			g.apply.post(task{entries: entry(i), waits: []wait{{
				index: i, term: 1, fate: Applied, dones: []func(Outcome){func(o Outcome) { out = o }},
			}}})
			c.run()
			if before != 3 || m.given != before {
				t.Errorf("given %d entries, and then %d", before, m.given-before)
			}
			if out.Fate != Unknown || g.State() != tt.want {
				t.Errorf("outcome %+v, and it is %v", out, g.State())
			}
		})
	}
}

// timid is a machine that looks where it is when it is told that it leads.
type timid struct {
	*machine
	t *testing.T
}

func (m *timid) LeaderChanged(l Leadership) {
	if at := m.state.At.Base; l.Leading && at.Term < l.Term {
		m.t.Errorf("told to lead in term %d at entry %d of term %d", l.Term, at.Index, at.Term)
	}
	m.machine.LeaderChanged(l)
}

// A machine that is told to lead has applied all that was committed before.
func TestLeaderHasCaughtUp(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, func(cfg *GroupConfig) { cfg.Machine = &timid{cfg.Machine.(*machine), t} })
	led := 0
	for _, n := range []raft.NodeID{1, 2, 3, 1} {
		nd := c.elect(1, n)
		c.apply(1, "a")
		if leads := nd.machines[1].leads; leads[len(leads)-1].Leading {
			led++
		}
	}
	if led != 4 {
		t.Errorf("told to lead %d times, want 4", led)
	}
}

// A new leader's time is behind that of entries that it has not applied yet, even
// if its clock is not.
func TestTimeOfWhatIsNotAppliedYet(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(2)
	// Clocks are an hour ahead, and nobody hears what is committed.
	ahead := c.clock.Now().Add(time.Hour)
	nd.host.cfg.Wall = func() time.Time { return ahead }
	out := nd.propose(1, "a")
	nd.host.Poll()
	c.lose = func(p packet) bool { return p.from != 1 }
	c.run()
	if out[0].Fate != 0 {
		t.Fatalf("outcome %+v", *out[0])
	}
	for _, nd := range c.up() {
		nd.crash()
	}
	for _, n := range []raft.NodeID{2, 3} {
		c.nodes[n].start()
		c.nodes[n].open(1)
	}
	var second []*Outcome
	c.lose = func(p packet) bool {
		// As soon as there is a leader.
		if g := c.nodes[p.from].group(1); len(second) == 0 && g.Leading() {
			second = c.nodes[p.from].propose(1, "b")
		}
		return false
	}
	c.until("it is applied", 100, func() bool { return len(second) > 0 && second[0].Fate != 0 })
	if second[0].Fate != Applied {
		t.Errorf("outcome %+v", *second[0])
	}
	for _, nd := range c.up() {
		if got := nd.machines[1].items(); !slices.Equal(got, []string{"a", "b"}) || nd.group(1).State() != Running {
			t.Errorf("node %d is %v and has applied %q", nd.id, nd.group(1).State(), got)
		}
	}
}

// What was decided as the leader of an earlier term is not proposed by the same
// one in a later term.
func TestProposalOfAnEarlierTermIsDropped(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	nd := c.nodes[1]
	_, term := nd.group(1).Leader()
	nd.crash()
	nd.start()
	nd.open(1)
	c.run()
	var fates []Fate
	for _, want := range []raft.Term{term, term + 1} {
		if err := nd.group(1).Propose(Proposal{Term: want, Done: func(o Outcome) { fates = append(fates, o.Fate) }}); err != nil {
			t.Fatal(err)
		}
		c.run()
	}
	if !slices.Equal(fates, []Fate{Dropped, Applied}) {
		t.Errorf("fates %v in terms %d and %d", fates, term, term+1)
	}
}

// A follower whose disk does not keep up takes no entries, and answers everything
// else: the leader that rests on it stays.
func TestSlowFollowerIsHeard(t *testing.T) {
	c := newCluster(t, 3)
	c.edit = func(cfg *Config) { cfg.MaxLogBytes = 20 << 10 }
	for _, nd := range c.up() {
		nd.crash()
		nd.wipe()
		nd.start()
	}
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(3)
	follower := c.nodes[2]
	follower.stuck = true
	for range 10 {
		c.apply(1, string(make([]byte, 10<<10)))
	}
	if !follower.host.logBusy.Load() {
		t.Fatal("its log keeps up")
	}
	_, term := nd.group(1).Leader()
	c.nodes[3].crash()
	c.tick(60)
	if _, now := nd.group(1).Leader(); !nd.group(1).Leading() || now != term {
		t.Errorf("node 1 leads: %v, in term %d after %d", nd.group(1).Leading(), now, term)
	}
	follower.stuck = false
	c.same(1, 1, 2)
}

// Groups that have given up because there is no majority are woken when one is
// there again, though no server was started.
func TestMajorityIsBack(t *testing.T) {
	c := newCluster(t, 3)
	c.many(6)
	for _, from := range c.ids {
		for _, to := range c.ids {
			c.cut[[2]raft.NodeID{from, to}] = true
		}
	}
	c.tick(60)
	for _, nd := range c.up() {
		if st := nd.host.Stats(); st.Leaders != 0 || st.Awake != 0 {
			t.Fatalf("node %d alone: %d leaders, %d awake", nd.id, st.Leaders, st.Awake)
		}
	}
	clear(c.cut)
	for id := range raft.GroupID(6) {
		c.apply(id+1, "x")
		c.same(id + 1)
	}
}
