package main

const (
	memReplace     = "server/jetstream/store/mem/replace.go"
	engineAssets   = "server/jetstream/assets.go"
	engineConsumer = "server/jetstream/consumer.go"
	consumerDriver = "server/jetstream/consumer_driver.go"
)

// replicaMutants are faults by which the replicas of one asset come to differ, or a
// replica that was away comes back with something else: each is one that clusters had in the
// field.
var replicaMutants = []Mutant{
	{
		"ids are known to the leader alone", streamPublish, "	c.remember(p.head.msgID, seq, now)\n	c.noteTTL", "	if r.Effects {\n		c.remember(p.head.msgID, seq, now)\n	}\n	c.noteTTL",
		"after a change of leaders a publisher that tries again is stored twice",
	},
	{
		"limits are kept by the leader alone", streamPublish, "	if err := c.evict(p, r); err != nil {\n		return err\n	}\n", "	if r.Effects {\n		if err := c.evict(p, r); err != nil {\n			return err\n		}\n	}\n",
		"replicas that hold different messages",
	},
	{
		"what was purged is back after catching up", memReplace, "	s.blocks, s.subjects, s.spare = by.blocks, by.subjects, nil\n", "	s.blocks, s.spare = by.blocks, nil\n",
		"an image that adds to what there is instead of taking its place",
	},
	{
		"stream that an image has as one being restored is deleted", "server/jetstream/meta/state.go", "{s.Stream(st.Account, st.Name()), s.restore(st.Account, st.Name())}", "{s.Stream(st.Account, st.Name())}",
		"what an image does not mention where one looks is taken for deleted, with its messages",
	},
	{
		"stream keeps its assignment though there is a later one", engineStream, "		s.assigned.Store(t.Stream)\n		if old.Config", "		if old.Config",
		"a server that was away puts a stream back to how it was",
	},
	{
		"consumer keeps its assignment though there is a later one", engineConsumer, "	c.assigned.Store(t.Consumer)\n	if old.Config", "	if old.Config",
		"a server that was away puts a consumer back to how it was",
	},
	{
		"replica elsewhere takes what is published", "server/jetstream/stream_subjects.go", "		if leads {\n			for _, subj", "		if true {\n			for _, subj",
		"publishers are answered by nobody, or twice",
	},
	{
		"consumer begins before its stream knows it", consumerDriver, "	case !c.stream.knows(c.assigned.Load()):", "	case false:",
		"what is published behind the answer is gone before it is delivered",
	},
	{
		"consumer is taken for gone by an old copy of the assignments", "server/jetstream/stream_wants.go", "!is[group] && state.Made(group)", "!is[group]",
		"a stream lets go of what a new consumer is to get",
	},
	{
		"delivery does not wait for its entry", consumerDriver, "return c.several.Load() || c.isUntried()", "return c.isUntried()",
		"a message is delivered for the first time twice",
	},
	{
		"leader answers without asking whether it leads", "server/jetstream/current.go", "	if !p.several.Load() {\n", "	if true {\n",
		"a read that misses what was confirmed before",
	},
	{
		"whoever listens is taken for a leader", "server/jetstream/office.go", "o.e.system.hears(subject, leaderQueue)", "o.account.HasInterest(subject)",
		"an operator who listens to everything keeps clients waiting in vain",
	},
	{
		"server that stops leads to the end", "server/jetstream/engine.go", "	e.handOver()\n", "",
		"an election in the place of a transfer, with each server that is updated",
	},
	{
		"empty replica takes the place of a lost one", "server/jetstream/machine.go", "		return nil, errDiskGone\n", "		cfg.Peers = []raft.PeerID{e.self()}\n",
		"the disk that comes back finds that its group has begun anew without it",
	},
}
