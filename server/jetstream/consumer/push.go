package consumer

import "time"

// push is what delivers to a subject of its own accord.
type push struct {
	// bound is whether anybody listens.
	bound bool
	// beat is when a heartbeat is due.
	beat int64
	// allowance is how many bytes the rate limit lets out at allowedAt. One
	// message may overdraw it; then nothing is sent until that is made up for.
	allowance int64
	allowedAt int64
}

func (e *Engine) startPush() {
	e.push = push{bound: e.push.bound, beat: never, allowance: int64(e.p.Burst), allowedAt: e.now}
	e.flow.reset()
	if e.push.bound {
		e.deferHeartbeat()
	}
}

// Bind tells whether anybody listens to the deliver subject. At first nobody does.
func (e *Engine) Bind(now int64, bound bool) {
	e.tick(now)
	if e.push.bound == bound {
		return
	}
	e.push.bound = bound
	if e.created() && e.cfg.IsPush() {
		e.startPush()
		e.touch()
	}
}

// pushOne sends the next message to the deliver subject.
func (e *Engine) pushOne(out *Effects) (bytes int, ok bool) {
	if !e.push.bound || e.flow.blocked() || e.rateWake() > e.now {
		return 0, false
	}
	c, ok := e.candidate(out)
	if !ok {
		return 0, false
	}
	to := e.cfg.DeliverSubject
	bytes = e.depart(c, to, "", out) + len(to)
	e.push.allowance -= int64(bytes)
	e.deferHeartbeat()
	if e.cfg.FlowControl {
		e.flow.outstanding += bytes
		e.askForFlow(out)
	}
	return bytes, true
}

// rateWake brings the allowance up to date, and returns when the rate limit lets
// out the next message.
func (e *Engine) rateWake() int64 {
	if e.cfg.RateLimit == 0 {
		return 0
	}
	rate := int64(max(min(e.cfg.RateLimit/8, 1<<32), 1))
	burst := max(int64(e.p.Burst), 1)
	if e.push.allowance < burst {
		// Whoever waited long has earned no more than the burst.
		elapsed := min(e.now-e.push.allowedAt, (burst-e.push.allowance)*int64(time.Second)/rate+1)
		earned := int64(float64(elapsed) * float64(rate) / float64(time.Second))
		if earned > 0 {
			e.push.allowance = min(e.push.allowance+earned, burst)
			e.push.allowedAt = e.now
		}
	} else {
		e.push.allowedAt = e.now
	}
	if e.push.allowance > 0 {
		return e.now
	}
	return e.push.allowedAt + (1-e.push.allowance)*int64(time.Second)/rate + 1
}

func (e *Engine) deferHeartbeat() {
	if e.push.beat = never; e.push.bound && e.cfg.Heartbeat > 0 {
		e.push.beat = after(e.now, e.cfg.Heartbeat)
	}
}

// heartbeat tells the receiver that the consumer is there, if nothing else did for
// a while.
func (e *Engine) heartbeat(out *Effects) {
	if e.push.beat > e.now {
		return
	}
	s := e.heartbeatStatus()
	s.Stalled = e.flow.stalled()
	e.sendHeartbeat(e.cfg.DeliverSubject, s, out)
	if e.flowAcks() && e.ahead.pending.live > 0 {
		// The last messages of a burst have to be acknowledged, too.
		e.requestFlow(out)
	}
	e.deferHeartbeat()
}
