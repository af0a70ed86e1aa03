package seqset

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrInvalid says that bytes are not the encoding of a set.
var ErrInvalid = errors.New("seqset: invalid encoding")

const (
	version = 1

	headSize   = 8
	runSize    = 4
	bitmapSize = chunkSize / 8

	// Kinds of chunks; those between are numbers of runs.
	kindSpan   = 0
	kindBitmap = 0xffff

	// maxChunk is the highest number of a chunk.
	maxChunk = 1<<(64-chunkBits) - 1
)

// Append appends the encoding of the set. Equal sets have the same.
func (s *Set) Append(dst []byte) []byte {
	dst = append(dst, version)
	for i := range s.chunks {
		dst = s.chunks[i].append(dst)
	}
	return dst
}

func (c *chunk) append(dst []byte) []byte {
	kind := uint64(c.pieces)
	switch {
	case c.isSpan():
		kind = kindSpan
	case c.pieces > maxRuns:
		kind = kindBitmap
	}
	dst = binary.LittleEndian.AppendUint64(dst, c.first<<chunkBits|kind)
	switch kind {
	case kindSpan:
		return binary.LittleEndian.AppendUint64(dst, c.last)
	case kindBitmap:
		for _, w := range c.bits {
			dst = binary.LittleEndian.AppendUint64(dst, w)
		}
		return dst
	}
	for first, last := range c.all() {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(first))
		dst = binary.LittleEndian.AppendUint16(dst, uint16(last))
	}
	return dst
}

// Decode returns the set that b, all of it, is the encoding of. Nothing of b is
// kept. The error is an ErrInvalid.
func Decode(b []byte) (Set, error) {
	if len(b) == 0 || b[0] != version {
		return Set{}, fmt.Errorf("%w: not of version %d", ErrInvalid, version)
	}
	var s Set
	for rest := b[1:]; len(rest) > 0; {
		c, n, err := decodeChunk(rest)
		if err == nil {
			err = s.append(c)
		}
		if err != nil {
			return Set{}, fmt.Errorf("%w: %w at %d", ErrInvalid, err, len(b)-len(rest))
		}
		rest = rest[n:]
	}
	return s, nil
}

// What is wrong with an encoding.
var (
	errShort = errors.New("cut off")
	errOrder = errors.New("chunks out of order")
	errRuns  = errors.New("runs out of order")
	errForm  = errors.New("a chunk in the wrong form")
)

// append adds a chunk behind the last one.
func (s *Set) append(c chunk) error {
	if n := len(s.chunks); n > 0 {
		last := &s.chunks[n-1]
		if c.first <= last.last {
			return errOrder
		}
		if c.isSpan() && last.isSpan() && c.first == last.last+1 {
			return errForm
		}
	}
	s.chunks = append(s.chunks, c)
	s.len += c.size()
	return nil
}

// decodeChunk returns the chunk that b begins with, and its length.
func decodeChunk(b []byte) (c chunk, n int, err error) {
	if len(b) < headSize {
		return chunk{}, 0, errShort
	}
	head := binary.LittleEndian.Uint64(b)
	kind := int(head % chunkSize)
	c.first = head >> chunkBits
	c.last = c.first
	switch b = b[headSize:]; {
	case kind == kindSpan:
		n = 8
	case kind == kindBitmap:
		n = bitmapSize
	case kind <= maxRuns:
		n = runSize * kind
	default:
		return chunk{}, 0, errForm
	}
	if len(b) < n {
		return chunk{}, 0, errShort
	}
	switch b = b[:n]; kind {
	case kindSpan:
		c.last = binary.LittleEndian.Uint64(b)
		if c.last < c.first || c.last > maxChunk {
			return chunk{}, 0, errOrder
		}
	case kindBitmap:
		err = c.decodeBits(b)
	default:
		err = c.decodeRuns(b)
	}
	return c, headSize + n, err
}

func (c *chunk) decodeBits(b []byte) error {
	c.bits = new([words]uint64)
	for i := range c.bits {
		c.bits[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	if c.recount(); c.pieces <= maxRuns {
		return errForm
	}
	return nil
}

func (c *chunk) decodeRuns(b []byte) error {
	c.runs = make([]run, len(b)/runSize)
	for i := range c.runs {
		r := run{binary.LittleEndian.Uint16(b[runSize*i:]), binary.LittleEndian.Uint16(b[runSize*i+2:])}
		if r.last < r.first || i > 0 && int(r.first) <= int(c.runs[i-1].last)+1 {
			return errRuns
		}
		c.runs[i] = r
		c.count += r.len()
	}
	c.pieces = uint32(len(c.runs))
	if c.count == chunkSize {
		return errForm
	}
	return nil
}
