package storetest

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// filters are what the model is asked with: none, literals, wildcards, and
// several patterns with and without overlap.
var filters = []*store.Filter{
	nil,
	store.NewFilter("a"),
	store.NewFilter("a.b"),
	store.NewFilter("a.*"),
	store.NewFilter("a.>"),
	store.NewFilter("*.*"),
	store.NewFilter("*.x.c"),
	store.NewFilter("foo.*"),
	store.NewFilter("none.such"),
	store.NewFilter("none.*"),
	store.NewFilter("a.b", "a.c"),
	store.NewFilter("a.*", "*.b", "a.>"),
	store.NewFilter("a", "k.>"),
	store.NewFilter("k.1", "k.5", "k.9", "none"),
}

// patterns are what Subjects is asked with.
var patterns = []string{">", "a", "a.b", "a.*", "a.>", "*", "*.*", "*.b.*", "k.*", "foo.*", "foo.bar", "none.>"}

// comparison compares what a store answers with what the model does.
type comparison struct {
	t testing.TB
	// where tells about the moment.
	where string
	s     store.Reader
	m     *model
	// numbers are those worth asking for.
	numbers []store.Seq
}

// compare asks for everything, but with filters only at the start and at a random
// number.
func compare(t testing.TB, where string, s store.Reader, m *model, rng *rand.Rand) {
	t.Helper()
	c := &comparison{t: t, where: where, s: s, m: m}
	if got, want := s.State(), m.state(); got != want {
		t.Fatalf("%s: State() = %+v, want %+v", where, got, want)
	}
	c.numbers = []store.Seq{0, 1, m.last, m.last + 1, math.MaxUint64}
	for _, e := range m.messages {
		c.numbers = append(c.numbers, e.seq-1, e.seq, e.seq+1)
	}
	slices.Sort(c.numbers)
	c.numbers = slices.Compact(c.numbers)
	c.loads()
	c.subjects()
	c.times()
	c.deleted()
	if lost := s.Lost(); len(lost) > 0 {
		t.Fatalf("%s: Lost() = %v, want none", where, lost)
	}
	for _, f := range filters {
		c.filtered(f, 0)
		c.filtered(f, c.numbers[rng.IntN(len(c.numbers))])
	}
}

func (c *comparison) loads() {
	c.t.Helper()
	var m store.Message
	for _, seq := range c.numbers {
		want, ok := c.m.load(seq)
		c.message(&m, c.s.Load(seq, &m), want, ok, "Load(%d)", seq)
	}
}

// message compares a message that was filled in, or the error that there is none.
func (c *comparison) message(got *store.Message, err error, want message, ok bool, format string, args ...any) {
	c.t.Helper()
	switch {
	case !ok && !errors.Is(err, store.ErrNotFound):
		c.t.Fatalf("%s: "+format+": error %v, want ErrNotFound", slices.Concat([]any{c.where}, args, []any{err})...)
	case ok && err != nil:
		c.t.Fatalf("%s: "+format+": %v", slices.Concat([]any{c.where}, args, []any{err})...)
	case ok && flat(got) != want:
		c.t.Fatalf("%s: "+format+" = %+v, want %+v", slices.Concat([]any{c.where}, args, []any{flat(got), want})...)
	}
}

// flat returns a message as one of the model.
func flat(m *store.Message) message {
	return message{m.Seq, m.Time, string(m.Subject), string(m.Header), string(m.Data)}
}

func (c *comparison) filtered(f *store.Filter, seq store.Seq) {
	c.t.Helper()
	var m store.Message
	want, ok := c.m.next(f, seq)
	c.message(&m, c.s.Next(f, seq, &m), want, ok, "Next(%q, %d)", f.Patterns(), seq)
	want, ok = c.m.lastAt(f, seq)
	c.message(&m, c.s.Last(f, seq, &m), want, ok, "Last(%q, %d)", f.Patterns(), seq)

	for _, lastOnly := range []bool{false, true} {
		if got, want := c.s.Count(f, seq, lastOnly), c.m.count(f, seq, lastOnly); got != want {
			c.t.Fatalf("%s: Count(%q, %d, %v) = %d, want %d", c.where, f.Patterns(), seq, lastOnly, got, want)
		}
	}

	prefix := []store.Seq{7, 3}
	last := slices.Concat(prefix, c.m.lastOf(f, seq))
	for limit := max(0, len(last)-len(prefix)-1); limit < len(last); limit++ {
		got, err := c.s.LastOf(f, seq, limit, slices.Clone(prefix))
		want, wantErr := last, error(nil)
		if limit < len(last)-len(prefix) {
			want, wantErr = prefix, store.ErrTooMany
		}
		if !errors.Is(err, wantErr) || !slices.Equal(got, want) {
			c.t.Fatalf("%s: LastOf(%q, %d, %d) = %d, %v, want %d, %v",
				c.where, f.Patterns(), seq, limit, got, err, want, wantErr)
		}
	}
}

func (c *comparison) subjects() {
	c.t.Helper()
	for _, p := range patterns {
		want := c.m.subjects(p)
		names := slices.Sorted(maps.Keys(want))
		var got []string
		for name, state := range c.s.Subjects(p) {
			got = append(got, string(name))
			if state != want[string(name)] {
				c.t.Fatalf("%s: Subjects(%q) has %q as %+v, want %+v", c.where, p, name, state, want[string(name)])
			}
		}
		if !slices.Equal(got, names) {
			c.t.Fatalf("%s: Subjects(%q) = %q, want %q", c.where, p, got, names)
		}
	}
	all := c.m.subjects(">")
	for _, name := range subjects {
		want, wantOK := all[name]
		if got, ok := c.s.Subject(name); got != want || ok != wantOK {
			c.t.Fatalf("%s: Subject(%q) = %+v, %v, want %+v, %v", c.where, name, got, ok, want, wantOK)
		}
	}
}

func (c *comparison) times() {
	c.t.Helper()
	times := []int64{math.MinInt64, c.m.lastTime, c.m.lastTime + 1}
	for _, e := range c.m.messages {
		times = append(times, e.time, e.time+1)
	}
	for _, time := range times {
		if got, want := c.s.At(time), c.m.at(time); got != want {
			c.t.Fatalf("%s: At(%d) = %d, want %d", c.where, time, got, want)
		}
	}
}

func (c *comparison) deleted() {
	c.t.Helper()
	got, want := slices.Collect(c.s.Deleted()), slices.Collect(c.m.deleted())
	if !slices.Equal(got, want) {
		c.t.Fatalf("%s: Deleted() = %v, want %v", c.where, got, want)
	}
}

// compareSnapshot reads a snapshot to its end.
func compareSnapshot(t testing.TB, where string, s store.Snapshot, m *model) {
	t.Helper()
	if got, want := s.State(), m.state(); got != want {
		t.Fatalf("%s: State() of the snapshot = %+v, want %+v", where, got, want)
	}
	i := 0
	for got, err := range s.Messages(0) {
		switch {
		case err != nil:
			t.Fatalf("%s: message %d of the snapshot: %v", where, i, err)
		case i == len(m.messages):
			t.Fatalf("%s: the snapshot has %d behind its %d messages", where, got.Seq, i)
		case flat(got) != m.messages[i]:
			t.Fatalf("%s: message %d of the snapshot = %+v, want %+v", where, i, flat(got), m.messages[i])
		}
		i++
	}
	if i != len(m.messages) {
		t.Fatalf("%s: the snapshot has %d messages, want %d", where, i, len(m.messages))
	}
}
