package main

const (
	metaApply   = "server/jetstream/meta/apply.go"
	metaOverlap = "server/jetstream/meta/overlap.go"
	metaState   = "server/jetstream/meta/state.go"
	metaEncode  = "server/jetstream/meta/encode.go"
	metaGroup   = "server/jetstream/meta/group.go"
	metaServers = "server/jetstream/meta/servers.go"
	metaPeers   = "server/jetstream/meta/apply_peers.go"
)

// metaMutants are faults of the rules by which streams and consumers are assigned.
var metaMutants = []Mutant{
	{
		"group is given to a second asset", metaGroup, "return max(s.groups+1, FirstGroup)", "return max(s.groups, FirstGroup)",
		"two assets with one log",
	},
	{
		"groups begin anew after a restart", metaEncode, "s := &State{groups: all.Groups, revision", "s := &State{revision",
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
		"subjects of an updated stream stay taken", metaApply, "		a.tokens.remove(old.Config)\n		s.count", "		s.count",
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
	{
		"state that lacks assets is read", metaEncode, "if b[0] > 1 && len(used) != all.Assets {", "if len(used) > 1<<30 {",
		"assets are deleted because a snapshot does not mention them",
	},
	{
		"image changes with the state", metaEncode, "	if c.owned != images {", "	if c.byName == nil {",
		"a snapshot that is written by another goroutine lost consumers",
	},
	{
		"refused create destroys the consumer that there is", metaApply, "		if !c.Config.Equal(o.Config) {\n", "		if !c.Config.Equal(o.Config) {\n			s.setConsumer(st, c.Name(), nil)\n",
		"what was to be undone was not what had been done",
	},
	{
		"replica is placed on a server that is gone", metaPeers, "return len(nodes) == max(replicas, 1) && s.areKnown(nodes)", "return len(nodes) == max(replicas, 1)",
		"it was chosen before the server was removed",
	},
	{
		"founders change with the disks", metaGroup, "	g.Change, g.Founders = nil, nil\n", "	g.Change = nil\n",
		"a server that held the group before founds it once more, empty",
	},
	{
		"report of another change ends this one", metaPeers, "st.Group.ID != o.Group || ch == nil || ch.ID != o.Change || s.Waits(st) {", "st.Group.ID != o.Group || ch == nil || s.Waits(st) {",
		"a leader with a stale assignment: who was to come back is dropped",
	},
	{
		"stream leaves before its consumers", metaPeers, "ch.ID != o.Change || s.Waits(st) {", "ch.ID != o.Change {",
		"consumers that lead where there is no stream",
	},
	{
		"dead server is waited for though it is taken out", metaGroup, "	if ch := st.Group.Change; ch != nil && ch.Forced {\n		return false\n	}\n", "",
		"a peer-remove that waits for the peer",
	},
	{
		"server alone moves consumers", metaGroup, "	if !s.IsClustered() || !s.isHeld(&c.Group) {", "	if !s.isHeld(&c.Group) {",
		"a change that nobody carries out, and that never ends",
	},
	{
		"lost consumer is waited for", metaGroup, "c.Group.Change != nil && s.isHeld(&c.Group) {", "c.Group.Change != nil {",
		"a move that never ends",
	},
	{
		"replica is given up that nobody else has", metaServers, "	if !s.isHeld(&st.Group) || len(nodes) == 0 {", "	if len(nodes) == 0 {",
		"a server that comes back has the data, and may not serve it",
	},
	{
		"all replacements are on one server", metaServers, "	s.send(st, nodes, false)\n	s.refresh(servers)\n	return true\n", "	s.send(st, nodes, false)\n	return true\n",
		"the server that had the fewest assets gets thousands at once",
	},
	{
		"two servers are removed at once", metaServers, "	case s.removing != 0:\n		return Result{Err: api.ErrClusterServerMemberChangeInflight}\n", "",
		"changes of membership that overlap",
	},
	{
		"removal of one server is ended by that of another", metaServers, "	if o.Node != s.removing {\n		return Result{Stale: true}\n	}\n", "",
		"a removal that is answered before it is committed",
	},
	{
		"cancelled move goes where servers are gone", metaPeers, "back := s.known(ch.From)", "back := ch.From",
		"a group that waits for a server that was removed",
	},
	{
		"cancel leaves the configuration of the move", metaPeers, "	if ch.Origin != nil {\n		next.Config = st.Config.Clone()\n", "	if ch.Origin != nil {\n		next := next\n		next.Config = st.Config.Clone()\n",
		"it says three replicas, and there is one",
	},
	{
		"who was to get a replica is forgotten", metaGroup, "Leaving: without(g.all(), nodes)}", "Leaving: without(g.Nodes, nodes)}",
		"a replica that nobody ever drops, when a change replaces another",
	},
	{
		"consumers stay where their stream was", metaServers, "	s.put(&next)\n	s.followAll(&next)\n", "	s.put(&next)\n",
		"consumers without a stream",
	},
	{
		"consumer begins where its stream is not yet", metaApply, "	nodes := st.Group.holders()\n", "	nodes := st.Group.Nodes\n",
		"it cannot deliver until the move is done",
	},
	{
		"consumer moves though it may stay", metaGroup, "			return slices.Index(had, n) - maxNodes\n", "			return 0\n",
		"each change of its stream sends it elsewhere",
	},
	{
		"servers keep the load of what left them", metaApply, "		s.count(&old.Group, old.Config, -1)\n	}\n	s.count(&st", "	}\n	s.count(&st",
		"a server that never gets assets again",
	},
}
