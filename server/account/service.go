package account

import (
	"bytes"
	"cmp"
	"encoding/json"

	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/subject"
)

// appendSubject implements crossing.
func (im *ServiceImport) appendSubject(dst, subj []byte) []byte {
	return im.there.Apply(dst, subj, nil)
}

// cross implements crossing: it takes a request to those who offer the service.
func (im *ServiceImport) cross(f *Fanout, to []byte, m *Message, how manner) bool {
	if m.hops >= maxHops || m.arrived {
		return false
	}
	g := f.there(im.To)
	out := g.enter(m, f.acc, to, how.forwarded)
	defer g.leave()
	if how.trace != nil {
		how.trace.to.Service(im.To, m.Subject, to)
	}
	if mapper := im.To.Mapper(); mapper != nil && !how.forwarded {
		mapped, outcome := mapper.Map(nil, out.Subject, g.Random)
		switch outcome {
		case subject.Mapped:
			out.Subject, to = mapped, mapped
		case subject.Dropped:
			return false
		}
	}
	r := g.Routes(to)
	if how.trace != nil && !im.AllowTrace {
		// How it goes on is not for others to see.
		if how.trace.only {
			return !r.None()
		}
		g.untraced, how.trace = true, nil
	}
	if how.trace != nil && how.trace.only {
		return g.pass(r, how)
	}
	who := im.requestor(f, m)
	measured := im.measure(g, m, &who)
	if r.None() {
		measured.end(event.LatencyUnavailable)
		return false
	}
	g.describe(out, &who)
	if len(m.Reply) == 0 {
		measured.end(event.LatencyBadRequest)
		return g.pass(r, how)
	}
	waiting := im.To.responses.expect(&im.waiting, &response{
		to: f.acc, reply: string(m.Reply), kind: im.Response, threshold: cmp.Or(im.Threshold, DefaultThreshold),
		measured: measured, traced: im.AllowTrace,
	})
	g.reply = im.To.responses.appendReply(g.reply[:0], waiting)
	out.Reply = g.reply
	if g.pass(r, how) {
		return true
	}
	im.To.responses.drop(waiting, event.LatencyUnavailable)
	return false
}

// requestor is what the service is told of who asks.
func (im *ServiceImport) requestor(f *Fanout, m *Message) event.ClientInfo {
	who := m.sender(f.acc)
	if f.acc.name != who.Account {
		who.Service = f.acc.name
	}
	if !im.Share {
		return who.Brief()
	}
	return who
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
	} else {
		b = g.appendHeaders(b, m.Header())
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

// appendHeaders appends those of a block that stay, each with its line end, though the
// client may have left out the last one.
func (g *abroad) appendHeaders(dst, block []byte) []byte {
	first, more := len(dst), true
	for more {
		var line []byte
		line, block, more = bytes.Cut(block, []byte(proto.CRLF))
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(dst) == first: // which says that this is a header block
			dst = append(append(dst, line...), proto.CRLF...)
		case len(line) == 0:
			return dst
		case bytes.EqualFold(name, []byte(event.RequestInfo)), g.untraced && bytes.EqualFold(name, []byte(event.TraceDest)):
		default:
			dst = append(append(dst, line...), proto.CRLF...)
		}
	}
	return dst
}
