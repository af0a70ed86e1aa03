package consumer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// at is a time of tests, in seconds since they began.
func at(seconds int64) *time.Time {
	t := time.Unix(0, start).Add(time.Duration(seconds) * time.Second).UTC()
	return &t
}

func TestStart(t *testing.T) {
	// The stream has 1 to 8, one a second: a b a b a c c a, and 1 and 6 are gone.
	fill := func(r *rig) {
		for _, s := range []string{"a", "b", "a", "b", "a", "c", "c", "a"} {
			r.now += int64(time.Second)
			r.shelf.put(r.now, s, "x")
		}
		r.shelf.remove(1)
		r.shelf.remove(6)
	}
	nothing := func(*rig) {}
	for _, c := range []struct {
		name   string
		fill   func(*rig)
		config api.ConsumerConfig
		// delivered is where it stands right after its creation, left how many are
		// left then, and next what is delivered of what is there, and of an a and
		// a d that come after it.
		delivered store.Seq
		left      uint64
		next      string
	}{
		{"all", fill, api.ConsumerConfig{}, 1, 6, "[2 3 4 5 7 8 9 10]"},
		{"all of an empty stream", nothing, api.ConsumerConfig{}, 0, 0, "[1 2]"},
		{"all, filtered", fill, api.ConsumerConfig{FilterSubject: "a"}, 1, 3, "[3 5 8 9]"},
		{"all, with filters", fill, api.ConsumerConfig{FilterSubjects: []string{"a", "c"}}, 1, 4, "[3 5 7 8 9]"},
		{"new", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverNew}, 8, 0, "[9 10]"},
		{"new, filtered", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverNew, FilterSubject: "d"}, 8, 0, "[10]"},
		{"last", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverLast}, 7, 1, "[8 9 10]"},
		{"last, filtered", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverLast, FilterSubject: "c"}, 6, 1, "[7]"},
		{"last of nothing", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverLast, FilterSubject: "d"}, 8, 0, "[10]"},
		{"by sequence", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverByStartSequence, OptStartSeq: 6}, 5, 2, "[7 8 9 10]"},
		{"by sequence, gone", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverByStartSequence, OptStartSeq: 1}, 1, 6, "[2 3 4 5 7 8 9 10]"},
		{"by sequence, to come", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverByStartSequence, OptStartSeq: 10}, 9, 0, "[10]"},
		{"by time", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverByStartTime, OptStartTime: at(5)}, 4, 3, "[5 7 8 9 10]"},
		{"by time, between", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverByStartTime, OptStartTime: at(6)}, 6, 2, "[7 8 9 10]"},
		{"by time, to come", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverByStartTime, OptStartTime: at(100)}, 8, 0, "[9 10]"},
		{"last per subject", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverLastPerSubject, FilterSubject: ">"}, 3, 3, "[4 7 8 9 10]"},
		{"last per subject, filtered", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverLastPerSubject, FilterSubjects: []string{"a", "b"}}, 3, 2, "[4 8 9]"},
		{"last per subject of nothing", fill, api.ConsumerConfig{DeliverPolicy: api.DeliverLastPerSubject, FilterSubject: "d"}, 8, 0, "[10]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.fill(r)
			c.config.AckPolicy = api.AckExplicit
			r.create(c.config)
			i := r.engine.Info()
			if d := r.state.Delivered(); d.Stream != c.delivered || d.Consumer != 0 || i.Pending != c.left {
				t.Errorf("delivered %d, left %d; want %d, %d", d.Stream, i.Pending, c.delivered, c.left)
			}
			var next []store.Seq
			note := func() {
				for i, n := len(next), len(r.wrote); i < n; i++ {
					var reply string
					var seq store.Seq
					fmt.Sscanf(r.wrote[i], "%s %d", &reply, &seq)
					next = append(next, seq)
				}
			}
			r.pull("I", "9")
			note()
			if left := r.engine.Info().Pending; left != 0 {
				t.Errorf("%d are left at the end", left)
			}
			r.publish("a", "x")
			r.publish("d", "x")
			note()
			if got := fmt.Sprint(next); got != c.next {
				t.Errorf("delivers %s, want %s", got, c.next)
			}
		})
	}
}

// The start is chosen once, whatever becomes of the stream before the next leader.
func TestStartIsKept(t *testing.T) {
	r := newRig(t)
	for _, s := range []string{"a", "b", "a", "b", "c"} {
		r.shelf.put(r.now, s, "x")
	}
	r.create(api.ConsumerConfig{AckPolicy: api.AckExplicit, DeliverPolicy: api.DeliverLastPerSubject, FilterSubject: ">"})
	r.pull("I", "1")
	r.want("I: 3 (c1, 2 left)")
	r.publish("a", "x")
	r.publish("b", "x")
	r.lead()
	r.pull("I", "9")
	r.want("I: 4 (c2, 3 left)", "I: 5 (c3, 2 left)", "I: 6 (c4, 1 left)", "I: 7 (c5, 0 left)")
}

func TestReset(t *testing.T) {
	allows := func(c api.ConsumerConfig, to store.Seq, err error) func(r *rig) {
		return func(r *rig) {
			r = newRig(r.t)
			for range 9 {
				r.now += int64(time.Second)
				r.shelf.put(r.now, "a", "x")
			}
			r.create(c)
			if got, refused := r.engine.Reset(r.now, to, &r.out); !errors.Is(refused, err) || err != nil && refused.Error() != err.Error() {
				r.t.Errorf("reset to %d: %d, %v; want %v", to, got, refused, err)
			}
		}
	}
	refused := func(why string) error { return api.ErrConsumerInvalidReset.With("err", why) }
	for _, c := range []struct {
		name string
		run  func(r *rig)
	}{
		{"to the floor", func(r *rig) {
			r.ack(1, "", "")
			r.ack(3, "", "")
			if to, err := r.engine.Reset(r.now, 0, &r.out); to != 2 || err != nil {
				r.t.Error(to, err)
			}
			r.step()
			r.wantInfo("delivered 0/1 floor 0/1 unacked 0 again 0 waiting 0 left 5")
			r.pull("I", "2")
			r.want("I: 2 (c1, 4 left)", "I: 3 (c2, 3 left)")
		}},
		{"to a message", func(r *rig) {
			r.ack(1, "", "")
			if to, err := r.engine.Reset(r.now, 6, &r.out); to != 6 || err != nil {
				r.t.Error(to, err)
			}
			r.step()
			r.wait(time.Hour)
			r.pull("I", "9")
			r.want("I: 6 (c1, 0 left)")
			r.wantInfo("delivered 1/6 floor 0/5 unacked 1 again 0 waiting 1 left 0")
		}},
		{"below the start sequence", allows(api.ConsumerConfig{DeliverPolicy: api.DeliverByStartSequence, OptStartSeq: 5}, 4, refused("below start seq"))},
		{"to the start sequence", allows(api.ConsumerConfig{DeliverPolicy: api.DeliverByStartSequence, OptStartSeq: 5}, 5, nil)},
		{"below the start time", allows(api.ConsumerConfig{DeliverPolicy: api.DeliverByStartTime, OptStartTime: at(5)}, 4, refused("below start time"))},
		{"to the start time", allows(api.ConsumerConfig{DeliverPolicy: api.DeliverByStartTime, OptStartTime: at(5)}, 5, nil)},
		{"of one for new messages", allows(api.ConsumerConfig{DeliverPolicy: api.DeliverNew}, 4, refused("not allowed"))},
		{"of one for new messages to the floor", allows(api.ConsumerConfig{DeliverPolicy: api.DeliverNew}, 0, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := consumerOf(t, explicit)
			five(r)
			c.run(r)
		})
	}
}

// A consumer that starts over is not held up by what it did before.
func TestResetForgets(t *testing.T) {
	reset := func(r *rig, to store.Seq) {
		r.t.Helper()
		if _, err := r.engine.Reset(r.now, to, &r.out); err != nil {
			r.t.Fatal(err)
		}
		r.step()
	}
	t.Run("a position that was not recorded", func(t *testing.T) {
		r := consumerOf(t, api.ConsumerConfig{})
		r.publish("a", "x")
		r.pull("I", "1")
		reset(r, 1)
		r.wait(time.Second)
		r.wantInfo("delivered 0/0 floor 0/0 unacked 0 again 0 waiting 0 left 1")
	})
	t.Run("what is on its way", func(t *testing.T) {
		r := consumerOf(t, api.ConsumerConfig{DeliverSubject: "D", FlowControl: true, Heartbeat: time.Second})
		r.bind(true)
		r.publish("a", "x")
		r.engine.flow.window = 0
		r.publish("a", "x")
		reset(r, 2)
		r.wrote = r.wrote[1:]
		r.want("D: 2 (c1, 0 left)")
	})
	t.Run("the pace of a replay", func(t *testing.T) {
		r := newRig(t)
		for _, after := range []time.Duration{0, time.Second, time.Minute} {
			r.shelf.put(start+int64(after), "a", "x")
		}
		r.create(api.ConsumerConfig{DeliverSubject: "D", ReplayPolicy: api.ReplayOriginal})
		r.bind(true)
		reset(r, 3)
		r.want("D: 1 (c1, 2 left)", "D: 3 (c1, 0 left)")
	})
}

func TestPause(t *testing.T) {
	r := consumerOf(t, explicit)
	r.publish("a", "x", "x")
	r.pull("I", "1")
	r.engine.Pause(r.now, start+int64(time.Minute), &r.out)
	r.pull("I", `{"batch":9,"expires":90000000000,"idle_heartbeat":45000000000}`)
	r.want("I: 1 (c1, 1 left)", "paused until +1m0s")
	if i := r.engine.Info(); i.PauseUntil != start+int64(time.Minute) {
		t.Errorf("%+v", i)
	}
	r.wait(time.Minute - 1)
	r.want("I: 100 Idle Heartbeat | Nats-Last-Consumer: 1 | Nats-Last-Stream: 1")
	r.ack(1, "-NAK", "")
	r.want("naked 1 (c1, #1)")
	r.wait(1)
	r.want("paused no more", "I: 1 (c2, #2, 1 left)", "I: 2 (c3, 0 left)")

	// It is honoured from the beginning, kept by another leader, and ended at will.
	r = consumerOf(t, api.ConsumerConfig{PauseUntil: at(60)})
	r.want("paused until +1m0s")
	r.publish("a", "x")
	r.lead()
	r.pull("I", "1")
	r.want()
	r.engine.Pause(r.now, 0, &r.out)
	r.step()
	r.want("paused no more", "I: 1 (c1, 0 left)")
	if i := r.engine.Info(); i.PauseUntil != 0 {
		t.Errorf("%+v", i)
	}
}

func TestInactivity(t *testing.T) {
	short := api.ConsumerConfig{AckPolicy: api.AckExplicit, AckWait: 3 * time.Second, InactiveThreshold: 5 * time.Second}
	for _, c := range []struct {
		name   string
		config api.ConsumerConfig
		run    func(r *rig)
	}{
		{"never used", short, func(r *rig) {
			r.wait(5*time.Second - 1)
			r.want()
			r.wait(1)
			r.want("delete")
		}},
		{"without threshold", explicit, func(r *rig) {
			r.wait(1000 * time.Hour)
			r.want()
		}},
		{"while a request waits", short, func(r *rig) {
			r.pull("I", `{"expires":60000000000}`)
			r.wait(65*time.Second - 1)
			r.want("I: 408 Request Timeout | Nats-Pending-Messages: 1 | Nats-Pending-Bytes: 0")
			r.wait(1)
			r.want("delete")
		}},
		{"while a request waits that nobody listens to", short, func(r *rig) {
			r.pull("I", `1`)
			r.deaf["I"] = true
			r.wait(5 * time.Second)
			r.want("delete")
		}},
		{"while acks are missing", short, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `1`)
			r.wait(8*time.Second - 1)
			r.want("I: 1 (c1, 0 left)")
			r.wait(1)
			r.want("delete")
		}},
		{"after an ack", short, func(r *rig) {
			r.publish("a", "x")
			r.pull("I", `1`)
			r.wait(4 * time.Second)
			r.ack(1, "", "")
			r.wait(5*time.Second - 1)
			r.want("I: 1 (c1, 0 left)")
			r.wait(1)
			r.want("delete")
		}},
		{"after a delivery", api.ConsumerConfig{InactiveThreshold: 5 * time.Second}, func(r *rig) {
			r.pull("I", `1`)
			r.wait(4 * time.Second)
			r.publish("a", "x")
			r.wait(5*time.Second - 1)
			r.want("I: 1 (c1, 0 left)")
			r.wait(1)
			r.want("delete")
		}},
		{"used in time", short, func(r *rig) {
			r.wait(4 * time.Second)
			r.pull("I", `{"no_wait":true}`)
			r.wait(4 * time.Second)
			r.want("I: 404 No Messages")
		}},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(consumerOf(t, c.config)) })
	}
}

func TestUpdate(t *testing.T) {
	for _, c := range []struct {
		name string
		to   api.ConsumerConfig
		run  func(r *rig)
	}{
		{"ack wait", api.ConsumerConfig{AckPolicy: api.AckExplicit, AckWait: time.Second}, func(r *rig) {
			r.wait(time.Second)
			r.pull("I", "1")
			r.want("I: 1 (c6, #2, 1 left)")
		}},
		{"max_ack_pending", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxAckPending: 2}, func(r *rig) {
			r.pull("I", "2")
			r.ack(1, "", "")
			r.ack(2, "", "")
			r.ack(3, "", "")
			r.want()
			r.ack(4, "", "")
			r.want("I: 6 (c6, 0 left)")
		}},
		{"filter, from here on", api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "b"}, func(r *rig) {
			r.wantInfo("delivered 5/5 floor 0/0 unacked 5 again 0 waiting 0 left 0")
			r.publish("a", "x")
			r.publish("b", "x")
			r.pull("I", "2")
			r.want("I: 8 (c6, 0 left)")
		}},
		{"max_deliver", api.ConsumerConfig{AckPolicy: api.AckExplicit, MaxDeliver: 1}, func(r *rig) {
			r.ack(2, "-NAK", "")
			r.want("naked 2 (c2, #1)", "max deliveries 2 (c2, #1)")
		}},
		{"headers only", api.ConsumerConfig{AckPolicy: api.AckExplicit, HeadersOnly: true}, func(r *rig) {
			r.holdCommits = true
			r.engine.Pull(r.now, "I", nil, false, &r.out)
			r.engine.Step(r.now, &r.out)
			if f := r.out.List[0]; f.Kind != Deliver || !f.Delivery.HeadersOnly {
				r.t.Errorf("%+v", f)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := consumerOf(t, explicit)
			five(r)
			if err := r.engine.Update(r.now, config(c.to), &r.out); err != nil {
				t.Fatal(err)
			}
			r.step()
			c.run(r)
		})
	}
}

func TestPurge(t *testing.T) {
	purge := func(r *rig, matches func(store.Seq, string) bool) {
		kept := r.shelf.messages[:0]
		for _, m := range r.shelf.messages {
			if !matches(m.seq, m.subject) {
				kept = append(kept, m)
			}
		}
		r.shelf.messages = kept
		if err := r.engine.Purged(r.now, &r.out); err != nil {
			r.t.Fatal(err)
		}
		r.step()
	}
	for _, c := range []struct {
		name  string
		purge func(store.Seq, string) bool
		info  string
		wrote []string
		next  string
	}{
		{
			"all", func(store.Seq, string) bool { return true },
			"delivered 5/9 floor 5/9 unacked 0 again 0 waiting 0 left 0", nil, "I: 10 (c6, 0 left)",
		},
		{
			"up to what is pending", func(s store.Seq, _ string) bool { return s < 4 },
			"delivered 5/5 floor 3/3 unacked 2 again 0 waiting 0 left 4", nil, "I: 6 (c6, 4 left)",
		},
		{
			"what is to come", func(s store.Seq, _ string) bool { return s > 5 },
			"delivered 5/5 floor 0/0 unacked 5 again 0 waiting 0 left 0", nil, "I: 10 (c6, 0 left)",
		},
		{
			"beyond the position", func(s store.Seq, _ string) bool { return s < 8 },
			"delivered 5/7 floor 5/7 unacked 0 again 0 waiting 0 left 2", nil, "I: 8 (c6, 2 left)",
		},
		{
			"some of it", func(s store.Seq, _ string) bool { return s == 3 || s == 7 },
			"delivered 5/5 floor 0/0 unacked 4 again 0 waiting 0 left 3",
			[]string{`terminated 3 (c3, #1) "Message deleted by stream limits"`},
			"I: 6 (c6, 3 left)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := consumerOf(t, explicit)
			r.publish("a", "1", "2", "3", "4", "5", "6", "7", "8", "9")
			r.pull("I", "5")
			r.wrote = nil
			purge(r, c.purge)
			r.want(c.wrote...)
			r.wantInfo(c.info)
			r.publish("a", "x")
			r.pull("I", "1")
			r.want(c.next)
		})
	}

	// Another leader finds out by itself.
	r := consumerOf(t, explicit)
	five(r)
	for seq := range store.Seq(3) {
		r.shelf.remove(seq + 1)
	}
	r.lead()
	r.step()
	r.wantInfo("delivered 5/5 floor 3/3 unacked 2 again 0 waiting 0 left 1")
}

// All that a consumer is about is gone: that is no news of each message.
func TestPurgeOfTheFilter(t *testing.T) {
	r := consumerOf(t, api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "b"})
	for _, subject := range []string{"a", "b", "a", "b", "a"} {
		r.publish(subject, "x")
	}
	r.pull("I", "2")
	r.want("I: 2 (c1, 1 left)", "I: 4 (c2, 0 left)")
	r.shelf.remove(2)
	r.shelf.remove(4)
	if err := r.engine.Purged(r.now, &r.out); err != nil {
		t.Fatal(err)
	}
	r.step()
	r.want()
	r.wantInfo("delivered 2/5 floor 2/5 unacked 0 again 0 waiting 0 left 0")
}

// From the time on that a stream keeps messages until they are acknowledged, it is told.
func TestUpdateOfTheRetention(t *testing.T) {
	r := consumerOf(t, explicit)
	five(r)
	r.ack(1, "", "")
	r.params.Retains = true
	r.lead()
	if err := r.engine.Update(r.now, config(explicit), &r.out); err != nil {
		t.Fatal(err)
	}
	r.step()
	r.ack(2, "", "")
	if got := fmt.Sprint(r.res.Finished); got != "[{2 2}]" {
		t.Errorf("the stream is told of %s", got)
	}
}

// The floor is not in front of the stream, though what is pending is far behind it.
func TestPurgeInFrontOfWhatIsPending(t *testing.T) {
	r := consumerOf(t, api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "b"})
	r.publish("a", "1", "2", "3", "4")
	r.publish("b", "5")
	r.pull("I", "1")
	for seq := range store.Seq(3) {
		r.shelf.remove(seq + 1)
	}
	r.lead()
	r.step()
	r.wantInfo("delivered 1/5 floor 0/3 unacked 1 again 0 waiting 0 left 0")
}

// A new filter does not bring back what the old one passed over, whoever leads.
func TestUpdateOfTheFilter(t *testing.T) {
	r := consumerOf(t, api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "b"})
	r.publish("a", "1", "2", "3")
	if err := r.engine.Update(r.now, config(api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "a"}), &r.out); err != nil {
		t.Fatal(err)
	}
	r.step()
	r.lead()
	r.publish("a", "4")
	r.pull("I", "9")
	r.want("I: 4 (c1, 0 left)")
}

// A leader whose copy of the stream is behind does not take for deleted what it has
// not got yet.
func TestStreamBehindConsumer(t *testing.T) {
	r := consumerOf(t, explicit)
	five(r)
	ahead := r.shelf.messages
	r.shelf.messages, r.shelf.last = ahead[:3:3], 3
	r.lead()
	r.step()
	if err := r.engine.Purged(r.now, &r.out); err != nil {
		t.Fatal(err)
	}
	r.wait(30 * time.Second)
	r.pull("I", "9")
	r.want("I: 1 (c6, #2, 0 left)", "I: 2 (c7, #2, 0 left)", "I: 3 (c8, #2, 0 left)")
	for _, m := range ahead[3:] {
		r.shelf.put(m.time, m.subject, m.data)
		r.engine.Stored(m.seq, []byte(m.subject))
	}
	r.step()
	r.want("I: 6 (c9, 0 left)")
	r.ack(1, "", "")
	r.ack(2, "", "")
	r.ack(3, "", "")
	r.ack(6, "", "")
	r.wait(30 * time.Second)
	r.want("I: 4 (c10, #2, 0 left)", "I: 5 (c11, #2, 0 left)")
}
