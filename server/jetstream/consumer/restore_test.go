package consumer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// kept is what is kept of a state.
func kept(s *State, cfg *api.ConsumerConfig) *Kept {
	return &Kept{
		Created: s.Created(), Config: cfg, Retains: s.flags&Retains != 0, Delivered: s.Delivered(), AckFloor: s.AckFloor(),
		NewestUpTo: s.NewestUpTo(), Unsettled: s.Unsettled(), GivenUp: s.GivenUp(),
	}
}

// A state that is made of what was kept of another is the same, but for what clients
// have to say again. The copy of an engine is the state that its proposals lead to.
func TestStateOfKept(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			cfg := config(api.ConsumerConfig{
				AckPolicy: []api.AckPolicy{api.AckExplicit, api.AckExplicit, api.AckAll, api.AckNone}[rnd.IntN(4)], AckWait: time.Second,
				MaxDeliver: 1 + rnd.IntN(3), FilterSubject: []string{"", "a"}[rnd.IntN(2)],
			})
			r := newRig(t)
			r.params.Retains = rnd.IntN(2) == 0
			r.create(*cfg)
			for n := range 300 {
				switch seq := 1 + rnd.Uint64N(uint64(r.shelf.last)+1); rnd.IntN(6) {
				case 0, 1:
					r.publish([]string{"a", "b"}[rnd.IntN(2)], fmt.Sprint(n))
				case 2:
					r.pull("inbox", fmt.Sprintf(`{"batch":%d,"no_wait":true}`, 1+rnd.IntN(5)))
				case 3:
					r.ack(seq, []string{"+ACK", "-NAK", `-NAK {"delay":3000000000}`, "+TERM"}[rnd.IntN(4)], "")
				case 4:
					r.wait(time.Duration(rnd.Int64N(int64(time.Second))))
				default:
					if rnd.IntN(4) == 0 {
						r.remove(store.Seq(seq))
					}
				}
				r.step()
				was := r.engine.Copy()
				if got, want := was.Delivered(), r.engine.Delivered(); got.Consumer != want.Consumer || got.Stream != want.Stream {
					t.Fatalf("the copy has %+v, the engine %+v", got, want)
				}
				again, err := NewState(kept(was, cfg))
				if err != nil {
					t.Fatal(err)
				}
				was.waiting, was.time = nil, again.time
				if !was.tracked() {
					// There all that was delivered is settled, at once.
					was.floor = was.delivered
				}
				if got, want := again.Digest(), was.Digest(); got != want {
					t.Fatalf("step %d: %+v and %+v pending became %+v and %+v", n, was.floor, was.pending.list, again.floor, again.pending.list)
				}
				if err := new(State).Apply(again.AppendFull(nil), &r.res); err != nil {
					t.Fatal(err)
				}
				r.engine.recordPosition(true)
				r.step()
				if copied := r.engine.Copy(); copied.Delivered().Consumer != r.state.Delivered().Consumer || copied.Delivered().Stream != r.state.Delivered().Stream {
					t.Fatalf("the copy has %+v, the state %+v", copied.Delivered(), r.state.Delivered())
				}
			}
		})
	}
}

func TestKeptThatContradictsItself(t *testing.T) {
	one := []Unsettled{{Stream: 5, Consumer: 2, Count: 1}}
	for name, change := range map[string]func(*Kept){
		"nothing wrong":               func(*Kept) {},
		"a floor that is ahead":       func(k *Kept) { k.AckFloor.Stream = 11 },
		"more settled than delivered": func(k *Kept) { k.AckFloor.Consumer = 11 },
		"pending behind the end":      func(k *Kept) { one[0].Stream = 11 },
		"pending in front of it all":  func(k *Kept) { one[0].Stream = 1 },
		"delivered never":             func(k *Kept) { one[0].Count = 0 },
		"delivered later":             func(k *Kept) { one[0].Consumer = 11 },
		"given up and not delivered":  func(k *Kept) { k.GivenUp = slices.Values([]store.Seq{11}) },
		"given up and pending":        func(k *Kept) { k.GivenUp = slices.Values([]store.Seq{5}) },
	} {
		one[0] = Unsettled{Stream: 5, Consumer: 2, Count: 1}
		k := &Kept{
			Created: start, Config: config(api.ConsumerConfig{AckPolicy: api.AckExplicit}), Retains: true,
			Delivered: Position{Consumer: 10, Stream: 10}, AckFloor: Position{Consumer: 1, Stream: 1},
			Unsettled: slices.Values(one), GivenUp: slices.Values([]store.Seq{3}),
		}
		change(k)
		_, err := NewState(k)
		if fine := name == "nothing wrong"; fine != (err == nil) || !fine && !errors.Is(err, errKept) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
