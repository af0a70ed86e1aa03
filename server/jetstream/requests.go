package jetstream

import (
	"bytes"
	"sync"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// requestQueue has requests worked on, in the order in which they came but several at
// a time.
type requestQueue struct {
	// atOnce bounds those that are worked on, limit those that wait.
	atOnce, limit int

	mu      sync.Mutex
	waiting []*request
	working int
	// finished is set when no more are taken.
	finished bool
	wg       sync.WaitGroup
}

// Requests that only ask for information have a queue of their own: however many
// there are, they do not keep others from being worked on.
const (
	requestsAtOnce = 192
	infosAtOnce    = 64
)

// asksOnly reports whether an op changes nothing, and is cheap to ask for again.
func asksOnly(o api.Op) bool {
	switch o {
	case api.OpAccountInfo, api.OpStreamNames, api.OpStreamList, api.OpStreamInfo,
		api.OpConsumerNames, api.OpConsumerList, api.OpConsumerInfo:
		return true
	}
	return false
}

// finish waits for the requests that are worked on. What waits is not answered.
func (q *requestQueue) finish() {
	q.mu.Lock()
	q.finished, q.waiting = true, nil
	q.mu.Unlock()
	q.wg.Wait()
}

// length is how many requests wait.
func (q *requestQueue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// add has a request worked on. If too many wait, all that wait are dropped with it and
// returned: their clients are likely to have given up, and those that have not are
// better served by what they ask next than by the end of a long queue.
func (q *requestQueue) add(r *request) (dropped []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.finished:
	case q.working < q.atOnce:
		q.working++
		q.wg.Go(func() { q.work(r) })
	case len(q.waiting) >= q.limit:
		dropped = append(q.waiting, r)
		q.waiting = nil
	default:
		q.waiting = append(q.waiting, r)
	}
	return dropped
}

// work answers a request, and then others as long as some wait.
func (q *requestQueue) work(r *request) {
	for r != nil {
		r.serve(r.tenant.e.ctx)
		q.mu.Lock()
		r = nil
		if len(q.waiting) > 0 {
			r, q.waiting[0] = q.waiting[0], nil
			q.waiting = q.waiting[1:]
		} else {
			q.working--
			q.waiting = nil
		}
		q.mu.Unlock()
	}
}

// request takes a request, on the goroutine of the client's connection.
func (t *tenant) request(m *account.Message) {
	call, ok := api.Parse(string(m.Subject))
	if !ok || len(m.Reply) == 0 {
		return
	}
	q, e := &t.e.requests, t.e
	if asksOnly(call.Op) {
		q = &e.infos
	}
	dropped := q.add(&request{
		Call: call, tenant: t, from: m.From, subject: string(m.Subject), reply: string(m.Reply),
		header: bytes.Clone(m.Header()), body: bytes.Clone(m.Payload()),
	})
	if len(dropped) == 0 {
		return
	}
	for _, r := range dropped {
		r.tenant.requests.Add(1)
		r.tenant.failures.Add(1)
	}
	e.cfg.Logger.Warnf("JetStream API queue limit reached, dropping %d requests", len(dropped))
	e.limitReached(len(dropped))
}
