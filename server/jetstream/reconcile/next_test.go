package reconcile

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

func peer(node uint32) raft.PeerID { return raft.MakePeerID(raft.NodeID(node), node*7) }

func peers(nodes ...uint32) (list []raft.PeerID) {
	for _, n := range nodes {
		list = append(list, peer(n))
	}
	return list
}

// asking returns the replicas of servers that have heard of change 5.
func asking(nodes ...uint32) (list []Candidate) {
	for _, p := range peers(nodes...) {
		list = append(list, Candidate{p, 5})
	}
	return list
}

// leading returns the status of server 1 with a configuration that is committed, in which all have
// everything.
func leading(conf raft.ConfState, change ...func(*raft.Status)) *raft.Status {
	s := &raft.Status{ID: peer(1), Conf: conf, ConfIndex: 10, Commit: 20}
	for _, p := range conf.Peers() {
		s.Peers = append(s.Peers, raft.PeerStatus{ID: p, Match: 20, State: raft.Replicate, Active: true})
	}
	for _, c := range change {
		c(s)
	}
	return s
}

// of changes what is known of a server.
func of(node uint32, f func(*raft.PeerStatus)) func(*raft.Status) {
	return func(s *raft.Status) {
		f(&s.Peers[slices.IndexFunc(s.Peers, func(p raft.PeerStatus) bool { return p.ID == peer(node) })])
	}
}

func TestNext(t *testing.T) {
	nodes := nodeIDs
	grow := Goal{Nodes: nodes([]uint32{1, 2, 3}), From: nodes([]uint32{1}), Change: 5, Fresh: true}
	shrink := Goal{Nodes: nodes([]uint32{2}), From: nodes([]uint32{1, 2, 3}), Change: 5, Fresh: true}
	move := Goal{Nodes: nodes([]uint32{4, 5}), From: nodes([]uint32{1, 2}), Change: 5, Fresh: true}
	with := func(g Goal, f func(*Goal)) Goal { f(&g); return g }
	replace := Goal{Nodes: nodes([]uint32{1, 2, 4}), From: nodes([]uint32{1, 2, 3}), Change: 5, Fresh: true}
	voters := func(v ...uint32) raft.ConfState { return raft.ConfState{Voters: peers(v...)} }
	learning := func(l []uint32, v ...uint32) raft.ConfState {
		return raft.ConfState{Voters: peers(v...), Learners: peers(l...)}
	}
	behind := func(p *raft.PeerStatus) { p.Match = 19 }
	for _, c := range []struct {
		name       string
		goal       Goal
		status     *raft.Status
		candidates []Candidate
		want       string
	}{
		{"nobody knows how old the goal is", with(grow, func(g *Goal) { g.Fresh = false }), leading(voters(1)), asking(2, 3), "refresh"},
		{"all who ask are admitted", grow, leading(voters(1)), asking(9, 3, 2), "change [{add-learner 2.e} {add-learner 3.15}]"},
		{"one asks", grow, leading(voters(1)), asking(3), "change [{add-learner 3.15}]"},
		{"one asks that is left over", grow, leading(voters(1)), []Candidate{{peer(2), 4}, {peer(3), 0}}, "wait unavailable 2"},
		{"the other has not asked", grow, leading(learning([]uint32{3}, 1)), nil, "wait unavailable 2"},
		{"not committed", grow, leading(learning([]uint32{2, 3}, 1), func(s *raft.Status) { s.Commit = 9 }), nil, "wait membership 0"},
		{"two majorities", grow, leading(raft.ConfState{Voters: peers(1, 2, 3), Outgoing: peers(1)}), nil, "wait membership 0"},
		{"behind", grow, leading(learning([]uint32{2, 3}, 1), of(3, behind)), nil, "wait catchup 3"},
		{"not streaming", grow, leading(learning([]uint32{2, 3}, 1), of(3, func(p *raft.PeerStatus) { p.State = raft.Probe })), nil, "wait catchup 3"},
		{"has forgotten", grow, leading(learning([]uint32{2, 3}, 1), of(2, func(p *raft.PeerStatus) { p.Forgot = true })), nil, "wait catchup 2"},
		{"gets an image", grow, leading(learning([]uint32{2, 3}, 1), of(3, func(p *raft.PeerStatus) { p.State = raft.Snapshot })), nil, "wait snapshot 3"},
		{"not heard", grow, leading(learning([]uint32{2, 3}, 1), of(3, func(p *raft.PeerStatus) { p.Active = false })), nil, "wait unavailable 3"},
		{"caught up", grow, leading(learning([]uint32{2, 3}, 1)), nil, "change [{add-voter 2.e} {add-voter 3.15}]"},
		{"growing is not held", with(grow, func(g *Goal) { g.Hold = true }), leading(learning([]uint32{2, 3}, 1)), nil, "change [{add-voter 2.e} {add-voter 3.15}]"},
		{"who came does not know", grow, leading(voters(1, 2, 3), of(2, func(p *raft.PeerStatus) { p.Match = 9 })), nil, "wait catchup 2"},
		{"who came is made anew", grow, leading(raft.ConfState{Voters: peers(1, 2), Joining: peers(3)}), nil, "wait catchup 3"},
		{"consumers are on their way", with(grow, func(g *Goal) { g.Hold = true }), leading(voters(1, 2, 3)), nil, "wait blocked 0"},
		{"there", grow, leading(voters(1, 2, 3)), nil, "report"},
		{"there before", with(grow, func(g *Goal) { g.Change = 0 }), leading(voters(1, 2, 3)), nil, "rest"},

		{"held", with(shrink, func(g *Goal) { g.Hold = true }), leading(voters(1, 2, 3)), nil, "wait blocked 0"},
		{"who leads leaves", shrink, leading(voters(1, 2, 3)), nil, "transfer 2"},
		{"the preferred one takes over", with(shrink, func(g *Goal) { g.Nodes, g.Preferred = nodes([]uint32{2, 3, 4}), 3 }), leading(voters(1, 2, 3, 4)), nil, "transfer 3"},
		{"nobody can take over", shrink, leading(voters(1, 2, 3), of(2, behind)), nil, "change [{remove 1.7} {remove 3.15}]"},
		{"others leave", with(shrink, func(g *Goal) { g.Nodes = nodes([]uint32{1}) }), leading(voters(1, 2, 3)), nil, "change [{remove 2.e} {remove 3.15}]"},

		{"all go at once", move, leading(learning([]uint32{4, 5}, 1, 2)), nil, "change [{add-voter 4.1c} {add-voter 5.23} {remove 1.7} {remove 2.e}]"},
		{"not before they have it", move, leading(learning([]uint32{4, 5}, 1, 2), of(5, behind)), nil, "wait catchup 5"},
		{"who does not come any more is dropped", move, leading(learning([]uint32{4, 6}, 1, 2)), asking(5), "change [{remove 6.2a} {add-learner 5.23}]"},
		{"who was made anew goes with the others", move, leading(raft.ConfState{Voters: peers(1, 2), Joining: peers(3), Learners: peers(4, 5)}), nil, "change [{add-voter 4.1c} {add-voter 5.23} {remove 1.7} {remove 2.e} {remove 3.15}]"},
		{"and not before", move, leading(raft.ConfState{Voters: peers(1, 2), Joining: peers(3), Learners: peers(4)}), nil, "wait unavailable 5"},
		{"nowhere", Goal{Fresh: true}, leading(voters(1, 2)), nil, "rest"},

		{"one that is dead is replaced", replace, leading(learning([]uint32{4}, 1, 2, 3), of(3, func(p *raft.PeerStatus) { p.Active, p.Match = false, 0 })), nil, "change [{add-voter 4.1c} {remove 3.15}]"},
		{"who stays may be away", replace, leading(voters(1, 2, 4), of(2, func(p *raft.PeerStatus) { p.Active, p.Match = false, 0 })), nil, "report"},
	} {
		got := Next(&c.goal, c.status, c.candidates)
		text := got.Kind.String()
		switch got.Kind {
		case Change:
			text += fmt.Sprint(" ", got.Changes)
		case Transfer:
			text += fmt.Sprint(" ", got.To)
		case Wait:
			text += fmt.Sprint(" ", got.Why, " ", got.Node)
		}
		if text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

// The group of all servers grows by those that are added, and a removal is over when it is
// committed, and not before.
func TestMetaGoal(t *testing.T) {
	s := &meta.State{}
	for node := uint32(1); node <= 4; node++ {
		s.Apply(&meta.Op{AddServer: &meta.AddServer{Server: meta.Server{Node: node, Name: fmt.Sprint(node)}}}, 1)
	}
	next := func(status *raft.Status) StepKind {
		goal := MetaGoal(s, status)
		goal.Fresh = true
		return Next(&goal, status, []Candidate{{ID: peer(4)}}).Kind
	}
	three := raft.ConfState{Voters: peers(1, 2, 3)}
	if got := next(leading(three)); got != Change {
		t.Errorf("a server that was added: %v", got)
	}
	if got := next(leading(raft.ConfState{Voters: peers(1, 2, 3, 4)})); got != Rest {
		t.Errorf("all are there: %v", got)
	}
	if r := s.Apply(&meta.Op{RemoveServer: &meta.RemoveServer{Node: 3}}, 1); !r.Changed {
		t.Fatalf("%+v", r)
	}
	goal := MetaGoal(s, leading(three))
	goal.Fresh = true
	if got := Next(&goal, leading(three), []Candidate{{ID: peer(4)}}); got.Kind != Change || fmt.Sprint(got.Changes) != "[{remove 3.15}]" {
		t.Errorf("%+v", got)
	}
	two := raft.ConfState{Voters: peers(1, 2)}
	if got := next(leading(two, func(s *raft.Status) { s.Commit = 9 })); got != Wait {
		t.Errorf("the removal is not committed: %v", got)
	}
	if got := next(leading(two)); got != Report {
		t.Errorf("the removal is committed: %v", got)
	}
	s.Apply(&meta.Op{EndRemoval: &meta.EndRemoval{Node: 3}}, 1)
	if got := next(leading(two)); got != Change {
		t.Errorf("the server that waited: %v", got)
	}
}

func TestPlan(t *testing.T) {
	s := &meta.State{}
	do := func(o *meta.Op) meta.Result {
		t.Helper()
		r := s.Apply(o, 1)
		if !r.Changed {
			t.Fatalf("%+v: %+v", o, r)
		}
		return r
	}
	create := func(name string, nodes ...uint32) meta.Result {
		cfg := &api.StreamConfig{Name: name, Subjects: []string{name}, MaxBytes: -1, Replicas: len(nodes)}
		return do(&meta.Op{CreateStream: &meta.CreateStream{Account: "A", Config: cfg, Nodes: nodes, Limits: meta.NoLimits}})
	}
	alone := create("alone", 1).Stream
	tasks := New(s, 1, peer(1)).Tasks()
	if len(tasks) != 1 || tasks[0].Part != Member || !slices.Equal(tasks[0].Found, peers(1)) || tasks[0].Stream != alone {
		t.Errorf("one server alone: %+v", tasks)
	}
	for node := uint32(1); node <= 5; node++ {
		do(&meta.Op{AddServer: &meta.AddServer{Server: meta.Server{Node: node, Name: fmt.Sprint(node), Incarnation: node * 7}}})
	}
	st := create("s", 1, 2, 3).Stream
	do(&meta.Op{CreateConsumer: &meta.CreateConsumer{Account: "A", Stream: "s", Group: st.Group.ID, Config: &api.ConsumerConfig{Name: "c", Durable: "c"}, Max: -1}})
	do(&meta.Op{ChangePeers: &meta.ChangePeers{Account: "A", Stream: "s", Group: st.Group.ID, Was: []uint32{1, 2, 3}, Nodes: []uint32{1, 2, 4}}})
	tell := func(self raft.PeerID) string {
		text := ""
		for _, task := range New(s, 9, self).Tasks() {
			text += fmt.Sprintf("%d %v %v %v; ", task.Group, task.Part, task.Found, task.Contacts)
		}
		return text
	}
	for _, c := range []struct {
		self raft.PeerID
		want string
	}{
		{peer(1), "16 member [] []; 17 member [1.7 2.e 3.15] [2 3 4]; 18 member [1.7 2.e 3.15] [2 3 4]; "},
		{peer(3), "17 leaving [1.7 2.e 3.15] [1 2 4]; 18 leaving [1.7 2.e 3.15] [1 2 4]; "},
		{peer(4), "17 coming [] [1 2 3]; 18 coming [] [1 2 3]; "},
		{peer(5), ""},
		// On another disk than it had when the group was made it has nothing to begin with.
		{raft.MakePeerID(1, 8), "16 member [] []; 17 member [] [2 3 4]; 18 member [] [2 3 4]; "},
	} {
		if got := tell(c.self); got != c.want {
			t.Errorf("%v: %s, want %s", c.self, got, c.want)
		}
	}
	end := func(consumer string, g uint64, change uint64) {
		t.Helper()
		do(&meta.Op{EndChange: &meta.EndChange{Account: "A", Stream: "s", Consumer: consumer, Group: g, Change: change}})
	}
	st = s.Stream("A", "s")
	if goal := GoalOf(s, st, nil); !goal.Hold || goal.Change != st.Group.Change.ID || fmt.Sprint(goal.Nodes, goal.From) != "[1 2 4] [1 2 3]" {
		t.Errorf("%+v", goal)
	}
	c := st.Consumer("c")
	if goal := GoalOf(s, st, c); goal.Hold || goal.Change != c.Group.Change.ID {
		t.Errorf("%+v", goal)
	}
	if fate := New(s, 9, peer(3)).Fate(17, 9); fate != Keep {
		t.Errorf("who leaves has to %v", fate)
	}
	end("c", c.Group.ID, c.Group.Change.ID)
	if goal := GoalOf(s, st, nil); goal.Hold {
		t.Errorf("%+v", goal)
	}
	end("", st.Group.ID, st.Group.Change.ID)
	if got := tell(peer(1)); got != "16 member [] []; 17 member [] [2 4]; 18 member [] [2 4]; " {
		t.Errorf("a group that has changed is founded: %s", got)
	}
	do(&meta.Op{DeleteStream: &meta.DeleteStream{Account: "A", Stream: "alone"}})
	for _, c := range []struct {
		node  uint32
		group raft.GroupID
		seen  raft.Index
		want  Fate
	}{
		{1, 1, 9, Keep},    // the servers' own
		{1, 17, 9, Keep},   // assigned
		{3, 17, 9, Remove}, // moved away
		{3, 17, 10, Keep},  // by a state that is older than another
		{1, 16, 9, Remove}, // deleted
		{1, 16, 10, Keep},
		{1, 19, 9, Aside}, // never made
		{1, 19, 10, Keep},
	} {
		if got := New(s, 9, peer(c.node)).Fate(c.group, c.seen); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
