package relay

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// message is what all have in common.
type message interface{ Append([]byte) []byte }

var messages = []message{
	&Request{Account: "A", Subject: "$JS.API.INFO", Reply: "_INBOX.1"},
	&Request{
		Left: 4 * time.Second, Hops: 2, Index: 1 << 40, Account: "A", Subject: "$JS.API.STREAM.CREATE.S", Reply: "r",
		Header: []byte("NATS/1.0\r\n\r\n"), Body: []byte(`{}`), Client: []byte(`{"user":"u"}`),
		Made: &Made{Created: true, Consumer: "C"},
	},
	&Request{Account: "A", Subject: "s", Reply: "r", Made: &Made{Updated: true}},
	&Proposal{Left: time.Second, Op: []byte("op")},
	&Proposal{},
	&Outcome{Fate: Applied, Index: 7, Stale: true, Changed: true, Err: api.ErrStreamNotFound},
	&Outcome{Fate: Unknown, Why: "the leader has gone"},
	&Look{Left: 4 * time.Second, Account: "A", Stream: "S", Consumer: "C"},
	&Look{},
	&Tally{Account: "A"},
	&Usage{Node: 1<<32 - 1, Memory: 1, Storage: 1 << 63, Requests: 3, Failures: 2, Inflight: 1},
}

// decoders decode a message of each kind.
var decoders = []func([]byte) (message, error){
	func(b []byte) (message, error) { return DecodeRequest(b) },
	func(b []byte) (message, error) { return DecodeProposal(b) },
	func(b []byte) (message, error) { return DecodeOutcome(b) },
	func(b []byte) (message, error) { return DecodeLook(b) },
	func(b []byte) (message, error) { return DecodeTally(b) },
	func(b []byte) (message, error) { return DecodeUsage(b) },
}

// What one server writes another one reads, as what it is, and nothing else is taken for it.
func TestEncoding(t *testing.T) {
	for _, m := range messages {
		b := m.Append(nil)
		as := 0
		for _, decode := range decoders {
			got, err := decode(b)
			if err == nil {
				as++
				if !reflect.DeepEqual(got, m) {
					t.Errorf("%+v became %+v", m, got)
				}
			} else if !errors.Is(err, ErrBad) {
				t.Errorf("%+v: %v", m, err)
			}
			newer := append([]byte{version + 1}, b[1:]...)
			for _, bad := range [][]byte{nil, b[:1], b[:len(b)-1], append(b[:len(b):len(b)], 0), newer} {
				if got, err := decode(bad); !errors.Is(err, ErrBad) {
					t.Errorf("%x is %+v, %v", bad, got, err)
				}
			}
		}
		if as != 1 {
			t.Errorf("%+v is taken for %d things", m, as)
		}
		_, request := m.(*Request)
		_, proposal := m.(*Proposal)
		_, look := m.(*Look)
		if IsRequest(b) != request || IsProposal(b) != proposal || IsLook(b) != look {
			t.Errorf("%+v is not told from others", m)
		}
	}
	for _, m := range []message{
		&Request{Subject: "s", Reply: "r"}, &Request{Account: "A", Reply: "r"}, &Request{Account: "A", Subject: "s"},
		&Request{Account: "A", Subject: "s", Reply: "r", Body: make([]byte, MaxBytes)},
		&Outcome{}, &Outcome{Fate: Unknown + 1},
	} {
		for _, decode := range decoders {
			if got, err := decode(m.Append(nil)); !errors.Is(err, ErrBad) {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
}

// A time to wait that is over is none, and one that nobody waits is bounded.
func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{-time.Second: 0, 1: 0, 1000 * time.Hour: maxLeft} {
		if got, err := DecodeLook((&Look{Left: d}).Append(nil)); err != nil || got.Left != want {
			t.Errorf("%v became %+v, %v", d, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages {
		f.Add(m.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, decode := range decoders {
			m, err := decode(b)
			if err != nil {
				continue
			}
			if again, err := decode(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) {
				t.Errorf("%+v became %+v, %v", m, again, err)
			}
		}
	})
}
