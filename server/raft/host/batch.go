package host

import (
	"iter"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Batch is an entry of proposals, as it is applied. It and all that it gives out
// are valid until Apply returns.
type Batch struct {
	Index raft.Index
	Term  raft.Term
	// Time is the leader's, in nanoseconds since the Unix epoch. From one batch
	// with proposals to the next it grows by at least 1, whoever leads. An empty
	// batch has the time of the one before it.
	Time int64
	// Local is whether the batch was proposed here in the same term, so that
	// results are waited for.
	Local bool

	count     int
	proposals pack.Reader // of all of them
	results   []any
}

// Len returns the number of proposals.
func (b *Batch) Len() int { return b.count }

// Proposals goes over the proposals in order, each with its number from 0.
func (b *Batch) Proposals() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		in := b.proposals
		for n := range b.count {
			if !yield(n, in.Take(in.Uvarint())) {
				return
			}
		}
	}
}

// SetResult gives the result of a proposal for its Outcome. It does nothing
// unless the batch is Local.
func (b *Batch) SetResult(n int, result any) {
	if !b.Local {
		return
	}
	if b.results == nil {
		b.results = make([]any, b.count)
	}
	b.results[n] = result
}

func (b *Batch) result(n int) any {
	if b.results == nil {
		return nil
	}
	return b.results[n]
}
