package main

const (
	reconcileNext = "server/jetstream/reconcile/next.go"
	reconcilePlan = "server/jetstream/reconcile/plan.go"
)

// reconcileMutants are faults of the steps by which replicas get to where they are assigned.
var reconcileMutants = []Mutant{
	{
		"leader acts by what it knew before its reign", reconcileNext, "	case !goal.Fresh:\n		return Step{Kind: Refresh}\n", "",
		"a stale assignment after a late snapshot: it takes away replicas that were added since",
	},
	{
		"replica that is left over is admitted", reconcileNext, "return on(c.ID) && c.Change == goal.Change }", "return on(c.ID) }",
		"its server removes it as a voter, when it hears that it had left",
	},
	{
		"second change before the first is committed", reconcileNext, "conf.Joint() || status.ConfIndex > status.Commit:", "conf.Joint():",
		"an end is reported, or a removal answered, that is then undone",
	},
	{
		"who comes votes before it has caught up", reconcileNext, "s.Match >= to && s.State == raft.Replicate", "s.State == raft.Replicate",
		"a move that is over before the new servers have the data",
	},
	{
		"who has forgotten counts as caught up", reconcileNext, " && !s.Forgot:", ":",
		"a move to a server that has lost what it was sent",
	},
	{
		"voters go before all who come are there", reconcileNext, "	case missing != 0:\n		return Step{Kind: Wait, Why: api.DesiredUnavailable, Node: missing}\n", "",
		"fewer replicas than before and after",
	},
	{
		"stream leaves its consumers behind", reconcileNext, "	case len(leaving) > 0 && goal.Hold:\n		return Step{Kind: Wait, Why: api.DesiredBlocked}\n", "",
		"they read where there is nothing any more",
	},
	{
		"end is reported before who came knows", reconcileNext, "		if step := caughtUp(status, p, status.ConfIndex); step.Kind != Rest {\n			return step\n		}\n", "",
		"who leaves removes its replica, and who came does not know that it votes",
	},
	{
		"a server that stays and is away is waited for", reconcileNext, "		if slices.Contains(goal.From, p.Node()) {\n			continue\n		}\n", "",
		"a change that never ends, with a majority that is well",
	},
	{
		"who does not come any more stays a learner", reconcileNext, "	for _, p := range conf.Learners {\n		if !slices.Contains(goal.Nodes, p.Node()) {", "	for _, p := range conf.Learners {\n		if len(goal.Nodes) == 0 {",
		"a cancelled move makes voters of those it led to",
	},
	{
		"removal waits for who comes", reconcileNext, "if votes || goal.Change == 0 {", "if votes || goal.Change != 1<<40 {",
		"one server that does not get along holds up the removal of another",
	},
	{
		"group is founded again", reconcilePlan, "	if slices.Contains(g.Founders, uint64(self)) {", "	if len(g.Founders) > 0 {",
		"a server whose disk was lost founds the group once more, empty",
	},
	{
		"who leaves has nothing to do with it any more", reconcilePlan, "	case ch != nil && slices.Contains(ch.Leaving, node):\n		t.Part = Leaving\n", "",
		"its replica is removed while it counts",
	},
	{
		"state that is older than another removes", reconcilePlan, "p.at < seen || ", "",
		"assets were deleted by a state that came late",
	},
	{
		"what no state knows is removed", reconcilePlan, "	case p.state.Made(uint64(g)):\n		return Remove\n	default:\n		return Aside", "	default:\n		return Remove",
		"an asset is deleted because a snapshot does not mention it",
	},
}
