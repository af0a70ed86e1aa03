package jetstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// driver is what a stream does while its replica leads: it makes ops of what is
// published, answers publishers, tells consumers, and watches the clock.
type driver struct {
	// due is when an advance has something to do, 0 for never; it is set on the apply
	// stage.
	due atomic.Int64

	mu sync.Mutex
	// term is that in which the replica leads, 0 if it does not; ingest is made for
	// it.
	term   uint64
	ingest *streamcore.Ingest
	out    streamcore.Output
	// unsettled is what was proposed for publishers and has no outcome yet.
	unsettled struct {
		ops   int
		bytes int64
	}
	// replies and copies are to be sent, news to be told to the consumers.
	replies   []streamcore.Reply
	copies    []streamcore.Republish
	news      []event
	abandoned []streamcore.Abandoned
	// follows is whether it is known that another replica leads. heard is the last term for which
	// the subjects were opened.
	follows bool
	heard   uint64
	// changed is set when subjects and copiers may have to be other ones, reconfigure
	// when the configuration that is assigned has to be proposed. waiters are told
	// when it is applied. advancing is set while an advance is on its way.
	changed, reconfigure, advancing bool
	waiters                         []chan error
	// chores are ops of the stream's own that could not be proposed yet.
	chores [][]byte
	// resumeAt is when to try again after something could not be proposed.
	resumeAt int64
	closed   bool
	// near is whether a mirror is not far behind its origin.
	near      atomic.Bool
	consumers map[string]*consumer
	// copiers are changed by the actor's run alone.
	copiers    map[string]*copier
	subscribed map[string]*account.Subscription

	// retention is that of the configuration which was proposed last.
	retention api.Retention

	// sending is held while something is sent, which spare is for.
	sending sync.Mutex
	spare   struct {
		replies []streamcore.Reply
		copies  []streamcore.Republish
		news    []event
	}
}

// pause is how long to wait before something that could not be proposed is tried
// again.
const pause = 250 * time.Millisecond

// lead begins to lead in a term; in term 0 it ends that.
func (d *driver) lead(term uint64, ingest *streamcore.Ingest) {
	if d.ingest != nil {
		d.ingest.Close()
	}
	d.term, d.ingest = term, ingest
	if term == 0 {
		// Whoever leads next finds out by itself what there is to be done.
		d.chores = nil
	} else {
		d.follows = false
	}
}

func (d *driver) init() {
	d.consumers = make(map[string]*consumer)
	d.copiers = make(map[string]*copier)
	d.subscribed = make(map[string]*account.Subscription)
}

// event is something that has happened to a stream's messages.
type event struct {
	kind    eventKind
	seq     store.Seq
	subject string
}

type eventKind uint8

const (
	eventStored eventKind = iota + 1
	eventRemoved
	// eventSwept: many were removed at once.
	eventSwept
)

// tell changes the driver, and has it look.
func (s *stream) tell(f func(*driver)) {
	s.mu.Lock()
	f(&s.driver)
	s.mu.Unlock()
	s.wake()
}

// outcome is what an op has come to, without what those who follow the stream have to
// know.
type outcome = streamcore.Result

// outcomes are those that nobody needs any more.
var outcomes = sync.Pool{New: func() any { return new(outcome) }}

func newOutcome(r *streamcore.Result) *outcome {
	o := outcomes.Get().(*outcome)
	*o = outcome{
		Kind: r.Kind, Skipped: r.Skipped, Duplicate: r.Duplicate, ConfigChanged: r.ConfigChanged, Seq: r.Seq, Count: r.Count,
		Err: r.Err, Value: slices.Clone(r.Value), Fast: r.Fast,
	}
	return o
}

// publication is a proposal of the ingest that has no outcome yet.
type publication struct {
	of     *stream
	ticket streamcore.Ticket
	// size is that of the op in bytes.
	size int64
	// done is settled, made once.
	done func(host.Outcome)
}

// publications are those that nobody needs any more.
var publications sync.Pool

func newPublication(s *stream, t streamcore.Ticket) *publication {
	p, _ := publications.Get().(*publication)
	if p == nil {
		p = new(publication)
		p.done = p.settled
	}
	p.of, p.ticket = s, t
	return p
}

const (
	// opBuffer is the size of the buffers that ops are put into, next to each other.
	opBuffer = 64 << 10
	// opSpare is what an op takes beside its message, about.
	opSpare = 256
)

// room makes room for an op with so many bytes.
func (d *driver) roomLocked(n int) {
	if n += opSpare; cap(d.out.Buf)-len(d.out.Buf) < n {
		d.out.Buf = make([]byte, 0, max(opBuffer, n))
	}
}

// publish takes a message that was published to one of the stream's subjects. It is
// called on the publisher's goroutine.
func (s *stream) publish(m *account.Message) {
	now := s.e.now()
	s.mu.Lock()
	if s.term == 0 || s.closed {
		halted := !s.closed && s.group.State() == host.Halted
		s.mu.Unlock()
		if halted {
			s.refuse(m)
		}
		return
	}
	s.roomLocked(m.Size() + len(m.Subject) + len(m.Reply))
	// The reply has to stay as it is until it is used.
	from := len(s.out.Buf)
	s.out.Buf = append(s.out.Buf, m.Reply...)
	p := streamcore.Publication{Subject: m.Subject, Reply: s.out.Buf[from:len(s.out.Buf):len(s.out.Buf)], Header: m.Header(), Data: m.Payload()}
	if err := s.refusalLocked(m); err != nil {
		s.ingest.Dropped(&streamcore.Ticket{Reply: p.Reply}, err, &s.out)
	} else {
		s.ingest.Publish(&p, now, &s.out)
	}
	nth := m.Later(lender{s.e.cfg.Host})
	wake := s.carryOutLocked(nth == 1)
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	if nth == 2 {
		s.e.cfg.Host.Nudge()
	}
}

// lender has a publisher who sent a single message, and most likely waits to be
// answered, do itself what that takes. Of many it only makes proposals.
type lender struct{ host *host.Host }

// Run implements account.Errand.
func (l lender) Run(alone bool) {
	if alone {
		l.host.Assist()
	}
}

// refuse answers a publisher when there is nobody else who could take the message.
func (s *stream) refuse(m *account.Message) {
	if len(m.Reply) == 0 || s.assigned.Load().Config.NoAck {
		return
	}
	ack := api.PubAck{Stream: s.assigned.Load().Name(), Domain: s.e.cfg.Domain, Error: api.ErrInsufficientResources}
	s.tenant.account.Publish(account.NewMessage(string(m.Reply), ack.AppendJSON(nil)))
}

// refusalLocked says why the server takes no message at the moment, if so.
func (s *stream) refusalLocked(m *account.Message) *api.Error {
	if q := &s.e.cfg.Queues; s.unsettled.ops >= cmp.Or(q.Msgs, defaultBuffered) || q.Bytes > 0 && s.unsettled.bytes+int64(m.Size()) > q.Bytes {
		return api.ErrStreamTooManyRequests
	}
	return s.tenant.refusal(s.assigned.Load().Config.Storage, int64(m.Size()))
}

func (e *Engine) ingestConfig(b *BatchLimits) streamcore.IngestConfig {
	return streamcore.IngestConfig{
		Domain: e.cfg.Domain, Zones: e.zones, MaxBatchMessages: b.Messages, MaxBatches: b.PerStream, Timeout: int64(b.Timeout),
		AtomicQuota: &e.atomicBatches, FastQuota: &e.fastBatches,
	}
}

// boundBatches puts other bounds on publishing in batches into force.
func (s *stream) boundBatches(b *BatchLimits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ingest != nil {
		s.ingest.Bound(s.e.ingestConfig(b))
	}
}

// carryOutLocked proposes what the ingest wants proposed, and reports whether there
// is something for the actor to do. Who has it propose quietly runs lender, or nudges
// the host.
func (s *stream) carryOutLocked(quietly bool) (wake bool) {
	for i := range s.out.Proposals {
		op := s.out.Proposals[i].Op
		p := newPublication(s, s.out.Proposals[i].Ticket)
		p.size = int64(len(op))
		proposal := host.Proposal{Data: op, Term: raft.Term(s.term), Done: p.done}
		var err error
		if quietly {
			err = s.group.ProposeQuietly(proposal)
		} else {
			err = s.group.Propose(proposal)
		}
		if err == nil {
			s.unsettled.ops++
			s.unsettled.bytes += p.size
			continue
		}
		why := api.ErrInsufficientResources
		if errors.Is(err, host.ErrOverloaded) {
			why = api.ErrStreamTooManyRequests
		}
		if errors.Is(err, host.ErrFull) {
			s.e.herald.outOfSpace(s)
		}
		s.ingest.Dropped(&p.ticket, why, &s.out)
		p.recycle()
	}
	s.replies = append(s.replies, s.out.Replies...)
	// Advisories leave by the actor: this stream may be who listens to them.
	s.abandoned = append(s.abandoned, s.out.Abandoned...)
	s.out.Reset()
	return len(s.replies)+len(s.abandoned) > 0
}

// settled is told what became of the proposal, on the apply stage if it was applied:
// then Flush sends the answer.
func (p *publication) settled(o host.Outcome) {
	s := p.of
	got, _ := o.Result.(*outcome)
	applied := got != nil && o.Fate == host.Applied
	s.mu.Lock()
	s.unsettled.ops--
	s.unsettled.bytes -= p.size
	wake := false
	if s.ingest != nil {
		if applied {
			s.roomLocked(0)
			s.ingest.Done(&p.ticket, got, s.e.now(), &s.out)
		} else {
			s.ingest.Dropped(&p.ticket, s.dropReason(&o), &s.out)
		}
		wake = s.carryOutLocked(false) && (!applied || len(s.abandoned) > 0)
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	if got != nil {
		outcomes.Put(got)
	}
	p.recycle()
}

// dropReason says why a publication came to nothing, nil if there is nothing to be said.
func (s *stream) dropReason(o *host.Outcome) *api.Error {
	if o.Fate == host.Dropped && errors.Is(o.Err, host.ErrFull) {
		s.e.herald.outOfSpace(s)
		return api.ErrInsufficientResources
	}
	return nil
}

func (p *publication) recycle() {
	p.of, p.ticket = nil, streamcore.Ticket{}
	publications.Put(p)
}

// announce passes on what an op has come to. It is called on the apply stage; Flush
// sends it.
func (s *stream) announce() {
	r := &s.result
	sooner := s.noteDue()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.ConfigChanged && s.ingest != nil {
		s.ingest.Configure(s.core.Config())
	}
	for i := range r.Republish {
		c := &r.Republish[i]
		s.copies = append(s.copies, streamcore.Republish{
			Subject: slices.Clone(c.Subject), Header: slices.Clone(c.Header), Data: slices.Clone(c.Data),
		})
	}
	if s.isFollowed() && !s.isRestoring() {
		s.newsLocked(r)
	}
	if r.ConfigChanged || sooner {
		s.wake()
	}
}

// reconfigured has those who go by the stream's retention begin anew, if that is another one. It is
// called on the apply stage.
func (s *stream) reconfigured(before api.Retention) {
	if s.core.Config().Retention == before {
		return
	}
	for _, c := range s.consumerList() {
		c.tell(func(in *consumerInbox) { in.anew = true })
	}
}

// noteDue notes when there is something to do, and reports whether that is sooner than
// it was. It is called on the apply stage.
func (s *stream) noteDue() (sooner bool) {
	at, ok := s.core.NextDue()
	if !ok {
		at = 0
	}
	was := s.due.Swap(at)
	return at != 0 && (was == 0 || at < was)
}

// newsLocked notes what consumers have to know.
func (s *stream) newsLocked(r *streamcore.Result) {
	if r.Stored.Last > 0 && !r.Followed {
		// Somebody has come meanwhile, and has to look by itself.
		s.news = append(s.news, event{kind: eventSwept})
	}
	for _, m := range r.Added {
		s.news = append(s.news, event{eventStored, m.Seq, m.Subject})
	}
	for _, m := range r.Removed {
		s.news = append(s.news, event{eventRemoved, m.Seq, m.Subject})
	}
	if r.Swept > 0 {
		s.news = append(s.news, event{kind: eventSwept})
	}
}

// Flush implements host.Flusher: it answers publishers, tells consumers, and sends
// copies.
func (s *stream) Flush() {
	s.mu.Lock()
	any := len(s.replies)+len(s.copies)+len(s.news) > 0
	s.mu.Unlock()
	if any {
		w := s.stage.borrow()
		s.send(w)
		s.stage.giveBack(w)
	}
}

// send sends what is to be sent.
func (s *stream) send(w *worker) {
	// One at a time, or what came later might overtake.
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	replies, copies, news, abandoned := s.replies, s.copies, s.news, s.abandoned
	s.replies, s.copies, s.news, s.abandoned = s.spare.replies[:0], s.spare.copies[:0], s.spare.news[:0], nil
	w.followers = w.followers[:0]
	if len(news) > 0 {
		for _, c := range s.consumers {
			if c.leading.Load() {
				w.followers = append(w.followers, c)
			}
		}
	}
	s.mu.Unlock()
	// Consumers know of a message before its publisher does, who may ask them for it.
	for _, c := range w.followers {
		c.news(news)
	}
	for i := range replies {
		w.send(s.tenant.account, replies[i].Subject, nil, replies[i].Header, replies[i].Data)
	}
	for i := range copies {
		w.send(s.tenant.account, copies[i].Subject, nil, copies[i].Header, copies[i].Data)
	}
	w.flush()
	for i := range abandoned {
		s.tenant.batchAbandoned(s, abandoned[i])
	}
	clear(replies)
	clear(copies)
	clear(news)
	clear(w.followers)
	s.spare.replies, s.spare.copies, s.spare.news = replies, copies, news
}

// run implements runner: it does what the driver has to do.
func (s *stream) run(w *worker) {
	s.send(w)
	s.mu.Lock()
	term, changed := s.term, s.changed
	s.changed = false
	if s.closed {
		term = 0
	}
	s.mu.Unlock()
	if changed && !s.isRestoring() {
		s.keepCopiers(term)
	}
	if term == 0 {
		s.wakeAt(0)
		s.tellWaiters(errDropped)
		if changed {
			// If it is halted it can be read, and publishers are told that it takes nothing.
			s.catchUp()
			s.openSubjects()
		}
		return
	}
	// The configuration comes before all that is published under it.
	if s.proposeOwn(w.now) && changed {
		s.openSubjects()
	}
	s.watchClock(w.now)
}

// proposeOwn proposes what the stream itself wants: its configuration, if that is
// another one, and its chores. It returns false while it cannot.
func (s *stream) proposeOwn(now int64) bool {
	s.mu.Lock()
	reconfigure, chores := s.reconfigure, s.chores
	if !reconfigure && len(chores) == 0 {
		s.mu.Unlock()
		return true
	}
	if now < s.resumeAt {
		s.changed = true
		s.mu.Unlock()
		return false
	}
	waiters := s.waiters
	s.reconfigure, s.waiters = false, nil
	s.mu.Unlock()

	done := 0
	var err error
	for err == nil && done < len(chores) {
		if err = s.propose(chores[done], nil); err == nil {
			done++
		}
	}
	if err == nil && reconfigure {
		if err = s.proposeConfig(waiters); err == nil {
			reconfigure, waiters = false, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Meanwhile they were seen to be there, and others may have come.
	s.chores = s.chores[done:]
	if err == nil {
		return true
	}
	s.reconfigure, s.waiters = s.reconfigure || reconfigure, append(waiters, s.waiters...)
	s.changed, s.resumeAt = true, now+int64(pause)
	return false
}

// tellWaiters tells those who wait for a configuration that there will be none.
func (s *stream) tellWaiters(err error) {
	s.mu.Lock()
	waiters := s.waiters
	s.waiters = nil
	s.mu.Unlock()
	for _, got := range waiters {
		got <- err
	}
}

// proposeConfig has the configuration that is assigned take effect.
func (s *stream) proposeConfig(waiters []chan error) error {
	cfg := s.assigned.Load().Config
	config, err := json.Marshal(cfg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	before := s.retention
	s.mu.Unlock()
	if cfg.Retention == api.RetainInterest && before != api.RetainInterest {
		// From then on, messages that nobody wants go.
		for _, op := range s.meetAnew() {
			if err := s.propose(op, nil); err != nil {
				return err
			}
		}
	}
	err = s.propose(streamcore.AppendConfig(nil, config), func(o *outcome, err error) {
		if err == nil && o.Skipped {
			err = errUndone
		}
		if err == nil && before != cfg.Retention {
			s.meetConsumers()
		}
		for _, got := range waiters {
			got <- err
		}
	})
	if err == nil && before != cfg.Retention {
		s.mu.Lock()
		s.retention = cfg.Retention
		s.mu.Unlock()
	}
	return err
}

// order has an op of the stream's own applied, sooner or later.
func (s *stream) order(op []byte) {
	if !s.hasChores() && s.propose(op, nil) == nil {
		return
	}
	s.tell(func(d *driver) { d.chores = append(d.chores, op) })
}

func (s *stream) hasChores() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.chores) > 0
}

// watchClock does what is due, and sets the alarm for what will be.
func (s *stream) watchClock(now int64) {
	if term := s.lookAtClock(now); term != 0 {
		s.advance(term)
	}
}

// lookAtClock returns the term to advance in, if it is time for that.
func (s *stream) lookAtClock(now int64) (advance uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ingest == nil || s.term == 0 || s.isRestoring() {
		return 0
	}
	next := int64(0)
	soonest := func(at int64) {
		if next == 0 || at < next {
			next = at
		}
	}
	if at, ok := s.ingest.Deadline(); ok {
		if at <= now {
			s.ingest.Tick(now, &s.out)
			if s.carryOutLocked(false) {
				s.wake()
			}
			at, ok = s.ingest.Deadline()
		}
		if ok {
			soonest(at)
		}
	}
	if due := s.due.Load(); due != 0 && !s.advancing {
		if due = max(due, s.resumeAt); due <= now {
			s.advancing, advance = true, s.term
		} else {
			soonest(due)
		}
	}
	if s.resumeAt > now && (s.reconfigure || len(s.chores) > 0) {
		soonest(s.resumeAt)
	}
	s.wakeAt(next)
	return advance
}

// advance proposes to do what is due. The op is made on the apply stage, where
// the core may be looked at.
func (s *stream) advance(term uint64) {
	over := func(err error) {
		now := s.e.now()
		s.tell(func(d *driver) {
			if d.advancing = false; err != nil {
				d.resumeAt = now + int64(pause)
			}
		})
	}
	s.group.ReadIndex(func(_ raft.Index, err error) {
		if err != nil || s.leading.Load() != term {
			over(errDropped)
			return
		}
		op, err := s.core.AppendAdvance(nil, s.e.now(), s.e.zones)
		if err == nil {
			err = s.group.Propose(host.Proposal{Data: op, Term: raft.Term(term), Done: func(o host.Outcome) { over(failure(&o)) }})
		}
		if err != nil {
			over(err)
		}
	})
}

// propose proposes an op of the stream's own. done, unless it is nil, is told the
// outcome, on the apply stage.
func (s *stream) propose(op []byte, done func(*outcome, error)) error {
	return s.group.Propose(host.Proposal{Data: op, Frees: isPurge(op), Done: func(o host.Outcome) {
		if done == nil {
			return
		}
		got, _ := o.Result.(*outcome)
		err := failure(&o)
		if err == nil && got == nil {
			err = errUndone
		}
		done(got, err)
	}})
}
