package host

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// memoryLog is the log of a group whose entries are in memory only. It implements
// raft.LogReader.
type memoryLog struct {
	base    raft.Base
	entries []raft.Entry
}

func newMemoryLog(base raft.Base) *memoryLog { return &memoryLog{base: base} }

// First implements raft.LogReader.
func (l *memoryLog) First() raft.Index { return l.base.Index + 1 }

// Last implements raft.LogReader.
func (l *memoryLog) Last() raft.Index { return l.base.Index + raft.Index(len(l.entries)) }

// Term implements raft.LogReader.
func (l *memoryLog) Term(i raft.Index) (raft.Term, error) {
	switch {
	case i < l.base.Index:
		return 0, raft.ErrCompacted
	case i == l.base.Index:
		return l.base.Term, nil
	case i > l.Last():
		return 0, raft.ErrUnavailable
	}
	return l.entries[i-l.First()].Term, nil
}

// Entries implements raft.LogReader.
func (l *memoryLog) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	switch {
	case lo < l.First():
		return nil, raft.ErrCompacted
	case lo >= hi || hi > l.Last()+1:
		return nil, raft.ErrUnavailable
	}
	ents := l.entries[lo-l.First() : hi-l.First()]
	size := 0
	for n := range ents {
		if size += ents[n].Size(); size > maxBytes && n > 0 {
			ents = ents[:n]
			break
		}
	}
	return ents[:len(ents):len(ents)], nil
}

// append puts entries behind the last one, or in place of those from the first
// one's index on. Their data, which may be part of a large frame, is copied.
func (l *memoryLog) append(ents []raft.Entry) {
	if len(ents) == 0 {
		return
	}
	if keep := ents[0].Index - l.First(); int(keep) < len(l.entries) {
		// What Entries has returned must not be written to.
		l.entries = slices.Clone(l.entries[:keep])
	}
	size := 0
	for i := range ents {
		size += len(ents[i].Data)
	}
	from := len(l.entries)
	l.entries = append(l.entries, ents...)
	copyEntries(l.entries[from:], size)
}

// reset drops all entries: the log is what follows base.
func (l *memoryLog) reset(base raft.Base) { l.base, l.entries = base, nil }

// compact drops the entries up to the index of base, which is in the log.
func (l *memoryLog) compact(base raft.Base) {
	if base.Index <= l.base.Index || base.Index > l.Last() {
		return
	}
	l.entries = slices.Clone(l.entries[base.Index-l.base.Index:])
	l.base = base
}
