package clock

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestVirtualFiresInOrderOfDeadlineThenOfArming(t *testing.T) {
	v := NewVirtual(epoch)
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, name+"@"+v.Now().Sub(epoch).String()) }
	}
	v.AfterFunc(2*time.Second, note("late"))
	a := v.AfterFunc(time.Second, note("a"))
	v.AfterFunc(time.Second, note("b"))
	v.AfterFunc(-time.Hour, note("past"))
	a.Reset(time.Second) // armed after b now
	v.AfterFunc(time.Second, func() {
		note("c")()
		v.AfterFunc(0, note("child"))
	})
	v.Advance(time.Second)
	if want := []string{"past@0s", "b@1s", "a@1s", "c@1s", "child@1s"}; !slices.Equal(got, want) {
		t.Errorf("fired %v, want %v", got, want)
	}
	if next, ok := v.Next(); !ok || !next.Equal(epoch.Add(2*time.Second)) {
		t.Errorf("Next() = %v, %v; want the timer at 2s", next, ok)
	}
}

func TestVirtualStepFiresOneTimer(t *testing.T) {
	v := NewVirtual(epoch)
	fired := 0
	for range 3 {
		v.AfterFunc(time.Minute, func() { fired++ })
	}
	for want := 1; want <= 3; want++ {
		if !v.Step() || fired != want || v.Len() != 3-want {
			t.Fatalf("after step %d: fired %d, left %d", want, fired, v.Len())
		}
	}
	if v.Step() {
		t.Error("Step() = true on a clock without timers")
	}
	if got := v.Now().Sub(epoch); got != time.Minute {
		t.Errorf("Step moved the clock to %v, want 1m", got)
	}
}

func TestVirtualNewTimerKeepsNoStaleTick(t *testing.T) {
	v := NewVirtual(epoch)
	timer := v.NewTimer(time.Second)
	v.Advance(time.Second)
	if timer.Stop() {
		t.Error("Stop() = true after the timer fired")
	}
	select {
	case tick := <-timer.C():
		t.Errorf("received %v after Stop", tick)
	default:
	}
	timer.Reset(time.Second)
	v.Advance(time.Second)
	if timer.Reset(time.Second) {
		t.Error("Reset() = true after the timer fired")
	}
	v.Advance(time.Second)
	if got, want := <-timer.C(), epoch.Add(3*time.Second); !got.Equal(want) {
		t.Errorf("tick %v, want %v: the one of the last Reset", got, want)
	}
}

func TestVirtualRefusesToMoveFromATimer(t *testing.T) {
	v := NewVirtual(epoch)
	v.AfterFunc(0, func() {
		defer func() {
			if recover() == nil {
				t.Error("Advance within a timer's function did not panic")
			}
		}()
		v.Advance(time.Second)
	})
	v.Step()
	defer func() {
		if recover() == nil {
			t.Error("going back did not panic")
		}
	}()
	v.AdvanceTo(epoch.Add(-1))
}

func TestVirtualFarDeadlineDoesNotWrap(t *testing.T) {
	v := NewVirtual(epoch)
	v.Advance(time.Hour)
	v.AfterFunc(1<<63-1, func() { t.Error("a timer for ever fired") })
	v.Advance(24 * time.Hour)
	if v.Len() != 1 {
		t.Errorf("Len() = %d, want 1", v.Len())
	}
}

// TestVirtualAgreesWithSortedList runs random operations on the clock and on a
// plain list that is searched from end to end.
func TestVirtualAgreesWithSortedList(t *testing.T) {
	type entry struct {
		id, seq int
		at      time.Duration
	}
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		v := NewVirtual(epoch)
		var (
			got, want []int
			model     []entry
			timers    []Timer
			now       time.Duration
			seq       int
		)
		for range 300 {
			d := time.Duration(rng.IntN(20)-2) * time.Second
			switch rng.IntN(5) {
			case 0, 1:
				id := len(timers)
				timers = append(timers, v.AfterFunc(d, func() { got = append(got, id) }))
				model = append(model, entry{id, seq, now + max(d, 0)})
				seq++
			case 2, 3:
				if len(timers) == 0 {
					continue
				}
				id := rng.IntN(len(timers))
				at := slices.IndexFunc(model, func(e entry) bool { return e.id == id })
				if at >= 0 {
					model = slices.Delete(model, at, at+1)
				}
				var pending bool
				if rng.IntN(2) == 0 {
					pending = timers[id].Stop()
				} else {
					pending = timers[id].Reset(d)
					model = append(model, entry{id, seq, now + max(d, 0)})
					seq++
				}
				if pending != (at >= 0) {
					t.Fatalf("seed %d: pending = %v, model says %v", seed, pending, at >= 0)
				}
			case 4:
				now += max(d, 0)
				v.Advance(max(d, 0))
				slices.SortFunc(model, func(a, b entry) int {
					return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
				})
				for len(model) > 0 && model[0].at <= now {
					want = append(want, model[0].id)
					model = model[1:]
				}
			}
			if !slices.Equal(got, want) || v.Len() != len(model) {
				t.Fatalf("seed %d: fired %v with %d left, want %v with %d", seed, got, v.Len(), want, len(model))
			}
		}
	}
}

func BenchmarkVirtualTimers(b *testing.B) {
	b.ReportAllocs()
	v := NewVirtual(epoch)
	for i := range 10_000 {
		var t Timer
		t = v.AfterFunc(time.Duration(i)*time.Millisecond, func() { t.Reset(10 * time.Second) })
	}
	for b.Loop() {
		v.Step()
	}
}
