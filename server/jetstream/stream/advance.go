package stream

import (
	"errors"
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// defaultMaxDue bounds how many messages one advance looks at, so that others need not
// wait for long; maxFirings how many schedules fire in it. Replicas have to have the
// same bound.
const (
	defaultMaxDue = 1 << 14
	maxFirings    = 1 << 10
)

// NextDue returns when an advance will have something to do, unless something else is
// applied before. It may be too early, and never is too late: then the advance does
// nothing.
func (c *Core) NextDue() (at int64, ok bool) {
	at = math.MaxInt64
	sooner := func(t int64) {
		at, ok = min(at, t), true
	}
	if newest, has := c.dedupe.newest(); has {
		// All of them at once: duplicates are told by their age, whenever they go.
		sooner(addTime(newest, c.rules.window))
	}
	if c.rules.sealed {
		return at, ok
	}
	if m, has := c.expiry.first(); has {
		sooner(m.at)
	}
	if m, has := c.plans.moments.first(); has {
		sooner(m.at)
	}
	if state := c.store.State(); c.rules.maxAge > 0 && state.Messages > 0 {
		switch oldest := state.FirstTime; {
		case !have(&c.expiry.never, state.First):
			sooner(addTime(oldest, c.rules.maxAge))
		case c.expiry.from <= state.Last:
			sooner(addTime(max(oldest, c.expiry.fromTime), c.rules.maxAge))
		}
	}
	return at, ok
}

// addTime adds without going over the end of time.
func addTime(t, d int64) int64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

// AppendAdvance appends the op that does what is due now. The leader makes it, as it
// needs the leader's time zones to tell when a schedule fires again.
func (c *Core) AppendAdvance(dst []byte, now int64, zones Zones) ([]byte, error) {
	dst = appendOp(dst, KindAdvance)
	n := 0
	for m := range c.plans.moments.all() {
		if m.at > now || n == maxFirings {
			break
		}
		err := c.store.Load(m.seq, &c.due)
		next := int64(0)
		switch {
		case err == nil:
			var h headers
			h.scan(c.due.Header)
			next = nextFiring(&h, m.at, now, zones)
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		dst = appendFiring(dst, m.seq, next)
		n++
	}
	return dst, nil
}

// applyAdvance does what is due.
func (c *Core) applyAdvance(in *reader, now int64, r *Result) error {
	firings := *in
	for in.Len() > 0 {
		in.seq()
		in.Varint()
	}
	if !in.End() {
		return errMalformed
	}
	c.dedupe.expire(now - max(c.rules.window, 0))
	if c.rules.sealed {
		return nil
	}
	left := c.maxDue
	if err := c.expireTimed(now, &left, r); err != nil {
		return err
	}
	if err := c.expireAged(now, &left, r); err != nil {
		return err
	}
	r.More = left <= 0
	for firings.Len() > 0 {
		seq, next := firings.seq(), firings.Varint()
		if err := c.fire(seq, next, now, r); err != nil {
			return err
		}
	}
	return nil
}

// expireTimed removes messages whose TTL is over.
func (c *Core) expireTimed(now int64, left *int, r *Result) error {
	for ; *left > 0; *left-- {
		m, ok := c.expiry.first()
		if !ok || m.at > now {
			return nil
		}
		if err := c.expire(m.seq, now, r); err != nil {
			return err
		}
		// What a message made of itself has another number.
		c.expiry.remove(m.seq)
	}
	return nil
}

// expireAged removes messages that are too old.
func (c *Core) expireAged(now int64, left *int, r *Result) error {
	if c.rules.maxAge == 0 || *left <= 0 {
		return nil
	}
	state := c.store.State()
	end := c.store.At(now - c.rules.maxAge + 1)
	if c.rules.marker == 0 && c.expiry.never.Len() == 0 {
		// Nobody need look at them.
		if limit := state.First + store.Seq(c.maxDue); end > limit {
			end, *left = limit, 0
		}
		if end <= state.First {
			return nil
		}
		return c.compact(end, r)
	}
	e, m := &c.expiry, &c.due
	e.from = max(e.from, state.First)
	for ; *left > 0; *left-- {
		err := c.store.Next(nil, e.from, m)
		if errors.Is(err, store.ErrNotFound) {
			e.from, e.fromTime = state.Last+1, now
			return nil
		}
		if err != nil {
			return err
		}
		e.from, e.fromTime = m.Seq, m.Time
		if m.Seq >= end && !have(&e.never, m.Seq) {
			return nil
		}
		if !have(&e.never, m.Seq) {
			if err := c.expireLoaded(m, now, r); err != nil {
				return err
			}
		}
		e.from++
	}
	return nil
}

// expire removes a message that has come to its end.
func (c *Core) expire(seq store.Seq, now int64, r *Result) error {
	if c.rules.marker == 0 {
		return c.remove(seq, r)
	}
	err := c.store.Load(seq, &c.due)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.expireLoaded(&c.due, now, r)
}

// expireLoaded removes a message that has come to its end, and leaves a marker in
// place of the last one on a subject.
func (c *Core) expireLoaded(m *store.Message, now int64, r *Result) error {
	if c.rules.marker > 0 {
		on, _ := c.store.Subject(string(m.Subject))
		if on.Last == m.Seq && leavesMarker(m.Header) {
			if err := c.mark(m.Subject, now, r); err != nil {
				return err
			}
		}
	}
	return c.remove(m.Seq, r)
}

// leavesMarker reports whether a message is one of those that are missed: not a marker,
// nor what a client deletes a key with.
func leavesMarker(header []byte) bool {
	var h headers
	h.scan(header)
	return len(h.marker) == 0 && string(h.operation) != api.KVOperationPurge
}

// mark stores a marker, which says that what was on a subject has come to its end.
func (c *Core) mark(name []byte, now int64, r *Result) error {
	from := len(c.arena)
	c.arena = beginHeader(c.arena)
	c.arena = addHeader(c.arena, api.HeaderMarkerReason, api.MarkerReasonMaxAge)
	c.arena = addHeader(c.arena, api.HeaderTTL, c.cfg.SubjectDeleteMarkerTTL.String())
	c.arena = addHeader(c.arena, api.HeaderRollup, api.RollupSubject)
	c.arena = append(c.arena, crlf...)
	p := &c.pub
	*p = publish{subject: name, header: c.save(from), ttl: c.rules.marker, rollup: api.RollupOfSubject}
	return c.put(p, now, r)
}
