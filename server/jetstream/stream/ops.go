package stream

import (
	"encoding/binary"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Kind says what an op does.
type Kind uint8

// The kinds. Their numbers are in logs on disk.
const (
	// KindStore stores one published message.
	KindStore Kind = 1
	// KindBatch stores all messages of an atomic batch, or none.
	KindBatch Kind = 2
	// KindFast stores one message of a fast batch.
	KindFast Kind = 3
	// KindFastEnd ends a fast batch without a message.
	KindFastEnd Kind = 4
	// KindDelete removes one message.
	KindDelete Kind = 5
	// KindPurge removes many.
	KindPurge Kind = 6
	// KindAdvance does what is due at the entry's time.
	KindAdvance Kind = 7
	// KindConfig changes the configuration.
	KindConfig Kind = 8
	// KindCopy stores a message as it is in another stream, under the same number
	// and time.
	KindCopy Kind = 9
	// KindSkip leaves numbers out.
	KindSkip Kind = 10
	// KindSource stores a message that comes from a source.
	KindSource Kind = 11
	// KindAcked tells what a consumer is done with.
	KindAcked Kind = 12
	// KindConsumer tells what a consumer wants.
	KindConsumer Kind = 13
	// KindConsumerGone tells that a consumer is no more.
	KindConsumerGone Kind = 14
	// KindReset empties the stream.
	KindReset Kind = 15
	// KindRestore stores a message of a backup.
	KindRestore Kind = 16
	// KindRestoreEnd ends a stream where the one that was backed up has ended.
	KindRestoreEnd Kind = 17
)

var kindNames = [...]string{
	KindStore: "store", KindBatch: "batch", KindFast: "fast", KindFastEnd: "fast end", KindDelete: "delete",
	KindPurge: "purge", KindAdvance: "advance", KindConfig: "config", KindCopy: "copy", KindSkip: "skip",
	KindSource: "source", KindAcked: "acked", KindConsumer: "consumer", KindConsumerGone: "consumer gone",
	KindReset: "reset", KindRestore: "restore", KindRestoreEnd: "restore end",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("unknown (%d)", uint8(k))
}

// opVersion is the version of every kind of op, so far.
const opVersion = 1

func appendOp(dst []byte, k Kind) []byte { return append(dst, byte(k), opVersion) }

// Message is what is published, or comes from another stream.
type Message struct {
	Subject []byte
	// Header is a header block with its first line, or empty.
	Header []byte
	Data   []byte
	// Plan is what the leader found out about a Nats-Schedule header.
	Plan Plan
}

// Plan is what is to become of a message with a schedule. The leader finds it out,
// since it depends on its time zones, and the replicas go by it.
type Plan struct {
	Verdict Verdict
	// Due is when it fires first, in nanoseconds since the epoch; of a Scheduled
	// message only.
	Due int64
}

// Verdict says whether a message has a schedule.
type Verdict uint8

// The verdicts.
const (
	Unscheduled Verdict = iota
	Scheduled
	// BadPattern: the schedule cannot be read.
	BadPattern
	// BadZone: its time zone is not known.
	BadZone
)

// AppendStore appends the op that stores a published message.
func AppendStore(dst []byte, m *Message) []byte { return appendMessage(appendOp(dst, KindStore), m) }

// FastInfo is a message's place in a fast batch.
type FastInfo struct {
	// ID tells batches apart.
	ID []byte
	// Seq is the message's number in its batch.
	Seq uint64
	// Start is whether the batch begins with it, Commit whether it ends.
	Start, Commit bool
	// GapOK is whether the batch goes on after a gap or an error.
	GapOK bool
}

// The flags of a fast message.
const (
	fastStart = 1 << iota
	fastCommit
	fastGapOK
	fastFlags
)

// AppendFast appends the op that stores a message of a fast batch.
func AppendFast(dst []byte, f *FastInfo, m *Message) []byte {
	dst = appendOp(dst, KindFast)
	flags := byte(0)
	if f.Start {
		flags |= fastStart
	}
	if f.Commit {
		flags |= fastCommit
	}
	if f.GapOK {
		flags |= fastGapOK
	}
	dst = append(dst, flags)
	dst = pack.AppendBytes(dst, f.ID)
	dst = binary.AppendUvarint(dst, f.Seq)
	return appendMessage(dst, m)
}

// AppendFastEnd appends the op that ends a fast batch of which last is the highest
// number that counts; 0 leaves it as the replicas know it.
func AppendFastEnd(dst, id []byte, last uint64) []byte {
	dst = pack.AppendBytes(appendOp(dst, KindFastEnd), id)
	return binary.AppendUvarint(dst, last)
}

// AppendDelete appends the op that removes a message, and overwrites its bytes if
// erase is set.
func AppendDelete(dst []byte, seq store.Seq, erase bool) []byte {
	dst = binary.AppendUvarint(appendOp(dst, KindDelete), uint64(seq))
	return pack.AppendBool(dst, erase)
}

// AppendPurge appends the op that removes the messages that match a pattern ("" is
// all) and are in front of before (0: all), but for the newest keep.
func AppendPurge(dst []byte, pattern string, before store.Seq, keep uint64) []byte {
	dst = pack.AppendBytes(appendOp(dst, KindPurge), pattern)
	return pack.AppendUvarints(dst, uint64(before), keep)
}

// AppendConfig appends the op that replaces the configuration by one in JSON, which
// is valid and a valid change.
func AppendConfig(dst, config []byte) []byte {
	return pack.AppendBytes(appendOp(dst, KindConfig), config)
}

// AppendCopy appends the op that stores a message under the number and the time that
// it has in the stream that is mirrored.
func AppendCopy(dst []byte, seq store.Seq, time int64, m *Message) []byte {
	dst = binary.AppendUvarint(appendOp(dst, KindCopy), uint64(seq))
	dst = binary.AppendVarint(dst, time)
	return appendMessage(dst, m)
}

// AppendSkip appends the op that leaves out the numbers up to seq.
func AppendSkip(dst []byte, seq store.Seq) []byte {
	return binary.AppendUvarint(appendOp(dst, KindSkip), uint64(seq))
}

// Origin is where a message of a source comes from.
type Origin struct {
	// Source is the source's api.StreamSource.Key.
	Source string
	// Identity is that of the stream, which is another when it was deleted and
	// created again; "" if the origin does not tell.
	Identity string
	// Seq is the message's number there, Subject its subject there.
	Seq     store.Seq
	Subject []byte
}

// AppendSource appends the op that stores a message from a source. m has the
// subject that the source's transforms give.
func AppendSource(dst []byte, o *Origin, m *Message) []byte {
	dst = pack.AppendBytes(appendOp(dst, KindSource), o.Source)
	dst = pack.AppendBytes(dst, o.Identity)
	dst = binary.AppendUvarint(dst, uint64(o.Seq))
	dst = pack.AppendBytes(dst, o.Subject)
	return appendMessage(dst, m)
}

// AppendAcked appends the op that tells what a consumer is done with: all up to
// floor, and the ranges, in order and behind floor.
func AppendAcked(dst []byte, consumer string, floor store.Seq, ranges []store.Range) []byte {
	dst = pack.AppendBytes(appendOp(dst, KindAcked), consumer)
	dst = pack.AppendUvarints(dst, uint64(floor), uint64(len(ranges)))
	last := floor
	for _, r := range ranges {
		dst = pack.AppendUvarints(dst, uint64(r.First-last), uint64(r.Last-r.First))
		last = r.Last
	}
	return dst
}

// AppendConsumer appends the op that tells what a consumer wants: the messages
// that match one of the patterns (none: all), behind floor. Of a consumer that is
// known already only the patterns change, unless it is to begin anew.
func AppendConsumer(dst []byte, consumer string, floor store.Seq, anew bool, patterns []string) []byte {
	dst = pack.AppendBytes(appendOp(dst, KindConsumer), consumer)
	dst = binary.AppendUvarint(dst, uint64(floor))
	dst = pack.AppendBool(dst, anew)
	dst = binary.AppendUvarint(dst, uint64(len(patterns)))
	for _, p := range patterns {
		dst = pack.AppendBytes(dst, p)
	}
	return dst
}

// AppendConsumerGone appends the op that tells that a consumer is no more.
func AppendConsumerGone(dst []byte, consumer string) []byte {
	return pack.AppendBytes(appendOp(dst, KindConsumerGone), consumer)
}

// ConsumerOf returns which consumer an op is about that tells what one wants, or that one is no
// more. ok is false if it is another op.
func ConsumerOf(op []byte) (consumer string, gone, ok bool) {
	if len(op) < 2 || Kind(op[0]) != KindConsumer && Kind(op[0]) != KindConsumerGone {
		return "", false, false
	}
	in := pack.NewReader(op[2:])
	name := in.Bytes()
	if in.Bad() {
		return "", false, false
	}
	return string(name), Kind(op[0]) == KindConsumerGone, true
}

// AppendReset appends the op that empties the stream; the next message will be
// number first.
func AppendReset(dst []byte, first store.Seq) []byte {
	return binary.AppendUvarint(appendOp(dst, KindReset), uint64(first))
}

// appendFiring appends a schedule that has fired to an advance: next is when it will
// the next time, 0 for never.
func appendFiring(dst []byte, seq store.Seq, next int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(seq))
	return binary.AppendVarint(dst, next)
}

// AppendRestore appends the op that stores a message as it was in the stream that was
// backed up, under its number and its time.
func AppendRestore(dst []byte, seq store.Seq, time int64, m *Message) []byte {
	dst = binary.AppendUvarint(appendOp(dst, KindRestore), uint64(seq))
	dst = binary.AppendVarint(dst, time)
	return appendMessage(dst, m)
}

// AppendRestoreEnd appends the op that leaves out the numbers up to seq, if there are
// any behind the last message; time is that of the newest one that ever was.
func AppendRestoreEnd(dst []byte, seq store.Seq, time int64) []byte {
	dst = binary.AppendUvarint(appendOp(dst, KindRestoreEnd), uint64(seq))
	return binary.AppendVarint(dst, time)
}

func appendMessage(dst []byte, m *Message) []byte {
	dst = append(dst, byte(m.Plan.Verdict))
	if m.Plan.Verdict == Scheduled {
		dst = binary.AppendVarint(dst, m.Plan.Due)
	}
	dst = binary.AppendUvarint(dst, uint64(len(m.Subject)))
	dst = binary.AppendUvarint(dst, uint64(len(m.Header)))
	dst = binary.AppendUvarint(dst, uint64(len(m.Data)))
	dst = append(dst, m.Subject...)
	dst = append(dst, m.Header...)
	return append(dst, m.Data...)
}

// reader takes apart what an op or a state is encoded as.
type reader struct{ pack.Reader }

// message reads what appendMessage wrote.
func (r *reader) message(m *Message) {
	m.Plan = Plan{Verdict: Verdict(r.Byte())}
	if m.Plan.Verdict > BadZone {
		r.Fail()
	}
	if m.Plan.Verdict == Scheduled {
		m.Plan.Due = r.Varint()
	}
	subject, header, data := r.Uvarint(), r.Uvarint(), r.Uvarint()
	m.Subject, m.Header, m.Data = r.Take(subject), r.Take(header), r.Take(data)
	if len(m.Subject) == 0 {
		r.Fail()
	}
}

// maxSeq bounds the numbers in ops, so that those behind them can be told as well.
const maxSeq = store.Seq(1) << 62

// seq reads the number of a message, which may be 0.
func (r *reader) seq() store.Seq {
	seq := store.Seq(r.Uvarint())
	if seq > maxSeq {
		r.Fail()
	}
	return seq
}

// minMessage is the least that a message takes.
const minMessage = 1 + 3 + 1
