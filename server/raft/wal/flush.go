package wal

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// flusher is the state of whoever flushes: the goroutine made by Start, or the
// caller of Help or Flush.
type flusher struct {
	// active is the segment that is written; nil until there is something to
	// write.
	active *segment
	// synced is up to where the log is known to be on disk.
	synced position
	// flushSeq counts flushes.
	flushSeq uint64
	// missing are segments whose file is gone, as long as it matters.
	missing []uint64
	// unrenewed is set while what is behind the mark waits for space to be written
	// once more. Housekeeping leaves the segments alone then.
	unrenewed atomic.Bool
	// wantManifest is set until the list of segments is written.
	wantManifest bool
	batch        []request
	buf          []byte
	data         []byte // of a record that is encoded
	// written is called when the batch is on disk.
	written func()
	ahead   []*ahead
}

func (l *Log) flushLoop() {
	for {
		select {
		case <-l.wake:
		case <-l.stop:
			return
		}
		for l.flushQueue() {
		}
	}
}

// flushQueue flushes until nothing is queued or nothing can be written. It returns true
// if something was queued in between, by somebody who found it at work.
func (l *Log) flushQueue() bool {
	l.turn <- struct{}{}
	n := 1
	for n > 0 && l.Queued() {
		n = l.round()
		// Those whose writes are done get to queue their next ones now, so
		// that the next flush is one of many.
		runtime.Gosched()
	}
	<-l.turn
	return n > 0 && l.Queued()
}

// Help flushes once, on the caller's goroutine, if the log was started, something is
// queued and nobody else flushes. It may take as long as the disk does. written, if it is
// not nil, is called when that is over, before those who wait are told.
func (l *Log) Help(written func()) {
	if !l.Queued() {
		return
	}
	select {
	case l.turn <- struct{}{}:
	default:
		return
	}
	l.written = written
	l.round()
	l.written = nil
	<-l.turn
	if l.Queued() {
		l.kick()
	}
}

// Queued reports whether a log that was started has something to write.
func (l *Log) Queued() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started && len(l.queue) > 0
}

// round writes a part of the queue, and returns of how many requests it has
// disposed.
func (l *Log) round() int {
	if err := l.failed(); err != nil {
		l.failAll(err)
		return 0
	}
	err := l.prepare()
	if noSpace(err) {
		l.waitForSpace(err)
	} else if err != nil {
		return l.fail(err)
	}
	if len(l.batch) == 0 {
		return 0
	}
	for {
		err := l.write()
		if err == nil {
			return l.complete()
		}
		if !noSpace(err) {
			return l.fail(err)
		}
		// Nothing of it counts. What is behind the end of the segment stays
		// there as a torn tail, and the next attempt is in another segment. What
		// is left of the batch takes no room.
		l.active.closed = true
		l.forget()
		if l.waitForSpace(err); len(l.batch) == 0 {
			return 0
		}
	}
}

// prepare takes a batch, and makes room for it. Without room there may be some for a part
// of it.
func (l *Log) prepare() error {
	l.batch = l.batch[:0]
	if l.unrenewed.Load() {
		if err := l.renewLate(); err != nil {
			return err
		}
	}
	need := l.take()
	if len(l.batch) == 0 && l.hasSpare() {
		l.setFull(nil) // nobody else finds it out
	}
	err := l.ensureRoom(need)
	if noSpace(err) {
		if other := l.makeDo(); other != nil {
			return other
		}
	}
	return err
}

// lossError is the failed sync of more than the batch: what was written before,
// and is not known to be on disk, may be lost, and no room brings it back.
type lossError struct{ err error }

func (e *lossError) Error() string { return "sync of what was acknowledged before: " + e.err.Error() }
func (e *lossError) Unwrap() error { return e.err }

// syncSegment syncs the active segment.
func (l *Log) syncSegment() error {
	s := l.active
	begun := l.cfg.Clock.Now()
	err := s.f.SyncData()
	took := l.cfg.Clock.Now().Sub(begun)
	if err != nil && s.synced < s.end {
		return &lossError{err}
	}
	if err == nil {
		l.mu.Lock()
		l.stats.Syncs++
		l.stats.SyncTime += took
		l.stats.LongestSync = max(l.stats.LongestSync, took)
		l.mu.Unlock()
	}
	return err
}

// take moves requests from the queue to the batch, and returns what room they
// need.
func (l *Log) take() (need int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.queue) && (n == 0 || need+l.queue[n].bytes <= l.cfg.MaxFlushBytes) {
		need += l.queue[n].bytes
		n++
	}
	l.batch = append(l.batch[:0], l.queue[:n]...)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	l.resolveLocked()
	return need
}

// resolveLocked finds the groups of the batch.
func (l *Log) resolveLocked() {
	for i := range l.batch {
		r := &l.batch[i]
		if r.op != nil {
			continue
		}
		g := l.groups[r.Group]
		if g == nil {
			g = &Group{log: l, id: r.Group}
			l.groups[r.Group] = g
		}
		r.g = g
	}
}

// overhead is what a flush needs besides its requests.
func (l *Log) overhead() int64 {
	n := recordSize(0)
	if l.wantManifest || l.active == nil {
		n += l.manifestRoom()
	}
	return n
}

func (l *Log) manifestRoom() int64 {
	return recordSize(8 * (len(l.segs.Load().list) + len(l.missing) + 1))
}

// reserve is what is kept of the last segment for writes that may win back
// space.
func (l *Log) reserve() int64 { return min(l.cfg.SegmentBytes/16, 4<<20) }

// minRoom is what a segment has to have room for to be worth it.
const minRoom = 512

// ensureRoom makes the active segment one with room.
func (l *Log) ensureRoom(need int64) error {
	if need == 0 {
		return nil // nothing to be written
	}
	need += l.overhead()
	if s := l.active; s != nil && !s.closed {
		limit := s.size
		if !l.hasSpare() {
			limit -= l.reserve()
		}
		if s.end+need <= limit {
			l.setFull(nil)
			return nil
		}
	}
	// The new segment begins with a list of all.
	need += segmentStart + l.manifestRoom() + l.reserve()
	if err := l.roll(need, max(l.cfg.SegmentBytes, need)); err != nil {
		return err
	}
	l.setFull(nil)
	return nil
}

// makeDo makes a small segment the active one if there is none: all of it is for
// writes that pass others.
func (l *Log) makeDo() error {
	if s := l.active; s != nil && !s.closed {
		return nil
	}
	for size := l.reserve(); size >= minRoom; size /= 2 {
		if err := l.roll(segmentStart+size, segmentStart+size); err == nil || !noSpace(err) {
			return err
		}
	}
	return nil
}

// roll makes a new segment the active one: the one that is ready, if it has what is
// needed, or one of a size. The one before is synced and gets its end.
func (l *Log) roll(need, size int64) error {
	if err := l.sync(); err != nil {
		return err
	}
	next, err := l.takeSpare(need, size)
	if err != nil {
		return err
	}
	h := segmentHeader{store: l.store.id, segment: next.number, incarnation: l.store.incarnation, key: next.key}
	if last := l.tip(); last != nil {
		h.prev = position{last.number, last.end}
		h.chain = last.chain
	}
	if err := l.begin(next, &h); err != nil {
		// It counts as one that was never made.
		return errors.Join(err, l.discard(next))
	}
	return nil
}

// tip returns the segment that was written last.
func (l *Log) tip() *segment {
	if list := l.segs.Load().list; len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

// begin writes the header of a segment and makes it the active one.
func (l *Log) begin(s *segment, h *segmentHeader) error {
	if _, err := s.f.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	s.chain = h.chain
	l.activate(s)
	return nil
}

// activate makes a segment the active one.
func (l *Log) activate(s *segment) {
	old := l.active
	s.disk.Store(s.size)
	l.segs.Store(l.segs.Load().with(s))
	l.active, l.wantManifest = s, true
	if old != nil {
		old.disk.Store(old.end)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.side); n > 0 && old != nil {
		// Whoever writes it down waits for something to be in the new one.
		l.side[n-1].sealed, l.side[n-1].followed = true, true
		l.side[n-1].to = old.end
	}
	l.sideNumber++
	l.side = append(l.side, &sideItems{number: l.sideNumber, segment: s.number, from: segmentStart, to: segmentStart})
	if old != nil {
		l.cuts = append(l.cuts, cut{old, old.end})
	}
	l.applied = position{s.number, segmentStart}
}

// sync makes all that is written durable.
func (l *Log) sync() error {
	s := l.active
	if s == nil || s.synced == s.end {
		return nil
	}
	if err := l.syncSegment(); err != nil {
		return err
	}
	s.synced = s.end
	l.synced = position{s.number, s.end}
	return nil
}

// write encodes the batch behind the end of the active segment, writes it, and
// makes it durable if that is asked for. After an error nothing has changed but
// the file.
func (l *Log) write() error {
	s := l.active
	l.buf = l.buf[:0]
	sync := l.cfg.SyncInterval == 0
	any := false
	for i := range l.batch {
		r := &l.batch[i]
		any = any || r.bytes > 0
		sync = sync || r.promises() || r.op != nil && r.op.sync
	}
	if s == nil {
		return nil // nothing to be written, and nothing that was
	}
	chain, manifest := s.chain, l.wantManifest
	if any {
		l.flushSeq++
		chain = l.put(chain, &record{kind: kindFlush, seq: l.flushSeq, term: l.synced.segment, index: uint64(l.synced.offset)}, nil)
		for i := range l.batch {
			if op := l.batch[i].op; op != nil && op.manifest {
				manifest = true
			}
		}
		if manifest {
			chain = l.put(chain, &record{kind: kindSegments}, appendSegments(nil, l.manifest()))
		}
		for i := range l.batch {
			chain = l.encode(&l.batch[i], chain)
		}
		if err := l.writeAhead(s, sync); err != nil {
			return err
		}
	}
	if sync && (any || s.synced != s.end) {
		if err := l.syncSegment(); err != nil {
			return err
		}
	}
	s.end += int64(len(l.buf))
	s.chain = chain
	if sync {
		s.synced = s.end
		l.synced = position{s.number, s.end}
	}
	if any && manifest {
		l.wantManifest = false
	}
	return nil
}

const (
	// wipeAhead is how many zeros are written behind a small flush that is synced,
	// wipeFor the size up to which it is small.
	wipeAhead = 256 << 10
	wipeFor   = 64 << 10
)

var zeros [wipeAhead]byte

// writeAhead writes the buffer behind the end of the segment, now and then with zeros
// behind it. A file system has to note in its own journal that a block which was
// reserved is written for the first time, and syncs that twice as long: with zeros in
// place the small flushes that follow are spared that.
func (l *Log) writeAhead(s *segment, sync bool) error {
	n := len(l.buf)
	end := s.end + int64(n)
	wipe := min(wipeAhead, s.size-end)
	if !sync || n > wipeFor || end <= s.wiped || wipe <= 0 {
		wipe = 0
	}
	if wipe > 0 {
		l.buf = append(l.buf, zeros[:wipe]...)
	}
	_, err := s.f.WriteAt(l.buf, s.end)
	l.buf = l.buf[:n]
	if err == nil && wipe > 0 {
		s.wiped = end + wipe
	}
	return err
}

// promises reports whether the write is to be synced whatever SyncInterval is: who
// a replica is, and that it has voted. With that forgotten two leaders could rule
// in one term, which costs more than the entries of an interval.
func (r *request) promises() bool { return r.Replica != nil || r.Hard != nil || r.Delete }

// manifest lists the segments, without those that the batch takes away.
func (l *Log) manifest() []uint64 {
	set := l.segs.Load()
	for i := range l.batch {
		if op := l.batch[i].op; op != nil {
			set = set.without(op.remove)
		}
	}
	numbers := append(set.numbers(), l.missing...)
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// complete makes the batch known to the groups and to those who wait.
func (l *Log) complete() int {
	l.forget()
	s := l.active
	entries, records := uint64(0), uint64(0)
	for i := range l.batch {
		r := &l.batch[i]
		switch {
		case r.op != nil:
			records += l.applyOperation(r.op)
		case r.err == nil && r.recordCount() > 0:
			l.apply(r)
			entries += uint64(len(r.Entries))
			records += r.recordCount()
		}
	}
	l.mu.Lock()
	for i := range l.batch {
		l.itemsLocked(&l.batch[i])
		l.pending -= l.batch[i].bytes
	}
	if s != nil {
		l.applied = position{s.number, s.end}
		l.side[len(l.side)-1].to = s.end
	}
	if len(l.buf) > 0 {
		l.stats.Flushes++
		l.stats.Bytes += uint64(len(l.buf))
	}
	l.stats.Records += records
	l.stats.Entries += entries
	l.mu.Unlock()
	l.cache.shrink()
	l.bury()
	if l.written != nil {
		l.written()
	}
	n := len(l.batch)
	for i := range l.batch {
		r := &l.batch[i]
		switch {
		case r.op != nil:
			l.finishOperation(r.op, nil)
		case r.Done != nil:
			r.Done(r.err)
		}
	}
	l.recycle()
	l.askForChores()
	return n
}

const (
	maxKeptBuffer = 2 * defaultMaxFlush
	maxKeptBatch  = 1 << 10
)

// recycle keeps what the next flush can use, unless a burst has made it large.
func (l *Log) recycle() {
	clear(l.batch)
	l.batch = l.batch[:0]
	if cap(l.batch) > maxKeptBatch {
		l.batch = nil
	}
	if cap(l.ahead) > maxKeptBatch {
		l.ahead = nil
	}
	if cap(l.buf) > maxKeptBuffer {
		l.buf = nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(l.queue) > maxKeptBatch && len(l.queue) == 0 {
		l.queue = nil
	}
}

// fail poisons the log, and answers the batch and the queue.
func (l *Log) fail(err error) int {
	l.poisonWith(err)
	poison := l.failed()
	l.forget()
	n := len(l.batch)
	for i := range l.batch {
		l.settle(&l.batch[i])
		l.giveUp(&l.batch[i], poison)
	}
	clear(l.batch)
	l.batch = l.batch[:0]
	l.failAll(poison)
	return n
}

// poisonWith makes sure that nothing is written any more. What is queued is
// answered by whoever flushes.
func (l *Log) poisonWith(err error) {
	l.mu.Lock()
	first := l.poison == nil
	if first {
		l.poison = fmt.Errorf("%w: %w", ErrPoisoned, err)
	}
	poison := l.poison
	l.mu.Unlock()
	if first {
		l.raise(poison)
		l.kick()
	}
}

// failAll answers all that is queued with an error.
func (l *Log) failAll(err error) {
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	for i := range queue {
		l.settle(&queue[i])
		l.giveUp(&queue[i], err)
	}
}

// settle takes a request off what is pending.
func (l *Log) settle(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= r.bytes
}

func (l *Log) giveUp(r *request, err error) {
	if r.op != nil {
		l.finishOperation(r.op, err)
	} else if r.Done != nil {
		r.Done(err)
	}
}

// discard removes a segment that was made and cannot be used.
func (l *Log) discard(s *segment) error {
	err := s.remove()
	// What is left of it has no record, and does not count.
	_ = l.cfg.FS.Remove(s.path)
	return err
}

// syncDir makes names durable.
func (l *Log) syncDir() error { return vfs.SyncDir(l.cfg.FS, l.cfg.Dir) }
