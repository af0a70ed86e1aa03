package raft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Role is what a replica is in its term.
type Role uint8

const (
	Follower Role = iota
	// PreCandidate asks whether it could be elected; its term is still the old one.
	PreCandidate
	Candidate
	Leader
)

func (r Role) String() string {
	return [...]string{"follower", "pre-candidate", "candidate", "leader"}[r]
}

// Config is what a Raft is made with.
type Config struct {
	// ID is this replica. It need not be in the configuration yet.
	ID PeerID
	// Hard, Base and Confs are the durable state: Confs all entries of type
	// EntryConf behind the base, in order. Log reads the rest.
	Hard  HardState
	Base  Base
	Confs []Entry
	Log   LogReader
	// Applied is how far the state machine is, from Base.Index to Log.Last().
	Applied Index

	// ElectionTicks is how long a follower waits for its leader at least; each
	// time it is a random number from it up to twice as many. A leader that has
	// not heard of a majority for as long steps down.
	ElectionTicks int
	// HeartbeatTicks is how often a leader that is awake sends heartbeats.
	HeartbeatTicks int
	// MaxAppendBytes bounds the entries of one message, if there is more than
	// one. MaxInflightMsgs and MaxInflightBytes bound those that were sent to one
	// peer and not acknowledged.
	MaxAppendBytes, MaxInflightMsgs, MaxInflightBytes int
	// MaxUncommittedBytes bounds the entries that a leader has appended and that
	// are not committed; one is always let in.
	MaxUncommittedBytes int
	// MaxApplyBytes bounds the entries handed out and not applied, if there is
	// more than one.
	MaxApplyBytes int
	// Lease is for how long after sending a heartbeat that a majority has
	// answered the leader may answer reads without asking again; 0 is not at all.
	// It has to be shorter than ElectionTicks last on the fastest clock of the
	// group, less the one tick that may come late.
	Lease time.Duration
	// Seed makes the random election timeouts.
	Seed uint64
}

// Errors of proposals and reads.
var (
	ErrNotLeader          = errors.New("raft: not the leader")
	ErrNoLeader           = errors.New("raft: no leader is known")
	ErrTransferring       = errors.New("raft: leadership is being transferred")
	ErrTooMuchUncommitted = errors.New("raft: too many bytes are not committed yet")
)

// InvariantError says that a message would break what raft guarantees, which
// means that a replica has forgotten or that there is a bug. The message was
// ignored.
type InvariantError struct {
	What    string
	Message Message
}

func (e *InvariantError) Error() string {
	return fmt.Sprintf("raft: %s (%v from %v to %v, term %d, index %d)", e.What, e.Message.Type, e.Message.From, e.Message.To, e.Message.Term, e.Message.Index)
}

// Raft is one replica of a group. It belongs to one goroutine at a time.
type Raft struct {
	cfg  Config
	id   PeerID
	rand rand.PCG
	now  Instant

	// term and vote are the hard state; newHard is whether it has changed since
	// it was last handed out.
	term    Term
	vote    PeerID
	newHard bool

	role   Role
	leader PeerID
	log    raftLog
	// confs are the configurations from the base's on; the last one rules.
	confs []confAt

	// timer counts ticks since the last sign of the leader (or, as leader, since
	// the last check of the quorum), timeout is when it ends a wait, and
	// heartbeat counts ticks since the last heartbeats.
	timer, timeout, heartbeat int
	// silence is for how many ticks a replica that was restarted does not vote:
	// it may have told a leader, before, that it would not.
	silence   int
	quiescent bool

	// votes are the answers to a candidate.
	votes []ballot

	// As leader: peers in order of their ID, itself included; termStart the
	// index of the first entry of the term; knownFrom the index that has to be
	// committed for it to know all that is; uncommitted what it has appended
	// behind the commit index.
	peers     []*progress
	termStart Index
	knownFrom Index
	// told is the highest commit index of which leaders have told.
	told        Index
	uncommitted inflights
	transferee  PeerID
	noLease     bool
	reads       readQueue

	// out is what Ready will hand out.
	out       []Message
	held      []heldMessage
	seq       uint64 // of the last Append
	fault     error
	faultTold bool
	wishes    []PeerID
	readOut   []ReadState
	soft      SoftState
	// applying are the entries handed out and not applied.
	applying inflights
	ready    Ready
}

// ballot is a peer's answer to a candidate.
type ballot struct {
	peer    PeerID
	granted bool
}

// New returns a follower with the state that it is given.
func New(cfg Config) (*Raft, error) {
	switch {
	case cfg.ID == None:
		return nil, errors.New("raft: a replica needs an ID")
	case cfg.ElectionTicks < 2 || cfg.HeartbeatTicks < 1 || cfg.HeartbeatTicks >= cfg.ElectionTicks:
		return nil, fmt.Errorf("raft: election timeout of %d ticks with heartbeats each %d", cfg.ElectionTicks, cfg.HeartbeatTicks)
	case cfg.MaxAppendBytes < 1 || cfg.MaxInflightMsgs < 1 || cfg.MaxInflightBytes < 1 || cfg.MaxUncommittedBytes < 1 || cfg.MaxApplyBytes < 1:
		return nil, errors.New("raft: a limit is not set")
	case cfg.Log.First() != cfg.Base.Index+1:
		return nil, fmt.Errorf("raft: the log begins at %d behind a base of %d", cfg.Log.First(), cfg.Base.Index)
	case cfg.Applied < cfg.Base.Index || cfg.Applied > cfg.Log.Last():
		return nil, fmt.Errorf("raft: applied up to %d with a log from %d to %d", cfg.Applied, cfg.Log.First(), cfg.Log.Last())
	}
	r := &Raft{
		cfg: cfg, id: cfg.ID, term: cfg.Hard.Term, vote: cfg.Hard.Vote,
		confs: []confAt{{cfg.Base.Index, cfg.Base.Conf.Clone()}},
		log: raftLog{
			reader: cfg.Log, offset: cfg.Log.Last() + 1,
			committed: cfg.Applied, applying: cfg.Applied, applied: cfg.Applied,
		},
	}
	r.rand.Seed(cfg.Seed, uint64(cfg.ID))
	r.cfg.Confs, r.cfg.Base = nil, Base{}
	for _, e := range cfg.Confs {
		c, err := DecodeConfState(e.Data)
		if err != nil {
			return nil, fmt.Errorf("raft: entry %d: %w", e.Index, err)
		}
		if e.Index <= r.confIndex() || e.Index > cfg.Log.Last() {
			return nil, fmt.Errorf("raft: configuration at %d, in a log from %d to %d", e.Index, cfg.Log.First(), cfg.Log.Last())
		}
		r.confs = append(r.confs, confAt{e.Index, c})
	}
	last, err := r.log.lastTerm()
	if err != nil {
		return nil, fmt.Errorf("raft: the term of the last entry, %d: %w", cfg.Log.Last(), err)
	}
	if r.term == 0 {
		// It has promised nothing yet. Its log may begin in a later term.
		r.term, r.newHard = last, last > 0
	} else {
		r.silence = cfg.ElectionTicks
	}
	if r.term < last {
		return nil, fmt.Errorf("raft: term %d with an entry of term %d", r.term, last)
	}
	r.becomeFollower(r.term, None)
	r.soft = r.softState()
	return r, nil
}

// Step takes a message from another replica, or MsgSnap from the own host.
// Errors are about the message, which is then ignored.
func (r *Raft) Step(m Message) error {
	if m.To != r.id {
		return fmt.Errorf("raft: message to %v came to %v", m.To, r.id)
	}
	if r.fault != nil {
		return nil // what it cannot read it might have to vouch for
	}
	if m.Type == MsgSnap {
		return r.stepSnap(m)
	}
	if m.From == r.id || m.From == None || !m.Type.Valid() {
		return fmt.Errorf("raft: %v from %v", m.Type, m.From)
	}
	switch m.Type {
	case MsgPreVote, MsgVote:
		r.stepVoteRequest(m)
		return nil
	case MsgPreVoteResp:
		// A granted one comes from a peer in an older term, about a term that
		// nobody is in yet.
		if !m.Reject {
			r.stepVoteResp(m)
			return nil
		}
	}
	switch {
	case m.Term < r.term:
		if m.Type == MsgApp || m.Type == MsgHeartbeat || m.Type == MsgQuiesce {
			// A leader of the past, which is to learn of the term. It would
			// never hear of it from a replica that stays with its peers.
			r.send(Message{Type: MsgAppResp, To: m.From, Reject: true, Index: m.Index, Hint: r.log.committed})
		}
		return nil
	case m.Term > r.term:
		r.becomeFollower(m.Term, None)
	}
	switch m.Type {
	case MsgApp, MsgHeartbeat, MsgQuiesce:
		return r.stepFromLeader(m)
	case MsgPreVoteResp, MsgVoteResp:
		r.stepVoteResp(m)
	case MsgTimeoutNow:
		r.stepTimeoutNow(m)
	case MsgReadIndexResp:
		r.stepReadIndexResp(m)
	default:
		if r.role == Leader {
			r.stepLeader(m)
		} else if m.Type == MsgReadIndex {
			r.send(Message{Type: MsgReadIndexResp, To: m.From, Context: m.Context, Reject: true})
		}
	}
	return nil
}

// stepFromLeader handles what only the leader of the current term sends.
func (r *Raft) stepFromLeader(m Message) error {
	if r.role == Leader || r.leader != None && r.leader != m.From {
		return &InvariantError{fmt.Sprintf("term %d has two leaders, %v and %v", r.term, r.leader, m.From), m}
	}
	if r.role != Follower || r.leader == None {
		r.becomeFollower(r.term, m.From)
	}
	r.timer, r.quiescent = 0, false
	r.told = max(r.told, m.Commit)
	switch m.Type {
	case MsgApp:
		return r.stepApp(m)
	case MsgHeartbeat:
		r.commitTo(min(m.Commit, r.log.lastIndex()))
		if m.Sent != 0 || m.Context != 0 {
			r.send(Message{Type: MsgHeartbeatResp, To: m.From, Index: r.log.lastIndex(), Context: m.Context, Sent: m.Sent})
		}
	case MsgQuiesce:
		r.stepQuiesce(m)
	}
	return nil
}

// stepLeader handles what followers of the current term send.
func (r *Raft) stepLeader(m Message) {
	p := r.progress(m.From)
	if p == nil {
		return // removed, or not added yet
	}
	p.active = true
	if r.quiescent && (m.Type != MsgAppResp || m.Reject || m.Index > p.match) {
		r.Wake()
	}
	switch m.Type {
	case MsgAppResp:
		r.stepAppResp(p, m)
	case MsgHeartbeatResp:
		r.stepHeartbeatResp(p, m)
	case MsgReadIndex:
		r.queueRead(pendingRead{context: m.Context, from: m.From})
	}
}

// Tick tells that one tick has passed and what time it is. A caller that is late
// calls it once, and does not make up for the others: a process that stood still has
// not been waiting for its leader meanwhile.
func (r *Raft) Tick(now Instant) {
	r.now = now
	if r.quiescent || r.fault != nil {
		return
	}
	r.silence = max(r.silence-1, 0)
	r.timer++
	if r.role != Leader {
		if r.timer >= r.timeout {
			r.timer = 0
			r.campaign()
		}
		return
	}
	if r.timer >= r.cfg.ElectionTicks {
		r.timer = 0
		r.transferee = None
		if !r.checkQuorum() {
			r.becomeFollower(r.term, None)
			return
		}
		r.advanceConf() // what has waited for the end of a transfer
	}
	if r.heartbeat++; r.heartbeat >= r.cfg.HeartbeatTicks {
		r.broadcastHeartbeats()
	}
}

// checkQuorum reports whether a majority was heard of since the last check.
func (r *Raft) checkQuorum() bool {
	ok := quorumOf(r.conf(), func(id PeerID) bool {
		p := r.progress(id)
		return id == r.id || p != nil && p.active && !p.forgot
	})
	for _, p := range r.peers {
		p.active, p.activeBefore = false, p.active
	}
	return ok
}

// hears reports whether a leader has heard of a peer lately, which a majority of
// a configuration that it makes has to be (ErrUnheard).
func (r *Raft) hears(id PeerID) bool {
	p := r.progress(id)
	return id == r.id || p != nil && (p.active || p.activeBefore) && !p.forgot
}

func (r *Raft) progress(id PeerID) *progress {
	for _, p := range r.peers {
		if p.id == id {
			return p
		}
	}
	return nil
}

// send puts a message of the current term among those that may leave at once.
func (r *Raft) send(m Message) {
	m.From = r.id
	if m.Term == 0 {
		m.Term = r.term
	}
	r.out = append(r.out, m)
}

// randomTicks returns a number in [0, n).
func (r *Raft) randomTicks(n int) int {
	return int(r.rand.Uint64() % uint64(n))
}
