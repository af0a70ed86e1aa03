package seqset

import (
	"iter"
	"slices"
)

// Set is a set of numbers. Its zero value is empty and ready. A copy shares the
// original's memory: use Clone.
type Set struct {
	// chunks are in order; spans do not touch.
	chunks []chunk
	len    uint64
}

// Len is how many numbers are in the set.
func (s *Set) Len() uint64 { return s.len }

// IsEmpty reports whether there is none.
func (s *Set) IsEmpty() bool { return len(s.chunks) == 0 }

// Has reports whether x is in the set.
func (s *Set) Has(x uint64) bool {
	i, ok := s.find(x >> chunkBits)
	return ok && s.chunks[i].has(uint16(x))
}

// Min returns the smallest number; ok is false if the set is empty.
func (s *Set) Min() (x uint64, ok bool) {
	if s.IsEmpty() {
		return 0, false
	}
	c := &s.chunks[0]
	for first := range c.all() {
		x = c.first<<chunkBits + first
		break
	}
	return x, true
}

// Max returns the largest number; ok is false if the set is empty.
func (s *Set) Max() (x uint64, ok bool) {
	if s.IsEmpty() {
		return 0, false
	}
	c := &s.chunks[len(s.chunks)-1]
	base := c.last << chunkBits
	switch {
	case c.isSpan():
		return base + chunkSize - 1, true
	case c.bits != nil:
		return base + uint64(c.lastBit()), true
	}
	return base + uint64(c.runs[len(c.runs)-1].last), true
}

// Ranges goes over the set in order, as ranges that do not touch. Both ends are
// in the set. It must not be changed meanwhile.
func (s *Set) Ranges() iter.Seq2[uint64, uint64] {
	return func(yield func(first, last uint64) bool) {
		// A range is held back until it is clear that it does not go on in the next
		// chunk.
		var first, last uint64
		held := false
		for i := range s.chunks {
			c := &s.chunks[i]
			base := c.first << chunkBits
			for f, l := range c.all() {
				f, l = base+f, base+l
				if held && last+1 == f {
					last = l
					continue
				}
				if held && !yield(first, last) {
					return
				}
				first, last, held = f, l, true
			}
		}
		if held {
			yield(first, last)
		}
	}
}

// CountBetween returns how many numbers from first to last are in the set.
func (s *Set) CountBetween(first, last uint64) (n uint64) {
	if first > last {
		return 0
	}
	i, _ := s.find(first >> chunkBits)
	for ; i < len(s.chunks); i++ {
		c := &s.chunks[i]
		base, top := c.first<<chunkBits, c.last<<chunkBits+chunkSize-1
		if base > last {
			break
		}
		from, to := max(first, base), min(last, top)
		switch {
		case c.isSpan():
			n += to - from + 1
		case from == base && to == top:
			n += c.size()
		default:
			n += c.countTo(uint16(to))
			if from > base {
				n -= c.countTo(uint16(from - 1))
			}
		}
	}
	return n
}

// Add adds x, and reports whether it was missing.
func (s *Set) Add(x uint64) bool {
	return s.addTo(x>>chunkBits, uint16(x), uint16(x)) > 0
}

// AddRange adds the numbers from first to last, both included. If first is
// behind last there are none.
func (s *Set) AddRange(first, last uint64) {
	if first > last {
		return
	}
	from, to := first>>chunkBits, last>>chunkBits
	if from == to {
		s.addTo(from, uint16(first), uint16(last))
		return
	}
	// Only the chunks at both ends may be partly in the range.
	s.addTo(from, uint16(first), chunkSize-1)
	s.addTo(to, 0, uint16(last))
	if from+1 < to {
		s.addSpan(from+1, to-1)
	}
}

// Remove removes x, and reports whether it was there.
func (s *Set) Remove(x uint64) bool {
	return s.removeFrom(x>>chunkBits, uint16(x), uint16(x)) > 0
}

// RemoveRange removes the numbers from first to last, both included. If first is
// behind last there are none.
func (s *Set) RemoveRange(first, last uint64) {
	if first > last {
		return
	}
	from, to := first>>chunkBits, last>>chunkBits
	if from == to {
		s.removeFrom(from, uint16(first), uint16(last))
		return
	}
	s.removeFrom(from, uint16(first), chunkSize-1)
	s.removeFrom(to, 0, uint16(last))
	if from+1 < to {
		s.removeChunks(from+1, to-1)
	}
}

// RemoveBelow removes all numbers less than x.
func (s *Set) RemoveBelow(x uint64) {
	if x > 0 {
		s.RemoveRange(0, x-1)
	}
}

// Clear removes all numbers.
func (s *Set) Clear() { *s = Set{} }

// Clone returns a copy that shares nothing with the set.
func (s *Set) Clone() Set {
	d := Set{len: s.len}
	if len(s.chunks) > 0 {
		d.chunks = make([]chunk, len(s.chunks))
	}
	for i := range s.chunks {
		d.chunks[i] = s.chunks[i].clone()
	}
	return d
}

// find returns which of the chunks has the number n, or else the first behind
// it.
func (s *Set) find(n uint64) (i int, ok bool) {
	// Not slices.BinarySearchFunc, which copies each chunk that it looks at.
	j := len(s.chunks)
	for i < j {
		if mid := int(uint(i+j) / 2); s.chunks[mid].last < n {
			i = mid + 1
		} else {
			j = mid
		}
	}
	return i, i < len(s.chunks) && s.chunks[i].first <= n
}

// addTo adds a range of chunk n.
func (s *Set) addTo(n uint64, first, last uint16) (added uint32) {
	i, ok := s.find(n)
	switch {
	case ok && s.chunks[i].isSpan():
		return 0
	case !ok:
		s.chunks = slices.Insert(s.chunks, i, chunk{first: n, last: n})
	}
	c := &s.chunks[i]
	added = c.add(first, last)
	s.len += uint64(added)
	if c.count == chunkSize {
		s.chunks[i] = chunk{first: n, last: n}
		s.joinSpans(i)
	}
	return added
}

// removeFrom removes a range of chunk n.
func (s *Set) removeFrom(n uint64, first, last uint16) (removed uint32) {
	i, ok := s.find(n)
	if !ok {
		return 0
	}
	if s.chunks[i].isSpan() {
		i = s.openSpan(i, n)
	}
	c := &s.chunks[i]
	removed = c.remove(first, last)
	s.len -= uint64(removed)
	if c.count == 0 {
		s.chunks = trim(slices.Delete(s.chunks, i, i+1))
	}
	return removed
}

// openSpan makes chunk n of a span one that is full but no span, and returns
// which it is.
func (s *Set) openSpan(i int, n uint64) int {
	c := s.chunks[i]
	parts := make([]chunk, 0, 3)
	if c.first < n {
		parts = append(parts, chunk{first: c.first, last: n - 1})
	}
	at := i + len(parts)
	parts = append(parts, chunk{first: n, last: n, runs: []run{{0, chunkSize - 1}}, count: chunkSize, pieces: 1})
	if n < c.last {
		parts = append(parts, chunk{first: n + 1, last: c.last})
	}
	s.chunks = slices.Replace(s.chunks, i, i+1, parts...)
	return at
}

// addSpan fills the chunks from first to last.
func (s *Set) addSpan(first, last uint64) {
	s.removeChunks(first, last)
	i, _ := s.find(first)
	s.chunks = slices.Insert(s.chunks, i, chunk{first: first, last: last})
	s.len += s.chunks[i].size()
	s.joinSpans(i)
}

// removeChunks empties the chunks from first to last.
func (s *Set) removeChunks(first, last uint64) {
	i, _ := s.find(first)
	j := i
	var rest []chunk
	for ; j < len(s.chunks) && s.chunks[j].first <= last; j++ {
		c := &s.chunks[j]
		s.len -= c.size()
		// Only spans can go on behind either end.
		if c.first < first {
			rest = append(rest, chunk{first: c.first, last: first - 1})
		}
		if c.last > last {
			rest = append(rest, chunk{first: last + 1, last: c.last})
		}
	}
	for k := range rest {
		s.len += rest[k].size()
	}
	s.chunks = trim(slices.Replace(s.chunks, i, j, rest...))
}

// joinSpans makes one of the span at i and those that it touches.
func (s *Set) joinSpans(i int) {
	from, to := i, i+1
	if i > 0 && s.chunks[i-1].isSpan() && s.chunks[i-1].last+1 == s.chunks[i].first {
		from--
	}
	if to < len(s.chunks) && s.chunks[to].isSpan() && s.chunks[to].first == s.chunks[i].last+1 {
		to++
	}
	s.chunks[from] = chunk{first: s.chunks[from].first, last: s.chunks[to-1].last}
	s.chunks = trim(slices.Delete(s.chunks, from+1, to))
}
