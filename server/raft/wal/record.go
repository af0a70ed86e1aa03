package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/nats-lite/nats-lite/server/raft"
)

// kind says what a record is.
type kind uint8

const (
	// kindFlush begins what was written in one go. Its term and index are the
	// segment and offset up to which all was synced when it was written; its
	// group is 0, and its seq counts flushes.
	kindFlush kind = iota + 1
	// kindSegments lists the segments that the log consists of. Its group is 0.
	kindSegments
	kindReplica
	kindBase
	// kindHard has the term in term and the vote in index.
	kindHard
	kindEntry
	kindConf
	kindDelete
)

var kindNames = [...]string{
	kindFlush: "flush", kindSegments: "segments", kindReplica: "replica", kindBase: "base",
	kindHard: "hard", kindEntry: "entry", kindConf: "conf", kindDelete: "delete",
}

func (k kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

func (k kind) valid() bool { return k >= kindFlush && k <= kindDelete }

// ofGroup reports whether records of the kind belong to a group.
func (k kind) ofGroup() bool { return k >= kindReplica }

// isEntry reports whether the record is an entry; of a group's others it is
// said that they are its meta records.
func (k kind) isEntry() bool { return k == kindEntry || k == kindConf }

func entryKind(t raft.EntryType) kind {
	if t == raft.EntryConf {
		return kindConf
	}
	return kindEntry
}

func (k kind) entryType() raft.EntryType {
	if k == kindConf {
		return raft.EntryConf
	}
	return raft.EntryNormal
}

const (
	// flagMore: the write goes on with the next record; a torn tail is cut in
	// front of a write that is not whole.
	flagMore = 1 << iota
	// flagRewrite: the record is a copy of an older one, moved forward.
	flagRewrite
	// flagDrop: a base that no entry follows.
	flagDrop
	// flagSealed: the data is encrypted, by the key of the segment.
	flagSealed

	flagsKnown = flagMore | flagRewrite | flagDrop | flagSealed
)

const (
	// recordHeader is the length of a record's header. All records begin at
	// multiples of recordAlign, and are padded with zeros.
	recordHeader = 56
	recordAlign  = 8
	// maxData bounds the data of a record, maxEntry what an entry holds.
	maxData  = 1 << 30
	maxEntry = maxData - maxSealing
)

// record is the header of a record.
//
//	 0  u32  crc    CRC32C of the segment's seed and the bytes 4 to 56
//	 4  u32  dcrc   CRC32C of the data with its padding
//	 8  u32  size   of the data, without padding
//	12  u32  prev   crc of the record before this one
//	16  u32  at     the record's offset in the segment / 8
//	20  u8   kind
//	21  u8   flags
//	22  u16  meta   number of the group's records that are no entries, up to this one, mod 2^16
//	24  u64  group
//	32  u64  seq    number of the group's records up to this one
//	40  u64  term
//	48  u64  index
//	56       data
type record struct {
	crc, dcrc, size, prev uint32
	kind                  kind
	flags                 uint8
	meta                  uint16
	group, seq            uint64
	term, index           uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	padding     [recordAlign]byte
	emptyHeader [recordHeader]byte
)

// seedOf is what the checksums of a segment's records start from: a block of
// another segment, or of another log, is not valid here.
func seedOf(store, segment uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], store)
	binary.LittleEndian.PutUint64(b[8:], segment)
	return crc32.Checksum(b[:], castagnoli)
}

// padded returns the room that n bytes of data take.
func padded(n int) int64 { return (int64(n) + recordAlign - 1) &^ (recordAlign - 1) }

// recordSize returns the length of a record with n bytes of data.
func recordSize(n int) int64 { return recordHeader + padded(n) }

// appendRecord encodes a record that will stand at an offset of the segment
// with that seed and key (nil for none), and sets its size, dcrc and crc, and
// whether it is sealed.
func appendRecord(dst []byte, seed uint32, at int64, r *record, data []byte, key *segmentKey) []byte {
	sealed := key.seals(r.kind, len(data))
	r.size = uint32(key.stored(r.kind, len(data)))
	r.flags &^= flagSealed
	if sealed {
		r.flags |= flagSealed
	}
	start := len(dst)
	dst = append(dst, emptyHeader[:]...)
	h := dst[start:]
	le := binary.LittleEndian
	le.PutUint32(h[8:], r.size)
	le.PutUint32(h[12:], r.prev)
	le.PutUint32(h[16:], uint32(at/recordAlign))
	h[20], h[21] = byte(r.kind), r.flags
	le.PutUint16(h[22:], r.meta)
	le.PutUint64(h[24:], r.group)
	le.PutUint64(h[32:], r.seq)
	le.PutUint64(h[40:], r.term)
	le.PutUint64(h[48:], r.index)
	if sealed {
		dst = key.seal(dst, at, h, data)
	} else {
		dst = append(dst, data...)
	}
	dst = append(dst, padding[:padded(int(r.size))-int64(r.size)]...)
	h = dst[start:]
	r.dcrc = 0
	if r.size > 0 {
		r.dcrc = crc32.Checksum(h[recordHeader:], castagnoli)
	}
	le.PutUint32(h[4:], r.dcrc)
	r.crc = crc32.Update(seed, castagnoli, h[4:recordHeader])
	le.PutUint32(h, r.crc)
	return dst
}

// decodeRecord decodes the header at the start of b, which was read from an
// offset. It reports false if that is not the header of a record in that place.
func decodeRecord(b []byte, seed uint32, at int64) (r record, ok bool) {
	le := binary.LittleEndian
	if len(b) < recordHeader || le.Uint32(b[16:]) != uint32(at/recordAlign) || !kind(b[20]).valid() || b[21]&^flagsKnown != 0 {
		return r, false
	}
	r.crc = le.Uint32(b)
	if crc32.Update(seed, castagnoli, b[4:recordHeader]) != r.crc {
		return r, false
	}
	r.dcrc, r.size, r.prev = le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
	r.kind, r.flags, r.meta = kind(b[20]), b[21], le.Uint16(b[22:])
	r.group, r.seq = le.Uint64(b[24:]), le.Uint64(b[32:])
	r.term, r.index = le.Uint64(b[40:]), le.Uint64(b[48:])
	return r, r.size <= maxData && r.kind.ofGroup() == (r.group != 0) && r.indexFits()
}

// indexFits keeps sums of indexes and counts from running over.
func (r *record) indexFits() bool {
	return r.seq < 1<<62 && (r.index < 1<<62 || r.kind == kindHard || r.kind == kindFlush)
}

// checkData reports whether data, with its padding, is what the header says.
func (r *record) checkData(data []byte) bool {
	return int64(len(data)) == padded(int(r.size)) && (len(data) == 0 && r.dcrc == 0 || len(data) > 0 && crc32.Checksum(data, castagnoli) == r.dcrc)
}

// length returns the length of the whole record.
func (r *record) length() int64 { return recordSize(int(r.size)) }

const maxContacts = 1 << 16

func (r *Replica) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(r.Self))
	memory := uint32(0)
	if r.Memory {
		memory = 1
	}
	dst = le.AppendUint32(dst, memory)
	for _, n := range r.Contacts {
		dst = le.AppendUint32(dst, uint32(n))
	}
	return dst
}

func decodeReplica(b []byte) (r Replica, err error) {
	le := binary.LittleEndian
	if len(b) < 12 || len(b)%4 != 0 || len(b) > 12+4*maxContacts || le.Uint32(b[8:]) > 1 {
		return r, fmt.Errorf("replica of %d bytes is not valid", len(b))
	}
	r.Self, r.Memory = raft.PeerID(le.Uint64(b)), le.Uint32(b[8:]) == 1
	for b = b[12:]; len(b) > 0; b = b[4:] {
		r.Contacts = append(r.Contacts, raft.NodeID(le.Uint32(b)))
	}
	return r, nil
}

// appendBase encodes a base's data: the index of the last entry that follows
// it, and the configuration. A log whose older segments are gone cannot tell the
// former from entries alone.
func appendBase(dst []byte, b *raft.Base, last raft.Index) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(last))
	return b.Conf.Append(dst)
}

func decodeBase(data []byte) (conf raft.ConfState, last raft.Index, err error) {
	if len(data) < 8 {
		return conf, 0, fmt.Errorf("base of %d bytes is not valid", len(data))
	}
	conf, err = raft.DecodeConfState(data[8:])
	return conf, raft.Index(binary.LittleEndian.Uint64(data)), err
}

// appendSegments encodes a list of segments, in ascending order.
func appendSegments(dst []byte, numbers []uint64) []byte {
	for _, n := range numbers {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	return dst
}

func decodeSegments(data []byte) (numbers []uint64, err error) {
	if len(data)%8 != 0 {
		return nil, fmt.Errorf("list of segments of %d bytes is not valid", len(data))
	}
	for ; len(data) > 0; data = data[8:] {
		numbers = append(numbers, binary.LittleEndian.Uint64(data))
	}
	return numbers, nil
}
