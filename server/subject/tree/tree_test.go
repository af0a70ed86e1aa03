package tree

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/subject"
)

// A tree beside a map, which does the same and is looked at in order.
type pair struct {
	tree  Tree[uint64]
	model map[string]uint64
}

func (p *pair) put(t *testing.T, key string, value uint64) {
	t.Helper()
	_, had := p.model[key]
	v, isNew := p.tree.Put([]byte(key))
	if isNew == had || *v != p.model[key] {
		t.Fatalf("Put(%q) = %d, %v; want %d, %v", key, *v, isNew, p.model[key], !had)
	}
	*v = value
	p.model[key] = value
}

func (p *pair) delete(t *testing.T, key string) {
	t.Helper()
	_, had := p.model[key]
	if got := p.tree.Delete([]byte(key)); got != had {
		t.Fatalf("Delete(%q) = %v", key, got)
	}
	delete(p.model, key)
}

func (p *pair) get(t *testing.T, key string) {
	t.Helper()
	want, had := p.model[key]
	v, ok := p.tree.Get([]byte(key))
	if ok != had || ok && *v != want {
		t.Fatalf("Get(%q) = %v, %v; want %d, %v", key, v, ok, want, had)
	}
}

// same compares all that is there, and the shape of the tree with its rules.
func (p *pair) same(t *testing.T) {
	t.Helper()
	if p.tree.Len() != len(p.model) {
		t.Fatalf("Len() = %d, want %d", p.tree.Len(), len(p.model))
	}
	keys := slices.Sorted(maps.Keys(p.model))
	i := 0
	for k, v := range p.tree.All() {
		if i == len(keys) || string(k) != keys[i] || *v != p.model[keys[i]] {
			t.Fatalf("All() gives %q, %d as number %d of %d", k, *v, i, len(keys))
		}
		i++
	}
	if i != len(keys) {
		t.Fatalf("All() ends before %q", keys[i])
	}
	checkShape(t, &p.tree)
}

// match compares what a pattern gives with what it matches of all keys.
func (p *pair) match(t *testing.T, pattern string) {
	t.Helper()
	var want, got []string
	for k := range p.model {
		if subject.Matches(k, pattern) {
			want = append(want, k)
		}
	}
	slices.Sort(want)
	for k, v := range p.tree.Match(pattern) {
		got = append(got, string(k))
		if *v != p.model[string(k)] {
			t.Fatalf("Match(%q) gives %d for %q, want %d", pattern, *v, k, p.model[string(k)])
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("Match(%q) = %q, want %q of %q", pattern, got, want, slices.Sorted(maps.Keys(p.model)))
	}
	if any := p.tree.MatchAny(pattern); any != (len(want) > 0) {
		t.Fatalf("MatchAny(%q) = %v", pattern, any)
	}
}

// checkShape checks what holds for every tree: records are in order and none is
// without need, each slot that is taken hangs from one place, and what memory
// there is has been counted.
func checkShape[V any](t *testing.T, tree *Tree[V]) {
	t.Helper()
	records, values := make(map[handle]bool), make(map[handle]bool)
	longest := 0
	for k := range tree.All() {
		longest = max(longest, len(k))
	}
	var check func(r ref)
	check = func(r ref) {
		if r.isValue() {
			if values[r.handle()] {
				t.Fatalf("value %d hangs from two places", r.handle())
			}
			values[r.handle()] = true
			return
		}
		if records[r.handle()] {
			t.Fatalf("record %d hangs from two places", r.handle())
		}
		records[r.handle()] = true
		n := parse(tree.records.at(r.handle()))
		if n.hasValue {
			check(valueRef(n.value))
		}
		if !slices.IsSorted(n.labels) || len(slices.Compact(slices.Clone(n.labels))) != len(n.labels) {
			t.Fatalf("the labels %q are not in order", n.labels)
		}
		switch {
		case len(n.labels) == 0 && (!n.hasValue || len(n.prefix) == 0):
			t.Fatal("a record holds nothing")
		case len(n.labels) == 1 && !n.hasValue && longest <= maxPrefix:
			t.Fatal("two records could be one")
		}
		for i := range n.labels {
			check(loadRef(n.child(i)))
		}
	}
	if tree.len > 0 {
		check(loadRef(tree.root[:]))
	}
	if len(values) != tree.len {
		t.Fatalf("%d values hang from the tree, want %d", len(values), tree.len)
	}
	checkSlab(t, &tree.records, len(records))
	checkSlab(t, &tree.values, len(values))
}

func checkSlab[T any](t *testing.T, s *slab[T], taken int) {
	t.Helper()
	var slots, elements int
	open, unused := make(map[link]bool), make(map[link]bool)
	for class, k := range s.sizes {
		before := link(0)
		for l := k.open; l != 0; before, l = l, s.usage[l-1].next {
			u := &s.usage[l-1]
			if open[l] || u.prev != before || int(u.class) != class {
				t.Fatalf("page %d should not be in the list of its size here", l)
			}
			open[l] = true
		}
	}
	for l := s.unused; l != 0; l = s.usage[l-1].next {
		unused[l] = true
	}
	bySize := make([]size, len(s.sizes))
	for i := range s.pages {
		p, u := &s.pages[i], &s.usage[i]
		if unused[link(i+1)] != (p.data == nil) {
			t.Fatalf("page %d is in use, or not, by mistake", i)
		}
		if p.data == nil {
			continue
		}
		if open[link(i+1)] != (u.count != 0) {
			t.Fatalf("page %d is in the list of its size, or not, by mistake", i)
		}
		bySize[u.class].slots += uint32(p.slots())
		bySize[u.class].free += uint32(u.count)
		elements += len(p.data)
		free := 0
		for slot := range slotsPerPage {
			if u.free.has(slot) {
				free++
			}
		}
		if free != int(u.count) {
			t.Fatalf("page %d has %d free slots, counted are %d", i, free, u.count)
		}
		slots += p.slots() - free
	}
	if slots != taken {
		t.Fatalf("%d slots are taken, want %d", slots, taken)
	}
	if elements != s.elements {
		t.Fatalf("%d elements are counted, want %d", s.elements, elements)
	}
	for i, k := range s.sizes {
		if want := bySize[i]; k.slots != want.slots || k.free != want.free {
			t.Fatalf("%d slots of size %d are counted, %d free; want %d, %d", k.slots, i, k.free, want.slots, want.free)
		}
	}
}

// alphabets are kinds of random subjects.
var alphabets = []struct {
	name string
	key  func(r *rand.Rand) string
}{
	{"two bytes", func(r *rand.Rand) string { return letters(r, "ab", 12) }},
	{"with dots", func(r *rand.Rand) string { return letters(r, "a..b*>", 10) }},
	{"all bytes", func(r *rand.Rand) string {
		b := make([]byte, r.IntN(4))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return string(b)
	}},
	{"tokens", func(r *rand.Rand) string { return tokens(r, []string{"a", "b", "ab", "*", ">", "a*"}, 6) }},
	{"deep", func(r *rand.Rand) string { return tokens(r, []string{"x", "y"}, 40) }},
	{"long", func(r *rand.Rand) string {
		return strings.Repeat("a", 100*r.IntN(10)) + letters(r, "ab.", 3) + strings.Repeat("b", 64*r.IntN(9)) + letters(r, "ab", 2)
	}},
	{"numbers", func(r *rand.Rand) string { return fmt.Sprintf("$KV.bucket.key-%07d", r.IntN(3000)) }},
}

func letters(r *rand.Rand, alphabet string, most int) string {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func tokens(r *rand.Rand, words []string, most int) string {
	list := make([]string, 1+r.IntN(most))
	for i := range list {
		list[i] = words[r.IntN(len(words))]
	}
	return strings.Join(list, ".")
}

func randomPattern(r *rand.Rand, key string) string {
	list := strings.Split(key, ".")
	for i := range list {
		if r.IntN(3) == 0 {
			list[i] = "*"
		}
	}
	if r.IntN(3) == 0 {
		list = append(list[:r.IntN(len(list)+1)], ">")
	}
	return strings.Join(list, ".")
}

// Is a tree the same as a map in order, whatever is put and deleted? And is a
// pattern matched by just those keys that it matches one by one?
func TestTreeAgreesWithMap(t *testing.T) {
	for _, alphabet := range alphabets {
		t.Run(alphabet.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			p := pair{model: make(map[string]uint64)}
			for step := range 6000 {
				// It grows and shrinks in turns, sometimes to nothing.
				growing := step/1000%2 == 0
				key := alphabet.key(r)
				switch n := r.IntN(10); {
				case growing && n < 7, n == 0:
					p.put(t, key, r.Uint64())
				case n < 7:
					p.delete(t, key)
					if any, ok := anyKey(&p.tree); ok {
						p.delete(t, any)
					}
				default:
					p.get(t, key)
				}
				if step%50 == 0 {
					p.same(t)
					if pattern := randomPattern(r, key); subject.IsValid(pattern) {
						p.match(t, pattern)
					}
				}
				if step == 4500 {
					p.tree.Clear()
					clear(p.model)
				}
			}
			for _, key := range slices.Sorted(maps.Keys(p.model)) {
				p.delete(t, key)
			}
			p.same(t)
		})
	}
}

// anyKey is a key out of the middle of the tree.
func anyKey[V any](tree *Tree[V]) (key string, ok bool) {
	n := tree.Len() / 2
	for k := range tree.All() {
		if n--; n <= 0 {
			return string(bytes.Clone(k)), true
		}
	}
	return "", false
}

// lines are the parts of a text between line feeds.
func lines(text string) iter.Seq[string] { return strings.SplitSeq(text, "\n") }

// A history is a row of operations: a letter for what is done, and a subject up
// to the end of the line.
func FuzzTree(f *testing.F) {
	f.Add("+a\n+ab\n+abc\n-ab\n?a")
	f.Add("+a.b\n+a.c\n-a.b\n-a.c\n+")
	f.Add("+" + strings.Repeat("a", 600) + "\n+" + strings.Repeat("a", 300) + "\n-" + strings.Repeat("a", 600))
	f.Add("+\xff\n+\x00\n+\xff\x00\n!\n+x")
	f.Fuzz(func(t *testing.T, history string) {
		p := pair{model: make(map[string]uint64)}
		i := uint64(0)
		defer p.same(t)
		for line := range lines(history) {
			i++
			if line == "" {
				continue
			}
			switch key := line[1:]; line[0] {
			case '+':
				p.put(t, key, i)
			case '-':
				p.delete(t, key)
			case '!':
				p.tree.Clear()
				clear(p.model)
			default:
				p.get(t, key)
			}
			if i%32 == 0 {
				p.same(t)
			}
		}
	})
}
