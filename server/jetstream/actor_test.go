package jetstream

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
)

// counter is a runner that takes what was brought, and notes who runs it.
type counter struct {
	actor
	t       *testing.T
	brought atomic.Int64
	taken   int64
	running atomic.Int32
	at      []int64
}

func (c *counter) run(w *worker) {
	if c.running.Add(1) != 1 {
		c.t.Error("an actor is run twice at once")
	}
	c.taken += c.brought.Swap(0)
	c.at = append(c.at, w.now)
	runtime.Gosched()
	c.running.Add(-1)
}

func TestActors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(clock.Real())
		s.start(4)
		actors := make([]counter, 20)
		for i := range actors {
			actors[i].t = t
			actors[i].init(s, &actors[i])
		}
		const bringers, each = 8, 2000
		var wg sync.WaitGroup
		for b := range bringers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(b), 1))
				for range each {
					a := &actors[rng.IntN(len(actors))]
					a.brought.Add(1)
					a.wake()
					if rng.IntN(8) == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		taken := int64(0)
		for i := range actors {
			taken += actors[i].taken
			if state := actors[i].state.Load(); state != resting {
				t.Errorf("actor %d is in state %d with nothing to do", i, state)
			}
		}
		if taken != bringers*each {
			t.Errorf("%d of %d were handled", taken, bringers*each)
		}
		s.stop()
	})
}

// sleeper is a runner that sets its own alarm.
type sleeper struct {
	actor
	mu   sync.Mutex
	next int64 // to be set by the run
	runs []time.Duration
	from time.Time
}

func (s *sleeper) run(*worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, time.Since(s.from))
	s.wakeAt(s.next)
	s.next = 0
}

// set has the actor run now, and set its alarm to a time from the start.
func (s *sleeper) set(at time.Duration) {
	s.mu.Lock()
	if s.next = 0; at > 0 {
		s.next = s.from.Add(at).UnixNano()
	}
	s.mu.Unlock()
	s.wake()
	synctest.Wait()
	s.mu.Lock()
	s.runs = nil
	s.mu.Unlock()
}

func TestAlarms(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name string
		// set is what each actor's alarm is set to, one after the other.
		set  [][]time.Duration
		want []time.Duration
	}{
		{"in order", [][]time.Duration{{3 * s}, {1 * s}, {2 * s}}, []time.Duration{3 * s, 1 * s, 2 * s}},
		{"at once", [][]time.Duration{{1 * s}, {1 * s}}, []time.Duration{1 * s, 1 * s}},
		{"later", [][]time.Duration{{1 * s, 5 * s}, {2 * s}}, []time.Duration{5 * s, 2 * s}},
		{"earlier", [][]time.Duration{{5 * s, 1 * s}, {2 * s}}, []time.Duration{1 * s, 2 * s}},
		{"cancelled", [][]time.Duration{{1 * s, 0}, {2 * s}}, []time.Duration{0, 2 * s}},
		{"all cancelled", [][]time.Duration{{1 * s, 0}, {2 * s, 0}}, []time.Duration{0, 0}},
		{"set anew", [][]time.Duration{{1 * s, 0, 4 * s}}, []time.Duration{4 * s}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(clock.Real())
				st.start(2)
				list := make([]sleeper, len(tt.set))
				for i, set := range tt.set {
					list[i].from = time.Now()
					list[i].init(st, &list[i])
					for _, at := range set {
						list[i].set(at)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				st.stop()
				for i := range list {
					var got time.Duration
					if len(list[i].runs) > 0 {
						got = list[i].runs[0]
					}
					if got != tt.want[i] || len(list[i].runs) > 1 {
						t.Errorf("actor %d ran at %v, want at %v", i, list[i].runs, tt.want[i])
					}
				}
			})
		})
	}
}

// Alarms that are set at random go off at their time, each once, as the plain list says.
func TestManyAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(clock.Real())
		st.start(2)
		rng := rand.New(rand.NewPCG(1, 2))
		list := make([]sleeper, 200)
		from := time.Now()
		want := make([]time.Duration, len(list))
		for i := range list {
			list[i].from = from
			list[i].init(st, &list[i])
		}
		for range 3 * len(list) {
			i := rng.IntN(len(list))
			if want[i] = 0; rng.IntN(5) > 0 {
				want[i] = time.Duration(1+rng.IntN(1e6)) * time.Millisecond
			}
			list[i].set(want[i])
		}
		time.Sleep(time.Hour)
		st.stop()
		for i := range list {
			switch runs := list[i].runs; {
			case want[i] == 0 && len(runs) > 0, want[i] > 0 && (len(runs) != 1 || runs[0] != want[i]):
				t.Errorf("actor %d ran at %v, want at %v", i, runs, want[i])
			}
		}
		if n := len(st.alarms.heap); n != 0 {
			t.Errorf("%d alarms are left", n)
		}
	})
}
