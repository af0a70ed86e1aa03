package seqset

import (
	"iter"
	"math/bits"
	"slices"
)

const (
	chunkBits = 16
	chunkSize = 1 << chunkBits
	words     = chunkSize / 64

	// maxRuns is how many runs take the memory of a bitmap. A bitmap that has
	// fewRuns left becomes runs.
	maxRuns = chunkSize / 8 / 4
	fewRuns = maxRuns / 2
)

// run is a row of numbers of one chunk, both ends included.
type run struct{ first, last uint16 }

// chunk is what a set has of 65,536 numbers, or of a row of such chunks if it
// has all of them: then it is a span.
//
// Invariant: a span has neither runs nor bitmap, all others have exactly one of
// them, are not empty, and not full. Runs are in order and do not touch.
type chunk struct {
	// first and last are numbers of chunks, different only in a span.
	first, last uint64
	runs        []run
	bits        *[words]uint64
	// count is the number of members, and pieces that of runs, however they are
	// kept. A span has none.
	count, pieces uint32
}

func (c *chunk) isSpan() bool { return c.count == 0 }

// size is the number of members.
func (c *chunk) size() uint64 {
	if c.isSpan() {
		return (c.last - c.first + 1) << chunkBits
	}
	return uint64(c.count)
}

func (c *chunk) has(x uint16) bool {
	switch {
	case c.isSpan():
		return true
	case c.bits != nil:
		return hasBit(c.bits, int(x))
	}
	_, ok := c.find(x)
	return ok
}

// find returns which of the runs x is in, or else the first behind it.
func (c *chunk) find(x uint16) (i int, ok bool) {
	// Numbers come in order more often than not.
	if n := len(c.runs); n == 0 || c.runs[n-1].last < x {
		return n, false
	}
	i, _ = slices.BinarySearchFunc(c.runs, x, func(r run, x uint16) int { return int(r.last) - int(x) })
	return i, c.runs[i].first <= x
}

// add adds the numbers from first to last and returns how many of them are new.
// The chunk may be full then, which is for the set to notice.
func (c *chunk) add(first, last uint16) (added uint32) {
	before := c.count
	if c.bits != nil {
		c.addBits(int(first), int(last))
	} else {
		c.addRun(first, last)
		if len(c.runs) > maxRuns {
			c.toBits()
		}
	}
	return c.count - before
}

// remove removes the numbers from first to last and returns how many there were.
// The chunk may be empty then, which is for the set to notice.
func (c *chunk) remove(first, last uint16) (removed uint32) {
	before := c.count
	if c.bits != nil {
		c.removeBits(int(first), int(last))
	} else {
		c.removeRun(first, last)
		if len(c.runs) > maxRuns {
			c.toBits()
		}
	}
	return before - c.count
}

func (c *chunk) addRun(first, last uint16) {
	// All runs from i to before j are in reach of the new one, and become part of
	// it. A run that touches it is.
	i, _ := c.find(max(first, 1) - 1)
	j := i
	for ; j < len(c.runs) && int(c.runs[j].first) <= int(last)+1; j++ {
		r := c.runs[j]
		first, last = min(first, r.first), max(last, r.last)
		c.count -= r.len()
	}
	merged := run{first, last}
	c.count += merged.len()
	if i < j {
		c.runs[i] = merged
		c.runs = trim(slices.Delete(c.runs, i+1, j))
	} else {
		c.runs = slices.Insert(c.runs, i, merged)
	}
	c.pieces = uint32(len(c.runs))
}

func (c *chunk) removeRun(first, last uint16) {
	i, _ := c.find(first)
	j := i
	var rest [2]run
	n := 0
	for ; j < len(c.runs) && c.runs[j].first <= last; j++ {
		r := c.runs[j]
		c.count -= r.len()
		if r.first < first {
			rest[n] = run{r.first, first - 1}
			n++
		}
		if r.last > last {
			rest[n] = run{last + 1, r.last}
			n++
		}
	}
	for _, r := range rest[:n] {
		c.count += r.len()
	}
	c.runs = trim(slices.Replace(c.runs, i, j, rest[:n]...))
	c.pieces = uint32(len(c.runs))
}

func (r run) len() uint32 { return uint32(r.last) - uint32(r.first) + 1 }

func (c *chunk) addBits(first, last int) {
	if first == last {
		if hasBit(c.bits, first) {
			return
		}
		c.bits[first/64] |= 1 << (first % 64)
		c.count++
		c.pieces += 1 - c.neighbours(first)
	} else {
		for w, mask := range masks(first, last) {
			c.bits[w] |= mask
		}
		c.recount()
	}
	c.leaveBits()
}

func (c *chunk) removeBits(first, last int) {
	if first == last {
		if !hasBit(c.bits, first) {
			return
		}
		c.bits[first/64] &^= 1 << (first % 64)
		c.count--
		c.pieces += c.neighbours(first) - 1
	} else {
		for w, mask := range masks(first, last) {
			c.bits[w] &^= mask
		}
		c.recount()
	}
	c.leaveBits()
}

// neighbours is how many of the two numbers beside x are members.
func (c *chunk) neighbours(x int) (n uint32) {
	if x > 0 && hasBit(c.bits, x-1) {
		n++
	}
	if x < chunkSize-1 && hasBit(c.bits, x+1) {
		n++
	}
	return n
}

// recount counts members and runs of a bitmap. A run begins where a bit is set
// and the one below is not.
func (c *chunk) recount() {
	c.count, c.pieces = 0, 0
	below := uint64(0)
	for _, w := range c.bits {
		c.count += uint32(bits.OnesCount64(w))
		c.pieces += uint32(bits.OnesCount64(w &^ (w<<1 | below)))
		below = w >> 63
	}
}

func (c *chunk) toBits() {
	b := new([words]uint64)
	for _, r := range c.runs {
		for w, mask := range masks(int(r.first), int(r.last)) {
			b[w] |= mask
		}
	}
	c.bits, c.runs = b, nil
}

// leaveBits makes runs of a bitmap that has few of them, but not of one without
// members, which is about to go.
func (c *chunk) leaveBits() {
	if c.pieces > fewRuns || c.count == 0 {
		return
	}
	runs := make([]run, 0, c.pieces)
	for first, last := range c.all() {
		runs = append(runs, run{uint16(first), uint16(last)})
	}
	c.bits, c.runs = nil, runs
}

// all goes over the runs, however they are kept. A span has one.
func (c *chunk) all() iter.Seq2[uint64, uint64] {
	return func(yield func(first, last uint64) bool) {
		if c.isSpan() {
			yield(0, c.size()-1)
			return
		}
		for _, r := range c.runs {
			if !yield(uint64(r.first), uint64(r.last)) {
				return
			}
		}
		if c.bits == nil {
			return
		}
		for i := c.nextBit(0, 0); i < chunkSize; {
			end := c.nextBit(i, ^uint64(0))
			if !yield(uint64(i), uint64(end-1)) {
				return
			}
			i = c.nextBit(end, 0)
		}
	}
}

// nextBit returns the first bit at or behind i that is set, or with all ones for
// flip that is not; chunkSize if there is none.
func (c *chunk) nextBit(i int, flip uint64) int {
	for w := i / 64; w < words; w++ {
		word := c.bits[w] ^ flip
		if w == i/64 {
			word &= ^uint64(0) << (i % 64)
		}
		if word != 0 {
			return 64*w + bits.TrailingZeros64(word)
		}
	}
	return chunkSize
}

// lastBit is the highest member of a bitmap.
func (c *chunk) lastBit() int {
	w := words - 1
	for c.bits[w] == 0 {
		w--
	}
	return 64*w + bits.Len64(c.bits[w]) - 1
}

// countTo is how many members are at or below last. It is not for spans.
func (c *chunk) countTo(last uint16) (n uint64) {
	if c.bits != nil {
		w := int(last) / 64
		for _, word := range c.bits[:w] {
			n += uint64(bits.OnesCount64(word))
		}
		return n + uint64(bits.OnesCount64(c.bits[w]<<(63-last%64)))
	}
	for _, r := range c.runs {
		if r.first > last {
			break
		}
		n += uint64(run{r.first, min(r.last, last)}.len())
	}
	return n
}

func (c *chunk) clone() chunk {
	d := *c
	d.runs = slices.Clone(c.runs)
	if c.bits != nil {
		b := *c.bits
		d.bits = &b
	}
	return d
}

// trim returns s in less memory if most of what it has is empty.
func trim[T any](s []T) []T {
	if cap(s) < 32 || len(s) > cap(s)/4 {
		return s
	}
	return append(make([]T, 0, 2*len(s)), s...)
}

func hasBit(b *[words]uint64, i int) bool { return b[i/64]>>(i%64)&1 != 0 }

// masks gives the words of a bitmap that have bits from first to last, and which.
func masks(first, last int) iter.Seq2[int, uint64] {
	return func(yield func(word int, mask uint64) bool) {
		for w := first / 64; w <= last/64; w++ {
			mask := ^uint64(0)
			if w == first/64 {
				mask <<= first % 64
			}
			if w == last/64 {
				mask &= ^uint64(0) >> (63 - last%64)
			}
			if !yield(w, mask) {
				return
			}
		}
	}
}
