package proto

import (
	"encoding/binary"
	"errors"
)

// Kind tells what an operation is.
type Kind uint8

// The operations of clients and of servers.
const (
	OpNone Kind = iota
	OpConnect
	OpInfo
	OpPub
	OpHPub
	OpSub
	OpUnsub
	OpPing
	OpPong
	OpOK
	OpErr

	// Of servers only.

	OpRSub   // RS+, interest of a route
	OpRUnsub // RS-
	OpRMsg   // RMSG, a message on a route
	OpLSub   // LS+, interest of a leafnode
	OpLUnsub // LS-
	OpLMsg   // LMSG, a message of a leafnode
	OpHMsg   // HMSG, a message with headers
	OpASub   // A+, interest in an account
	OpAUnsub // A-
)

var kindNames = [...]string{
	"", "CONNECT", "INFO", "PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG", "+OK", "-ERR",
	"RS+", "RS-", "RMSG", "LS+", "LS-", "LMSG", "HMSG", "A+", "A-",
}

// String returns the verb, in capitals.
func (k Kind) String() string { return kindNames[k] }

// Op is one operation. Its slices point into the parsed bytes and are valid
// as long as those are.
//
// A field is set for the kinds that are named with it, and empty if the
// operation does without. For other kinds it has no meaning: it may hold what
// an earlier operation left there, since clearing it would cost a PUB as much
// as reading its subject.
type Op struct {
	Kind Kind
	// Args is the control line without verb and line end. (All kinds.)
	Args []byte
	// Subject, Reply: PUB, HPUB; Subject, Queue, SID: SUB; SID: UNSUB.
	Subject, Reply, Queue, SID []byte
	// Msg is the header block, of HeaderLen bytes, and the payload. The two
	// bytes behind it, within its capacity, are CR LF. (PUB, HPUB, once they
	// are whole.)
	Msg       []byte
	HeaderLen int
	// Max is UNSUB's count; 0 if it has none.
	Max int
}

// Errors of the parser; all of them end the connection.
var (
	// ErrUnknownOp is anything that is not an operation of a client.
	ErrUnknownOp = errors.New("unknown protocol operation")
	// ErrBadArgs is a known operation with arguments that cannot be right.
	ErrBadArgs = errors.New("malformed arguments")
	// ErrMaxControlLine is a line longer than the limit.
	ErrMaxControlLine = errors.New("maximum control line exceeded")
	// ErrMaxPayload is a message larger than the limit.
	ErrMaxPayload = errors.New("maximum payload exceeded")
)

// Parser parses the operations of one client. It is a value with limits and no
// other state.
type Parser struct {
	// MaxControlLine bounds the argument part of a line in bytes, from the
	// first argument to the line end; as much white space may precede it.
	MaxControlLine int
	// MaxPayload bounds header and payload of a message together in bytes;
	// negative is no bound.
	MaxPayload int
}

// Next parses the first operation in buf. It returns how many bytes the
// operation took, or 0 if buf ends before it does; then need is the number of
// bytes buf must have before it can be complete, at least len(buf)+1.
//
// op.Kind and the fields of the control line are set as soon as that line is
// there and in order, even if the payload is not, or is too large. Until then
// op.Kind is OpNone.
func (p *Parser) Next(buf []byte, op *Op) (n, need int, err error) {
	op.Kind = OpNone
	if len(buf) >= 4 && binary.LittleEndian.Uint32(buf)|lowerCase == pubSpace {
		return p.message(buf, len("PUB"), OpPub, op) // most of what there is
	}
	if len(buf) == 0 {
		return 0, 1, nil
	}
	v, err := clientVerb(buf).match(buf)
	if err != nil {
		return 0, 0, err
	}
	if v == nil {
		return 0, len(buf) + 1, nil
	}
	i := len(v.name)
	switch v.kind {
	case OpPub, OpHPub:
		return p.message(buf, i, v.kind, op)
	case OpSub, OpUnsub:
		return p.subscription(buf, i, v.kind, op)
	default:
		return p.line(buf, i, v.kind, op)
	}
}

// The first four bytes of PUB as a little-endian number, and what makes the
// letters among them lower case, as lower does.
const (
	pubSpace  = 'p' | 'u'<<8 | 'b'<<16 | ' '<<24
	lowerCase = 0x20 | 0x20<<8 | 0x20<<16
)

// maxTokens is the largest number of arguments that an operation of a client has.
const maxTokens = 4

// message parses PUB or HPUB with arguments from buf[i] on:
// "subject [reply] size", "subject [reply] header-size size".
func (p *Parser) message(buf []byte, i int, kind Kind, op *Op) (n, need int, err error) {
	var t [maxTokens]span
	args, count, eol, err := cut(buf, i, t[:], p.MaxControlLine)
	op.Args = args
	if err != nil {
		return 0, 0, err
	}
	if eol < 0 {
		return 0, len(buf) + 1, nil
	}
	sizes := 1 // how many of the tokens, the last ones, are sizes
	if kind == OpHPub {
		sizes = 2
	}
	switch count - sizes {
	case 1:
		op.Reply = nil
	case 2:
		op.Reply = t[1].of(buf)
	default:
		return 0, 0, ErrBadArgs
	}
	op.Subject = t[0].of(buf)
	op.HeaderLen = 0
	size := parseSize(t[count-1].of(buf))
	if kind == OpHPub {
		op.HeaderLen = parseSize(t[count-2].of(buf))
	}
	if op.HeaderLen < 0 || size < op.HeaderLen {
		return 0, 0, ErrBadArgs
	}
	op.Kind = kind
	if p.MaxPayload >= 0 && size > p.MaxPayload {
		return 0, 0, ErrMaxPayload
	}
	op.Msg, n, need, err = payload(buf, eol+1, size)
	return n, need, err
}

// subscription parses SUB or UNSUB with arguments from buf[i] on:
// "subject [queue] sid", "sid [max]".
func (p *Parser) subscription(buf []byte, i int, kind Kind, op *Op) (n, need int, err error) {
	var t [maxTokens]span
	args, count, eol, err := cut(buf, i, t[:], p.MaxControlLine)
	op.Args = args
	if err != nil {
		return 0, 0, err
	}
	if eol < 0 {
		return 0, len(buf) + 1, nil
	}
	switch {
	case kind == OpSub && count == 2:
		op.Subject, op.Queue, op.SID = t[0].of(buf), nil, t[1].of(buf)
	case kind == OpSub && count == 3:
		op.Subject, op.Queue, op.SID = t[0].of(buf), t[1].of(buf), t[2].of(buf)
	case kind == OpUnsub && count == 1:
		op.SID, op.Max = t[0].of(buf), 0
	case kind == OpUnsub && count == 2:
		// Clients have always got away with nonsense: what is no count is
		// none, as a negative one is.
		op.SID, op.Max = t[0].of(buf), max(parseSize(t[1].of(buf)), 0)
	default:
		return 0, 0, ErrBadArgs
	}
	op.Kind = kind
	return eol + 1, 0, nil
}

// line parses an operation whose arguments, from buf[i] on, are one text or of
// no interest.
func (p *Parser) line(buf []byte, i int, kind Kind, op *Op) (n, need int, err error) {
	args, eol, err := text(buf, i, p.MaxControlLine)
	op.Args = args
	if err != nil {
		return 0, 0, err
	}
	if eol < 0 {
		return 0, len(buf) + 1, nil
	}
	op.Kind = kind
	return eol + 1, 0, nil
}
