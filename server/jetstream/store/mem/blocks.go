package mem

import (
	"math"
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// blocks are those of a store, in order. Each has a message. Messages are added
// to the last one, until it is full.
type blocks []*block

// position is that of a living slot: a block and a slot in it. Positions are valid
// until the next change.
type position struct{ block, slot int }

// find returns the index of the last block whose base is at most seq, -1 if there
// is none.
func (l blocks) find(seq store.Seq) int {
	high := len(l) - 1
	switch {
	case high < 0 || seq < l[0].base:
		return -1
	case seq >= l[high].base:
		return high
	}
	// From here on low is at or in front of the block, high behind it. The guess
	// is right if numbers are spread evenly; the search goes on from it in steps
	// that double, so that a near miss costs little.
	low, step := 0, 1
	first, last := l[0].base, l[high].base
	guess := int(float64(seq-first) / float64(last-first) * float64(high))
	guess = max(low, min(guess, high-1))
	if l[guess].base <= seq {
		for low = guess; low+step < high && l[low+step].base <= seq; step *= 2 {
			low += step
		}
		high = min(high, low+step)
	} else {
		for high = guess; high-step > low && l[high-step].base > seq; step *= 2 {
			high -= step
		}
		low = max(low, high-step)
	}
	for high-low > 1 {
		mid := int(uint(low+high) / 2)
		if l[mid].base <= seq {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// at returns the position of a message; ok is false if there is none with that
// number.
func (l blocks) at(seq store.Seq) (p position, ok bool) {
	k := l.find(seq)
	if k < 0 {
		return position{}, false
	}
	b := l[k]
	i := b.search(seq)
	return position{k, i}, i < len(b.slots) && b.seq(i) == seq && !b.isDead(i)
}

// slot returns the slot of a message that is known to be there.
func (l blocks) slot(seq store.Seq) *slot {
	b := l[l.find(seq)]
	return &b.slots[b.search(seq)]
}

// seek returns the position of the first message at or behind seq. Its block is
// len(l) if there is none.
func (l blocks) seek(seq store.Seq) position {
	k := l.find(seq)
	if k < 0 {
		return l.from(0)
	}
	if i := l[k].nextLive(l[k].search(seq)); i < len(l[k].slots) {
		return position{k, i}
	}
	return l.from(k + 1)
}

// from returns the first message of a block, which may be behind the last one.
func (l blocks) from(k int) position {
	if k == len(l) {
		return position{block: k}
	}
	return position{k, l[k].nextLive(0)}
}

// seekBack returns the position of the last message at or in front of seq. Its
// block is -1 if there is none.
func (l blocks) seekBack(seq store.Seq) position {
	k := l.find(seq)
	if k < 0 {
		return position{block: -1}
	}
	b := l[k]
	i := b.search(seq)
	if i == len(b.slots) || b.seq(i) > seq {
		i--
	}
	if i = b.prevLive(i); i >= 0 {
		return position{k, i}
	}
	return l.upTo(k - 1)
}

// upTo returns the last message of a block, which may be in front of the first
// one.
func (l blocks) upTo(k int) position {
	if k < 0 {
		return position{block: -1}
	}
	return position{k, l[k].prevLive(len(l[k].slots) - 1)}
}

// next returns the position behind p.
func (l blocks) next(p position) position {
	if i := l[p.block].nextLive(p.slot + 1); i < len(l[p.block].slots) {
		return position{p.block, i}
	}
	return l.from(p.block + 1)
}

// prev returns the position in front of p.
func (l blocks) prev(p position) position {
	if i := l[p.block].prevLive(p.slot - 1); i >= 0 {
		return position{p.block, i}
	}
	return l.upTo(p.block - 1)
}

// countBefore counts the messages in front of seq, of which there are total in
// all. It starts at the end that is nearer.
func (l blocks) countBefore(seq store.Seq, total uint64) uint64 {
	k := l.find(seq)
	if k < 0 {
		return 0
	}
	n := l[k].liveBefore(l[k].search(seq))
	if k < len(l)/2 {
		for _, b := range l[:k] {
			n += b.live
		}
		return uint64(n)
	}
	n -= l[k].live
	for _, b := range l[k+1:] {
		n -= b.live
	}
	return total - uint64(-n)
}

// nth returns the number of the message that has n in front of it.
func (l blocks) nth(n uint64) store.Seq {
	k := 0
	for ; n >= uint64(l[k].live); k++ {
		n -= uint64(l[k].live)
	}
	p := l.from(k)
	for range n {
		p = l.next(p)
	}
	return l[k].seq(p.slot)
}

// canMerge reports whether two neighbours, once merged, are a block that will not
// soon be divided again by what is added or removed.
func canMerge(a, b *block, t *tuning) bool {
	return 2*(a.live+b.live) <= t.blockSlots &&
		2*(len(a.data)-a.waste+len(b.data)-b.waste) <= t.blockBytes &&
		b.lastSeq()-a.base <= math.MaxUint32
}

// tighten writes a block anew, with a neighbour if both are small. The last block
// is no such neighbour, for it has room for what comes.
func (l *blocks) tighten(k int, t *tuning) {
	first, end := k, k+1
	switch old := *l; {
	case k > 0 && canMerge(old[k-1], old[k], t):
		first--
	case k+2 < len(old) && canMerge(old[k], old[k+1], t):
		end++
	}
	*l = slices.Replace(*l, first, end, merge((*l)[first:end]...))
}
