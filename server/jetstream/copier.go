package jetstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/subject"
)

// copier copies the messages of another stream, for a stream that leads: it is the
// client of a consumer there, which it makes by the API like any client would.
//
//	resting ──▶ placing: where does the stream stand? ──▶ asking for a consumer
//	   ▲                                                      │ created
//	   │                                                      ▼
//	   │                                        resetting it, if it is a durable one
//	   │ time                                                 │
//	   └──────── failed, a gap, silence ◀──────────────── receiving
//
// What it is like with a durable consumer is in copier_durable.go.
type copier struct {
	actor
	s      *stream
	cfg    *api.StreamSource
	mirror bool
	term   uint64
	key    string
	// transforms say what becomes of the subjects; the first that matches counts.
	transforms []*subject.Transform

	mu    sync.Mutex
	inbox copierInbox
	// info is shown to clients.
	lag    uint64
	seq    store.Seq
	heard  int64
	fault  *api.Error
	closed bool
	// removed is whether nobody will copy this any more.
	removed bool

	// uid is that of the attempt: what comes for an earlier one is dropped.
	uid string

	// Of the actor's run alone:
	phase copierPhase
	subs  []*account.Subscription
	// consumer is one that goes with the attempt, durable what is known of one that
	// stays.
	consumer string
	durable
	// from is where the attempt began.
	from arrival
	// identity is that of the origin, which is another one when it was deleted and made
	// again; "" if it does not tell.
	identity string
	// waiting are messages that were not taken yet: because they came before the answer
	// that there is a consumer, or because the stream can take no more until resumeAt.
	waiting  []copied
	resumeAt int64
	// next is the number of the consumer's next delivery, last that of the last
	// message there that was proposed, before that of the one before it.
	next     uint64
	last     store.Seq
	before   store.Seq
	since    int64 // when the phase began, or something was heard
	failures int
	// underway counts the proposals that are not settled; after a drop nothing is
	// proposed until all are. proposed counts all.
	underway int
	proposed uint64
}

type copierPhase uint8

const (
	idle copierPhase = iota
	placing
	asking
	resetting
	receiving
)

// copierInbox is what has come since the last run.
type copierInbox struct {
	messages []copied
	// created is the answer to the request for a consumer, identity what it tells of the
	// origin.
	created  []byte
	identity string
	placed   *arrival
	// settled counts proposals that have an outcome, applied is whether some of them
	// were, lost whether one was not.
	settled       int
	applied, lost bool
	// refused is why the stream does not take a message now that it may take later.
	refused *api.Error
}

// arrival is how far the messages of the origin are in.
type arrival struct {
	seq      store.Seq
	identity string
}

// copied is a message from the other stream.
type copied struct {
	subject, reply string
	header, data   []byte
}

const (
	// copyTimeout is how long the answer to a request is waited for, copySilence
	// after which silence of the consumer it is given up.
	copyTimeout = 30 * time.Second
	copySilence = 10 * time.Second
	// copyRetry is the least time between two attempts, copyRetryMax the most.
	copyRetry    = 2 * time.Second
	copyRetryMax = 2 * time.Minute
)

func newCopier(s *stream, cfg *api.StreamSource, mirror bool, term uint64) (*copier, error) {
	c := &copier{s: s, cfg: cfg, mirror: mirror, term: term, key: cfg.Key()}
	for _, t := range cfg.SubjectTransforms {
		compiled, err := t.Compile()
		if err != nil {
			return nil, err
		}
		if compiled == nil {
			if compiled, err = subject.NewTransform(">", ">"); err != nil {
				return nil, err
			}
		}
		c.transforms = append(c.transforms, compiled)
	}
	c.actor.init(s.e.stage, c)
	return c, nil
}

// mayRefuse reports whether the stream may refuse messages of a source now and take
// them later.
func (s *stream) mayRefuse() bool {
	cfg := s.assigned.Load().Config
	return cfg.Discard == api.DiscardNew || cfg.Sealed
}

// keepCopiers starts those of the configuration, and stops the others. It is called by the
// driver's run.
func (s *stream) keepCopiers(term uint64) {
	cfg := s.assigned.Load().Config
	wanted := make(map[string]*api.StreamSource)
	if term != 0 {
		for _, src := range cfg.Sources {
			wanted[src.Key()] = src
		}
		if cfg.Mirror != nil {
			wanted[mirrorKey] = cfg.Mirror
		}
	}
	for key, c := range s.copiers {
		if wanted[key] == nil || c.term != term {
			c.close(s.removed.Load() || term != 0 && wanted[key] == nil)
			s.mu.Lock()
			delete(s.copiers, key)
			s.mu.Unlock()
		}
	}
	for key, src := range wanted {
		if s.copiers[key] != nil {
			continue
		}
		c, err := newCopier(s, src, key == mirrorKey, term)
		if err != nil {
			s.complain("copying from "+src.Name, err)
			continue
		}
		s.mu.Lock()
		s.copiers[key] = c
		s.mu.Unlock()
		c.wake()
	}
}

// mirrorKey is that of a mirror among the copiers.
const mirrorKey = "mirror"

func (c *copier) tell(f func(*copierInbox)) {
	c.mu.Lock()
	f(&c.inbox)
	c.mu.Unlock()
	c.wake()
}

// close ends the copying, for good if it was removed.
func (c *copier) close(removed bool) {
	c.mu.Lock()
	c.closed, c.removed = true, removed
	c.mu.Unlock()
	c.wake()
}

// run implements runner.
func (c *copier) run(w *worker) {
	c.mu.Lock()
	in := c.inbox
	c.inbox = copierInbox{}
	closed, removed := c.closed, c.removed
	c.mu.Unlock()
	c.underway -= in.settled
	if in.applied {
		c.failures = 0
	}
	if closed {
		c.hangUp(w)
		if removed {
			c.forget(w)
		}
		c.wakeAt(0)
		return
	}
	switch {
	case in.refused != nil:
		c.acknowledge(w)
		c.fail(w, in.refused)
	case in.lost:
		c.fail(w, nil)
	}
	c.settle(w)
	switch c.phase {
	case idle:
		if w.now >= c.since+int64(c.pause()) && c.underway == 0 {
			c.place(w.now)
		}
	case placing:
		if in.placed != nil {
			c.ask(w, in.placed)
		}
	case asking:
		if in.created != nil {
			c.begin(w, &in)
		} else if w.now >= c.since+int64(copyTimeout) {
			c.fail(w, api.ErrClusterNotAvail)
		}
	case resetting:
		if in.created != nil {
			c.attach(w, &in)
		} else if w.now >= c.since+int64(resetTimeout) {
			c.fail(w, api.ErrClusterNotAvail)
		}
	}
	if c.phase != idle {
		c.waiting = append(c.waiting, in.messages...)
	}
	if c.phase == receiving {
		c.takeAll(w)
		if c.phase == receiving && w.now >= c.since+int64(copySilence) {
			c.fail(w, nil)
		}
	}
	c.setAlarm(w.now)
}

// takeAll takes the messages that have come, as far as the stream can take them.
func (c *copier) takeAll(w *worker) {
	if w.now < c.resumeAt || len(c.waiting) == 0 {
		return
	}
	c.resumeAt = 0
	messages := c.waiting
	for i := range messages {
		if c.underway > 0 && c.s.mayRefuse() {
			// What comes behind a message that is refused must not be taken before it.
			c.waiting = messages[i:]
			return
		}
		err := c.take(w, &messages[i])
		if err == nil {
			continue
		}
		if errors.Is(err, host.ErrOverloaded) {
			// The origin waits: it is not answered before.
			c.waiting, c.resumeAt = messages[i:], w.now+int64(pause)
		} else {
			c.fail(w, nil)
		}
		return
	}
	c.waiting = nil
}

func (c *copier) setAlarm(now int64) {
	switch c.phase {
	case idle:
		c.wakeAt(max(c.since+int64(c.pause()), now+1))
	case asking:
		c.wakeAt(c.since + int64(copyTimeout))
	case resetting:
		c.wakeAt(c.since + int64(resetTimeout))
	case receiving:
		at := c.since + int64(copySilence)
		if c.resumeAt > 0 {
			at = min(at, c.resumeAt)
		}
		c.wakeAt(at)
	default:
		c.wakeAt(0)
	}
}

// pause is how long to rest before the next attempt.
func (c *copier) pause() time.Duration {
	switch c.failures {
	case 0:
		return 0
	case 1:
		return copyRetry
	default:
		return min(time.Duration(c.failures)*10*time.Second, copyRetryMax)
	}
}

// fail gives the consumer up, to try again after a while.
func (c *copier) fail(w *worker, why *api.Error) {
	c.hangUp(w)
	c.phase, c.since = idle, w.now
	if c.failures++; why == nil {
		// The origin is there.
		c.failures = 1
	}
	c.mu.Lock()
	c.fault = why
	c.mu.Unlock()
}

// hangUp ends the consumer.
func (c *copier) hangUp(w *worker) {
	acc := c.s.tenant.account
	acc.UnsubscribeAll(c.subs)
	c.subs, c.waiting, c.resumeAt = nil, nil, 0
	c.owed, c.acks = nil, false
	c.mu.Lock()
	c.uid = ""
	c.mu.Unlock()
	if c.consumer != "" {
		c.delete(w, c.consumer)
		c.consumer = ""
	}
}

// delete deletes a consumer, and does not wait for that.
func (c *copier) delete(w *worker, name string) {
	w.send(c.s.tenant.account, []byte(api.OpConsumerDelete.Subject(c.prefix(), c.cfg.Name, name)), []byte(copyReply), nil, nil)
}

// copyReply is what the subjects begin with on which answers to copiers come.
const copyReply = "$JSC.R."

func (c *copier) prefix() string {
	if c.cfg.External != nil && c.cfg.External.APIPrefix != "" {
		return c.cfg.External.APIPrefix
	}
	return api.Prefix
}

// place finds out where the stream stands, on its apply stage.
func (c *copier) place(now int64) {
	c.phase, c.since = placing, now
	c.s.group.ReadIndex(func(_ raft.Index, err error) {
		if err != nil {
			c.tell(func(in *copierInbox) { in.lost = true })
			return
		}
		var at arrival
		if c.mirror {
			at.seq = c.s.store.State().Last
		} else {
			at.seq, at.identity = c.s.core.SourcePosition(c.key)
		}
		c.tell(func(in *copierInbox) { in.placed = &at })
	})
}

// ask asks for a consumer that begins behind a message.
func (c *copier) ask(w *worker, from *arrival) {
	c.from = *from
	if c.cfg.Consumer != nil {
		c.inquire(w)
		return
	}
	at, uid := from.seq, c.attempt(w, asking)
	c.last, c.before = at, at
	deliver := "$JS.S."
	if c.mirror {
		deliver = "$JS.M."
	}
	if c.cfg.External != nil && c.cfg.External.DeliverPrefix != "" {
		deliver = c.cfg.External.DeliverPrefix + deliver[len("$JS"):]
	}
	req := api.CreateConsumerRequest{Stream: c.cfg.Name}
	cfg := &req.Config
	cfg.Name = c.consumerName()
	cfg.DeliverSubject = deliver + uid
	cfg.AckPolicy, cfg.AckWait, cfg.MaxDeliver = api.AckNone, 22*time.Hour, 1
	cfg.Heartbeat, cfg.FlowControl, cfg.InactiveThreshold = time.Second, true, copySilence
	cfg.Direct, cfg.Sourcing = true, true
	switch {
	case at > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = api.DeliverByStartSequence, uint64(at)+1
	case c.cfg.OptStartSeq > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = api.DeliverByStartSequence, c.cfg.OptStartSeq
	case c.cfg.OptStartTime != nil:
		cfg.DeliverPolicy, cfg.OptStartTime = api.DeliverByStartTime, c.cfg.OptStartTime
	}
	switch n := len(c.cfg.SubjectTransforms); {
	case c.cfg.FilterSubject != "":
		cfg.FilterSubject = c.cfg.FilterSubject
	case n == 1:
		cfg.FilterSubject = c.cfg.SubjectTransforms[0].Source
	default:
		for _, t := range c.cfg.SubjectTransforms {
			cfg.FilterSubjects = append(cfg.FilterSubjects, t.Source)
		}
	}
	c.subscribe(c.answerTo(uid), c.deliverTo(cfg.DeliverSubject, uid))
	to := api.OpConsumerCreate.Subject(c.prefix(), c.cfg.Name, cfg.Name)
	if cfg.FilterSubject != "" {
		to += "." + cfg.FilterSubject
	}
	if !c.request(w, to, uid, mustJSON(&req)) {
		c.fail(w, api.ErrStreamNotFound)
	}
}

// attempt begins something under an id of its own, by which what comes for it is known.
func (c *copier) attempt(w *worker, phase copierPhase) (uid string) {
	uid = c.s.e.cfg.NewID()
	c.phase, c.since = phase, w.now
	c.mu.Lock()
	c.uid = uid
	c.mu.Unlock()
	return uid
}

// answerTo is where the answer to a request comes.
func (c *copier) answerTo(uid string) *account.Subscription {
	return &account.Subscription{Subject: copyReply + uid, Handler: func(m *account.Message) {
		b := bytes.Clone(m.Payload())
		identity := string(proto.HeaderValue(m.Header(), api.HeaderStreamIdentity))
		c.tell(func(in *copierInbox) {
			if c.uid == uid {
				in.created, in.identity = b, identity
			}
		})
	}}
}

// deliverTo is where messages come.
func (c *copier) deliverTo(subject, uid string) *account.Subscription {
	return &account.Subscription{Subject: subject, Handler: func(m *account.Message) { c.receive(m, uid) }}
}

func (c *copier) subscribe(subs ...*account.Subscription) {
	c.subs = append(c.subs, subs...)
	for _, sub := range subs {
		if err := c.s.tenant.account.Subscribe(sub); err != nil {
			c.s.complain("copying from "+c.cfg.Name, err)
		}
	}
}

// request sends a request, and says which origin is meant. It reports whether anybody
// listens.
func (c *copier) request(w *worker, to, uid string, body []byte) bool {
	var header []byte
	if c.from.identity != "" {
		header = appendHeader([]byte(proto.HeaderLine), api.HeaderStreamIdentity, c.from.identity)
		header = append(header, proto.CRLF...)
	}
	return w.send(c.s.tenant.account, []byte(to), []byte(copyReply+uid), header, body)
}

// receive takes a message of the consumer, on whichever goroutine sends it.
func (c *copier) receive(m *account.Message, uid string) {
	msg := copied{string(m.Subject), string(m.Reply), bytes.Clone(m.Header()), bytes.Clone(m.Payload())}
	c.tell(func(in *copierInbox) {
		if c.uid == uid {
			in.messages = append(in.messages, msg)
		}
	})
}

// begin looks at the answer to the request for a consumer.
func (c *copier) begin(w *worker, in *copierInbox) {
	r, ok := c.answer(w, in)
	switch {
	case !ok:
	case r.Config != nil && r.Config.AckPolicy == api.AckFlowControl:
		c.adopt(r)
		at := c.from.seq
		if uint64(at) >= r.AckFloor.Stream {
			// What is in and was not acknowledged comes again, so that it is.
			at = 0
		}
		c.reset(w, at)
	case c.cfg.Consumer != nil && c.mirror:
		c.fail(w, api.ErrMirrorConsumerRequiresAckFC)
	case c.cfg.Consumer != nil:
		c.fail(w, api.ErrSourceConsumerRequiresAckFC)
	default:
		c.consumer = r.Name
		c.listen(w, in, r)
	}
}

// answer reads the answer to a request. If it is not to go on, it has done what is to
// be done.
func (c *copier) answer(w *worker, in *copierInbox) (*api.ConsumerInfo, bool) {
	var r api.ConsumerInfoResponse
	err := json.Unmarshal(in.created, &r)
	switch {
	case err != nil:
		c.fail(w, api.ErrInvalidJSON.With("err", err))
	case r.Error != nil && r.Error.Is(api.ErrConsumerStreamIdentityMismatch):
		// The origin was deleted and made again: its messages are others.
		c.hangUp(w)
		c.ask(w, &arrival{})
	case r.Error != nil:
		c.fail(w, r.Error)
	default:
		return r.ConsumerInfo, true
	}
	return nil, false
}

// listen begins to take messages.
func (c *copier) listen(w *worker, in *copierInbox, r *api.ConsumerInfo) {
	c.identity, c.phase, c.next, c.since = in.identity, receiving, 1, w.now
	c.mu.Lock()
	c.fault, c.lag, c.heard = nil, r.NumPending, w.now
	c.mu.Unlock()
	c.behind(r.NumPending)
}

const (
	// nearLag is how many messages a mirror may be behind when it begins to answer direct
	// gets for its origin, farLag how many when it ends that.
	nearLag = 10
	farLag  = 100
)

// behind has a mirror answer for its origin as long as it is not far behind it.
func (c *copier) behind(lag uint64) {
	if near := c.s.near.Load(); c.mirror && (near && lag >= farLag || !near && lag < nearLag) {
		c.s.near.Store(!near)
		c.s.tell(func(d *driver) { d.changed = true })
	}
}

// errGap says that a message of the consumer did not arrive.
var errGap = errors.New("jetstream: a message is missing")

// take takes a message of the consumer. After an error neither it nor what follows can
// be used, unless that is host.ErrOverloaded: then it is to be taken again.
func (c *copier) take(w *worker, m *copied) error {
	c.since = w.now
	c.mu.Lock()
	c.heard = w.now
	c.mu.Unlock()
	if bytes.HasPrefix(m.header, []byte("NATS/1.0 100")) {
		if m.reply != "" {
			c.reply(w, m.reply)
		}
		if stalled := proto.HeaderValue(m.header, api.HeaderConsumerStalled); len(stalled) > 0 {
			c.reply(w, string(stalled))
		}
		sent, err := strconv.ParseUint(string(proto.HeaderValue(m.header, api.HeaderLastConsumer)), 10, 64)
		if err == nil && sent >= c.next {
			return errGap
		}
		return nil
	}
	d, ok := api.ParseAckSubject([]byte(m.reply))
	if !ok {
		return nil
	}
	if d.ConsumerSeq != c.next {
		return errGap
	}
	if err := c.propose(m, &d); err != nil {
		return err
	}
	c.next++
	c.mu.Lock()
	c.lag, c.seq = d.Pending, store.Seq(d.StreamSeq)
	c.mu.Unlock()
	c.behind(d.Pending)
	return nil
}

// propose proposes to store a message.
func (c *copier) propose(m *copied, d *api.Delivery) error {
	seq := store.Seq(d.StreamSeq)
	if c.acks && seq <= c.last {
		return nil // it is in already, and was not acknowledged
	}
	if c.mirror && seq > c.last+1 && c.last+1 > 0 {
		if err := c.send(streamcore.AppendSkip(nil, seq-1)); err != nil {
			return err
		}
	}
	msg := streamcore.Message{Subject: c.transformed(m.subject), Header: m.header, Data: m.data}
	var op []byte
	if c.mirror {
		op = streamcore.AppendCopy(nil, seq, d.Time, &msg)
	} else {
		o := streamcore.Origin{Source: c.key, Identity: c.identity, Seq: seq, Subject: []byte(m.subject)}
		op = streamcore.AppendSource(nil, &o, &msg)
	}
	err := c.send(op)
	if err == nil {
		c.before, c.last = c.last, seq
	}
	return err
}

// transformed is the subject that a message gets.
func (c *copier) transformed(literal string) []byte {
	for _, t := range c.transforms {
		if t.MatchString(literal) {
			return t.Apply(nil, []byte(literal), c.random)
		}
	}
	return []byte(literal)
}

func (c *copier) random(n uint32) uint32 {
	c.s.e.mu.Lock()
	defer c.s.e.mu.Unlock()
	return c.s.e.rand.Uint32N(n)
}

func (c *copier) send(op []byte) error {
	err := c.s.group.Propose(host.Proposal{Data: op, Term: raft.Term(c.term), Done: func(o host.Outcome) {
		var refused *api.Error
		if got, ok := o.Result.(*outcome); ok && got.Err != nil && (streamcore.IsFull(got.Err) || got.Err.Is(api.ErrStreamSealed)) {
			refused = got.Err
		}
		c.tell(func(in *copierInbox) {
			in.settled++
			in.applied = in.applied || o.Fate == host.Applied
			in.lost = in.lost || o.Fate != host.Applied
			if refused != nil {
				in.refused = refused
			}
		})
	}})
	if err == nil {
		c.underway++
		c.proposed++
	}
	return err
}

// describe tells clients how it does.
func (c *copier) describe(now int64) *api.StreamSourceInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &api.StreamSourceInfo{
		Name: c.cfg.Name, External: c.cfg.External, Lag: c.lag, Seq: uint64(c.seq), Active: -1, Error: c.fault,
		FilterSubject: c.cfg.FilterSubject, SubjectTransforms: c.cfg.SubjectTransforms,
	}
	if c.heard > 0 {
		out.Active = time.Duration(now - c.heard)
	}
	return out
}
