package raft

// Ready is what has to be done. All of it may be begun at once and in any order,
// but Committed before a later Ready's, and likewise Append. Its slices are the
// caller's to read until Advance; entries and their data may be kept.
type Ready struct {
	// Soft is set if it has changed.
	Soft *SoftState
	// Append is to be made durable; then Stored is called with its Seq, which
	// is 0 if there is nothing.
	Append Append
	// Messages are to be sent.
	Messages []Message
	// Committed are to be applied, in order; AppliedTo tells how far that is.
	Committed []Entry
	// Snapshots are peers that lack entries which the log no longer has. They
	// are to be sent an image of the state machine; SnapshotDone tells how that
	// ended.
	Snapshots []PeerID
	// Reads are answers to ReadIndex.
	Reads []ReadState
	// Fault says that the log could not be read. The replica no longer stands
	// for election.
	Fault error
}

// SoftState is what others may want to know and need not be kept.
type SoftState struct {
	// Leader is None while it is not known.
	Leader PeerID
	Role   Role
	Term   Term
}

// Append is one write to the durable log, all or nothing of which counts.
type Append struct {
	// Seq numbers the Appends of a Raft from 1. 0 is none.
	Seq uint64
	// Hard is set if it has changed.
	Hard *HardState
	// Base is set if the log begins there from now on, and all else is gone.
	Base *Base
	// Entries go behind the last one, or replace those from the first one's
	// index on.
	Entries []Entry
}

// heldMessage is one that may leave when the Append with this number is stored.
type heldMessage struct {
	seq uint64
	msg Message
}

// hold sends a message when all that the replica has promised so far is durable.
func (r *Raft) hold(m Message) {
	m.From = r.id
	m.Term = r.term
	seq := r.seq
	if r.dirty() {
		seq++
	}
	if seq == 0 || seq == r.seq && len(r.log.inflight) == 0 {
		r.release(m)
		return
	}
	if n := len(r.held); n > 0 && m.Type == MsgAppResp && r.held[n-1].seq == seq {
		// One acknowledgement for all that becomes durable with one write.
		if last := &r.held[n-1].msg; last.Type == MsgAppResp && last.Term == m.Term && last.To == m.To && last.Index <= m.Index {
			*last = m
			return
		}
	}
	r.held = append(r.held, heldMessage{seq, m})
}

// dirty reports whether there is something to append.
func (r *Raft) dirty() bool {
	l := &r.log
	return r.newHard || l.handed < len(l.unstable) || l.base != nil && l.baseNew
}

func (r *Raft) release(m Message) {
	switch {
	case m.Term != r.term:
	case m.To == r.id:
		r.stepVoteResp(m)
	default:
		r.out = append(r.out, m)
	}
}

// Stored tells that the Append with this number, and all before it, are durable.
func (r *Raft) Stored(seq uint64) {
	r.log.stored(seq)
	n := 0
	for n < len(r.held) && r.held[n].seq <= seq {
		n++
	}
	// A vote for itself may make the replica leader, hence hold more.
	released := r.held[:n]
	r.held = r.held[n:]
	for _, h := range released {
		r.release(h.msg)
	}
	if len(r.held) == 0 {
		r.held = nil
	}
	if r.role == Leader {
		if own := r.progress(r.id); own != nil && own.match < r.log.stable() {
			own.match = r.log.stable()
			own.next = own.match + 1
			r.maybeCommit()
		}
	}
}

// AppliedTo tells that the state machine has applied all up to an index.
func (r *Raft) AppliedTo(i Index) {
	r.log.applied = max(r.log.applied, min(i, r.log.applying))
	r.applying.free(i)
}

// HasReady reports whether Ready would return anything.
func (r *Raft) HasReady() bool {
	r.prepare()
	return len(r.out) > 0 || r.dirty() || r.mayApply() || len(r.wishes) > 0 || len(r.readOut) > 0 ||
		r.soft != r.softState() || r.fault != nil && !r.faultTold
}

// prepare makes the messages that are put off until a Ready is taken.
func (r *Raft) prepare() {
	if r.role == Leader {
		r.replicate()
	}
	if r.role == Leader {
		r.beginReads()
	}
}

func (r *Raft) mayApply() bool {
	return r.log.applying < r.log.committed && (len(r.applying.msgs) == 0 || r.applying.bytes < r.cfg.MaxApplyBytes) && r.fault == nil
}

// Ready returns what is to be done. Nothing but Advance may be called while it
// is being worked off.
func (r *Raft) Ready() Ready {
	r.prepare()
	var rd Ready
	if r.mayApply() {
		ents, err := r.log.entries(r.log.applying+1, r.log.committed+1, r.cfg.MaxApplyBytes)
		if err != nil {
			r.fail(err)
		}
		rd.Committed = ents
	}
	if s := r.softState(); s != r.soft {
		rd.Soft = &s
	}
	if r.dirty() {
		rd.Append = r.nextAppend()
	}
	rd.Messages, rd.Snapshots, rd.Reads = r.out, r.wishes, r.readOut
	if !r.faultTold {
		rd.Fault = r.fault
	}
	r.ready = rd
	return rd
}

// nextAppend returns what was not handed out yet.
func (r *Raft) nextAppend() Append {
	a := Append{Seq: r.seq + 1, Entries: r.log.unstable[r.log.handed:]}
	a.Entries = a.Entries[:len(a.Entries):len(a.Entries)]
	if r.newHard {
		a.Hard = &HardState{Term: r.term, Vote: r.vote}
	}
	if r.log.base != nil && r.log.baseNew {
		a.Base = r.log.base
	}
	return a
}

// Advance tells that the last Ready has been taken over.
func (r *Raft) Advance() {
	rd := &r.ready
	if rd.Append.Seq != 0 {
		r.seq = rd.Append.Seq
		r.newHard = false
		r.log.handOut(rd.Append)
	}
	if n := len(rd.Committed); n > 0 {
		size := 0
		for i := range rd.Committed {
			size += rd.Committed[i].Size()
		}
		r.log.applying = rd.Committed[n-1].Index
		r.applying.add(r.log.applying, size)
	}
	if rd.Soft != nil {
		r.soft = *rd.Soft
	}
	if rd.Fault != nil {
		r.faultTold = true
	}
	r.wishes, r.readOut = nil, nil
	// The slice is used again, unless it has become big.
	clear(r.out)
	if r.out = r.out[:0]; cap(r.out) > maxKeptMessages {
		r.out = nil
	}
	*rd = Ready{}
}

// maxKeptMessages bounds the room for messages that a replica keeps.
const maxKeptMessages = 16

func (r *Raft) softState() SoftState { return SoftState{r.leader, r.role, r.term} }

// fail takes the replica out of office for an error of its log.
func (r *Raft) fail(err error) {
	if r.fault == nil {
		r.fault = err
	}
	if r.role != Follower {
		r.becomeFollower(r.term, None)
	}
}
