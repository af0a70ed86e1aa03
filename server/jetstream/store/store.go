package store

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// Seq is the number of a message in its stream, from 1. 0 is none.
type Seq uint64

// Errors of a Store. Others are of the file system.
var (
	// ErrNotFound: there is no such message, or none any more.
	ErrNotFound = errors.New("store: no message found")
	// ErrDamaged: the message was there, and what is left of it is not what was
	// written. The error is a *CorruptionError.
	ErrDamaged = errors.New("store: message damaged")
	// ErrContent: a content is not what it says it is.
	ErrContent = errors.New("store: not the content that it says it is")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("store: closed")
)

// State is what is in a stream.
type State struct {
	// Messages and Bytes count what is there, Bytes by FileSize or MemorySize.
	Messages, Bytes uint64
	// First is the number of the oldest message. If there is none it is Last+1,
	// but for a store that nothing was done to yet: there both are 0.
	First, Last Seq
	// FirstTime is the time of the oldest message, 0 if there is none. LastTime
	// is that of the newest message or skip there ever was, 0 if there was none
	// since the last Reset.
	FirstTime, LastTime int64
	// Subjects is how many different ones there are, Deleted how many numbers
	// between First and Last have no message.
	Subjects, Deleted uint64
}

// SubjectState is what a stream has on one subject.
type SubjectState struct {
	First, Last Seq
	Messages    uint64
}

// Range is the messages First to Last.
type Range struct{ First, Last Seq }

// Loss is what a store knows to have lost below what was durable.
type Loss struct {
	Range
	Bytes uint64
	Err   error
}

// Removed tells of a message that is gone, to whoever has to know.
type Removed struct {
	Seq     Seq
	Size    uint64
	Subject string
}

// Store holds the messages of one stream. It is a materialisation of the
// stream's log: what it does follows from calls that are the same on every
// replica, and after a crash it goes on from a checkpoint, behind which the log
// is applied once more.
//
// One goroutine changes it, any number may read meanwhile. Readers see a change
// whole or not at all.
type Store interface {
	Reader

	// Append adds a message behind the last one: its number must be above Last,
	// its time not before LastTime. Numbers that are left out have no message.
	// The slices are not kept. An error is one of the disk, after which the store
	// takes no more.
	Append(m *Message) error
	// Skip has the numbers up to seq be without message, if they are behind the
	// last one: Last is seq then, and LastTime is now.
	Skip(seq Seq, now int64) error
	// Remove removes a message. With erase its bytes are overwritten, at the next
	// checkpoint at the latest. The error is ErrNotFound if there is none.
	Remove(seq Seq, erase bool) (Removed, error)
	// RemoveOldest removes the oldest message on a literal subject, or of all if
	// subject is empty. The error is ErrNotFound if there is none.
	RemoveOldest(subject string) (Removed, error)
	// Compact removes all messages in front of seq, and says how many they were.
	// First is at least seq then, also if there is no message; Last is at least
	// seq-1. A seq of 0 does nothing.
	Compact(seq Seq) (uint64, error)
	// Purge removes the messages that f selects and that are in front of before
	// (0: all), but for the newest keep of them, whatever their subjects. It
	// returns how many they were. Without filter and keep, and with before 0,
	// First is Last+1 then. Last stays.
	Purge(f *Filter, before Seq, keep uint64) (uint64, error)
	// Reset makes the store empty, with first, at least 1, as the number of the
	// next message: First is first then, Last is in front of it, and the times
	// are 0.
	Reset(first Seq) error

	// Checkpoint takes note of all that was changed before, with what the caller
	// wants to have kept with it. The Checkpoint that it returns makes that
	// durable, on any goroutine, while the store goes on. One at a time.
	Checkpoint(extra []byte) (Checkpoint, error)
	// Snapshot returns the messages as they are now, for others to read while the
	// store goes on.
	Snapshot() (Snapshot, error)
	// Prepare makes ready what is to take the place of all that the store has. It
	// takes as long as it takes to write that, and readers see the store as it was. The
	// caller changes nothing until the Replacement is committed or discarded, and has
	// committed his checkpoints before. After an error there is nothing to discard.
	Prepare(c Content) (Replacement, error)
	// Close lets go of files. It does not make anything durable. Afterwards, what
	// can give an error gives ErrClosed.
	Close() error
	// Delete closes the store and removes all that it has on disk.
	Delete() error
}

// Checkpoint is a state of a store on its way to the disk.
type Checkpoint interface {
	// Commit makes it durable. From then on it is what Open finds. After an error
	// the one before counts, and the store takes no more changes if it was one of
	// syncing.
	Commit() error
}

// Content is what a store consists of, as another one can be made from it.
type Content interface {
	// State is that of the store, of which Messages, First, Last and LastTime count.
	State() State
	// Lost is what of the stream is damaged, in order.
	Lost() []Loss
	// Messages goes over the messages at or behind from, in order. The Message is the
	// same in every round. An error ends it.
	Messages(from Seq) iter.Seq2[*Message, error]
}

// Snapshot is the content of a store at one moment. It is read from one goroutine at a
// time.
type Snapshot interface {
	Content
	// Parts are the messages in pieces, in order. It may look at every message that is
	// in memory.
	Parts() []Part
	io.Closer
}

// Part is some messages that follow each other in a snapshot.
type Part struct {
	// First is at most the number of the first one, and above those of the part before.
	First Seq
	// Size is the sum of their sizes by FileSize, in any engine.
	Size uint64
}

// Replacement is what is to take the place of the content of a store.
type Replacement interface {
	// State is what the store's will be.
	State() State
	// Commit takes the place, durably if the store is, with an extra as that of a
	// checkpoint. After an error the store is as it was, and it takes no more changes
	// if it is not known what is on the disk.
	Commit(extra []byte) error
	// Discard lets go of it, unless it was committed.
	Discard() error
}

// Reader is the part of a Store for those who only look. What has no message to
// give is ErrNotFound; methods without an error see a closed store as empty.
type Reader interface {
	State() State
	// Load fills in a message.
	Load(seq Seq, m *Message) error
	// Next fills in the first message at or behind from that f selects. A nil
	// f selects all. Without one the error is ErrNotFound.
	Next(f *Filter, from Seq, m *Message) error
	// Last fills in the newest message at or in front of upTo (0: all) that f
	// selects.
	Last(f *Filter, upTo Seq, m *Message) error
	// LastOf appends the newest message, at or in front of upTo (0: all), of each
	// subject that f selects, in order of their numbers. If there are more
	// than limit the error is ErrTooMany, and dst comes back as it was.
	LastOf(f *Filter, upTo Seq, limit int, dst []Seq) ([]Seq, error)
	// Count returns how many messages at or behind from f selects. With lastOnly
	// only the newest of each subject in the store counts.
	Count(f *Filter, from Seq, lastOnly bool) uint64
	// Subject returns the state of a literal subject; ok is false if it has no
	// message.
	Subject(subject string) (SubjectState, bool)
	// Subjects goes over the subjects that match a pattern, in byte order. What it
	// gives is valid for the round. The store is locked against changes meanwhile,
	// so that the round must not wait for anything, nor call the store.
	Subjects(pattern string) iter.Seq2[[]byte, SubjectState]
	// At returns the number of the first message with that time or a later one,
	// Last+1 if there is none.
	At(time int64) Seq
	// Deleted goes over the ranges between First and Last that have no message, in
	// order, each as long as can be. It locks the store as Subjects does.
	Deleted() iter.Seq[Range]
	// Lost is what of the stream is damaged, in order.
	Lost() []Loss
}

// ErrTooMany: there are more results than asked for.
var ErrTooMany = errors.New("store: too many results")

// CorruptionError says that bytes of a store are not what was written.
type CorruptionError struct {
	File   string
	Offset int64
	Range  // of the messages concerned, as far as known
	Err    error
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("store: %s is corrupt at %d (messages %d to %d): %v", e.File, e.Offset, e.First, e.Last, e.Err)
}

// Unwrap makes the error an ErrDamaged.
func (e *CorruptionError) Unwrap() []error { return []error{ErrDamaged, e.Err} }
