package tree

import (
	"bytes"
	"iter"
)

// All goes over all subjects in byte order. The subject is valid for the round
// and must not be changed. The value may be changed, and the pointer is as that
// of Get; but nothing may be put that is new, or deleted, before the end.
func (t *Tree[V]) All() iter.Seq2[[]byte, *V] {
	return t.walk("", state{pos: anything})
}

// Match goes over the subjects that a pattern matches, as All over all of them.
// The pattern is one that is valid for subscriptions; what it matches is what
// subject.Matches says. Only those parts of the tree are visited that the
// pattern can lead to.
func (t *Tree[V]) Match(pattern string) iter.Seq2[[]byte, *V] {
	return t.walk(pattern, state{})
}

// MatchAny reports whether a pattern matches any subject.
func (t *Tree[V]) MatchAny(pattern string) bool {
	for range t.Match(pattern) {
		return true
	}
	return false
}

func (t *Tree[V]) walk(pattern string, s state) iter.Seq2[[]byte, *V] {
	return func(yield func([]byte, *V) bool) {
		if t.len == 0 {
			return
		}
		w := walker[V]{tree: t, changes: t.changes, pattern: matcher(pattern), key: make([]byte, 0, 64), yield: yield}
		w.visit(loadRef(t.root[:]), s)
	}
}

// walker is a walk over a tree, from the root down in order.
type walker[V any] struct {
	tree    *Tree[V]
	changes uint64
	pattern matcher
	// key is the subject up to where the walk is.
	key   []byte
	yield func([]byte, *V) bool
}

// visit goes over what hangs from r, with the pattern in the state that key has
// led to. It returns false when the walk is to end.
func (w *walker[V]) visit(r ref, s state) bool {
	t := w.tree
	if r.isValue() {
		return w.found(r.handle(), s)
	}
	n := parse(t.records.at(r.handle()))
	for _, c := range n.prefix {
		var ok bool
		if s, ok = w.pattern.step(s, c); !ok {
			return true
		}
	}
	depth := len(w.key)
	w.key = append(w.key, n.prefix...)
	if n.hasValue && !w.found(n.value, s) {
		return false
	}
	from, to := 0, len(n.labels)
	if c, ok := w.pattern.only(s); ok {
		if from = bytes.IndexByte(n.labels, c); from >= 0 {
			to = from + 1
		} else {
			to = from
		}
	}
	for i := from; i < to; i++ {
		next, ok := w.pattern.step(s, n.labels[i])
		if !ok {
			continue
		}
		w.key = append(w.key, n.labels[i])
		if !w.visit(loadRef(n.child(i)), next) {
			return false
		}
		w.key = w.key[:len(w.key)-1]
	}
	w.key = w.key[:depth]
	return true
}

func (w *walker[V]) found(h handle, s state) bool {
	if !w.pattern.accepts(s) {
		return true
	}
	if !w.yield(w.key[:len(w.key):len(w.key)], w.tree.value(h)) {
		return false
	}
	if w.tree.changes != w.changes {
		panic("tree: changed during a walk")
	}
	return true
}
