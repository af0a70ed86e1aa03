package account

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// responses lead the answers to requests that came from other accounts back there. The
// request has a reply subject of this account's, "_R_.prefix.token", and the token is
// that of a record that tells where the answer goes.
//
// A record lives until it was used, or not used for its threshold. There is a queue
// of them for each import, of bounded length, in the order in which they were last
// used, so that an importer that asks too much is in nobody else's way: beyond the
// bound the one goes that was not used for the longest time.
type responses struct {
	acc *Account
	// prefix is "_R_.prefix." and does not change.
	prefix string
	// most is maxWaiting, but in tests.
	most int

	mu sync.Mutex
	// listening is the subscription to prefix, nil while no import needs answers here.
	listening *Subscription
	pending   map[token]*response
	// replies are the answers that those who got an answer are asked for in turn.
	replies queue
}

// replyPrefix begins the reply subjects of requests from other accounts.
const replyPrefix = "_R_."

// ackPrefix begins those that acknowledge messages of JetStream, who has delivered
// them knows from their subject. They are imported like any service.
const ackPrefix = "$JS.ACK."

// token is what replies are told apart by.
type token [6]byte

// randomToken draws one. Whoever could guess it could answer in the name of the
// service, though only within its account.
func randomToken() (t token) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range t {
		t[i] = digits[rand.IntN(len(digits))]
	}
	return t
}

// response is where answers to a request go. All but the first fields belong to the
// responses that it is in.
type response struct {
	to    *Account
	reply string
	kind  ResponseType
	// threshold is how long the next answer is waited for.
	threshold time.Duration
	// measured is nil as a rule.
	measured *measurement
	// traced says that traces may follow answers.
	traced bool

	token token
	// last is when it was made or last used.
	last       time.Time
	queue      *queue
	prev, next *response
}

// queue holds records in the order of their last use. It belongs to a responses.
type queue struct {
	head, tail *response
	len        int
	// timer is there once something waited; armed says whether it runs.
	timer clock.Timer
	armed bool
}

// maxWaiting bounds the records of a queue.
const maxWaiting = 1 << 16

func newResponses(a *Account) *responses {
	t := randomToken()
	return &responses{acc: a, prefix: replyPrefix + string(t[:]) + ".", most: maxWaiting}
}

// listen has the account listen to prefix from now on, and returns the subscription if it
// did not before. It comes with the import and not with the first request, since other
// servers may have the answer before they hear who listens.
func (rs *responses) listen() *Subscription {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.listening != nil {
		return nil
	}
	rs.listening = &Subscription{Subject: rs.prefix + ">", SID: "import", passage: &passage{cross: rs}}
	rs.acc.mustInsert(rs.listening)
	return rs.listening
}

// expect makes a record.
func (rs *responses) expect(q *queue, r *response) *response {
	r.last = rs.acc.clock.Now()
	r.queue = q
	var evicted *response
	rs.mu.Lock()
	if rs.pending == nil {
		rs.pending = make(map[token]*response)
	}
	for r.token = randomToken(); rs.pending[r.token] != nil; {
		r.token = randomToken()
	}
	rs.pending[r.token] = r
	if q.len >= rs.most {
		evicted = q.head
		rs.removeLocked(evicted)
	}
	q.push(r)
	if !q.armed {
		q.armed = true
		if q.timer == nil {
			q.timer = rs.acc.clock.AfterFunc(r.threshold, func() { rs.expire(q) })
		} else {
			q.timer.Reset(r.threshold)
		}
	}
	rs.mu.Unlock()
	if evicted != nil {
		evicted.measured.end(event.LatencyTimeout)
	}
	r.measured.watch(rs, r)
	return r
}

// appendReply appends the reply subject of a record.
func (rs *responses) appendReply(dst []byte, r *response) []byte {
	return append(append(dst, rs.prefix...), r.token[:]...)
}

// findLocked returns the record of a reply subject without prefix, or nil.
func (rs *responses) findLocked(tok string) *response {
	if len(tok) != len(token{}) {
		return nil
	}
	return rs.pending[token([]byte(tok))]
}

// destination tells where an answer would go. ok is false if the subject is not one
// for answers to other accounts; to is nil if nobody waits for one there.
func (rs *responses) destination(subject string) (to *Account, reply string, ok bool) {
	tok, ok := strings.CutPrefix(subject, rs.prefix)
	if !ok {
		return nil, "", false
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.findLocked(tok); r != nil {
		return r.to, r.reply, true
	}
	return nil, "", true
}

// drop forgets a record, and reports it with a status if it is measured.
func (rs *responses) drop(r *response, status int) {
	rs.mu.Lock()
	there := rs.removeLocked(r)
	rs.mu.Unlock()
	if there {
		r.measured.end(status)
	}
}

func (rs *responses) removeLocked(r *response) bool {
	if rs.pending[r.token] != r {
		return false
	}
	delete(rs.pending, r.token)
	r.queue.remove(r)
	return true
}

// expire forgets the records that were not used for too long.
func (rs *responses) expire(q *queue) {
	var over []*response
	rs.mu.Lock()
	now := rs.acc.clock.Now()
	for q.head != nil && !now.Before(q.head.last.Add(q.head.threshold)) {
		over = append(over, q.head)
		rs.removeLocked(q.head)
	}
	if q.armed = q.head != nil; q.armed {
		q.timer.Reset(q.head.last.Add(q.head.threshold).Sub(now))
	}
	rs.mu.Unlock()
	for _, r := range over {
		r.measured.end(event.LatencyTimeout)
	}
}

// appendSubject implements crossing. The subject tells which record it is.
func (rs *responses) appendSubject(dst, subj []byte) []byte {
	return append(dst, subj[len(rs.prefix):]...)
}

// cross implements crossing: it takes an answer to who asked.
func (rs *responses) cross(f *Fanout, tok []byte, m *Message, how manner) bool {
	if m.hops >= maxHops {
		return false
	}
	arrived := rs.acc.clock.Now()
	rs.mu.Lock()
	r := rs.findLocked(string(tok))
	if r == nil {
		rs.mu.Unlock()
		return false
	}
	switch {
	case how.trace != nil && how.trace.only:
	case r.kind == Singleton || len(m.Body) == len(proto.CRLF):
		rs.removeLocked(r)
	default:
		r.last = arrived
		r.queue.remove(r)
		r.queue.push(r)
	}
	rs.mu.Unlock()
	reply := []byte(r.reply)
	g := f.there(r.to)
	out := g.enter(m, f.acc, reply, how.forwarded)
	defer g.leave()
	to := g.Routes(reply)
	if to.None() {
		// Nobody waits any more.
		rs.drop(r, event.LatencyGone)
		r.measured.end(event.LatencyGone)
		return false
	}
	if tr := how.trace; tr != nil {
		tr.to.Service(r.to, m.Subject, reply)
		if !r.traced {
			if tr.only {
				return true
			}
			how.trace = nil
		}
	}
	switch {
	case len(m.Reply) == 0 || how.trace != nil && how.trace.only:
	case bytes.HasPrefix(m.Reply, []byte(ackPrefix)):
		out.Reply = m.Reply
	default:
		back := r.to.responses
		g.reply = back.appendReply(g.reply[:0], back.expect(&back.replies, &response{
			to: f.acc, reply: string(m.Reply), threshold: DefaultThreshold, traced: r.traced,
		}))
		out.Reply = g.reply
	}
	delivered := g.pass(to, how)
	if r.measured != nil {
		responder := m.sender(f.acc)
		r.measured.answered(arrived, &responder)
	}
	return delivered
}

func (q *queue) push(r *response) {
	r.prev, r.next = q.tail, nil
	if q.tail != nil {
		q.tail.next = r
	} else {
		q.head = r
	}
	q.tail = r
	q.len++
}

func (q *queue) remove(r *response) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		q.head = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		q.tail = r.prev
	}
	r.prev, r.next = nil, nil
	q.len--
}
