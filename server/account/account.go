package account

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/subject"
	"github.com/nats-lite/nats-lite/server/sublist"
)

// The accounts that exist without being configured.
const (
	GlobalName = "$G"
	SystemName = "$SYS"
)

// ErrMaxConnections is returned by Join when the account is full.
var ErrMaxConnections = errors.New("maximum account active connections exceeded")

// Limits bound an account; a negative value is no bound.
type Limits struct {
	// MaxConn bounds connections, MaxSubs the subscriptions of each and
	// MaxPayload the bytes of a message.
	MaxConn    int
	MaxSubs    int
	MaxPayload int
}

// NoLimits are the limits of an account that is not configured.
var NoLimits = Limits{-1, -1, -1}

// Account is one space of subjects. All methods are safe for concurrent use.
type Account struct {
	name string
	subs sublist.List[*Subscription]
	// remote is set when there has been a subscription of another server in subs.
	remote atomic.Bool
	// watchers are told of changes of subs.
	watchers watchers
	// interests are what others are told of subs.
	interests interests
	mapper    atomic.Pointer[subject.Mapper]
	trace     atomic.Pointer[TraceDestination]
	// matching is added to by publishers.
	matching matchCounters
	// responses are those that requests to other accounts wait for here.
	responses *responses
	clock     clock.Clock

	mu     sync.Mutex
	limits Limits
	conns  int

	// imports is nil until there are some.
	imports atomic.Pointer[Imports]
	// importing guards the fields below, and is held while imports change.
	importing sync.Mutex
	// shadows are the subscriptions in other accounts that stand for one of this
	// account there, services those that lead into other accounts.
	shadows  map[*Subscription][]*Subscription
	services map[*ServiceImport]*Subscription
}

// TraceDestination is where messages with a sampled traceparent header are
// traced to.
type TraceDestination struct {
	Subject string
	// Sampling is the percentage of messages, 1 to 100.
	Sampling int
}

// New returns an account without interest and limits.
func New(name string) *Account { return NewWithClock(name, clock.Real()) }

// NewWithClock is New with a clock by which requests to other accounts expire.
func NewWithClock(name string, c clock.Clock) *Account {
	a := &Account{name: name, limits: NoLimits, clock: c}
	a.responses = newResponses(a)
	return a
}

// Name is the account's name.
func (a *Account) Name() string { return a.name }

// Configure sets what the configuration says of the account; mapper and trace
// may be nil. It takes effect at once and leaves connections alone.
func (a *Account) Configure(l Limits, mapper *subject.Mapper, trace *TraceDestination) {
	a.mu.Lock()
	a.limits = l
	a.mu.Unlock()
	a.mapper.Store(mapper)
	a.trace.Store(trace)
}

// Limits returns the limits in force.
func (a *Account) Limits() Limits {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limits
}

// Mapper returns the account's subject mappings, nil if it has none.
func (a *Account) Mapper() *subject.Mapper { return a.mapper.Load() }

// Trace returns the account's trace destination, nil if it has none.
func (a *Account) Trace() *TraceDestination { return a.trace.Load() }

// Join counts a connection in, or returns ErrMaxConnections.
func (a *Account) Join() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.limits.MaxConn >= 0 && a.conns >= a.limits.MaxConn {
		return ErrMaxConnections
	}
	a.conns++
	return nil
}

// Leave counts a connection out.
func (a *Account) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns--
}

// Connections is the number of connections that joined and did not leave.
func (a *Account) Connections() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.conns
}

// Subscribe adds interest. The error is subject.ErrInvalidSubject. A
// subscription that somebody closes meanwhile is not left behind.
func (a *Account) Subscribe(s *Subscription) error {
	if s.remote() {
		a.remote.Store(true)
	}
	if err := a.subs.Insert(s.Subject, s.Queue, s); err != nil {
		return err
	}
	if s.closed.Load() {
		// Who closed it may have looked for it before it was there.
		a.subs.Remove(s.Subject, s.Queue, s)
	}
	a.watchers.tell(s.Subject)
	a.interests.note(s)
	a.shadow(s)
	return nil
}

// Unsubscribe removes interest and closes the subscription.
func (a *Account) Unsubscribe(s *Subscription) {
	s.Close()
	a.subs.Remove(s.Subject, s.Queue, s)
	a.watchers.tell(s.Subject)
	a.interests.note(s)
	a.shadow(s)
}

// UnsubscribeAll removes the interest of many subscriptions at once.
func (a *Account) UnsubscribeAll(subs []*Subscription) {
	items := make([]sublist.Item[*Subscription], len(subs))
	for i, s := range subs {
		s.Close()
		items[i] = sublist.Item[*Subscription]{Subject: s.Subject, Queue: s.Queue, Value: s}
	}
	a.subs.RemoveMany(items)
	for _, s := range subs {
		a.watchers.tell(s.Subject)
	}
	a.interests.note(subs...)
	a.shadow(subs...)
}

// Publish delivers a message of the server's own and has it written. Receivers
// that are behind are not waited for.
func (a *Account) Publish(m *Message) (delivered int) {
	f := a.NewFanout(Config{NoCache: true, Seed: rand.Uint64()})
	delivered = f.Deliver(f.Routes(m.Subject), m)
	f.Flush()
	return delivered
}

// Subscriptions lists all, or those that get messages to a literal subject if
// that is not "".
func (a *Account) Subscriptions(literal string) []*Subscription {
	if literal == "" {
		out := make([]*Subscription, 0, a.subs.Len())
		a.subs.All(func(_, _ string, s *Subscription) bool { out = append(out, s); return true })
		return out
	}
	var r sublist.Result[*Subscription]
	a.subs.Match([]byte(literal), &r)
	out := slices.Clone(r.Plain)
	for _, g := range r.Queues {
		out = append(out, g.Members...)
	}
	return out
}

// HasInterest tells whether anybody listens to a subject. Who answers a request from
// another account is told whether anybody there still waits for that.
func (a *Account) HasInterest(subject string) bool {
	if to, reply, ok := a.responses.destination(subject); ok {
		return to != nil && to.HasInterest(reply)
	}
	return a.subs.HasInterest([]byte(subject))
}

// Interest is the account's index of subscriptions.
func (a *Account) Interest() *sublist.List[*Subscription] { return &a.subs }
