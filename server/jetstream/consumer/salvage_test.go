package consumer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// salvaged returns what becomes of a log of which some frames are lost.
func salvaged(t *testing.T, log [][]byte, lost map[int]bool, o Origin) (*State, int) {
	t.Helper()
	s, res := &State{}, Result{}
	var v *Salvage
	for i, frame := range log {
		switch {
		case v == nil && lost[i]:
			var err error
			if v, err = NewSalvage(s, o); err != nil {
				t.Fatal(err)
			}
		case lost[i]:
			v.Lost()
		case v != nil:
			v.Apply(frame)
		default:
			if err := s.Apply(frame, &res); err != nil {
				t.Fatal(err)
			}
		}
	}
	if v == nil {
		t.Fatal("nothing is lost")
	}
	s, doubtful, err := v.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return s, doubtful
}

// settledIn returns the messages that a log settles one by one.
func settledIn(t *testing.T, log [][]byte, lost map[int]bool) map[store.Seq]bool {
	t.Helper()
	acked := map[store.Seq]bool{}
	for i, frame := range log {
		in, _, err := openFrame(frame)
		for err == nil && in.Len() > 0 {
			var kind opKind
			var body reader
			if kind, body, err = readOp(&in); kind != opAck || lost[i] {
				continue
			}
			for body.Len() > 0 {
				run := body.run()
				for seq := run.First; seq <= run.Last; seq++ {
					acked[seq] = true
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return acked
}

// Whichever frames are lost, no message is passed over that is not settled, none comes
// again of which it is known that it is, and no number is used twice.
func TestSalvage(t *testing.T) {
	doubts, exact := 0, 0
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			cfg := config(api.ConsumerConfig{
				AckPolicy: []api.AckPolicy{api.AckExplicit, api.AckExplicit, api.AckAll, api.AckNone}[rnd.IntN(4)], AckWait: time.Second,
				MaxAckPending: 1 + rnd.IntN(40), MaxDeliver: 1 + rnd.IntN(4), FilterSubject: []string{"", "a"}[rnd.IntN(2)],
				DeliverPolicy: []api.DeliverPolicy{api.DeliverAll, api.DeliverNew, api.DeliverLast, api.DeliverLastPerSubject, api.DeliverByStartTime}[rnd.IntN(5)],
			})
			r := newRig(t)
			r.params.Retains = rnd.IntN(2) == 0
			for n := range rnd.IntN(10) {
				r.now++
				r.shelf.put(r.now, []string{"a", "b"}[n%2], "before")
			}
			if cfg.DeliverPolicy == api.DeliverByStartTime {
				cfg.OptStartTime = at(rnd.Int64N(2) * 1000)
			}
			r.now++
			created := r.now
			r.create(*cfg)
			for n := range 20 + rnd.IntN(200) {
				switch seq := 1 + rnd.Uint64N(uint64(r.shelf.last)+1); rnd.IntN(8) {
				case 0, 1, 2:
					r.publish([]string{"a", "b"}[rnd.IntN(2)], fmt.Sprint(n))
				case 3, 4:
					r.pull("inbox", fmt.Sprintf(`{"batch":%d,"no_wait":true}`, 1+rnd.IntN(8)))
				case 5, 6:
					r.ack(seq, []string{"+ACK", "+ACK", "-NAK", `-NAK {"delay":3000000000}`, "+TERM"}[rnd.IntN(5)], "")
				default:
					switch rnd.IntN(8) {
					case 0:
						r.remove(store.Seq(seq))
					case 1:
						r.engine.Compact(r.now, &r.out)
						r.step()
					default:
						r.wait(time.Duration(rnd.Int64N(int64(time.Second))))
					}
				}
			}
			lost := map[int]bool{}
			for range 1 + rnd.IntN(2) {
				from := rnd.IntN(len(r.log))
				for i := from; i < min(from+1+rnd.IntN(8), len(r.log)); i++ {
					lost[i] = true
				}
			}
			origin := Origin{Store: r.shelf, Config: cfg, Created: created, Retains: r.params.Retains}
			s, doubtful := salvaged(t, r.log, lost, origin)
			doubts += doubtful
			truth := r.state
			is := func(s *State, seq store.Seq) string {
				switch {
				case s.pending.find(seq) != nil:
					return "pending"
				case s.expired.Has(uint64(seq)):
					return "given up"
				case seq > s.delivered.Stream:
					return "to come"
				default:
					return "settled"
				}
			}
			settled := settledIn(t, r.log, lost)
			for _, m := range r.shelf.messages {
				if cfg.FilterSubject != "" && m.subject != cfg.FilterSubject {
					continue
				}
				was, now := is(truth, m.seq), is(s, m.seq)
				if was != "settled" && now == "settled" && truth.tracked() {
					t.Errorf("message %d was %s and is %s", m.seq, was, now)
				}
				if was == "settled" && now != "settled" && settled[m.seq] {
					t.Errorf("message %d is %s again", m.seq, now)
				}
			}
			if s.delivered.Consumer <= truth.delivered.Consumer {
				t.Errorf("%d deliveries become %d", truth.delivered.Consumer, s.delivered.Consumer)
			}
			last := slices.Max(keysOf(lost))
			if slices.ContainsFunc(r.log[last+1:], IsFull) {
				exact++
				same := *truth.Clone()
				same.delivered.Consumer += leftOut
				same.raiseFloor()
				if same.floor.Time = s.floor.Time; same.Digest() != s.Digest() {
					t.Errorf("with a whole state behind it %+v, want %+v", s, same)
				}
			}
			again := &State{}
			if err := again.Apply(s.AppendFull(nil), &r.res); err != nil {
				t.Fatal(err)
			}
			// It serves, and all that is left is settled some day.
			r.state, r.log = again, nil
			if seed%2 == 0 {
				r.state = &State{}
			}
			r.lead()
			if seed%2 == 0 {
				if err := r.engine.Resume(r.now, again, &r.out); err != nil {
					t.Fatal(err)
				}
			}
			r.step()
			for range 1000 {
				if i := r.engine.Info(); i.AckPending == 0 && i.Pending == 0 {
					return
				}
				r.pull("inbox", `{"batch":100,"no_wait":true}`)
				for seq := range r.shelf.last {
					r.ack(uint64(seq)+1, "", "")
				}
				r.wait(4 * time.Second)
			}
			t.Errorf("it does not come to its end: %+v", r.engine.Info())
		})
	}
	if doubts == 0 || exact == 0 {
		t.Errorf("%d messages in doubt, %d without any", doubts, exact)
	}
}

func keysOf(m map[int]bool) (list []int) {
	for i := range m {
		list = append(list, i)
	}
	return list
}

// What is made of what is left, piece by piece.
func TestSalvagePieces(t *testing.T) {
	seqs := func(kind opKind, seqs ...store.Seq) func(*frame) {
		return func(f *frame) {
			for _, s := range seqs {
				f.seq(kind, s)
			}
		}
	}
	nums := func(kind opKind, n ...uint64) func(*frame) {
		return func(f *frame) { f.uints(kind, n...) }
	}
	lost := func(*frame) {}
	for _, c := range []struct {
		name string
		// left is what is left behind 10 deliveries, of which 1 to 4 are acknowledged
		// and 5 is given up.
		left []func(*frame)
		want string
	}{
		{"nothing", nil, "6 7 8 9 10 to 10, given up 5"},
		{"an acknowledgement", []func(*frame){seqs(opAck, 7)}, "6 8 9 10 to 10, given up 5"},
		{"one of what was given up", []func(*frame){seqs(opAck, 5)}, "6 7 8 9 10 to 10, given up"},
		{"one of what was delivered since", []func(*frame){seqs(opAck, 13)}, "6 7 8 9 10 11 12 to 13, given up 5"},
		{"one, and another before it", []func(*frame){seqs(opAck, 14, 12)}, "6 7 8 9 10 11 13 to 14, given up 5"},
		{"a delivery", []func(*frame){seqs(opDeliver, 13)}, "6 7 8 9 10 11 12 13 to 13, given up 5"},
		{"deliveries with nothing lost between them", []func(*frame){seqs(opDeliver, 12), seqs(opDeliver, 15)}, "6 7 8 9 10 11 12 15 to 15, given up 5"},
		{"deliveries with something lost between them", []func(*frame){seqs(opDeliver, 12), lost, seqs(opDeliver, 15)}, "6 7 8 9 10 11 12 13 14 15 to 15, given up 5"},
		{"a repeated one", []func(*frame){seqs(opRedeliver, 12)}, "6 7 8 9 10 11 12 to 12, given up 5"},
		{"one that was settled", []func(*frame){seqs(opRedeliver, 2)}, "2 6 7 8 9 10 to 10, given up 5"},
		{"one that was given up", []func(*frame){seqs(opRedeliver, 5)}, "5 6 7 8 9 10 to 10, given up"},
		{"one given up", []func(*frame){seqs(opExpire, 6, 12)}, "7 8 9 10 11 to 12, given up 5 6 12"},
		{"all acknowledged", []func(*frame){nums(opAckAll, 12)}, "to 12, given up"},
		{"all acknowledged, and more in doubt", []func(*frame){seqs(opAck, 14), nums(opAckAll, 12)}, "13 to 14, given up"},
		{"passed over", []func(*frame){nums(opAdvance, 5, 13)}, "6 7 8 9 10 11 12 13 to 13, given up 5"},
		{"a purge", []func(*frame){nums(opPurge, 9)}, "9 10 to 10, given up"},
		{"a purge of what is in doubt", []func(*frame){seqs(opAck, 14), nums(opPurge, 12)}, "12 13 to 14, given up"},
		{"a new start", []func(*frame){seqs(opAck, 14), nums(opReset, 8), seqs(opDeliver, 8)}, "8 to 8, given up 5 6 7"},
		{"a new start further on", []func(*frame){seqs(opAck, 12), nums(opReset, 15), seqs(opDeliver, 15)}, "15 to 15, given up 5 6 7 8 9 10 11 13 14"},
		{"what follows on a lost one", []func(*frame){seqs(opDeliver, 4), seqs(opDeliver, 5)}, "4 5 to 5, given up"},
		{"passed over behind a lost one", []func(*frame){nums(opAdvance, 5, 7)}, "6 7 to 7, given up 5"},
		{"a due time", []func(*frame){func(f *frame) { f.at(opDefer, 6, start+5) }, func(f *frame) { f.at(opDefer, 12, start+5) }}, "6 7 8 9 10 to 10, given up 5"},
		{"rubbish", []func(*frame){func(f *frame) { f.buf = append(f.buf, byte(opAck), 99) }, seqs(opDeliver, 12)}, "6 7 8 9 10 11 12 to 12, given up 5"},
		{"no number", []func(*frame){nums(opAckAll, 0), nums(opAdvance, 1)}, "6 7 8 9 10 to 10, given up 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			for range 20 {
				r.shelf.put(start, "a", "x")
			}
			s := created(t, Tracked|Retains)
			for _, op := range []func(*frame){seqs(opDeliver, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), seqs(opAck, 1, 2, 3, 4), seqs(opExpire, 5)} {
				if err := s.Apply(frameOf(op), &r.res); err != nil {
					t.Fatal(err)
				}
			}
			v, err := NewSalvage(s, Origin{Store: r.shelf, Config: config(api.ConsumerConfig{AckPolicy: api.AckExplicit}), Created: start, Retains: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range c.left {
				if frame := frameOf(op); len(frame) == frameHead {
					v.Lost()
				} else {
					v.Apply(frame)
				}
			}
			s, _, err = v.Finish()
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for u := range s.Unsettled() {
				got += fmt.Sprintf("%d ", u.Stream)
			}
			got += fmt.Sprintf("to %d, given up", s.Delivered().Stream)
			for seq := range s.GivenUp() {
				got += fmt.Sprintf(" %d", seq)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if err := new(State).Apply(s.AppendFull(nil), &r.res); err != nil {
				t.Error(err)
			}
		})
	}
}

// Where very much is in doubt, some of it is pending and the rest is delivered anew.
func TestSalvageIsBounded(t *testing.T) {
	r := newRig(t)
	for range 2 * maxDoubts {
		r.shelf.put(start, "a", "x")
	}
	s := created(t, Tracked)
	v, err := NewSalvage(s, Origin{Store: r.shelf, Config: config(api.ConsumerConfig{AckPolicy: api.AckExplicit}), Created: start})
	if err != nil {
		t.Fatal(err)
	}
	v.Apply(frameOf(func(f *frame) { f.seq(opDeliver, 2*maxDoubts) }))
	s, doubtful, err := v.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Pending(); n != maxDoubts || doubtful != n || s.Delivered().Stream != maxDoubts {
		t.Errorf("%d pending, %d for doubt, delivered up to %d", n, doubtful, s.Delivered().Stream)
	}
}

// A frame that is left may say anything.
func FuzzSalvage(f *testing.F) {
	f.Add(frameOf(func(f *frame) {
		f.seq(opDeliver, 12)
		f.seq(opAck, 11)
		f.seq(opRedeliver, 3)
		f.seq(opExpire, 14)
		f.uints(opAdvance, 3, 16)
		f.uints(opAckAll, 13)
		f.uints(opPurge, 5)
		f.seq(opDeliver, 10)
		f.at(opDefer, 12, start)
		f.uints(opReset, 8)
	}), false)
	f.Add(created(f, Tracked).AppendFull(nil), true)
	f.Fuzz(func(t *testing.T, frame []byte, blank bool) {
		shelf := &shelf{}
		for range 20 {
			shelf.put(start, "a", "x")
		}
		s := &State{}
		if !blank {
			s = created(t, Tracked|Retains)
		}
		v, err := NewSalvage(s, Origin{Store: shelf, Config: config(api.ConsumerConfig{AckPolicy: api.AckExplicit}), Created: start, Retains: true})
		if err != nil {
			t.Fatal(err)
		}
		v.Apply(frame)
		v.Lost()
		v.Apply(frame)
		if s, _, err = v.Finish(); err != nil {
			return // the frame has another configuration
		}
		if err := new(State).Apply(s.AppendFull(nil), &Result{}); err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
	})
}
