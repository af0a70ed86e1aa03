package main

const (
	hostApply   = "server/raft/host/apply.go"
	hostCompact = "server/raft/host/compact.go"
	hostGroup   = "server/raft/host/group.go"
	hostHalt    = "server/raft/host/halt.go"
	hostHost    = "server/raft/host/host.go"
	hostLeader  = "server/raft/host/leader.go"
	hostLink    = "server/raft/host/link.go"
	hostMailbox = "server/raft/host/mailbox.go"
	hostMembers = "server/raft/host/members.go"
	hostPace    = "server/raft/host/pace.go"
	hostPool    = "server/raft/host/pool.go"
	hostPropose = "server/raft/host/propose.go"
	hostRead    = "server/raft/host/read.go"
	hostReceive = "server/raft/host/receive.go"
	hostRejoin  = "server/raft/host/rejoin.go"
	hostSnap    = "server/raft/host/snapshot.go"
	hostSnapIn  = "server/raft/host/snapshot_receive.go"
	hostSnapOut = "server/raft/host/snapshot_send.go"
	hostStart   = "server/raft/host/start.go"
	hostStep    = "server/raft/host/step.go"
	hostWire    = "server/raft/host/wire.go"

	hostOutbox    = "server/raft/host/outbox.go"
	netAdmission  = "server/raft/transport/admission.go"
	netComplaints = "server/raft/transport/complaints.go"
	netFrame      = "server/raft/transport/frame.go"
	netHandshake  = "server/raft/transport/handshake.go"
	netLane       = "server/raft/transport/lane.go"
	netQueue      = "server/raft/transport/queue.go"
	netSession    = "server/raft/transport/session.go"
	netSource     = "server/raft/transport/source.go"
)

// hostMutants are faults of the host of many groups, which gives the cores their
// disk, clock and network, and of the transport between hosts.
var hostMutants = []Mutant{
	// What is durable, and in which order.
	{
		"write counts when it is queued", hostStep, "	wr.inLog = true\n", "	wr.inLog, wr.done = true, true\n",
		"entries are acknowledged, and votes given, that one power failure takes away",
	},
	{
		"one write too many counts as durable", hostStep, "	for i := 0; n > 0 && i < g.writes.len(); i++ {", "	for i := 0; n >= 0 && i < g.writes.len(); i++ {",
		"the off-by-one that acknowledges what is still on its way",
	},
	{
		"failed write counts as durable", hostMailbox, "	if err != nil {\n		m.writeErr = err\n	} else {", "	if err != nil && err == m.writeErr {\n		m.writeErr = err\n	} else {",
		"seen in the field: I/O errors went unnoticed, and replicas voted after them",
	},
	{
		"poisoned log silences one group only", hostStep, "		g.host.poison(err)\n", "",
		"the others of the server go on without a disk",
	},
	{
		"poisoned host goes on talking", hostHost, "	if h.mute.Swap(true) {\n		return\n	}\n	h.event", "	if h.mute.Load() {\n		return\n	}\n	h.event",
		"acknowledgements of a server whose disk has failed",
	},
	{
		"log is compacted before the machine is durable", hostCompact, "to := min(g.checkpoint, g.appliedTo)", "to := g.appliedTo",
		"seen in the field: after a crash neither the log nor the state has it",
	},
	{
		"leader compacts what a follower needs", hostCompact, "		to = min(to, p.Match)\n", "",
		"a snapshot for each hiccup of a follower",
	},

	// Applying.
	{
		"entry is applied after a gap", hostApply, "if e.Index != a.at.Base.Index+1 {", "if e.Index <= a.at.Base.Index {",
		"replicas that differ for good",
	},
	{
		"entry that is in an image is applied again", hostApply, "	if a.failed != nil || e.Index <= a.at.Base.Index {\n", "	if a.failed != nil {\n",
		"replicas that differ for good",
	},
	{
		"failed machine goes on", hostApply, "		a.fail(fmt.Errorf(\"applying entry %d: %w\", e.Index, err))\n", "		_ = fmt.Errorf(\"applying entry %d: %w\", e.Index, err)\n",
		"replicas that differ for good",
	},
	{
		"new leader is told before it has caught up", hostApply, "a.lead, a.leadAt = l, from", "a.lead, a.leadAt = l, from-from",
		"it decides by a state that lacks what is committed",
	},
	{
		"time goes back", hostPropose, "time := max(w.wall.UnixNano(), g.lastTime+1)", "time := w.wall.UnixNano()",
		"messages that expire in another order than they came",
	},
	{
		"time of the log is not looked at after a restart", hostPropose, "			g.lastTime = max(g.lastTime, t)\n			break", "			break",
		"messages that expire in another order than they came",
	},

	// Answers.
	{
		"proposal is answered before it is committed", hostPropose, "		g.waits.push(wt)\n		g.take(n)", "		wt.fate = Applied\n		wt.settle(g, &Batch{Index: index})\n		g.take(n)",
		"acknowledged by one server of three",
	},
	{
		"proposal that was replaced is answered as applied", hostPropose, "case ents[wt.index-first.Index].Term != wt.term:", "case ents[wt.index-first.Index].Term < wt.term:",
		"seen in the field: proposals not fenced by the term",
	},
	{
		"proposal for another term is taken", hostPropose, "if p.Term != 0 && p.Term != term {", "if p.Term > term {",
		"what was decided as the leader of a term has no place in another",
	},
	{
		"proposal without an outcome is said to be dropped", hostPropose, "		wt := g.waits.pop()\n		wt.fate, wt.err = Unknown, ErrLeadershipLost", "		wt := g.waits.pop()\n		wt.fate, wt.err = Dropped, ErrLeadershipLost",
		"it is sent again, and is there twice",
	},
	{
		"stopping says that what is under way is dropped", hostHalt, "wt.fate, wt.err = Unknown, err", "wt.fate, wt.err = Dropped, err",
		"it is sent again, and is there twice",
	},
	{
		"read is answered before the machine is there", hostApply, "		case a.at.Base.Index < r.index:\n", "		case r.index == 0:\n",
		"a read that does not see what was acknowledged before",
	},
	{
		"lost read is answered", hostApply, "		case r.lost:\n			err = ErrReadLost\n", "",
		"a deposed leader answers reads",
	},

	{
		"whoever asks gets a part in the group", hostRejoin, "	case g.admits == nil || !g.admits(p, plea):\n		return\n", "	case g.admits == nil:\n		return\n",
		"a server of the past that votes again",
	},

	// Publishers that lend themselves.
	{
		"worker at the disk counts as up", hostPool, "	w.pool.leave()\n	w.away = true\n", "	w.away = false\n",
		"while one waits for the disk nobody else makes proposals of what comes",
	},
	{
		"worker that is back is not counted", hostPool, "	if w.away {\n		w.away = false\n		w.pool.back()\n	}\n", "	w.away = false\n",
		"everybody who publishes becomes a worker, as many as there are connections",
	},
	{
		"assistant is one for good", hostHost, "	h.assistants.Put(w)\n	p.quit()\n", "	h.assistants.Put(w)\n	p.wg.Done()\n",
		"workers that are counted and do not exist: nobody is woken any more",
	},
	{
		"assistant joins while others are up", hostPool, "	if p.closed || p.workers > p.parked+p.away {\n", "	if p.closed {\n",
		"every reader of a connection does what two workers do better",
	},
	{
		"assistant joins a pool that is closed", hostPool, "	if p.closed || p.workers > p.parked+p.away {\n", "	if p.workers > p.parked+p.away {\n",
		"a host that says that it has stopped, and still works",
	},
	{
		"quiet proposal wakes a worker", hostPropose, "		g.host.groupPool.pushQuietly(g)\n", "		g.host.groupPool.push(g)\n",
		"two wake-ups for a message that its publisher could have written himself",
	},
	{
		"nudge wakes nobody", hostPool, "	p.mu.Unlock()\n	if wake {\n		p.wakeup.Signal()\n	}\n}\n\n// nudge", "	p.mu.Unlock()\n	_ = wake\n}\n\n// nudge",
		"proposals that lie about until something else happens",
	},

	// Bounds.
	{
		"budget of a group is not kept", hostPropose, "if g.pending.Add(int64(size)) > h.cfg.MaxGroupBytes {", "if g.pending.Add(int64(size)) < 0 {",
		"seen in the field: queues without bound, and a server out of memory",
	},
	{
		"budget of the host is not kept", hostPropose, "if h.pending.Add(int64(size)) > h.cfg.MaxHostBytes {", "if h.pending.Add(int64(size)) < 0 {",
		"seen in the field: queues without bound, and a server out of memory",
	},
	{
		"slow disk does not hold up leaders", hostReceive, "	if len(m.Entries) > 0 && h.logBusy.Load() {\n", "	if len(m.Entries) > 0 && h.mute.Load() {\n",
		"seen in the field: a slow disk, and a server out of memory",
	},
	{
		"slow disk silences a follower", hostReceive, "	if len(m.Entries) > 0 && h.logBusy.Load() {\n", "	if h.logBusy.Load() {\n",
		"seen in the field: an overloaded follower answers no heartbeat, and is elected against",
	},

	// Silence.
	{
		"dead node is not noticed", hostLink, "		return nodeDown, true\n", "		return nodeDown, false\n",
		"groups that sleep without a leader",
	},
	{
		"node that comes back is not noticed", hostLink, "		return nodeUp, true\n", "		return nodeUp, false\n",
		"groups without a leader sleep although there is a majority again",
	},
	{
		"node that was started anew is not noticed", hostLink, "			l.fresh = true\n", "",
		"its replicas wait for a leader that believes it is asleep",
	},
	{
		"frames of an earlier life count", hostLink, "if l.up.Load() && slices.Contains(l.retired, epoch) {", "if len(l.retired) > maxRetired {",
		"a node that is dead and seems to live",
	},
	{
		"node that leaves is waited for", hostLink, "tick-l.heard.Load() <= uint64(silence) && !l.leaving", "tick-l.heard.Load() <= uint64(silence)",
		"clients without a leader for the whole election timeout",
	},
	{
		"sleeping leader does not wake for who comes back", hostLeader, "		case leading:\n			g.core.Wake()\n", "		case leading:\n",
		"a replica that never catches up",
	},
	{
		"loss of the leader is not told", hostLeader, "		case leader.Node() == e.node:\n			g.orphaned()\n", "		case leader.Node() == e.node:\n",
		"quiescence fails exactly when a node dies",
	},
	{
		"nobody but the first stands", hostLeader, "		if g.lostIn--; g.lostIn == 0 {\n			g.core.LeaderLost()\n		}", "		if g.lostIn--; g.lostIn == 0 && g.orphan == raft.None {\n			g.core.LeaderLost()\n		}",
		"groups that sleep without a leader",
	},
	{
		"group that has reads to answer sleeps", hostPace, "case g.lostIn > 0 || len(g.reads) > 0 || g.waits.len() > 0 || len(g.backlog) > 0 || len(g.lost) > 0:", "case g.lostIn > 0:",
		"who has asked is never answered",
	},

	// Images.
	{
		"image is in the log before the machine has it", hostSnapIn, "	r.answer(answerAck, r.have)\n	r.installing.Store(true)\n", "	r.answer(answerAck, r.have)\n	r.installing.Store(true)\n	r.group.control(func(*worker) { r.group.installed(&r.offer) })\n",
		"catch-up reported as complete before it is; the old state is gone",
	},
	{
		"image that could not be installed counts", hostSnapIn, "	if err != nil {\n		r.fail(fmt.Errorf(\"installing it: %w\", err))\n		return\n	}\n", "",
		"seen in the field: a broken snapshot, and the log behind it",
	},
	{
		"digest of an image is not compared", hostSnapIn, "if r.offer.size > 0 && !bytes.Equal(sum.Sum(nil), digest) {", "if r.offer.size > 0 && !bytes.Equal(sum.Sum(nil), digest) && len(digest) == 0 {",
		"damage spreads to another server",
	},
	{
		"failed sync of an image is not looked at", hostSnapIn, "	if err := r.file.Sync(); err != nil {\n		return err\n	}\n", "	_ = r.file.Sync()\n",
		"the image is read back from a cache, and is not on disk",
	},
	{
		"failed write of an image is not looked at", hostSnapIn, "	if err := r.write(c.data); err != nil {\n		return err\n	}\n", "	_ = r.write(c.data)\n",
		"an image with a hole",
	},
	{
		"chunk of an image is put anywhere", hostSnapIn, "case c.offset > r.have || n > r.offer.size-c.offset:", "case n > r.offer.size-c.offset:",
		"a lost chunk is a hole in the image",
	},
	{
		"chunk beyond the image is taken", hostSnapIn, "case c.offset > r.have || n > r.offer.size-c.offset:", "case c.offset > r.have:",
		"a file that grows as long as somebody sends",
	},
	{
		"chunk is not checked", hostWire, "if c.offset < 0 || crc32.Checksum(c.data, castagnoli) != sum {", "if c.offset < 0 || sum == 0 {",
		"a flipped bit costs the whole image",
	},
	{
		"transfer begins anew after each loss", hostSnapIn, "		r.answer(answerAccept, r.have)\n	}\n	for i := range m.chunks {", "		r.have = 0\n		r.answer(answerAccept, r.have)\n	}\n	for i := range m.chunks {",
		"seen in the field: a catch-up that restarts in a loop",
	},
	{
		"sender goes on behind what was lost", hostSnapOut, "			s.next, s.going = offset, true\n", "			s.next, s.going = max(s.next, offset), true\n",
		"a transfer that hangs",
	},
	{
		"images mix", hostSnap, "	case r != nil && r.offer.equal(o):\n", "	case r != nil && r.offer.group == o.group:\n",
		"seen in the field: parallel catch-ups in each other's way",
	},
	{
		"image of an old leader is taken", hostSnap, "if o.term < g.core.Term() || o.at.Base.Index <= g.core.Committed() {", "if o.at.Base.Index <= g.core.Committed() {",
		"seen in the field: a late snapshot of a leader that is none",
	},
	{
		"image puts the machine back", hostSnapIn, "err == nil && at.Base.Index > a.at.Base.Index {", "err == nil && at.Base.Index > 0 {",
		"seen in the field: a late snapshot reverted what came after it",
	},

	// Replicas that may have forgotten.
	{
		"damaged replica goes on as what it was", hostStart, "	case len(st.Damage) > 0:\n		g.forgotten(errors.New(st.Damage[0].String()))\n		return\n", "",
		"seen in the field: a node with a hole in its log is elected",
	},
	{
		"damage that is found later is put up with", hostHalt, "	if isCorrupt(err) {\n", "	if isCorrupt(err) && g.core == nil {\n",
		"seen in the field: a node with a hole in its log goes on leading",
	},
	{
		"damage behind other damage is taken for a whole log", "server/raft/host/mend.go", "missing = missing || e.Index != next\n", "missing = missing || e.Index < next\n",
		"a consumer that goes on from what is left takes what is lost for what never was",
	},
	{
		"nobody hears that a founder is there", "server/raft/host/start.go", "	if g.founds && !g.campaign {\n", "	if false {\n",
		"each new group waits for an election timeout",
	},
	{
		"admitted replica counts for what only its memory has", hostRejoin, "	if !ok || a.failed != nil {\n", "	if ok || a.failed != nil {\n",
		"a crash, and a majority has forgotten what was committed",
	},
	{
		"log is given up before anybody has admitted the new replica", hostRejoin, "	g.rebirth = self\n	g.setNodes()\n", "	g.rebirth = self\n	g.setNodes()\n	g.reborn()\n",
		"seen in the field: raft state deleted to get out of trouble, and with it the only copy",
	},
	{
		"replica in memory comes back as what it was", hostStart, "self := raft.MakePeerID(h.cfg.Node, h.newIncarnation(st.Replica.Self.Incarnation()))", "self := st.Replica.Self",
		"it has forgotten what it has acknowledged, and votes",
	},
	{
		"stranger has the identity of the disk", hostStart, "self := raft.MakePeerID(h.cfg.Node, h.newIncarnation(h.log.Incarnation()))", "self := raft.MakePeerID(h.cfg.Node, h.log.Incarnation())",
		"a replica that was removed, and votes with its old name",
	},
	{
		"only voter begins anew after damage", hostRejoin, "	if g.last() {\n		g.halt(why)\n		return\n	}\n", "",
		"nothing is invented to get out of trouble",
	},
	{
		"machine behind its log goes on", hostStart, "	case base.Index < st.Base.Index:\n", "	case base.Index+1000 < st.Base.Index:\n",
		"entries that were never applied here",
	},
	{
		"anybody is let in", hostRejoin, "	case g.admits == nil || !g.admits(p, plea):\n		return\n", "	case g.admits != nil && !g.admits(p, plea):\n		return\n",
		"a server that was removed comes back by itself",
	},
	{
		"replica is replaced though the others cannot go on", hostRejoin, "	case len(changes) > 0 && !g.canSpare(changes):\n		return\n", "",
		"a membership change that can never be committed",
	},
	{
		"replica is admitted before that is committed", hostRejoin, "if s := g.core.Status(); s.ConfIndex <= s.Commit {", "if s := g.core.Status(); s.ConfIndex > 0 {",
		"it gives up its old log, and the change is undone",
	},
	{
		"replica that has forgotten is not told", hostRejoin, "		if p.Forgot {\n", "		if p.Forgot && p.Match > 0 && p.Next == 0 {\n",
		"it does not count, for ever",
	},
	{
		"learner comes back as a voter", hostRejoin, "		if !slices.Contains(conf.Learners, old) {\n			add = raft.AddVoter\n		}", "		add = raft.AddVoter",
		"a membership change that nobody has asked for",
	},

	// The transport.
	{
		"checksum of a frame is not compared", netFrame, "if crc32.Update(crc, castagnoli, frame) != want {", "if crc32.Update(crc, castagnoli, frame) != want && len(frame) == 0 {",
		"TCP's own checksum lets one in some ten thousand damaged packets pass",
	},
	{
		"length of a frame is not in its checksum", netFrame, "crc := crc32.Update(0, castagnoli, header[:4])", "crc := crc32.Update(0, castagnoli, header[:0])",
		"what follows is read from the wrong place",
	},
	{
		"length of a frame is not bounded", netFrame, "if uint64(size) > uint64(f.max) {", "if uint64(size) > 1<<31 {",
		"four bytes that take all memory",
	},
	{
		"length of a frame is trusted", netFrame, "	b := make([]byte, min(n, trusted))\n", "	b := make([]byte, n)\n",
		"a few bytes on many connections that take all memory",
	},
	{
		"answer is not checked", netFrame, "if crc32.Checksum(a[:8], castagnoli) != binary.LittleEndian.Uint32(a[8:]) {", "if len(a) != answerSize {",
		"a peer that seems to live",
	},
	{
		"checksum of the handshake is not compared", netHandshake, "	if crc32.Checksum(message[:end], castagnoli) != binary.LittleEndian.Uint32(message[end:]) {", "	if end < preambleSize {",
		"a node that is taken for another",
	},
	{
		"another cluster is let in", netAdmission, "	case h.Cluster != c.Cluster:\n", "	case h.Cluster != c.Cluster && h.Cluster == \"\":\n",
		"two clusters that have one group",
	},
	{
		"connection for another node is accepted", netAdmission, "	case h.To != c.Self || h.ToName != c.Name:\n", "	case h.ToName != c.Name:\n",
		"an address that was given to another server",
	},
	{
		"whoever answers will do", netAdmission, "	case r.Node != to.Node || r.Name != to.Name:\n", "	case r.Node == 0:\n",
		"an address that was given to another server",
	},
	{
		"whoever knows the name of the cluster is let in", netAdmission, "	case !c.Authorize(h.Username, h.Password):\n", "	case !c.Authorize(h.Username, h.Password) && h.Username == \"\":\n",
		"a password that protects nothing",
	},
	{
		"second server of a name is let in", netAdmission, "	case alive && s.instance != h.Instance:\n", "	case alive && s.instance == \"\":\n",
		"two servers that take turns at being one node",
	},
	{
		"predecessor is kept", netAdmission, "		old = s.connections()\n", "",
		"frames of a dead process among those of its successor",
	},
	{
		"process that has died keeps its place", netSource, "< timeout\n", "< 1000*timeout\n",
		"a server that cannot come back",
	},
	{
		"refusals fill the log", netComplaints, "	if at, ok := c.told[key]; ok && now-at < complaintAgain {\n		return false\n	}\n", "",
		"a disk that is full of one line",
	},
	{
		"complaints are remembered without bound", netComplaints, "		if len(c.told) >= maxComplaints {\n			return false\n		}\n", "",
		"memory for whoever knocks",
	},
	{
		"old connection speaks after the new one", netSource, "	case in.inlet.turn <- struct{}{}:\n		defer func() { <-in.inlet.turn }()\n", "	default:\n",
		"messages in another order than they were sent",
	},
	{
		"what an old connection has read is handed over", netSource, "		if in.isGone() {\n			return net.ErrClosed\n		}\n", "",
		"messages of a connection that was given up, or after the end",
	},
	{
		"old connection is kept", netAdmission, "	for _, other := range old {\n		other.fail(errReplaced)\n	}\n", "	_ = old\n",
		"a half-open connection that blocks the new one",
	},
	{
		"what has waited goes to the next connection", netLane, "	dropped := l.queue.discard()\n", "	dropped := 0\n",
		"stale messages by the thousand when a node comes back",
	},
	{
		"queue is not bounded", netQueue, "full := q.frames >= q.maxFrames || q.frames > 0 && q.bytes+size > q.maxBytes", "full := q.frames < 0",
		"memory without bound behind a slow node",
	},
	{
		"entries are taken whatever waits", netQueue, "	if q.frames == 0 || q.bytes+size <= room && now-q.since[q.next] <= delay {\n", "	if q.frames >= 0 {\n",
		"heartbeats behind 64 MiB of entries, and all groups without a leader",
	},
	{
		"room for entries never grows", netQueue, "			q.growLocked()\n", "			q.refused = false\n",
		"a fast network that is used as a slow one",
	},
	{
		"heartbeats leave before the entries that they ask for", hostOutbox,
		"	if p := &b.entries; p.frame != nil {\n", "	if p := &b.others; p.frame != nil {\n		o.host.sendFrame(b.node, Normal, p.frame, p.messages)\n		*p = parcel{}\n	}\n	if p := &b.entries; p.frame != nil {\n",
		"entries that are taken for lost, and sent twice",
	},
	{
		"entries are sent behind those that were lost", hostOutbox, "		if slices.Contains(g.lost, m.To) {\n			return // it is of no use without those before it\n		}\n", "		_ = slices.Contains(g.lost, m.To)\n",
		"a network full of what nobody can use",
	},
	{
		"silent peer is kept", netSession, "silent >= uint64(timing.Timeout) {", "silent >= 1000*uint64(timing.Timeout) {",
		"after a partition nothing flows for minutes",
	},
}
