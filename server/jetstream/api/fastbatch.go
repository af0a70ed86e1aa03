package api

import (
	"bytes"
	"strconv"
)

// FastOp is what a message of a fast batch does.
type FastOp uint8

const (
	FastStart FastOp = iota
	FastAppend
	// FastCommit stores the message and ends the batch, FastCommitEnd ends it only.
	FastCommit
	FastCommitEnd
	FastPing
	fastOps
)

const (
	fastSuffix      = ".$FI"
	defaultFastFlow = 10
)

// FastBatch is what the reply subject of a message of a fast batch says. Batches are
// messages that are published at full speed, with an ack for many.
//
//	<inbox>.<id>.<flow>.<gap>.<seq>.<op>.$FI
//
// The slices point into the subject.
type FastBatch struct {
	Inbox, ID []byte
	// Flow is how many messages the publisher wants to have sent between two acks.
	Flow int
	// GapOK goes on where messages are missing.
	GapOK bool
	// Seq counts the messages of the batch, from 1.
	Seq uint64
	Op  FastOp
}

// IsFastBatch reports whether a reply subject is that of a fast batch.
func IsFastBatch(reply []byte) bool { return bytes.HasSuffix(reply, []byte(fastSuffix)) }

// ParseFastBatch reads a reply subject for which IsFastBatch is true. It allocates
// nothing but errors.
func ParseFastBatch(reply []byte) (FastBatch, *Error) {
	var b FastBatch
	rest := bytes.TrimSuffix(reply, []byte(fastSuffix))
	var op, seq, gap, flow []byte
	for _, field := range [...]*[]byte{&op, &seq, &gap, &flow, &b.ID} {
		i := bytes.LastIndexByte(rest, '.')
		if i < 0 {
			return FastBatch{}, ErrBatchPublishInvalidPattern
		}
		rest, *field = rest[:i], rest[i+1:]
	}
	b.Inbox = rest
	var ok bool
	if b.Seq, ok = parseUint(seq); !ok || len(b.Inbox) == 0 || len(b.ID) == 0 {
		return FastBatch{}, ErrBatchPublishInvalidPattern
	}
	switch string(gap) {
	case "ok":
		b.GapOK = true
	case "fail":
	default:
		return FastBatch{}, ErrBatchPublishInvalidPattern
	}
	if b.Flow, ok = parseFlow(flow); !ok {
		return FastBatch{}, ErrBatchPublishInvalidPattern
	}
	n, ok := parseUint(op)
	if !ok || n >= uint64(fastOps) {
		return FastBatch{}, ErrBatchPublishInvalidPattern
	}
	b.Op = FastOp(n)
	switch b.Op {
	case FastStart:
		ok = b.Seq == 1
	case FastAppend, FastCommitEnd:
		ok = b.Seq > 1
	case FastCommit:
		ok = b.Seq > 0
	}
	if !ok {
		return FastBatch{}, ErrBatchPublishInvalidPattern
	}
	if len(b.ID) > MaxBatchIDLength {
		return FastBatch{}, ErrBatchPublishInvalidBatchID
	}
	return b, nil
}

// parseFlow reads a number that may be negative, which as 0 stands for the default.
func parseFlow(s []byte) (int, bool) {
	digits := bytes.TrimPrefix(s, []byte("-"))
	n, ok := parseUint(digits)
	switch {
	case !ok || n > 1<<31-1:
		return 0, false
	case n == 0 || len(digits) < len(s):
		return defaultFastFlow, true
	}
	return int(n), true
}

// AppendFastAck appends the ack of all messages up to seq, to be followed by one every
// msgs messages.
func AppendFastAck(dst []byte, seq uint64, msgs int) []byte {
	dst = strconv.AppendUint(append(dst, `{"type":"ack","seq":`...), seq, 10)
	dst = strconv.AppendInt(append(dst, `,"msgs":`...), int64(msgs), 10)
	return append(dst, '}')
}

// AppendFastGap appends the report that seq came where another was expected.
func AppendFastGap(dst []byte, expected, seq uint64) []byte {
	dst = strconv.AppendUint(append(dst, `{"type":"gap","last_seq":`...), expected, 10)
	dst = strconv.AppendUint(append(dst, `,"seq":`...), seq, 10)
	return append(dst, '}')
}

// AppendFastError appends the report that the message seq was not stored.
func AppendFastError(dst []byte, seq uint64, err *Error) []byte {
	dst = strconv.AppendUint(append(dst, `{"type":"err","seq":`...), seq, 10)
	dst = err.appendJSON(append(dst, `,"error":`...))
	return append(dst, '}')
}
