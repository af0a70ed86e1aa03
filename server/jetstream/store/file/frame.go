package file

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"

	"github.com/nats-lite/nats-lite/internal/seal"
)

const (
	frameHead = 40
	// maxFrame bounds what a frame may hold; the largest record fits.
	maxFrame = maxData + maxHeader + maxSubject + 1<<10
)

// frameKind says what a frame holds.
type frameKind uint8

const (
	frameRecords frameKind = iota + 1
	frameSlots
	frameSubjects
	frameDirectory
	frameIndex
)

const (
	frameS2 = 1 << iota
	frameSealed
)

// frame is the head of a frame: some bytes of a block that are read, verified,
// compressed and encrypted as a whole.
//
//	 0  u32  crc     CRC32C of the place and the bytes from 4 to the end with padding
//	 4  u32  stored  length of what follows the head
//	 8  u32  raw     length of what that is made of
//	12  u8   kind
//	13  u8   flags   1 compressed by S2, 2 encrypted
//	14  u16  0
//	16  u64  at      of records: their place in the block's sequence of records
//	24  12   nonce
//	36  u32  0
//	40       content, zeros up to a multiple of 8
type frame struct {
	crc         uint32
	stored, raw int
	kind        frameKind
	flags       uint8
	at          uint64
}

func (f *frame) length() int { return padded(frameHead + f.stored) }

// codec makes frames and opens them.
type codec struct {
	compress bool
	// aead encrypts; nil does not.
	aead cipher.AEAD
	rand io.Reader
	// scratch is where content is compressed.
	scratch []byte
}

// place says where a frame stands. Content that was moved or exchanged is not
// valid, also if somebody computes the checksums anew.
type place struct {
	store, block uint64
	off          int64
}

func (p place) seed() uint32 { return placeSeed(seedOf(p.store, p.block), p.off) }

// associated is what is authenticated together with encrypted content.
func (p place) associated(head []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, p.store)
	b = binary.LittleEndian.AppendUint64(b, p.block)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.off))
	return append(b, head[8:24]...)
}

// append encodes content as the frame of a place.
func (c *codec) append(dst []byte, p place, kind frameKind, at uint64, content []byte) ([]byte, error) {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, zeros[:frameHead]...)
	flags := uint8(0)
	raw := len(content)
	if c.compress && raw > 64 {
		if need := s2.MaxEncodedLen(raw); cap(c.scratch) < need {
			c.scratch = make([]byte, need)
		}
		// What saves less than a sixteenth is not worth the time of reading it.
		if packed := s2.Encode(c.scratch[:cap(c.scratch)], content); len(packed) < raw-raw/16 {
			content, flags = packed, frameS2
		}
	}
	head := dst[start:]
	head[12] = byte(kind)
	le.PutUint32(head[8:], uint32(raw))
	le.PutUint64(head[16:], at)
	if c.aead == nil {
		head[13] = flags
		dst = append(dst, content...)
	} else {
		head[13] = flags | frameSealed
		if _, err := io.ReadFull(c.rand, head[24:24+seal.NonceSize]); err != nil {
			return dst[:start], fmt.Errorf("no random bytes for a nonce: %w", err)
		}
		dst = c.aead.Seal(dst, head[24:24+seal.NonceSize], content, p.associated(head))
	}
	stored := len(dst) - start - frameHead
	dst = append(dst, zeros[:padded(stored)-stored]...)
	le.PutUint32(dst[start+4:], uint32(stored))
	le.PutUint32(dst[start:], crc32.Update(p.seed(), castagnoli, dst[start+4:]))
	return dst, nil
}

var (
	errFrame  = errors.New("no valid frame")
	errNoKey  = fmt.Errorf("it is encrypted: %w", seal.ErrKey)
	errSealed = errors.New("encrypted content is not authentic")
)

// parseFrame decodes a head without verifying it.
func parseFrame(b []byte) (f frame, ok bool) {
	le := binary.LittleEndian
	if len(b) < frameHead {
		return f, false
	}
	f = frame{
		crc: le.Uint32(b), stored: int(le.Uint32(b[4:])), raw: int(le.Uint32(b[8:])),
		kind: frameKind(b[12]), flags: b[13], at: le.Uint64(b[16:]),
	}
	ok = f.kind >= frameRecords && f.kind <= frameIndex && f.flags&^(frameS2|frameSealed) == 0 &&
		b[14] == 0 && b[15] == 0 && f.stored <= maxFrame+maxFrame/4 && f.raw <= maxFrame
	return f, ok
}

// verifyFrame decodes the head of a frame that begins at b and checks all of it,
// but for what is under a key.
func verifyFrame(b []byte, p place) (f frame, err error) {
	f, ok := parseFrame(b)
	if !ok || f.length() > len(b) || crc32.Update(p.seed(), castagnoli, b[4:f.length()]) != f.crc {
		return f, errFrame
	}
	return f, nil
}

// open returns the content of a frame that begins at b. It may be a part of b.
func (c *codec) open(b []byte, p place, kind frameKind) (content []byte, f frame, err error) {
	f, err = verifyFrame(b, p)
	if err != nil {
		return nil, f, err
	}
	if f.kind != kind {
		return nil, f, errFrame
	}
	content = b[frameHead : frameHead+f.stored]
	if f.flags&frameSealed != 0 {
		if c.aead == nil {
			return nil, f, errNoKey
		}
		content, err = c.aead.Open(nil, b[24:24+seal.NonceSize], content, p.associated(b))
		if err != nil {
			return nil, f, errSealed
		}
	}
	if f.flags&frameS2 != 0 {
		if n, err := s2.DecodedLen(content); err != nil || n != f.raw {
			return nil, f, errFrame
		}
		content, err = s2.Decode(nil, content)
		if err != nil {
			return nil, f, errFrame
		}
	}
	if len(content) != f.raw {
		return nil, f, errFrame
	}
	return content, f, nil
}
