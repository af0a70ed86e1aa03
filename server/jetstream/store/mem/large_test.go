package mem

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// TestSearches compares searches in many full blocks with a walk over all
// messages. Subjects are common, rare, or come in clusters that are far apart, so
// that no one way to search is the best for all.
func TestSearches(t *testing.T) {
	const n = 30_000
	rng := rand.New(rand.NewPCG(3, 4))
	subjects := make([]string, n+1)
	s := fillStore(t, n, 8, func(buf []byte, i int) []byte {
		switch {
		case rng.IntN(5000) == 0:
			buf = fmt.Appendf(buf, "rare.%d", rng.IntN(3))
		case i < 3000 || i > n-3000:
			buf = fmt.Appendf(buf, "ends.%d", rng.IntN(20))
		default:
			buf = fmt.Appendf(buf, "middle.%d.x", rng.IntN(300))
		}
		subjects[i+1] = string(buf)
		return buf
	})
	for range n / 3 {
		seq := store.Seq(rng.Uint64N(n) + 1)
		if _, err := s.Remove(seq, false); err == nil {
			subjects[seq] = ""
		}
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}

	for _, patterns := range [][]string{
		nil,
		{"rare.1"},
		{"rare.*"},
		{"ends.7"},
		{"ends.*"},
		{"middle.7.x"},
		{"middle.>"},
		{"*.7.*", "rare.>"},
		{"ends.1", "ends.2", "middle.8.x", "none"},
		{"none.*"},
	} {
		f := store.NewFilter(patterns...)
		selects := func(name string) bool {
			return name != "" && slices.ContainsFunc(f.Patterns(), func(p string) bool { return subject.Matches(name, p) })
		}
		for range 30 {
			at := store.Seq(rng.Uint64N(n) + 1)
			var next, last store.Seq
			var count, lastOnly uint64
			newest := make(map[string]store.Seq)
			seen := make(map[string]bool)
			for seq := store.Seq(n); seq > 0; seq-- {
				name := subjects[seq]
				if !selects(name) {
					continue
				}
				if seq >= at {
					next = seq
					count++
					if !seen[name] {
						lastOnly++
					}
				}
				seen[name] = true
				if seq <= at {
					last = max(last, seq)
					newest[name] = max(newest[name], seq)
				}
			}
			var m store.Message
			if err := s.Next(f, at, &m); next == 0 && !errors.Is(err, store.ErrNotFound) || next != 0 && m.Seq != next {
				t.Fatalf("Next(%q, %d) = %d, %v, want %d", patterns, at, m.Seq, err, next)
			}
			if err := s.Last(f, at, &m); last == 0 && !errors.Is(err, store.ErrNotFound) || last != 0 && m.Seq != last {
				t.Fatalf("Last(%q, %d) = %d, %v, want %d", patterns, at, m.Seq, err, last)
			}
			if a, b := s.Count(f, at, false), s.Count(f, at, true); a != count || b != lastOnly {
				t.Fatalf("Count(%q, %d) = %d, with lastOnly %d, want %d and %d", patterns, at, a, b, count, lastOnly)
			}
			seqs, err := s.LastOf(f, at, n, nil)
			if err != nil || len(seqs) != len(newest) || !slices.IsSorted(seqs) {
				t.Fatalf("LastOf(%q, %d) has %d numbers, %v, want %d", patterns, at, len(seqs), err, len(newest))
			}
			for _, seq := range seqs {
				if newest[subjects[seq]] != seq {
					t.Fatalf("LastOf(%q, %d) has %d for %s, want %d", patterns, at, seq, subjects[seq], newest[subjects[seq]])
				}
			}
		}
	}
}

// room is what the blocks take in memory, and content what of it is in use.
func (s *Store) room() (room, content int) {
	for _, b := range s.blocks {
		room += slotBytes*cap(b.slots) + cap(b.data) + 8*cap(b.dead)
		content += slotBytes*b.live + len(b.data) - b.waste
	}
	return room, content
}

// TestMemoryStaysInProportion updates keys at random, which leaves old blocks with
// few messages each.
func TestMemoryStaysInProportion(t *testing.T) {
	const keys, updates = 5_000, 300_000
	rng := rand.New(rand.NewPCG(5, 6))
	s := New()
	m := store.Message{Data: make([]byte, 20)}
	for i := range updates {
		// Some keys are updated far more often than others.
		key := rng.IntN(keys)
		if i%2 == 0 {
			key = rng.IntN(20)
		}
		m.Seq, m.Subject = store.Seq(i+1), fmt.Appendf(m.Subject[:0], "$KV.bucket.%d", key)
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
		if v, _ := s.subjects.Get(m.Subject); v.messages > 1 {
			if _, err := s.RemoveOldest(string(m.Subject)); err != nil {
				t.Fatal(err)
			}
		}
		if i%10_000 != 9_999 || i < updates/10 {
			continue
		}
		ends := 2 * (slotBytes*s.tuning.blockSlots + s.tuning.blockBytes)
		if room, content := s.room(); room > 2*content+ends {
			t.Fatalf("after %d updates the blocks take %d bytes for %d bytes of content", i+1, room, content)
		}
		if most := 8 * keys / s.tuning.blockSlots; len(s.blocks) > most {
			t.Fatalf("after %d updates there are %d blocks, want %d at the most", i+1, len(s.blocks), most)
		}
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	const runs = 5000
	s := fillStore(t, 20_000, 128, orders)
	m := store.Message{Data: make([]byte, 128), Subject: []byte("orders.77.created")}
	appendOne := func() {
		m.Seq = s.last + 1
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(runs, appendOne); n > 0 {
		t.Errorf("Append allocates %v times", n)
	}
	// At a limit the memory of old blocks is used again: what is left is the name
	// in Removed.
	before := heap()
	n := testing.AllocsPerRun(20*runs, func() {
		appendOne()
		if _, err := s.RemoveOldest(""); err != nil {
			t.Fatal(err)
		}
	})
	if grown := int64(heap()) - int64(before); n > 1 || grown > 1<<20 {
		t.Errorf("a store at its limit allocates %v times for a message, and has grown by %d bytes", n, grown)
	}

	var loaded store.Message
	if err := s.Load(s.last, &loaded); err != nil {
		t.Fatal(err)
	}
	filters := []*store.Filter{nil, store.NewFilter("orders.77.created"), store.NewFilter("orders.*.created")}
	for _, f := range filters {
		n := testing.AllocsPerRun(100, func() {
			if s.Load(s.last, &loaded) != nil || s.Next(f, s.last-500, &loaded) != nil {
				t.Fatal("not found")
			}
		})
		if n > 0 {
			t.Errorf("Load and Next(%q) allocate %v times", f.Patterns(), n)
		}
	}
}

// TestLargeMessagesAreCopiedOnce counts what is allocated for messages that are
// larger than a block.
func TestLargeMessagesAreCopiedOnce(t *testing.T) {
	const n, size = 20, 1 << 20
	if got := unsafe.Sizeof(slot{}); got != slotBytes {
		t.Errorf("a slot has %d bytes, want %d", got, slotBytes)
	}
	s := New()
	m := store.Message{Subject: []byte("large"), Data: make([]byte, size)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range store.Seq(n) {
		m.Seq = i + 1
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > n*size*5/4 {
		t.Errorf("%d messages of %d bytes have allocated %d bytes", n, size, allocated)
	}
}

// contains reports whether some bytes are in the blocks, dead or alive.
func (s *Store) contains(what []byte) bool {
	return slices.ContainsFunc(s.blocks, func(b *block) bool { return bytes.Contains(b.data, what) })
}

func TestErase(t *testing.T) {
	secret := []byte("secret")
	for _, c := range []struct {
		name     string
		n        int
		snapshot bool
	}{
		{"in the last block", 10, false},
		{"in an old block", 2000, false},
		{"in the last block with a snapshot", 10, true},
		{"in an old block with a snapshot", 2000, true},
		{"the only message", 1, false},
		{"the only message with a snapshot", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New()
			for i := range c.n {
				m := store.Message{Seq: store.Seq(i + 1), Subject: []byte("a"), Data: []byte("open")}
				if i == min(c.n-1, 4) {
					m.Data = secret
				}
				if err := s.Append(&m); err != nil {
					t.Fatal(err)
				}
			}
			var snapshot store.Snapshot
			if c.snapshot {
				var err error
				if snapshot, err = s.Snapshot(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Remove(store.Seq(min(c.n, 5)), true); err != nil {
				t.Fatal(err)
			}
			if s.contains(secret) || s.spare != nil && bytes.Contains(s.spare.data[:cap(s.spare.data)], secret) {
				t.Error("what was erased is still there")
			}
			if err := s.check(); err != nil {
				t.Error(err)
			}
			if snapshot == nil {
				return
			}
			found := false
			for m := range snapshot.Messages(0) {
				found = found || bytes.Equal(m.Data, secret)
			}
			if !found {
				t.Error("the snapshot has changed")
			}
		})
	}
}

func TestSnapshotIsClosed(t *testing.T) {
	s := fillStore(t, 3000, 8, orders)
	snapshot, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for range snapshot.Messages(0) {
		break // must not spoil the next round
	}
	n := 0
	for _, err := range snapshot.Messages(0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3000 {
		t.Errorf("the snapshot has %d messages, want 3000", n)
	}
	for range 2 {
		if err := snapshot.Close(); err != nil {
			t.Error(err)
		}
	}
	if open := s.snapshots.Load(); open != 0 {
		t.Errorf("%d snapshots are open", open)
	}
	for _, err := range snapshot.Messages(0) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("a message of a closed snapshot: %v", err)
		}
	}
}

func TestAppendOutOfOrder(t *testing.T) {
	s := New()
	if err := s.Skip(5, 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a message with a number of the past is taken")
		}
	}()
	_ = s.Append(&store.Message{Seq: 5, Subject: []byte("a")}) // panics
}
