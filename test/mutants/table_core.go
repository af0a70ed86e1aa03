package main

const (
	election  = "server/raft/election.go"
	replicate = "server/raft/replicate.go"
	ready     = "server/raft/ready.go"
	raftLog   = "server/raft/log.go"
	conf      = "server/raft/conf.go"
	raftFile  = "server/raft/raft.go"
	snapshot  = "server/raft/snapshot.go"
	read      = "server/raft/read.go"
	transfer  = "server/raft/transfer.go"
	quiesce   = "server/raft/quiesce.go"
	quorum    = "server/raft/quorum.go"
	progress  = "server/raft/progress.go"
)

// coreMutants are faults of the rules of raft.
var coreMutants = []Mutant{
	{
		"vote is answered before it is durable", election, "	r.timer = 0\n	r.hold(resp)", "	r.timer = 0\n	r.send(resp)",
		"term and vote were not always written before the answer in a server of this kind; after a crash it votes twice",
	},
	{
		"entries are acknowledged before they are durable", replicate,
		"r.hold(Message{Type: MsgAppResp, To: m.From, Index: last})", "r.send(Message{Type: MsgAppResp, To: m.From, Index: last})",
		"acknowledged data that one power failure takes away",
	},
	{
		"own vote counts before it is durable", election, "r.hold(Message{Type: MsgVoteResp, To: r.id})", "r.stepVoteResp(Message{Type: MsgVoteResp, From: r.id, Term: r.term})",
		"a candidate that crashes stands for the same term again",
	},
	{
		"the only voter leads before its vote is durable, and learners hear of it", election, "len(peers) == 1 && peers[0] == r.id", "len(r.conf().Voters) == 1 && peers != nil",
		"a term that is led twice, with different entries, after a crash of the leader",
	},
	{
		"votes are asked for before the term is durable", election, "		if kind == MsgVote {\n			r.hold(m)", "		if false {\n			r.hold(m)",
		"old grants elect a candidate that has lost its last entries since",
	},
	{
		"the leader's unwritten entries count", ready, "		if own := r.progress(r.id); own != nil && own.match < r.log.stable() {\n			own.match = r.log.stable()",
		"		if own := r.progress(r.id); own != nil && own.match < r.log.lastIndex() {\n			own.match = r.log.lastIndex()", "commit on a majority of which one only remembers",
	},
	{
		"two votes in one term", election, "(r.vote == None || r.vote == m.From)", "true",
		"two leaders in a term (Raft, 5.2)",
	},
	{
		"vote is kept into the next term", raftFile, "r.becomeFollower(m.Term, None)\n	}\n	switch m.Type {", "r.term, r.newHard = m.Term, true\n	r.role, r.leader = Follower, None\n	}\n	switch m.Type {",
		"a leader of an old term keeps what belongs to it",
	},
	{
		"vote for a log that is behind", election, "m.LogTerm == last && m.Index >= r.log.lastIndex()", "m.LogTerm == last",
		"a leader without entries that are committed (Raft, 5.4.1)",
	},
	{
		"vote for a log of an older term", election, "return m.LogTerm > last || m.LogTerm == last && m.Index >= r.log.lastIndex()", "return m.Index >= r.log.lastIndex() && last >= 0",
		"the longer log is not the newer one (Raft, 5.4.1)",
	},
	{
		"an empty replica votes", election, "!free || r.conf().Empty() || !r.upToDate(m)", "!free || !r.conf().Empty() && !r.upToDate(m)",
		"a blank server that votes an outdated one in",
	},
	{
		"votes of anybody count", election, "return quorumOf(r.conf(), func(id PeerID) bool { return slices.Contains(r.votes, ballot{id, true}) })",
		"n := 0\n	for _, b := range r.votes {\n		if b.granted {\n			n++\n		}\n	}\n	return n > len(r.conf().Voters)/2",
		"removed peers and learners that elect a leader",
	},
	{
		"a refusal counts as a vote", election, "ballot{from, granted}", "ballot{from, true}", "the answer is not looked at",
	},
	{
		"a vote of another term counts", raftFile, "	case m.Term < r.term:\n		if m.Type == MsgApp", "	case m.Term < r.term && m.Type != MsgVoteResp:\n		if m.Type == MsgApp",
		"a delayed answer to an earlier candidature",
	},
	{
		"an old term is committed by counting", replicate, "if i <= r.log.committed || i < r.termStart {", "if i <= r.log.committed {",
		"figure 8 of the paper",
	},
	{
		"commit index goes back", replicate, "r.log.committed = max(r.log.committed, i)", "r.log.committed = i",
		"seen in the field: the commit index was set from an older message",
	},
	{
		"follower commits what it has not checked", replicate, "r.commitTo(min(m.Commit, last))", "r.commitTo(min(m.Commit, r.log.lastIndex()))",
		"the end of a follower's log may be another leader's (Raft, figure 2)",
	},
	{
		"heartbeat commits more than the follower has matched", replicate, "	commit := min(p.match, r.log.committed)\n	p.sentCommit = max", "	commit := r.log.committed\n	p.sentCommit = max",
		"the end of a follower's log may be another leader's",
	},
	{
		"previous entry is not compared", replicate, "	if !r.log.matches(m.Index, m.LogTerm) {", "	if m.Index > r.log.lastIndex() {",
		"log matching (Raft, 5.3)",
	},
	{
		"conflicting entries are kept", replicate, "for len(ents) > 0 && r.log.matches(ents[0].Index, ents[0].Term) {", "for len(ents) > 0 && ents[0].Index <= r.log.lastIndex() {",
		"replicas that differ for good",
	},
	{
		"matching entries are replaced", replicate, "	for len(ents) > 0 && r.log.matches(ents[0].Index, ents[0].Term) {\n		ents = ents[1:]\n	}\n", "	for len(ents) > 0 && ents[0].Index <= r.log.committed {\n		ents = ents[1:]\n	}\n",
		"a delayed message cuts off what was acknowledged after it",
	},
	{
		"log is cut behind the commit index", replicate, "	if m.Index < r.log.committed {\n		// All", "	if false {\n		// All",
		"seen in the field: a catch-up truncated acknowledged entries",
	},
	{
		"leader of an old term is listened to", raftFile, "	case m.Term < r.term:\n		if m.Type == MsgApp", "	case m.Term < r.term && m.Type != MsgApp:\n		if m.Type == MsgApp",
		"term not checked on appends",
	},
	{
		"acknowledgement of another term counts", raftFile, "	case m.Term < r.term:\n		if m.Type == MsgApp", "	case m.Term < r.term && m.Type == MsgAppResp && r.role == Leader:\n		r.stepLeader(m)\n		return nil\n	case m.Term < r.term:\n		if m.Type == MsgApp",
		"a leader elected again counts what it was told in an earlier term",
	},
	{
		"second leader of a term is not noticed", raftFile, "if r.role == Leader || r.leader != None && r.leader != m.From {", "if false {",
		"the assertion that tells of a double vote",
	},
	{
		"isolated leader stays", raftFile, "		if !r.checkQuorum() {", "		if false && !r.checkQuorum() {",
		"clients talk to a leader that nobody follows",
	},
	{
		"quorum over those who forgot", raftFile, "return id == r.id || p != nil && p.active && !p.forgot", "return id == r.id || p != nil",
		"CheckQuorum that always holds",
	},
	{
		"no pre-vote", election, "	if r.countVote(r.id, true) {\n		r.stand(false)", "	if true {\n		r.stand(false)",
		"frequent elections; a server that comes back deposes the leader",
	},
	{
		"restarted replica votes at once", raftFile, "r.silence = cfg.ElectionTicks", "r.silence = 0",
		"it breaks the promise to its leader on which a lease stands",
	},
	{
		"nobody is loyal", election, "if m.Term > r.term && !m.Transfer && r.loyal() {", "if false {",
		"a removed server deposes leaders for ever (thesis 4.2.3)",
	},
	{
		"completion of an undone write counts", raftLog, "l.inflight[n].last = min(l.inflight[n].last, first-1)", "l.inflight[n].last += 0",
		"an entry is acknowledged that a later write has removed",
	},
	{
		"shared entries are overwritten", raftLog, "l.unstable = append(keep[:len(keep):len(keep)], ents...)", "l.unstable = append(keep, ents...)",
		"what the log writer still has to write changes under its hands",
	},
	{
		"one majority suffices in a joint configuration", quorum, "	if c.Joint() {", "	if c.Joint() && len(c.Voters) == 0 {",
		"two leaders during a change of several voters (Raft, section 6)",
	},
	{
		"half is a majority", quorum, "vals[(len(vals)-1)/2]", "vals[len(vals)/2]", "the off-by-one of all quorums",
	},
	{
		"several voters change at once", conf, "if votersApart(c.Voters, next.Voters) > 1 {", "if votersApart(c.Voters, next.Voters) > 7 {",
		"majorities that do not meet",
	},
	{
		"a second change while one is pending", conf, "	case r.confIndex() > r.log.committed || r.conf().Joint():\n		return ErrConfPending\n", "",
		"membership changes that overlap; seen in the field to collapse clusters",
	},
	{
		"a change that the silent would have to commit", conf, "!slices.Equal(next.Voters, r.conf().Voters) && !quorumOf(&next, r.hears)", "len(next.Voters) == 0",
		"a group stuck with a configuration that is never committed",
	},
	{
		"change before an entry of the term", conf, "	case !r.committedInTerm():\n		return ErrNotReady\n", "",
		"the bug of single-server changes found in 2015",
	},
	{
		"configuration of cut entries stays", conf, "for n > 1 && r.confs[n-1].index >= i {", "for n > 1 && r.confs[n-1].index > i+1000 {",
		"an uncommitted change that was never undone",
	},
	{
		"joining peer is promoted before it has caught up", conf, "p.state == Replicate && !p.forgot && p.match >= r.log.committed", "p.id == id",
		"catch-up ended early",
	},
	{
		"joint configuration is never left", conf, "	if c.Joint() {\n		next := c.Clone()", "	if c.Joint() && len(c.Learners) > 99 {\n		next := c.Clone()",
		"a change that is half done for good",
	},
	{
		"removed leader goes on", replicate, "if r.confIndex() <= i && !r.conf().IsVoter(r.id) {", "if false {",
		"a leader that is in no configuration",
	},
	{
		"stale snapshot is accepted", snapshot, "	case b.Index <= r.log.committed:\n", "	case false:\n",
		"seen in the field: a late snapshot reverted what came after it",
	},
	{
		"snapshot drops what follows it", snapshot, "	case r.log.matches(b.Index, b.Term):\n", "	case false:\n",
		"acknowledged entries behind the snapshot are gone",
	},
	{
		"snapshot is acknowledged before it is in the log", snapshot, "r.hold(Message{Type: MsgAppResp, To: r.leader, Index: r.log.committed})", "r.send(Message{Type: MsgAppResp, To: r.leader, Index: r.log.committed})",
		"catch-up reported as complete before it is durable",
	},
	{
		"finished transfer counts as acknowledged", snapshot, "		p.next = max(p.next, index+1)", "		p.match, p.next = max(p.match, index), max(p.next, index+1)",
		"catch-up ended early: only the peer's own word makes a match",
	},
	{
		"configuration of a compacted log is the newest one", snapshot, "Conf: r.confAsOf(i).Clone()", "Conf: r.conf().Clone()",
		"an uncommitted configuration survives in the base",
	},
	{
		"compaction ahead of the machine", snapshot, "	if i > r.log.applied {", "	if i > r.log.lastIndex() {",
		"entries that are nowhere",
	},
	{
		"read without asking", read, "(rd.from == None && r.leaseHolds() || r.alone())", "true",
		"a deposed leader answers reads",
	},
	{
		"lease by an old clock", read, "rd.from == None && r.leaseHolds()", "r.leaseHolds()",
		"a leader that slept or stood still believes in the time of its last tick",
	},
	{
		"one that is alone commits what is not on its disk", election, "r.log.stable() == had {", "r.log.stable() <= had {",
		"a leader that was left alone serves what its disk may not keep",
	},
	{
		"new leader reads before its first entry", read, "	rd.index = max(r.log.committed, r.knownFrom)\n", "	rd.index = r.log.committed\n",
		"a new leader does not know what is committed (thesis 6.4)",
	},
	{
		"read confirmed by an older round", read, "r.reads.waiting[n].round <= confirmed", "r.reads.waiting[n].round <= confirmed+1",
		"heartbeats from before the read prove nothing",
	},
	{
		"lease outlasts a transfer", transfer, "	r.noLease = true\n", "",
		"the transferee is elected while the others are bound",
	},
	{
		"lease without end", read, "return acked > 0 && time.Duration(r.now-acked) < r.cfg.Lease", "return acked > 0 && time.Duration(r.now-acked) < 1000*r.cfg.Lease",
		"stale reads of a leader that was cut off",
	},
	{
		"transfer to one that lags", transfer, "if p.id != r.transferee || p.match != r.log.lastIndex() || p.forgot {", "if p.id != r.transferee {",
		"a transfer that leaves the group without a leader",
	},
	{
		"lagging follower goes to sleep", quiesce, "	if r.log.lastIndex() != m.Index || !r.log.matches(m.Index, m.LogTerm) || r.log.base != nil {", "	if false {",
		"a replica that never catches up",
	},
	{
		"leader sleeps while a follower lags", quiesce, "(p.state != Replicate || p.match != last || p.forgot)", "p.forgot",
		"a replica that never catches up",
	},
	{
		"sleeping follower ignores who asks", quiesce, "	case r.quiescent && r.leader != None:", "	case false:",
		"quiescence fails when a leader has gone and nobody noticed",
	},
	{
		"lost message is not sent again", replicate, "p.become(Probe) // something was lost", "_ = p",
		"a follower that waits for ever",
	},
	{
		"window is not bounded", progress, "return len(f.msgs) >= msgs || len(f.msgs) > 0 && f.bytes >= bytes", "return false",
		"memory without bound behind a slow follower",
	},
	{
		"peer that forgot is counted", replicate, "		p.forgot = true\n		return", "		return",
		"a log that has lost its end without noticing",
	},
	{
		"term is not checked on proposals", replicate, "	case r.role != Leader: // which a faulty replica is not\n		return ErrNotLeader\n", "	case r.peers == nil && r.role == Leader:\n		return ErrNotLeader\n",
		"seen in the field: proposals not fenced by leadership",
	},
	{
		"entries are applied before they are committed", ready, "ents, err := r.log.entries(r.log.applying+1, r.log.committed+1, r.cfg.MaxApplyBytes)", "ents, err := r.log.entries(r.log.applying+1, r.log.lastIndex()+1, r.cfg.MaxApplyBytes)",
		"state-machine safety (Raft, 5.4.3)",
	},
}
