package consumer

import (
	"errors"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	// maxStep and maxStepBytes bound what one step delivers.
	maxStep      = 256
	maxStepBytes = 1 << 20
	// retryAfter is how long the store is left alone after it could not be read.
	retryAfter = int64(time.Second)
)

// candidate is the message that is delivered next.
type candidate struct {
	message *store.Message
	// again is its delivery if it is pending, nil if it is new.
	again *delivery
}

// deliver hands out messages as long as there are some, and somebody takes them. It
// reports whether it stopped only because that was enough for one step.
func (e *Engine) deliver(out *Effects) (more bool) {
	if e.paused || e.retryAt > e.now {
		return false
	}
	e.retryAt = 0
	for count, bytes := 0, 0; !e.log.full(); count++ {
		if count == maxStep || bytes >= maxStepBytes {
			return true
		}
		n, ok := e.deliverOne(out)
		if !ok {
			return false
		}
		bytes += n
	}
	return false
}

// deliverOne hands out one message, and returns its size. It reports false if there
// is nobody to take one, or none.
func (e *Engine) deliverOne(out *Effects) (bytes int, ok bool) {
	if e.cfg.IsPush() {
		return e.pushOne(out)
	}
	return e.serveOne(out)
}

// candidate returns the next message: one that is to be delivered again before new
// ones. If there is none it ends requests that do not want to wait for any.
func (e *Engine) candidate(out *Effects) (c candidate, ok bool) {
	for d := e.nextReady(); d != nil; d = e.nextReady() {
		m := out.take()
		err := e.p.Store.Load(d.stream, m)
		if err == nil {
			return candidate{m, d}, true
		}
		out.giveBack(m)
		if e.isGone(d, err) {
			e.drop(d, reasonDeleted, out)
			continue
		}
		// It may be repaired, or arrive. Until then others go first.
		if !errors.Is(err, store.ErrNotFound) {
			out.add(Effect{Kind: Fault, Err: err})
		}
		e.postpone(d, time.Duration(max(e.cfg.ackWait(d.count), retryAfter)))
	}
	if e.ahead.pending.live >= e.cfg.maxPending {
		return candidate{}, false
	}
	m, err := e.cursor.peek(out)
	for errors.Is(err, store.ErrDamaged) {
		out.add(Effect{Kind: Fault, Err: err})
		m, err = e.cursor.peek(out)
	}
	switch {
	case err != nil:
		out.add(Effect{Kind: Fault, Err: err})
		e.retryAt = e.now + retryAfter
	case m == nil:
		e.endOfStream(out)
	case e.replayAt(m) <= e.now:
		return candidate{m, nil}, true
	}
	return candidate{}, false
}

// isGone reports whether a pending message which could not be loaded has left the
// stream. This server's copy of the stream may be behind the consumer: then it has
// not got there yet.
func (e *Engine) isGone(d *delivery, err error) bool {
	return errors.Is(err, store.ErrNotFound) && d.stream <= e.p.Store.State().Last
}

// depart notes a delivery, and sends the message. It returns how many bytes that
// was.
func (e *Engine) depart(c candidate, to, pinID string, out *Effects) (bytes int) {
	v := e.describe(c)
	v.PinID = pinID
	bytes = v.size(c.message, e.p.AckPrefix)
	f, now := e.record()
	switch {
	case c.again != nil:
		e.again.ready.pop()
		e.ahead.redeliver(c.again, now)
		f.seq(opRedeliver, v.Stream)
		e.sent.Consumer, e.sent.Time = v.Consumer, now
		e.schedule(c.again)
	case e.ahead.tracked():
		v.Pending = e.takeNew(c.message, out)
		e.ahead.deliver(v.Stream, now, nil)
		f.seq(opDeliver, v.Stream)
		e.sent = e.ahead.delivered
		e.schedule(e.ahead.pending.find(v.Stream))
	default:
		v.Pending = e.takeNew(c.message, out)
		e.sent = Position{e.sent.Consumer + 1, v.Stream, e.now}
	}
	e.touch()
	e.send(Effect{Kind: Deliver, To: to, Message: c.message, Delivery: v}, out)
	return bytes
}

// describe returns what a message says about its delivery, if it is the next one.
func (e *Engine) describe(c candidate) Delivery {
	v := Delivery{
		Stream:      c.message.Seq,
		Consumer:    e.sent.Consumer + 1,
		Count:       1,
		Time:        c.message.Time,
		Pending:     e.cursor.left,
		HeadersOnly: e.cfg.HeadersOnly,
	}
	if c.again != nil {
		v.Count = c.again.count + 1
	} else if v.Pending > 0 {
		v.Pending--
	}
	return v
}

// takeNew has the cursor go on behind a message, and returns how many are left.
func (e *Engine) takeNew(m *store.Message, out *Effects) (left uint64) {
	e.replayed(m)
	return e.cursor.took(out)
}
