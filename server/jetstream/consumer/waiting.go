package consumer

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// request is a pull request that waits.
type request struct {
	reply     string
	viaImport bool
	// left is how many messages it still wants, bytes how large they may be
	// together if it is limited.
	left, bytes int
	limited     bool
	delivered   int
	// expires is when it ends, beat when a heartbeat is due; or never.
	expires, beat int64
	heartbeat     time.Duration
	noWait        bool
	minPending    int64
	minAckPending int64
	pinID         string
	level         int
	// recorded is whether the replicas know of it. fresh is its place among those
	// that came since the last step, plus 1.
	recorded bool
	fresh    int
}

const (
	// levels is how many queues there are: one for each priority, and one behind
	// them.
	levels = api.MaxPriority + 2
	// keptRequests is how many requests are kept for reuse.
	keptRequests = 256
)

// pulls are the requests that wait. They are served in turn: one that is not
// finished goes to the end of its queue. The queues of lower levels come first.
type pulls struct {
	queues [levels]queue[*request]
	n      int
	// used is how many queues have been in use.
	used int
	// batches is the sum of what they want, noWait how many do not want to wait.
	batches uint64
	noWait  int
	// wake is when one of them expires or needs a heartbeat, or earlier.
	wake    int64
	sweepAt int64
	// fresh are those that came since the last step, nil for those that have ended.
	fresh []*request
	free  []*request
}

func (p *pulls) wakeAt() int64 {
	if p.n == 0 {
		return never
	}
	return p.wake
}

// take returns a request to be filled.
func (p *pulls) take() *request {
	n := len(p.free)
	if n == 0 {
		return new(request)
	}
	r := p.free[n-1]
	p.free = p.free[:n-1]
	return r
}

// giveBack takes a request that has ended.
func (p *pulls) giveBack(r *request) {
	if r.fresh > 0 {
		p.fresh[r.fresh-1] = nil
	}
	if len(p.free) < keptRequests {
		p.free = append(p.free, r)
	}
}

// add has a new request wait.
func (p *pulls) add(r *request) {
	if p.n == 0 {
		p.wake = never
	}
	p.wake = min(p.wake, r.expires, r.beat)
	p.fresh = append(p.fresh, r)
	r.fresh = len(p.fresh)
	p.enter(r)
}

// enter puts a request at the end of its queue.
func (p *pulls) enter(r *request) {
	p.used = max(p.used, r.level+1)
	p.queues[r.level].push(r)
	p.n++
	p.batches += uint64(r.left)
	if r.noWait {
		p.noWait++
	}
}

// leave notes that a request was taken out of its queue.
func (p *pulls) leave(r *request) {
	p.n--
	p.batches -= uint64(r.left)
	if r.noWait {
		p.noWait--
	}
}

// next returns the first request that may be served now, nil if there is none. It
// is at the front of its queue; those before it, which may not, went to the end.
func (p *pulls) next(may func(*request) bool) *request {
	for i := range p.used {
		q := &p.queues[i]
		for range q.len() {
			if r := *q.front(); may(r) {
				return r
			}
			q.push(q.pop())
		}
	}
	return nil
}

// takeOut takes out a request that next returned.
func (p *pulls) takeOut(r *request) {
	p.queues[r.level].pop()
	p.leave(r)
}

// retain goes over all requests in turn, and takes out those for which keep reports
// false.
func (p *pulls) retain(keep func(*request) bool) {
	for i := range p.used {
		q := &p.queues[i]
		for range q.len() {
			r := q.pop()
			// It is out while keep looks at it, since that may use it up.
			p.leave(r)
			if keep(r) {
				p.enter(r)
			}
		}
	}
}
