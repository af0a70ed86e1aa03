package consumer

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// Pull takes a pull request. Whatever is wrong with it is told to reply; a request
// without one is ignored. If viaImport, the reply came through an import, and its
// end is told when nobody listens to it any more; otherwise that passes in silence.
func (e *Engine) Pull(now int64, reply string, body []byte, viaImport bool, out *Effects) {
	e.tick(now)
	if !e.created() || reply == "" {
		return
	}
	asked, refused := api.ParsePull(body)
	if refused == nil {
		refused = asked.Check(&e.cfg.ConsumerConfig)
	}
	if refused == nil {
		e.touch()
		refused = e.admit(&asked)
	}
	if refused == nil && e.pulls.n >= e.cfg.maxWaiting {
		e.sweepRequests(out)
		if e.pulls.n >= e.cfg.maxWaiting {
			// Whoever has heartbeats will miss them.
			if asked.Heartbeat > 0 {
				return
			}
			refused = api.StatusExceededWaiting
		}
	}
	if refused != nil {
		e.sendStatus(reply, Status{Status: refused}, out)
		return
	}
	e.enqueue(&asked, reply, viaImport)
}

func (e *Engine) sendStatus(to string, s Status, out *Effects) {
	e.send(Effect{Kind: SendStatus, To: to, Status: s}, out)
}

// admit checks a request against what there is, and says why it is refused.
func (e *Engine) admit(r *api.PullRequest) *api.Status {
	if refused := e.admitPin(r); refused != nil || !r.NoWait {
		return refused
	}
	// Those that do not want to wait may only do so for what is there.
	available := e.cursor.left + uint64(e.again.ready.len())
	switch {
	case available == 0 && r.Expires == 0:
		return api.StatusNoMessages
	case available > 0 && available < e.pulls.batches:
		return api.StatusRequestsPending
	}
	return nil
}

// enqueue has a request wait.
func (e *Engine) enqueue(asked *api.PullRequest, reply string, viaImport bool) {
	r := e.pulls.take()
	*r = request{
		reply:         reply,
		viaImport:     viaImport,
		left:          asked.Batch,
		bytes:         asked.MaxBytes,
		limited:       asked.MaxBytes > 0,
		expires:       never,
		beat:          never,
		heartbeat:     asked.Heartbeat,
		noWait:        asked.NoWait,
		minPending:    asked.MinPending,
		minAckPending: asked.MinAckPending,
		pinID:         asked.ID,
		level:         e.levelOf(asked),
	}
	if asked.Expires != 0 {
		r.expires = after(e.now, asked.Expires)
	}
	if asked.Heartbeat > 0 {
		r.beat = after(e.now, asked.Heartbeat)
	}
	e.pulls.add(r)
}

// after is a time plus a duration, or never if that is out of range.
func after(now int64, d time.Duration) int64 {
	if at := now + int64(d); at >= now || d < 0 {
		return at
	}
	return never
}

// finish ends a request that was taken out of the queue.
func (e *Engine) finish(r *request) {
	if r.recorded {
		f, _ := e.record()
		f.text(opServed, 0, r.reply)
		e.ahead.served(r.reply)
	}
	e.pulls.giveBack(r)
}

// finishWith ends a request with a status that tells how much of it is left.
func (e *Engine) finishWith(r *request, status *api.Status, out *Effects) {
	e.sendStatus(r.reply, Status{Status: status, Left: true, Messages: r.left, Bytes: r.bytes}, out)
	e.finish(r)
}

// lost ends a request that nobody listens to any more.
func (e *Engine) lost(r *request, out *Effects) {
	if r.viaImport {
		e.finishWith(r, api.StatusInterestExpired, out)
		return
	}
	e.finish(r)
}

func (e *Engine) listening(r *request) bool { return e.p.Listening == nil || e.p.Listening(r.reply) }

// sweepEvery is how often a full queue is searched for requests that nobody
// listens to any more.
const sweepEvery = int64(time.Second)

// sweepRequests drops the requests that nobody listens to any more, unless that was
// done just now.
func (e *Engine) sweepRequests(out *Effects) {
	if e.now < e.pulls.sweepAt {
		return
	}
	e.pulls.sweepAt = e.now + sweepEvery
	e.dropLost(out)
}

// Sweep drops the requests that nobody listens to any more, so that Info counts
// those that somebody waits for.
func (e *Engine) Sweep(now int64, out *Effects) {
	e.tick(now)
	if e.created() {
		e.dropLost(out)
	}
}

func (e *Engine) dropLost(out *Effects) {
	e.pulls.retain(func(r *request) bool {
		if e.listening(r) {
			return true
		}
		e.lost(r, out)
		return false
	})
}

// checkRequests ends the requests that have expired, and sends the heartbeats that
// are due.
func (e *Engine) checkRequests(out *Effects) {
	if e.now < e.pulls.wake {
		return
	}
	e.pulls.wake = never
	e.pulls.retain(func(r *request) bool {
		switch {
		case r.expires <= e.now:
			e.touch()
			e.finishWith(r, api.StatusRequestTimeout, out)
			return false
		case r.beat <= e.now && !e.listening(r):
			e.lost(r, out)
			return false
		case r.beat <= e.now:
			e.sendHeartbeat(r.reply, e.heartbeatStatus(), out)
			r.beat = after(e.now, r.heartbeat)
		}
		e.pulls.wake = min(e.pulls.wake, r.expires, r.beat)
		return true
	})
}

// sendHeartbeat sends a sign of life, unless messages are held up: whoever cannot
// commit is not quite alive.
func (e *Engine) sendHeartbeat(to string, s Status, out *Effects) {
	if e.log.held.len() == 0 {
		e.sendStatus(to, s, out)
	}
}

func (e *Engine) heartbeatStatus() Status {
	at := e.Delivered()
	return Status{Status: api.StatusIdleHeartbeat, Last: true, Consumer: at.Consumer, Stream: at.Stream}
}

// endOfStream ends the requests that do not want to wait, as there is nothing to be
// delivered. One that waits for the first message, up to a time, goes on.
func (e *Engine) endOfStream(out *Effects) {
	if e.pulls.noWait == 0 {
		return
	}
	e.pulls.retain(func(r *request) bool {
		switch {
		case !r.noWait, r.delivered == 0 && r.expires != never:
			return true
		case r.delivered > 0 && e.awaitsCommit():
			// Clients know it like this from replicated consumers.
			e.finishWith(r, api.StatusRequestTimeout, out)
		default:
			e.sendStatus(r.reply, Status{Status: api.StatusNoMessages}, out)
			e.finish(r)
		}
		return false
	})
}

// Close ends all requests, because the consumer is deleted or its server stops. The
// engine is of no use any more.
func (e *Engine) Close(deleted bool, out *Effects) {
	e.pulls.retain(func(r *request) bool {
		s := Status{Status: api.StatusConsumerDeleted}
		if !deleted {
			s = Status{Status: api.StatusServerShutdown, Left: true, Messages: r.left, Bytes: r.bytes}
		}
		out.add(Effect{Kind: SendStatus, To: r.reply, Status: s})
		return false
	})
	e.cursor.close(out)
}

// recordRequests has the replicas know who waits, so that whoever leads next can
// tell them to ask again.
func (e *Engine) recordRequests() {
	for _, r := range e.pulls.fresh {
		if r == nil {
			continue
		}
		if r.fresh = 0; !e.p.Replicated {
			continue
		}
		w := Waiter{Reply: r.reply}
		if r.expires != never {
			w.Expires = r.expires
		}
		f, _ := e.record()
		f.text(opWait, w.Expires, w.Reply)
		e.ahead.wait(w)
		r.recorded = true
	}
	e.pulls.fresh = e.pulls.fresh[:0]
}

// leaveWaiting tells those who waited on another leader to ask again.
func (e *Engine) leaveWaiting(out *Effects) {
	if len(e.ahead.waiting) == 0 {
		return
	}
	for _, w := range e.ahead.waiting {
		if w.Expires == 0 || w.Expires > e.now {
			out.add(Effect{Kind: SendStatus, To: w.Reply, Status: Status{Status: api.StatusLeadershipChange}})
		}
	}
	f, _ := e.record()
	f.uints(opForget)
	e.ahead.waiting = nil
}
