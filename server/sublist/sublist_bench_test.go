package sublist

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// sub stands for a server's subscription: what counts is that it is a pointer.
type sub struct{ n int }

// large is a list of a million subscriptions: 800,000 literal ones of three
// tokens and 200,000 inboxes, under a handful of wide wildcards. It is made
// once for all benchmarks.
var large struct {
	list     List[*sub]
	items    []Item[*sub]
	subjects [][]byte // to publish to, in random order
}

func loadLarge(b *testing.B) {
	if large.items != nil {
		return
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 800_000 {
		subj := fmt.Sprintf("orders.%d.k%d", i%1000, i/1000)
		large.items = append(large.items, Item[*sub]{subj, "", &sub{i}})
	}
	for i := range 200_000 {
		large.items = append(large.items, Item[*sub]{inbox(r) + ".*", "", &sub{i}})
	}
	for _, p := range []string{"orders.*.k7", "orders.7.>", "audit.>"} {
		large.items = append(large.items, Item[*sub]{p, "", &sub{}})
	}
	if err := large.list.InsertMany(large.items); err != nil {
		b.Fatal(err)
	}
	for range 1 << 16 {
		subj := large.items[r.IntN(1_000_000)].Subject
		large.subjects = append(large.subjects, []byte(strings.Replace(subj, "*", "r1", 1)))
	}
}

// inbox is a name like those that clients make up for their replies.
func inbox(r *rand.Rand) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := []byte("_INBOX.")
	for range 22 {
		b = append(b, digits[r.IntN(len(digits))])
	}
	return string(b)
}

// BenchmarkMatchMillion publishes to random ones of a million subjects, so that
// nearly every step misses the processor's caches.
func BenchmarkMatchMillion(b *testing.B) {
	loadLarge(b)
	var r Result[*sub]
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		large.list.Match(large.subjects[i&0xffff], &r)
		if len(r.Plain) == 0 {
			b.Fatal("no match")
		}
		i++
	}
}

// BenchmarkMatchMillionHot publishes to a few of a million subjects.
func BenchmarkMatchMillionHot(b *testing.B) {
	loadLarge(b)
	var r Result[*sub]
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		large.list.Match(large.subjects[i&0xff], &r)
		i++
	}
}

func BenchmarkHasInterestMillion(b *testing.B) {
	loadLarge(b)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		large.list.HasInterest(large.subjects[i&0xffff])
		i++
	}
}

// BenchmarkMatchWildcards walks wildcards only: half of the tokens of each
// subscription, none of the message's.
func BenchmarkMatchWildcards(b *testing.B) {
	var l List[*sub]
	for i := range 10_000 {
		l.Insert(fmt.Sprintf("dev.%d.*", i), "", &sub{i})
		l.Insert(fmt.Sprintf("dev.*.m%d", i), "workers", &sub{i})
	}
	l.Insert("dev.>", "workers", &sub{})
	subject := []byte("dev.77.m99")
	var r Result[*sub]
	b.ReportAllocs()
	for b.Loop() {
		l.Match(subject, &r)
	}
	if len(r.Plain) != 1 || len(r.Queues) != 1 || len(r.Queues[0].Members) != 2 {
		b.Fatalf("got %v", r)
	}
}

func BenchmarkMatchParallel(b *testing.B) {
	loadLarge(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var r Result[*sub]
		i := rand.IntN(1 << 16)
		for pb.Next() {
			large.list.Match(large.subjects[i&0xffff], &r)
			i++
		}
	})
}

// BenchmarkInsertRemove takes one of a million subscriptions out and puts it
// back.
func BenchmarkInsertRemove(b *testing.B) {
	loadLarge(b)
	for _, bc := range []struct {
		name string
		from int
		n    int
	}{{"literal", 0, 800_000}, {"inbox", 800_000, 200_000}} {
		b.Run(bc.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(2, 2))
			b.ReportAllocs()
			for b.Loop() {
				it := large.items[bc.from+r.IntN(bc.n)]
				large.list.Remove(it.Subject, it.Queue, it.Value)
				large.list.Insert(it.Subject, it.Queue, it.Value)
			}
		})
	}
}

// BenchmarkInsertAll builds a list of a million from nothing.
func BenchmarkInsertAll(b *testing.B) {
	loadLarge(b)
	b.ReportAllocs()
	for b.Loop() {
		var l List[*sub]
		if err := l.InsertMany(large.items); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(large.items)), "ns/sub")
}

// BenchmarkOneSubject is a subject with 10,000 plain subscribers, each of whom
// comes and goes.
func BenchmarkOneSubject(b *testing.B) {
	var l List[*sub]
	subs := make([]*sub, 10_000)
	for i := range subs {
		subs[i] = &sub{i}
		l.Insert("ticks", "", subs[i])
	}
	r := rand.New(rand.NewPCG(3, 3))
	b.ReportAllocs()
	for b.Loop() {
		s := subs[r.IntN(len(subs))]
		l.Remove("ticks", "", s)
		l.Insert("ticks", "", s)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var l List[*sub]
	for i := range 100 {
		l.Insert("foo.*", fmt.Sprintf("q%d", i%20), &sub{i})
		l.Insert("foo.>", fmt.Sprintf("q%d", i%30), &sub{i})
		l.Insert(fmt.Sprintf("%d.*", i), "", &sub{i})
		l.Insert("foo.bar", "", &sub{i})
	}
	var r Result[*sub]
	for _, s := range []string{"foo.bar", "7.x", "none", "a..b"} {
		subject := []byte(s)
		l.Match(subject, &r)
		if n := testing.AllocsPerRun(100, func() {
			l.Match(subject, &r)
			l.HasInterest(subject)
		}); n != 0 {
			t.Errorf("%q: %v allocations", s, n)
		}
	}
}

// Ten thousand clients, each with an inbox and a subject, must not cost more
// than 350 bytes for each of their subscriptions, and leave nothing behind.
func TestMemoryOfSubscriptions(t *testing.T) {
	for _, tc := range []struct {
		name    string
		subject func(i int) string
	}{
		{"own subjects", func(i int) string { return fmt.Sprintf("service.requests.%d", i) }},
		{"one subject", func(int) string { return "broadcast" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const clients = 10_000
			r := rand.New(rand.NewPCG(9, 9))
			var items []Item[*sub]
			for i := range clients {
				s := &sub{i}
				items = append(items, Item[*sub]{inbox(r) + ".*", "", s}, Item[*sub]{tc.subject(i), "", s})
			}
			l := &List[*sub]{}
			before := heap()
			if err := l.InsertMany(items); err != nil {
				t.Fatal(err)
			}
			perSub := float64(heap()-before) / float64(len(items))
			t.Logf("%.0f bytes per subscription", perSub)
			if perSub > 350 {
				t.Errorf("%.0f bytes per subscription", perSub)
			}
			l.RemoveMany(items)
			if left := heap() - before; left > 64<<10 {
				t.Errorf("%d bytes are left after all are gone", left)
			}
			runtime.KeepAlive(items)
			runtime.KeepAlive(l)
		})
	}
}

// heap is the number of bytes in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
