package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// A frame is a head, which is a version and the epoch of the process that sends
// it, and then records until its end. docs/formats/raft-wire.md tells every byte.
// Numbers that are small by nature are varints; the others little endian.

const (
	wireVersion = 1
	frameHead   = 1 + 8
)

// recordKind is the first byte of a record.
type recordKind uint8

const (
	recordMessage recordKind = iota + 1
	recordHeartbeat
	recordNotice
	recordOffer
	recordChunk
	recordAnswer
)

var errFrame = errors.New("raft/host: malformed frame")

// heartbeat is what nodes say to each other all the time.
type heartbeat struct {
	incarnation uint32 // of the sender's log
	leaving     bool   // the sender stops, or can no longer do its work
	seq         uint64
	// echo is the number of the last heartbeat that came the other way, 0 if
	// there was none, and held for how long the sender has had it.
	echo uint64
	held time.Duration
}

// noticeKind says what is to be known of a replica.
type noticeKind uint8

const (
	// noticeRejoin: the sender's replica asks to be admitted.
	noticeRejoin noticeKind = iota + 1
	// noticeAdmit: the receiver's replica is in the configuration, committed.
	noticeAdmit
	// noticeForgot: the receiver's replica has less than it has acknowledged.
	noticeForgot
	// noticeHalted: the sender's replica does not take part any more.
	noticeHalted
	// noticeAbsent: the sender has no such replica. Now is what it has instead,
	// 0 if nothing.
	noticeAbsent
	lastNotice = noticeAbsent
)

// notice is said about a replica, of the sender's or the receiver's node.
type notice struct {
	kind  noticeKind
	group raft.GroupID
	inc   uint32
	now   uint32
}

// offer begins the transfer of an image, or takes it up again.
type offer struct {
	group    raft.GroupID
	from, to raft.PeerID
	// id names the image: no two that are offered have the same.
	id   uint64
	term raft.Term
	size int64
	at   Position
}

// chunk is a part of an image. The last one has the digest of the whole.
type chunk struct {
	id     uint64
	offset int64
	data   []byte
	digest []byte // digestSize bytes, or none
}

const digestSize = 32

// answerCode says how a receiver of an image is doing.
type answerCode uint8

const (
	// answerAccept: go on at offset value.
	answerAccept answerCode = iota + 1
	// answerAck: all up to offset value is taken over.
	answerAck
	// answerBusy: ask again later.
	answerBusy
	// answerStale: the image is of no use; the receiver's commit index is value.
	answerStale
	// answerFailed: the image could not be installed.
	answerFailed
	// answerInstalled: it is.
	answerInstalled
	lastAnswer = answerInstalled
)

type answer struct {
	code  answerCode
	id    uint64
	value uint64
}

func appendFrameHead(b []byte, epoch uint64) []byte {
	b = append(b, wireVersion)
	return binary.LittleEndian.AppendUint64(b, epoch)
}

// Bits of the flags of a message.
const (
	flagReject = 1 << iota
	flagTransfer
	knownFlags = flagReject | flagTransfer
)

// messageSize returns at least how many bytes appendMessage takes.
func messageSize(m *raft.Message) int {
	n := 1 + 10 + 4 + 4 + 2 + 8*binary.MaxVarintLen64
	for i := range m.Entries {
		n += len(m.Entries[i].Data) + 2*binary.MaxVarintLen64 + 1
	}
	return n
}

func appendMessage(b []byte, g raft.GroupID, m *raft.Message) []byte {
	b = append(b, byte(recordMessage))
	b = binary.AppendUvarint(b, uint64(g))
	b = binary.LittleEndian.AppendUint32(b, m.From.Incarnation())
	b = binary.LittleEndian.AppendUint32(b, m.To.Incarnation())
	var flags byte
	if m.Reject {
		flags |= flagReject
	}
	if m.Transfer {
		flags |= flagTransfer
	}
	b = append(b, byte(m.Type), flags)
	for _, v := range [...]uint64{
		uint64(m.Term), uint64(m.LogTerm), uint64(m.Index), uint64(m.Commit), uint64(m.Hint), m.Context, uint64(m.Sent),
		uint64(len(m.Entries)),
	} {
		b = binary.AppendUvarint(b, v)
	}
	for i := range m.Entries {
		e := &m.Entries[i]
		b = binary.AppendUvarint(b, uint64(e.Term))
		b = append(b, byte(e.Type))
		b = binary.AppendUvarint(b, uint64(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b
}

func appendHeartbeat(b []byte, h heartbeat) []byte {
	b = append(b, byte(recordHeartbeat))
	b = binary.LittleEndian.AppendUint32(b, h.incarnation)
	b = append(b, boolByte(h.leaving))
	b = binary.AppendUvarint(b, h.seq)
	b = binary.AppendUvarint(b, h.echo)
	return binary.AppendUvarint(b, uint64(h.held))
}

func appendNotice(b []byte, n notice) []byte {
	b = append(b, byte(recordNotice), byte(n.kind))
	b = binary.AppendUvarint(b, uint64(n.group))
	b = binary.LittleEndian.AppendUint32(b, n.inc)
	return binary.LittleEndian.AppendUint32(b, n.now)
}

func appendOffer(b []byte, o *offer) []byte {
	b = append(b, byte(recordOffer))
	b = binary.AppendUvarint(b, uint64(o.group))
	b = binary.LittleEndian.AppendUint32(b, o.from.Incarnation())
	b = binary.LittleEndian.AppendUint32(b, o.to.Incarnation())
	b = binary.LittleEndian.AppendUint64(b, o.id)
	for _, v := range [...]uint64{uint64(o.term), uint64(o.size), uint64(o.at.Base.Index), uint64(o.at.Base.Term)} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendVarint(b, o.at.Time)
	conf := o.at.Base.Conf.Append(nil)
	b = binary.AppendUvarint(b, uint64(len(conf)))
	return append(b, conf...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendChunk(b []byte, c *chunk) []byte {
	b = append(b, byte(recordChunk))
	b = binary.LittleEndian.AppendUint64(b, c.id)
	b = binary.AppendUvarint(b, uint64(c.offset))
	b = append(b, boolByte(len(c.digest) > 0))
	b = append(b, c.digest...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(c.data, castagnoli))
	b = binary.AppendUvarint(b, uint64(len(c.data)))
	return append(b, c.data...)
}

func appendAnswer(b []byte, a answer) []byte {
	b = append(b, byte(recordAnswer), byte(a.code))
	b = binary.LittleEndian.AppendUint64(b, a.id)
	return binary.AppendUvarint(b, a.value)
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// frameReader goes over the records of a frame. What it returns may alias the
// frame, and means nothing if err is set then, which stays so.
type frameReader struct {
	from, to raft.NodeID
	epoch    uint64
	size     int
	rest     []byte
	err      error
}

// openFrame checks the head of a frame that came from one node to another.
func openFrame(from, to raft.NodeID, frame []byte) frameReader {
	r := frameReader{from: from, to: to, size: len(frame), rest: frame}
	if v := r.byte(); r.err == nil && v != wireVersion {
		r.fail("version %d", v)
	}
	r.epoch = r.uint64()
	return r
}

// next returns the kind of the next record, or false at the end of the frame or
// after an error. The record has to be read by the method for its kind.
func (r *frameReader) next() (recordKind, bool) {
	if len(r.rest) == 0 || r.err != nil {
		return 0, false
	}
	k := recordKind(r.byte())
	if k < recordMessage || k > recordAnswer {
		r.fail("record of kind %d", k)
		return 0, false
	}
	return k, true
}

// minEntry is the least number of bytes that an entry takes.
const minEntry = 3

func (r *frameReader) message() (raft.GroupID, raft.Message) {
	var m raft.Message
	g := raft.GroupID(r.uvarint())
	m.From = raft.MakePeerID(r.from, r.uint32())
	m.To = raft.MakePeerID(r.to, r.uint32())
	m.Type = raft.MessageType(r.byte())
	flags := r.byte()
	if r.err == nil && (!m.Type.Valid() || flags&^knownFlags != 0) {
		r.fail("message of type %d with flags %x", m.Type, flags)
	}
	m.Reject, m.Transfer = flags&flagReject != 0, flags&flagTransfer != 0
	m.Term, m.LogTerm = raft.Term(r.uvarint()), raft.Term(r.uvarint())
	m.Index, m.Commit, m.Hint = raft.Index(r.uvarint()), raft.Index(r.uvarint()), raft.Index(r.uvarint())
	m.Context, m.Sent = r.uvarint(), raft.Instant(r.uvarint())
	count := r.uvarint()
	if count > uint64(len(r.rest)/minEntry) {
		r.fail("%d entries in %d bytes", count, len(r.rest))
	}
	if r.err != nil {
		return 0, raft.Message{}
	}
	if count > 0 {
		m.Entries = make([]raft.Entry, count)
	}
	size := 0
	for i := range m.Entries {
		e := &m.Entries[i]
		e.Index = m.Index + 1 + raft.Index(i)
		e.Term = raft.Term(r.uvarint())
		e.Type = raft.EntryType(r.byte())
		e.Data = r.bytes(r.uvarint())
		size += len(e.Data)
	}
	if r.err != nil {
		return 0, raft.Message{}
	}
	if size < r.size/maxWaste {
		copyEntries(m.Entries, size)
	}
	return g, m
}

// maxWaste is how many times its own size an entry may keep in memory, because it
// is part of a frame. Entries stay in caches long after the rest of the frame.
const maxWaste = 4

// copyEntries gives entries data of their own, of size bytes in all.
func copyEntries(ents []raft.Entry, size int) {
	own := make([]byte, 0, size)
	for i := range ents {
		if e := &ents[i]; len(e.Data) > 0 {
			from := len(own)
			own = append(own, e.Data...)
			e.Data = own[from:len(own):len(own)]
		}
	}
}

func (r *frameReader) heartbeat() heartbeat {
	return heartbeat{
		incarnation: r.uint32(), leaving: r.byte() != 0,
		seq: r.uvarint(), echo: r.uvarint(), held: time.Duration(r.uvarint()),
	}
}

func (r *frameReader) notice() notice {
	n := notice{kind: noticeKind(r.byte()), group: raft.GroupID(r.uvarint()), inc: r.uint32(), now: r.uint32()}
	if r.err == nil && (n.kind < noticeRejoin || n.kind > lastNotice) {
		r.fail("notice of kind %d", n.kind)
	}
	return n
}

func (r *frameReader) offer() offer {
	var o offer
	o.group = raft.GroupID(r.uvarint())
	o.from, o.to = raft.MakePeerID(r.from, r.uint32()), raft.MakePeerID(r.to, r.uint32())
	o.id = r.uint64()
	o.term, o.size = raft.Term(r.uvarint()), int64(r.uvarint())
	o.at.Base.Index, o.at.Base.Term = raft.Index(r.uvarint()), raft.Term(r.uvarint())
	o.at.Time = r.varint()
	conf := r.bytes(r.uvarint())
	if r.err != nil {
		return offer{}
	}
	c, err := raft.DecodeConfState(conf)
	if err != nil || o.size < 0 || o.at.Base.Index == 0 || c.Empty() {
		r.fail("offer of %d bytes at %d: %w", o.size, o.at.Base.Index, err)
		return offer{}
	}
	o.at.Base.Conf = c
	return o
}

func (r *frameReader) chunk() chunk {
	c := chunk{id: r.uint64(), offset: int64(r.uvarint())}
	if r.byte() != 0 {
		c.digest = r.bytes(digestSize)
	}
	sum := r.uint32()
	c.data = r.bytes(r.uvarint())
	if r.err == nil && (c.offset < 0 || crc32.Checksum(c.data, castagnoli) != sum) {
		r.fail("damaged chunk at %d", c.offset)
	}
	if r.err != nil {
		return chunk{}
	}
	return c
}

func (r *frameReader) answer() answer {
	a := answer{code: answerCode(r.byte()), id: r.uint64(), value: r.uvarint()}
	if r.err == nil && (a.code < answerAccept || a.code > lastAnswer) {
		r.fail("answer of kind %d", a.code)
	}
	return a
}

func (r *frameReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %w", errFrame, fmt.Errorf(format, args...))
	}
	r.rest = nil
}

func (r *frameReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail("it ends early")
		return nil
	}
	if n == 0 {
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *frameReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail("it ends early")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *frameReader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *frameReader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *frameReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail("bad varint")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *frameReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail("bad varint")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
