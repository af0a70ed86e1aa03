package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// A frame is one proposal (docs/formats/consumer.md):
//
//	0        1              9
//	┌────────┬──────────────┬────────┬────────────────┬──────┬─ ─ ─
//	│version │ time, 8 bytes│ kind   │ length, varint │ body │
//	└────────┴──────────────┴────────┴────────────────┴──────┴─ ─ ─
//	                         └──────── one operation ───────┘

const (
	frameVersion = 1
	frameHead    = 1 + 8
)

// opKind says what an operation does. The numbers are in logs: they never change.
type opKind uint8

const (
	// opFull is the whole state, in place of what was before.
	opFull opKind = 1
	// opCreate is the first operation of a consumer.
	opCreate opKind = 2
	// opUpdate replaces the configuration.
	opUpdate opKind = 3
	// opDeliver: messages were delivered for the first time.
	opDeliver opKind = 4
	// opRedeliver: pending messages were delivered again.
	opRedeliver opKind = 5
	// opAdvance moves what is delivered, without anything becoming pending.
	opAdvance opKind = 6
	// opAck: messages are settled: acknowledged, terminated, or gone.
	opAck opKind = 7
	// opAckAll: all messages up to one are settled.
	opAckAll opKind = 8
	// opDefer says when a pending message is due.
	opDefer opKind = 9
	// opExpire: messages were delivered as often as allowed, and are given up.
	opExpire opKind = 10
	// opPurge: there are no messages below one any more.
	opPurge opKind = 11
	// opReset starts over at a message.
	opReset opKind = 12
	// opPause says until when nothing is delivered.
	opPause opKind = 13
	// opWait: a request waits.
	opWait opKind = 14
	// opServed: a request does not wait any more.
	opServed opKind = 15
	// opForget: no request waits any more.
	opForget opKind = 16
)

// Limits on what is decoded.
const (
	// maxSeqs bounds the numbers in one operation, so that a few bytes do not stand
	// for a great many deliveries.
	maxSeqs = 1 << 12
	// maxReply bounds a reply subject, maxConfig a configuration.
	maxReply  = 1 << 16
	maxConfig = 1 << 24
)

// ErrOp: a proposal is malformed, or does not follow from the state. The state is
// of no use any more.
var ErrOp = errors.New("consumer: bad operation")

func opError(kind opKind, format string, args ...any) error {
	return fmt.Errorf("%w: kind %d: %s", ErrOp, kind, fmt.Sprintf(format, args...))
}

// frame is a proposal that is being written.
type frame struct {
	buf []byte
	// kind is that of an operation on numbers which is still open: the next
	// number goes into it if it is of the same kind.
	kind opKind
	// first and last are the open run of numbers, before is the end of the run
	// in front of it, and n counts all numbers of the operation.
	first, last, before store.Seq
	n                   int
	// body is the body of the open operation, or scratch.
	body []byte
}

// open starts an empty frame, in the buffer of the one before if there is one.
func (f *frame) open(time int64) {
	f.buf = append(f.buf[:0], frameVersion)
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(time))
}

// isOpen reports whether there is a frame.
func (f *frame) isOpen() bool { return len(f.buf) > 0 }

// hasOps reports whether there are operations in it.
func (f *frame) hasOps() bool { return len(f.buf) > frameHead || f.kind != 0 }

func (f *frame) time() int64 { return int64(binary.LittleEndian.Uint64(f.buf[1:])) }

// seq adds a number to an operation of a kind that has a list of them.
func (f *frame) seq(kind opKind, seq store.Seq) {
	if f.kind == kind && f.n < maxSeqs {
		f.n++
		if seq == f.last+1 {
			f.last = seq
			return
		}
		f.endRun()
		f.first, f.last = seq, seq
		return
	}
	f.endSeqs()
	f.kind, f.n = kind, 1
	f.first, f.last, f.before = seq, seq, 0
}

func (f *frame) endRun() {
	f.body = appendRun(f.body, f.before, f.first, f.last)
	f.before = f.last
}

func (f *frame) endSeqs() {
	if f.kind != 0 {
		f.endRun()
		f.end(f.kind)
		f.kind = 0
	}
}

// end closes the operation whose body is in f.body.
func (f *frame) end(kind opKind) {
	f.buf = append(f.buf, byte(kind))
	f.buf = pack.AppendBytes(f.buf, f.body)
	f.body = f.body[:0]
}

// uints adds an operation that consists of unsigned numbers.
func (f *frame) uints(kind opKind, values ...uint64) {
	f.endSeqs()
	f.body = pack.AppendUvarints(f.body, values...)
	f.end(kind)
}

// at adds an operation that consists of a number and a time.
func (f *frame) at(kind opKind, seq store.Seq, time int64) {
	f.endSeqs()
	f.body = binary.AppendUvarint(f.body, uint64(seq))
	f.body = binary.AppendVarint(f.body, time-f.time())
	f.end(kind)
}

// text adds an operation that consists of a number and a text.
func (f *frame) text(kind opKind, n int64, text string) {
	f.endSeqs()
	f.body = binary.AppendVarint(f.body, n)
	f.body = append(f.body, text...)
	f.end(kind)
}

// pause adds the time until which nothing is delivered.
func (f *frame) pause(until int64) { f.text(opPause, until, "") }

// create adds the creation of a state that was just created.
func (f *frame) create(s *State) {
	f.endSeqs()
	f.body = pack.AppendUvarints(f.body, uint64(s.flags), uint64(s.delivered.Stream), uint64(s.newestUpTo))
	f.body = binary.AppendVarint(f.body, s.pauseUntil)
	f.body = append(f.body, s.config...)
	f.end(opCreate)
}

// update adds the configuration of a state that was just updated.
func (f *frame) update(s *State) {
	f.endSeqs()
	f.body = binary.AppendUvarint(f.body, uint64(s.flags))
	f.body = append(f.body, s.config...)
	f.end(opUpdate)
}

// appendRun encodes the numbers first to last, which follow on a run that ended
// with before: how far it is from there to first, and how many more there are.
func appendRun(dst []byte, before, first, last store.Seq) []byte {
	dst = binary.AppendVarint(dst, int64(first-before))
	return binary.AppendUvarint(dst, uint64(last-first))
}

// reader decodes the body of an operation.
type reader struct {
	pack.Reader
	// last is the end of the run that was read last, n counts numbers in runs.
	last store.Seq
	n    uint64
}

// openFrame returns what is in a frame, and its time.
func openFrame(data []byte) (in pack.Reader, now int64, err error) {
	if len(data) < frameHead || data[0] != frameVersion {
		return in, 0, fmt.Errorf("%w: a frame of %d bytes without the head of version %d", ErrOp, len(data), frameVersion)
	}
	return pack.NewReader(data[frameHead:]), int64(binary.LittleEndian.Uint64(data[1:])), nil
}

// readOp reads an operation of a frame.
func readOp(in *pack.Reader) (kind opKind, body reader, err error) {
	kind, body.Reader = opKind(in.Byte()), pack.NewReader(in.Bytes())
	if in.Bad() {
		err = opError(kind, "cut off")
	}
	return kind, body, err
}

// run reads a run of numbers.
func (r *reader) run() store.Range {
	first := r.last + store.Seq(r.Varint())
	more := r.Uvarint()
	last := first + store.Seq(more)
	if r.n += more + 1; r.Bad() || first == 0 || last < first || more >= maxSeqs || r.n > maxSeqs {
		r.Fail()
		return store.Range{}
	}
	r.last = last
	return store.Range{First: first, Last: last}
}
