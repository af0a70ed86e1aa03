package cluster

import (
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// pings asks whether the other end is still there. Whatever it says is an answer: the PONG may
// be far behind.
type pings struct {
	mu sync.Mutex
	// timer is nil before it is started, and when the route has ended.
	timer clock.Timer
	ended bool
	// out is how often it was asked since it was last heard; heard is inbound's count then.
	out   int
	heard int64
	// sent is when it was asked last, rtt how long an answer took.
	sent time.Time
	rtt  time.Duration
}

// firstPing is when the other end is asked first, so that one soon knows how far it is.
const firstPing = 2 * time.Second

func (r *Route) startPings() {
	p := &r.pings
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.timer = r.cfg.Clock.AfterFunc(min(firstPing, r.cfg.PingInterval), r.pingTick)
	}
}

func (r *Route) stopPings() {
	p := &r.pings
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// pingTick sends a PING, or closes the route if too many had no answer.
func (r *Route) pingTick() {
	p := &r.pings
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return
	}
	if heard := r.in.heard.Load(); heard != p.heard {
		p.heard, p.out = heard, 0
	}
	stale := p.out >= r.cfg.PingMax
	if !stale {
		p.out++
		p.sent = r.cfg.Clock.Now()
		p.timer.Reset(r.cfg.PingInterval)
	}
	p.mu.Unlock()
	if stale {
		r.stale()
		return
	}
	r.ping()
}

func (r *Route) ping() {
	r.conn.Append([]byte(proto.Ping))
	r.conn.Flush()
}

func (r *Route) stale() {
	r.cfg.Log.Errorf("%s: no sign of life", r)
	r.Close(conn.StaleConnection, "Stale Connection")
}

// Probe asks for a sign of life within a time, and closes the route if there is none.
func (r *Route) Probe(within time.Duration) {
	p := &r.pings
	heard := r.in.heard.Load()
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		return
	}
	p.sent = r.cfg.Clock.Now()
	p.mu.Unlock()
	r.cfg.Clock.AfterFunc(within, func() {
		if r.in.heard.Load() == heard && r.conn.Reason() == conn.None {
			r.stale()
		}
	})
	r.ping()
}

// pong takes note of an answer.
func (r *Route) pong() {
	p := &r.pings
	now := r.cfg.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent.IsZero() {
		return
	}
	p.rtt = max(now.Sub(p.sent), 1)
	p.sent = time.Time{}
	if r.squeezed != nil {
		r.squeezed.adapt(p.rtt)
	}
}

func (p *pings) roundTrip() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rtt
}
