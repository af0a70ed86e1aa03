package consumer

// queue is first in, first out. The zero queue is empty. Its room grows with what
// it holds at most, and is given back when it becomes empty and was large.
type queue[T any] struct {
	ring []T
	head int
	n    int
}

// keptQueue is the room that an empty queue keeps.
const keptQueue = 1 << 10

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) push(v T) {
	if q.n == len(q.ring) {
		grown := make([]T, max(8, 2*q.n))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	q.n++
	*q.at(q.n - 1) = v
}

// at returns the i-th from the front.
func (q *queue[T]) at(i int) *T { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// front returns the next one, which must exist.
func (q *queue[T]) front() *T { return q.at(0) }

func (q *queue[T]) pop() T {
	v := *q.front()
	var zero T
	*q.front() = zero
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	if q.n == 0 && len(q.ring) > keptQueue {
		q.ring, q.head = nil, 0
	}
	return v
}

func (q *queue[T]) clear() { *q = queue[T]{} }
