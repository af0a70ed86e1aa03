package host

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/nats-lite/nats-lite/internal/pack"
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
	// noticeRejoin: the sender's replica asks to be admitted, with its plea.
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
	// noticeRemoved: the receiver's replica has no part in the group any more, as of the
	// index that stands in the place of a plea.
	noticeRemoved
	// noticeFounded: the sender's replica, a founder of the group, is there.
	noticeFounded
	lastNotice = noticeFounded
)

// notice is said about a replica, of the sender's or the receiver's node.
type notice struct {
	kind  noticeKind
	group raft.GroupID
	inc   uint32
	now   uint32
	// plea is that of a rejoin, or the index of removed.
	plea uint64
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
	b = pack.AppendUvarints(b,
		uint64(m.Term), uint64(m.LogTerm), uint64(m.Index), uint64(m.Commit), uint64(m.Hint), m.Context, uint64(m.Sent),
		uint64(len(m.Entries)))
	for i := range m.Entries {
		e := &m.Entries[i]
		b = binary.AppendUvarint(b, uint64(e.Term))
		b = append(b, byte(e.Type))
		b = pack.AppendBytes(b, e.Data)
	}
	return b
}

func appendHeartbeat(b []byte, h heartbeat) []byte {
	b = append(b, byte(recordHeartbeat))
	b = binary.LittleEndian.AppendUint32(b, h.incarnation)
	b = pack.AppendBool(b, h.leaving)
	return pack.AppendUvarints(b, h.seq, h.echo, uint64(h.held))
}

func appendNotice(b []byte, n notice) []byte {
	b = append(b, byte(recordNotice), byte(n.kind))
	b = binary.AppendUvarint(b, uint64(n.group))
	b = binary.LittleEndian.AppendUint32(b, n.inc)
	b = binary.LittleEndian.AppendUint32(b, n.now)
	return binary.AppendUvarint(b, n.plea)
}

func appendOffer(b []byte, o *offer) []byte {
	b = append(b, byte(recordOffer))
	b = binary.AppendUvarint(b, uint64(o.group))
	b = binary.LittleEndian.AppendUint32(b, o.from.Incarnation())
	b = binary.LittleEndian.AppendUint32(b, o.to.Incarnation())
	b = binary.LittleEndian.AppendUint64(b, o.id)
	b = pack.AppendUvarints(b, uint64(o.term), uint64(o.size), uint64(o.at.Base.Index), uint64(o.at.Base.Term))
	b = binary.AppendVarint(b, o.at.Time)
	return pack.AppendBytes(b, o.at.Base.Conf.Append(nil))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendChunk(b []byte, c *chunk) []byte {
	b = append(b, byte(recordChunk))
	b = binary.LittleEndian.AppendUint64(b, c.id)
	b = binary.AppendUvarint(b, uint64(c.offset))
	b = pack.AppendBool(b, len(c.digest) > 0)
	b = append(b, c.digest...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(c.data, castagnoli))
	return pack.AppendBytes(b, c.data)
}

func appendAnswer(b []byte, a answer) []byte {
	b = append(b, byte(recordAnswer), byte(a.code))
	b = binary.LittleEndian.AppendUint64(b, a.id)
	return binary.AppendUvarint(b, a.value)
}

// frameReader goes over the records of a frame. What it returns may alias the
// frame, and means nothing if the reader is bad then.
type frameReader struct {
	pack.Reader
	from, to raft.NodeID
	epoch    uint64
	size     int
}

// openFrame checks the head of a frame that came from one node to another.
func openFrame(from, to raft.NodeID, frame []byte) frameReader {
	r := frameReader{Reader: pack.NewReader(frame), from: from, to: to, size: len(frame)}
	if r.Byte() != wireVersion {
		r.Fail()
	}
	r.epoch = r.Uint64()
	return r
}

// next returns the kind of the next record, or false at the end of the frame or
// after an error. The record has to be read by the method for its kind.
func (r *frameReader) next() (recordKind, bool) {
	if r.Len() == 0 {
		return 0, false
	}
	k := recordKind(r.Byte())
	if k < recordMessage || k > recordAnswer {
		r.Fail()
		return 0, false
	}
	return k, true
}

// minEntry is the least number of bytes that an entry takes.
const minEntry = 3

func (r *frameReader) message() (raft.GroupID, raft.Message) {
	var m raft.Message
	g := raft.GroupID(r.Uvarint())
	m.From = raft.MakePeerID(r.from, r.Uint32())
	m.To = raft.MakePeerID(r.to, r.Uint32())
	m.Type = raft.MessageType(r.Byte())
	flags := r.Byte()
	if !m.Type.Valid() || flags&^knownFlags != 0 {
		r.Fail()
	}
	m.Reject, m.Transfer = flags&flagReject != 0, flags&flagTransfer != 0
	m.Term, m.LogTerm = raft.Term(r.Uvarint()), raft.Term(r.Uvarint())
	m.Index, m.Commit, m.Hint = raft.Index(r.Uvarint()), raft.Index(r.Uvarint()), raft.Index(r.Uvarint())
	m.Context, m.Sent = r.Uvarint(), raft.Instant(r.Uvarint())
	if count := r.Count(minEntry); count > 0 {
		m.Entries = make([]raft.Entry, count)
	}
	size := 0
	for i := range m.Entries {
		e := &m.Entries[i]
		e.Index = m.Index + 1 + raft.Index(i)
		e.Term = raft.Term(r.Uvarint())
		e.Type = raft.EntryType(r.Byte())
		e.Data = r.Bytes()
		size += len(e.Data)
	}
	if r.Bad() {
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
		incarnation: r.Uint32(), leaving: r.Byte() != 0,
		seq: r.Uvarint(), echo: r.Uvarint(), held: time.Duration(r.Uvarint()),
	}
}

func (r *frameReader) notice() notice {
	n := notice{kind: noticeKind(r.Byte()), group: raft.GroupID(r.Uvarint()), inc: r.Uint32(), now: r.Uint32(), plea: r.Uvarint()}
	if n.kind < noticeRejoin || n.kind > lastNotice {
		r.Fail()
	}
	return n
}

func (r *frameReader) offer() offer {
	var o offer
	o.group = raft.GroupID(r.Uvarint())
	o.from, o.to = raft.MakePeerID(r.from, r.Uint32()), raft.MakePeerID(r.to, r.Uint32())
	o.id = r.Uint64()
	o.term, o.size = raft.Term(r.Uvarint()), int64(r.Uvarint())
	o.at.Base.Index, o.at.Base.Term = raft.Index(r.Uvarint()), raft.Term(r.Uvarint())
	o.at.Time = r.Varint()
	c, err := raft.DecodeConfState(r.Bytes())
	if err != nil || o.size < 0 || o.at.Base.Index == 0 || c.Empty() {
		r.Fail()
	}
	o.at.Base.Conf = c
	return o
}

func (r *frameReader) chunk() chunk {
	c := chunk{id: r.Uint64(), offset: int64(r.Uvarint())}
	if r.Byte() != 0 {
		c.digest = r.Take(digestSize)
	}
	sum := r.Uint32()
	c.data = r.Bytes()
	if c.offset < 0 || crc32.Checksum(c.data, castagnoli) != sum {
		r.Fail()
	}
	return c
}

func (r *frameReader) answer() answer {
	a := answer{code: answerCode(r.Byte()), id: r.Uint64(), value: r.Uvarint()}
	if a.code < answerAccept || a.code > lastAnswer {
		r.Fail()
	}
	return a
}
