package client

import (
	"bytes"
	"fmt"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
)

// publish carries out PUB or HPUB in c.op. This is the hot path: it allocates
// nothing for a subject that has been published to before.
func (c *Client) publish() {
	op, m := &c.op, &c.msg
	if c.log.TraceEnabled() {
		c.traceOp()
		c.tracePayload()
	}
	c.counts.msgs++
	c.counts.bytes += int64(len(op.Msg))
	if op.Kind == proto.OpHPub && !c.headers {
		c.log.Errorf("%s - message with headers from a client without", c)
		c.fail(conn.HeaderViolation, "")
		return
	}
	m.Subject, m.Reply = op.Subject, op.Reply
	m.Body, m.HeaderLen = op.Msg[:len(op.Msg)+2], op.HeaderLen
	if c.pedantic && !subject.IsLiteral(m.Subject) {
		c.sendErr("Invalid Publish Subject")
	}
	if op.HeaderLen > 0 {
		if t := c.tracer(); t != nil {
			c.publishTraced(t)
			return
		}
	}
	if mapper := c.fan.Account().Mapper(); mapper != nil {
		var outcome subject.Outcome
		c.mapped, outcome = mapper.Map(c.mapped[:0], m.Subject, c.fan.Random)
		switch outcome {
		case subject.Mapped:
			m.Subject = c.mapped
		case subject.Dropped:
			c.ok()
			c.undelivered(m)
			return
		}
	}
	r := c.fan.Routes(m.Subject)
	if !c.mayPublish(r, m) {
		return
	}
	c.ok()
	n := c.fan.Deliver(r, m)
	c.counts.outMsgs += int64(n)
	c.counts.outBytes += int64(n * m.Size())
	if n == 0 {
		c.undelivered(m)
	}
	if n > 16 && c.fan.Staged() > flushEarly {
		c.fan.Flush()
	}
}

// mayPublish tells whether the client may publish a message, and tells the
// client if not.
func (c *Client) mayPublish(r *account.Routes, m *account.Message) bool {
	if first := m.Subject[0]; first == '$' || first == '_' {
		if c.reserved(m.Subject) {
			c.publishDenied(m.Subject)
			return false
		}
	}
	if !r.Allowed && !c.responses.Load().Allow(m.Subject, c.host.Clock().Now()) {
		c.publishDenied(m.Subject)
		return false
	}
	if len(m.Reply) > 0 && (m.Reply[0] == '_' || m.Reply[0] == '$') && reservedReply(m.Reply) {
		text := fmt.Sprintf("Permissions Violation for Publish with Reply of %q", m.Reply)
		c.log.Errorf("%s - %s", c, text)
		c.sendErr(text)
		return false
	}
	return true
}

func (c *Client) publishDenied(subj []byte) {
	text := fmt.Sprintf("Permissions Violation for Publish to %q", subj)
	c.log.Errorf("%s - %s", c, text)
	c.sendErr(text)
}

// Subjects that servers use among themselves.
var (
	gatewayReply    = []byte("_GR_.")
	oldGatewayReply = []byte("$GR.")
	raftSubject     = []byte("$NRG.")
	serviceReply    = []byte("_R_.")
	ackReply        = []byte("$JS.ACK.")
)

func (c *Client) reserved(subj []byte) bool {
	return bytes.HasPrefix(subj, gatewayReply) || bytes.HasPrefix(subj, oldGatewayReply) ||
		bytes.HasPrefix(subj, raftSubject) && c.fan.Account() != c.host.SystemAccount()
}

func reservedReply(reply []byte) bool {
	return bytes.HasPrefix(reply, serviceReply) || bytes.HasPrefix(reply, ackReply) ||
		bytes.HasPrefix(reply, gatewayReply) || bytes.HasPrefix(reply, oldGatewayReply)
}

// undelivered tells the sender of a request that nobody got it, by a message to
// its own subscription for the reply. That is no delivery: it does not count
// towards the subscription's maximum, and comes also to those who do not want to
// hear themselves.
func (c *Client) undelivered(m *account.Message) {
	if len(m.Reply) == 0 || !c.noResponders {
		return
	}
	c.mu.Lock()
	var sub *account.Subscription
	c.subs.each(func(s *account.Subscription) bool {
		if s.Queue == "" && !s.Closed() && subject.Matches(m.Reply, s.Subject) {
			sub = s
		}
		return sub == nil
	})
	c.mu.Unlock()
	if sub == nil {
		return
	}
	size := len(noResponders) + len(m.Subject) + 2*len(proto.CRLF)
	b := append(c.line[:0], 'H')
	b = proto.AppendMsgPrefix(b, m.Reply, sub.SID)
	b = proto.AppendHMsgTail(b, nil, size, size)
	b = append(b, noResponders...)
	b = append(b, m.Subject...)
	b = append(b, proto.CRLF+proto.CRLF+proto.CRLF...)
	c.line = b
	if c.log.TraceEnabled() {
		c.traceOut(b)
	}
	c.fan.Own(b)
}

// noResponders is how the header of the answer to a request begins that nobody
// got.
const noResponders = "NATS/1.0 503\r\nNats-Subject: "
