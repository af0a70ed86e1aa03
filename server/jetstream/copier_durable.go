package jetstream

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/proto"
)

// An origin that removes what was acknowledged must not do so before the copy is
// certain. There a copier has a durable consumer that acknowledges by flow control: the
// answer to the origin says up to where all is committed here. The origin makes such a
// consumer of the one that is asked for, or somebody has made one and the
// configuration names it.
//
// It is reset with each attempt, to begin behind what was acknowledged, or behind what
// this stream has if that is less. Only then somebody listens to it, and what is
// delivered counts from one; what is in already is passed over, and acknowledged.

// durable is what a copier knows of a durable consumer.
type durable struct {
	name, deliver string
	// resetTo is what was asked for, 0 if that was left to the consumer.
	resetTo store.Seq
	// acks is set while its answers acknowledge; owed are those that wait until what
	// they acknowledge is certain.
	acks bool
	owed []owedAnswer
}

// owedAnswer is an answer to a flow control request.
type owedAnswer struct {
	to       string
	consumer uint64
	stream   store.Seq
	// behind is how many proposals there were before it.
	behind uint64
}

// resetTimeout is how long the answer to a reset is waited for.
const resetTimeout = 5 * time.Second

// consumerName is what the consumer is asked for by. It is the same each time: an
// origin that keeps it finds it again, and one that does not appends something.
func (c *copier) consumerName() string {
	kind := "SRC"
	if c.mirror {
		kind = "MIRROR"
	}
	st := c.s.assigned.Load()
	h := fnv.New64a()
	for _, part := range []string{c.s.e.cfg.Domain, st.Account, st.Name(), c.key} {
		_, _ = h.Write([]byte(part)) // which never fails
		_, _ = h.Write([]byte{0})
	}
	return "JS_" + kind + "_" + strconv.FormatUint(h.Sum64(), 36)
}

// inquire asks about the consumer that the configuration names.
func (c *copier) inquire(w *worker) {
	uid := c.attempt(w, asking)
	c.last, c.before = c.from.seq, c.from.seq
	c.subscribe(c.answerTo(uid))
	if !c.request(w, api.OpConsumerInfo.Subject(c.prefix(), c.cfg.Name, c.cfg.Consumer.Name), uid, nil) {
		c.fail(w, api.ErrStreamNotFound)
	}
}

// adopt notes which consumer it is.
func (c *copier) adopt(r *api.ConsumerInfo) {
	c.name, c.deliver = r.Name, r.Config.DeliverSubject
	if c.cfg.Consumer != nil {
		c.deliver = c.cfg.Consumer.DeliverSubject
	}
}

// reset has the consumer begin behind a message of the origin, or if that is 0 behind
// what it knows to be acknowledged.
func (c *copier) reset(w *worker, at store.Seq) {
	c.s.tenant.account.UnsubscribeAll(c.subs)
	c.subs, c.waiting = nil, nil
	uid := c.attempt(w, resetting)
	var body []byte
	if c.resetTo = 0; at > 0 {
		c.resetTo = at + 1
		body = mustJSON(&api.ConsumerResetRequest{Seq: uint64(c.resetTo)})
	}
	c.subscribe(c.answerTo(uid))
	if !c.request(w, api.OpConsumerReset.Subject(c.prefix(), c.cfg.Name, c.name), uid, body) {
		c.fail(w, api.ErrConsumerNotFound)
	}
}

// attach looks at the answer to a reset, and begins to listen.
func (c *copier) attach(w *worker, in *copierInbox) {
	r, ok := c.answer(w, in)
	if !ok {
		if c.phase == idle && c.resetTo > 0 && c.fault.Is(api.ErrConsumerInvalidReset) {
			// It began somewhere of its own; what is in already will be passed over.
			c.reset(w, 0)
		}
		return
	}
	c.acks = true
	c.listen(w, in, r)
	c.subscribe(c.deliverTo(c.deliver, c.uid))
}

// reply answers a flow control request, if that acknowledges when all that came before
// is certain.
func (c *copier) reply(w *worker, to string) {
	if !c.acks {
		w.send(c.s.tenant.account, []byte(to), nil, nil, nil)
		return
	}
	c.owed = append(c.owed, owedAnswer{to, c.next - 1, c.last, c.proposed})
	c.settle(w)
}

// settle sends the answers whose time has come.
func (c *copier) settle(w *worker) {
	certain := c.proposed - uint64(c.underway)
	for len(c.owed) > 0 && c.owed[0].behind <= certain {
		c.pay(w, &c.owed[0])
		c.owed = c.owed[1:]
	}
}

func (c *copier) pay(w *worker, o *owedAnswer) {
	header := appendHeader([]byte(proto.HeaderLine), api.HeaderLastConsumer, strconv.FormatUint(o.consumer, 10))
	header = appendHeader(header, api.HeaderLastStream, strconv.FormatUint(uint64(o.stream), 10))
	w.send(c.s.tenant.account, []byte(o.to), nil, append(header, proto.CRLF...), nil)
}

// acknowledge acknowledges what was taken before a message that was refused. Nobody has
// asked for it, and nobody would before the attempt ends.
func (c *copier) acknowledge(w *worker) {
	if c.acks && c.phase == receiving {
		c.pay(w, &owedAnswer{to: api.FlowPrefix("", "", c.cfg.Name, c.name) + c.uid, stream: c.before})
	}
}

// forget deletes a consumer that was made for the copier alone, for nobody will come
// back to it.
func (c *copier) forget(w *worker) {
	if c.cfg.Consumer == nil {
		c.delete(w, c.consumerName())
	}
}
