package tree

import (
	"math/bits"
	"reflect"
)

const (
	// slotBits of a handle are the slot in its page.
	slotBits     = 8
	slotsPerPage = 1 << slotBits
	// handleBits is what a reference leaves for a handle.
	handleBits = 31
	maxPages   = 1 << (handleBits - slotBits)

	// bigPage is the number of elements that a page does not exceed if it has more
	// than one slot.
	bigPage = 16 << 10
	// keptSlots is how many free slots of a size are not worth a release.
	keptSlots = 8
)

// slab is memory in slots that are named by handles instead of pointers: half
// as long, and nothing for the garbage collector to follow. Slots of one size
// lie together in pages, which come and go as a whole, so that what one size
// has left another can use. A slot stays where it is until it is given back.
//
// Its zero value is ready.
type slab[T any] struct {
	pages []page[T]
	// usage is beside pages, not in them, because reading needs nothing of it and
	// finds more pages in the processor's caches so.
	usage []usage
	sizes []size
	// unused is the first of the pages without memory, linked by next.
	unused link
	// elements is the sum of all pages.
	elements int
}

// handle names a slot: its page, and in the lowest bits the slot in it.
type handle uint32

// link is the number of a page plus one; 0 is none.
type link uint32

// page is the memory of up to 256 slots of one size.
type page[T any] struct {
	data   []T
	stride int // elements in a slot
}

func (p *page[T]) slots() int { return len(p.data) / p.stride }

// usage is what is free in a page.
//
// Invariant: a page with a free slot, and no other, is in the list of its size.
type usage struct {
	free       bitmap
	count      uint16 // of free slots
	class      uint8  // index of the size
	next, prev link
}

// size is what there is of one size of slots.
type size struct {
	// open is the first page with a free slot.
	open link
	// slots are those in all pages, free those of them that are.
	slots, free uint32
}

// at returns the slot, as long as it is taken.
func (s *slab[T]) at(h handle) []T {
	p := &s.pages[h>>slotBits]
	i := int(h%slotsPerPage) * p.stride
	return p.data[i : i+p.stride]
}

// take returns a free slot of the size class, whose slots have stride elements.
// What is in it is left over from before.
func (s *slab[T]) take(class, stride int) handle {
	for class >= len(s.sizes) {
		s.sizes = append(s.sizes, size{})
	}
	if s.sizes[class].open == 0 {
		s.grow(class, stride)
	}
	k := &s.sizes[class]
	l := k.open
	u := &s.usage[l-1]
	slot := u.free.first()
	u.free.clear(slot)
	k.free--
	if u.count--; u.count == 0 {
		s.close(l)
	}
	return handle(l-1)<<slotBits | handle(slot)
}

// give takes a slot back.
func (s *slab[T]) give(h handle) {
	l := link(h>>slotBits) + 1
	u := &s.usage[l-1]
	if u.count == 0 {
		s.open(l)
	}
	u.free.set(int(h % slotsPerPage))
	k := &s.sizes[u.class]
	k.free++
	// As many free slots as the page has must stay, and a few, or the next take
	// could want it again at once.
	n := s.pages[l-1].slots()
	if u.count++; int(u.count) == n && int(k.free) >= n+max(n, keptSlots) {
		s.release(l)
	}
}

// grow makes a page for a size that has no free slot. It is as large as what
// there is of that size, within bounds: small trees stay small, and large ones
// have few pages.
func (s *slab[T]) grow(class, stride int) {
	k := &s.sizes[class]
	n := max(int(k.slots), min(2, 256/stride), 1)
	n = min(n, slotsPerPage, max(1, bigPage/stride))

	l := s.unused
	if l != 0 {
		s.unused = s.usage[l-1].next
	} else {
		if len(s.pages) == maxPages {
			panic("tree: more pages than handles can name")
		}
		s.pages = append(s.pages, page[T]{})
		s.usage = append(s.usage, usage{})
		l = link(len(s.pages))
	}
	s.pages[l-1] = page[T]{make([]T, n*stride), stride}
	s.usage[l-1] = usage{free: lowest(n), count: uint16(n), class: uint8(class)}
	k.slots += uint32(n)
	k.free += uint32(n)
	s.elements += n * stride
	s.open(l)
}

// release gives the memory of an empty page back.
func (s *slab[T]) release(l link) {
	p, u := &s.pages[l-1], &s.usage[l-1]
	s.close(l)
	k := &s.sizes[u.class]
	k.slots -= uint32(p.slots())
	k.free -= uint32(p.slots())
	s.elements -= len(p.data)
	*p, *u = page[T]{}, usage{next: s.unused}
	s.unused = l
}

// memBytes is the memory that the slab takes.
func (s *slab[T]) memBytes() int {
	return s.elements*int(reflect.TypeFor[T]().Size()) +
		cap(s.pages)*int(reflect.TypeFor[page[T]]().Size()) +
		cap(s.usage)*int(reflect.TypeFor[usage]().Size()) +
		cap(s.sizes)*int(reflect.TypeFor[size]().Size())
}

// open puts a page in front of the list of its size.
func (s *slab[T]) open(l link) {
	u := &s.usage[l-1]
	head := &s.sizes[u.class].open
	u.next, u.prev = *head, 0
	if u.next != 0 {
		s.usage[u.next-1].prev = l
	}
	*head = l
}

// close takes a page out of the list of its size.
func (s *slab[T]) close(l link) {
	u := &s.usage[l-1]
	if u.prev == 0 {
		s.sizes[u.class].open = u.next
	} else {
		s.usage[u.prev-1].next = u.next
	}
	if u.next != 0 {
		s.usage[u.next-1].prev = u.prev
	}
	u.next, u.prev = 0, 0
}

// bitmap has a bit for each slot of a page.
type bitmap [slotsPerPage / 64]uint64

// lowest is a bitmap of n ones.
func lowest(n int) (b bitmap) {
	for i := range n {
		b.set(i)
	}
	return b
}

func (b *bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b *bitmap) clear(i int)    { b[i/64] &^= 1 << (i % 64) }
func (b *bitmap) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

// first is the lowest one, of which there has to be any.
func (b *bitmap) first() int {
	i := 0
	for b[i] == 0 {
		i++
	}
	return 64*i + bits.TrailingZeros64(b[i])
}
