package archive

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// Does what is wrong with an archive get said, with the place?
func TestReaderRefuses(t *testing.T) {
	const state = `{"delivered":{"consumer_seq":2,"stream_seq":2},"ack_floor":{"consumer_seq":0,"stream_seq":0}}`
	var end entry
	whole := func(es ...entry) []byte { return archiveOf(append(es, end)...) }
	with := func(e entry, change func(*entry)) entry { change(&e); return e }
	claim := func(h head) []byte { return h.append(archiveOf(stateOf(1, 1, 1, 0))) }
	long := strings.Repeat("x", maxName+1)
	for _, c := range []struct {
		name  string
		plain []byte
		want  string
	}{
		{"nothing", nil, "the beginning at byte 0: cut off behind byte 0"},
		{"another magic", []byte("NATSARC2" + strings.Repeat("x", 1000)), `the beginning at byte 0: found "NATSARC2", not "NATSARC1"`},
		{"magic alone", []byte(magic), "the beginning at byte 8: cut off"},
		{"no state", whole(), `state.json at byte 8: found ""`},
		{"consumer first", whole(consumerOf("c", state), stateOf(0, 1, 0, 1)), `state.json at byte 8: found "consumers/c"`},
		{"state with a number", whole(with(stateOf(0, 1, 0, 0), func(e *entry) { e.seq = 1 })), `state.json at byte 8: found "state.json"`},
		{"state with a header", whole(with(stateOf(0, 1, 0, 0), func(e *entry) { e.header = "{}" })), `state.json at byte 8: found "state.json"`},
		{"state is no JSON", whole(entry{name: stateName, payload: "{"}), "state.json at byte 8: unexpected end of JSON"},
		{"state goes on", whole(entry{name: stateName, payload: "{}{}"}), "state.json at byte 8: invalid character"},
		{"large state", whole(entry{name: stateName, payload: strings.Repeat(" ", maxState+1)}), "a payload of 1048577 bytes, more than 1048576"},
		{"too many consumers", whole(stateOf(0, 1, 0, maxConsumers+1)), "100001 consumers, more than 100000"},
		{"consumers below zero", whole(stateOf(0, 1, 0, -1)), "-1 consumers"},
		{"more messages than numbers", whole(stateOf(4, 1, 3, 0)), "state.json at byte 8: 4 messages from 1 to 3"},
		{"first behind last", whole(stateOf(0, 5, 3, 0)), "0 messages from 5 to 3"},
		{"messages from zero", whole(stateOf(1, 0, 0, 0)), "1 messages from 0 to 0"},
		{"numbers without end", whole(entry{name: stateName, payload: `{"last_seq":18446744073709551615}`}), "to 18446744073709551615"},
		{"times before time", whole(entry{name: stateName, payload: `{"first_ts":"1969-12-31T23:59:59Z"}`}), "first time 1969"},
		{"times without end", whole(entry{name: stateName, payload: `{"last_ts":"9999-12-31T23:59:59Z"}`}), "last time 9999"},

		{"consumer missing", whole(stateOf(1, 1, 1, 1), messageOf(1)), `consumer 1 of 1 at byte 161: found "m.1"`},
		{"no more consumers", whole(stateOf(0, 1, 0, 2), consumerOf("c", state)), `consumer 2 of 2 at byte 327: found ""`},
		{"one consumer too many", whole(stateOf(1, 1, 1, 1), consumerOf("c", state), consumerOf("d", state), messageOf(1)), `message 0 at byte 327: "consumers/d" has no number`},
		{"consumer twice", whole(stateOf(0, 1, 0, 2), consumerOf("c", state), consumerOf("c", state)), `consumer "c" at byte 327: a second one`},
		{"consumer with a number", whole(stateOf(0, 1, 0, 1), with(consumerOf("c", state), func(e *entry) { e.seq = 1 })), `found "consumers/c"`},
		{"consumer without a name", whole(stateOf(0, 1, 0, 1), consumerOf("", state)), `consumer "" at byte 161: the name is not valid`},
		{"consumer outside", whole(stateOf(0, 1, 0, 1), consumerOf("../x", state)), "the name is not valid"},
		{"consumer of another name", whole(stateOf(0, 1, 0, 1), with(consumerOf("c", state), func(e *entry) { e.name = "consumers/d" })), "the configuration has another name"},
		{"consumer of another durable name", whole(stateOf(0, 1, 0, 1), entry{name: "consumers/c", payload: `{"config":{"durable_name":"d"},"state":{}}`}), "the configuration has another name"},
		{"consumer without configuration", whole(stateOf(0, 1, 0, 1), entry{name: "consumers/c", payload: `{"state":{}}`}), "the configuration is missing"},
		{"consumer without state", whole(stateOf(0, 1, 0, 1), consumerOf("c", "null")), "the state is missing"},
		{"consumer is no JSON", whole(stateOf(0, 1, 0, 1), consumerOf("c", "x")), `consumer "c" at byte 161: invalid character`},
		{"consumer with an unknown policy", whole(stateOf(0, 1, 0, 1), entry{name: "consumers/c", payload: `{"config":{"ack_policy":"x"},"state":{}}`}), `consumer "c" at byte 161:`},
		{"consumer against itself", whole(stateOf(0, 1, 0, 1), consumerOf("c", `{"delivered":{"stream_seq":1},"ack_floor":{"stream_seq":2}}`)), "the ack floor is 0, 2 with 0, 1 delivered"},

		{"order", whole(stateOf(2, 1, 3, 0), messageOf(2), messageOf(1)), "message 1 at byte 170: it comes behind message 2"},
		{"number twice", whole(stateOf(2, 1, 3, 0), messageOf(2), messageOf(2)), "message 2 at byte 170: it comes behind message 2"},
		{"number zero", whole(stateOf(1, 1, 1, 0), messageOf(0)), `message 0 at byte 161: "m.0" has no number`},
		{"in front of the first", whole(stateOf(1, 2, 3, 0), messageOf(1)), "message 1 at byte 161: the messages are 2 to 3"},
		{"behind the last", whole(stateOf(1, 2, 3, 0), messageOf(4)), "message 4 at byte 161: the messages are 2 to 3"},
		{"more than there are", whole(stateOf(1, 1, 3, 0), messageOf(1), messageOf(2)), "message 2 at byte 170: more messages than 1"},
		{"time before time", whole(stateOf(1, 1, 1, 0), with(messageOf(1), func(e *entry) { e.time = -1 })), "its time is -1"},
		{"time without end", whole(stateOf(1, 1, 1, 0), with(messageOf(1), func(e *entry) { e.time = 1<<62 + 1 })), "its time is 4611686018427387905"},
		{"wildcard", whole(stateOf(1, 1, 1, 0), with(messageOf(1), func(e *entry) { e.name = "a.>" })), `its subject "a.>" is not valid`},
		{"no subject", whole(stateOf(1, 1, 1, 0), with(messageOf(1), func(e *entry) { e.name = "a b" })), `its subject "a b" is not valid`},
		{"long subject", whole(stateOf(1, 1, 1, 0), with(messageOf(1), func(e *entry) { e.name = long })), "the next message at byte 161: a name of 65537 bytes"},
		{"long header", whole(stateOf(1, 1, 1, 0), with(messageOf(1), func(e *entry) { e.header = long })), "a header of 65537 bytes"},

		{"no end", archiveOf(stateOf(1, 1, 1, 0), messageOf(1)), "the next message at byte 170: cut off"},
		{"end with a time", archiveOf(stateOf(0, 1, 0, 0), entry{time: 1}), "the end at byte 161: an entry without name"},
		{"end with a payload", archiveOf(stateOf(0, 1, 0, 0), entry{payload: "x"}), "the end at byte 161: an entry without name"},
		{"end twice", archiveOf(stateOf(0, 1, 0, 0), end, end), "the end at byte 161: there is something behind it"},

		{"number too long", append(archiveOf(stateOf(1, 1, 1, 0)), bytes.Repeat([]byte{0xff}, 11)...), "the next message at byte 161: binary: varint overflows"},
		{"claims a name", claim(head{name: 1 << 63, seq: 1}), "a name of 9223372036854775808 bytes"},
		{"claims a header", claim(head{name: 1, header: 1<<64 - 1, seq: 1}), "a header of 18446744073709551615 bytes"},
		{"claims a payload", claim(head{name: 1, payload: maxPayload + 1, seq: 1}), "a payload of 67108865 bytes"},
		{"does not bring what it claims", claim(head{name: 1, payload: maxPayload, seq: 1}), "cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := compress(t, c.plain)
			_, err := read(bytes.NewReader(src))
			if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			// Those who ask for messages alone are told the same, and told it again.
			r := NewReader(bytes.NewReader(src))
			var alone error
			for alone == nil {
				alone = r.Message(&discard)
			}
			if alone.Error() != err.Error() || !errors.Is(r.Message(&discard), alone) {
				t.Errorf("messages alone: %v", alone)
			}
		})
	}
}

// Is what may look odd taken?
func TestReaderTakes(t *testing.T) {
	var end entry
	later := messageOf(1)
	later.time = 1 << 61
	for _, c := range []struct {
		name          string
		plain         []byte
		messages      int
		missing, gaps uint64
	}{
		{"messages that look like other entries", archiveOf(stateOf(2, 1, 2, 1), consumerOf("c", "{}"),
			entry{name: stateName, seq: 1, payload: "{}"}, entry{name: "consumers/c", seq: 2, payload: "{"}, end), 2, 0, 0},
		{"messages that were removed meanwhile", archiveOf(stateOf(5, 1, 5, 0), messageOf(2), messageOf(4), end), 2, 3, 0},
		{"a clock that was set back", archiveOf(stateOf(2, 1, 2, 0), later, messageOf(2), end), 2, 0, 0},
		{"a stream that is new", archiveOf(stateOf(0, 0, 0, 0), end), 0, 0, 0},
		{"a stream that was purged", archiveOf(stateOf(0, 6, 5, 0), end), 0, 0, 0},
		{"members of later versions", archiveOf(entry{name: stateName, payload: `{"later":1,"consumer_count":1}`},
			entry{name: "consumers/c", payload: `{"later":1,"config":{"later":1},"state":{"later":1}}`}, end), 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := read(bytes.NewReader(compress(t, c.plain)))
			if err != nil || len(b.messages) != c.messages || b.missing != c.missing {
				t.Errorf("%v, %v", b, err)
			}
		})
	}
}

// Is what a consumer did behind the end of the stream left out? Its state is of
// another moment than the messages.
func TestConsumerEndsWithTheStream(t *testing.T) {
	c := consumerOf("c", `{"delivered":{"consumer_seq":20,"stream_seq":12},"ack_floor":{"consumer_seq":3,"stream_seq":2},
		"pending":{"11":{"Sequence":9},"3":{"Sequence":4},"5":{"Sequence":6},"6":{"Sequence":7}},"redelivered":{"5":1,"11":2,"6":2},"newest_up_to":4}`)
	for _, tc := range []struct {
		last int
		want string
	}{
		{12, "{{20 12} {3 2} [{3 4 0} {5 6 0} {6 7 0} {11 9 0}] [{5 1} {6 2} {11 2}] 4}"},
		{5, "{{20 5} {3 2} [{3 4 0} {5 6 0}] [{5 1}] 4}"},
		{2, "{{20 2} {3 2} [] [] 2}"},
		{0, "{{20 0} {3 0} [] [] 0}"},
	} {
		b, err := read(bytes.NewReader(compress(t, archiveOf(stateOf(0, 0, tc.last, 1), c, entry{}))))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(*b.consumers[0].State); got != tc.want {
			t.Errorf("up to %d: got %s, want %s", tc.last, got, tc.want)
		}
		// A Writer leaves it out as well, and does not touch what it is given.
		whole := &ConsumerState{Delivered: Position{20, 12}, Pending: Pendings{{3, 4, 0}, {11, 9, 0}}}
		b.consumers[0].State = whole
		var out bytes.Buffer
		if err := b.write(&out); err != nil {
			t.Fatal(err)
		}
		got, err := read(&out)
		if err != nil || got.consumers[0].State.Delivered.Stream != min(12, b.consumersEnd()) || len(whole.Pending) != 2 {
			t.Errorf("written %+v, %v", got, err)
		}
	}
}

// Is a backup of an older server told apart from what is damaged?
func TestOldFormat(t *testing.T) {
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, name := range []string{"meta.inf", "meta.sum", "msgs/1.blk"} {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: 5})
		io.WriteString(w, "bytes")
	}
	w.Close()
	if _, err := read(bytes.NewReader(compress(t, plain.Bytes()))); !errors.Is(err, ErrOldFormat) {
		t.Errorf("got %v", err)
	}
	short := compress(t, plain.Bytes()[:300])
	if _, err := read(bytes.NewReader(short)); err == nil || errors.Is(err, ErrOldFormat) {
		t.Errorf("cut off: got %v", err)
	}
}

// Is every cut noticed, and called one?
func TestCutOff(t *testing.T) {
	for _, name := range []string{"orders.arc.s2", "gaps.arc.s2"} {
		whole := recorded(t, name)
		for n := range whole {
			if _, err := read(bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
		}
	}
	plain := decompress(t, recorded(t, "gaps.arc.s2"))
	for n := range plain {
		if _, err := read(bytes.NewReader(compress(t, plain[:n]))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d and compressed: %v", n, err)
		}
	}
}

// Is every flipped bit noticed, or of no consequence?
func TestFlippedBits(t *testing.T) {
	whole := recorded(t, "orders.arc.s2")
	want, err := read(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for bit := range 8 {
			damaged := slices.Clone(whole)
			damaged[i] ^= 1 << bit
			if got, err := read(bytes.NewReader(damaged)); err == nil && !got.equal(want) {
				t.Fatalf("bit %d of byte %d: read %v", bit, i, got)
			}
		}
	}
	for _, behind := range []string{"x", "garbage", string(whole)} {
		if b, err := read(bytes.NewReader(append(slices.Clone(whole), behind...))); err == nil {
			t.Errorf("with %.10q behind: %v", behind, b)
		}
	}
}

// Does a length that is only claimed get little room?
func TestClaimsGetNoRoom(t *testing.T) {
	plain := (&head{name: 1, payload: maxPayload, seq: 1}).append(archiveOf(stateOf(1, 1, 1, 0)))
	r := NewReader(bytes.NewReader(compress(t, append(plain, make([]byte, 100)...))))
	if err := r.Message(&discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if n := cap(r.in.buf); n > 2*firstRead {
		t.Errorf("%d bytes reserved", n)
	}
	// What does come is taken, however large.
	large := messageOf(1)
	large.payload = strings.Repeat("0123456789abcdef", 1<<18)
	b, err := read(bytes.NewReader(compress(t, archiveOf(stateOf(1, 1, 1, 0), large, entry{}))))
	if err != nil || len(b.messages) != 1 || b.messages[0].data != large.payload {
		t.Errorf("large message: %v", err)
	}
}

// Does what is read agree with an obvious decoder, which has all in memory?
func TestAgreesWithObviousDecoder(t *testing.T) {
	for _, name := range []string{"orders.arc.s2", "gaps.arc.s2"} {
		src := recorded(t, name)
		b, err := read(bytes.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		if want := obvious(decompress(t, src))[1+len(b.consumers):]; !slices.Equal(b.messages, want) {
			t.Errorf("got %v, want %v", b.messages, want)
		}
	}
}

// obvious decodes the entries of an archive that is in order, but for the last.
func obvious(plain []byte) (all []message) {
	plain = plain[len(magic):]
	number := func() uint64 {
		v, n := binary.Uvarint(plain)
		plain = plain[n:]
		return v
	}
	text := func(n uint64) string {
		s := string(plain[:n])
		plain = plain[n:]
		return s
	}
	for {
		name := number()
		if name == 0 {
			return all
		}
		zigzag := number()
		m := message{time: int64(zigzag>>1) ^ -int64(zigzag&1)}
		seq, header, payload := number(), number(), number()
		m.seq, m.subject, m.header, m.data = seqOf(seq), text(name), text(header), text(payload)
		all = append(all, m)
	}
}
