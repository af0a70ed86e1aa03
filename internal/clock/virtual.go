package clock

import (
	"container/heap"
	"math"
	"time"
)

// Virtual is a clock that moves only when told to. It belongs to one
// goroutine, the one that runs the simulation; timers fire there, from Step,
// Advance or AdvanceTo.
//
// Timers fire in the order of their deadlines, those with equal deadlines in
// the order in which they were armed (by AfterFunc, NewTimer or Reset). While
// a timer's function runs, Now is the timer's deadline. Functions may start,
// stop and reset timers, but must not move the clock.
//
// A timer costs one allocation; arming, stopping and firing take logarithmic
// time. A stopped timer leaves the clock at once.
type Virtual struct {
	start time.Time
	// now is the time passed since start. Invariant: no armed timer has a
	// deadline before now.
	now    time.Duration
	armed  timerHeap
	seq    uint64
	firing bool
}

// NewVirtual returns a clock that stands at start.
func NewVirtual(start time.Time) *Virtual {
	// Round strips the monotonic reading of a start taken from time.Now, which
	// would make equal virtual times unequal.
	return &Virtual{start: start.Round(0)}
}

// Now returns the virtual time.
func (v *Virtual) Now() time.Time { return v.start.Add(v.now) }

// AfterFunc implements [Clock].
func (v *Virtual) AfterFunc(d time.Duration, f func()) Timer {
	t := &virtualTimer{clock: v, f: f, index: idle}
	v.arm(t, d)
	return t
}

// NewTimer implements [Clock].
func (v *Virtual) NewTimer(d time.Duration) Timer {
	t := &virtualTimer{clock: v, c: make(chan time.Time, 1), index: idle}
	v.arm(t, d)
	return t
}

// Next returns the deadline of the timer that fires next; ok is false if no
// timer is armed.
func (v *Virtual) Next() (deadline time.Time, ok bool) {
	if len(v.armed) == 0 {
		return time.Time{}, false
	}
	return v.start.Add(v.armed[0].at), true
}

// Len returns the number of armed timers.
func (v *Virtual) Len() int { return len(v.armed) }

// Step moves the clock to the next deadline and fires one timer. It reports
// false, and does nothing, if no timer is armed.
func (v *Virtual) Step() bool {
	if len(v.armed) == 0 {
		return false
	}
	v.enter()
	defer v.leave()
	v.fireFirst()
	return true
}

// Advance moves the clock forward by d, firing every timer that comes due on
// the way, including those armed by the functions that run.
func (v *Virtual) Advance(d time.Duration) {
	if d < 0 {
		panic("clock: Virtual cannot go back")
	}
	v.enter()
	defer v.leave()
	end := addDuration(v.now, d)
	for len(v.armed) > 0 && v.armed[0].at <= end {
		v.fireFirst()
	}
	v.now = end
}

// AdvanceTo is Advance to the time t, which must not lie in the past.
func (v *Virtual) AdvanceTo(t time.Time) { v.Advance(t.Sub(v.Now())) }

func (v *Virtual) enter() {
	if v.firing {
		panic("clock: Virtual moved from within a timer's function")
	}
	v.firing = true
}

func (v *Virtual) leave() { v.firing = false }

func (v *Virtual) fireFirst() {
	t := heap.Pop(&v.armed).(*virtualTimer)
	v.now = t.at
	if t.f != nil {
		t.f()
		return
	}
	// The channel has room: a timer is armed at most once, and arming empties
	// the channel.
	t.c <- v.Now()
}

func (v *Virtual) arm(t *virtualTimer, d time.Duration) {
	t.at = addDuration(v.now, max(d, 0))
	t.seq = v.seq
	v.seq++
	heap.Push(&v.armed, t)
}

// addDuration saturates: a timer "for ever" must not wrap into the past.
func addDuration(a, b time.Duration) time.Duration {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxInt64
}

// idle is the index of a timer that is not armed.
const idle = -1

type virtualTimer struct {
	clock *Virtual
	at    time.Duration
	seq   uint64
	// index is the timer's place in clock.armed, or idle.
	index int
	// Either f or c is set.
	f func()
	c chan time.Time
}

func (t *virtualTimer) C() <-chan time.Time { return t.c }

func (t *virtualTimer) Stop() bool {
	t.drain()
	if t.index == idle {
		return false
	}
	heap.Remove(&t.clock.armed, t.index)
	return true
}

func (t *virtualTimer) Reset(d time.Duration) bool {
	pending := t.Stop()
	t.clock.arm(t, d)
	return pending
}

// drain drops a tick that nobody received.
func (t *virtualTimer) drain() {
	select {
	case <-t.c:
	default:
	}
}

// timerHeap is a container/heap of armed timers; each knows its index.
type timerHeap []*virtualTimer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*virtualTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	t.index = idle
	return t
}
