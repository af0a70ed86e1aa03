package file

import (
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// scanTarget is a block whose records are to be read, as it was at one moment.
type scanTarget struct {
	*block
	store      uint64
	n          int
	base, last store.Seq
	// end is that of the sequence of records, written that of the part of the file
	// that they are in, fileEnd that of the file, with the footer if there is one.
	end, written, fileEnd int64
	foot                  footer
	firstTime             int64
	sum                   uint32
}

// scanTargetLocked returns a block as it is.
func (s *Store) scanTargetLocked(b *block) scanTarget {
	t := scanTarget{
		block: b, store: s.id, n: b.n, base: b.base, last: b.last, end: b.end, written: b.written, fileEnd: b.written,
		foot: b.foot, firstTime: b.firstTime, sum: b.sum,
	}
	if b.foot.sealed() {
		t.written = b.foot.start
	}
	return t
}

// scanned is what was found.
type scanned struct {
	mem    *memIndex
	frames []frameRef
	// bad are records that are not what was written, or not there at all.
	bad []badRecord
	// header is what is wrong with the header of the file, which does no harm.
	header error
}

// badRecord is a record that is damaged. If lost is set nothing is known of it
// but that it was there.
type badRecord struct {
	ordinal int
	// seq is its number. Of one that is lost it may be any of seq to last.
	seq, last store.Seq
	at        int64
	lost      bool
	err       error
}

// scan reads all records of a block. What cannot be read counts as damage; the
// error is that of opening the file.
func (s *Store) scan(t *scanTarget) (*scanned, error) {
	raw, err := s.readWhole(t.block, t.written)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	found := &scanned{mem: &memIndex{}}
	p := &scanner{t: t, found: found, time: t.firstTime}
	found.header = checkHeader(raw, s.id, t.id)
	if t.framed {
		c, err := s.codecFor(t.block)
		if err != nil {
			return nil, err
		}
		p.frames(c, raw)
	} else if len(raw) > blockHeader {
		p.records(raw[blockHeader:min(t.end, int64(len(raw)))], blockHeader)
	}
	p.finish()
	return found, nil
}

// readWhole reads the beginning of a block's file. What cannot be read is zeros,
// and what is not there is missing.
func (s *Store) readWhole(b *block, size int64) ([]byte, error) {
	f, err := s.cache.open(b.serial, s.cfg.FS, b.path)
	if err != nil {
		return nil, err
	}
	defer s.cache.release(f)
	have, err := f.Size()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, min(size, have))
	if n, err := f.ReadAt(raw, 0); err == nil || errors.Is(err, io.EOF) && n == len(raw) {
		return raw, nil
	}
	// Some sector is bad. The others may be good.
	for at := 0; at < len(raw); at += len(zeros) {
		page := raw[at:min(at+len(zeros), len(raw))]
		if n, err := f.ReadAt(page, int64(at)); err != nil && n < len(page) {
			clear(page)
		}
	}
	return raw, nil
}

// scanner goes over the records of a block.
type scanner struct {
	t     *scanTarget
	found *scanned
	// next is the place behind the last record, prev its number, sum the chain.
	next int64
	prev store.Seq
	time int64
	sum  uint32
}

// frames goes over the frames of records, and skips what is none.
func (p *scanner) frames(c *codec, raw []byte) {
	t := p.t
	for off := blockHeader; off < len(raw); {
		here := place{t.store, t.id, int64(off)}
		f, err := verifyFrame(raw[off:], here)
		if err != nil || f.kind != frameRecords || int64(f.at) < p.next || int64(f.at) >= t.end {
			off += recordAlign
			continue
		}
		if content, _, err := c.open(raw[off:], here, frameRecords); err == nil {
			p.found.frames = append(p.found.frames, frameRef{at: int64(f.at), off: int64(off), length: f.length()})
			p.records(content, int64(f.at))
		}
		off += f.length()
	}
}

// records goes over the records of a part of the sequence, and skips what is
// none.
func (p *scanner) records(content []byte, at int64) {
	t, m := p.t, p.found.mem
	for pos := 0; pos < len(content); {
		here := at + int64(pos)
		r, ok := decodeRecord(content[pos:], t.seed, here)
		if !ok || r.seq <= p.prev || r.seq < t.base || r.seq > t.last || int(r.ordinal) < len(m.slots) || int(r.ordinal) >= t.n {
			pos += recordAlign
			continue
		}
		p.missing(int(r.ordinal), r.seq, errLost)
		size := padded(r.rawLen())
		name := content[pos+recordHead : pos+recordHead+r.subject]
		if pos+size > len(content) || !r.checkContent(content[pos+recordHead+r.subject:pos+size], t.seed, here) {
			p.found.bad = append(p.found.bad, badRecord{ordinal: len(m.slots), seq: r.seq, last: r.seq, at: here, err: errRecord})
		}
		m.add(newSlot(uint32(r.seq-t.base), r.time, here, &r), name, hashSubject(name))
		p.prev, p.time = r.seq, r.time
		p.sum = chain(p.sum, r.crc)
		pos += size
		p.next = here + int64(size)
	}
}

// missing adds the records that are lost in front of an ordinal, whose number is
// until. If all numbers there were taken each is known by its own.
func (p *scanner) missing(ordinal int, until store.Seq, err error) {
	t, m := p.t, p.found.mem
	first := max(p.prev+1, t.base)
	exact := uint64(until-first) == uint64(ordinal-len(m.slots))
	for seq := first; len(m.slots) < ordinal; seq++ {
		bad := badRecord{ordinal: len(m.slots), seq: seq, last: seq, at: max(p.next, blockHeader), lost: true, err: err}
		if !exact {
			bad.seq, bad.last = first, until-1
		}
		p.found.bad = append(p.found.bad, bad)
		m.addLost(uint32(seq-t.base), p.time)
	}
}

// finish adds what is missing at the end.
func (p *scanner) finish() {
	t := p.t
	lost := slices.ContainsFunc(p.found.bad, func(b badRecord) bool { return b.lost })
	if !lost && len(p.found.mem.slots) == t.n && p.sum != t.sum {
		// Each head is valid, and they are not those that were written last.
		p.found.mem, p.found.bad, p.prev, p.next = &memIndex{}, nil, 0, 0
		p.missing(t.n, t.last+1, errOlder)
		return
	}
	p.missing(t.n, t.last+1, errLost)
}

var errOlder = errors.New("it is an older one")

// losses are the records of a list that are still live, as told by Lost.
func losses(b *block, m *memIndex, dead *bitmap, bad []badRecord) (lost []store.Loss) {
	for _, r := range bad {
		if dead.has(r.ordinal) {
			continue
		}
		size := uint64(0)
		if !r.lost {
			size = m.slots[r.ordinal].messageSize()
		}
		if k := len(lost) - 1; k >= 0 && r.lost && r.seq >= lost[k].First && r.seq <= lost[k].Last+1 {
			lost[k].Last = max(lost[k].Last, r.last)
			continue
		}
		err := &store.CorruptionError{File: b.path, Offset: r.at, Range: store.Range{First: r.seq, Last: r.last}, Err: r.err}
		lost = append(lost, store.Loss{Range: err.Range, Bytes: size, Err: err})
	}
	return lost
}
