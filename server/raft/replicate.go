package raft

import (
	"errors"
	"fmt"
)

// Propose appends an entry for each of data and returns the index of the first,
// all being of the same term. They are committed when they come back in
// Ready.Committed with that index and term, and lost if another entry comes
// back with that index. Either all are appended or none.
func (r *Raft) Propose(data ...[]byte) (Index, Term, error) {
	if err := r.mayPropose(); err != nil {
		return 0, 0, err
	}
	size := 0
	for _, d := range data {
		size += len(d) + entryOverhead
	}
	if len(r.uncommitted.msgs) > 0 && r.uncommitted.bytes+size > r.cfg.MaxUncommittedBytes {
		return 0, 0, ErrTooMuchUncommitted
	}
	first := r.log.lastIndex() + 1
	ents := make([]Entry, len(data))
	for n, d := range data {
		ents[n] = Entry{Index: first + Index(n), Term: r.term, Data: d}
	}
	r.appendOwn(ents...)
	return first, r.term, nil
}

func (r *Raft) mayPropose() error {
	switch {
	case r.role != Leader: // which a faulty replica is not
		return ErrNotLeader
	case r.transferee != None:
		return ErrTransferring
	}
	return nil
}

// appendOwn appends entries of this leader's term. Ready sends them.
func (r *Raft) appendOwn(ents ...Entry) {
	if len(ents) == 0 {
		return
	}
	size := 0
	for n := range ents {
		size += ents[n].Size()
	}
	r.uncommitted.add(ents[len(ents)-1].Index, size)
	r.quiescent = false
	r.log.append(ents)
}

// replicate makes the messages for what followers lack. Ready calls it, so that
// all that was proposed since the last one goes together.
func (r *Raft) replicate() {
	for _, p := range r.peers {
		if p.id == r.id {
			continue
		}
		for r.sendAppend(p) {
		}
		if commit := min(p.match, r.log.committed); p.state == Replicate && p.sentCommit < commit {
			// No message with entries has told it. This one asks for no answer.
			p.sentCommit = commit
			r.send(Message{Type: MsgHeartbeat, To: p.id, Commit: commit})
		}
	}
}

// sendAppend sends the next message with entries, or a probe, and reports
// whether there may be more to send.
func (r *Raft) sendAppend(p *progress) bool {
	if p.forgot || p.paused(&r.cfg) || p.state == Replicate && p.next > r.log.lastIndex() {
		return false
	}
	prev := p.next - 1
	t, err := r.log.term(prev)
	var ents []Entry
	if err == nil && p.next <= r.log.lastIndex() {
		ents, err = r.log.entries(p.next, r.log.lastIndex()+1, r.cfg.MaxAppendBytes)
	}
	switch {
	case errors.Is(err, ErrCompacted):
		p.become(Snapshot)
		r.wish(p)
		return false
	case err != nil:
		r.fail(err)
		return false
	}
	r.send(Message{Type: MsgApp, To: p.id, LogTerm: t, Index: prev, Commit: r.log.committed, Entries: ents})
	last := prev + Index(len(ents))
	if p.state == Probe {
		p.waiting = true
		return false
	}
	p.sentCommit = min(r.log.committed, last)
	size := 0
	for n := range ents {
		size += ents[n].Size()
	}
	p.inflight.add(last, size)
	p.next, p.sentAt = last+1, r.now
	return true
}

// broadcastHeartbeats sends one to each peer. It carries the round of reads, so
// that one whose heartbeats were lost is repeated.
func (r *Raft) broadcastHeartbeats() {
	r.heartbeat = 0
	for _, p := range r.peers {
		if p.id != r.id {
			r.sendHeartbeat(p)
		}
	}
}

func (r *Raft) sendHeartbeat(p *progress) {
	commit := min(p.match, r.log.committed)
	p.sentCommit = max(p.sentCommit, commit)
	// An Instant of 0 would ask for no answer.
	r.send(Message{Type: MsgHeartbeat, To: p.id, Commit: commit, Context: r.reads.round, Sent: max(r.now, 1)})
}

// stepApp handles entries from the leader (AppendEntries).
func (r *Raft) stepApp(m Message) error {
	if err := checkEntries(&m); err != nil {
		return err
	}
	last := m.Index + Index(len(m.Entries))
	if m.Index < r.log.committed {
		// All up to the commit index is as the leader has it. What is behind it
		// may be new.
		skip := min(int(r.log.committed-m.Index), len(m.Entries))
		if skip > 0 {
			m.LogTerm = m.Entries[skip-1].Term
		}
		m.Index += Index(skip)
		m.Entries = m.Entries[skip:]
		if m.Index < r.log.committed {
			r.hold(Message{Type: MsgAppResp, To: m.From, Index: r.log.committed})
			return nil
		}
	}
	if !r.log.matches(m.Index, m.LogTerm) {
		if m.Index == r.log.committed {
			return &InvariantError{fmt.Sprintf("committed entry %d is not of term %d", m.Index, m.LogTerm), m}
		}
		hint, t := r.conflictHint(m.Index, m.LogTerm)
		r.send(Message{Type: MsgAppResp, To: m.From, Reject: true, Index: m.Index, Hint: hint, LogTerm: t})
		return nil
	}
	if err := r.accept(m); err != nil {
		return err
	}
	r.commitTo(min(m.Commit, last))
	r.hold(Message{Type: MsgAppResp, To: m.From, Index: last})
	return nil
}

// checkEntries reports entries that do not follow each other.
func checkEntries(m *Message) error {
	t := m.LogTerm
	for n := range m.Entries {
		e := &m.Entries[n]
		if e.Index != m.Index+1+Index(n) || e.Term < t || e.Term > m.Term || e.Type > EntryConf {
			return fmt.Errorf("raft: entry %d of term %d and type %d does not belong into a message of term %d behind %d of term %d",
				e.Index, e.Term, e.Type, m.Term, m.Index, m.LogTerm)
		}
		t = e.Term
	}
	return nil
}

// accept appends those of the entries that the log does not have. All of them are
// behind the commit index.
func (r *Raft) accept(m Message) error {
	ents := m.Entries
	for len(ents) > 0 && r.log.matches(ents[0].Index, ents[0].Term) {
		ents = ents[1:]
	}
	if len(ents) == 0 {
		return nil
	}
	first := ents[0].Index
	var confs []confAt
	for _, e := range ents {
		if e.Type != EntryConf {
			continue
		}
		c, err := DecodeConfState(e.Data)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		confs = append(confs, confAt{e.Index, c})
	}
	r.log.append(ents)
	r.cutConfs(first)
	for _, c := range confs {
		r.pushConf(c.index, c.state)
	}
	return nil
}

// conflictHint returns the end of what may match a leader whose entry at index i
// is of term t and is not the one here: entries of a higher term are passed over
// at once.
func (r *Raft) conflictHint(i Index, t Term) (Index, Term) {
	i = r.lastOfTerm(min(i, r.log.lastIndex()), t, r.log.committed)
	have, err := r.log.term(i)
	if err != nil {
		return r.log.committed, 0 // below the base: nothing is known
	}
	return i, have
}

// lastOfTerm returns the highest index up to i whose term is at most t, but at
// least floor, where the logs agree, and an index below which nothing is known.
func (r *Raft) lastOfTerm(i Index, t Term, floor Index) Index {
	for i > floor {
		have, err := r.log.term(i)
		if err != nil || have <= t {
			break
		}
		i--
	}
	return i
}

// commitTo raises the commit index.
func (r *Raft) commitTo(i Index) {
	r.log.committed = max(r.log.committed, i)
	r.uncommitted.free(i)
}

func (r *Raft) stepAppResp(p *progress, m Message) {
	if m.Reject {
		r.stepAppReject(p, m)
		return
	}
	if p.forgot || m.Index > r.log.lastIndex() {
		return
	}
	p.waiting = false
	if m.Index > p.match {
		p.match, p.matchedAt = m.Index, max(r.now, 1) // as Sent of a heartbeat is
	}
	p.next = max(p.next, p.match+1)
	p.inflight.free(m.Index)
	switch p.state {
	case Probe:
		p.become(Replicate)
	case Snapshot:
		if p.match+1 >= r.log.firstIndex() {
			p.become(Probe)
		}
	}
	r.maybeCommit()
	if r.role == Leader {
		r.advanceConf()
		r.advanceTransfer(p)
	}
}

func (r *Raft) stepAppReject(p *progress, m Message) {
	switch p.state {
	case Replicate:
		if m.Index > p.match {
			p.become(Probe) // something sent before it was lost
		}
	case Probe:
		if m.Index != p.next-1 {
			return // the answer to an earlier one
		}
		hint := r.lastOfTerm(min(m.Hint, m.Index-1), m.LogTerm, p.match)
		next := max(p.match, hint) + 1
		if next == p.next {
			// It lacks what it has acknowledged, or says what it said before it had that. The
			// heartbeats find out which; to ask again at once would go on until then.
			return
		}
		p.next = next
		p.waiting = false
	}
}

func (r *Raft) stepHeartbeatResp(p *progress, m Message) {
	if p.forgot {
		return
	}
	if m.Sent > p.matchedAt && m.Index < p.match {
		// It was asked after it had acknowledged more than it has. What it
		// has promised can no longer be counted on.
		p.forgot = true
		return
	}
	p.ackedSent = max(p.ackedSent, m.Sent)
	p.ackedRead = max(p.ackedRead, m.Context)
	p.waiting = false
	if p.state == Replicate && p.match+1 < p.next && p.sentAt < m.Sent {
		// It was asked after all that was sent to it.
		if t, err := r.log.term(p.next - 1); err == nil && m.Index+1 >= p.next {
			// It has all and has not said so, or not yet. An empty message makes
			// it say it again, when it is durable.
			r.send(Message{Type: MsgApp, To: p.id, LogTerm: t, Index: p.next - 1, Commit: r.log.committed})
		} else {
			p.become(Probe) // something was lost
		}
	}
	r.releaseReads()
}

// maybeCommit commits what a majority has, if it is of this term: an entry of an
// earlier one may be on a majority and be replaced all the same (Raft, figure 8).
func (r *Raft) maybeCommit() {
	i := quorumValue(r.conf(), func(id PeerID) Index {
		if p := r.progress(id); p != nil {
			return p.match
		}
		return 0
	})
	if i <= r.log.committed || i < r.termStart {
		return
	}
	r.commitTo(i)
	r.releaseReads()
	if r.confIndex() <= i && !r.conf().IsVoter(r.id) {
		// It has led only until the others can do without it (thesis 4.2.2).
		r.replicate()
		r.becomeFollower(r.term, None)
		return
	}
	r.advanceConf()
}
