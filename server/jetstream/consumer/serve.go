package consumer

import (
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// serveOne hands the next message to the request whose turn it is.
func (e *Engine) serveOne(out *Effects) (bytes int, ok bool) {
	if e.pulls.n == 0 {
		return 0, false
	}
	var c candidate
	for r := e.pulls.next(e.mayServe); r != nil; r = e.pulls.next(e.mayServe) {
		if c.message == nil {
			if c, ok = e.candidate(out); !ok {
				return 0, false
			}
			// To look for one may have ended the request.
			continue
		}
		e.pulls.takeOut(r)
		if bytes, ok = e.serve(r, c, out); ok {
			return bytes, true
		}
	}
	if c.again != nil {
		out.giveBack(c.message)
	}
	return 0, false
}

// mayServe reports whether a request may have a message now.
func (e *Engine) mayServe(r *request) bool {
	switch e.cfg.PriorityPolicy {
	case api.PriorityOverflow:
		return e.overflows(r)
	case api.PriorityPinnedClient:
		return r.level == pinnedLevel || e.pin.id == ""
	default:
		return true
	}
}

// serve gives a message to a request that was taken out of its queue, and puts it
// back if it wants more. It reports false if the request ended without the message.
func (e *Engine) serve(r *request, c candidate, out *Effects) (bytes int, ok bool) {
	if !e.listening(r) {
		e.lost(r, out)
		return 0, false
	}
	pinID := e.pinFor(r, out)
	if r.limited {
		v := e.describe(c)
		v.PinID = pinID
		if bytes = v.size(c.message, e.p.AckPrefix); bytes > r.bytes {
			e.finishWith(r, api.StatusSizeExceeded, out)
			return 0, false
		}
		r.bytes -= bytes
	}
	bytes = e.depart(c, r.reply, pinID, out)
	r.left--
	r.delivered++
	switch {
	case r.limited && r.bytes == 0:
		e.finish(r)
	case r.left == 0 && r.limited:
		e.finishWith(r, api.StatusBatchCompleted, out)
	case r.left == 0:
		e.finish(r)
	default:
		if r.heartbeat > 0 {
			r.beat = after(e.now, r.heartbeat)
		}
		e.pulls.enter(r)
	}
	return bytes, true
}
