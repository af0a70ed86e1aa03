package jetstream

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// oneAtATime has one job at a time work on the disk.
func oneAtATime(_ *rig, _ *wal.Config, _ *host.Config, c *Config) { c.Queues.ConcurrentIO = 1 }

// A stream that is made again under its name has nothing of the one before.
func TestMadeAgain(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		for round := range 3 {
			r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
			r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
			for i := range 5 {
				if seq := r.store("s", fmt.Sprint(round)); seq != uint64(i+1) {
					t.Fatalf("round %d: message %d has number %d", round, i+1, seq)
				}
			}
			list := r.fetch("S", "C", 10)
			if len(list) != 5 || list[0].data != fmt.Sprint(round) {
				t.Fatalf("round %d: got %v", round, seqs(list))
			}
			r = again(r)
			if in := r.consumerInfo("S", "C"); in.NumAckPending != 5 {
				t.Errorf("round %d: %+v", round, in)
			}
			r.remove("S")
			if _, ok := r.publish("s", "x"); ok {
				t.Errorf("round %d: somebody answers for a stream that is deleted", round)
			}
		}
		r = again(r)
		if groups := r.log.Groups(); len(groups) != 1 {
			t.Errorf("%d groups are left in the log", len(groups))
		}
		for _, dir := range []string{"js/streams", "js/lost"} {
			if list, err := r.disk.List(dir); err == nil && len(list) > 0 {
				t.Errorf("%d directories are left in %s", len(list), dir)
			}
		}
		r.stop()
	})
}

// Streams that come and go at once, with one job at a time on the disk, do not wait
// for each other for ever.
func TestComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), oneAtATime)
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				name := fmt.Sprintf("S%d", i%10)
				for range 5 {
					// Others create and delete the same: any answer will do, but there is one.
					for _, q := range []struct {
						subject string
						body    any
					}{
						{subjectOf(api.OpStreamCreate, name), &api.StreamConfig{Name: name, Subjects: []string{name}}},
						{subjectOf(api.OpConsumerCreate, name, "C"), &api.CreateConsumerRequest{Stream: name, Config: api.ConsumerConfig{Name: "C", AckPolicy: api.AckExplicit}}},
						{subjectOf(api.OpStreamInfo, name), nil},
						{subjectOf(api.OpConsumerInfo, name, "C"), nil},
						{subjectOf(api.OpStreamPurge, name), nil},
						{subjectOf(api.OpStreamDelete, name), nil},
					} {
						if _, ok := r.ask(q.subject, q.body); !ok {
							t.Errorf("no answer to %s", q.subject)
						}
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		for i := range 10 {
			// They may or may not be there.
			_, _ = r.ask(subjectOf(api.OpStreamDelete, fmt.Sprintf("S%d", i)), nil)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if groups := r.log.Groups(); len(groups) != 1 {
			t.Errorf("%d groups are left in the log", len(groups))
		}
		// Nobody listens any more to what they listened to.
		api := len(r.e.accounts["A"].subs)
		if left := r.acc.Subscriptions(""); len(left) != api {
			for _, s := range left[:min(len(left), 5)] {
				t.Logf("left: %s", s.Subject)
			}
			t.Errorf("%d subscriptions are left, want %d", len(left), api)
		}
		r.stop()
	})
}

// Requests are answered while streams are opened after a start, also when they delete
// what was not opened yet.
func TestDeleteWhileOpening(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		const n = 60
		for i := range n {
			name := fmt.Sprintf("S%d", i)
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name}})
			r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		}
		left := r.disk.CrashClone(vfs.Killed)
		r.stop()
		asked := make(chan *inbox, n)
		r = newRig(t, left, oneAtATime, func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
			// As soon as it listens.
			go func() {
				for !r.acc.Interest().HasInterest([]byte(subjectOf(api.OpStreamDelete, "S"))) {
					time.Sleep(time.Nanosecond)
				}
				for i := range n {
					b := r.newInbox()
					m := account.NewMessage(subjectOf(api.OpStreamDelete, fmt.Sprintf("S%d", i)), nil)
					m.Reply = []byte(b.sub.Subject)
					r.acc.Publish(m)
					asked <- b
				}
			}()
		})
		for range n {
			if m, ok := (<-asked).next(r.patience); !ok {
				t.Error("no answer")
			} else if m.data != `{"type":"io.nats.jetstream.api.v1.stream_delete_response","success":true}` {
				t.Error(m.data)
			}
		}
		r.stop()
	})
}
