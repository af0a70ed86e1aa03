package jetstream

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

func TestPublishAndConsume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}})
		for i := range 3 {
			if seq := r.store("s.a", "x"); seq != uint64(i+1) {
				t.Fatalf("message %d got number %d", i+1, seq)
			}
		}
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		list := r.fetch("S", "C", 10)
		if len(list) != 3 {
			t.Fatalf("%d messages", len(list))
		}
		for i := range list {
			r.ack(&list[i], "+ACK")
		}
		if in := r.consumerInfo("S", "C"); in.AckFloor.Stream != 3 || in.NumAckPending != 0 {
			t.Errorf("%+v", in)
		}
	})
}

// Whoever has the acknowledgement of a message, and asks for what there is, gets it.
func TestAcknowledgedIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckNone})
		got := r.newInbox()
		defer got.close()
		acks := &account.Subscription{Subject: "acks", Handler: func(*account.Message) {
			r.send(subjectOf(api.OpConsumerNext, "S", "C"), got.sub.Subject, mustJSON(&api.PullRequest{Batch: 1, NoWait: true}))
			// It is answered before anything else happens. Sleeping would hold up the
			// stream, and those who wait for its locks keep the bubble's time from passing.
			for range 10_000 {
				if got.count() > 0 {
					break
				}
				runtime.Gosched()
			}
		}}
		if err := r.acc.Subscribe(acks); err != nil {
			t.Fatal(err)
		}
		defer r.acc.Unsubscribe(acks)
		for i := range 3 {
			r.send("s", "acks", []byte("x"))
			if m, ok := got.next(time.Second); !ok || m.data != "x" {
				t.Fatalf("message %d: %+v", i+1, m)
			}
		}
	})
}

// Who publishes one message, and waits, is answered by its own doing. Of what comes with
// others it does nothing.
func TestPublisherLendsItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		synctest.Wait()
		acks := r.newInbox()
		defer acks.close()
		var chunk account.Errands
		publish := func() {
			m := account.NewMessage("s", []byte("x"))
			m.Reply, m.Errands = []byte(acks.sub.Subject), &chunk
			r.acc.Publish(m)
		}
		count := acks.count
		publish()
		synctest.Wait()
		if n := count(); n != 0 {
			t.Errorf("%d answers before the chunk was worked off", n)
		}
		chunk.Run()
		if n := count(); n != 1 {
			t.Errorf("%d answers, want 1", n)
		}
		publish()
		publish()
		publish()
		synctest.Wait()
		if n := count(); n != 4 {
			t.Errorf("%d answers, want 4 without anybody's help", n)
		}
		chunk.Run()
		if in := r.info("S"); in.State.Msgs != 4 {
			t.Errorf("%+v", in.State)
		}
	})
}
