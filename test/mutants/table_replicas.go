package main

const memReplace = "server/jetstream/store/mem/replace.go"

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
		"stream that an image has as one being restored is deleted", metaImage, "		kept[st.Group.ID] = true\n", "		kept[st.Group.ID] = st.Restore == nil\n",
		"what an image does not mention where one looks is taken for deleted, with its messages",
	},
	{
		"stream keeps its assignment though an image has a later one", metaImage, "				s.assigned.Store(st)\n				s.tell(", "				s.tell(",
		"a server that was away puts a stream back to how it was",
	},
	{
		"consumer keeps its assignment though an image has a later one", metaImage, "				running.assigned.Store(c)\n", "",
		"a server that was away puts a consumer back to how it was",
	},
}
