package file

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	// recordHead is the length of a record in front of its subject.
	recordHead = 40
	// recordAlign is what the places of records and frames are multiples of.
	recordAlign = 8
	// recordMark is in every record, so that a search for one has something to
	// look at before it computes checksums.
	recordMark = 0x4d52 // "RM"

	// maxOrdinal bounds the records of a block.
	maxOrdinal = 1 << 30

	maxSubject = math.MaxUint16
	maxHeader  = 1 << 26
	maxData    = 1 << 30
)

// record is the head of a record.
//
//	 0  u32  crc    CRC32C of the place, the bytes 8 to 40 and the subject
//	 4  u32  dcrc   CRC32C of the place, header, data and padding
//	 8  u64  seq
//	16  i64  time
//	24  u32  header length
//	28  u32  data length
//	32  u16  subject length
//	34  u16  mark
//	36  u32  ordinal
//	40       subject, header, data, zeros up to a multiple of 8
//
// The head is valid by itself, so that a message whose content is damaged can
// still be named, and so that a content can be erased without touching what
// the chain of a block is made of. By the ordinal, which counts the records of a
// block from 0, it is known how many are missing where some cannot be found.
type record struct {
	crc, dcrc, ordinal    uint32
	seq                   store.Seq
	time                  int64
	subject, header, data int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var zeros [4096]byte

// placeSeed is what checksums of a place in a block start from: content of
// another place, block or store is not valid there. Different places of a block
// have different seeds because the factor is odd.
func placeSeed(blockSeed uint32, at int64) uint32 {
	return blockSeed ^ uint32(at/recordAlign)*0x9e3779b1
}

// seedOf is the seed of a block.
func seedOf(storeID, block uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], storeID)
	binary.LittleEndian.PutUint64(b[8:], block)
	return crc32.Checksum(b[:], castagnoli)
}

// padded rounds up to a multiple of 8.
func padded(n int) int { return (n + recordAlign - 1) &^ (recordAlign - 1) }

// rawLen is the length of a record without padding.
func (r *record) rawLen() int { return recordHead + r.subject + r.header + r.data }

// fits reports whether a message can be a record.
func fits(m *store.Message) bool {
	return len(m.Subject) <= maxSubject && len(m.Header) <= maxHeader && len(m.Data) <= maxData
}

// appendRecord encodes a message for a place. It returns the checksum of the
// head, too.
func appendRecord(dst []byte, seed uint32, at int64, ordinal int, m *store.Message) ([]byte, uint32) {
	start := len(dst)
	dst, crc := appendRecordHead(dst, seed, at, ordinal, m)
	dst = append(dst, m.Header...)
	dst = append(dst, m.Data...)
	dst = append(dst, zeros[:padded(len(dst)-start)-(len(dst)-start)]...)
	content := dst[start+recordHead+len(m.Subject):]
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Update(placeSeed(seed, at), castagnoli, content))
	return dst, crc
}

// appendRecordHead encodes the head and the subject; the checksum of the content
// is left out.
func appendRecordHead(dst []byte, seed uint32, at int64, ordinal int, m *store.Message) ([]byte, uint32) {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, zeros[:recordHead]...)
	dst = append(dst, m.Subject...)
	h := dst[start:]
	le.PutUint64(h[8:], uint64(m.Seq))
	le.PutUint64(h[16:], uint64(m.Time))
	le.PutUint32(h[24:], uint32(len(m.Header)))
	le.PutUint32(h[28:], uint32(len(m.Data)))
	le.PutUint16(h[32:], uint16(len(m.Subject)))
	le.PutUint16(h[34:], recordMark)
	le.PutUint32(h[36:], uint32(ordinal))
	crc := crc32.Update(placeSeed(seed, at), castagnoli, h[8:])
	le.PutUint32(h, crc)
	return dst, crc
}

// decodeRecord decodes the head at the start of b, which was read from a place.
// It reports false if that is not the head of a record in that place, with its
// subject.
func decodeRecord(b []byte, seed uint32, at int64) (r record, ok bool) {
	le := binary.LittleEndian
	if len(b) < recordHead || le.Uint16(b[34:]) != recordMark {
		return r, false
	}
	r = record{
		crc: le.Uint32(b), dcrc: le.Uint32(b[4:]), ordinal: le.Uint32(b[36:]),
		seq: store.Seq(le.Uint64(b[8:])), time: int64(le.Uint64(b[16:])),
		header: int(le.Uint32(b[24:])), data: int(le.Uint32(b[28:])), subject: int(le.Uint16(b[32:])),
	}
	if r.seq == 0 || r.ordinal >= maxOrdinal || r.header > maxHeader || r.data > maxData || len(b) < recordHead+r.subject {
		return r, false
	}
	return r, crc32.Update(placeSeed(seed, at), castagnoli, b[8:recordHead+r.subject]) == r.crc
}

// checkContent reports whether the content of a record, which is what follows
// the subject, with its padding, is what was written.
func (r *record) checkContent(content []byte, seed uint32, at int64) bool {
	return crc32.Update(placeSeed(seed, at), castagnoli, content) == r.dcrc
}

// view makes m a view of a whole record, whose bytes are its own.
func (r *record) view(b []byte, m *store.Message) {
	s := recordHead + r.subject
	h := s + r.header
	d := h + r.data
	m.Seq, m.Time = r.seq, r.time
	m.Subject, m.Header, m.Data = b[recordHead:s:s], b[s:h:h], b[h:d:d]
}

// chain adds the checksum of a head to those in front of it. With the place in
// each checksum it says which records a block begins with.
func chain(sum, crc uint32) uint32 {
	// The CRC32C of four bytes, by hand: a slice of them would be an allocation.
	sum = ^sum
	for range 4 {
		sum = castagnoli[byte(sum)^byte(crc)] ^ sum>>8
		crc >>= 8
	}
	return ^sum
}

// erase zeroes the content of a record and makes it valid as such.
func (r *record) erase(b []byte, seed uint32, at int64) {
	content := b[recordHead+r.subject:]
	clear(content)
	binary.LittleEndian.PutUint32(b[4:], crc32.Update(placeSeed(seed, at), castagnoli, content))
}
