package tree

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	// maxPrefix is the longest prefix of a record. What is longer becomes a chain
	// of records, so that there is a largest one.
	maxPrefix = 255
	headSize  = 3
	refSize   = 4
	maxRecord = headSize + maxPrefix + 256*(1+refSize) + refSize
)

// ref is what stands for a child: the handle of a record, or of a value whose
// subject ends there, with the highest bit set.
type ref uint32

const valueBit ref = 1 << handleBits

func valueRef(h handle) ref     { return valueBit | ref(h) }
func (r ref) isValue() bool     { return r&valueBit != 0 }
func (r ref) handle() handle    { return handle(r &^ valueBit) }
func loadRef(at []byte) ref     { return ref(binary.LittleEndian.Uint32(at)) }
func storeRef(at []byte, r ref) { binary.LittleEndian.PutUint32(at, uint32(r)) }

// node is a record taken apart. Its slices lie in the record.
type node struct {
	prefix []byte
	// labels are the bytes that the subjects go on with behind the prefix, in
	// order, and children has a ref for each.
	labels   []byte
	children []byte
	// value is that of the subject that ends behind the prefix.
	hasValue bool
	value    handle
}

// In the two bytes of a head that count the children.
const (
	countMask = 1<<9 - 1
	valueFlag = 1 << 15
)

func parse(record []byte) (n node) {
	count := binary.LittleEndian.Uint16(record[1:])
	labels := headSize + int(record[0])
	children := labels + int(count&countMask)
	end := children + refSize*int(count&countMask)
	n.prefix = record[headSize:labels]
	n.labels = record[labels:children]
	n.children = record[children:end]
	if n.hasValue = count&valueFlag != 0; n.hasValue {
		n.value = handle(loadRef(record[end:]))
	}
	return n
}

// follow returns where a subject goes on from a record: to the child with its
// next byte, or, if it ends there, to the value. It is what parse and find are
// for those who change a record, without what only they need.
func follow(record, subject []byte) (next ref, rest []byte, ok bool) {
	count := binary.LittleEndian.Uint16(record[1:])
	labels := headSize
	if n := int(record[0]); n > 0 {
		labels += n
		if len(subject) < n || string(subject[:n]) != string(record[headSize:labels]) {
			return 0, nil, false
		}
		subject = subject[n:]
	}
	children := labels + int(count&countMask)
	if len(subject) == 0 {
		end := children + refSize*int(count&countMask)
		if count&valueFlag == 0 {
			return 0, nil, false
		}
		return valueBit | loadRef(record[end:]), nil, true
	}
	i := bytes.IndexByte(record[labels:children], subject[0])
	if i < 0 {
		return 0, nil, false
	}
	return loadRef(record[children+refSize*i:]), subject[1:], true
}

// find returns where the child of a label is, or where it would have to be.
func (n *node) find(label byte) (i int, ok bool) {
	if i = bytes.IndexByte(n.labels, label); i >= 0 {
		return i, true
	}
	for i = 0; i < len(n.labels) && n.labels[i] < label; i++ {
	}
	return i, false
}

// child returns the place of a ref in the record.
func (n *node) child(i int) []byte { return n.children[refSize*i : refSize*(i+1)] }

// The append functions make a record, in this order: head, labels, children,
// value if the head says so.

func appendHead(b, prefix []byte, children int, hasValue bool) []byte {
	count := uint16(children)
	if hasValue {
		count |= valueFlag
	}
	b = append(b, byte(len(prefix)))
	b = binary.LittleEndian.AppendUint16(b, count)
	return append(b, prefix...)
}

func appendRef(b []byte, r ref) []byte { return binary.LittleEndian.AppendUint32(b, uint32(r)) }

func (n *node) appendTo(b []byte) []byte {
	b = appendHead(b, n.prefix, len(n.labels), n.hasValue)
	b = append(b, n.labels...)
	b = append(b, n.children...)
	return n.appendValue(b)
}

func (n *node) appendValue(b []byte) []byte {
	if n.hasValue {
		b = appendRef(b, ref(n.value))
	}
	return b
}

// appendWith is appendTo with one more child, at i.
func (n *node) appendWith(b []byte, i int, label byte, child ref) []byte {
	b = appendHead(b, n.prefix, len(n.labels)+1, n.hasValue)
	b = append(b, n.labels[:i]...)
	b = append(b, label)
	b = append(b, n.labels[i:]...)
	b = append(b, n.children[:refSize*i]...)
	b = appendRef(b, child)
	b = append(b, n.children[refSize*i:]...)
	return n.appendValue(b)
}

// appendWithout is appendTo without the child at i.
func (n *node) appendWithout(b []byte, i int) []byte {
	b = appendHead(b, n.prefix, len(n.labels)-1, n.hasValue)
	b = append(b, n.labels[:i]...)
	b = append(b, n.labels[i+1:]...)
	b = append(b, n.children[:refSize*i]...)
	b = append(b, n.children[refSize*(i+1):]...)
	return n.appendValue(b)
}

// Records have sizes in steps of an eighth or less, so that at most that much of
// a slot is empty: of 4 bytes up to 64, of 8 up to 128, and so on.
const (
	smallStep = 4
	smallMost = 64
)

// classOf returns the class of slots for a record of n bytes, and their size.
func classOf(n int) (class, stride int) {
	class = (n - 1) / smallStep
	if n <= smallMost {
		return class, (class + 1) * smallStep
	}
	// Between smallMost<<i and twice that there are 8 classes.
	i := bits.Len(uint(n-1)) - bits.Len(uint(smallMost))
	step := smallMost >> 3 << i
	over := (n - 1 - smallMost<<i) / step
	return smallMost/smallStep + 8*i + over, smallMost<<i + (over+1)*step
}
