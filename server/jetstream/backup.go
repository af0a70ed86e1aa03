package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/archive"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/sublist"
)

// backup is a stream on its way out to a client: an archive in chunks, as fast as the
// client takes them. What it is made of was taken before (see streamCut), so that the stream
// goes on meanwhile and nothing of it is locked. It is a job of the engine.
type backup struct {
	e      *Engine
	tenant *tenant
	name   string
	// to is the subject that the client listens to.
	to    string
	chunk int
	cut   *streamCut
	start time.Time
	// heard is whether somebody has listened to exactly that.
	heard bool
	// news has a token when something has happened that the flow may care about.
	news chan struct{}
	// body is that of the last message.
	body []byte

	mu   sync.Mutex
	flow *archive.SendFlow
}

// maxBackups bounds the backups that are made at once. Each has a chunk or two in
// memory, and a window of them in the queues of its client.
const maxBackups = 32

var errManyBackups = fmt.Errorf("%d others are being made", maxBackups)

func (r *request) streamSnapshot(ctx context.Context, out *api.StreamSnapshotResponse) *api.Error {
	var q api.StreamSnapshotRequest
	err := r.decode(&q)
	if err == nil {
		err = q.Check()
	}
	if err != nil {
		return err
	}
	e := r.tenant.e
	st, s, err := r.streamOf()
	if err == nil {
		err = s.leads(ctx)
	}
	if err != nil {
		return err
	}
	if !e.backups.Take() {
		return api.ErrStreamSnapshot.With("err", errManyBackups)
	}
	c, cerr := s.cut(ctx, st, !q.NoConsumers)
	if cerr == nil && q.CheckMsgs {
		// It may take longer than other requests.
		cerr = c.check(e.ctx, s.store.Lost())
	}
	if cerr != nil {
		c.close()
		e.backups.Return()
		return api.ErrStreamSnapshot.With("err", cerr)
	}
	now := e.cfg.Clock.Now()
	b := &backup{
		e: e, tenant: r.tenant, name: st.Name(), to: q.DeliverSubject, chunk: q.ChunkSize, cut: c, start: now.UTC(),
		news: make(chan struct{}, 1),
		flow: archive.NewSendFlow(st.Name(), e.cfg.NewID(), q.ChunkSize, q.WindowSize, now.UnixNano()),
	}
	out.Config, out.State = st.Config, &c.state
	// The client is to know what comes before it comes.
	r.then = func() {
		r.tenant.advise(api.EventSubject(api.EventSnapshotCreate, b.name, ""), &api.SnapshotCreate{
			Event: e.event(api.TypeSnapshotCreate), Stream: b.name, State: c.state, Domain: e.cfg.Domain,
		})
		if !e.jobs.run(b.run) {
			b.end(errStopping)
		}
	}
	return nil
}

// run sends the backup.
func (b *backup) run() { b.end(b.send()) }

// end tells the client how it has ended, and lets go of it all.
func (b *backup) end(err error) {
	b.cut.close()
	b.e.backups.Return()
	header := archive.EndStatus(err).AppendBlock(nil)
	b.publish(&account.Message{Subject: []byte(b.to), Body: append(header, proto.CRLF...), HeaderLen: len(header)})
	event := &api.SnapshotComplete{
		Event: b.e.event(api.TypeSnapshotComplete), Stream: b.name, Start: b.start, End: b.e.cfg.Clock.Now().UTC(), Domain: b.e.cfg.Domain,
	}
	if err != nil {
		event.Error = err.Error()
	}
	b.tenant.advise(api.EventSubject(api.EventSnapshotComplete, b.name, ""), event)
	// That a client does not wait for the end is its own business.
	if err != nil && !errors.Is(err, archive.ErrNoInterest) && !errors.Is(err, archive.ErrNoFlowResponse) && !errors.Is(err, errStopping) {
		b.e.cfg.Logger.Errorf("JetStream: the backup of stream %s of account %s has failed: %v", b.name, b.tenant.account.Name(), err)
	}
}

func (b *backup) publish(m *account.Message) { b.tenant.account.Publish(m) }

func (b *backup) send() error {
	acks := &account.Subscription{Subject: b.flow.AckSubject(), Handler: func(m *account.Message) {
		b.mu.Lock()
		fits := b.flow.Ack(string(m.Subject))
		b.mu.Unlock()
		if fits {
			b.wake()
		}
	}}
	if err := b.tenant.account.Subscribe(acks); err != nil {
		return err
	}
	defer b.tenant.account.Unsubscribe(acks)
	defer b.tenant.account.Watch(b.to, b.wake)()

	out := archive.NewChunkWriter(b.chunk, b.sendChunk)
	w := archive.NewWriter(out, b.start.UnixNano())
	if err := w.State(&b.cut.state); err != nil {
		return err
	}
	for i := range b.cut.consumers {
		c, err := b.cut.consumers[i].archived()
		if err != nil {
			return err
		}
		if err := w.Consumer(c); err != nil {
			return err
		}
	}
	for m, err := range b.cut.snapshot.Messages(0) {
		if err != nil {
			return err
		}
		if err := w.Message(m); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}

// wake has await look at the flow.
func (b *backup) wake() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// sendChunk sends a chunk when it may be sent.
func (b *backup) sendChunk(chunk []byte) error {
	if err := b.await(); err != nil {
		return err
	}
	b.mu.Lock()
	reply := b.flow.Sent(b.e.now(), len(chunk))
	b.mu.Unlock()
	b.body = append(append(b.body[:0], chunk...), proto.CRLF...)
	b.publish(&account.Message{Subject: []byte(b.to), Reply: []byte(reply), Body: b.body})
	return nil
}

// await waits until a chunk may be sent.
func (b *backup) await() error {
	for {
		now := b.e.now()
		listening := b.listens(now)
		b.mu.Lock()
		b.flow.Interest(listening)
		ready, err := b.flow.Ready(now)
		at, timed := b.flow.Deadline()
		b.mu.Unlock()
		switch {
		case b.e.ctx.Err() != nil:
			return errStopping
		case err != nil || ready:
			return err
		}
		if err := b.e.wait(b.news, at-now, timed); err != nil {
			return err
		}
	}
}

// listens reports whether the client listens. It may subscribe only when it was answered;
// that it has a subscription for the answers to all of its requests, or somebody
// listens to everything, does not count before the time in which it could have.
func (b *backup) listens(now int64) bool {
	var r sublist.Result[*account.Subscription]
	b.tenant.account.Interest().Match([]byte(b.to), &r)
	for _, s := range r.Plain {
		if s.Subject == b.to {
			b.heard = true
			return true
		}
	}
	return !b.heard && !r.Empty() && now-b.start.UnixNano() >= archive.InterestWait
}

// wait waits for news, or for so many nanoseconds if timed is set, or until the engine
// stops.
func (e *Engine) wait(news <-chan struct{}, d int64, timed bool) error {
	var over <-chan time.Time
	if timed {
		t := e.cfg.Clock.NewTimer(time.Duration(max(d, 0)))
		defer t.Stop()
		over = t.C()
	}
	select {
	case <-news:
	case <-over:
	case <-e.ctx.Done():
		return errStopping
	}
	return nil
}
