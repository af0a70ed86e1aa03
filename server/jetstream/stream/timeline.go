package stream

import (
	"iter"
	"slices"
	"sort"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// timeline is a set of moments in order: what is due when. It is a row of
// sorted chunks, in memory without pointers. Adding costs a binary search and the
// moving of a part of one chunk; adding at the end, which is what a constant TTL
// does, and taking from the front cost next to nothing.
//
// The zero timeline is empty.
type timeline struct {
	// chunks are never empty; all of a chunk comes before all of the next.
	chunks [][]moment
	n      int
}

// moment says that message seq is due at a time, in nanoseconds since the epoch.
type moment struct {
	at  int64
	seq store.Seq
}

func (a moment) compare(b moment) int {
	switch {
	case a.at < b.at || a.at == b.at && a.seq < b.seq:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// chunkMoments is how many moments a chunk has at most: 4 KiB.
const chunkMoments = 256

// add takes in a moment, once.
func (t *timeline) add(m moment) {
	i := sort.Search(len(t.chunks), func(i int) bool {
		chunk := t.chunks[i]
		return chunk[len(chunk)-1].compare(m) >= 0
	})
	if i == len(t.chunks) {
		t.n++
		if i > 0 && len(t.chunks[i-1]) < chunkMoments {
			t.chunks[i-1] = append(t.chunks[i-1], m)
			return
		}
		t.chunks = append(t.chunks, append(make([]moment, 0, initialCap(i)), m))
		return
	}
	chunk := t.chunks[i]
	at, found := slices.BinarySearchFunc(chunk, m, moment.compare)
	if found {
		return
	}
	t.n++
	if len(chunk) < chunkMoments {
		t.chunks[i] = slices.Insert(chunk, at, m)
		return
	}
	half := append(make([]moment, 0, chunkMoments), chunk[chunkMoments/2:]...)
	chunk = chunk[: chunkMoments/2 : chunkMoments/2]
	t.chunks[i] = chunk
	t.chunks = slices.Insert(t.chunks, i+1, half)
	if at <= len(chunk) {
		t.chunks[i] = slices.Insert(chunk, at, m)
	} else {
		t.chunks[i+1] = slices.Insert(half, at-len(chunk), m)
	}
}

// initialCap has the first chunk grow from little: most streams have no more.
func initialCap(chunks int) int {
	if chunks == 0 {
		return 4
	}
	return chunkMoments
}

// first returns the earliest moment.
func (t *timeline) first() (moment, bool) {
	if t.n == 0 {
		return moment{}, false
	}
	return t.chunks[0][0], true
}

// removeFirst takes the earliest moment out.
func (t *timeline) removeFirst() {
	t.n--
	if len(t.chunks[0]) > 1 {
		t.chunks[0] = t.chunks[0][1:]
		return
	}
	if len(t.chunks) == 1 {
		t.chunks = nil
		return
	}
	t.chunks[0] = nil
	t.chunks = t.chunks[1:]
}

// remove takes a moment out, and reports whether it was there.
func (t *timeline) remove(m moment) bool {
	i := sort.Search(len(t.chunks), func(i int) bool {
		chunk := t.chunks[i]
		return chunk[len(chunk)-1].compare(m) >= 0
	})
	if i == len(t.chunks) {
		return false
	}
	at, found := slices.BinarySearchFunc(t.chunks[i], m, moment.compare)
	if !found {
		return false
	}
	t.n--
	t.chunks[i] = slices.Delete(t.chunks[i], at, at+1)
	if len(t.chunks[i]) == 0 {
		t.chunks = slices.Delete(t.chunks, i, i+1)
	}
	return true
}

// retain takes out all that keep does not want.
func (t *timeline) retain(keep func(moment) bool) {
	var kept timeline
	for m := range t.all() {
		if keep(m) {
			kept.add(m)
		}
	}
	*t = kept
}

// all goes over the moments in order. The timeline must not be changed meanwhile.
func (t *timeline) all() iter.Seq[moment] {
	return func(yield func(moment) bool) {
		for _, chunk := range t.chunks {
			for _, m := range chunk {
				if !yield(m) {
					return
				}
			}
		}
	}
}
