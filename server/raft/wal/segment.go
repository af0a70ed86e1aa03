package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// position is a place in the log.
type position struct {
	segment uint64
	offset  int64
}

func (p position) before(o position) bool {
	return p.segment < o.segment || p.segment == o.segment && p.offset < o.offset
}

func maxPosition(a, b position) position {
	if a.before(b) {
		return b
	}
	return a
}

// loc is where a record is, and how much data it has. The zero loc is nowhere:
// the record is lost.
type loc struct {
	segment uint32
	off8    uint32 // offset / recordAlign
	size    uint32
}

func makeLoc(segment uint64, offset int64, size int) loc {
	return loc{uint32(segment), uint32(offset / recordAlign), uint32(size)}
}

func (l loc) none() bool    { return l.off8 == 0 }
func (l loc) offset() int64 { return int64(l.off8) * recordAlign }
func (l loc) length() int64 { return recordSize(int(l.size)) }

// segmentHeader is the first page of a segment.
//
//	 0  8 bytes  "NLRAFTWL"
//	 8  u32      CRC32C of the page from byte 12 on
//	12  u32      version, 1, or 2 of a segment with a key
//	16  u64      store
//	24  u64      segment
//	32  u64      number of the segment before, 0 if there is none
//	40  u64      end of the segment before
//	48  u32      crc of the last record of the segment before
//	52  u32      incarnation of the store
//	56           in version 2: the key of the segment, as segmentKey
//	             zeros
//
// A valid header says that the segment before is synced up to its end, and
// that nothing behind that end counts.
type segmentHeader struct {
	store, segment uint64
	incarnation    uint32
	prev           position
	chain          uint32
	// key is nil if entries are in clear.
	key *segmentKey
}

const (
	// segmentStart is where records begin.
	segmentStart = 4096
	// maxSegment is what offsets in a loc and in records can tell.
	maxSegment    = 1 << 34
	formatVersion = 1
	// keyedVersion is that of segments with a key and of their sidecars.
	keyedVersion = 2
	segmentKeyAt = 56
)

var segmentMagic = []byte("NLRAFTWL")

func (h *segmentHeader) encode() []byte {
	b := make([]byte, segmentStart)
	copy(b, segmentMagic)
	le := binary.LittleEndian
	le.PutUint32(b[12:], formatVersion)
	le.PutUint64(b[16:], h.store)
	le.PutUint64(b[24:], h.segment)
	le.PutUint64(b[32:], h.prev.segment)
	le.PutUint64(b[40:], uint64(h.prev.offset))
	le.PutUint32(b[48:], h.chain)
	le.PutUint32(b[52:], h.incarnation)
	if h.key != nil {
		le.PutUint32(b[12:], keyedVersion)
		h.key.encode(b[segmentKeyAt:])
	}
	le.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return b
}

// errVersion is a file in a format that is newer than this program.
var errVersion = errors.New("written by a newer version")

func decodeSegmentHeader(b []byte) (h segmentHeader, err error) {
	le := binary.LittleEndian
	if len(b) < segmentStart || !bytes.Equal(b[:8], segmentMagic) || le.Uint32(b[8:]) != crc32.Checksum(b[12:segmentStart], castagnoli) {
		return h, errors.New("no valid header")
	}
	switch v := le.Uint32(b[12:]); v {
	case formatVersion:
	case keyedVersion:
		if h.key, err = decodeSegmentKey(b[segmentKeyAt:]); err != nil {
			return h, err
		}
	default:
		return h, fmt.Errorf("format %d: %w", v, errVersion)
	}
	h.store, h.segment = le.Uint64(b[16:]), le.Uint64(b[24:])
	h.prev = position{le.Uint64(b[32:]), int64(le.Uint64(b[40:]))}
	h.chain, h.incarnation = le.Uint32(b[48:]), le.Uint32(b[52:])
	return h, nil
}

// segment is a segment that is part of the open log.
type segment struct {
	number uint64
	seed   uint32
	path   string
	// key encrypts entries; nil if they are in clear. stale is set if it, or that
	// there is none, is not as Config.Keys want it: what is needed is moved forward.
	key   *segmentKey
	stale bool
	// live are the bytes of records that are still needed.
	live atomic.Int64
	// pins counts damage that keeps the segment as it is.
	pins atomic.Int32
	// keep is set when something was found to be wrong with it.
	keep atomic.Bool
	// disk is how long the file is.
	disk atomic.Int64

	// Belong to whoever flushes:
	size  int64  // of the file
	end   int64  // behind the last record
	chain uint32 // crc of the last record
	// synced is up to where the segment is known to be on disk, wiped up to where
	// there are zeros behind the end.
	synced, wiped int64
	// closed is set after a write that did not fit: what is behind end is
	// rubbish, and nothing can follow it.
	closed bool

	mu sync.Mutex
	f  vfs.File
	// users reads; the file of a removed segment is closed behind the last.
	users   int
	removed bool
}

// acquire returns the file for reading, or nil if the segment is removed.
func (s *segment) acquire() vfs.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removed || s.f == nil {
		return nil
	}
	s.users++
	return s.f
}

func (s *segment) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	return s.closeLocked()
}

// remove lets go of the file.
func (s *segment) remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = true
	return s.closeLocked()
}

func (s *segment) closeLocked() error {
	if !s.removed || s.users > 0 || s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}

func sidecarName(n uint64) string { return fmt.Sprintf("%016x.idx", n) }

func (l *Log) segmentPath(n uint64) string { return filepath.Join(l.cfg.Dir, segmentName(n)) }
func (l *Log) sidecarPath(n uint64) string { return filepath.Join(l.cfg.Dir, sidecarName(n)) }

// createSegment makes an empty segment with room reserved, whose name is
// durable. It has no header yet. After an error nothing is left of it, or so it
// was tried.
func (l *Log) createSegment(n uint64, size int64) (s *segment, err error) {
	if n > 1<<32-1 || size > maxSegment {
		return nil, fmt.Errorf("wal: segment %d of %d bytes is beyond the format", n, size)
	}
	key, err := newSegmentKey(l.cfg.Keys, l.store.id, n)
	if err != nil {
		return nil, err
	}
	path := l.segmentPath(n)
	f, err := l.cfg.FS.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// An empty segment does not count, if it cannot be removed either.
			err = errors.Join(err, f.Close())
			_ = l.cfg.FS.Remove(path)
		}
	}()
	if err = f.Preallocate(size); err != nil {
		return nil, err
	}
	// The room is to be durable before it is used, or the first SyncData has
	// to write the file's metadata.
	if err = f.Sync(); err != nil {
		return nil, err
	}
	if err = vfs.SyncDir(l.cfg.FS, l.cfg.Dir); err != nil {
		return nil, err
	}
	return &segment{number: n, seed: seedOf(l.store.id, n), path: path, key: key, size: size, end: segmentStart, f: f}, nil
}

// readFull reads len(p) bytes at an offset. What is behind the end of the file
// is an io.ErrUnexpectedEOF.
func readFull(f io.ReaderAt, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return err
	}
}
