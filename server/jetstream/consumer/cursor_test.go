package consumer

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Clients stop when they are told that nothing is left. What the engine is told of
// removals comes behind what it reads, and still the last message, and no other, says 0.
func TestLeftIsZeroAtTheEnd(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 6))
			r := newRig(t)
			subjects := []string{"a", "b", "c", "d", "e", "f"}
			put := func() (store.Seq, string) {
				s := subjects[rnd.IntN(len(subjects))]
				return r.shelf.put(r.now, s, "x"), s
			}
			for range 30 {
				put()
			}
			policy := []api.DeliverPolicy{api.DeliverAll, api.DeliverLastPerSubject}[seed%2]
			r.create(api.ConsumerConfig{DeliverPolicy: policy, FilterSubjects: []string{"a", "b", "c", "d"}})
			// told are things that have happened and that the engine hears of later.
			var told []func()
			for range 60 {
				switch n := rnd.IntN(4); {
				case n < 1:
					seq, s := put()
					told = append(told, func() { r.engine.Stored(seq, []byte(s)) })
				case n < 2:
					seq := store.Seq(1 + rnd.IntN(int(r.shelf.last)))
					if m, ok := r.shelf.remove(seq); ok {
						told = append(told, func() { r.engine.Removed(r.now, seq, []byte(m.subject), &r.out) })
					}
				case n < 3:
					for ; len(told) > 0 && rnd.IntN(4) > 0; told = told[1:] {
						told[0]()
					}
				default:
					r.engine.Pull(r.now, "I", nil, false, &r.out)
				}
				r.engine.Step(r.now, &r.out)
				r.carryOut()
			}
			for _, tell := range told {
				tell()
			}
			r.wrote = nil
			r.pull("I", "1000")
			for i, line := range r.wrote {
				var reply string
				var seq, consumerSeq, left int
				if _, err := fmt.Sscanf(line, "%s %d (c%d, %d left)", &reply, &seq, &consumerSeq, &left); err != nil || (left == 0) != (i == len(r.wrote)-1) {
					t.Errorf("message %d of %d is %q, %v", i+1, len(r.wrote), line, err)
				}
			}
			if left := r.engine.Info().Pending; left != 0 {
				t.Errorf("%d are left", left)
			}
		})
	}
}

// What is told in time is counted without a look at the store.
func TestLeftIsCounted(t *testing.T) {
	r := newRig(t)
	for _, s := range []string{"a", "b", "a", "b"} {
		r.shelf.put(r.now, s, "x")
	}
	r.create(api.ConsumerConfig{FilterSubject: "a"})
	for _, step := range []struct {
		do   func()
		left uint64
	}{
		{func() {}, 2},
		{func() { r.publish("a", "x", "x") }, 4},
		{func() { r.publish("b", "x") }, 4},
		{func() { r.remove(2, 3) }, 3},
		{func() { r.engine.Stored(5, []byte("a")) }, 3}, // once more
		{func() { r.pull("I", "1") }, 2},
		{func() { r.remove(1) }, 2},
		{func() { r.remove(6) }, 1},
		{func() { r.pull("I", "2") }, 0},
		{func() { r.publish("b", "x") }, 0},
	} {
		step.do()
		if got := r.engine.Info().Pending; got != step.left {
			t.Errorf("%d are left, want %d", got, step.left)
		}
	}
	r.want("I: 1 (c1, 2 left)", "I: 5 (c2, 0 left)")
}

// Of the newest of each subject those count that are there.
func TestLeftOfTheNewestIsCounted(t *testing.T) {
	r := newRig(t)
	for _, s := range []string{"a", "b", "a", "b", "c", "d"} {
		r.shelf.put(r.now, s, "x")
	}
	r.create(api.ConsumerConfig{DeliverPolicy: api.DeliverLastPerSubject, FilterSubject: ">"})
	r.remove(4)
	r.pull("I", "9")
	r.want("I: 3 (c1, 2 left)", "I: 5 (c2, 1 left)", "I: 6 (c3, 0 left)")
}

// A new message that cannot be read is passed over, and that is told.
func TestDamagedMessages(t *testing.T) {
	fault := func(seq int) string {
		return fmt.Sprintf("fault: store: block is corrupt at 0 (messages %d to %d): flipped", seq, seq)
	}
	for _, policy := range []api.DeliverPolicy{api.DeliverAll, api.DeliverLastPerSubject} {
		t.Run(policy.String(), func(t *testing.T) {
			r := newRig(t)
			for _, s := range []string{"a", "b", "c"} {
				r.shelf.put(r.now, s, "x")
			}
			r.shelf.damaged[1], r.shelf.damaged[3] = true, true
			r.create(api.ConsumerConfig{AckPolicy: api.AckExplicit, DeliverPolicy: policy, FilterSubject: ">"})
			r.pull("I", "5")
			r.want(fault(1), "I: 2 (c1, 0 left)", fault(3))
			r.publish("a", "x")
			r.want("I: 4 (c2, 0 left)")
		})
	}
}

// The position is proposed now and then if nothing else is.
func TestPositionIsRecorded(t *testing.T) {
	// Without acknowledgements it may wait for a while.
	r := consumerOf(t, api.ConsumerConfig{DeliverSubject: "D"})
	r.bind(true)
	r.publish("a", "x", "x")
	r.wait(50 * time.Millisecond)
	r.publish("a", "x")
	if got := r.state.Delivered(); got.Consumer != 0 {
		t.Errorf("it is %v at once", got)
	}
	r.wait(50 * time.Millisecond)
	if got := r.state.Delivered(); got.Consumer != 3 || got.Stream != 3 {
		t.Errorf("it is %v after a while", got)
	}
	if n := len(r.log); n != 2 {
		t.Errorf("it took %d proposals", n-1)
	}

	r.publish("a", make([]string, maxUnrecorded)...)
	if got := r.state.Delivered(); got.Consumer < maxUnrecorded {
		t.Errorf("it is %v, after many messages at once", got)
	}

	// Passing over a lot is recorded, passing over a little is not.
	r = consumerOf(t, api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "b"})
	r.publish("a", make([]string, maxPassedOver-1)...)
	r.wait(time.Hour)
	if got := r.state.Delivered(); got.Stream != 0 {
		t.Errorf("it is %v", got)
	}
	r.publish("a", "x")
	if got := r.state.Delivered(); got.Stream != maxPassedOver {
		t.Errorf("it is %v", got)
	}
	r.wantInfo(fmt.Sprintf("delivered 0/%d floor 0/%[1]d unacked 0 again 0 waiting 0 left 0", maxPassedOver))
}
