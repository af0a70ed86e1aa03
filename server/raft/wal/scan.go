package wal

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// scan is what a segment was found to hold: all records that are what was
// written, wherever they are, and what lies between them.
type scan struct {
	number    uint64
	size      int64
	header    segmentHeader
	headerErr error
	// keyed is whether the key of the segment is known, if it has one.
	keyed  bool
	groups map[uint64]*scanGroup
	// records counts them, by kind.
	records [kindDelete + 1]uint64
	// bad are the parts that hold no valid record, in order. The last one is
	// what is behind the last record, and may be empty. An empty one elsewhere is a
	// record that does not follow the one before it.
	bad []badSpan
	// damaged are records of which only the header is valid. Each is in bad.
	damaged []damagedRecord
	// tail is the end of the last valid record, chain its crc.
	tail  int64
	chain uint32
	// synced has, by segment, up to where flushes say that it was synced.
	synced    map[uint64]int64
	flushSeq  uint64
	manifests []manifest
	// unreadable are parts that the file system cannot read.
	unreadable []span
}

// badSpan is a part of a segment without valid records.
type badSpan struct {
	span
	// unit is where the write begins that is cut off by the span; the span's
	// start if none is.
	unit int64
	// known is set if it is one record with a valid header.
	known bool
}

type damagedRecord struct {
	record
	at int64
}

type manifest struct {
	at       position
	segments []uint64
}

// scanGroup is what a segment holds of a group.
type scanGroup struct {
	runs []scanRun
	// places are those of the entries of all runs.
	places []place
	// metas are the other records, and confs the entries with configurations,
	// which are in runs, too.
	metas, confs []scanRecord
	// last is the offset of the last record that is no copy of an older one.
	last int64
}

// scanRun is a run of entries as they are in a segment: the first is at
// scanGroup.places[from].
type scanRun struct {
	run
	meta    uint16
	count   int
	from    int
	rewrite bool
}

type place struct{ off8, size uint32 }

type scanRecord struct {
	record
	at   int64
	data []byte
}

const (
	scanChunk = 1 << 20
	pageSize  = 4096
)

// scanSegment reads a segment up to a limit, or to its end if that is 0. Keyed is
// whether the segment's key is known from elsewhere, should its header be damaged. An
// error is one of opening the file.
func scanSegment(fs vfs.FS, path string, store, number uint64, limit int64, keyed bool) (_ *scan, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	s := &scan{number: number, size: size, groups: make(map[uint64]*scanGroup), synced: make(map[uint64]int64), tail: segmentStart}
	if limit == 0 || limit > size {
		limit = size
	}
	w := &window{f: f, size: size}
	if s.header, s.headerErr = decodeSegmentHeader(w.peek(0, min(size, segmentStart))); s.headerErr == nil &&
		(s.header.segment != number || s.header.store != store) {
		s.headerErr = errors.New("header of another segment")
	}
	s.keyed = keyed || s.headerErr == nil && s.header.key != nil
	s.read(w, seedOf(store, number), limit)
	s.unreadable = w.unreadable
	return s, nil
}

// read goes through the records.
func (s *scan) read(w *window, seed uint32, limit int64) {
	at := int64(segmentStart)
	chain, chained := s.header.chain, s.headerErr == nil
	s.chain = chain
	unit := at
	bad := func(from, to int64, known bool) {
		s.bad = append(s.bad, badSpan{span{from, to}, unit, known})
		unit = to
	}
	for at+recordHeader <= limit {
		r, ok := decodeRecord(w.peek(at, recordHeader), seed, at)
		if !ok {
			next := w.resync(at+recordAlign, limit, seed)
			bad(at, next, false)
			if at, chained = next, false; next == limit {
				return
			}
			continue
		}
		if chained && r.prev != chain {
			bad(at, at, false)
		}
		end := at + r.length()
		chain, chained = r.crc, true
		// Without its key what is encrypted is as good as lost.
		if end > limit || r.flags&flagSealed != 0 && !s.keyed || !r.checkData(w.peek(at+recordHeader, end-at-recordHeader)) {
			s.damaged = append(s.damaged, damagedRecord{r, at})
			end = min(end, limit)
			bad(at, end, true)
			at = end
			continue
		}
		s.add(&r, at, w)
		at = end
		s.tail, s.chain = at, chain
		if r.flags&flagMore == 0 {
			unit = at
		}
	}
	bad(at, max(at, limit), false)
}

// add takes note of a valid record.
func (s *scan) add(r *record, at int64, w *window) {
	s.records[r.kind]++
	data := func() []byte { return slices.Clone(w.peek(at+recordHeader, int64(r.size))) }
	switch r.kind {
	case kindFlush:
		if r.index <= maxSegment {
			s.synced[r.term] = max(s.synced[r.term], int64(r.index))
		}
		s.flushSeq = max(s.flushSeq, r.seq)
		return
	case kindSegments:
		if numbers, err := decodeSegments(data()); err == nil {
			s.manifests = append(s.manifests, manifest{position{s.number, at}, numbers})
		}
		return
	}
	g := s.groups[r.group]
	if g == nil {
		g = &scanGroup{}
		s.groups[r.group] = g
	}
	rewrite := r.flags&flagRewrite != 0
	if !rewrite {
		g.last = at
	}
	if !r.kind.isEntry() {
		g.metas = append(g.metas, scanRecord{*r, at, data()})
		return
	}
	if r.kind == kindConf {
		g.confs = append(g.confs, scanRecord{*r, at, data()})
	}
	g.places = append(g.places, place{uint32(at / recordAlign), r.size})
	if n := len(g.runs); n > 0 {
		if l := &g.runs[n-1]; l.term == r.term && l.meta == r.meta && l.rewrite == rewrite &&
			l.seq+uint64(l.count) == r.seq && l.index+uint64(l.count) == r.index {
			l.count++
			return
		}
	}
	g.runs = append(g.runs, scanRun{run: run{r.index, r.term, r.seq}, meta: r.meta, count: 1, from: len(g.places) - 1, rewrite: rewrite})
}

// window reads a file through a buffer. What cannot be read is zeros, and
// taken note of.
type window struct {
	f          io.ReaderAt
	size       int64
	buf        []byte
	off        int64
	unreadable []span
}

// peek returns n bytes at an offset, valid until the next call. What is behind
// the end of the file is zeros.
func (w *window) peek(at, n int64) []byte {
	if at < w.off || at+n > w.off+int64(len(w.buf)) {
		size := max(n, min(scanChunk, max(w.size-at, 0)))
		if int64(cap(w.buf)) < size {
			w.buf = make([]byte, max(size, min(scanChunk, w.size)))
		}
		w.buf, w.off = w.buf[:size], at
		w.fill()
	}
	return w.buf[at-w.off : at-w.off+n]
}

func (w *window) fill() {
	known := w.buf[:max(0, min(int64(len(w.buf)), w.size-w.off))]
	clear(w.buf[len(known):])
	if readFull(w.f, known, w.off) == nil {
		return
	}
	// One sector that cannot be read is not to hide what is around it.
	for at := 0; at < len(known); {
		n := min(len(known)-at, pageSize-int((w.off+int64(at))%pageSize))
		page := known[at : at+n]
		err := readFull(w.f, page, w.off+int64(at))
		if err != nil {
			err = readFull(w.f, page, w.off+int64(at))
		}
		if err != nil {
			clear(page)
			w.lost(span{w.off + int64(at), w.off + int64(at+n)})
		}
		at += n
	}
}

func (w *window) lost(s span) {
	if n := len(w.unreadable); n > 0 && w.unreadable[n-1].to >= s.from {
		w.unreadable[n-1].to = max(w.unreadable[n-1].to, s.to)
		return
	}
	w.unreadable = append(w.unreadable, s)
}

// resync returns where the next record header is that belongs where it is, or
// limit.
func (w *window) resync(at, limit int64, seed uint32) int64 {
	for at+recordHeader <= limit {
		n := min(limit-at, scanChunk)
		b := w.peek(at, n)
		for i := int64(0); i+recordHeader <= n; i += recordAlign {
			if binary.LittleEndian.Uint32(b[i+16:]) != uint32((at+i)/recordAlign) {
				continue
			}
			if _, ok := decodeRecord(b[i:], seed, at+i); ok {
				return at + i
			}
		}
		if at+n == limit {
			break
		}
		at += (n - recordHeader + recordAlign) &^ (recordAlign - 1)
	}
	return limit
}
