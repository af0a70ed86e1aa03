package client

import (
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
)

// do carries out c.op, any but a publish.
func (c *Client) do() {
	if c.log.TraceEnabled() {
		c.traceOp()
	}
	switch c.op.Kind {
	case proto.OpConnect:
		c.doConnect()
	case proto.OpSub:
		c.subscribe()
	case proto.OpUnsub:
		c.unsubscribe()
	case proto.OpPing:
		c.ping()
	case proto.OpPong:
		c.pong()
	case proto.OpErr:
		c.log.Errorf("%s - client error: %s", c, c.op.Args)
		c.fail(conn.ClientClosed, "")
	}
}

// internalQueue is a queue group that only the server itself may use.
const internalQueue = "_sys_"

func (c *Client) subscribe() {
	s := &account.Subscription{Target: &c.target}
	s.Subject, s.Queue, s.SID = texts(c.op.Subject, c.op.Queue, c.op.SID)
	switch {
	case !subject.IsValid(s.Subject):
		c.sendErr("Invalid Subject")
		return
	case c.settings.MaxSubTokens > 0 && subject.CountTokens(s.Subject) > c.settings.MaxSubTokens:
		c.log.Errorf("%s - subscription to %q has too many tokens", c, s.Subject)
		c.sendErr(fmt.Sprintf("Permissions Violation for Subscription to %q, too many tokens", s.Subject))
		return
	case s.Queue == internalQueue:
		c.denied(s)
		return
	}
	perms, result := c.enlist(s)
	switch result {
	case enlisted:
		if err := c.fan.Account().Subscribe(s); err != nil {
			panic("client: valid subject refused: " + err.Error())
		}
		c.made(s, perms)
	case known:
		// The first subscription of that name stays; so it has always been.
	case notAllowed:
		c.denied(s)
		return
	case tooMany:
		c.log.Errorf("%s - maximum subscriptions exceeded: limit is %d", c, c.maxSubs)
		c.sendErr("maximum subscriptions exceeded")
		return
	case gone:
		c.stopped = true
		return
	}
	c.ok()
}

// enlisting is what became of a subscription that was to be made.
type enlisting int

const (
	enlisted enlisting = iota
	known
	notAllowed
	tooMany
	gone
)

// enlist takes a subscription into the client's table, if it may, by the
// permissions that it returns.
func (c *Client) enlist(s *account.Subscription) (perms *auth.Compiled, result enlisting) {
	perms = c.perms.Load()
	if !perms.CanSubscribe(s.Subject, s.Queue) {
		return perms, notAllowed
	}
	s.Filter = deliveryFilter{c}
	s.SetFiltered(perms.NeedsDeliveryFilter(s.Subject, s.Queue))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return perms, gone
	case c.maxSubs >= 0 && c.subs.len() >= c.maxSubs:
		return perms, tooMany
	case c.subs.get(s.SID) != nil:
		return perms, known
	}
	c.subs.add(s)
	c.making = s
	return perms, enlisted
}

// made settles that a subscription is in the account. Who changes permissions
// leaves the one that is being made alone, so it is checked here if they are
// others by now.
func (c *Client) made(s *account.Subscription, by *auth.Compiled) {
	c.mu.Lock()
	c.making = nil
	c.mu.Unlock()
	if perms := c.perms.Load(); perms != by {
		c.recheckSub(s, perms)
	}
}

// texts copies three slices into one string, and returns its parts.
func texts(a, b, d []byte) (string, string, string) {
	var all strings.Builder
	all.Grow(len(a) + len(b) + len(d))
	all.Write(a)
	all.Write(b)
	all.Write(d)
	s := all.String()
	return s[:len(a)], s[len(a) : len(a)+len(b)], s[len(a)+len(b):]
}

// denied tells the client that it may not have a subscription.
func (c *Client) denied(s *account.Subscription) {
	text := subscriptionViolation(s)
	c.log.Errorf("%s - %s", c, text)
	c.sendErr(text)
}

func subscriptionViolation(s *account.Subscription) string {
	if s.Queue != "" {
		return fmt.Sprintf("Permissions Violation for Subscription to %q using queue %q", s.Subject, s.Queue)
	}
	return fmt.Sprintf("Permissions Violation for Subscription to %q", s.Subject)
}

// deliveryFilter refuses messages that the client's permissions deny although
// the subscription as a whole is allowed.
type deliveryFilter struct{ c *Client }

// CanDeliver is account.Filter's.
func (f deliveryFilter) CanDeliver(subj []byte, queue string) bool {
	return f.c.perms.Load().CanDeliver(subj, queue)
}

func (c *Client) unsubscribe() {
	// What this chunk has brought the subscription counts towards its maximum.
	c.fan.Settle()
	c.mu.Lock()
	s := c.subs.get(string(c.op.SID))
	over := s != nil && (c.op.Max <= 0 || s.SetMax(int64(c.op.Max)))
	if over {
		c.subs.remove(s)
	}
	c.mu.Unlock()
	if over {
		c.fan.Account().Unsubscribe(s)
		c.left = true
	}
	c.ok()
}

// forget removes a subscription and reports whether it was open. It may be
// called by any goroutine.
func (c *Client) forget(s *account.Subscription) bool {
	c.mu.Lock()
	c.subs.remove(s)
	acc := c.acc
	c.mu.Unlock()
	if acc == nil || !s.Close() {
		return false
	}
	acc.Unsubscribe(s)
	return true
}

// Accept, Flush, Exhausted and TrackReply are account.Receiver's.

// Exhausted removes a subscription that has had its maximum.
func (c *Client) Exhausted(s *account.Subscription) { c.forget(s) }

// TrackReply lets the client answer a request that it got.
func (c *Client) TrackReply(reply []byte) {
	c.responses.Load().Track(reply, c.host.Clock().Now())
}

var _ account.Filter = deliveryFilter{}
