package host

import (
	"fmt"
	"iter"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// mend has a machine make a state of what is left of its log, of which from is the first
// entry that is lost. The log then begins behind all that it had, with an entry that is
// that state: to the rest of the group's life it is as if the replica had been compacted
// there. It takes the place of everything in one write.
func (g *Group) mend(m Mender, lg *wal.Group, st *wal.GroupState, from raft.Index, why error) {
	left, err := entriesLeft(lg, from+1, st.Last)
	if err != nil {
		g.halt(fmt.Errorf("%w: %w", why, err))
		return
	}
	base := raft.Base{Index: st.Last, Term: st.Hard.Term, Conf: g.conf.Clone()}
	self := g.aloneAs(st, &base)
	if base.Conf.Empty() {
		base.Conf = raft.ConfState{Voters: []raft.PeerID{self}}
	}
	time := int64(0)
	for i := range left {
		base.Term, time = max(base.Term, left[i].Term), max(time, entryTime(&left[i]))
	}
	g.apply.post(task{then: func() {
		whole, at, err := g.apply.mend(m, why, batches(left), base)
		g.control(func(w *worker) {
			switch state := g.State(); {
			case state == Halted, state == Stopped:
			case err != nil:
				g.halt(fmt.Errorf("%w: it cannot be mended: %w", why, err))
			default:
				// Nobody has proposed this entry in any term that there was.
				hard := raft.HardState{Term: at.Base.Term + 1}
				data := appendEntry(nil, max(w.wall.UnixNano(), at.Time+1, time+1), []Proposal{{Data: whole}})
				g.beginAnew(self, st, &at.Base, hard, []raft.Entry{{Index: at.Base.Index + 1, Term: hard.Term, Data: data}})
			}
		})
	}})
}

// mend has the machine make a state, and puts it behind all that there was. It returns
// where that is.
func (a *applier) mend(m Mender, why error, left iter.Seq2[bool, *Batch], base raft.Base) (whole []byte, at Position, err error) {
	if err = a.failed; err == nil {
		whole, err = m.Mend(why, left)
	}
	if err != nil {
		return nil, a.at, err
	}
	base.Index, base.Term = max(base.Index, a.at.Base.Index), max(base.Term, a.at.Base.Term)
	a.at.Base = base
	a.applied.Store(uint64(base.Index))
	return whole, a.at, nil
}

// entriesLeft reads what can be read of the entries from lo to last. An error is one that
// may pass.
func entriesLeft(lg *wal.Group, lo, last raft.Index) (list []raft.Entry, err error) {
	size := 0
	for lo <= last {
		ents, err := lg.Entries(lo, last+1, 1<<20)
		switch {
		case err == nil:
		case isCorrupt(err):
			lo++
			continue
		default:
			return nil, err
		}
		for i := range ents {
			size += ents[i].Size()
		}
		if size > maxRewrite {
			return nil, fmt.Errorf("raft/host: %d bytes of entries are too many to be held at once", size)
		}
		list = append(list, ents...)
		lo += raft.Index(len(ents))
	}
	return list, nil
}

// batches gives entries as a machine gets them, with whether something is missing in front
// of each, as it is in front of the first. An entry of which nothing can be made is missing
// as well.
func batches(ents []raft.Entry) iter.Seq2[bool, *Batch] {
	return func(yield func(bool, *Batch) bool) {
		missing, next := true, raft.Index(0)
		for i := range ents {
			e := &ents[i]
			missing = missing || e.Index != next
			next = e.Index + 1
			if e.Type != raft.EntryNormal {
				continue
			}
			b := Batch{Index: e.Index, Term: e.Term}
			if err := decodeEntry(e.Data, &b); err != nil {
				missing = true
				continue
			}
			if !yield(missing, &b) {
				return
			}
			missing = false
		}
	}
}
