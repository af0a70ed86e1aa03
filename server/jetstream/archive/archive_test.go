package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
)

// Are the bytes those that the format says?
func TestGolden(t *testing.T) {
	at := time.Date(2026, 11, 23, 15, 0, 0, 5, time.UTC)
	b := backup{
		time: 300,
		state: api.StreamState{
			Msgs: 2, Bytes: 99, FirstSeq: 7, FirstTime: at, LastSeq: 300, LastTime: at, NumSubjects: 2, NumDeleted: 292, Consumers: 1,
			Subjects: map[string]uint64{"not": 1}, Deleted: []uint64{8}, Lost: &api.LostStreamData{Bytes: 1},
		},
		consumers: []*Consumer{{
			Name:   "c",
			Config: &api.ConsumerConfig{Durable: "c", Name: "c", AckPolicy: api.AckExplicit},
			State: &ConsumerState{
				Delivered: Position{9, 12}, AckFloor: Position{1, 2},
				Pending: Pendings{{3, 2, 17}, {12, 4, 18}}, Redelivered: Redeliveries{{3, 2}, {12, 4}},
			},
		}},
		messages: []message{{7, 64, "a.b", "NATS/1.0\r\n\r\n", "hi"}, {300, 65, "c", "", ""}},
	}
	state := `{"messages":2,"bytes":99,"first_seq":7,"first_ts":"2026-11-23T15:00:00.000000005Z",` +
		`"last_seq":300,"last_ts":"2026-11-23T15:00:00.000000005Z","num_subjects":2,"num_deleted":292,"consumer_count":1}`
	consumer := `{"config":{"durable_name":"c","name":"c","deliver_policy":"all","ack_policy":"explicit","replay_policy":"instant","num_replicas":0},` +
		`"state":{"delivered":{"consumer_seq":9,"stream_seq":12},"ack_floor":{"consumer_seq":1,"stream_seq":2},` +
		`"pending":{"3":{"Sequence":2,"Timestamp":17},"12":{"Sequence":4,"Timestamp":18}},"redelivered":{"3":2,"12":4}}}`
	want := "NATSARC1" +
		"\x0a\xd8\x04\x00\x00" + varint(len(state)) + "state.json" + state +
		"\x0b\xd8\x04\x00\x00" + varint(len(consumer)) + "consumers/c" + consumer +
		"\x03\x80\x01\x07\x0c\x02" + "a.b" + "NATS/1.0\r\n\r\n" + "hi" +
		"\x01\x82\x01\xac\x02\x00\x00" + "c" +
		"\x00\x00\x00\x00\x00"
	var out bytes.Buffer
	if err := b.write(&out); err != nil {
		t.Fatal(err)
	}
	if got := string(decompress(t, out.Bytes())); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func varint(n int) string {
	if n < 1<<7 {
		return string([]byte{byte(n)})
	}
	return string([]byte{byte(n) | 1<<7, byte(n >> 7)})
}

// Does everything come back, however the source doles it out, and from a store into
// another one?
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			from := randomStore(t, rng)
			snap, err := from.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			defer snap.Close()
			at := snap.State()
			b := backup{time: 77, state: api.StreamState{
				Msgs: at.Messages, Bytes: at.Bytes, FirstSeq: uint64(at.First), FirstTime: moment(at.FirstTime),
				LastSeq: uint64(at.Last), LastTime: moment(at.LastTime),
			}}
			for m, err := range snap.Messages(0) {
				if err != nil {
					t.Fatal(err)
				}
				b.messages = append(b.messages, message{m.Seq, m.Time, string(m.Subject), string(m.Header), string(m.Data)})
			}
			for i := range rng.IntN(5) {
				b.consumers = append(b.consumers, randomConsumer(rng, fmt.Sprint("c", i), at.Last))
			}
			b.state.Consumers = len(b.consumers)
			var out bytes.Buffer
			if err := b.write(&out); err != nil {
				t.Fatal(err)
			}
			for name, src := range map[string]io.Reader{
				"whole": bytes.NewReader(out.Bytes()), "halves": iotest.HalfReader(bytes.NewReader(out.Bytes())),
				"bytes": iotest.OneByteReader(bytes.NewReader(out.Bytes())), "with the end": iotest.DataErrReader(bytes.NewReader(out.Bytes())),
			} {
				got, err := read(src)
				if err != nil || !got.equal(&b) {
					t.Fatalf("%s: %v\ngot  %v\nwant %v", name, err, got, &b)
				}
			}

			to := restore(t, out.Bytes())
			if got := to.State(); got != at {
				t.Errorf("restored %+v, want %+v", got, at)
			}
		})
	}
}

// randomStore returns a store with gaps, some at the end.
func randomStore(t *testing.T, rng *rand.Rand) store.Store {
	s := mem.New()
	if rng.IntN(4) == 0 {
		if err := s.Reset(store.Seq(1 + rng.IntN(1000))); err != nil {
			t.Fatal(err)
		}
	}
	for range rng.IntN(300) {
		at := s.State()
		m := store.Message{
			Seq: at.Last + 1 + store.Seq(rng.IntN(3)/2), Time: max(at.LastTime, 1) + rng.Int64N(1000),
			Subject: fmt.Appendf(nil, "a.%d", rng.IntN(20)), Data: make([]byte, rng.IntN(100)*rng.IntN(100)),
		}
		if rng.IntN(2) == 0 {
			m.Header = fmt.Appendf(nil, "NATS/1.0\r\nA: %d\r\n\r\n", rng.Int())
		}
		for i := range m.Data {
			m.Data[i] = byte(rng.Uint32())
		}
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	if at := s.State(); at.Messages > 0 {
		for range rng.IntN(50) {
			// Some are gone already.
			s.Remove(at.First+store.Seq(rng.Uint64N(uint64(at.Last-at.First+1))), false)
		}
		if rng.IntN(3) == 0 {
			s.Remove(at.Last, false)
		}
	}
	return s
}

func randomConsumer(rng *rand.Rand, name string, last store.Seq) *Consumer {
	s := &ConsumerState{}
	for seq := range last {
		switch seq++; rng.IntN(6) {
		case 0:
			s.Delivered.Consumer += 1 + s.Delivered.Consumer%2
			s.Delivered.Stream = seq
			s.AddDelivery(Delivery{seq, s.Delivered.Consumer, rng.Int64N(1e18), 1 + rng.Uint32N(3)})
		case 1:
			s.AddExhausted(seq, 5)
		}
	}
	// Gaps in front of the first and behind the last.
	s.Delivered.Stream = min(s.Delivered.Stream+1, last)
	s.Delivered.Consumer++
	return &Consumer{Name: name, Config: &api.ConsumerConfig{Name: name, Description: strings.Repeat("<d>", rng.IntN(9))}, State: s}
}

// restore does what a stream does with an archive.
func restore(t *testing.T, archive []byte) store.Store {
	r := NewReader(bytes.NewReader(archive))
	state, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	s := mem.New()
	if first := state.FirstSeq; first > 0 {
		if !state.LastTime.IsZero() {
			first = min(first, state.LastSeq) // so that there is something left to be skipped
		}
		if err := s.Reset(store.Seq(first)); err != nil {
			t.Fatal(err)
		}
	}
	var m store.Message
	for err = r.Message(&m); err == nil; err = r.Message(&m) {
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := s.Skip(store.Seq(state.LastSeq), state.LastTime.UnixNano()); err != nil {
		t.Fatal(err)
	}
	return s
}

func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// Does a Writer refuse what has no place or no end?
func TestWriterRefuses(t *testing.T) {
	state := func(n int) *api.StreamState {
		return &api.StreamState{Msgs: uint64(n), FirstSeq: 1, LastSeq: 9, Consumers: 1}
	}
	good := func(name string) *Consumer {
		return &Consumer{Name: name, Config: &api.ConsumerConfig{Name: name}, State: &ConsumerState{}}
	}
	msg := func(seq store.Seq) *store.Message { return &store.Message{Seq: seq, Subject: []byte("a")} }
	for _, c := range []struct {
		name string
		do   func(w *Writer) error
		want string
	}{
		{"consumer first", func(w *Writer) error { return w.Consumer(good("c")) }, "out of order"},
		{"message first", func(w *Writer) error { return w.Message(msg(1)) }, "out of order"},
		{"nothing", func(w *Writer) error { return w.Close() }, "out of order"},
		{"state twice", func(w *Writer) error { w.State(state(1)); return w.State(state(1)) }, "out of order"},
		{"message in front of the consumer", func(w *Writer) error { w.State(state(1)); return w.Message(msg(1)) }, "out of order"},
		{"consumer missing", func(w *Writer) error { w.State(state(0)); return w.Close() }, "1 consumers and 0 messages are missing"},
		{"message missing", func(w *Writer) error {
			w.State(state(2))
			w.Consumer(good("c"))
			w.Message(msg(3))
			return w.Close()
		}, "0 consumers and 1 messages are missing"},
		{"consumer behind a message", func(w *Writer) error {
			w.State(state(2))
			w.Consumer(good("c"))
			w.Message(msg(3))
			return w.Consumer(good("d"))
		}, "out of order"},
		{"too many consumers", func(w *Writer) error {
			w.State(state(2))
			w.Consumer(good("c"))
			return w.Consumer(good("d"))
		}, "more consumers than 1"},
		{"same number", func(w *Writer) error {
			w.State(state(2))
			w.Consumer(good("c"))
			w.Message(msg(3))
			return w.Message(msg(3))
		}, "message 3: it comes behind message 3"},
		{"large header", func(w *Writer) error {
			w.State(state(1))
			w.Consumer(good("c"))
			m := msg(1)
			m.Header = make([]byte, maxHeader+1)
			return w.Message(m)
		}, "a header of 65537 bytes"},
		{"large state", func(w *Writer) error { s := state(1); s.Consumers = maxConsumers + 1; return w.State(s) }, "100001 consumers"},
		{"large configuration", func(w *Writer) error {
			w.State(state(1))
			c := good("c")
			c.Config.Description = strings.Repeat("x", maxConsumer)
			return w.Consumer(c)
		}, "a payload of"},
		{"behind the end", func(w *Writer) error {
			w.State(state(0))
			w.Consumer(good("c"))
			if err := w.Close(); err != nil {
				return err
			}
			return w.Message(msg(1))
		}, "out of order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := NewWriter(io.Discard, 1)
			err := c.do(w)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if again := w.Close(); !errors.Is(again, err) {
				t.Errorf("then %v, want the same", again)
			}
		})
	}
}

// Is an error of the disk or the network given on as it is?
func TestErrorsOfOthers(t *testing.T) {
	own := fmt.Errorf("own error")
	b := backup{state: api.StreamState{Msgs: 1, FirstSeq: 1, LastSeq: 1}, messages: []message{{seq: 1, subject: "a", data: strings.Repeat("x", 100)}}}
	if err := b.write(failingWriter{own}); !errors.Is(err, own) {
		t.Errorf("writing: %v", err)
	}
	orders := recorded(t, "orders.arc.s2")
	for n := range orders {
		_, err := read(io.MultiReader(bytes.NewReader(orders[:n]), iotest.ErrReader(own)))
		if err == nil || err.Error() != "archive: reading: own error" {
			t.Fatalf("reading fails at %d: %v", n, err)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// Do messages take no memory of their own, on either side?
func TestMessagesDoNotAllocate(t *testing.T) {
	const n = 1000
	var out bytes.Buffer
	w := NewWriter(&out, 1)
	if err := w.State(&api.StreamState{Msgs: 1 << 40, FirstSeq: 1, LastSeq: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	m := store.Message{Subject: []byte("a.b.c"), Header: []byte("NATS/1.0\r\n\r\n"), Data: make([]byte, 200)}
	if got := testing.AllocsPerRun(n, func() {
		m.Seq++
		if err := w.Message(&m); err != nil {
			t.Fatal(err)
		}
	}); got >= 1 {
		t.Errorf("%v allocations per message written", got)
	}
	if err := w.out.Flush(); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&out)
	if got := testing.AllocsPerRun(n-1, func() {
		if err := r.Message(&m); err != nil {
			t.Fatal(err)
		}
	}); got >= 1 {
		t.Errorf("%v allocations per message read", got)
	}
}

func BenchmarkMessages(b *testing.B) {
	var out bytes.Buffer
	m := store.Message{Subject: []byte("orders.77.created"), Header: []byte("NATS/1.0\r\nNats-Msg-Id: 1234\r\n\r\n"), Data: make([]byte, 128)}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		w := NewWriter(io.Discard, 1)
		w.State(&api.StreamState{Msgs: 1 << 40, FirstSeq: 1, LastSeq: 1 << 40})
		for m.Seq = 1; b.Loop(); m.Seq++ {
			if err := w.Message(&m); err != nil {
				b.Fatal(err)
			}
		}
	})
	const n = 100_000
	w := NewWriter(&out, 1)
	w.State(&api.StreamState{Msgs: n, FirstSeq: 1, LastSeq: n})
	for m.Seq = 1; m.Seq <= n; m.Seq++ {
		w.Message(&m)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		r := NewReader(bytes.NewReader(out.Bytes()))
		for b.Loop() {
			err := r.Message(&m)
			if errors.Is(err, io.EOF) {
				r = NewReader(bytes.NewReader(out.Bytes()))
			} else if err != nil {
				b.Fatal(err)
			}
		}
	})
}
