package stream

import (
	"errors"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// applyDelete removes one message.
func (c *Core) applyDelete(in *reader, _ int64, r *Result) error {
	seq, erase := in.seq(), in.Bool()
	if !in.End() {
		return errMalformed
	}
	switch {
	case c.rules.sealed:
		r.Err = api.ErrStreamSealed
		return nil
	case c.cfg.DenyDelete:
		r.Err = errDeleteDenied
		return nil
	}
	gone, err := c.store.Remove(seq, erase)
	if errors.Is(err, store.ErrNotFound) {
		// Clients tell one that is gone from one that never was.
		if r.Err = errNoMessage; seq <= c.store.State().Last {
			r.Err = api.ErrSequenceNotFound.With("seq", seq)
		}
		return nil
	}
	r.Count = 1
	return c.noteRemoved(gone, err, r)
}

var (
	errDeleteDenied = api.ErrStreamMsgDeleteFailed.With("err", "message delete not permitted")
	errNoMessage    = api.ErrStreamMsgDeleteFailed.With("err", "no message found")
	errPurgeDenied  = api.ErrStreamPurgeFailed.With("err", "stream purge not permitted")
)

// applyPurge removes many messages.
func (c *Core) applyPurge(in *reader, _ int64, r *Result) error {
	pattern, before, keep := in.Bytes(), in.seq(), in.Uvarint()
	if !in.End() || len(pattern) > 0 && !subject.IsValid(pattern) {
		return errMalformed
	}
	switch {
	case c.rules.sealed:
		r.Err = api.ErrStreamSealed
	case c.cfg.DenyPurge:
		r.Err = errPurgeDenied
	case before > 0 && keep > 0:
		r.Err = api.ErrBadRequest
	}
	if r.Err != nil {
		return nil
	}
	var f *store.Filter
	if len(pattern) > 0 {
		f = store.NewFilter(string(pattern))
	}
	if before > c.store.State().Last {
		before = 0
	}
	return c.purge(f, before, keep, r)
}

// purge removes the messages that f selects, in front of before (0: all), but for
// the newest keep.
func (c *Core) purge(f *store.Filter, before store.Seq, keep uint64, r *Result) error {
	n, err := c.store.Purge(f, before, keep)
	if err != nil {
		return err
	}
	r.Count += n
	r.Swept += n
	if n == 0 {
		return nil
	}
	state := c.store.State()
	switch {
	case state.Messages == 0:
		c.forgetBelow(state.Last + 1)
	case f == nil && keep == 0:
		c.forgetBelow(before)
	default:
		c.unseen += n
		c.sweep(&state)
	}
	return nil
}

// forgetBelow forgets what is known of the messages in front of seq, which are gone.
func (c *Core) forgetBelow(seq store.Seq) {
	c.expiry.removeBelow(seq)
	if seq > 0 {
		c.plans.removeRange(0, seq-1)
	}
}

// sweep forgets what is known of messages that went without being looked at, when
// they may be many. Finding out which of them are known costs as much as there is to
// look at, so that as many messages have to pay for it. Until then what is known of
// them does no harm: when it is due, they are not found.
func (c *Core) sweep(state *store.State) {
	known := c.expiry.timed.Len() + c.expiry.never.Len() + uint64(len(c.plans.due))
	if known == 0 {
		c.unseen = 0
		return
	}
	if c.unseen <= known/2+state.Deleted/8+1024 {
		return
	}
	c.unseen = 0
	c.forgetBelow(state.First)
	var gone []store.Range
	for r := range c.store.Deleted() {
		gone = append(gone, r)
	}
	c.expiry.removeRanges(gone)
	for seq := range c.plans.due {
		if isIn(gone, seq) {
			c.plans.remove(seq)
		}
	}
}

// isIn reports whether a number is in one of some ranges, which are in order.
func isIn(ranges []store.Range, seq store.Seq) bool {
	_, found := slices.BinarySearchFunc(ranges, seq, func(r store.Range, seq store.Seq) int {
		switch {
		case r.Last < seq:
			return -1
		case r.First > seq:
			return 1
		}
		return 0
	})
	return found
}

// compact removes all messages in front of seq.
func (c *Core) compact(seq store.Seq, r *Result) error {
	n, err := c.store.Compact(seq)
	if err != nil {
		return err
	}
	c.forgetBelow(seq)
	r.Swept += n
	return nil
}

// applyReset empties the stream.
func (c *Core) applyReset(in *reader, _ int64, r *Result) error {
	first := in.seq()
	if !in.End() || first == 0 {
		return errMalformed
	}
	state := c.store.State()
	if err := c.store.Reset(first); err != nil {
		return err
	}
	r.Swept = state.Messages
	c.expiry.clear()
	c.plans.clear()
	c.dedupe = dedupe{}
	c.lastID = c.lastID[:0]
	c.interest.restart(first - 1)
	r.Count = state.Messages
	return nil
}
