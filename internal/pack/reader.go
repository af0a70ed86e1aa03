package pack

import "encoding/binary"

// Reader takes values off the front of bytes. At the first that is not there it
// turns bad: then nothing is left, and all that it gives is zero. So it is enough to
// ask once, behind the last value. A copy goes on from where the original was, apart
// from it. The zero value has nothing to read.
//
// Parts are views of the input. They have no room behind them, so that appending to
// one leaves what follows as it is.
type Reader struct {
	b   []byte
	at  int
	bad bool
}

// NewReader returns a reader of b, which must not change as long as it is read.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Fail makes the reader bad, for who finds that a value cannot be right.
func (r *Reader) Fail() { r.at, r.bad = len(r.b), true }

// Bad reports whether something was not there, or not right.
func (r *Reader) Bad() bool { return r.bad }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.b) - r.at }

// End reports whether all was there, and nothing else.
func (r *Reader) End() bool { return !r.bad && r.at == len(r.b) }

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if r.at == len(r.b) {
		r.Fail()
		return 0
	}
	v := r.b[r.at]
	r.at++
	return v
}

// Bool reads a byte that is 0 or 1.
func (r *Reader) Bool() bool {
	v := r.Byte()
	if v > 1 {
		r.Fail()
	}
	return v == 1
}

// Uint16 reads two bytes, little endian.
func (r *Reader) Uint16() uint16 {
	if b := r.Take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// Uint32 reads four bytes, little endian.
func (r *Reader) Uint32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads eight bytes, little endian.
func (r *Reader) Uint64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Uvarint reads a varint. It takes what [binary.Uvarint] takes.
func (r *Reader) Uvarint() uint64 {
	// One loop is twice as fast as calling that and looking at what came of it. The
	// shifts are below 64, but the compiler does not know.
	v, shift := uint64(0), uint(0)
	for i, b := range r.b[r.at:] {
		if b < 0x80 {
			if i >= binary.MaxVarintLen64-1 && (i >= binary.MaxVarintLen64 || b > 1) {
				break
			}
			r.at += i + 1
			return v | uint64(b)<<(shift&63)
		}
		v |= uint64(b&0x7f) << (shift & 63)
		shift += 7
	}
	r.Fail()
	return 0
}

// Varint reads a varint with a sign.
func (r *Reader) Varint() int64 {
	v := r.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// UpTo reads a varint that must not be above a limit.
func (r *Reader) UpTo(limit uint64) uint64 {
	v := r.Uvarint()
	if v > limit {
		r.Fail()
		return 0
	}
	return v
}

// Count reads how many things follow, as a varint. As each takes at least size bytes,
// there cannot be more of them than there is room for: it is safe to allocate as many.
func (r *Reader) Count(size int) int {
	n := r.Uvarint()
	if n > uint64(r.Len()/size) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Take reads n bytes. It returns nil for none, which keeps nothing of the input.
func (r *Reader) Take(n uint64) []byte {
	if n > uint64(r.Len()) {
		r.Fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	end := r.at + int(n)
	v := r.b[r.at:end:end]
	r.at = end
	return v
}

// Bytes reads a length, as a varint, and as many bytes.
func (r *Reader) Bytes() []byte { return r.Take(r.Uvarint()) }

// Rest reads all that is left.
func (r *Reader) Rest() []byte { return r.Take(uint64(r.Len())) }
