package raft

// An idle group is quiescent: no replica needs ticks, and no messages are sent.
// Nothing about safety rests on it. What is missing while it lasts is that the leader
// and its followers notice each other's death; the host sees to that for all
// groups of two servers at once, and calls LeaderLost and Wake.

// TryQuiesce makes a leader with nothing to do quiescent, and its followers with
// it, and reports whether it is. Peers that alive denies are left out: they are
// brought up to date when the host calls Wake, which it does once they are back.
// The others have to have all entries and must be a majority.
func (r *Raft) TryQuiesce(alive func(PeerID) bool) bool {
	last := r.log.lastIndex()
	if r.role != Leader || r.quiescent || r.transferee != None || r.conf().Joint() || len(r.conf().Joining) > 0 ||
		r.log.committed != last || r.log.stable() != last || len(r.reads.waiting) > 0 || r.fault != nil {
		return r.quiescent && r.role == Leader
	}
	live := func(id PeerID) bool { return id == r.id || alive(id) }
	if !quorumOf(r.conf(), live) {
		return false
	}
	for _, p := range r.peers {
		if p.id != r.id && live(p.id) && (p.state != Replicate || p.match != last || p.forgot) {
			return false
		}
	}
	t, err := r.log.lastTerm()
	if err != nil {
		r.fail(err)
		return false
	}
	for _, p := range r.peers {
		p.inflight = inflights{}
		if p.id != r.id && live(p.id) {
			p.sentCommit = last
			r.send(Message{Type: MsgQuiesce, To: p.id, Index: last, LogTerm: t})
		}
	}
	r.quiescent = true
	return true
}

func (r *Raft) stepQuiesce(m Message) {
	if r.log.lastIndex() != m.Index || !r.log.matches(m.Index, m.LogTerm) || r.log.base != nil {
		r.tellLeader()
		return
	}
	r.commitTo(m.Index)
	r.quiescent = true
}

// Quiescent reports whether the replica needs no ticks.
func (r *Raft) Quiescent() bool { return r.quiescent }

// Wake ends quiescence. A leader sends heartbeats at once, so that its followers
// wake, or learn who leads.
func (r *Raft) Wake() {
	if r.quiescent {
		r.resetTimer()
	}
	if r.role == Leader {
		r.broadcastHeartbeats()
		for _, p := range r.peers {
			if p.id != r.id && p.match != r.log.lastIndex() {
				// It may have been away.
				p.waiting = false
			}
		}
	}
}

// tellLeader makes a quiescent leader wake.
func (r *Raft) tellLeader() {
	r.send(Message{Type: MsgHeartbeatResp, To: r.leader, Index: r.log.lastIndex()})
}

// poke finds out whether the leader lives, because a peer doubts it.
func (r *Raft) poke(from PeerID) {
	switch {
	case r.role == Leader:
		if p := r.progress(from); r.quiescent {
			r.Wake()
		} else if p != nil {
			r.sendHeartbeat(p)
		}
	case r.quiescent && r.leader != None:
		r.resetTimer()
		r.tellLeader()
	}
}
