package account

import "github.com/nats-lite/nats-lite/server/event"

// Tracer records the way of a message. Its methods are called in the order in which
// things happen, while the message is delivered.
type Tracer interface {
	// Delivered is about a subscription that was tried: problem is why it did not get
	// the message m, "" if it did. in is its account if that is another one than the
	// message was published in.
	Delivered(s *Subscription, m *Message, in *Account, problem string)
	// Stream and Service say that the message goes on to another account, with a
	// subject there.
	Stream(to *Account, as []byte)
	Service(to *Account, from, as []byte)
}

// tracing is what goes along with a message that is traced.
type tracing struct {
	to Tracer
	// only keeps the message from being delivered.
	only bool
	// home is the account that the message was published in.
	home *Account
}

// Trace is Deliver for a message whose way is recorded: to is told of every
// subscription that was tried. With only set nothing is delivered.
func (f *Fanout) Trace(r *Routes, m *Message, only bool, to Tracer) (delivered int) {
	return f.trace(r, m, &tracing{to, only, f.acc})
}

func (f *Fanout) trace(r *Routes, m *Message, tr *tracing) (delivered int) {
	for i := range r.plain {
		if f.try(&r.plain[i], m, tr) {
			delivered++
		}
	}
	for i, g := range r.groups {
		switch {
		case f.tryOne(r.members[g.start:g.end], m, tr):
			delivered++
		case r.remote != nil:
			f.draw(r, i, m)
		}
	}
	if r.remote != nil {
		delivered += f.traceRemote(r.remote, m, tr)
	}
	f.noteCounted(r)
	return delivered
}

// tryOne is deliverOne for a message that is traced.
func (f *Fanout) tryOne(members []route, m *Message, tr *tracing) bool {
	for n := len(members); n > 0; n-- {
		i := f.pick(n)
		if f.try(&members[i], m, tr) {
			return true
		}
		members[i], members[n-1] = members[n-1], members[i]
	}
	return false
}

// try delivers to one subscription, and reports whether that may have the message.
func (f *Fanout) try(rt *route, m *Message, tr *tracing) bool {
	if cross := rt.crossing(); cross != nil {
		if rt.sub.closed.Load() || !cross.cross(f, rt.prefix, m, manner{trace: tr}) {
			return false
		}
		if !tr.only {
			rt.delivered++
		}
		return true
	}
	problem := f.obstacle(rt, m)
	if problem == "" && !tr.only && !f.deliver(rt, m, false) {
		problem = event.NotSubClosed // in this very moment
	}
	in := f.acc
	if rt.shadow {
		p := rt.sub.passage
		if m.hops > 0 {
			return false // it is none of theirs
		}
		tr.to.Stream(p.account, f.shown(rt, m, false))
		if !p.stream.AllowTrace {
			return problem == ""
		}
		in = p.account
	}
	if in == tr.home {
		in = nil
	}
	tr.to.Delivered(rt.owner(), m, in, problem)
	return problem == ""
}

// traceRemote delivers to other servers, which go on with the trace themselves.
func (f *Fanout) traceRemote(rr *remoteRoutes, m *Message, tr *tracing) (delivered int) {
	for i := range rr.copies {
		c := &rr.copies[i]
		if (c.plain || len(c.drawn) > 0) && c.takes(m) {
			if !tr.only {
				f.send(c, m, false)
			}
			delivered++
			if c.stream != nil {
				tr.to.Stream(c.account, c.to)
			}
			if c.stream == nil || c.stream.AllowTrace {
				in := c.account
				if in == tr.home {
					in = nil
				}
				tr.to.Delivered(c.sub, m, in, "")
			}
		}
		c.begin()
	}
	return delivered
}

// crossing is what takes messages into another account, nil for other routes.
func (rt *route) crossing() crossing {
	if rt.sub.passage == nil {
		return nil
	}
	return rt.sub.passage.cross
}

// obstacle is why a subscription would not get a message; "" if it would.
func (f *Fanout) obstacle(rt *route, m *Message) string {
	s := rt.owner()
	max := s.max.Load()
	switch {
	case s.closed.Load(), rt.shadow && !f.exports(rt, m):
		return event.NotSubClosed
	case s.Handler != nil:
		return ""
	case s.Target.closed.Load():
		return event.NotClientClosed
	case s.Target == f.self && !f.echo:
		return event.NotNoEcho
	case s.Target.leftOut():
		return event.NotSlow
	case s.filtered.Load() && !s.Filter.CanDeliver(f.shown(rt, m, false), s.Queue):
		return event.NotSubDenied
	case max > 0 && s.delivered.Load() >= max:
		return event.NotExhausted
	}
	return ""
}
