package stream

import (
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Result is what came of an op: what whoever proposed it is to be told, and what
// those who follow the stream have to know. It is filled anew by each Apply, and
// what it points to is valid until the next.
type Result struct {
	// Effects is set by the caller, where it leads: then Republish is filled in.
	// Followed is set if somebody follows the stream: then Added is.
	Effects, Followed bool

	Kind Kind
	// Skipped says that the op could not be understood, and did nothing.
	Skipped bool
	// Err says why the op was refused. Nothing has changed then.
	Err *api.Error
	// Seq is the number of the message that was stored; of a batch that of the last one.
	// Of a duplicate it is that of the first.
	Seq       store.Seq
	Duplicate bool
	// Value is what a counter stands at.
	Value []byte
	// Count is how many messages a batch had, or a purge removed, or an acked
	// or consumer op.
	Count uint64
	// Fast is the progress of the fast batch that the op belongs to.
	Fast FastProgress

	// Stored are the numbers that the stream has gone on by, 0 to 0 if it has not.
	// Some may have no message.
	Stored store.Range
	// Added are the messages among them, in their order.
	Added []Added
	// Removed are the messages that are gone, in the order in which they went.
	Removed []store.Removed
	// Swept is how many are gone beside these, all at once.
	Swept uint64
	// Republish are the messages to be published anew.
	Republish []Republish
	// More says that an advance has left something to another, for it had done
	// enough.
	More bool
	// ConfigChanged says that Core.Config is another one.
	ConfigChanged bool
}

// Added is a message that was stored.
type Added struct {
	Seq     store.Seq
	Subject string
}

// Republish is a message to be published, of which the stream has stored the
// original.
type Republish struct {
	Subject, Header, Data []byte
}

// FastProgress is how far a fast batch is.
type FastProgress struct {
	// Last is the highest number in the batch that counts.
	Last uint64
	// Seq is the number in the stream of the newest message that is stored, 0 if
	// there is none.
	Seq store.Seq
	// Ended says that the batch takes no more, Gap that it has because a message of it
	// is missing.
	Ended, Gap bool
}

// reset makes r ready for another op.
func (r *Result) reset() {
	*r = Result{
		Effects: r.Effects, Followed: r.Followed, Added: r.Added[:0], Removed: r.Removed[:0],
		Republish: r.Republish[:0],
	}
}

// added notes that a message was stored.
func (r *Result) added(seq store.Seq, p *publish) {
	if r.stored(seq); r.Followed {
		r.Added = append(r.Added, Added{seq, p.name()})
	}
}

// stored notes that the stream has gone on to seq.
func (r *Result) stored(seq store.Seq) {
	if r.Stored.First == 0 {
		r.Stored.First = seq
	}
	r.Stored.Last = seq
}
