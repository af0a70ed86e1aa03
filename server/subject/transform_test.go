package subject

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"
)

// half is a random source that always gives the middle.
func half(n uint32) uint32 { return n / 2 }

func TestTransform(t *testing.T) {
	for _, tc := range []struct {
		source, dest  string
		subject, want string
	}{
		{"foo", "bar", "foo", "bar"},
		{"foo.*", "bar", "foo.x", "bar"},
		{"foo.*", "bar.$1", "foo.x", "bar.x"},
		{"foo.*", "bar.$01", "foo.x", "bar.x"},
		{"foo.*.*", "bar.$2.$1", "foo.x.y", "bar.y.x"},
		{"foo.*.*", "$2.$2", "foo.x.y", "y.y"},
		{"*.b.*", "{{wildcard(2)}}.{{Wildcard(1)}}", "x.b.y", "y.x"},
		{"foo.*", "bar.{{ wildcard( 1 ) }}", "foo.x", "bar.x"},
		{"foo.>", "bar.>", "foo.x.y", "bar.x.y"},
		{">", "all.>", "foo.x", "all.foo.x"},
		{"", "all.>", "foo.x", "all.foo.x"},
		{">", ">", "foo.x", "foo.x"},
		{"foo.*.>", "bar.$1.>", "foo.x.y.z", "bar.x.y.z"},
		// Patterns pass through where tokens are taken as they are.
		{"foo.*.>", "bar.$1.>", "foo.*.>", "bar.*.>"},
		// What is not quite a function is text.
		{"foo.*", "bar.$x", "foo.x", "bar.$x"},
		{"foo.*", "bar.$", "foo.x", "bar.$"},
		{"foo.*", "bar.$-1", "foo.x", "bar.$-1"},
		{"foo.*", "bar.x$1", "foo.x", "bar.x$1"},
		{"foo.*", "bar.x{{wildcard(1)}}", "foo.x", "bar.x{{wildcard(1)}}"},
		{"foo.*", "bar.{{wildcard(1)", "foo.x", "bar.{{wildcard(1)"},

		{"foo.*.*", "{{partition(3)}}", "foo.x.y", "2"},
		{"foo.*.*", "{{partition(10,1,2)}}", "foo.x.y", "2"},
		{"foo.*.*", "{{Partition(10, 2, 1)}}", "foo.x.y", "4"},
		{"*.*", "{{partition(100,1,2)}}", "ab.cd", "33"},
		{"*.*", "{{partition(100)}}", "ab.cd", "23"},
		{"foo", "{{partition(10)}}", "foo", "3"},
		{">", "x.{{partition(3)}}.>", "abcde", "x.0.abcde"},
		{"foo", "bar.{{partition(0)}}", "foo", "bar.0"},

		{"foo", "bar.{{random(10)}}", "foo", "bar.5"},
		{"foo", "bar.{{Random(0)}}", "foo", "bar.0"},

		{"*", "{{split(1,-)}}", "a-b-c", "a.b.c"},
		{"*", "{{Split(1, --)}}", "a--b-c", "a.b-c"},
		{"*", "{{split(1,_)}}", "_a__b_c_", "a.b.c"},
		{"*", "x.{{split(1,_)}}.y", "___", "x..y"},
		{"*", "{{split(1,_)}}", "abc", "abc"},
		{"*", "{{splitFromLeft(1,2)}}", "abcdef", "ab.cdef"},
		{"*", "{{splitfromleft(1,2)}}", "abcdef", "ab.cdef"},
		{"*", "{{SplitFromLeft(1,2)}}", "abcdef", "ab.cdef"},
		{"*", "{{splitFromLeft(1,6)}}", "abcdef", "abcdef"},
		{"*", "{{splitFromLeft(1,0)}}", "abcdef", "abcdef"},
		{"*", "{{splitFromRight(1,2)}}", "abcdef", "abcd.ef"},
		{"*", "{{splitFromRight(1,7)}}", "abcdef", "abcdef"},
		{"*", "{{sliceFromLeft(1,2)}}", "abcde", "ab.cd.e"},
		{"*", "{{sliceFromLeft(1,2)}}", "abcd", "ab.cd"},
		{"*", "{{sliceFromLeft(1,5)}}", "abcde", "abcde"},
		{"*", "{{sliceFromLeft(1,0)}}", "abcde", "abcde"},
		{"*", "{{sliceFromRight(1,2)}}", "abcde", "a.bc.de"},
		{"*", "{{sliceFromRight(1,2)}}", "abcd", "ab.cd"},
		{"*", "{{sliceFromRight(1,6)}}", "abcde", "abcde"},
		{"*", "{{left(1,2)}}", "abcde", "ab"},
		{"*", "{{left(1,6)}}", "abcde", "abcde"},
		{"*", "{{left(1,0)}}", "abcde", "abcde"},
		{"*", "{{Right(1,2)}}", "abcde", "de"},
		{"*", "{{right(1,0)}}", "abcde", "abcde"},
		{"*.*", "{{splitFromLeft(2,2)}}.{{right(1,1)}}", "abcde.fghi", "fg.hi.e"},
	} {
		t.Run(tc.source+" to "+tc.dest, func(t *testing.T) {
			tr, err := NewTransform(tc.source, tc.dest)
			if err != nil {
				t.Fatal(err)
			}
			if !tr.MatchString(tc.subject) || !tr.Match([]byte(tc.subject)) {
				t.Fatalf("does not match %q", tc.subject)
			}
			if got := tr.ApplyString(tc.subject, half); got != tc.want {
				t.Errorf("%q becomes %q, want %q", tc.subject, got, tc.want)
			}
			if got := string(tr.Apply([]byte("> "), []byte(tc.subject), half)); got != "> "+tc.want {
				t.Errorf("%q appended gives %q", tc.subject, got)
			}
		})
	}
}

func TestTransformErrors(t *testing.T) {
	const prefix = "invalid mapping destination: "
	for _, tc := range []struct {
		source, dest string
		want         string
	}{
		{"foo..*", "a.$1", "invalid subject"},
		{"foo", "", "invalid subject"},
		{"foo", "a..b", "invalid subject"},
		{"foo", "a.b.", "invalid subject"},
		{"foo", "a b", "invalid subject"},
		{"foo.*", "bar.*", "invalid subject"},
		{"foo.*", "bar.>", "invalid subject"},
		{"foo.>", "bar", "invalid subject"},
		{"foo.>", "bar.x>", "invalid subject"},
		{"foo.*.>", "bar.>.$1", "invalid subject"},
		{"*", "x.{{unknown(1)}}.*", "invalid subject"},
		{"foo.*", "bar.$2", prefix + "wildcard index out of range in $2: [2]"},
		{"foo.*", "bar.$99999999999", prefix + "wildcard index out of range in $99999999999: [99999999999]"},
		{"foo.*", "bar.$99999999999999999999", prefix + "wildcard index out of range in $99999999999999999999"},
		{"foo.*", "bar.{{wildcard(2)}}", prefix + "wildcard index out of range in {{wildcard(2)}}: [2]"},
		{"foo.*", "bar.{{wildcard(-1)}}", prefix + "wildcard index out of range in {{wildcard(-1)}}: [-1]"},
		{"foo.*", "bar.$0", prefix + "wildcard index out of range in $0"},
		{"foo", "a.$1", prefix + "wildcard index out of range in $1"},
		{"foo", "a.{{split(1,2)}}", prefix + "wildcard index out of range in {{split(1,2)}}"},
		{">", "x.$1.>", prefix + "wildcard index out of range in $1"},
		{"*.*", "{{partition(10,3)}}", prefix + "wildcard index out of range in {{partition(10,3)}}: [3]"},
		{"foo.*", "bar.{{foo(1)}}", prefix + "unknown function in {{foo(1)}}"},
		{"foo.*", "bar.{{foo}}", prefix + "unknown function in {{foo}}"},
		{"foo.*", "bar.{{WILDCARD(1)}}", prefix + "unknown function in {{WILDCARD(1)}}"},
		{"foo.*", "bar.{{wildcard(1}}", prefix + "unknown function in {{wildcard(1}}"},
		{"foo.*", "bar.{{(1)}}", prefix + "unknown function in {{(1)}}"},
		{"foo.*", "bar.{{}}", prefix + "unknown function in {{}}"},
		{"foo.*", "{{unknown(1)}}.$2", prefix + "unknown function in {{unknown(1)}}"},
		{"foo.*", "bar.{{wildcard()}}", prefix + "not enough arguments passed to the function in {{wildcard()}}"},
		{"foo.*", "bar.{{split(1)}}", prefix + "not enough arguments passed to the function in {{split(1)}}"},
		{"foo.*", "bar.{{random()}}", prefix + "not enough arguments passed to the function in {{random()}}"},
		{"foo.*", "bar.{{wildcard(1,2)}}", prefix + "too many arguments passed to the function in {{wildcard(1,2)}}"},
		{"foo.*", "bar.{{split(1,-,-)}}", prefix + "too many arguments passed to the function in {{split(1,-,-)}}"},
		{"foo.*", "bar.{{random(1,2)}}", prefix + "too many arguments passed to the function in {{random(1,2)}}"},
		{"foo.*", "bar.{{wildcard(a)}}", prefix + "function argument is invalid or in the wrong format in {{wildcard(a)}}"},
		{"foo.*", "bar.{{split(1,)}}", prefix + "function argument is invalid or in the wrong format in {{split(1,)}}"},
		{"foo.*", "bar.{{split(1,a b)}}", prefix + "function argument is invalid or in the wrong format in {{split(1,a b)}}"},
		{"foo.*", "bar.{{left(1,x)}}", prefix + "function argument is invalid or in the wrong format in {{left(1,x)}}"},
		{"foo.*", "bar.{{left(1,-1)}}", prefix + "function argument is invalid or in the wrong format in {{left(1,-1)}}"},
		{"foo.*", "bar.{{right(1,2147483648)}}", prefix + "function argument is invalid or in the wrong format in {{right(1,2147483648)}}"},
		{"foo.*", "bar.{{partition(x)}}", prefix + "function argument is invalid or in the wrong format in {{partition(x)}}"},
		{"foo.*", "bar.{{partition(2,x)}}", prefix + "function argument is invalid or in the wrong format in {{partition(2,x)}}"},
		{"foo.*", "bar.{{partition(2,)}}", prefix + "function argument is invalid or in the wrong format in {{partition(2,)}}"},
	} {
		t.Run(tc.source+" to "+tc.dest, func(t *testing.T) {
			_, err := NewTransform(tc.source, tc.dest)
			if err == nil || err.Error() != tc.want {
				t.Errorf("error is %q, want %q", err, tc.want)
			}
			var te *TransformError
			if isText := errors.Is(err, ErrInvalidSubject); isText == errors.As(err, &te) {
				t.Errorf("error is a %T", err)
			}
		})
	}
}

func TestImportTransform(t *testing.T) {
	for _, tc := range []struct {
		source, dest  string
		subject, want string // want is an error if subject is ""
	}{
		{"foo.*.*", "x.$2.$1", "foo.a.b", "x.b.a"},
		{"foo.*.*", "x.$2.$1.$1", "foo.a.b", "x.b.a.a"},
		{"foo.*.*", "x.{{wildcard(2)}}.$1", "foo.a.b", "x.b.a"},
		{"foo.*.*", "*.x.*", "foo.a.b", "a.x.b"},
		{"foo.*.>", "x.$1.>", "foo.a.b.c", "x.a.b.c"},
		{"$1.*", "x.$1", "$1.a", "x.a"},
		{"foo", "bar", "foo", "bar"},
		{"foo.*.*", "x.$1", "", "invalid mapping destination: not using all of the token wildcard(s) in x.$1"},
		{"foo.*", "x", "", "invalid mapping destination: not using all of the token wildcard(s) in x"},
		{"foo.*.*", "x.$2.{{left(1,2)}}", "", "invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}} in {{left(1,2)}}"},
		{"foo", "x.{{random(3)}}", "", "invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}} in {{random(3)}}"},
		{"foo.*", "x.*.*", "", "invalid mapping destination: wildcard index out of range in $2: [2]"},
	} {
		t.Run(tc.source+" to "+tc.dest, func(t *testing.T) {
			tr, err := NewImportTransform(tc.source, tc.dest)
			if tc.subject == "" {
				if err == nil || err.Error() != tc.want {
					t.Fatalf("error is %q, want %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tr.Destination() != tc.dest {
				t.Errorf("destination is told as %q", tr.Destination())
			}
			got := tr.ApplyString(tc.subject, nil)
			if got != tc.want {
				t.Fatalf("%q becomes %q, want %q", tc.subject, got, tc.want)
			}
			back, err := tr.Reverse()
			if err != nil {
				t.Fatal(err)
			}
			if !back.MatchString(got) {
				t.Fatalf("the reverse, from %q, does not match %q", back.Source(), got)
			}
			if got := back.ApplyString(got, nil); got != tc.subject {
				t.Errorf("the reverse, to %q, gives %q, want %q", back.Destination(), got, tc.subject)
			}
		})
	}
}

func TestNotReversible(t *testing.T) {
	for _, dest := range []string{"x", "x.$1", "x.$1.{{left(2,1)}}", "x.$1.$2.{{random(1)}}"} {
		tr, err := NewTransform("foo.*.*", dest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Reverse(); !errors.Is(err, ErrNotReversible) {
			t.Errorf("reversing %q: %v", dest, err)
		}
	}
}

// The partition of a subject is agreed upon with other programs, so it has to
// be FNV-1a to the bit.
func TestPartitionAgainstStandardFNV(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		toks := make([]string, 1+r.IntN(4))
		for i := range toks {
			b := make([]byte, 1+r.IntN(12))
			for j := range b {
				b[j] = "abcdefghijklmnopqrstuvwxyz0123456789\xff\x80"[r.IntN(38)]
			}
			toks[i] = string(b)
		}
		subject := strings.Join(toks, ".")
		var picked []int
		hashed := subject
		if r.IntN(2) == 0 {
			hashed = ""
			for range 1 + r.IntN(4) {
				p := r.IntN(len(toks))
				picked = append(picked, p)
				hashed += toks[p]
			}
		}
		h := fnv.New32a()
		h.Write([]byte(hashed))
		n := 1 + r.Uint32N(1000)
		if got, want := partition(subject, picked, n), h.Sum32()%n; got != want {
			t.Fatalf("partition(%q, %v, %d) = %d, want %d", subject, picked, n, got, want)
		}
	}
}

func FuzzTransform(f *testing.F) {
	f.Add("foo.*", "bar.$1", "foo.x")
	f.Add("foo.*.>", "{{partition(3,1)}}.{{split(1,-)}}.>", "foo.a-b.c.d")
	f.Add("*", "{{ sliceFromRight(1, 3) }}.{{random(7)}}", "abcdefg")
	f.Add("*.*", "x.{{splitFromLeft(2,2)}}.{{right(1,1)}}", "a.bcd")
	f.Add("foo", "{{}}.{{(}}.$", "foo")
	f.Fuzz(func(t *testing.T, source, dest, subject string) {
		tr, err := NewTransform(source, dest)
		if err != nil {
			var te *TransformError
			if !errors.As(err, &te) && !errors.Is(err, ErrInvalidSubject) {
				t.Fatalf("unexpected error %T: %v", err, err)
			}
			return
		}
		if !IsLiteral(subject) || !tr.MatchString(subject) {
			return
		}
		got := tr.ApplyString(subject, half)
		if splits := strings.Contains(strings.ToLower(dest), "split"); !splits && !IsValid(got) && !HasWildcard(got) {
			t.Errorf("%q to %q turned %q into %q, which is not valid", source, dest, subject, got)
		}
		back, err := tr.Reverse()
		if err != nil {
			return
		}
		if again := back.ApplyString(got, nil); again != subject {
			t.Errorf("%q to %q turned %q into %q and back into %q", source, dest, subject, got, again)
		}
	})
}

func TestApplyDoesNotAllocate(t *testing.T) {
	tr, err := NewTransform("foo.*.*.>", "{{partition(7,1)}}.$2.{{split(1,-)}}.{{sliceFromLeft(2,2)}}.{{random(5)}}.>")
	if err != nil {
		t.Fatal(err)
	}
	subject, buf := []byte("foo.a-b-c.defgh.i.j"), make([]byte, 0, 128)
	if got := testing.AllocsPerRun(100, func() { buf = tr.Apply(buf[:0], subject, half) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
	if want := "." + "defgh.a.b.c.de.fg.h.2.i.j"; !strings.HasSuffix(string(buf), want) {
		t.Errorf("got %q", buf)
	}
}

func BenchmarkApply(b *testing.B) {
	for _, tc := range []struct{ name, source, dest, subject string }{
		{"wildcard", "orders.*.*", "eu.$2.$1", "orders.12345.created"},
		{"partition", "orders.*.*", "orders.{{partition(16,1)}}.$1.$2", "orders.12345.created"},
		{"tail", "orders.>", "eu.orders.>", "orders.12345.created"},
	} {
		b.Run(tc.name, func(b *testing.B) {
			tr, err := NewTransform(tc.source, tc.dest)
			if err != nil {
				b.Fatal(err)
			}
			subject, buf := []byte(tc.subject), make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				buf = tr.Apply(buf[:0], subject, half)
			}
		})
	}
}

// What is asked for under a local name, and what it cannot be.
func TestRequestTransform(t *testing.T) {
	for _, tc := range []struct{ local, pattern, subject, want string }{
		{"my.add", "svc.add", "my.add", "svc.add"},
		{"z.$2.$1", "x.*.y.*", "z.1.2", "x.2.y.1"},
		{"z.*.*", "x.*.y.*", "z.1.2", "x.1.y.2"},
		{"dlc.>", "$JS.API.>", "dlc.a.b", "$JS.API.a.b"},
		{"my.*", "svc", "my.thing", "svc"},
	} {
		tr, err := NewRequestTransform(tc.local, tc.pattern)
		if err != nil {
			t.Errorf("%s for %s: %v", tc.local, tc.pattern, err)
			continue
		}
		if !tr.MatchString(tc.subject) || tr.ApplyString(tc.subject, nil) != tc.want {
			t.Errorf("%s for %s: %s becomes %s", tc.local, tc.pattern, tc.subject, tr.ApplyString(tc.subject, nil))
		}
	}
	for _, tc := range []struct{ local, pattern string }{
		{"p", "v.*"}, {"p", "v.>"}, {"p.>", "v"}, {"p.$1", "v.*.*"}, {"p.{{left(1,2)}}.$1", "v.*.*"}, {"a..b", "v"}, {"a", "v..b"},
	} {
		if tr, err := NewRequestTransform(tc.local, tc.pattern); err == nil {
			t.Errorf("%s for %s: %v", tc.local, tc.pattern, tr)
		}
	}
}
