package jetstream

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// left returns the numbers of the messages of a stream.
func (r *rig) left(stream string) (list []uint64) {
	r.t.Helper()
	synctest.Wait()
	for seq := uint64(1); seq <= r.info(stream).State.LastSeq; seq++ {
		if _, err := r.get(stream, seq); err == nil {
			list = append(list, seq)
		}
	}
	return list
}

func (r *rig) wantLeft(why, stream string, want ...uint64) {
	r.t.Helper()
	if got := r.left(stream); !slices.Equal(got, want) {
		r.t.Errorf("%s: %v are in the stream, want %v", why, got, want)
	}
}

// A work queue keeps what is not acknowledged, in whatever order it is.
func TestWorkQueue(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Retention: api.RetainWorkQueue})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Minute})
		for i := range 10 {
			r.store("s", fmt.Sprint(i+1))
		}
		list := r.fetch("S", "C", 10)
		// They may come to the consumer at once.
		for _, i := range []int{7, 4, 5, 2, 9} {
			r.send(list[i].reply, "", []byte("+ACK"))
		}
		r.wantLeft("out of order", "S", 1, 2, 4, 7, 9)
		r.ack(&list[0], "+TERM")
		r = again(r)
		r.wantLeft("after a restart", "S", 2, 4, 7, 9)
		time.Sleep(2 * time.Minute)
		list = r.fetch("S", "C", 10)
		if got := seqs(list); !slices.Equal(got, []uint64{2, 4, 7, 9}) {
			t.Fatalf("%v come again", got)
		}
		for _, i := range []int{3, 1, 2, 0} {
			r.send(list[i].reply, "", []byte("+ACK"))
		}
		r.wantLeft("at the end", "S")
		r = again(r)
		defer r.stop()
		if got := r.store("s", "next"); got != 11 {
			t.Errorf("the next message has number %d", got)
		}
	})
}

// What was delivered too often stays, although the consumer goes on behind it.
func TestMaxDeliverStays(t *testing.T) {
	for _, retention := range []api.Retention{api.RetainWorkQueue, api.RetainInterest} {
		t.Run(retention.String(), func(t *testing.T) {
			eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
				r := newRig(t, vfs.NewMem())
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Retention: retention})
				r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Minute, MaxDeliver: 1})
				for range 3 {
					r.store("s", "x")
				}
				list := r.fetch("S", "C", 1)
				late := list[0]
				time.Sleep(2 * time.Minute)
				list = r.fetch("S", "C", 2)
				if got := seqs(list); !slices.Equal(got, []uint64{2, 3}) {
					t.Fatalf("%v come", got)
				}
				r.ack(&list[0], "+ACK")
				r.ack(&list[1], "+ACK")
				r.wantLeft("acknowledged behind it", "S", 1)
				r = again(r)
				r.consumerInfo("S", "C")
				r.wantLeft("after a restart", "S", 1)
				r.ack(&late, "+ACK")
				r.wantLeft("acknowledged late", "S")
				r.stop()
			})
		})
	}
}

// A stream that retains by interest goes by what its consumers want at the moment.
func TestInterest(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Retention: api.RetainInterest})
		r.store("s.a", "unwanted")
		r.wantLeft("nobody is there", "S")
		c := api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, FilterSubject: "s.a", AckWait: time.Minute}
		r.consume("S", &c)
		r.store("s.a", "2")
		r.store("s.b", "3")
		r.wantLeft("s.a is wanted", "S", 2)
		c.FilterSubject = "s.b"
		r.consume("S", &c)
		r.store("s.a", "4")
		r.store("s.b", "5")
		r.wantLeft("s.b is wanted", "S", 5)
		d := api.ConsumerConfig{Name: "D", Durable: "D", AckPolicy: api.AckExplicit, AckWait: time.Minute}
		r.consume("S", &d)
		r.store("s.c", "6")
		r = again(r)
		r.wantLeft("after a restart", "S", 5, 6)
		for _, c := range []string{"C", "D"} {
			for _, m := range r.fetch("S", c, 5) {
				r.ack(&m, "+ACK")
			}
		}
		r.wantLeft("all is acknowledged", "S")
		r.store("s.c", "7")
		must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "S", "D"), nil)
		r.wantLeft("who wanted it is gone", "S")
		// One that comes again under its name begins anew.
		r.store("s.b", "8")
		if m := r.fetch("S", "C", 5); len(m) != 1 || m[0].StreamSeq != 8 {
			t.Fatalf("got %v", seqs(m))
		}
		r.consume("S", &d)
		r.store("s.b", "9")
		must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "S", "C"), nil)
		r.wantLeft("D wants what was there", "S", 8, 9)
		must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "S", "D"), nil)
		r = again(r)
		r.wantLeft("nobody is left", "S")
		r.store("s.b", "unwanted")
		r.wantLeft("nobody is left, still", "S")
		r.stop()
	})
}

// A stream that begins to retain by interest keeps what its consumers have not
// acknowledged.
func TestBecomesInterest(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		c := api.StreamConfig{Name: "S", Subjects: []string{"s"}}
		r.create(&c)
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Minute})
		for range 5 {
			r.store("s", "x")
		}
		list := r.fetch("S", "C", 4)
		for _, i := range []int{0, 1, 3} {
			r.ack(&list[i], "+ACK")
		}
		c.Retention = api.RetainInterest
		r.update(&c)
		r.consumerInfo("S", "C")
		synctest.Wait()
		time.Sleep(2 * pause)
		r.wantLeft("changed", "S", 3, 5)
		r = again(r)
		defer r.stop()
		r.consumerInfo("S", "C")
		r.wantLeft("after a restart", "S", 3, 5)
		r.store("s", "6")
		time.Sleep(2 * time.Minute)
		for _, m := range r.fetch("S", "C", 5) {
			r.ack(&m, "+ACK")
		}
		r.wantLeft("all is acknowledged", "S")
	})
}

// A consumer of a work queue that begins to lead tells all that it is done with, and
// nothing of what is another consumer's goes for that.
func TestWorkQueueOfSeveralAfterRestart(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Retention: api.RetainWorkQueue})
		for _, name := range []string{"a", "b"} {
			r.consume("S", &api.ConsumerConfig{Name: name, Durable: name, AckPolicy: api.AckExplicit, FilterSubject: "s." + name})
		}
		for range 3 {
			r.store("s.b", "x")
			r.store("s.a", "x")
		}
		list := r.fetch("S", "a", 3)
		r.ack(&list[0], "+ACK")
		r = again(r)
		defer r.stop()
		r.consumerInfo("S", "a")
		synctest.Wait()
		if n := r.info("S").State.Msgs; n != 5 {
			t.Errorf("%d messages of 5 are left", n)
		}
		if list := r.fetch("S", "b", 5); len(list) != 3 {
			t.Errorf("%d messages are delivered", len(list))
		}
	})
}

// However often a stream begins and ends to retain by interest, and whatever is
// acknowledged meanwhile, in whatever order: while it does, it has what some consumer
// still wants, and while it does not, what it had keeps.
func TestRetentionChanges(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
				rng := rand.New(rand.NewPCG(seed, 3))
				r := newRig(t, vfs.NewMem(), often)
				defer func() { r.stop() }()
				cfg := api.StreamConfig{Name: "S", Subjects: []string{"s.*"}}
				r.create(&cfg)
				filters := map[string]string{"C": "", "D": "s.a"}
				for name, filter := range filters {
					r.consume("S", &api.ConsumerConfig{Name: name, Durable: name, AckPolicy: api.AckExplicit, FilterSubject: filter, AckWait: 1000 * time.Hour, MaxAckPending: 1000})
				}
				subjects := map[uint64]string{} // of the messages that have to be there
				acked := map[string]map[uint64]bool{"C": {}, "D": {}}
				pending := map[string][]delivered{}
				settle := func() {
					if cfg.Retention != api.RetainInterest {
						return
					}
					for seq, subject := range subjects {
						wanted := !acked["C"][seq] || subject == "s.a" && !acked["D"][seq]
						if !wanted {
							delete(subjects, seq)
						}
					}
				}
				for step := range 60 {
					name := []string{"C", "D"}[rng.IntN(2)]
					switch p := rng.IntN(20); {
					case p < 8:
						subject := []string{"s.a", "s.b"}[rng.IntN(2)]
						subjects[r.store(subject, "x")] = subject
					case p < 11:
						pending[name] = append(pending[name], r.fetch("S", name, 1+rng.IntN(4))...)
					case p < 17:
						if list := pending[name]; len(list) > 0 {
							i := rng.IntN(len(list))
							r.ack(&list[i], "+ACK")
							acked[name][list[i].StreamSeq] = true
							pending[name] = slices.Delete(list, i, i+1)
						}
					case p < 19:
						if cfg.Retention++; cfg.Retention > api.RetainInterest {
							cfg.Retention = api.RetainLimits
						}
						r.update(&cfg)
					default:
						time.Sleep(2 * pause)
						r = again(r)
						r.tolerant = true
					}
					settle()
					if step%10 != 9 {
						continue
					}
					time.Sleep(2 * pause)
					r.wantLeft(fmt.Sprintf("step %d, %v", step, cfg.Retention), "S", slices.Sorted(maps.Keys(subjects))...)
					if t.Failed() {
						return
					}
				}
			})
		})
	}
}

// Work queues stay what they are.
func TestWorkQueueIsForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		for _, c := range [][2]api.Retention{
			{api.RetainLimits, api.RetainWorkQueue},
			{api.RetainInterest, api.RetainWorkQueue},
			{api.RetainWorkQueue, api.RetainLimits},
			{api.RetainWorkQueue, api.RetainInterest},
		} {
			cfg := api.StreamConfig{Name: "S", Subjects: []string{"s"}, Retention: c[0]}
			r.create(&cfg)
			cfg.Retention = c[1]
			_, err := call[api.StreamUpdateResponse](r, subjectOf(api.OpStreamUpdate, "S"), &cfg)
			if want := "stream configuration update can not change retention policy to/from workqueue"; err == nil || err.Description != want || err.ErrCode != 10052 {
				t.Errorf("from %v to %v: %v", c[0], c[1], err)
			}
			r.remove("S")
		}
	})
}
