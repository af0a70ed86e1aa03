package monitor

import (
	"testing"
	"time"
)

func TestProcessUsage(t *testing.T) {
	now, cpu, mem := epoch, 40*time.Second, int64(1000)
	reads := 0
	p := newProcessUsage(
		func() time.Time { return now },
		func() (time.Duration, int64) { reads++; return cpu, mem },
	)
	for _, step := range []struct {
		name         string
		elapse, work time.Duration
		mem          int64
		want         Usage
		wantReads    int
	}{
		{"right away", 0, time.Second, 1000, Usage{0, 1000}, 1},
		{"too soon", time.Second - 1, 0, 2000, Usage{0, 1000}, 1},
		{"after a second", 1, time.Second, 3000, Usage{200, 3000}, 2},
		{"too soon again", time.Second / 2, time.Second, 4000, Usage{200, 3000}, 2},
		{"mean of a minute", time.Minute - time.Second/2, 5 * time.Second, 5000, Usage{10, 5000}, 3},
		{"rounded to a tenth", time.Minute, 20 * time.Millisecond, 5000, Usage{0, 5000}, 4},
		{"rounded up", time.Minute, 40 * time.Millisecond, 5000, Usage{0.1, 5000}, 5},
		{"clock set back", -time.Hour, time.Second, 6000, Usage{0.1, 6000}, 6},
		{"measured from there", time.Second, time.Second / 2, 6000, Usage{50, 6000}, 7},
		{"processor time that shrinks", time.Second, -time.Second, 6000, Usage{0, 6000}, 8},
	} {
		now, cpu, mem = now.Add(step.elapse), cpu+step.work, step.mem
		if got := p.Sample(); got != step.want || reads != step.wantReads {
			t.Errorf("%s: %+v after %d reads, want %+v after %d", step.name, got, reads, step.want, step.wantReads)
		}
	}
}

// TestReadProcess: both ways of asking give plausible numbers for this process.
func TestReadProcess(t *testing.T) {
	for name, read := range map[string]func() (time.Duration, int64){"system": readProcess, "runtime": readRuntime} {
		before, mem := read()
		after, _ := read()
		if mem < 1<<20 || mem > 1<<36 {
			t.Errorf("%s: %d bytes of memory", name, mem)
		}
		if before < 0 || after < before {
			t.Errorf("%s: processor time %s, then %s", name, before, after)
		}
	}
}
