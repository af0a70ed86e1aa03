package stream

import (
	"strconv"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// publish is a message on its way into the stream, and what was found out about it.
type publish struct {
	subject, header, data []byte
	// text is subject as the store wants it, once name was asked for it.
	text string
	plan Plan
	head headers
	// sourced is whether it comes from a source, made whether a schedule has made
	// it. Both may do what a client may not.
	sourced, made bool

	// What the checks find out.

	// duplicate is the message that had its id already.
	duplicate store.Seq
	ttl       api.TTL
	rollup    api.Rollup
	// ends is the schedule that goes with it.
	ends store.Seq
	// value is what the counter stands at.
	value []byte
}

// name returns the subject as a string, which is made once at most.
func (p *publish) name() string {
	if p.text == "" {
		p.text = string(p.subject)
	}
	return p.text
}

func (p *publish) set(m *Message) {
	*p = publish{subject: m.Subject, header: m.Header, data: m.Data, plan: m.Plan}
}

// judge finds out whether a message may be stored, and completes it. Of a batch, b
// is what was found out about the messages in front of it. It changes nothing but
// p and b. The order of the checks decides which error a client gets.
func (c *Core) judge(p *publish, b *batch) (*api.Error, error) {
	c.transform(p, b)
	if len(p.header) > 0 {
		p.head.scan(p.header)
	}
	switch {
	case c.rules.sealed:
		return api.ErrStreamSealed, nil
	case c.rules.mirror:
		return api.ErrStreamInvalid, nil
	}
	if e := c.judgeSize(p); e != nil {
		return e, nil
	}
	if len(p.header) > 0 || c.rules.counter {
		if e := c.judgeHeaders(p, b); e != nil || p.duplicate != 0 {
			return e, nil
		}
		if e, err := c.judgeState(p, b); e != nil || err != nil {
			return e, err
		}
	}
	if e, err := c.judgeLimits(p, b); e != nil || err != nil {
		return e, err
	}
	if want := p.head.lastMsgID; len(want) > 0 && !p.sourced && string(want) != string(c.lastID) {
		return api.ErrStreamWrongLastMsgID.With("id", string(c.lastID)), nil
	}
	if b != nil {
		b.take(c, p)
	}
	return nil, nil
}

// transform gives the message the subject that it is stored under.
func (c *Core) transform(p *publish, b *batch) {
	t := c.rules.transform
	if t == nil || !t.Match(p.subject) {
		return
	}
	from := len(c.arena)
	// What {{random()}} gives has to be the same everywhere: it follows from the
	// place in the stream.
	chance := uint64(c.store.State().Last)
	if b != nil {
		chance += uint64(b.messages)
	}
	chance = mix(chance) ^ uint64(c.time)
	c.arena = t.Apply(c.arena, p.subject, func(n uint32) uint32 {
		chance = mix(chance)
		return uint32(chance>>32) % n
	})
	p.subject, p.text = c.save(from), ""
}

// mix is a step of the splitmix64 generator.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// judgeHeaders checks what the headers say by themselves, and the message id.
func (c *Core) judgeHeaders(p *publish, b *batch) *api.Error {
	h := &p.head
	if e := c.judgeIncrement(p); e != nil {
		return e
	}
	if len(h.stream) > 0 && !p.sourced && string(h.stream) != c.cfg.Name {
		return api.ErrStreamNotMatch
	}
	if e := c.judgeTTL(p); e != nil {
		return e
	}
	if c.rules.window > 0 && len(h.msgID) > 0 {
		c.dedupe.expire(c.time - c.rules.window)
		seq, known := c.dedupe.find(h.msgID)
		switch {
		case b != nil && (known || b.hasID(h.msgID)):
			return api.ErrAtomicPublishContainsDuplicateMessage
		case known:
			p.duplicate = seq
			return nil
		}
	}
	if len(h.source) > 0 && !p.sourced {
		return api.ErrMessageSourceHdrNotAllowed
	}
	return nil
}

// judgeState checks what depends on what is in the stream.
func (c *Core) judgeState(p *publish, b *batch) (*api.Error, error) {
	if e, err := c.count(p, b); e != nil || err != nil {
		return e, err
	}
	if !p.sourced {
		if e, err := c.judgeExpected(p, b); e != nil || err != nil {
			return e, err
		}
		if e := c.judgeSchedule(p); e != nil {
			return e, nil
		}
		if e := c.judgeEnd(p); e != nil {
			return e, nil
		}
	}
	return c.judgeRollup(p, b), nil
}

// put stores a message that nothing speaks against, with all that follows from it.
func (c *Core) put(p *publish, now int64, r *Result) error {
	state := c.store.State()
	seq, now := state.Last+1, max(now, state.LastTime)
	if c.rules.interest && !c.interest.wanted(p.subject) {
		// Nobody wants it: the number is used up all the same.
		if err := c.store.Skip(seq, now); err != nil {
			return err
		}
		c.remember(p.head.msgID, seq, now)
		r.Seq = seq
		r.stored(seq)
		return nil
	}
	c.endSchedule(p)
	if r.Effects {
		c.republish(p, seq, now, r)
	}
	m := &c.loaded
	m.Seq, m.Time, m.Subject, m.Header, m.Data = seq, now, p.subject, p.header, p.data
	if err := c.store.Append(m); err != nil {
		return err
	}
	r.Seq = seq
	r.added(seq, p)
	r.Value = p.value
	c.remember(p.head.msgID, seq, now)
	c.noteTTL(seq, now, p.ttl)
	if p.plan.Verdict == Scheduled && !p.sourced {
		c.plans.add(seq, p.plan.Due)
	}
	if err := c.evict(p, r); err != nil {
		return err
	}
	if err := c.rollUp(p, seq, r); err != nil {
		return err
	}
	if p.ends != 0 {
		return c.remove(p.ends, r)
	}
	return nil
}

// remember takes in the id of a message that was stored.
func (c *Core) remember(id []byte, seq store.Seq, time int64) {
	c.lastID = append(c.lastID[:0], id...)
	if c.rules.window <= 0 || len(id) == 0 {
		return
	}
	if _, known := c.dedupe.find(id); !known {
		c.dedupe.add(id, seq, time)
	}
}

// remove removes a message, if it is still there.
func (c *Core) remove(seq store.Seq, r *Result) error {
	gone, err := c.store.Remove(seq, false)
	return c.noteRemoved(gone, err, r)
}

func parseSeq(value []byte) (store.Seq, bool) {
	n, err := strconv.ParseUint(string(value), 10, 64)
	return store.Seq(n), err == nil
}
