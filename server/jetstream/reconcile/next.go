package reconcile

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Goal is where a group is to be.
type Goal struct {
	// Nodes are to have the voters.
	Nodes []raft.NodeID
	// From are those that have been voters before, of whom nobody asks how far they are.
	From []raft.NodeID
	// Preferred is the one that should lead, 0 if it makes no difference.
	Preferred raft.NodeID
	// Change is the one that leads there, 0 if it is over.
	Change uint64
	// Hold is whether nobody may be dropped yet.
	Hold bool
	// Fresh is whether this is at least as new as what the meta group had committed when the
	// leader's term had begun. Whoever has become leader has to ask it once (ReadIndex).
	Fresh bool
}

// StepKind says what the leader of a group has to do.
type StepKind uint8

const (
	// Rest: the group is where it is to be.
	Rest StepKind = iota
	// Wait: for what Why says; there is nothing to do but to look again.
	Wait
	// Refresh: ask the meta group whether there is a newer goal.
	Refresh
	// Change: propose Changes, all at once.
	Change
	// Transfer: hand over to To.
	Transfer
	// Report: tell the meta group that the change is over.
	Report
)

func (k StepKind) String() string {
	return [...]string{"rest", "wait", "refresh", "change", "transfer", "report"}[k]
}

// Step is the next thing to do.
type Step struct {
	Kind    StepKind
	Changes []raft.Change
	To      raft.NodeID
	// Why is what a Wait is for, as api.DesiredStatus has it, and Node on whom, 0 if
	// on nobody in particular.
	Why  string
	Node raft.NodeID
}

// GoalOf returns the goal of a group. Consumer is nil if it is the stream's. Fresh is left to
// the caller.
func GoalOf(s *meta.State, st *meta.Stream, c *meta.Consumer) Goal {
	g := &st.Group
	if c != nil {
		g = &c.Group
	}
	goal := Goal{Nodes: nodeIDs(g.Nodes), From: nodeIDs(g.Nodes), Preferred: raft.NodeID(g.Preferred)}
	if g.Change != nil {
		goal.From, goal.Change = nodeIDs(g.Change.From), g.Change.ID
		goal.Hold = c == nil && s.Waits(st)
	}
	return goal
}

// MetaGoal returns the goal of the meta group itself: all servers that there are. The Change is
// the node that is being removed, and its report meta.EndRemoval: only then whoever asked for it is
// told that it is done. While a server goes nobody comes, so that nobody who does not get
// along holds that up. A server is added to the state first and admitted then, for who is not
// among the servers is dropped. Fresh is left to the caller.
func MetaGoal(s *meta.State, status *raft.Status) Goal {
	goal := Goal{Change: uint64(s.Removing())}
	for sv := range s.Servers() {
		node := raft.NodeID(sv.Node)
		votes := slices.ContainsFunc(status.Conf.Voters, func(p raft.PeerID) bool { return p.Node() == node })
		if votes {
			goal.From = append(goal.From, node)
		}
		if votes || goal.Change == 0 {
			goal.Nodes = append(goal.Nodes, node)
		}
	}
	return goal
}

func nodeIDs(nodes []uint32) []raft.NodeID {
	list := make([]raft.NodeID, len(nodes))
	for i, n := range nodes {
		list[i] = raft.NodeID(n)
	}
	return list
}

// Candidate is a replica that asks to be admitted to a group.
type Candidate struct {
	ID raft.PeerID
	// Change is the one by which its server has it (Task.Change). It has to be the one that is
	// under way: a server that is behind may have the replica from an earlier time, and be
	// about to remove it.
	Change uint64
}

// Next returns what the leader of a group has to do, by its own status.
func Next(goal *Goal, status *raft.Status, candidates []Candidate) Step {
	conf := &status.Conf
	switch {
	case !goal.Fresh:
		return Step{Kind: Refresh}
	case len(goal.Nodes) == 0:
		return Step{Kind: Rest} // what is nowhere cannot be left
	case conf.Joint() || status.ConfIndex > status.Commit:
		return Step{Kind: Wait, Why: api.DesiredMembership}
	}
	if step := learners(goal, conf, candidates); step.Kind != Rest {
		return step
	}
	var changes []raft.Change
	for _, p := range conf.Learners {
		if step := caughtUp(status, p, status.Commit); step.Kind != Rest {
			return step
		}
		changes = append(changes, raft.Change{Type: raft.AddVoter, Peer: p})
	}
	var leaving []raft.PeerID
	// Who joins by itself is a voter that has forgotten, and goes when voters go.
	for _, p := range slices.Concat(conf.Voters, conf.Joining) {
		if !slices.Contains(goal.Nodes, p.Node()) {
			leaving = append(leaving, p)
			changes = append(changes, raft.Change{Type: raft.RemovePeer, Peer: p})
		}
	}
	switch {
	case len(leaving) > 0 && goal.Hold:
		return Step{Kind: Wait, Why: api.DesiredBlocked}
	case slices.Contains(leaving, status.ID):
		if to := successor(goal, status); to != 0 {
			return Step{Kind: Transfer, To: to}
		}
		// It leads until the others have gone on, and no longer.
		return Step{Kind: Change, Changes: changes}
	case len(changes) > 0:
		return Step{Kind: Change, Changes: changes}
	}
	return end(goal, status)
}

// learners admits who is to come, and drops who was to come and is not any more. The result rests
// when all who are to be there have a part in the configuration.
func learners(goal *Goal, conf *raft.ConfState, candidates []Candidate) Step {
	var changes []raft.Change
	for _, p := range conf.Learners {
		if !slices.Contains(goal.Nodes, p.Node()) {
			changes = append(changes, raft.Change{Type: raft.RemovePeer, Peer: p})
		}
	}
	missing := raft.NodeID(0)
	peers := conf.Peers()
	for _, node := range goal.Nodes {
		on := func(p raft.PeerID) bool { return p.Node() == node }
		if slices.ContainsFunc(peers, on) {
			continue
		}
		asks := func(c Candidate) bool { return on(c.ID) && c.Change == goal.Change }
		if i := slices.IndexFunc(candidates, asks); i >= 0 {
			changes = append(changes, raft.Change{Type: raft.AddLearner, Peer: candidates[i].ID})
		} else if missing == 0 {
			missing = node
		}
	}
	switch {
	case len(changes) > 0:
		return Step{Kind: Change, Changes: changes}
	case missing != 0:
		return Step{Kind: Wait, Why: api.DesiredUnavailable, Node: missing}
	}
	return Step{Kind: Rest}
}

// caughtUp rests if a peer has all entries up to an index, and keeps pace.
func caughtUp(status *raft.Status, p raft.PeerID, to raft.Index) Step {
	wait := Step{Kind: Wait, Why: api.DesiredCatchup, Node: p.Node()}
	i := slices.IndexFunc(status.Peers, func(s raft.PeerStatus) bool { return s.ID == p })
	if i < 0 {
		return wait
	}
	switch s := &status.Peers[i]; {
	case !s.Active:
		wait.Why = api.DesiredUnavailable
	case s.State == raft.Snapshot:
		wait.Why = api.DesiredSnapshot
	case p == status.ID || s.Match >= to && s.State == raft.Replicate && !s.Forgot:
		return Step{Kind: Rest}
	}
	return wait
}

// successor returns who takes over from a leader that leaves: a voter that stays and has
// everything, the preferred one if it can be; 0 if there is none.
func successor(goal *Goal, status *raft.Status) (to raft.NodeID) {
	for _, p := range status.Conf.Voters {
		if slices.Contains(goal.Nodes, p.Node()) && caughtUp(status, p, status.Commit).Kind == Rest && (to == 0 || p.Node() == goal.Preferred) {
			to = p.Node()
		}
	}
	return to
}

// end reports a change of which nothing is left to do. Who has come must know that it votes: until
// then those who leave are kept.
func end(goal *Goal, status *raft.Status) Step {
	for _, p := range status.Conf.Voters {
		if slices.Contains(goal.From, p.Node()) {
			continue
		}
		if step := caughtUp(status, p, status.ConfIndex); step.Kind != Rest {
			return step
		}
	}
	for _, p := range status.Conf.Joining { // which raft makes a voter by itself
		if !slices.Contains(goal.From, p.Node()) {
			return Step{Kind: Wait, Why: api.DesiredCatchup, Node: p.Node()}
		}
	}
	switch {
	case goal.Change == 0:
		return Step{Kind: Rest}
	case goal.Hold:
		return Step{Kind: Wait, Why: api.DesiredBlocked}
	}
	return Step{Kind: Report}
}
