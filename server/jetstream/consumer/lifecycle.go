package consumer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Create makes the consumer, if this is the first leader it has. The configuration
// was checked before, and is not kept. The consumer exists when the Mark is committed.
func (e *Engine) Create(now int64, cfg *api.ConsumerConfig, out *Effects) error {
	e.tick(now)
	if e.created() {
		return errors.New("consumer: it was created already")
	}
	config, c, err := encodeSettings(cfg)
	if err != nil {
		return err
	}
	first, newestUpTo, err := firstMessage(e.p.Store, c, e.p.Store.State().Last)
	if err != nil {
		return err
	}
	var pause int64
	if c.PauseUntil != nil {
		pause = c.PauseUntil.UnixNano()
	}
	f, t := e.record()
	e.ahead.create(c.flags(e.p.Retains), first-1, newestUpTo, pause, config, t)
	f.create(e.ahead)
	if err := e.start(out); err != nil {
		return err
	}
	if e.paused {
		out.add(Effect{Kind: Advise, Advice: Advice{Kind: Paused, Until: pause}})
	}
	return nil
}

// Resume is Create for a consumer that was there before, with the state that it is to go on
// from.
func (e *Engine) Resume(now int64, s *State, out *Effects) error {
	e.tick(now)
	if e.created() {
		return errors.New("consumer: it was created already")
	}
	e.ahead = s.Clone()
	e.proposeWhole(out)
	return e.start(out)
}

// encodeSettings returns the configuration as the state has it, and as the engine
// has it.
func encodeSettings(cfg *api.ConsumerConfig) ([]byte, *settings, error) {
	config, err := json.Marshal(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("consumer: configuration: %w", err)
	}
	c, err := decodeSettings(config)
	return config, c, err
}

// firstMessage returns where a consumer begins that was created when last was the newest
// message of its stream. For last_per_subject newestUpTo is the end of what was there.
func firstMessage(r store.Reader, c *settings, last store.Seq) (first, newestUpTo store.Seq, err error) {
	switch c.DeliverPolicy {
	case api.DeliverAll:
		first = r.State().First
	case api.DeliverNew:
		first = last + 1
	case api.DeliverByStartSequence:
		first = max(store.Seq(c.OptStartSeq), r.State().First)
	case api.DeliverByStartTime:
		if c.OptStartTime == nil {
			return 0, 0, errors.New("consumer: there is no start time")
		}
		first = min(r.At(c.OptStartTime.UnixNano()), last+1)
	case api.DeliverLast, api.DeliverLastPerSubject:
		return newestMessage(r, c, last)
	}
	return max(first, 1), 0, nil
}

func newestMessage(r store.Reader, c *settings, last store.Seq) (first, newestUpTo store.Seq, err error) {
	if last == 0 {
		return 1, 0, nil
	}
	if c.DeliverPolicy == api.DeliverLastPerSubject {
		newest, err := r.LastOf(c.filter, last, math.MaxInt, nil)
		if err != nil || len(newest) == 0 {
			return last + 1, 0, err
		}
		return newest[0], last, nil
	}
	var m store.Message
	switch err := r.Last(c.filter, last, &m); {
	case err == nil:
		return m.Seq, 0, nil
	case errors.Is(err, store.ErrNotFound):
		return last + 1, 0, nil
	default:
		return 0, 0, err
	}
}

// Update replaces the configuration by one that was checked against it. Filters
// take effect from the current position on; a pause is not touched. It is in force
// when the Mark is committed.
func (e *Engine) Update(now int64, cfg *api.ConsumerConfig, out *Effects) error {
	e.tick(now)
	if !e.created() {
		return errors.New("consumer: it was not created")
	}
	config, c, err := encodeSettings(cfg)
	if err != nil {
		return err
	}
	e.recordPosition(true)
	f, _ := e.record()
	e.ahead.update(c.flags(e.p.Retains), config)
	f.update(e.ahead)
	old := e.cfg
	e.cfg = c
	if old.PriorityPolicy != c.PriorityPolicy {
		e.unpin(reasonPinByRequest, out)
	}
	if old.DeliverSubject != c.DeliverSubject {
		e.push.bound = false
	}
	e.startPush()
	e.touch()
	e.rebuildTimers()
	return e.reopen(out)
}

// Reset has the consumer start over at a message, or behind its ack floor if that is
// 0. It returns the message. It is in force when the Mark is committed.
func (e *Engine) Reset(now int64, to store.Seq, out *Effects) (store.Seq, error) {
	e.tick(now)
	if !e.created() {
		return 0, api.ErrConsumerNotFound
	}
	if to == 0 {
		to = e.AckFloor().Stream + 1
	} else if refused := e.checkReset(to); refused != nil {
		return 0, refused
	}
	f, t := e.record()
	f.uints(opReset, uint64(to))
	e.ahead.reset(to, t)
	e.sent = e.ahead.delivered
	e.recordAt = never
	e.rebuildTimers()
	e.startReplay()
	e.flow.reset()
	e.touch()
	e.cursor.close(out)
	return to, e.cursor.open(e.p.Store, e.cfg.filter, e.sent.Stream, e.ahead.newestUpTo)
}

// checkReset says why a consumer may not start over at a message.
func (e *Engine) checkReset(to store.Seq) error {
	refuse := func(why string) error { return api.ErrConsumerInvalidReset.With("err", why) }
	switch e.cfg.DeliverPolicy {
	case api.DeliverAll:
		return nil
	case api.DeliverByStartSequence:
		if to < store.Seq(e.cfg.OptStartSeq) {
			return refuse("below start seq")
		}
		return nil
	case api.DeliverByStartTime:
		if to < e.p.Store.At(e.cfg.OptStartTime.UnixNano()) {
			return refuse("below start time")
		}
		return nil
	default:
		return refuse("not allowed")
	}
}
