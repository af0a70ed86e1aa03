package wal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Log is the log of all groups of a server. Append, Pending, Full, Stats, Group
// and Groups may be called by anyone at any time. Flush and Housekeep are for
// those who do not call Start, and for one goroutine.
type Log struct {
	cfg     Config
	store   storeFile
	created bool
	lock    io.Closer
	cache   cache
	// segs are the segments; whoever flushes replaces the set.
	segs atomic.Pointer[segments]

	mu       sync.Mutex
	queue    []request
	pending  int64
	groups   map[raft.GroupID]*Group
	full     atomic.Bool  // changed under mu
	room     atomic.Int64 // while it is full
	poison   error
	closed   bool
	stats    Stats
	reported map[position]bool
	// applied is the end of what the groups know of, side what of it has to go
	// to sidecars, one item for each segment, oldest first.
	applied    position
	side       []*sideItems
	sideNumber uint64
	// cuts are segments that are longer than what counts of them.
	cuts []cut
	// spare is the next segment, if it is ready; highest is the highest number
	// that a segment has had.
	spare   *segment
	highest uint64

	// turn is full while somebody flushes, once the log is started.
	turn chan struct{}
	flusher
	chores
	started bool
	wake    chan struct{}
	stop    chan struct{}
	wg      sync.WaitGroup
}

// request is a Write, or an operation of the log's own, in the queue.
type request struct {
	Write
	op    *operation
	bytes int64 // at most that many in the log

	// While it is flushed:
	g    *Group
	off  int64 // of its first record
	seq  uint64
	meta uint16
	drop bool       // of the base
	last raft.Index // behind the base
	err  error      // it is not written
}

// segments is an immutable set, in the order of numbers.
type segments struct {
	list []*segment
}

func (s *segments) find(number uint64) *segment {
	i := sort.Search(len(s.list), func(i int) bool { return s.list[i].number >= number })
	if i < len(s.list) && s.list[i].number == number {
		return s.list[i]
	}
	return nil
}

func (s *segments) with(add *segment) *segments {
	return &segments{append(slices.Clip(s.list), add)}
}

func (s *segments) without(gone []*segment) *segments {
	rest := slices.DeleteFunc(slices.Clone(s.list), func(x *segment) bool { return slices.Contains(gone, x) })
	return &segments{rest}
}

func (s *segments) numbers() []uint64 {
	n := make([]uint64, len(s.list))
	for i, x := range s.list {
		n[i] = x.number
	}
	return n
}

// free takes a record that is no longer needed off its segment.
func (l *Log) free(at loc) { l.count(at, -1) }

func (l *Log) count(at loc, sign int64) {
	if at.none() {
		return
	}
	if s := l.segs.Load().find(uint64(at.segment)); s != nil {
		s.live.Add(sign * at.length())
	}
}

// Incarnation returns the store's random number, which is drawn when it is
// made, and anew when something is lost of which nothing is known.
func (l *Log) Incarnation() uint32 { return l.store.incarnation }

// Created reports whether Open has found nothing and made the store.
func (l *Log) Created() bool { return l.created }

// Groups returns all groups there are, by GroupID.
func (l *Log) Groups() []GroupState {
	var states []GroupState
	for _, g := range l.sortedGroups() {
		g.mu.Lock()
		exists := g.exists
		g.mu.Unlock()
		if exists {
			states = append(states, g.State())
		}
	}
	return states
}

// sortedGroups returns all groups, also those that are deleted.
func (l *Log) sortedGroups() []*Group {
	l.mu.Lock()
	groups := make([]*Group, 0, len(l.groups))
	for _, g := range l.groups {
		groups = append(groups, g)
	}
	l.mu.Unlock()
	sort.Slice(groups, func(i, j int) bool { return groups[i].id < groups[j].id })
	return groups
}

// Group returns a group whose creation is durable.
func (l *Log) Group(id raft.GroupID) (*Group, bool) {
	l.mu.Lock()
	g := l.groups[id]
	l.mu.Unlock()
	if g == nil {
		return nil, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g, g.exists
}

// Append queues a write. It never blocks; who writes much has to look at
// Pending. An error says that the write was not queued, and that Done will not
// be called. Whether the write fits its group is seen when it is flushed: Done
// is told ErrInvalid then, and nothing is written.
func (l *Log) Append(w Write) error { return l.append(w, true) }

// Queue is Append for callers who call Help soon: no goroutine is woken to do it.
func (l *Log) Queue(w Write) error { return l.append(w, false) }

func (l *Log) append(w Write, wake bool) error {
	r, err := l.newRequest(w)
	if err != nil {
		return err
	}
	return l.enqueue(r, wake)
}

func (l *Log) enqueue(r request, wake bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.poison != nil:
		return l.poison
	case l.closed:
		return ErrClosed
	}
	l.queue = append(l.queue, r)
	l.pending += r.bytes
	// While the disk is full there is a queue, and what comes may pass it.
	if l.started && (wake && len(l.queue) == 1 || l.full.Load() || r.op != nil) {
		l.kick()
	}
	return nil
}

// kick wakes the flusher. The channel holds one token, so none is lost.
func (l *Log) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// newRequest checks what can be said of a write by itself.
func (l *Log) newRequest(w Write) (request, error) {
	invalid := func(format string, args ...any) (request, error) {
		return request{}, fmt.Errorf("%w: group %d: %s", ErrInvalid, w.Group, fmt.Sprintf(format, args...))
	}
	r := request{Write: w}
	if w.Group == 0 {
		return invalid("no group has this number")
	}
	if w.Replica != nil {
		if w.Replica.Self == raft.None || len(w.Replica.Contacts) > maxContacts {
			return invalid("replica %v", *w.Replica)
		}
		r.bytes += recordSize(12 + 4*len(w.Replica.Contacts))
	}
	if b := w.Base; b != nil {
		c := &b.Conf
		r.bytes += recordSize(8 + 4*10 + 8*(len(c.Voters)+len(c.Outgoing)+len(c.Learners)+len(c.Joining)))
	}
	if w.Hard != nil {
		r.bytes += recordSize(0)
	}
	for i := range w.Entries {
		e := &w.Entries[i]
		if e.Index == 0 || e.Index != w.Entries[0].Index+raft.Index(i) || e.Type > raft.EntryConf {
			return invalid("entry %d of type %d in place %d behind %d", e.Index, e.Type, i, w.Entries[0].Index)
		}
		if len(e.Data) > maxEntry {
			return invalid("entry %d has %d bytes", e.Index, len(e.Data))
		}
		r.bytes += recordSize(len(e.Data)) + l.sealing()
	}
	if w.Delete {
		r.bytes += recordSize(0)
	}
	if r.bytes > maxSegment/4 {
		return invalid("%d bytes in one write", r.bytes)
	}
	return r, nil
}

// sealing is by how much a record of a clear segment may grow in a new one.
func (l *Log) sealing() int64 {
	if l.cfg.Keys == nil {
		return 0
	}
	return maxSealing
}

// Pending returns the number of bytes that wait to be written.
func (l *Log) Pending() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

// Full reports whether writes wait for space.
func (l *Log) Full() bool { return l.full.Load() }

// Room returns how many bytes there are for writes that pass others while the disk is
// full, as far as is known.
func (l *Log) Room() int64 {
	if !l.Full() {
		return math.MaxInt64
	}
	return l.room.Load()
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	s := l.stats
	s.PendingBytes, s.Full, s.Poisoned = l.pending, l.full.Load(), l.poison
	l.mu.Unlock()
	for _, g := range l.sortedGroups() {
		g.mu.Lock()
		if g.exists {
			s.Groups++
		}
		s.Damaged += len(g.damage)
		g.mu.Unlock()
	}
	for _, seg := range l.segs.Load().list {
		s.Segments++
		if seg.stale {
			s.Stale++
		}
		s.LiveBytes += seg.live.Load()
		s.DiskBytes += seg.disk.Load()
	}
	s.CacheBytes = l.cache.bytes.Load()
	s.CacheHits, s.CacheMisses = l.cache.hits.Load(), l.cache.misses.Load()
	return s
}

// report tells of damage, once for each place.
func (l *Log) report(e *CorruptionError) {
	at := position{e.Segment, e.Offset}
	l.mu.Lock()
	again := l.reported[at]
	l.reported[at] = true
	l.mu.Unlock()
	if !again {
		l.raise(e)
	}
}

func (l *Log) raise(err error) {
	if l.cfg.OnError != nil {
		l.cfg.OnError(err)
	}
}

// noSpace reports whether an error says that the volume is full.
func noSpace(err error) bool {
	if _, loss := errors.AsType[*lossError](err); loss {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Flush writes what is queued when it is called, and completes it. It returns
// ErrPoisoned if that failed; writes that wait for space are no error.
func (l *Log) Flush() error {
	l.mu.Lock()
	n := len(l.queue)
	l.mu.Unlock()
	for n > 0 {
		done := l.round()
		if done == 0 {
			break
		}
		n -= done
	}
	return l.failed()
}

// failed returns why the log is poisoned, if it is.
func (l *Log) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.poison
}

// Start begins to flush whenever something is queued, and to keep house.
func (l *Log) Start() {
	l.mu.Lock()
	l.started = true
	l.mu.Unlock()
	l.wg.Go(l.flushLoop)
	l.wg.Go(l.houseLoop)
	l.kick()
}

// Close writes what is queued, as far as there is space, and closes the files.
func (l *Log) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	started := l.started
	l.started = false
	l.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if started {
		close(l.stop)
		l.wg.Wait()
	}
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	err := l.Flush()
	l.failAll(ErrClosed)
	if err == nil {
		err = l.finish()
	}
	for _, s := range l.segs.Load().list {
		err = errors.Join(err, s.remove())
	}
	return errors.Join(err, l.closeChores(), l.lock.Close())
}

const (
	defaultSegment  = 64 << 20
	minSegment      = 8 << 10
	defaultMaxFlush = 8 << 20
	defaultCache    = 32 << 20
)

func (c *Config) setDefaults() {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = defaultSegment
	}
	c.SegmentBytes = min(max(c.SegmentBytes, minSegment), maxSegment/4)
	if c.MaxFlushBytes <= 0 {
		c.MaxFlushBytes = min(defaultMaxFlush, c.SegmentBytes/4)
	}
	c.MaxFlushBytes = min(c.MaxFlushBytes, maxSegment/4)
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCache
	}
	if c.Incarnation == nil {
		c.Incarnation = randomIncarnation
	}
}

// choreDelay is how long housekeeping lets work gather.
const choreDelay = 50 * time.Millisecond
