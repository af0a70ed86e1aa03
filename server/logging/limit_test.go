package logging

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitedWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		l := testLogger(t, Config{}, Env{Stderr: &out, Now: time.Now})
		for i := range 5 {
			l.LimitedWarnf("a", "a%d", i)
		}
		l.LimitedWarnf("b", "b0")
		l.LimitedWarnf("b", "b1")
		time.Sleep(limitInterval)
		l.LimitedWarnf("a", "a5") // Also tells what became of b.
		l.LimitedWarnf("a", "a6")
		time.Sleep(limitInterval)
		l.LimitedWarnf("c", "c0") // Tells what became of a.
		l.LimitedWarnf("c", "c1")
		l.LimitedWarnf("c", "c2")
		if err := l.Close(); err != nil { // Tells what became of c.
			t.Fatal(err)
		}
		want := []string{"a0", "b0", "a5 (4 more like this)", "b1", "c0", "a6", "c2 (1 more like this)"}
		var got []string
		for s := range strings.Lines(out.String()) {
			got = append(got, strings.TrimPrefix(strings.TrimSuffix(s, "\n"), "[42] [WRN] "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// Keys that someone makes up without end neither use memory nor get through.
func TestLimiterBoundsItsKeys(t *testing.T) {
	l := limiter{interval: time.Minute, max: 10}
	now := testTime
	through := 0
	for i := range 1000 {
		through += len(l.warn(fmt.Sprint(i), "m", now))
	}
	if through != 11 || len(l.counts) != 11 {
		t.Errorf("%d warnings got through, %d keys are kept", through, len(l.counts))
	}
	if got := l.warn("new", "m", now.Add(time.Minute)); !slices.Equal(got, []string{"m (989 more like this)"}) {
		t.Errorf("got %q", got)
	}
	if len(l.counts) != 1 {
		t.Errorf("%d keys are kept for good", len(l.counts))
	}
}

func TestStandardLogger(t *testing.T) {
	var out syncBuffer
	l := testLogger(t, Config{}, Env{Stderr: &out})
	std := l.StandardLogger()
	std.Printf("http: %s", "bad\nhandshake")
	std.Print("http: again")
	flush(t, l)
	if got, want := out.String(), "[42] [WRN] http: bad\\nhandshake\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
