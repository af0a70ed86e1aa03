package tlsconf

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := NewLimiter(10, func() time.Time { return now })
	// passes lets as many through as it can, and tells how many that were.
	passes := func() (n int) {
		for l.Allow() {
			n++
		}
		return n
	}
	for _, step := range []struct {
		name string
		wait time.Duration
		want int
	}{
		{"a burst of a second's worth", 0, 10},
		{"then nothing", 0, 0},
		{"nor before a token is whole", 99 * time.Millisecond, 0},
		{"then one", time.Millisecond, 1},
		{"evenly", 500 * time.Millisecond, 5},
		{"no more than a second's worth is saved", time.Hour, 10},
		{"a clock that goes back gives nothing", -time.Minute, 0},
	} {
		now = now.Add(step.wait)
		if got := passes(); got != step.want {
			t.Errorf("%s: %d pass, want %d", step.name, got, step.want)
		}
	}
}

func TestLimiterKeepsTheRate(t *testing.T) {
	const rate, seconds = 50, 20
	rng := rand.New(rand.NewPCG(5, 6))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start
	l := NewLimiter(rate, func() time.Time { return now })
	passed := 0
	for now.Sub(start) < seconds*time.Second {
		if l.Allow() {
			passed++
		}
		now = now.Add(time.Duration(rng.IntN(int(4 * time.Millisecond))))
	}
	// What was saved up at first comes on top.
	if want := rate*seconds + rate; passed > want || passed < want-2 {
		t.Errorf("%d pass in %d seconds, want about %d", passed, seconds, want)
	}
}

func TestNoLimit(t *testing.T) {
	for _, rate := range []int64{0, -1} {
		l := NewLimiter(rate, nil)
		for range 1000 {
			if !l.Allow() {
				t.Fatalf("rate %d refuses", rate)
			}
		}
	}
}
