package mem

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// fillStore returns a store with n messages of some bytes of payload, on the
// subjects that are given by index.
func fillStore(tb testing.TB, n, payload int, subject func(buf []byte, i int) []byte) *Store {
	tb.Helper()
	s := New()
	m := store.Message{Data: make([]byte, payload)}
	for i := range n {
		m.Seq, m.Time = store.Seq(i+1), int64(i)
		m.Subject = subject(m.Subject[:0], i)
		if err := s.Append(&m); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

// orders are a hundred subjects, and rare ones ten times in a million messages.
func orders(buf []byte, i int) []byte {
	if i%100_000 == 50_000 {
		return append(buf, "orders.rare"...)
	}
	return fmt.Appendf(buf, "orders.%d.created", i%100)
}

func BenchmarkAppend(b *testing.B) {
	m := store.Message{Data: make([]byte, 128)}
	append1 := func(b *testing.B, s *Store, subject []byte) {
		m.Seq = s.last + 1
		m.Subject = subject
		if err := s.Append(&m); err != nil {
			b.Fatal(err)
		}
	}
	subjects := make([][]byte, 10_000)
	for i := range subjects {
		subjects[i] = fmt.Appendf(nil, "orders.%d.created", i)
	}
	b.Run("10 000 subjects", func(b *testing.B) {
		b.ReportAllocs()
		s, i := New(), 0
		for b.Loop() {
			append1(b, s, subjects[i%len(subjects)])
			if i++; i%2_000_000 == 0 {
				s = New()
			}
		}
	})
	b.Run("at the limit of messages", func(b *testing.B) {
		b.ReportAllocs()
		s, i := New(), 0
		for b.Loop() {
			append1(b, s, subjects[i%len(subjects)])
			if i++; s.messages > 100_000 {
				if _, err := s.RemoveOldest(""); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("key value", func(b *testing.B) {
		b.ReportAllocs()
		s, i := New(), 0
		for b.Loop() {
			subject := subjects[i*7919%len(subjects)]
			append1(b, s, subject)
			if v, _ := s.subjects.Get(subject); v.messages > 1 {
				if _, err := s.RemoveOldest(string(subject)); err != nil {
					b.Fatal(err)
				}
			}
			i++
		}
	})
}

func BenchmarkRead(b *testing.B) {
	const n = 1_000_000
	s := fillStore(b, n, 128, orders)
	var m store.Message
	found := func(b *testing.B, err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	i := uint64(0)
	random := func() store.Seq { i++; return store.Seq(i * 0x9E3779B97F4A7C15 % n) }
	b.Run("Load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			found(b, s.Load(random()+1, &m))
		}
	})
	for _, c := range []struct {
		name string
		f    *store.Filter
	}{
		{"all", nil},
		{"literal", store.NewFilter("orders.77.created")},
		{"rare literal", store.NewFilter("orders.rare")},
		{"wildcard", store.NewFilter("orders.*.created")},
		{"rare wildcard", store.NewFilter("*.rare")},
		{"two rare", store.NewFilter("orders.rare", "none.*")},
	} {
		b.Run("Next/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found(b, s.Next(c.f, random()*9/10, &m))
			}
		})
		b.Run("Last/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found(b, s.Last(c.f, n/2+random()/2, &m))
			}
		})
		b.Run("Count/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Count(c.f, 1, false)
			}
		})
		b.Run("Count from the middle/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Count(c.f, n/2, false)
			}
		})
	}
	b.Run("LastOf", func(b *testing.B) {
		var seqs []store.Seq
		for b.Loop() {
			var err error
			seqs, err = s.LastOf(nil, 0, math.MaxInt, seqs[:0])
			found(b, err)
		}
	})
	b.Run("Snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			snapshot, err := s.Snapshot()
			found(b, err)
			found(b, snapshot.Close())
		}
	})
}

// BenchmarkKeys tells what a key with a payload of ten bytes takes in memory.
func BenchmarkKeys(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		s := fillStore(b, n, 10, func(buf []byte, i int) []byte { return fmt.Appendf(buf, "$KV.bucket.key-%07d", i) })
		b.ReportMetric(float64(heap()-before)/n, "B/key")
		b.ReportMetric(float64(s.subjects.MemBytes())/n, "B/key-of-tree")
		runtime.KeepAlive(s)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
