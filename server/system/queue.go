package system

import (
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/server/account"
)

const (
	// maxWorkers is how many requests are worked on at a time.
	maxWorkers = 4
	// maxWaiting is how many requests of an account may wait.
	maxWaiting = 64
)

// queue has requests worked on, by goroutines that exist while there are any.
// The accounts take turns; the requests of an account keep their order.
type queue struct {
	work func(*request)

	mu sync.Mutex
	// lines are those of accounts with requests that wait, the one whose turn
	// it is first.
	lines   []*line
	workers int
	closed  bool
	// working counts the workers.
	working sync.WaitGroup
}

// line is what waits of one account, at least one request.
type line struct {
	account *account.Account
	waiting []*request
}

// add puts a request at the end of its account's line. It returns false if that
// is full.
func (q *queue) add(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return true // nobody waits for an answer any more
	}
	i := slices.IndexFunc(q.lines, func(l *line) bool { return l.account == r.account })
	switch {
	case i < 0:
		q.lines = append(q.lines, &line{r.account, []*request{r}})
	case len(q.lines[i].waiting) >= maxWaiting:
		return false
	default:
		q.lines[i].waiting = append(q.lines[i].waiting, r)
	}
	if q.workers < maxWorkers {
		q.workers++
		q.working.Go(q.run)
	}
	return true
}

// run works until nothing waits.
func (q *queue) run() {
	for r := q.next(); r != nil; r = q.next() {
		q.work(r)
	}
}

// next takes out the request whose turn it is. If there is none, the worker is
// no more.
func (q *queue) next() *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) == 0 {
		q.workers--
		return nil
	}
	l := q.lines[0]
	r := l.waiting[0]
	q.lines = slices.Delete(q.lines, 0, 1)
	if l.waiting = slices.Delete(l.waiting, 0, 1); len(l.waiting) > 0 {
		q.lines = append(q.lines, l)
	}
	return r
}

// forget drops what waits of an account.
func (q *queue) forget(a *account.Account) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lines = slices.DeleteFunc(q.lines, func(l *line) bool { return l.account == a })
}

// close drops everything that waits, and returns when nothing is worked on.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.lines = nil
	q.mu.Unlock()
	q.working.Wait()
}
