package account

import "github.com/nats-lite/nats-lite/server/event"

// passage is what a subscription has that has to do with another account.
type passage struct {
	// of is the subscription of an importing account that a shadow stands for, by
	// an import of that account.
	of      *Subscription
	stream  *StreamImport
	account *Account
	// cross takes messages into another account; nil for a shadow.
	cross crossing
}

// crossing takes messages into another account.
type crossing interface {
	// appendSubject appends the subject that messages have over there.
	appendSubject(dst, subject []byte) []byte
	// cross delivers a message over there to who listens to a subject, and reports
	// whether somebody got it.
	cross(f *Fanout, subject []byte, m *Message, how manner) bool
}

// manner is how a message is delivered.
type manner struct {
	// forwarded messages keep their own subject: see Fanout.Forward.
	forwarded bool
	// trace is nil unless the message is traced.
	trace *tracing
}

// maxHops bounds how often a message goes into another account. No configuration
// that is valid comes near to it; but while one replaces another, accounts may for a
// moment send a message around in a circle.
const maxHops = 64

// abroad is a Fanout for another account that messages go on to. There is one for
// every way that leads there, since each is busy with a message until all beyond it
// have had theirs.
type abroad struct {
	Fanout
	// used is set when something went there.
	used bool
	// msg is the message on its way, in the memory of the slices. It is untraced if
	// a trace ends with it.
	msg                  Message
	subject, reply, body []byte
	untraced             bool
}

// there returns the Fanout for another account. It shares the stages of f, and so the
// order of what arrives.
func (f *Fanout) there(acc *Account) *abroad {
	g := f.abroad[acc]
	if g == nil {
		g = &abroad{Fanout: Fanout{acc: acc, self: f.self, echo: true, cached: f.cached, stages: f.stages}}
		g.rng.Seed(f.rng.Uint64(), uint64(len(acc.name)))
		if f.abroad == nil {
			f.abroad = make(map[*Account]*abroad)
		}
		f.abroad[acc] = g
		g.wake()
	}
	g.used = true
	return g
}

// enter makes the message that goes on from another account to a subject here, which
// it has unless it was forwarded. Its reply is left out. It ends with leave.
func (g *abroad) enter(m *Message, from *Account, subject []byte, forwarded bool) *Message {
	g.subject = append(g.subject[:0], subject...)
	g.msg = Message{Subject: g.subject, Body: m.Body, HeaderLen: m.HeaderLen, From: m.From, Errands: m.Errands, origin: m.origin, hops: m.hops + 1}
	if forwarded {
		g.msg.Subject = m.Subject
	}
	if g.msg.origin == nil {
		g.msg.origin = from
	}
	return &g.msg
}

// maxKeptBody bounds the memory for messages that is kept.
const maxKeptBody = 64 << 10

func (g *abroad) leave() {
	g.msg, g.untraced = Message{}, false
	if cap(g.body) > maxKeptBody {
		g.body = nil
	}
}

// pass delivers a message that has entered.
func (g *abroad) pass(r *Routes, how manner) bool {
	if how.trace != nil {
		return g.trace(r, &g.msg, how.trace) > 0
	}
	return g.deliverAll(r, &g.msg, how.forwarded) > 0
}

// sender describes who has published a message.
func (m *Message) sender(in *Account) event.ClientInfo {
	if m.From != nil {
		return m.From.Receiver.Info()
	}
	if m.origin != nil {
		in = m.origin
	}
	return event.ClientInfo{Account: in.name}
}
