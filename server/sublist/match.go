package sublist

import (
	"bytes"

	"github.com/nats-lite/nats-lite/server/subject"
)

// Match fills r with everything that a message published to subject goes to,
// instead of what r held before. It allocates nothing once r is large enough.
// Wildcards in subject are taken literally, and a subject with an empty token
// matches nothing. subject is not kept.
func (l *List[T]) Match(subject []byte, r *Result[T]) {
	r.begin()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e := l.literals.m[string(subject)]; e != nil {
		r.add(e)
	}
	if l.wilds > 0 && wellFormed(subject) {
		l.wild.match(subject, r)
	}
}

// HasInterest reports whether Match would find anything.
func (l *List[T]) HasInterest(subject []byte) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.literals.m[string(subject)] != nil {
		return true
	}
	return l.wilds > 0 && wellFormed(subject) && l.wild.match(subject, nil)
}

// Overlapping calls f for every insertion whose subject shares a literal with
// pattern, until f returns false. An invalid pattern overlaps with nothing. f
// gets the state at the time of the call and may use the list. This is work for
// the setting up of imports and permissions, not for messages: a pattern with
// wildcards is compared with every literal subject there is.
func (l *List[T]) Overlapping(pattern string, f func(subject, queue string, v T) bool) {
	each(l.overlapping(pattern), f)
}

// All calls f for every insertion, until f returns false. f gets the state at
// the time of the call, of which a copy is made, and may use the list.
func (l *List[T]) All(f func(subject, queue string, v T) bool) {
	each(l.all(), f)
}

func each[T comparable](items []Item[T], f func(subject, queue string, v T) bool) {
	for _, it := range items {
		if !f(it.Subject, it.Queue, it.Value) {
			return
		}
	}
}

func (l *List[T]) all() []Item[T] {
	l.mu.RLock()
	defer l.mu.RUnlock()
	items := make([]Item[T], 0, l.subs)
	for _, e := range l.literals.m {
		items = e.appendItems(items)
	}
	l.wild.visit(func(e *entry[T]) { items = e.appendItems(items) })
	return items
}

func (l *List[T]) overlapping(pattern string) []Item[T] {
	if !subject.IsValid(pattern) {
		return nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	var items []Item[T]
	if !subject.HasWildcard(pattern) {
		if e := l.literals.m[pattern]; e != nil {
			items = e.appendItems(items)
		}
	} else {
		for lit, e := range l.literals.m {
			if subject.Matches(lit, pattern) {
				items = e.appendItems(items)
			}
		}
	}
	l.wild.overlap(pattern, func(e *entry[T]) { items = e.appendItems(items) })
	return items
}

// wellFormed reports whether subject has no empty token. The literals need no
// such check, they are well-formed themselves; the walk through the trie does,
// since ">" takes what comes unseen.
func wellFormed(subject []byte) bool {
	n := len(subject)
	return n > 0 && subject[0] != '.' && subject[n-1] != '.' && !bytes.Contains(subject, dots)
}

var dots = []byte("..")
