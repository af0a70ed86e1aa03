package schedule

import (
	"errors"
	"math"
	"strings"
	"time"
)

// ErrPattern says that a text is not a pattern, or not one that can be due.
var ErrPattern = errors.New("schedule pattern is invalid")

// MinInterval is the least time between repetitions.
const MinInterval = time.Second

// The times of which the nanoseconds since the Unix epoch can be told.
var (
	earliest = time.Unix(0, math.MinInt64)
	latest   = time.Unix(0, math.MaxInt64)
)

// Schedule is a pattern that was read. It does not change.
type Schedule struct {
	// Exactly one of them is set.
	at    time.Time
	every time.Duration
	cron  *cron
	// zone is where cron's clock hangs.
	zone *time.Location
}

// descriptors are short for cron patterns.
var descriptors = map[string]string{
	"@yearly":   "0 0 0 1 1 *",
	"@annually": "0 0 0 1 1 *",
	"@monthly":  "0 0 0 1 * *",
	"@weekly":   "0 0 0 * * 0",
	"@daily":    "0 0 0 * * *",
	"@midnight": "0 0 0 * * *",
	"@hourly":   "0 0 * * * *",
}

// Parse reads a pattern. The zone is nil if none was asked for; then it is UTC. Only
// cron has one. The error is ErrPattern.
func Parse(pattern string, zone *time.Location) (*Schedule, error) {
	if text, ok := strings.CutPrefix(pattern, "@at "); ok {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || zone != nil || at.Before(earliest) || at.After(latest) {
			return nil, ErrPattern
		}
		return &Schedule{at: at.UTC()}, nil
	}
	if text, ok := strings.CutPrefix(pattern, "@every "); ok {
		every, err := time.ParseDuration(text)
		if err != nil || zone != nil || every < MinInterval {
			return nil, ErrPattern
		}
		return &Schedule{every: every.Truncate(time.Second)}, nil
	}
	if fields, ok := descriptors[pattern]; ok {
		pattern = fields
	}
	c, err := parseCron(pattern)
	if err != nil {
		return nil, err
	}
	if zone == nil {
		zone = time.UTC
	}
	return &Schedule{cron: c, zone: zone}, nil
}

// Once reports whether the schedule is due one time only.
func (s *Schedule) Once() bool { return s.every == 0 && s.cron == nil }

// First is when a schedule is due for the first time that was made at a time. That may
// be past. ok is false if it never is.
func (s *Schedule) First(made time.Time) (at time.Time, ok bool) {
	if s.Once() {
		return s.at, true
	}
	return s.Next(made)
}

// Next is when a schedule is due again that was due, or looked at, at a time: after it,
// on a whole second, in UTC. ok is false if it is not due any more.
func (s *Schedule) Next(after time.Time) (at time.Time, ok bool) {
	switch {
	case s.every > 0:
		at = after.Add(s.every).UTC()
		at = at.Add(-time.Duration(at.Nanosecond()))
		return at, !at.After(latest)
	case s.cron != nil:
		return s.cron.next(after, s.zone)
	default:
		return time.Time{}, false
	}
}
