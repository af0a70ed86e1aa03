package client

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// enter lets a client in with the first byte that it sends: with CONNECT, or
// without where nobody need say who he is. It reports whether the operation may
// go on.
func (c *Client) enter(first byte) bool {
	if first == 'C' || first == 'c' {
		return true // it can only be CONNECT, which decides for itself
	}
	if !c.host.Authenticator().AdmitsAnonymous(c.kind) {
		c.refuse(conn.AuthenticationFailure, &auth.Error{Reason: auth.ReasonAuthFailure, Detail: "first operation is not CONNECT"})
		return false
	}
	if !c.login(proto.DefaultConnect) {
		return false
	}
	c.startPings(c.settings.PingInterval)
	return true
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
	if c.admitted && !c.logout() {
		return
	}
	c.verbose, c.pedantic = req.Verbose, req.Pedantic
	c.headers, c.noResponders = headers, req.NoResponders
	c.target.SetHeaders(headers)
	if c.login(req) {
		c.startPings(firstPing + rand.N(firstPing/5))
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
		c.session++
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
	if c.host.Authenticator() != authn {
		c.Recheck() // which a reload has just done with all others
		c.mu.Lock()
		c.stopped = c.closed
		c.mu.Unlock()
	}
	return !c.stopped
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
	c.fail(r, authorizationViolation)
}

const authorizationViolation = "Authorization Violation"

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
	acc, echo, perms := c.acc, c.connect.Echo, c.perms.Load()
	c.mu.Unlock()
	c.fan = acc.NewFanout(account.Config{
		Self:    &c.target,
		NoEcho:  !echo,
		Allowed: perms.CanPublish,
		NoCache: c.settings.NoCache,
		Seed:    c.ID,
	})
}

// logout takes the client out of its account, before another CONNECT. It returns
// false if the client was closed, which has done that.
func (c *Client) logout() bool {
	c.fan.Flush()
	c.fan = nil
	c.admitted = false
	c.mu.Lock()
	acc, subs := c.acc, c.subs.all()
	if c.closed {
		c.mu.Unlock()
		c.stopped = true
		return false
	}
	c.acc, c.subs = nil, subTable{}
	c.session++
	c.mu.Unlock()
	acc.UnsubscribeAll(subs)
	acc.Leave()
	return true
}
