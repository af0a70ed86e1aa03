package file

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// benchStore opens a store on the machine's disk.
func benchStore(b testing.TB, cfg Config) *Store {
	cfg.FS, cfg.Dir = vfs.OS(), b.TempDir()
	s, _, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func commit(t testing.TB, s *Store, extra []byte) {
	t.Helper()
	c, err := s.Checkpoint(extra)
	if err == nil {
		err = c.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func maintain(t testing.TB, s *Store) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = s.Maintain(); err != nil {
			t.Fatal(err)
		}
	}
}

// fill appends n messages of some bytes on subjects that name gives.
func fill(t testing.TB, s *Store, n, size int, name func(dst []byte, i int) []byte) {
	t.Helper()
	m := store.Message{Seq: s.State().Last, Data: make([]byte, size)}
	for i := range n {
		m.Seq++
		m.Time++
		m.Subject = name(m.Subject[:0], i)
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
		if i%100_000 == 0 {
			maintain(t, s)
		}
	}
	maintain(t, s)
}

func key(dst []byte, i int) []byte { return fmt.Appendf(dst, "$KV.bucket.key-%07d", i) }

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{128, 16 << 10} {
		for name, cfg := range map[string]Config{"plain": {}, "s2": {Compression: true}} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				s := benchStore(b, cfg)
				m := store.Message{Subject: []byte("orders.eu.new"), Data: make([]byte, size)}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					m.Seq++
					m.Time++
					if err := s.Append(&m); err != nil {
						b.Fatal(err)
					}
					if m.Seq%1000 == 0 {
						if _, err := s.Compact(m.Seq - 500); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkKeyValue updates random ones of 100,000 keys, each of which removes the
// message before, with checkpoints and maintenance.
func BenchmarkKeyValue(b *testing.B) {
	s := benchStore(b, Config{})
	const keys = 100_000
	fill(b, s, keys, 100, key)
	rng := rand.New(rand.NewPCG(1, 1))
	m := store.Message{Seq: keys, Time: keys, Data: make([]byte, 100)}
	b.ReportAllocs()
	for b.Loop() {
		m.Seq++
		m.Time++
		m.Subject = key(m.Subject[:0], rng.IntN(keys))
		if err := s.Append(&m); err != nil {
			b.Fatal(err)
		}
		if _, err := s.RemoveOldest(string(m.Subject)); err != nil {
			b.Fatal(err)
		}
		if m.Seq%100_000 == 0 {
			maintain(b, s)
			commit(b, s, nil)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	const n = 1_000_000
	s := benchStore(b, Config{})
	fill(b, s, n, 128, func(dst []byte, i int) []byte {
		if i%100_000 == 50_000 {
			return append(dst, "orders.rare"...)
		}
		return fmt.Appendf(dst, "orders.%d.%d", i%1000, i%3)
	})
	commit(b, s, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	var m store.Message
	b.Run("load random", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Load(store.Seq(rng.IntN(n)+1), &m); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, f := range []*store.Filter{nil, store.NewFilter("orders.*.1"), store.NewFilter("orders.17.*")} {
		b.Run(fmt.Sprintf("next in order/%s", f.Patterns()[0]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s.Next(f, m.Seq+1, &m) != nil {
					m.Seq = 0
				}
			}
		})
	}
	b.Run("rare literal, all ten, cold", func(b *testing.B) {
		for b.Loop() {
			s.cache = NewCache(0, 0)
			f := store.NewFilter("orders.rare")
			count := 0
			for m.Seq = 0; s.Next(f, m.Seq+1, &m) == nil; count++ {
			}
			if count != 10 {
				b.Fatal(count)
			}
		}
	})
	b.Run("rare wildcard, all ten, cold", func(b *testing.B) {
		for b.Loop() {
			s.cache = NewCache(0, 0)
			f := store.NewFilter("orders.rare.>", "*.rare")
			count := 0
			for m.Seq = 0; s.Next(f, m.Seq+1, &m) == nil; count++ {
			}
			if count != 10 {
				b.Fatal(count)
			}
		}
	})
	b.Run("count from the middle", func(b *testing.B) {
		f := store.NewFilter("orders.*.1")
		for b.Loop() {
			if s.Count(f, n/2, false) == 0 {
				b.Fatal("none")
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	const n = 1_000_000
	s := benchStore(b, Config{})
	fill(b, s, n, 100, key)
	commit(b, s, nil)
	cfg := s.cfg
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, _, err := Open(cfg)
		if err != nil {
			b.Fatal(err)
		}
		if s.State().Subjects != n {
			b.Fatal(s.State())
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return ms.HeapAlloc
}

// BenchmarkBytesPerKey reports what a million keys take, just written and opened
// again.
func BenchmarkBytesPerKey(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		s := benchStore(b, Config{})
		fill(b, s, n, 100, key)
		commit(b, s, nil)
		b.ReportMetric(float64(heap()-before)/n, "written-B/key")
		cfg := s.cfg
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		before = heap()
		s, _, err := Open(cfg) // the one before is garbage now
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heap()-before)/n, "opened-B/key")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
