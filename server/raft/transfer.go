package raft

import "fmt"

// Transfer makes the leader hand over to a voter as soon as that has all entries
// (thesis 3.10). Proposals are refused meanwhile. It is given up after an
// election timeout, if it has not come about.
func (r *Raft) Transfer(to PeerID) error {
	switch p := r.progress(to); {
	case r.role != Leader:
		return ErrNotLeader
	case to == r.id:
		r.transferee = None
		return nil
	case p == nil || !r.conf().IsVoter(to):
		return fmt.Errorf("raft: %v is not a voter in %v", to, *r.conf())
	default:
		if r.quiescent {
			r.Wake()
		}
		r.transferee, r.timer = to, 0
		r.advanceTransfer(p)
		return nil
	}
}

// advanceTransfer tells the transferee to stand, if it may.
func (r *Raft) advanceTransfer(p *progress) {
	if p.id != r.transferee || p.match != r.log.lastIndex() || p.forgot {
		return
	}
	// From here on it may be elected at any time, even while the others have
	// promised this leader not to vote.
	r.noLease = true
	r.send(Message{Type: MsgTimeoutNow, To: p.id})
}

func (r *Raft) stepTimeoutNow(m Message) {
	if m.From != r.leader || r.role != Follower || !r.promotable() {
		return
	}
	r.stand(true)
}
