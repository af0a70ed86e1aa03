package jetstream

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/account"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
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
	// leading is whether this replica leads.
	leading atomic.Bool
	// started is closed when the group has been started, or could not be; err says
	// why. ready is closed when it leads and has been created, or never will.
	started, ready chan struct{}
	readyOnce      sync.Once
	err            error

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
func (e *Engine) startConsumer(st *meta.Stream, assigned *meta.Consumer) {
	s := e.stream(st.Group.ID)
	if s == nil {
		return
	}
	c := &consumer{e: e, stream: s, id: raft.GroupID(assigned.Group.ID), started: make(chan struct{}), ready: make(chan struct{})}
	c.joined = make(chan struct{})
	c.assigned.Store(assigned)
	c.actor.init(e.stage, c)
	s.mu.Lock()
	_, there := s.consumers[assigned.Name()]
	if there || s.closed {
		s.mu.Unlock()
		return
	}
	s.consumers[assigned.Name()] = c
	s.mu.Unlock()
	e.jobs.run(func() {
		defer close(c.started)
		select {
		case <-s.led:
		case <-e.ctx.Done():
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
		c.settle()
	})
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
	c.rewind()
	return c.join(c.e, host.GroupConfig{ID: c.id, Machine: c, Memory: c.assigned.Load().Group.Memory, Sole: true})
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
	s := e.stream(st.Group.ID)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.consumers[assigned.Name()]; c != nil && c.id == raft.GroupID(assigned.Group.ID) {
		return c
	}
	return nil
}

// Apply implements host.StateMachine.
func (c *consumer) Apply(b *host.Batch) error {
	from := 0
	if c.state.Created() == 0 {
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
		if len(c.result.Finished) > 0 && c.leading.Load() {
			// When it begins to lead it tells all that it is done with.
			c.finished(0, c.result.Finished)
		}
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
	if !l.Leading {
		c.leading.Store(false)
		c.tell(func(in *consumerInbox) { in.lead, in.resign = nil, true })
		return
	}
	// Who finds it leading may propose.
	<-c.joined
	c.leading.Store(true)
	state, noted := c.state.Clone(), uint64(c.at.Base.Term)
	c.tell(func(in *consumerInbox) { in.lead, in.term, in.noted, in.resign = state, uint64(l.Term), noted, false })
}

// Halted implements host.Halter.
func (c *consumer) Halted(err error) {
	c.halt(err)
	c.settle()
}

// stop stops the consumer. Whoever waits for messages is told.
func (c *consumer) stop() {
	<-c.started
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

// deleteConsumer stops and removes a consumer in the background.
func (e *Engine) deleteConsumer(st *meta.Stream, assigned *meta.Consumer) {
	c := e.consumer(st, assigned)
	if c == nil {
		return
	}
	c.stream.mu.Lock()
	delete(c.stream.consumers, assigned.Name())
	c.stream.mu.Unlock()
	c.closeSubjects()
	c.stream.forget(assigned.Name())
	e.jobs.run(c.remove)
}

func (c *consumer) complain(what string, err error) {
	st := c.stream.assigned.Load()
	c.e.cfg.Logger.Errorf("JetStream: consumer %s of stream %s, account %s: %s: %v", c.assigned.Load().Name(), st.Name(), st.Account, what, err)
}
