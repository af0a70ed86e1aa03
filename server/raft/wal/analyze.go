package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// analysis is what a directory was found to hold. Making it changes nothing on
// disk. Its steps are
//
//  1. read the sidecars and scan the segments (load),
//  2. work out up to where the log is known to be synced (findMark), where each
//     segment ends, and which segments there should be (bound),
//  3. replay, group by group, what was appended, whether it is still there or only
//     known by name (merge.go), and
//  4. find the records that the groups need. What is not found is damage.
type analysis struct {
	fs    vfs.FS
	dir   string
	store storeFile
	// storeErr says what is wrong with STORE.
	storeErr error
	exists   bool // STORE does
	empty    bool // no segment and no sidecar says anything

	states  []*segmentState // by number
	highest uint64
	mark    position
	// beyond is a segment that had something synced in it, and has not.
	beyond uint64
	// catalog is the sidecar with the newest catalog, or nil.
	catalog *sidecar
	// holes are parts of which is not known what was there.
	holes  []hole
	groups []*Group // by id
	// leftovers are files that do not belong to the log, files all that do or
	// did.
	leftovers, files []string
	flushSeq         uint64
}

// segmentState is a segment that is there or should be.
type segmentState struct {
	number uint64
	scan   *scan // nil if the file is missing
	side   *sidecar
	// mark is up to where it is known to have been synced, end where it ends.
	mark, end int64
	// bad is what is wrong below end.
	bad []badSpan
}

type hole struct {
	segment uint64
	span
}

// analyze looks at a directory. An error is one of the file system, or says that
// the format is newer than this program.
func analyze(fsys vfs.FS, dir string, workers int) (*analysis, error) {
	a := &analysis{fs: fsys, dir: dir}
	numbers, sides, err := a.list()
	if err != nil {
		return nil, err
	}
	if err := a.readStore(numbers); err != nil {
		return nil, err
	}
	if a.empty = len(numbers)+len(sides) == 0 || a.storeErr != nil && a.store.id == 0; a.empty {
		return a, nil
	}
	if err := a.load(numbers, sides, workers); err != nil {
		return nil, err
	}
	a.findMark()
	if err := a.bound(); err != nil {
		return nil, err
	}
	says := (*segmentState).says
	if !a.exists {
		// It may be that the store was never made.
		says = (*segmentState).holds
	}
	if a.empty = !slices.ContainsFunc(a.states, says); a.empty {
		return a, nil
	}
	a.findCatalog()
	a.findHoles()
	a.merge()
	return a, nil
}

// says reports whether there is anything in a segment or its sidecar.
func (s *segmentState) says() bool {
	return s.scan != nil && (s.scan.headerErr == nil || s.scan.tail > segmentStart) || s.side != nil && s.side.to > 0
}

// holds reports whether there is more than an empty segment.
func (s *segmentState) holds() bool {
	return s.scan != nil && s.scan.tail > segmentStart || s.side != nil && s.side.to > 0
}

// list finds the files.
func (a *analysis) list() (segs, sides []uint64, err error) {
	entries, err := a.fs.List(a.dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if e.Name == storeName {
			a.exists = true
			a.files = append(a.files, e.Name)
		}
		if strings.HasSuffix(e.Name, vfs.TempSuffix) {
			a.leftovers = append(a.leftovers, e.Name)
		}
		base, _, _ := strings.Cut(e.Name, ".")
		n, err := strconv.ParseUint(base, 16, 32)
		switch {
		case err != nil || e.Dir:
		case e.Name == segmentName(n):
			segs = append(segs, n)
			a.files = append(a.files, e.Name)
			a.highest = max(a.highest, n)
		case e.Name == sidecarName(n):
			sides = append(sides, n)
			a.files = append(a.files, e.Name)
			a.highest = max(a.highest, n)
		}
	}
	return segs, sides, nil
}

func (a *analysis) path(name string) string { return filepath.Join(a.dir, name) }

// readStore finds out which store this is. Should its file be damaged, the
// segments say so, too.
func (a *analysis) readStore(numbers []uint64) error {
	b, err := vfs.ReadFile(a.fs, a.path(storeName), pageSize)
	if err == nil {
		a.store, err = decodeStore(b)
		if err == nil {
			return nil
		}
		if errors.Is(err, errVersion) {
			return fmt.Errorf("wal: %s: %w", storeName, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		if info, serr := a.fs.Stat(a.path(storeName)); serr != nil || info.Size <= pageSize {
			return err
		}
	}
	a.storeErr = fmt.Errorf("%s: %w", storeName, err)
	for _, n := range numbers {
		h, err := a.readHeader(n)
		if err != nil {
			continue
		}
		if h.segment == n && h.store != 0 && h.incarnation != 0 {
			// The newest has the newest incarnation.
			a.store = storeFile{id: h.store, incarnation: h.incarnation}
		}
	}
	return nil
}

func (a *analysis) readHeader(n uint64) (h segmentHeader, err error) {
	f, err := a.fs.Open(a.path(segmentName(n)))
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := make([]byte, segmentStart)
	if err := readFull(f, b, 0); err != nil {
		return h, err
	}
	return decodeSegmentHeader(b)
}

// load reads all files, several at a time. What each holds does not depend on
// the others.
func (a *analysis) load(segs, sides []uint64, workers int) error {
	numbers := slices.Compact(slices.Sorted(slices.Values(slices.Concat(segs, sides))))
	a.states = make([]*segmentState, len(numbers))
	errs := make([]error, len(numbers))
	one := func(i int) error {
		n := numbers[i]
		s := &segmentState{number: n}
		a.states[i] = s
		if slices.Contains(sides, n) {
			side, err := readSidecar(a.fs, a.path(sidecarName(n)), a.store.id, n)
			if err != nil {
				// It is not needed as long as the log is sound.
				side = &sidecar{segment: n, err: err}
			}
			s.side = side
		}
		if slices.Contains(segs, n) {
			var err error
			if s.scan, err = scanSegment(a.fs, a.path(segmentName(n)), a.store.id, n, 0, s.side.keyed()); err != nil {
				return err
			}
			if errors.Is(s.scan.headerErr, errVersion) {
				return fmt.Errorf("wal: %s: %w", segmentName(n), s.scan.headerErr)
			}
		}
		return nil
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if workers = min(workers, len(numbers)); workers <= 1 {
		for i := range numbers {
			errs[i] = one(i)
		}
		return errors.Join(errs...)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(numbers); i = int(next.Add(1)) - 1 {
				errs[i] = one(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (a *analysis) state(n uint64) *segmentState {
	i, ok := slices.BinarySearchFunc(a.states, n, func(s *segmentState, n uint64) int { return cmp.Compare(s.number, n) })
	if !ok {
		return nil
	}
	return a.states[i]
}

// key returns the key of the segment, as its header or its sidecar has it; nil if
// there is none.
func (s *segmentState) key() *segmentKey {
	switch {
	case s.scan != nil && s.scan.headerErr == nil:
		return s.scan.header.key
	case s.side.keyed():
		return s.side.key
	}
	return nil
}

// unlock opens the keys of the segments. The error is seal.ErrKey if one does not fit.
func (a *analysis) unlock(keys *seal.Keys) error {
	for _, s := range a.states {
		if k := s.key(); k != nil && s.scan != nil {
			if err := k.open(keys, a.store.id, s.number); err != nil {
				return err
			}
		}
	}
	return nil
}

// findMark works out up to where the log was synced for certain: so say flushes
// that came later, sidecars, the headers of segments that follow, and the store.
func (a *analysis) findMark() {
	a.mark = a.store.mark
	for _, s := range a.states {
		if s.side != nil && s.side.to > 0 {
			a.mark = maxPosition(a.mark, position{s.number, s.side.to})
		}
		if s.scan == nil {
			continue
		}
		if s.scan.headerErr == nil {
			a.mark = maxPosition(a.mark, s.scan.header.prev)
		}
		for n, off := range s.scan.synced {
			a.mark = maxPosition(a.mark, position{n, off})
		}
		a.flushSeq = max(a.flushSeq, s.scan.flushSeq)
	}
	// A sidecar may say that the next segment has something.
	more := slices.ContainsFunc(a.states, func(s *segmentState) bool { return s.number > a.mark.segment && s.says() })
	if s := a.state(a.mark.segment); s != nil && s.side != nil && s.side.followed && !more {
		a.beyond = s.number + 1
		a.mark = position{a.beyond, segmentStart}
		a.highest = max(a.highest, a.beyond)
	}
}

// bound works out where each segment ends, and which there should be.
func (a *analysis) bound() error {
	for _, s := range a.states {
		if err := a.findEnd(s); err != nil {
			return err
		}
	}
	a.dropRemoved()
	for _, s := range a.states {
		if s.scan == nil {
			s.bad = []badSpan{{span: span{segmentStart, s.end}, unit: segmentStart}}
			continue
		}
		for i, b := range s.scan.bad {
			if b.from >= s.end {
				break
			}
			// The last one goes up to the end of the file, which may have been cut.
			if b.to = min(b.to, s.end); i == len(s.scan.bad)-1 {
				b.to = s.end
			}
			s.bad = append(s.bad, b)
		}
	}
	return nil
}

// findEnd works out where a segment ends.
func (a *analysis) findEnd(s *segmentState) error {
	s.mark = segmentStart
	if a.store.mark.segment == s.number {
		s.mark = max(s.mark, a.store.mark.offset)
	}
	exact := int64(0)
	if s.side != nil {
		s.mark = max(s.mark, s.side.to)
		if s.side.sealed {
			exact = s.side.to
		}
	}
	headerSays := int64(0)
	for _, o := range a.states {
		if o.scan == nil {
			continue
		}
		// A flush in a later segment may say less than the end: it may be one of
		// an Open that was about to write what is behind the mark once more.
		s.mark = max(s.mark, o.scan.synced[s.number])
		if h := o.scan.header; o.scan.headerErr == nil && h.prev.segment == s.number && o.number > s.number {
			headerSays = max(headerSays, h.prev.offset)
		}
	}
	if headerSays > 0 {
		s.mark, exact = max(s.mark, headerSays), headerSays
	}
	switch {
	case s.scan == nil:
		s.end = max(exact, s.mark)
		return nil
	case s.number == a.beyond:
		s.end = max(s.scan.size, s.mark)
		s.mark = s.end
	case exact > 0:
		s.end = max(exact, segmentStart)
		s.mark = s.end
	case s.number < a.mark.segment:
		s.end = max(s.mark, s.scan.tail)
		s.mark = s.end
	default:
		// What follows the mark counts up to where it is torn.
		for _, b := range s.scan.bad {
			if b.from >= s.mark {
				s.end = max(s.mark, b.unit)
				break
			}
		}
		s.end = max(s.end, s.mark)
		for _, u := range s.scan.unreadable {
			if u.to > s.mark && u.from <= s.end {
				return fmt.Errorf("wal: %s: the end of the log cannot be read (%d to %d)", segmentName(s.number), u.from, u.to)
			}
		}
	}
	if s.scan.tail > s.end {
		// What is behind the end does not count.
		again, err := scanSegment(a.fs, a.path(segmentName(s.number)), a.store.id, s.number, s.end, s.scan.keyed)
		if err != nil {
			return err
		}
		again.size = s.scan.size
		s.scan = again
	}
	return nil
}

// dropRemoved takes away the segments that housekeeping has removed, and adds
// those that are missing.
func (a *analysis) dropRemoved() {
	var newest manifest
	for _, s := range a.states {
		if s.scan != nil && len(s.scan.manifests) > 0 {
			newest = s.scan.manifests[len(s.scan.manifests)-1]
		}
	}
	listed := func(n uint64) bool { return slices.Contains(newest.segments, n) || n >= newest.at.segment }
	kept := a.states[:0:0]
	for _, s := range a.states {
		// A segment that was made ready and not used, or a sidecar without one.
		unused := s.number > a.mark.segment && !s.says() || s.scan == nil && !slices.Contains(newest.segments, s.number) && s.side.to == 0
		if listed(s.number) && !unused {
			kept = append(kept, s)
			continue
		}
		if s.scan != nil {
			a.leftovers = append(a.leftovers, segmentName(s.number))
		}
		if s.side != nil {
			a.leftovers = append(a.leftovers, sidecarName(s.number))
		}
	}
	a.states = kept
	add := func(n uint64, end int64) {
		if a.state(n) == nil {
			a.states = append(a.states, &segmentState{number: n, mark: end, end: end})
			slices.SortFunc(a.states, func(x, y *segmentState) int { return cmp.Compare(x.number, y.number) })
		}
	}
	for _, n := range newest.segments {
		add(n, segmentStart)
	}
	if a.mark.segment > 0 && a.mark.segment >= newest.at.segment {
		add(a.mark.segment, a.mark.offset)
	}
}

func (a *analysis) findCatalog() {
	for _, s := range a.states {
		if s.side != nil && s.side.hasCatalog {
			a.catalog = s.side
		}
	}
}

// since is the segment from which on it matters what was appended: what was
// before is in the catalog.
func (a *analysis) since() uint64 {
	if a.catalog == nil {
		return 0
	}
	return a.catalog.segment
}

// findHoles finds the parts of the log that hold no valid record, and of which
// no sidecar says what they held.
func (a *analysis) findHoles() {
	for _, s := range a.states {
		if s.number < a.since() {
			continue
		}
		for _, b := range s.bad {
			switch {
			case b.known || s.side.covers(span{b.from, max(b.to, b.from+1)}):
			case a.catalog != nil && s.number == a.catalog.segment && b.to <= a.catalog.catalogAt:
			default:
				a.holes = append(a.holes, hole{s.number, b.span})
			}
		}
		if s.scan == nil && (s.side == nil || !s.side.sealed) {
			// Nobody knows how much there was behind what is known.
			a.holes = append(a.holes, hole{s.number, span{s.end, maxSegment}})
		}
	}
}

// newestHole is where the last loss is of which it is not known what it was.
func (a *analysis) newestHole() (p position) {
	for _, h := range a.holes {
		p = maxPosition(p, position{h.segment, h.from})
	}
	return p
}

// damaged reports whether anything is.
func (a *analysis) damaged() bool {
	return slices.ContainsFunc(a.states, func(s *segmentState) bool {
		return len(s.bad) > 0 || s.scan == nil || s.scan.headerErr != nil && s.number <= a.mark.segment
	}) || slices.ContainsFunc(a.groups, func(g *Group) bool { return len(g.damage) > 0 })
}

// found returns the group's records in a segment.
func (s *segmentState) found(g raft.GroupID) *scanGroup {
	if s.scan == nil {
		return nil
	}
	return s.scan.groups[uint64(g)]
}
