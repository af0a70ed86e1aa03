package file

import (
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// maxRestarts is how often Last begins anew because what it found was removed
// before it could be read.
const maxRestarts = 16

// Last implements store.Reader.
func (s *Store) Last(f *store.Filter, upTo store.Seq, m *store.Message) error {
	if upTo == 0 {
		upTo = math.MaxUint64
	}
	for attempt := 0; ; attempt++ {
		err := s.tryLast(f, upTo, m)
		if !again(err) {
			return s.orClosed(err)
		}
		if attempt == maxRestarts {
			return s.lastOfImage(f, upTo, m)
		}
	}
}

func (s *Store) tryLast(f *store.Filter, upTo store.Seq, m *store.Message) error {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return store.ErrClosed
	}
	p := s.pruneLocked(f)
	if p.none || upTo < p.lo {
		s.mu.RUnlock()
		return store.ErrNotFound
	}
	if _, literal := f.Literal(); (literal || f == nil) && upTo >= p.hi {
		// The newest of all, or of a subject, is known.
		if f != nil {
			upTo = p.hi
		}
		if i := findBlock(s.blocks, upTo); f != nil && i < len(s.blocks) {
			if b := s.blocks[i]; b.mem != nil || b.dense() {
				at := b.ordinal(upTo)
				if !b.dense() {
					at, _ = b.mem.search(uint32(upTo - b.base)) // an index in memory gives no error
				}
				return s.loadLocked(candidate{b, at}, m)
			}
		}
	}
	im := s.imageLocked(&p, upTo)
	s.mu.RUnlock()
	defer im.release()
	b, at, err := im.last(f, upTo)
	if err != nil {
		return err
	}
	return s.load(candidate{b, at}, m)
}

// lastOfImage reads the message that was the last one when it began.
func (s *Store) lastOfImage(f *store.Filter, upTo store.Seq, m *store.Message) error {
	s.write.Lock()
	err := s.unusable()
	if err == nil {
		err = s.flush()
	}
	s.mu.RLock()
	p := s.pruneLocked(f)
	im := s.imageLocked(&p, upTo)
	s.mu.RUnlock()
	s.write.Unlock()
	defer im.release()
	if err != nil {
		return err
	}
	b, at, err := im.last(f, upTo)
	if err != nil {
		return err
	}
	v := im.view(b)
	return s.use(v, func(x index) error {
		sl, err := x.slot(at)
		if err != nil {
			return err
		}
		return s.readRecord(v, &sl, m)
	})
}

// image is some blocks as they were at one moment.
type image struct {
	s     *Store
	views []view
}

// imageLocked takes an image of the blocks up to a number that may have what a
// filter selects.
func (s *Store) imageLocked(p *prune, upTo store.Seq) *image {
	im := &image{s: s}
	for _, b := range s.blocks {
		if b.base > upTo {
			break
		}
		if b.live > 0 && p.mayHave(b) {
			b.pin()
			im.views = append(im.views, b.viewLocked(true))
		}
	}
	return im
}

func (im *image) release() {
	for i := range im.views {
		im.views[i].b.unpin()
	}
}

func (im *image) view(b *block) *view {
	i := slices.IndexFunc(im.views, func(v view) bool { return v.b == b })
	return &im.views[i]
}

// last returns the last record up to a number that a filter selects.
func (im *image) last(f *store.Filter, upTo store.Seq) (*block, int, error) {
	for i := len(im.views) - 1; i >= 0; i-- {
		v := &im.views[i]
		at := -1
		err := im.s.use(v, func(x index) error {
			sel, end, err := selected(x, v, f, upTo)
			if err == nil {
				at = lastWithout(sel, v.dead, end)
			}
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		if at >= 0 {
			return v.b, at, nil
		}
	}
	return nil, 0, store.ErrNotFound
}

// selected returns what a filter selects in a block (nil: all), and the ordinal
// behind the last record up to a number.
func selected(x index, v *view, f *store.Filter, upTo store.Seq) (sel *bitmap, end int, err error) {
	end = v.n
	if upTo < v.b.base {
		return nil, 0, nil
	}
	if d := upTo - v.b.base; d < math.MaxUint32 {
		if end, err = x.search(uint32(d) + 1); err != nil {
			return nil, 0, err
		}
	}
	if f != nil {
		sel, err = x.selection(f, nil)
	}
	return sel, end, err
}

// LastOf implements store.Reader.
func (s *Store) LastOf(f *store.Filter, upTo store.Seq, limit int, dst []store.Seq) ([]store.Seq, error) {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return dst, store.ErrClosed
	}
	if upTo == 0 {
		upTo = math.MaxUint64
	}
	begin := len(dst)
	// Of subjects whose newest message is too new, an older one is looked for.
	var older map[string]bool
	for name, e := range s.subjects.matching(f) {
		sp := s.subjects.span(name, e)
		switch {
		case sp.last <= upTo:
			dst = append(dst, sp.last)
		case sp.first <= upTo:
			if older == nil {
				older = make(map[string]bool)
			}
			older[string(name)] = true
		}
		if len(dst)-begin > limit {
			s.mu.RUnlock()
			return dst[:begin], store.ErrTooMany
		}
	}
	var im *image
	if len(older) > 0 {
		p := s.pruneLocked(f)
		im = s.imageLocked(&p, upTo)
	}
	s.mu.RUnlock()
	if im != nil {
		defer im.release()
		var err error
		if dst, err = im.lastOf(older, upTo, dst); err != nil {
			return dst[:begin], s.orClosed(err)
		}
		if len(dst)-begin > limit {
			return dst[:begin], store.ErrTooMany
		}
	}
	slices.Sort(dst[begin:])
	return dst, nil
}

// lastOf appends the newest message up to a number of each subject of a set,
// which is used up.
func (im *image) lastOf(subjects map[string]bool, upTo store.Seq, dst []store.Seq) ([]store.Seq, error) {
	for i := len(im.views) - 1; i >= 0 && len(subjects) > 0; i-- {
		v := &im.views[i]
		before := len(dst)
		err := im.s.use(v, func(x index) (err error) {
			dst = dst[:before]
			_, end, err := selected(x, v, nil, upTo)
			if err != nil {
				return err
			}
			found := make(map[string]int)
			err = x.postings(func(subject []byte, ordinals []uint32) bool {
				if !subjects[string(subject)] {
					return true
				}
				for _, o := range slices.Backward(ordinals) {
					if int(o) < end && !v.dead.has(int(o)) {
						found[string(subject)] = int(o)
						break
					}
				}
				return true
			})
			for subject, at := range found {
				sl, slotErr := x.slot(at)
				if slotErr != nil {
					return slotErr
				}
				dst = append(dst, v.b.base+store.Seq(sl.seq))
				delete(subjects, subject)
			}
			return err
		})
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}
