package sim

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
)

var (
	seeds = flag.Int("sim.seeds", 0, "how many seeds to run, instead of a few")
	first = flag.Uint64("sim.first", 1, "the first seed")
	seed  = flag.Uint64("sim.seed", 0, "run this seed only, and tell what happens")
	chaos = flag.Duration("sim.chaos", 45*time.Second, "for how long faults are injected, in virtual time")
)

// Do the promises hold, whatever happens? A failure names its seed; run it alone
// with -sim.seed.
func TestSeeds(t *testing.T) { runSeeds(t, Config{}, 60) }

// Are the state machines of JetStream the same on all replicas, and do they keep what
// clients were told? A failure names its seed; run it alone with -sim.seed.
func TestJetStream(t *testing.T) { runSeeds(t, Config{JetStream: true}, 5) }

// runSeeds runs so many seeds, unless another number is asked for.
func runSeeds(t *testing.T, cfg Config, few int) {
	cfg.Chaos = *chaos
	with := func(seed uint64) Config {
		cfg := cfg
		cfg.Seed = seed
		return cfg
	}
	if *seed != 0 {
		cfg := with(*seed)
		cfg.Log = func(line string) { fmt.Println(line) }
		_, err := Run(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	count := *seeds
	if count == 0 {
		count = few
		if race.Enabled {
			count = max(1, few/10)
		}
	}
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		next    atomic.Uint64
		sum     Report
		failed  []string
		cover   = newCoverage()
		start   = time.Now()
		workers = runtime.GOMAXPROCS(0)
	)
	for range workers {
		wg.Go(func() {
			for {
				n := next.Add(1) - 1
				mu.Lock()
				stop := len(failed) >= 5
				mu.Unlock()
				if n >= uint64(count) || stop {
					return
				}
				r, err := Run(with(*first + n))
				mu.Lock()
				if err != nil {
					failed = append(failed, err.Error())
				}
				cover.Add(r.Coverage)
				sum.Virtual += r.Virtual
				sum.Steps += r.Steps
				sum.Acked += r.Acked
				sum.Checked += r.Checked
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, f := range failed {
		t.Error(f)
	}
	took := time.Since(start)
	t.Logf("%d seeds: %v of virtual time in %v, %.0f times real time per core; %d steps, %d operations acknowledged, %d in histories",
		count, sum.Virtual.Round(time.Second), took.Round(time.Millisecond), sum.Virtual.Seconds()/took.Seconds()/float64(min(workers, count)), sum.Steps, sum.Acked, sum.Checked)
	t.Logf("faults and the phases they met:\n%s", cover)
	if holes := cover.Holes(); len(holes) > 0 {
		t.Logf("%d holes: %s", len(holes), strings.Join(holes, ", "))
	}
}

// Is a seed a whole description of a run?
func TestSameSeedSameTrace(t *testing.T) {
	for _, jetstream := range []bool{false, true} {
		var traces []uint64
		for _, s := range []uint64{11, 12, 11, 12} {
			r, err := Run(Config{Seed: s, Chaos: 20 * time.Second, JetStream: jetstream})
			if err != nil {
				t.Fatal(err)
			}
			traces = append(traces, r.Trace)
		}
		if !slices.Equal(traces[:2], traces[2:]) || traces[0] == traces[1] {
			t.Errorf("traces of the seeds 11, 12, 11, 12, with JetStream %v: %x", jetstream, traces)
		}
	}
}
