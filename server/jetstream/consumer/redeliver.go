package consumer

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// timer says that a message may be due at a time. It counts only if the message
// is pending and due at just that time; otherwise it is stale.
type timer struct {
	at  int64
	seq store.Seq
}

func (t timer) before(u timer) bool { return t.at < u.at || t.at == u.at && t.seq < u.seq }

// timers is a heap of timers, the earliest first. To settle a message does not
// touch the heap: what is stale is dropped when it gets to the top, and all of it
// when it is the larger part. As messages are mostly delivered in the order in
// which they become due, adding costs next to nothing.
type timers []timer

func (h *timers) push(t timer) {
	*h = append(*h, t)
	list := *h
	i := len(list) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !t.before(list[up]) {
			break
		}
		list[i], i = list[up], up
	}
	list[i] = t
}

func (h *timers) pop() {
	list := *h
	n := len(list) - 1
	list[0] = list[n]
	*h = list[:n]
	if n > 0 {
		h.down(0)
	}
}

func (h *timers) down(i int) {
	list := *h
	t := list[i]
	for {
		child := 2*i + 1
		if child >= len(list) {
			break
		}
		if child+1 < len(list) && list[child+1].before(list[child]) {
			child++
		}
		if !list[child].before(t) {
			break
		}
		list[i], i = list[child], child
	}
	list[i] = t
}

// order makes a heap of timers in any order.
func (h *timers) order() {
	for i := len(*h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

// redelivery is when which pending message is delivered again.
type redelivery struct {
	timers timers
	// ready are the messages that were due, in the order in which they are to be
	// delivered. Those that were settled or put off since are not due any more.
	ready queue[store.Seq]
	group []store.Seq
}

// keptStale is how many stale entries are not worth a rebuild.
const keptStale = 256

// schedule notes when a message is due, after that has changed.
func (e *Engine) schedule(d *delivery) {
	at := e.cfg.due(d)
	if at == never {
		return
	}
	if most := 2*e.ahead.pending.live + keptStale; len(e.again.timers) > most || e.again.ready.len() > most {
		e.rebuildTimers()
		return
	}
	e.again.timers.push(timer{at, d.stream})
}

// rebuildTimers makes the timers anew from what is pending. What is ready is due,
// so it becomes ready again.
func (e *Engine) rebuildTimers() {
	e.again.ready.clear()
	e.again.timers = e.again.timers[:0]
	if cap(e.again.timers) > 8*(e.ahead.pending.live+keptStale) {
		e.again.timers = nil
	}
	for d := range e.ahead.pending.all() {
		if at := e.cfg.due(d); at != never {
			e.again.timers = append(e.again.timers, timer{at, d.stream})
		}
	}
	e.again.timers.order()
}

// nextDue returns when the next message becomes due.
func (e *Engine) nextDue() int64 {
	for len(e.again.timers) > 0 {
		t := e.again.timers[0]
		if d := e.ahead.pending.find(t.seq); d != nil && e.cfg.due(d) == t.at {
			return t.at
		}
		e.again.timers.pop()
	}
	return never
}

// expireDeliveries has what is due be delivered again, or be given up if that was the
// last time.
func (e *Engine) expireDeliveries(out *Effects) {
	if e.nextDue() > e.now {
		return
	}
	group := e.again.group[:0]
	for e.nextDue() <= e.now {
		seq := e.again.timers[0].seq
		e.again.timers.pop()
		if d := e.ahead.pending.find(seq); d.count >= e.cfg.maxDeliver {
			e.giveUp(d, out)
		} else {
			group = append(group, seq)
		}
	}
	// What expires together goes in the order of the stream.
	slices.Sort(group)
	for _, seq := range group {
		e.again.ready.push(seq)
	}
	e.again.group = group[:0]
}

// nextReady returns the first message that is to be delivered again, nil if there
// is none.
func (e *Engine) nextReady() *delivery {
	for e.again.ready.len() > 0 {
		d := e.ahead.pending.find(*e.again.ready.front())
		if d != nil && e.cfg.due(d) <= e.now {
			return d
		}
		e.again.ready.pop()
	}
	return nil
}
