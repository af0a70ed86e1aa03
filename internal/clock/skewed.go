package clock

import (
	"fmt"
	"sync"
	"time"
)

// Skewed is a base clock as a node with a bad clock sees it. Its time differs
// from the base's by an offset, and it may run fast or slow. Step sets the
// time and leaves running timers alone, as setting a machine's clock does.
//
// It may be used wherever its base may.
type Skewed struct {
	base Clock

	mu sync.Mutex
	// The clock showed local when the base showed anchor; since then it has
	// run at ppm parts per million more than the base.
	anchor time.Time
	local  time.Time
	ppm    int64
}

const million = 1_000_000

// NewSkewed returns a clock that is ahead of base by offset and gains ppm
// microseconds per second (negative: loses). It panics unless ppm lies within
// ±500,000, that is, unless the clock runs between half and one and a half
// times the base.
func NewSkewed(base Clock, offset time.Duration, ppm int64) *Skewed {
	checkDrift(ppm)
	now := base.Now()
	return &Skewed{base: base, anchor: now, local: now.Round(0).Add(offset), ppm: ppm}
}

// Now returns the skewed time.
func (s *Skewed) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

// Step sets the clock forward by d, or back if d is negative.
func (s *Skewed) Step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.local = s.local.Add(d)
}

// SetDrift changes how fast the clock runs, from now on and for timers armed
// from now on. The bounds of NewSkewed hold.
func (s *Skewed) SetDrift(ppm int64) {
	checkDrift(ppm)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.base.Now()
	s.local = s.local.Add(toLocal(now.Sub(s.anchor), s.ppm))
	s.anchor, s.ppm = now, ppm
}

// AfterFunc implements [Clock]; d is measured by the skewed clock.
func (s *Skewed) AfterFunc(d time.Duration, f func()) Timer {
	return &skewedTimer{Timer: s.base.AfterFunc(s.toBase(d), f), clock: s}
}

// NewTimer implements [Clock]; d is measured by the skewed clock. The time
// sent on the channel is the base's.
func (s *Skewed) NewTimer(d time.Duration) Timer {
	return &skewedTimer{Timer: s.base.NewTimer(s.toBase(d)), clock: s}
}

func (s *Skewed) nowLocked() time.Time {
	return s.local.Add(toLocal(s.base.Now().Sub(s.anchor), s.ppm))
}

func (s *Skewed) toBase(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return toBase(d, s.ppm)
}

type skewedTimer struct {
	Timer
	clock *Skewed
}

func (t *skewedTimer) Reset(d time.Duration) bool { return t.Timer.Reset(t.clock.toBase(d)) }

func checkDrift(ppm int64) {
	if ppm < -million/2 || ppm > million/2 {
		panic(fmt.Sprintf("clock: drift of %d ppm is out of bounds", ppm))
	}
}

// toLocal converts an elapsed time of the base, rounding down. Whole millions
// and the rest are scaled apart so that the product cannot overflow within the
// bounds of checkDrift.
func toLocal(d time.Duration, ppm int64) time.Duration {
	whole, rest := int64(d)/million, int64(d)%million
	return d + time.Duration(whole*ppm+floorDiv(rest*ppm, million))
}

// toBase converts a duration of the skewed clock, rounding up, so that a timer
// never fires before its time has passed on the skewed clock.
func toBase(d time.Duration, ppm int64) time.Duration {
	if d <= 0 {
		return d
	}
	rate := million + ppm
	whole, rest := int64(d)/rate, int64(d)%rate
	if ppm < 0 && whole > int64(1<<63-1)/million-1 {
		return 1<<63 - 1
	}
	return time.Duration(whole*million + (rest*million+rate-1)/rate)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
