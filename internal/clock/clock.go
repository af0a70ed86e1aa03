package clock

import "time"

// Clock tells the time and starts timers. Real and Skewed clocks may be used
// by several goroutines at once; a Virtual belongs to one.
type Clock interface {
	// Now returns the current time. See the package comment for what may be
	// compared with what.
	Now() time.Time
	// AfterFunc calls f once, at least d from now, unless the timer is stopped
	// before. The real clock calls f on a goroutine of its own, a Virtual on
	// the goroutine that advances it. A d of zero or less is due at once, but f
	// is never called from within AfterFunc.
	AfterFunc(d time.Duration, f func()) Timer
	// NewTimer returns a timer that sends the time on its channel C once, at
	// least d from now.
	NewTimer(d time.Duration) Timer
}

// Timer is one pending event of a Clock.
type Timer interface {
	// C is the channel of a timer made by NewTimer, and nil for AfterFunc. Once
	// Stop or Reset has returned, no earlier tick can be received from it.
	C() <-chan time.Time
	// Stop cancels the timer and reports whether it was pending. A false return
	// does not say that a function started by AfterFunc has returned.
	Stop() bool
	// Reset arms the timer anew, d from now, and reports whether it was
	// pending.
	Reset(d time.Duration) bool
}

// Real returns the machine's clock.
func Real() Clock { return realClock{} }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) Timer {
	return realTimer{time.AfterFunc(d, f)}
}

func (realClock) NewTimer(d time.Duration) Timer {
	return realTimer{time.NewTimer(d)}
}

// realTimer is one pointer wide, so that putting it into a Timer allocates
// nothing beyond the time.Timer.
type realTimer struct{ t *time.Timer }

func (t realTimer) C() <-chan time.Time        { return t.t.C }
func (t realTimer) Stop() bool                 { return t.t.Stop() }
func (t realTimer) Reset(d time.Duration) bool { return t.t.Reset(d) }
