package seqset

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// workloads are what is missing from streams.
var workloads = []struct {
	name string
	make func(*Set)
	// most is how many bytes of memory that may take.
	most uint64
}{
	{"ten billion in a row", func(s *Set) { s.AddRange(5, 1e10) }, 500},
	{"ten million in a row, one by one", func(s *Set) {
		for x := range uint64(1e7) {
			s.Add(x)
		}
	}, 1000},
	{"every other of ten million", func(s *Set) {
		for x := uint64(0); x < 1e7; x += 2 {
			s.Add(x)
		}
	}, 1e7/8 + 30_000},
	{"one in a thousand of ten million", func(s *Set) {
		for x := uint64(0); x < 1e7; x += 1000 {
			s.Add(x)
		}
	}, 10_000*8 + 30_000},
	{"half of ten million at random", func(s *Set) {
		r := rand.New(rand.NewPCG(1, 2))
		for range int(7e6) {
			s.Add(r.Uint64N(1e7))
		}
	}, 1e7/8 + 30_000},
	{"a million that became ten", func(s *Set) {
		for x := uint64(0); x < 2e6; x += 2 {
			s.Add(x)
		}
		s.RemoveBelow(2e6 - 20)
	}, 1000},
}

// memoryOf is how many bytes a set takes, with what it keeps room for and refers to behind
// the ends of its slices; but for what the allocator adds. What the process has allocated
// would tell more, and of others as well.
func memoryOf(s *Set) uint64 {
	n := reflect.TypeFor[Set]().Size() + uintptr(cap(s.chunks))*reflect.TypeFor[chunk]().Size()
	for _, c := range s.chunks[:cap(s.chunks)] {
		n += uintptr(cap(c.runs)) * reflect.TypeFor[run]().Size()
		if c.bits != nil {
			n += reflect.TypeFor[[words]uint64]().Size()
		}
	}
	return uint64(n)
}

// What does a set cost?
func TestMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("it is slow with the race detector")
	}
	for _, w := range workloads {
		s := new(Set)
		w.make(s)
		if got := memoryOf(s); got > w.most {
			t.Errorf("%s takes %d bytes, want at most %d", w.name, got, w.most)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, w := range workloads[1:5] {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			var s Set
			for b.Loop() {
				s.Clear()
				w.make(&s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.Len()), "ns/number")
		})
	}
}

func BenchmarkHas(b *testing.B) {
	for _, w := range workloads[:5] {
		b.Run(w.name, func(b *testing.B) {
			var s Set
			w.make(&s)
			r := rand.New(rand.NewPCG(1, 2))
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if s.Has(r.Uint64N(1e7)) {
					n++
				}
			}
			if n == 0 && b.N > 100_000 {
				b.Fatal("none was in the set")
			}
		})
	}
}

func BenchmarkCountBetween(b *testing.B) {
	for _, w := range workloads[:5] {
		b.Run(w.name, func(b *testing.B) {
			var s Set
			w.make(&s)
			b.ReportAllocs()
			for b.Loop() {
				if s.CountBetween(1_000_000, 9_000_000) == 0 {
					b.Fatal("none was in the set")
				}
			}
		})
	}
}

func BenchmarkRanges(b *testing.B) {
	for _, w := range workloads[2:5] {
		b.Run(w.name, func(b *testing.B) {
			var s Set
			w.make(&s)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				for range s.Ranges() {
					n++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/range")
		})
	}
}

func BenchmarkEncoding(b *testing.B) {
	for _, w := range workloads[2:5] {
		var s Set
		w.make(&s)
		code := s.Append(nil)
		b.Run("append/"+w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				code = s.Append(code[:0])
			}
			b.SetBytes(int64(len(code)))
		})
		b.Run("decode/"+w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(code); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(code)))
		})
	}
}
