package jetstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// picture describes all that clients can rely on, as text.
func (r *rig) picture() string {
	r.t.Helper()
	var b strings.Builder
	streams := must[api.StreamListResponse](r, subjectOf(api.OpStreamList), nil).Streams
	slices.SortFunc(streams, func(a, b *api.StreamInfo) int { return strings.Compare(a.Config.Name, b.Config.Name) })
	for _, s := range streams {
		name := s.Config.Name
		fmt.Fprintf(&b, "stream %s created %d, max %d %d, %v, last %d:", name, s.Created.UnixNano(), s.Config.MaxMsgs, s.Config.MaxMsgSize, s.Config.Subjects, s.State.LastSeq)
		for seq := max(s.State.FirstSeq, 1); seq <= s.State.LastSeq; seq++ {
			if m, err := r.get(name, seq); err == nil {
				fmt.Fprintf(&b, " %d=%s@%d", seq, m.Data, m.Time.UnixNano())
			}
		}
		b.WriteByte('\n')
		consumers := must[api.ConsumerListResponse](r, subjectOf(api.OpConsumerList, name), nil).Consumers
		slices.SortFunc(consumers, func(a, b *api.ConsumerInfo) int { return strings.Compare(a.Name, b.Name) })
		for _, c := range consumers {
			// How far it is in the stream depends on what it has passed over meanwhile.
			fmt.Fprintf(&b, "  consumer %s created %d, waits %v, delivered %d, floor %d, %d pending, %d again, %d left\n", c.Name, c.Created.UnixNano(),
				c.Config.AckWait, c.Delivered.Consumer, c.AckFloor.Consumer, c.NumAckPending, c.NumRedelivered, c.NumPending)
		}
	}
	return b.String()
}

// life is what is done to a server, step after step. Each step is answered before the
// next one begins.
func life(rng *rand.Rand, steps int) []func(*rig) {
	type held struct{ list []delivered }
	holds := map[string]*held{}
	streams := map[string]*api.StreamConfig{}
	consumers := map[string]bool{}
	names := []string{"A", "B", "C"}
	var list []func(*rig)
	for n := 0; len(list) < steps; n++ {
		name := names[rng.IntN(len(names))]
		cfg := streams[name]
		key := name + string("xy"[rng.IntN(2)])
		consumer := key[1:]
		if cfg == nil {
			c := &api.StreamConfig{Name: name, Subjects: []string{name + ".>"}, MaxMsgs: 50, Retention: []api.Retention{api.RetainLimits, api.RetainInterest, api.RetainLimits}[rng.IntN(3)]}
			streams[name] = c
			made := *c
			list = append(list, func(r *rig) { r.create(&made) })
			continue
		}
		switch p := rng.IntN(100); {
		case p < 40:
			data, subject := fmt.Sprint("m", n), fmt.Sprintf("%s.%d", name, rng.IntN(3))
			list = append(list, func(r *rig) { r.store(subject, data) })
		case p < 55 && !consumers[key], p < 45:
			filter := ""
			if consumer == "y" {
				filter = name + ".1"
			}
			wait := time.Duration(1+rng.IntN(5)) * time.Hour
			consumers[key] = true
			list = append(list, func(r *rig) {
				r.consume(name, &api.ConsumerConfig{Name: consumer, Durable: consumer, AckPolicy: api.AckExplicit, FilterSubject: filter, AckWait: wait})
			})
		case p < 75 && consumers[key]:
			h := &held{}
			holds[key] = h
			batch := 1 + rng.IntN(4)
			list = append(list, func(r *rig) { h.list = r.fetch(name, consumer, batch) })
		case p < 90 && holds[key] != nil:
			h := holds[key]
			at, what := rng.Float64(), []string{"+ACK", "+ACK", "-NAK", "+TERM"}[rng.IntN(4)]
			list = append(list, func(r *rig) {
				if i := int(at * float64(len(h.list))); i < len(h.list) {
					r.ack(&h.list[i], what)
					h.list = slices.Delete(slices.Clone(h.list), i, i+1)
				}
			})
		case p < 92:
			list = append(list, func(r *rig) { r.purge(name) })
		case p < 94:
			at := rng.Float64()
			list = append(list, func(r *rig) {
				st := r.info(name).State
				seq := st.FirstSeq + uint64(at*float64(st.LastSeq-st.FirstSeq+1))
				if _, err := r.get(name, seq); err == nil {
					r.deleteMsg(name, seq)
				}
			})
		case p < 96:
			cfg.MaxMsgs = int64(5 + rng.IntN(40))
			made := *cfg
			list = append(list, func(r *rig) { r.update(&made) })
		case p < 98 && consumers[key]:
			delete(consumers, key)
			delete(holds, key)
			list = append(list, func(r *rig) { must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, name, consumer), nil) })
		case p < 99:
			delete(streams, name)
			for _, c := range []string{"x", "y"} {
				delete(consumers, name+c)
				delete(holds, name+c)
			}
			list = append(list, func(r *rig) { r.remove(name) })
		}
	}
	return list
}

// cut is what a crash in a step may leave.
type cut struct {
	step int
	disk *vfs.Mem
	how  string
}

// After a crash at any moment everything is as before the step in which it happened,
// or as after it.
func TestLife(t *testing.T) {
	ways := []struct {
		how  string
		opts vfs.CrashOptions
	}{
		{"killed", vfs.Killed},
		{"nothing that was not synced", vfs.CrashOptions{}},
		{"half of what was not synced", vfs.CrashOptions{Page: 0.5, Torn: 0.3, Name: 0.5}},
	}
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			// Some are encrypted, and go on after a crash with another key; one is in
			// clear until then.
			first, then := often, often
			switch seed {
			case 1, 4:
				first, then = encrypted(often, "one"), encrypted(often, "two", "one")
			case 3:
				then = encrypted(often, "one")
			}
			var pictures []string
			var cuts []cut
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), first)
				rng := rand.New(rand.NewPCG(seed, 3))
				steps := life(rng, 80)
				var step atomic.Int64
				var mu sync.Mutex
				r.fs.SetInjector(errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
					mu.Lock()
					defer mu.Unlock()
					if op.Kind.Changes() && (op.Kind.Syncs() && rng.IntN(30) == 0 || rng.IntN(150) == 0) {
						w := ways[rng.IntN(len(ways))]
						w.opts.Rand = rng
						cuts = append(cuts, cut{int(step.Load()), r.disk.CrashClone(w.opts), w.how})
					}
					return errorfs.Fault{}
				}))
				synctest.Wait()
				pictures = append(pictures, r.picture())
				for n, f := range steps {
					step.Store(int64(n + 1))
					f(r)
					synctest.Wait()
					pictures = append(pictures, r.picture())
					time.Sleep(time.Second)
				}
				r.fs.SetInjector(nil)
				r.stop()
			})
			for _, c := range cuts {
				bubble(t, func(t *testing.T) {
					r := newRig(t, c.disk, then)
					defer r.stop()
					// What is left to be done about the last step is done.
					time.Sleep(2 * pause)
					synctest.Wait()
					got := r.picture()
					before, after := pictures[max(c.step-1, 0)], pictures[c.step]
					if got != before && got != after {
						t.Errorf("crash in step %d (%s):\nbefore:\n%s\nafter:\n%s\ngot:\n%s", c.step, c.how, before, after, got)
					}
				})
				if t.Failed() {
					break
				}
			}
			t.Logf("%d crashes", len(cuts))
		})
	}
}
