package rafttest

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// disk is the durable log of one replica, and what was written to it and is not
// durable yet. It implements raft.LogReader for the former.
type disk struct {
	hard raft.HardState
	base raft.Base
	ents []raft.Entry
	// pending are the writes that a crash loses, oldest first.
	pending []write
}

// write is an Append, or the beginning of the log moved up by a compaction.
type write struct {
	append  raft.Append
	compact *raft.Base
}

func (d *disk) First() raft.Index { return d.base.Index + 1 }
func (d *disk) Last() raft.Index  { return d.base.Index + raft.Index(len(d.ents)) }

func (d *disk) Term(i raft.Index) (raft.Term, error) {
	switch {
	case i < d.base.Index:
		return 0, raft.ErrCompacted
	case i == d.base.Index:
		return d.base.Term, nil
	case i > d.Last():
		return 0, raft.ErrUnavailable
	}
	return d.ents[i-d.First()].Term, nil
}

func (d *disk) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	switch {
	case lo < d.First():
		return nil, raft.ErrCompacted
	case lo >= hi || hi > d.Last()+1:
		return nil, raft.ErrUnavailable
	}
	ents, size := d.ents[lo-d.First():hi-d.First()], 0
	for n := range ents {
		if size += ents[n].Size(); size > maxBytes && n > 0 {
			ents = ents[:n]
			break
		}
	}
	return ents[:len(ents):len(ents)], nil
}

// confs returns the entries of type EntryConf.
func (d *disk) confs() []raft.Entry {
	return slices.DeleteFunc(slices.Clone(d.ents), func(e raft.Entry) bool { return e.Type != raft.EntryConf })
}

// sync makes the oldest write durable and returns it.
func (d *disk) sync() write {
	w := d.pending[0]
	d.pending = d.pending[1:]
	d.apply(w)
	return w
}

func (d *disk) apply(w write) {
	if w.compact != nil {
		d.compact(*w.compact)
		return
	}
	a := &w.append
	if a.Hard != nil {
		d.hard = *a.Hard
	}
	if a.Base != nil {
		d.base, d.ents = *a.Base, nil
	}
	if len(a.Entries) > 0 {
		// Readers may hold what is there, so it is not overwritten.
		keep := d.ents
		if n := int(a.Entries[0].Index - d.First()); n < len(keep) {
			keep = keep[:n:n]
		}
		d.ents = append(keep, a.Entries...)
	}
}

// compact drops the entries up to a base, unless a snapshot already has.
func (d *disk) compact(b raft.Base) {
	if b.Index > d.base.Index && b.Index <= d.Last() {
		d.ents = d.ents[b.Index-d.base.Index:]
		d.base = b
	}
}
