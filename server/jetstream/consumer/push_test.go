package consumer

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

func TestPush(t *testing.T) {
	pushes := api.ConsumerConfig{DeliverSubject: "D", InactiveThreshold: 5 * time.Second}
	for _, c := range []struct {
		name   string
		config api.ConsumerConfig
		run    func(r *rig)
	}{
		{"while somebody listens", pushes, func(r *rig) {
			r.publish("a", "x")
			r.want()
			r.bind(true)
			r.want("D: 1 (c1, 0 left)")
			r.publish("a", "x")
			r.bind(false)
			r.publish("a", "x")
			r.want("D: 2 (c2, 0 left)")
			r.wantInfo("delivered 2/2 floor 2/2 unacked 0 again 0 waiting 0 left 1")
			r.bind(true)
			r.want("D: 3 (c3, 0 left)")
		}},
		{"is deleted when nobody does", pushes, func(r *rig) {
			r.wait(4 * time.Second)
			r.bind(true)
			r.wait(time.Hour)
			r.bind(false)
			r.wait(5*time.Second - 1)
			r.want()
			r.wait(1)
			r.want("delete")
			r.wait(30 * time.Second)
			r.want("delete")
		}},
		{"heartbeats", api.ConsumerConfig{DeliverSubject: "D", Heartbeat: time.Second}, func(r *rig) {
			r.wait(time.Hour)
			r.want()
			r.bind(true)
			r.wait(time.Second)
			r.want("D: 100 Idle Heartbeat | Nats-Last-Consumer: 0 | Nats-Last-Stream: 0")
			r.wait(500 * time.Millisecond)
			r.publish("a", "x")
			r.wait(time.Second)
			r.want("D: 1 (c1, 0 left)", "D: 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1")
		}},
		{"heartbeats tell what was passed over", api.ConsumerConfig{DeliverSubject: "D", Heartbeat: time.Second, FilterSubject: "b"}, func(r *rig) {
			r.bind(true)
			r.publish("a", "x", "x", "x")
			r.wait(time.Second)
			r.want("D: 100 Idle Heartbeat | Nats-Last-Consumer: 0 | Nats-Last-Stream: 3")
		}},
		{"acks make room", api.ConsumerConfig{DeliverSubject: "D", AckPolicy: api.AckExplicit, MaxAckPending: 2}, func(r *rig) {
			r.bind(true)
			r.publish("a", "x", "x", "x")
			r.want("D: 1 (c1, 2 left)", "D: 2 (c2, 1 left)")
			r.ack(1, "", "")
			r.want("D: 3 (c3, 0 left)")
			r.wait(30 * time.Second)
			r.want("D: 2 (c4, #2, 0 left)", "D: 3 (c5, #2, 0 left)")
		}},
		{"asked for the next", api.ConsumerConfig{DeliverSubject: "D", AckPolicy: api.AckExplicit}, func(r *rig) {
			r.bind(true)
			r.publish("a", "x")
			r.ack(1, "+NXT", "A")
			r.want("D: 1 (c1, 0 left)", "answer A")
		}},
		{"rate limit", api.ConsumerConfig{DeliverSubject: "D", RateLimit: 8 * 1000}, func(r *rig) {
			// 1000 bytes a second, and a message with 10 kB at once.
			r.engine.p.Burst = 10_000
			r.bind(true)
			big := strings.Repeat("x", 10_000)
			r.publish("a", big, "x", big, "x")
			r.want("D: 1 (c1, 3 left)")
			r.wait(100 * time.Millisecond) // It overdrew by its head of 43 bytes.
			r.want("D: 2 (c2, 2 left)", "D: 3 (c3, 1 left)")
			r.wait(9 * time.Second)
			r.want()
			r.wait(2 * time.Second)
			r.want("D: 4 (c4, 0 left)")
		}},
		{"the deliver subject changes", explicit, func(r *rig) {
			r = consumerOf(r.t, api.ConsumerConfig{DeliverSubject: "D"})
			r.bind(true)
			if err := r.engine.Update(r.now, config(api.ConsumerConfig{DeliverSubject: "E"}), &r.out); err != nil {
				r.t.Fatal(err)
			}
			r.publish("a", "x")
			r.want()
			r.bind(true)
			r.want("E: 1 (c1, 0 left)")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(consumerOf(t, c.config)) })
	}
}

func TestFlowControl(t *testing.T) {
	const size = 64 << 10
	big := strings.Repeat("x", size)
	deliveries := func(r *rig) (n int, rest []string) {
		for _, line := range r.wrote {
			if strings.Contains(line, " left)") {
				n++
			} else {
				rest = append(rest, line)
			}
		}
		r.wrote = nil
		return n, rest
	}
	r := consumerOf(t, api.ConsumerConfig{DeliverSubject: "D", FlowControl: true, Heartbeat: time.Second})
	r.engine.Bind(r.now, true)
	for range 2000 {
		r.engine.Stored(r.shelf.put(r.now, "a", big), []byte("a"))
	}
	r.step()
	// The window is 2 MiB. Half of it makes a request, and one message more than all
	// of it makes a stop.
	n, rest := deliveries(r)
	if want := 2<<20/size + 1; n > want || n < want-1 {
		t.Errorf("%d messages leave, want about %d", n, want)
	}
	request := "D: 100 FlowControl Request -> $JS.FC.S.C.id1"
	if len(rest) != 1 || rest[0] != request {
		t.Errorf("%q leaves, want %q", rest, request)
	}
	r.wait(time.Second)
	_, rest = deliveries(r)
	stalled := " | Nats-Consumer-Stalled: $JS.FC.S.C.id1"
	if len(rest) != 1 || !strings.HasPrefix(rest[0], "D: 100 Idle Heartbeat") || !strings.HasSuffix(rest[0], stalled) {
		t.Errorf("%q leaves, want a heartbeat with %q", rest, stalled)
	}
	// An answer to something else does not help.
	r.engine.FlowAnswer(r.now, "$JS.FC.S.C.id0", 0, 0, &r.out)
	r.step()
	r.want()
	// Each answer doubles the window, up to 32 MiB.
	for i, window := range []int{4, 8, 16, 32, 32, 32} {
		r.engine.FlowAnswer(r.now, r.engine.flow.subject, 0, 0, &r.out)
		r.step()
		if n, _ := deliveries(r); n == 0 {
			t.Errorf("nothing leaves after answer %d", i+1)
		}
		if over := r.engine.flow.outstanding - window<<20; over < 0 || over > 2*size {
			t.Errorf("after answer %d the window is exceeded by %d", i+1, over)
		}
	}
	// Who comes anew starts anew.
	r.bind(false)
	r.bind(true)
	if r.engine.flow.window != 2<<20 {
		t.Errorf("the window is %d", r.engine.flow.window)
	}
}

func TestFlowControlAcks(t *testing.T) {
	r := consumerOf(t, api.ConsumerConfig{
		DeliverSubject: "D", FlowControl: true, Heartbeat: time.Second, AckPolicy: api.AckFlowControl, MaxAckPending: 4,
	})
	r.bind(true)
	r.publish("a", "x", "x", "x", "x", "x", "x")
	r.want("D: 1 (c1, 5 left)", "D: 2 (c2, 4 left)", "D: 100 FlowControl Request -> $JS.FC.S.C.id1",
		"D: 3 (c3, 3 left)", "D: 4 (c4, 2 left)")
	r.engine.FlowAnswer(r.now, "$JS.FC.S.C.id1", 3, 3, &r.out)
	r.step()
	r.want("D: 5 (c5, 1 left)", "D: 100 FlowControl Request -> $JS.FC.S.C.id2", "D: 6 (c6, 0 left)")
	r.wantInfo("delivered 6/6 floor 3/3 unacked 3 again 0 waiting 0 left 0")
	// Nothing comes twice, however late the answer is.
	r.wait(900 * time.Millisecond)
	r.engine.FlowAnswer(r.now, "$JS.FC.S.C.id2", 5, 5, &r.out)
	r.step()
	r.want()
	// The tail is asked for.
	r.wait(time.Second)
	r.want("D: 100 Idle Heartbeat | Nats-Last-Consumer: 6 | Nats-Last-Stream: 6", "D: 100 FlowControl Request -> $JS.FC.S.C.id3")
	r.engine.FlowAnswer(r.now, "$JS.FC.S.C.id3", 99, 99, &r.out)
	r.step()
	r.wantInfo("delivered 6/6 floor 6/6 unacked 0 again 0 waiting 0 left 0")
	// Acknowledgement messages are none of its business.
	r.ack(1, "", "A")
	r.want()
}

func TestReplayOriginal(t *testing.T) {
	r := newRig(t)
	for i, ms := range []int64{0, 100, 100, 5000} {
		r.shelf.put(start+ms*int64(time.Millisecond), "a", string(rune('0'+i)))
	}
	r.now += int64(time.Hour)
	r.create(api.ConsumerConfig{DeliverSubject: "D", ReplayPolicy: api.ReplayOriginal})
	r.bind(true)
	r.want("D: 1 (c1, 3 left)")
	r.wait(99 * time.Millisecond)
	r.want()
	r.wait(time.Millisecond)
	r.want("D: 2 (c2, 2 left)", "D: 3 (c3, 1 left)")
	r.wait(4900*time.Millisecond - 1)
	r.publish("a", "x", "x")
	r.want()
	r.wait(1)
	// What came since is not held up.
	r.want("D: 4 (c4, 2 left)", "D: 5 (c5, 1 left)", "D: 6 (c6, 0 left)")
}
