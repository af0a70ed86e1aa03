package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

const (
	// maxRewrite is about how much one round of housekeeping moves forward, in
	// operations of about maxCopies.
	maxRewrite = 4 << 20
	maxCopies  = 512 << 10
	// The log may have minSegments, and growth times what is needed, and
	// housekeeping leaves it alone.
	minSegments = 4
	growth      = 3
	// maxSmall is how many segments it may have besides, if they are small.
	maxSmall = 12
)

// reclaim removes segments of which nothing is needed. If the log is larger
// than it has to be, it moves forward what is needed of the segment with the
// least of it, so that it can go in a next round.
func (l *Log) reclaim() error {
	l.mu.Lock()
	active := l.applied.segment
	l.mu.Unlock()
	var dead []*segment
	var victim *segment
	var disk, live int64
	list := l.segs.Load().list
	for _, s := range list {
		disk += s.disk.Load()
		live += s.live.Load()
		switch {
		case s.number >= active || s.pins.Load() > 0 || s.keep.Load():
		case s.live.Load() == 0:
			dead = append(dead, s)
		case victim == nil || s.goesBefore(victim):
			victim = s
		}
	}
	switch {
	case len(dead) > 0:
		// What a catalog tells in the active segment makes it unimportant what
		// was in those that go. Without space for one they go all the same.
		if l.hasCatalog(active) || l.Full() {
			return l.remove(dead)
		}
		l.more = true
	case victim == nil || l.Full():
	case victim.stale || disk > max(minSegments*l.cfg.SegmentBytes, growth*live+l.cfg.SegmentBytes) ||
		int64(len(list)) > maxSmall+2*(disk/l.cfg.SegmentBytes):
		l.more = true
		return l.moveForward(victim)
	}
	return nil
}

// goesBefore reports whether a segment is to be given up before another one.
func (s *segment) goesBefore(o *segment) bool {
	if s.stale != o.stale {
		return s.stale
	}
	return s.live.Load() < o.live.Load()
}

// remove takes segments out of the log and removes their files. What superseded
// their records is durable before.
func (l *Log) remove(dead []*segment) error {
	oldest := l.segs.Load().without(dead).list[0].number
	op := &operation{sync: true, manifest: true, remove: dead}
	for _, g := range l.sortedGroups() {
		g.mu.Lock()
		if !g.exists && g.cover < oldest {
			op.bury = append(op.bury, g)
		}
		g.mu.Unlock()
	}
	if err := l.submit(op); err != nil {
		return err
	}
	var errs []error
	if slices.ContainsFunc(dead, func(s *segment) bool { return s.stale }) && l.staleSegments() == 0 && l.cfg.OnRenewed != nil {
		// Behind the removal of the files.
		defer l.cfg.OnRenewed()
	}
	for _, s := range dead {
		errs = append(errs, s.remove())
		for _, path := range []string{s.path, l.sidecarPath(s.number)} {
			// It is no longer in the list of segments: should it be found again,
			// Open removes it.
			if err := l.cfg.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("%w: %w", errRemove, err))
			}
		}
	}
	return errors.Join(errs...)
}

var errRemove = errors.New("wal: a segment could not be removed")

// needed returns the records of a group in a segment that are needed.
func (g *Group) needed(number uint64, copies []recordCopy) []recordCopy {
	g.mu.Lock()
	defer g.mu.Unlock()
	add := func(at loc) {
		if !at.none() && uint64(at.segment) == number {
			copies = append(copies, recordCopy{g: g, from: at})
		}
	}
	for m := range g.metas {
		add(g.metas[m].loc)
	}
	for _, at := range g.locs {
		add(at)
	}
	return copies
}

func sortCopies(copies []recordCopy) {
	slices.SortFunc(copies, func(a, b recordCopy) int { return cmp.Compare(a.from.off8, b.from.off8) })
}

// moveForward writes records of a segment once more.
func (l *Log) moveForward(s *segment) error {
	copies := l.needed(s.number)
	moved := int64(0)
	for len(copies) > 0 && moved < maxRewrite {
		n, size := 0, int64(0)
		for n < len(copies) && (n == 0 || size < min(maxCopies, l.cfg.MaxFlushBytes)) {
			size += copies[n].from.length()
			n++
		}
		if err := l.readCopies(copies[:n]); err != nil {
			// It stays as it is. The next Open looks at what is wrong.
			s.keep.Store(true)
			return nil
		}
		if err := l.submit(&operation{copies: copies[:n]}); err != nil {
			return err
		}
		copies, moved = copies[n:], moved+size
	}
	return nil
}

// readCopies reads and verifies records of one segment. What is wrong is
// reported.
func (l *Log) readCopies(copies []recordCopy) error {
	for i := range copies {
		c := &copies[i]
		at := c.from.offset()
		b, s, err := l.readAt(c.from.segment, at, at+c.from.length())
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			l.raise(err)
			return err
		}
		r, ok := decodeRecord(b, s.seed, at)
		err = nil
		if ok = ok && r.group == uint64(c.g.id) && r.size == c.from.size && r.checkData(b[recordHeader:]); ok {
			c.rec = r
			c.data, err = s.key.reader().data(b, &r, at)
		}
		if !ok || err != nil {
			err := &CorruptionError{Group: c.g.id, Segment: uint64(c.from.segment), Offset: at, Err: err}
			if r.kind.isEntry() {
				err.Index = raft.Index(r.index)
			}
			l.report(err)
			return err
		}
	}
	return nil
}
