package raft

import "time"

// ReadState answers a ReadIndex: once the state machine has applied Index, it
// shows all that was committed when the read was asked for.
type ReadState struct {
	Context uint64
	Index   Index
	// Lost says that there will be no answer: leadership has changed.
	Lost bool
}

// readQueue holds the reads of a leader that wait for proof that it still is one
// (thesis 6.4).
type readQueue struct {
	// round is the number of the last round of heartbeats, which confirms all
	// reads up to it.
	round   uint64
	waiting []pendingRead
}

type pendingRead struct {
	context uint64
	from    PeerID // None: asked for here
	index   Index
	round   uint64 // 0: waits for its round to begin
}

// maxReads bounds the reads that wait. More are answered as lost.
const maxReads = 1 << 16

// ReadIndex asks for an index to read at. The answer is in a Ready; one that was
// asked of a leader elsewhere may never come.
func (r *Raft) ReadIndex(now Instant, context uint64) error {
	r.now = max(r.now, now)
	switch {
	case r.role == Leader:
		r.queueRead(pendingRead{context: context})
	case r.leader == None:
		return ErrNoLeader
	default:
		r.send(Message{Type: MsgReadIndex, To: r.leader, Context: context})
	}
	return nil
}

func (r *Raft) queueRead(rd pendingRead) {
	if len(r.reads.waiting) >= maxReads {
		r.answerRead(rd, true)
		return
	}
	// What is committed now has to be seen. A new leader does not know all that
	// is: the read then waits for the first entry of its term.
	rd.index = max(r.log.committed, r.knownFrom)
	// Whoever asks here has told the time. A read from elsewhere has not, and the
	// time of the last tick may be long ago: of a process that stood still, or
	// of a group that was quiescent.
	if r.knowsCommitted() && (rd.from == None && r.leaseHolds() || r.alone()) {
		r.answerRead(rd, false)
		return
	}
	if r.quiescent {
		r.Wake()
	}
	r.reads.waiting = append(r.reads.waiting, rd)
	r.releaseReads()
}

// committedInTerm reports whether an entry of the leader's term is committed.
func (r *Raft) committedInTerm() bool { return r.log.committed >= r.termStart }

// knowsCommitted reports whether the leader knows all that is committed.
func (r *Raft) knowsCommitted() bool { return r.log.committed >= r.knownFrom }

// KnownFrom returns the index that the machine of a leader has to have applied to show
// all that was committed before it led: that of the first entry of its term, but for one
// that was alone.
func (r *Raft) KnownFrom() Index { return r.knownFrom }

// alone reports whether the leader needs nobody's agreement.
func (r *Raft) alone() bool {
	return quorumOf(r.conf(), func(id PeerID) bool { return id == r.id })
}

// beginReads starts a round for the reads that have none.
func (r *Raft) beginReads() {
	n := len(r.reads.waiting)
	if n == 0 || r.reads.waiting[n-1].round != 0 {
		return
	}
	r.reads.round++
	for ; n > 0 && r.reads.waiting[n-1].round == 0; n-- {
		r.reads.waiting[n-1].round = r.reads.round
	}
	r.broadcastHeartbeats()
}

// releaseReads answers the reads whose round a majority has confirmed.
func (r *Raft) releaseReads() {
	if len(r.reads.waiting) == 0 || !r.knowsCommitted() {
		return
	}
	confirmed := quorumValue(r.conf(), func(id PeerID) uint64 {
		if id == r.id {
			return r.reads.round
		}
		if p := r.progress(id); p != nil && !p.forgot {
			return p.ackedRead
		}
		return 0
	})
	alone := r.alone()
	n := 0
	for n < len(r.reads.waiting) && (alone || r.reads.waiting[n].round != 0 && r.reads.waiting[n].round <= confirmed) {
		r.answerRead(r.reads.waiting[n], false)
		n++
	}
	if r.reads.waiting = r.reads.waiting[n:]; len(r.reads.waiting) == 0 {
		r.reads.waiting = nil
	}
}

func (r *Raft) answerRead(rd pendingRead, lost bool) {
	if rd.from == None {
		r.readOut = append(r.readOut, ReadState{rd.context, rd.index, lost})
		return
	}
	r.send(Message{Type: MsgReadIndexResp, To: rd.from, Context: rd.context, Index: rd.index, Reject: lost})
}

// loseReads answers all reads that wait as lost.
func (r *Raft) loseReads() {
	for _, rd := range r.reads.waiting {
		r.answerRead(rd, true)
	}
	r.reads = readQueue{}
}

func (r *Raft) stepReadIndexResp(m Message) {
	r.readOut = append(r.readOut, ReadState{m.Context, m.Index, m.Reject})
}

// leaseHolds reports whether no other leader can have been elected yet: a
// majority has answered a heartbeat that was sent less than the lease ago, and
// does not vote for as long (thesis 6.4.1). A follower that was told to stand
// for election is bound by nothing, so a leader that has told one has no lease.
func (r *Raft) leaseHolds() bool {
	if r.cfg.Lease <= 0 || r.noLease || r.transferee != None {
		return false
	}
	acked := quorumValue(r.conf(), func(id PeerID) Instant {
		if id == r.id {
			return r.now
		}
		if p := r.progress(id); p != nil && !p.forgot {
			return p.ackedSent
		}
		return 0
	})
	return acked > 0 && time.Duration(r.now-acked) < r.cfg.Lease
}
