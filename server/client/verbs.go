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
		c.log.Errorf("%s - client error: %s", c, snippet(c.op.Args))
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
	perms := c.perms.Load()
	if !perms.CanSubscribe(s.Subject, s.Queue) {
		c.denied(s)
		return
	}
	if perms.NeedsDeliveryFilter(s.Subject, s.Queue) {
		s.Filter = deliveryFilter{c}
	}

	c.mu.Lock()
	full := c.maxSubs >= 0 && c.subs.len() >= c.maxSubs
	known := c.subs.get(s.SID) != nil
	if !full && !known && !c.closed {
		c.subs.add(s)
	}
	c.mu.Unlock()
	switch {
	case known:
		// The first subscription of that name stays; so it has always been.
	case full:
		c.log.Errorf("%s - maximum subscriptions exceeded: limit is %d", c, c.maxSubs)
		c.sendErr("maximum subscriptions exceeded")
		return
	default:
		if err := c.fan.Account().Subscribe(s); err != nil {
			c.forget(s)
			c.sendErr("Invalid Subject")
			return
		}
	}
	c.ok()
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
	c.mu.Unlock()
	if s != nil && (c.op.Max <= 0 || s.SetMax(int64(c.op.Max))) {
		c.forget(s)
	}
	c.ok()
}

// forget removes a subscription. It may be called by any goroutine.
func (c *Client) forget(s *account.Subscription) {
	c.mu.Lock()
	c.subs.remove(s)
	acc := c.acc
	c.mu.Unlock()
	if acc != nil && s.Close() {
		acc.Unsubscribe(s)
	}
}

// Accept, Flush, Exhausted and TrackReply are account.Receiver's.

// Exhausted removes a subscription that has had its maximum.
func (c *Client) Exhausted(s *account.Subscription) { c.forget(s) }

// TrackReply lets the client answer a request that it got.
func (c *Client) TrackReply(reply []byte) {
	c.responses.Load().Track(reply, c.host.Clock().Now())
}

var _ account.Filter = deliveryFilter{}
var _ *auth.Responses
