package storetest

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

func (k *kit) testLoad(t *testing.T) {
	s := k.fixture(t)
	var m store.Message
	for seq, want := range map[store.Seq]message{
		1: {1, 10, "a.b", "", "one"},
		2: {2, 20, "a.c", "", ""},
		3: {3, 30, "a.b", header, "three"},
		4: {4, 30, "b", header, ""},
		9: {9, 60, "a.b", "", "nine"},
	} {
		if err := s.Load(seq, &m); err != nil || flat(&m) != want {
			t.Errorf("Load(%d) = %+v, %v, want %+v", seq, flat(&m), err, want)
		}
	}
	for _, seq := range []store.Seq{0, 5, 7, 10, 11, math.MaxUint64} {
		if err := s.Load(seq, &m); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Load(%d): %v, want ErrNotFound", seq, err)
		}
	}
}

// search is a query and the number of what it finds, 0 if nothing.
type search struct {
	filter []string
	at     store.Seq
	want   store.Seq
}

func (k *kit) testNext(t *testing.T) {
	s := k.fixture(t)
	searches(t, "Next", s.Next, []search{
		{nil, 0, 1},
		{nil, 1, 1},
		{nil, 5, 6},
		{nil, 9, 9},
		{nil, 10, 0},
		{nil, math.MaxUint64, 0},
		{[]string{"b"}, 0, 4},
		{[]string{"b"}, 4, 4},
		{[]string{"b"}, 5, 0},
		{[]string{"a.b"}, 1, 1},
		{[]string{"a.b"}, 2, 3},
		{[]string{"a.b"}, 4, 9},
		{[]string{"a.*"}, 4, 8},
		{[]string{"a.>"}, 4, 6},
		{[]string{"*"}, 2, 4},
		{[]string{"*"}, 5, 0},
		{[]string{"b", "a.b.c"}, 1, 4},
		{[]string{"b", "a.b.c"}, 5, 6},
		{[]string{"b", "a.b.c"}, 7, 0},
		{[]string{"c.>"}, 0, 0},
	})
}

func (k *kit) testLast(t *testing.T) {
	s := k.fixture(t)
	searches(t, "Last", s.Last, []search{
		{nil, 0, 9},
		{nil, 10, 9},
		{nil, math.MaxUint64, 9},
		{nil, 5, 4},
		{nil, 1, 1},
		{[]string{"b"}, 0, 4},
		{[]string{"b"}, 3, 0},
		{[]string{"a.b"}, 0, 9},
		{[]string{"a.b"}, 8, 3},
		{[]string{"a.b"}, 2, 1},
		{[]string{"a.*"}, 8, 8},
		{[]string{"a.*.*"}, 0, 6},
		{[]string{"a.*.*"}, 5, 0},
		{[]string{"b", "a.c"}, 7, 4},
		{[]string{"b", "a.c"}, 3, 2},
		{[]string{"c.>"}, 0, 0},
	})
}

func searches(t *testing.T, name string, find func(*store.Filter, store.Seq, *store.Message) error, table []search) {
	t.Helper()
	for _, c := range table {
		var m store.Message
		err := find(store.NewFilter(c.filter...), c.at, &m)
		if c.want == 0 && !errors.Is(err, store.ErrNotFound) || c.want != 0 && err != nil || m.Seq != c.want {
			t.Errorf("%s(%q, %d) = %d, %v, want %d", name, c.filter, c.at, m.Seq, err, c.want)
		}
	}
}

func (k *kit) testLastOf(t *testing.T) {
	s := k.fixture(t)
	for _, c := range []struct {
		filter []string
		upTo   store.Seq
		limit  int
		want   []store.Seq
		err    error
	}{
		{nil, 0, math.MaxInt, []store.Seq{4, 6, 8, 9}, nil},
		{nil, 0, 4, []store.Seq{4, 6, 8, 9}, nil},
		{nil, 0, 3, nil, store.ErrTooMany},
		{nil, 5, 10, []store.Seq{2, 3, 4}, nil},
		{nil, 5, 2, nil, store.ErrTooMany},
		{nil, 1, 10, []store.Seq{1}, nil},
		{[]string{"a.b"}, 0, 1, []store.Seq{9}, nil},
		{[]string{"a.b"}, 8, 1, []store.Seq{3}, nil},
		{[]string{"a.b"}, 0, 0, nil, store.ErrTooMany},
		{[]string{"a.*"}, 8, 2, []store.Seq{3, 8}, nil},
		{[]string{"a.b", "*.b", "a.c"}, 0, 2, []store.Seq{8, 9}, nil},
		{[]string{"c"}, 0, 0, nil, nil},
	} {
		got, err := s.LastOf(store.NewFilter(c.filter...), c.upTo, c.limit, nil)
		if !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("LastOf(%q, %d, %d) = %d, %v, want %d, %v", c.filter, c.upTo, c.limit, got, err, c.want, c.err)
		}
	}
}

func (k *kit) testCount(t *testing.T) {
	s := k.fixture(t)
	for _, c := range []struct {
		filter    []string
		from      store.Seq
		all, last uint64
	}{
		{nil, 0, 7, 4},
		{nil, 1, 7, 4},
		{nil, 5, 3, 3},
		{nil, 4, 4, 4},
		{nil, 10, 0, 0},
		{nil, math.MaxUint64, 0, 0},
		{[]string{"a.b"}, 0, 3, 1},
		{[]string{"a.b"}, 3, 2, 1},
		{[]string{"a.b"}, 4, 1, 1},
		{[]string{"a.b"}, 10, 0, 0},
		{[]string{"a.*"}, 2, 4, 2},
		{[]string{"a.*", "*.b"}, 2, 4, 2},
		{[]string{"b", "a.b.c"}, 5, 1, 1},
		{[]string{"c"}, 0, 0, 0},
	} {
		f := store.NewFilter(c.filter...)
		if all, last := s.Count(f, c.from, false), s.Count(f, c.from, true); all != c.all || last != c.last {
			t.Errorf("Count(%q, %d) = %d, with lastOnly %d, want %d and %d", c.filter, c.from, all, last, c.all, c.last)
		}
	}
}

func (k *kit) testSubjects(t *testing.T) {
	s := k.fixture(t)
	all := map[string]store.SubjectState{
		"a.b":   {First: 1, Last: 9, Messages: 3},
		"a.b.c": {First: 6, Last: 6, Messages: 1},
		"a.c":   {First: 2, Last: 8, Messages: 2},
		"b":     {First: 4, Last: 4, Messages: 1},
	}
	for pattern, want := range map[string]string{
		">":       "a.b a.b.c a.c b",
		"a.*":     "a.b a.c",
		"a.>":     "a.b a.b.c a.c",
		"*":       "b",
		"*.b.c":   "a.b.c",
		"a.c":     "a.c",
		"c":       "",
		"a":       "",
		"a.b.c.>": "",
	} {
		var got []string
		for name, state := range s.Subjects(pattern) {
			got = append(got, string(name))
			if state != all[string(name)] {
				t.Errorf("Subjects(%q) has %s as %+v, want %+v", pattern, name, state, all[string(name)])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("Subjects(%q) = %q, want %s", pattern, got, want)
		}
	}
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(all)), []string{"a", "c", "a.*", "a.b.c.d", ""}) {
		want, wantOK := all[name]
		if got, ok := s.Subject(name); got != want || ok != wantOK {
			t.Errorf("Subject(%q) = %+v, %v, want %+v, %v", name, got, ok, want, wantOK)
		}
	}

	// A round that ends early leaves the store unlocked.
	for range s.Subjects(">") {
		break
	}
	for range s.Deleted() {
		break
	}
	check(t, s.Append(&store.Message{Seq: 11, Time: 80, Subject: []byte("a.b")}))
}

func (k *kit) testAt(t *testing.T) {
	s := k.fixture(t)
	for time, want := range map[int64]store.Seq{
		math.MinInt64: 1, 10: 1, 11: 2, 20: 2, 30: 3, 31: 6, 40: 6, 41: 8, 60: 9, 61: 11, 70: 11, math.MaxInt64: 11,
	} {
		if got := s.At(time); got != want {
			t.Errorf("At(%d) = %d, want %d", time, got, want)
		}
	}
	if got := k.start(t).At(0); got != 1 {
		t.Errorf("At(0) of an empty store = %d, want 1", got)
	}
}

func (k *kit) testDeleted(t *testing.T) {
	s := k.fixture(t)
	check(t, s.Skip(20, 80))
	check(t, s.Append(&store.Message{Seq: 1 << 40, Time: 90, Subject: []byte("b")}))
	_, err := s.Remove(4, false)
	check(t, err)
	want := []store.Range{{First: 4, Last: 5}, {First: 7, Last: 7}, {First: 10, Last: 1<<40 - 1}}
	if got := slices.Collect(s.Deleted()); !slices.Equal(got, want) {
		t.Errorf("Deleted() = %v, want %v", got, want)
	}
	if got := slices.Collect(k.start(t).Deleted()); len(got) > 0 {
		t.Errorf("Deleted() of an empty store = %v", got)
	}
}

// testMessage asks whether a filled message is a view of nothing but itself, and
// whether messages of any size come back.
func (k *kit) testMessage(t *testing.T) {
	s := k.start(t)
	model := &model{size: k.size}
	for i, n := range []int{0, 1, 3 << 20, 70_000, 5, 4096} {
		add(t, s, model, message{
			seq: store.Seq(i + 1), subject: strings.Repeat("s", i+1),
			header: strings.Repeat("h", n/3), data: strings.Repeat("d", n),
		})
	}
	var a, b store.Message
	for _, e := range model.messages {
		check(t, s.Load(e.seq, &a))
		check(t, s.Next(nil, e.seq%6+1, &b))
		if flat(&a) != e {
			t.Fatalf("message %d has changed after another was loaded", e.seq)
		}
		for _, part := range [][]byte{a.Subject, a.Header, a.Data} {
			if len(part) != cap(part) {
				t.Errorf("a part of message %d with length %d has capacity %d", e.seq, len(part), cap(part))
			}
			clear(part)
		}
		check(t, s.Load(e.seq, &a))
		if flat(&a) != e {
			t.Fatalf("message %d has changed after its view was written to", e.seq)
		}
	}
}
