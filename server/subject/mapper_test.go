package subject

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMapper(t *testing.T) {
	to := func(dests ...MapDestination) []MapDestination { return dests }
	for _, tc := range []struct {
		name     string
		cluster  string
		mappings []Mapping
		subject  string
		draw     uint32 // what the random source gives
		want     string // "" for Unmapped, "-" for Dropped
	}{
		{"literal", "", []Mapping{{"foo", to(MapDestination{"bar", 100, ""})}}, "foo", 99, "bar"},
		{"wildcard", "", []Mapping{{"foo.*", to(MapDestination{"bar.$1", 100, ""})}}, "foo.x", 99, "bar.x"},
		{"no match", "", []Mapping{{"foo.*", to(MapDestination{"bar.$1", 100, ""})}}, "foo", 0, ""},
		{"malformed subject", "", []Mapping{{">", to(MapDestination{"x.>", 100, ""})}}, "foo..bar", 0, ""},
		{"first of two", "", []Mapping{{"foo", to(MapDestination{"a", 60, ""}, MapDestination{"b", 40, ""})}}, "foo", 59, "a"},
		{"second of two", "", []Mapping{{"foo", to(MapDestination{"a", 60, ""}, MapDestination{"b", 40, ""})}}, "foo", 60, "b"},
		{"rest keeps", "", []Mapping{{"foo", to(MapDestination{"a", 60, ""})}}, "foo", 60, ""},
		{"rest is lost when the source is listed", "", []Mapping{{"foo", to(MapDestination{"a", 60, ""}, MapDestination{"foo", 20, ""})}}, "foo", 80, "-"},
		{"source listed", "", []Mapping{{"foo", to(MapDestination{"a", 60, ""}, MapDestination{"foo", 20, ""})}}, "foo", 79, ""},
		{"source listed for nothing", "", []Mapping{{"foo", to(MapDestination{"foo", 0, ""})}}, "foo", 0, "-"},
		{"source listed, with a wildcard", "", []Mapping{{"foo.>", to(MapDestination{"foo.>", 10, ""})}}, "foo.x", 10, "-"},
		{"no destinations", "", []Mapping{{"foo", nil}, {">", to(MapDestination{"x.>", 100, ""})}}, "foo", 0, ""},
		{"weight 0", "", []Mapping{{"foo", to(MapDestination{"a", 0, ""})}}, "foo", 0, ""},

		{"order: literal first", "", []Mapping{{"foo", to(MapDestination{"a", 100, ""})}, {"*", to(MapDestination{"b", 100, ""})}}, "foo", 0, "a"},
		{"order: wildcard first", "", []Mapping{{"*", to(MapDestination{"b", 100, ""})}, {"foo", to(MapDestination{"a", 100, ""})}}, "foo", 0, "b"},
		{"order: literal after a wildcard that does not match", "", []Mapping{{"*.*", to(MapDestination{"b", 100, ""})}, {"foo", to(MapDestination{"a", 100, ""})}}, "foo", 0, "a"},
		{"the first match decides, though it keeps", "", []Mapping{{"foo", to(MapDestination{"a", 10, ""})}, {">", to(MapDestination{"b.>", 100, ""})}}, "foo", 50, ""},
		{"source twice: the later in the earlier's place", "", []Mapping{{"foo", to(MapDestination{"a", 100, ""})}, {"*", to(MapDestination{"b", 100, ""})}, {"foo", to(MapDestination{"c", 100, ""})}}, "foo", 0, "c"},

		{"own cluster", "east", []Mapping{{"foo", to(MapDestination{"a", 100, ""}, MapDestination{"b", 100, "east"}, MapDestination{"c", 100, "west"})}}, "foo", 0, "b"},
		{"other cluster", "north", []Mapping{{"foo", to(MapDestination{"a", 100, ""}, MapDestination{"b", 100, "east"})}}, "foo", 0, "a"},
		{"only for others", "north", []Mapping{{"foo", to(MapDestination{"b", 100, "east"})}}, "foo", 0, ""},
		{"rest of the own cluster keeps", "east", []Mapping{{"foo", to(MapDestination{"a", 100, ""}, MapDestination{"b", 30, "east"})}}, "foo", 30, ""},
		{"not mapped again", "", []Mapping{{"foo", to(MapDestination{"bar", 100, ""})}, {"bar", to(MapDestination{"baz", 100, ""})}}, "foo", 0, "bar"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := NewMapper(tc.mappings, tc.cluster)
			if err != nil {
				t.Fatal(err)
			}
			out, outcome := m.Map([]byte("> "), []byte(tc.subject), func(n uint32) uint32 {
				if n != 100 {
					t.Errorf("a draw of %d", n)
				}
				return tc.draw
			})
			got := strings.TrimPrefix(string(out), "> ")
			switch outcome {
			case Unmapped:
				if got != "" {
					t.Errorf("unmapped, but %q was appended", got)
				}
			case Dropped:
				got += "-"
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNilMapper(t *testing.T) {
	var m *Mapper
	if _, outcome := m.Map(nil, []byte("foo"), half); outcome != Unmapped {
		t.Errorf("outcome is %v", outcome)
	}
}

func TestMappingErrors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		mapping Mapping
		want    string
	}{
		{"total weight", Mapping{"foo", []MapDestination{{"a", 60, ""}, {"b", 41, ""}}}, "total weight needs to be <= 100"},
		{"total weight of a cluster", Mapping{"foo", []MapDestination{{"c", 60, ""}, {"a", 60, "x"}, {"b", 41, "x"}}}, "total weight needs to be <= 100"},
		{"one weight", Mapping{"foo", []MapDestination{{"a", 101, ""}}}, "total weight needs to be <= 100"},
		{"duplicate", Mapping{"foo", []MapDestination{{"a", 60, ""}, {"a", 20, ""}}}, `duplicate entry for "a"`},
		{"source", Mapping{"foo..bar", []MapDestination{{"a", 60, ""}}}, "invalid subject"},
		{"empty source", Mapping{"", []MapDestination{{"a", 60, ""}}}, "invalid subject"},
		{"empty token", Mapping{"foo", []MapDestination{{"a..b", 60, ""}}}, "invalid mapping destination: invalid transform"},
		{"space", Mapping{"foo", []MapDestination{{"a b", 60, ""}}}, "invalid mapping destination: invalid transform"},
		{"star", Mapping{"foo.*", []MapDestination{{"a.*", 60, ""}}}, "invalid subject"},
		{"function", Mapping{"foo", []MapDestination{{"a.$1", 60, ""}}}, "invalid mapping destination: wildcard index out of range in $1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.mapping.Validate()
			if err == nil || err.Error() != tc.want {
				t.Errorf("error is %q, want %q", err, tc.want)
			}
			_, err = NewMapper([]Mapping{{"ok", nil}, tc.mapping}, "")
			if err == nil || err.Error() != fmt.Sprintf("mapping for %q: %s", tc.mapping.Source, tc.want) {
				t.Errorf("NewMapper's error is %q", err)
			}
		})
	}
	fine := Mapping{"foo", []MapDestination{{"a", 60, "x"}, {"a", 60, "y"}, {"a", 60, ""}}}
	if err := fine.Validate(); err != nil {
		t.Errorf("the same destination in different clusters: %v", err)
	}
	if err := (&Mapping{"foo", []MapDestination{{"a", 101, ""}}}).Validate(); !errors.Is(err, ErrTotalWeight) {
		t.Errorf("error is %v", err)
	}
}

// Mapping through the index of literals is the same as trying one by one.
func TestMapperFindAgainstScan(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var mappings []Mapping
		seen := map[string]bool{}
		for i := range r.IntN(8) {
			src := randomPattern(r)
			if seen[src] {
				continue
			}
			seen[src] = true
			dest := fmt.Sprintf("to.%d", i)
			if strings.HasSuffix(src, ">") {
				dest += ".>"
			}
			mappings = append(mappings, Mapping{src, []MapDestination{{dest, 100, ""}}})
		}
		m, err := NewMapper(mappings, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range universe {
			var want string
			for _, mp := range mappings {
				if slowMatches(s, mp.Source) {
					want = mp.Source
					break
				}
			}
			var got string
			if e := m.find([]byte(s)); e != nil {
				got = e.source
			}
			if got != want {
				t.Fatalf("%q is mapped by %q, want %q, in %v", s, got, want, mappings)
			}
		}
	}
}

func TestMapDoesNotAllocate(t *testing.T) {
	m, err := NewMapper([]Mapping{
		{"orders.*", []MapDestination{{"a.$1", 60, ""}, {"b.$1", 40, ""}}},
		{"foo", []MapDestination{{"bar", 100, ""}}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 64)
	for _, s := range []string{"orders.x", "foo", "nothing"} {
		subject := []byte(s)
		if got := testing.AllocsPerRun(100, func() { buf, _ = m.Map(buf[:0], subject, half) }); got != 0 {
			t.Errorf("%s: %v allocations", s, got)
		}
	}
}
