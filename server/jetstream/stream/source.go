package stream

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// position is how far the messages of a source are in.
type position struct {
	identity string
	seq      store.Seq
}

// origin is what the header of a sourced message says about its source.
type origin struct {
	name string // with what tells it from a stream of that name elsewhere
	tail string // filter and destination
}

func newOrigin(s *api.StreamSource) *origin {
	name := s.Name
	if s.External != nil {
		name += ":" + shortHash(s.External.APIPrefix)
	}
	if s.Consumer != nil {
		name += ":C=" + shortHash(s.Consumer.Name)
	}
	filters, dests := []string{s.FilterSubject}, []string{""}
	if len(s.SubjectTransforms) > 0 {
		filters, dests = nil, nil
		for _, t := range s.SubjectTransforms {
			filters, dests = append(filters, t.Source), append(dests, t.Destination)
		}
	}
	for _, list := range [][]string{filters, dests} {
		for i, text := range list {
			if text == "" {
				list[i] = ">"
			}
		}
	}
	return &origin{name: name, tail: strings.Join(filters, "\f") + " " + strings.Join(dests, "\f")}
}

// shortHash gives eight letters or digits that stand for a text.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(sum[:6]))
}

// SourcePosition tells how far the messages of a source, named by its key, are in:
// the number of the newest one that was taken or refused, and the identity of the
// stream that it came from.
func (c *Core) SourcePosition(key string) (seq store.Seq, identity string) {
	if p := c.sources[key]; p != nil {
		return p.seq, p.identity
	}
	return 0, ""
}

// applySource stores a message from a source, if it has not been stored before.
func (c *Core) applySource(in *reader, now int64, r *Result) error {
	key, identity, seq, original := in.Bytes(), in.Bytes(), in.seq(), in.Bytes()
	in.message(&c.msg)
	if !in.End() || seq == 0 {
		return errMalformed
	}
	from := c.rules.origins[string(key)]
	if from == nil {
		// The source is not one any more.
		return nil
	}
	at := c.sources[string(key)]
	if at == nil {
		at = &position{identity: string(identity)}
		if c.sources == nil {
			c.sources = make(map[string]*position)
		}
		c.sources[string(key)] = at
	}
	if len(identity) > 0 && string(identity) != at.identity {
		if at.identity != "" {
			// The origin is another stream of the same name: its numbers begin anew.
			at.seq = 0
		}
		at.identity = string(identity)
	}
	if seq <= at.seq {
		r.Duplicate = true
		return nil
	}
	p := &c.pub
	p.set(&c.msg)
	p.sourced = true
	begin := len(c.arena)
	c.arena = beginHeader(c.arena)
	c.arena = copyHeaders(c.arena, p.header, ofPublisher)
	c.arena = append(c.arena, api.HeaderStreamSource+": "...)
	c.arena = append(c.arena, from.name...)
	c.arena = append(c.arena, ' ')
	c.arena = strconv.AppendUint(c.arena, uint64(seq), 10)
	c.arena = append(c.arena, ' ')
	c.arena = append(c.arena, from.tail...)
	c.arena = append(c.arena, ' ')
	c.arena = append(c.arena, original...)
	if len(identity) > 0 {
		c.arena = append(c.arena, ' ')
		c.arena = append(c.arena, identity...)
	}
	c.arena = append(c.arena, crlf...)
	c.arena = append(c.arena, crlf...)
	p.header = c.save(begin)

	apiErr, err := c.judge(p, nil)
	if err != nil {
		return err
	}
	r.Err = apiErr
	if apiErr != nil && (IsFull(apiErr) || c.rules.sealed) {
		// It may be let in later, so that the position stays.
		return nil
	}
	at.seq = seq
	switch {
	case apiErr != nil:
		return nil
	case p.duplicate != 0:
		r.Seq, r.Duplicate = p.duplicate, true
		return nil
	}
	return c.put(p, now, r)
}

// ofPublisher reports whether a header means something to the stream that a
// message was published to, and nothing to one that copies it.
func ofPublisher(name []byte) bool {
	return strings.HasPrefix(string(name), api.PrefixExpected) || strings.HasPrefix(string(name), api.PrefixBatch) ||
		string(name) == api.HeaderStreamSource
}

// ofPublish is ofPublisher for mirrors, which keep where a message came from.
func ofPublish(name []byte) bool { return ofPublisher(name) && string(name) != api.HeaderStreamSource }

// applyCopy stores a message under the number and the time that it has elsewhere.
// One that is there already is passed over.
func (c *Core) applyCopy(in *reader, now int64, r *Result) error {
	p, seq, time, err := c.numbered(in, r)
	if p == nil {
		return err
	}
	if c.rules.mirror {
		c.transform(p, nil)
		if hasHeader(p.header, ofPublish) {
			from := len(c.arena)
			c.arena = dropHeaders(c.arena, p.header, ofPublish)
			p.header = c.save(from)
		}
	}
	p.head.scan(p.header)
	if r.Effects {
		c.republish(p, seq, time, r)
	}
	return c.putAs(p, seq, time, now, r)
}

// numbered reads a message that comes with its number and its time, which is not
// before that of the last message then. It gives no message if there is an error, or if
// the message is there already.
func (c *Core) numbered(in *reader, r *Result) (p *publish, seq store.Seq, time int64, err error) {
	seq, time = in.seq(), in.Varint()
	in.message(&c.msg)
	if !in.End() || seq == 0 || time < 0 {
		return nil, 0, 0, errMalformed
	}
	state := c.store.State()
	if seq <= state.Last {
		r.Duplicate = true
		return nil, 0, 0, nil
	}
	c.pub.set(&c.msg)
	return &c.pub, seq, max(time, state.LastTime), nil
}

// putAs stores a message behind the last one, under a number and a time that are not
// before those of that. Its headers were scanned.
func (c *Core) putAs(p *publish, seq store.Seq, time, now int64, r *Result) error {
	if c.rules.ttl {
		// One that cannot be read was not looked at by the stream that it comes from.
		p.ttl, _ = api.ParseTTL(p.head.ttl)
	}
	last := c.store.State().Last
	m := &c.loaded
	m.Seq, m.Time, m.Subject, m.Header, m.Data = seq, time, p.subject, p.header, p.data
	if err := c.store.Append(m); err != nil {
		return err
	}
	r.Seq = seq
	r.stored(last + 1)
	r.added(seq, p)
	id := p.head.msgID
	c.lastID = append(c.lastID[:0], id...)
	if c.rules.window > 0 && len(id) > 0 && time > now-c.rules.window {
		if _, known := c.dedupe.find(id); !known {
			c.dedupe.add(id, seq, time)
		}
	}
	c.noteTTL(seq, time, p.ttl)
	if p.plan.Verdict == Scheduled && c.rules.schedules {
		c.plans.add(seq, p.plan.Due)
	}
	return c.evict(p, r)
}

// applySkip leaves numbers out.
func (c *Core) applySkip(in *reader, now int64, r *Result) error {
	seq := in.seq()
	if !in.End() {
		return errMalformed
	}
	return c.skip(seq, now, r)
}

// skip leaves out the numbers up to seq, if there are any behind the last message.
func (c *Core) skip(seq store.Seq, time int64, r *Result) error {
	state := c.store.State()
	if seq <= state.Last {
		r.Duplicate = true
		return nil
	}
	if err := c.store.Skip(seq, max(time, state.LastTime)); err != nil {
		return err
	}
	r.stored(state.Last + 1)
	r.stored(seq)
	return nil
}
