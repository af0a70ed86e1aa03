package host

import (
	"io"
	"iter"

	"github.com/nats-lite/nats-lite/server/raft"
)

// StateMachine is what the entries of a group are applied to. Its methods are
// called on the apply stage, one at a time for each group and in the order of
// the log. They may take their time, though not wait for anything that the same
// group has to do.
//
// Whatever a machine keeps across restarts has to be a prefix of the log: it may
// be durable later than applied, and then it is handed the same entries again
// after a crash.
type StateMachine interface {
	// Applied returns how far the machine's state is: after a start how far it
	// was made durable, the zero Position if it is empty. It is called once,
	// before anything else, on the goroutine that starts the group.
	Applied() Position
	// Apply applies one entry of proposals. An empty batch is the mark of a new
	// leader, and only moves the position. After an error the group is halted:
	// the state is not what it should be, and nothing can be applied any more.
	Apply(*Batch) error
	// ApplyConf tells that a configuration is committed. The position of the
	// machine includes it. It is not to be changed. Errors are those of Apply.
	// The configuration that a group is created with is that of index 0; it is
	// told to a machine that is empty.
	ApplyConf(index raft.Index, term raft.Term, conf *raft.ConfState) error
	// Snapshot returns an image of the state as it is. The image must stay as it
	// is, and readable from another goroutine, while more is applied.
	Snapshot() (Snapshot, error)
	// Restore replaces the state by an image that another replica's Snapshot
	// made. It is atomic: when it returns nil the new state is durable (if the
	// machine keeps anything across restarts), and otherwise the old one
	// is as it was. The image must not be kept.
	Restore(at Position, image Image) error
	// LeaderChanged tells who leads. A replica that leads is told so when it has
	// applied all that was committed before it led.
	LeaderChanged(Leadership)
}

// Flusher is a StateMachine that sends what has come of entries. Flush is called on
// the apply stage when as much is applied as there was, and those who had proposed it
// have been told. Like Apply it may take its time.
type Flusher interface{ Flush() }

// Halter is a machine that wants to know when its replica takes part no more.
type Halter interface {
	// Halted tells that nothing will be applied any more until the server is started
	// anew, and why. It is called behind all that is applied, like the methods of
	// StateMachine, and at most once.
	Halted(err error)
}

// Keeper is a machine whose state is durable later than it is applied.
type Keeper interface {
	// Keep makes durable what is applied, or goes back to less, and returns how far the state is
	// then: the log is to begin behind it, for the replica was admitted as a new one, and others
	// count on what it has from then on. It is called behind all that is applied. After an error
	// the replica is halted.
	Keep() (Position, error)
}

// Mender is a machine that keeps nothing but the log, and can go on although entries are
// lost that nobody has.
type Mender interface {
	// Mend is called where the replica would be halted, behind all that is in front of the
	// first entry that is lost, with what is told of the loss. Left gives what can be read
	// behind it, in order, and with each batch whether something is lost right in front of
	// it; it is empty if it is not known what is lost. Mend returns a proposal that makes
	// any state what it is to be. With that the log begins anew, and nothing is called
	// until it is applied. After an error the replica is halted.
	//
	// If the server ends before that is durable, the next start does it again.
	Mend(lost error, left iter.Seq2[bool, *Batch]) (whole []byte, err error)
}

// Position is how far a machine is.
type Position struct {
	// Base holds index and term of the last entry that was applied, and the
	// configuration as of it.
	Base raft.Base
	// Time is that of the last batch, 0 if there was none.
	Time int64
}

// Image is the content of a snapshot.
type Image interface {
	io.ReaderAt
	Size() int64
}

// Snapshot is an image of a machine's state. It is read from one goroutine at a
// time, and closed when it is no longer needed.
type Snapshot interface {
	Image
	// Position is how far the machine was. Restore gets the same.
	Position() Position
	io.Closer
}

// Leadership says who leads a group.
type Leadership struct {
	Term raft.Term
	// Leader is raft.None while it is not known.
	Leader raft.PeerID
	// Leading is whether it is this replica.
	Leading bool
}

// Fate is what became of a proposal.
type Fate uint8

const (
	// Applied: it is committed, and applied here.
	Applied Fate = iota + 1
	// Dropped: it is not committed and never will be.
	Dropped
	// Unknown: it may have been committed, or may yet be. It was not seen here.
	Unknown
)

func (f Fate) String() string { return [...]string{"none", "applied", "dropped", "unknown"}[f] }

// Outcome is the answer to a proposal.
type Outcome struct {
	Fate Fate
	// Index is that of the entry which holds the proposal, if it is Applied.
	Index raft.Index
	// Result is what the machine has given for it, if it is Applied.
	Result any
	// Err says why it is not Applied.
	Err error
}

// Proposal is what a leader is asked to replicate.
type Proposal struct {
	// Data is not changed or kept beyond the call of Done, but must not be
	// changed before that either. It may be empty.
	Data []byte
	// Term, if it is not 0, is the only one in which the proposal may be
	// appended: what was decided as the leader of a term has no place in another.
	Term raft.Term
	// Frees says that the proposal is small and wins space back. It is taken, if there
	// is any room at all, while the disk is full.
	Frees bool
	// Done is called once, if Propose returned nil: on the apply stage, or on any
	// goroutine of the host if the proposal never got as far. It must not block.
	// It may be nil.
	Done func(Outcome)
}
