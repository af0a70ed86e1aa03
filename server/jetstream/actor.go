package jetstream

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
)

// runner is the work of an actor: it handles all that has come since the last
// run. It is run by one worker at a time.
type runner interface {
	run(w *worker)
}

// actor is something that has mail now and then, and costs nothing meanwhile.
// Whoever brings it mail wakes it.
type actor struct {
	stage *stage
	work  runner
	state atomic.Uint32
	alarm alarm
}

// The states of an actor.
const (
	resting uint32 = iota
	queued
	running
	// runningAgain: mail has come since the run began.
	runningAgain
)

func (a *actor) init(s *stage, work runner) {
	a.stage, a.work = s, work
	a.alarm.of, a.alarm.place = a, -1
}

// wake has the actor run, once or more, after this call.
func (a *actor) wake() {
	for {
		switch s := a.state.Load(); s {
		case resting:
			if a.state.CompareAndSwap(resting, queued) {
				a.stage.push(a)
				return
			}
		case running:
			if a.state.CompareAndSwap(running, runningAgain) {
				return
			}
		default:
			return
		}
	}
}

// wakeAt wakes the actor at a time, in nanoseconds since the epoch, and no more at
// the time that it was told before. 0 is never. Only the actor's run may call it.
func (a *actor) wakeAt(at int64) { a.stage.alarms.set(&a.alarm, at) }

// stage runs actors on a few workers.
type stage struct {
	clock  clock.Clock
	alarms alarms

	mu     sync.Mutex
	filled sync.Cond
	queue  []*actor
	closed bool
	wg     sync.WaitGroup

	// runs counts the runs of all actors.
	runs atomic.Uint64
	// lent are workers for those who send something without being actors.
	lent sync.Pool
}

// borrow returns a worker that is not one of the stage's own, to send something with.
func (s *stage) borrow() *worker {
	w, _ := s.lent.Get().(*worker)
	if w == nil {
		w = newWorker()
	}
	w.now = s.clock.Now().UnixNano()
	return w
}

// giveBack returns a worker that was borrowed. What it was given to send has left.
func (s *stage) giveBack(w *worker) { s.lent.Put(w) }

func newStage(c clock.Clock) *stage {
	s := &stage{clock: c}
	s.filled.L = &s.mu
	s.alarms.clock = c
	return s
}

// start starts the workers.
func (s *stage) start(workers int) {
	for range workers {
		s.wg.Go(func() {
			w := newWorker()
			for s.pass(w) {
			}
		})
	}
}

func (s *stage) push(a *actor) {
	s.mu.Lock()
	s.queue = append(s.queue, a)
	s.mu.Unlock()
	s.filled.Signal()
}

// runsPerPass is how many actors a worker runs before what they send leaves.
const runsPerPass = 8

// pass runs some actors. It returns false when the stage is closed.
func (s *stage) pass(w *worker) bool {
	s.mu.Lock()
	for len(s.queue) == 0 && !s.closed {
		s.filled.Wait()
	}
	if s.closed {
		s.mu.Unlock()
		return false
	}
	n := min(len(s.queue), runsPerPass)
	w.batch = append(w.batch[:0], s.queue[:n]...)
	rest := copy(s.queue, s.queue[n:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	s.mu.Unlock()
	s.runs.Add(uint64(n))
	for _, a := range w.batch {
		a.state.Store(running)
		w.now = s.clock.Now().UnixNano()
		a.work.run(w)
	}
	// What an actor has sent leaves before anybody else runs it, or it might be
	// overtaken.
	w.flush()
	for i, a := range w.batch {
		if !a.state.CompareAndSwap(running, resting) {
			a.state.Store(queued)
			s.push(a)
		}
		w.batch[i] = nil
	}
	return true
}

// stop ends the workers after what they are doing, and the alarms. Mail that is
// left is not handled.
func (s *stage) stop() {
	s.alarms.stop()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.filled.Broadcast()
	s.wg.Wait()
}

// alarm is the time at which an actor wants to run.
type alarm struct {
	of    *actor
	at    int64
	place int // in the heap, -1 if it is not there
}

// alarms are those of all actors, with one timer.
type alarms struct {
	clock clock.Clock

	mu      sync.Mutex
	heap    alarmHeap
	timer   clock.Timer
	armed   int64 // what the timer is set to, 0 if it is not
	stopped bool
}

func (s *alarms) set(a *alarm, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped || at == a.at:
		return
	case at == 0:
		heap.Remove(&s.heap, a.place)
		a.at = 0
		return
	}
	if a.at = at; a.place < 0 {
		heap.Push(&s.heap, a)
	} else {
		heap.Fix(&s.heap, a.place)
	}
	s.armLocked()
}

// armLocked sets the timer to the first alarm, unless it is due before that.
func (s *alarms) armLocked() {
	if len(s.heap) == 0 || s.armed != 0 && s.armed <= s.heap[0].at {
		return
	}
	s.armed = s.heap[0].at
	wait := time.Duration(s.armed - s.clock.Now().UnixNano())
	if s.timer == nil {
		s.timer = s.clock.AfterFunc(wait, s.ring)
		return
	}
	s.timer.Reset(wait)
}

// ring wakes those whose time has come.
func (s *alarms) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = 0
	if s.stopped {
		return
	}
	now := s.clock.Now().UnixNano()
	for len(s.heap) > 0 && s.heap[0].at <= now {
		a := heap.Pop(&s.heap).(*alarm)
		a.at = 0
		a.of.wake()
	}
	s.armLocked()
}

func (s *alarms) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// alarmHeap implements heap.Interface.
type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *alarmHeap) Push(x any) {
	a := x.(*alarm)
	a.place = len(*h)
	*h = append(*h, a)
}

func (h *alarmHeap) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.place = -1
	return a
}
