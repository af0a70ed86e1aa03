package consumer

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

var explicit = api.ConsumerConfig{Durable: "C", AckPolicy: api.AckExplicit}

func TestPullRequests(t *testing.T) {
	for _, c := range []struct {
		name   string
		config api.ConsumerConfig
		run    func(r *rig)
	}{
		{"a batch that is there", explicit, func(r *rig) {
			r.publish("a", "x", "x", "x")
			r.pull("I", `{"batch":2}`)
			r.want("I: 1 (c1, 2 left)", "I: 2 (c2, 1 left)")
			r.wantInfo("delivered 2/2 floor 0/0 unacked 2 again 0 waiting 0 left 1")
		}},
		{"one message without a body", explicit, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", "")
			r.want("I: 1 (c1, 1 left)")
		}},
		{"waits for what comes", explicit, func(r *rig) {
			r.pull("I", `{"batch":2}`)
			r.want()
			r.publish("a", "x")
			r.want("I: 1 (c1, 0 left)")
			r.wantInfo("delivered 1/1 floor 0/0 unacked 1 again 0 waiting 1 left 0")
			r.publish("a", "x", "x")
			r.want("I: 2 (c2, 1 left)")
		}},
		{"requests take turns", explicit, func(r *rig) {
			r.pull("I", `{"batch":3}`)
			r.pull("J", `{"batch":2}`)
			r.publish("a", "x", "x", "x", "x", "x", "x")
			r.want("I: 1 (c1, 5 left)", "J: 2 (c2, 4 left)", "I: 3 (c3, 3 left)", "J: 4 (c4, 2 left)", "I: 5 (c5, 1 left)")
		}},
		{"expires", explicit, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `{"batch":3,"expires":1000000000,"max_bytes":1000}`)
			r.want("I: 1 (c1, 0 left)")
			r.wait(999 * time.Millisecond)
			r.want()
			r.wait(time.Millisecond)
			r.want("I: 408 Request Timeout | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 959")
		}},
		{"expired before it began", explicit, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `{"batch":1,"expires":-5}`)
			r.want("I: 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0")
		}},
		{"no_wait with nothing there", explicit, func(r *rig) {
			r.pull("I", `{"batch":3,"no_wait":true}`)
			r.want("I: 404 No Messages")
		}},
		{"no_wait with some of it", explicit, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", `{"batch":3,"no_wait":true}`)
			r.want("I: 1 (c1, 1 left)", "I: 2 (c2, 0 left)", "I: 404 No Messages")
		}},
		{"no_wait with expires waits for the first", explicit, func(r *rig) {
			r.pull("I", `{"batch":3,"no_wait":true,"expires":1000000000}`)
			r.want()
			r.publish("a", "x")
			r.want("I: 1 (c1, 0 left)", "I: 404 No Messages")
		}},
		{"no_wait with expires in vain", explicit, func(r *rig) {
			r.pull("I", `{"batch":3,"no_wait":true,"expires":1000000000}`)
			r.wait(time.Second)
			r.want("I: 408 Request Timeout | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 0")
		}},
		{"no_wait behind others that want it all", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: 1}, func(r *rig) {
			r.publish("a", "x", "x", "x")
			r.pull("I", `{"batch":5}`)
			r.want("I: 1 (c1, 2 left)")
			r.pull("J", `{"batch":1,"no_wait":true}`)
			r.want("J: 408 Requests Pending")
			r.publish("a", "x", "x")
			r.pull("J", `{"batch":1,"no_wait":true}`)
			r.want() // There is enough for both.
		}},
		{"no_wait is not failed while acks are missing", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: 1}, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", `{"batch":2,"no_wait":true}`)
			r.want("I: 1 (c1, 1 left)")
			r.ack(1, "+ACK", "")
			r.want("I: 2 (c2, 0 left)")
		}},
		{"max_bytes", explicit, func(r *rig) {
			r.publish("a", "x", "x", "x")
			// A delivery counts for 41 bytes: the subject, 39 for the reply, the payload.
			r.pull("I", `{"batch":5,"max_bytes":100}`)
			r.want("I: 1 (c1, 2 left)", "I: 2 (c2, 1 left)",
				"I: 409 Message Size Exceeds MaxBytes | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 18")
		}},
		{"max_bytes hit exactly", explicit, func(r *rig) {
			r.publish("a", "x", "x", "x")
			r.pull("I", `{"batch":5,"max_bytes":82}`)
			r.want("I: 1 (c1, 2 left)", "I: 2 (c2, 1 left)")
			r.wantInfo("delivered 2/2 floor 0/0 unacked 2 again 0 waiting 0 left 1")
		}},
		{"max_bytes hit exactly, with less left than before", explicit, func(r *rig) {
			r.publish("a", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
			r.pull("I", `{"batch":5,"max_bytes":41}`)
			r.want("I: 1 (c1, 9 left)")
		}},
		{"batch filled within max_bytes", explicit, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", `{"batch":1,"max_bytes":1000}`)
			r.want("I: 1 (c1, 1 left)", "I: 409 Batch Completed | Nats-Pending-Messages: 0 | Nats-Pending-Bytes: 959")
		}},
		{"a message too large for one goes to the next", explicit, func(r *rig) {
			r.pull("I", `{"batch":1,"max_bytes":10}`)
			r.pull("J", `1`)
			r.publish("a", "x")
			r.want("I: 409 Message Size Exceeds MaxBytes | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 10", "J: 1 (c1, 0 left)")
		}},
		{"heartbeats while waiting", explicit, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `{"batch":2,"expires":3000000000,"idle_heartbeat":1000000000}`)
			r.want("I: 1 (c1, 0 left)")
			r.wait(2500 * time.Millisecond)
			r.want("I: 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1",
				"I: 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1")
			r.wait(time.Second)
			r.want("I: 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0")
		}},
		{"a delivery puts heartbeats off", explicit, func(r *rig) {
			r.pull("I", `{"batch":3,"expires":9000000000,"idle_heartbeat":1000000000}`)
			r.wait(700 * time.Millisecond)
			r.publish("a", "x")
			r.wait(700 * time.Millisecond)
			r.want("I: 1 (c1, 0 left)")
			r.wait(300 * time.Millisecond)
			r.want("I: 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1")
		}},
		{"nobody listens", explicit, func(r *rig) {
			r.pull("I", `1`)
			r.pull("J", `1`)
			r.deaf["I"] = true
			r.publish("a", "x")
			r.want("J: 1 (c1, 0 left)")
			r.wantInfo("delivered 1/1 floor 0/0 unacked 1 again 0 waiting 0 left 0")
		}},
		{"nobody listens behind an import", explicit, func(r *rig) {
			r.engine.Pull(r.now, "I", []byte("3"), true, &r.out)
			r.deaf["I"] = true
			r.publish("a", "x")
			r.want("I: 408 Interest Expired | Nats-Pending-Messages: 3 | Nats-Pending-Bytes: 0")
		}},
		{"more requests than may wait", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxWaiting: 2}, func(r *rig) {
			r.pull("I", `1`)
			r.pull("J", `1`)
			r.pull("K", `1`)
			r.pull("L", `{"expires":5000000000,"idle_heartbeat":1000000000}`)
			r.want("K: 409 Exceeded MaxWaiting")
			r.wait(time.Second)
			r.deaf["I"] = true
			r.pull("M", `1`)
			r.want()
			r.publish("a", "x", "x")
			r.want("J: 1 (c1, 1 left)", "M: 2 (c2, 0 left)")
		}},
		{"caps", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxRequestBatch: 10, MaxRequestExpires: 5 * time.Second, MaxRequestMaxBytes: 99}, func(r *rig) {
			r.pull("I", `11`)
			r.pull("I", `{"expires":6000000000}`)
			r.pull("I", `{"max_bytes":100}`)
			r.want("I: 409 Exceeded MaxRequestBatch of 10", "I: 409 Exceeded MaxRequestExpires of 5s", "I: 409 Exceeded MaxRequestMaxBytes of 99")
		}},
		{"bad requests", explicit, func(r *rig) {
			r.pull("I", `{"batch":`)
			r.pull("I", `{"expires":1000,"idle_heartbeat":1000}`)
			r.pull("I", `{"min_pending":1}`)
			r.pull("I", `{"id":"x"}`)
			r.pull("I", `{"priority":10}`)
			r.want("I: 400 Bad Request - unexpected end of JSON input", "I: 400 Bad Request - heartbeat value too large",
				"I: 400 Bad Request - Not a Overflow Priority consumer", "I: 400 Bad Request - Not a Pinned Client Priority consumer",
				"I: 400 Bad Request - Priority must be between 0 and 9")
		}},
		{"without a reply", explicit, func(r *rig) {
			r.publish("a", "x")
			r.pull("", "1")
			r.want()
		}},
		{"of a consumer that pushes", api.ConsumerConfig{DeliverSubject: "D"}, func(r *rig) {
			r.pull("I", `1`)
			r.want("I: 409 Consumer is push based")
		}},
		{"when the consumer is deleted", explicit, func(r *rig) {
			r.pull("I", `1`)
			r.engine.Close(true, &r.out)
			r.carryOut()
			r.want("I: 409 Consumer Deleted")
		}},
		{"when the server stops", explicit, func(r *rig) {
			r.pull("I", `{"batch":2,"max_bytes":50}`)
			r.engine.Close(false, &r.out)
			r.carryOut()
			r.want("I: 409 Server Shutdown | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 50")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(consumerOf(t, c.config)) })
	}
}

// Of one-shot requests on replicated consumers clients know another end.
func TestReplicatedPulls(t *testing.T) {
	r := newRig(t)
	r.params.Replicated = true
	r.create(explicit)
	r.holdCommits = true
	r.publish("a", "x")
	r.pull("I", `{"batch":3,"no_wait":true}`)
	r.pull("J", `{"batch":2,"expires":60000000000}`)
	r.publish("a", "x")
	r.want() // Nothing leaves that is not committed, nor what is behind it.
	r.commit(1)
	r.want("I: 1 (c1, 0 left)", "I: 408 Request Timeout | Nats-Pending-Messages: 2 | Nats-Pending-Bytes: 0")
	r.commit(len(r.onTheWay))
	r.want("J: 2 (c2, 0 left)")

	// J still waits, and is told that its leader has gone, as is who waits without end;
	// who expired is not.
	r.holdCommits = false
	r.pull("H", "1")
	r.pull("K", `{"expires":1000000000}`)
	r.pull("L", `{"expires":90000000000}`)
	r.engine.Step(r.now, &r.out)
	r.now += int64(2 * time.Second)
	r.lead()
	r.step()
	r.want("J: 409 Leadership Change", "H: 409 Leadership Change", "L: 409 Leadership Change")
	if w := r.state.Waiting(); len(w) != 0 {
		t.Errorf("still waiting: %v", w)
	}
}

// Of requests that are served at once the replicas need not know.
func TestServedRequestsAreNotReplicated(t *testing.T) {
	r := newRig(t)
	r.params.Replicated = true
	r.create(explicit)
	r.publish("a", "x", "x", "x")
	r.pull("I", "2")
	for _, frame := range r.log {
		for in := pack.NewReader(frame[frameHead:]); in.Len() > 0; in.Bytes() {
			if k := opKind(in.Byte()); k == opWait || k == opServed {
				t.Fatalf("operation %d in the log", k)
			}
		}
	}
	r.pull("J", "2")
	r.publish("a", "x")
	if got := fmt.Sprint(r.state.Waiting()); got != "[]" {
		t.Errorf("waiting: %s", got)
	}
}
