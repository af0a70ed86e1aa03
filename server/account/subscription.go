package account

import (
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/event"
)

// Subscription is interest of one connection, or of a service in the server,
// in a subject. Subject, Queue, SID, Target, Handler, Filter and Local do not change
// once it is in an account.
//
// What every message asks for comes first and is one cache line for it: in a
// fan-out to thousands, fetching subscriptions is what takes the time.
type Subscription struct {
	// Target receives the messages. It is nil if there is a Handler.
	Target *Target
	// Handler is called with each message on the publisher's goroutine. It must
	// not block nor keep the message. Filter and maximum are not for handlers.
	Handler func(*Message)
	// Filter refuses single messages while it is switched on; see SetFiltered. That of another
	// server is asked about subjects over there, and must not change its mind.
	Filter Filter

	// max is the number of messages after which the subscription ends; 0 is
	// never. delivered counts them.
	max       atomic.Int64
	delivered atomic.Int64
	closed    atomic.Bool
	filtered  atomic.Bool

	// passage leads into another account, nil as a rule.
	passage *passage

	Subject string
	// Queue is the queue group, "" for a plain subscription.
	Queue string
	// SID is the client's name for it.
	SID string

	// Explain says what becomes of a message that the Handler is given, for traces: an
	// item of event.Trace.Events. If it is nil, a trace only tells of the subscription.
	Explain func(*Message) any

	// Local keeps other servers from being told of it, as each has its own.
	Local bool
	// listed is whether it is in the account's interests, and belongs to those.
	listed bool
	// weight is, of another server's, how many members of the group it has; 0 is one.
	weight atomic.Int32
}

// Filter decides per message whether a subscription may have it. It is called
// by publishers' goroutines.
type Filter interface {
	CanDeliver(subject []byte, queue string) bool
}

// Close ends deliveries; what is staged already is still delivered. It reports
// whether the subscription was open.
func (s *Subscription) Close() bool { return s.closed.CompareAndSwap(false, true) }

// Closed tells whether Close was called.
func (s *Subscription) Closed() bool { return s.closed.Load() }

// Delivered is the number of messages so far. It may lag behind by what
// publishers are working on.
func (s *Subscription) Delivered() int64 { return s.delivered.Load() }

// Max is the number of messages after which the subscription ends; 0 is never.
func (s *Subscription) Max() int64 { return s.max.Load() }

// SetMax ends the subscription after n messages in all, at least one, and
// reports whether that many were delivered already; otherwise the receiver will
// hear of it by Exhausted. A publisher never goes beyond a maximum that it can
// see, but what several had delivered and not yet counted when the maximum was
// set may add up to more.
func (s *Subscription) SetMax(n int64) (reached bool) {
	s.max.Store(n)
	return s.delivered.Load() >= n
}

// take counts one message more, unless max were delivered already, and tells
// whether it was the last one.
func (s *Subscription) take(max int64) (ok, last bool) {
	for {
		n := s.delivered.Load()
		if n >= max {
			return false, false
		}
		if s.delivered.CompareAndSwap(n, n+1) {
			return true, n+1 == max
		}
	}
}

// count counts k messages that were delivered without asking for the maximum.
func (s *Subscription) count(k int64) {
	n := s.delivered.Add(k)
	// It may have been set while they were on their way. Of all who count only
	// one gets there.
	if max := s.max.Load(); n-k < max && max <= n {
		s.exhausted()
	}
}

// exhausted tells the receiver that the subscription has had its maximum.
func (s *Subscription) exhausted() {
	if s.Target != nil {
		s.Target.Receiver.Exhausted(s)
	}
}

// SetFiltered says whether the Filter is asked about each message, and may be
// changed at any time.
func (s *Subscription) SetFiltered(on bool) { s.filtered.Store(on) }

// Filtered tells whether the Filter is asked.
func (s *Subscription) Filtered() bool { return s.filtered.Load() }

// Target is the receiving end of a connection, of a client or to another server.
type Target struct {
	// ID is the connection's, for traces.
	ID uint64
	// Receiver takes what is for the connection.
	Receiver Receiver
	// Encoder encodes messages for another server. It is nil for a client.
	Encoder Encoder

	headers atomic.Bool
	replies atomic.Bool
	closed  atomic.Bool
	slow    atomic.Bool
	// staging has the publishers that hold something for the target.
	staging barrier
}

// Receiver is the connection behind a Target. Its methods are called by
// publishers' goroutines and must not block.
type Receiver interface {
	// Accept takes over a batch of protocol lines with the given number of
	// messages and bytes of messages in them, and leaves l empty. It returns a
	// channel if the connection is too far behind; the publisher should wait
	// until it is closed, though not for long.
	Accept(l *chunk.List, msgs, bytes int64) (behind <-chan struct{})
	// Flush writes what was accepted as far as the connection takes it at once
	// and leaves the rest to somebody else.
	Flush()
	// Exhausted says that a subscription has had its maximum. It is called once
	// for a maximum that is not changed again.
	Exhausted(*Subscription)
	// Behind tells whether the connection still has so much queued that it is
	// left out; it is asked about targets with SetSlow only.
	Behind() bool
	// Name is what the connection calls itself, for traces.
	Name() string
	// Info tells those who offer services in other accounts who asks.
	Info() event.ClientInfo
	// TrackReply notes that the connection got a request and may answer it.
	// It is called for targets with SetTracksReplies only.
	TrackReply(reply []byte)
}

// SetHeaders says whether the connection understands messages with headers.
// Others get them without.
func (t *Target) SetHeaders(on bool) { t.headers.Store(on) }

// SetTracksReplies says whether the receiver wants to know of requests.
func (t *Target) SetTracksReplies(on bool) { t.replies.Store(on) }

// Close makes publishers pass the target over, for good.
func (t *Target) Close() { t.closed.Store(true) }

// SetSlow has publishers leave the target out until its receiver is no longer
// behind.
func (t *Target) SetSlow() { t.slow.Store(true) }

// leftOut tells whether the target gets no messages because it is slow.
func (t *Target) leftOut() bool {
	if !t.slow.Load() {
		return false
	}
	if t.Receiver.Behind() {
		return true
	}
	t.slow.Store(false)
	return false
}
