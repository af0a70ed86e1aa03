package transport

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// The model of a queue: what waits, and what has been taken.
func TestQueueAgreesWithAModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		limits := Limits{QueueFrames: 1 + rng.IntN(20), QueueBytes: 1 + rng.IntN(3000)}
		q := newQueue(limits)
		var (
			waiting, taken, spare [][]byte
			dropped               uint64
			refusing, closed      bool
		)
		cost := func() (bytes int) {
			for _, f := range slices.Concat(waiting, taken) {
				bytes += len(f) + frameOverhead
			}
			return bytes
		}
		for range 200 {
			switch op := rng.IntN(100); {
			case op < 60:
				f := bytes.Repeat([]byte{byte(op)}, rng.IntN(200))
				fits := len(waiting)+len(taken) == 0 ||
					len(waiting)+len(taken) < limits.QueueFrames && cost()+len(f)+frameOverhead <= limits.QueueBytes
				want := fits && !refusing && !closed
				if got := q.put(f); got != want {
					t.Fatalf("put = %v, want %v", got, want)
				}
				if want {
					waiting = append(waiting, f)
				} else {
					dropped++
				}
			case op < 75 && len(taken) == 0 && len(waiting) > 0:
				got, ok := q.take(spare)
				if !ok || !slices.EqualFunc(got, waiting, bytes.Equal) {
					t.Fatalf("take = %d frames, %v; want %d", len(got), ok, len(waiting))
				}
				taken, waiting, spare = slices.Clone(waiting), nil, got
			case op < 90 && len(taken) > 0:
				sent := rng.IntN(2) == 0
				if !sent {
					dropped += uint64(len(taken))
				}
				q.done(spare, sent)
				taken = nil
			case op < 92:
				if got := q.discard(); got != len(waiting) {
					t.Fatalf("discard = %d, want %d", got, len(waiting))
				}
				dropped += uint64(len(waiting))
				waiting = nil
			case op < 94:
				q.refuse()
				dropped += uint64(len(waiting))
				waiting, refusing = nil, true
			case op < 98:
				q.accept()
				refusing = false
			case op == 98 && rng.IntN(10) == 0:
				q.close()
				dropped += uint64(len(waiting))
				waiting, closed = nil, true
				if _, ok := q.take(nil); ok || q.await() {
					t.Fatal("a closed queue gives frames")
				}
			}
			frames, size, gone, _ := q.count()
			if wantSize := cost() - frameOverhead*frames; frames != len(waiting)+len(taken) || size != wantSize || gone != dropped {
				t.Fatalf("the queue counts %d frames, %d bytes, %d dropped; want %d, %d, %d",
					frames, size, gone, len(waiting)+len(taken), wantSize, dropped)
			}
		}
	}
}

func TestQueueWakesItsConsumer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		event  func(q *queue)
		frames int
		open   bool
	}{
		{"put", func(q *queue) { q.put([]byte("x")); q.put([]byte("y")) }, 2, true},
		{"stir", (*queue).stir, 0, true},
		{"close", (*queue).close, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(Limits{}.withDefaults())
				done := false
				go func() {
					frames, open := q.take(nil)
					if len(frames) != tt.frames || open != tt.open {
						t.Errorf("take = %d frames, %v; want %d, %v", len(frames), open, tt.frames, tt.open)
					}
					done = true
				}()
				synctest.Wait()
				if done {
					t.Fatal("take did not wait")
				}
				tt.event(q)
				synctest.Wait()
				if !done {
					t.Error("take was not woken")
				}
			})
		})
	}
}

func TestQueueLetsGoOfABurst(t *testing.T) {
	q := newQueue(Limits{}.withDefaults())
	for range 50_000 {
		q.put([]byte("x"))
	}
	frames, _ := q.take(nil)
	q.done(frames, true)
	for range 3 {
		q.put([]byte("x"))
		frames, _ = q.take(frames)
		q.done(frames, true)
	}
	if c := cap(q.waiting) + cap(frames); c > 4096 {
		t.Errorf("after a burst of 50,000 frames there is room for %d", c)
	}
}
