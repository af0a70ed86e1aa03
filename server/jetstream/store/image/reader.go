package image

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Errors of reading an image. All are an ErrImage.
var (
	// ErrImage: it is not one that can be used.
	ErrImage = errors.New("store/image: not an image")
	// ErrVersion: it was made by a newer version.
	ErrVersion = fmt.Errorf("%w that this version knows", ErrImage)
	// ErrTruncated: it is shorter, or longer, than it should be.
	ErrTruncated = fmt.Errorf("%w: it has not the length that it says", ErrImage)
	// ErrDamaged: it is not what was written.
	ErrDamaged = fmt.Errorf("%w: damaged", ErrImage)
)

// Content is what is in an image. It implements store.Content.
type Content struct {
	r io.ReaderAt
	header
	// start is where the records begin, end where they end.
	start, end int64
	digest     [sha256.Size]byte
}

var _ store.Content = (*Content)(nil)

// Open reads the head of an image of a size. What was read is verified; the rest is when
// Messages reads it.
func Open(r io.ReaderAt, size int64) (*Content, error) {
	fixed := make([]byte, headFixed)
	if size < int64(headFixed+trailer) {
		return nil, ErrTruncated
	}
	if err := readFull(r, fixed, 0); err != nil {
		return nil, err
	}
	if string(fixed[:len(magic)]) != magic {
		return nil, ErrImage
	}
	if v := binary.LittleEndian.Uint32(fixed[12:]); v != version {
		return nil, fmt.Errorf("%w: version %d", ErrVersion, v)
	}
	length := binary.LittleEndian.Uint64(fixed[16:])
	if length > maxBody || int64(length) > size-int64(headFixed+trailer) {
		return nil, ErrTruncated
	}
	body := make([]byte, length)
	if err := readFull(r, body, headFixed); err != nil {
		return nil, err
	}
	sum := crc32.Update(crc32.Checksum(fixed[12:], castagnoli), castagnoli, body)
	if sum != binary.LittleEndian.Uint32(fixed[8:]) {
		return nil, fmt.Errorf("%w: its head", ErrDamaged)
	}
	c := &Content{r: r, start: headFixed + int64(length)}
	if !c.decode(body) {
		return nil, fmt.Errorf("%w: its head", ErrDamaged)
	}
	c.end = size - int64(trailer)
	if c.records != uint64(c.end-c.start) {
		return nil, ErrTruncated
	}
	last := make([]byte, trailer)
	if err := readFull(r, last, c.end); err != nil {
		return nil, err
	}
	if string(last[:len(endMagic)]) != endMagic {
		return nil, fmt.Errorf("%w: its end", ErrDamaged)
	}
	c.digest = [sha256.Size]byte(last[len(endMagic):])
	return c, nil
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return ErrTruncated
	default:
		return fmt.Errorf("store/image: %w", err)
	}
}

func (h *header) decode(b []byte) bool {
	in := pack.NewReader(b)
	s := &h.state
	s.Messages, h.records = in.Uvarint(), in.Uvarint()
	s.First, s.Last, s.LastTime = store.Seq(in.Uvarint()), store.Seq(in.Uvarint()), in.Varint()
	h.extra = bytes.Clone(in.Bytes())
	for range in.Count(4) {
		l := store.Loss{Range: store.Range{First: store.Seq(in.Uvarint()), Last: store.Seq(in.Uvarint())}, Bytes: in.Uvarint()}
		l.Err = store.KnownLoss(in.Bytes())
		h.losses = append(h.losses, l)
	}
	switch {
	case !in.End() || s.Last == math.MaxUint64:
		return false
	case s.Messages == 0:
		return h.records == 0 && (s.First == s.Last+1 || s.First == 0 && s.Last == 0)
	default:
		return s.First > 0 && s.First <= s.Last && s.Messages-1 <= uint64(s.Last-s.First) && h.records/recordFixed >= s.Messages
	}
}

// Extra is what was given with the snapshot.
func (c *Content) Extra() []byte { return c.extra }

// State implements store.Content.
func (c *Content) State() store.State { return c.state }

// Lost implements store.Content.
func (c *Content) Lost() []store.Loss { return slices.Clone(c.losses) }

// Messages implements store.Content. Whatever from is, all is read and verified. A
// message is given out before what follows is: the content is good if there is no error up to the end.
func (c *Content) Messages(from store.Seq) iter.Seq2[*store.Message, error] {
	return func(yield func(*store.Message, error) bool) {
		d := decoder{Content: c, hash: sha256.New(), left: c.end - c.start}
		d.in = bufio.NewReaderSize(io.NewSectionReader(c.r, 0, c.end), readAhead)
		if err := d.skipHead(); err != nil {
			yield(nil, err)
			return
		}
		for range c.state.Messages {
			err := d.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if d.m.Seq >= from && !yield(&d.m, nil) {
				return
			}
		}
		if err := d.finish(); err != nil {
			yield(nil, err)
		}
	}
}

// decoder goes over the records of an image.
type decoder struct {
	*Content
	in   *bufio.Reader
	hash hash.Hash
	// left is how many bytes of records there are behind the last one.
	left int64
	n    uint64
	m    store.Message
}

func (d *decoder) skipHead() error {
	if _, err := io.CopyN(d.hash, d.in, d.start); err != nil {
		return readError(err)
	}
	return nil
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return fmt.Errorf("store/image: %w", err)
}

func (d *decoder) damaged(what string) error {
	return fmt.Errorf("%w: record %d of %d: %s", ErrDamaged, d.n+1, d.state.Messages, what)
}

// next reads a record.
func (d *decoder) next() error {
	le := binary.LittleEndian
	fixed := recordFixed
	head, err := d.in.Peek(recordFixed)
	if err != nil {
		return readError(err)
	}
	flags := le.Uint32(head[26:])
	if flags > hasHeader {
		return d.damaged("its flags")
	}
	headerLen := 0
	if flags&hasHeader != 0 {
		fixed += headerFixed
		if head, err = d.in.Peek(fixed); err != nil {
			return readError(err)
		}
		if headerLen = int(le.Uint32(head[recordFixed:])); headerLen == 0 {
			return d.damaged("its header")
		}
	}
	subject, data := int(le.Uint16(head[24:])), int(le.Uint32(head[20:]))
	size := fixed + subject + headerLen + data
	if int64(size) > d.left {
		return d.damaged("its length")
	}
	raw := d.m.Buffer(size)
	if _, err := io.ReadFull(d.in, raw); err != nil {
		return readError(err)
	}
	if crc32.Checksum(raw[4:], castagnoli) != le.Uint32(raw) {
		return d.damaged("its checksum")
	}
	d.hash.Write(raw)
	before := d.m.Time
	seq := store.Seq(le.Uint64(raw[4:]))
	switch {
	case d.n == 0 && seq != d.state.First, d.n > 0 && seq <= d.m.Seq, seq > d.state.Last:
		return d.damaged("its number")
	case subject == 0:
		return d.damaged("its subject")
	}
	d.m.Seq, d.m.Time = seq, int64(le.Uint64(raw[12:]))
	if d.n > 0 && d.m.Time < before {
		return d.damaged("its time")
	}
	s := fixed + subject
	h := s + headerLen
	d.m.Subject, d.m.Header, d.m.Data = raw[fixed:s:s], raw[s:h:h], raw[h:]
	d.left -= int64(size)
	d.n++
	return nil
}

// finish verifies what can only be verified at the end.
func (d *decoder) finish() error {
	switch {
	case d.left > 0:
		return ErrTruncated
	case d.n > 0 && d.m.Time > d.state.LastTime, [sha256.Size]byte(d.hash.Sum(nil)) != d.digest:
		return fmt.Errorf("%w: its digest", ErrDamaged)
	}
	return nil
}
