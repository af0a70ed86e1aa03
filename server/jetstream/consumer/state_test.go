package consumer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// frameOf writes a frame.
func frameOf(write func(f *frame)) []byte {
	var f frame
	f.open(start)
	write(&f)
	f.endSeqs()
	return f.buf
}

// created is a state of a consumer that tracks acknowledgements.
func created(t testing.TB, flags Flags) *State {
	t.Helper()
	s := &State{}
	err := s.Apply(frameOf(func(f *frame) { f.create(&State{flags: flags, config: []byte(`{}`)}) }), &Result{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOperationsThatDoNotFollow(t *testing.T) {
	seq := func(kind opKind, seqs ...store.Seq) []byte {
		return frameOf(func(f *frame) {
			for _, s := range seqs {
				f.seq(kind, s)
			}
		})
	}
	for _, c := range []struct {
		name  string
		frame []byte
	}{
		{"no frame", nil},
		{"a head alone, of another version", []byte{2, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"a length that is cut off", append(frameOf(func(*frame) {}), byte(opAck))},
		{"a body that is cut off", append(frameOf(func(*frame) {}), byte(opAck), 2, 1)},
		{"a second creation", frameOf(func(f *frame) { f.create(&State{}) })},
		{"a delivery of what was delivered", seq(opDeliver, 3)},
		{"a delivery of message 0", frameOf(func(f *frame) { f.body = []byte{0, 0}; f.end(opDeliver) })},
		{"deliveries without end", frameOf(func(f *frame) { f.uints(opDeliver, 200, math.MaxUint64) })},
		{"a redelivery of what is not pending", seq(opRedeliver, 1)},
		{"an ack of what is not pending", seq(opAck, 1)},
		{"an ack of what was not delivered", frameOf(func(f *frame) { f.uints(opAckAll, 4) })},
		{"a message given up that is not pending", seq(opExpire, 1)},
		{"a position that goes back", frameOf(func(f *frame) { f.uints(opAdvance, 2, 3) })},
		{"a purge to nowhere", frameOf(func(f *frame) { f.uints(opPurge, 0) })},
		{"something behind a number", frameOf(func(f *frame) { f.uints(opReset, 5, 5) })},
		{"a due message that is not pending", frameOf(func(f *frame) { f.at(opDefer, 1, start) })},
		{"a request without a reply", frameOf(func(f *frame) { f.text(opWait, 0, "") })},
		{"half a state", frameOf(func(f *frame) { f.uints(opFull, 1, 2, 3) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := created(t, Tracked)
			var res Result
			if err := errors.Join(s.Apply(seq(opDeliver, 1, 2, 3), &res), s.Apply(seq(opAck, 1), &res)); err != nil {
				t.Fatal(err)
			}
			if err := s.Apply(c.frame, &res); !errors.Is(err, ErrOp) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A newer leader may propose what an older replica does not know.
func TestUnknownOperations(t *testing.T) {
	s := created(t, Tracked)
	before := s.Digest()
	if err := s.Apply(frameOf(func(f *frame) { f.uints(200, 1, 2, 3) }), &Result{}); err != nil {
		t.Fatal(err)
	}
	if s.Unknown() != 1 || s.Digest() != before {
		t.Errorf("%d are unknown, and the state has changed: %v", s.Unknown(), s.Digest() != before)
	}
	if err := s.Apply(s.AppendFull(nil), &Result{}); err != nil || s.Unknown() != 1 {
		t.Errorf("with the whole state %d are unknown, %v", s.Unknown(), err)
	}
}

// The buffer of a frame is used again.
func TestApplyKeepsNothing(t *testing.T) {
	some := &State{flags: Tracked, config: []byte(`{"name":"x"}`)}
	full := created(t, Tracked)
	full.wait(Waiter{Reply: "reply"})
	for name, frame := range map[string][]byte{
		"create": frameOf(func(f *frame) { f.create(some) }),
		"update": frameOf(func(f *frame) { f.update(some) }),
		"wait":   frameOf(func(f *frame) { f.text(opWait, 0, "reply") }),
		"full":   full.AppendFull(nil),
	} {
		s := &State{}
		if name != "create" {
			s = created(t, Tracked)
		}
		if err := s.Apply(frame, &Result{}); err != nil {
			t.Fatal(err)
		}
		before := s.Digest()
		for i := range frame {
			frame[i] = ^frame[i]
		}
		if s.Digest() != before {
			t.Errorf("%s: it changes with the frame", name)
		}
	}
}

// Who waits, and until when, is known to the next leader.
func TestWaiters(t *testing.T) {
	s := created(t, Tracked)
	for _, frame := range [][]byte{
		frameOf(func(f *frame) {
			f.text(opWait, start+5, "a")
			f.text(opWait, 0, "b")
			f.text(opWait, start+7, "c")
		}),
		frameOf(func(f *frame) { f.text(opServed, 0, "b") }),
		frameOf(func(f *frame) { f.text(opServed, 0, "d") }),
	} {
		if err := s.Apply(frame, &Result{}); err != nil {
			t.Fatal(err)
		}
	}
	var again State
	if err := again.Apply(s.AppendFull(nil), &Result{}); err != nil {
		t.Fatal(err)
	}
	want := []Waiter{{"a", start + 5}, {"c", start + 7}}
	if !slices.Equal(s.Waiting(), want) || !slices.Equal(again.Waiting(), want) {
		t.Errorf("%v wait, and %v after a restart, want %v", s.Waiting(), again.Waiting(), want)
	}
}

func TestIsFull(t *testing.T) {
	s := created(t, Tracked)
	full := s.AppendFull(nil)
	for _, c := range []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"alone", full, true},
		{"with something behind it", append(slices.Clone(full), byte(opForget), 0), false},
		{"with something before it", append(frameOf(func(f *frame) { f.uints(opForget) }), full[frameHead:]...), false},
		{"cut off", full[:len(full)-1], false},
		{"another version", append([]byte{9}, full[1:]...), false},
		{"no operation", full[:frameHead], false},
		{"nothing", nil, false},
	} {
		if got := IsFull(c.frame); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// What a stream that keeps messages until they are acknowledged is told.
func TestFinished(t *testing.T) {
	type step struct {
		do   func(s *State, res *Result)
		told string
		// all is what another leader would tell.
		all string
	}
	deliver := func(first, last store.Seq) func(*State, *Result) {
		return func(s *State, res *Result) {
			for seq := first; seq <= last; seq++ {
				s.deliver(seq, start, res)
			}
		}
	}
	ack := func(seqs ...store.Seq) func(*State, *Result) {
		return func(s *State, res *Result) {
			for _, seq := range seqs {
				s.ack(seq, start, res)
			}
		}
	}
	expire := func(seq store.Seq) func(*State, *Result) {
		return func(s *State, _ *Result) { s.expire(s.pending.find(seq)) }
	}
	for _, c := range []struct {
		name  string
		flags Flags
		steps []step
	}{
		{"explicit", Tracked | Retains, []step{
			{deliver(1, 9), "[]", "[]"},
			{ack(2, 3, 7), "[{2 3} {7 7}]", "[{2 3} {7 7}]"},
			{ack(1), "[{1 1}]", "[{1 3} {7 7}]"},
			{ack(1), "[]", "[{1 3} {7 7}]"},
			// 5 is given up, and stays until it is acknowledged after all.
			{expire(5), "[]", "[{1 3} {7 7}]"},
			{ack(6, 4), "[{6 6} {4 4}]", "[{1 4} {6 7}]"},
			{ack(5), "[{5 5}]", "[{1 7}]"},
		}},
		{"all", Tracked | Retains, []step{
			{deliver(1, 9), "[]", "[]"},
			{func(s *State, res *Result) { s.ackAll(3, start, res) }, "[{1 3}]", "[{1 3}]"},
			{expire(4), "[]", "[{1 3}]"},
			{func(s *State, res *Result) { s.ackAll(6, start, res) }, "[{4 6}]", "[{1 6}]"},
			{func(s *State, res *Result) { s.ackAll(6, start, res) }, "[]", "[{1 6}]"},
		}},
		{"none", Retains, []step{
			{deliver(1, 2), "[{1 2}]", "[{1 2}]"},
			{func(s *State, res *Result) { s.advance(9, 12, start, res) }, "[{3 12}]", "[{1 12}]"},
		}},
		{"of a stream that does not care", Tracked, []step{
			{deliver(1, 9), "[]", "[]"},
			{ack(2), "[]", "[{2 2}]"},
		}},
		{"reset forward and back", Tracked | Retains, []step{
			{deliver(1, 4), "[]", "[]"},
			{ack(1), "[{1 1}]", "[{1 1}]"},
			// Nothing is lost by passing over it.
			{func(s *State, _ *Result) { s.reset(7, start) }, "[]", "[{1 1}]"},
			{deliver(7, 8), "[]", "[{1 1}]"},
			{ack(7, 8), "[{7 8}]", "[{1 1} {7 8}]"},
			{func(s *State, _ *Result) { s.reset(4, start) }, "[]", "[{1 1}]"},
			{deliver(4, 5), "[]", "[{1 1}]"},
			{ack(3, 5), "[{3 3} {5 5}]", "[{1 1} {3 3} {5 5}]"},
		}},
		{"purged", Tracked | Retains, []step{
			{deliver(1, 4), "[]", "[]"},
			{expire(2), "[]", "[]"},
			{func(s *State, _ *Result) { s.purge(4) }, "[]", "[{1 3}]"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := created(t, c.flags)
			for i, step := range c.steps {
				var res Result
				step.do(s, &res)
				if got := fmt.Sprint(res.Finished); got != step.told {
					t.Errorf("step %d tells %s, want %s", i, got, step.told)
				}
				if got := fmt.Sprint(slices.Collect(s.Finished())); got != step.all && !(step.all == "[]" && got == "[]") {
					t.Errorf("after step %d all is %s, want %s", i, got, step.all)
				}
			}
		})
	}
}

// The table of pending messages does what a map does.
func TestPendingTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 3))
	var p pending
	plain := map[store.Seq]delivery{}
	var seq store.Seq
	most := 0
	for i := range 50_000 {
		most = max(most, len(plain))
		switch n := rnd.IntN(100); {
		case n < 50 || len(plain) == 0:
			seq += store.Seq(1 + rnd.IntN(3)*rnd.IntN(50))
			d := delivery{stream: seq, consumer: ConsumerSeq(i), count: uint32(1 + rnd.IntN(2))}
			p.add(d)
			plain[seq] = d
		case n == 99 && rnd.IntN(20) == 0:
			upTo := seq - min(seq, store.Seq(rnd.IntN(1000)))
			p.removeTo(upTo)
			for s := range plain {
				if s <= upTo {
					delete(plain, s)
				}
			}
		default:
			// Mostly one of the lowest, sometimes any, or none.
			s := seq - min(seq, store.Seq(rnd.IntN(1000)))
			if d := p.first(); d != nil && rnd.IntN(3) > 0 {
				s = d.stream + store.Seq(rnd.IntN(20))
			}
			d := p.find(s)
			want, ok := plain[s]
			if ok != (d != nil) || ok && *d != want {
				t.Fatalf("finds %v, want %v, %v", d, want, ok)
			}
			if ok {
				delete(plain, s)
				p.remove(d)
			}
		}
		if i%1000 != 0 {
			continue
		}
		repeated := 0
		for _, d := range plain {
			repeated += int(d.count - 1)
		}
		last := store.Seq(0)
		for d := range p.all() {
			if d.stream <= last || *d != plain[d.stream] {
				t.Fatalf("%v behind %d, want %v", d, last, plain[d.stream])
			}
			last = d.stream
		}
		if p.live != len(plain) || p.repeated != repeated || cap(p.list) > 64+4*most {
			t.Fatalf("%d of %d repeated in room for %d, want %d of %d", p.repeated, p.live, cap(p.list), repeated, len(plain))
		}
	}
}

// A message that is never acknowledged does not keep the room of all that come
// after it.
func TestPendingTableShrinks(t *testing.T) {
	var p pending
	for seq := range store.Seq(100_000) {
		p.add(delivery{stream: seq + 1, count: 1})
	}
	for seq := range store.Seq(300_000) {
		if seq >= 100_000 {
			p.add(delivery{stream: seq + 1, count: 1})
		}
		if seq > 0 {
			p.remove(p.find(seq + 1))
		}
	}
	if p.live != 1 || cap(p.list) > 2*keptPending {
		t.Errorf("%d have room for %d", p.live, cap(p.list))
	}
}

// 100,000 pending messages are small, in memory and in the log.
func TestPendingIsSmall(t *testing.T) {
	s := created(t, Tracked)
	now := start
	for i := range 100_000 {
		now += int64(i % 1000)
		s.deliver(store.Seq(3*i+1), now, nil)
	}
	if size := len(s.AppendFull(nil)); size > 700_000 {
		t.Errorf("encoded they have %d bytes", size)
	}
	if size := cap(s.pending.list) * 40; size > 10<<20 {
		t.Errorf("they take %d bytes", size)
	}
}

func TestTimers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 4))
	var h timers
	var plain []timer
	compare := func(a, b timer) int {
		if a.before(b) {
			return -1
		}
		return 1
	}
	for i := range 20_000 {
		switch n := rnd.IntN(10); {
		case n < 5 || len(h) == 0:
			v := timer{int64(rnd.IntN(100)), store.Seq(i)}
			h.push(v)
			i, _ := slices.BinarySearchFunc(plain, v, compare)
			plain = slices.Insert(plain, i, v)
		case n < 9:
			if h[0] != plain[0] {
				t.Fatalf("first is %v, want %v", h[0], plain[0])
			}
			plain = plain[1:]
			h.pop()
		default:
			rnd.Shuffle(len(h), func(i, j int) { h[i], h[j] = h[j], h[i] })
			h.order()
		}
	}
}

// What can be decoded has one meaning, and nothing else makes trouble.
func FuzzApply(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 5))
	l := newLoop(f, explicit, true)
	l.messages(20, false)
	f.Add(l.state.AppendFull(nil))
	f.Add(frameOf(func(f *frame) {
		f.seq(opDeliver, 1)
		f.seq(opDeliver, 2)
		f.seq(opDeliver, 9)
		f.seq(opRedeliver, 2)
		f.at(opDefer, 2, start+int64(time.Second))
		f.seq(opAck, 1)
		f.seq(opExpire, 2)
		f.uints(opAckAll, 9)
		f.uints(opAdvance, 8, 20)
		f.uints(opPurge, 30)
		f.pause(start + 5)
		f.text(opWait, 7, "reply")
		f.text(opServed, 0, "reply")
		f.text(opWait, 0, "other")
		f.update(&State{flags: Tracked | Retains, config: []byte("{}")})
		f.uints(opReset, 3)
		f.uints(opForget)
		f.uints(99, rnd.Uint64())
	}))
	f.Fuzz(func(t *testing.T, frame []byte) {
		s := created(t, Tracked|Retains)
		var res Result
		if err := s.Apply(frame, &res); err != nil {
			if !errors.Is(err, ErrOp) {
				t.Error(err)
			}
			return
		}
		for _, r := range res.Finished {
			if r.First > r.Last {
				t.Errorf("finished: %v", r)
			}
		}
		var again State
		if err := again.Apply(s.AppendFull(nil), &res); err != nil {
			t.Fatalf("the whole state of %+v: %v", s, err)
		}
		if again.Digest() != s.Digest() || s.Clone().Digest() != s.Digest() {
			t.Errorf("%+v, want %+v", again, s)
		}
		for r := range s.Finished() {
			if r.First > r.Last {
				t.Errorf("finished: %v", r)
			}
		}
	})
}

// An engine takes any configuration that JSON can hold, or says why not.
func TestBadConfigurations(t *testing.T) {
	for _, config := range []string{`{"ack_policy":"some"}`, `{"sample_freq":"often"}`, `nonsense`} {
		s := created(t, Tracked)
		s.config = []byte(config)
		if _, err := NewEngine(s, Params{Store: &shelf{}}, start, &Effects{}); err == nil {
			t.Errorf("%s: no error", config)
		}
	}
	e, err := NewEngine(&State{}, Params{Store: &shelf{}}, start, &Effects{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Create(start, &api.ConsumerConfig{DeliverPolicy: api.DeliverByStartTime}, &Effects{}); err == nil {
		t.Error("no error without a start time")
	}
}
