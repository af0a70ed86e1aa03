package tree

import "reflect"

// Tree is a map from subjects to values, ordered by the bytes of the subjects.
// Its zero value is empty and ready; it must not be copied once it has been
// used. Any number of goroutines may read it, or one may change it: a lock is
// the owner's affair.
type Tree[V any] struct {
	// root is the ref that all others hang from, if len is not 0.
	root    [refSize]byte
	len     int
	records slab[byte]
	values  slab[V]
	// changes counts what moves records, so that a walk notices.
	changes uint64
	// scratch is where a record is put together.
	scratch []byte
}

// Len is the number of subjects.
func (t *Tree[V]) Len() int { return t.len }

// Clear removes all subjects and gives all memory back.
func (t *Tree[V]) Clear() { *t = Tree[V]{changes: t.changes + 1} }

// MemBytes estimates the memory that the tree takes. It does not count what
// values point to.
func (t *Tree[V]) MemBytes() int {
	return int(reflect.TypeFor[Tree[V]]().Size()) + cap(t.scratch) + t.records.memBytes() + t.values.memBytes()
}

// Get returns the value of a subject, for the owner to read and change. The
// pointer is valid until the subject is deleted or the tree cleared.
func (t *Tree[V]) Get(subject []byte) (v *V, ok bool) {
	if t.len == 0 {
		return nil, false
	}
	r, rest := loadRef(t.root[:]), subject
	for !r.isValue() {
		if r, rest, ok = follow(t.records.at(r.handle()), rest); !ok {
			return nil, false
		}
	}
	if len(rest) > 0 {
		return nil, false
	}
	return t.value(r.handle()), true
}

// Put returns the value of a subject, which is a new zero value if the subject
// was not there. The subject is not kept. The pointer is valid as that of Get.
func (t *Tree[V]) Put(subject []byte) (v *V, isNew bool) {
	at, rest := t.root[:], subject
	if t.len == 0 {
		h := t.newValue()
		storeRef(at, t.tail(rest, h))
		return t.value(h), true
	}
	for {
		r := loadRef(at)
		if r.isValue() {
			if len(rest) == 0 {
				return t.value(r.handle()), false
			}
			// A subject that ended here is followed by a longer one.
			h := t.newValue()
			child := t.tail(rest[1:], h)
			n := node{hasValue: true, value: r.handle()}
			t.put(at, n.appendWith(t.scratch[:0], 0, rest[0], child))
			return t.value(h), true
		}
		n := parse(t.records.at(r.handle()))
		same := commonPrefix(n.prefix, rest)
		rest = rest[same:]
		if same < len(n.prefix) {
			return t.split(at, &n, same, rest), true
		}
		if len(rest) == 0 {
			if n.hasValue {
				return t.value(n.value), false
			}
			n.hasValue, n.value = true, t.newValue()
			t.put(at, n.appendTo(t.scratch[:0]))
			return t.value(n.value), true
		}
		i, ok := n.find(rest[0])
		if !ok {
			h := t.newValue()
			child := t.tail(rest[1:], h)
			t.put(at, n.appendWith(t.scratch[:0], i, rest[0], child))
			return t.value(h), true
		}
		at, rest = n.child(i), rest[1:]
	}
}

// split makes room for a subject that leaves the record at a place behind same
// bytes of its prefix, and goes on with rest. It returns the new value.
func (t *Tree[V]) split(at []byte, n *node, same int, rest []byte) *V {
	lower := *n
	lower.prefix = n.prefix[same+1:]
	label := n.prefix[same]
	child := t.add(lower.appendTo(t.scratch[:0]))

	h := t.newValue()
	upper := node{prefix: n.prefix[:same]}
	if len(rest) == 0 {
		upper.hasValue, upper.value = true, h
		t.put(at, upper.appendWith(t.scratch[:0], 0, label, child))
		return t.value(h)
	}
	var ref [refSize]byte
	storeRef(ref[:], t.tail(rest[1:], h))
	upper.labels, upper.children = rest[:1], ref[:]
	i, _ := upper.find(label)
	t.put(at, upper.appendWith(t.scratch[:0], i, label, child))
	return t.value(h)
}

// tail returns what stands for a new subject whose rest is the last that hangs
// there.
func (t *Tree[V]) tail(rest []byte, h handle) ref {
	// Rests that are too long for one record are cut into several from the end, of
	// which all but the last have one label behind a full prefix.
	cut := len(rest) / (maxPrefix + 1) * (maxPrefix + 1)
	n := node{prefix: rest[cut:], hasValue: true, value: h}
	r := t.add(n.appendTo(t.scratch[:0]))
	for cut > 0 {
		cut -= maxPrefix + 1
		n = node{prefix: rest[cut : cut+maxPrefix]}
		r = t.add(n.appendWith(t.scratch[:0], 0, rest[cut+maxPrefix], r))
	}
	return r
}

// add stores a new record, which was made in scratch, and returns what stands
// for it. One that is nothing but a value is not stored.
func (t *Tree[V]) add(record []byte) ref {
	t.scratch = record[:0]
	if h, ok := onlyValue(record); ok {
		return valueRef(h)
	}
	h := t.records.take(classOf(len(record)))
	copy(t.records.at(h), record)
	return ref(h)
}

// put replaces what a place refers to, a record or a value that is part of the
// new record, by one that was made in scratch.
func (t *Tree[V]) put(at, record []byte) {
	t.changes++
	old := loadRef(at)
	if !old.isValue() {
		slot := t.records.at(old.handle())
		if _, stride := classOf(len(record)); stride == len(slot) && len(record) > headSize+refSize {
			t.scratch = record[:0]
			copy(slot, record)
			return
		}
	}
	storeRef(at, t.add(record))
	if !old.isValue() {
		t.records.give(old.handle())
	}
}

// onlyValue tells a record that has no prefix and no child.
func onlyValue(record []byte) (h handle, ok bool) {
	if len(record) != headSize+refSize {
		return 0, false
	}
	n := parse(record)
	return n.value, n.hasValue
}

func (t *Tree[V]) value(h handle) *V { return &t.values.at(h)[0] }

func (t *Tree[V]) newValue() handle {
	t.len++
	t.changes++
	return t.values.take(0, 1)
}

// commonPrefix is the number of bytes that a and b begin with both.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
