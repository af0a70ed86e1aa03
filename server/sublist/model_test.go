package sublist

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/subject"
)

// model is the list as a plain slice, looked through from end to end.
type model[T cmp.Ordered] struct{ items []Item[T] }

func (m *model[T]) insert(it Item[T]) { m.items = append(m.items, it) }

func (m *model[T]) remove(it Item[T]) bool {
	i := slices.Index(m.items, it)
	if i < 0 {
		return false
	}
	m.items = slices.Delete(m.items, i, i+1)
	return true
}

// matches says what a message on literal goes to, in an order of its own.
func (m *model[T]) matches(literal string) string {
	var plain []T
	groups := map[string][]T{}
	for _, it := range m.items {
		switch {
		case !subject.Matches(literal, it.Subject):
		case it.Queue == "":
			plain = append(plain, it.Value)
		default:
			groups[it.Queue] = append(groups[it.Queue], it.Value)
		}
	}
	return describe(plain, groups)
}

func (m *model[T]) overlapping(pattern string) []Item[T] {
	var items []Item[T]
	for _, it := range m.items {
		if subject.Overlaps(pattern, it.Subject) {
			items = append(items, it)
		}
	}
	return items
}

// describe writes a result so that two of them can be compared.
func describe[T cmp.Ordered](plain []T, groups map[string][]T) string {
	var b strings.Builder
	fmt.Fprint(&b, slices.Sorted(slices.Values(plain)))
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprint(&b, " ", name, slices.Sorted(slices.Values(groups[name])))
	}
	return b.String()
}

// describeResult is describe for a Result. It fails if a group comes twice or
// has no member.
func describeResult[T cmp.Ordered](t *testing.T, r *Result[T]) string {
	t.Helper()
	groups := map[string][]T{}
	for _, g := range r.Queues {
		if _, twice := groups[g.Name]; twice || len(g.Members) == 0 {
			t.Fatalf("group %q is there twice or has no member: %v", g.Name, r.Queues)
		}
		groups[g.Name] = g.Members
	}
	return describe(r.Plain, groups)
}

func sortItems[T cmp.Ordered](items []Item[T]) []Item[T] {
	return slices.SortedFunc(slices.Values(items), func(a, b Item[T]) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Value, b.Value))
	})
}

// collect gathers what All or Overlapping gives.
func collect[T comparable](each func(func(subject, queue string, v T) bool)) []Item[T] {
	var items []Item[T]
	each(func(subject, queue string, v T) bool {
		items = append(items, Item[T]{subject, queue, v})
		return true
	})
	return items
}

// check compares everything that l tells with the model. Messages go to the
// given subjects, which are also asked for as patterns.
func (m *model[T]) check(t *testing.T, l *List[T], subjects []string) {
	t.Helper()
	var r Result[T]
	for _, s := range subjects {
		want := m.matches(s)
		l.Match([]byte(s), &r)
		if got := describeResult(t, &r); got != want {
			t.Fatalf("%q goes to %s, want %s\nin %v", s, got, want, m.items)
		}
		if got, want := l.HasInterest([]byte(s)), want != "[]"; got != want {
			t.Fatalf("interest in %q is %v\nin %v", s, got, m.items)
		}
		if r.Empty() == l.HasInterest([]byte(s)) {
			t.Fatalf("Empty is %v for %q, which goes to %s", r.Empty(), s, want)
		}
		var overlapping []Item[T]
		if subject.IsValid(s) {
			overlapping = m.overlapping(s)
		}
		got := collect(func(f func(string, string, T) bool) { l.Overlapping(s, f) })
		if !slices.Equal(sortItems(got), sortItems(overlapping)) {
			t.Fatalf("%q overlaps with %v, want %v", s, got, overlapping)
		}
	}
	if got := collect(l.All); !slices.Equal(sortItems(got), sortItems(m.items)) {
		t.Fatalf("All gives %v, want %v", got, m.items)
	}
	if l.Len() != len(m.items) {
		t.Fatalf("Len is %d, want %d", l.Len(), len(m.items))
	}
	m.checkShape(t, l)
}

// checkShape verifies the invariants of the structure: nothing empty is left,
// and a node has its children where they belong.
func (m *model[T]) checkShape(t *testing.T, l *List[T]) {
	t.Helper()
	wilds := 0
	var walk func(n *node[T])
	walk = func(n *node[T]) {
		for _, e := range []*entry[T]{n.here, n.tail} {
			if e != nil {
				wilds++
				if e.empty() {
					t.Fatalf("the entry of %q is empty", e.subject)
				}
			}
		}
		if n != &l.wild && n.empty() {
			t.Fatalf("the node of %q is empty", n.token)
		}
		if n.many != nil && (n.only != nil || len(n.many.m) < 2) {
			t.Fatalf("the node of %q has %d children in its map", n.token, len(n.many.m))
		}
		n.eachChild(walk)
	}
	walk(&l.wild)
	if wilds != l.wilds {
		t.Fatalf("%d wildcard entries, counted as %d", wilds, l.wilds)
	}
	for s, e := range l.literals.m {
		if e.empty() || e.subject != s {
			t.Fatalf("the entry of %q, for %q, is empty or misplaced", s, e.subject)
		}
	}
}
