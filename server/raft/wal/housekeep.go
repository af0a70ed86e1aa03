package wal

import (
	"errors"
	"slices"
	"time"
)

// chores is the state of housekeeping, which one goroutine does at a time.
type chores struct {
	chore    chan struct{}
	sidecar  *sideWriter
	lastSync time.Time
	// unwritten waits for space.
	unwritten []*sideItems
	// more is set while there is more to do soon.
	more bool
	// finishing is set when nothing is written any more.
	finishing bool
}

// cut is a segment that is longer than what counts of it.
type cut struct {
	s   *segment
	end int64
}

const (
	// maxUnwritten bounds the items that wait for space.
	maxUnwritten = 1 << 17
)

func (l *Log) askForChores() {
	select {
	case l.chore <- struct{}{}:
	default:
	}
}

// houseLoop keeps house a while after something was written, and goes on for
// as long as there is more to do. It has no timer when the log is idle.
func (l *Log) houseLoop() {
	delay := choreDelay
	if l.cfg.SyncInterval > 0 {
		delay = min(delay, l.cfg.SyncInterval)
	}
	for {
		select {
		case <-l.chore:
		case <-l.stop:
			return
		}
		t := l.cfg.Clock.NewTimer(delay)
		select {
		case <-t.C():
		case <-l.stop:
			t.Stop()
			return
		}
		// A failure poisons the log, or is one of space or of removing a file,
		// and then tried again.
		if err := l.Housekeep(); (err != nil || l.more) && l.failed() == nil {
			l.askForChores()
		}
	}
}

// Housekeep does what Start's goroutine does from time to time: it syncs if
// SyncInterval says so, makes the next segment ready, writes the sidecars, moves
// records forward and removes segments.
func (l *Log) Housekeep() error {
	if err := l.failed(); err != nil {
		return err
	}
	l.more = false
	err := errors.Join(l.keepHouse()...)
	switch {
	case err == nil:
		return nil
	case noSpace(err) || errors.Is(err, ErrFull) || errors.Is(err, ErrClosed):
		l.more = true
		return nil
	case errors.Is(err, errRemove) || l.failed() != nil:
		return err
	}
	l.poisonWith(err)
	if !l.isStarted() {
		l.round()
	}
	return l.failed()
}

// keepHouse goes on after an error, as far as that makes sense.
func (l *Log) keepHouse() (errs []error) {
	try := func(err error) bool {
		if err != nil {
			errs = append(errs, err)
		}
		return err == nil || noSpace(err) || errors.Is(err, ErrFull) || errors.Is(err, errRemove)
	}
	if l.unrenewed.Load() {
		l.retry()
		return nil
	}
	due := true
	if l.cfg.SyncInterval > 0 {
		now := l.cfg.Clock.Now()
		if due = now.Sub(l.lastSync) >= l.cfg.SyncInterval; due {
			l.lastSync = now
		} else {
			l.more = true
		}
	}
	if !try(l.cutSegments()) || !try(l.makeSpare()) || due && !try(l.writeSidecars(l.cfg.SyncInterval > 0)) || !try(l.reclaim()) {
		return errs
	}
	l.retry()
	return errs
}

// retry tries to write what waits for space.
func (l *Log) retry() {
	if !l.Full() {
		return
	}
	if l.more = true; !l.isStarted() {
		l.round()
		return
	}
	// Also if nothing is queued: the tail may have to be written, and nobody else finds out
	// that there is space.
	l.turn <- struct{}{}
	n := l.round()
	<-l.turn
	if n > 0 && l.Queued() {
		l.kick()
	}
}

// cutSegments cuts segments to their ends, which gives back what was reserved.
func (l *Log) cutSegments() error {
	l.mu.Lock()
	cuts := l.cuts
	l.cuts = nil
	l.mu.Unlock()
	for _, c := range cuts {
		f := c.s.acquire()
		if f == nil {
			continue
		}
		if err := errors.Join(f.Truncate(c.end), c.s.release()); err != nil {
			return err
		}
	}
	return nil
}

// hasSpare reports whether a segment is ready to follow the active one.
func (l *Log) hasSpare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spare != nil
}

func (l *Log) nextNumber() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.highest++
	return l.highest
}

// makeSpare makes the next segment when the active one is half full. While the disk is
// full a smaller one will do.
func (l *Log) makeSpare() error {
	l.mu.Lock()
	full := l.full.Load()
	wanted := l.spare == nil && (full || l.applied.offset > l.cfg.SegmentBytes/2)
	l.mu.Unlock()
	if !wanted {
		return nil
	}
	s, err := l.createSegment(l.nextNumber(), l.cfg.SegmentBytes)
	least := segmentStart + l.cfg.MaxFlushBytes + 2*l.manifestRoom() + l.reserve()
	for size := l.cfg.SegmentBytes / 2; full && noSpace(err) && size >= least; size /= 2 {
		s, err = l.createSegment(l.nextNumber(), size)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	late := s.number <= l.applied.segment
	if !late {
		l.spare = s
	}
	l.mu.Unlock()
	if late {
		return l.discard(s)
	}
	return nil
}

// takeSpare returns a segment that can follow the active one: the one that is ready if it
// has what is needed, or one of a size.
func (l *Log) takeSpare(need, size int64) (*segment, error) {
	l.mu.Lock()
	s := l.spare
	if s != nil && s.size >= need {
		l.spare = nil
		l.mu.Unlock()
		return s, nil
	}
	l.mu.Unlock()
	s, err := l.createSegment(l.nextNumber(), size)
	if err != nil {
		return nil, err
	}
	// One that is too small, or was made ready meanwhile, has a lower number, and is of no
	// use.
	l.mu.Lock()
	late := l.spare
	l.spare = nil
	l.mu.Unlock()
	if late != nil {
		return s, l.discard(late)
	}
	return s, nil
}

// writeSidecars writes down what was written to the log and, once for each
// segment, what all groups consist of.
func (l *Log) writeSidecars(sync bool) error {
	at := l.collectItems()
	if at.segment == 0 {
		return nil
	}
	// The groups are looked at one by one while they go on: up to where a
	// catalog speaks of one is told by the number of its last record, and what is
	// behind that is in the items from here on.
	var catalog [][]byte
	if !l.hasCatalog(at.segment) {
		catalog = catalogParts(l.sortedGroups())
	}
	if catalog == nil && len(l.unwritten) == 0 {
		return nil
	}
	if sync {
		if err := l.submit(&operation{sync: true}); err != nil {
			return err
		}
	}
	for len(l.unwritten) > 0 {
		s := l.unwritten[0]
		if err := l.openSidecar(s.segment); err != nil {
			return err
		}
		if err := l.sidecar.writeItems(s); err != nil {
			return err
		}
		l.unwritten = slices.Delete(l.unwritten, 0, 1)
	}
	if catalog == nil {
		return nil
	}
	if err := l.openSidecar(at.segment); err != nil {
		return err
	}
	return l.sidecar.writeCatalog(catalog, at.offset)
}

// collectItems adds to unwritten what was written to the log, and returns up to
// where that is.
func (l *Log) collectItems() position {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.side)
	if n == 0 {
		return position{}
	}
	last := l.side[n-1]
	if last.to == segmentStart {
		// What is said of a segment that is over is that another one has
		// something.
		return l.applied
	}
	l.unwritten = append(l.unwritten, l.side[:n-1]...)
	if last.to > last.from || l.finishing {
		last.sealed = l.finishing
		l.unwritten = append(l.unwritten, last)
		l.sideNumber++
		last = &sideItems{number: l.sideNumber, segment: last.segment, from: last.to, to: last.to}
	}
	clear(l.side)
	l.side = append(l.side[:0], last)
	// Without room for sidecars the oldest are given up: damage is told less
	// exactly there.
	sum := 0
	for i := len(l.unwritten) - 1; i >= 0; i-- {
		if sum += len(l.unwritten[i].items); sum > maxUnwritten && i < len(l.unwritten)-1 {
			l.unwritten = slices.Clone(l.unwritten[i+1:])
			break
		}
	}
	return l.applied
}

// openSidecar makes the sidecar of a segment the one that is written.
func (l *Log) openSidecar(number uint64) error {
	if l.sidecar != nil && l.sidecar.segment == number {
		return nil
	}
	if err := l.closeSidecar(); err != nil {
		return err
	}
	w, err := l.createSidecar(number)
	if err != nil {
		return err
	}
	l.sidecar = w
	return nil
}

func (l *Log) closeSidecar() error {
	w := l.sidecar
	l.sidecar = nil
	if w == nil {
		return nil
	}
	return w.f.Close()
}

func (l *Log) hasCatalog(number uint64) bool {
	return l.sidecar != nil && l.sidecar.segment == number && l.sidecar.catalog
}

// finish makes durable what there is to say when the log is closed. The flusher
// and housekeeping have ended.
func (l *Log) finish() error {
	if err := l.sync(); err != nil {
		l.poisonWith(err)
		return l.failed()
	}
	l.finishing = true
	if err := l.writeSidecars(false); err != nil && !noSpace(err) {
		return err
	}
	if s := l.active; s != nil {
		l.cuts = append(l.cuts, cut{s, s.end})
	}
	return l.cutSegments()
}

// closeChores lets go of the sidecar and of the segment that was made ready.
func (l *Log) closeChores() error {
	err := l.closeSidecar()
	if s := l.spare; s != nil {
		l.spare = nil
		err = errors.Join(err, l.discard(s))
	}
	return err
}
