package auth

import (
	"cmp"
	"container/list"
	"sync"
	"time"
)

// The bounds of replies where a configuration names none.
const (
	DefaultResponseMaxMsgs = 1
	DefaultResponseExpires = 2 * time.Minute
)

// MaxTrackedReplies bounds how many requests one connection can still answer.
// Beyond it the oldest request is forgotten: a service that falls so far behind
// answers requests that nobody waits for any more.
const MaxTrackedReplies = 1 << 16

// withDefaults fills in bounds that are not set.
func (p *ResponsePermission) withDefaults() *ResponsePermission {
	return &ResponsePermission{
		MaxMsgs: cmp.Or(p.MaxMsgs, DefaultResponseMaxMsgs),
		Expires: cmp.Or(p.Expires, DefaultResponseExpires),
	}
}

// Responses are the reply subjects that one connection may publish to because
// requests were delivered to it. A nil *Responses tracks and allows nothing. It
// is safe for concurrent use: requests are tracked by those who deliver them,
// replies asked for by the connection that sends them.
//
// All requests live equally long, so they expire in the order in which they
// came. Each Track therefore drops expired ones from the front until it meets a
// live one, and no pass over all of them is ever needed.
type Responses struct {
	perms *Compiled
	limit int

	mu      sync.Mutex
	byReply map[string]*list.Element // its Value is a *trackedReply
	oldest  *list.List               // the same elements, in the order of expiry
}

// trackedReply is a request that may still be answered.
type trackedReply struct {
	subject string
	left    int       // replies; negative means no bound
	expires time.Time // zero means never
}

// NewResponses returns what tracks the requests of one new connection with
// these permissions; nil if they allow no responses.
func (c *Compiled) NewResponses() *Responses {
	if c.responses == nil {
		return nil
	}
	return &Responses{
		perms:   c,
		limit:   MaxTrackedReplies,
		byReply: make(map[string]*list.Element),
		oldest:  list.New(),
	}
}

// Track notes that a request with the reply subject was delivered at now. A
// subject that the connection may publish to anyway is not tracked; one that is
// tracked already starts over. The bytes are copied.
func (r *Responses) Track(reply []byte, now time.Time) {
	if r == nil || len(reply) == 0 || r.perms.CanPublish(reply) {
		return
	}
	bounds := r.perms.responses
	tracked := &trackedReply{subject: string(reply), left: bounds.MaxMsgs}
	if bounds.Expires > 0 {
		tracked.expires = now.Add(bounds.Expires)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byReply[tracked.subject]; e != nil {
		r.dropLocked(e)
	}
	for e := r.oldest.Front(); e != nil; e = r.oldest.Front() {
		if len(r.byReply) < r.limit && !e.Value.(*trackedReply).expired(now) {
			break
		}
		r.dropLocked(e)
	}
	r.byReply[tracked.subject] = r.oldest.PushBack(tracked)
}

// Allow reports whether one more message may be published to the subject as a
// reply, and counts it if so.
func (r *Responses) Allow(reply []byte, now time.Time) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byReply[string(reply)]
	if e == nil {
		return false
	}
	tracked := e.Value.(*trackedReply)
	if tracked.expired(now) {
		r.dropLocked(e)
		return false
	}
	if tracked.left > 0 {
		tracked.left--
		if tracked.left == 0 {
			r.dropLocked(e)
		}
	}
	return true
}

// Len is the number of requests that are tracked, expired ones included that
// were not met yet.
func (r *Responses) Len() int {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byReply)
}

func (r *Responses) dropLocked(e *list.Element) {
	delete(r.byReply, r.oldest.Remove(e).(*trackedReply).subject)
}

// expired reports whether the time for replies is over; at its last instant it
// is.
func (t *trackedReply) expired(now time.Time) bool {
	return !t.expires.IsZero() && !now.Before(t.expires)
}
