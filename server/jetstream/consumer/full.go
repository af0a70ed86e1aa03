package consumer

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// AppendFull appends a frame that makes any state equal to s. It takes the place
// of all frames before it, in a log that is compacted and in a snapshot.
func (s *State) AppendFull(dst []byte) []byte {
	dst = append(dst, frameVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.time))
	dst = append(dst, byte(opFull))
	return pack.AppendBytes(dst, s.appendFull(nil))
}

// IsFull reports whether a frame is the whole state and nothing else, so that those
// in front of it are not needed any more.
func IsFull(frame []byte) bool {
	if len(frame) <= frameHead || frame[0] != frameVersion || opKind(frame[frameHead]) != opFull {
		return false
	}
	in := pack.NewReader(frame[frameHead+1:])
	in.Bytes()
	return in.End()
}

// appendFull encodes the state. There is one encoding of a state only.
func (s *State) appendFull(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(s.flags))
	dst = binary.AppendVarint(dst, s.created)
	dst = binary.AppendVarint(dst, s.time)
	dst = binary.AppendVarint(dst, s.pauseUntil)
	dst = binary.AppendUvarint(dst, uint64(s.newestUpTo))
	dst = appendPosition(dst, s.delivered)
	dst = appendPosition(dst, s.floor)
	dst = pack.AppendBytes(dst, s.config)
	dst = s.pending.append(dst)
	dst = pack.AppendBytes(dst, s.expired.Append(nil))
	dst = binary.AppendUvarint(dst, uint64(len(s.waiting)))
	for _, w := range s.waiting {
		dst = binary.AppendVarint(dst, w.Expires)
		dst = pack.AppendBytes(dst, w.Reply)
	}
	return dst
}

func appendPosition(dst []byte, p Position) []byte {
	dst = pack.AppendUvarints(dst, uint64(p.Consumer), uint64(p.Stream))
	return binary.AppendVarint(dst, p.Time)
}

// append encodes the table: each delivery by what differs from the one before.
func (p *pending) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.live))
	var last delivery
	for d := range p.all() {
		dst = binary.AppendUvarint(dst, uint64(d.stream-last.stream))
		dst = binary.AppendUvarint(dst, uint64(d.consumer-last.consumer))
		dst = binary.AppendVarint(dst, d.time-last.time)
		// Few were said to be due at a time of their own.
		special := uint64(0)
		if d.due != 0 {
			special = 1
		}
		dst = binary.AppendUvarint(dst, uint64(d.count)<<1|special)
		if d.due != 0 {
			dst = binary.AppendVarint(dst, d.due-d.time)
		}
		last = *d
	}
	return dst
}

func (s *State) applyFull(in *reader) error {
	full := State{
		unknown:    s.unknown,
		flags:      Flags(in.Uvarint()),
		created:    in.Varint(),
		time:       in.Varint(),
		pauseUntil: in.Varint(),
		newestUpTo: store.Seq(in.Uvarint()),
	}
	full.delivered = in.position()
	full.floor = in.position()
	full.config = slices.Clone(in.Bytes())
	full.pending.read(in, full.floor, full.delivered)
	expired, err := seqset.Decode(in.Bytes())
	if in.Bad() || err != nil {
		return opError(opFull, "malformed: %v", err)
	}
	full.expired = expired
	for range in.Count(2) {
		expires := in.Varint()
		full.waiting = append(full.waiting, Waiter{Expires: expires, Reply: string(in.Bytes())})
	}
	if !in.End() || full.created == 0 || full.floor.Stream > full.delivered.Stream || full.floor.Consumer > full.delivered.Consumer {
		return opError(opFull, "malformed")
	}
	*s = full
	return nil
}

func (r *reader) position() Position {
	return Position{Consumer: ConsumerSeq(r.Uvarint()), Stream: store.Seq(r.Uvarint()), Time: r.Varint()}
}

// read decodes what append has encoded. All of it has to lie between floor and
// delivered, in order.
func (p *pending) read(in *reader, floor, delivered Position) {
	n := in.Count(4)
	p.list = make([]delivery, 0, n)
	last := delivery{}
	low, lowConsumer := floor.Stream, floor.Consumer
	for range n {
		d := delivery{stream: last.stream + store.Seq(in.Uvarint()), consumer: last.consumer + ConsumerSeq(in.Uvarint())}
		d.time = last.time + in.Varint()
		count := in.Uvarint()
		special := count&1 != 0
		if special {
			d.due = d.time + in.Varint()
		}
		count >>= 1
		inOrder := d.stream > low && d.stream <= delivered.Stream && d.consumer > lowConsumer && d.consumer <= delivered.Consumer
		if in.Bad() || !inOrder || count == 0 || count > math.MaxUint32 || special != (d.due != 0) {
			in.Fail()
			return
		}
		d.count = uint32(count)
		p.add(d)
		last, low, lowConsumer = d, d.stream, d.consumer
	}
}
