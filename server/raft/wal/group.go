package wal

import (
	"slices"
	"sort"
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Group is one group's part of the log. It is the raft.LogReader of what is
// durable. Reading is safe while the log is written; entries that a write
// replaces meanwhile may be returned in either version.
type Group struct {
	log *Log
	id  raft.GroupID

	mu sync.Mutex
	// exists is false before the first Replica is durable, and again after
	// Delete.
	exists  bool
	replica Replica
	hard    raft.HardState
	base    raft.Base
	history history
	// metas are the records that hold replica, hard and base, and the one that
	// deleted the group.
	metas [metaCount]metaRecord
	// locs has the place of each entry behind base. Nowhere is a lost one.
	locs []loc
	// confs are the EntryConf entries behind base.
	confs []raft.Entry
	// cache holds the newest entries, without gap, up to the last one.
	cache []raft.Entry
	// damage is what is lost. It is kept up with what makes up for it.
	damage []Damage
	// cover is the newest segment that may have records of the group from before
	// it was deleted. While it or an older one is there the group is remembered:
	// one that is made again under its ID goes on with the numbers of its records.
	cover uint64

	// Belong to whoever flushes: what the group will be like when the flush is
	// through, and its place in the items for the sidecar.
	ahead *ahead
	// itemAt is the place of the group's last item in the sideItems with the
	// number itemOf.
	itemOf uint64
	itemAt int
}

// meta numbers the records of a group that are no entries.
type meta int

const (
	metaReplica meta = iota
	metaHard
	metaBase
	metaDelete
	metaCount
)

func (k kind) meta() meta {
	switch k {
	case kindReplica:
		return metaReplica
	case kindHard:
		return metaHard
	case kindBase:
		return metaBase
	default:
		return metaDelete
	}
}

// metaRecord is the newest record of its kind. Its seq is 0 if there is none;
// if there is one and it is nowhere, it is lost.
type metaRecord struct {
	seq uint64
	loc loc
}

// run is a sequence of entries of one term whose records have numbers in
// sequence, up to the next run or the last entry.
type run struct{ index, term, seq uint64 }

// history is what a group's log consists of, as numbers: enough to tell which
// records it needs.
type history struct {
	// seq is the number of the last record, metas of how many of them were not
	// entries.
	seq   uint64
	metas uint16
	// unknown is set if records were lost of which it is not known what they
	// were.
	unknown bool
	// runs cover the entries behind the base.
	runs []run
}

// runOf returns the position of the run that an entry is in.
func (h *history) runOf(i uint64) int {
	return sort.Search(len(h.runs), func(n int) bool { return h.runs[n].index > i }) - 1
}

// cutFrom forgets entries from index i on.
func (h *history) cutFrom(i uint64) {
	n := sort.Search(len(h.runs), func(n int) bool { return h.runs[n].index >= i })
	h.runs = h.runs[:n]
}

// cutTo forgets entries up to index i, of those up to last.
func (h *history) cutTo(i, last uint64) {
	if i >= last {
		h.runs = nil
		return
	}
	n := h.runOf(i + 1)
	if n < 0 {
		return
	}
	if n > 0 {
		h.runs = slices.Clone(h.runs[n:])
	}
	if r := &h.runs[0]; r.index < i+1 {
		r.seq += i + 1 - r.index
		r.index = i + 1
	}
}

// add takes note of entries behind the last one.
func (h *history) add(index, term, seq uint64) {
	if n := len(h.runs); n > 0 {
		if r := h.runs[n-1]; r.term == term && seq > r.seq && seq-r.seq == index-r.index {
			return
		}
	}
	h.runs = append(h.runs, run{index, term, seq})
}

func (g *Group) lastLocked() raft.Index { return g.base.Index + raft.Index(len(g.locs)) }

// First implements raft.LogReader.
func (g *Group) First() raft.Index {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.base.Index + 1
}

// Last implements raft.LogReader.
func (g *Group) Last() raft.Index {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lastLocked()
}

// Term implements raft.LogReader. The term of a lost entry may be known.
func (g *Group) Term(i raft.Index) (raft.Term, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case i < g.base.Index:
		return 0, raft.ErrCompacted
	case i == g.base.Index:
		return g.base.Term, nil
	case i > g.lastLocked():
		return 0, raft.ErrUnavailable
	}
	if t := g.history.runs[g.history.runOf(uint64(i))].term; t != 0 {
		return raft.Term(t), nil
	}
	return 0, g.lostLocked(i)
}

// lostLocked is the error for an entry that is nowhere.
func (g *Group) lostLocked(i raft.Index) error {
	e := &CorruptionError{Group: g.id, Index: i}
	for _, d := range g.damage {
		if d.Kind == DamagedEntries && d.First <= i && i <= d.Last {
			e.Segment, e.Offset = d.Segment, d.Offset
		}
	}
	return e
}

// State returns what the group is like now.
func (g *Group) State() GroupState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GroupState{
		ID: g.id, Replica: g.replica, Hard: g.hard, Base: g.base, Last: g.lastLocked(),
		Confs: slices.Clone(g.confs), Damage: slices.Clone(g.damage),
	}
}

// put makes a record that is no entry the newest of its kind.
func (g *Group) putLocked(m meta, seq uint64, at loc) {
	g.log.free(g.metas[m].loc)
	g.metas[m] = metaRecord{seq, at}
}

// resetLocked forgets all of the group but the numbers of its records.
func (g *Group) resetLocked() {
	g.cutFromLocked(g.base.Index + 1)
	for m := range g.metas {
		g.log.free(g.metas[m].loc)
		g.metas[m] = metaRecord{}
	}
	g.replica, g.hard, g.base = Replica{}, raft.HardState{}, raft.Base{}
	g.history.unknown = false
	g.locs, g.confs, g.history.runs = nil, nil, nil
	g.exists = false
}

// cutFromLocked forgets entries from index i on.
func (g *Group) cutFromLocked(i raft.Index) {
	if i = max(i, g.base.Index+1); i > g.lastLocked() {
		return
	}
	keep := int(i - g.base.Index - 1)
	for _, at := range g.locs[keep:] {
		g.log.free(at)
	}
	g.locs = g.locs[:keep]
	g.history.cutFrom(uint64(i))
	for n := len(g.confs); n > 0 && g.confs[n-1].Index >= i; n-- {
		g.confs = g.confs[:n-1]
	}
	if len(g.confs) == 0 {
		g.confs = nil
	}
	g.cutCacheLocked(i)
}

// applyBase makes base the point where the log begins. last is the index of
// the last entry that stays.
func (g *Group) applyBaseLocked(base raft.Base, drop bool, last raft.Index) {
	if !drop {
		g.cutFromLocked(last + 1)
	}
	if end := g.lastLocked(); drop || base.Index >= end || base.Index < g.base.Index {
		g.cutFromLocked(g.base.Index + 1)
		g.locs, g.confs, g.history.runs = nil, nil, nil
		g.base = base
		return
	}
	n := int(base.Index - g.base.Index)
	for _, at := range g.locs[:n] {
		g.log.free(at)
	}
	g.history.cutTo(uint64(base.Index), uint64(g.lastLocked()))
	if rest := len(g.locs) - n; rest < cap(g.locs)/2 {
		g.locs = slices.Clone(g.locs[n:])
	} else {
		g.locs = g.locs[n:]
	}
	g.confs = slices.DeleteFunc(g.confs, func(e raft.Entry) bool { return e.Index <= base.Index })
	if len(g.confs) == 0 {
		g.confs = nil
	}
	g.base = base
	g.dropCacheLocked(base.Index)
}

// termLocked returns the term of an entry, or of the base.
func (g *Group) termLocked(i raft.Index) (raft.Term, bool) {
	switch {
	case i == g.base.Index:
		return g.base.Term, true
	case i < g.base.Index || i > g.lastLocked():
		return 0, false
	}
	return raft.Term(g.history.runs[g.history.runOf(uint64(i))].term), true
}
