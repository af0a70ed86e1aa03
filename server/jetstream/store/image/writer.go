package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	magic    = "NLSTRIMG"
	endMagic = "NLSTREND"
	version  = 1

	// headFixed is the part of the head in front of its body.
	headFixed = 24
	// maxBody bounds the body of a head, which is in memory as a whole.
	maxBody = 1 << 31
	// recordFixed is the part of a record in front of the length of its header, or of its
	// subject if it has none; headerFixed is that length.
	recordFixed = 30
	headerFixed = 4
	trailer     = len(endMagic) + sha256.Size
	// readAhead is how many bytes are made at once, or more by one message.
	readAhead = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer makes the image of a snapshot as it is read. It is an io.ReaderAt for one
// goroutine at a time. The snapshot belongs to the Writer.
type Writer struct {
	snapshot store.Snapshot
	extra    []byte
	// head is nil before there is a layout.
	head  []byte
	parts []part
	// end is where the records end.
	end int64

	// buf is what was made last, which begins at bufAt; next is the number behind its
	// last message, and in the part of.
	buf   []byte
	bufAt int64
	next  store.Seq
	of    int
	// hash has seen the first hashed bytes.
	hash   hash.Hash
	hashed int64
	// trailer is set once all that is in front is hashed.
	trailer []byte
	err     error
}

// part is some messages, whose records begin at a place.
type part struct {
	at    int64
	first store.Seq
}

var (
	errChanged = errors.New("store/image: the snapshot is not what it was")
	errTooLong = errors.New("store/image: too much to be kept beside the messages")
)

// New returns the image of a snapshot, with an extra that belongs to the caller and is
// not changed. Nothing is looked at before something is asked of the image.
func New(s store.Snapshot, extra []byte) *Writer {
	return &Writer{snapshot: s, extra: extra, hash: sha256.New()}
}

// layout finds out where everything is going to be.
func (w *Writer) layout() {
	if w.head != nil {
		return
	}
	size := int64(0)
	for _, p := range w.snapshot.Parts() {
		w.parts = append(w.parts, part{at: size, first: p.First})
		size += int64(p.Size)
	}
	h := header{state: w.snapshot.State(), records: uint64(size), extra: w.extra, losses: w.snapshot.Lost()}
	w.head, w.extra = h.append(nil), nil
	if len(w.head) > maxBody {
		w.err = errTooLong
	}
	for i := range w.parts {
		w.parts[i].at += int64(len(w.head))
	}
	w.end = size + int64(len(w.head))
	w.bufAt = w.end // nothing is there yet
	w.sum(0, w.head)
}

// Size is the length of the image.
func (w *Writer) Size() int64 {
	w.layout()
	return w.end + int64(trailer)
}

// Close lets go of the snapshot.
func (w *Writer) Close() error { return w.snapshot.Close() }

// Digest is a hash over the image: equal stores with an equal extra have the same one. Unless
// the image was read already it costs as much as that.
func (w *Writer) Digest() (d [sha256.Size]byte, err error) {
	w.layout()
	if err := w.finish(); err != nil {
		return d, err
	}
	return [sha256.Size]byte(w.trailer[len(endMagic):]), nil
}

// ReadAt implements io.ReaderAt. It is made to be read in order. After an error, but for
// io.EOF, the image is of no use any more.
func (w *Writer) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("store/image: negative offset")
	}
	w.layout()
	for n < len(p) {
		piece, err := w.at(off + int64(n))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], piece)
	}
	return n, nil
}

// at returns some bytes from a place on, at least one.
func (w *Writer) at(off int64) ([]byte, error) {
	switch {
	case w.err != nil:
		return nil, w.err
	case off >= w.Size():
		return nil, io.EOF
	case off >= w.end:
		if err := w.finish(); err != nil {
			return nil, err
		}
		return w.trailer[off-w.end:], nil
	case off < int64(len(w.head)):
		return w.head[off:], nil
	}
	if off < w.bufAt || off > w.bufAt+int64(len(w.buf)) {
		w.seek(off)
	}
	for off >= w.bufAt+int64(len(w.buf)) {
		if err := w.fill(); err != nil {
			w.err = err
			return nil, err
		}
	}
	return w.buf[off-w.bufAt:], nil
}

// seek goes to the part that has a place.
func (w *Writer) seek(off int64) {
	i, found := slices.BinarySearchFunc(w.parts, off, func(p part, off int64) int { return cmp.Compare(p.at, off) })
	if !found {
		i--
	}
	w.of, w.next = i, w.parts[i].first
	w.buf, w.bufAt = w.buf[:0], w.parts[i].at
}

// fill makes what follows on the buffer.
func (w *Writer) fill() error {
	w.bufAt += int64(len(w.buf))
	w.buf = w.buf[:0]
	for m, err := range w.snapshot.Messages(w.next) {
		if err != nil {
			return fmt.Errorf("store/image: %w", err)
		}
		for w.of+1 < len(w.parts) && w.parts[w.of+1].first <= m.Seq {
			if w.of++; w.parts[w.of].at != w.bufAt+int64(len(w.buf)) {
				return errChanged
			}
		}
		w.buf = appendRecord(w.buf, m)
		w.next = m.Seq + 1
		if len(w.buf) >= readAhead {
			break
		}
	}
	if end := w.bufAt + int64(len(w.buf)); len(w.buf) == 0 || end > w.end {
		return errChanged
	}
	w.sum(w.bufAt, w.buf)
	return nil
}

// sum hashes what was not hashed yet of what is at a place.
func (w *Writer) sum(at int64, b []byte) {
	if n := w.hashed - at; n >= 0 && n < int64(len(b)) {
		w.hash.Write(b[n:])
		w.hashed = at + int64(len(b))
	}
}

// finish makes the trailer, for which all that is in front has to be hashed.
func (w *Writer) finish() error {
	if w.trailer != nil {
		return nil
	}
	for w.hashed < w.end {
		if _, err := w.at(w.hashed); err != nil {
			return err
		}
		w.sum(w.bufAt, w.buf) // it may have been made before what is in front of it
	}
	w.trailer = w.hash.Sum([]byte(endMagic))
	return nil
}

// header is the head of an image.
type header struct {
	// Of state Messages, First, Last and LastTime count. records is the length of all
	// records.
	state   store.State
	records uint64
	extra   []byte
	losses  []store.Loss
}

// append encodes the head.
//
//	 0  8 bytes  NLSTRIMG
//	 8  u32      CRC32C of what follows in the head
//	12  u32      version
//	16  u64      length of the body
//	24           body
func (h *header) append(dst []byte) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, make([]byte, headFixed-len(magic))...)
	dst = pack.AppendUvarints(dst, h.state.Messages, h.records, uint64(h.state.First), uint64(h.state.Last))
	dst = binary.AppendVarint(dst, h.state.LastTime)
	dst = pack.AppendBytes(dst, h.extra)
	dst = binary.AppendUvarint(dst, uint64(len(h.losses)))
	for _, l := range h.losses {
		dst = pack.AppendUvarints(dst, uint64(l.First), uint64(l.Last), l.Bytes)
		dst = pack.AppendBytes(dst, l.Err.Error())
	}
	b := dst[start:]
	le.PutUint32(b[12:], version)
	le.PutUint64(b[16:], uint64(len(b)-headFixed))
	le.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return dst
}

// hasHeader is the flag of a record with a header.
const hasHeader = 1

// appendRecord encodes a message. Its length is the message's store.FileSize.
//
//	 0  u32  CRC32C of the rest
//	 4  u64  seq
//	12  i64  time
//	20  u32  data length
//	24  u16  subject length
//	26  u32  flags: 1 with header
//	30  u32  header length, only if there is one
//	         subject, header, data
func appendRecord(dst []byte, m *store.Message) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = le.AppendUint64(dst, uint64(m.Seq))
	dst = le.AppendUint64(dst, uint64(m.Time))
	dst = le.AppendUint32(dst, uint32(len(m.Data)))
	dst = le.AppendUint16(dst, uint16(len(m.Subject)))
	if len(m.Header) > 0 {
		dst = le.AppendUint32(dst, hasHeader)
		dst = le.AppendUint32(dst, uint32(len(m.Header)))
	} else {
		dst = le.AppendUint32(dst, 0)
	}
	dst = append(dst, m.Subject...)
	dst = append(dst, m.Header...)
	dst = append(dst, m.Data...)
	le.PutUint32(dst[start:], crc32.Checksum(dst[start+4:], castagnoli))
	return dst
}
