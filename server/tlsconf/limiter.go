package tlsconf

import (
	"sync"
	"time"
)

// Limiter bounds how many handshakes start per second, so that a storm of
// connections cannot take all processors from those that stand. It is a bucket
// of tokens that holds one second's worth and refills evenly: a burst of that
// size passes at once, the average never exceeds the rate.
//
// It is safe for concurrent use. A nil *Limiter allows everything.
type Limiter struct {
	rate float64 // tokens per second, and the most that are saved up
	now  func() time.Time

	mu     sync.Mutex
	tokens float64 // Invariant: 0 <= tokens <= rate
	last   time.Time
}

// NewLimiter allows perSecond handshakes; 0 or less is no limit and gives nil.
// now is the clock.
func NewLimiter(perSecond int64, now func() time.Time) *Limiter {
	if perSecond <= 0 {
		return nil
	}
	return &Limiter{rate: float64(perSecond), now: now, tokens: float64(perSecond), last: now()}
}

// Allow reports whether a handshake may start now, and counts it if so.
func (l *Limiter) Allow() bool {
	if l == nil {
		return true
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	// A clock read before another caller's may come in later than it: then no
	// time has passed.
	if passed := now.Sub(l.last); passed > 0 {
		l.tokens = min(l.rate, l.tokens+passed.Seconds()*l.rate)
		l.last = now
	}
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
