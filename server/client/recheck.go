package client

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// These are what a reload does to clients that are there already.

// Recheck decides anew about a client that is in. One that may not come in any
// more, or would be in another account, is disconnected; subscriptions that are
// no longer allowed are removed. Several may be under way at once: the newest
// configuration wins.
func (c *Client) Recheck() {
	for {
		authn := c.host.Authenticator()
		if !c.recheck(authn) || c.host.Authenticator() == authn {
			return
		}
	}
}

// recheck is Recheck by one Authenticator. It returns false if there is nobody
// left to check.
func (c *Client) recheck(authn *auth.Authenticator) bool {
	c.mu.Lock()
	acc, who, before, session := c.acc, c.credentials(), c.identity, c.session
	c.mu.Unlock()
	if acc == nil {
		return false
	}
	id, err := authn.Reauthenticate(who, before)
	stays := err == nil && c.host.Account(id.Account) == acc

	c.mu.Lock()
	if c.closed || c.session != session {
		c.mu.Unlock()
		return false // who came in meanwhile is checked on the way
	}
	if stays {
		c.identify(id)
	}
	subs := c.subs.all()
	c.mu.Unlock()

	if !stays {
		c.turnOut(before, err)
		return false
	}
	if limit := acc.Limits().MaxSubs; limit >= 0 && len(subs) > limit {
		c.Disconnect(conn.MaxSubscriptions, "maximum subscriptions exceeded")
		return false
	}
	for _, s := range subs {
		c.recheckSub(s, id.Compiled)
	}
	c.conn.Flush()
	return true
}

// turnOut disconnects a client that may not stay: without a word if its user is
// gone or lives elsewhere now, so that it comes back and is told then.
func (c *Client) turnOut(before auth.Identity, err error) {
	var refused *auth.Error
	if errors.As(err, &refused) && (refused.User != "" || before.Name == "") {
		c.log.Errorf("%s - authentication error: %v", c, err)
		c.Disconnect(reasons[refused.Reason], authorizationViolation)
		return
	}
	c.Disconnect(conn.CredentialsRevoked, "")
}

// recheckSub removes a subscription that new permissions do not allow, or has it
// filtered as they need.
func (c *Client) recheckSub(s *account.Subscription, perms *auth.Compiled) {
	c.mu.Lock()
	leave := c.making == s
	c.mu.Unlock()
	if leave {
		return
	}
	if !perms.CanSubscribe(s.Subject, s.Queue) {
		if !c.forget(s) {
			return // somebody else was first
		}
		text := fmt.Sprintf("%s (sid %q)", subscriptionViolation(s), s.SID)
		c.log.Noticef("%s - %s", c, text)
		c.conn.Append(proto.AppendErr(nil, text))
		return
	}
	s.SetFiltered(perms.NeedsDeliveryFilter(s.Subject, s.Queue))
}

// CheckTLS asks check about the client's TLS connection and returns whether all
// is well, as it is without TLS.
func (c *Client) CheckTLS(check func(tls.ConnectionState) error) bool {
	c.mu.Lock()
	state := c.tls
	c.mu.Unlock()
	return state == nil || check(*state) == nil
}
