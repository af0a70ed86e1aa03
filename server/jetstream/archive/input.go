package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/s2"
)

// source is compressed data. It notes how much of it was read, and how it ended.
type source struct {
	r   io.Reader
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil // it will come again
	}
	if s.err == nil {
		s.err = err
	}
	return n, err
}

// input is what is in the compressed data.
type input struct {
	src source
	// plain reads src.
	plain *s2.Reader
	n     int64
	// failed is whether plain gave an error.
	failed bool
	// buf is what body has read last.
	buf []byte
}

// firstBlock is the size of compressed blocks that room is kept for from the start.
const firstBlock = 64 << 10

func (in *input) open(r io.Reader) {
	in.src.r = r
	in.plain = s2.NewReader(&in.src, s2.ReaderAllocBlock(firstBlock))
}

// ReadByte implements [io.ByteReader].
func (in *input) ReadByte() (byte, error) {
	b, err := in.plain.ReadByte()
	if err != nil {
		in.failed = true
		return 0, err
	}
	in.n++
	return b, nil
}

// head reads the head of an entry.
func (in *input) head(h *head) error {
	uvarint := func(err error) (uint64, error) {
		if err != nil {
			return 0, err
		}
		return binary.ReadUvarint(in)
	}
	var err error
	h.name, err = uvarint(nil)
	if err == nil {
		h.time, err = binary.ReadVarint(in)
	}
	h.seq, err = uvarint(err)
	h.header, err = uvarint(err)
	h.payload, err = uvarint(err)
	return in.explain(err)
}

// firstRead is how much room is made for bytes that have not come yet.
const firstRead = 64 << 10

// body reads n bytes. They are valid until the next call. Room is made as they come,
// so that who sends little cannot have much reserved.
func (in *input) body(n int) ([]byte, error) {
	b := in.buf[:0]
	for len(b) < n {
		step := min(n-len(b), max(firstRead, len(b), cap(b)-len(b)))
		b = slices.Grow(b, step)[:len(b)+step]
		got, err := io.ReadFull(in.plain, b[len(b)-step:])
		in.n += int64(got)
		if err != nil {
			in.failed = true
			return nil, in.explain(err)
		}
	}
	in.buf = b
	return b, nil
}

// atEnd is nil if there is nothing more.
func (in *input) atEnd() error {
	switch _, err := in.ReadByte(); {
	case err == nil:
		return errors.New("there is something behind it")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return in.explain(err)
	}
}

// sourceError is an error of the source itself: what has come is not to blame.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "archive: reading: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// explain says what is behind an error of reading. The decompression does not tell
// input that ends from input that is damaged.
func (in *input) explain(err error) error {
	switch {
	case err == nil || !in.failed:
		return err
	case in.src.err == nil:
		return fmt.Errorf("damaged in front of byte %d of what is compressed: %w", in.src.n, err)
	case errors.Is(in.src.err, io.EOF):
		return fmt.Errorf("cut off behind byte %d of what is compressed: %w", in.src.n, io.ErrUnexpectedEOF)
	default:
		return &sourceError{in.src.err}
	}
}
