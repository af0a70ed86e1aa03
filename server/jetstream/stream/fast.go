package stream

import (
	"cmp"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// fastBatch is how far a fast batch is. It is replicated, so that the batch goes on
// under another leader.
type fastBatch struct {
	last uint64
	seq  store.Seq
	gaps bool
}

// maxFastBatches bounds the fast batches of a stream.
const maxFastBatches = 1000

// FastBatch tells of a batch that goes on.
type FastBatch struct {
	ID    string
	Last  uint64
	Seq   store.Seq
	GapOK bool
}

// FastBatches returns the fast batches that go on, in order of their ids.
func (c *Core) FastBatches() []FastBatch {
	all := make([]FastBatch, 0, len(c.fast))
	for id, b := range c.fast {
		all = append(all, FastBatch{ID: id, Last: b.last, Seq: b.seq, GapOK: b.gaps})
	}
	slices.SortFunc(all, func(a, b FastBatch) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// applyFast stores a message of a fast batch. The leader has seen to the numbers
// being in order. What it could not know is which messages are refused.
func (c *Core) applyFast(in *reader, now int64, r *Result) error {
	flags, id, seq := in.Byte(), in.Bytes(), in.Uvarint()
	in.message(&c.msg)
	if !in.End() || flags >= fastFlags || len(id) == 0 || seq == 0 {
		return errMalformed
	}
	if !c.cfg.AllowBatched {
		r.Err, r.Fast.Ended = api.ErrBatchPublishDisabled, true
		return nil
	}
	b := c.fast[string(id)]
	switch {
	case b == nil && flags&fastStart == 0:
		r.Err, r.Fast.Ended = api.ErrBatchPublishUnknownBatchID, true
		return nil
	case b == nil && flags&fastCommit == 0 && len(c.fast) >= maxFastBatches:
		r.Err, r.Fast.Ended = api.ErrBatchPublishTooManyInflight, true
		return nil
	case b != nil && !b.gaps && seq != b.last+1:
		// One that was proposed got lost, and the publisher wants none missing.
		delete(c.fast, string(id))
		r.Err = api.ErrBatchPublishUnknownBatchID
		r.Fast = FastProgress{Last: b.last, Seq: b.seq, Ended: true, Gap: true}
		return nil
	case b == nil:
		b = &fastBatch{gaps: flags&fastGapOK != 0}
		if c.fast == nil {
			c.fast = make(map[string]*fastBatch)
		}
		c.fast[string(id)] = b
	}
	if err := c.publish(&c.msg, now, r); err != nil {
		return err
	}
	ended := flags&fastCommit != 0
	switch {
	case r.Err == nil:
		b.last, b.seq = seq, r.Seq
	case b.gaps:
		b.last = seq
	default:
		ended = true
	}
	if ended {
		delete(c.fast, string(id))
	}
	r.Fast = FastProgress{Last: b.last, Seq: b.seq, Ended: ended}
	return nil
}

// applyFastEnd ends a fast batch.
func (c *Core) applyFastEnd(in *reader, _ int64, r *Result) error {
	id, last := in.Bytes(), in.Uvarint()
	if !in.End() {
		return errMalformed
	}
	b := c.fast[string(id)]
	if b == nil {
		r.Err, r.Fast.Ended = api.ErrBatchPublishUnknownBatchID, true
		return nil
	}
	delete(c.fast, string(id))
	r.Fast = FastProgress{Last: max(b.last, last), Seq: b.seq, Ended: true}
	r.Seq, r.Count = b.seq, r.Fast.Last
	return nil
}
