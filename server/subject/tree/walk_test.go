package tree

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/subject"
)

func build(keys ...string) *Tree[int] {
	tree := new(Tree[int])
	for i, k := range keys {
		v, _ := tree.Put([]byte(k))
		*v = i
	}
	return tree
}

func matched(tree *Tree[int], pattern string) (keys []string) {
	for k := range tree.Match(pattern) {
		keys = append(keys, string(k))
	}
	return keys
}

func TestMatch(t *testing.T) {
	tree := build("", "a", "a.b", "a.b.c", "a.b.d", "a.bb", "a.*", "a.*.c", "a.>", "ab", "b", "b.b", ".a", "a.", "a..b", "*", ">", "a*")
	for _, tc := range []struct {
		pattern string
		want    []string
	}{
		{"a", []string{"a"}},
		{"a.b", []string{"a.b"}},
		{"c", nil},
		{"a.b.c.d", nil},
		{"*", []string{"*", ">", "a", "a*", "ab", "b"}},
		{"a.*", []string{"a.*", "a.>", "a.b", "a.bb"}},
		{"*.b", []string{"a.b", "b.b"}},
		{"*.*.c", []string{"a.*.c", "a.b.c"}},
		{"a.>", []string{"a.*", "a.*.c", "a.>", "a.b", "a.b.c", "a.b.d", "a.bb"}},
		{"*.*.>", []string{"a.*.c", "a.b.c", "a.b.d"}},
		{">", []string{"*", ">", "a", "a*", "a.*", "a.*.c", "a.>", "a.b", "a.b.c", "a.b.d", "a.bb", "ab", "b", "b.b"}},
		// In longer tokens they are letters.
		{"a*", []string{"a*"}},
		{"a>", nil},
		// What is no pattern matches nothing.
		{"", nil},
		{"a.", nil},
		{".a", nil},
		{"a..b", nil},
		{".>", nil},
	} {
		if got := matched(tree, tc.pattern); !slices.Equal(got, tc.want) {
			t.Errorf("Match(%q) = %q, want %q", tc.pattern, got, tc.want)
		}
		if got := tree.MatchAny(tc.pattern); got != (tc.want != nil) {
			t.Errorf("MatchAny(%q) = %v", tc.pattern, got)
		}
	}
}

// Are those parts of a tree left alone that a pattern cannot lead to? They are
// made such that a visit would panic.
func TestMatchVisitsOnlyWhatCanMatch(t *testing.T) {
	tree := build("b", "b.x", "b.y")
	for _, token := range []string{"a", "c"} {
		for i := range 100 {
			tree.Put(fmt.Appendf(nil, "%s.%d", token, i))
		}
	}
	root := parse(tree.records.at(loadRef(tree.root[:]).handle()))
	for i, label := range root.labels {
		if label != 'b' {
			storeRef(root.child(i), ref(1<<30))
		}
	}
	for pattern, want := range map[string]int{"b": 1, "b.*": 2, "b.>": 2, "b.x": 1, "d.>": 0, "b.z": 0} {
		if got := len(matched(tree, pattern)); got != want {
			t.Errorf("Match(%q) gives %d subjects, want %d", pattern, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic, so this test shows nothing")
		}
	}()
	matched(tree, "*.x")
}

// Does a walk end when it is told to, wherever that is?
func TestWalkStops(t *testing.T) {
	tree := build("a", "a.b", "a.c", "b", "b.c.d", "b.c.e", "c")
	for n := 1; n <= tree.Len(); n++ {
		i := 0
		for range tree.All() {
			if i++; i == n {
				break
			}
		}
		if i != n {
			t.Errorf("%d rounds, want %d", i, n)
		}
	}
}

// Is it noticed that a walk would go on over records that have moved? Values may
// be changed meanwhile.
func TestWalkNoticesChanges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Tree[int])
		panics bool
	}{
		{"put", func(tree *Tree[int]) { tree.Put([]byte("new")) }, true},
		{"put what is there", func(tree *Tree[int]) { v, _ := tree.Put([]byte("b")); *v = 7 }, false},
		{"delete", func(tree *Tree[int]) { tree.Delete([]byte("b")) }, true},
		{"delete what is not there", func(tree *Tree[int]) { tree.Delete([]byte("x")) }, false},
		{"clear", func(tree *Tree[int]) { tree.Clear() }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if panicked := recover() != nil; panicked != tc.panics {
					t.Errorf("panicked: %v", panicked)
				}
			}()
			tree := build("a", "b", "c")
			for range tree.All() {
				tc.change(tree)
			}
		})
	}
}

// Is a subject of a walk out of reach of an append to it?
func TestWalkKeepsItsSubject(t *testing.T) {
	tree := build("a", "ab", "abc", "b")
	var got []string
	for k := range tree.All() {
		_ = append(k, "xyz"...) // the caller's mistake that must not matter
		got = append(got, string(k))
	}
	if want := []string{"a", "ab", "abc", "b"}; !slices.Equal(got, want) {
		t.Errorf("All() = %q, want %q", got, want)
	}
}

// Is a chain of subjects of which each is the next one's beginning, as deep as
// the longest line of the protocol, walked, matched and deleted?
func TestDeepChain(t *testing.T) {
	const depth = 4096
	key := make([]byte, depth)
	for i := range key {
		key[i] = "a."[i%2]
	}
	var tree Tree[int]
	for i := range key {
		tree.Put(key[:i+1])
	}
	n := 0
	for k := range tree.Match("a.>") {
		if n++; len(k) != 2*n+1 {
			t.Fatalf("subject %d has %d bytes", n, len(k))
		}
	}
	if want := depth/2 - 1; n != want {
		t.Errorf("%d subjects match, want %d", n, want)
	}
	for i := range key {
		if !tree.Delete(key[:i+1]) {
			t.Fatalf("the first %d bytes are not there", i+1)
		}
	}
	checkShape(t, &tree)
}

func FuzzMatch(f *testing.F) {
	f.Add("foo.bar\nfoo.baz\nfoo", "foo.*")
	f.Add("a.b.c\na.b\na..b\n\na.", "a.>")
	f.Add("foo.*\nfoo.>\n*\n>", "*.>")
	f.Add("a*.b\n*a.b", "a*.*")
	f.Fuzz(func(t *testing.T, keys, pattern string) {
		p := pair{model: make(map[string]uint64)}
		for k := range lines(keys) {
			p.put(t, k, uint64(len(k)))
		}
		p.same(t)
		if subject.IsValid(pattern) {
			p.match(t, pattern)
		} else {
			for range p.tree.Match(pattern) {
				// It must not panic all the same.
			}
		}
	})
}

// What matches a literal, one token, and the rest, of a million orders.
func BenchmarkMatch(b *testing.B) {
	var tree Tree[span]
	for i := range manyKeys {
		tree.Put(fmt.Appendf(nil, "orders.%d.%d", i/1000, i%1000))
	}
	for _, tc := range []struct {
		pattern string
		want    int
	}{{"orders.17.42", 1}, {"orders.17.*", 1000}, {"orders.*.42", 1000}, {"orders.1000.>", 0}, {">", manyKeys}} {
		b.Run(tc.pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range tree.Match(tc.pattern) {
					n++
				}
				if n != tc.want {
					b.Fatalf("%d match, want %d", n, tc.want)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(max(1, tc.want)), "ns/match")
		})
	}
}

// Does looking for a subject, or putting one that is there, cost an allocation?
// And a walk more than its own few?
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	const long = "orders.with.a.name.that.is.longer.than.what.the.compiler.keeps.on.the.stack"
	const absent = long + ".and.not.there"
	tree := build(long, "orders.1", "orders.2")
	key := []byte("orders.2")
	all := [][]byte{[]byte(long), []byte("orders.1"), key}
	buf := make([]byte, 0, 8)
	r := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct {
		name string
		do   func()
		want float64
	}{
		{"get", func() { tree.Get(key) }, 0},
		{"get a string", func() { tree.Get([]byte(long)) }, 0},
		{"put what is there", func() { tree.Put(key) }, 0},
		{"delete a string", func() { tree.Delete([]byte(absent)) }, 0},
		{"delete and put", func() { tree.Delete(key); tree.Put(key) }, 0},
		{"put into a tree that was emptied", func() {
			for _, k := range all {
				tree.Delete(k)
			}
			for _, k := range all {
				tree.Put(k)
			}
		}, 0},
		{"put and delete at random", func() {
			for range 100 {
				k := append(buf[:0], 'o', byte('a'+r.IntN(3)), byte('a'+r.IntN(3)))
				if r.IntN(2) == 0 {
					tree.Put(k)
				} else {
					tree.Delete(k)
				}
			}
		}, 1},
		{"match", func() { tree.MatchAny("orders.*") }, 5},
	} {
		if got := testing.AllocsPerRun(200, tc.do); got > tc.want {
			t.Errorf("%s: %v allocations, want at most %v", tc.name, got, tc.want)
		}
	}
}
