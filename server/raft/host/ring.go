package host

// ring is a queue that grows as needed.
type ring[T any] struct {
	buf  []T
	head int
	n    int
}

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		grown := make([]T, max(8, 2*r.n))
		k := copy(grown, r.buf[r.head:])
		copy(grown[k:], r.buf[:r.head])
		r.buf, r.head = grown, 0
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pop takes the oldest, of which there must be one.
func (r *ring[T]) pop() T {
	v := *r.front()
	clear(r.buf[r.head : r.head+1]) // for the garbage collector
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v
}

// front is the oldest, of which there must be one.
func (r *ring[T]) front() *T { return &r.buf[r.head] }

// at is the i-th oldest.
func (r *ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// shrink gives the memory of an empty ring back.
func (r *ring[T]) shrink() {
	if r.n == 0 {
		*r = ring[T]{}
	}
}
