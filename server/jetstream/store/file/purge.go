package file

import (
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// Compact implements store.Store.
func (s *Store) Compact(seq store.Seq) (uint64, error) {
	if err := s.beginWrite(); err != nil {
		return 0, err
	}
	defer s.write.Unlock()
	if seq == 0 {
		return 0, nil
	}
	return s.removeFront(nil, seq, func() {
		st := &s.state
		st.Last = max(st.Last, seq-1)
		if st.Messages == 0 {
			st.First = max(st.First, seq)
		}
	})
}

// Purge implements store.Store.
func (s *Store) Purge(f *store.Filter, before store.Seq, keep uint64) (uint64, error) {
	if err := s.beginWrite(); err != nil {
		return 0, err
	}
	defer s.write.Unlock()
	everything := f == nil && before == 0 && keep == 0
	cut := before
	if before == 0 {
		cut = math.MaxUint64
	}
	if keep > 0 {
		var err error
		if cut, err = s.keepNewest(f, cut, keep); err != nil {
			return 0, err
		}
	}
	return s.removeFront(f, cut, func() {
		if everything {
			s.state.First, s.state.FirstTime = s.state.Last+1, 0
		}
	})
}

// keepNewest returns the number of the oldest of the newest keep messages that f
// selects in front of cut, 0 if there are not more than that.
func (s *Store) keepNewest(f *store.Filter, cut store.Seq, keep uint64) (first store.Seq, err error) {
	p := s.pruneLocked(f)
	if p.none {
		return 0, nil
	}
	for i := len(s.blocks) - 1; i >= 0; i-- {
		b := s.blocks[i]
		if b.base >= cut || b.live == 0 || !p.mayHave(b) {
			continue
		}
		v := b.viewLocked(false)
		err := s.use(&v, func(x index) error {
			sel, end, err := selected(x, &v, f, cut-1)
			if err != nil {
				return err
			}
			if n := uint64(countWithout(sel, b.dead, 0, end)); n < keep {
				keep -= n
				return nil
			}
			for ; keep > 0; keep-- {
				end = lastWithout(sel, b.dead, end)
			}
			sl, err := x.slot(end)
			first = b.base + store.Seq(sl.seq)
			return err
		})
		if err != nil || first > 0 {
			return first, err
		}
	}
	return 0, nil
}

// removal is what goes of one block.
type removal struct {
	b *block
	// whole: all that is live; else those in dead, count of them with bytes.
	whole bool
	dead  *bitmap
	count int
	bytes uint64
}

// removeFront removes the messages in front of cut that f selects. finish is
// called under the lock when all else is done.
func (s *Store) removeFront(f *store.Filter, cut store.Seq, finish func()) (count uint64, err error) {
	p := s.pruneLocked(f)
	var removals []removal
	tally := &tally{f: f, counts: make(map[string]uint64)}
	everything := f == nil && cut > s.state.Last
	for _, b := range s.blocks {
		if p.none || b.base >= cut {
			break
		}
		if b.live == 0 || !p.mayHave(b) {
			continue
		}
		r := removal{b: b, whole: f == nil && b.last < cut, count: b.live, bytes: b.liveBytes}
		if !r.whole || !everything {
			v := b.viewLocked(false)
			if err := s.use(&v, func(x index) error { return r.collect(x, &v, f, cut, tally) }); err != nil {
				return 0, err
			}
		}
		if r.count > 0 {
			removals = append(removals, r)
			count += uint64(r.count)
		}
	}
	first, ok, err := s.firstWithout(removals)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var empty []*block
	for i := range removals {
		if b := s.applyLocked(&removals[i]); b != nil {
			empty = append(empty, b)
		}
	}
	if everything {
		s.subjects.clear()
	}
	for subject, n := range tally.counts {
		s.subjects.removeFront([]byte(subject), cut, n)
	}
	if len(empty) > 0 {
		s.dropLocked(empty...)
	}
	if count > 0 {
		s.setFirstLocked(first, ok)
	}
	finish()
	s.pruneLossesLocked()
	return count, nil
}

// applyLocked removes messages, and returns their block if it is to be dropped.
func (s *Store) applyLocked(r *removal) *block {
	b := r.b
	s.state.Messages -= uint64(r.count)
	s.state.Bytes -= r.bytes
	b.live -= r.count
	b.liveBytes -= r.bytes
	if r.whole {
		// Somebody may still have the block in an image, or in a checkpoint.
		all := &bitmap{}
		all.setRange(0, b.n)
		b.dead = all
		b.shared.Store(false)
	} else {
		b.own()
		b.dead.add(r.dead)
	}
	if b.live == 0 && b.full {
		return b
	}
	return nil
}

// tally counts the messages that are removed of each subject.
type tally struct {
	f      *store.Filter
	counts map[string]uint64
}

func (t *tally) add(subject []byte, n uint64) {
	if n > 0 {
		t.counts[string(subject)] += n
	}
}

// collect works out what goes of a block.
func (r *removal) collect(x index, v *view, f *store.Filter, cut store.Seq, t *tally) error {
	sel, end, err := selected(x, v, f, cut-1)
	if err != nil {
		return err
	}
	b := v.b
	n := countWithout(sel, b.dead, 0, end)
	if r.whole {
		n = b.live
	} else {
		r.count, r.bytes, r.dead = n, 0, &bitmap{words: make([]uint64, (v.n+63)/64)}
	}
	if n == 0 {
		return nil
	}
	if !r.whole {
		for at := nextWithout(sel, b.dead, 0, end); at < end; at = nextWithout(sel, b.dead, at+1, end) {
			sl, err := x.slot(at)
			if err != nil {
				return err
			}
			r.dead.set(at)
			r.bytes += sl.messageSize()
		}
	}
	return t.collect(x, v, sel, end, n)
}

// collect counts the n messages of a selection in front of an ordinal by their
// subjects.
func (t *tally) collect(x index, v *view, sel *bitmap, end, n int) error {
	dead := v.b.dead
	if literal, ok := t.f.Literal(); ok {
		t.add([]byte(literal), uint64(n))
		return nil
	}
	counts := make(map[string]uint64)
	if n < v.n/8 {
		// Few of them: it is quicker to ask for the subject of each.
		var name []byte // empty for a record that is lost: no subject is
		for at := nextWithout(sel, dead, 0, end); at < end; at = nextWithout(sel, dead, at+1, end) {
			var err error
			if name, err = x.subject(at, name[:0]); err != nil {
				return err
			}
			counts[string(name)]++
		}
	} else {
		err := x.postings(func(subject []byte, ordinals []uint32) bool {
			if !t.f.Matches(subject) {
				return true
			}
			n := uint64(0)
			for _, o := range ordinals {
				if int(o) < end && !dead.has(int(o)) {
					n++
				}
			}
			if n > 0 {
				counts[string(subject)] = n
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	// Only now: an error has all of this done once more.
	for subject, n := range counts {
		t.counts[subject] += n
	}
	return nil
}

// firstWithout returns the oldest message that is not among those to be removed.
func (s *Store) firstWithout(removals []removal) (l location, ok bool, err error) {
	for _, b := range s.blocks {
		dead := b.dead
		if len(removals) > 0 && removals[0].b == b {
			r := &removals[0]
			removals = removals[1:]
			if r.count == b.live {
				continue
			}
			dead = dead.clone()
			dead.add(r.dead)
		}
		if b.live == 0 {
			continue
		}
		if at := nextWithout(nil, dead, 0, b.n); at < b.n {
			return s.at(b, at)
		}
	}
	return location{}, false, nil
}

// add adds the ordinals of another set.
func (b *bitmap) add(o *bitmap) {
	if o == nil {
		return
	}
	for len(b.words) < len(o.words) {
		b.words = append(b.words, 0)
	}
	for i, w := range o.words {
		b.words[i] |= w
	}
}
