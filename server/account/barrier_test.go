package account

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Does anything come after a barrier that began before it? Publishers enter,
// look whether the subscription is closed, hand over if not, and leave; who has
// closed it and waited must see nothing handed over any more.
func TestNothingComesAfterTheBarrier(t *testing.T) {
	const publishers, rounds = 4, 3000
	type sub struct {
		closed atomic.Bool
		handed atomic.Int64
	}
	var b barrier
	var current atomic.Pointer[sub]
	current.Store(new(sub))
	var done atomic.Bool
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() {
			for i := 0; !done.Load(); i++ {
				turn := b.enter()
				s := current.Load()
				open := !s.closed.Load()
				if i%3 == 0 {
					runtime.Gosched()
				}
				if open {
					s.handed.Add(1)
				}
				b.leave(turn)
			}
		})
	}
	for round := range rounds {
		s := current.Load()
		if round%7 == 0 {
			runtime.Gosched()
		}
		s.closed.Store(true)
		b.wait()
		before := s.handed.Load()
		current.Store(new(sub))
		runtime.Gosched()
		if after := s.handed.Load(); after != before {
			t.Errorf("round %d: %d messages came after the barrier", round, after-before)
			break
		}
	}
	done.Store(true)
	all.Wait()
	if in := b.inside[0].Load() + b.inside[1].Load(); in != 0 {
		t.Errorf("%d are left inside", in)
	}
}
