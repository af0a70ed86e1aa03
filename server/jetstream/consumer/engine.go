package consumer

import (
	"errors"
	"math/rand/v2"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Params are what an engine is given by its surroundings.
type Params struct {
	// Store is the stream's, as it is on this server.
	Store store.Reader
	// Replicated is whether others would take over if this server failed.
	Replicated bool
	// Retains is whether the stream keeps messages until they are acknowledged.
	Retains bool
	// AckPrefix is in front of the numbers of an acknowledgement subject,
	// FlowPrefix in front of the id of a flow control subject, with their dots.
	AckPrefix, FlowPrefix string
	// Burst is how many bytes may be sent at once in spite of a rate limit: the
	// size of the largest message.
	Burst int
	// Listening reports whether anybody listens to a reply subject. It is asked
	// before each delivery to a pull request.
	Listening func(subject string) bool
	// NewID returns an id that is never used again.
	NewID func() string
	// Rand chooses what is sampled.
	Rand *rand.Rand
}

// Engine is the delivery of a consumer, on the leader. It takes in what happens:
// requests, acknowledgements, what becomes of the stream, commits; Step then does
// what follows, as much as is due. All of it appends to Effects. Times are
// in nanoseconds since the Unix epoch; one that goes back counts as the last one.
//
// One goroutine at a time may use it. It starts behind all that its predecessors
// committed. It is to be thrown away as soon as a proposal of it is dropped, and
// after an error, but for those by which Reset refuses.
type Engine struct {
	p   Params
	cfg *settings
	// ahead is the state as it will be when all is committed.
	ahead *State
	now   int64

	log    proposals
	cursor cursor
	again  redelivery
	pulls  pulls
	pin    pin
	push   push
	flow   flow
	replay replay
	idle   idle

	// sent is the last delivery. Without acknowledgements it runs ahead of ahead.
	sent Position
	// paused is whether delivery was paused when last looked at.
	paused bool
	// recordAt is when the position has to be recorded, or never.
	recordAt int64
	// retryAt is when the store is read again after an error, 0 if there was none.
	retryAt int64
}

// NewEngine begins to lead. The state is not kept.
func NewEngine(s *State, p Params, now int64, out *Effects) (*Engine, error) {
	e := &Engine{p: p, ahead: s.Clone(), now: max(now, s.time), recordAt: never}
	if s.created == 0 {
		return e, nil
	}
	if err := e.start(out); err != nil {
		return nil, err
	}
	e.leaveWaiting(out)
	return e, nil
}

// start makes everything that follows from the state.
func (e *Engine) start(out *Effects) error {
	cfg, err := decodeSettings(e.ahead.config)
	if err != nil {
		return err
	}
	e.cfg = cfg
	if first := e.p.Store.State().First; first > e.ahead.floor.Stream+1 {
		e.purgeBelow(first)
	}
	e.sent = e.ahead.delivered
	if err := e.cursor.open(e.p.Store, cfg.filter, e.ahead.delivered.Stream, e.ahead.newestUpTo); err != nil {
		return err
	}
	e.paused = e.now < e.ahead.pauseUntil
	e.rebuildTimers()
	e.startReplay()
	e.startPush()
	e.touch()
	return nil
}

// created reports whether there is a consumer. Before, the engine does nothing.
func (e *Engine) created() bool { return e.cfg != nil }

// tick notes that it is now at least now.
func (e *Engine) tick(now int64) { e.now = max(e.now, now) }

// Step does what is due, and as much of what can be delivered as is good at once.
// It is to be called after other inputs, and at the Deadline. It reports whether
// there is more to do right now.
func (e *Engine) Step(now int64, out *Effects) (more bool) {
	e.tick(now)
	if e.created() {
		e.checkPause(out)
		e.expireDeliveries(out)
		e.checkPin(out)
		e.checkRequests(out)
		more = e.deliver(out)
		e.heartbeat(out)
		e.recordPosition(false)
		e.recordRequests()
		e.checkIdle(out)
	}
	e.log.flush(e.ahead, out)
	return more
}

// Deadline returns when Step has to be called without an input; ok is false if
// never.
func (e *Engine) Deadline() (at int64, ok bool) {
	if !e.created() {
		return 0, false
	}
	at = min(e.nextDue(), e.pulls.wakeAt(), e.pin.until(), e.idle.at, e.push.beat, e.recordAt)
	if e.paused {
		at = min(at, e.ahead.pauseUntil)
	} else {
		at = min(at, e.deliveryDeadline())
	}
	return at, at != never
}

// Stored tells that the stream has a message more. The engine has to be told of
// all that it selects, in order; of others it may be. It does not keep the subject.
func (e *Engine) Stored(seq store.Seq, subject []byte) {
	if e.created() {
		e.cursor.stored(seq, subject)
	}
}

// Removed tells that a message has left the stream. Of purges Purged tells, or
// this for each message. It does not keep the subject.
func (e *Engine) Removed(now int64, seq store.Seq, subject []byte, out *Effects) {
	e.tick(now)
	if !e.created() {
		return
	}
	e.cursor.removed(seq, subject, out)
	if d := e.ahead.pending.find(seq); d != nil {
		e.drop(d, reasonRemoved, out)
	}
}

// Purged tells that messages have left the stream in numbers, or that it was
// replaced by another replica's.
func (e *Engine) Purged(now int64, out *Effects) error {
	e.tick(now)
	if !e.created() {
		return nil
	}
	e.cursor.close(out)
	m := out.take()
	defer out.giveBack(m)
	// What is in front of the first message that the consumer is about is gone.
	state := e.p.Store.State()
	switch err := e.p.Store.Next(e.cfg.filter, 1, m); {
	case err == nil:
		e.purgeBelow(m.Seq)
	case errors.Is(err, store.ErrNotFound):
		e.purgeBelow(state.Last + 1)
	default:
		e.purgeBelow(state.First)
	}
	for d := range e.ahead.pending.all() {
		if e.isGone(d, e.p.Store.Load(d.stream, m)) {
			e.drop(d, reasonRemoved, out)
		}
	}
	e.sent.Stream = max(e.sent.Stream, e.ahead.delivered.Stream)
	return e.reopen(out)
}

// reopen has the cursor find its place anew.
func (e *Engine) reopen(out *Effects) error {
	e.cursor.close(out)
	return e.cursor.open(e.p.Store, e.cfg.filter, max(e.cursor.at, e.sent.Stream), e.ahead.newestUpTo)
}

// purgeBelow forgets what is below first.
func (e *Engine) purgeBelow(first store.Seq) {
	if first > e.ahead.floor.Stream+1 {
		f, _ := e.record()
		f.uints(opPurge, uint64(first))
		e.ahead.purge(first)
	}
}

// awaitsCommit reports whether deliveries have to be committed before they leave.
func (e *Engine) awaitsCommit() bool {
	return e.p.Replicated && e.cfg.AckPolicy != api.AckNone && !e.cfg.FlowControl
}
