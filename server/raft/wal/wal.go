package wal

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Config says where a log is and how it works. Zero values stand for the
// defaults named.
type Config struct {
	FS vfs.FS
	// Dir is the log's own directory. It is made if it does not exist.
	Dir   string
	Clock clock.Clock

	// SegmentBytes is the size of a segment, 64 MiB by default. A flush that is
	// larger gets a segment of its own size.
	SegmentBytes int64
	// MaxFlushBytes bounds what one flush writes, 8 MiB by default; a single
	// Write that is larger goes out alone.
	MaxFlushBytes int64
	// SyncInterval, if positive, has entries and bases reported as durable when
	// they are written, and synced that often. A power cut may then take those
	// that were acknowledged in the last interval; the death of the process does
	// not. Identities, terms and votes, and deletions, are synced at once.
	SyncInterval time.Duration
	// CacheBytes bounds the newest entries' data kept in memory for all groups
	// together, 32 MiB by default. A negative value keeps none.
	CacheBytes int64
	// Workers bounds the goroutines that read segments during Open; by default
	// it is GOMAXPROCS. The outcome does not depend on it.
	Workers int

	// Keys encrypt what entries hold in segments that are made from now on, and
	// open the segments that there are. They are those of Purpose; nil is for a log
	// in clear. What is in segments that are in clear, or have an earlier key, is
	// moved to new ones by housekeeping.
	Keys *seal.Keys
	// OnRenewed is told when the last of such segments is gone, if there were any at
	// Open; only a segment with damage stays. It must not call the log.
	OnRenewed func()

	// Incarnation draws a random number that is not 0, for a store that is
	// made. By default it is from crypto/rand.
	Incarnation func() uint32
	// OnError is told once of each thing that an operator should know of: that
	// the log is poisoned (ErrPoisoned), that the disk is full (ErrFull), damage
	// found while reading (*CorruptionError). It must not call the log.
	OnError func(error)
}

// Errors of the log.
var (
	// ErrPoisoned: a write or a sync has failed. What was acknowledged before
	// is safe, nothing is any more; the process has to open the log anew.
	ErrPoisoned = errors.New("wal: the log is poisoned by a failed write")
	// ErrClosed: the log is closed.
	ErrClosed = errors.New("wal: the log is closed")
	// ErrFull: writes wait, because there is no space.
	ErrFull = errors.New("wal: no space left, writes wait")
	// ErrInvalid: a Write that makes no sense, such as one that leaves a gap in
	// its group's log.
	ErrInvalid = errors.New("wal: invalid write")
)

// Write is what one group writes in one step. Its parts take effect in the order
// of the fields, and all or none of them survive a crash.
type Write struct {
	Group raft.GroupID
	// Replica makes the group new: whatever was of it before is gone.
	Replica *Replica
	// Base is the point where the group's log begins. If the log has the entry
	// at its index with its term, what follows that stays (compaction);
	// otherwise all entries are gone (a snapshot takes their place).
	Base *raft.Base
	Hard *raft.HardState
	// Entries follow each other. Those of the log from the first one's index on
	// are replaced. Their data must not be changed any more.
	Entries []raft.Entry
	// Delete removes the group with all that is of it, if it exists.
	Delete bool
	// Done is told once what became of the write: nil when it is durable. Calls
	// come in the order of Append, without a lock held, on the goroutine that
	// flushes, and must not block. An error is ErrPoisoned or ErrClosed; the
	// write may or may not survive then. It is ErrInvalid if the write does not
	// fit its group, and nothing was written.
	//
	// While the disk is full, writes pass those that wait which have no entries, only
	// entries without data, or Frees: those of other groups, and of its own group a
	// Base that compacts what is durable; a Replica or Delete is done together with
	// what it wipes out.
	Done func(error)
	// Frees says that the write is small, and that what follows from it wins space back.
	Frees bool
}

// Replica says which replica of a group this store holds.
type Replica struct {
	Self raft.PeerID
	// Memory is set if the group's entries are not in the log.
	Memory bool
	// Contacts are nodes to which the replica announces itself until it knows
	// its group's configuration.
	Contacts []raft.NodeID
}

// GroupState is what Open has found of a group.
type GroupState struct {
	ID      raft.GroupID
	Replica Replica
	Hard    raft.HardState
	Base    raft.Base
	// Last is the index of the last entry, Base.Index if there is none.
	Last raft.Index
	// Confs are the EntryConf entries behind Base, in order.
	Confs []raft.Entry
	// Damage is what is lost of the group, in order. A replica with any may
	// have forgotten promises; entries outside the damaged ranges can be
	// read.
	Damage []Damage
}

// DamageKind says what of a group is lost.
type DamageKind uint8

const (
	// DamagedEntries: the entries First to Last.
	DamagedEntries DamageKind = iota + 1
	// DamagedHard: the newest term and vote.
	DamagedHard
	// DamagedBase: the newest base.
	DamagedBase
	// DamagedReplica: the record that says which replica this is.
	DamagedReplica
	// DamagedUnknown: records of which nothing is known but that they may have
	// been the group's.
	DamagedUnknown
)

func (k DamageKind) String() string {
	switch k {
	case DamagedEntries:
		return "entries"
	case DamagedHard:
		return "hard state"
	case DamagedBase:
		return "base"
	case DamagedReplica:
		return "replica"
	case DamagedUnknown:
		return "unknown"
	}
	return fmt.Sprintf("DamageKind(%d)", uint8(k))
}

// Damage is something that a group has lost below what was synced.
type Damage struct {
	Group raft.GroupID
	Kind  DamageKind
	// First and Last are the indexes of DamagedEntries; of DamagedUnknown they
	// are 0.
	First, Last raft.Index
	// Segment, Offset and Length are the place of the (first) bytes at fault. The
	// length of DamagedUnknown is not known.
	Segment        uint64
	Offset, Length int64
}

func (d Damage) String() string {
	s := fmt.Sprintf("group %d: %v", d.Group, d.Kind)
	if d.Kind == DamagedEntries {
		s += fmt.Sprintf(" %d to %d", d.First, d.Last)
	}
	return fmt.Sprintf("%s damaged in %s at %d, %d bytes", s, segmentName(d.Segment), d.Offset, d.Length)
}

// CorruptionError says that bytes of the log are not what was written.
type CorruptionError struct {
	Group   raft.GroupID
	Index   raft.Index
	Segment uint64
	Offset  int64
	// Err says more, if there is more to say.
	Err error
}

func (e *CorruptionError) Error() string {
	s := fmt.Sprintf("wal: %s is corrupt at %d (group %d, index %d)", segmentName(e.Segment), e.Offset, e.Group, e.Index)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// Stats are counters and sizes of a log. Counters are since Open.
type Stats struct {
	Groups   int
	Segments int
	// DiskBytes are the bytes of all segments, LiveBytes those of records that
	// are still needed.
	DiskBytes, LiveBytes int64
	// Records and Bytes were appended, in Flushes; Syncs made them durable.
	Records, Bytes, Flushes, Syncs uint64
	// SyncTime is how long all Syncs took together, LongestSync the longest.
	SyncTime, LongestSync time.Duration
	// Entries counts the entries among Records.
	Entries uint64
	// Rewritten counts the bytes that were moved forward to free segments.
	Rewritten uint64
	// PendingBytes are queued; CacheBytes are entries' data in memory.
	PendingBytes, CacheBytes int64
	// CacheHits and CacheMisses count entries that were read.
	CacheHits, CacheMisses uint64
	// Stale counts segments in clear or with an earlier key, while there are Keys.
	Stale int
	// Damaged counts pieces of damage known.
	Damaged  int
	Full     bool
	Poisoned error
}

func segmentName(n uint64) string { return fmt.Sprintf("%016x.wal", n) }
