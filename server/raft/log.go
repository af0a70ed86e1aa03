package raft

import (
	"errors"
	"fmt"
)

// ErrCompacted says that an entry is no longer in the log, and ErrUnavailable
// that it is not yet.
var (
	ErrCompacted   = errors.New("raft: entry is compacted")
	ErrUnavailable = errors.New("raft: entry is not in the log")
)

// raftLog is the log as the replica sees it: what the reader has made durable,
// and behind it what is not known to be.
//
//	base     reader's entries      unstable entries
//	 │ ┌───────────────────────┐┌──────────┬──────────┐
//	 ▼ │                       ││  handed  │   new    │
//	 · │ first ...             ││ offset   │          │ last
//
// Invariant: applied <= applying <= committed <= last.
type raftLog struct {
	reader LogReader
	// base is set while the log is replaced by a snapshot and the reader does
	// not know of it yet: nothing of the reader's counts then.
	base *Base
	// baseNew is whether base was not given out in an Append yet.
	baseNew bool
	// unstable holds the entries from offset. The first handed of them have
	// been given out in an Append.
	unstable []Entry
	offset   Index
	handed   int
	// inflight are the Appends on their way, oldest first.
	inflight []inflightAppend

	committed Index
	applying  Index // handed out in Ready.Committed
	applied   Index
}

// inflightAppend is an Append that is not stored yet. Once it is, the log is
// durable up to last, an index that goes down when entries are replaced while
// the write is on its way: the same entry may come back in a later Append, and
// what the earlier one wrote of it is undone by the one between.
type inflightAppend struct {
	seq  uint64
	last Index
	base *Base // what it replaces the log by, if it does
}

func (l *raftLog) lastIndex() Index { return l.offset + Index(len(l.unstable)) - 1 }

// firstIndex returns the index behind the base.
func (l *raftLog) firstIndex() Index {
	if l.base != nil {
		return l.base.Index + 1
	}
	return l.reader.First()
}

// stable returns the index up to which the log is durable.
func (l *raftLog) stable() Index {
	if l.base != nil {
		return 0
	}
	return l.offset - 1
}

func (l *raftLog) term(i Index) (Term, error) {
	switch {
	case i > l.lastIndex():
		return 0, ErrUnavailable
	case i >= l.offset:
		return l.unstable[i-l.offset].Term, nil
	case l.base == nil:
		return l.reader.Term(i)
	case i == l.base.Index:
		return l.base.Term, nil
	default:
		return 0, ErrCompacted
	}
}

func (l *raftLog) lastTerm() (Term, error) { return l.term(l.lastIndex()) }

// matches reports whether the log has the entry with this index and term.
func (l *raftLog) matches(i Index, t Term) bool {
	have, err := l.term(i)
	return err == nil && have == t
}

// entries returns those in [lo, hi), at least one, and more while their sizes
// sum up to at most maxBytes. The result may be shared and is not to be changed.
func (l *raftLog) entries(lo, hi Index, maxBytes int) ([]Entry, error) {
	if lo < l.firstIndex() {
		return nil, ErrCompacted
	}
	if hi > l.lastIndex()+1 || lo >= hi {
		return nil, ErrUnavailable
	}
	if lo < l.offset {
		// Those behind the offset come with the next call: joining both would
		// take a copy.
		ents, err := l.reader.Entries(lo, min(hi, l.offset), maxBytes)
		if err == nil && (len(ents) == 0 || ents[0].Index != lo) {
			err = fmt.Errorf("raft: the log gave %d entries for [%d, %d)", len(ents), lo, hi)
		}
		return ents, err
	}
	ents := l.unstable[lo-l.offset : hi-l.offset]
	size := 0
	for n := range ents {
		size += ents[n].Size()
		if size > maxBytes && n > 0 {
			ents = ents[:n]
			break
		}
	}
	return ents[:len(ents):len(ents)], nil
}

// append puts entries behind the last one, or in place of those from the index
// of the first.
func (l *raftLog) append(ents []Entry) {
	first := ents[0].Index
	if first == l.lastIndex()+1 {
		l.unstable = append(l.unstable, ents...)
		return
	}
	for n := range l.inflight {
		l.inflight[n].last = min(l.inflight[n].last, first-1)
	}
	if first <= l.offset {
		l.offset, l.unstable, l.handed = first, ents[:len(ents):len(ents)], 0
		return
	}
	// The old slice is shared with an Append, so it must not be written to.
	keep := l.unstable[:first-l.offset]
	l.unstable = append(keep[:len(keep):len(keep)], ents...)
	l.handed = min(l.handed, len(keep))
}

// replace drops all entries: the log is what follows base.
func (l *raftLog) replace(base *Base) {
	l.base, l.baseNew = base, true
	l.offset, l.unstable, l.handed = base.Index+1, nil, 0
	for n := range l.inflight {
		l.inflight[n].last = 0
	}
	l.committed = base.Index
}

// handOut takes note of an Append that is on its way.
func (l *raftLog) handOut(a Append) {
	in := inflightAppend{seq: a.Seq}
	if a.Base != nil {
		in.base, l.baseNew = a.Base, false
	}
	if n := len(a.Entries); n > 0 {
		in.last = a.Entries[n-1].Index
		l.handed += n
	}
	l.inflight = append(l.inflight, in)
}

// stored takes note of an Append that is durable.
func (l *raftLog) stored(seq uint64) {
	for len(l.inflight) > 0 && l.inflight[0].seq <= seq {
		a := l.inflight[0]
		l.inflight = l.inflight[1:]
		if a.base != nil && a.base == l.base {
			l.base = nil
		}
		if a.last >= l.offset {
			n := int(a.last + 1 - l.offset)
			l.unstable, l.offset, l.handed = l.unstable[n:], a.last+1, l.handed-n
		}
	}
	if len(l.unstable) == 0 {
		l.unstable = nil
	}
	if len(l.inflight) == 0 {
		l.inflight = nil
	}
}
