package jetstream

import (
	"bytes"
	"sync"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// task is what is worked on: a request, or a question of another server.
type task interface {
	// serve does it.
	serve()
	// drop is called instead if too many wait.
	drop()
}

// requestQueue has requests worked on, in the order in which they came but several at
// a time.
type requestQueue struct {
	// atOnce bounds those that are worked on, limit those that wait.
	atOnce, limit int

	mu      sync.Mutex
	waiting []task
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
func (q *requestQueue) add(r task) (dropped []task) {
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
func (q *requestQueue) work(r task) {
	for r != nil {
		r.serve()
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
	t.enqueue(&request{
		Call: call, tenant: t, from: m.From, subject: string(m.Subject), reply: string(m.Reply),
		header: bytes.Clone(m.Header()), body: bytes.Clone(m.Payload()),
	})
}

// enqueue has a request worked on.
func (t *tenant) enqueue(r *request) {
	if asksOnly(r.Op) {
		t.e.enqueue(&t.e.infos, r)
	} else {
		t.e.enqueue(&t.e.requests, r)
	}
}

// enqueue has something worked on, and tells of what is dropped for it.
func (e *Engine) enqueue(q *requestQueue, of task) {
	dropped := q.add(of)
	if len(dropped) == 0 {
		return
	}
	for _, d := range dropped {
		d.drop()
	}
	e.cfg.Logger.Warnf("JetStream API queue limit reached, dropping %d requests", len(dropped))
	e.limitReached(len(dropped))
}
