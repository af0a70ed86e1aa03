package storetest

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const header = "NATS/1.0\r\nA: b\r\n\r\n"

// fixture returns a store with seven messages and three holes, of which one is
// at the end:
//
//	number   1    2    3    4   5   6      7   8    9    10
//	subject  a.b  a.c  a.b  b   -   a.b.c  -   a.c  a.b  -
//	time     10   20   30   30      40         50   60
func (k *kit) fixture(t *testing.T) store.Store {
	t.Helper()
	s := k.start(t)
	m := &model{size: k.size}
	for _, e := range []message{
		{1, 10, "a.b", "", "one"},
		{2, 20, "a.c", "", ""},
		{3, 30, "a.b", header, "three"},
		{4, 30, "b", header, ""},
		{5, 40, "a.c", "", "five"},
		{6, 40, "a.b.c", "", "six"},
		{7, 50, "b", "", "seven"},
		{8, 50, "a.c", "", "eight"},
		{9, 60, "a.b", "", "nine"},
		{10, 70, "a.b", "", "ten"},
	} {
		add(t, s, m, e)
	}
	for _, seq := range []store.Seq{5, 7, 10} {
		if _, err := s.Remove(seq, false); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// fixtureBytes is the size of all messages in the fixture.
func (k *kit) fixtureBytes() uint64 {
	return k.size(3, 0, 3) + k.size(3, 0, 0) + k.size(3, len(header), 5) + k.size(1, len(header), 0) +
		k.size(5, 0, 3) + k.size(3, 0, 5) + k.size(3, 0, 4)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (k *kit) testState(t *testing.T) {
	one := k.size(1, 0, 4)
	add := func(t *testing.T, s store.Store, seq store.Seq, time int64) {
		check(t, s.Append(&store.Message{Seq: seq, Time: time, Subject: []byte("a"), Data: []byte("data")}))
	}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, s store.Store)
		want store.State
	}{
		{"new", func(*testing.T, store.Store) {}, store.State{}},
		{
			"one message",
			func(t *testing.T, s store.Store) { add(t, s, 1, 5) },
			store.State{Messages: 1, Bytes: one, First: 1, Last: 1, FirstTime: 5, LastTime: 5, Subjects: 1},
		},
		{
			"first message with a high number",
			func(t *testing.T, s store.Store) { add(t, s, 1<<40, 5) },
			store.State{Messages: 1, Bytes: one, First: 1 << 40, Last: 1 << 40, FirstTime: 5, LastTime: 5, Subjects: 1},
		},
		{
			"numbers left out",
			func(t *testing.T, s store.Store) { add(t, s, 3, 5); add(t, s, 1<<40+3, 6) },
			store.State{Messages: 2, Bytes: 2 * one, First: 3, Last: 1<<40 + 3, FirstTime: 5, LastTime: 6, Subjects: 1, Deleted: 1<<40 - 1},
		},
		{
			"last removed",
			func(t *testing.T, s store.Store) {
				add(t, s, 1, 5)
				add(t, s, 2, 6)
				_, err := s.Remove(2, false)
				check(t, err)
			},
			store.State{Messages: 1, Bytes: one, First: 1, Last: 2, FirstTime: 5, LastTime: 6, Subjects: 1, Deleted: 1},
		},
		{
			"all removed",
			func(t *testing.T, s store.Store) {
				add(t, s, 1, 5)
				_, err := s.Remove(1, false)
				check(t, err)
			},
			store.State{First: 2, Last: 1, LastTime: 5},
		},
		{
			"skipped from the start",
			func(t *testing.T, s store.Store) { check(t, s.Skip(4, 9)) },
			store.State{First: 5, Last: 4, LastTime: 9},
		},
		{
			"skipped behind a message",
			func(t *testing.T, s store.Store) { add(t, s, 1, 5); check(t, s.Skip(4, 9)) },
			store.State{Messages: 1, Bytes: one, First: 1, Last: 4, FirstTime: 5, LastTime: 9, Subjects: 1, Deleted: 3},
		},
		{
			"skipped what is there",
			func(t *testing.T, s store.Store) { add(t, s, 4, 5); check(t, s.Skip(4, 9)) },
			store.State{Messages: 1, Bytes: one, First: 4, Last: 4, FirstTime: 5, LastTime: 5, Subjects: 1},
		},
		{
			"nothing skipped",
			func(t *testing.T, s store.Store) { check(t, s.Skip(0, 9)) },
			store.State{},
		},
		{
			"reset",
			func(t *testing.T, s store.Store) { add(t, s, 4, 5); check(t, s.Reset(100)) },
			store.State{First: 100, Last: 99},
		},
		{
			"reset to the start",
			func(t *testing.T, s store.Store) { add(t, s, 4, 5); check(t, s.Reset(1)) },
			store.State{First: 1},
		},
		{
			"appended after a reset",
			func(t *testing.T, s store.Store) { add(t, s, 400, 50); check(t, s.Reset(100)); add(t, s, 100, 5) },
			store.State{Messages: 1, Bytes: one, First: 100, Last: 100, FirstTime: 5, LastTime: 5, Subjects: 1},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := k.start(t)
			c.do(t, s)
			if got := s.State(); got != c.want {
				t.Errorf("State() = %+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("fixture", func(t *testing.T) {
		got := k.fixture(t).State()
		want := store.State{
			Messages: 7, Bytes: k.fixtureBytes(), First: 1, Last: 10,
			FirstTime: 10, LastTime: 70, Subjects: 4, Deleted: 3,
		}
		if got != want {
			t.Errorf("State() = %+v, want %+v", got, want)
		}
	})
}

func (k *kit) testRemove(t *testing.T) {
	none := store.Removed{}
	for _, c := range []struct {
		name string
		do   func(s store.Store) (store.Removed, error)
		want store.Removed
	}{
		{"first", func(s store.Store) (store.Removed, error) { return s.Remove(1, false) }, store.Removed{Seq: 1, Size: k.size(3, 0, 3), Subject: "a.b"}},
		{"erased", func(s store.Store) (store.Removed, error) { return s.Remove(4, true) }, store.Removed{Seq: 4, Size: k.size(1, len(header), 0), Subject: "b"}},
		{"last", func(s store.Store) (store.Removed, error) { return s.Remove(9, false) }, store.Removed{Seq: 9, Size: k.size(3, 0, 4), Subject: "a.b"}},
		{"removed before", func(s store.Store) (store.Removed, error) { return s.Remove(5, false) }, none},
		{"number 0", func(s store.Store) (store.Removed, error) { return s.Remove(0, false) }, none},
		{"not there yet", func(s store.Store) (store.Removed, error) { return s.Remove(11, true) }, none},
		{"oldest", func(s store.Store) (store.Removed, error) { return s.RemoveOldest("") }, store.Removed{Seq: 1, Size: k.size(3, 0, 3), Subject: "a.b"}},
		{"oldest of a subject", func(s store.Store) (store.Removed, error) { return s.RemoveOldest("a.c") }, store.Removed{Seq: 2, Size: k.size(3, 0, 0), Subject: "a.c"}},
		{"oldest of an unknown subject", func(s store.Store) (store.Removed, error) { return s.RemoveOldest("c") }, none},
		{"oldest of a pattern", func(s store.Store) (store.Removed, error) { return s.RemoveOldest("a.*") }, none},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := k.fixture(t)
			before := s.State()
			got, err := c.do(s)
			if c.want == none {
				if !errors.Is(err, store.ErrNotFound) || s.State() != before {
					t.Errorf("= %+v, %v with State() %+v, want ErrNotFound and no change", got, err, s.State())
				}
				return
			}
			after := s.State()
			if got != c.want || err != nil || after.Messages != before.Messages-1 || after.Bytes != before.Bytes-got.Size {
				t.Errorf("= %+v, %v, want %+v; State() was %+v and is %+v", got, err, c.want, before, after)
			}
			if err := s.Load(c.want.Seq, new(store.Message)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Load of the removed message: %v", err)
			}
		})
	}
}

// testPurge has a table of what is left of the fixture.
func (k *kit) testPurge(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(s store.Store) (uint64, error)
		n    uint64
		left []store.Seq
		// first and last are those of the state.
		first, last store.Seq
	}{
		{"compact nothing", func(s store.Store) (uint64, error) { return s.Compact(1) }, 0, []store.Seq{1, 2, 3, 4, 6, 8, 9}, 1, 10},
		{"compact to 0", func(s store.Store) (uint64, error) { return s.Compact(0) }, 0, []store.Seq{1, 2, 3, 4, 6, 8, 9}, 1, 10},
		{"compact to a message", func(s store.Store) (uint64, error) { return s.Compact(4) }, 3, []store.Seq{4, 6, 8, 9}, 4, 10},
		{"compact to a hole", func(s store.Store) (uint64, error) { return s.Compact(5) }, 4, []store.Seq{6, 8, 9}, 6, 10},
		{"compact to the last", func(s store.Store) (uint64, error) { return s.Compact(10) }, 7, nil, 11, 10},
		{"compact behind the last", func(s store.Store) (uint64, error) { return s.Compact(11) }, 7, nil, 11, 10},
		{"compact to the number after next", func(s store.Store) (uint64, error) { return s.Compact(12) }, 7, nil, 12, 11},
		{"compact to the future", func(s store.Store) (uint64, error) { return s.Compact(50) }, 7, nil, 50, 49},
		{"all", func(s store.Store) (uint64, error) { return s.Purge(nil, 0, 0) }, 7, nil, 11, 10},
		{"before a number", func(s store.Store) (uint64, error) { return s.Purge(nil, 4, 0) }, 3, []store.Seq{4, 6, 8, 9}, 4, 10},
		{"before the first", func(s store.Store) (uint64, error) { return s.Purge(nil, 1, 0) }, 0, []store.Seq{1, 2, 3, 4, 6, 8, 9}, 1, 10},
		{"before the future", func(s store.Store) (uint64, error) { return s.Purge(nil, 50, 0) }, 7, nil, 11, 10},
		{"keep some", func(s store.Store) (uint64, error) { return s.Purge(nil, 0, 2) }, 5, []store.Seq{8, 9}, 8, 10},
		{"keep what there is", func(s store.Store) (uint64, error) { return s.Purge(nil, 0, 7) }, 0, []store.Seq{1, 2, 3, 4, 6, 8, 9}, 1, 10},
		{"keep one before a number, of all", func(s store.Store) (uint64, error) { return s.Purge(nil, 8, 1) }, 4, []store.Seq{6, 8, 9}, 6, 10},
		{"keep more than there is", func(s store.Store) (uint64, error) { return s.Purge(nil, 0, 20) }, 0, []store.Seq{1, 2, 3, 4, 6, 8, 9}, 1, 10},
		{"a subject", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("a.b"), 0, 0) }, 3, []store.Seq{2, 4, 6, 8}, 2, 10},
		{"a subject before a number", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("a.b"), 9, 0) }, 2, []store.Seq{2, 4, 6, 8, 9}, 2, 10},
		{"keep one of a pattern, not of each subject", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("a.*"), 0, 1) }, 4, []store.Seq{4, 6, 9}, 4, 10},
		{"keep one before a number", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("a.*"), 4, 1) }, 2, []store.Seq{3, 4, 6, 8, 9}, 3, 10},
		{"several patterns", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("b", "*.b.c"), 0, 0) }, 2, []store.Seq{1, 2, 3, 8, 9}, 1, 10},
		{"every pattern", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("b", "*.b.c", "a.*"), 0, 0) }, 7, nil, 11, 10},
		{"no match", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("c.>"), 0, 0) }, 0, []store.Seq{1, 2, 3, 4, 6, 8, 9}, 1, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := k.fixture(t)
			m := &model{size: k.size}
			for _, seq := range c.left {
				e := new(store.Message)
				check(t, s.Load(seq, e))
				m.append(flat(e))
			}
			m.first, m.last, m.lastTime = c.first, c.last, 70
			if n, err := c.do(s); n != c.n || err != nil {
				t.Errorf("= %d, %v, want %d", n, err, c.n)
			}
			compare(t, "afterwards", s, m, rand.New(rand.NewPCG(1, 1)))

			next := message{seq: c.last + 1, time: 80, subject: "a.b"}
			add(t, s, m, next)
			compare(t, "with one message more", s, m, rand.New(rand.NewPCG(1, 1)))
		})
	}
	for _, c := range []struct {
		name string
		do   func(s store.Store) (uint64, error)
		want store.State
	}{
		{"compact an empty store", func(s store.Store) (uint64, error) { return s.Compact(9) }, store.State{First: 9, Last: 8}},
		{"compact an empty store to its start", func(s store.Store) (uint64, error) { return s.Compact(1) }, store.State{First: 1}},
		{"purge an empty store", func(s store.Store) (uint64, error) { return s.Purge(nil, 0, 0) }, store.State{First: 1}},
		{"purge an empty store in part", func(s store.Store) (uint64, error) { return s.Purge(store.NewFilter("a"), 5, 1) }, store.State{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := k.start(t)
			if n, err := c.do(s); n != 0 || err != nil || s.State() != c.want {
				t.Errorf("= %d, %v with State() %+v, want %+v", n, err, s.State(), c.want)
			}
		})
	}
}

func (k *kit) testClosed(t *testing.T) {
	s := k.fixture(t)
	check(t, s.Close())
	var m store.Message
	for name, err := range map[string]error{
		"Load":         s.Load(1, &m),
		"Next":         s.Next(nil, 0, &m),
		"Last":         s.Last(nil, 0, &m),
		"Append":       s.Append(&store.Message{Seq: 11, Time: 80, Subject: []byte("a")}),
		"Skip":         s.Skip(20, 90),
		"Remove":       second(s.Remove(1, false)),
		"RemoveOldest": second(s.RemoveOldest("")),
		"Compact":      second(s.Compact(5)),
		"Purge":        second(s.Purge(nil, 0, 0)),
		"Reset":        s.Reset(5),
		"LastOf":       second(s.LastOf(nil, 0, 10, nil)),
		"Checkpoint":   second(s.Checkpoint(nil)),
		"Snapshot":     second(s.Snapshot()),
		"Prepare":      second(s.Prepare(&nothing{})),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s of a closed store: %v, want ErrClosed", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
