package stream

import (
	"errors"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// judgeSize checks what a message takes by itself.
func (c *Core) judgeSize(p *publish) *api.Error {
	size := len(p.header) + len(p.data)
	switch {
	case c.rules.maxSize >= 0 && size > c.rules.maxSize:
		return api.ErrStreamMessageExceedsMaximum
	case len(p.header) > api.MaxHeaderSize:
		return api.ErrStreamHeaderExceedsMaximum
	case c.sizeOf(p) > api.MaxMessageRecordSize:
		return errTooLarge
	}
	return nil
}

var (
	errTooLarge      = storeFailed("message too large")
	errMaxMessages   = storeFailed("maximum messages exceeded")
	errMaxBytes      = storeFailed("maximum bytes exceeded")
	errMaxPerSubject = storeFailed("maximum messages per subject exceeded")
)

func storeFailed(text string) *api.Error { return api.ErrStreamStoreFailed.With("err", text) }

// IsFull reports whether a message was refused for want of room.
func IsFull(e *api.Error) bool {
	return e == errMaxMessages || e == errMaxBytes || e == errMaxPerSubject
}

// sizeOf returns what a message counts for.
func (c *Core) sizeOf(p *publish) uint64 {
	return c.rules.size(len(p.subject), len(p.header), len(p.data))
}

// judgeLimits refuses a message that there is no room for, if the stream is not to
// make room. One that takes the place of another on its subject finds room.
func (c *Core) judgeLimits(p *publish, b *batch) (*api.Error, error) {
	if !c.rules.discardNew {
		return nil, nil
	}
	state := c.store.State()
	messages, bytes := state.Messages+1, state.Bytes+c.sizeOf(p)
	if b != nil {
		messages += uint64(b.messages)
		bytes += b.bytes
	}
	replaces := false
	var oldest store.Seq
	if c.rules.perSubject > 0 {
		on, _ := c.store.Subject(p.name())
		oldest = on.First
		n := on.Messages
		if b != nil {
			n += b.onSubject(p.subject)
		}
		replaces = n >= c.rules.perSubject
		if replaces && c.rules.discardNewPerSubject && p.rollup == api.NoRollup {
			return errMaxPerSubject, nil
		}
	}
	if c.rules.maxMessages > 0 && messages > c.rules.maxMessages && !replaces {
		return errMaxMessages, nil
	}
	if c.rules.maxBytes > 0 && bytes > c.rules.maxBytes {
		fits, err := c.fitsInPlaceOf(p, oldest, replaces)
		if err != nil {
			return nil, err
		}
		if !fits {
			return errMaxBytes, nil
		}
	}
	return nil, nil
}

// fitsInPlaceOf reports whether the message is no larger than the oldest one on
// its subject, if that is to go.
func (c *Core) fitsInPlaceOf(p *publish, oldest store.Seq, replaces bool) (bool, error) {
	if !replaces || oldest == 0 {
		return false, nil
	}
	m := &c.loaded
	if err := c.store.Load(oldest, m); err != nil {
		return false, err
	}
	return c.rules.size(len(m.Subject), len(m.Header), len(m.Data)) >= c.sizeOf(p), nil
}

// evict removes the oldest messages until the stream is within its limits, after
// a message was stored.
func (c *Core) evict(p *publish, r *Result) error {
	if c.rules.perSubject > 0 {
		if err := c.evictSubject(p.name(), r); err != nil {
			return err
		}
	}
	return c.evictOldest(r)
}

func (c *Core) evictSubject(subject string, r *Result) error {
	on, _ := c.store.Subject(subject)
	for n := on.Messages; n > c.rules.perSubject; n-- {
		if err := c.removeOldest(subject, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *Core) evictOldest(r *Result) error {
	if c.rules.discardNew || c.rules.maxMessages == 0 && c.rules.maxBytes == 0 {
		return nil
	}
	for {
		state := c.store.State()
		if (c.rules.maxMessages == 0 || state.Messages <= c.rules.maxMessages) &&
			(c.rules.maxBytes == 0 || state.Bytes <= c.rules.maxBytes) {
			return nil
		}
		if err := c.removeOldest("", r); err != nil {
			return err
		}
	}
}

func (c *Core) removeOldest(subject string, r *Result) error {
	gone, err := c.store.RemoveOldest(subject)
	return c.noteRemoved(gone, err, r)
}

// noteRemoved forgets what was known about a message that was removed, and tells
// of it. There was none if err is store.ErrNotFound.
func (c *Core) noteRemoved(gone store.Removed, err error, r *Result) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c.expiry.remove(gone.Seq)
	c.plans.remove(gone.Seq)
	r.Removed = append(r.Removed, gone)
	return nil
}
