package jetstream

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/raft"
)

// consumerOf returns the consumer that the request is about.
func (r *request) consumerOf() (*consumer, *api.Error) {
	st, s, err := r.streamOf()
	if err != nil {
		return nil, err
	}
	var assigned *meta.Consumer
	r.tenant.e.meta.view(func(*meta.State) { assigned = st.Consumer(r.Consumer) })
	if assigned == nil {
		return nil, api.ErrConsumerNotFound
	}
	c := s.e.consumer(st, assigned)
	if c == nil {
		return nil, api.ErrConsumerNotFound
	}
	return c, nil
}

// serves waits until the consumer serves here.
func (c *consumer) serves(ctx context.Context) *api.Error {
	for {
		turned := c.turned.wait()
		switch {
		case c.isClosed():
			return api.ErrConsumerNotFound
		case isClosed(c.started) && c.err != nil, c.halted.Load() && c.task.Load().Sole():
			return api.ErrConsumerOffline
		case c.serving.Load():
			return nil
		case isClosed(c.started) && !c.e.office.leads(c.id):
			return errLeadsNoMore
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return api.ErrClusterNotAvail
		}
	}
}

// ask has f called with the engine, and waits until what it has decided is committed.
func (c *consumer) ask(ctx context.Context, f func(*worker, *consumercore.Engine) *api.Error) *api.Error {
	if err := c.serves(ctx); err != nil {
		return err
	}
	got := make(chan *api.Error, 1)
	c.tell(func(in *consumerInbox) {
		in.calls = append(in.calls, func(w *worker, e *consumercore.Engine) {
			if e == nil {
				got <- errLeadsNoMore
				return
			}
			if err := f(w, e); err != nil {
				got <- err
				return
			}
			c.whenCommitted(e.Mark(), func(ok bool) {
				if ok {
					got <- nil
				} else {
					got <- api.ErrClusterNotAvail
				}
			})
		})
	})
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return api.ErrClusterNotAvail
	}
}

// consumerCreate has a consumer assigned, or another configuration to one that there is.
func (r *request) consumerCreate(ctx context.Context, _ *api.ConsumerInfoResponse) *api.Error {
	var q api.CreateConsumerRequest
	err := r.decode(&q)
	if err == nil {
		err = q.Settle(r.Call)
	}
	if err != nil {
		return err
	}
	e := r.tenant.e
	for {
		st := e.assigned(r.tenant.account.Name(), r.Stream)
		if st == nil {
			return api.ErrStreamNotFound
		}
		if err := r.checkIdentity(st, &q.Config); err != nil {
			return err
		}
		asked := q.Config
		if asked.Direct && asked.Sourcing {
			r.forCopier(st, &asked)
		}
		cfg, err := api.CheckConsumer(&asked, st.Config, e.consumerRules(r.tenant), q.Pedantic)
		if err != nil {
			return err
		}
		nameless := cfg.Name == ""
		if nameless {
			// Ids differ at their end.
			id := e.cfg.NewID()
			cfg.Name = id[len(id)-8:]
		}
		var old *meta.Consumer
		e.meta.view(func(*meta.State) { old = st.Consumer(cfg.Name) })
		if nameless && old != nil {
			continue // another name
		}
		op, err := r.consumerOp(st, old, cfg, q.Action, q.Pedantic)
		if err != nil {
			return err
		}
		res, perr := e.meta.propose(ctx, op)
		switch {
		case perr != nil:
			return wrap(perr)
		case res.Stale, old == nil && res.Err != nil && errors.Is(res.Err, api.ErrConsumerAlreadyExists):
			continue // somebody was faster
		case res.Err != nil:
			return res.Err
		}
		if res.Consumer == nil {
			return api.ErrConsumerNotFound // deleted at once
		}
		return r.has(res.Stream, res.Consumer, relay.Made{Created: old == nil && res.Changed, Updated: old != nil && res.Changed})
	}
}

// consumerMade is the second half of consumerCreate.
func (r *request) consumerMade(ctx context.Context, out *api.ConsumerInfoResponse) *api.Error {
	r.Consumer = r.made.Consumer
	c, err := r.consumerOf()
	switch {
	case err != nil:
		return err
	case c.id != r.made.group:
		return api.ErrConsumerNotFound // there is another one by now
	}
	if err := r.checkIdentity(c.stream.assigned.Load(), c.assigned.Load().Config); err != nil {
		return err
	}
	if r.made.Updated {
		// The driver was told by the group of assets; it is in force behind that.
		err = c.ask(ctx, func(*worker, *consumercore.Engine) *api.Error { return nil })
	} else {
		err = c.serves(ctx)
	}
	if err != nil {
		return err
	}
	out.ConsumerInfo = c.shown()
	if r.made.Created {
		r.tenant.consumerAdvisory(r.Stream, r.Consumer, api.ActionEventCreate)
	}
	return nil
}

// forCopier makes of the consumer that somebody wants who copies the stream what the
// stream needs: a durable one if it removes what is acknowledged, and otherwise one that
// does not meet the one before it.
func (r *request) forCopier(st *meta.Stream, cfg *api.ConsumerConfig) {
	if st.Config.Retention == api.RetainLimits {
		id := r.tenant.e.cfg.NewID()
		cfg.Name += "-" + id[len(id)-8:]
		return
	}
	cfg.Durable, cfg.Direct = cfg.Name, false
	cfg.AckPolicy, cfg.AckWait, cfg.MaxDeliver, cfg.InactiveThreshold = api.AckFlowControl, 0, -1, 0
	cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = api.DeliverAll, 0, nil
}

// checkIdentity has those who copy a stream know whether it is still the one that they
// have copied from.
func (r *request) checkIdentity(st *meta.Stream, cfg *api.ConsumerConfig) *api.Error {
	if !cfg.Direct && !cfg.Sourcing && cfg.AckPolicy != api.AckFlowControl {
		return nil
	}
	identity := strconv.FormatUint(st.Group.ID, 36) + "-" + strconv.FormatInt(st.Created, 36)
	r.headers = []string{api.HeaderStreamIdentity, identity}
	if want := proto.HeaderValue(r.header, api.HeaderStreamIdentity); len(want) > 0 && string(want) != identity {
		return api.ErrConsumerStreamIdentityMismatch.With("msg", identity)
	}
	return nil
}

// consumerOp is what to propose to have a consumer with that configuration.
func (r *request) consumerOp(st *meta.Stream, old *meta.Consumer, cfg *api.ConsumerConfig, action api.Action, pedantic bool) (*meta.Op, *api.Error) {
	acc, e := r.tenant.account.Name(), r.tenant.e
	switch {
	case old == nil && action == api.ActionUpdate:
		return nil, api.ErrConsumerDoesNotExist
	case old == nil:
		return &meta.Op{CreateConsumer: &meta.CreateConsumer{
			Account: acc, Stream: st.Name(), Group: st.Group.ID, Config: cfg,
			Max: e.maxConsumers(r.tenant, st), Avoid: e.unreachable(),
		}}, nil
	case action == api.ActionCreate && !old.Config.Equal(cfg):
		return nil, api.ErrConsumerAlreadyExists
	case old.Config.IsPush() && cfg.DeliverSubject != old.Config.DeliverSubject && r.tenant.hears(old.Config.DeliverSubject, old.Config.DeliverGroup):
		return nil, api.ErrConsumerNameExist
	}
	checked, err := api.CheckConsumerUpdate(old.Config, cfg, st.Config, e.consumerRules(r.tenant), pedantic)
	if err != nil {
		return nil, err
	}
	return &meta.Op{UpdateConsumer: &meta.UpdateConsumer{Account: acc, Stream: st.Name(), Config: checked, Revision: old.Revision}}, nil
}

func (e *Engine) consumerRules(t *tenant) api.ConsumerRules {
	own := e.limits.Load()
	rules := api.ConsumerRules{MaxAckPending: own.MaxAckPending, MaxRequestBatch: own.MaxRequestBatch, Clustered: e.founder != nil}
	if l := t.limits.Load().MaxAckPending; l > 0 && (rules.MaxAckPending == 0 || l < rules.MaxAckPending) {
		rules.MaxAckPending = l
	}
	return rules
}

// maxConsumers bounds the consumers of a stream; -1 is no limit. The server's default
// is for streams of which nobody else has said anything.
func (e *Engine) maxConsumers(t *tenant, st *meta.Stream) int {
	most := st.Config.MaxConsumers
	if acc := t.limits.Load().MaxConsumers; acc > 0 && (most <= 0 || acc < most) {
		most = acc
	}
	if most <= 0 {
		most = e.limits.Load().DefaultMaxConsumers
	}
	if most <= 0 {
		return -1
	}
	return most
}

// consumers returns those of the request's stream that are to be shown.
func (r *request) consumers() (list []*meta.Consumer, _ *meta.Stream, _ *api.Error) {
	st := r.tenant.e.assigned(r.tenant.account.Name(), r.Stream)
	if st == nil {
		return nil, nil, api.ErrStreamNotFound
	}
	return r.tenant.e.consumersOf(st), st, nil
}

// consumersOf returns the consumers of a stream that users know of.
func (e *Engine) consumersOf(st *meta.Stream) (list []*meta.Consumer) {
	e.meta.view(func(*meta.State) {
		for c := range st.Consumers() {
			if !c.Config.Direct {
				list = append(list, c)
			}
		}
	})
	return list
}

func (r *request) consumerNames(_ context.Context, out *api.ConsumerNamesResponse) *api.Error {
	var q api.ConsumersRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	list, _, err := r.consumers()
	if err != nil {
		return err
	}
	var from, to int
	out.Page, from, to = api.Turn(len(list), q.Offset, api.NamesPage)
	for _, c := range list[from:to] {
		out.Consumers = append(out.Consumers, c.Name())
	}
	return nil
}

func (r *request) consumerInfo(ctx context.Context, out *api.ConsumerInfoResponse) *api.Error {
	if err := r.decode(nil); err != nil {
		return err
	}
	c, err := r.consumerOf()
	if err == nil {
		err = c.look(ctx)
	}
	if err != nil {
		return err
	}
	out.ConsumerInfo = c.shown()
	return nil
}

// look waits until the consumer has looked at all that came before, and at who still
// waits.
func (c *consumer) look(ctx context.Context) *api.Error {
	if err := c.serves(ctx); err != nil {
		return err
	}
	if err := c.confirm(ctx); err != nil {
		return err
	}
	seen := make(chan struct{})
	c.tell(func(in *consumerInbox) {
		in.calls = append(in.calls, func(w *worker, e *consumercore.Engine) {
			if e != nil {
				e.Sweep(w.now, &w.effects)
				c.step(w)
			}
			close(seen)
		})
	})
	select {
	case <-seen:
		return nil
	case <-ctx.Done():
		return api.ErrClusterNotAvail
	}
}

func (r *request) consumerDelete(ctx context.Context, out *api.SuccessResponse) *api.Error {
	if err := r.decode(nil); err != nil {
		return err
	}
	res, err := r.tenant.e.meta.propose(ctx, &meta.Op{DeleteConsumer: &meta.DeleteConsumer{
		Account: r.tenant.account.Name(), Stream: r.Stream, Consumer: r.Consumer,
	}})
	switch {
	case err != nil:
		return wrap(err)
	case res.Err != nil:
		return res.Err
	}
	if res.Consumer != nil {
		r.tenant.e.office.awaitGone(ctx, raft.GroupID(res.Consumer.Group.ID))
	}
	r.tenant.consumerAdvisory(r.Stream, r.Consumer, api.ActionEventDelete)
	out.Success = true
	return nil
}

func (r *request) consumerPause(ctx context.Context, out *api.ConsumerPauseResponse) *api.Error {
	var q api.ConsumerPauseRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	c, err := r.consumerOf()
	if err != nil {
		return err
	}
	now := r.tenant.e.cfg.Clock.Now()
	until := int64(0)
	if q.PauseUntil.After(now) {
		until = q.PauseUntil.UnixNano()
		out.Paused, out.PauseUntil, out.PauseRemaining = true, q.PauseUntil.UTC(), q.PauseUntil.Sub(now)
	}
	return c.ask(ctx, func(w *worker, e *consumercore.Engine) *api.Error {
		e.Pause(w.now, until, &w.effects)
		return nil
	})
}

func (r *request) consumerUnpin(ctx context.Context, _ *api.ConsumerUnpinResponse) *api.Error {
	if len(r.body) == 0 {
		return api.ErrInvalidJSON.With("err", "unexpected end of JSON input")
	}
	var q api.ConsumerUnpinRequest
	err := r.decode(&q)
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		return err
	}
	c, err := r.consumerOf()
	if err != nil {
		return err
	}
	return c.ask(ctx, func(w *worker, e *consumercore.Engine) *api.Error {
		if !e.Unpin(w.now, q.Group, &w.effects) {
			return api.ErrConsumerInvalidPriorityGroup
		}
		return nil
	})
}

func (r *request) consumerReset(ctx context.Context, out *api.ConsumerResetResponse) *api.Error {
	var q api.ConsumerResetRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	c, err := r.consumerOf()
	if err == nil {
		err = r.checkIdentity(c.stream.assigned.Load(), c.assigned.Load().Config)
	}
	if err != nil {
		return err
	}
	err = c.ask(ctx, func(w *worker, e *consumercore.Engine) *api.Error {
		to, err := e.Reset(w.now, store.Seq(q.Seq), &w.effects)
		if err != nil {
			return wrap(err)
		}
		out.ResetSeq = uint64(to)
		return nil
	})
	if err == nil {
		err = c.look(ctx)
	}
	if err != nil {
		return err
	}
	out.ConsumerInfo = c.shown()
	return nil
}
