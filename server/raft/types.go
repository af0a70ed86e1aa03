package raft

import (
	"fmt"
	"slices"
)

// Term numbers the reigns of leaders, from 1; 0 is before the first.
type Term uint64

// Index is the position of an entry in a group's log. The first is 1.
type Index uint64

// GroupID names one raft group among all of a cluster. It is never used again
// for another group, not even for one that takes the place of a deleted one.
type GroupID uint64

// NodeID names a server, however often its disk is replaced. The core does not
// look at it; those who carry messages do.
type NodeID uint32

// PeerID names one replica of a group: a node in its upper half, an incarnation
// in its lower. A replica keeps its promises (its vote, its acknowledged
// entries) or is never heard of again: one that may have forgotten any of them
// comes back under a new incarnation, as a stranger that has to be admitted.
// Every argument for the safety of raft thereby speaks of servers that stop, and
// not of servers that forget.
type PeerID uint64

// None is no peer.
const None PeerID = 0

// MakePeerID joins the parts of a PeerID.
func MakePeerID(node NodeID, incarnation uint32) PeerID {
	return PeerID(node)<<32 | PeerID(incarnation)
}

// Node returns the server that the replica is on.
func (p PeerID) Node() NodeID { return NodeID(p >> 32) }

// Incarnation tells replicas on one node from each other.
func (p PeerID) Incarnation() uint32 { return uint32(p) }

func (p PeerID) String() string {
	switch {
	case p == None:
		return "none"
	case p.Node() == 0: // of tests, which have no nodes
		return fmt.Sprintf("%d", uint64(p))
	default:
		return fmt.Sprintf("%d.%x", p.Node(), p.Incarnation())
	}
}

// Instant is a moment in nanoseconds on the monotonic clock of one host, from
// an origin of its own. Instants of different hosts cannot be compared.
type Instant int64

// EntryType says who an entry is for.
type EntryType uint8

const (
	// EntryNormal is for the state machine. An empty one is the mark that a
	// leader sets at the start of its term, and is not.
	EntryNormal EntryType = iota
	// EntryConf holds the encoding of a ConfState, which rules from the moment
	// that the entry is in a log, committed or not.
	EntryConf
)

// Entry is one entry of a log. Data must not be changed once it has been
// handed over; all that read it share it.
type Entry struct {
	Index Index
	Term  Term
	Type  EntryType
	Data  []byte
}

// entryOverhead is what an entry counts beside its data where sizes are bounded.
const entryOverhead = 32

// Size is what the entry counts where sizes are bounded: its data, and something
// for itself, so that empty ones are not free.
func (e *Entry) Size() int { return len(e.Data) + entryOverhead }

// HardState is what a replica must know again after a crash, besides its log.
// It is durable before any message is sent that relies on it (Raft, figure 2).
type HardState struct {
	Term Term
	// Vote is the candidate that got this replica's vote in Term.
	Vote PeerID
}

// Base is the point where a log begins: all entries up to Index are in the state
// machine, and are no longer needed one by one. Index and Term are 0 where
// nothing has been dropped.
type Base struct {
	Index Index
	Term  Term
	// Conf is the configuration as of Index. That of a replica that has not
	// been admitted yet is empty.
	Conf ConfState
}

// ConfState is a configuration: who replicates, and who decides. Lists are
// sorted and hold no peer twice.
type ConfState struct {
	// Voters decide by majority. While Outgoing is not empty the configuration
	// is a joint one, and takes a majority of Voters and one of Outgoing (Raft,
	// section 6).
	Voters   []PeerID
	Outgoing []PeerID
	// Learners get the log and do not decide. Joining do likewise, until they
	// have caught up, when the leader makes voters of them.
	Learners []PeerID
	Joining  []PeerID
}

// Joint reports whether two majorities have to agree.
func (c *ConfState) Joint() bool { return len(c.Outgoing) > 0 }

// IsVoter reports whether p decides, in either half of a joint configuration.
func (c *ConfState) IsVoter(p PeerID) bool {
	return slices.Contains(c.Voters, p) || slices.Contains(c.Outgoing, p)
}

// Contains reports whether p has any part in the configuration.
func (c *ConfState) Contains(p PeerID) bool {
	return c.IsVoter(p) || slices.Contains(c.Learners, p) || slices.Contains(c.Joining, p)
}

// Peers returns all that have a part in the configuration, sorted.
func (c *ConfState) Peers() []PeerID {
	peers := slices.Concat(c.Voters, c.Outgoing, c.Learners, c.Joining)
	slices.Sort(peers)
	return slices.Compact(peers)
}

// Empty reports whether the configuration has nobody in it.
func (c *ConfState) Empty() bool {
	return len(c.Voters)+len(c.Outgoing)+len(c.Learners)+len(c.Joining) == 0
}

// Clone returns a copy that shares nothing.
func (c *ConfState) Clone() ConfState {
	return ConfState{
		Voters: slices.Clone(c.Voters), Outgoing: slices.Clone(c.Outgoing),
		Learners: slices.Clone(c.Learners), Joining: slices.Clone(c.Joining),
	}
}

// Equal reports whether both are the same configuration.
func (c *ConfState) Equal(o *ConfState) bool {
	return slices.Equal(c.Voters, o.Voters) && slices.Equal(c.Outgoing, o.Outgoing) &&
		slices.Equal(c.Learners, o.Learners) && slices.Equal(c.Joining, o.Joining)
}

func (c ConfState) String() string {
	s := fmt.Sprintf("voters%v", c.Voters)
	for _, l := range []struct {
		name  string
		peers []PeerID
	}{{"outgoing", c.Outgoing}, {"learners", c.Learners}, {"joining", c.Joining}} {
		if len(l.peers) > 0 {
			s += fmt.Sprintf(" %s%v", l.name, l.peers)
		}
	}
	return s
}

// ChangeType says what a Change does.
type ChangeType uint8

const (
	// AddVoter makes a peer a voter: one that is in Learners or Joining at
	// once, if it has caught up, any other as soon as it has, being in Joining
	// until then.
	AddVoter ChangeType = iota
	// AddLearner adds a peer that gets the log and does not decide, or makes
	// one of a voter.
	AddLearner
	// RemovePeer removes a peer.
	RemovePeer
)

func (t ChangeType) String() string {
	return [...]string{"add-voter", "add-learner", "remove"}[t]
}

// Change is a step of a change of configuration.
type Change struct {
	Type ChangeType
	Peer PeerID
}

// MessageType says what a Message is.
type MessageType uint8

const (
	// MsgApp carries entries that follow the one at Index, LogTerm, and the
	// leader's Commit (AppendEntries). Without entries it is a probe.
	MsgApp MessageType = iota + 1
	// MsgAppResp answers it: all up to Index are durable, or, with Reject, the
	// entry at Index does not match, and Hint, LogTerm are the end of what may.
	MsgAppResp
	// MsgHeartbeat says that the leader reigns and how far its follower may
	// commit. Context and Sent come back in the answer.
	MsgHeartbeat
	MsgHeartbeatResp
	// MsgPreVote asks whether a vote in Term would be given (thesis, 9.6);
	// MsgVote asks for it (RequestVote). LogTerm and Index are those of the
	// last entry. Transfer marks a candidate whom the leader told to stand.
	MsgPreVote
	MsgPreVoteResp
	MsgVote
	MsgVoteResp
	// MsgSnap tells a replica that its state machine durably holds the state
	// that Base describes, whose transfer the leader From had begun in Term. It
	// comes from the replica's own host, at the end of a transfer.
	MsgSnap
	// MsgTimeoutNow tells a follower to stand for election (thesis, 3.10).
	MsgTimeoutNow
	// MsgReadIndex asks the leader for an index to read at, for Context;
	// MsgReadIndexResp gives it in Index, or Reject.
	MsgReadIndex
	MsgReadIndexResp
	// MsgQuiesce tells a follower that has all entries up to Index, Term
	// LogTerm, that there is nothing to do: it stops its timer. A follower to
	// which this does not apply answers, and thereby wakes the leader.
	MsgQuiesce
)

var messageNames = [...]string{
	MsgApp: "App", MsgAppResp: "AppResp", MsgHeartbeat: "Heartbeat", MsgHeartbeatResp: "HeartbeatResp",
	MsgPreVote: "PreVote", MsgPreVoteResp: "PreVoteResp", MsgVote: "Vote", MsgVoteResp: "VoteResp", MsgSnap: "Snap",
	MsgTimeoutNow: "TimeoutNow", MsgReadIndex: "ReadIndex", MsgReadIndexResp: "ReadIndexResp", MsgQuiesce: "Quiesce",
}

func (t MessageType) String() string {
	if int(t) < len(messageNames) && messageNames[t] != "" {
		return messageNames[t]
	}
	return fmt.Sprintf("MessageType(%d)", uint8(t))
}

// Valid reports whether t is a type that another node may send.
func (t MessageType) Valid() bool { return t >= MsgApp && t <= MsgQuiesce && t != MsgSnap }

// Message is what replicas of one group say to each other. Which fields count
// is told at its type.
type Message struct {
	Type     MessageType
	Reject   bool
	Transfer bool
	From, To PeerID
	Term     Term
	LogTerm  Term
	Index    Index
	Commit   Index
	Hint     Index
	Context  uint64
	Sent     Instant
	Entries  []Entry
	Base     *Base
}

// LogReader gives a Raft the durable part of its log. What is handed over in
// Ready.Append can be read from it before Stored is called for it.
type LogReader interface {
	// First and Last are the bounds of the entries: First-1 is the index of the
	// Base; Last is First-1 if there are none.
	First() Index
	Last() Index
	// Term returns the term of an entry, also of the one at First-1. ErrCompacted
	// says that it is before that, ErrUnavailable that it is behind Last.
	Term(i Index) (Term, error)
	// Entries returns the entries in [lo, hi), at least one, and more while
	// their sizes sum up to at most maxBytes. Errors are those of Term, and those
	// of reading.
	Entries(lo, hi Index, maxBytes int) ([]Entry, error)
}
