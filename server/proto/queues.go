package proto

// Queues are the names of queue groups in a control line, with white space between
// them. Nil are none.
type Queues []byte

// All calls yield with each name, in order, until it returns false. The slices
// point into the control line. It is meant for range:
//
//	for name := range op.Queues.All { … }
func (q Queues) All(yield func(name []byte) bool) {
	from := 0
	for i, c := range q {
		if !isSpace(c) {
			continue
		}
		if from < i && !yield(q[from:i:i]) {
			return
		}
		from = i + 1
	}
	if from < len(q) {
		yield(q[from:len(q):len(q)])
	}
}

// lastToken returns the last token that ends before buf[to]. There must be one.
func lastToken(buf []byte, to int) span {
	for isSpace(buf[to-1]) {
		to--
	}
	from := to
	for !isSpace(buf[from-1]) {
		from--
	}
	return span{from, to}
}
