package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	indexMagic  = "NLSTRIDX"
	indexHeader = 64
	maxIndex    = 1 << 31
	maxWrapped  = 1 << 12
	// indexBlock takes the place of a block's id where an index is a frame.
	indexBlock = math.MaxUint64
)

// indexHead is the part of an index that is never encrypted.
//
//	 0  8 bytes  NLSTRIDX
//	 8  u32      CRC32C of the bytes 12 to 64 and the wrapped key
//	12  u32      version
//	16  u64      store
//	24  u64      generation
//	32  u32      length of the wrapped data key
//	36  u8       cipher of the body
//	37           zeros
//	64           wrapped data key, zeros up to a multiple of 8, then a frame
type indexHead struct {
	store, generation uint64
	cipher            seal.Cipher
	wrapped           []byte
}

// indexBody is what a checkpoint keeps.
type indexBody struct {
	state     store.State
	nextBlock uint64
	extra     []byte
	losses    []store.Loss
	blocks    []blockState
}

// blockState is a block as of a checkpoint.
type blockState struct {
	b                   *block
	id                  uint64
	framed, compress    bool
	cipher              seal.Cipher
	base, last          store.Seq
	firstTime, lastTime int64
	n, live             int
	liveBytes           uint64
	end, written        int64
	sum                 uint32
	foot                footer
	renew, damaged      bool
	dead                *bitmap
}

// knownLoss is the error of a loss that a checkpoint has kept.
type knownLoss string

func (l knownLoss) Error() string { return string(l) }

// Unwrap makes it a store.ErrDamaged.
func (l knownLoss) Unwrap() error { return store.ErrDamaged }

var errIndex = errors.New("index is not valid")

func (h *indexHead) append(dst []byte) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, zeros[:indexHeader]...)
	b := dst[start:]
	copy(b, indexMagic)
	le.PutUint32(b[12:], version)
	le.PutUint64(b[16:], h.store)
	le.PutUint64(b[24:], h.generation)
	le.PutUint32(b[32:], uint32(len(h.wrapped)))
	b[36] = byte(h.cipher)
	dst = append(dst, h.wrapped...)
	dst = append(dst, zeros[:padded(len(h.wrapped))-len(h.wrapped)]...)
	le.PutUint32(dst[start+8:], crc32.Checksum(dst[start+12:], castagnoli))
	return dst
}

// decodeIndexHead decodes a head, and returns the frame behind it.
func decodeIndexHead(b []byte) (h indexHead, rest []byte, err error) {
	le := binary.LittleEndian
	if len(b) < indexHeader || string(b[:8]) != indexMagic {
		return h, nil, errIndex
	}
	wrapped := le.Uint32(b[32:])
	if wrapped > maxWrapped || len(b) < indexHeader+padded(int(wrapped)) {
		return h, nil, errIndex
	}
	end := indexHeader + padded(int(wrapped))
	if crc32.Checksum(b[12:end], castagnoli) != le.Uint32(b[8:]) {
		return h, nil, errIndex
	}
	if v := le.Uint32(b[12:]); v != version {
		return h, nil, fmt.Errorf("version %d is not known", v)
	}
	h = indexHead{store: le.Uint64(b[16:]), generation: le.Uint64(b[24:]), cipher: seal.Cipher(b[36])}
	if wrapped > 0 {
		h.wrapped = append([]byte(nil), b[indexHeader:indexHeader+int(wrapped)]...)
	}
	if !h.cipher.Valid() {
		return h, nil, errIndex
	}
	return h, b[end:], nil
}

func (h *indexHead) place() place {
	return place{h.store, indexBlock, int64(h.generation) * recordAlign}
}

// Flags of a block in an index.
const (
	blockFramed = 1 << iota
	blockCompressed
	blockSealed
	blockRenew
	blockDamaged
)

// append encodes a body: varints, unless said otherwise.
func (x *indexBody) append(dst []byte) []byte {
	u := func(v uint64) { dst = binary.AppendUvarint(dst, v) }
	i := func(v int64) { dst = binary.AppendVarint(dst, v) }
	st := &x.state
	u(st.Messages)
	u(st.Bytes)
	u(uint64(st.First))
	u(uint64(st.Last))
	i(st.FirstTime)
	i(st.LastTime)
	u(x.nextBlock)
	if x.extra == nil {
		u(0)
	} else {
		u(uint64(len(x.extra)) + 1)
		dst = append(dst, x.extra...)
	}
	u(uint64(len(x.losses)))
	for _, l := range x.losses {
		u(uint64(l.First))
		u(uint64(l.Last))
		u(l.Bytes)
		text := l.Err.Error()
		u(uint64(len(text)))
		dst = append(dst, text...)
	}
	u(uint64(len(x.blocks)))
	for k := range x.blocks {
		dst = x.blocks[k].append(dst)
	}
	return dst
}

func (b *blockState) append(dst []byte) []byte {
	u := func(v uint64) { dst = binary.AppendUvarint(dst, v) }
	flags := byte(0)
	for i, set := range []bool{b.framed, b.compress, b.foot.sealed(), b.renew, b.damaged} {
		if set {
			flags |= 1 << i
		}
	}
	u(b.id)
	dst = append(dst, flags, byte(b.cipher))
	u(uint64(b.base))
	u(uint64(b.last - b.base))
	u(uint64(b.n))
	u(uint64(b.live))
	u(b.liveBytes)
	dst = binary.AppendVarint(dst, b.firstTime)
	dst = binary.AppendVarint(dst, b.lastTime)
	u(uint64(b.end))
	u(uint64(b.written))
	dst = binary.LittleEndian.AppendUint32(dst, b.sum)
	if b.foot.sealed() {
		u(uint64(b.foot.start))
		u(uint64(b.foot.dir))
		u(uint64(b.foot.length))
		dst = binary.LittleEndian.AppendUint32(dst, b.foot.crc)
	}
	return b.dead.append(dst, b.n)
}

// decoder takes values off the front of an index.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() { d.b, d.err = nil, errIndex }

func (d *decoder) u() uint64 {
	v, k := binary.Uvarint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return v
}

func (d *decoder) i() int64 {
	v, k := binary.Varint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return v
}

// upTo takes a number that must not be above a limit.
func (d *decoder) upTo(limit uint64) uint64 {
	v := d.u()
	if v > limit {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func decodeIndexBody(b []byte) (*indexBody, error) {
	d := &decoder{b: b}
	x := &indexBody{}
	st := &x.state
	st.Messages, st.Bytes = d.u(), d.u()
	st.First, st.Last = store.Seq(d.u()), store.Seq(d.u())
	st.FirstTime, st.LastTime = d.i(), d.i()
	x.nextBlock = d.u()
	if n := d.u(); n > 0 {
		x.extra = append([]byte{}, d.bytes(n-1)...)
	}
	for range d.upTo(uint64(len(d.b))) {
		l := store.Loss{Range: store.Range{First: store.Seq(d.u()), Last: store.Seq(d.u())}, Bytes: d.u()}
		l.Err = knownLoss(d.bytes(d.u()))
		x.losses = append(x.losses, l)
		if d.err != nil {
			return nil, d.err
		}
	}
	for range d.upTo(uint64(len(d.b))) {
		var s blockState
		s.decode(d)
		if d.err != nil {
			return nil, d.err
		}
		if k := len(x.blocks) - 1; k >= 0 && s.base <= x.blocks[k].last || s.id >= x.nextBlock {
			return nil, errIndex
		}
		x.blocks = append(x.blocks, s)
	}
	if d.err != nil || len(d.b) > 0 {
		return nil, errIndex
	}
	return x, nil
}

func (b *blockState) decode(d *decoder) {
	b.id = d.u()
	kind := d.bytes(2)
	if d.err != nil {
		return
	}
	flags := kind[0]
	b.framed, b.compress = flags&blockFramed != 0, flags&blockCompressed != 0
	b.renew, b.damaged = flags&blockRenew != 0, flags&blockDamaged != 0
	b.cipher = seal.Cipher(kind[1])
	b.base = store.Seq(d.u())
	b.last = b.base + store.Seq(d.upTo(math.MaxUint32))
	b.n = int(d.upTo(maxOrdinal))
	b.live = int(d.upTo(uint64(b.n)))
	b.liveBytes = d.u()
	b.firstTime, b.lastTime = d.i(), d.i()
	b.end, b.written = int64(d.upTo(maxBlockEnd)), int64(d.upTo(2*maxBlockEnd))
	b.sum = d.u32()
	if flags&blockSealed != 0 {
		b.foot.start, b.foot.dir = int64(d.upTo(uint64(b.written))), int64(d.upTo(uint64(b.written)))
		b.foot.length = int(d.upTo(maxFrame))
		b.foot.crc = d.u32()
		if !b.foot.sealed() || b.foot.start > b.foot.dir {
			d.fail()
		}
	}
	if d.err != nil || flags >= 2*blockDamaged || !b.cipher.Valid() || b.n == 0 || uint64(b.last-b.base)+1 < uint64(b.n) ||
		b.base == 0 || b.last < b.base || b.end < blockHeader || b.n > int(b.end/recordHead) {
		d.fail()
		return
	}
	var err error
	if b.dead, d.b, err = decodeBitmap(d.b, b.n); err != nil || b.n-b.dead.count(0, b.n) != b.live {
		d.fail()
	}
}

// encode returns the whole file.
func (x *indexBody) encode(h *indexHead, c *codec) ([]byte, error) {
	return c.append(h.append(nil), h.place(), frameIndex, 0, x.append(nil))
}
