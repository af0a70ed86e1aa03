package jetstream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

const (
	// proposeTimeout is how long a request waits for what it has proposed.
	proposeTimeout = 10 * time.Second
	// proposePause is how long to wait before another leader is asked.
	proposePause = 50 * time.Millisecond
)

// propose has an op carried out by whoever leads the group of assets, and returns what came
// of it. If that is another server, the assets of the result are those of this server's copy, which
// has the op by then; they are nil if they are gone. While nobody leads it waits. It tries again only what
// is certain to have had no effect.
func (m *metaGroup) propose(ctx context.Context, op *meta.Op) (meta.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	select {
	case <-m.joined:
	case <-ctx.Done():
		return meta.Result{}, api.ErrClusterNotAvail
	}
	if m.group == nil {
		return meta.Result{}, host.ErrHalted
	}
	o := m.e.office
	for {
		here := o.leads(metaGroupID)
		var r meta.Result
		var err error
		if here {
			r, err = m.proposeHere(ctx, op)
		} else {
			r, err = m.proposeThere(ctx, op)
		}
		if o == nil || !isForAnother(err) {
			return r, err
		}
		if !m.e.pause(proposePause) || ctx.Err() != nil {
			return meta.Result{}, api.ErrClusterNotAvail
		}
	}
}

// isForAnother reports whether a proposal had no effect because the server that it was handed to
// does not lead, or not for long: another one may take it.
func isForAnother(err error) bool {
	return errors.Is(err, errDropped) && !errors.Is(err, errRefused) &&
		!errors.Is(err, host.ErrFull) && !errors.Is(err, host.ErrOverloaded) && !errors.Is(err, host.ErrTooLarge)
}

// errRefused is the outcome of a proposal that who leads does not take.
var errRefused = errors.New("jetstream: the leader refuses the proposal")

// proposeHere is propose on the server that leads.
func (m *metaGroup) proposeHere(ctx context.Context, op *meta.Op) (meta.Result, error) {
	got := make(chan host.Outcome, 1)
	err := m.group.Propose(host.Proposal{Data: op.Append(nil), Done: func(o host.Outcome) { got <- o }, Frees: frees(op)})
	if err != nil {
		return meta.Result{}, errors.Join(errDropped, err)
	}
	select {
	case o := <-got:
		r, _ := o.Result.(meta.Result)
		return r, failure(&o)
	case <-ctx.Done():
		return meta.Result{}, api.ErrClusterNotAvail
	}
}

// frees reports whether an op wins space back.
func frees(op *meta.Op) bool {
	return op.DeleteStream != nil || op.DeleteConsumer != nil || op.EndRestore != nil && !op.EndRestore.Complete
}

// proposeThere is propose on another server than the one that leads.
func (m *metaGroup) proposeThere(ctx context.Context, op *meta.Op) (meta.Result, error) {
	before := m.concerned(op)
	o := m.e.office
	q := o.ask(1)
	defer q.close()
	for {
		p := relay.Proposal{Op: op.Append(nil)}
		if end, ok := ctx.Deadline(); ok {
			p.Left = end.Sub(m.e.cfg.Clock.Now())
		}
		if o.send(metaGroupID, p.Append(nil), q.answerTo(0)) {
			break
		}
		if !o.await(ctx, metaGroupID) {
			return meta.Result{}, api.ErrClusterNotAvail
		}
	}
	var out *relay.Outcome
	select {
	case got := <-q.replies:
		var err error
		if out, err = relay.DecodeOutcome(got.data); err != nil {
			return meta.Result{}, errors.Join(errUndone, err)
		}
	case <-ctx.Done():
		return meta.Result{}, api.ErrClusterNotAvail
	}
	switch out.Fate {
	case relay.Dropped:
		return meta.Result{}, errDropped
	case relay.Refused:
		return meta.Result{}, errors.Join(errDropped, errRefused, errors.New(out.Why))
	case relay.Unknown:
		return meta.Result{}, errors.Join(errUndone, errors.New(out.Why))
	}
	if !m.tide.await(ctx, raft.Index(out.Index)) {
		return meta.Result{}, api.ErrClusterNotAvail
	}
	r := m.concerned(op)
	if op.DeleteStream != nil || op.DeleteConsumer != nil || op.EndRestore != nil && !op.EndRestore.Complete {
		r = before
	}
	r.Stale, r.Changed, r.Err = out.Stale, out.Changed, out.Err
	return r, nil
}

// take has an op carried out that another server has proposed. done is called once, by any
// goroutine, and must not block.
func (m *metaGroup) take(data []byte, done func(*relay.Outcome)) {
	op, err := meta.DecodeOp(data)
	if err != nil {
		done(&relay.Outcome{Fate: relay.Refused, Why: err.Error()})
		return
	}
	<-m.joined // it leads
	err = m.group.Propose(host.Proposal{Data: data, Frees: frees(op), Done: func(o host.Outcome) { done(outcomeOf(&o)) }})
	if err != nil {
		done(outcomeOf(&host.Outcome{Fate: host.Dropped, Err: err}))
	}
}

// outcomeOf is what another server is told of what became of its proposal.
func outcomeOf(o *host.Outcome) *relay.Outcome {
	switch {
	case o.Fate == host.Applied:
		r, _ := o.Result.(meta.Result)
		return &relay.Outcome{Fate: relay.Applied, Index: uint64(o.Index), Stale: r.Stale, Changed: r.Changed, Err: r.Err}
	case isForAnother(failure(o)):
		return &relay.Outcome{Fate: relay.Dropped}
	case o.Fate == host.Dropped:
		return &relay.Outcome{Fate: relay.Refused, Why: failure(o).Error()}
	default:
		return &relay.Outcome{Fate: relay.Unknown, Why: failure(o).Error()}
	}
}

// concerned finds the assets that an op is about in this server's copy.
func (m *metaGroup) concerned(op *meta.Op) (r meta.Result) {
	acc, stream, consumer, restoring := names(op)
	m.view(func(s *meta.State) {
		if r.Stream = s.Stream(acc, stream); r.Stream == nil && restoring {
			for st := range s.Restores(acc) {
				if st.Name() == stream {
					r.Stream = st
				}
			}
		}
		if r.Stream != nil && consumer != "" {
			r.Consumer = r.Stream.Consumer(consumer)
		}
	})
	return r
}

// names are those of the assets that an op is about, empty if there are none. Some may be about a
// stream that is being restored.
func names(op *meta.Op) (acc, stream, consumer string, restoring bool) {
	switch {
	case op.CreateStream != nil:
		return op.CreateStream.Account, op.CreateStream.Config.Name, "", op.CreateStream.Restore != nil
	case op.UpdateStream != nil:
		return op.UpdateStream.Account, op.UpdateStream.Config.Name, "", false
	case op.DeleteStream != nil:
		return op.DeleteStream.Account, op.DeleteStream.Stream, "", false
	case op.EndRestore != nil:
		return op.EndRestore.Account, op.EndRestore.Stream, "", true
	case op.CreateConsumer != nil:
		return op.CreateConsumer.Account, op.CreateConsumer.Stream, op.CreateConsumer.Config.Name, true
	case op.UpdateConsumer != nil:
		return op.UpdateConsumer.Account, op.UpdateConsumer.Stream, op.UpdateConsumer.Config.Name, false
	case op.DeleteConsumer != nil:
		return op.DeleteConsumer.Account, op.DeleteConsumer.Stream, op.DeleteConsumer.Consumer, false
	case op.ChangePeers != nil:
		return op.ChangePeers.Account, op.ChangePeers.Stream, op.ChangePeers.Consumer, false
	case op.CancelChange != nil:
		return op.CancelChange.Account, op.CancelChange.Stream, "", false
	case op.EndChange != nil:
		return op.EndChange.Account, op.EndChange.Stream, op.EndChange.Consumer, false
	}
	return "", "", "", false
}
