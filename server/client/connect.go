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

// enter lets a client in with its first operation: by CONNECT, or without where
// nobody need say who he is. It reports whether the operation may go on.
func (c *Client) enter() bool {
	if c.op.Kind == proto.OpConnect {
		return true // which decides for itself
	}
	if !c.host.Authenticator().AdmitsAnonymous(c.kind) {
		c.refuse(conn.AuthenticationFailure, &auth.Error{Reason: auth.ReasonAuthFailure, Detail: "first operation is not CONNECT"})
		return false
	}
	return c.login(proto.DefaultConnect)
}

// doConnect carries out CONNECT, the first or another.
func (c *Client) doConnect() {
	req, err := proto.ParseConnect(c.op.Args)
	switch {
	case err != nil:
		c.log.Errorf("%s - CONNECT cannot be read: %v", c, err)
		c.fail(conn.ProtocolViolation, "")
		return
	case req.Protocol < 0 || req.Protocol > 1:
		c.fail(conn.BadProtocolVersion, "invalid client protocol")
		return
	case req.Account != "" || req.NewAccount:
		c.refuse(conn.AuthenticationFailure, &auth.Error{Reason: auth.ReasonAuthFailure, Detail: "client asks for an account by name"})
		return
	}
	headers := req.Headers && c.settings.Headers
	if req.NoResponders && !headers {
		c.fail(conn.NoRespondersRequiresHeaders, "no responders requires headers support")
		return
	}
	if c.admitted {
		c.logout()
	}
	c.verbose, c.pedantic = req.Verbose, req.Pedantic
	c.headers, c.noResponders = headers, req.NoResponders
	c.target.SetHeaders(headers)
	if c.login(req) {
		c.ok()
	}
}

// login finds out who the client is and binds it to its account.
func (c *Client) login(req proto.Connect) bool {
	c.mu.Lock()
	c.connect = req
	who := c.credentials()
	c.mu.Unlock()
	authn := c.host.Authenticator()
	id, err := authn.Authenticate(who)
	if err != nil {
		reason := conn.AuthenticationFailure
		var refused *auth.Error
		if errors.As(err, &refused) {
			reason = reasons[refused.Reason]
		}
		c.refuse(reason, err)
		return false
	}
	if id.IgnoredUser != "" {
		c.log.Warnf("%s - user %q of CONNECT is ignored, the certificate says who it is", c, id.IgnoredUser)
	}
	acc := c.host.Account(id.Account)
	if acc == nil {
		c.refuse(conn.MissingAccount, fmt.Errorf("account %q does not exist", id.Account))
		return false
	}
	if err := acc.Join(); err != nil {
		c.log.Errorf("%s - account %q: %v", c, acc.Name(), err)
		c.fail(conn.MaxAccountConnections, err.Error())
		return false
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.acc = acc
		c.identify(id)
	}
	c.mu.Unlock()
	if closed { // meanwhile, by somebody else, who saw no account to leave
		acc.Leave()
		c.stopped = true
		return false
	}
	c.admitted = true
	c.limit()
	c.newFanout()
	c.startPings()
	if c.host.Authenticator() != authn {
		c.Recheck() // which a reload has just done with all others
	}
	return true
}

// reasons are what connections are closed for when authentication refuses them.
var reasons = map[auth.Reason]conn.Reason{
	auth.ReasonAuthFailure:     conn.AuthenticationFailure,
	auth.ReasonProxyNotTrusted: conn.ProxyNotTrusted,
	auth.ReasonProxyRequired:   conn.ProxyRequired,
}

// refuse ends the connection of somebody who may not come in.
func (c *Client) refuse(r conn.Reason, why error) {
	c.log.Errorf("%s - authentication error: %v", c, why)
	c.fail(r, "Authorization Violation")
}

// credentials is what the client has said of itself; c.mu is held.
func (c *Client) credentials() auth.Request {
	return auth.Request{
		User:     c.connect.User,
		Pass:     c.connect.Pass,
		Token:    c.connect.Token,
		NKey:     c.connect.NKey,
		Sig:      c.connect.Sig,
		JWT:      c.connect.JWT,
		ProxySig: c.connect.ProxySig,
		Nonce:    c.nonce,
		Type:     c.kind,
		TLS:      c.tls,
	}
}

// identify takes over what an identity may do; c.mu is held.
func (c *Client) identify(id auth.Identity) {
	c.identity = id
	c.perms.Store(id.Compiled)
	c.responses.Store(id.Compiled.NewResponses())
	c.target.SetTracksReplies(c.responses.Load() != nil)
	c.refresh.Store(true)
}

// newFanout makes the Fanout that the client publishes with.
func (c *Client) newFanout() {
	if c.fan != nil {
		c.fan.Flush()
	}
	c.refresh.Store(false)
	c.mu.Lock()
	acc, echo := c.acc, c.connect.Echo
	c.mu.Unlock()
	c.fan = acc.NewFanout(account.Config{
		Self:    &c.target,
		NoEcho:  !echo,
		Allowed: func(subj []byte) bool { return c.perms.Load().CanPublish(subj) },
		NoCache: c.settings.NoCache,
		Seed:    c.ID,
	})
}

// logout takes the client out of its account, before another CONNECT.
func (c *Client) logout() {
	c.fan.Flush()
	c.fan = nil
	c.admitted = false
	c.mu.Lock()
	acc, subs := c.acc, c.subs.all()
	c.acc, c.subs = nil, subTable{}
	c.mu.Unlock()
	if acc != nil {
		acc.UnsubscribeAll(subs)
		acc.Leave()
	}
}

// Recheck decides anew about a client that is in, after a reload. One that may
// not come in any more, or would be in another account, is disconnected;
// subscriptions that are no longer allowed are removed.
func (c *Client) Recheck() {
	c.mu.Lock()
	acc, who, before := c.acc, c.credentials(), c.identity
	c.mu.Unlock()
	if acc == nil {
		return
	}
	id, err := c.host.Authenticator().Reauthenticate(who, before)
	if err != nil || c.host.Account(id.Account) != acc {
		c.Disconnect(conn.CredentialsRevoked, "")
		return
	}
	c.mu.Lock()
	c.identify(id)
	subs := c.subs.all()
	c.mu.Unlock()
	if limit := acc.Limits().MaxSubs; limit >= 0 && len(subs) > limit {
		c.Disconnect(conn.MaxSubscriptions, "maximum subscriptions exceeded")
		return
	}
	for _, s := range subs {
		c.recheckSub(s, id.Compiled)
	}
	c.conn.Flush()
}

// CheckTLS asks check about the client's TLS connection and returns whether all
// is well, as it is without TLS.
func (c *Client) CheckTLS(check func(tls.ConnectionState) error) bool {
	c.mu.Lock()
	state := c.tls
	c.mu.Unlock()
	return state == nil || check(*state) == nil
}

// recheckSub removes a subscription that new permissions do not allow, or puts
// one in its place that has the filter they need.
func (c *Client) recheckSub(s *account.Subscription, perms *auth.Compiled) {
	if !perms.CanSubscribe(s.Subject, s.Queue) {
		c.forget(s)
		text := fmt.Sprintf("%s (sid %q)", subscriptionViolation(s), s.SID)
		c.log.Noticef("%s - %s", c, text)
		c.conn.Append(proto.AppendErr(nil, text))
		return
	}
	filter := perms.NeedsDeliveryFilter(s.Subject, s.Queue)
	if filter == (s.Filter != nil) {
		return
	}
	other := s.Replacement()
	if filter {
		other.Filter = deliveryFilter{c}
	}
	c.mu.Lock()
	here := c.subs.get(s.SID) == s
	if here {
		c.subs.remove(s)
		c.subs.add(other)
	}
	acc := c.acc
	c.mu.Unlock()
	if here && acc != nil {
		if err := acc.Replace(s, other); err != nil {
			c.log.Errorf("%s - subscription to %q: %v", c, s.Subject, err)
		}
	}
}
