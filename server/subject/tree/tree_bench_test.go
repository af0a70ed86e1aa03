package tree

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// span is a value as stores have it.
type span struct {
	first, last uint64
	count       uint32
}

const manyKeys = 1_000_000

// workloads are a million subjects each, as buckets and streams have them.
var workloads = []struct {
	name string
	key  func(i int, r *rand.Rand, b []byte) []byte
	// most is how many bytes there may be for a subject, beside its value.
	most float64
}{
	{"bucket", func(i int, _ *rand.Rand, b []byte) []byte {
		return fmt.Appendf(b, "$KV.bucket.key-%07d", i)
	}, 16},
	{"random", func(_ int, r *rand.Rand, b []byte) []byte {
		const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		for range 20 {
			b = append(b, alphabet[r.IntN(len(alphabet))])
		}
		return b
	}, 40},
	{"orders", func(i int, _ *rand.Rand, b []byte) []byte {
		return fmt.Appendf(b, "orders.%d.%d", i/1000, i%1000)
	}, 16},
	{"bytes", func(_ int, r *rand.Rand, b []byte) []byte {
		for range 20 {
			b = append(b, byte(r.Uint32()))
		}
		return b
	}, 40},
}

// load returns the subjects of a workload, in no order, in one piece of memory.
func load(n int, key func(int, *rand.Rand, []byte) []byte) func(i int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]byte, 0, n*24)
	ends := make([]uint32, n+1)
	for i := range n {
		all = key(i, r, all)
		ends[i+1] = uint32(len(all))
	}
	order := r.Perm(n)
	return func(i int) []byte {
		i = order[i%n]
		return all[ends[i]:ends[i+1]]
	}
}

func fill(tree *Tree[span], n int, keys func(i int) []byte) {
	for i := range n {
		v, _ := tree.Put(keys(i))
		*v = span{first: uint64(i), last: uint64(i), count: 1}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkGet(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			keys := load(manyKeys, w.key)
			var tree Tree[span]
			fill(&tree, manyKeys, keys)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if v, ok := tree.Get(keys(i)); !ok || v.first != v.last || v.count != 1 {
					b.Fatal("not there")
				}
				i++
			}
		})
	}
}

// A million subjects, in no order, per round.
func BenchmarkPut(b *testing.B) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			keys := load(manyKeys, w.key)
			before := heap()
			var tree Tree[span]
			b.ReportAllocs()
			for b.Loop() {
				tree.Clear()
				fill(&tree, manyKeys, keys)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/manyKeys, "ns/key")
			b.ReportMetric(float64(heap()-before)/manyKeys, "B/key")
			b.ReportMetric(float64(tree.MemBytes())/manyKeys, "estB/key")
			runtime.KeepAlive(keys)
		})
	}
}
