package account

import "github.com/nats-lite/nats-lite/server/event"

// Trace is Deliver for a message whose way is recorded: report is called for
// every subscription that was tried, with why it did not get the message, "" if
// it did. With only set nothing is delivered.
func (f *Fanout) Trace(r *Routes, m *Message, only bool, report func(s *Subscription, problem string)) (delivered int) {
	try := func(rt *route) bool {
		problem := f.obstacle(rt.sub, m)
		if problem == "" && !only && !f.DeliverTo(rt.sub, m) {
			problem = event.NotSubClosed // in this very moment
		}
		report(rt.sub, problem)
		if problem == "" {
			delivered++
		}
		return problem == ""
	}
	for i := range r.plain {
		try(&r.plain[i])
	}
	for _, g := range r.groups {
		members := r.members[g.start:g.end]
		for n := len(members); n > 0; n-- {
			i := f.pick(n)
			if try(&members[i]) {
				break
			}
			members[i], members[n-1] = members[n-1], members[i]
		}
	}
	return delivered
}

// obstacle is why a subscription would not get a message; "" if it would.
func (f *Fanout) obstacle(s *Subscription, m *Message) string {
	max := s.max.Load()
	switch {
	case s.closed.Load():
		return event.NotSubClosed
	case s.Handler != nil:
		return ""
	case s.Target.closed.Load():
		return event.NotClientClosed
	case s.Target == f.self && !f.echo:
		return event.NotNoEcho
	case s.Target.leftOut():
		return event.NotSlow
	case s.filtered.Load() && !s.Filter.CanDeliver(m.Subject, s.Queue):
		return event.NotSubDenied
	case max > 0 && s.delivered.Load() >= max:
		return event.NotExhausted
	}
	return ""
}
