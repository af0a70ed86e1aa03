package file

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
)

// storyConfigs are what histories are told with.
func storyConfigs(t testing.TB) map[string]Config {
	all := configs(t)
	return map[string]Config{"plain": all["plain"], "tiny blocks": all["tiny blocks"], "both, tiny blocks": all["both, tiny blocks"]}
}

// crashOptions draws what survives a power cut.
func crashOptions(rng *rand.Rand) vfs.CrashOptions {
	switch rng.IntN(5) {
	case 0:
		return vfs.CrashOptions{}
	case 1:
		return vfs.Killed
	default:
		return vfs.CrashOptions{Rand: rng, Page: rng.Float64(), Torn: rng.Float64() / 2, Name: rng.Float64(), Journal: rng.IntN(2) == 0}
	}
}

// Whenever the power is cut, what is opened is a checkpoint: the newest one whose
// Commit has returned, or one that was being committed. So is what is opened
// after another cut while that was opened.
func TestPowerCutAnywhere(t *testing.T) {
	if race.Enabled {
		t.Skip("it takes too long")
	}
	for name, cfg := range storyConfigs(t) {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("%s/seed %d", name, seed), func(t *testing.T) {
				t.Parallel()
				cutPower(t, cfg, seed)
			})
		}
	}
}

func cutPower(t *testing.T, cfg Config, seed uint64) {
	st := newStory(t, cfg, seed)
	crashes := rand.New(rand.NewPCG(seed, 4))
	mem := vfs.NewMem()
	type clone struct {
		fs          *vfs.Mem
		op          errorfs.Op
		step        int
		least, most int
	}
	var clones []clone
	fs := errorfs.Wrap(mem, clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if op.Kind.Changes() && crashes.IntN(3) == 0 {
			clones = append(clones, clone{mem.CrashClone(crashOptions(crashes)), op, st.step, st.durable, len(st.saved) - 1})
		}
		return errorfs.Fault{}
	}))
	if err := st.open(fs); err != nil {
		t.Fatal(err)
	}
	for range 250 {
		if err := st.change(); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := contentOf(st.s); err != nil || got != st.content() {
		t.Fatalf("the story itself: %v\n%s\nwant\n%s", err, got, st.content())
	}
	for i, c := range clones {
		fail := func(err error) {
			if err != nil {
				t.Fatalf("power cut at %v, step %d: %v", c.op, c.step, err)
			}
		}
		var again *vfs.Mem
		during := errorfs.Wrap(c.fs, clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			if op.Kind.Changes() && again == nil && crashes.IntN(2) == 0 {
				again = c.fs.CrashClone(crashOptions(crashes))
			}
			return errorfs.Fault{}
		}))
		n, err := st.reopen(during, c.least, c.most)
		fail(err)
		if again != nil {
			_, err = st.reopen(again, n, n)
			fail(err)
		}
		if i%8 == 0 {
			fail(st.goOn(c.fs, seed))
		}
	}
	if len(clones) < 50 {
		t.Errorf("%d power cuts only", len(clones))
	}
	if err := st.s.Close(); err != nil {
		t.Error(err)
	}
}

// Whichever operation fails, what can be read is right, and what is opened
// afterwards is a checkpoint that was committed, or was about to be.
func TestEveryOperationFails(t *testing.T) {
	faults := map[string]errorfs.Fault{
		"EIO":                   {Err: syscall.EIO},
		"EIO after it happened": {Err: syscall.EIO, After: true},
		"EIO half-way":          {Err: syscall.EIO, Part: 20},
		"ENOSPC":                {Err: syscall.ENOSPC},
		"ENOSPC half-way":       {Err: syscall.ENOSPC, Part: 100},
	}
	for _, name := range []string{"plain", "both, tiny blocks"} {
		cfg := configs(t)[name]
		for what, fault := range faults {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				n, step := uint64(1), uint64(1)
				if race.Enabled {
					step = 7
				}
				for ; failNth(t, cfg, n, fault); n += step {
				}
				if n < 100 {
					t.Errorf("%d operations only", n)
				}
			})
		}
	}
}

// failNth reports whether there was an nth operation.
func failNth(t *testing.T, cfg Config, n uint64, fault errorfs.Fault) bool {
	st := newStory(t, cfg, 1)
	mem := vfs.NewMem()
	in := errorfs.FailNth(n, errorfs.Every, fault)
	fs := errorfs.Wrap(mem, clock.Real(), in)
	err := st.open(fs)
	retried := false
	for i := 0; i < 120 && err == nil; i++ {
		if err = st.change(); noSpace(err) && st.s.Err() == nil {
			// The store goes on. Half a purge, say, would show in the end.
			retried = true
			err = nil
		}
	}
	op, fired := in.Fired()
	fs.SetInjector(nil)
	if st.s != nil && err == nil {
		if got, readErr := contentOf(st.s); readErr != nil || got != st.content() {
			t.Fatalf("failing %v (tried again: %v): %v\n%s\nwant\n%s", op, retried, readErr, got, st.content())
		}
	} else if !fired {
		t.Fatal(err)
	}
	if st.s != nil {
		// An error was told; what can still be read is right.
		if got, readErr := contentOf(st.s); err != nil && readErr == nil && got != st.content() {
			t.Fatalf("failing %v: %v, and then\n%s\nwant\n%s", op, err, got, st.content())
		}
		if poison := st.s.Err(); poison != nil {
			if again := st.append(); !errors.Is(again, poison) {
				t.Fatalf("failing %v: Append gave %v after %v", op, again, poison)
			}
		}
	}
	crashed := mem.CrashClone(vfs.CrashOptions{})
	if st.s != nil {
		// Errors of closing a file after that are no news.
		_ = st.s.Close()
	}
	for _, fs := range []*vfs.Mem{mem, crashed} {
		if _, err := st.reopen(fs, st.durable, len(st.saved)-1); err != nil {
			t.Fatalf("failing %v: %v", op, err)
		}
	}
	if n%10 == 0 {
		if err := st.goOn(crashed, n); err != nil {
			t.Fatalf("failing %v: %v", op, err)
		}
	}
	return fired
}

// A full disk is told, costs nothing, and is over when there is space again.
func TestFullDisk(t *testing.T) {
	for name, cfg := range storyConfigs(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStory(t, cfg, 5)
			mem := vfs.NewMem()
			fs := errorfs.Wrap(mem, clock.Real(), nil)
			if err := st.open(fs); err != nil {
				t.Fatal(err)
			}
			fs.LimitSpace(3 << 10)
			full := 0
			for range 400 {
				err := st.change()
				if noSpace(err) {
					full++
					if full%10 == 0 {
						fs.LimitSpace(2 << 10)
					}
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if full == 0 {
				t.Error("the disk was never full")
			}
			fs.LimitSpace(-1)
			if err := st.commit(); err != nil {
				t.Fatal(err)
			}
			if _, err := st.reopen(mem.CrashClone(vfs.CrashOptions{}), st.durable, st.durable); err != nil {
				t.Fatal(err)
			}
			if err := st.s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
