package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
)

// tracer records what becomes of one message. It is for the few messages that
// ask for it; the others never get here.
type tracer struct {
	dest string
	// named tells that the client chose dest.
	named bool
	// only keeps the message from being delivered.
	only   bool
	accept string
	trace  event.Trace
	in     event.Ingress
	now    func() time.Time
}

// tracer returns what records the message in c.msg, nil if it does not ask for
// that.
func (c *Client) tracer() *tracer {
	header := c.msg.Header()
	dest, named := c.traceDest(header)
	if dest == "" || proto.HeaderValue(header, event.TraceOrigin) != nil {
		return nil
	}
	t := &tracer{
		dest:   dest,
		named:  named,
		accept: string(proto.HeaderValue(header, event.AcceptEncoding)),
		now:    c.host.Clock().Now,
	}
	if named {
		switch strings.ToLower(string(proto.HeaderValue(header, event.TraceOnly))) {
		case "1", "true", "on":
			t.only = true
		}
	}
	t.trace.Server = c.host.ServerInfo()
	t.trace.Request = event.TraceRequest{Header: make(map[string][]string), Size: c.msg.Size()}
	proto.Headers(header, func(name, value []byte) bool {
		t.trace.Request.Header[string(name)] = append(t.trace.Request.Header[string(name)], string(value))
		return true
	})
	t.in = event.Ingress{
		Type:    "in",
		Time:    t.now(),
		Kind:    event.KindClient,
		CID:     c.ID,
		Name:    c.Name(),
		Account: c.fan.Account().Name(),
		Subject: string(c.msg.Subject),
	}
	return t
}

// traceDest is where the trace of a message goes, "" if there is to be none, and
// whether the message itself says so. Otherwise it has a sampled traceparent
// header, the account has a destination, and the lot was drawn. It allocates
// nothing for a message that is not traced.
func (c *Client) traceDest(header []byte) (dest string, named bool) {
	if named := proto.HeaderValue(header, event.TraceDest); named != nil {
		// It is about to stand in lines of the protocol, where blanks and line
		// ends would not stay what they are. TraceDisabled has a blank, too.
		if !subject.IsLiteral(named) || bytes.ContainsFunc(named, func(r rune) bool { return r <= ' ' }) {
			return "", false
		}
		return string(named), true
	}
	d := c.fan.Account().Trace()
	if d == nil {
		return "", false
	}
	on := false
	proto.Headers(header, func(name, value []byte) bool {
		on = bytes.EqualFold(name, []byte(event.TraceParent)) && event.Sampled(value)
		return !on
	})
	if !on || d.Sampling < 100 && int(c.fan.Random(100)) >= d.Sampling {
		return "", false
	}
	return d.Subject, false
}

// publishTraced is publish for a message that is traced.
func (c *Client) publishTraced(t *tracer) {
	m := &c.msg
	// A destination that the client names is one it publishes to.
	if dest := []byte(t.dest); t.named && !c.mayPublish(c.fan.Routes(dest), &account.Message{Subject: dest}) {
		return
	}
	to, outcome := c.fan.Account().Mapper().Map(nil, m.Subject, c.fan.Random)
	if outcome != subject.Unmapped {
		t.add(event.SubjectMapping{Type: "sm", Time: t.now(), To: string(to)}) // "" if dropped
	}
	switch outcome {
	case subject.Mapped:
		m.Subject = to
	case subject.Dropped:
		c.ok()
		c.undelivered(m)
		c.sendTrace(t)
		return
	}
	r := c.fan.Routes(m.Subject)
	if !c.mayPublish(r, m) {
		t.in.Error = fmt.Sprintf("Permissions Violation for Publish to %q", m.Subject)
		c.sendTrace(t)
		return
	}
	c.ok()
	n := c.fan.Trace(r, m, t.only, t)
	if !t.only {
		c.counts.outMsgs += int64(n)
		c.counts.outBytes += int64(n * m.Size())
	}
	if n == 0 {
		c.undelivered(m)
	}
	c.sendTrace(t)
}

func (t *tracer) add(e any) { t.trace.Events = append(t.trace.Events, e) }

// Delivered records where the message went; problem is "" if it did. It is
// account.Tracer's, as are Stream and Service.
func (t *tracer) Delivered(s *account.Subscription, m *account.Message, in *account.Account, problem string) {
	if s.Explain != nil && problem == "" {
		t.add(s.Explain(m))
		return
	}
	e := event.Egress{
		Type:  "eg",
		Time:  t.now(),
		Kind:  event.KindSystem,
		Sub:   s.Subject,
		Queue: s.Queue,
		Error: problem,
	}
	if in != nil {
		e.Account = in.Name()
	}
	if s.Target != nil {
		e.Kind, e.CID, e.Name = event.KindClient, s.Target.ID, s.Target.Receiver.Name()
		if s.Target.Encoder != nil {
			// Whose subscriptions get it over there is for that server to say.
			e.Kind, e.Sub, e.Queue = event.KindRouter, "", ""
		}
	}
	t.add(e)
}

// Stream records that the message goes to subscribers in another account.
func (t *tracer) Stream(to *account.Account, as []byte) {
	t.add(event.StreamExport{Type: "se", Time: t.now(), Account: to.Name(), To: string(as)})
}

// Service records that the message goes to a service in another account.
func (t *tracer) Service(to *account.Account, from, as []byte) {
	t.add(event.ServiceImport{Type: "si", Time: t.now(), Account: to.Name(), From: string(from), To: string(as)})
}

// sendTrace publishes the trace in the account.
func (c *Client) sendTrace(t *tracer) {
	t.trace.Events = append([]any{t.in}, t.trace.Events...)
	text, err := json.Marshal(t.trace)
	if err != nil {
		c.log.Errorf("%s - trace cannot be encoded: %v", c, err)
		return
	}
	payload, encoding := event.Compress(t.accept, text)
	m := account.NewMessage(t.dest, payload)
	if encoding != "" {
		m = account.NewMessage(t.dest, payload, event.ContentEncoding, encoding)
	}
	c.fan.Deliver(c.fan.Routes(m.Subject), m)
}

// Name is what the client calls itself.
func (c *Client) Name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connect.Name
}

var _ account.Tracer = (*tracer)(nil)
