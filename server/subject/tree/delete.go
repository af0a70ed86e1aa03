package tree

import "bytes"

// manyPages is how many pages of records an empty tree may have had: a stream
// that holds a message now and then does not make its tree anew for each.
const manyPages = 64

// Delete removes a subject and its value, and reports whether it was there.
func (t *Tree[V]) Delete(subject []byte) bool {
	if t.len == 0 {
		return false
	}
	// fork is the last place on the way down whose record stays when the way
	// behind it goes, because it has a value or another child; branch is the
	// child that goes.
	var fork []byte
	var branch int
	at, rest := t.root[:], subject
	for {
		r := loadRef(at)
		if r.isValue() {
			if len(rest) > 0 {
				return false
			}
			break
		}
		n := parse(t.records.at(r.handle()))
		var ok bool
		if rest, ok = bytes.CutPrefix(rest, n.prefix); !ok {
			return false
		}
		if len(rest) == 0 {
			if !n.hasValue {
				return false
			}
			if len(n.labels) == 0 {
				break
			}
			// Longer subjects go on.
			h := n.value
			n.hasValue = false
			t.put(at, n.appendTo(t.scratch[:0]))
			t.join(at)
			t.freeValue(h)
			return true
		}
		i := bytes.IndexByte(n.labels, rest[0])
		if i < 0 {
			return false
		}
		if n.hasValue || len(n.labels) > 1 {
			fork, branch = at, i
		}
		at, rest = n.child(i), rest[1:]
	}
	if fork == nil {
		t.freeChain(loadRef(t.root[:]))
		if len(t.records.pages) > manyPages {
			t.Clear()
		}
		return true
	}
	n := parse(t.records.at(loadRef(fork).handle()))
	t.freeChain(loadRef(n.child(branch)))
	t.put(fork, n.appendWithout(t.scratch[:0], branch))
	t.join(fork)
	return true
}

// join makes one record of that at a place and its child, if that is the only
// thing it has and the prefix is not too long then.
func (t *Tree[V]) join(at []byte) {
	r := loadRef(at)
	if r.isValue() {
		return
	}
	upper := parse(t.records.at(r.handle()))
	if upper.hasValue || len(upper.labels) != 1 {
		return
	}
	child := loadRef(upper.child(0))
	var lower node
	if child.isValue() {
		lower.hasValue, lower.value = true, child.handle()
	} else {
		lower = parse(t.records.at(child.handle()))
	}
	if len(upper.prefix)+1+len(lower.prefix) > maxPrefix {
		return
	}
	var prefix [maxPrefix]byte
	n := copy(prefix[:], upper.prefix)
	prefix[n] = upper.labels[0]
	n += 1 + copy(prefix[n+1:], lower.prefix)
	lower.prefix = prefix[:n]
	t.put(at, lower.appendTo(t.scratch[:0]))
	if !child.isValue() {
		t.records.give(child.handle())
	}
}

// freeChain gives back a record, or value, and all that hangs from it, which
// ends in one value.
func (t *Tree[V]) freeChain(r ref) {
	for !r.isValue() {
		n := parse(t.records.at(r.handle()))
		next := valueRef(n.value)
		if len(n.labels) == 1 {
			next = loadRef(n.child(0))
		}
		t.records.give(r.handle())
		r = next
	}
	t.freeValue(r.handle())
}

// freeValue gives a value back, zeroed: so the next to have it finds it, and
// what it points to can be collected.
func (t *Tree[V]) freeValue(h handle) {
	t.len--
	t.changes++
	clear(t.values.at(h))
	t.values.give(h)
}
