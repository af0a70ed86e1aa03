package jetstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/account"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// consumer is a consumer as it runs here. Its machine is what this type does as a
// host.StateMachine; what it does while it leads is in consumer_driver.go.
type consumer struct {
	actor
	member
	e        *Engine
	stream   *stream
	id       raft.GroupID
	assigned atomic.Pointer[meta.Consumer]
	task     atomic.Pointer[reconcile.Task]

	// Of the apply stage: the state, and what came of the last frame.
	state  consumercore.State
	result consumercore.Result
	// frames and bytes were applied behind the newest full state. wholeAt is how far the
	// machine was before that, if there was one. blank is set as long as the state is
	// nowhere but in the log, further behind.
	frames  int
	bytes   int64
	wholeAt host.Position
	blank   bool

	// compact is set when the log has become long.
	compact atomic.Bool
	// leading is whether this replica leads, serving whether it has been created and answers.
	leading, serving atomic.Bool
	// started is closed when the group has been started, or could not be; err says
	// why. settled is closed when it serves for the first time, or knows who leads, or never
	// will. turned is told whenever somebody who waits for it has to look again.
	started, settled chan struct{}
	settledOnce      sync.Once
	turned           signal
	err              error

	mu    sync.Mutex
	inbox consumerInbox
	// life is the number of the engine: what an earlier one has proposed is not the
	// present one's. It is changed by the actor's run alone.
	life uint64
	// info is what the engine said last.
	info   atomic.Pointer[consumercore.Info]
	closed bool
	subs   []*account.Subscription
	// watching is the deliver subject whose listeners are watched, until watched is
	// called.
	watching string
	watched  func()

	// Of the actor's run alone:
	spare  consumerInbox
	engine *consumercore.Engine
	term   uint64
	// noted is the newest term of which something is in the log.
	noted uint64
	bound bool
	// fault is why the engine cannot go on.
	fault error
	// committed counts the proposals of the engine that were applied; marks are what
	// waits for some. underway counts the proposals of all engines that are not settled.
	committed consumercore.Mark
	marks     []markWait
	underway  int
	// seed is proposed as soon as the consumer leads.
	seed *consumerSeed
	// kept is mail for the engine that is to begin next; beginning is whether the state
	// for it was asked for.
	kept      []letter
	beginning bool
	// againAt is when another engine is to begin, tellAt when the stream is to be told
	// again what the consumer is done with; 0 is never.
	againAt, tellAt int64
}

// startConsumer starts a consumer in the background, once its stream is open.
func (e *Engine) startConsumer(s *stream, t *reconcile.Task) {
	c := &consumer{e: e, stream: s, id: t.Group, started: make(chan struct{}), settled: make(chan struct{})}
	c.joined = make(chan struct{})
	c.guide = &guide{e: e, group: func() *host.Group { return c.group }, goal: c.goal, report: c.arrived}
	c.guide.change.Store(t.Change)
	c.task.Store(t)
	c.assigned.Store(t.Consumer)
	c.actor.init(e.stage, c)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.consumers[t.Consumer.Name()] = c
	s.mu.Unlock()
	s.meet(t.Consumer)
	e.jobs.run(func() {
		defer close(c.started)
		ready := s.opened
		if s.isSole() {
			// It has all that it will have when it leads, and nobody else does.
			ready = s.settled
		}
		if !e.await(ready) || !e.await(s.opened) {
			c.err = errStopping
		}
		if c.err == nil {
			// It may serve before start returns: err stays as it is then.
			if err := c.start(); err != nil {
				c.err = err
			}
		}
		if c.err == nil {
			return
		}
		if !errors.Is(c.err, errStopping) && s.err == nil {
			c.complain("it does not start", c.err)
		}
		c.e.office.lead(c.id, c.task.Load().Sole()) // nobody else can say so
		c.settle()
	})
}

// assign has the consumer be what it is to be now. It is called on the apply stage of the group of
// assets.
func (c *consumer) assign(t *reconcile.Task) {
	old := c.assigned.Load()
	c.task.Store(t)
	c.guide.change.Store(t.Change)
	if old == t.Consumer {
		return
	}
	c.assigned.Store(t.Consumer)
	if old.Config != t.Consumer.Config {
		c.stream.meet(t.Consumer)
		c.tell(func(in *consumerInbox) { in.updated = true })
	}
	if c.leading.Load() {
		c.guide.look()
	}
}

// goal is where the consumer's group is to be.
func (c *consumer) goal(*raft.Status) (g reconcile.Goal, ok bool) {
	c.e.meta.view(func(state *meta.State) {
		st := state.Current(c.stream.assigned.Load())
		if st == nil || !state.IsClustered() {
			return
		}
		now := st.Consumer(c.assigned.Load().Name())
		if ok = now != nil && now.Group.ID == uint64(c.id); ok {
			g = reconcile.GoalOf(state, st, now)
		}
	})
	return g, ok
}

// arrived reports that the consumer's group is where it is to be.
func (c *consumer) arrived(ctx context.Context, change uint64) error {
	st, assigned := c.stream.assigned.Load(), c.assigned.Load()
	_, err := c.e.meta.propose(ctx, &meta.Op{EndChange: &meta.EndChange{
		Account: st.Account, Stream: st.Name(), Consumer: assigned.Name(), Group: assigned.Group.ID, Change: change,
	}})
	return err
}

// errStopping says that something was not done because the engine stops.
var errStopping = errors.New("jetstream: stopping")

func (c *consumer) start() (err error) {
	if c.stream.err != nil {
		return c.stream.err
	}
	if c.isClosed() {
		return errStopping
	}
	if c.isDamaged() {
		// It is mended by what the stream has.
		c.stream.awaitCurrent()
	}
	c.rewind()
	if err := c.join(c.e, c, c.task.Load()); err != nil {
		return err
	}
	if c.stream.leading.Load() != 0 {
		c.tell(func(in *consumerInbox) { in.tellAll = true })
	}
	return nil
}

// isDamaged reports whether something of the consumer's log is lost.
func (c *consumer) isDamaged() bool {
	g, ok := c.e.cfg.Log.Group(c.id)
	return ok && len(g.State().Damage) > 0
}

// rewind has the consumer begin where its log does: what is in front of that is in the
// whole state behind it.
func (c *consumer) rewind() {
	if g, ok := c.e.cfg.Log.Group(c.id); ok && !c.assigned.Load().Group.Memory {
		c.at.Base = g.State().Base
		c.blank = c.at.Base.Index > 0
	}
}

// consumer returns a running consumer, or nil.
func (e *Engine) consumer(st *meta.Stream, assigned *meta.Consumer) *consumer {
	if s := e.stream(st.Group.ID); s != nil {
		return s.consumer(assigned)
	}
	return nil
}

// consumer returns a running consumer of the stream, or nil.
func (s *stream) consumer(assigned *meta.Consumer) *consumer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.consumers[assigned.Name()]; c != nil && c.id == raft.GroupID(assigned.Group.ID) {
		return c
	}
	return nil
}

// Apply implements host.StateMachine.
func (c *consumer) Apply(b *host.Batch) error {
	from, isNew := 0, c.state.Created() == 0
	if isNew {
		// The log may begin here, with the whole state somewhere in the batch.
		for n, frame := range b.Proposals() {
			if consumercore.IsFull(frame) {
				from, c.blank = n, false
			}
		}
	}
	for n, frame := range b.Proposals() {
		if n < from || c.blank {
			continue
		}
		c.result.Reset()
		if err := c.state.Apply(frame, &c.result); err != nil {
			return err
		}
		c.frames++
		c.bytes += int64(len(frame))
		if consumercore.IsFull(frame) {
			// The log need not have what is in front of this.
			c.frames, c.bytes = 0, 0
			c.wholeAt = c.position()
			<-c.joined
			c.group.Checkpointed(b.Index - 1)
		}
		if len(c.result.Finished) > 0 && c.stream.leading.Load() != 0 {
			// Whoever leads the stream hears of it from its own replica of the consumer.
			c.finished(0, c.result.Finished)
		}
	}
	if isNew && c.state.Created() != 0 && c.stream.leading.Load() != 0 {
		c.tell(func(in *consumerInbox) { in.tellAll = true })
	}
	began := b.Term != c.at.Base.Term
	c.passed(b)
	if began && c.leading.Load() {
		c.tell(func(in *consumerInbox) { in.noted = uint64(b.Term) })
	}
	if c.frames >= c.e.every.consumerFrames || c.bytes >= fullBytes {
		c.compact.Store(true)
	}
	return nil
}

// fullBytes is after how many bytes of frames a consumer writes its whole state into
// its log, if there are not enough frames for that before.
const fullBytes = 1 << 20

// LeaderChanged implements host.StateMachine.
func (c *consumer) LeaderChanged(l host.Leadership) {
	c.e.office.lead(c.id, l.Leading)
	// Who finds it leading may propose.
	<-c.joined
	if c.leading.Swap(l.Leading) != l.Leading {
		c.stream.followers.Add(map[bool]int32{true: 1, false: -1}[l.Leading])
	}
	if !l.Leading {
		c.serving.Store(false)
		c.tell(func(in *consumerInbox) { in.lead, in.resign = nil, true })
		if l.Leader != raft.None {
			c.settledOnce.Do(func() { close(c.settled) })
		}
		return
	}
	state, noted := c.state.Clone(), uint64(c.at.Base.Term)
	c.tell(func(in *consumerInbox) { in.lead, in.term, in.noted, in.resign = state, uint64(l.Term), noted, false })
	c.guide.look()
}

// Halted implements host.Halter.
func (c *consumer) Halted(err error) {
	c.halt(err)
	c.e.office.lead(c.id, c.task.Load().Sole())
	c.settle()
}

// stop stops the consumer. Whoever waits for messages is told.
func (c *consumer) stop() {
	<-c.started
	c.e.office.lead(c.id, false)
	c.closeSubjects()
	c.drain()
	c.close(false)
	if c.err == nil {
		c.group.Stop()
	}
}

// remove stops the consumer, and removes all that there is of it.
func (c *consumer) remove() {
	<-c.started
	c.e.office.lead(c.id, false)
	c.close(true)
	var err error
	if c.err != nil {
		err = c.e.dropGroup(c.id)
	} else {
		err = c.group.Delete()
	}
	if err != nil {
		c.complain("removing its log", err)
	}
}

// removeConsumer stops a consumer and removes what there is of it here, in the background.
func (e *Engine) removeConsumer(c *consumer) {
	s, assigned := c.stream, c.assigned.Load()
	s.mu.Lock()
	if s.consumers[assigned.Name()] == c {
		delete(s.consumers, assigned.Name())
	}
	s.mu.Unlock()
	c.closeSubjects()
	s.forget(assigned)
	e.jobs.run(c.remove)
}

func (c *consumer) complain(what string, err error) {
	st := c.stream.assigned.Load()
	c.e.cfg.Logger.Errorf("JetStream: consumer %s of stream %s, account %s: %s: %v", c.assigned.Load().Name(), st.Name(), st.Account, what, err)
}
