package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/subject"
)

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		// kept are those that Patterns returns.
		kept    []string
		literal string
		yes, no []string
	}{
		{nil, []string{">"}, "", []string{"a", "a.b.c"}, nil},
		{[]string{">"}, []string{">"}, "", []string{"a", "a.b.c"}, nil},
		{[]string{"a", ">"}, []string{">"}, "", []string{"a", "a.b.c"}, nil},
		{[]string{"a.b"}, []string{"a.b"}, "a.b", []string{"a.b"}, []string{"a", "a.b.c", "a.c", "b", ""}},
		{[]string{"a.b", "a.b"}, []string{"a.b"}, "a.b", []string{"a.b"}, []string{"a"}},
		{[]string{"a.*"}, []string{"a.*"}, "", []string{"a.b", "a.*"}, []string{"a", "a.b.c", "a.", ""}},
		{[]string{"a.>"}, []string{"a.>"}, "", []string{"a.b", "a.b.c"}, []string{"a", "a.", "a..b", "b.a"}},
		{[]string{"foo*"}, []string{"foo*"}, "foo*", []string{"foo*"}, []string{"foob"}},
		{
			[]string{"b", "a.b"},
			[]string{"a.b", "b"},
			"",
			[]string{"a.b", "b"},
			[]string{"a", "a.b.c", "b.a", "", ".", "a..b", ".b", "b."},
		},
		{
			[]string{"a.*", "*.b", "a.b.>"},
			[]string{"*.b", "a.*", "a.b.>"},
			"",
			[]string{"a.b", "a.c", "c.b", "a.b.c.d"},
			[]string{"a", "b.c", "c.b.c", "a.b.", "a.b..c", ".b", "a."},
		},
		{
			[]string{"*", "*.*.>"},
			[]string{"*", "*.*.>"},
			"",
			[]string{"a", "a.b.c"},
			[]string{"a.b", "", "a.b."},
		},
	} {
		f := NewFilter(c.patterns...)
		if got := f.Patterns(); !slices.Equal(got, c.kept) {
			t.Errorf("NewFilter(%q).Patterns() = %q, want %q", c.patterns, got, c.kept)
		}
		if got, ok := f.Literal(); got != c.literal || ok != (c.literal != "") {
			t.Errorf("NewFilter(%q).Literal() = %q, %v, want %q", c.patterns, got, ok, c.literal)
		}
		for _, s := range c.yes {
			if !f.Matches([]byte(s)) {
				t.Errorf("NewFilter(%q) does not match %q", c.patterns, s)
			}
		}
		for _, s := range c.no {
			if f.Matches([]byte(s)) {
				t.Errorf("NewFilter(%q) matches %q", c.patterns, s)
			}
		}
	}
	if NewFilter("a", ">") != nil {
		t.Error("a filter for everything is not nil")
	}
	patterns := []string{"b", "a"}
	f := NewFilter(patterns...)
	patterns[1] = "c"
	if !slices.Equal(f.Patterns(), []string{"a", "b"}) {
		t.Error("a filter keeps the slice that it was given")
	}
}

// checkFilter compares a filter with its patterns, one by one.
func checkFilter(t *testing.T, f *Filter, literal string) {
	t.Helper()
	first := slices.IndexFunc(f.Patterns(), func(p string) bool { return subject.Matches(literal, p) })
	if got := f.Matches([]byte(literal)); got != (first >= 0) {
		t.Fatalf("%q: Matches(%q) = %v", f.Patterns(), literal, got)
	}
	for i, p := range f.Patterns() {
		if subject.Matches(literal, p) && f.First(i, []byte(literal)) != (i == first) {
			t.Fatalf("%q: First(%d, %q) = %v, the first is %d", f.Patterns(), i, literal, i != first, first)
		}
	}
}

func TestFilterAgainstMatches(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func(tokens ...string) string {
		s := make([]string, 1+rng.IntN(4))
		for i := range s {
			s[i] = tokens[rng.IntN(len(tokens))]
		}
		return strings.Join(s, ".")
	}
	for range 2000 {
		patterns := make([]string, 1+rng.IntN(8))
		for i := range patterns {
			patterns[i] = text("a", "b", "c", "*")
			if rng.IntN(3) == 0 {
				patterns[i] += ".>"
			}
		}
		f := NewFilter(patterns...)
		for range 20 {
			checkFilter(t, f, text("a", "b", "c", "d", "*", ">"))
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("a.b", "a.b")
	f.Add("a.* *.b a.>", "a.b")
	f.Add("*.*.> >", "a..b")
	f.Add("foo* foo", "foo*")
	f.Fuzz(func(t *testing.T, patterns, literal string) {
		valid := slices.DeleteFunc(strings.Split(patterns, " "), func(p string) bool { return !subject.IsValid(p) })
		if NewFilter(valid...) == nil {
			return
		}
		checkFilter(t, NewFilter(valid...), literal)
	})
}

// manyPatterns are n patterns that do not overlap, some with wildcards.
func manyPatterns(n int) []string {
	patterns := make([]string, n)
	for i := range patterns {
		patterns[i] = fmt.Sprintf("orders.%d.created", i)
		if i%3 == 0 {
			patterns[i] = fmt.Sprintf("orders.%d.*", i)
		}
	}
	return patterns
}

func TestFilterAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	literal := []byte("orders.77.created")
	for _, f := range []*Filter{nil, NewFilter("orders.77.created"), NewFilter("orders.*.created"), NewFilter(manyPatterns(300)...)} {
		n := testing.AllocsPerRun(100, func() {
			if !f.Matches(literal) {
				t.Fatal("no match")
			}
		})
		if n > 0 {
			t.Errorf("%.40q: Matches allocates %v times", f.Patterns(), n)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	literal := []byte("orders.77.created")
	for name, f := range map[string]*Filter{
		"literal":  NewFilter("orders.77.created"),
		"wildcard": NewFilter("orders.*.created"),
		"two":      NewFilter("orders.77.created", "invoices.>"),
		"300":      NewFilter(manyPatterns(300)...),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Matches(literal)
			}
		})
	}
}
