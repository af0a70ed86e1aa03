package logging

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// limitInterval is how long warnings are only counted after one was logged.
	limitInterval = time.Minute
	// limitKeys bounds the keys that are counted apart. Those beyond it share one
	// count, so that hostile keys gain nothing.
	limitKeys = 1024
)

// limiter keeps account of warnings that repeat.
type limiter struct {
	interval time.Duration
	max      int

	mu     sync.Mutex
	counts map[string]*repeats
	swept  time.Time
}

// repeats is what is known of a key.
type repeats struct {
	// logged is when a warning was last let through.
	logged time.Time
	// held counts those that were not, and last is the last of them.
	held int
	last string
}

// warn takes notice of a warning and returns the messages to log now: this one,
// if it is due, and what is left to say of others.
func (l *limiter) warn(key, message string, now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[string]*repeats)
		l.swept = now
	}
	if l.counts[key] == nil && len(l.counts) >= l.max {
		key = ""
	}
	var out []string
	c := l.counts[key]
	switch {
	case c == nil:
		l.counts[key] = &repeats{logged: now}
		out = []string{message}
	case now.Sub(c.logged) < l.interval:
		c.held++
		c.last = message
	default:
		if c.held > 0 {
			message = withCount(message, c.held)
		}
		*c = repeats{logged: now}
		out = []string{message}
	}
	return append(out, l.sweep(now)...)
}

// sweep forgets keys that have been silent, which keeps the map small, and
// reports what was held back of them.
func (l *limiter) sweep(now time.Time) []string {
	if now.Sub(l.swept) < l.interval {
		return nil
	}
	l.swept = now
	var out []string
	for _, key := range slices.Sorted(maps.Keys(l.counts)) {
		if c := l.counts[key]; now.Sub(c.logged) >= l.interval {
			delete(l.counts, key)
			if c.held > 0 {
				out = append(out, withCount(c.last, c.held-1))
			}
		}
	}
	return out
}

// flush returns what is left to say, at the end.
func (l *limiter) flush() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(l.counts)) {
		if c := l.counts[key]; c.held > 0 {
			out = append(out, withCount(c.last, c.held-1))
		}
	}
	l.counts = nil
	return out
}

// withCount adds the number of others like it to a message.
func withCount(message string, others int) string {
	if others == 0 {
		return message
	}
	return fmt.Sprintf("%s (%d more like this)", message, others)
}
