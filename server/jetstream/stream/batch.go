package stream

import (
	"encoding/binary"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/subject"
)

// batch is what is known about the messages of an atomic batch that were judged,
// and are not stored yet.
type batch struct {
	publishes []publish
	messages  int
	bytes     uint64
	ids       map[string]struct{}
	subjects  map[string]*batchSubject
	// counter is that of the message being judged.
	counter *counter
}

// batchSubject is what a batch has on one subject.
type batchSubject struct {
	messages uint64
	counter  *counter
}

func (b *batch) reset() {
	*b = batch{ids: make(map[string]struct{}), subjects: make(map[string]*batchSubject)}
}

// take adds a message that nothing speaks against.
func (b *batch) take(c *Core, p *publish) {
	b.messages++
	b.bytes += c.sizeOf(p)
	if len(p.head.msgID) > 0 {
		b.ids[string(p.head.msgID)] = struct{}{}
	}
	on := b.subjects[string(p.subject)]
	if on == nil {
		on = new(batchSubject)
		b.subjects[string(p.subject)] = on
	}
	on.messages++
	on.counter = b.counter
	b.counter = nil
}

func (b *batch) hasID(id []byte) bool {
	_, has := b.ids[string(id)]
	return has
}

// onSubject returns how many messages of the batch are on a subject.
func (b *batch) onSubject(subject []byte) uint64 {
	if on := b.subjects[string(subject)]; on != nil {
		return on.messages
	}
	return 0
}

// touches reports whether the batch has a message on a subject that matches.
func (b *batch) touches(pattern []byte) bool {
	if !subject.HasWildcard(pattern) {
		return b.subjects[string(pattern)] != nil
	}
	for name := range b.subjects {
		if subject.Matches(name, pattern) {
			return true
		}
	}
	return false
}

// Batch builds the op of an atomic batch.
type Batch struct {
	// messages are encoded, one behind the other.
	messages []byte
	// last is where the last one begins.
	last  int
	count int
}

// Add adds a message, which is copied.
func (b *Batch) Add(m *Message) {
	b.last = len(b.messages)
	b.messages = appendMessage(b.messages, m)
	b.count++
}

// Count returns how many messages there are, Size how many bytes their op takes.
func (b *Batch) Count() int { return b.count }

// Size returns how many bytes the op takes.
func (b *Batch) Size() int { return 2 + binary.MaxVarintLen64 + len(b.messages) }

// AppendOp appends the op that stores all of the batch or nothing.
func (b *Batch) AppendOp(dst []byte) []byte {
	dst = binary.AppendUvarint(appendOp(dst, KindBatch), uint64(b.count))
	return append(dst, b.messages...)
}

// seal gives the last message the header by which readers see that the batch ends with
// it.
func (b *Batch) seal() {
	in := reader{pack.NewReader(b.messages[b.last:])}
	var m Message
	in.message(&m)
	m.Header = setHeader(nil, m.Header, api.HeaderBatchCommit, "1")
	b.messages = appendMessage(b.messages[:b.last:b.last], &m)
}

// applyBatch stores all messages of a batch, or none.
func (c *Core) applyBatch(in *reader, now int64, r *Result) error {
	n := in.Count(minMessage)
	first := *in
	for range n {
		in.message(&c.msg)
	}
	if !in.End() || n == 0 {
		return errMalformed
	}
	if !c.rules.atomic {
		r.Err = api.ErrAtomicPublishDisabled
		return nil
	}
	c.batch.reset()
	// Batches are rare, and can be large.
	defer func() { c.batch = batch{} }()
	for range n {
		first.message(&c.msg)
		p := &c.pub
		p.set(&c.msg)
		apiErr, err := c.judge(p, &c.batch)
		if err != nil {
			return err
		}
		if apiErr == nil && len(p.head.lastMsgID) > 0 {
			apiErr = api.ErrAtomicPublishUnsupportedHeaderBatch.With("header", api.HeaderExpectedLastMsgID)
		}
		if apiErr != nil {
			r.Err = apiErr
			return nil
		}
		c.batch.publishes = append(c.batch.publishes, *p)
	}
	for i := range c.batch.publishes {
		if err := c.put(&c.batch.publishes[i], now, r); err != nil {
			return err
		}
	}
	r.Count = uint64(n)
	return nil
}
