package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// consumerSeed is the state that a consumer goes on from, and with which its log
// begins: a frame that is the whole state.
type consumerSeed struct {
	frame []byte
	// done is told whether it is in the log. It has room.
	done chan error
}

// sow proposes the seed of a consumer that leads. It is called by the actor's run.
func (c *consumer) sow(in *consumerInbox) {
	if in.seed != nil {
		c.seed = in.seed
	}
	if c.seed == nil || !c.leading.Load() {
		return
	}
	seed := c.seed
	c.seed = nil
	err := c.group.Propose(host.Proposal{Data: seed.frame, Done: func(o host.Outcome) { seed.done <- failure(&o) }})
	if err != nil {
		seed.done <- err
	}
}

// goOn has the consumer of a stream that is being restored begin with a state, and
// returns when that is in its log.
func (c *consumer) goOn(ctx context.Context, s *consumercore.State) error {
	seed := &consumerSeed{frame: s.AppendFull(nil), done: make(chan error, 1)}
	c.tell(func(in *consumerInbox) { in.seed = seed })
	select {
	case err := <-seed.done:
		return err
	case <-c.settled:
		// It did not start, or is deleted.
		return errors.Join(errDropped, c.err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release has a consumer serve whose stream is restored. It is called on the apply
// stage of the assets.
func (c *consumer) release() {
	c.e.jobs.run(func() {
		<-c.started
		if c.err != nil {
			return
		}
		c.group.ReadIndex(func(_ raft.Index, err error) {
			if err != nil {
				c.tell(func(in *consumerInbox) { in.late = true })
				return
			}
			state := c.state.Clone()
			c.tell(func(in *consumerInbox) { in.state = state })
		})
	})
}

// maxSown is how many consumers of a restore are made at once.
const maxSown = 64

// consumer makes a consumer of the backup, in the background.
func (r *restore) consumer(x *archive.Consumer) error {
	cfg, refused := api.CheckConsumer(x.Config, r.assigned.Config, r.e.consumerRules(r.tenant), false)
	switch {
	case refused != nil:
		return fmt.Errorf("consumer %s: %w", x.Name, refused)
	case cfg.Direct || cfg.Sourcing:
		return fmt.Errorf("consumer %s: it is one for copying the stream", x.Name)
	}
	cfg.Name = x.Name
	select {
	case r.turns <- struct{}{}:
	case <-r.ctx.Done():
		return r.e.cause(r.ctx)
	}
	r.sowing.Go(func() {
		defer func() { <-r.turns }()
		if err := r.sowConsumer(cfg, x.State); err != nil {
			r.giveUp(fmt.Errorf("consumer %s: %w", x.Name, err))
		}
	})
	return nil
}

// sowConsumer assigns a consumer and gives it its state.
func (r *restore) sowConsumer(cfg *api.ConsumerConfig, s *archive.ConsumerState) error {
	st := r.assigned
	res, err := r.e.meta.propose(r.ctx, &meta.Op{CreateConsumer: &meta.CreateConsumer{
		Account: st.Account, Stream: st.Name(), Group: st.Group.ID, Config: cfg,
		Max: r.e.maxConsumers(r.tenant, st),
	}})
	switch {
	case err != nil:
		return err
	case res.Err != nil:
		return res.Err
	case !res.Changed:
		return api.ErrConsumerAlreadyExists
	}
	state, err := consumerState(res.Consumer, st.Config, s)
	if err != nil {
		return err
	}
	c := r.e.consumer(res.Stream, res.Consumer)
	if c == nil {
		return errDropped
	}
	return c.goOn(r.ctx, state)
}

// consumerState makes the state of a consumer of what a backup has of it.
func consumerState(assigned *meta.Consumer, st *api.StreamConfig, s *archive.ConsumerState) (*consumercore.State, error) {
	k := &consumercore.Kept{
		Created: assigned.Created, Config: assigned.Config, Retains: st.Retention != api.RetainLimits,
		Delivered:  consumercore.Position{Consumer: s.Delivered.Consumer, Stream: s.Delivered.Stream},
		AckFloor:   consumercore.Position{Consumer: s.AckFloor.Consumer, Stream: s.AckFloor.Stream},
		NewestUpTo: s.NewestUpTo, Unsettled: unsettled(s), GivenUp: s.Exhausted(),
	}
	if len(s.Pending) == 0 && k.AckFloor.Stream < k.Delivered.Stream && assigned.Config.AckPolicy != api.AckNone {
		// What was delivered and not settled is missing: servers in a cluster leave it
		// out. So all of that is to be delivered again.
		k.Delivered = k.AckFloor
		k.GivenUp = func(func(seq store.Seq) bool) {}
	}
	if first := store.Seq(assigned.Config.OptStartSeq); k.Delivered.Consumer == 0 && k.Delivered.Stream+1 < first {
		// One that has delivered nothing may not say yet where it begins.
		k.Delivered.Stream, k.AckFloor.Stream = first-1, first-1
	}
	return consumercore.NewState(k)
}

// unsettled goes over the deliveries of a state as consumers have them.
func unsettled(s *archive.ConsumerState) iter.Seq[consumercore.Unsettled] {
	return func(yield func(consumercore.Unsettled) bool) {
		for d := range s.Deliveries() {
			if !yield(consumercore.Unsettled{Stream: d.Stream, Consumer: d.Consumer, Time: d.Time, Count: d.Count}) {
				return
			}
		}
	}
}

// serveTimeout bounds how long the answer to a restore waits for consumers.
const serveTimeout = 5 * time.Second
