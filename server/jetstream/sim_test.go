package jetstream

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
	"github.com/nats-lite/nats-lite/server/subject"
)

var (
	simSeeds = flag.Int("sim.seeds", 0, "how many random lives to go through, instead of a few")
	simFirst = flag.Uint64("sim.first", 1, "the first seed")
	simSeed  = flag.Uint64("sim.seed", 0, "go through this life only, and tell what happens")
	simSteps = flag.Int("sim.steps", 250, "how many steps a life has")
)

// Is what was promised kept, whatever happens to the server? A life is a random story,
// told to one server after the other: they crash, stop, meet bad and full disks, and the
// next one goes on with what is left. After each step, streams are compared with the
// model; after each end, all is as before the step in which it came, or as after it,
// and in particular what is put together from checkpoints and logs is what was there. A
// failure names its seed.
func TestLives(t *testing.T) {
	first, count := *simFirst, *simSeeds
	if *simSeed != 0 {
		first, count = *simSeed, 1
	} else if count == 0 {
		count = 4
		if race.Enabled {
			count = 1
		}
	}
	var mu sync.Mutex
	sum := map[string]int{}
	t.Run("all", func(t *testing.T) {
		next := first
		for range min(runtime.GOMAXPROCS(0), count) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for met := map[string]int{}; !t.Failed(); {
					mu.Lock()
					for what, n := range met {
						sum[what] += n
					}
					clear(met)
					seed := next
					next++
					mu.Unlock()
					if seed >= first+uint64(count) {
						return
					}
					live(t, seed, *simSteps, met)
				}
			})
		}
	})
	t.Logf("%d lives: %v", count, sum)
}

// life is a story while it is told.
type life struct {
	t   *testing.T
	r   *rig
	rng *rand.Rand
	// born is when it began.
	born time.Time
	// want is what there should be, seen what there was after the last step.
	want *model
	seen pictures
	// keys are those of files, the newest first.
	keys []string
	// told are the steps, met what has happened.
	told []string
	met  map[string]int
}

// live goes through a life.
func live(t *testing.T, seed uint64, steps int, met map[string]int) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		l := &life{t: t, born: time.Now(), rng: rand.New(rand.NewPCG(seed, 17)), want: newModel(), met: met}
		if l.rng.IntN(3) == 0 {
			l.newKey()
		}
		l.r = newRig(t, vfs.NewMem(), l.setting())
		l.seen = l.r.pictures()
		tell := teller{rng: l.rng}
		for range steps {
			s := tell.next(l.want)
			switch p := l.rng.IntN(100); {
			case p < 84:
				l.do(s)
			case p < 92:
				l.crashDuring(s)
			case p < 94:
				l.stop(s)
			case s.wait:
				l.do(s)
			default:
				l.faultDuring(s)
			}
			if t.Failed() {
				break
			}
		}
		if !t.Failed() {
			l.drain()
		}
		l.r.stop()
		if t.Failed() {
			t.Logf("seed %d:\n%s", seed, strings.Join(l.told[max(len(l.told)-60, 0):], "\n"))
		}
	})
}

// setting has checkpoints come often, or hardly ever, and files encrypted if there are
// keys.
func (l *life) setting() rigOption {
	some := []intervals{{2000, 8, 5, 4096}, {300, 3, 1, 512}, {20_000, 40, 20, 1500}, {1 << 20, 1000, 1000, 0}}[l.rng.IntN(4)]
	setting := func(r *rig, lc *wal.Config, _ *host.Config, _ *Config) {
		r.every = some
		lc.SegmentBytes = 64 << 10
	}
	if len(l.keys) == 0 {
		return setting
	}
	return encrypted(setting, l.keys[0], l.keys[1:]...)
}

// newKey has files encrypted by another key than before.
func (l *life) newKey() {
	l.keys = append([]string{fmt.Sprint("key", len(l.keys))}, l.keys...)
	l.met["another key"]++
}

func (l *life) tell(format string, args ...any) {
	line := fmt.Sprintf("%s %s", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
	if *simSeed != 0 {
		fmt.Printf("%.300s\n", line)
	}
	l.told = append(l.told, line)
}

// do does a step without any trouble.
func (l *life) do(s step) {
	l.tell("%s", s.text)
	l.met["step"]++
	if !s.run(l.r) {
		l.t.Errorf("%s: there is no answer", s.text)
		return
	}
	synctest.Wait()
	now := time.Now()
	if fault := s.tell(l.want, now); fault != "" {
		l.t.Errorf("%s: %s", s.text, fault)
	}
	l.want.tick(now)
	l.seen = l.r.pictures()
	l.want.compare(l.r)
}

// ways are what a crash may leave.
var ways = []struct {
	how  string
	opts vfs.CrashOptions
}{
	{"killed", vfs.Killed},
	{"nothing that was not synced", vfs.CrashOptions{}},
	{"half of what was not synced", vfs.CrashOptions{Page: 0.5, Torn: 0.3, Name: 0.5}},
	{"some of what was not synced", vfs.CrashOptions{Page: 0.8, Torn: 0.5, Name: 0.8, Journal: true}},
}

// cutter takes what a crash leaves at one of the operations to come.
type cutter struct {
	mu   sync.Mutex
	disk *vfs.Mem
	rng  *rand.Rand
	left int
	got  *vfs.Mem
	at   string
}

// Inject implements errorfs.Injector.
func (c *cutter) Inject(op errorfs.Op) errorfs.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !op.Kind.Changes() || c.got != nil {
		return errorfs.Fault{}
	}
	if c.left--; c.left < 0 {
		c.take(op.String())
	}
	return errorfs.Fault{}
}

func (c *cutter) take(at string) {
	w := ways[c.rng.IntN(len(ways))]
	w.opts.Rand = c.rng
	c.got, c.at = c.disk.CrashClone(w.opts), at+", leaving "+w.how
	if w.opts == vfs.Killed {
		c.at = at + ", " + w.how
	}
}

// done returns what is left.
func (c *cutter) done() (*vfs.Mem, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got == nil {
		c.take("the end")
	}
	return c.got, c.at
}

func (l *life) cutter(disk *vfs.Mem) *cutter {
	return &cutter{disk: disk, rng: rand.New(rand.NewPCG(l.rng.Uint64(), 1)), left: l.rng.IntN(1 + l.rng.IntN(25))}
}

// crashDuring has the server crash at some moment of a step.
func (l *life) crashDuring(s step) {
	before, seen := l.want.clone(), l.seen
	c := l.cutter(l.r.disk)
	l.r.fs.SetInjector(c)
	l.do(s)
	l.r.fs.SetInjector(nil)
	if l.t.Failed() {
		return
	}
	left, at := c.done()
	l.tell("crash at %s", at)
	l.met["crash"]++
	l.r.stop()
	l.reopen(left, before, seen, l.isCopy)
}

// isCopy reports whether a picture is of a stream that copies others, or of a consumer
// there: it goes on by itself.
func (l *life) isCopy(name string) bool {
	name, _, _ = strings.Cut(name, ">")
	return name == "M" || name == "G"
}

// stop stops the server in good order.
func (l *life) stop(s step) {
	l.do(s)
	l.tell("stop")
	l.met["stop"]++
	l.r.stop()
	l.reopen(l.r.disk, l.want, l.seen, l.isCopy)
}

// faultDuring has the disk fail during a step, which a twin does on a good one.
func (l *life) faultDuring(s step) {
	synctest.Wait()
	before, seen := l.want.clone(), l.seen
	r := l.r
	l.r = newRig(l.t, r.disk.CrashClone(vfs.Killed), l.setting())
	l.do(s)
	l.r.stop()
	l.r = r
	if l.t.Failed() {
		return
	}
	r.tolerant, r.patience = true, 300*time.Millisecond
	n := uint64(1 + l.rng.IntN(20))
	switch l.rng.IntN(4) {
	case 0:
		l.tell("the disk is full")
		l.met["full disk"]++
		r.fs.LimitSpace(l.rng.Int64N(3000))
	case 1:
		l.tell("operation %d of the disk fails, though it is done", n)
		l.met["failed operation"]++
		r.fs.SetInjector(errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: errBadDisk, After: true}))
	case 2:
		l.tell("the disk fails from operation %d on", n)
		l.met["dying disk"]++
		r.fs.SetInjector(errorfs.FailFrom(n, errorfs.Every, errorfs.Fault{Err: errBadDisk}))
	default:
		l.tell("operation %d of the disk fails", n)
		l.met["failed operation"]++
		r.fs.SetInjector(errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: errBadDisk}))
	}
	confirmed := s.run(r)
	if confirmed && !s.open {
		l.met["in spite of that confirmed"]++
		seen = l.seen
	}
	synctest.Wait()
	if l.rng.IntN(3) == 0 {
		r.fs.SetInjector(nil)
		r.fs.LimitSpace(-1)
	}
	c := l.cutter(r.disk)
	left, at := c.done()
	l.tell("crash at %s; confirmed: %v", at, confirmed)
	r.stop()
	// The twin's log is not the same to the nanosecond.
	l.reopen(left, before, seen, func(name string) bool { return l.isCopy(name) || strings.HasSuffix(name, ">") })
}

var errBadDisk = errors.New("a bad disk")

// reopen goes on with what is left, which is as it was seen, or as it is seen now, but
// for what is skipped; the model was before then.
func (l *life) reopen(left *vfs.Mem, before *model, seen pictures, skip func(string) bool) {
	if l.rng.IntN(10) == 0 {
		l.tell("another key")
		l.newKey()
	}
	options := []rigOption{l.setting()}
	for l.rng.IntN(4) == 0 {
		// It crashes again while it starts.
		c := l.cutter(left)
		l.r = newRig(l.t, left, append(options, func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) { r.fs.SetInjector(c) })...)
		synctest.Wait()
		var at string
		left, at = c.done()
		l.tell("started, crash at %s", at)
		l.met["crash at the start"]++
		l.r.stop()
	}
	l.r = newRig(l.t, left, options...)
	// What is left to be done about the last step is done.
	time.Sleep(2 * pause)
	got := l.r.pictures()
	after := l.seen
	if fault := got.isEither(seen, after, skip); fault != "" {
		l.t.Errorf("after the start: %s", fault)
		return
	}
	for _, list := range []pictures{seen, after} {
		for name := range list {
			if got[name] == after[name] || skip(name) && !strings.Contains(name, ">") && (got[name] == "") == (after[name] == "") {
				continue
			}
			l.want.adopt(name, before)
			if k := l.want.consumers[name]; k != nil && got[name] != seen[name] {
				k.held, k.unsure = nil, true
			}
		}
	}
	// Steps are a while apart again.
	time.Sleep(aWhile - time.Since(l.born)%aWhile)
	synctest.Wait()
	l.want.tick(time.Now())
	l.seen = l.r.pictures()
	l.want.compare(l.r)
}

// drain looks that all that is not settled is delivered, and all that was to be copied
// is there.
func (l *life) drain() {
	l.tell("the end")
	time.Sleep(30 * time.Second)
	synctest.Wait()
	l.want.tick(time.Now())
	l.want.compare(l.r)
	for key, k := range l.want.consumers {
		name, consumer, _ := strings.Cut(key, ">")
		s := l.r.e.stream(l.r.e.assigned(l.r.acc.Name(), name).Group.ID)
		open := map[uint64]bool{}
		var m store.Message
		for seq := store.Seq(1); s.store.Next(nil, seq, &m) == nil; seq = m.Seq + 1 {
			if f := k.cfg.FilterSubject; (f == "" || subject.Matches(string(m.Subject), []byte(f))) && !k.settled[uint64(m.Seq)] {
				open[uint64(m.Seq)] = true
			}
		}
		all := len(open)
		for {
			list, ok := l.r.pull(name, consumer, 50)
			if !ok {
				l.t.Errorf("%s: no answer to a pull", key)
				return
			}
			for _, d := range list {
				if !open[d.StreamSeq] {
					l.t.Errorf("%s: message %d is delivered, and was settled, or is twice", key, d.StreamSeq)
				}
				delete(open, d.StreamSeq)
			}
			if len(list) == 0 {
				break
			}
		}
		if len(open) > 0 && !k.unsure {
			l.t.Errorf("%s: %d of %d messages are not delivered: %v", key, len(open), all, open)
		}
	}
	l.copies()
}

// copies looks that streams which copy others have everything once.
func (l *life) copies() {
	for _, name := range []string{"M", "G"} {
		s := l.want.streams[name]
		if s == nil {
			continue
		}
		there := map[string]int{}
		for _, data := range l.r.contents(name) {
			if there[data]++; there[data] == 2 {
				l.t.Errorf("stream %s has %q twice", name, data)
			}
		}
		for _, src := range s.cfg.Sources {
			origin := l.want.streams[src.Name]
			if origin == nil {
				continue
			}
			for _, o := range origin.list {
				if there[o.data] == 0 {
					l.t.Errorf("stream %s lacks message %d of %s", name, o.seq, src.Name)
				}
			}
		}
	}
}
