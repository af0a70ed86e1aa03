package raft

// Status is a replica's state for people and tests to look at.
type Status struct {
	ID     PeerID
	Role   Role
	Term   Term
	Vote   PeerID
	Leader PeerID
	First  Index
	Last   Index
	// LastTerm is the term of the last entry, 0 if that is lost.
	LastTerm Term
	Stable   Index
	Commit   Index
	// Told is up to where leaders have said that all is committed. What is behind Commit has
	// still to come.
	Told       Index
	Applied    Index
	Conf       ConfState
	ConfIndex  Index
	Quiescent  bool
	Transferee PeerID
	Fault      error
	// Peers is what a leader knows of its peers, in order of their ID.
	Peers []PeerStatus
}

// PeerStatus is what a leader knows of a peer.
type PeerStatus struct {
	ID            PeerID
	Match, Next   Index
	State         ProgressState
	Voter         bool
	InflightBytes int
	// Active is whether it was heard of lately: since the check of the quorum before the last
	// one. In an idle group it stays as it was.
	Active bool
	// Forgot is whether it has lost what it had acknowledged.
	Forgot bool
}

// Status returns a copy of the state.
func (r *Raft) Status() Status {
	s := Status{
		ID: r.id, Role: r.role, Term: r.term, Vote: r.vote, Leader: r.leader,
		First: r.log.firstIndex(), Last: r.log.lastIndex(), Stable: r.log.stable(),
		Commit: r.log.committed, Told: r.Told(), Applied: r.log.applied,
		Conf: r.conf().Clone(), ConfIndex: r.confIndex(),
		Quiescent: r.quiescent, Transferee: r.transferee, Fault: r.fault,
	}
	if t, err := r.log.lastTerm(); err == nil {
		s.LastTerm = t
	}
	for _, p := range r.peers {
		s.Peers = append(s.Peers, PeerStatus{
			ID: p.id, Match: p.match, Next: p.next, State: p.state, Voter: r.conf().IsVoter(p.id),
			InflightBytes: p.inflight.bytes, Active: p.active || p.activeBefore || p.id == r.id, Forgot: p.forgot,
		})
	}
	return s
}

// ID returns the replica's own ID.
func (r *Raft) ID() PeerID { return r.id }

// Role returns what the replica is in its Term.
func (r *Raft) Role() Role { return r.role }

// Term returns the current term.
func (r *Raft) Term() Term { return r.term }

// Leader returns the leader of the term, or None if it is not known.
func (r *Raft) Leader() PeerID { return r.leader }

// Committed returns the index up to which entries are known to be committed.
func (r *Raft) Committed() Index { return r.log.committed }

// Told returns up to where leaders have said that all is committed, whether it is here or not.
func (r *Raft) Told() Index { return max(r.told, r.log.committed) }

// LastIndex returns the index of the last entry, which need not be durable.
func (r *Raft) LastIndex() Index { return r.log.lastIndex() }

// Conf returns the configuration in force. It is not to be changed.
func (r *Raft) Conf() *ConfState { return r.conf() }

// EntryTerm returns the term of an entry; see LogReader.
func (r *Raft) EntryTerm(i Index) (Term, error) { return r.log.term(i) }
