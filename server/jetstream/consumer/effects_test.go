package consumer

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Clients tell these messages apart by their very bytes.
func TestStatusHeaders(t *testing.T) {
	for _, c := range []struct {
		status Status
		want   string
	}{
		{Status{Status: api.StatusIdleHeartbeat, Last: true, Consumer: 7, Stream: 9}, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last-Stream: 9\r\n\r\n"},
		{Status{Status: api.StatusIdleHeartbeat, Last: true, Stalled: "$JS.FC.S.C.x"}, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\nNats-Last-Stream: 0\r\nNats-Consumer-Stalled: $JS.FC.S.C.x\r\n\r\n"},
		{Status{Status: api.StatusFlowControl}, "NATS/1.0 100 FlowControl Request\r\n\r\n"},
		{Status{Status: api.BadPull("Priority Group missing")}, "NATS/1.0 400 Bad Request - Priority Group missing\r\n\r\n"},
		{Status{Status: api.StatusNoMessages}, "NATS/1.0 404 No Messages\r\n\r\n"},
		{Status{Status: api.StatusRequestsPending}, "NATS/1.0 408 Requests Pending\r\n\r\n"},
		{Status{Status: api.StatusRequestTimeout, Left: true, Messages: 3, Bytes: 40}, "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 40\r\n\r\n"},
		{Status{Status: api.StatusInterestExpired, Left: true}, "NATS/1.0 408 Interest Expired\r\nNats-Pending-Messages: 0\r\nNats-Pending-Bytes: 0\r\n\r\n"},
		{Status{Status: api.StatusSizeExceeded, Left: true, Messages: 1, Bytes: 2}, "NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 2\r\n\r\n"},
		{Status{Status: api.StatusBatchCompleted, Left: true, Bytes: 2}, "NATS/1.0 409 Batch Completed\r\nNats-Pending-Messages: 0\r\nNats-Pending-Bytes: 2\r\n\r\n"},
		{Status{Status: api.StatusExceededWaiting}, "NATS/1.0 409 Exceeded MaxWaiting\r\n\r\n"},
		{Status{Status: api.StatusPushBased}, "NATS/1.0 409 Consumer is push based\r\n\r\n"},
		{Status{Status: api.StatusConsumerDeleted}, "NATS/1.0 409 Consumer Deleted\r\n\r\n"},
		{Status{Status: api.StatusLeadershipChange}, "NATS/1.0 409 Leadership Change\r\n\r\n"},
		{Status{Status: api.StatusServerShutdown, Left: true, Messages: 1}, "NATS/1.0 409 Server Shutdown\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0\r\n\r\n"},
		{Status{Status: api.StatusPinIDMismatch}, "NATS/1.0 423 Nats-Pin-Id mismatch\r\n\r\n"},
		{Status{Status: api.StatusWrongPinID, Left: true, Messages: 1}, "NATS/1.0 423 Nats-Wrong-Pin-Id\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0\r\n\r\n"},
	} {
		if got := string(c.status.AppendHeader(nil)); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

// What a delivery counts for is what is sent, also if headers are added to it.
func TestDeliveries(t *testing.T) {
	const prefix = "$JS.ACK.S.C."
	d := Delivery{Stream: 12, Consumer: 345, Count: 2, Time: start, Pending: 10}
	for _, c := range []struct {
		name        string
		header      string
		pin         string
		headersOnly bool
		want        string
	}{
		{"plain", "", "", false, ""},
		{"with headers", "NATS/1.0\r\nA: b\r\n\r\n", "", false, "NATS/1.0\r\nA: b\r\n\r\n"},
		{"headers only", "NATS/1.0\r\nA: b\r\n\r\n", "", true, "NATS/1.0\r\nA: b\r\nNats-Msg-Size: 11\r\n\r\n"},
		{"headers only, without headers", "", "", true, "NATS/1.0\r\nNats-Msg-Size: 11\r\n\r\n"},
		{"pinned", "", "abc", false, "NATS/1.0\r\nNats-Pin-Id: abc\r\n\r\n"},
		{"pinned, headers only", "NATS/1.0\r\nA: b\r\n\r\n", "abc", true, "NATS/1.0\r\nA: b\r\nNats-Pin-Id: abc\r\nNats-Msg-Size: 11\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &store.Message{Subject: []byte("orders"), Header: []byte(c.header), Data: []byte("hello world")}
			d.PinID, d.HeadersOnly = c.pin, c.headersOnly
			reply := string(d.AppendReply(nil, prefix))
			if want := "$JS.ACK.S.C.2.12.345.1700000000000000000.10"; reply != want {
				t.Errorf("reply %s, want %s", reply, want)
			}
			header := string(d.AppendHeader(nil, m))
			if header != c.want {
				t.Errorf("got  %q\nwant %q", header, c.want)
			}
			want := len(m.Subject) + len(reply) + len(header)
			if !c.headersOnly {
				want += len(m.Data)
			}
			if got := d.size(m, prefix); got != want {
				t.Errorf("it counts for %d bytes, want %d", got, want)
			}
		})
	}
}

// While nothing is committed, only so much is delivered, and nobody is told that all
// is well.
func TestCommitsThatDoNotCome(t *testing.T) {
	r := newRig(t)
	r.params.Replicated = true
	r.create(api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: -1})
	r.holdCommits = true
	r.pull("I", `{"batch":100000,"idle_heartbeat":1000000000,"expires":60000000000}`)
	r.publish("a", make([]string, 3*maxHeld)...)
	if n := r.engine.log.held.len(); n < maxHeld || n >= maxHeld+maxStep {
		t.Errorf("%d messages are held", n)
	}
	r.wait(10 * time.Second)
	r.want()
	r.holdCommits = false
	r.commit(len(r.onTheWay))
	r.step()
	if n := len(r.wrote); n != 3*maxHeld {
		t.Errorf("%d messages leave", n)
	}
	r.wrote = nil

	// So with bytes.
	r.holdCommits = true
	for range 20 {
		r.publish("a", strings.Repeat("x", 1<<20))
	}
	if n := r.engine.log.held.len(); n != maxHeldBytes>>20 {
		t.Errorf("%d MiB are held", n)
	}
	r.holdCommits = false
	r.commit(len(r.onTheWay))
	r.step()
	if n := len(r.wrote); n != 20 {
		t.Errorf("%d of 20 messages leave", n)
	}

	// And with proposals, where nothing waits for them.
	r = consumerOf(t, explicit)
	r.holdCommits = true
	r.pull("I", "1000")
	for range 2 * maxOnTheWay {
		r.publish("a", "x")
	}
	if n := len(r.wrote); n != maxOnTheWay {
		t.Errorf("%d messages leave", n)
	}
}

// A consumer that gets replicas, or loses them, keeps the order of what it sends.
func TestScale(t *testing.T) {
	r := newRig(t)
	r.create(explicit)
	r.holdCommits = true
	r.pull("I", "9")
	r.publish("a", "x")
	r.want("I: 1 (c1, 0 left)")
	r.engine.Scale(true)
	r.publish("a", "x")
	r.want()
	r.engine.Scale(false)
	r.publish("a", "x")
	r.want()
	r.commit(len(r.onTheWay))
	r.want("I: 2 (c2, 0 left)", "I: 3 (c3, 0 left)")
}
