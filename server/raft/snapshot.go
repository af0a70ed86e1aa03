package raft

import "fmt"

// wish asks the caller to send a peer an image of the state machine, once.
func (r *Raft) wish(p *progress) {
	if !p.wished {
		p.wished = true
		r.wishes = append(r.wishes, p.id)
	}
}

// SnapshotDone tells how a transfer has ended that Ready.Snapshots asked for:
// the peer's log now begins behind index, or it does not.
func (r *Raft) SnapshotDone(to PeerID, index Index, ok bool) {
	p := r.progress(to)
	if r.role != Leader || p == nil || p.state != Snapshot {
		return
	}
	// Whether it is so shows when the peer answers a probe: only its own word
	// makes a match.
	p.become(Probe)
	if ok {
		p.next = max(p.next, index+1)
	} else {
		p.waiting = true // until it answers a heartbeat
	}
}

// stepSnap takes note that the state machine holds, durably, what m.Base
// describes. That is committed state, whoever has sent it.
func (r *Raft) stepSnap(m Message) error {
	b := m.Base
	if b == nil || b.Index == 0 || b.Conf.Empty() {
		return fmt.Errorf("raft: snapshot without a base")
	}
	if m.Term > r.term {
		r.becomeFollower(m.Term, None) // a leader of the past, which has not heard of it
	}
	switch {
	case b.Index <= r.log.committed:
	case r.log.matches(b.Index, b.Term):
		// What follows it may have been acknowledged, and stays.
		r.commitTo(b.Index)
	case r.role == Leader:
		return &InvariantError{fmt.Sprintf("the leader's log ends at %d and a snapshot at %d is committed", r.log.lastIndex(), b.Index), m}
	default:
		leader := r.leader
		if b.Term > r.term {
			leader = None
		}
		r.becomeFollower(max(r.term, b.Term), leader)
		base := &Base{b.Index, b.Term, b.Conf.Clone()}
		r.log.replace(base)
		r.confs = []confAt{{b.Index, base.Conf}}
	}
	// The machine is past these entries.
	if b.Index > r.log.applying {
		r.log.applying = b.Index
	}
	r.AppliedTo(b.Index)
	if r.leader != None && r.role == Follower {
		r.hold(Message{Type: MsgAppResp, To: r.leader, Index: r.log.committed})
	}
	return nil
}

// Compact returns the base that the durable log may have at index i, which
// has been applied, and forgets the configurations before it. The caller writes
// it to the log.
func (r *Raft) Compact(i Index) (Base, error) {
	if i > r.log.applied {
		return Base{}, fmt.Errorf("raft: compaction to %d with %d applied", i, r.log.applied)
	}
	t, err := r.log.term(i)
	if err != nil {
		return Base{}, err
	}
	b := Base{Index: i, Term: t, Conf: r.confAsOf(i).Clone()}
	if b.Conf.Empty() {
		// A newcomer that has the log from its first entry on learns of the
		// configuration from a later one.
		return Base{}, fmt.Errorf("raft: the configuration at %d is not known", i)
	}
	for len(r.confs) > 1 && r.confs[1].index <= i {
		r.confs = r.confs[1:]
	}
	return b, nil
}

// Unreachable tells that messages to a peer were lost, so that what was sent
// is sent again.
func (r *Raft) Unreachable(id PeerID) {
	if p := r.progress(id); p != nil && p.state == Replicate && p.match+1 < p.next {
		p.become(Probe)
	}
}
