package archive

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Is JSON that is not a state refused?
func TestConsumerStateRefuses(t *testing.T) {
	const at = `{"delivered":{"consumer_seq":5,"stream_seq":9},"ack_floor":{"consumer_seq":2,"stream_seq":3},`
	for _, c := range []struct{ name, state, want string }{
		{"floor above delivered", `{"delivered":{"consumer_seq":1},"ack_floor":{"consumer_seq":2}}`, "the ack floor is 2, 0 with 1, 0 delivered"},
		{"number without end", `{"delivered":{"stream_seq":9223372036854775808}}`, "the ack floor is"},
		{"pending at the floor", at + `"pending":{"3":{"Sequence":3}}}`, "message 3 is pending with 4 to 9 delivered"},
		{"pending above delivered", at + `"pending":{"10":{"Sequence":3}}}`, "message 10 is pending with 4 to 9 delivered"},
		{"more pending than deliveries", at + `"pending":{"4":{"Sequence":3},"5":{"Sequence":4},"6":{"Sequence":5},"7":{"Sequence":5}}}`, "4 messages are pending of 3 deliveries"},
		{"pending without number", at + `"pending":{"4":{"Timestamp":3}}}`, "message 4 is pending and was not delivered"},
		{"pending twice", at + `"pending":{"4":{"Sequence":3},"6":{"Sequence":5},"4":{"Sequence":4}}}`, "message 4 is there twice"},
		{"pending by name", at + `"pending":{"x":{"Sequence":3}}}`, `parsing "x"`},
		{"pending below zero", at + `"pending":{"-4":{"Sequence":3}}}`, `parsing "-4"`},
		{"redelivered from zero", at + `"redelivered":{"0":1}}`, "there is no message 0"},
		{"pending is a list", at + `"pending":[4,5]}`, "not an object of messages"},
		{"pending is no object", at + `"pending":{"4":5}}`, "cannot unmarshal number"},
		{"pending time is text", at + `"pending":{"4":{"Sequence":3,"Timestamp":"x"}}}`, "cannot unmarshal string"},
		{"redelivered twice", at + `"redelivered":{"4":1,"4":1}}`, "message 4 is there twice"},
		{"redelivered below zero", at + `"redelivered":{"4":-1}}`, "cannot unmarshal number -1"},
		{"redelivered is no number", at + `"redelivered":{"4":{}}}`, "cannot unmarshal object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s ConsumerState
			err := json.Unmarshal([]byte(c.state), &s)
			if err == nil {
				err = s.check()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// What do deliveries look like that the numbers in a backup are not right for?
func TestDeliveries(t *testing.T) {
	for _, c := range []struct{ name, state, want, exhausted string }{
		{
			"in order", `{"delivered":{"consumer_seq":9,"stream_seq":10},
			"pending":{"2":{"Sequence":2,"Timestamp":5},"10":{"Sequence":8,"Timestamp":7},"3":{"Sequence":5,"Timestamp":6}}}`,
			"[{2 2 5 1} {3 5 6 1} {10 8 7 1}]", "[]",
		},
		{"null", `{"delivered":{"consumer_seq":9,"stream_seq":9},"pending":null,"redelivered":null}`, "[]", "[]"},
		{
			"consumer seqs equal", `{"delivered":{"consumer_seq":9,"stream_seq":9},"pending":{"2":{"Sequence":2},"3":{"Sequence":2},"4":{"Sequence":2}}}`,
			"[{2 2 0 1} {3 3 0 1} {4 4 0 1}]", "[]",
		},
		{
			"consumer seqs descending", `{"delivered":{"consumer_seq":9,"stream_seq":9},"pending":{"2":{"Sequence":9},"3":{"Sequence":5},"4":{"Sequence":1}}}`,
			"[{2 7 0 1} {3 8 0 1} {4 9 0 1}]", "[]",
		},
		{
			"consumer seqs at the floor", `{"delivered":{"consumer_seq":5,"stream_seq":9},"ack_floor":{"consumer_seq":3},"pending":{"2":{"Sequence":1},"3":{"Sequence":2}}}`,
			"[{2 4 0 1} {3 5 0 1}]", "[]",
		},
		{
			"times out of range", `{"delivered":{"consumer_seq":5,"stream_seq":9},"pending":{"2":{"Sequence":1,"Timestamp":-1},"3":{"Sequence":2,"Timestamp":9223372036854775807}}}`,
			"[{2 1 0 1} {3 2 4611686018427387904 1}]", "[]",
		},
		{
			"redelivered", `{"delivered":{"consumer_seq":9,"stream_seq":9},"pending":{"2":{"Sequence":2},"4":{"Sequence":5},"6":{"Sequence":8}},
			"redelivered":{"1":3,"2":1,"3":2,"6":18446744073709551615,"9":1,"10":1}}`,
			"[{2 2 0 2} {4 5 0 1} {6 8 0 4294967295}]", "[1 3 9]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s ConsumerState
			if err := json.Unmarshal([]byte(c.state), &s); err != nil {
				t.Fatal(err)
			}
			if err := s.check(); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(slices.Collect(s.Deliveries())); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got := fmt.Sprint(slices.Collect(s.Exhausted())); got != c.exhausted {
				t.Errorf("exhausted %s, want %s", got, c.exhausted)
			}
		})
	}
}

// Does a state that an engine makes come back from JSON as it was? The model is a
// map of deliveries, and encoding/json on plain maps.
func TestConsumerStateModel(t *testing.T) {
	type plainState struct {
		Delivered   Position             `json:"delivered"`
		AckFloor    Position             `json:"ack_floor"`
		Pending     map[store.Seq]any    `json:"pending,omitempty"`
		Redelivered map[store.Seq]uint64 `json:"redelivered,omitempty"`
	}
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		s := &ConsumerState{AckFloor: Position{consumer.ConsumerSeq(rng.IntN(5)), store.Seq(rng.IntN(5))}}
		s.Delivered = s.AckFloor
		plain := plainState{AckFloor: s.AckFloor, Pending: map[store.Seq]any{}, Redelivered: map[store.Seq]uint64{}}
		var deliveries []Delivery
		var exhausted []store.Seq
		for range rng.IntN(50) {
			s.Delivered.Stream += 1 + store.Seq(rng.IntN(3))
			s.Delivered.Consumer += 1 + consumer.ConsumerSeq(rng.IntN(3))
			seq := s.Delivered.Stream
			switch rng.IntN(3) {
			case 0:
				d := Delivery{seq, s.Delivered.Consumer, rng.Int64N(1e18), 1 + rng.Uint32N(3)}
				deliveries = append(deliveries, d)
				plain.Pending[seq] = map[string]any{"Sequence": d.Consumer, "Timestamp": d.Time}
				if d.Count > 1 {
					plain.Redelivered[seq] = uint64(d.Count) - 1
				}
			case 1:
				exhausted = append(exhausted, seq)
				plain.Redelivered[seq] = rng.Uint64N(9)
			}
		}
		plain.Delivered = s.Delivered
		for _, d := range deliveries {
			s.AddDelivery(d)
		}
		for _, i := range rng.Perm(len(exhausted)) {
			s.AddExhausted(exhausted[i], plain.Redelivered[exhausted[i]])
		}

		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back plainState
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(back.Redelivered, plain.Redelivered) && len(plain.Redelivered) > 0 || len(back.Pending) != len(plain.Pending) {
			t.Fatalf("seed %d: %s is %v, want %v", seed, text, back, plain)
		}
		text, err = json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		var got ConsumerState
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(*s) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, *s)
		}
		if ds := slices.Collect(got.Deliveries()); !slices.Equal(ds, deliveries) {
			t.Fatalf("seed %d: deliveries %v, want %v", seed, ds, deliveries)
		}
		if ex := slices.Collect(got.Exhausted()); !slices.Equal(ex, exhausted) {
			t.Fatalf("seed %d: exhausted %v, want %v", seed, ex, exhausted)
		}
	}
}

// Is a time kept that others can add to?
func TestAddDeliveryKeepsTimesInRange(t *testing.T) {
	var s ConsumerState
	s.AddDelivery(Delivery{Stream: 1, Consumer: 1, Time: -5, Count: 1})
	s.AddDelivery(Delivery{Stream: 2, Consumer: 2, Time: math.MaxInt64, Count: 1})
	if s.Pending[0].Time != 0 || s.Pending[1].Time != maxTime || len(s.Redelivered) != 0 {
		t.Errorf("%+v", s)
	}
}
