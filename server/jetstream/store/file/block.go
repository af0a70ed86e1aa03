package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	blockMagic  = "NLSTRBLK"
	blockHeader = 64
	version     = 1

	blockSuffix = ".blk"
	indexSuffix = ".idx"
	// lostDir holds what was put aside.
	lostDir = "lost"

	// maxBlockEnd bounds what places in a block can be.
	maxBlockEnd = 1 << 34
)

// block is one file of records.
//
// Its writer is the goroutine that changes the store, and it alone changes the
// block, but for what Maintain does (sealing, and taking the block's place by
// another), under the same lock. So the writer reads without Store.mu.
type block struct {
	id     uint64
	serial uint64 // names it in the Cache
	path   string
	seed   uint32
	// framed: the records are in frames, compressed or encrypted; else one after
	// the other as they are.
	framed   bool
	compress bool
	cipher   seal.Cipher

	// What follows is changed under Store.write and Store.mu.

	// base and last are the numbers of the first and the last record, n is how many
	// there are, at the ordinals 0 to n-1.
	base, last          store.Seq
	n                   int
	firstTime, lastTime int64
	// end is the end of the sequence of records, sum the chain of their heads.
	end int64
	sum uint32
	// dead are the ordinals of those that are removed. It is replaced and not
	// changed while shared is set. live is how many are not in it, with liveBytes
	// together.
	dead      *bitmap
	live      int
	liveBytes uint64
	shared    atomic.Bool
	// written is the end of the file, frames where the records are in it if it
	// is framed and not sealed.
	written int64
	frames  []frameRef
	// mem is the index of a block that is not sealed, or whose footer is damaged;
	// foot the footer of one that is sealed.
	mem   *memIndex
	foot  footer
	bloom bloom
	// full: nothing is appended any more.
	full bool
	// gone: it is not part of the store any more. dropped is the generation of the
	// checkpoint before that.
	gone    bool
	dropped uint64
	// damaged: some of it is not what was written. It is left as it is.
	damaged bool
	// renew: it is to be written anew, whatever is live in it.
	renew bool

	// readTo is the end of the record that was read last.
	readTo atomic.Int64

	// pins counts who reads its file, or may want to.
	pins atomic.Int32

	// w is open while something is written that is not synced.
	w vfs.File
	// synced is up to where the file is. It belongs to Commit.
	synced int64
}

// frameRef says where a frame with records is.
type frameRef struct {
	// at is the place of its first record.
	at     int64
	off    int64
	length int
}

// footer says where the footer of a sealed block is. The zero value is none.
type footer struct {
	start int64 // of its first frame
	dir   int64 // of the frame of the directory
	// length and crc are those of the frame of the directory.
	length int
	crc    uint32
}

func (f *footer) sealed() bool { return f.length > 0 }

// dense reports whether no number between the first and the last is without
// record, so that ordinals follow from numbers.
func (b *block) dense() bool { return uint64(b.last-b.base)+1 == uint64(b.n) }

// index returns the ordinal of a number in a dense block.
func (b *block) ordinal(seq store.Seq) int { return int(seq - b.base) }

// kill marks a record as removed.
func (b *block) kill(ordinal int, size uint64) {
	b.own()
	b.dead.set(ordinal)
	b.live--
	b.liveBytes -= size
}

// own makes the set of removed records one that may be changed.
func (b *block) own() {
	if b.shared.Swap(false) || b.dead == nil {
		b.dead = b.dead.clone()
	}
}

// share returns the set of removed records for somebody who keeps it.
func (b *block) share() *bitmap {
	b.shared.Store(true)
	return b.dead
}

func blockName(id uint64) string { return fmt.Sprintf("%016x%s", id, blockSuffix) }

func indexName(generation uint64) string { return fmt.Sprintf("%016x%s", generation, indexSuffix) }

// parseName returns the number that the name of a file stands for.
func parseName(name, suffix string) (n uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 || strings.ToLower(digits) != digits {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil
}

func (b *block) appendHeader(dst []byte, storeID uint64) []byte {
	start := len(dst)
	dst = append(dst, zeros[:blockHeader]...)
	h := dst[start:]
	copy(h, blockMagic)
	le := binary.LittleEndian
	le.PutUint32(h[12:], version)
	le.PutUint64(h[16:], storeID)
	le.PutUint64(h[24:], b.id)
	if b.framed {
		h[32] = 1
	}
	le.PutUint32(h[8:], crc32.Checksum(h[12:], castagnoli))
	return dst
}

var errHeader = errors.New("header is not valid")

// checkHeader returns an error if the header of a file is not that of a block of
// the store.
func checkHeader(h []byte, storeID, id uint64) error {
	le := binary.LittleEndian
	switch {
	case len(h) < blockHeader || string(h[:8]) != blockMagic || le.Uint32(h[8:]) != crc32.Checksum(h[12:blockHeader], castagnoli):
		return errHeader
	case le.Uint32(h[12:]) != version:
		return fmt.Errorf("version %d is not known", le.Uint32(h[12:]))
	case le.Uint64(h[16:]) != storeID || le.Uint64(h[24:]) != id:
		return fmt.Errorf("it is block %x of store %016x", le.Uint64(h[24:]), le.Uint64(h[16:]))
	}
	return nil
}

func (s *Store) newBlock(id uint64) *block {
	return &block{
		id: id, serial: s.cache.serials.Add(1), path: filepath.Join(s.cfg.Dir, blockName(id)), seed: seedOf(s.id, id),
	}
}
