package consumer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
)

// Over a real store a consumer delivers what a look at all messages selects.
func TestOverMemoryStore(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 7))
	s := mem.New()
	subjects := map[store.Seq]string{}
	for seq := store.Seq(1); seq <= 5000; seq++ {
		subjects[seq] = fmt.Sprintf("%c.%d", 'a'+rnd.IntN(5), rnd.IntN(100))
		if err := s.Append(&store.Message{Seq: seq, Time: start + int64(seq), Subject: []byte(subjects[seq])}); err != nil {
			t.Fatal(err)
		}
	}
	for range 1000 {
		seq := store.Seq(1 + rnd.IntN(5000))
		if _, err := s.Remove(seq, false); err == nil {
			delete(subjects, seq)
		}
	}
	for _, c := range []struct {
		policy  api.DeliverPolicy
		filters []string
	}{
		{api.DeliverAll, nil},
		{api.DeliverAll, []string{"b.*"}},
		{api.DeliverAll, []string{"b.7", "c.>", "*.3"}},
		{api.DeliverAll, []string{"z"}},
		{api.DeliverLast, []string{"d.*"}},
		{api.DeliverLastPerSubject, []string{">"}},
		{api.DeliverLastPerSubject, []string{"a.*", "b.5"}},
	} {
		t.Run(fmt.Sprint(c.policy, c.filters), func(t *testing.T) {
			f := store.NewFilter(c.filters...)
			var want []store.Seq
			newest := map[string]bool{}
			for seq := store.Seq(5000); seq > 0; seq-- {
				subject, ok := subjects[seq]
				if !ok || !f.Matches([]byte(subject)) || c.policy == api.DeliverLastPerSubject && newest[subject] {
					continue
				}
				newest[subject] = true
				if want = append(want, seq); c.policy == api.DeliverLast {
					break
				}
			}
			slices.Reverse(want)

			r := newRig(t)
			r.params.Store = s
			r.create(api.ConsumerConfig{DeliverPolicy: c.policy, FilterSubjects: c.filters})
			if left := r.engine.Info().Pending; left != uint64(len(want)) {
				t.Errorf("%d are left, want %d", left, len(want))
			}
			var got []store.Seq
			r.engine.Pull(r.now, "I", []byte("10000"), false, &r.out)
			for more := true; more; {
				more = r.engine.Step(r.now, &r.out)
				for i := range r.out.List {
					if v := &r.out.List[i]; v.Kind == Deliver {
						got = append(got, v.Delivery.Stream)
						if rest := len(want) - len(got); v.Delivery.Pending != uint64(rest) {
							t.Fatalf("%s, want %d left", describe(v), rest)
						}
					}
				}
				r.carryOut()
			}
			if !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}
