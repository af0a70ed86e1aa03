package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// consumerInbox is what has come for a consumer since its last run.
type consumerInbox struct {
	// lead is the state to begin leading with, in a term; resign ends that.
	lead   *consumercore.State
	term   uint64
	resign bool
	// noted is a term of which the first entry is applied, 0 if there is nothing new.
	noted uint64
	// mail is what was sent to the consumer's subjects, in order; news is what has
	// happened to the stream.
	mail []letter
	news []event
	// settled counts proposals that have an outcome, committed those of this engine's
	// that were applied; lost is set when one was not.
	settled, committed int
	lost               bool
	// state is what another engine is to begin with; late says that it is to try again
	// to get one.
	state *consumercore.State
	late  bool
	// untold is set when the stream was not told what the consumer is done with, tellAll when
	// it is to be told all of it. met is set when the stream has come to know the consumer.
	untold, tellAll, met bool
	// updated is set when the configuration that is assigned is a new one, anew when
	// the engine has to begin anew for the stream's.
	updated, anew bool
	// seed is the state that the consumer is to go on from, of one that is restored.
	seed *consumerSeed
	// calls are to be made with the engine, if there is one.
	calls []func(*worker, *consumercore.Engine)
}

// letter is a message to one of the consumer's subjects.
type letter struct {
	kind    letterKind
	subject string
	reply   string
	payload []byte
	// stream and consumer are numbers from headers, of flow control answers.
	stream, consumer uint64
}

type letterKind uint8

const (
	letterPull letterKind = iota + 1
	letterAck
	letterFlow
)

// tell puts something into the inbox.
func (c *consumer) tell(f func(*consumerInbox)) {
	c.mu.Lock()
	f(&c.inbox)
	c.mu.Unlock()
	c.wake()
}

// news tells what has happened to the stream.
func (c *consumer) news(events []event) {
	c.tell(func(in *consumerInbox) { in.news = append(in.news, events...) })
}

// maxMail bounds what waits for a consumer. Clients ask again for what is dropped.
const maxMail = 1 << 16

// receive returns the handler of one of the consumer's subjects.
func (c *consumer) receive(kind letterKind) func(*account.Message) {
	return func(m *account.Message) {
		if kind == letterPull && m.HeaderLen > 0 && api.CheckLevel(proto.HeaderValue(m.Header(), api.HeaderRequiredLevel)) != nil {
			c.refuse(m, api.StatusRequiredLevel)
			return
		}
		l := letter{kind: kind, subject: string(m.Subject), reply: string(m.Reply), payload: bytes.Clone(m.Payload())}
		if kind == letterFlow && m.HeaderLen > 0 {
			l.consumer, _ = strconv.ParseUint(string(proto.HeaderValue(m.Header(), api.HeaderLastConsumer)), 10, 64)
			l.stream, _ = strconv.ParseUint(string(proto.HeaderValue(m.Header(), api.HeaderLastStream)), 10, 64)
		}
		c.tell(func(in *consumerInbox) {
			if len(in.mail) < maxMail {
				in.mail = append(in.mail, l)
			}
		})
	}
}

// refuse answers a request with a status.
func (c *consumer) refuse(m *account.Message, status *api.Status) {
	if len(m.Reply) == 0 {
		return
	}
	block := status.AppendBlock(nil)
	c.stream.tenant.account.Publish(&account.Message{
		Subject: bytes.Clone(m.Reply), Body: append(slices.Clip(block), proto.CRLF...), HeaderLen: len(block),
	})
}

// run implements runner.
func (c *consumer) run(w *worker) {
	c.mu.Lock()
	in := c.inbox
	c.inbox = c.spare
	closed := c.closed
	c.mu.Unlock()
	c.underway -= in.settled
	c.noted = max(c.noted, in.noted)
	c.beginOrEnd(w, &in, closed)
	if c.engine != nil && c.e.cfg.Host.Full() {
		// What cannot be noted is not delivered.
		c.breakOff(w, int64(slowPause))
	}
	c.sow(&in)
	if e := c.engine; e != nil {
		c.handle(w, e, &in)
	} else {
		c.keep(in.mail, closed)
	}
	for _, f := range in.calls {
		f(w, c.engine)
	}
	if c.engine != nil {
		c.bind(w)
		c.step(w)
	}
	c.settleMarks()
	c.again(w)
	c.setAlarm()
	clear(in.mail)
	clear(in.news)
	clear(in.calls)
	c.spare = consumerInbox{mail: in.mail[:0], news: in.news[:0], calls: in.calls[:0]}
}

// keep keeps mail for the engine that is about to begin, if there will be one.
func (c *consumer) keep(mail []letter, closed bool) {
	switch {
	case closed || c.againAt == 0 && !c.beginning:
		c.kept = nil
	case len(c.kept) < maxMail:
		c.kept = append(c.kept, mail...)
	}
}

// beginOrEnd makes the engine, or throws it away.
func (c *consumer) beginOrEnd(w *worker, in *consumerInbox, closed bool) {
	switch {
	case closed:
		in.lead, in.state, c.againAt, c.tellAt, c.beginning = nil, nil, 0, 0, false
		in.untold, in.tellAll = false, false
	case in.resign:
		in.state, c.againAt, c.beginning = nil, 0, false
		c.end()
		c.mute()
		c.info.Store(nil)
	case in.lead != nil:
		c.term, in.state, c.againAt, c.beginning = in.term, nil, 0, false
		if c.stream.isRestoring() {
			in.lead = nil // it is told when it is to begin
		}
	case in.lost:
		// Another one begins with what is there.
		c.breakOff(w, int64(pause))
	case in.anew && c.engine != nil:
		c.breakOff(w, 0)
	case in.met && c.engine == nil && c.againAt != 0:
		c.againAt = w.now
	case in.late:
		c.againAt, c.beginning = w.now+int64(pause), false
	case in.state != nil && c.engine == nil:
		in.lead, c.beginning = in.state, false
	}
	switch {
	case in.tellAll:
		c.tellAt = w.now
	case in.untold && c.tellAt == 0:
		c.tellAt = w.now + int64(pause)
	}
	if in.lead != nil {
		c.end()
		c.begin(w, in)
	}
}

// begin makes an engine.
func (c *consumer) begin(w *worker, in *consumerInbox) {
	st, cfg := c.stream.assigned.Load().Config, c.assigned.Load().Config
	acc := c.stream.tenant
	created := in.lead.Created() == 0
	switch {
	case !c.stream.knows(c.assigned.Load()):
		// Who leads the stream has it know its consumers. Before that it may let go of what
		// this one is to get.
		c.againAt = w.now + int64(slowPause)
		return
	case created && in.state == nil && c.stream.leading.Load() == 0:
		// Where it begins is told by the stream, of which this replica may be behind.
		c.againAt = w.now
		return
	}
	engine, err := consumercore.NewEngine(in.lead, consumercore.Params{
		Store: c.stream.store, Replicated: c.isReplicated(), Retains: st.Retention != api.RetainLimits,
		AckPrefix: c.ackPrefix(), FlowPrefix: c.flowPrefix(),
		Burst: burst(st.MaxMsgSize), Listening: acc.listening, NewID: c.e.cfg.NewID, Rand: c.e.newRand(),
	}, w.now, &w.effects)
	if err == nil && !created {
		info := engine.Info()
		c.info.Store(&info)
	}
	switch {
	case err != nil:
	case created && c.e.logGone && !c.assigned.Load().Group.Memory:
		var state *consumercore.State
		if state, err = c.anew(); err == nil {
			err = engine.Resume(w.now, state, &w.effects)
		}
	case created:
		err = engine.Create(w.now, cfg, &w.effects)
	case st.Retention == api.RetainInterest, !bytes.Equal(in.lead.Config(), mustJSON(cfg)):
		// The stream may not have kept messages until they are acknowledged before.
		err = engine.Update(w.now, cfg, &w.effects)
	}
	if err != nil {
		w.effects.Reset()
		c.againAt = w.now + int64(slowPause)
		switch {
		case !errors.Is(err, host.ErrFull):
			c.complain("beginning to serve", err)
		case !created:
			// It can be looked at, and what is sent to it is kept.
			c.openSubjects(cfg)
			c.settle()
		}
		return
	}
	c.engine, c.bound, c.committed, c.againAt = engine, false, 0, 0
	// What it was told before is about another engine, or in the state already.
	in.committed, in.news = 0, nil
	c.openSubjects(cfg)
	if !created {
		c.settle() // whether there is space for what it proposes or not
	}
	c.whenCommitted(engine.Mark(), func(ok bool) {
		if ok {
			c.settle()
		}
	})
}

// slowPause is how long to wait before an engine that could not begin is tried again.
const slowPause = 2 * time.Second

// end throws the engine away. Whoever waits for it is told.
func (c *consumer) end() {
	if c.engine == nil {
		return
	}
	c.engine = nil
	c.mu.Lock()
	c.life++
	c.mu.Unlock()
	c.settleMarks()
}

// breakOff has another engine begin after a while, in nanoseconds. Those whose requests
// wait are told to ask again.
func (c *consumer) breakOff(w *worker, wait int64) {
	if c.engine != nil {
		c.engine.Close(false, &w.effects)
		c.end()
		c.carryOut(w)
	}
	if c.againAt == 0 && !c.beginning {
		c.againAt = w.now + wait
	}
}

// again does what is due beside the engine's work.
func (c *consumer) again(w *worker) {
	// What the last engine has proposed is in the log before, or never will be.
	if c.engine == nil && c.againAt != 0 && c.againAt <= w.now && c.e.cfg.Host.Full() {
		c.againAt = w.now + int64(slowPause)
	}
	if c.engine == nil && c.againAt != 0 && c.againAt <= w.now && c.underway == 0 {
		c.againAt, c.beginning = 0, true
		c.lookUp()
	}
	if c.tellAt != 0 && c.tellAt <= w.now && c.stream.isRestoring() {
		c.tellAt = w.now + int64(pause)
	}
	if c.tellAt != 0 && c.tellAt <= w.now {
		c.tellAt = 0
		if !isClosed(c.joined) || c.group == nil || c.stream.leading.Load() == 0 || c.stream.assigned.Load().Config.Retention == api.RetainLimits {
			return
		}
		c.group.ReadIndex(func(_ raft.Index, err error) {
			if err != nil {
				c.tell(func(in *consumerInbox) { in.untold = true })
				return
			}
			c.finished(0, c.selected(c.state.Finished()))
		})
	}
}

// lookUp gets the state that the next engine begins with. That of a consumer that was not created
// yet comes from a replica of the stream that is up to date.
func (c *consumer) lookUp() {
	late := func() { c.tell(func(in *consumerInbox) { in.late = true }) }
	own := func() {
		c.group.ReadIndex(func(_ raft.Index, err error) {
			if err != nil {
				late()
				return
			}
			state := c.state.Clone()
			c.tell(func(in *consumerInbox) { in.state = state })
		})
	}
	if c.stream.leading.Load() != 0 || c.stream.halted.Load() {
		own()
		return
	}
	c.stream.group.ReadIndex(func(_ raft.Index, err error) {
		if err != nil {
			late()
			return
		}
		own()
	})
}

// setAlarm sets the alarm to what is due next.
func (c *consumer) setAlarm() {
	next := int64(0)
	soonest := func(at int64) {
		if at > 0 && (next == 0 || at < next) {
			next = at
		}
	}
	if c.engine != nil {
		if at, ok := c.engine.Deadline(); ok {
			soonest(max(at, 1))
		}
	} else if c.underway == 0 {
		soonest(c.againAt)
	}
	soonest(c.tellAt)
	c.wakeAt(next)
}

// isReplicated tells whether a delivery has to wait for its entry.
func (c *consumer) isReplicated() bool { return c.several.Load() || c.isUntried() }

// isUntried tells whether the log has not taken anything yet of the term that this server
// leads in. It leads before that, and until then a delivery has to wait for its entry: a disk
// that is full would have it come again with every start.
func (c *consumer) isUntried() bool { return c.noted < c.term }

// handle gives the engine what has come.
func (c *consumer) handle(w *worker, e *consumercore.Engine, in *consumerInbox) {
	e.Scale(c.isReplicated())
	if in.committed > 0 {
		c.committed += consumercore.Mark(in.committed)
		e.Committed(in.committed, &w.effects)
	}
	if in.updated {
		cfg := c.assigned.Load().Config
		if err := e.Update(w.now, cfg, &w.effects); err != nil {
			c.fault = fmt.Errorf("changing its configuration: %w", err)
		}
	}
	for i := range in.news {
		switch n := &in.news[i]; n.kind {
		case eventStored:
			e.Stored(n.seq, []byte(n.subject))
		case eventRemoved:
			e.Removed(w.now, n.seq, []byte(n.subject), &w.effects)
		case eventSwept:
			if err := e.Purged(w.now, &w.effects); err != nil {
				c.complain("after a purge", err)
			}
		}
	}
	if len(c.kept) > 0 {
		c.receiveAll(w, e, c.kept)
		c.kept = nil
	}
	c.receiveAll(w, e, in.mail)
}

// receiveAll gives the engine what was sent to the consumer.
func (c *consumer) receiveAll(w *worker, e *consumercore.Engine, mail []letter) {
	for i := range mail {
		switch l := &mail[i]; l.kind {
		case letterPull:
			e.Pull(w.now, l.reply, l.payload, false, &w.effects)
		case letterAck:
			if sent, ok := api.ParseAckSubject([]byte(l.subject)); ok {
				e.Ack(w.now, sent, l.payload, l.reply, &w.effects)
			}
		case letterFlow:
			e.FlowAnswer(w.now, l.subject, consumercore.ConsumerSeq(l.consumer), store.Seq(l.stream), &w.effects)
		}
	}
}

// step has the engine do what is due, and carries it out.
func (c *consumer) step(w *worker) {
	more := c.engine.Step(w.now, &w.effects)
	if c.compact.Swap(false) {
		c.engine.Compact(w.now, &w.effects)
	}
	c.carryOut(w)
	if c.fault != nil {
		// The engine has worked ahead of what will not be.
		if !errors.Is(c.fault, host.ErrFull) {
			c.complain("proposing", c.fault)
		}
		c.fault = nil
		c.breakOff(w, int64(pause))
	}
	if c.engine == nil {
		return
	}
	info := c.engine.Info()
	c.info.Store(&info)
	if more {
		c.wake()
	}
}

// carryOut does what the engine wants done.
func (c *consumer) carryOut(w *worker) {
	acc := c.stream.tenant.account
	for i := range w.effects.List {
		f := &w.effects.List[i]
		switch f.Kind {
		case consumercore.Deliver:
			c.deliver(w, f)
		case consumercore.SendStatus:
			w.header = f.Status.AppendHeader(w.header[:0])
			w.send(acc, []byte(f.To), []byte(f.Status.Reply), w.header, nil)
		case consumercore.Answer:
			w.send(acc, []byte(f.To), nil, nil, nil)
		case consumercore.Propose:
			c.propose(f.Frame)
		case consumercore.Advise:
			c.advise(&f.Advice)
		case consumercore.Delete:
			c.e.deleteIdle(c)
		case consumercore.Fault:
			c.complain("reading its stream", f.Err)
		}
	}
	w.effects.Reset()
}

// deliver sends a message.
func (c *consumer) deliver(w *worker, f *consumercore.Effect) {
	d, m := &f.Delivery, f.Message
	w.reply = d.AppendReply(w.reply[:0], c.ackPrefix())
	w.header = d.AppendHeader(w.header[:0], m)
	data := m.Data
	if d.HeadersOnly {
		data = nil
	}
	w.forward(c.stream.tenant.account, f.To, w.message(m.Subject, w.reply, w.header, data))
}

func (c *consumer) ackPrefix() string { return c.prefixed(api.AckPrefix) }

func (c *consumer) flowPrefix() string { return c.prefixed(api.FlowPrefix) }

// prefixed makes what the subjects begin with on which the consumer is answered.
func (c *consumer) prefixed(prefix func(domain, account, stream, consumer string) string) string {
	domain, acc, st := "", "", c.stream.assigned.Load()
	if c.e.cfg.LongAcks {
		domain, acc = c.e.cfg.Domain, api.AccountHash(st.Account)
	}
	return prefix(domain, acc, st.Name(), c.assigned.Load().Name())
}

// propose proposes a frame of the engine. Behind one that could not be, none is.
func (c *consumer) propose(frame []byte) {
	if c.fault != nil || c.engine == nil {
		return
	}
	life := c.life
	c.fault = c.group.Propose(host.Proposal{Data: frame, Term: raft.Term(c.term), Done: func(o host.Outcome) {
		c.tell(func(in *consumerInbox) {
			in.settled++
			switch {
			case life != c.life:
			case o.Fate == host.Applied:
				in.committed++
			default:
				in.lost = true
			}
		})
	}})
	if c.fault == nil {
		c.underway++
	}
}

// burst is how many bytes a consumer with a rate limit may send at once: those of the
// largest message.
func burst(maxMsgSize int32) int {
	if maxMsgSize > 0 {
		return int(maxMsgSize)
	}
	return 1 << 20
}
