package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// Can anything come out of a Reader that must not, whatever is in the archive?
func FuzzEntries(f *testing.F) {
	for _, name := range []string{"orders.arc.s2", "gaps.arc.s2"} {
		f.Add(decompress(f, recorded(f, name)))
	}
	f.Add(archiveOf(stateOf(0, 0, 0, 0), entry{}))
	f.Add(archiveOf(stateOf(3, 1, 5, 1), consumerOf("c", `{"delivered":{"consumer_seq":9,"stream_seq":9},"pending":{"2":{"Sequence":2}}}`), messageOf(2), messageOf(5), entry{}))
	f.Fuzz(func(t *testing.T, plain []byte) {
		checkReading(t, compress(t, plain))
	})
}

// And whatever is in the compression?
func FuzzCompressed(f *testing.F) {
	for _, name := range []string{"orders.arc.s2", "gaps.arc.s2"} {
		f.Add(recorded(f, name))
	}
	f.Add(compress(f, archiveOf(stateOf(0, 0, 0, 0), entry{})))
	f.Fuzz(func(t *testing.T, compressed []byte) {
		checkReading(t, compressed)
	})
}

func checkReading(t *testing.T, compressed []byte) {
	b, err := read(bytes.NewReader(compressed))
	if err != nil {
		_, ok := errors.AsType[*FormatError](err)
		if !ok && !errors.Is(err, ErrOldFormat) {
			t.Fatalf("error %T: %v", err, err)
		}
		return
	}
	if len(b.consumers) != b.state.Consumers || uint64(len(b.messages))+b.missing != b.state.Msgs {
		t.Fatalf("%d consumers and %d messages, %d missing, of %+v", len(b.consumers), len(b.messages), b.missing, b.state)
	}
	last := store.Seq(0)
	for _, m := range b.messages {
		if m.seq <= last || uint64(m.seq) < b.state.FirstSeq || uint64(m.seq) > b.state.LastSeq || m.time < 0 || !subject.IsLiteral(m.subject) {
			t.Fatalf("message %+v behind %d", m, last)
		}
		last = m.seq
	}
	for _, c := range b.consumers {
		checkDeliveries(t, c.State)
		if c.State.Delivered.Stream > store.Seq(b.state.LastSeq) {
			t.Fatalf("%+v with messages up to %d", c.State, b.state.LastSeq)
		}
	}
	// What is read can be written, and is the same again.
	b.state.Msgs, b.missing = uint64(len(b.messages)), 0
	b.state.Subjects, b.state.Deleted, b.state.Lost = nil, nil, nil
	var out bytes.Buffer
	if err := b.write(&out); err != nil {
		t.Fatal(err)
	}
	again, err := read(&out)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.messages, b.messages) || len(again.consumers) != len(b.consumers) {
		t.Fatalf("got %v, want %v", again, b)
	}
}

// checkDeliveries checks what a consumer's engine relies on.
func checkDeliveries(t *testing.T, s *ConsumerState) {
	last := Delivery{Stream: s.AckFloor.Stream, Consumer: s.AckFloor.Consumer}
	for d := range s.Deliveries() {
		if d.Stream <= last.Stream || d.Consumer <= last.Consumer || d.Count == 0 || d.Time < 0 || d.Time > maxTime {
			t.Fatalf("%+v behind %+v in %+v", d, last, s)
		}
		last = d
	}
	if last.Stream > s.Delivered.Stream || last.Consumer > s.Delivered.Consumer {
		t.Fatalf("%+v in %+v", last, s)
	}
	seq := store.Seq(0)
	for e := range s.Exhausted() {
		if e <= seq || e > s.Delivered.Stream {
			t.Fatalf("%d behind %d in %+v", e, seq, s)
		}
		seq = e
	}
}

// Does any text make a state whose deliveries are out of order, or that is another
// one when it is written and read again?
func FuzzConsumerState(f *testing.F) {
	f.Add([]byte(`{"delivered":{"consumer_seq":9,"stream_seq":9},"ack_floor":{"consumer_seq":1,"stream_seq":1},
		"pending":{"2":{"Sequence":2,"Timestamp":5},"3":{"Sequence":2,"Timestamp":-1}},"redelivered":{"1":2,"3":1}}`))
	f.Add([]byte(`{"pending":{},"redelivered":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s ConsumerState
		if json.Unmarshal(text, &s) != nil || s.check() != nil {
			return
		}
		checkDeliveries(t, &s)
		written, err := json.Marshal(&s)
		if err != nil {
			t.Fatal(err)
		}
		var again ConsumerState
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.Pending, s.Pending) || !slices.Equal(again.Redelivered, s.Redelivered) || again.Delivered != s.Delivered {
			t.Fatalf("%+v became %+v", s, again)
		}
	})
}
