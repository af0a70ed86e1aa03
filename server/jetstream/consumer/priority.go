package consumer

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Where requests wait, with pinned clients.
const (
	pinnedLevel  = 0
	standbyLevel = 1
)

// pin is the client that is served alone.
type pin struct {
	// id is what it has to name, empty if there is none.
	id string
	// since is when it was chosen, expires when it is not served alone any more
	// unless it asks for something.
	since, expires int64
}

func (p *pin) until() int64 {
	if p.id == "" {
		return never
	}
	return p.expires
}

// levelOf returns the queue that a new request goes to.
func (e *Engine) levelOf(r *api.PullRequest) int {
	switch {
	case e.cfg.PriorityPolicy == api.PriorityPinnedClient && r.ID == "":
		return standbyLevel
	case e.cfg.PriorityPolicy != api.PriorityPrioritized:
		return 0
	case r.Bare:
		return levels - 1
	default:
		return r.Priority
	}
}

// overflows reports whether enough is pending for a request to be served.
func (e *Engine) overflows(r *request) bool {
	switch {
	case r.minPending <= 0 && r.minAckPending <= 0:
		return true
	case r.minPending > 0 && e.cursor.left >= uint64(r.minPending):
		return true
	default:
		return r.minAckPending > 0 && int64(e.ahead.pending.live) >= r.minAckPending
	}
}

// admitPin checks the id of a request, and notes that the pinned client is there.
func (e *Engine) admitPin(r *api.PullRequest) *api.Status {
	switch {
	case r.ID == "":
		return nil
	case r.ID != e.pin.id:
		return api.StatusPinIDMismatch
	}
	e.pin.expires = after(e.now, e.cfg.PriorityTimeout)
	return nil
}

// pinFor returns the id that a message to a request carries. If nobody is pinned
// it is the request's client.
func (e *Engine) pinFor(r *request, out *Effects) string {
	if e.cfg.PriorityPolicy != api.PriorityPinnedClient {
		return ""
	}
	if e.pin.id == "" {
		e.pin = pin{id: e.p.NewID(), since: e.now, expires: after(e.now, e.cfg.PriorityTimeout)}
		out.add(Effect{Kind: Advise, Advice: Advice{Kind: Pinned, Group: e.group(), PinID: e.pin.id}})
	}
	r.pinID, r.level = e.pin.id, pinnedLevel
	return e.pin.id
}

// group returns the priority group, of which there is one at most.
func (e *Engine) group() string {
	if len(e.cfg.PriorityGroups) == 0 {
		return ""
	}
	return e.cfg.PriorityGroups[0]
}

// checkPin gives up on a pinned client that has not asked for long.
func (e *Engine) checkPin(out *Effects) {
	if e.pin.until() <= e.now {
		e.unpin(reasonPinTimeout, out)
	}
}

// Unpin has another client be pinned. It reports whether there is such a group.
func (e *Engine) Unpin(now int64, group string, out *Effects) bool {
	e.tick(now)
	if !e.created() || !slices.Contains(e.cfg.PriorityGroups, group) {
		return false
	}
	e.unpin(reasonPinByRequest, out)
	return true
}

func (e *Engine) unpin(reason string, out *Effects) {
	if e.pin.id == "" {
		return
	}
	e.pin = pin{}
	out.add(Effect{Kind: Advise, Advice: Advice{Kind: Unpinned, Group: e.group(), Reason: reason}})
	e.pulls.retain(func(r *request) bool {
		if r.pinID == "" {
			return true
		}
		e.finishWith(r, api.StatusWrongPinID, out)
		return false
	})
}
