package sublist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-lite/nats-lite/server/subject"
)

func TestMatch(t *testing.T) {
	subs := []Item[string]{
		{"foo", "", "foo"},
		{"foo", "", "foo again"},
		{"foo.bar", "", "foo.bar"},
		{"foo.*", "", "foo.*"},
		{"*.bar", "", "*.bar"},
		{"foo.>", "", "foo.>"},
		{">", "", ">"},
		{"*", "", "*"},
		{"fo*", "", "fo*"},
		{"a.*.c", "", "a.*.c"},
		{"a.b.c", "", "a.b.c"},
		{"a.*.>", "", "a.*.>"},
		{"q.x", "workers", "q.x w"},
		{"q.*", "workers", "q.* w"},
		{"q.*", "others", "q.* o"},
		{"q.>", "workers", "q.> w"},
		{"q.x", "", "q.x"},
	}
	var l List[string]
	if err := l.InsertMany(subs); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, subject, want string }{
		{"one token", "foo", "[* > foo foo again]"},
		{"two tokens", "foo.bar", "[*.bar > foo.* foo.> foo.bar]"},
		{"only the tails", "foo.bar.baz", "[> foo.>]"},
		{"only the top", "x.y.z", "[>]"},
		{"star in the middle", "a.b.c", "[> a.*.> a.*.c a.b.c]"},
		{"star does not span tokens", "a.b.x.c", "[> a.*.>]"},
		{"literal star inside a token", "fo*", "[* > fo*]"},
		{"groups merged by name", "q.x", "[> q.x] others[q.* o] workers[q.* w q.> w q.x w]"},
		{"a group of one subject", "q.y.z", "[>] workers[q.> w]"},
		{"published star is literal", "foo.*", "[> foo.* foo.>]"},
		{"published tail is literal", "a.>.c", "[> a.*.> a.*.c]"},
		{"published tail alone", ">", "[* >]"},
		{"empty", "", "[]"},
		{"dot", ".", "[]"},
		{"empty token", "foo..bar", "[]"},
		{"leading dot", ".foo", "[]"},
		{"trailing dot", "foo.", "[]"},
		{"trailing dots", "foo.bar..", "[]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Result[string]
			l.Match([]byte(tc.subject), &r)
			if got := describeResult(t, &r); got != tc.want {
				t.Errorf("%q goes to %s, want %s", tc.subject, got, tc.want)
			}
			if got := l.HasInterest([]byte(tc.subject)); got == r.Empty() {
				t.Errorf("HasInterest(%q) = %v", tc.subject, got)
			}
		})
	}
}

func TestInvalidSubjects(t *testing.T) {
	var l List[int]
	for _, s := range []string{"", ".", "foo.", ".foo", "foo..bar", "foo.>.bar", "a b"} {
		if err := l.Insert(s, "", 1); !errors.Is(err, subject.ErrInvalidSubject) {
			t.Errorf("Insert(%q) gives %v", s, err)
		}
		if err := l.InsertMany([]Item[int]{{"ok", "", 1}, {s, "", 1}}); !errors.Is(err, subject.ErrInvalidSubject) {
			t.Errorf("InsertMany with %q gives %v", s, err)
		}
		if l.Remove(s, "", 1) {
			t.Errorf("Remove(%q) finds something", s)
		}
	}
	if l.Len() != 0 || l.Generation() != 0 {
		t.Errorf("%d inserted, generation %d", l.Len(), l.Generation())
	}
}

func TestRemoveWhatIsNotThere(t *testing.T) {
	var l List[int]
	for _, it := range []Item[int]{{"foo", "", 1}, {"foo.*", "q", 1}, {"a.b.>", "", 1}} {
		if err := l.Insert(it.Subject, it.Queue, it.Value); err != nil {
			t.Fatal(err)
		}
	}
	gen := l.Generation()
	for _, it := range []Item[int]{
		{"foo", "", 2},
		{"foo", "q", 1},
		{"bar", "", 1},
		{"foo.*", "", 1},
		{"foo.*", "p", 1},
		{"foo.*", "q", 2},
		{"a.b.*", "", 1},
		{"a.>", "", 1},
		{"a.*.>", "", 1},
		{">", "", 1},
		{"*", "", 1},
	} {
		if l.Remove(it.Subject, it.Queue, it.Value) {
			t.Errorf("removed %v", it)
		}
	}
	if l.Generation() != gen || l.Len() != 3 {
		t.Errorf("generation went from %d to %d, %d are left", gen, l.Generation(), l.Len())
	}
}

func TestGenerationAndStats(t *testing.T) {
	var l List[int]
	changed := func(what string, do func()) {
		t.Helper()
		before := l.Generation()
		do()
		if l.Generation() == before {
			t.Errorf("%s did not change the generation", what)
		}
	}
	changed("Insert", func() { l.Insert("foo", "", 1) })
	changed("Insert of a duplicate", func() { l.Insert("foo", "", 1) })
	changed("InsertMany", func() { l.InsertMany([]Item[int]{{"a.*", "q", 1}, {"b", "", 2}}) })
	changed("Remove", func() { l.Remove("foo", "", 1) })
	changed("RemoveMany", func() {
		if n := l.RemoveMany([]Item[int]{{"a.*", "q", 1}, {"b", "", 7}}); n != 1 {
			t.Errorf("RemoveMany removed %d", n)
		}
	})
	if got, want := l.Stats(), (Stats{NumSubs: 2, NumInserts: 4, NumRemoves: 2}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

// Batches larger than one hold of the lock are done to the end.
func TestLargeBatches(t *testing.T) {
	var items []Item[int]
	for i := range 3*batch + 7 {
		items = append(items, Item[int]{fmt.Sprintf("s.%d", i%1000), "", i})
	}
	var l List[int]
	if err := l.InsertMany(items); err != nil {
		t.Fatal(err)
	}
	(&model[int]{items}).check(t, &l, []string{"s.0", "s.999"})
	if n := l.RemoveMany(append(items, Item[int]{"s.0", "", -1})); n != len(items) {
		t.Errorf("removed %d of %d", n, len(items))
	}
	(&model[int]{}).check(t, &l, []string{"s.0"})
}

func TestCallbacksMayStopAndUseTheList(t *testing.T) {
	var l List[int]
	for i := range 10 {
		l.Insert("foo.*", "", i)
	}
	for name, each := range map[string]func(func(string, string, int) bool){
		"All":         l.All,
		"Overlapping": func(f func(string, string, int) bool) { l.Overlapping("foo.bar", f) },
	} {
		calls := 0
		each(func(subj, queue string, v int) bool {
			calls++
			l.Remove(subj, queue, v)
			return calls < 3
		})
		if calls != 3 {
			t.Errorf("%s made %d calls", name, calls)
		}
	}
	if l.Len() != 4 {
		t.Errorf("%d are left", l.Len())
	}
}

// alphabet has few tokens, so that random subjects meet.
var alphabet = []string{"a", "b", "c", "*", ">"}

func randomSubject(r *rand.Rand) string {
	toks := make([]string, 1+r.IntN(4))
	for i := range toks {
		toks[i] = alphabet[r.IntN(len(alphabet))]
	}
	return strings.Join(toks, ".")
}

// Random operations leave the same list as in the model, down to an empty one.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			var l List[int]
			var m model[int]
			subjects := []string{"a..b", "", "a.", ".a", "x.y", "a.x.b.x.c"}
			for range 40 {
				subjects = append(subjects, randomSubject(r))
			}
			for i := range 400 {
				it := Item[int]{randomSubject(r), []string{"", "", "q", "p"}[r.IntN(4)], r.IntN(3)}
				insert := r.IntN(3) > 0
				if i/100%2 == 1 { // phases of growing and of shrinking
					insert = !insert
				}
				if insert {
					err := l.Insert(it.Subject, it.Queue, it.Value)
					if (err == nil) != subject.IsValid(it.Subject) {
						t.Fatalf("Insert(%q) gives %v", it.Subject, err)
					}
					if err == nil {
						m.insert(it)
					}
				} else {
					if len(m.items) > 0 && r.IntN(4) > 0 {
						it = m.items[r.IntN(len(m.items))]
					}
					if got, want := l.Remove(it.Subject, it.Queue, it.Value), m.remove(it); got != want {
						t.Fatalf("Remove(%v) = %v", it, got)
					}
				}
				if i%20 == 0 {
					m.check(t, &l, subjects)
				}
			}
			m.check(t, &l, subjects)
			if n := l.RemoveMany(m.items); n != len(m.items) {
				t.Fatalf("removed %d of %d", n, len(m.items))
			}
			(&model[int]{}).check(t, &l, subjects)
		})
	}
}

// A subject with many members or many groups has indexes of its own, which come
// and go; so do the nodes with many children.
func TestCrowdsAgainstModel(t *testing.T) {
	for _, tc := range []struct {
		name string
		item func(r *rand.Rand) Item[int]
	}{
		{"members", func(r *rand.Rand) Item[int] { return Item[int]{"a", "", r.IntN(300)} }},
		{"members of a group", func(r *rand.Rand) Item[int] { return Item[int]{"*", "q", r.IntN(300)} }},
		{"mostly duplicates", func(r *rand.Rand) Item[int] { return Item[int]{"a", "", r.IntN(5)} }},
		{"groups", func(r *rand.Rand) Item[int] { return Item[int]{"a", strconv.Itoa(r.IntN(50)), r.IntN(3)} }},
		{"groups of several subjects", func(r *rand.Rand) Item[int] {
			return Item[int]{[]string{"a", "*", ">"}[r.IntN(3)], strconv.Itoa(r.IntN(60)), r.IntN(2)}
		}},
		{"literals", func(r *rand.Rand) Item[int] { return Item[int]{strconv.Itoa(r.IntN(500)), "", r.IntN(2)} }},
		{"children", func(r *rand.Rand) Item[int] { return Item[int]{strconv.Itoa(r.IntN(500)) + ".*", "", r.IntN(2)} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 8))
			var l List[int]
			var m model[int]
			subjects := []string{"a", "1", "2.x"}
			for round := range 6 {
				for range 400 {
					it := tc.item(r)
					if round%2 == 0 {
						if err := l.Insert(it.Subject, it.Queue, it.Value); err != nil {
							t.Fatal(err)
						}
						m.insert(it)
					} else if len(m.items) > 0 {
						it = m.items[r.IntN(len(m.items))]
						if !l.Remove(it.Subject, it.Queue, it.Value) {
							t.Fatalf("Remove(%v) finds nothing", it)
						}
						m.remove(it)
					}
				}
				m.check(t, &l, subjects)
			}
			l.RemoveMany(m.items)
			(&model[int]{}).check(t, &l, subjects)
		})
	}
}

// One Result serves matches of all kinds one after the other.
func TestResultIsReused(t *testing.T) {
	var l List[int]
	for i := range 40 {
		l.Insert("many", "g"+strconv.Itoa(i), i)
		l.Insert("*", "g"+strconv.Itoa(2*i), 100+i)
	}
	l.Insert("few", "g0", 7)
	l.Insert("plain.x", "", 8)
	var m model[int]
	m.items = collect(l.All)
	var r Result[int]
	for range 3 {
		for _, s := range []string{"many", "few", "none.at.all", "other", "plain.x", "many"} {
			l.Match([]byte(s), &r)
			if got, want := describeResult(t, &r), m.matches(s); got != want {
				t.Fatalf("%q goes to %s, want %s", s, got, want)
			}
		}
	}
	r.Release()
	if !r.Empty() || r.Plain != nil || r.Queues != nil {
		t.Errorf("a released result still holds %v", r)
	}
}

// Once a value is removed, the list does not keep it alive.
func TestRemovedValuesAreForgotten(t *testing.T) {
	var l List[*int]
	a, b := new(int), new(int)
	l.Insert("foo", "", a)
	l.Insert("foo", "", b)
	l.Remove("foo", "", a)
	e := l.literals.m["foo"]
	if e.plain.first[0] != nil || slices.Contains(e.plain.list[:cap(e.plain.list)], a) {
		t.Errorf("the removed value is still in %v or %v", e.plain.first, e.plain.list[:cap(e.plain.list)])
	}
}

// Readers and writers at the same time: what stays subscribed is always found,
// what is gone for good is not, and a result stamped with the present
// generation is a true one.
func TestConcurrentUse(t *testing.T) {
	var l List[int]
	for i := range 10 {
		l.Insert("stays."+strconv.Itoa(i), "", -1)
	}
	l.Insert("stays.*", "q", -2)
	var writers, readers sync.WaitGroup
	var stop atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			var mine []Item[int]
			for range 3000 {
				if len(mine) > 50 {
					if n := l.RemoveMany(mine); n != len(mine) {
						t.Errorf("removed %d of %d", n, len(mine))
					}
					mine = nil
				}
				it := Item[int]{"stays." + []string{"3", "*", ">", "x.*"}[r.IntN(4)], []string{"", "q", "p"}[r.IntN(3)], w}
				if err := l.Insert(it.Subject, it.Queue, it.Value); err != nil {
					t.Error(err)
				}
				mine = append(mine, it)
			}
			l.RemoveMany(mine)
		})
	}
	for range 2 {
		readers.Go(func() {
			var r Result[int]
			for !stop.Load() {
				l.Match([]byte("stays.3"), &r)
				if !slices.Contains(r.Plain, -1) || !l.HasInterest([]byte("stays.7")) {
					t.Error("lost sight of what stays")
					return
				}
				i := slices.IndexFunc(r.Queues, func(g Group[int]) bool { return g.Name == "q" })
				if i < 0 || !slices.Contains(r.Queues[i].Members, -2) {
					t.Error("lost sight of the group that stays")
					return
				}
				l.Overlapping("stays.*", func(string, string, int) bool { return true })
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if l.Len() != 11 {
		t.Errorf("%d are left", l.Len())
	}
}

// FuzzList reads operations from the input, a line each: "+subject queue" and
// "-subject queue" insert and remove, any other line is published to.
func FuzzList(f *testing.F) {
	f.Add("+foo\n+foo.*\n+foo.> q\nfoo.bar\n-foo\nfoo")
	f.Add("+*.b q\n+a.* q\na.b\n-*.b q\na.b\n+a.c.*\n-a.c.*\na.c.d")
	f.Add("+>\n+a..b\na..b\na.\n.\n->\n")
	f.Add("+a.b.*\n+a.c.*\n+a.d.*\n-a.b.*\n-a.c.*\na.d.x\n-a.d.*")
	f.Fuzz(func(t *testing.T, script string) {
		lines := strings.Split(script, "\n")
		if len(lines) > 50 {
			return
		}
		var l List[int]
		var m model[int]
		var r Result[int]
		for _, line := range lines {
			op, rest := "", line
			if line != "" && (line[0] == '+' || line[0] == '-') {
				op, rest = line[:1], line[1:]
			}
			subj, queue, _ := strings.Cut(rest, " ")
			it := Item[int]{subj, queue, 1}
			switch op {
			case "+":
				if l.Insert(subj, queue, 1) == nil {
					m.insert(it)
				}
			case "-":
				if got, want := l.Remove(subj, queue, 1), m.remove(it); got != want {
					t.Fatalf("Remove(%v) = %v", it, got)
				}
			default:
				l.Match([]byte(line), &r)
				if got, want := describeResult(t, &r), m.matches(line); got != want {
					t.Fatalf("%q goes to %s, want %s", line, got, want)
				}
			}
			m.check(t, &l, []string{subj})
		}
	})
}
