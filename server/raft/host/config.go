package host

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Config is what a Host is made with. Zero values stand for the defaults named.
type Config struct {
	// Node is this server.
	Node raft.NodeID
	// Log is the log of all groups. It belongs to the caller, who starts it, and
	// closes it after the host has stopped.
	Log       *wal.Log
	Transport Transport
	Clock     clock.Clock
	// Wall tells the time of day that entries get, where that is not the time of
	// Clock, which must never be set back. The machine's clock is both.
	Wall func() time.Time
	// FS and Dir are for images that are being received. Whatever is in Dir is
	// removed at start.
	FS  vfs.FS
	Dir string
	// Cipher has such images encrypted on disk, each by a key that is in memory
	// alone. What Log and the machines keep is not for the host to encrypt.
	Cipher seal.Cipher
	// Seed makes all that is random. It has to be another at each start.
	Seed uint64
	// Events is told of what an operator may want to know. It is called on the
	// host's goroutines, must not block, and must not call the host. It may be nil.
	Events func(Event)
	// Observer is told what replicas do. It may be nil.
	Observer Observer

	// Workers is how many goroutines step groups, and how many apply entries;
	// GOMAXPROCS by default.
	Workers int
	// Tick is the unit of all that waits, 100 ms by default.
	Tick time.Duration
	// ElectionTicks is for how many ticks a leader, or a node, may be silent, 10
	// by default; HeartbeatTicks how often the leader of a group that is awake is
	// heard, and each node, 3 by default; QuiesceTicks how long a group has
	// nothing to do before it sleeps, 5 by default.
	ElectionTicks, HeartbeatTicks, QuiesceTicks int
	// Lease lets leaders answer reads without asking a majority; see raft.Config.
	Lease time.Duration

	// MaxProposalBytes bounds a proposal, 8 MiB by default and MaxFrame less
	// 1 MiB at most. MaxEntryBytes is how much is put into an entry while there
	// is more than one proposal, 256 KiB by default.
	MaxProposalBytes, MaxEntryBytes int
	// Pipeline is how many entries a leader has on their way before it waits for
	// more proposals to fill the next one, 8 by default.
	Pipeline int
	// MaxGroupBytes and MaxHostBytes bound the proposals that have no outcome
	// yet, of a group (32 MiB by default) and of all (256 MiB).
	MaxGroupBytes, MaxHostBytes int64
	// MaxInboxBytes bounds the messages that a group has not taken yet, 16 MiB
	// by default.
	MaxInboxBytes int
	// MaxLogBytes bounds what waits to be written to the log, 64 MiB by default.
	// Beyond it nothing new is proposed, and no entries are taken from leaders.
	MaxLogBytes int64

	// MaxAppendBytes (256 KiB by default), MaxInflightMsgs (256),
	// MaxInflightBytes (8 MiB), MaxUncommittedBytes (32 MiB) and MaxApplyBytes
	// (4 MiB) are those of raft.Config.
	MaxAppendBytes, MaxInflightMsgs, MaxInflightBytes, MaxUncommittedBytes, MaxApplyBytes int

	// KeepEntries (1,024 by default) and KeepBytes (1 MiB) bound what a leader
	// keeps in the log behind a checkpoint for a follower that is alive and lags.
	// Bytes are estimated by the mean size of an entry.
	KeepEntries, KeepBytes int

	// SnapshotSends and SnapshotReceives are how many images are sent and
	// received at once, 2 and 4 by default; others wait. SnapshotBytesPerSecond
	// bounds the bytes sent of all of them, 64 MiB by default.
	SnapshotSends, SnapshotReceives int
	SnapshotBytesPerSecond          int64
	// SnapshotChunkBytes is the size of the pieces of an image, 128 KiB by
	// default. Four of them are on their way at a time.
	SnapshotChunkBytes int64
}

func (c *Config) setDefaults() error {
	switch {
	case c.Node == 0:
		return errors.New("raft/host: no node")
	case c.Log == nil || c.Transport == nil || c.Clock == nil || c.FS == nil || c.Dir == "":
		return errors.New("raft/host: the log, the transport, the clock, the file system or the directory is not given")
	}
	for _, f := range []struct {
		v   *int
		def int
	}{
		{&c.Workers, runtime.GOMAXPROCS(0)},
		{&c.ElectionTicks, 10},
		{&c.HeartbeatTicks, 3},
		{&c.QuiesceTicks, 5},
		{&c.MaxProposalBytes, 8 << 20},
		{&c.MaxEntryBytes, 256 << 10},
		{&c.Pipeline, 8},
		{&c.MaxInboxBytes, 16 << 20},
		{&c.MaxAppendBytes, 256 << 10},
		{&c.MaxInflightMsgs, 256},
		{&c.MaxInflightBytes, 8 << 20},
		{&c.MaxUncommittedBytes, 32 << 20},
		{&c.MaxApplyBytes, 4 << 20},
		{&c.KeepEntries, 1024},
		{&c.KeepBytes, 1 << 20},
		{&c.SnapshotSends, 2},
		{&c.SnapshotReceives, 4},
	} {
		*f.v = cmp.Or(*f.v, f.def)
	}
	c.Tick = cmp.Or(c.Tick, 100*time.Millisecond)
	c.MaxGroupBytes = cmp.Or(c.MaxGroupBytes, 32<<20)
	c.MaxHostBytes = cmp.Or(c.MaxHostBytes, 256<<20)
	c.MaxLogBytes = cmp.Or(c.MaxLogBytes, 64<<20)
	c.SnapshotBytesPerSecond = cmp.Or(c.SnapshotBytesPerSecond, 64<<20)
	c.SnapshotChunkBytes = cmp.Or(c.SnapshotChunkBytes, 128<<10)
	if c.MaxProposalBytes > MaxFrame-1<<20 {
		return fmt.Errorf("raft/host: proposals of %d bytes do not fit into a frame", c.MaxProposalBytes)
	}
	if c.ElectionTicks < 2*c.HeartbeatTicks {
		return fmt.Errorf("raft/host: an election timeout of %d ticks is too short for a heartbeat each %d", c.ElectionTicks, c.HeartbeatTicks)
	}
	return nil
}

// GroupConfig is what a group is started with.
type GroupConfig struct {
	ID      raft.GroupID
	Machine StateMachine
	// Memory keeps the entries in memory only. A replica that is restarted comes
	// back empty, under a new incarnation.
	Memory bool
	// Peers are the first voters of a group that is created.
	Peers []raft.PeerID
	// Contacts are nodes that may hold replicas of the group. One that has to be
	// admitted announces itself to them.
	Contacts []raft.NodeID
	// Sole says that this replica is the group's only voter as far as the caller
	// knows. It counts where the log does not tell, and then a damaged replica is
	// halted and not made anew.
	Sole bool
	// Campaign has the replica stand for election at once.
	Campaign bool
	// Admits reports whether a peer that asks for it may become a voter, although its node
	// has no part in the group, by what its Plea says. The leader's is asked, on a worker: it
	// must not block. nil admits nobody.
	Admits func(p raft.PeerID, plea uint64) bool
	// Plea is what the replica says whenever it asks to be admitted. It must not block. nil is
	// 0.
	Plea func() uint64
}

// Errors of groups.
var (
	// ErrNotLeader: this replica does not lead, or does so no longer.
	ErrNotLeader = raft.ErrNotLeader
	// ErrOverloaded: there is too much under way. Later it may go.
	ErrOverloaded = errors.New("raft/host: overloaded")
	// ErrFull: the disk is full. Only what wins space back is taken.
	ErrFull = errors.New("raft/host: the disk is full")
	// ErrTooLarge: the proposal is larger than MaxProposalBytes.
	ErrTooLarge = errors.New("raft/host: proposal too large")
	// ErrStopped: the group or the host is stopped.
	ErrStopped = errors.New("raft/host: stopped")
	// ErrHalted: the replica does not take part any more; its Status says why.
	ErrHalted = errors.New("raft/host: the replica is halted")
	// ErrReplaced: another leader's entry has taken the place.
	ErrReplaced = errors.New("raft/host: replaced by another leader's entry")
	// ErrLeadershipLost: leadership was lost before it was known what became of
	// the proposal.
	ErrLeadershipLost = errors.New("raft/host: leadership lost")
	// ErrReadLost: there is no answer to a read. It may be asked again.
	ErrReadLost = errors.New("raft/host: read lost")
	// ErrExists: the group is there already. ErrUnknownGroup: it is not.
	ErrExists       = errors.New("raft/host: group exists")
	ErrUnknownGroup = errors.New("raft/host: unknown group")
	// ErrRemoved: the group goes on without the replica, which asks to be admitted anew.
	ErrRemoved = errors.New("raft/host: removed from the group")
)

// EventKind says what has happened.
type EventKind uint8

const (
	// EventLeader: Peer leads Group in Term, or nobody is known to.
	EventLeader EventKind = iota + 1
	// EventNodeUp and EventNodeDown: Node is heard, or is not.
	EventNodeUp
	EventNodeDown
	// EventDamage: the replica of Group may have forgotten something. Err says
	// what is damaged.
	EventDamage
	// EventUnreadable: the log of Group could not be read, for Err. Until it can,
	// the replica does not take part.
	EventUnreadable
	// EventRejoin: the replica of Group asks to be admitted as Peer, because of Err if it has had
	// another identity.
	EventRejoin
	// EventAdmitted: it has been.
	EventAdmitted
	// EventHalted: the replica of Group no longer takes part. Err says why.
	EventHalted
	// EventPoisoned: the log has failed, and the host says nothing any more.
	EventPoisoned
	// EventRefused: a message was against the rules of raft. Err says which.
	EventRefused
	// EventSnapshot: an image of Group was installed here (Peer is this
	// replica), or could not be sent to or taken from Peer, for Err.
	EventSnapshot
)

var eventNames = [...]string{
	EventLeader: "leader", EventNodeUp: "node up", EventNodeDown: "node down", EventDamage: "damage", EventUnreadable: "unreadable",
	EventRejoin: "rejoin", EventAdmitted: "admitted", EventHalted: "halted", EventPoisoned: "poisoned",
	EventRefused: "refused", EventSnapshot: "snapshot",
}

func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Event is something that an operator may want to know. Which fields count is
// told at its kind.
type Event struct {
	Kind  EventKind
	Group raft.GroupID
	Node  raft.NodeID
	Peer  raft.PeerID
	Term  raft.Term
	Err   error
}
