package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/nats-lite/nats-lite/internal/pack"
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
	st := &x.state
	dst = pack.AppendUvarints(dst, st.Messages, st.Bytes, uint64(st.First), uint64(st.Last))
	dst = binary.AppendVarint(dst, st.FirstTime)
	dst = binary.AppendVarint(dst, st.LastTime)
	dst = binary.AppendUvarint(dst, x.nextBlock)
	if x.extra == nil {
		dst = append(dst, 0)
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(x.extra))+1)
		dst = append(dst, x.extra...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(x.losses)))
	for _, l := range x.losses {
		dst = pack.AppendUvarints(dst, uint64(l.First), uint64(l.Last), l.Bytes)
		dst = pack.AppendBytes(dst, l.Err.Error())
	}
	dst = binary.AppendUvarint(dst, uint64(len(x.blocks)))
	for k := range x.blocks {
		dst = x.blocks[k].append(dst)
	}
	return dst
}

func (b *blockState) append(dst []byte) []byte {
	flags := byte(0)
	for i, set := range []bool{b.framed, b.compress, b.foot.sealed(), b.renew, b.damaged} {
		if set {
			flags |= 1 << i
		}
	}
	dst = binary.AppendUvarint(dst, b.id)
	dst = append(dst, flags, byte(b.cipher))
	dst = pack.AppendUvarints(dst, uint64(b.base), uint64(b.last-b.base), uint64(b.n), uint64(b.live), b.liveBytes)
	dst = binary.AppendVarint(dst, b.firstTime)
	dst = binary.AppendVarint(dst, b.lastTime)
	dst = pack.AppendUvarints(dst, uint64(b.end), uint64(b.written))
	dst = binary.LittleEndian.AppendUint32(dst, b.sum)
	if b.foot.sealed() {
		dst = pack.AppendUvarints(dst, uint64(b.foot.start), uint64(b.foot.dir), uint64(b.foot.length))
		dst = binary.LittleEndian.AppendUint32(dst, b.foot.crc)
	}
	return b.dead.append(dst, b.n)
}

func decodeIndexBody(b []byte) (*indexBody, error) {
	in := pack.NewReader(b)
	x := &indexBody{}
	st := &x.state
	st.Messages, st.Bytes = in.Uvarint(), in.Uvarint()
	st.First, st.Last = store.Seq(in.Uvarint()), store.Seq(in.Uvarint())
	st.FirstTime, st.LastTime = in.Varint(), in.Varint()
	x.nextBlock = in.Uvarint()
	if n := in.Uvarint(); n > 0 {
		x.extra = append([]byte{}, in.Take(n-1)...)
	}
	for range in.Count(4) {
		l := store.Loss{Range: store.Range{First: store.Seq(in.Uvarint()), Last: store.Seq(in.Uvarint())}, Bytes: in.Uvarint()}
		l.Err = store.KnownLoss(in.Bytes())
		x.losses = append(x.losses, l)
	}
	for range in.Count(1) {
		var s blockState
		s.decode(&in)
		if k := len(x.blocks) - 1; in.Bad() || k >= 0 && s.base <= x.blocks[k].last || s.id >= x.nextBlock {
			return nil, errIndex
		}
		x.blocks = append(x.blocks, s)
	}
	if !in.End() {
		return nil, errIndex
	}
	return x, nil
}

func (b *blockState) decode(in *pack.Reader) {
	b.id = in.Uvarint()
	flags := in.Byte()
	b.framed, b.compress = flags&blockFramed != 0, flags&blockCompressed != 0
	b.renew, b.damaged = flags&blockRenew != 0, flags&blockDamaged != 0
	b.cipher = seal.Cipher(in.Byte())
	b.base = store.Seq(in.Uvarint())
	b.last = b.base + store.Seq(in.UpTo(math.MaxUint32))
	b.n = int(in.UpTo(maxOrdinal))
	b.live = int(in.UpTo(uint64(b.n)))
	b.liveBytes = in.Uvarint()
	b.firstTime, b.lastTime = in.Varint(), in.Varint()
	b.end, b.written = int64(in.UpTo(maxBlockEnd)), int64(in.UpTo(2*maxBlockEnd))
	b.sum = in.Uint32()
	if flags&blockSealed != 0 {
		b.foot.start, b.foot.dir = int64(in.UpTo(uint64(b.written))), int64(in.UpTo(uint64(b.written)))
		b.foot.length = int(in.UpTo(maxFrame))
		b.foot.crc = in.Uint32()
		if !b.foot.sealed() || b.foot.start > b.foot.dir {
			in.Fail()
		}
	}
	if in.Bad() || flags >= 2*blockDamaged || !b.cipher.Valid() || b.n == 0 || uint64(b.last-b.base)+1 < uint64(b.n) ||
		b.base == 0 || b.last < b.base || b.end < blockHeader || b.n > int(b.end/recordHead) {
		in.Fail()
		return
	}
	if b.dead = decodeBitmap(in, b.n); b.n-b.dead.count(0, b.n) != b.live {
		in.Fail()
	}
}

// encode returns the whole file.
func (x *indexBody) encode(h *indexHead, c *codec) ([]byte, error) {
	return c.append(h.append(nil), h.place(), frameIndex, 0, x.append(nil))
}
