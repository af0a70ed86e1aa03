package transport

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func noTime() time.Duration { return 0 }

// The model of a queue: what waits, and what has been taken.
func TestQueueAgreesWithAModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		limits := Limits{QueueFrames: 1 + rng.IntN(20), QueueBytes: 1 + rng.IntN(3000), QueueDelay: time.Duration(1 + rng.IntN(50))}
		now := time.Duration(0)
		q := newQueue(limits, func() time.Duration { return now })
		var (
			// since is when those waiting or taken were put.
			since                 []time.Duration
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
			now += time.Duration(rng.IntN(10))
			switch op := rng.IntN(100); {
			case op < 60:
				f := bytes.Repeat([]byte{byte(op)}, rng.IntN(200))
				fits := len(waiting)+len(taken) == 0 ||
					len(waiting)+len(taken) < limits.QueueFrames && cost()+len(f)+frameOverhead <= limits.QueueBytes
				// All of them are small.
				entries := rng.IntN(2) == 0
				late := entries && len(since) > 0 && now-since[0] > 2*limits.QueueDelay
				want := fits && !refusing && !closed && !late
				if got := q.put(f, entries); got != want {
					t.Fatalf("put = %v, want %v", got, want)
				}
				if want {
					waiting = append(waiting, f)
					since = append(since, now)
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
				since = since[len(taken):]
				taken = nil
			case op < 92:
				if got := q.discard(); got != len(waiting) {
					t.Fatalf("discard = %d, want %d", got, len(waiting))
				}
				dropped += uint64(len(waiting))
				waiting, since = nil, since[:len(taken)]
			case op < 94:
				q.refuse()
				dropped += uint64(len(waiting))
				waiting, refusing, since = nil, true, since[:len(taken)]
			case op < 98:
				q.accept()
				refusing = false
			case op == 98 && rng.IntN(10) == 0:
				q.close()
				dropped += uint64(len(waiting))
				waiting, closed, since = nil, true, since[:len(taken)]
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

// What is taken at a time is bounded, so that those who wait behind it are seen to.
func TestQueueGivesBatches(t *testing.T) {
	q := newQueue(Limits{}.withDefaults(), noTime)
	var want, got [][]byte
	for i := range uint64(200) {
		size := 50_000
		if i%50 == 49 {
			size = 3 * batchBytes
		}
		want = append(want, numbered(1, i, size))
		q.put(want[i], false)
	}
	for len(got) < len(want) {
		frames, _ := q.take(nil)
		size := 0
		for _, f := range frames {
			size += len(f)
		}
		if len(frames) == 0 || size > batchBytes && len(frames) > 1 {
			t.Fatalf("%d frames of %d bytes are taken", len(frames), size)
		}
		got = append(got, frames...)
		q.done(frames, true)
	}
	wantFrames(t, "taken", got, want[:len(want):len(want)])
	if frames, bytes, _, _ := q.count(); frames != 0 || bytes != 0 {
		t.Errorf("%d frames of %d bytes are left", frames, bytes)
	}
}

// Large frames with entries are refused when the next one has waited for too long, small
// ones later, and others not.
func TestQueueRefusesLateEntries(t *testing.T) {
	now := time.Hour
	q := newQueue(Limits{QueueDelay: 100}.withDefaults(), func() time.Duration { return now })
	q.put(make([]byte, 100), true)
	for _, tt := range []struct {
		at           time.Duration
		large, small bool
	}{{0, true, true}, {100, true, true}, {101, false, true}, {200, false, true}, {201, false, false}, {time.Hour, false, false}} {
		now = time.Hour + tt.at
		large, small, others := q.put(make([]byte, 16<<10+1), true), q.put(make([]byte, 16<<10), true), q.put(make([]byte, 100<<10), false)
		if large != tt.large || small != tt.small || !others {
			t.Errorf("after %v, large: %v, small: %v, others: %v", tt.at, large, small, others)
		}
	}
}

// The room for entries finds out how much the consumer does in time: what is put does not
// wait for long, and the consumer has enough to do, also when it becomes faster or slower.
func TestQueueFitsItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		q := newQueue(Limits{QueueDelay: 100 * time.Millisecond}.withDefaults(), func() time.Duration { return time.Since(begun) })
		defer q.close()
		var rate, done atomic.Int64 // bytes per second, and bytes
		rate.Store(1 << 20)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				frames, ok := q.take(nil)
				if !ok {
					return
				}
				for i, f := range frames {
					time.Sleep(time.Duration(len(f)) * time.Second / time.Duration(rate.Load()))
					done.Add(int64(len(f)))
					q.done(frames[i:i+1], true)
				}
			}
		})
		frame := make([]byte, 100_000)
		for _, r := range []int64{4 << 20, 200 << 20, 20 << 20, 2 << 20, 1000 << 20} {
			rate.Store(r)
			for phase, length := range []time.Duration{5 * time.Second, time.Second} {
				before, worst := done.Load(), time.Duration(0)
				for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(time.Millisecond) {
					for q.put(frame, true) {
					}
					_, bytes, _, _ := q.count()
					worst = max(worst, time.Duration(bytes)*time.Second/time.Duration(r))
				}
				if phase == 0 {
					continue // it has to find out first
				}
				// It cannot be less than leastRoom.
				if least := leastRoom * time.Second / time.Duration(r); worst > max(250*time.Millisecond, 3*least/2) {
					t.Errorf("at %d MiB/s what is put waits for %v", r>>20, worst)
				}
				if part := float64(done.Load()-before) / float64(r); part < 0.9 {
					t.Errorf("at %d MiB/s the consumer works for %.2f of the time", r>>20, part)
				}
			}
		}
		q.close()
		wg.Wait()
	})
}

func TestQueueWakesItsConsumer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		event  func(q *queue)
		frames int
		open   bool
	}{
		{"put", func(q *queue) { q.put([]byte("x"), false); q.put([]byte("y"), false) }, 2, true},
		{"stir", (*queue).stir, 0, true},
		{"close", (*queue).close, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(Limits{}.withDefaults(), noTime)
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
	q := newQueue(Limits{}.withDefaults(), noTime)
	for range 50_000 {
		q.put([]byte("x"), false)
	}
	frames, _ := q.take(nil)
	q.done(frames, true)
	for range 3 {
		q.put([]byte("x"), false)
		frames, _ = q.take(frames)
		q.done(frames, true)
	}
	if c := cap(q.waiting) + cap(frames) + cap(q.since); c > 4096 {
		t.Errorf("after a burst of 50,000 frames there is room for %d", c)
	}
}
