package file

import (
	"errors"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// view is a block as it was at one moment, to be read without a lock.
type view struct {
	b   *block
	n   int
	end int64
	// written is the end of the file.
	written int64
	dead    *bitmap // only if the view was taken by share
	mem     *memIndex
	foot    footer
	frames  []frameRef
	// pass is set by who reads all in order.
	pass *pass
}

// pass is what one keeps to himself who reads everything once, in order: the part of a
// file that was read last. In the cache it would take the place of what others use.
type pass struct {
	last *cacheEntry
	// window has room for one.
	window []byte
}

// room returns room for a window of the view.
func (v *view) room(size int64) []byte {
	p := v.pass
	if p == nil {
		return make([]byte, size)
	}
	p.last = nil // it may be there
	if p.window == nil {
		p.window = make([]byte, windowBytes)
	}
	return p.window[:size]
}

// part returns a part of the view's file that is in memory, or nil.
func (s *Store) part(v *view, key cacheKey) *cacheEntry {
	if p := v.pass; p != nil && p.last != nil && p.last.key == key {
		return p.last
	}
	return s.cache.get(key)
}

// keepPart keeps a part that was read.
func (s *Store) keepPart(v *view, e *cacheEntry) {
	if v.pass != nil {
		v.pass.last = e
		return
	}
	s.cache.put(e)
}

// viewLocked returns a block as it is now. Without share its removed records are
// not part of that. The block must be pinned as long as the view is used.
func (b *block) viewLocked(share bool) view {
	v := view{b: b, n: b.n, end: b.end, written: b.written, mem: b.mem, foot: b.foot, frames: b.frames}
	if b.mem != nil && !b.full {
		// It grows on; what is there does not change.
		mem := *b.mem
		v.mem = &mem
	}
	if share {
		v.dead = b.share()
	}
	return v
}

// index returns the index of the block as of the view.
func (v *view) index(s *Store) (index, error) {
	if v.mem != nil {
		return v.mem, nil
	}
	return s.sealed(v.b, v.n, v.foot, v.end)
}

// use calls fn with the index of a view. If the footer turns out to be damaged,
// it is called once more with an index that is made from the records.
func (s *Store) use(v *view, fn func(x index) error) error {
	x, err := v.index(s)
	if err == nil {
		err = fn(x)
	}
	if err == nil || !isFooterDamage(err) {
		return err
	}
	if rebuildErr := s.rebuild(v.b); rebuildErr != nil {
		return errors.Join(plain(err), rebuildErr)
	}
	s.mu.RLock()
	v.mem, v.frames = v.b.mem, v.b.frames
	s.mu.RUnlock()
	if x, err = v.index(s); err == nil {
		err = fn(x)
	}
	return plain(err)
}

func isFooterDamage(err error) bool {
	var damage *footerError
	return errors.As(err, &damage)
}

// plain returns the error that callers know for one of a footer.
func plain(err error) error {
	if err == nil {
		return nil
	}
	var damage *footerError
	if errors.As(err, &damage) {
		return damage.err
	}
	return err
}

// withIndex calls fn with the index of a block, for the writer.
func (s *Store) withIndex(b *block, fn func(x index) error) error {
	s.mu.RLock()
	v := view{b: b, n: b.n, end: b.end, written: b.written, mem: b.mem, foot: b.foot, frames: b.frames}
	s.mu.RUnlock()
	return s.use(&v, fn)
}

// withPinned calls fn with the index of a block that the caller has pinned.
func (s *Store) withPinned(b *block, fn func(x index) error) error {
	s.mu.RLock()
	v := b.viewLocked(false)
	s.mu.RUnlock()
	return s.use(&v, fn)
}

// rebuild makes the index of a sealed block from its records. Two may do so at
// once, and come to the same.
func (s *Store) rebuild(b *block) error {
	s.mu.RLock()
	t := s.scanTargetLocked(b)
	inMem := b.mem != nil
	s.mu.RUnlock()
	if inMem {
		return nil
	}
	found, err := s.scan(&t)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.mem == nil && !b.gone {
		b.mem, b.frames, b.renew = found.mem, found.frames, true
		b.damaged = b.damaged || len(found.bad) > 0
		s.losses = mergeLosses(s.losses, losses(b, b.mem, b.dead, found.bad))
	}
	return nil
}

// pin keeps the file of a block. The caller holds a lock, and the block is part
// of the store.
func (b *block) pin() { b.pins.Add(1) }

func (b *block) unpin() { b.pins.Add(-1) }

// readRecord reads and verifies the record of a slot, from a file that is
// written as far as that.
func (s *Store) readRecord(v *view, sl *slot, m *store.Message) error {
	b := v.b
	seq := b.base + store.Seq(sl.seq)
	if sl.lost() {
		return recordDamage(b, seq, 0, errLost)
	}
	size := padded(sl.rawLen())
	raw := m.Buffer(size)
	if !b.framed {
		if err := s.readThrough(v, raw, sl.place()); err != nil {
			if errors.Is(err, store.ErrDamaged) {
				return recordDamage(b, seq, sl.place(), errCut)
			}
			return err
		}
	} else {
		content, at, err := s.recordsAround(v, sl.place())
		if err != nil {
			return plain(err)
		}
		from := sl.place() - at
		if from < 0 || from+int64(size) > int64(len(content)) {
			return recordDamage(b, seq, sl.place(), errFrame)
		}
		copy(raw, content[from:])
	}
	r, ok := decodeRecord(raw, b.seed, sl.place())
	if !ok || r.seq != seq || r.rawLen() != sl.rawLen() || !r.checkContent(raw[recordHead+r.subject:], b.seed, sl.place()) {
		return recordDamage(b, seq, sl.place(), errRecord)
	}
	r.view(raw, m)
	return nil
}

var (
	errLost   = errors.New("nothing is left of the record")
	errCut    = errors.New("the file is too short")
	errRecord = errors.New("the record is not what was written")
)

// recordsAround returns the content of the frame that has a place, and where it
// begins. It must not be changed.
func (s *Store) recordsAround(v *view, at int64) (content []byte, from int64, err error) {
	frames := v.frames
	if v.mem == nil {
		x, err := s.sealed(v.b, v.n, v.foot, v.end)
		if err != nil {
			return nil, 0, err
		}
		frames = x.dir.frames
	}
	lo, hi := 0, len(frames)
	for lo < hi {
		mid := (lo + hi) / 2
		if frames[mid].at <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return nil, 0, s.footerDamage(v.b, 0, errFooter)
	}
	ref := frames[lo-1]
	key := cacheKey{block: v.b.serial, kind: cacheRecords, n: int(ref.off)}
	if e := s.part(v, key); e != nil {
		return e.page, ref.at, nil
	}
	content, _, err = s.readFrame(v.b, ref, frameRecords)
	var damage *footerError
	if errors.As(err, &damage) {
		// A frame of records is damage of all that are in it.
		last := v.end
		if lo < len(frames) {
			last = frames[lo].at
		}
		return nil, 0, s.frameDamage(v, ref, last)
	}
	if err != nil {
		return nil, 0, err
	}
	s.keepPart(v, &cacheEntry{key: key, page: content, size: len(content)})
	return content, ref.at, nil
}
