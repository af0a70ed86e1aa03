package relay

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// version is the first byte of all that is encoded here, the kind the second.
const version = 1

const (
	kindRequest = iota + 1
	kindProposal
	kindOutcome
	kindLook
	kindTally
	kindUsage
)

const (
	// MaxBytes bounds a message of this package: routes take that much whatever is configured.
	MaxBytes = 32 << 20
	// maxLeft bounds what is believed of how long somebody waits.
	maxLeft = time.Hour
	// maxHops is more than any server allows.
	maxHops = 255
)

// ErrBad says that something was written by a newer version, or is not what it should be.
var ErrBad = errors.New("relay: not a message between servers")

func begin(dst []byte, kind byte) []byte { return append(dst, version, kind) }

// open returns a reader of what follows the kind.
func open(b []byte, kind byte) pack.Reader {
	r := pack.NewReader(b)
	if len(b) > MaxBytes || r.Byte() != version || r.Byte() != kind {
		r.Fail()
	}
	return r
}

// appendLeft appends a time to wait, in milliseconds. What is over is none.
func appendLeft(dst []byte, d time.Duration) []byte {
	return binary.AppendUvarint(dst, uint64(min(max(d, 0), maxLeft).Milliseconds()))
}

func readLeft(r *pack.Reader) time.Duration {
	return time.Duration(r.UpTo(uint64(maxLeft.Milliseconds()))) * time.Millisecond
}

// readBytes reads bytes, nil if there are none.
func readBytes(r *pack.Reader) []byte {
	if b := r.Bytes(); len(b) > 0 {
		return b
	}
	return nil
}

// Append appends the encoded request to dst.
func (q *Request) Append(dst []byte) []byte {
	dst = appendLeft(begin(dst, kindRequest), q.Left)
	dst = append(dst, byte(min(q.Hops, maxHops)))
	dst = binary.AppendUvarint(dst, q.Index)
	for _, s := range []string{q.Account, q.Subject, q.Reply} {
		dst = pack.AppendBytes(dst, s)
	}
	for _, b := range [][]byte{q.Header, q.Body, q.Client} {
		dst = pack.AppendBytes(dst, b)
	}
	if dst = pack.AppendBool(dst, q.Made != nil); q.Made == nil {
		return dst
	}
	return pack.AppendBytes(pack.AppendBool(pack.AppendBool(dst, q.Made.Created), q.Made.Updated), q.Made.Consumer)
}

// DecodeRequest decodes what Append has encoded. The error is ErrBad, also of what nobody
// could answer.
func DecodeRequest(b []byte) (*Request, error) {
	r := open(b, kindRequest)
	q := &Request{
		Left: readLeft(&r), Hops: int(r.Byte()), Index: r.Uvarint(),
		Account: string(r.Bytes()), Subject: string(r.Bytes()), Reply: string(r.Bytes()),
		Header: readBytes(&r), Body: readBytes(&r), Client: readBytes(&r),
	}
	if r.Bool() {
		q.Made = &Made{Created: r.Bool(), Updated: r.Bool(), Consumer: string(r.Bytes())}
	}
	if !r.End() || q.Account == "" || q.Subject == "" || q.Reply == "" {
		return nil, ErrBad
	}
	return q, nil
}

// Append appends the encoded proposal to dst.
func (p *Proposal) Append(dst []byte) []byte {
	return pack.AppendBytes(appendLeft(begin(dst, kindProposal), p.Left), p.Op)
}

// DecodeProposal decodes what Append has encoded. The error is ErrBad.
func DecodeProposal(b []byte) (*Proposal, error) {
	r := open(b, kindProposal)
	p := &Proposal{Left: readLeft(&r), Op: readBytes(&r)}
	if !r.End() {
		return nil, ErrBad
	}
	return p, nil
}

// Append appends the encoded outcome to dst.
func (o *Outcome) Append(dst []byte) []byte {
	dst = append(begin(dst, kindOutcome), byte(o.Fate))
	dst = binary.AppendUvarint(dst, o.Index)
	dst = pack.AppendBool(pack.AppendBool(dst, o.Stale), o.Changed)
	dst = pack.AppendBool(dst, o.Err != nil)
	if o.Err != nil {
		dst = pack.AppendUvarints(dst, uint64(o.Err.Code), uint64(o.Err.ErrCode))
		dst = pack.AppendBytes(dst, o.Err.Description)
	}
	return pack.AppendBytes(dst, o.Why)
}

// DecodeOutcome decodes what Append has encoded. The error is ErrBad.
func DecodeOutcome(b []byte) (*Outcome, error) {
	r := open(b, kindOutcome)
	o := &Outcome{Fate: Fate(r.Byte()), Index: r.Uvarint(), Stale: r.Bool(), Changed: r.Bool()}
	if r.Bool() {
		o.Err = &api.Error{
			Code: int(r.UpTo(math.MaxUint16)), ErrCode: uint16(r.UpTo(math.MaxUint16)), Description: string(r.Bytes()),
		}
	}
	o.Why = string(r.Bytes())
	if !r.End() || o.Fate < Applied || o.Fate > Unknown {
		return nil, ErrBad
	}
	return o, nil
}

// Append appends the encoded question to dst.
func (l *Look) Append(dst []byte) []byte {
	dst = appendLeft(begin(dst, kindLook), l.Left)
	for _, s := range []string{l.Account, l.Stream, l.Consumer} {
		dst = pack.AppendBytes(dst, s)
	}
	return dst
}

// DecodeLook decodes what Append has encoded. The error is ErrBad.
func DecodeLook(b []byte) (*Look, error) {
	r := open(b, kindLook)
	l := &Look{Left: readLeft(&r), Account: string(r.Bytes()), Stream: string(r.Bytes()), Consumer: string(r.Bytes())}
	if !r.End() {
		return nil, ErrBad
	}
	return l, nil
}

// Append appends the encoded question to dst.
func (t *Tally) Append(dst []byte) []byte {
	return pack.AppendBytes(begin(dst, kindTally), t.Account)
}

// DecodeTally decodes what Append has encoded. The error is ErrBad.
func DecodeTally(b []byte) (*Tally, error) {
	r := open(b, kindTally)
	t := &Tally{Account: string(r.Bytes())}
	if !r.End() {
		return nil, ErrBad
	}
	return t, nil
}

// Append appends the encoded answer to dst.
func (u *Usage) Append(dst []byte) []byte {
	return pack.AppendUvarints(begin(dst, kindUsage), uint64(u.Node), u.Memory, u.Storage, u.Requests, u.Failures, u.Inflight)
}

// DecodeUsage decodes what Append has encoded. The error is ErrBad.
func DecodeUsage(b []byte) (*Usage, error) {
	r := open(b, kindUsage)
	u := &Usage{
		Node: uint32(r.UpTo(math.MaxUint32)), Memory: r.Uvarint(), Storage: r.Uvarint(),
		Requests: r.Uvarint(), Failures: r.Uvarint(), Inflight: r.Uvarint(),
	}
	if !r.End() {
		return nil, ErrBad
	}
	return u, nil
}

// IsRequest reports whether what was encoded is a Request, IsProposal whether it is a
// Proposal, and IsLook whether it is a Look: leaders get any of them.
func IsRequest(b []byte) bool  { return is(b, kindRequest) }
func IsProposal(b []byte) bool { return is(b, kindProposal) }
func IsLook(b []byte) bool     { return is(b, kindLook) }

func is(b []byte, kind byte) bool { return len(b) > 1 && b[0] == version && b[1] == kind }
