package account

import (
	"bytes"
	"encoding/json"

	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
)

// appendSubject implements crossing.
func (im *ServiceImport) appendSubject(dst, subj []byte) []byte { return im.there.Apply(dst, subj, nil) }

// cross implements crossing: it takes a request to those who offer the service.
func (im *ServiceImport) cross(f *Fanout, to []byte, m *Message, tr *tracing) bool {
	if m.hops >= maxHops {
		return false
	}
	g := f.there(im.To)
	out := g.enter(m, f.acc, to)
	defer g.leave()
	if tr != nil {
		tr.to.Service(im.To, m.Subject, out.Subject)
	}
	if mapper := im.To.Mapper(); mapper != nil {
		mapped, outcome := mapper.Map(nil, out.Subject, g.Random)
		switch outcome {
		case subject.Mapped:
			out.Subject = mapped
		case subject.Dropped:
			return false
		}
	}
	r := g.Routes(out.Subject)
	if tr != nil && !im.AllowTrace {
		// How it goes on is not for others to see.
		if tr.only {
			return !r.None()
		}
		g.untraced, tr = true, nil
	}
	if tr != nil && tr.only {
		return g.trace(r, out, tr) > 0
	}
	who := m.requestor(f.acc)
	if f.acc.name != who.Account {
		who.Service = f.acc.name
	}
	if !im.Share {
		who = who.Brief()
	}
	measured := im.measure(g, m, &who)
	if r.None() {
		measured.end(event.LatencyUnavailable, nil)
		return false
	}
	g.describe(out, &who)
	if len(m.Reply) == 0 {
		measured.end(event.LatencyBadRequest, nil)
		return g.deliverTo(r, out, tr)
	}
	waiting := im.To.responses.expect(&im.waiting, &response{
		to: f.acc, reply: string(m.Reply), kind: im.Response, threshold: im.threshold(), measured: measured, traced: im.AllowTrace,
	})
	g.reply = im.To.responses.appendReply(g.reply[:0], waiting)
	out.Reply = g.reply
	if g.deliverTo(r, out, tr) {
		return true
	}
	im.To.responses.drop(waiting, event.LatencyUnavailable)
	return false
}

// describe puts the header that tells who asks into a message, in place of one that
// the requestor may have put there; and one that ends traces, if they do not follow
// it.
func (g *abroad) describe(m *Message, who *event.ClientInfo) {
	info, err := json.Marshal(who)
	if err != nil {
		panic("account: who asks can not be encoded: " + err.Error())
	}
	b := g.body[:0]
	if m.HeaderLen == 0 {
		b = append(b, proto.HeaderLine...)
	}
	for line := range bytes.SplitAfterSeq(m.Header(), []byte(proto.CRLF)) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(line) <= len(proto.CRLF), bytes.EqualFold(name, []byte(event.RequestInfo)):
		case g.untraced && bytes.EqualFold(name, []byte(event.TraceDest)):
		default:
			b = append(b, line...)
		}
	}
	b = append(append(b, event.RequestInfo...), ": "...)
	b = append(append(b, info...), proto.CRLF...)
	if g.untraced {
		b = append(b, event.TraceDest+": "+event.TraceDisabled+proto.CRLF...)
	}
	b = append(b, proto.CRLF...)
	n := len(b)
	g.body = append(b, m.Body[m.HeaderLen:]...)
	m.Body, m.HeaderLen = g.body, n
}
