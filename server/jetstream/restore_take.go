package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// take reads the backup to its end, and has all that is in it applied.
func (r *restore) take() error {
	if r.stream == nil {
		return errStopping
	}
	ctx, cancel := context.WithTimeout(r.ctx, requestTimeout)
	defer cancel()
	if err := r.stream.leads(ctx); err != nil {
		return errors.Join(err, r.stream.err)
	}
	in := archive.NewReader(&r.inbox)
	state, err := in.State()
	if err != nil {
		return err
	}
	if refused := r.tenant.refusal(r.assigned.Config.Storage, bytesOf(state)); refused != nil {
		return refused
	}
	if err := r.begin(); err != nil {
		return err
	}
	for {
		c, err := in.Consumer()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.consumer(c)
		}
		if err != nil {
			return err
		}
	}
	var m store.Message
	for {
		err := in.Message(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.message(&m)
		}
		if err != nil {
			return err
		}
	}
	if n := in.Missing(); n > 0 {
		r.e.cfg.Logger.Warnf("JetStream: stream %s of account %s is restored from a backup without %d of its %d messages",
			r.assigned.Name(), r.assigned.Account, n, state.Msgs)
	}
	return r.finish(state)
}

// begin makes sure that the numbers of the stream begin where those of the backup do,
// whatever the configuration says of new streams.
func (r *restore) begin() error {
	if r.stream.store.State().Last == 0 {
		return nil
	}
	return r.ops.propose(streamcore.AppendReset(nil, 1), "the beginning")
}

// message proposes a message of the backup.
func (r *restore) message(m *store.Message) error {
	size := int64(len(m.Subject) + len(m.Header) + len(m.Data))
	if refused := r.tenant.refusal(r.assigned.Config.Storage, size+r.ops.pending()); refused != nil {
		return refused
	}
	op := streamcore.AppendRestore(r.ops.buffer(int(size)), m.Seq, m.Time, &streamcore.Message{
		Subject: m.Subject, Header: m.Header, Data: m.Data, Plan: streamcore.PlanSchedule(m.Header, r.e.now(), r.e.zones),
	})
	return r.ops.propose(op, fmt.Sprintf("message %d", m.Seq))
}

// finish ends the stream where the one that was backed up has ended, has it know its
// consumers, and waits until all of it is applied.
func (r *restore) finish(state *api.StreamState) error {
	if last := store.Seq(state.LastSeq); last > 0 {
		at := int64(0)
		if !state.LastTime.IsZero() {
			at = state.LastTime.UnixNano()
		}
		if err := r.ops.end(streamcore.AppendRestoreEnd(nil, last, at)); err != nil {
			return err
		}
	}
	r.sowing.Wait()
	if r.assigned.Config.Retention != api.RetainLimits {
		// All of them, before any tells what it is done with: what one does not
		// want the others may.
		for _, c := range r.assignedConsumers() {
			if err := r.ops.propose(streamcore.AppendConsumer(nil, wantsKey(c), 0, false, c.Config.Filters()), "consumer "+c.Name()); err != nil {
				return err
			}
		}
	}
	if err := r.ops.wait(); err != nil {
		return err
	}
	if r.ctx.Err() != nil {
		return r.e.cause(r.ctx)
	}
	return nil
}

// assignedConsumers returns those that the stream has by now.
func (r *restore) assignedConsumers() (list []*meta.Consumer) {
	r.e.meta.view(func(*meta.State) { list = slices.Collect(r.assigned.Consumers()) })
	return list
}

// pipeline has ops applied, as many at a time as there is room for.
type pipeline struct {
	stream *stream
	ctx    context.Context
	// room has a token when some were applied.
	room chan struct{}
	// slab is what buffers are made of.
	slab []byte

	mu       sync.Mutex
	underway int64 // bytes
	ops      int
	err      error
}

// maxUnderway is how many bytes of a restore are on their way into the log.
const maxUnderway = 4 << 20

// buffer returns room for an op with so many bytes of content.
func (p *pipeline) buffer(n int) []byte {
	n += opSpare
	if n > cap(p.slab)-len(p.slab) {
		p.slab = make([]byte, 0, max(opBuffer, n))
	}
	at := len(p.slab)
	p.slab = p.slab[:at+n]
	return p.slab[at : at : at+n]
}

// pending is how many bytes are under way.
func (p *pipeline) pending() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.underway
}

// propose proposes an op as soon as there is room for it. The op has to do something
// when it is applied. The error may be that of another one.
func (p *pipeline) propose(op []byte, what string) error { return p.add(op, what, false) }

// end proposes the op that ends the stream, which may have nothing to do.
func (p *pipeline) end(op []byte) error { return p.add(op, "the end", true) }

func (p *pipeline) add(op []byte, what string, mayDoNothing bool) error {
	size := int64(len(op))
	if err := p.await(func() bool { return p.underway == 0 || p.underway+size <= maxUnderway }); err != nil {
		return err
	}
	p.mu.Lock()
	p.underway += size
	p.ops++
	p.mu.Unlock()
	settle := func(err error) {
		p.mu.Lock()
		p.underway -= size
		p.ops--
		if err != nil && p.err == nil {
			p.err = fmt.Errorf("%s: %w", what, err)
		}
		p.mu.Unlock()
		select {
		case p.room <- struct{}{}:
		default:
		}
	}
	for {
		err := p.stream.propose(op, func(o *outcome, err error) {
			switch {
			case err != nil:
			case o.Skipped:
				err = errMalformed
			case o.Err != nil:
				err = o.Err
			case o.Duplicate && !mayDoNothing:
				err = errOrder
			}
			settle(err)
		})
		if !errors.Is(err, host.ErrOverloaded) {
			if err != nil {
				settle(err)
			}
			return nil
		}
		if err := p.stream.e.wait(p.room, int64(pause), true); err != nil || p.ctx.Err() != nil {
			settle(errStopping)
			return p.failure()
		}
	}
}

// Why a stream does not take what is in a backup.
var (
	errMalformed = errors.New("it cannot be stored")
	errOrder     = errors.New("it comes out of order")
)

// wait waits until all ops are applied.
func (p *pipeline) wait() error { return p.await(func() bool { return p.ops == 0 }) }

// await waits until ready, which is called with the lock held, or until an op or the
// restore has failed.
func (p *pipeline) await(ready func() bool) error {
	for {
		p.mu.Lock()
		ok := ready()
		err := p.err
		p.mu.Unlock()
		if err != nil || ok {
			return err
		}
		select {
		case <-p.room:
		case <-p.ctx.Done():
			return p.failure()
		}
	}
}

// failure is what an op has failed with, or why the restore ends.
func (p *pipeline) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	return p.stream.e.cause(p.ctx)
}
