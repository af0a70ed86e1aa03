package jetstream

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

var powerAll = flag.Bool("power.all", false, "cut the power at every operation of the disk, not only at some")

// script is a life in which everything happens once or more that a stream and a consumer
// can do about what they keep.
func script() (list []func(*model) step) {
	do := func(steps ...step) {
		for _, s := range steps {
			list = append(list, func(*model) step { return s })
		}
	}
	// settled answers for the nth message that a consumer holds.
	settled := func(stream, consumer string, n int, what string) {
		list = append(list, func(m *model) step {
			return settle(stream, consumer, m.consumers[consumerKey(stream, consumer)].held[n], what)
		})
	}
	plain := func(subject, data string) published { return published{subject: subject, data: data} }
	config := func(name string, c api.StreamConfig) api.StreamConfig {
		c.Name, c.Subjects = name, []string{name + ".>"}
		c.DuplicateWindow, c.AllowMsgTTL, c.AllowRollup, c.AllowAtomic = 5*time.Second, true, true, true
		return c
	}
	consumer := func(name string) api.ConsumerConfig {
		return api.ConsumerConfig{Name: name, Durable: name, AckPolicy: api.AckExplicit, AckWait: 3 * time.Second}
	}
	limited := config("L", api.StreamConfig{MaxMsgs: 12})
	do(
		createStream("L", limited, false),
		createStream("K", config("K", api.StreamConfig{MaxMsgsPerSubject: 2}), false),
		createStream("A", config("A", api.StreamConfig{MaxAge: 5 * time.Second, Compression: api.S2Compression}), false),
		createStream("W", config("W", api.StreamConfig{Retention: api.RetainWorkQueue}), false),
		createStream("I", config("I", api.StreamConfig{Retention: api.RetainInterest}), false),
		createStream("M", api.StreamConfig{Name: "M", Mirror: &api.StreamSource{Name: "K"}}, false),
		createStream("G", api.StreamConfig{Name: "G", Sources: []*api.StreamSource{{Name: "L"}, {Name: "A"}}}, false),
		createConsumer("L", consumer("x")), createConsumer("W", consumer("x")),
		createConsumer("I", consumer("x")), createConsumer("I", consumer("y")),
		// Message ids, expiry by the message's and by the stream's age.
		publish("L", published{subject: "L.1", data: "l1", id: "a"}),
		publish("L", published{subject: "L.1", data: "l2", id: "a"}),
		publish("L", published{subject: "L.2", data: "l3", ttl: 2 * time.Second}),
		publish("A", plain("A.1", "a1")),
		publish("A", published{subject: "A.2", data: "a2", ttl: time.Second}),
		// Batches, limits and rollups.
		publish("L", plain("L.1", "l4"), plain("L.2", "l5"), plain("L.3", "l6")),
		publish("K", plain("K.1", "k1")), publish("K", plain("K.1", "k2")), publish("K", plain("K.1", "k3")),
		publish("K", plain("K.2", "k4"), plain("K.2", "k5"), plain("K.2", "k6"), plain("K.1", "k7")),
		publish("K", published{subject: "K.1", data: "k8", rollup: "sub"}),
		publish("K", published{subject: "K.3", data: "k9", rollup: "all"}),
		publish("W", plain("W.1", "w1"), plain("W.1", "w2")), publish("W", plain("W.1", "w3")), publish("W", plain("W.1", "w4")),
		publish("I", plain("I.1", "i1")), publish("I", plain("I.2", "i2")),
		wait(),
		// What consumers do.
		pull("L", "x", 4), pull("W", "x", 3), pull("I", "x", 2), pull("I", "y", 1),
	)
	settled("L", "x", 1, "+ACK")
	settled("L", "x", 0, "-NAK")
	settled("L", "x", 0, "+TERM")
	settled("W", "x", 1, "+ACK")
	settled("W", "x", 0, "+WPI")
	settled("W", "x", 0, "+ACK")
	settled("I", "x", 0, "+ACK")
	settled("I", "y", 0, "+ACK")
	do(
		pauseConsumer("L", "x", 2*time.Second),
		wait(), wait(),
		pull("L", "x", 1), pull("W", "x", 2),
		// Removing.
		deleteMessage("L", 4, true), deleteMessage("L", 5, false),
		publish("L", plain("L.4", "l7")), publish("L", plain("L.4", "l8")), publish("L", plain("L.5", "l9")),
		purge("L", api.StreamPurgeRequest{Subject: "L.4", Keep: 1}),
		purge("L", api.StreamPurgeRequest{Sequence: 4}),
		publish("L", plain("L.6", "l10")),
		purge("L", api.StreamPurgeRequest{Keep: 2}),
		purge("L", api.StreamPurgeRequest{Subject: "L.5"}),
		purge("K", api.StreamPurgeRequest{}),
		publish("K", plain("K.1", "k10")),
		deleteConsumer("I", "y"),
	)
	for n := range 16 {
		do(publish("L", plain("L.7", "many"+string(rune('a'+n)))))
	}
	// Another configuration, and another stream under the same name.
	limited.MaxMsgs = 5
	do(
		createStream("L", limited, true),
		deleteStream("W"), createStream("W", config("W", api.StreamConfig{}), false), createConsumer("W", consumer("x")),
		publish("W", plain("W.1", "new1")), pull("W", "x", 1),
		deleteStream("A"),
		wait(), wait(),
		publish("K", plain("K.9", "k11")), publish("I", plain("I.1", "i3")),
		wait(), wait(), wait(),
	)
	return list
}

// powerCut is what is left after one in a step.
type powerCut struct {
	step int
	at   string
	disk *vfs.Mem
	time time.Time
}

// Is all that was promised kept when the power goes, at whatever operation of the disk?
// Each cut is followed by a start, after which each asset is as before the step in which
// the power went, or as after it; then everything is delivered and nothing comes twice
// that was settled.
func TestPowerCuts(t *testing.T) {
	for name, every := range map[string]intervals{
		"checkpoints often": {streamBytes: 800, consumerFrames: 6, metaOps: 4, blockBytes: 1024},
		"never":             {streamBytes: 1 << 30, consumerFrames: 1 << 30, metaOps: 1 << 30},
	} {
		t.Run(name, func(t *testing.T) { powerCuts(t, every) })
	}
}

func powerCuts(t *testing.T, every intervals) {
	setting := func(r *rig, lc *wal.Config, _ *host.Config, _ *Config) {
		r.every, lc.SegmentBytes = every, 32<<10
	}
	var (
		cuts   []powerCut
		seen   []pictures
		wanted []*model
		ends   []time.Time
		born   time.Time
		mu     sync.Mutex
		step   int
		ops    int
	)
	bubble(t, func(t *testing.T) {
		born = time.Now()
		l := &life{t: t, born: born, want: newModel(), met: map[string]int{}}
		l.r = newRig(t, vfs.NewMem(), setting)
		note := func() {
			seen, wanted, ends = append(seen, l.seen), append(wanted, l.want.clone()), append(ends, time.Now())
		}
		l.seen = l.r.pictures()
		note()
		rng := rand.New(rand.NewPCG(1, 2))
		l.r.fs.SetInjector(errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			mu.Lock()
			defer mu.Unlock()
			if !op.Kind.Changes() {
				return errorfs.Fault{}
			}
			ops++
			for _, w := range ways {
				if *powerAll || rng.IntN(powerSample()) == 0 {
					w.opts.Rand = rand.New(rand.NewPCG(uint64(ops), 3))
					cuts = append(cuts, powerCut{step, op.String() + ", " + w.how, l.r.disk.CrashClone(w.opts), time.Now()})
				}
			}
			return errorfs.Fault{}
		}))
		for n, next := range script() {
			mu.Lock()
			step = n + 1
			mu.Unlock()
			l.do(next(l.want))
			note()
		}
		l.r.fs.SetInjector(nil)
		l.r.stop()
	})
	if t.Failed() {
		return
	}
	for i, c := range cuts {
		cuts[i].disk = nil // let go of it
		bubble(t, func(t *testing.T) {
			l := &life{t: t, born: born, rng: rand.New(rand.NewPCG(uint64(i), 4)), met: map[string]int{}}
			l.want, l.seen = wanted[c.step].clone(), seen[c.step]
			time.Sleep(time.Until(ends[c.step]))
			l.tell("step %d: %s", c.step, c.at)
			before := max(c.step-1, 0)
			l.reopen(c.disk, wanted[before], seen[before], l.isCopy)
			if !t.Failed() && (i%8 == 0 || *powerAll) {
				l.drain()
			}
			l.r.stop()
			synctest.Wait()
		})
		if t.Failed() {
			t.Fatalf("step %d: %s", c.step, c.at)
		}
	}
	t.Logf("%d steps, %d operations of the disk, %d cuts", len(seen)-1, ops, len(cuts))
}

// powerSample is how many cuts there could be for each that is tried.
func powerSample() int {
	if race.Enabled {
		return 300
	}
	return 12
}
