package file

import (
	"bytes"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	// scanAtOnce is how many records of a block that is not sealed are looked at
	// under the lock at once.
	scanAtOnce = 512
	// fewSubjects is up to how many subjects of a filter with wildcards are looked
	// up in order to pass over blocks.
	fewSubjects = 32
)

// Next implements store.Reader.
func (s *Store) Next(f *store.Filter, from store.Seq, m *store.Message) error {
	sk := seeker{s: s, f: f, cur: from, start: from}
	for {
		err := sk.step(m)
		if !again(err) {
			return s.orClosed(err)
		}
	}
}

// seeker looks for the first message at or behind a number. All in front of cur
// have been seen not to be it. Since messages are only added at the end, what was
// passed over stays so, but for a Reset.
type seeker struct {
	s          *Store
	f          *store.Filter
	cur, start store.Seq
	epoch      uint64
	// sel is the selection of block selOf.
	sel   *bitmap
	selOf *block
}

// step looks at one block, or at a part of it. errMoved asks for another step.
func (k *seeker) step(m *store.Message) error {
	s := k.s
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return store.ErrClosed
	}
	if k.epoch != s.epoch {
		k.cur, k.epoch = k.start, s.epoch
	}
	k.cur = max(k.cur, s.state.First)
	i := findBlock(s.blocks, k.cur)
	if i == len(s.blocks) {
		s.mu.RUnlock()
		return store.ErrNotFound
	}
	b := s.blocks[i]
	switch {
	case b.live == 0:
		k.cur = b.last + 1
		s.mu.RUnlock()
		return errMoved
	case b.mem != nil:
		return k.inMemory(b, m)
	case k.f == nil && (b.dense() || k.cur <= b.base):
		return k.load(b, nil, k.ordinal(b), m)
	case k.f == nil || k.selOf == b:
		return k.sealed(b, m)
	}
	// A consumer that is in the middle of a block has been here before.
	if e := s.cache.get(cacheKey{block: b.serial, kind: cacheSelection, filter: k.f}); e != nil {
		k.sel, k.selOf = e.selection, b
		return k.sealed(b, m)
	}
	// Else it pays to find out whether the block can be passed over.
	p := s.pruneLocked(k.f)
	switch {
	case p.none || p.hi < k.cur:
		s.mu.RUnlock()
		return store.ErrNotFound
	case p.lo > k.cur:
		k.cur = p.lo
		s.mu.RUnlock()
		return errMoved
	case p.hashes == nil:
		return k.sealed(b, m)
	}
	for ; i < len(s.blocks); i++ {
		if b = s.blocks[i]; b.live > 0 && p.mayHave(b) {
			break
		}
		k.cur = b.last + 1
	}
	footer := i < len(s.blocks) && b.mem == nil
	s.mu.RUnlock()
	if footer {
		return k.selectIn(b, &p)
	}
	return errMoved
}

// ordinal returns where in a dense block cur is.
func (k *seeker) ordinal(b *block) int {
	if k.cur <= b.base {
		return 0
	}
	return b.ordinal(k.cur)
}

// load reads the first live message of a selection from an ordinal on. The
// caller holds mu for reading; it is unlocked.
func (k *seeker) load(b *block, sel *bitmap, at int, m *store.Message) error {
	at = nextWithout(sel, b.dead, at, b.n)
	if at >= b.n {
		k.cur = b.last + 1
		k.s.mu.RUnlock()
		return errMoved
	}
	return k.s.loadLocked(candidate{b, at}, m)
}

// inMemory looks through the records of a block whose index is in memory. The
// caller holds mu for reading; it is unlocked.
func (k *seeker) inMemory(b *block, m *store.Message) error {
	at := 0
	if k.cur > b.base {
		at, _ = b.mem.search(uint32(k.cur - b.base)) // an index in memory gives no error
	}
	for end := at + scanAtOnce; ; at++ {
		if at = nextWithout(nil, b.dead, at, b.n); at >= b.n {
			k.cur = b.last + 1
			break
		}
		sl := &b.mem.slots[at]
		if k.f == nil || sl.subject != noSubject && k.f.Matches(b.mem.name(sl.subject)) {
			return k.s.loadLocked(candidate{b, at}, m)
		}
		if at >= end {
			k.cur = b.base + store.Seq(sl.seq) + 1
			break
		}
	}
	k.s.mu.RUnlock()
	return errMoved
}

// sealed looks at a sealed block by the selection of the filter. The caller holds
// mu for reading; it is unlocked.
func (k *seeker) sealed(b *block, m *store.Message) error {
	if k.f != nil && k.selOf != b {
		k.s.mu.RUnlock()
		return k.selectIn(b, nil)
	}
	sel := k.sel
	if k.f == nil {
		sel = nil
	}
	if b.dense() || k.cur <= b.base {
		return k.load(b, sel, k.ordinal(b), m)
	}
	s := k.s
	b.pin()
	s.mu.RUnlock()
	at := 0
	err := s.withPinned(b, func(x index) (err error) {
		at, err = x.search(uint32(k.cur - b.base))
		return err
	})
	b.unpin()
	if err != nil {
		return err
	}
	s.mu.RLock()
	if b.gone || s.epoch != k.epoch {
		s.mu.RUnlock()
		return errMoved
	}
	return k.load(b, sel, at, m)
}

// selectIn works out what the filter selects in a block.
func (k *seeker) selectIn(b *block, p *prune) error {
	s := k.s
	s.mu.RLock()
	if b.gone {
		s.mu.RUnlock()
		return errMoved
	}
	b.pin()
	s.mu.RUnlock()
	defer b.unpin()
	err := s.withPinned(b, func(x index) (err error) {
		k.sel, err = x.selection(k.f, p)
		return err
	})
	if err != nil {
		return err
	}
	k.selOf = b
	return errMoved
}

// prune tells where messages that a filter selects can be.
type prune struct {
	// none: there are no such messages.
	none bool
	// lo and hi are bounds of their numbers.
	lo, hi store.Seq
	// hashes are those of all subjects, if they are few, and names, if the filter
	// has wildcards, the subjects.
	hashes []uint64
	names  [][]byte
}

// mayHave reports whether a block may have one of the subjects.
func (p *prune) mayHave(b *block) bool {
	if b.last < p.lo || b.base > p.hi {
		return false
	}
	if p.hashes == nil {
		return true
	}
	for _, h := range p.hashes {
		if b.bloom.mayHave(h) {
			return true
		}
	}
	return false
}

// pruneLocked asks the index of subjects about a filter.
func (s *Store) pruneLocked(f *store.Filter) (p prune) {
	p = prune{hi: s.state.Last}
	if f == nil {
		p.none = s.state.Messages == 0
		p.lo = s.state.First
		return p
	}
	if literal, ok := f.Literal(); ok {
		sp, ok := s.subjects.get([]byte(literal))
		if !ok {
			return prune{none: true}
		}
		return prune{lo: sp.first, hi: sp.last, hashes: []uint64{hashString(literal)}}
	}
	p.none, p.lo = true, s.state.Last
	var hi store.Seq
	for i, pattern := range f.Patterns() {
		for name, e := range s.subjects.tree.Match(pattern) {
			if !f.First(i, name) {
				continue
			}
			sp := s.subjects.span(name, e)
			p.none = false
			p.lo, hi = min(p.lo, sp.first), max(hi, sp.last)
			p.hashes = append(p.hashes, hashSubject(name))
			p.names = append(p.names, bytes.Clone(name))
			if len(p.hashes) > fewSubjects {
				return prune{lo: s.state.First, hi: s.state.Last}
			}
		}
	}
	p.hi = hi
	return p
}
