package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRealFollowsTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Real()
		start := c.Now()
		fired := make(chan time.Duration, 1)
		c.AfterFunc(time.Hour, func() { fired <- c.Now().Sub(start) })
		stopped := c.AfterFunc(time.Minute, func() { t.Error("a stopped timer fired") })
		if !stopped.Stop() {
			t.Error("Stop() = false on a pending timer")
		}
		timer := c.NewTimer(time.Minute)
		if !timer.Reset(2 * time.Hour) {
			t.Error("Reset() = false on a pending timer")
		}
		if got := <-fired; got != time.Hour {
			t.Errorf("AfterFunc fired after %v, want 1h", got)
		}
		if got := (<-timer.C()).Sub(start); got != 2*time.Hour {
			t.Errorf("timer fired after %v, want 2h", got)
		}
	})
}

func TestSkewed(t *testing.T) {
	tests := []struct {
		name   string
		offset time.Duration
		ppm    int64
		// After an hour of the base, Now is epoch + local; a timer of one
		// local hour fires after fires.
		local, fires time.Duration
	}{
		{"true", 0, 0, time.Hour, time.Hour},
		{"ahead", time.Minute, 0, time.Hour + time.Minute, time.Hour},
		{"behind", -time.Minute, 0, time.Hour - time.Minute, time.Hour},
		{"fast", 0, 250_000, 75 * time.Minute, 48 * time.Minute},
		{"slow", 0, -200_000, 48 * time.Minute, 75 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := NewVirtual(epoch)
			s := NewSkewed(base, tt.offset, tt.ppm)
			var fired time.Duration
			timer := s.AfterFunc(time.Minute, func() { fired = base.Now().Sub(epoch) })
			timer.Reset(time.Hour)
			base.Advance(time.Hour)
			if got := s.Now().Sub(epoch); got != tt.local {
				t.Errorf("after 1h of the base Now is epoch+%v, want +%v", got, tt.local)
			}
			base.Advance(time.Hour)
			if fired != tt.fires {
				t.Errorf("timer fired after %v, want %v", fired, tt.fires)
			}
		})
	}
}

func TestSkewedStepLeavesTimersAlone(t *testing.T) {
	base := NewVirtual(epoch)
	s := NewSkewed(base, 0, 0)
	timer := s.NewTimer(time.Minute)
	s.Step(-24 * time.Hour)
	base.Advance(time.Minute)
	select {
	case <-timer.C():
	default:
		t.Error("the timer did not fire after a minute")
	}
	if got, want := s.Now(), epoch.Add(time.Minute-24*time.Hour); !got.Equal(want) {
		t.Errorf("Now() = %v, want %v", got, want)
	}
}

func TestSkewedDriftChangeIsContinuous(t *testing.T) {
	base := NewVirtual(epoch)
	s := NewSkewed(base, time.Second, 100_000)
	base.Advance(10 * time.Second)
	before := s.Now()
	s.SetDrift(-100_000)
	if got := s.Now(); !got.Equal(before) {
		t.Errorf("SetDrift moved the clock by %v", got.Sub(before))
	}
	base.Advance(10 * time.Second)
	if got := s.Now().Sub(before); got != 9*time.Second {
		t.Errorf("10s of the base are %v, want 9s", got)
	}
}

// A timer must not fire before its time has passed on the skewed clock,
// whatever the rounding.
func TestSkewedTimerIsNeverEarly(t *testing.T) {
	for _, ppm := range []int64{-500_000, -333_333, -1, 0, 1, 7, 333_333, 500_000} {
		base := NewVirtual(epoch)
		s := NewSkewed(base, 0, ppm)
		for i := range time.Duration(2000) {
			armed, d := s.Now(), 1+i*i*i
			s.AfterFunc(d, func() {
				if got := s.Now().Sub(armed); got < d || got > d+2 {
					t.Fatalf("%d ppm: timer of %d ns fired after %d", ppm, d, got)
				}
			})
			base.Step()
		}
	}
}

func TestToBaseSaturates(t *testing.T) {
	for _, ppm := range []int64{-500_000, 0, 500_000} {
		if got := toBase(1<<63-1, ppm); got <= 0 {
			t.Errorf("toBase(max, %d) = %d: wrapped", ppm, got)
		}
	}
}

func TestDriftOutOfBoundsPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic for a drift of 60 %")
		}
	}()
	NewSkewed(NewVirtual(epoch), 0, 600_000)
}
