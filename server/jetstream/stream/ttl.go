package stream

import (
	"strconv"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// expiry knows which messages end by a TTL of their own, and which never end.
//
// A message that goes takes its moment with it, though not at once: the moments of
// messages that are not in timed mean nothing, and are thrown out when they are
// more than the others. Where messages go without being looked at, Core.sweep finds
// out which of them there were.
type expiry struct {
	// moments are those of timed, and of some that are gone.
	moments timeline
	timed   seqset.Set
	// never are the messages that do not end, whatever their age.
	never seqset.Set
	// from is the first message whose age has not been looked at: all in front of it
	// are in never, or gone. fromTime is no later than the time of any message
	// from there on.
	from     store.Seq
	fromTime int64
}

// judgeTTL reads the TTL header.
func (c *Core) judgeTTL(p *publish) *api.Error {
	value := p.head.ttl
	if len(value) == 0 {
		return nil
	}
	ttl, e := api.ParseTTL(value)
	switch {
	case p.sourced && (e != nil || !c.rules.ttl):
		// It is kept as it is, and does not count.
		return nil
	case !c.rules.ttl:
		return api.ErrMessageTTLDisabled
	case e != nil:
		return e
	}
	p.ttl = ttl
	if least := c.rules.marker; ttl > 0 && ttl < least && c.rules.perSubject != 1 {
		// The markers of a subject should not outlive its messages.
		p.ttl = least
		from := len(c.arena)
		c.arena = setHeader(c.arena, p.header, api.HeaderTTL, strconv.FormatInt(int64(least), 10))
		p.header = c.save(from)
	}
	return nil
}

// noteTTL takes note of when a message was stored, and of its TTL.
func (c *Core) noteTTL(seq store.Seq, now int64, ttl api.TTL) {
	e := &c.expiry
	if seq == e.from {
		e.fromTime = now
	}
	if ttl == api.NeverExpires {
		e.never.Add(uint64(seq))
	}
	if at, ok := ttl.Expires(now); ok {
		e.timed.Add(uint64(seq))
		e.moments.add(moment{at, seq})
	}
}

// remove forgets a message that is gone.
func (e *expiry) remove(seq store.Seq) {
	if e.timed.Len() > 0 && e.timed.Remove(uint64(seq)) {
		e.prune()
	}
	if e.never.Len() > 0 {
		e.never.Remove(uint64(seq))
	}
}

// removeBelow forgets all messages in front of seq.
func (e *expiry) removeBelow(seq store.Seq) {
	e.timed.RemoveBelow(uint64(seq))
	e.never.RemoveBelow(uint64(seq))
	e.prune()
}

func (e *expiry) clear() { *e = expiry{} }

// prune throws out the moments that mean nothing, when they are many.
func (e *expiry) prune() {
	if e.moments.n > 2*int(e.timed.Len())+chunkMoments {
		e.moments.retain(func(m moment) bool { return have(&e.timed, m.seq) })
	}
}

// first returns the earliest moment of a message that is there.
func (e *expiry) first() (moment, bool) {
	for {
		m, ok := e.moments.first()
		if !ok || have(&e.timed, m.seq) {
			return m, ok
		}
		e.moments.removeFirst()
	}
}

// removeRanges forgets the messages in some ranges.
func (e *expiry) removeRanges(gone []store.Range) {
	for _, r := range gone {
		e.timed.RemoveRange(uint64(r.First), uint64(r.Last))
		e.never.RemoveRange(uint64(r.First), uint64(r.Last))
	}
	e.prune()
}
