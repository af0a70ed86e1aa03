package jetstream

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
)

// openSubjects subscribes to what the consumer is spoken to on. It is called by the
// actor's run, when it begins to lead.
func (c *consumer) openSubjects(cfg *api.ConsumerConfig) {
	st := c.stream.assigned.Load().Name()
	c.mu.Lock()
	if c.closed || len(c.subs) > 0 {
		c.mu.Unlock()
		return
	}
	add := func(kind letterKind, patterns ...string) {
		for _, p := range patterns {
			c.subs = append(c.subs, &account.Subscription{Subject: p, Handler: c.receive(kind)})
		}
	}
	add(letterPull, api.OpConsumerNext.Subject(api.Prefix, st, cfg.Name))
	if cfg.AckPolicy == api.AckExplicit || cfg.AckPolicy == api.AckAll {
		add(letterAck, api.AckPatterns(st, cfg.Name)...)
	}
	if cfg.FlowControl {
		add(letterFlow, api.FlowPatterns(st, cfg.Name)...)
	}
	reset := api.OpConsumerReset.Subject(api.Prefix, st, cfg.Name)
	c.subs = append(c.subs, &account.Subscription{Subject: reset, Handler: c.stream.tenant.request})
	subs := c.subs
	c.mu.Unlock()
	for _, sub := range subs {
		if err := c.stream.tenant.account.Subscribe(sub); err != nil {
			c.complain("listening to "+sub.Subject, err)
		}
	}
}

// closeSubjects ends listening, for good.
func (c *consumer) closeSubjects() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.mute()
	c.turned.tell()
}

// mute ends listening, until the consumer leads again.
func (c *consumer) mute() {
	c.mu.Lock()
	subs := c.subs
	c.subs = nil
	watched := c.watched
	c.watched, c.watching = nil, ""
	c.mu.Unlock()
	if watched != nil {
		watched()
	}
	c.stream.tenant.account.UnsubscribeAll(subs)
}

// close ends the delivery, and waits for that.
func (c *consumer) close(deleted bool) {
	c.closeSubjects()
	done := make(chan struct{})
	c.tell(func(in *consumerInbox) {
		in.calls = append(in.calls, func(w *worker, e *consumercore.Engine) {
			if e != nil {
				e.Close(deleted, &w.effects)
				c.end()
				c.carryOut(w)
			}
			close(done)
		})
	})
	<-done
	c.settle()
}

// drain waits until what has come is in the log, unless that takes long.
func (c *consumer) drain() {
	done := make(chan struct{})
	c.tell(func(in *consumerInbox) {
		in.calls = append(in.calls, func(w *worker, e *consumercore.Engine) {
			if e != nil {
				c.step(w)
			}
			if c.engine == nil {
				close(done)
				return
			}
			c.whenCommitted(c.engine.Mark(), func(bool) { close(done) })
		})
	})
	t := c.e.cfg.Clock.NewTimer(drainTimeout)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C():
	}
}

// drainTimeout bounds how long a consumer that stops waits for the log.
const drainTimeout = time.Second

// settle ends the waiting of those who wait for the consumer to serve.
func (c *consumer) settle() {
	c.serving.Store(true)
	c.settledOnce.Do(func() { close(c.settled) })
	c.turned.tell()
}

func (c *consumer) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// bind tells the engine of a push consumer whether anybody listens.
func (c *consumer) bind(w *worker) {
	cfg := c.assigned.Load().Config
	if c.engine == nil || !cfg.IsPush() {
		return
	}
	c.watch(cfg.DeliverSubject)
	bound := c.stream.tenant.hears(cfg.DeliverSubject, cfg.DeliverGroup)
	if bound != c.bound {
		c.bound = bound
		c.engine.Bind(w.now, bound)
	}
}

// watch has the actor run when listeners of a deliver subject come or go.
func (c *consumer) watch(subject string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.watching == subject {
		return
	}
	if c.watched != nil {
		c.watched()
	}
	c.watching, c.watched = subject, c.stream.tenant.account.Watch(subject, c.wake)
}

// whenCommitted calls f when a mark of the engine is committed, or never will be. It is
// called by the actor's run.
func (c *consumer) whenCommitted(m consumercore.Mark, f func(ok bool)) {
	c.marks = append(c.marks, markWait{m, f})
}

type markWait struct {
	mark consumercore.Mark
	then func(ok bool)
}

// settleMarks calls those whose mark is committed, or will not be.
func (c *consumer) settleMarks() {
	rest := c.marks[:0]
	for _, m := range c.marks {
		if c.engine == nil || m.mark <= c.committed {
			m.then(c.engine != nil)
		} else {
			rest = append(rest, m)
		}
	}
	clear(c.marks[len(rest):])
	c.marks = rest
}

// finished tells the stream, which this server leads, what the consumer is done with, on the
// consumer's apply stage. What does not get there is told again.
func (c *consumer) finished(floor store.Seq, ranges []store.Range) {
	if c.assigned.Load().Config.Direct || c.stream.halted.Load() {
		return
	}
	untold := func() { c.tell(func(in *consumerInbox) { in.untold = true }) }
	if c.stream.hasChores() || c.stream.isRestoring() {
		untold() // there may be consumers that the stream does not know yet
		return
	}
	op := streamcore.AppendAcked(nil, wantsKey(c.assigned.Load()), floor, inOrder(ranges))
	err := c.stream.propose(op, func(_ *outcome, err error) {
		if err != nil {
			untold()
		}
	})
	if err != nil {
		untold()
	}
}

// selected returns what of ranges the consumer is to be taken by its word for. A work
// queue removes what one consumer is done with, so that there it may only be what that
// one selects.
func (c *consumer) selected(ranges iter.Seq[store.Range]) (out []store.Range) {
	f := store.NewFilter(c.assigned.Load().Config.Filters()...)
	if f == nil || c.stream.assigned.Load().Config.Retention != api.RetainWorkQueue {
		return slices.Collect(ranges)
	}
	var m store.Message
	for r := range ranges {
		for seq := r.First; seq <= r.Last; seq = m.Seq + 1 {
			// What cannot be read is told another time.
			if c.stream.store.Next(f, seq, &m) != nil || m.Seq > r.Last {
				break
			}
			out = append(out, store.Range{First: m.Seq, Last: m.Seq})
		}
	}
	return out
}

// inOrder returns ranges in order, of which none overlap.
func inOrder(ranges []store.Range) []store.Range {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b store.Range) int { return cmp.Compare(a.First, b.First) })
	n := 0
	for _, r := range ranges {
		if n > 0 && r.First <= ranges[n-1].Last+1 {
			ranges[n-1].Last = max(ranges[n-1].Last, r.Last)
			continue
		}
		ranges[n] = r
		n++
	}
	return ranges[:n]
}
