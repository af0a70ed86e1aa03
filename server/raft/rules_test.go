package raft

import (
	"errors"
	"slices"
	"testing"
)

// alone returns a replica of a group of three whose log has entries of the given
// terms, in term t.
func alone(t *testing.T, term Term, vote PeerID, terms ...Term) (*cluster, *replica) {
	t.Helper()
	c := newCluster(t, 1, 2, 3)
	p := c.peers[1]
	for n, et := range terms {
		p.log.ents = append(p.log.ents, Entry{Index: Index(n + 1), Term: et})
	}
	p.hard = HardState{Term: term, Vote: vote}
	c.start(1)
	for range p.cfg.ElectionTicks {
		p.silence = 0 // it has been running for a while
	}
	return c, p
}

// give steps a message and returns what may leave at once.
func (c *cluster) give(p *replica, m Message) []Message {
	c.t.Helper()
	m.To = p.ID()
	if err := p.Step(m); err != nil {
		c.t.Fatal(err)
	}
	return c.drain(p)
}

func (c *cluster) drain(p *replica) []Message {
	for p.HasReady() {
		c.take(p)
	}
	out := p.sent
	p.sent = nil
	return out
}

func TestVoteIsAnsweredWhenDurable(t *testing.T) {
	c, p := alone(t, 1, None, 1)
	if out := c.give(p, Message{Type: MsgVote, From: 2, Term: 2, LogTerm: 1, Index: 1}); len(out) > 0 {
		t.Errorf("before the vote is stored it sends %+v", out)
	}
	p.store(1)
	if out := c.drain(p); len(out) != 1 || out[0].Type != MsgVoteResp || out[0].Reject || p.hard != (HardState{2, 2}) {
		t.Errorf("then %+v with %+v stored", out, p.hard)
	}
}

func TestCandidateAsksWhenItsTermIsDurable(t *testing.T) {
	c, p := alone(t, 1, None, 1)
	p.Campaign()
	c.drain(p)
	if out := c.give(p, Message{Type: MsgPreVoteResp, From: 2, Term: 2}); len(out) > 0 || p.Role() != Candidate {
		t.Errorf("%v sends %+v before its term is stored", p.Role(), out)
	}
	// The vote of another would be a majority with its own.
	c.give(p, Message{Type: MsgVoteResp, From: 2, Term: 2})
	if p.Role() == Leader {
		t.Error("elected by a vote of its own that is not stored")
	}
	p.store(1)
	c.drain(p)
	if p.Role() != Leader || p.hard != (HardState{2, 1}) {
		t.Errorf("%v with %+v stored", p.Role(), p.hard)
	}
}

func TestWhoGetsAVote(t *testing.T) {
	for _, tt := range []struct {
		name  string
		vote  PeerID
		terms []Term
		m     Message
		want  bool
	}{
		{"same log", None, []Term{1, 2}, Message{Term: 3, LogTerm: 2, Index: 2}, true},
		{"longer log", None, []Term{1, 2}, Message{Term: 3, LogTerm: 2, Index: 9}, true},
		{"shorter log", None, []Term{1, 2}, Message{Term: 3, LogTerm: 2, Index: 1}, false},
		{"shorter log of a newer term", None, []Term{1, 1, 1}, Message{Term: 3, LogTerm: 2, Index: 1}, true},
		{"longer log of an older term", None, []Term{1, 2}, Message{Term: 3, LogTerm: 1, Index: 9}, false},
		{"the same again", 2, []Term{1}, Message{Term: 2, LogTerm: 1, Index: 1}, true},
		{"another in the same term", 3, []Term{1}, Message{Term: 2, LogTerm: 1, Index: 1}, false},
		{"another in a later term", 3, []Term{1}, Message{Term: 3, LogTerm: 1, Index: 1}, true},
		{"an older term", None, []Term{1}, Message{Term: 1, LogTerm: 1, Index: 1}, false},
	} {
		for _, kind := range []MessageType{MsgPreVote, MsgVote} {
			if kind == MsgPreVote && tt.m.Term == 2 {
				continue // asks for the term to come
			}
			c, p := alone(t, 2, tt.vote, tt.terms...)
			tt.m.Type, tt.m.From = kind, 2
			out := c.give(p, tt.m)
			p.store(len(p.appends))
			out = append(out, c.drain(p)...)
			if len(out) != 1 || out[0].Reject == tt.want {
				t.Errorf("%s: %v gets %+v", tt.name, kind, out)
			}
			if kind == MsgPreVote && p.Term() != 2 {
				t.Errorf("%s: a question for a vote changes the term", tt.name)
			}
		}
	}
}

func TestReplicaThatWasNotAdmittedDoesNotVote(t *testing.T) {
	c := newCluster(t)
	p := c.add(9, Base{})
	out := c.give(p, Message{Type: MsgVote, From: 2, Term: 5, LogTerm: 5, Index: 5})
	p.store(len(p.appends))
	if out = append(out, c.drain(p)...); len(out) != 1 || !out[0].Reject {
		t.Errorf("it answers %+v", out)
	}
	for range 100 {
		p.Tick(1)
	}
	if p.HasReady() && len(p.Ready().Messages) > 0 {
		t.Errorf("it asks for votes: %+v", p.Ready().Messages)
	}
}

func TestOnlyVotersElect(t *testing.T) {
	c := newCluster(t, 1, 2, 3, 4, 5)
	p := c.peers[1]
	p.Campaign()
	for _, from := range []PeerID{7, 8, 9} {
		c.give(p, Message{Type: MsgPreVoteResp, From: from, Term: 1})
	}
	if p.Role() != PreCandidate {
		t.Errorf("%v by the word of strangers", p.Role())
	}
	c.give(p, Message{Type: MsgPreVoteResp, From: 2, Term: 1})
	c.give(p, Message{Type: MsgPreVoteResp, From: 2, Term: 1})
	if p.Role() != PreCandidate {
		t.Errorf("%v by counting one twice", p.Role())
	}
	c.give(p, Message{Type: MsgPreVoteResp, From: 3, Term: 1})
	p.store(len(p.appends))
	if p.Role() != Candidate {
		t.Errorf("%v by three of five", p.Role())
	}
	c.give(p, Message{Type: MsgVoteResp, From: 2, Term: 1, Reject: true})
	c.give(p, Message{Type: MsgVoteResp, From: 3, Term: 1, Reject: true})
	if p.Role() != Candidate {
		t.Errorf("%v although two refused", p.Role())
	}
}

func TestVoteOfAnotherTermDoesNotCount(t *testing.T) {
	c, p := alone(t, 5, None)
	p.stand(false)
	c.drain(p)
	p.store(1)
	for term := Term(1); term < 6; term++ {
		c.give(p, Message{Type: MsgVoteResp, From: 2, Term: term})
	}
	if p.Role() != Candidate || p.Term() != 6 {
		t.Errorf("%v of term %d by votes of earlier terms", p.Role(), p.Term())
	}
}

// Figure 8 of the paper, (c): an entry of an earlier term is on a majority.
func TestOldTermIsNotCommittedByCounting(t *testing.T) {
	c, p := alone(t, 3, None, 1, 2)
	p.stand(false)
	c.drain(p)
	p.store(1)
	c.give(p, Message{Type: MsgVoteResp, From: 2, Term: 4})
	p.store(len(p.appends))
	c.give(p, Message{Type: MsgAppResp, From: 2, Term: 4, Index: 2})
	if p.Committed() != 0 {
		t.Errorf("entry %d of term 2 is committed in term 4", p.Committed())
	}
	c.give(p, Message{Type: MsgAppResp, From: 2, Term: 4, Index: 3})
	if p.Committed() != 3 {
		t.Errorf("committed %d with the entry of the term", p.Committed())
	}
}

func TestLeaderCountsWhatItHasStored(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	if _, _, err := p.Propose([]byte("x")); err != nil {
		t.Fatal(err)
	}
	c.drain(p)
	if p.Stored(0); p.Committed() != 1 {
		t.Fatalf("committed %d", p.Committed())
	}
	// An older completion says nothing of it.
	c.give(p, Message{Type: MsgAppResp, From: 2, Term: 1, Index: 1})
	if own := p.Status().Peers[0]; own.Match != 1 {
		t.Errorf("it counts itself up to %d with one entry stored", own.Match)
	}
}

func TestWhatAFollowerCommits(t *testing.T) {
	c, p := alone(t, 2, None, 1, 1, 2, 2)
	c.give(p, Message{Type: MsgApp, From: 2, Term: 3, Index: 2, LogTerm: 1, Commit: 4})
	if p.Committed() != 2 {
		t.Errorf("committed %d, and only the first 2 are known to be the leader's", p.Committed())
	}
	c.give(p, Message{Type: MsgHeartbeat, From: 2, Term: 3, Commit: 1})
	if p.Committed() != 2 {
		t.Errorf("an older heartbeat takes the commit index back to %d", p.Committed())
	}
}

func TestDelayedAppendCutsNothingOff(t *testing.T) {
	c, p := alone(t, 1, None, 1, 1, 1)
	c.give(p, Message{Type: MsgApp, From: 2, Term: 1, Entries: []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}}})
	if p.LastIndex() != 3 {
		t.Errorf("the log ends at %d", p.LastIndex())
	}
}

func TestOldLeaderIsToldSo(t *testing.T) {
	c, p := alone(t, 5, None, 1)
	out := c.give(p, Message{Type: MsgApp, From: 2, Term: 4, Index: 1, LogTerm: 1, Entries: []Entry{{Index: 2, Term: 4}}})
	if len(out) != 1 || out[0].Term != 5 || !out[0].Reject || p.LastIndex() != 1 || p.Leader() != None {
		t.Errorf("answer %+v, last entry %d, leader %v", out, p.LastIndex(), p.Leader())
	}
}

func TestAcknowledgementOfAnotherTermDoesNotCount(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	p.becomeFollower(p.Term(), None)
	p.stand(false)
	c.drain(p)
	p.store(len(p.appends))
	c.give(p, Message{Type: MsgVoteResp, From: 2, Term: 2})
	p.store(len(p.appends))
	c.give(p, Message{Type: MsgAppResp, From: 2, Term: 1, Index: 2})
	if p.Committed() != 1 {
		t.Errorf("committed %d by an acknowledgement of term 1 in term %d", p.Committed(), p.Term())
	}
}

func TestRestartedReplicaKeepsStill(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	c.propose(c.elect(1), 1)
	c.start(2)
	if out := c.give(c.peers[2], Message{Type: MsgVote, From: 3, Term: 2, LogTerm: 1, Index: 2}); len(out) > 0 || c.peers[2].Term() != 1 {
		t.Errorf("right after a restart it answers %+v in term %d", out, c.peers[2].Term())
	}
	if out := c.give(c.peers[2], Message{Type: MsgVote, From: 3, Term: 2, LogTerm: 1, Index: 2, Transfer: true}); len(out) > 0 || c.peers[2].Term() != 2 {
		t.Errorf("the leader's own wish: term %d, %+v", c.peers[2].Term(), out)
	}
}

// An Append that the log writer works on may not change, whatever comes after it.
func TestEntriesHandedOutDoNotChange(t *testing.T) {
	c, p := alone(t, 1, None)
	var ents []Entry
	for i := Index(1); i <= 8; i++ {
		ents = append(ents, Entry{Index: i, Term: 1})
	}
	c.give(p, Message{Type: MsgApp, From: 2, Term: 1, Entries: ents[:2]})
	c.give(p, Message{Type: MsgApp, From: 2, Term: 1, Index: 2, LogTerm: 1, Entries: ents[2:]})
	handed := p.appends[1].Entries
	want := slices.Clone(handed)
	c.give(p, Message{Type: MsgApp, From: 3, Term: 2, Index: 4, LogTerm: 1, Entries: []Entry{{Index: 5, Term: 2}, {Index: 6, Term: 2}}})
	for n := range want {
		if handed[n].Term != want[n].Term {
			t.Errorf("entry %d is of term %d now", handed[n].Index, handed[n].Term)
		}
	}
}

// A replica that lacks entries knows that it does, for leaders tell how far they are committed.
func TestReplicaKnowsThatItIsBehind(t *testing.T) {
	c, p := alone(t, 1, None)
	for n, tc := range []struct {
		m            Message
		commit, told Index
	}{
		{Message{Type: MsgApp, From: 2, Term: 1, Entries: []Entry{{Index: 1, Term: 1}}, Commit: 1}, 1, 1},
		{Message{Type: MsgApp, From: 2, Term: 1, Index: 1, LogTerm: 1, Entries: []Entry{{Index: 2, Term: 1}}, Commit: 9}, 2, 9},
		{Message{Type: MsgHeartbeat, From: 2, Term: 1, Commit: 2}, 2, 9},
		{Message{Type: MsgHeartbeat, From: 3, Term: 2, Commit: 2}, 2, 9},
	} {
		c.give(p, tc.m)
		if st := p.Status(); st.Commit != tc.commit || st.Told != tc.told || st.Last != tc.commit || st.LastTerm != 1 {
			t.Errorf("step %d: committed to %d, told of %d, want %d and %d", n, st.Commit, st.Told, tc.commit, tc.told)
		}
	}
}

// A peer that lacks what it has acknowledged is not asked for it again and again.
func TestForgetfulPeerIsNotAskedAtOnce(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 3)
	c.drop = func(m Message) bool { return m.To == 2 || m.From == 2 }
	peer := p.progress(2)
	last := peer.match
	peer.become(Probe)
	c.propose(p, 1)
	if !peer.waiting || peer.next != last+1 {
		t.Fatalf("%+v", peer)
	}
	no := Message{Type: MsgAppResp, From: 2, Term: p.Term(), Reject: true, Index: last, Hint: last - 1, LogTerm: p.Term()}
	if out := c.give(p, no); len(out) > 0 {
		t.Errorf("it is asked again: %+v", out)
	}
	// A heartbeat that was sent since then tells.
	c.now += 1e9
	p.Tick(c.now)
	c.give(p, Message{Type: MsgHeartbeatResp, From: 2, Term: p.Term(), Index: last - 1, Sent: c.now})
	if !peer.forgot {
		t.Error("nobody finds out that it has forgotten")
	}
}

func TestStaleSnapshotIsIgnored(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	c.propose(c.elect(1), 5)
	p := c.peers[2]
	base := Base{Index: 3, Term: 9, Conf: ConfState{Voters: []PeerID{7}}}
	if err := p.Step(Message{Type: MsgSnap, From: 3, To: 2, Term: 9, Base: &base}); err != nil {
		t.Fatal(err)
	}
	if p.LastIndex() != 6 || p.Conf().Contains(7) {
		t.Errorf("the log ends at %d, configuration %v", p.LastIndex(), p.Conf())
	}
}

func TestSnapshotIsAcknowledgedWhenInTheLog(t *testing.T) {
	c, p := alone(t, 1, None)
	c.give(p, Message{Type: MsgHeartbeat, From: 2, Term: 1})
	base := Base{Index: 9, Term: 1, Conf: ConfState{Voters: []PeerID{1, 2, 3}}}
	if out := c.give(p, Message{Type: MsgSnap, From: 2, Term: 1, Base: &base}); len(out) > 0 {
		t.Errorf("before the log has it: %+v", out)
	}
	p.store(1)
	if out := c.drain(p); len(out) != 1 || out[0].Type != MsgAppResp || out[0].Index != 9 {
		t.Errorf("then: %+v", out)
	}
}

func TestTransferOfASnapshotIsNoAcknowledgement(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.drop = func(m Message) bool { return m.To != 1 && m.Type == MsgApp }
	c.propose(p, 5)
	c.drain(p)
	q := p.Raft.progress(2)
	q.become(Snapshot)
	p.SnapshotDone(2, 6, true)
	p.SnapshotDone(3, 6, true)
	if p.Committed() != 1 || q.match != 1 || q.next != 7 {
		t.Errorf("committed %d, match %d, next %d", p.Committed(), q.match, q.next)
	}
}

func TestCompact(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 3)
	if _, err := p.Compact(p.LastIndex() + 1); err == nil {
		t.Error("compaction behind the end")
	}
	if _, _, err := p.ProposeConf(Change{AddLearner, 9}); err != nil {
		t.Fatal(err)
	}
	if b, err := p.Compact(4); err != nil || b.Conf.String() != "voters[1 2 3]" || b.Index != 4 || b.Term != 1 {
		t.Errorf("base %+v, %v", b, err)
	}
	if _, err := p.Compact(5); err == nil {
		t.Error("compaction of an entry that is not applied")
	}
	c.run()
	if b, err := p.Compact(5); err != nil || b.Conf.String() != "voters[1 2 3] learners[9]" {
		t.Errorf("base %+v, %v", b, err)
	}
	if got := p.Conf().String(); got != "voters[1 2 3] learners[9]" {
		t.Errorf("in force: %s", got)
	}
}

func TestReadsOfANewLeaderWait(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	c.propose(c.elect(1), 5)
	p := c.peers[2]
	c.drop = func(m Message) bool { return m.From == 1 || m.To == 1 }
	p.LeaderLost()
	c.peers[3].LeaderLost()
	p.Raft.log.committed = 2 // what it may have heard of
	p.stand(false)
	c.drop = func(m Message) bool { return m.Type == MsgApp }
	c.run()
	if err := p.ReadIndex(c.now, 1); err != nil || p.Role() != Leader {
		t.Fatal(p.Role(), err)
	}
	c.run()
	if len(p.reads) > 0 {
		t.Errorf("it answers %v and does not know what is committed", p.reads)
	}
	c.drop = nil
	c.tick(3)
	if !slices.Equal(p.reads, []ReadState{{Context: 1, Index: 7}}) {
		t.Errorf("it answers %v", p.reads)
	}
}

func TestReadNeedsARoundOfItsOwn(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	var late []Message
	c.drop = func(m Message) bool {
		if m.Type == MsgHeartbeatResp {
			late = append(late, m)
			return true
		}
		return false
	}
	if err := p.ReadIndex(c.now, 1); err != nil {
		t.Fatal(err)
	}
	c.run()
	if err := p.ReadIndex(c.now, 2); err != nil {
		t.Fatal(err)
	}
	first := late
	c.run()
	for _, m := range first {
		c.give(p, m)
	}
	if !slices.Equal(p.reads, []ReadState{{Context: 1, Index: 1}}) {
		t.Errorf("answers to the first round answer %v", p.reads)
	}
}

func TestOnlyCommittedEntriesAreApplied(t *testing.T) {
	c, p := alone(t, 1, None)
	c.give(p, Message{Type: MsgApp, From: 2, Term: 1, Commit: 2, Entries: []Entry{{Index: 1, Term: 1}, {Index: 2, Term: 1}, {Index: 3, Term: 1}}})
	if len(p.applied) != 2 {
		t.Errorf("%d entries are applied, 2 are committed", len(p.applied))
	}
}

func TestNewTermHasAVoteOfItsOwn(t *testing.T) {
	c, p := alone(t, 2, 3, 1)
	c.give(p, Message{Type: MsgVoteResp, From: 2, Term: 4, Reject: true})
	c.give(p, Message{Type: MsgVote, From: 2, Term: 4, LogTerm: 1, Index: 1})
	p.store(len(p.appends))
	if out := c.drain(p); len(out) != 1 || out[0].Reject {
		t.Errorf("it has voted for 3 in term 2, and answers 2 in term 4 with %+v", out)
	}
}

func TestTransferWaitsForTheOtherToCatchUp(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	p.Raft.cfg.Lease = 1e9
	c.tick(3)
	c.drop = func(m Message) bool { return m.To == 2 }
	c.propose(p, 1)
	if err := p.Transfer(2); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.drain(p) {
		if m.Type == MsgTimeoutNow {
			t.Error("it is told to stand with a log that lags")
		}
	}
	if _, _, err := p.Propose(nil); !errors.Is(err, ErrTransferring) {
		t.Errorf("a proposal meanwhile: %v", err)
	}
	if p.Raft.leaseHolds() {
		t.Error("a lease during a transfer")
	}
	c.drop = func(m Message) bool { return m.Type == MsgTimeoutNow }
	c.tick(3)
	c.tick(12)
	if _, _, err := p.Propose(nil); err != nil || p.Role() != Leader {
		t.Errorf("a proposal after the transfer was given up: %v", err)
	}
	if p.Raft.leaseHolds() {
		t.Error("a lease although what was sent to the other may still arrive")
	}
}

func TestLaggingFollowerStaysAwake(t *testing.T) {
	c, p := alone(t, 1, None, 1)
	c.give(p, Message{Type: MsgHeartbeat, From: 2, Term: 1})
	for _, m := range []Message{{Index: 2, LogTerm: 1}, {Index: 1, LogTerm: 0}} {
		m.Type, m.From, m.Term = MsgQuiesce, 2, 1
		if out := c.give(p, m); p.Quiescent() || len(out) != 1 || out[0].To != 2 {
			t.Errorf("told to sleep at %d of term %d with a log of 1: %v, %+v", m.Index, m.LogTerm, p.Quiescent(), out)
		}
	}
	if c.give(p, Message{Type: MsgQuiesce, From: 2, Term: 1, Index: 1, LogTerm: 1}); !p.Quiescent() || p.Committed() != 1 {
		t.Errorf("told to sleep where it is: %v, committed %d", p.Quiescent(), p.Committed())
	}
	// Whoever asks for votes has lost the leader, which may be gone.
	if out := c.give(p, Message{Type: MsgPreVote, From: 9, Term: 2, LogTerm: 1, Index: 1}); !p.Quiescent() || len(out) > 0 {
		t.Errorf("a stranger wakes it: %+v", out)
	}
	if out := c.give(p, Message{Type: MsgPreVote, From: 3, Term: 2, LogTerm: 1, Index: 1}); p.Quiescent() || len(out) != 1 || out[0].To != 2 {
		t.Errorf("a member does not: %+v", out)
	}
}

// One that is alone leads with its first write. Should there be anybody to hear
// of the term, be it a learner, its vote has to be durable first.
func TestOneThatIsAloneLeadsAtOnce(t *testing.T) {
	for _, learner := range []bool{false, true} {
		c := newCluster(t, 1)
		if learner {
			c = newCluster(t)
			conf := ConfState{Voters: []PeerID{1}, Learners: []PeerID{2}}
			c.add(1, Base{Conf: conf})
			c.add(2, Base{Conf: conf})
		}
		p := c.peers[1]
		p.Campaign()
		if out := c.drain(p); len(out) > 0 || (p.Role() == Leader) == learner {
			t.Errorf("learner %v: before anything is stored it is %v and sends %+v", learner, p.Role(), out)
		}
		for writes := 1; p.Committed() < 1; writes++ {
			if !p.store(1) || writes > 2 {
				t.Fatalf("learner %v: %d writes, and nothing is committed", learner, writes)
			}
			c.drain(p)
			if p.Committed() == 1 && writes != map[bool]int{false: 1, true: 2}[learner] {
				t.Errorf("learner %v: it took %d writes", learner, writes)
			}
		}
	}
}
