package consumer

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/internal/seqset"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// AppendFull appends a frame that makes any state equal to s. It takes the place
// of all frames before it, in a log that is compacted and in a snapshot.
func (s *State) AppendFull(dst []byte) []byte {
	dst = append(dst, frameVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.time))
	body := s.appendFull(nil)
	dst = append(dst, byte(opFull))
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	return append(dst, body...)
}

// IsFull reports whether a frame is the whole state and nothing else, so that those
// in front of it are not needed any more.
func IsFull(frame []byte) bool {
	if len(frame) <= frameHead || frame[0] != frameVersion || opKind(frame[frameHead]) != opFull {
		return false
	}
	in := reader{b: frame[frameHead+1:]}
	in.bytes(in.uvarint())
	return in.ended()
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
	dst = appendBytes(dst, s.config)
	dst = s.pending.append(dst)
	dst = appendBytes(dst, s.expired.Append(nil))
	dst = binary.AppendUvarint(dst, uint64(len(s.waiting)))
	for _, w := range s.waiting {
		dst = binary.AppendVarint(dst, w.Expires)
		dst = binary.AppendUvarint(dst, uint64(len(w.Reply)))
		dst = append(dst, w.Reply...)
	}
	return dst
}

func appendPosition(dst []byte, p Position) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Consumer))
	dst = binary.AppendUvarint(dst, uint64(p.Stream))
	return binary.AppendVarint(dst, p.Time)
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
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
		flags:      Flags(in.uvarint()),
		created:    in.varint(),
		time:       in.varint(),
		pauseUntil: in.varint(),
		newestUpTo: store.Seq(in.uvarint()),
	}
	full.delivered = in.position()
	full.floor = in.position()
	full.config = slices.Clone(in.bytes(in.uvarint()))
	full.pending.read(in, full.floor, full.delivered)
	expired, err := seqset.Decode(in.bytes(in.uvarint()))
	if in.bad || err != nil {
		return opError(opFull, "malformed: %v", err)
	}
	full.expired = expired
	for n := in.uvarint(); n > 0 && !in.bad; n-- {
		expires := in.varint()
		full.waiting = append(full.waiting, Waiter{Expires: expires, Reply: string(in.bytes(in.uvarint()))})
	}
	if !in.ended() || full.created == 0 || full.floor.Stream > full.delivered.Stream || full.floor.Consumer > full.delivered.Consumer {
		return opError(opFull, "malformed")
	}
	*s = full
	return nil
}

func (r *reader) position() Position {
	return Position{Consumer: ConsumerSeq(r.uvarint()), Stream: store.Seq(r.uvarint()), Time: r.varint()}
}

// read decodes what append has encoded. All of it has to lie between floor and
// delivered, in order.
func (p *pending) read(in *reader, floor, delivered Position) {
	n := in.uvarint()
	// Each takes four bytes at least, so a false count reserves no room.
	if in.bad || n > uint64(len(in.b))/4 {
		in.bad = true
		return
	}
	p.list = make([]delivery, 0, n)
	last := delivery{}
	low, lowConsumer := floor.Stream, floor.Consumer
	for range n {
		d := delivery{stream: last.stream + store.Seq(in.uvarint()), consumer: last.consumer + ConsumerSeq(in.uvarint())}
		d.time = last.time + in.varint()
		count := in.uvarint()
		special := count&1 != 0
		if special {
			d.due = d.time + in.varint()
		}
		count >>= 1
		inOrder := d.stream > low && d.stream <= delivered.Stream && d.consumer > lowConsumer && d.consumer <= delivered.Consumer
		if in.bad || !inOrder || count == 0 || count > math.MaxUint32 || special != (d.due != 0) {
			in.bad = true
			return
		}
		d.count = uint32(count)
		p.add(d)
		last, low, lowConsumer = d, d.stream, d.consumer
	}
}
