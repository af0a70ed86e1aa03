package jetstream

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// narrow lets little be on its way.
func narrow(r *rig, _ *wal.Config, c *host.Config, _ *Config) {
	r.tolerant = true
	c.MaxGroupBytes, c.MaxHostBytes = 3000, 3500
}

// drink takes and acknowledges what a consumer has until nothing comes any more, and
// returns the numbers whose acknowledgement was answered.
func (r *rig) drink(stream, consumer string) map[uint64]bool {
	r.t.Helper()
	answered := map[uint64]bool{}
	for quiet := 0; quiet < 3; {
		list := r.fetch(stream, consumer, 20)
		if len(list) == 0 {
			quiet++
			time.Sleep(time.Minute)
			continue
		}
		quiet = 0
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range list {
			wg.Go(func() {
				if _, ok := r.ask(list[i].reply, []byte("+ACK")); ok {
					mu.Lock()
					answered[list[i].StreamSeq] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	return answered
}

// When there is more to do than the groups take, it is done later: what was
// acknowledged leaves the stream, and nothing is delivered for ever.
func TestOverload(t *testing.T) {
	for _, retention := range []api.Retention{api.RetainWorkQueue, api.RetainInterest} {
		t.Run(retention.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), narrow)
				defer r.stop()
				cfg := &api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Retention: retention, MaxAge: 100 * time.Hour}
				r.create(cfg)
				consumers := []string{"a", "b"}
				for _, c := range consumers {
					filter := "s." + c
					if retention == api.RetainInterest {
						filter = "s.>"
					}
					r.consume("S", &api.ConsumerConfig{Name: c, Durable: c, AckPolicy: api.AckExplicit, FilterSubject: filter, AckWait: 30 * time.Second})
				}
				r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: 5 * time.Millisecond}))
				var wg sync.WaitGroup
				stored := map[uint64]bool{}
				var mu sync.Mutex
				for p := range 20 {
					wg.Go(func() {
						for i := range 10 {
							for {
								ack, ok := r.publish("s."+consumers[(p+i)%2], strings.Repeat("x", 500))
								if ok && ack.Error == nil {
									mu.Lock()
									if stored[ack.Sequence] {
										t.Errorf("number %d is given twice", ack.Sequence)
									}
									stored[ack.Sequence] = true
									mu.Unlock()
									break
								}
								time.Sleep(time.Millisecond)
							}
						}
					})
				}
				for _, c := range consumers {
					wg.Go(func() { r.drink("S", c) })
				}
				// insist makes a request until it works.
				insist := func(subject string, body any) {
					for {
						m, ok := r.ask(subject, body)
						if ok && !strings.Contains(m.data, `"error"`) {
							return
						}
						time.Sleep(time.Millisecond)
					}
				}
				wg.Go(func() {
					// It wants everything, for a while.
					filter := "s.c"
					if retention == api.RetainInterest {
						filter = "s.>"
					}
					for range 5 {
						insist(subjectOf(api.OpConsumerCreate, "S", "c"), &api.CreateConsumerRequest{
							Stream: "S", Config: api.ConsumerConfig{Name: "c", Durable: "c", AckPolicy: api.AckExplicit, FilterSubject: filter},
						})
						insist(subjectOf(api.OpConsumerDelete, "S", "c"), nil)
					}
				})
				wg.Go(func() {
					for i := range 10 {
						c := *cfg
						c.MaxMsgSize = int32(1000 - i)
						insist(subjectOf(api.OpStreamUpdate, "S"), &c)
					}
				})
				wg.Wait()
				for _, c := range consumers {
					r.drink("S", c)
				}
				synctest.Wait()
				if len(stored) != 200 {
					t.Errorf("%d messages were stored", len(stored))
				}
				if ack, ok := r.publish("s.a", strings.Repeat("x", 992)); !ok || ack.Error == nil {
					t.Errorf("not the last configuration is in force: %+v", ack)
				}
				if st := r.info("S").State; st.Msgs != 0 {
					t.Errorf("%d messages are left though all are acknowledged", st.Msgs)
				}
			})
		})
	}
}

// A disk that is full now and then loses no acknowledgement, neither of publishers nor
// of consumers.
func TestFullNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant, often)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Retention: api.RetainWorkQueue})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: 30 * time.Second})
		rng := rand.New(rand.NewPCG(5, 5))
		stored, done := map[uint64]bool{}, map[uint64]bool{}
		for range 40 {
			if rng.IntN(2) == 0 {
				r.fs.LimitSpace(int64(rng.IntN(300_000)))
			} else {
				r.fs.LimitSpace(-1)
			}
			for range 4 {
				if ack, ok := r.publish("s", strings.Repeat("x", 20_000)); ok && ack.Error == nil {
					if stored[ack.Sequence] {
						t.Fatalf("number %d is given twice", ack.Sequence)
					}
					stored[ack.Sequence] = true
				}
			}
			// The consumer may be gone for a while, with its stream.
			b := r.newInbox()
			r.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, mustJSON(&api.PullRequest{Batch: 3, Expires: time.Second}))
			for {
				m, ok := b.next(2 * time.Second)
				if !ok || strings.HasPrefix(m.header, "NATS/1.0 4") {
					break
				}
				d := asDelivered(t, m)
				if done[d.StreamSeq] {
					t.Errorf("message %d comes again", d.StreamSeq)
				}
				if _, ok := r.ask(m.reply, []byte("+ACK")); ok {
					done[d.StreamSeq] = true
				}
			}
			b.close()
		}
		r.fs.LimitSpace(-1)
		time.Sleep(time.Minute)
		check := func() {
			t.Helper()
			left := map[uint64]bool{}
			for _, seq := range r.left("S") {
				left[seq] = true
				if done[seq] {
					t.Errorf("message %d is there though it was acknowledged", seq)
				}
			}
			for seq := range stored {
				if !done[seq] && !left[seq] {
					t.Errorf("message %d is lost", seq)
				}
			}
		}
		check()
		r = r.crash(vfs.CrashOptions{})
		defer r.stop()
		r.consumerInfo("S", "C")
		check()
		if len(stored) < 20 || len(done) < 10 {
			t.Errorf("only %d messages and %d acknowledgements", len(stored), len(done))
		}
		r.drink("S", "C")
		if n := r.info("S").State.Msgs; n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}
