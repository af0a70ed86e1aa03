package consumer

import (
	"errors"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// cursor finds the messages that are to be delivered for the first time, in order,
// and counts those that are left.
//
// The stream goes on while the consumer reads it. What the cursor is told of it
// (Stored, Removed) comes behind what it can read. It does not look behind what
// it was told of, so that it never delivers what it has not counted. A
// message that is removed between being read and being told of could be counted
// for too long; that is put right at the latest when the end is in sight, since the
// number that clients watch for is 0.
type cursor struct {
	store  store.Reader
	filter *store.Filter
	// at is the number up to which all is delivered or passed over.
	at store.Seq
	// told is the highest number that the cursor was told of.
	told store.Seq
	// newest are the messages that are the newest of their subjects and not
	// delivered, in order; they come before everything behind newestUpTo, and
	// between them and it is nothing.
	newest     []store.Seq
	newestUpTo store.Seq
	// gone are those of newest that were removed, and are not counted any more.
	gone seqset.Set
	// next is the message behind at, if it was read already; err is what came of
	// trying to, if nobody was told yet.
	next *store.Message
	err  error
	// left is how many messages are not delivered.
	left uint64
}

// open places the cursor behind a position. For last_per_subject newestUpTo is
// what was last when the consumer was created, otherwise 0. A cursor that was in
// use has to be closed before.
func (c *cursor) open(r store.Reader, f *store.Filter, at, newestUpTo store.Seq) error {
	*c = cursor{store: r, filter: f, at: at, newestUpTo: newestUpTo}
	if at < newestUpTo {
		newest, err := r.LastOf(f, newestUpTo, math.MaxInt, nil)
		if err != nil {
			return err
		}
		i, _ := slices.BinarySearch(newest, at+1)
		c.newest = newest[i:]
	}
	c.count()
	return nil
}

// close gives back the message that was read ahead.
func (c *cursor) close(out *Effects) {
	if c.next != nil {
		out.giveBack(c.next)
		c.next = nil
	}
}

// count finds out how many messages are left, and up to where.
func (c *cursor) count() {
	from := max(c.at, c.newestUpTo) + 1
	// A message that is stored meanwhile would be counted here and when it is
	// told of.
	for range 3 {
		c.told = c.store.State().Last
		c.left = c.store.Count(c.filter, from, false) + uint64(len(c.newest))
		if c.store.State().Last == c.told {
			return
		}
	}
}

// stored tells of a message that was stored.
func (c *cursor) stored(seq store.Seq, subject []byte) {
	if seq <= c.told {
		return
	}
	idle := c.next == nil && c.at == c.told
	c.told = seq
	switch {
	case seq <= c.at:
	case c.filter.Matches(subject):
		c.left++
		if idle {
			c.at = seq - 1
		}
	case idle:
		c.at = seq
	}
}

// removed tells of a message that was removed.
func (c *cursor) removed(seq store.Seq, subject []byte, out *Effects) {
	if seq <= c.at || seq > c.told || !c.filter.Matches(subject) {
		return
	}
	if seq <= c.newestUpTo {
		if _, ok := slices.BinarySearch(c.newest, seq); !ok || c.gone.Has(uint64(seq)) {
			return
		}
		c.gone.Add(uint64(seq))
	}
	c.drop(1)
	if c.next != nil && c.next.Seq == seq {
		c.close(out)
	}
}

func (c *cursor) drop(n uint64) { c.left -= min(n, c.left) }

// peek returns the next message, nil if there is none yet. It is valid until the
// cursor is used again. Messages that are damaged are passed over with an error;
// then another call may find more. Other errors are the store's.
func (c *cursor) peek(out *Effects) (*store.Message, error) {
	if c.next != nil {
		return c.next, nil
	}
	if err := c.err; err != nil {
		c.err = nil
		return nil, err
	}
	m := out.take()
	err := c.read(m)
	if err == nil && m.Seq != 0 {
		c.next = m
		return m, nil
	}
	out.giveBack(m)
	return nil, err
}

// read fills in the next message, whose number is 0 if there is none.
func (c *cursor) read(m *store.Message) error {
	for len(c.newest) > 0 {
		err := c.store.Load(c.newest[0], m)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		if !c.gone.Has(uint64(c.newest[0])) {
			c.drop(1)
		}
		c.pass(c.newest[0])
		c.newest = c.newest[1:]
		if errors.Is(err, store.ErrDamaged) {
			return err
		}
	}
	m.Seq = 0
	if c.at >= c.told {
		return nil
	}
	err := c.store.Next(c.filter, c.at+1, m)
	if err == nil && m.Seq <= c.told {
		return nil
	}
	m.Seq = 0
	if err == nil || errors.Is(err, store.ErrNotFound) {
		// What is behind told comes when it is told of.
		c.pass(c.told)
		return nil
	}
	if damage, ok := errors.AsType[*store.CorruptionError](err); ok {
		c.pass(max(damage.Last, c.at+1))
		c.count()
	}
	return err
}

// pass notes that nothing up to seq is left to be delivered.
func (c *cursor) pass(seq store.Seq) {
	if c.at = max(c.at, seq); c.at >= c.told {
		c.left = 0
	}
}

// took notes that the message which peek returned is delivered. It now belongs to
// the caller. What is left is as told to clients with the message.
func (c *cursor) took(out *Effects) (left uint64) {
	c.pass(c.next.Seq)
	c.next = nil
	if len(c.newest) > 0 {
		c.newest = c.newest[1:]
	}
	c.drop(1)
	if c.at >= c.told {
		return c.left
	}
	next, err := c.peek(out)
	if next != nil {
		c.left = max(c.left, 1)
	}
	c.err = err
	return c.left
}
