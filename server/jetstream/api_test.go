package jetstream

import (
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Whoever has an answer finds its request counted and no longer among those that are
// being worked on, however soon it asks.
func TestAnAnsweredRequestIsNotInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		subject := subjectOf(api.OpAccountInfo)
		tenant := r.e.accounts["A"]
		got := make(chan string, 1)
		sub := &account.Subscription{Subject: "ANSWER", Handler: func(*account.Message) {
			got <- fmt.Sprintf("%d counted, %d in flight", tenant.requests.Load(), tenant.inflight.Load())
		}}
		if err := r.acc.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
		r.send(subject, "ANSWER", nil)
		if at := <-got; at != "1 counted, 0 in flight" {
			t.Errorf("when the answer came: %s", at)
		}
	})
}

func TestConsumersWithoutNamesAreSeveral(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) {
			// As ids are in earnest: a beginning that they share, and a number.
			c.NewID = func() string { return fmt.Sprintf("PrefixPrefix%010d", ids.Add(1)) }
		})
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		names := make(map[string]bool)
		for range 3 {
			in := must[api.ConsumerInfoResponse](r, "$JS.API.CONSUMER.CREATE.S", &api.CreateConsumerRequest{Stream: "S", Config: api.ConsumerConfig{AckPolicy: api.AckExplicit}})
			names[in.Name] = true
			if len(in.Name) != 8 {
				t.Errorf("name %q", in.Name)
			}
		}
		if n := r.info("S").State.Consumers; n != 3 || len(names) != 3 {
			t.Errorf("%d consumers, with the names %v", n, names)
		}
	})
}

// Tools wait for a client that has gone to be forgotten before they go on.
func TestInfoCountsRequestsThatSomebodyWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for range 2 {
			boxes := []*inbox{r.newInbox(), r.newInbox(), r.newInbox()}
			for _, b := range boxes {
				r.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, []byte(`{"batch":1,"expires":60000000000,"idle_heartbeat":15000000000}`))
			}
			if n := r.consumerInfo("S", "C").NumWaiting; n != 3 {
				t.Errorf("%d requests wait", n)
			}
			for i, b := range boxes {
				b.close()
				if n := r.consumerInfo("S", "C").NumWaiting; n != 2-i {
					t.Errorf("%d requests wait when %d of 3 have gone", n, i+1)
				}
			}
		}
	})
}
