package jetstream

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/relay"
	"github.com/nats-lite/nats-lite/server/raft"
)

// What lists and information about accounts tell is gathered: the front asks all who lead
// something of it at once, and does not wait long for those who do not answer.

const (
	// gatherTimeout bounds how long a front waits for the states of a page of a list,
	// tallyTimeout for what an account uses.
	gatherTimeout = 4 * time.Second
	tallyTimeout  = time.Second
	// askEvery is how often is looked for leaders that were not there to be asked.
	askEvery = 100 * time.Millisecond
)

func (r *request) streamList(ctx context.Context, out *api.StreamListResponse) *api.Error {
	var q api.StreamsRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	e := r.tenant.e
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	list := r.selected(&q)
	var from, to int
	out.Page, from, to = api.Turn(len(list), q.Offset, api.ListPage)
	list = list[from:to]
	if len(list) == 0 {
		out.Total = 0
	}
	infos := gather(ctx, e, list,
		func(st *meta.Stream) (*meta.Group, relay.Look) {
			return &st.Group, relay.Look{Account: st.Account, Stream: st.Name()}
		},
		func(st *meta.Stream) *api.StreamInfo { return e.lookAtStream(ctx, st) })
	for i, in := range infos {
		switch {
		case in != nil:
			out.Streams = append(out.Streams, in)
		case e.assigned(list[i].Account, list[i].Name()) != nil:
			out.Missing = append(out.Missing, list[i].Name())
		}
	}
	return nil
}

func (r *request) consumerList(ctx context.Context, out *api.ConsumerListResponse) *api.Error {
	var q api.ConsumersRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	list, st, err := r.consumers()
	if err != nil {
		return err
	}
	e := r.tenant.e
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	var from, to int
	out.Page, from, to = api.Turn(len(list), q.Offset, api.ListPage)
	list = list[from:to]
	infos := gather(ctx, e, list,
		func(c *meta.Consumer) (*meta.Group, relay.Look) {
			return &c.Group, relay.Look{Account: st.Account, Stream: st.Name(), Consumer: c.Name()}
		},
		func(c *meta.Consumer) *api.ConsumerInfo { return e.lookAtConsumer(ctx, st, c) })
	for i, in := range infos {
		switch {
		case in != nil:
			out.Consumers = append(out.Consumers, in)
		case e.isAssigned(st, list[i]):
			out.Missing = append(out.Missing, list[i].Name())
		}
	}
	return nil
}

// isAssigned reports whether a consumer is still there.
func (e *Engine) isAssigned(st *meta.Stream, c *meta.Consumer) (is bool) {
	e.meta.view(func(s *meta.State) {
		now := s.Stream(st.Account, st.Name())
		is = now != nil && now.Consumer(c.Name()) != nil
	})
	return is
}

// lookAtStream describes a stream that is led here as lists do, nil if it does not serve.
func (e *Engine) lookAtStream(ctx context.Context, st *meta.Stream) *api.StreamInfo {
	s := e.stream(st.Group.ID)
	if s == nil || s.leads(ctx) != nil {
		return nil
	}
	return s.listed()
}

// lookAtConsumer is lookAtStream for a consumer.
func (e *Engine) lookAtConsumer(ctx context.Context, st *meta.Stream, assigned *meta.Consumer) *api.ConsumerInfo {
	c := e.consumer(st, assigned)
	if c == nil || c.serves(ctx) != nil {
		return nil
	}
	return c.describe()
}

// gather asks how assets are, those that are led here by look and the others by a question to their
// leaders, and returns the answers in the same order, nil for those of which there is none in
// time.
func gather[A, I any](ctx context.Context, e *Engine, assets []A, of func(A) (*meta.Group, relay.Look), look func(A) *I) []*I {
	infos := make([]*I, len(assets))
	var asked []int // those to be asked, by their place among the assets
	var up map[uint32]bool
	if e.office != nil {
		up = e.online()
	}
	for i, a := range assets {
		g, _ := of(a)
		if e.office.leads(raft.GroupID(g.ID)) {
			infos[i] = look(a)
		} else if slices.ContainsFunc(g.Nodes, func(n uint32) bool { return up[n] }) {
			asked = append(asked, i)
		}
	}
	if len(asked) == 0 {
		return infos
	}
	q := e.office.ask(len(assets))
	defer q.close()
	t := e.cfg.Clock.NewTimer(0)
	defer t.Stop()
	for left := len(asked); left > 0; {
		select {
		case got := <-q.replies:
			in := new(I)
			if got.i >= 0 && got.i < len(infos) && infos[got.i] == nil && json.Unmarshal(got.data, in) == nil {
				infos[got.i] = in
				left--
			}
		case <-t.C():
			asked = slices.DeleteFunc(asked, func(i int) bool {
				g, l := of(assets[i])
				if end, ok := ctx.Deadline(); ok {
					l.Left = end.Sub(e.cfg.Clock.Now())
				}
				return e.office.send(raft.GroupID(g.ID), l.Append(nil), q.answerTo(i))
			})
			if len(asked) > 0 {
				t.Reset(askEvery)
			}
		case <-ctx.Done():
			return infos
		}
	}
	return infos
}

// looking is a question of another server about an asset that is led here. It implements
// task.
type looking struct {
	e        *Engine
	group    raft.GroupID
	of       *relay.Look
	answerTo string
}

func (l *looking) serve() {
	ctx, cancel := context.WithTimeout(l.e.ctx, min(l.of.Left, gatherTimeout))
	defer cancel()
	st := l.e.assigned(l.of.Account, l.of.Stream)
	if st == nil {
		return
	}
	if l.of.Consumer == "" {
		if in := l.e.lookAtStream(ctx, st); in != nil && raft.GroupID(st.Group.ID) == l.group {
			l.e.office.answer(l.answerTo, mustJSON(in))
		}
		return
	}
	var c *meta.Consumer
	l.e.meta.view(func(*meta.State) { c = st.Consumer(l.of.Consumer) })
	if c == nil || raft.GroupID(c.Group.ID) != l.group {
		return
	}
	if in := l.e.lookAtConsumer(ctx, st, c); in != nil {
		l.e.office.answer(l.answerTo, mustJSON(in))
	}
}

// drop has nothing to do: who asks does not wait long.
func (l *looking) drop() {}

func (r *request) accountInfo(ctx context.Context, out *api.AccountInfoResponse) *api.Error {
	t := r.tenant
	u, used := t.e.meta.usage(t.account.Name()), t.used(ctx)
	out.AccountStats = &api.AccountStats{
		AccountUsage: api.AccountUsage{
			Memory: used.Memory, Storage: used.Storage, ReservedMemory: uint64(u.ReservedMemory), ReservedStorage: uint64(u.ReservedFile),
			Streams: u.Streams, Consumers: u.Consumers, Limits: *t.limits.Load(),
		},
		Domain: t.e.cfg.Domain,
		API: api.Stats{
			Level: api.Level, Total: used.Requests, Errors: used.Failures, Inflight: max(used.Inflight, 1) - 1,
		},
	}
	return nil
}

// used is what the account uses: on all servers that answer in time.
func (t *tenant) used(ctx context.Context) relay.Usage {
	o := t.e.office
	if o == nil {
		return t.usedHere(t.usage.of(api.MemoryStorage), t.usage.of(api.FileStorage))
	}
	ctx, cancel := context.WithTimeout(ctx, tallyTimeout)
	defer cancel()
	seen, _ := t.e.cfg.Neighbours.Seen()
	q := o.ask(len(seen) + 1) // this server answers like any other
	defer q.close()
	m := account.NewMessage(usageSubject, (&relay.Tally{Account: t.account.Name()}).Append(nil))
	m.Reply = []byte(q.answerTo(0))
	o.account.Publish(m)
	var sum relay.Usage
	for range len(seen) + 1 {
		select {
		case got := <-q.replies:
			if u, err := relay.DecodeUsage(got.data); err == nil {
				sum.Memory += u.Memory
				sum.Storage += u.Storage
				sum.Requests += u.Requests
				sum.Failures += u.Failures
				sum.Inflight += u.Inflight
			}
		case <-ctx.Done():
			return sum
		}
	}
	return sum
}

// usedHere is what an account uses on this server, with that many bytes of messages.
func (t *tenant) usedHere(memory, storage int64) relay.Usage {
	return relay.Usage{
		Node: uint32(t.e.cfg.Node), Memory: uint64(memory), Storage: uint64(storage),
		Requests: t.requests.Load(), Failures: t.failures.Load(), Inflight: uint64(max(t.inflight.Load(), 0)),
	}
}

// led is how many bytes the streams of an account have that this server leads, over all their
// replicas.
func (t *tenant) led() (memory, storage int64) {
	for _, s := range t.e.streamList() {
		if s.tenant != t || s.leading.Load() == 0 || !s.isOpen() {
			continue
		}
		c := s.assigned.Load().Config
		bytes := int64(s.store.State().Bytes) * int64(max(c.Replicas, 1))
		if c.Storage == api.MemoryStorage {
			memory += bytes
		} else {
			storage += bytes
		}
	}
	return memory, storage
}

// tallied takes a question about an account.
func (o *office) tallied(m *account.Message) {
	q, err := relay.DecodeTally(m.Payload())
	if err != nil || len(m.Reply) == 0 {
		return
	}
	o.e.mu.RLock()
	t := o.e.accounts[q.Account]
	o.e.mu.RUnlock()
	if t != nil {
		o.e.enqueue(&o.e.questions, &tallying{t, string(m.Reply)})
	}
}

// tallying is a question of a server about an account. It implements task.
type tallying struct {
	of       *tenant
	answerTo string
}

func (t *tallying) serve() {
	u := t.of.usedHere(t.of.led())
	t.of.e.office.answer(t.answerTo, u.Append(nil))
}

func (t *tallying) drop() {}
