package subject

import (
	"math/rand/v2"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		literal, pattern string
		want             bool
	}{
		{"foo", "foo", true},
		{"foo", "bar", false},
		{"foo", "fo", false},
		{"fo", "foo", false},
		{"foo.bar", "foo.*", true},
		{"foo.bar", "*.bar", true},
		{"foo.bar", "*", false},
		{"foo", "*.*", false},
		{"foo.bar.baz", "foo.>", true},
		{"foo.bar", "foo.>", true},
		{"foo", "foo.>", false},
		{"foo", ">", true},
		{"foo.bar", "*.>", true},
		{"foo", "*.>", false},
		{"foo.bar", "foo*", false},
		{"foo*", "foo*", true},
		{"foox", "foo*", false},
		{"foo.bar", "foo", false},
		// What is published is taken literally.
		{"foo.*", "foo.*", true},
		{"foo.*", "foo.bar", false},
		{"foo.>", "foo.>", true},
		{"foo.>", "foo.*", true},
		{">", "foo", false},
		// Malformed subjects match nothing.
		{"", ">", false},
		{"", "*", false},
		{"foo..bar", ">", false},
		{"foo..bar", "foo.>", false},
		{"foo..bar", "foo.*.bar", false},
		{"foo.", ">", false},
		{"foo.", "foo.*", false},
		{"foo.", "foo", false},
		{".foo", ">", false},
		{".foo", "*.foo", false},
	} {
		if got := Matches(tc.literal, tc.pattern); got != tc.want {
			t.Errorf("Matches(%q, %q) = %v", tc.literal, tc.pattern, got)
		}
		if got := Matches([]byte(tc.literal), tc.pattern); got != tc.want {
			t.Errorf("Matches(%q, %q) = %v with bytes", tc.literal, tc.pattern, got)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tc := range []struct {
		pattern, sub string
		want         bool
	}{
		{"foo.>", "foo.*", true},
		{"foo.>", "foo.bar", true},
		{"foo.>", "foo.>", true},
		{"foo.>", "foo.*.>", true},
		{"foo.>", "foo", false},
		{"foo.*", "foo.>", false},
		{"foo.bar", "foo.*", false},
		{"foo.*", "foo.*", true},
		{"*.*", "foo.*", true},
		{">", "*.>", true},
		{"*.>", ">", false},
		{"*", ">", false},
		{"foo.bar", "foo.bar", true},
		{"foo", "foo.bar", false},
		{"foo*", "foo*", true},
		{"foo*", "foobar", false},
	} {
		if got := Covers(tc.pattern, tc.sub); got != tc.want {
			t.Errorf("Covers(%q, %q) = %v", tc.pattern, tc.sub, got)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"foo", "foo", true},
		{"foo", "bar", false},
		{"foo.*", "*.bar", true},
		{"foo.*", "bar.*", false},
		{"foo.>", "foo", false},
		{"foo.>", "*.bar.baz", true},
		{"*.>", "foo", false},
		{">", ">", true},
		{"foo.*.bar", "foo.>", true},
		{"*", "*.*", false},
	} {
		if got := Overlaps(tc.a, tc.b); got != tc.want {
			t.Errorf("Overlaps(%q, %q) = %v", tc.a, tc.b, got)
		}
		if got := Overlaps(tc.b, tc.a); got != tc.want {
			t.Errorf("Overlaps(%q, %q) = %v", tc.b, tc.a, got)
		}
	}
}

// The relations are what their definitions say, literal by literal.
func TestRelationsAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a, b := randomPattern(r), randomPattern(r)
		if got, want := Covers(a, b), slowCovers(a, b); got != want {
			t.Fatalf("Covers(%q, %q) = %v, want %v", a, b, got, want)
		}
		if got, want := Overlaps(a, b), slowOverlaps(a, b); got != want {
			t.Fatalf("Overlaps(%q, %q) = %v, want %v", a, b, got, want)
		}
		both, ok := Intersect(a, b)
		if ok != slowOverlaps(a, b) || ok && !IsValid(both) {
			t.Fatalf("Intersect(%q, %q) = %q, %v", a, b, both, ok)
		}
		for _, l := range universe {
			if want := slowMatches(l, a) && slowMatches(l, b); ok && slowMatches(l, both) != want {
				t.Fatalf("Intersect(%q, %q) = %q, which is wrong about %q", a, b, both, l)
			}
		}
		l := universe[r.IntN(len(universe))]
		if got, want := Matches(l, a), slowMatches(l, a); got != want {
			t.Fatalf("Matches(%q, %q) = %v, want %v", l, a, got, want)
		}
	}
}

func FuzzMatches(f *testing.F) {
	f.Add("foo.bar", "foo.*")
	f.Add("foo..bar", ">")
	f.Add("foo.>", "foo.>")
	f.Add("a.b.c", "a.*.>")
	f.Fuzz(func(t *testing.T, literal, pattern string) {
		if !IsValid(pattern) {
			Matches(literal, pattern) // must not panic all the same
			return
		}
		want := slowMatches(literal, pattern)
		if got := Matches([]byte(literal), pattern); got != want {
			t.Errorf("Matches(%q, %q) = %v, want %v", literal, pattern, got, want)
		}
		if IsLiteral(literal) {
			if Covers(pattern, literal) != want || Overlaps(pattern, literal) != want {
				t.Errorf("for the literal %q and %q the relations differ", literal, pattern)
			}
		}
	})
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	lit, pattern := []byte("foo.bar.baz"), "foo.*.>"
	var n int
	if got := testing.AllocsPerRun(100, func() {
		if Matches(lit, pattern) && Covers(pattern, lit) && Overlaps(lit, pattern) && IsLiteral(lit) {
			n++
		}
		for tok := range Tokens(lit) {
			n += len(tok)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if n == 0 {
		t.Error("nothing matched")
	}
}

func BenchmarkMatches(b *testing.B) {
	lit, pattern := []byte("orders.eu.12345.created"), "orders.*.12345.>"
	b.ReportAllocs()
	for b.Loop() {
		if !Matches(lit, pattern) {
			b.Fatal("no match")
		}
	}
}

func BenchmarkCovers(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if !Covers("orders.>", "orders.*.12345.>") {
			b.Fatal("not covered")
		}
	}
}

func BenchmarkIsLiteral(b *testing.B) {
	lit := []byte("orders.eu.12345.created")
	b.ReportAllocs()
	for b.Loop() {
		if !IsLiteral(lit) {
			b.Fatal("not literal")
		}
	}
}
