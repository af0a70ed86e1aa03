package consumer

import (
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// replay delivers what was stored before at the pace at which it was stored.
type replay struct {
	// until is the last message that is delivered so.
	until store.Seq
	// time is when the last message was stored, at when it was delivered; 0 if
	// there was none.
	time, at int64
}

func (e *Engine) startReplay() {
	if e.replay = (replay{}); e.cfg.ReplayPolicy == api.ReplayOriginal {
		e.replay.until = e.p.Store.State().Last
	}
}

// replayAt returns when a new message is to be delivered.
func (e *Engine) replayAt(m *store.Message) int64 {
	p := &e.replay
	if m.Seq > p.until || p.at == 0 {
		return 0
	}
	return p.at + max(m.Time-p.time, 0)
}

// replayed notes that a new message is delivered.
func (e *Engine) replayed(m *store.Message) {
	if p := &e.replay; m.Seq <= p.until {
		p.time, p.at = m.Time, e.now
	}
}

// deliveryDeadline is when a message may be delivered that could not be for the time
// being. What waits for something else than time does not count.
func (e *Engine) deliveryDeadline() int64 {
	at := e.retryAt
	if next := e.cursor.next; next != nil && e.again.ready.len() == 0 {
		at = max(at, e.replayAt(next))
	}
	switch {
	case !e.cfg.IsPush() && e.pulls.n == 0, e.cfg.IsPush() && (!e.push.bound || e.flow.blocked()):
		return never
	case e.cfg.IsPush():
		at = max(at, e.rateWake())
	}
	if at <= e.now {
		return never
	}
	return at
}
