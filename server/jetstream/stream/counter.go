package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// counter is what the newest message of a subject says, in a stream of counters.
type counter struct {
	value *big.Int
	// sources are the values last seen of other counters that this one sums up, by
	// their stream and their subject there.
	sources map[string]map[string]string
}

// counterBody is the payload of a counter's message.
type counterBody struct {
	Value string `json:"val"`
}

// judgeIncrement checks the increment of a message by itself.
func (c *Core) judgeIncrement(p *publish) *api.Error {
	h := &p.head
	if p.sourced || len(h.incr) == 0 {
		return nil
	}
	switch {
	case !isInteger(h.incr):
		return api.ErrMessageIncrInvalid
	case !c.rules.counter:
		return api.ErrMessageIncrDisabled
	case len(p.data) > 0:
		return api.ErrMessageIncrPayload
	case len(h.rollup) > 0, len(h.stream) > 0, len(h.lastSeq) > 0, len(h.lastSubjectSeq) > 0,
		len(h.lastSubject) > 0, len(h.lastMsgID) > 0:
		return api.ErrMessageIncrInvalid
	}
	return nil
}

// isInteger reports whether b is digits, perhaps with a sign.
func isInteger(b []byte) bool {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		b = b[1:]
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return false
		}
	}
	return len(b) > 0
}

// count replaces the payload of a message by what its increment makes of the
// counter.
func (c *Core) count(p *publish, b *batch) (*api.Error, error) {
	if !c.rules.counter {
		return nil, nil
	}
	if len(p.head.incr) == 0 {
		return api.ErrMessageIncrMissing, nil
	}
	now, apiErr, err := c.counterOn(p, b)
	if apiErr != nil || err != nil {
		return apiErr, err
	}
	header := p.header
	if p.sourced {
		increment, apiErr := now.follow(p)
		if apiErr != nil {
			return apiErr, nil
		}
		now.value.Add(now.value, increment)
		header = setHeader(nil, header, api.HeaderIncr, increment.String())
	} else {
		increment, ok := new(big.Int).SetString(string(p.head.incr), 10)
		if !ok {
			return api.ErrMessageIncrInvalid, nil
		}
		now.value.Add(now.value, increment)
	}
	switch {
	case len(now.sources) > 0:
		sources, err := json.Marshal(now.sources)
		if err != nil {
			return nil, err
		}
		header = setHeader(nil, header, api.HeaderCounterSources, sources)
	case p.head.counterSources != nil:
		// It is not for clients to say.
		header = dropHeaders(nil, header, func(name []byte) bool { return string(name) == api.HeaderCounterSources })
	}
	p.header = header
	p.value = now.value.Append(nil, 10)
	p.data = append(append([]byte(`{"val":"`), p.value...), `"}`...)
	if e := c.judgeSize(p); e != nil {
		return e, nil
	}
	if b != nil {
		b.counter = now
	}
	return nil, nil
}

// counterOn returns what a counter stands at.
func (c *Core) counterOn(p *publish, b *batch) (*counter, *api.Error, error) {
	if b != nil {
		if on := b.subjects[string(p.subject)]; on != nil && on.counter != nil {
			return on.counter, nil, nil
		}
	}
	now := &counter{value: new(big.Int)}
	on, ok := c.store.Subject(p.name())
	if !ok {
		return now, nil, nil
	}
	m := &c.loaded
	if err := c.store.Load(on.Last, m); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return now, nil, nil
		}
		return nil, nil, err
	}
	var body counterBody
	if json.Unmarshal(m.Data, &body) != nil || !isInteger([]byte(body.Value)) {
		return nil, api.ErrMessageCounterBroken, nil
	}
	now.value.SetString(body.Value, 10)
	var h headers
	h.scan(m.Header)
	if len(h.counterSources) > 0 && json.Unmarshal(h.counterSources, &now.sources) != nil {
		return nil, api.ErrMessageCounterBroken, nil
	}
	return now, nil, nil
}

// follow takes note of what a counter of a source stands at, and returns by how
// much it has changed since that was last seen.
func (n *counter) follow(p *publish) (*big.Int, *api.Error) {
	var body counterBody
	if json.Unmarshal(p.data, &body) != nil || !isInteger([]byte(body.Value)) {
		return nil, api.ErrMessageCounterBroken
	}
	value, _ := new(big.Int).SetString(body.Value, 10)
	fields := bytes.Fields(p.head.source)
	if len(fields) < 2 {
		return nil, api.ErrMessageCounterBroken
	}
	stream, subject := string(fields[0]), string(p.subject)
	if len(fields) >= 5 {
		subject = string(fields[4])
	}
	if n.sources == nil {
		n.sources = make(map[string]map[string]string)
	}
	if n.sources[stream] == nil {
		n.sources[stream] = make(map[string]string)
	}
	previous, ok := new(big.Int).SetString(n.sources[stream][subject], 10)
	if !ok {
		previous = new(big.Int)
	}
	n.sources[stream][subject] = value.String()
	return value.Sub(value, previous), nil
}
