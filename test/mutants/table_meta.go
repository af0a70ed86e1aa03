package main

const (
	metaApply   = "server/jetstream/meta/apply.go"
	metaOverlap = "server/jetstream/meta/overlap.go"
	metaState   = "server/jetstream/meta/state.go"
	metaEncode  = "server/jetstream/meta/encode.go"
)

// metaMutants are faults of the rules by which streams and consumers are assigned.
var metaMutants = []Mutant{
	{
		"group is given to a second asset", metaApply, "	s.groups = max(s.groups+1, FirstGroup)\n", "	s.groups = max(s.groups, FirstGroup)\n",
		"two assets with one log",
	},
	{
		"groups begin anew after a restart", metaEncode, "s := &State{groups: im.Groups, revision", "s := &State{revision",
		"a stream that is made under an old name meets its old log",
	},
	{
		"stream of another life is deleted", metaApply, "st == nil || o.Group != 0 && o.Group != st.Group.ID {", "st == nil {",
		"a delete that was late takes what was made since",
	},
	{
		"consumer of another life is deleted", metaApply, "	if c == nil || o.Group != 0 && o.Group != c.Group.ID {", "	if c == nil {",
		"an ephemeral consumer that was idle takes its successor along",
	},
	{
		"consumer gets into the next stream of that name", metaApply, "	case o.Group != st.Group.ID:\n		return Result{Stale: true, Stream: st}\n", "",
		"it was checked against another configuration",
	},
	{
		"name of a stream that is being restored is free", metaApply, "	if st := s.restore(o.Account, name); st != nil {\n		return Result{Err: api.ErrStreamNameExist, Stream: st}\n	}\n", "",
		"two streams of one name, when the restore is done",
	},
	{
		"stream that is being restored is found by its name", metaApply, "being != nil && being.Group.ID == o.Group {", "being != nil {",
		"nobody gets to see it before it is complete",
	},
	{
		"stream is in its own way", metaApply, "s.Overlaps(o.Account, st.Name(), o.Config.Subjects):", "s.Overlaps(o.Account, \"\", o.Config.Subjects):",
		"an update that keeps a subject is refused",
	},
	{
		"subjects of an updated stream stay taken", metaApply, "		a.tokens.remove(old.Config)\n	}\n	a.reserve", "	}\n	a.reserve",
		"an index that only grows, and names streams that are gone",
	},
	{
		"overlap with a wildcard is not found", metaOverlap, "return anyOf(f[t]) || anyOf(f[\"*\"]) || anyOf(f[\">\"])", "return anyOf(f[t]) || anyOf(f[\">\"])",
		"a message that two streams store",
	},
	{
		"update of what has been replaced counts", metaApply, "	case st.Revision != o.Revision:\n		return Result{Stale: true, Stream: st}\n", "",
		"of two updates at once one is lost, or what they come to was never checked",
	},
	{
		"limit of streams is one more", metaApply, "len(a.streams)+len(a.restores) >= o.Limits.Streams", "len(a.streams)+len(a.restores) > o.Limits.Streams",
		"the off-by-one of a limit",
	},
	{
		"what a stream had counts beside what it wants", metaApply, "	if old != nil {\n		with.reserve(old, -1)\n	}\n", "",
		"an update is refused though there is room",
	},
	{
		"limit that was lowered holds up who takes no more", metaApply, "	case more > 0 && own >= 0 && with", "	case own >= 0 && with",
		"a stream that cannot be made smaller",
	},
	{
		"each account has the whole server", metaApply, "s.reserved(kind)+more > all:", "with.reserved[kind] > all:",
		"more is promised than there is",
	},
	{
		"replicas reserve nothing", metaState, "sign * c.MaxBytes * int64(max(c.Replicas, 1))", "sign * c.MaxBytes",
		"more is promised than there is",
	},
	{
		"deleted stream leaves its consumers in the count", metaApply, "	a.consumers -= st.NumConsumers()\n", "",
		"a limit that is reached by what is gone",
	},
	{
		"consumer of a work queue is in its own way", metaApply, "		if o.Name() == c.Name {\n			continue\n		}\n", "",
		"it cannot be updated",
	},
	{
		"update makes two consumers of a work queue share messages", metaApply, "	if err := st.unique(o.Config); err != nil {\n		return Result{Err: err, Stream: st, Consumer: c}\n	}\n", "",
		"each message of a work queue has one consumer",
	},
}
