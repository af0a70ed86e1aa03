package stream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func TestTimelineAgainstSort(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		var line timeline
		var model []moment
		for step := range 3000 {
			m := moment{at: r.Int64N(500), seq: store.Seq(r.Uint64N(50) + 1)}
			if seed%2 == 0 {
				m.at += int64(step)
			}
			at, found := slices.BinarySearchFunc(model, m, moment.compare)
			switch r.IntN(8) {
			case 0:
				if got := line.remove(m); got != found {
					t.Fatalf("seed %d: removed %v, want %v", seed, got, found)
				}
				if found {
					model = slices.Delete(model, at, at+1)
				}
			case 1:
				if len(model) > 0 {
					line.removeFirst()
					model = model[1:]
				}
			case 2:
				if r.IntN(200) == 0 {
					keep := func(m moment) bool { return m.seq%3 != 0 }
					line.retain(keep)
					model = slices.DeleteFunc(slices.Clone(model), func(m moment) bool { return !keep(m) })
				}
			default:
				line.add(m)
				if !found {
					model = slices.Insert(model, at, m)
				}
			}
			first, ok := line.first()
			if line.n != len(model) || ok != (len(model) > 0) || ok && first != model[0] {
				t.Fatalf("seed %d, step %d: %d moments, first %v, want %d", seed, step, line.n, first, len(model))
			}
		}
		if got := slices.Collect(line.all()); !slices.Equal(got, model) {
			t.Fatalf("seed %d: %v, want %v", seed, got, model)
		}
	}
}

func TestDedupeAgainstMap(t *testing.T) {
	type entry struct {
		id   string
		seq  store.Seq
		time int64
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		var d dedupe
		var model []entry
		now := int64(0)
		burst := 1
		for step := range 4000 {
			if step%200 == 0 {
				burst = 1 + r.IntN(300)
			}
			now += r.Int64N(10)
			id := fmt.Sprintf("%0*d", 1+r.IntN(12), r.IntN(4000))
			i := slices.IndexFunc(model, func(e entry) bool { return e.id == id })
			seq, known := d.find([]byte(id))
			if known != (i >= 0) || known && seq != model[i].seq {
				t.Fatalf("seed %d, step %d: %q is %d, %v", seed, step, id, seq, known)
			}
			if !known {
				d.add([]byte(id), store.Seq(step), now)
				model = append(model, entry{id, store.Seq(step), now})
			}
			if r.IntN(burst) == 0 {
				until := now - r.Int64N(4000)
				d.expire(until)
				model = slices.DeleteFunc(model, func(e entry) bool { return e.time <= until })
			}
			if d.len() != len(model) {
				t.Fatalf("seed %d, step %d: %d ids, want %d", seed, step, d.len(), len(model))
			}
		}
		i := 0
		for id, e := range d.all() {
			if got := (entry{string(id), e.seq, e.time}); got != model[i] {
				t.Fatalf("seed %d: entry %d is %v, want %v", seed, i, got, model[i])
			}
			i++
		}
	}
}

// TestDedupeGivesMemoryBack fills a window once.
func TestDedupeGivesMemoryBack(t *testing.T) {
	var d dedupe
	for i := range 100_000 {
		d.add(fmt.Appendf(nil, "some-id-%d", i), store.Seq(i), int64(i))
	}
	d.expire(99_990)
	if len(d.entries) > 50_000 || len(d.text) > 1<<20 {
		t.Errorf("9 ids have room for %d, and %d bytes", len(d.entries), len(d.text))
	}
	d.expire(100_000)
	if d.entries != nil || d.text != nil {
		t.Error("none have memory left")
	}
}
