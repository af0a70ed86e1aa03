package api

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/subject"
)

// obviousAck is the slow way to read an ack subject.
func obviousAck(s string) (d Delivery, ok bool) {
	toks := strings.Split(s, ".")
	if len(toks) < 9 || len(toks) == 10 || toks[0] != "$JS" || toks[1] != "ACK" {
		return Delivery{}, false
	}
	if len(toks) > 9 {
		if toks[2] == "" || toks[3] == "" {
			return Delivery{}, false
		}
		if toks[2] != "_" {
			d.Domain = []byte(toks[2])
		}
		d.Account = []byte(toks[3])
		toks = toks[2:]
	}
	if toks[2] == "" || toks[3] == "" {
		return Delivery{}, false
	}
	d.Stream, d.Consumer = []byte(toks[2]), []byte(toks[3])
	var n [5]uint64
	for i := range n {
		v, err := strconv.ParseUint(toks[4+i], 10, 64)
		if err != nil || strings.HasPrefix(toks[4+i], "+") {
			return Delivery{}, false
		}
		n[i] = v
	}
	d.Deliveries, d.StreamSeq, d.ConsumerSeq, d.Time, d.Pending = n[0], n[1], n[2], int64(n[3]), n[4]
	return d, d.Time >= 0
}

func TestParseAckSubject(t *testing.T) {
	short := Delivery{
		Stream: []byte("S"), Consumer: []byte("c"), Deliveries: 1, StreamSeq: 22, ConsumerSeq: 3, Time: 1700000000000000000, Pending: 4,
	}
	long := short
	long.Domain, long.Account = []byte("hub"), []byte("HASH")
	noDomain := long
	noDomain.Domain = nil
	for _, tc := range []struct {
		subject string
		want    Delivery
		ok      bool
	}{
		{"$JS.ACK.S.c.1.22.3.1700000000000000000.4", short, true},
		{"$JS.ACK.hub.HASH.S.c.1.22.3.1700000000000000000.4", long, true},
		{"$JS.ACK._.HASH.S.c.1.22.3.1700000000000000000.4", noDomain, true},
		{"$JS.ACK._.HASH.S.c.1.22.3.1700000000000000000.4.more.still", noDomain, true},
		{"$JS.ACK.S.c.1.22.3.1700000000000000000", Delivery{}, false},
		{"$JS.ACK.S.c.1.22.3.1700000000000000000.4.5", Delivery{}, false},
		{"$JS.ACK.S.c.1.22.3.1700000000000000000.", Delivery{}, false},
		{"$JS.ACK.S.c.1.22.3.-5.4", Delivery{}, false},
		{"$JS.ACK.S.c.1.22.3.9223372036854775808.4", Delivery{}, false},
		{"$JS.ACK.S.c.1.22.3.5.18446744073709551616", Delivery{}, false},
		{"$JS.ACK..c.1.22.3.5.4", Delivery{}, false},
		{"$JS.ACK.S..1.22.3.5.4", Delivery{}, false},
		{"$JS.ACK..HASH.S.c.1.22.3.5.4", Delivery{}, false},
		{"$JS.ACC.S.c.1.22.3.5.4", Delivery{}, false},
		{"", Delivery{}, false},
	} {
		got, ok := ParseAckSubject([]byte(tc.subject))
		if ok != tc.ok || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s is %+v, %v", tc.subject, got, ok)
		}
	}
}

func appendAck(d *Delivery) []byte {
	prefix := AckPrefix(string(d.Domain), string(d.Account), string(d.Stream), string(d.Consumer))
	return AppendAckNumbers([]byte(prefix), d.Deliveries, d.StreamSeq, d.ConsumerSeq, d.Time, d.Pending)
}

func TestAckPatterns(t *testing.T) {
	patterns := AckPatterns("S", "c")
	matches := func(s string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return subject.Matches(s, p) })
	}
	for _, s := range []string{"$JS.ACK.S.c.1.2.3.4.5", "$JS.ACK._.H.S.c.1.2.3.4.5", "$JS.ACK._.H.S.c.1.2.3.4.5.x.y"} {
		if !matches(s) {
			t.Errorf("%s is not matched", s)
		}
	}
	// That one is an ack of another consumer, whose numbers look like the names.
	for _, p := range AckPatterns("1", "2") {
		if s := "$JS.ACK.X.y.1.2.3.4.5"; subject.Matches(s, p) {
			t.Errorf("%s matches %s", s, p)
		}
	}
}

func FuzzAckSubject(f *testing.F) {
	f.Add([]byte("$JS.ACK.S.c.1.22.3.1700000000000000000.4"))
	f.Add([]byte("$JS.ACK._.HASH.S.c.1.22.3.1700000000000000000.4.more"))
	f.Add([]byte("$JS.ACK.S.c.1.22.3.9223372036854775808.18446744073709551615"))
	f.Fuzz(func(t *testing.T, s []byte) {
		got, ok := ParseAckSubject(s)
		want, wantOK := obviousAck(string(s))
		if ok != wantOK || ok && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %+v, %v; want %+v, %v", s, got, ok, want, wantOK)
		}
		if !ok {
			return
		}
		again, ok := ParseAckSubject(appendAck(&got))
		if !ok || !reflect.DeepEqual(got, again) {
			t.Fatalf("%q is written and read as %+v, %v", s, again, ok)
		}
	})
}

func TestAckSubjectsAgainstTheObvious(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"$JS", "ACK", "S", "c", "_", "", "0", "1", "007", "-1", "x", "18446744073709551615", "18446744073709551616", "9223372036854775807"}
	valid := 0
	for range 20_000 {
		toks := []string{"$JS", "ACK", "S", "c", "1", "2", "3", "4", "5"}
		if r.IntN(2) == 0 {
			toks = slices.Insert(toks, 2, "_", "H")
		}
		for range r.IntN(3) {
			toks[r.IntN(len(toks))] = pieces[r.IntN(len(pieces))]
		}
		if r.IntN(5) == 0 {
			toks = append(toks, "more")
		}
		s := strings.Join(toks, ".")
		got, ok := ParseAckSubject([]byte(s))
		want, wantOK := obviousAck(s)
		if ok != wantOK || ok && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %+v, %v; want %+v, %v", s, got, ok, want, wantOK)
		}
		if ok {
			valid++
		}
	}
	if valid < 1000 {
		t.Errorf("only %d were valid", valid)
	}
}

func TestParseAck(t *testing.T) {
	for payload, want := range map[string]AckPayload{
		"":                          {Kind: AckDone},
		"+ACK":                      {Kind: AckDone},
		"+OK":                       {Kind: AckDone},
		"+WPI":                      {Kind: AckProgress},
		"-NAK":                      {Kind: AckNak},
		`-NAK {"delay":5000000000}`: {Kind: AckNak, Delay: 5 * time.Second},
		`-NAK{"delay":5}`:           {Kind: AckNak, Delay: 5},
		"-NAK 5s":                   {Kind: AckNak, Delay: 5 * time.Second},
		"-NAK  1m30s ":              {Kind: AckNak, Delay: 90 * time.Second},
		"-NAK 5":                    {Kind: AckNak},
		"-NAK -5s":                  {Kind: AckNak},
		`-NAK {"delay":-5}`:         {Kind: AckNak},
		`-NAK {"delay":"5s"}`:       {Kind: AckNak},
		`-NAK {"delay":`:            {Kind: AckNak},
		`-NAK {}`:                   {Kind: AckNak},
		"+TERM":                     {Kind: AckTerm},
		"+TERM some reason {here}":  {Kind: AckTerm, Rest: []byte("some reason {here}")},
		"+NXT":                      {Kind: AckNext},
		"+NXT 5":                    {Kind: AckNext, Rest: []byte("5")},
		`+NXT {"batch":5}`:          {Kind: AckNext, Rest: []byte(`{"batch":5}`)},
		`+NXT{"batch":5}`:           {Kind: AckNext, Rest: []byte(`{"batch":5}`)},
		"+ACKX":                     {},
		"+ack":                      {},
		"+ACK ":                     {},
		"-NAKX":                     {},
		"hello":                     {},
		"{}":                        {},
	} {
		if got := ParseAck([]byte(payload)); got.Kind != want.Kind || got.Delay != want.Delay || !bytes.Equal(got.Rest, want.Rest) {
			t.Errorf("%q is %+v, want %+v", payload, got, want)
		}
	}
}

func FuzzParseAck(f *testing.F) {
	for _, s := range []string{"", "+ACK", "-NAK 5s", `-NAK {"delay":5}`, "+TERM why", `+NXT {"batch":2}`, "+WPI"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		a := ParseAck(payload)
		if a.Delay < 0 || a.Delay > 0 && a.Kind != AckNak || len(a.Rest) > 0 && a.Kind != AckTerm && a.Kind != AckNext {
			t.Fatalf("%q is %+v", payload, a)
		}
		if !bytes.Contains(payload, a.Rest) {
			t.Fatalf("%q has no %q", payload, a.Rest)
		}
	})
}

func TestFlowSubjects(t *testing.T) {
	for _, tc := range []struct {
		subject string
		want    Flow
		ok      bool
	}{
		{"$JS.FC.S.c.x1", Flow{Stream: []byte("S"), Consumer: []byte("c"), Token: []byte("x1")}, true},
		{"$JS.FC.hub.H.S.c.x1", Flow{[]byte("hub"), []byte("H"), []byte("S"), []byte("c"), []byte("x1")}, true},
		{"$JS.FC._.H.S.c.x1", Flow{nil, []byte("H"), []byte("S"), []byte("c"), []byte("x1")}, true},
		{"$JS.FC.S.c", Flow{}, false},
		{"$JS.FC.S.c.x.y", Flow{}, false},
		{"$JS.FC.a.b.c.d.e.f", Flow{}, false},
		{"$JS.FC..c.x", Flow{}, false},
		{"$JS.FC.S..x", Flow{}, false},
		{"$JS.FC.S.c.", Flow{}, false},
		{"$JS.FX.S.c.x", Flow{}, false},
	} {
		got, ok := ParseFlowSubject([]byte(tc.subject))
		if ok != tc.ok || ok && !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s is %+v, %v", tc.subject, got, ok)
		}
		if !ok {
			continue
		}
		if back := FlowPrefix(string(got.Domain), string(got.Account), string(got.Stream), string(got.Consumer)) + string(got.Token); back != tc.subject {
			t.Errorf("%s is written as %s", tc.subject, back)
		}
		if !slices.ContainsFunc(FlowPatterns("S", "c"), func(p string) bool { return subject.Matches(tc.subject, p) }) {
			t.Errorf("%s is not matched by its patterns", tc.subject)
		}
	}
}

func FuzzFlowSubject(f *testing.F) {
	f.Add([]byte("$JS.FC.S.c.x1"))
	f.Add([]byte("$JS.FC._.H.S.c.x1"))
	f.Fuzz(func(t *testing.T, s []byte) {
		flow, ok := ParseFlowSubject(s)
		if !ok {
			return
		}
		back := FlowPrefix(string(flow.Domain), string(flow.Account), string(flow.Stream), string(flow.Consumer)) + string(flow.Token)
		if back != string(s) {
			t.Fatalf("%q is %+v, which is %q", s, flow, back)
		}
	})
}

func TestAckPathAllocs(t *testing.T) {
	s, payload := []byte("$JS.ACK.ORDERS.worker.1.22.3.1700000000000000000.4"), []byte("+ACK")
	flow, fast := []byte("$JS.FC.S.c.x1"), []byte("_INBOX.x.id.100.ok.7.1.$FI")
	prefix := AckPrefix("", "", "ORDERS", "worker")
	buf := make([]byte, 0, 256)
	ack := &PubAck{Stream: "ORDERS", Sequence: 12345, Domain: "hub", Duplicate: true}
	ttl := []byte("3600")
	for name, f := range map[string]func(){
		"ParseAckSubject":  func() { ParseAckSubject(s) },
		"ParseAck":         func() { ParseAck(payload) },
		"ParseFlowSubject": func() { ParseFlowSubject(flow) },
		"ParseFastBatch":   func() { ParseFastBatch(fast) },
		"AppendAckNumbers": func() { buf = AppendAckNumbers(append(buf[:0], prefix...), 1, 2, 3, 4, 5) },
		"PubAck":           func() { buf = ack.AppendJSON(buf[:0]) },
		"ParseTTL":         func() { ParseTTL(ttl) },
		"ParsePull":        func() { ParsePull(ttl) },
		"Status":           func() { buf = StatusNoMessages.AppendBlock(buf[:0]) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParseAckSubject(b *testing.B) {
	s := []byte("$JS.ACK.ORDERS.worker.1.22345.3456.1700000000000000000.45")
	b.ReportAllocs()
	for b.Loop() {
		ParseAckSubject(s)
	}
}

func TestAccountHash(t *testing.T) {
	// As other servers write it.
	if got := AccountHash("$G"); got != "szMpdrwD" {
		t.Errorf("$G is %s", got)
	}
}
