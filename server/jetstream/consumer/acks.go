package consumer

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Ack takes an acknowledgement of some kind: what was sent to the reply subject of a
// delivery, of which sent is the content. If it has a reply of its own that is
// answered when the acknowledgement is committed, whether it was news or not. An
// acknowledgement of what was not delivered comes from another time, and has no
// answer. The slices are not kept.
func (e *Engine) Ack(now int64, sent api.Delivery, payload []byte, reply string, out *Effects) {
	e.tick(now)
	seq := store.Seq(sent.StreamSeq)
	if !e.created() || !e.cfg.redelivers() || seq > e.sent.Stream {
		return
	}
	e.touch()
	ack := api.ParseAck(payload)
	switch ack.Kind {
	case api.AckDone, api.AckNext:
		if d := e.ahead.pending.find(seq); d != nil {
			e.sample(&sent, d, out)
		}
		e.acknowledge(seq)
	case api.AckNak:
		e.nak(&sent, ack.Delay, out)
	case api.AckProgress:
		if d := e.ahead.pending.find(seq); d != nil {
			e.postpone(d, time.Duration(e.cfg.ackWait(d.count)))
		}
	case api.AckTerm:
		e.terminate(&sent, string(ack.Rest), out)
	}
	if ack.Kind == api.AckNext && !e.cfg.IsPush() {
		// The reply is where the messages go.
		e.Pull(now, reply, ack.Rest, false, out)
	} else if reply != "" {
		e.answer(reply, out)
	}
}

// acknowledge settles a message, and all before it if the policy is such.
func (e *Engine) acknowledge(seq store.Seq) {
	if e.cfg.AckPolicy == api.AckAll {
		e.settleTo(seq)
	} else {
		e.settle(seq)
	}
}

// settle proposes that a message is settled.
func (e *Engine) settle(seq store.Seq) {
	f, now := e.record()
	if e.ahead.ack(seq, now, nil) {
		f.seq(opAck, seq)
	}
}

// settleTo proposes that all messages up to one that was delivered are settled.
func (e *Engine) settleTo(seq store.Seq) {
	f, now := e.record()
	if e.ahead.ackAll(seq, now, nil) {
		f.uints(opAckAll, uint64(seq))
	}
}

// nak has a message be delivered again.
func (e *Engine) nak(sent *api.Delivery, delay time.Duration, out *Effects) {
	d := e.ahead.pending.find(store.Seq(sent.StreamSeq))
	if d == nil {
		return
	}
	e.advise(Naked, sent, "", out)
	e.postpone(d, delay)
}

// terminate settles a message that could not be processed.
func (e *Engine) terminate(sent *api.Delivery, reason string, out *Effects) {
	seq := store.Seq(sent.StreamSeq)
	if e.ahead.pending.find(seq) != nil {
		e.acknowledge(seq)
		e.advise(Terminated, sent, reason, out)
	}
}

func (e *Engine) advise(kind AdviceKind, sent *api.Delivery, reason string, out *Effects) {
	out.add(Effect{Kind: Advise, Advice: Advice{
		Kind:     kind,
		Stream:   store.Seq(sent.StreamSeq),
		Consumer: ConsumerSeq(sent.ConsumerSeq),
		Count:    uint32(min(sent.Deliveries, 1<<32-1)),
		Reason:   reason,
	}})
}

// sample measures some of the acknowledgements.
func (e *Engine) sample(sent *api.Delivery, d *delivery, out *Effects) {
	if e.cfg.sample == 0 || e.cfg.sample < 100 && e.p.Rand.IntN(100) >= e.cfg.sample {
		return
	}
	e.advise(Sampled, sent, "", out)
	out.List[len(out.List)-1].Advice.AckTime = time.Duration(e.now - d.time)
}

// postpone has a pending message be due after a while.
func (e *Engine) postpone(d *delivery, wait time.Duration) {
	f, now := e.record()
	d.due = after(now, wait)
	f.at(opDefer, d.stream, d.due)
	e.schedule(d)
}

// drop settles a pending message that is not there any more.
func (e *Engine) drop(d *delivery, reason string, out *Effects) {
	advice := about(Terminated, d)
	advice.Reason = reason
	out.add(Effect{Kind: Advise, Advice: advice})
	e.settle(d.stream)
}

// giveUp proposes that a message is not delivered any more.
func (e *Engine) giveUp(d *delivery, out *Effects) {
	out.add(Effect{Kind: Advise, Advice: about(MaxDeliveries, d)})
	f, _ := e.record()
	f.seq(opExpire, d.stream)
	e.ahead.expire(d)
}
