package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/raft"
)

// streamCut is a stream with its consumers as they were at one moment. First the messages are
// taken, between two entries of the stream's log, and then the consumers: what they
// know of messages behind those is left out by the archive, and what they are done with
// among them they may be done with by now. So no message is missed by a consumer of
// the backup, and none that was confirmed to be acknowledged before is delivered again.
type streamCut struct {
	snapshot  store.Snapshot
	state     api.StreamState
	consumers []consumerCut
}

// consumerCut is a consumer in a cut. The frame is its whole state, which is
// far smaller than the state itself.
type consumerCut struct {
	config *api.ConsumerConfig
	frame  []byte
}

// close lets go of the files that the cut keeps.
func (c *streamCut) close() {
	if c != nil && c.snapshot != nil {
		// It only lets go of what it has read.
		_ = c.snapshot.Close()
	}
}

// cut takes the stream as it is now. What it returns is to be closed, also with an
// error.
func (s *stream) cut(ctx context.Context, st *meta.Stream, withConsumers bool) (*streamCut, error) {
	type taken struct {
		snapshot store.Snapshot
		err      error
	}
	got := make(chan taken, 1)
	s.group.ReadIndex(func(_ raft.Index, err error) {
		var t taken
		if t.err = err; err == nil {
			t.snapshot, t.err = s.store.Snapshot()
		}
		got <- t
	})
	// There always is an answer, and a snapshot must not be left behind.
	t := <-got
	if t.err != nil {
		return nil, t.err
	}
	c := &streamCut{snapshot: t.snapshot, state: shownState(t.snapshot.State())}
	if withConsumers {
		var err error
		if c.consumers, err = s.cutConsumers(ctx, s.e.consumersOf(st)); err != nil {
			return c, err
		}
	}
	c.state.Consumers = len(c.consumers)
	return c, nil
}

// maxAsked is how many consumers are asked at once.
const maxAsked = 64

// cutConsumers takes the states of consumers, but for those that are gone.
func (s *stream) cutConsumers(ctx context.Context, list []*meta.Consumer) (cuts []consumerCut, _ error) {
	all := make([]consumerCut, len(list))
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	turns := make(chan struct{}, maxAsked)
	for i, assigned := range list {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			if c := s.e.consumer(s.assigned.Load(), assigned); c != nil {
				all[i], errs[i] = c.cut(ctx)
			}
		})
	}
	wg.Wait()
	for i := range all {
		if errs[i] != nil {
			return nil, fmt.Errorf("consumer %s: %w", list[i].Name(), errs[i])
		}
		if all[i].config != nil {
			cuts = append(cuts, all[i])
		}
	}
	return cuts, nil
}

// cut takes the state of a consumer once all that it knows is in its log. There is none
// if it is being deleted.
func (c *consumer) cut(ctx context.Context) (out consumerCut, _ error) {
	err := c.ask(ctx, func(w *worker, _ *consumercore.Engine) *api.Error {
		c.step(w) // what has come is decided
		if c.engine == nil {
			return api.ErrClusterNotAvail
		}
		s := c.engine.Copy()
		cfg := *c.assigned.Load().Config
		cfg.PauseUntil = nil
		if until := s.PauseUntil(); until > 0 {
			at := moment(until)
			cfg.PauseUntil = &at
		}
		out = consumerCut{config: &cfg, frame: s.AppendFull(nil)}
		return nil
	})
	switch {
	case err == nil:
		return out, nil
	case c.isClosed():
		return consumerCut{}, nil
	default:
		return consumerCut{}, err
	}
}

// archived returns the consumer as a backup has it.
func (c *consumerCut) archived() (*archive.Consumer, error) {
	var s consumercore.State
	if err := s.Apply(c.frame, &consumercore.Result{}); err != nil {
		return nil, err
	}
	position := func(p consumercore.Position) archive.Position {
		return archive.Position{Consumer: p.Consumer, Stream: p.Stream}
	}
	out := &archive.ConsumerState{
		Delivered: position(s.Delivered()), AckFloor: position(s.AckFloor()), NewestUpTo: s.NewestUpTo(),
	}
	for u := range s.Unsettled() {
		d := archive.Delivery{Stream: u.Stream, Consumer: u.Consumer, Time: u.Time, Count: u.Count}
		if u.Due != 0 {
			d.Time = u.Due - consumercore.AckWait(c.config, u.Count)
		}
		out.AddDelivery(d)
	}
	for seq := range s.GivenUp() {
		out.AddExhausted(seq, uint64(max(c.config.MaxDeliver, 1)))
	}
	return &archive.Consumer{Name: c.config.Name, Config: c.config, State: out}, nil
}

// errIncomplete says that a stream has lost messages.
var errIncomplete = errors.New("messages of the stream are damaged or lost")

// check reads all messages, and finds out whether any is lost or damaged.
func (c *streamCut) check(ctx context.Context, lost []store.Loss) error {
	if len(lost) > 0 {
		return fmt.Errorf("%w: %d to %d", errIncomplete, lost[0].First, lost[len(lost)-1].Last)
	}
	for _, err := range c.snapshot.Messages(0) {
		if err == nil && ctx.Err() != nil {
			err = errStopping
		}
		if err != nil {
			return err
		}
	}
	return nil
}
