package sublist

import (
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/subject"
)

// batch is how many items of a large batch are done before the lock is let go
// for a moment, so that a connection with a million subscriptions does not
// stop every publisher while it closes.
const batch = 512

// List is an index of values by the subjects and queues they subscribe to. Its
// zero value is empty and ready. Any number of goroutines may use it.
type List[T comparable] struct {
	gen atomic.Uint64

	// Every publish reads gen, and every lock, even for reading, writes to mu:
	// on one cache line they would fight.
	_ [64]byte

	mu sync.RWMutex
	// literals holds the entries of subjects without wildcards, wild the rest.
	literals index[*entry[T]]
	wild     node[T]
	wilds    int // entries in wild
	subs     int
	inserts  uint64
	removes  uint64
}

// Item is a value and what it is inserted under; Queue is "" for a plain
// subscription.
type Item[T comparable] struct {
	Subject string
	Queue   string
	Value   T
}

// Stats are counters of a List since it was made.
type Stats struct {
	NumSubs    int
	NumInserts uint64
	NumRemoves uint64
}

// Insert adds v under a subject and a queue, "" for a plain subscription. The
// list keeps both strings for as long as v or another value is under them. The
// error is [subject.ErrInvalidSubject].
func (l *List[T]) Insert(subj, queue string, v T) error {
	if !subject.IsValid(subj) {
		return subject.ErrInvalidSubject
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.insertLocked(subj, queue, v)
	l.gen.Add(1)
	return nil
}

// InsertMany is Insert for all items, or, if one of their subjects is invalid,
// for none. Others may see a part of a large batch.
func (l *List[T]) InsertMany(items []Item[T]) error {
	for i := range items {
		if !subject.IsValid(items[i].Subject) {
			return subject.ErrInvalidSubject
		}
	}
	l.inBatches(items, func(part []Item[T]) {
		for i := range part {
			l.insertLocked(part[i].Subject, part[i].Queue, part[i].Value)
		}
	})
	return nil
}

// Remove takes back one insertion of v under a subject and a queue. It reports
// whether there was one.
func (l *List[T]) Remove(subj, queue string, v T) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.removeLocked(subj, queue, v) {
		return false
	}
	l.gen.Add(1)
	return true
}

// RemoveMany is Remove for all items and gives the number of those that were
// there. Others may see a part of a large batch.
func (l *List[T]) RemoveMany(items []Item[T]) int {
	removed := 0
	l.inBatches(items, func(part []Item[T]) {
		for i := range part {
			if l.removeLocked(part[i].Subject, part[i].Queue, part[i].Value) {
				removed++
			}
		}
	})
	return removed
}

// inBatches calls do with the lock held and a part of items, until all are done.
func (l *List[T]) inBatches(items []Item[T], do func([]Item[T])) {
	for len(items) > 0 {
		n := min(len(items), batch)
		l.mu.Lock()
		do(items[:n])
		l.gen.Add(1)
		l.mu.Unlock()
		items = items[n:]
	}
}

func (l *List[T]) insertLocked(subj, queue string, v T) {
	var e *entry[T]
	if subject.HasWildcard(subj) {
		slot := l.wild.slot(subj)
		if *slot == nil {
			*slot = &entry[T]{subject: subj}
			l.wilds++
		}
		e = *slot
	} else if e = l.literals.m[subj]; e == nil {
		e = &entry[T]{subject: subj}
		l.literals.put(subj, e)
	}
	e.add(queue, v)
	l.subs++
	l.inserts++
}

func (l *List[T]) removeLocked(subj, queue string, v T) bool {
	wild := subject.HasWildcard(subj)
	var e *entry[T]
	if wild {
		e = l.wild.find(subj)
	} else {
		e = l.literals.m[subj]
	}
	if e == nil || !e.remove(queue, v) {
		return false
	}
	l.subs--
	l.removes++
	switch {
	case !e.empty():
	case wild:
		l.wild.prune(subj)
		l.wilds--
	default:
		l.literals.delete(subj)
	}
	return true
}

// Len is the number of insertions not taken back.
func (l *List[T]) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.subs
}

// Generation changes with every insert and remove. It takes no lock. A caller
// that keeps results stamps them with the generation it read before matching,
// and matches again once it has changed.
func (l *List[T]) Generation() uint64 { return l.gen.Load() }

// Stats gives the counters.
func (l *List[T]) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return Stats{
		NumSubs:    l.subs,
		NumInserts: l.inserts,
		NumRemoves: l.removes,
	}
}
