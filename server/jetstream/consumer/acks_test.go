package consumer

import (
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// five is a consumer that has delivered 5 messages of 6 to I, and has no request
// left.
func five(r *rig) {
	r.publish("a", "x", "x", "x", "x", "x", "x")
	r.pull("I", "5")
	r.wrote = nil
}

func TestAcks(t *testing.T) {
	all := api.ConsumerConfig{AckPolicy: api.AckAll}
	for _, c := range []struct {
		name   string
		config api.ConsumerConfig
		run    func(r *rig)
	}{
		{"in order", explicit, func(r *rig) {
			r.ack(1, "", "")
			r.ack(2, "+ACK", "")
			r.wantInfo("delivered 5/5 floor 2/2 unacked 3 again 0 waiting 0 left 1")
			r.want()
		}},
		{"out of order the floor stays", explicit, func(r *rig) {
			r.ack(2, "+OK", "")
			r.ack(4, "", "")
			r.wantInfo("delivered 5/5 floor 0/0 unacked 3 again 0 waiting 0 left 1")
			r.ack(1, "", "")
			r.wantInfo("delivered 5/5 floor 2/2 unacked 2 again 0 waiting 0 left 1")
			r.ack(3, "", "")
			r.ack(5, "", "")
			r.wantInfo("delivered 5/5 floor 5/5 unacked 0 again 0 waiting 0 left 1")
		}},
		{"only the lowest moves the floor", api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "b"}, func(r *rig) {
			r.publish("b", "x", "x")
			r.pull("I", "2")
			r.ack(8, "", "")
			r.wantInfo("delivered 2/8 floor 0/0 unacked 1 again 0 waiting 2 left 0")
			r.ack(7, "", "")
			r.wantInfo("delivered 2/8 floor 2/8 unacked 0 again 0 waiting 2 left 0")
		}},
		{"with a reply", explicit, func(r *rig) {
			r.ack(1, "", "A")
			r.ack(1, "", "B") // once more
			r.ack(2, "?", "C")
			r.want("answer A", "answer B", "answer C")
			r.wantInfo("delivered 5/5 floor 1/1 unacked 4 again 0 waiting 0 left 1")
		}},
		{"with a reply, before the commit", explicit, func(r *rig) {
			r.holdCommits = true
			r.ack(1, "", "A")
			r.ack(1, "", "B")
			r.want()
			r.commit(1)
			r.want("answer A", "answer B")
			r.ack(1, "", "C")
			r.want("answer C")
		}},
		{"of what was not delivered", explicit, func(r *rig) {
			r.ack(6, "", "A")
			r.want()
		}},
		{"all up to one", all, func(r *rig) {
			r.ack(3, "", "A")
			r.want("answer A")
			r.wantInfo("delivered 5/5 floor 3/3 unacked 2 again 0 waiting 0 left 1")
			r.ack(1, "", "")
			r.ack(5, "", "")
			r.wantInfo("delivered 5/5 floor 5/5 unacked 0 again 0 waiting 0 left 1")
		}},
		{"terminated", explicit, func(r *rig) {
			r.ack(1, "+TERM no good", "A")
			r.ack(1, "+TERM no good", "")
			r.want(`terminated 1 (c1, #1) "no good"`, "answer A")
			r.wantInfo("delivered 5/5 floor 1/1 unacked 4 again 0 waiting 0 left 1")
		}},
		{"refused", explicit, func(r *rig) {
			r.ack(2, "-NAK", "")
			r.want("naked 2 (c2, #1)")
			r.pull("J", "2")
			r.want("J: 2 (c6, #2, 1 left)", "J: 6 (c7, 0 left)")
			r.wantInfo("delivered 7/6 floor 0/0 unacked 6 again 1 waiting 0 left 0")
		}},
		{"refused for a while", explicit, func(r *rig) {
			r.ack(2, `-NAK {"delay":1000000000}`, "")
			r.ack(3, `-NAK 2s`, "")
			r.ack(4, `-NAK nonsense`, "")
			r.wrote = nil
			r.pull("J", "9")
			r.want("J: 4 (c6, #2, 1 left)", "J: 6 (c7, 0 left)")
			r.wait(time.Second)
			r.want("J: 2 (c8, #2, 0 left)")
			r.wait(time.Second)
			r.want("J: 3 (c9, #2, 0 left)")
		}},
		{"refused, then acknowledged", explicit, func(r *rig) {
			r.ack(2, "-NAK", "")
			r.ack(2, "", "")
			r.ack(2, "-NAK", "A")
			r.want("naked 2 (c2, #1)", "answer A")
			r.pull("J", "2")
			r.want("J: 6 (c6, 0 left)")
		}},
		{"in progress", explicit, func(r *rig) {
			r.wait(20 * time.Second)
			r.ack(2, "+WPI", "A")
			r.want("answer A")
			r.wait(20 * time.Second) // All but 2 are due.
			r.pull("J", `{"batch":9,"no_wait":true,"expires":1}`)
			r.want("J: 1 (c6, #2, 1 left)", "J: 3 (c7, #2, 1 left)", "J: 4 (c8, #2, 1 left)", "J: 5 (c9, #2, 1 left)", "J: 6 (c10, 0 left)", "J: 404 No Messages")
			r.pull("K", `{"batch":1,"expires":11000000000}`)
			r.wait(9 * time.Second)
			r.want()
			r.wait(time.Second)
			r.want("K: 2 (c11, #2, 0 left)")
		}},
		{"in progress after the ack", explicit, func(r *rig) {
			r.ack(2, "", "")
			r.ack(2, "+WPI", "A")
			r.want("answer A")
		}},
		{"and the next", explicit, func(r *rig) {
			r.ack(1, "+NXT", "J")
			r.want("J: 6 (c6, 0 left)")
			r.wantInfo("delivered 6/6 floor 1/1 unacked 5 again 0 waiting 0 left 0")
		}},
		{"and the next, as asked", explicit, func(r *rig) {
			r.ack(1, `+NXT {"batch":2,"no_wait":true}`, "J")
			r.want("J: 6 (c6, 0 left)", "J: 404 No Messages")
		}},
		{"makes room", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: 5}, func(r *rig) {
			r.pull("J", "1")
			r.want()
			r.ack(3, "", "")
			r.want("J: 6 (c6, 0 left)")
		}},
		{"gone from the stream", explicit, func(r *rig) {
			r.remove(2, 6)
			r.want(`terminated 2 (c2, #1) "Message deleted by stream limits"`)
			r.wantInfo("delivered 5/5 floor 0/0 unacked 4 again 0 waiting 0 left 0")
		}},
		{"gone from the stream alone", all, func(r *rig) {
			r.remove(3)
			r.want(`terminated 3 (c3, #1) "Message deleted by stream limits"`)
			r.wantInfo("delivered 5/5 floor 0/0 unacked 4 again 0 waiting 0 left 1")
		}},
		{"gone from the stream unseen", explicit, func(r *rig) {
			r.shelf.remove(2)
			r.wait(30 * time.Second)
			r.pull("J", "2")
			r.want("J: 1 (c6, #2, 1 left)", `terminated 2 (c2, #1) "Unacknowledged message was deleted"`, "J: 3 (c7, #2, 1 left)")
		}},
		{"all are sampled", api.ConsumerConfig{AckPolicy: api.AckExplicit, SampleFrequency: "100%"}, func(r *rig) {
			r.wait(time.Second)
			r.ack(2, "", "")
			r.ack(2, "", "")
			r.ack(3, "+TERM", "")
			r.want("sampled 2 (c2, #1) after 1s", "terminated 3 (c3, #1)")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := consumerOf(t, c.config)
			five(r)
			c.run(r)
		})
	}
}

// When a consumer was active last is when it delivered, and when somebody acknowledged.
func TestLastActive(t *testing.T) {
	for _, c := range []struct {
		name             string
		config           api.ConsumerConfig
		run              func(r *rig)
		delivered, acked time.Duration // since the start, 0 for never
	}{
		{"never", explicit, func(*rig) {}, 0, 0},
		{"delivered", explicit, func(*rig) {}, time.Second, 0},
		{"redelivered", explicit, func(r *rig) {
			r.pull("J", "9")
			r.wait(29 * time.Second)
		}, 31 * time.Second, 0},
		{"acknowledged in between", explicit, func(r *rig) { r.ack(2, "", "") }, time.Second, 2 * time.Second},
		{"acknowledged up to one", api.ConsumerConfig{AckPolicy: api.AckAll}, func(r *rig) { r.ack(2, "", "") }, time.Second, 2 * time.Second},
		{"without acknowledgements", api.ConsumerConfig{}, func(*rig) {}, time.Second + 100*time.Millisecond, time.Second},
		{"a lot is passed over", api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "a"}, func(r *rig) {
			r.pull("J", "1")
			r.wait(time.Second)
			r.publish("b", make([]string, maxPassedOver)...)
		}, 2 * time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := consumerOf(t, c.config)
			r.wait(time.Second)
			if c.name != "never" {
				five(r)
			}
			r.wait(time.Second)
			c.run(r)
			since := func(at int64) time.Duration {
				if at == 0 {
					return 0
				}
				return time.Duration(at - start)
			}
			if got := since(r.state.Delivered().Time); got != c.delivered {
				t.Errorf("delivered after %v, want %v", got, c.delivered)
			}
			if got := since(r.engine.Info().AckFloor.Time); got != c.acked {
				t.Errorf("acknowledged after %v, want %v", got, c.acked)
			}
		})
	}
}

// A clock that goes back, that of the leader or of the next one, counts as standing.
func TestClockThatGoesBack(t *testing.T) {
	r := consumerOf(t, explicit)
	r.publish("a", "x", "x", "x")
	r.pull("I", "1")
	latest := r.now
	r.now -= int64(time.Minute)
	for _, before := range []func(){func() {}, r.lead} {
		before()
		r.pull("I", "1")
		if at := r.state.Delivered().Time; at != latest {
			t.Errorf("delivered %v too early", time.Duration(latest-at))
		}
	}
}

func TestSampling(t *testing.T) {
	r := consumerOf(t, api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: -1, SampleFrequency: "30"})
	for range 1000 {
		r.publish("a", "x")
	}
	r.pull("I", "1000")
	r.wrote = nil
	for seq := range uint64(1000) {
		r.ack(seq+1, "", "")
	}
	if n := len(r.wrote); n < 250 || n > 350 {
		t.Errorf("%d of 1000 are sampled at 30%%", n)
	}
}

func TestRedelivery(t *testing.T) {
	for _, c := range []struct {
		name   string
		config api.ConsumerConfig
		run    func(r *rig)
	}{
		{"after the ack wait", explicit, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", "1")
			r.wait(time.Second)
			r.pull("I", "1")
			r.wrote = nil
			r.pull("J", `{"batch":9}`)
			r.wait(29*time.Second - 1)
			r.want()
			r.wait(1)
			r.want("J: 1 (c3, #2, 0 left)")
			r.wait(time.Second)
			r.want("J: 2 (c4, #2, 0 left)")
			r.wait(30 * time.Second)
			r.want("J: 1 (c5, #3, 0 left)", "J: 2 (c6, #3, 0 left)")
			r.wantInfo("delivered 6/2 floor 0/0 unacked 2 again 2 waiting 1 left 0")
			r.ack(1, "", "")
			r.ack(2, "", "")
			r.wait(time.Minute)
			r.want()
			r.wantInfo("delivered 6/2 floor 6/2 unacked 0 again 0 waiting 1 left 0")
		}},
		{"backoff", api.ConsumerConfig{AckPolicy: api.AckExplicit, BackOff: []time.Duration{time.Second, 3 * time.Second}, MaxDeliver: 4}, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `{"batch":9}`)
			r.want("I: 1 (c1, 0 left)")
			r.wait(time.Second)
			r.want("I: 1 (c2, #2, 0 left)")
			r.wait(3 * time.Second)
			r.want("I: 1 (c3, #3, 0 left)")
			r.wait(3 * time.Second)
			r.want("I: 1 (c4, #4, 0 left)")
			r.wait(3 * time.Second)
			r.want("max deliveries 1 (c1, #4)")
		}},
		{"a refusal ignores backoff", api.ConsumerConfig{AckPolicy: api.AckExplicit, BackOff: []time.Duration{time.Minute}}, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `{"batch":9}`)
			r.ack(1, "-NAK", "")
			r.want("I: 1 (c1, 0 left)", "naked 1 (c1, #1)", "I: 1 (c2, #2, 0 left)")
		}},
		{"together in the order of the stream", explicit, func(r *rig) {
			five(r)
			r.ack(4, "-NAK 5s", "")
			r.ack(1, "-NAK 5s", "")
			r.ack(3, "-NAK 5s", "")
			r.wait(5 * time.Second)
			r.wrote = nil
			r.pull("J", `{"batch":9}`)
			r.want("J: 1 (c6, #2, 1 left)", "J: 3 (c7, #2, 1 left)", "J: 4 (c8, #2, 1 left)", "J: 6 (c9, 0 left)")
		}},
		{"late in the order of the stream", explicit, func(r *rig) {
			five(r)
			r.ack(4, "-NAK 3s", "")
			r.ack(1, "-NAK 5s", "")
			r.ack(3, "-NAK 4s", "")
			r.now += int64(6 * time.Second)
			r.wrote = nil
			r.pull("J", `{"batch":9}`)
			r.want("J: 1 (c6, #2, 1 left)", "J: 3 (c7, #2, 1 left)", "J: 4 (c8, #2, 1 left)", "J: 6 (c9, 0 left)")
		}},
		{"even while acks are missing", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: 1}, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", `{"batch":9}`)
			r.wait(30 * time.Second)
			r.want("I: 1 (c1, 1 left)", "I: 1 (c2, #2, 1 left)")
		}},
		{"up to max_deliver", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxDeliver: 2}, func(r *rig) {
			r.publish("a", "x", "x")
			r.pull("I", `{"batch":9}`)
			r.ack(2, "", "")
			r.wait(30 * time.Second)
			r.wantInfo("delivered 3/2 floor 0/0 unacked 1 again 1 waiting 1 left 0")
			r.wait(30 * time.Second)
			r.want("I: 1 (c1, 1 left)", "I: 2 (c2, 0 left)", "I: 1 (c3, #2, 0 left)", "max deliveries 1 (c1, #2)")
			r.wantInfo("delivered 3/2 floor 3/2 unacked 0 again 0 waiting 1 left 0")
			r.wait(time.Hour)
			r.want()
		}},
		{"max_deliver 1, refused, nobody asks", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxDeliver: 1}, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", "1")
			r.ack(1, "-NAK", "")
			r.want("I: 1 (c1, 0 left)", "naked 1 (c1, #1)", "max deliveries 1 (c1, #1)")
		}},
		{"not without acks", api.ConsumerConfig{AckPolicy: api.AckNone}, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `{"batch":9}`)
			r.wait(time.Hour)
			r.want("I: 1 (c1, 0 left)")
			r.wantInfo("delivered 1/1 floor 1/1 unacked 0 again 0 waiting 1 left 0")
		}},
		{"a damaged message comes when it is repaired", explicit, func(r *rig) {
			r.shelf.damaged[2] = true
			r.publish("a", "x", "x", "x")
			r.pull("I", "1")
			r.shelf.damaged[1] = true
			r.wait(30 * time.Second)
			r.pull("J", "2")
			r.want("I: 1 (c1, 1 left)", "fault: store: block is corrupt at 0 (messages 1 to 1): flipped",
				"fault: store: block is corrupt at 0 (messages 2 to 2): flipped", "J: 3 (c2, 0 left)")
			delete(r.shelf.damaged, 1)
			r.wait(30 * time.Second)
			r.want("J: 1 (c3, #2, 0 left)")
		}},
		{"the store fails for a while", explicit, func(r *rig) {
			r.shelf.broken = api.ErrBadRequest
			r.pull("J", "1")
			r.publish("a", "x")
			r.publish("a", "x")
			r.want("fault: bad request (10003)")
			r.shelf.broken = nil
			r.wait(time.Second)
			r.want("J: 1 (c1, 1 left)")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(consumerOf(t, c.config)) })
	}
}
