package chunk

import "sync"

// The capacities of chunks. A list starts with a small one, since most lists
// hold one short message, and goes on with larger ones as it grows.
const (
	smallSize = 1 << 10
	midSize   = 8 << 10
	largeSize = 64 << 10
)

// chunk is one buffer of a list. Bytes [off:len(b)] wait to be written.
type chunk struct {
	b    []byte
	off  int
	next *chunk
}

var pools = [...]sync.Pool{
	{New: func() any { return &chunk{b: make([]byte, 0, smallSize)} }},
	{New: func() any { return &chunk{b: make([]byte, 0, midSize)} }},
	{New: func() any { return &chunk{b: make([]byte, 0, largeSize)} }},
}

// get returns a chunk with at least n free bytes, of a pooled size from the given
// class on if there is one that large.
func get(class, n int) *chunk {
	switch {
	case n > largeSize:
		return &chunk{b: make([]byte, 0, n)}
	case n > midSize:
		class = 2
	case n > smallSize:
		class = max(class, 1)
	}
	return pools[class].Get().(*chunk)
}

// put gives a chunk back to its pool, if it is of a pooled size.
func put(c *chunk) {
	c.b, c.off, c.next = c.b[:0], 0, nil
	switch cap(c.b) {
	case smallSize:
		pools[0].Put(c)
	case midSize:
		pools[1].Put(c)
	case largeSize:
		pools[2].Put(c)
	}
}

// List is a queue of bytes. The zero value is empty and ready. It must not be
// copied while it holds anything.
type List struct {
	head, tail *chunk
	size       int
}

// Len is the number of bytes held.
func (l *List) Len() int { return l.size }

// Chunks is the number of buffers that the bytes are in.
func (l *List) Chunks() int {
	n := 0
	for c := l.head; c != nil; c = c.next {
		n++
	}
	return n
}

// Append copies b to the end.
func (l *List) Append(b []byte) {
	for len(b) > 0 {
		t := l.room(len(b))
		n := min(cap(t.b)-len(t.b), len(b))
		t.b = append(t.b, b[:n]...)
		l.size += n
		b = b[n:]
	}
}

// AppendString copies s to the end.
func (l *List) AppendString(s string) {
	for len(s) > 0 {
		t := l.room(len(s))
		n := min(cap(t.b)-len(t.b), len(s))
		t.b = append(t.b, s[:n]...)
		l.size += n
		s = s[n:]
	}
}

// Reserve gives an empty slice with capacity of at least n bytes that lies at
// the end of the list. What the caller appends to it is part of the list once
// Commit is called with the number of bytes; there must be no other call in
// between. Reserve is for what is short: a large n is given a buffer of its own.
func (l *List) Reserve(n int) []byte {
	t := l.tail
	if t == nil || cap(t.b)-len(t.b) < n {
		t = l.grow(n)
	}
	return t.b[len(t.b):]
}

// Commit adds the n bytes that were written to what Reserve gave.
func (l *List) Commit(n int) {
	t := l.tail
	t.b = t.b[:len(t.b)+n]
	l.size += n
}

// room is a tail chunk with at least one free byte, for n that are to come.
func (l *List) room(n int) *chunk {
	if t := l.tail; t != nil && len(t.b) < cap(t.b) {
		return t
	}
	return l.grow(min(n, largeSize))
}

// grow links a chunk with at least n free bytes to the end. Sizes rise with
// what the list holds, so a busy list costs few chunks and an idle one little.
func (l *List) grow(n int) *chunk {
	class := 0
	switch {
	case l.size > midSize:
		class = 2
	case l.size > 0:
		class = 1
	}
	c := get(class, n)
	if l.tail == nil {
		l.head = c
	} else {
		l.tail.next = c
	}
	l.tail = c
	return c
}

// Concat moves everything from other to the end of l. What is in one small chunk
// is copied behind what l has, because a vector of many tiny buffers costs the
// kernel more than the copy.
func (l *List) Concat(other *List) {
	if other.head == nil {
		return
	}
	if l.tail == nil {
		*l, *other = *other, List{}
		return
	}
	if c := other.head; c == other.tail && other.size <= smallSize {
		l.Append(c.b[c.off:])
		other.Free()
		return
	}
	l.tail.next = other.head
	l.tail = other.tail
	l.size += other.size
	*other = List{}
}

// Prepend moves everything from other to the front of l.
func (l *List) Prepend(other *List) {
	if other.head == nil {
		return
	}
	other.tail.next = l.head
	if l.tail == nil {
		l.tail = other.tail
	}
	l.head = other.head
	l.size += other.size
	*other = List{}
}

// Take empties l and returns what it held.
func (l *List) Take() List {
	t := *l
	*l = List{}
	return t
}

// Vector appends the waiting bytes to dst as slices, at most max of them; they
// are valid until the next change of the list.
func (l *List) Vector(dst [][]byte, max int) [][]byte {
	for c := l.head; c != nil && len(dst) < max; c = c.next {
		if b := c.b[c.off:]; len(b) > 0 {
			dst = append(dst, b)
		}
	}
	return dst
}

// Consume removes the first n bytes.
func (l *List) Consume(n int) {
	if n > l.size {
		panic("chunk: consumed more than the list holds")
	}
	l.size -= n
	for n > 0 || (l.head != nil && l.head.off == len(l.head.b)) {
		c := l.head
		k := min(n, len(c.b)-c.off)
		c.off += k
		n -= k
		if c.off < len(c.b) {
			return
		}
		if l.head = c.next; l.head == nil {
			l.tail = nil
		}
		put(c)
	}
}

// Free returns everything to the pools.
func (l *List) Free() {
	for c := l.head; c != nil; {
		next := c.next
		put(c)
		c = next
	}
	*l = List{}
}

// Bytes copies out what the list holds, for tests and rare paths.
func (l *List) Bytes() []byte {
	out := make([]byte, 0, l.size)
	for c := l.head; c != nil; c = c.next {
		out = append(out, c.b[c.off:]...)
	}
	return out
}
