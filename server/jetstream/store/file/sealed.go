package file

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/subject"
)

// sealedIndex is the index of a sealed block: it reads the footer page by page,
// by way of the cache, which has the index itself, too. It does not change.
type sealedIndex struct {
	s    *Store
	b    *block
	n    int
	foot footer
	end  int64
	dir  *directory
}

// footerError says that a footer is not what was written. The records may be.
type footerError struct{ err error }

func (e *footerError) Error() string { return e.err.Error() }
func (e *footerError) Unwrap() error { return e.err }

// sealed returns the index of a sealed block.
func (s *Store) sealed(b *block, n int, foot footer, end int64) (*sealedIndex, error) {
	key := cacheKey{block: b.serial, kind: cacheDirectory}
	if e := s.cache.get(key); e != nil {
		return e.sealed, nil
	}
	content, crc, err := s.readFrame(b, frameRef{off: foot.dir, length: foot.length}, frameDirectory)
	if err != nil {
		return nil, err
	}
	if crc != foot.crc {
		return nil, s.footerDamage(b, foot.dir, errors.New("it is an older one"))
	}
	dir, err := decodeDirectory(content, n, foot.start, foot.dir)
	if err != nil {
		return nil, s.footerDamage(b, foot.dir, err)
	}
	x := &sealedIndex{s: s, b: b, n: n, foot: foot, end: end, dir: dir}
	s.cache.put(&cacheEntry{key: key, sealed: x, size: dir.memBytes() + len(content)})
	return x, nil
}

// readFrame reads a frame of a block's footer. The content is the caller's.
func (s *Store) readFrame(b *block, ref frameRef, kind frameKind) (content []byte, crc uint32, err error) {
	raw := make([]byte, ref.length)
	if err := s.readAt(b, raw, ref.off); err != nil {
		return nil, 0, err
	}
	c, err := s.codecFor(b)
	if err != nil {
		return nil, 0, err
	}
	content, f, err := c.open(raw, place{s.id, b.id, ref.off}, kind)
	if err == nil && f.length() != ref.length {
		err = errFrame
	}
	if err != nil {
		return nil, 0, s.footerDamage(b, ref.off, err)
	}
	return content, f.crc, nil
}

// footerDamage is the error of a footer.
func (s *Store) footerDamage(b *block, off int64, err error) error {
	return &footerError{&store.CorruptionError{File: b.path, Offset: off, Range: store.Range{First: b.base, Last: b.last}, Err: err}}
}

// readAt fills buf from a block's file, which the caller has pinned. A file that
// is too short is damage.
func (s *Store) readAt(b *block, buf []byte, off int64) error {
	if s.noReads.Load() {
		return store.ErrClosed
	}
	f, err := s.cache.open(b.serial, s.cfg.FS, b.path)
	if err != nil {
		return err
	}
	n, err := f.ReadAt(buf, off)
	s.cache.release(f)
	if err == nil || n == len(buf) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return s.footerDamage(b, off+int64(n), io.ErrUnexpectedEOF)
	}
	return err
}

func (x *sealedIndex) page(kind cacheKind, i int) ([]byte, error) {
	key := cacheKey{block: x.b.serial, kind: kind, n: i}
	if e := x.s.cache.get(key); e != nil {
		return e.page, nil
	}
	var ref frameRef
	what := frameSlots
	if kind == cacheSlots {
		ref = x.dir.slots[i].frameRef
	} else {
		ref, what = x.dir.subjects[i].frameRef, frameSubjects
	}
	page, _, err := x.s.readFrame(x.b, ref, what)
	if err != nil {
		return nil, err
	}
	if kind == cacheSlots && len(page) != slotSize*min(slotsPerPage, x.n-i*slotsPerPage) {
		return nil, x.damage(ref)
	}
	x.s.cache.put(&cacheEntry{key: key, page: page, size: len(page)})
	return page, nil
}

func (x *sealedIndex) damage(ref frameRef) error { return x.s.footerDamage(x.b, ref.off, errFooter) }

func (x *sealedIndex) slot(ordinal int) (slot, error) {
	i := ordinal / slotsPerPage
	page, err := x.page(cacheSlots, i)
	if err != nil {
		return slot{}, err
	}
	s := decodeSlot(page, ordinal%slotsPerPage)
	if s.place() < blockHeader || s.place()+int64(s.rawLen()) > x.end {
		return slot{}, x.damage(x.dir.slots[i].frameRef)
	}
	return s, nil
}

func (x *sealedIndex) search(seq uint32) (int, error) {
	i := x.dir.findSlotPage(seq)
	page, err := x.page(cacheSlots, i)
	if err != nil {
		return 0, err
	}
	return i*slotsPerPage + searchSlots(page, seq), nil
}

func (x *sealedIndex) searchTime(time int64) (int, error) {
	// The first page that begins at or behind the time; what is looked for may
	// be at the end of the one in front of it.
	i, _ := slices.BinarySearchFunc(x.dir.slots, time, func(p slotPageRef, time int64) int {
		if p.time < time {
			return -1
		}
		return 1
	})
	if i = max(0, i-1); i == len(x.dir.slots) {
		return x.n, nil
	}
	page, err := x.page(cacheSlots, i)
	if err != nil {
		return 0, err
	}
	n := len(page) / slotSize
	j := 0
	for j < n && decodeSlot(page, j).time < time {
		j++
	}
	return i*slotsPerPage + j, nil
}

func (x *sealedIndex) subject(ordinal int, dst []byte) ([]byte, error) {
	s, err := x.slot(ordinal)
	if err != nil {
		return dst, err
	}
	i, ok := slices.BinarySearchFunc(x.dir.subjects, s.subject, func(p subjectPageRef, number uint32) int {
		return int(int64(p.first) - int64(number))
	})
	if !ok {
		i--
	}
	if i < 0 {
		return dst, x.damage(frameRef{off: x.foot.dir})
	}
	page, err := x.page(cacheSubjects, i)
	if err != nil {
		return dst, err
	}
	r := subjectReader{Reader: pack.NewReader(page), limit: x.n, name: dst[len(dst):]}
	for number := x.dir.subjects[i].first; r.next(); number++ {
		if number == s.subject {
			return append(dst, r.name...), nil
		}
	}
	return dst, x.damage(x.dir.subjects[i].frameRef)
}

// find goes to a subject.
func (x *sealedIndex) find(name []byte) (r subjectReader, number uint32, ok bool, err error) {
	i := x.dir.findSubjectPage(name)
	if i < 0 {
		return r, 0, false, nil
	}
	page, err := x.page(cacheSubjects, i)
	if err != nil {
		return r, 0, false, err
	}
	r = subjectReader{Reader: pack.NewReader(page), limit: x.n}
	for number = x.dir.subjects[i].first; r.next(); number++ {
		if c := bytes.Compare(r.name, name); c >= 0 {
			return r, number, c == 0, nil
		}
	}
	if r.Bad() {
		err = x.damage(x.dir.subjects[i].frameRef)
	}
	return r, 0, false, err
}

// nearby is how many slots are looked at before the list of a subject is.
const nearby = 64

func (x *sealedIndex) nextOn(name []byte, from int) (int, error) {
	r, number, ok, err := x.find(name)
	if err != nil || !ok {
		return x.n, err
	}
	// A subject with a long list is soon met again.
	if r.count > nearby {
		for i := from; i < min(from+nearby, x.n); i++ {
			s, err := x.slot(i)
			if err != nil {
				return 0, err
			}
			if s.subject == number {
				return i, nil
			}
		}
	}
	at := 0
	for range r.count {
		v := r.list.Uvarint()
		if v >= uint64(x.n-at) {
			return 0, x.damage(frameRef{off: x.foot.start})
		}
		if at += int(v); at >= from {
			return at, nil
		}
	}
	return x.n, nil
}

func (x *sealedIndex) lastOn(name []byte, upTo int) (int, error) {
	r, number, ok, err := x.find(name)
	if err != nil || !ok {
		return -1, err
	}
	if r.count > nearby {
		for i := min(upTo, x.n-1); i >= max(0, upTo-nearby); i-- {
			s, err := x.slot(i)
			if err != nil {
				return 0, err
			}
			if s.subject == number {
				return i, nil
			}
		}
	}
	ordinals := r.ordinals(nil)
	if r.Bad() {
		return 0, x.damage(frameRef{off: x.foot.start})
	}
	i, ok := slices.BinarySearch(ordinals, uint32(max(upTo, 0)))
	if !ok {
		i--
	}
	if i < 0 || upTo < 0 {
		return -1, nil
	}
	return int(ordinals[i]), nil
}

func (x *sealedIndex) selection(f *store.Filter, p *prune) (*bitmap, error) {
	key := cacheKey{block: x.b.serial, kind: cacheSelection, filter: f}
	if e := x.s.cache.get(key); e != nil {
		return e.selection, nil
	}
	set := &bitmap{words: make([]uint64, (x.n+63)/64)}
	var ordinals []uint32
	add := func(r *subjectReader) bool {
		ordinals = r.ordinals(ordinals[:0])
		for _, o := range ordinals {
			set.set(int(o))
		}
		return !r.Bad()
	}
	if p != nil && p.names != nil {
		// No other subject that the filter selects has messages, and none will in a
		// block that is full.
		for _, name := range p.names {
			r, _, ok, err := x.find(name)
			if err != nil {
				return nil, err
			}
			if ok && !add(&r) {
				return nil, x.damage(frameRef{off: x.foot.start})
			}
		}
	} else {
		for _, pattern := range f.Patterns() {
			if err := x.match(pattern, add); err != nil {
				return nil, err
			}
		}
	}
	x.s.cache.put(&cacheEntry{key: key, selection: set, size: 8 * len(set.words)})
	return set, nil
}

// match goes over the subjects that a pattern matches: those that begin as it
// does up to its first wildcard, and of them those that fit.
func (x *sealedIndex) match(pattern string, visit func(r *subjectReader) bool) error {
	prefix := []byte(literalPrefix(pattern))
	for i := max(0, x.dir.findSubjectPage(prefix)); i < len(x.dir.subjects); i++ {
		page, err := x.page(cacheSubjects, i)
		if err != nil {
			return err
		}
		r := subjectReader{Reader: pack.NewReader(page), limit: x.n}
		for r.next() {
			if !bytes.HasPrefix(r.name, prefix) {
				if bytes.Compare(r.name, prefix) > 0 {
					return nil
				}
				continue
			}
			if subject.Matches(r.name, pattern) && !visit(&r) {
				break
			}
		}
		if r.Bad() {
			return x.damage(x.dir.subjects[i].frameRef)
		}
	}
	return nil
}

// literalPrefix returns what all subjects begin with that a pattern matches.
func literalPrefix(pattern string) string {
	at := 0
	for token := range subject.Tokens(pattern) {
		if token == "*" || token == ">" {
			return pattern[:at]
		}
		at += len(token) + 1
	}
	return pattern
}

func (x *sealedIndex) postings(visit func(subject []byte, ordinals []uint32) bool) error {
	var ordinals []uint32
	for i := range x.dir.subjects {
		page, err := x.page(cacheSubjects, i)
		if err != nil {
			return err
		}
		r := subjectReader{Reader: pack.NewReader(page), limit: x.n}
		for r.next() {
			ordinals = r.ordinals(ordinals[:0])
			if !r.Bad() && !visit(r.name, ordinals) {
				return nil
			}
		}
		if r.Bad() {
			return x.damage(x.dir.subjects[i].frameRef)
		}
	}
	return nil
}
