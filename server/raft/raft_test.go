package raft

import (
	"errors"
	"slices"
	"testing"
)

func TestElectionAndReplication(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	c.tick(30)
	var leader *replica
	for _, id := range c.ids {
		if c.peers[id].Role() == Leader {
			leader = c.peers[id]
		}
	}
	if leader == nil {
		t.Fatal("nobody was elected by time alone")
	}
	c.propose(leader, 100)
	c.same(101, 1, 2, 3)
	if leader.Term() != 1 {
		t.Errorf("it took %d terms", leader.Term())
	}
}

func TestSingleVoterCommitsWhenStored(t *testing.T) {
	c := newCluster(t, 1)
	p := c.elect(1)
	c.slow[1] = true
	c.propose(p, 1)
	if p.Committed() != 1 {
		t.Errorf("committed %d before the disk has it", p.Committed())
	}
	delete(c.slow, 1)
	c.run()
	c.same(2, 1)
}

// The leader's disk may be the slowest, and its vote is not needed.
func TestSlowDiskOfLeader(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.slow[1] = true
	c.propose(p, 10)
	if p.Committed() != 11 {
		t.Errorf("committed %d of 11 while only the leader's disk is slow", p.Committed())
	}
	c.slow[2] = true
	c.propose(p, 10)
	if p.Committed() != 11 {
		t.Errorf("committed %d with two disks that have not written it", p.Committed())
	}
	c.slow = map[PeerID]bool{}
	c.run()
	c.same(21, 1, 2, 3)
}

// Two Appends write the same entry, and one between them undoes the first. The
// completion of the first says nothing of the entry.
func TestStoredAfterOverwrite(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.peers[1]
	step := func(m Message) {
		t.Helper()
		m.To = 1
		if err := p.Step(m); err != nil {
			t.Fatal(err)
		}
		for p.HasReady() {
			c.take(p)
		}
	}
	old := Entry{Index: 1, Term: 1, Data: []byte("old")}
	step(Message{Type: MsgApp, From: 2, Term: 1, Entries: []Entry{old}})
	step(Message{Type: MsgApp, From: 3, Term: 2, Entries: []Entry{{Index: 1, Term: 2}}})
	step(Message{Type: MsgApp, From: 2, Term: 3, Entries: []Entry{old}})
	if len(p.appends) != 3 {
		t.Fatalf("%d appends", len(p.appends))
	}
	for n, want := range []Index{0, 0, 1} {
		p.store(1)
		if p.Raft.log.stable() != want {
			t.Errorf("after write %d all up to %d counts as durable, want %d", n, p.Raft.log.stable(), want)
		}
	}
	for p.HasReady() {
		c.take(p)
	}
	if n := len(p.sent); n != 1 || p.sent[0].Term != 3 || p.sent[0].Index != 1 {
		t.Errorf("it acknowledged %+v", p.sent)
	}
}

func TestFollowerNeverUndoesWhatIsCommitted(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	c.propose(c.elect(1), 5)
	err := c.peers[2].Step(Message{
		Type: MsgApp, From: 3, To: 2, Term: 9, Index: 2, LogTerm: 1,
		Entries: []Entry{{Index: 3, Term: 9}, {Index: 4, Term: 9}, {Index: 5, Term: 9}, {Index: 6, Term: 9}, {Index: 7, Term: 9}},
	})
	var broken *InvariantError
	if !errors.As(err, &broken) {
		t.Errorf("error %v", err)
	}
	if got, _ := c.peers[2].EntryTerm(3); got != 1 {
		t.Errorf("entry 3 is of term %d", got)
	}
}

func TestTwoLeadersInATermAreReported(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	var broken *InvariantError
	for _, to := range []PeerID{1, 2} {
		if err := c.peers[to].Step(Message{Type: MsgHeartbeat, From: 3, To: to, Term: p.Term()}); !errors.As(err, &broken) {
			t.Errorf("%v: error %v", to, err)
		}
	}
}

func TestPeerThatForgotIsNotCounted(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 5)
	// Replica 2 loses its last three entries, and nothing tells it so.
	c.peers[2].log.ents = c.peers[2].log.ents[:3]
	c.peers[2].applied = c.peers[2].applied[:3]
	c.start(2)
	c.slow[3] = true
	c.tick(4, 1, 2)
	c.propose(p, 1)
	c.tick(4, 1, 2)
	if got := p.Status().Peers[1]; !got.Forgot || p.Committed() != 6 {
		t.Errorf("peer %+v, committed %d", got, p.Committed())
	}
	delete(c.slow, 3)
	c.run()
	c.same(7, 1, 3)
}

func TestLimitsOfProposals(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.drop = func(Message) bool { return true }
	if _, _, err := p.Propose(make([]byte, 1<<20)); err != nil {
		t.Errorf("a first one that is too big: %v", err)
	}
	last := p.LastIndex()
	if _, _, err := p.Propose([]byte{1}); !errors.Is(err, ErrTooMuchUncommitted) || p.LastIndex() != last {
		t.Errorf("behind it: %v, last entry %d", err, p.LastIndex())
	}
	c.drop = nil
	c.tick(3)
	if _, _, err := p.Propose([]byte{1}); err != nil {
		t.Errorf("once it is committed: %v", err)
	}
	if _, _, err := c.peers[2].Propose(nil); !errors.Is(err, ErrNotLeader) {
		t.Errorf("of a follower: %v", err)
	}
}

func TestInflightLimits(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	sent := 0
	c.drop = func(m Message) bool {
		if m.Type == MsgApp && m.To == 2 && len(m.Entries) > 0 {
			sent++
		}
		return m.Type == MsgAppResp && m.From == 2
	}
	for range 50 {
		c.propose(p, 1)
	}
	if sent != 8 {
		t.Errorf("%d messages without an answer, the limit is 8", sent)
	}
	c.drop = nil
	c.tick(3)
	c.same(51, 1, 2, 3)
}

func TestApplyIsBounded(t *testing.T) {
	c := newCluster(t, 1)
	p := c.elect(1)
	for range 10 {
		if _, _, err := p.Propose(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	rd := p.Ready()
	p.appends = append(p.appends, rd.Append)
	p.Advance()
	p.store(1)
	rd = p.Ready()
	if n := len(rd.Committed); n != 3 {
		t.Errorf("%d entries at once, want the 3 that fit into 4 KiB", n)
	}
	p.Advance()
	p.Ready()
	p.Advance()
	if p.HasReady() {
		t.Errorf("more is handed out than may wait: %d", len(p.Ready().Committed))
	}
	p.AppliedTo(7)
	if !p.HasReady() {
		t.Error("nothing more is handed out although all has been applied")
	}
}

func TestSnapshotKeepsWhatFollowsIt(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.peers[2]
	ents := []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}, {Index: 3, Term: 1}}
	if err := p.Step(Message{Type: MsgApp, From: 1, To: 2, Term: 1, Entries: ents}); err != nil {
		t.Fatal(err)
	}
	c.run()
	base := Base{Index: 2, Term: 1, Conf: ConfState{Voters: []PeerID{1, 2, 3}}}
	if err := p.Step(Message{Type: MsgSnap, From: 1, To: 2, Term: 1, Base: &base}); err != nil {
		t.Fatal(err)
	}
	if p.LastIndex() != 3 || p.Committed() != 2 || len(p.appends) != 0 {
		t.Errorf("last %d, committed %d, appends %v", p.LastIndex(), p.Committed(), p.appends)
	}
	base = Base{Index: 9, Term: 4, Conf: ConfState{Voters: []PeerID{1, 2}}}
	if err := p.Step(Message{Type: MsgSnap, From: 1, To: 2, Term: 4, Base: &base}); err != nil {
		t.Fatal(err)
	}
	for p.HasReady() {
		c.take(p)
	}
	if len(p.appends) != 1 || p.appends[0].Base == nil || p.LastIndex() != 9 || p.Term() != 4 || !slices.Equal(p.Conf().Voters, []PeerID{1, 2}) {
		t.Errorf("appends %+v, last %d, term %d, conf %v", p.appends, p.LastIndex(), p.Term(), p.Conf())
	}
	if _, err := p.EntryTerm(3); !errors.Is(err, ErrCompacted) {
		t.Errorf("entry 3: %v", err)
	}
	p.store(1)
	if got, err := p.EntryTerm(9); got != 4 || err != nil {
		t.Errorf("entry 9 has term %d, %v", got, err)
	}
}

func TestLagBehindCompactionTakesASnapshot(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.drop = func(m Message) bool { return m.To == 3 || m.From == 3 }
	c.propose(p, 20)
	base, err := p.Compact(15)
	if err != nil {
		t.Fatal(err)
	}
	p.log.ents = p.log.ents[15:]
	p.log.base = base
	c.drop = nil
	c.tick(3)
	if !slices.Equal(p.wishes, []PeerID{3}) {
		t.Fatalf("snapshots wished for: %v", p.wishes)
	}
	q := c.peers[3]
	q.applied = slices.Clone(p.applied[:15])
	if err := q.Step(Message{Type: MsgSnap, From: 1, To: 3, Term: 1, Base: &base}); err != nil {
		t.Fatal(err)
	}
	p.SnapshotDone(3, 15, true)
	c.run()
	c.same(21, 1, 2, 3)
}

// Whenever a group becomes idle, its leader has heard of all who are there.
func TestPeersOfAnIdleGroupAreActive(t *testing.T) {
	for ticks := range 40 {
		c := newCluster(t, 1, 2, 3)
		p := c.elect(1)
		c.tick(ticks / 2)
		p.heartbeat = ticks % 2 // it need not be due when the quorum is checked
		p.Tick(c.now)
		if !p.TryQuiesce(func(PeerID) bool { return true }) {
			t.Fatal("it is not idle")
		}
		c.run()
		for _, s := range p.Status().Peers {
			if !s.Active {
				t.Errorf("after %d ticks: peer %d is not active", ticks/2, s.ID)
			}
		}
	}
}

func TestQuiescence(t *testing.T) {
	alive := func(PeerID) bool { return true }
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 3)
	if !p.TryQuiesce(alive) {
		t.Fatal("an idle leader does not become quiescent")
	}
	c.run()
	quiet := func() (n int) {
		for _, id := range c.ids {
			if c.peers[id].Quiescent() {
				n++
			}
		}
		return n
	}
	c.tick(50)
	if quiet() != 3 || p.Role() != Leader {
		t.Fatalf("%d are quiescent after a long time", quiet())
	}
	c.propose(p, 1)
	c.same(5, 1, 2, 3)
	if quiet() != 0 {
		t.Errorf("%d are quiescent after a proposal", quiet())
	}
	p.TryQuiesce(alive)
	c.run()

	// Replica 3 is started anew and does not know of a leader.
	c.start(3)
	c.tick(25)
	if got := c.peers[3]; got.Leader() != 1 || p.Term() != 1 {
		t.Errorf("it finds leader %v in term %d", got.Leader(), got.Term())
	}

	// The leader dies. The host tells the others.
	p.TryQuiesce(alive)
	c.run()
	c.drop = func(m Message) bool { return m.From == 1 || m.To == 1 }
	c.tick(50, 2, 3)
	c.peers[2].LeaderLost()
	c.peers[3].LeaderLost()
	c.tick(15, 2, 3)
	if c.peers[2].Role() != Leader && c.peers[3].Role() != Leader {
		t.Error("nobody takes over from a dead leader")
	}
}

func TestLagKeepsAGroupAwake(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.drop = func(m Message) bool { return m.To == 3 }
	c.propose(p, 1)
	if p.TryQuiesce(func(PeerID) bool { return true }) {
		t.Error("quiescent although one does not have all")
	}
	if p.TryQuiesce(func(id PeerID) bool { return false }) {
		t.Error("quiescent without a majority that lives")
	}
	if !p.TryQuiesce(func(id PeerID) bool { return id != 3 }) {
		t.Error("awake for the sake of a dead one")
	}
	c.run()
	c.drop = nil
	p.Wake()
	c.run()
	c.same(2, 1, 2, 3)
}

func TestReads(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 2)
	read := func(q *replica, ctx uint64) []ReadState {
		t.Helper()
		q.reads = nil
		if err := q.ReadIndex(c.now, ctx); err != nil {
			t.Fatal(err)
		}
		c.run()
		return q.reads
	}
	for _, id := range []PeerID{1, 3} {
		if got := read(c.peers[id], 7); !slices.Equal(got, []ReadState{{Context: 7, Index: 3}}) {
			t.Errorf("read at %v: %v", id, got)
		}
	}
	c.drop = func(m Message) bool { return m.From == 1 || m.To == 1 }
	if got := read(p, 8); len(got) > 0 {
		t.Errorf("a leader that is alone answers a read: %v", got)
	}
	c.tick(30)
	if !slices.Equal(p.reads, []ReadState{{Context: 8, Index: 3, Lost: true}}) {
		t.Errorf("after it stepped down: %v", p.reads)
	}
}

func TestLease(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	p.Raft.cfg.Lease = 500e6
	c.tick(3)
	c.drop = func(m Message) bool { return m.From == 1 || m.To == 1 }
	ask := func() int {
		t.Helper()
		p.reads = nil
		if err := p.ReadIndex(c.now, 1); err != nil {
			t.Fatal(err)
		}
		c.run()
		return len(p.reads)
	}
	if ask() != 1 {
		t.Error("no answer within the lease")
	}
	c.now += 400e6
	if ask() != 0 {
		t.Error("an answer from a lease that has run out")
	}
	c.drop = nil
	c.tick(3)
	if err := p.Transfer(2); err != nil {
		t.Fatal(err)
	}
	if p.Raft.leaseHolds() {
		t.Error("a lease although another was told to stand for election")
	}
}
