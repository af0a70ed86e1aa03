package meta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// What was written before there were servers is still read: a log of ops, and the state that
// they led to.
func TestVersionOne(t *testing.T) {
	log, err := os.ReadFile("testdata/ops.1")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := os.ReadFile("testdata/state.1")
	if err != nil {
		t.Fatal(err)
	}
	replayed := &State{}
	for len(log) > 0 {
		n := binary.BigEndian.Uint32(log)
		o, err := DecodeOp(log[4 : 4+n])
		if err != nil {
			t.Fatal(err)
		}
		if r := replayed.Apply(o, replayed.time+1); !r.Changed {
			t.Errorf("%+v: %+v", o, r)
		}
		log = log[4+n:]
	}
	s, err := Decode(encoded)
	if err != nil || s.Digest() != replayed.Digest() {
		t.Fatalf("%v\n%s\n%s", err, s.Append(nil), replayed.Append(nil))
	}
	st := s.Stream("A", "orders")
	if st == nil || st.Config.Description != "of last year" || st.Consumer("e").Config.MaxDeliver != 4 || st.Consumer("d") != nil ||
		!s.Stream("A", "fast").Group.Memory || len(slices.Collect(s.Restores("A"))) != 1 || !s.Made(22) || s.Made(23) {
		t.Errorf("%s", s.Append(nil))
	}
	if st.Group.Change != nil || st.Group.Founders != nil || s.Lacking(st) != 0 || !slices.Equal(st.Consumer("e").Group.Nodes, []uint32{1}) {
		t.Errorf("%+v", st.Group)
	}
	// And it goes on from there, as one server alone.
	next := ok(t, s, create(streamConfig("next", "next"))).Stream
	ok(t, s, consume(next, &api.ConsumerConfig{Name: "c", Durable: "c"}))
	if next.Group.ID != 23 || s.Append(nil)[0] != 2 {
		t.Errorf("%+v", next.Group)
	}
}

// A list that lacks something is not a list of what is left.
func TestStateThatLacksAssets(t *testing.T) {
	s := &State{}
	st := ok(t, s, create(streamConfig("s", "s"))).Stream
	ok(t, s, consume(st, &api.ConsumerConfig{Name: "c"}))
	b := s.Append(nil)
	for _, cut := range []string{`"consumers":[{`, `"streams":[{`} {
		i := bytes.Index(b, []byte(cut)) + len(cut) - 1
		depth, end := 0, i
		for ; end == i || depth > 0; end++ {
			depth += strings.Count(string(b[end]), "{") - strings.Count(string(b[end]), "}")
		}
		if _, err := Decode(slices.Concat(b[:i], b[end:])); !errors.Is(err, ErrBadState) {
			t.Errorf("without what is behind %s: %v", cut, err)
		}
	}
	if _, err := Decode(append([]byte{3}, b[1:]...)); !errors.Is(err, ErrBadState) {
		t.Errorf("of a newer version: %v", err)
	}
}

// An image stays what it was, whatever comes behind it.
func TestImage(t *testing.T) {
	s, v := clustered(t, 4)
	st := ok(t, s, place("a", 1, 2, 3)).Stream
	for i := range 5 {
		ok(t, s, consume(st, &api.ConsumerConfig{Name: fmt.Sprint(i), Durable: fmt.Sprint(i)}))
	}
	ok(t, s, place("b", 1))
	before := s.Append(nil)
	im := s.Image()
	ok(t, s, &Op{DeleteConsumer: &DeleteConsumer{Account: "A", Stream: "a", Consumer: "3"}})
	ok(t, s, &Op{DeleteStream: &DeleteStream{Account: "A", Stream: "b"}})
	ok(t, s, &Op{RemoveServer: &RemoveServer{Node: 2, View: v}})
	second, middle := s.Image(), s.Append(nil)
	ok(t, s, consume(s.Stream("A", "a"), &api.ConsumerConfig{Name: "new", Durable: "new"}))
	ok(t, s, place("c", 1))
	if !bytes.Equal(im.Append(nil), before) || !bytes.Equal(second.Append(nil), middle) || bytes.Equal(s.Append(nil), middle) {
		t.Error("an image changes with the state")
	}
	if again, err := Decode(im.Append(nil)); err != nil || !bytes.Equal(again.Append(nil), before) {
		t.Errorf("%v", err)
	}
}

// many returns a State with so many consumers, a hundred of each stream.
func many(tb testing.TB, consumers int) *State {
	tb.Helper()
	s, _ := clustered(tb, 3)
	for i := range consumers / 100 {
		st := s.Apply(place(fmt.Sprint("s", i), 1, 2, 3), 1).Stream
		for k := range 100 {
			s.Apply(consume(st, &api.ConsumerConfig{Name: fmt.Sprint("c", k), Durable: fmt.Sprint("c", k)}), 1)
		}
	}
	return s
}

// Taking an image costs what streams cost, however many consumers they have.
func TestImageIsCheap(t *testing.T) {
	few, lots := many(t, 1000), many(t, 10000)
	a := testing.AllocsPerRun(5, func() { few.Image() })
	b := testing.AllocsPerRun(5, func() { lots.Image() })
	if a > 60 || b > 60 {
		t.Errorf("%.0f allocations for 1,000 consumers, %.0f for 10,000", a, b)
	}
}

func BenchmarkImage(b *testing.B) {
	s := many(b, 100000)
	b.Run("take", func(b *testing.B) {
		for b.Loop() {
			s.Image()
		}
	})
	im := s.Image()
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			b.SetBytes(int64(len(im.Append(nil))))
		}
	})
}
