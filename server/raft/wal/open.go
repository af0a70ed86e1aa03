package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// Open opens the log in a directory, or makes one. Damage is no error: it is in
// the GroupState of those that it concerns, and nothing on disk is changed because
// of it. Errors are that somebody else has the log open, those of the file system,
// a format that is newer than this program, and seal.ErrKey, which changes nothing on
// disk either.
func Open(cfg Config) (_ *Log, err error) {
	cfg.setDefaults()
	l := &Log{
		cfg: cfg, groups: make(map[raft.GroupID]*Group), reported: make(map[position]bool),
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	l.chore = make(chan struct{}, 1)
	l.cache.limit = cfg.CacheBytes
	l.segs.Store(&segments{})
	if err := makeDir(cfg.FS, cfg.Dir, filepath.Dir(cfg.Dir)); err != nil {
		return nil, err
	}
	if l.lock, err = cfg.FS.Lock(filepath.Join(cfg.Dir, lockName)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, s := range l.segs.Load().list {
				err = errors.Join(err, s.remove())
			}
			err = errors.Join(err, l.lock.Close())
		}
	}()
	a, err := analyze(cfg.FS, cfg.Dir, cfg.Workers)
	if err != nil {
		return nil, err
	}
	if a.empty {
		return l, l.format(a)
	}
	if err := a.unlock(cfg.Keys); err != nil {
		return nil, err
	}
	if err := l.adopt(a); err != nil {
		return nil, err
	}
	if err := l.repair(a); err != nil {
		return nil, err
	}
	l.tell(a)
	return l, l.replaceStale()
}

// lostSuffix is added to the names of files of which nothing can be made.
const lostSuffix = ".lost"

// format makes a new store. What files there are say nothing, and are put aside:
// the store is to be taken for another one than the one before, if there was one.
func (l *Log) format(a *analysis) error {
	l.created = true
	l.store = storeFile{
		id:          uint64(l.cfg.Incarnation())<<32 | uint64(l.cfg.Incarnation()),
		incarnation: l.cfg.Incarnation(),
	}
	for _, name := range a.files {
		path := filepath.Join(l.cfg.Dir, name)
		put := func() error { return l.cfg.FS.Rename(path, path+lostSuffix) }
		if !a.exists {
			// A crash has left it before the store was made.
			put = func() error { return l.cfg.FS.Remove(path) }
		}
		if err := put(); err != nil {
			return err
		}
	}
	l.highest = a.highest
	if err := l.roll(l.cfg.SegmentBytes, l.cfg.SegmentBytes); err != nil {
		return err
	}
	if err := l.active.f.SyncData(); err != nil {
		return err
	}
	// With this the store is made: from here on a segment that says nothing is
	// one that lost what it held.
	if err := l.writeStore(); err != nil {
		return err
	}
	if a.exists {
		l.raise(&CorruptionError{Err: errors.New("nothing is left of the log that was here")})
	}
	return nil
}

// adopt makes what was found the state of the log.
func (l *Log) adopt(a *analysis) error {
	l.store, l.highest, l.flushSeq, l.synced = a.store, a.highest, a.flushSeq, a.mark
	if s := a.state(a.mark.segment); s != nil {
		l.synced.offset = s.mark
	}
	var list []*segment
	for _, s := range a.states {
		if s.scan == nil {
			if s.number >= a.since() || slices.ContainsFunc(a.groups, func(g *Group) bool { return g.damagedIn(s.number) }) {
				l.missing = append(l.missing, s.number)
			}
			continue
		}
		f, err := l.cfg.FS.OpenReadWrite(l.segmentPath(s.number))
		if err != nil {
			return err
		}
		x := &segment{
			number: s.number, seed: seedOf(l.store.id, s.number), path: l.segmentPath(s.number), key: s.key(),
			size: s.scan.size, end: s.end, synced: s.mark, chain: s.scan.chain, f: f,
		}
		x.stale = l.cfg.Keys != nil && (x.key == nil || x.key.old)
		x.disk.Store(min(s.scan.size, s.end))
		list = append(list, x)
		l.segs.Store(&segments{list})
	}
	for _, g := range a.groups {
		g.log = l
		l.groups[g.id] = g
		for _, at := range g.locs {
			l.count(at, 1)
		}
		for _, m := range g.metas {
			l.count(m.loc, 1)
		}
		g.pin(1)
	}
	return nil
}

// replaceStale has housekeeping move forward what is in segments that are in clear or
// have an earlier key, into a new one.
func (l *Log) replaceStale() error {
	if l.staleSegments() == 0 || l.unrenewed.Load() {
		return nil
	}
	if l.active == nil {
		// Without space the next write will make one, as ever.
		if err := l.roll(l.cfg.SegmentBytes, l.cfg.SegmentBytes); err != nil && !noSpace(err) {
			return err
		}
	}
	l.askForChores()
	return nil
}

func (l *Log) staleSegments() (n int) {
	for _, s := range l.segs.Load().list {
		if s.stale {
			n++
		}
	}
	return n
}

// damagedIn reports whether something of the group was lost in a segment.
func (g *Group) damagedIn(segment uint64) bool {
	return slices.ContainsFunc(g.damage, func(d Damage) bool { return d.Segment == segment })
}

// repair brings the files into a state in which all that the log says is
// durable. Damage stays as it is.
func (l *Log) repair(a *analysis) error {
	if err := l.repairStore(a); err != nil {
		return err
	}
	// They may hold the space that is needed.
	for _, name := range a.leftovers {
		if err := l.removeFile(name); err != nil {
			return err
		}
	}
	err := l.renew()
	if l.lacksRoom(err) {
		// What does not count may hold the room.
		if err := l.cutTails(); err != nil {
			return err
		}
		err = l.renew()
	}
	if l.lacksRoom(err) {
		// It can be read all the same, and nothing is written in front of it. Unless a sync
		// has failed before, it is on disk now.
		l.unrenewed.Store(true)
		l.setFull(err)
		l.askForChores()
		return l.syncTail()
	}
	if err != nil {
		return err
	}
	return l.cutTails()
}

// syncTail syncs the segments that have something behind the mark.
func (l *Log) syncTail() error {
	for _, s := range l.segs.Load().list {
		if s.number < l.synced.segment {
			continue
		}
		if err := s.f.SyncData(); err != nil && !noSpace(err) {
			return err
		}
	}
	return nil
}

// lacksRoom reports whether an error of renew is that there is no space to begin with, so
// that nothing has changed.
func (l *Log) lacksRoom(err error) bool { return noSpace(err) && l.active == nil }

// renewLate does what there was no space for when the log was opened.
func (l *Log) renewLate() error {
	// It is not what whoever flushes is waiting for.
	written := l.written
	l.written = nil
	defer func() { l.written = written }()
	err := l.renew()
	if err == nil {
		err = l.cutTails()
	}
	switch {
	case l.lacksRoom(err):
		return err
	case err != nil:
		// Also if it is of a full disk, this is not one to wait for.
		return errors.New("writing the tail once more: " + err.Error())
	}
	l.unrenewed.Store(false)
	return l.replaceStale()
}

// repairStore makes STORE whole, and has it remember what is lost.
func (l *Log) repairStore(a *analysis) error {
	write := a.storeErr != nil
	if loss := a.newestHole(); l.store.loss.before(loss) {
		l.store.loss, l.store.incarnation = loss, l.cfg.Incarnation()
		write = true
	}
	if l.store.mark.before(a.mark) && slices.ContainsFunc(a.groups, func(g *Group) bool { return len(g.damage) > 0 }) {
		l.store.mark = a.mark
		write = true
	}
	if !write {
		return nil
	}
	return l.writeStore()
}

// renew writes what is behind the mark once more, in a new segment. It may be
// that the file system shows it although it is not on disk: after a sync that
// failed, or because the process ended before the sync. Segments beyond the mark
// have nothing else, and go.
func (l *Log) renew() error {
	var copies []recordCopy
	var gone []*segment
	var cut *segment // at the mark
	for _, s := range l.segs.Load().list {
		from := int64(segmentStart)
		if s.number == l.synced.segment {
			from = max(from, l.synced.offset)
		}
		if s.number < l.synced.segment || s.end <= from {
			continue
		}
		for _, c := range l.needed(s.number) {
			if c.from.offset() >= from {
				copies = append(copies, c)
			}
		}
		if s.number > l.synced.segment {
			gone = append(gone, s)
		} else {
			cut = s
		}
	}
	// Even if no record is needed, a list of segments may be among them.
	if cut == nil && len(gone) == 0 {
		return nil
	}
	if err := l.readCopies(copies); err != nil {
		return err
	}
	next, err := l.createTail(copies)
	if err != nil {
		return err
	}
	if cut != nil {
		from := max(segmentStart, l.synced.offset)
		again, err := scanSegment(l.cfg.FS, cut.path, l.store.id, cut.number, from, cut.key != nil)
		if err != nil {
			return errors.Join(err, l.discard(next))
		}
		cut.end, cut.chain = from, again.chain
	}
	if err := l.rewriteTail(next, copies, gone); err != nil {
		return err
	}
	for _, s := range gone {
		if err := errors.Join(s.remove(), l.removeFile(segmentName(s.number)), l.removeFile(sidecarName(s.number))); err != nil {
			return err
		}
	}
	return nil
}

// needed returns the records in a segment that are needed, in order.
func (l *Log) needed(number uint64) (copies []recordCopy) {
	for _, g := range l.sortedGroups() {
		copies = g.needed(number, copies)
	}
	sortCopies(copies)
	return copies
}

// createTail makes a segment for copies: one like others, or as large as it has to be.
func (l *Log) createTail(copies []recordCopy) (s *segment, err error) {
	need := segmentStart + 2*l.overhead() + 4*l.manifestRoom()
	for i := range copies {
		need += copies[i].from.length() + l.sealing()
	}
	for _, size := range []int64{max(l.cfg.SegmentBytes, need+l.reserve()), need + l.reserve(), need} {
		if s, err = l.createSegment(l.nextNumber(), size); !noSpace(err) {
			break
		}
	}
	return s, err
}

// rewriteTail writes copies to a new segment, which takes the place of those
// that go. It gets its header when the copies are on disk, for the header says
// that nothing behind the mark counts in the segments before; and the list of
// segments names those that go until then.
func (l *Log) rewriteTail(s *segment, copies []recordCopy, gone []*segment) error {
	rest := l.segs.Load().without(gone)
	h := segmentHeader{store: l.store.id, incarnation: l.store.incarnation}
	if n := len(rest.list); n > 0 {
		last := rest.list[n-1]
		h.prev, h.chain = position{last.number, last.end}, last.chain
	}
	h.segment, h.key, s.chain = s.number, s.key, h.chain
	l.activate(s)
	if err := l.carryOut(&operation{sync: true, manifest: true, copies: copies}); err != nil {
		return err
	}
	if _, err := s.f.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	if err := s.f.SyncData(); err != nil {
		return err
	}
	if len(gone) == 0 {
		return nil
	}
	return l.carryOut(&operation{sync: true, manifest: true, remove: gone})
}

// carryOut writes an operation, with nothing else.
func (l *Log) carryOut(op *operation) error {
	op.done = make(chan error, 1)
	l.batch = append(l.batch[:0], request{op: op, bytes: 1})
	l.mu.Lock()
	l.pending++
	l.mu.Unlock()
	if err := l.write(); err != nil {
		return err
	}
	l.complete()
	return nil
}

// cutTails cuts what is behind the ends of segments: the torn tail of a crash,
// and room that was reserved.
func (l *Log) cutTails() error {
	for _, s := range l.segs.Load().list {
		if s == l.active || s.size <= s.end {
			continue
		}
		if err := s.f.Truncate(s.end); err != nil {
			return err
		}
		if err := s.f.Sync(); err != nil {
			return err
		}
		s.size = s.end
	}
	return nil
}

// removeFile removes a file, if there is one. It is no harm if a crash brings it
// back.
func (l *Log) removeFile(name string) error {
	return l.cfg.FS.RemoveAll(filepath.Join(l.cfg.Dir, name))
}

// tell raises what is wrong, and what was wrong and does not matter.
func (l *Log) tell(a *analysis) {
	for _, g := range a.groups {
		for _, d := range g.damage {
			l.reported[position{d.Segment, d.Offset}] = true
			l.raise(&CorruptionError{Group: d.Group, Index: d.First, Segment: d.Segment, Offset: d.Offset, Err: errors.New(d.String())})
		}
	}
	for _, s := range a.states {
		for _, b := range s.bad {
			if !l.reported[position{s.number, b.from}] {
				l.report(&CorruptionError{Segment: s.number, Offset: b.from, Err: fmt.Errorf("%d bytes, of which nothing is needed", b.to-b.from)})
			}
		}
		if s.side != nil && s.side.err != nil {
			l.raise(&CorruptionError{Segment: s.number, Err: fmt.Errorf("its sidecar is damaged: %w", s.side.err)})
		}
		if s.scan != nil && s.scan.headerErr != nil && s.number <= a.mark.segment {
			l.raise(&CorruptionError{Segment: s.number, Err: s.scan.headerErr})
		}
	}
	if a.storeErr != nil {
		l.raise(&CorruptionError{Err: a.storeErr})
	}
}

// makeDir makes a directory, durably.
func makeDir(fs vfs.FS, dir, parent string) error {
	if err := fs.MkdirAll(dir); err != nil {
		return err
	}
	return vfs.SyncDir(fs, parent)
}
