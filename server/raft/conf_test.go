package raft

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func TestChangeConf(t *testing.T) {
	abc := ConfState{Voters: []PeerID{1, 2, 3}}
	for _, tt := range []struct {
		name    string
		from    ConfState
		changes []Change
		want    string // "" is ErrConfInvalid
	}{
		{"a new voter has to catch up first", abc, []Change{{AddVoter, 4}}, "voters[1 2 3] joining[4]"},
		{"one that has", ConfState{Voters: []PeerID{1, 2, 3}, Joining: []PeerID{4}}, []Change{{AddVoter, 4}}, "voters[1 2 3 4]"},
		{"a learner", abc, []Change{{AddLearner, 4}}, "voters[1 2 3] learners[4]"},
		{"a voter becomes a learner", abc, []Change{{AddLearner, 3}}, "voters[1 2] learners[3]"},
		{"one goes", abc, []Change{{RemovePeer, 1}}, "voters[2 3]"},
		{"replaced by one that has to catch up", abc, []Change{{RemovePeer, 2}, {AddVoter, 9}}, "voters[1 3] joining[9]"},
		{
			"replaced by one that has",
			ConfState{Voters: []PeerID{1, 2, 3}, Learners: []PeerID{4}},
			[]Change{{AddVoter, 4}, {RemovePeer, 1}},
			"voters[2 3 4] outgoing[1 2 3]",
		},
		{
			"all replaced",
			ConfState{Voters: []PeerID{1, 2, 3}, Learners: []PeerID{4, 5, 6}},
			[]Change{{AddVoter, 4}, {AddVoter, 5}, {AddVoter, 6}, {RemovePeer, 1}, {RemovePeer, 2}, {RemovePeer, 3}},
			"voters[4 5 6] outgoing[1 2 3]",
		},
		{"two demoted", ConfState{Voters: []PeerID{1, 2, 3, 4, 5}}, []Change{{AddLearner, 4}, {AddLearner, 5}}, "voters[1 2 3] outgoing[1 2 3 4 5] learners[4 5]"},
		{"the last voter", ConfState{Voters: []PeerID{1}}, []Change{{RemovePeer, 1}}, ""},
		{"a stranger goes", abc, []Change{{RemovePeer, 4}}, ""},
		{"nothing", abc, nil, ""},
		{"nothing new", abc, []Change{{AddVoter, 2}}, ""},
		{"nobody", abc, []Change{{AddVoter, None}}, ""},
		{"an unknown type", abc, []Change{{9, 4}}, ""},
	} {
		got, err := changeConf(&tt.from, tt.changes)
		switch {
		case tt.want == "":
			if !errors.Is(err, ErrConfInvalid) {
				t.Errorf("%s: %v, %v", tt.name, got, err)
			}
		case err != nil || got.String() != tt.want:
			t.Errorf("%s: %v, %v, want %s", tt.name, got, err, tt.want)
		}
	}
}

// The rule on which the safety of simple changes rests: every majority of the
// one configuration meets every majority of the other.
func TestMajoritiesMeet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		from := ConfState{Learners: []PeerID{1, 2, 3, 4, 5, 6, 7}}
		for p := PeerID(1); p <= 7; p++ {
			if rnd.IntN(2) == 0 {
				from.Voters = append(from.Voters, p)
				from.Learners = slices.DeleteFunc(from.Learners, func(q PeerID) bool { return p == q })
			}
		}
		var changes []Change
		for range 1 + rnd.IntN(4) {
			changes = append(changes, Change{ChangeType(rnd.IntN(3)), PeerID(1 + rnd.IntN(7))})
		}
		to, err := changeConf(&from, changes)
		if err != nil || len(from.Voters) == 0 {
			continue
		}
		left := to.Clone()
		left.Outgoing = nil
		for _, pair := range [][2]*ConfState{{&from, &to}, {&to, &left}} {
			for a := range 1 << 7 {
				in := func(set int) func(PeerID) bool { return func(p PeerID) bool { return set>>(p-1)&1 == 1 } }
				if quorumOf(pair[0], in(a)) && quorumOf(pair[1], in(^a)) {
					t.Fatalf("%v and %v have majorities that do not meet, %b", *pair[0], *pair[1], a)
				}
			}
		}
	}
}

func TestQuorumValueIsThatOfTheSlowRule(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 1))
	for range 5000 {
		var c ConfState
		value := make(map[PeerID]Index)
		for p := PeerID(1); p <= 9; p++ {
			value[p] = Index(rnd.IntN(6))
			if rnd.IntN(2) == 0 {
				c.Voters = append(c.Voters, p)
			}
			if rnd.IntN(3) == 0 {
				c.Outgoing = append(c.Outgoing, p)
			}
		}
		// The highest value that more than half of each half has reached.
		want := Index(0)
		for v := Index(1); v < 6 && len(c.Voters) > 0; v++ {
			reached := func(half []PeerID) bool {
				n := 0
				for _, p := range half {
					if value[p] >= v {
						n++
					}
				}
				return n > len(half)/2 || len(half) == 0
			}
			if reached(c.Voters) && reached(c.Outgoing) {
				want = v
			}
		}
		if got := quorumValue(&c, func(p PeerID) Index { return value[p] }); got != want {
			t.Fatalf("%v with %v: %d, want %d", c, value, got, want)
		}
	}
}

// A follower whose entries are replaced goes back to the configuration that
// ruled before them.
func TestConfOfReplacedEntryIsTakenBack(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 1)
	c.drop = func(Message) bool { return true }
	if _, _, err := p.ProposeConf(Change{RemovePeer, 3}); err != nil {
		t.Fatal(err)
	}
	if got := p.Conf().String(); got != "voters[1 2]" {
		t.Errorf("appended: %s", got)
	}
	if _, _, err := p.ProposeConf(Change{AddLearner, 4}); !errors.Is(err, ErrConfPending) {
		t.Errorf("a second one: %v", err)
	}
	c.run()
	c.drop = func(m Message) bool { return m.From == 1 || m.To == 1 }
	c.tick(30)
	c.drop = nil
	c.tick(30)
	if got := p.Conf().String(); got != "voters[1 2 3]" || p.Role() == Leader {
		t.Errorf("replaced: %s, %v", got, p.Role())
	}
}

func TestJoiningIsPromotedOnceItHasCaughtUp(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 30)
	c.add(4, Base{})
	c.drop = func(m Message) bool { return m.To == 4 }
	if _, _, err := p.ProposeConf(Change{RemovePeer, 3}, Change{AddVoter, 4}); err != nil {
		t.Fatal(err)
	}
	c.tick(3)
	if got := p.Conf().String(); got != "voters[1 2] joining[4]" {
		t.Errorf("before: %s", got)
	}
	c.drop = func(m Message) bool { return m.To == 3 }
	c.tick(3)
	for _, id := range []PeerID{1, 2, 4} {
		if got := c.peers[id].Conf().String(); got != "voters[1 2 4]" {
			t.Errorf("%v: %s", id, got)
		}
	}
	c.same(33, 1, 2, 4)
}

func TestJointConfigurationIsLeft(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	for _, id := range []PeerID{4, 5, 6} {
		c.add(id, Base{})
	}
	if _, _, err := p.ProposeConf(Change{AddLearner, 4}, Change{AddLearner, 5}, Change{AddLearner, 6}); err != nil {
		t.Fatal(err)
	}
	c.tick(3)
	if _, _, err := p.ProposeConf(Change{AddVoter, 4}, Change{AddVoter, 5}, Change{AddVoter, 6}, Change{RemovePeer, 1}, Change{RemovePeer, 2}, Change{RemovePeer, 3}); err != nil {
		t.Fatal(err)
	}
	c.run()
	if p.Role() == Leader {
		t.Error("the old leader leads a group that it is not in")
	}
	c.tick(40, 4, 5, 6)
	n := 0
	for _, id := range []PeerID{4, 5, 6} {
		if got := c.peers[id].Conf().String(); got != "voters[4 5 6]" {
			t.Errorf("%v: %s", id, got)
		}
		if c.peers[id].Role() == Leader {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d leaders", n)
	}
}

func TestConfNeedsAnEntryOfTheTerm(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.peers[1]
	p.Campaign()
	c.drop = func(m Message) bool { return m.Type == MsgApp }
	c.run()
	if _, _, err := p.ProposeConf(Change{RemovePeer, 3}); p.Role() != Leader || !errors.Is(err, ErrNotReady) {
		t.Errorf("%v: %v", p.Role(), err)
	}
}

func FuzzDecodeConfState(f *testing.F) {
	for _, c := range []ConfState{
		{}, {Voters: []PeerID{1, 2, 3}}, {Voters: []PeerID{4}, Outgoing: []PeerID{1, 2}, Learners: []PeerID{1, 9}, Joining: []PeerID{MakePeerID(7, 0xabc)}},
	} {
		f.Add(c.Append(nil))
	}
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeConfState(b)
		if err != nil {
			return
		}
		again, err := DecodeConfState(c.Append(nil))
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("%v becomes %v, %v", c, again, err)
		}
	})
}

// The leader removes itself, and the entry that says so is on no other voter yet.
// Nobody but itself has a log that is new enough to be elected.
func TestReplicaThatIsLeavingMayStandForElection(t *testing.T) {
	c := newCluster(t, 1, 2)
	p := c.elect(1)
	c.propose(p, 2)
	c.drop = func(Message) bool { return true }
	if _, _, err := p.ProposeConf(Change{RemovePeer, 1}); err != nil {
		t.Fatal(err)
	}
	c.run()
	c.tick(30)
	if p.Role() == Leader {
		t.Fatal("it still leads although nobody answers")
	}
	c.drop = nil
	c.tick(60)
	if got := c.peers[2].Conf().String(); got != "voters[2]" || c.peers[2].Role() != Leader || p.Role() == Leader {
		t.Errorf("%s, %v, and the one that left is %v", got, c.peers[2].Role(), p.Role())
	}
	term := p.Term()
	c.tick(60)
	if p.Term() != term || p.Role() != Follower {
		t.Errorf("it goes on as %v of term %d", p.Role(), p.Term())
	}
}

func TestLearnerThatLagsIsNotMadeAVoter(t *testing.T) {
	c := newCluster(t, 1)
	p := c.elect(1)
	c.add(2, Base{})
	c.drop = func(m Message) bool { return m.To == 2 }
	if _, _, err := p.ProposeConf(Change{AddLearner, 2}); err != nil {
		t.Fatal(err)
	}
	c.tick(3)
	if _, _, err := p.ProposeConf(Change{AddVoter, 2}); !errors.Is(err, ErrLagging) {
		t.Errorf("while it lags: %v", err)
	}
	c.drop = nil
	c.tick(3)
	if _, _, err := p.ProposeConf(Change{AddVoter, 2}); err != nil {
		t.Errorf("when it has caught up: %v", err)
	}
	c.run()
	c.same(3, 1, 2)
}

// A change that only the silent could commit is refused; one that makes do with
// those that are heard is not.
func TestChangeNeedsVotersThatAreHeard(t *testing.T) {
	c := newCluster(t, 1, 2, 3)
	p := c.elect(1)
	c.propose(p, 1)
	c.drop = func(m Message) bool { return m.From == 3 || m.To == 3 }
	c.tick(40)
	if p.Role() != Leader {
		t.Fatal("it is no longer the leader")
	}
	if _, _, err := p.ProposeConf(Change{RemovePeer, 2}); !errors.Is(err, ErrUnheard) {
		t.Errorf("the one that is heard is to go: %v", err)
	}
	if _, _, err := p.ProposeConf(Change{AddLearner, 2}); !errors.Is(err, ErrUnheard) {
		t.Errorf("it is to become a learner: %v", err)
	}
	if _, _, err := p.ProposeConf(Change{RemovePeer, 3}); err != nil {
		t.Errorf("the silent one is to go: %v", err)
	}
	c.run()
	if got := c.peers[2].Conf().String(); got != "voters[1 2]" {
		t.Errorf("afterwards: %s", got)
	}
}
