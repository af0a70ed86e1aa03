package consumer

import "time"

// idle is how long a consumer is kept that nobody uses.
type idle struct {
	// at is when it is looked at again.
	at int64
}

// deleteEvery is how often a consumer asks to be deleted.
const deleteEvery = int64(30 * time.Second)

// touch notes that the consumer is used. One that pushes is used as long as
// somebody listens; others as long as they are asked for something.
func (e *Engine) touch() {
	e.idle.at = never
	if e.cfg.InactiveThreshold > 0 && !(e.cfg.IsPush() && e.push.bound) {
		e.idle.at = after(e.now, e.cfg.InactiveThreshold)
	}
}

// checkIdle asks for the consumer to be deleted, if it has not been used for long.
func (e *Engine) checkIdle(out *Effects) {
	if e.now < e.idle.at {
		return
	}
	if !e.cfg.IsPush() {
		e.sweepRequests(out)
		if e.pulls.n > 0 {
			e.touch()
			return
		}
		// Whoever has messages is given the time to acknowledge them.
		if at := after(e.lastDue(), e.cfg.InactiveThreshold); e.ahead.pending.live > 0 && at > e.now && at != never {
			e.idle.at = at
			return
		}
	}
	out.add(Effect{Kind: Delete})
	e.idle.at = e.now + deleteEvery
}

// lastDue returns when the last pending message becomes due.
func (e *Engine) lastDue() (at int64) {
	for d := range e.ahead.pending.all() {
		at = max(at, e.cfg.due(d))
	}
	return at
}

// checkPause has delivery go on when a pause is over.
func (e *Engine) checkPause(out *Effects) {
	if e.paused && e.now >= e.ahead.pauseUntil {
		e.paused = false
		out.add(Effect{Kind: Advise, Advice: Advice{Kind: Paused}})
	}
}

// Pause has nothing be delivered until a time; one that is past, or 0, ends a pause.
func (e *Engine) Pause(now, until int64, out *Effects) {
	e.tick(now)
	if !e.created() {
		return
	}
	f, _ := e.record()
	f.pause(until)
	e.ahead.pauseUntil = until
	was := e.paused
	if e.paused = e.now < until; e.paused {
		out.add(Effect{Kind: Advise, Advice: Advice{Kind: Paused, Until: until}})
	} else if was {
		out.add(Effect{Kind: Advise, Advice: Advice{Kind: Paused}})
	}
}
