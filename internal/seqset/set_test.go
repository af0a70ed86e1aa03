package seqset

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// model is the set as a row of ranges, each operation a walk over all of them.
type model struct{ ranges []span }

type span struct{ first, last uint64 }

// without returns the ranges without what is from first to last.
func (m *model) without(first, last uint64) (rest []span) {
	for _, r := range m.ranges {
		if r.first < first {
			rest = append(rest, span{r.first, min(r.last, first-1)})
		}
		if r.last > last {
			rest = append(rest, span{max(r.first, last+1), r.last})
		}
	}
	return rest
}

func (m *model) remove(first, last uint64) { m.ranges = m.without(first, last) }

func (m *model) add(first, last uint64) {
	all := append(m.without(first, last), span{first, last})
	slices.SortFunc(all, func(a, b span) int {
		if a.first < b.first {
			return -1
		}
		return 1
	})
	m.ranges = m.ranges[:0:0]
	for _, r := range all {
		if n := len(m.ranges); n > 0 && m.ranges[n-1].last+1 == r.first {
			m.ranges[n-1].last = r.last
		} else {
			m.ranges = append(m.ranges, r)
		}
	}
}

func (m *model) has(x uint64) bool {
	return slices.ContainsFunc(m.ranges, func(r span) bool { return r.first <= x && x <= r.last })
}

func (m *model) count(first, last uint64) (n uint64) {
	for _, r := range m.ranges {
		if f, l := max(r.first, first), min(r.last, last); f <= l {
			n += l - f + 1
		}
	}
	return n
}

// pair is a set beside its model.
type pair struct {
	set   Set
	model model
}

func (p *pair) add(t *testing.T, x uint64) {
	t.Helper()
	if got, want := p.set.Add(x), !p.model.has(x); got != want {
		t.Fatalf("Add(%d) = %v", x, got)
	}
	p.model.add(x, x)
}

func (p *pair) remove(t *testing.T, x uint64) {
	t.Helper()
	if got, want := p.set.Remove(x), p.model.has(x); got != want {
		t.Fatalf("Remove(%d) = %v", x, got)
	}
	p.model.remove(x, x)
}

func (p *pair) addRange(first, last uint64) {
	p.set.AddRange(first, last)
	p.model.add(first, last)
}

func (p *pair) removeRange(first, last uint64) {
	p.set.RemoveRange(first, last)
	p.model.remove(first, last)
}

func ranges(s *Set) (all []span) {
	for first, last := range s.Ranges() {
		all = append(all, span{first, last})
	}
	return all
}

// same compares all that is in both, checks that the set is in the form that it
// has to have, and that its encoding gives it back.
func (p *pair) same(t *testing.T) {
	t.Helper()
	s, m := &p.set, &p.model
	if got := ranges(s); !slices.Equal(got, m.ranges) {
		t.Fatalf("Ranges() = %v, want %v", got, m.ranges)
	}
	if got, want := s.Len(), m.count(0, math.MaxUint64); got != want {
		t.Fatalf("Len() = %d, want %d", got, want)
	}
	if s.IsEmpty() != (len(m.ranges) == 0) {
		t.Fatalf("IsEmpty() = %v", s.IsEmpty())
	}
	lowest, ok := s.Min()
	highest, ok2 := s.Max()
	if ok != !s.IsEmpty() || ok2 != ok {
		t.Fatalf("Min and Max of a set of %d say %v and %v", s.Len(), ok, ok2)
	}
	if ok && (lowest != m.ranges[0].first || highest != m.ranges[len(m.ranges)-1].last) {
		t.Fatalf("Min() = %d and Max() = %d of %v", lowest, highest, m.ranges)
	}
	checkForm(t, s)
	code := s.Append(nil)
	again, err := Decode(code)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	if !slices.Equal(ranges(&again), m.ranges) || again.Len() != s.Len() {
		t.Fatalf("the encoding is that of %v, want %v", ranges(&again), m.ranges)
	}
	checkForm(t, &again)
	if !bytes.Equal(again.Append(nil), code) {
		t.Fatal("the set has two encodings")
	}
}

// at asks for x in all ways.
func (p *pair) at(t *testing.T, x, y uint64) {
	t.Helper()
	if got, want := p.set.Has(x), p.model.has(x); got != want {
		t.Fatalf("Has(%d) = %v", x, got)
	}
	if got, want := p.set.CountBetween(x, y), p.model.count(x, y); got != want {
		t.Fatalf("CountBetween(%d, %d) = %d, want %d", x, y, got, want)
	}
}

func checkForm(t *testing.T, s *Set) {
	t.Helper()
	for i := range s.chunks {
		c := &s.chunks[i]
		if i > 0 {
			before := &s.chunks[i-1]
			if c.first <= before.last {
				t.Fatalf("chunk %d comes behind %d", c.first, before.last)
			}
			if c.isSpan() && before.isSpan() && c.first == before.last+1 {
				t.Fatalf("two spans touch at chunk %d", c.first)
			}
		}
		if c.isSpan() {
			if c.runs != nil || c.bits != nil || c.pieces != 0 || c.last < c.first {
				t.Fatalf("the span %d to %d is none", c.first, c.last)
			}
			continue
		}
		if c.first != c.last || (c.bits != nil) == (c.runs != nil) || c.count == chunkSize {
			t.Fatalf("chunk %d has the wrong form", c.first)
		}
		if c.bits != nil && c.pieces <= fewRuns || len(c.runs) > maxRuns {
			t.Fatalf("chunk %d has the form that takes more for %d runs", c.first, c.pieces)
		}
		count, pieces := uint32(0), uint32(0)
		for first, last := range c.all() {
			count += uint32(last - first + 1)
			pieces++
		}
		if count != c.count || pieces != c.pieces {
			t.Fatalf("chunk %d counts %d in %d runs, but has %d in %d", c.first, c.count, c.pieces, count, pieces)
		}
	}
}

func TestSet(t *testing.T) {
	const top = math.MaxUint64
	for _, tc := range []struct {
		name string
		do   func(*Set)
		want []span
		len  uint64
	}{
		{"nothing", func(*Set) {}, nil, 0},
		{"one", func(s *Set) { s.Add(7) }, []span{{7, 7}}, 1},
		{"twice", func(s *Set) { s.Add(7); s.Add(7) }, []span{{7, 7}}, 1},
		{"neighbours", func(s *Set) { s.Add(7); s.Add(9); s.Add(8) }, []span{{7, 9}}, 3},
		{"the ends", func(s *Set) { s.Add(0); s.Add(top) }, []span{{0, 0}, {top, top}}, 2},
		{"across chunks", func(s *Set) { s.AddRange(65535, 65536) }, []span{{65535, 65536}}, 2},
		{"a chunk", func(s *Set) { s.AddRange(65536, 131071) }, []span{{65536, 131071}}, 65536},
		{"a chunk one by one", func(s *Set) {
			for x := range uint64(65536) {
				s.Add(x)
			}
		}, []span{{0, 65535}}, 65536},
		{"a range upside down", func(s *Set) { s.AddRange(9, 7); s.Add(1); s.RemoveRange(9, 0) }, []span{{1, 1}}, 1},
		{"a quintillion", func(s *Set) { s.AddRange(1, 1e18) }, []span{{1, 1e18}}, 1e18},
		{"a hole in a quintillion", func(s *Set) { s.AddRange(1, 1e18); s.Remove(5e17) }, []span{{1, 5e17 - 1}, {5e17 + 1, 1e18}}, 1e18 - 1},
		{"a hole closed", func(s *Set) { s.AddRange(1, 1e18); s.Remove(5e17); s.Add(5e17) }, []span{{1, 1e18}}, 1e18},
		{"all but one", func(s *Set) { s.AddRange(1, top) }, []span{{1, top}}, top},
		{"all", func(s *Set) { s.AddRange(0, top) }, []span{{0, top}}, 0},
		{"all, then below", func(s *Set) { s.AddRange(0, top); s.RemoveBelow(top) }, []span{{top, top}}, 1},
		{"below nothing", func(s *Set) { s.AddRange(0, 9); s.RemoveBelow(0) }, []span{{0, 9}}, 10},
		{"below a chunk", func(s *Set) { s.AddRange(0, 200_000); s.RemoveBelow(131072) }, []span{{131072, 200_000}}, 68929},
		{"inside out", func(s *Set) { s.AddRange(0, 1_000_000); s.RemoveRange(1, 999_999) }, []span{{0, 0}, {1_000_000, 1_000_000}}, 2},
		{"clear", func(s *Set) { s.AddRange(0, 1_000_000); s.Clear() }, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s Set
			tc.do(&s)
			if got := ranges(&s); !slices.Equal(got, tc.want) {
				t.Errorf("Ranges() = %v, want %v", got, tc.want)
			}
			if s.Len() != tc.len {
				t.Errorf("Len() = %d, want %d", s.Len(), tc.len)
			}
			checkForm(t, &s)
		})
	}
}

// Is a set the same as a row of ranges, whatever is done to it?
func TestSetAgreesWithModel(t *testing.T) {
	const top = math.MaxUint64
	for _, tc := range []struct {
		name string
		// number is one to do something to, length how long a range from there is.
		number func(r *rand.Rand) uint64
		length func(r *rand.Rand) uint64
	}{
		{"around a border", func(r *rand.Rand) uint64 { return 65536 - 40 + r.Uint64N(80) }, func(r *rand.Rand) uint64 { return r.Uint64N(20) }},
		{"a few chunks", func(r *rand.Rand) uint64 { return r.Uint64N(8 * chunkSize) }, func(r *rand.Rand) uint64 { return r.Uint64N(3 * chunkSize) }},
		{"whole chunks", func(r *rand.Rand) uint64 { return chunkSize * r.Uint64N(8) }, func(r *rand.Rand) uint64 { return chunkSize*r.Uint64N(4) - r.Uint64N(2) }},
		{"far apart", func(r *rand.Rand) uint64 { return r.Uint64() >> (r.Uint64N(8) * 8) }, func(r *rand.Rand) uint64 { return r.Uint64() >> (r.Uint64N(8) * 8) }},
		{"at the end", func(r *rand.Rand) uint64 { return top - r.Uint64N(2*chunkSize) }, func(r *rand.Rand) uint64 { return r.Uint64N(4 * chunkSize) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var p pair
			for step := range 5000 {
				x := tc.number(r)
				last := x + tc.length(r)
				if last < x {
					last = top
				}
				switch n := r.IntN(20); {
				case n < 6:
					p.add(t, x)
				case n < 12:
					p.remove(t, x)
				case n < 14:
					p.addRange(x, last)
				case n < 16:
					p.removeRange(x, last)
				case n == 16 && step%10 == 0:
					p.set.RemoveBelow(x)
					if x > 0 {
						p.model.remove(0, x-1)
					}
				default:
					p.at(t, x, last)
				}
				if len(p.model.ranges) > 0 && r.IntN(4) == 0 {
					// Ends of ranges are where it is decided what is one.
					m := p.model.ranges[r.IntN(len(p.model.ranges))]
					p.remove(t, []uint64{m.first, m.last}[r.IntN(2)])
				}
				if step%20 == 0 {
					p.same(t)
				}
			}
		})
	}
}

// Does a chunk stay the same while it becomes a bitmap and runs again, first by
// single numbers that are added and ranges that join them, then by single ones
// that are removed and ranges that take the rest? The numbers are few enough for a
// plain table.
func TestBitmapAgreesWithTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var table [2 * chunkSize]bool
	var s Set
	bitmaps, changes := false, 0
	for step := range 60_000 {
		x := r.IntN(len(table)) | 1
		last := min(x+r.IntN(2000), len(table)-1)
		switch phase := step / 15_000; {
		case phase == 0:
			if got := s.Add(uint64(x)); got == table[x] {
				t.Fatalf("Add(%d) = %v", x, got)
			}
			table[x] = true
		case phase == 2:
			if got := s.Remove(uint64(x)); got != table[x] {
				t.Fatalf("Remove(%d) = %v", x, got)
			}
			table[x] = false
		case step%30 != 0:
			// Ranges are few, or all would be one.
		case phase == 1:
			s.AddRange(uint64(x), uint64(last))
			fillTable(table[x:last+1], true)
		case phase == 3:
			s.RemoveRange(uint64(x), uint64(last))
			fillTable(table[x:last+1], false)
		}
		if now := len(s.chunks) > 0 && s.chunks[0].bits != nil; now != bitmaps {
			bitmaps = now
			changes++
		}
		if step%1000 != 999 {
			continue
		}
		var p pair
		first := -1
		for i := range len(table) + 1 {
			in := i < len(table) && table[i]
			if in && first < 0 {
				first = i
			}
			if !in && first >= 0 {
				p.model.ranges = append(p.model.ranges, span{uint64(first), uint64(i - 1)})
				first = -1
			}
		}
		p.set = s
		p.same(t)
		for range 20 {
			a, b := r.Uint64N(2*chunkSize), r.Uint64N(2*chunkSize)
			p.at(t, min(a, b), max(a, b))
		}
	}
	if changes < 3 {
		t.Errorf("the form changed %d times, so this test shows little", changes)
	}
}

func fillTable(table []bool, in bool) {
	for i := range table {
		table[i] = in
	}
}

// Does a clone stay as it is when the set goes on, and the other way round?
func TestClone(t *testing.T) {
	var s Set
	s.AddRange(0, 3*chunkSize)
	for x := uint64(4 * chunkSize); x < 5*chunkSize; x += 2 {
		s.Add(x)
	}
	s.AddRange(6*chunkSize+5, 6*chunkSize+10)
	s.Add(6 * chunkSize)
	before := ranges(&s)
	c := s.Clone()
	for _, x := range []uint64{7, 4*chunkSize + 10, 6 * chunkSize, 6*chunkSize + 7} {
		c.Remove(x)
	}
	if !slices.Equal(ranges(&s), before) {
		t.Error("a change of the clone is one of the set")
	}
	after := ranges(&c)
	s.RemoveBelow(5 * chunkSize)
	s.Add(6*chunkSize + 1)
	if !slices.Equal(ranges(&c), after) || c.Len()+4 != 3*chunkSize+1+chunkSize/2+7 {
		t.Error("a change of the set is one of the clone")
	}
	checkForm(t, &c)
}

// Does a walk over the ranges end when it is told to?
func TestRangesStops(t *testing.T) {
	var s Set
	for x := uint64(0); x < 2*chunkSize; x += 2 {
		s.Add(x)
	}
	s.Add(9 * chunkSize)
	s.Add(9*chunkSize + 2)
	for _, n := range []int{1, 2, chunkSize/2 + 1, chunkSize + 1, chunkSize + 2} {
		i := 0
		for range s.Ranges() {
			if i++; i == n {
				break
			}
		}
		if i != n {
			t.Errorf("%d rounds, want %d", i, n)
		}
	}
}
