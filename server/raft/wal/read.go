package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/nats-lite/nats-lite/server/raft"
)

const (
	// Entries next to each other are read in one go, over gaps of up to
	// maxReadGap, up to maxReadSpan.
	maxReadGap  = 16 << 10
	maxReadSpan = 1 << 20
)

// wanted is an entry that has to be read.
type wanted struct {
	index raft.Index
	term  uint64 // 0 if it is not known
	loc   loc
}

// Entries implements raft.LogReader. What is read from disk is verified; an
// entry that is lost or damaged is a *CorruptionError, unless there are others in
// front of it. An error of the file system is returned as it is, for it may pass.
func (g *Group) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	for tries := 0; ; tries++ {
		wants, cached, err := g.plan(lo, hi, maxBytes)
		if err != nil || len(wants) == 0 {
			return cached, err
		}
		ents, err := g.read(wants)
		switch {
		case errors.Is(err, errMoved) && tries < maxMoves:
			continue
		case err != nil && len(ents) == 0:
			return nil, err
		case len(ents) < len(wants):
			return ents, nil
		}
		return append(ents, cached...), nil
	}
}

// plan says which entries to read, and gives those that follow them from the
// cache.
func (g *Group) plan(lo, hi raft.Index, maxBytes int) (wants []wanted, ents []raft.Entry, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case lo <= g.base.Index:
		return nil, nil, raft.ErrCompacted
	case hi > g.lastLocked()+1 || lo >= hi:
		return nil, nil, raft.ErrUnavailable
	}
	size, i := 0, lo
	fits := func(n int) bool {
		size += n
		return size <= maxBytes || i == lo
	}
	cached := g.lastLocked() + 1 - raft.Index(len(g.cache))
	if i < min(cached, hi) {
		n := g.history.runOf(uint64(i))
		for ; i < min(cached, hi); i++ {
			for n+1 < len(g.history.runs) && g.history.runs[n+1].index <= uint64(i) {
				n++
			}
			at := g.locs[i-g.base.Index-1]
			if at.none() {
				if i == lo {
					err = g.lostLocked(i)
				}
				return wants, nil, err
			}
			e := raft.Entry{}
			if !fits(e.Size() + int(at.size)) {
				return wants, nil, nil
			}
			wants = append(wants, wanted{i, g.history.runs[n].term, at})
		}
		g.log.cache.misses.Add(uint64(len(wants)))
	}
	if i == hi {
		return wants, nil, nil
	}
	from := i - cached
	for i < hi && fits(g.cache[i-cached].Size()) {
		i++
	}
	n := i - cached - from
	g.log.cache.hits.Add(uint64(n))
	return wants, append([]raft.Entry(nil), g.cache[from:from+n]...), nil
}

// maxMoves is how often a read looks for an entry that housekeeping moves away.
const maxMoves = 100

// errMoved is a segment that was removed while its record was looked for: the
// entry is somewhere else now.
var errMoved = errors.New("wal: the segment was removed")

// read reads the front of wants, as far as it can.
func (g *Group) read(wants []wanted) (ents []raft.Entry, err error) {
	ents = make([]raft.Entry, 0, len(wants))
	for len(wants) > 0 {
		n, end := 1, wants[0].loc.offset()+wants[0].loc.length()
		start := wants[0].loc.offset()
		for n < len(wants) {
			at := wants[n].loc
			if at.segment != wants[0].loc.segment || at.offset() < end || at.offset()-end > maxReadGap || at.offset()+at.length()-start > maxReadSpan {
				break
			}
			end = at.offset() + at.length()
			n++
		}
		if ents, err = g.readSpan(ents, wants[:n], start, end); err != nil {
			return ents, err
		}
		wants = wants[n:]
	}
	return ents, nil
}

func (g *Group) readSpan(ents []raft.Entry, wants []wanted, start, end int64) ([]raft.Entry, error) {
	b, s, err := g.log.readAt(wants[0].loc.segment, start, end)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ents, err
	}
	reader := s.key.reader()
	for _, w := range wants {
		from := w.loc.offset() - start
		rec := b[from : from+w.loc.length()]
		r, ok := decodeRecord(rec, s.seed, w.loc.offset())
		if !ok || !r.kind.isEntry() || r.group != uint64(g.id) || r.index != uint64(w.index) || r.size != w.loc.size ||
			w.term != 0 && r.term != w.term || !r.checkData(rec[recordHeader:]) {
			err := &CorruptionError{Group: g.id, Index: w.index, Segment: uint64(w.loc.segment), Offset: w.loc.offset()}
			g.log.report(err)
			return ents, err
		}
		data, err := reader.data(rec, &r, w.loc.offset())
		if err != nil {
			err := &CorruptionError{Group: g.id, Index: w.index, Segment: uint64(w.loc.segment), Offset: w.loc.offset(), Err: err}
			g.log.report(err)
			return ents, err
		}
		if len(data) == 0 {
			data = nil
		}
		ents = append(ents, raft.Entry{Index: w.index, Term: raft.Term(r.term), Type: r.kind.entryType(), Data: data})
	}
	return ents, nil
}

// readAt reads a part of a segment. What is behind the end of the file reads as
// zeros, with an io.ErrUnexpectedEOF.
func (l *Log) readAt(number uint32, start, end int64) (b []byte, s *segment, err error) {
	s = l.segs.Load().find(uint64(number))
	if s == nil {
		return nil, nil, l.gone()
	}
	f := s.acquire()
	if f == nil {
		return nil, nil, l.gone()
	}
	b = make([]byte, end-start)
	err = readFull(f, b, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("wal: reading: %w", err)
	}
	return b, s, errors.Join(err, s.release())
}

// gone says why a segment is not there.
func (l *Log) gone() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	return errMoved
}
