package stream

import (
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// republish notes that a message is to be published again. It is called before the
// message is stored.
func (c *Core) republish(p *publish, seq store.Seq, now int64, r *Result) {
	t := c.rules.republish
	if t == nil || !t.Match(p.subject) {
		return
	}
	// Only the leader does this, so that chance need not be the same elsewhere.
	chance := mix(uint64(seq) ^ uint64(now))
	dest := t.Apply(nil, p.subject, func(n uint32) uint32 {
		chance = mix(chance)
		return uint32(chance>>32) % n
	})
	if !subject.IsLiteral(dest) {
		return
	}
	on, _ := c.store.Subject(p.name())
	header := beginHeader(make([]byte, 0, len(p.header)+len(p.subject)+160))
	header = copyHeaders(header, p.header, nil)
	header = addHeader(header, api.HeaderStream, c.cfg.Name)
	header = addHeader(header, api.HeaderSubject, p.subject)
	header = addHeader(header, api.HeaderSequence, strconv.FormatUint(uint64(seq), 10))
	header = addHeader(header, api.HeaderTimestamp, time.Unix(0, now).UTC().Format(api.TimestampLayout))
	header = addHeader(header, api.HeaderLastSeq, strconv.FormatUint(uint64(on.Last), 10))
	data := p.data
	if c.cfg.RePublish.HeadersOnly {
		header = addHeader(header, api.HeaderMsgSize, strconv.Itoa(len(data)))
		data = nil
	}
	r.Republish = append(r.Republish, Republish{Subject: dest, Header: append(header, crlf...), Data: data})
}
