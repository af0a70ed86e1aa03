package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
)

// restore is a stream on its way in from a backup that a client sends.
//
//	assigned, apart ──▶ its messages are proposed ──▶ complete: it is one like others
//	                    and its consumers made          │
//	       ╰────────────────── error, silence, a restart ──▶ removed
//
// The stream is a group like others from the start, and its content comes by the log of
// that: so it is replayed after a crash, and comes to other replicas, as what is
// published does. But as long as it is being restored it listens to nothing, has
// no clock, its consumers do not serve, and nobody is shown it. What is complete
// is decided by the group of assets, once all was applied and hence is durable.
//
// It is a job of the engine. What comes from the client is put into its inbox.
type restore struct {
	e        *Engine
	tenant   *tenant
	assigned *meta.Stream
	stream   *stream
	start    time.Time

	// ctx ends when the engine stops, or something about the restore has failed: see
	// cause.
	ctx    context.Context
	cancel context.CancelCauseFunc
	sub    *account.Subscription
	inbox  restoreInbox
	ops    pipeline
	// turns and sowing are of the consumers that are being made.
	turns  chan struct{}
	sowing sync.WaitGroup
}

// maxRestores bounds the restores at once, of which each may have 32 MiB in memory if
// its client sends ahead of the answers.
const maxRestores = 8

var errManyRestores = fmt.Errorf("%d others are under way", maxRestores)

// streamRestore has a stream assigned that is to be restored.
func (r *request) streamRestore(ctx context.Context, _ *api.StreamRestoreResponse) *api.Error {
	var q api.StreamRestoreRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if q.Config.Name != r.Stream {
		return api.ErrStreamMismatch
	}
	e, acc := r.tenant.e, r.tenant.account.Name()
	cfg, err := api.CheckStream(&q.Config, e.streamLimits(), false)
	switch {
	case err != nil:
		return err
	case e.assigned(acc, r.Stream) != nil:
		return api.ErrStreamNameExistRestoreFailed
	}
	if err := r.tenant.checkStream(cfg); err != nil {
		return err
	}
	if err := r.tenant.refusal(cfg.Storage, bytesOf(&q.State)); err != nil {
		return err
	}
	id := e.cfg.NewID()
	res, perr := e.createStream(ctx, &meta.CreateStream{
		Account: acc, Config: cfg, Limits: r.tenant.metaLimits(), Restore: &meta.Restore{ID: id, Node: uint32(e.cfg.Node)},
	}, e.cfg.Cluster)
	switch {
	case perr != nil:
		// It may have been assigned.
		e.jobs.run(func() { e.abandonRestore(acc, cfg.Name, id) })
		return wrap(perr)
	case res.Err != nil && res.Err.Is(api.ErrStreamNameExist):
		return api.ErrStreamNameExistRestoreFailed
	case res.Err != nil:
		return res.Err
	}
	return r.has(res.Stream, nil, relay.Made{Created: true})
}

// streamRestoring is the second half of streamRestore: who leads the stream takes it in.
func (r *request) streamRestoring(_ context.Context, out *api.StreamRestoreResponse) *api.Error {
	e := r.tenant.e
	s := e.stream(uint64(r.made.group))
	if s == nil || !s.isRestoring() {
		return api.ErrStreamNotFound // it was given up at once
	}
	if !e.restores.Take() {
		s.abandon()
		return api.ErrStreamRestore.With("err", errManyRestores)
	}
	re, err := r.newRestore(s)
	if err != nil {
		e.restores.Return()
		s.abandon()
		return err
	}
	out.DeliverSubject = re.sub.Subject
	r.tenant.advise(api.EventSubject(api.EventRestoreCreate, r.Stream, ""), &api.RestoreCreate{
		Event: e.event(api.TypeRestoreCreate), Stream: r.Stream, Domain: e.cfg.Domain,
	})
	return nil
}

// abandon gives up restoring the stream.
func (s *stream) abandon() {
	st := s.assigned.Load()
	s.e.abandonRestore(st.Account, st.Name(), st.Restore.ID)
}

// bytesOf is how many bytes a stream has that is to be restored, as far as is
// known. It can be added to.
func bytesOf(s *api.StreamState) int64 { return int64(min(s.Bytes, math.MaxInt64/2)) }

// newRestore begins to take a stream in.
func (r *request) newRestore(s *stream) (*restore, *api.Error) {
	e, st := r.tenant.e, s.assigned.Load()
	re := &restore{
		e: e, tenant: r.tenant, assigned: st, stream: s, start: e.cfg.Clock.Now().UTC(),
		turns: make(chan struct{}, maxSown),
	}
	re.ctx, re.cancel = context.WithCancelCause(e.ctx)
	re.inbox.init(re.ctx, r.tenant)
	re.ops = pipeline{stream: re.stream, ctx: re.ctx, room: make(chan struct{}, 1)}
	re.sub = &account.Subscription{Subject: "$JS.SNAPSHOT.RESTORE." + st.Name() + "." + st.Restore.ID, Handler: re.inbox.receive}
	err := r.tenant.account.Subscribe(re.sub)
	if err == nil && !e.jobs.run(re.run) {
		err = errStopping
	}
	if err != nil {
		r.tenant.account.Unsubscribe(re.sub)
		re.cancel(err)
		return nil, api.ErrRestoreSubscribeFailed.With("subject", re.sub.Subject, "err", err)
	}
	return re, nil
}

// run takes the stream in, and answers the client.
func (r *restore) run() {
	err := r.take()
	r.cancel(err)
	r.sowing.Wait()
	if err == nil {
		err = r.complete()
	} else if !errors.Is(err, errStopping) {
		// Before the client is told, so that it can try again at once.
		r.e.abandonRestore(r.assigned.Account, r.assigned.Name(), r.assigned.Restore.ID)
	}
	r.e.restores.Return()
	received := r.inbox.end(err, r.answer(err))
	event := &api.RestoreComplete{
		Event: r.e.event(api.TypeRestoreComplete), Stream: r.assigned.Name(), Start: r.start, End: r.e.cfg.Clock.Now().UTC(),
		Bytes: received, Domain: r.e.cfg.Domain,
	}
	if err != nil {
		event.Error = err.Error()
	}
	r.tenant.advise(api.EventSubject(api.EventRestoreComplete, r.assigned.Name(), ""), event)
	if err != nil {
		// Who goes on sending is told, for a while.
		_ = r.e.wait(nil, int64(afterlife), true) // which ends when the engine stops
	}
	r.tenant.account.Unsubscribe(r.sub)
}

// afterlife is how long chunks of a restore are answered that has failed.
const afterlife = 5 * time.Second

// giveUp ends the restore for an error. The first one counts.
func (r *restore) giveUp(err error) {
	r.cancel(err)
	r.inbox.wake()
}

// cause is why a context has ended that was made of the engine's.
func (e *Engine) cause(ctx context.Context) error {
	if e.ctx.Err() != nil {
		return errStopping
	}
	return context.Cause(ctx)
}

// answer makes the answer to the request that ends the restore, and to all if it has
// failed.
func (r *restore) answer(err error) []byte {
	if err != nil {
		apiErr, own := errors.AsType[*api.Error](err)
		if !own || !isLimit(apiErr) {
			apiErr = api.ErrStreamRestore.With("err", err)
		}
		return mustJSON(api.OpStreamCreate.Fail(apiErr))
	}
	out := api.OpStreamCreate.NewReply().(*api.StreamCreateResponse)
	out.StreamInfo, out.DidCreate = r.stream.info(), true
	return mustJSON(out)
}

// isLimit reports whether an error says that there is no room: then it speaks for
// itself.
func isLimit(err *api.Error) bool {
	return err.Is(api.ErrInsufficientResources) || err.Is(api.ErrAccountResourcesExceeded)
}

// complete makes the stream one like others, and waits until it serves.
func (r *restore) complete() error {
	st := r.assigned
	res, err := r.e.meta.propose(r.e.ctx, &meta.Op{EndRestore: &meta.EndRestore{
		Account: st.Account, Stream: st.Name(), ID: st.Restore.ID, Complete: true,
	}})
	switch {
	case err != nil && r.e.ctx.Err() != nil:
		return errStopping
	case err != nil:
		// Whatever became of it, it is not answered for: it goes, if it is not complete.
		r.e.abandonRestore(st.Account, st.Name(), st.Restore.ID)
		return err
	case res.Err != nil:
		return res.Err
	}
	r.stream.openSubjects()
	ctx, cancel := context.WithTimeout(r.e.ctx, serveTimeout)
	defer cancel()
	for _, c := range r.stream.consumerList() {
		if c.serves(ctx) != nil && ctx.Err() != nil {
			break // it will, some time
		}
	}
	return nil
}

// restored has a stream serve that was restored. It is called on the apply stage of the
// assets.
func (s *stream) restored(st *meta.Stream) {
	s.assigned.Store(st)
	s.tell(func(d *driver) { d.changed = true })
	for _, c := range s.consumerList() {
		c.release()
	}
}

// isRestoring reports whether the stream is being restored.
func (s *stream) isRestoring() bool { return s.assigned.Load().Restore != nil }

// abandonRestore removes what is there of a restore that is not complete. It tries until
// it knows that there is nothing any more, or the engine stops: then that is done at
// the next start.
func (e *Engine) abandonRestore(acc, name, id string) {
	for {
		_, err := e.meta.propose(e.ctx, &meta.Op{EndRestore: &meta.EndRestore{Account: acc, Stream: name, ID: id}})
		if err == nil || e.wait(nil, int64(slowPause), true) != nil {
			return
		}
	}
}
