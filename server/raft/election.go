package raft

import "slices"

// becomeFollower goes to a term, and knows the leader of it or not. A term that
// is higher than the current one has no vote in it yet.
func (r *Raft) becomeFollower(t Term, leader PeerID) {
	if t > r.term {
		r.term, r.vote, r.newHard = t, None, true
	}
	if r.role == Leader {
		r.dropLeadership()
	}
	r.role, r.leader, r.votes = Follower, leader, nil
	r.resetTimer()
}

func (r *Raft) resetTimer() {
	r.timer, r.quiescent = 0, false
	r.timeout = r.cfg.ElectionTicks + r.randomTicks(r.cfg.ElectionTicks)
}

// dropLeadership forgets what only a leader keeps.
func (r *Raft) dropLeadership() {
	r.peers, r.transferee, r.uncommitted, r.noLease = nil, None, inflights{}, false
	r.wishes = nil
	r.loseReads()
}

// promotable reports whether the replica may stand for election. One that is to
// be removed may, until that is committed: it can be the only one whose log is
// new enough (thesis 4.2.2). It needs the votes of the others then, and does not
// count itself.
func (r *Raft) promotable() bool {
	voter := r.conf().IsVoter(r.id) || r.confIndex() > r.log.committed && r.confAsOf(r.confIndex()-1).IsVoter(r.id)
	return voter && r.log.base == nil && r.fault == nil
}

// Campaign makes a voter that is not the leader stand for election now, if it
// could win (PreVote). Where leases are used, one that follows a leader must not be
// asked to: it has told that leader that it would wait.
func (r *Raft) Campaign() {
	if r.role != Leader {
		r.campaign()
	}
}

// campaign asks the others whether they would vote for this replica.
func (r *Raft) campaign() {
	r.resetTimer()
	if !r.promotable() {
		return
	}
	r.role, r.leader, r.votes = PreCandidate, None, nil
	if r.countVote(r.id, true) {
		r.stand(false)
		return
	}
	r.requestVotes(MsgPreVote, r.term+1, false)
}

// stand makes the replica a candidate in a new term. Its own vote counts when it
// is durable, like anybody's, and the requests leave then, too: if they were
// sent earlier, a crash could make it stand for the same term twice, the second
// time with less in its log than what the first one's votes were given to.
//
// One that is alone leads at once: the mark of its term goes into the same write as
// its vote, and until that is durable nobody hears of the term. What it had in its log
// is committed then, for nobody else could have anything against it: it is served while
// the write is on its way, however long that takes.
func (r *Raft) stand(transfer bool) {
	r.role, r.leader, r.votes = Candidate, None, nil
	r.term++
	r.vote, r.newHard = r.id, true
	r.resetTimer()
	if peers := r.conf().Peers(); len(peers) == 1 && peers[0] == r.id {
		r.becomeLeader()
		if had := r.termStart - 1; r.log.stable() == had {
			r.knownFrom = had
			r.commitTo(had)
		}
		return
	}
	r.hold(Message{Type: MsgVoteResp, To: r.id})
	r.requestVotes(MsgVote, r.term, transfer)
}

func (r *Raft) requestVotes(kind MessageType, t Term, transfer bool) {
	last := r.log.lastIndex()
	lastTerm, err := r.log.lastTerm()
	if err != nil {
		r.fail(err)
		return
	}
	for _, id := range r.conf().Peers() {
		if id == r.id || !r.conf().IsVoter(id) {
			continue
		}
		m := Message{Type: kind, To: id, Term: t, LogTerm: lastTerm, Index: last, Transfer: transfer}
		if kind == MsgVote {
			r.hold(m)
		} else {
			r.send(m)
		}
	}
}

// loyal reports whether the replica refuses to vote because it has, or leads, a
// majority that works (thesis 4.2.3). Without this a server that comes back
// from elsewhere, or was removed, could depose a leader that all others hear.
func (r *Raft) loyal() bool {
	if r.silence > 0 {
		return true
	}
	return r.leader != None && (r.quiescent || r.role == Leader || r.timer < r.cfg.ElectionTicks)
}

func (r *Raft) stepVoteRequest(m Message) {
	member := r.conf().Contains(m.From)
	if m.From == r.leader && m.Term > r.term {
		// It would not ask if it still were the leader.
		r.leader, r.quiescent = None, false
	}
	if m.Term > r.term && !m.Transfer && r.loyal() {
		if member {
			// Somebody has lost its leader. If that is alive, it now finds out.
			r.poke(m.From)
		}
		return
	}
	if m.Type == MsgVote && m.Term > r.term {
		r.becomeFollower(m.Term, None)
	}
	resp := Message{Type: MsgVoteResp, To: m.From}
	free := m.Term == r.term && r.leader == None && (r.vote == None || r.vote == m.From)
	if m.Type == MsgPreVote {
		resp.Type = MsgPreVoteResp
		free = m.Term > r.term
	}
	if !free || r.conf().Empty() || !r.upToDate(m) {
		resp.Reject = true
		r.send(resp)
		return
	}
	if m.Type == MsgPreVote {
		resp.Term = m.Term
		r.send(resp)
		return
	}
	if r.vote != m.From {
		r.vote, r.newHard = m.From, true
	}
	r.timer = 0
	r.hold(resp)
}

// upToDate reports whether a candidate's log is at least as up to date as ours
// (Raft, 5.4.1).
func (r *Raft) upToDate(m Message) bool {
	last, err := r.log.lastTerm()
	if err != nil {
		r.fail(err)
		return false
	}
	return m.LogTerm > last || m.LogTerm == last && m.Index >= r.log.lastIndex()
}

// stepVoteResp counts an answer in the current term or, for a pre-vote, about the
// next.
func (r *Raft) stepVoteResp(m Message) {
	switch {
	case m.Type == MsgPreVoteResp && r.role == PreCandidate && (m.Reject || m.Term == r.term+1):
		if r.countVote(m.From, !m.Reject) {
			r.stand(false)
		}
	case m.Type == MsgVoteResp && r.role == Candidate:
		if r.countVote(m.From, !m.Reject) {
			r.becomeLeader()
		}
	}
}

// countVote takes one answer and reports whether a majority has granted. The
// first answer of a peer counts.
func (r *Raft) countVote(from PeerID, granted bool) bool {
	if !slices.ContainsFunc(r.votes, func(b ballot) bool { return b.peer == from }) {
		r.votes = append(r.votes, ballot{from, granted})
	}
	return quorumOf(r.conf(), func(id PeerID) bool { return slices.Contains(r.votes, ballot{id, true}) })
}

func (r *Raft) becomeLeader() {
	r.role, r.leader, r.votes = Leader, r.id, nil
	r.resetTimer()
	r.heartbeat = 0
	next := r.log.lastIndex() + 1
	r.confChanged()
	own := r.progress(r.id)
	own.match = r.log.stable()
	r.termStart, r.knownFrom = next, next
	// The mark of the term, without which nothing of earlier terms could be
	// committed (Raft, 5.4.2).
	r.appendOwn(Entry{Index: next, Term: r.term})
}

// LeaderLost tells that the leader's server is gone, or has been started anew.
// The replica no longer refuses to vote for the leader's sake, and stands for
// election after a short random time.
func (r *Raft) LeaderLost() {
	if r.role == Leader {
		return
	}
	r.leader = None
	r.Wake()
	r.timer, r.timeout = 0, 1+r.randomTicks(r.cfg.ElectionTicks)
}
