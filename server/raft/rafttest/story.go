package rafttest

import (
	"fmt"
	"strings"

	"github.com/nats-lite/nats-lite/server/raft"
)

// story is what a reader of a script is told.
type story struct {
	lines  []string
	indent int
	// mute is whether nothing is to be told, brief whether messages are not.
	mute, brief bool
}

func (s *story) tell(format string, args ...any) {
	if s.mute {
		return
	}
	s.lines = append(s.lines, strings.Repeat("  ", s.indent)+fmt.Sprintf(format, args...))
}

// take returns what was told since the last time.
func (s *story) take() []string {
	lines := s.lines
	s.lines = nil
	return lines
}

// tellReady tells what a replica has ready.
func (e *Env) tellReady(r *replica, rd *raft.Ready) {
	if e.story == nil {
		return
	}
	name := Name(r.id)
	voted := false
	if h := rd.Append.Hard; h != nil {
		voted = h.Vote != raft.None && h.Vote != r.id && *h != r.vote
		r.vote = *h
	}
	if s := rd.Soft; s != nil {
		switch {
		case s.Role == raft.Leader:
			e.tell("%s leads term %d", name, s.Term)
		case s.Role == raft.Candidate:
			e.tell("%s stands for election in term %d", name, s.Term)
		case s.Role == raft.PreCandidate:
			e.tell("%s asks whether it could win term %d", name, s.Term+1)
		case s.Leader != raft.None:
			e.tell("%s follows %s in term %d", name, Name(s.Leader), s.Term)
		case r.soft.Role == raft.Leader:
			e.tell("%s steps down, in term %d", name, s.Term)
		case !voted:
			e.tell("%s follows nobody, in term %d", name, s.Term)
		}
		r.soft = *s
	}
	if voted {
		e.tell("%s votes for %s in term %d", name, Name(r.vote.Vote), r.vote.Term)
	}
	if b := rd.Append.Base; b != nil {
		e.tell("%s begins its log at %d/%d", name, b.Index, b.Term)
	}
	if ents := rd.Append.Entries; len(ents) > 0 {
		if first := ents[0].Index; first <= r.handed && rd.Append.Base == nil {
			e.tell("%s drops its log from %d on", name, first)
		}
		e.tell("%s appends %s", name, entriesName(ents))
	}
	for _, to := range rd.Snapshots {
		e.tell("%s begins to send its state at %d/%d to %s", name, r.machine.state.base.Index, r.machine.state.base.Term, Name(to))
	}
	if len(rd.Committed) > 0 {
		e.tell("%s commits %s", name, entriesName(rd.Committed))
	}
}

// tellState tells what else has changed.
func (e *Env) tellState(r *replica) {
	if c := r.core.Conf(); !c.Equal(&r.conf) {
		r.conf = c.Clone()
		e.tell("%s has configuration %s", Name(r.id), confName(c))
	}
	if q := r.core.Quiescent(); q != r.quiescent {
		r.quiescent = q
		if q {
			e.tell("%s is quiescent", Name(r.id))
		} else {
			e.tell("%s is awake", Name(r.id))
		}
	}
}

// tellWrite tells what has become durable.
func (e *Env) tellWrite(r *replica, w *write) {
	if e.story == nil {
		return
	}
	if w.compact != nil {
		e.tell("%s has dropped its log up to %d on disk", Name(r.id), r.disk.base.Index)
		return
	}
	var parts []string
	if h := w.append.Hard; h != nil {
		s := fmt.Sprintf("term %d", h.Term)
		if h.Vote != raft.None {
			s += ", vote for " + Name(h.Vote)
		}
		parts = append(parts, s)
	}
	if b := w.append.Base; b != nil {
		parts = append(parts, fmt.Sprintf("log from %d/%d", b.Index, b.Term))
	}
	if ents := w.append.Entries; len(ents) > 0 {
		parts = append(parts, entriesName(ents))
	}
	e.tell("%s has on disk: %s", Name(r.id), strings.Join(parts, "; "))
}

// tellLog tells a replica's log: what is committed, then what is not, and
// in brackets what is not durable.
func (e *Env) tellLog(r *replica) {
	if r.core == nil {
		e.tell("%s (down) %s", Name(r.id), logLine(r.disk.base, r.disk.ents, r.disk.Last(), 0))
		return
	}
	ents, base := r.disk.ents, r.disk.base
	last := r.disk.Last()
	for _, w := range r.disk.pending {
		if a := w.append; a.Base != nil {
			base, ents, last = *a.Base, nil, 0
		}
		if a := w.append; len(a.Entries) > 0 {
			first := a.Entries[0].Index
			last = min(last, first-1)
			ents = append(ents[:first-base.Index-1:first-base.Index-1], a.Entries...)
		}
	}
	e.tell("%s %s", Name(r.id), logLine(base, ents, last, r.core.Committed()))
}

func logLine(base raft.Base, ents []raft.Entry, durable, commit raft.Index) string {
	var b strings.Builder
	if base.Index > 0 {
		fmt.Fprintf(&b, "(%d/%d) ", base.Index, base.Term)
	}
	if commit <= base.Index {
		b.WriteString("| ")
	}
	for n := range ents {
		ent := &ents[n]
		s := entryName(ent)
		if ent.Index > durable {
			s = "[" + s + "]"
		}
		b.WriteString(s)
		b.WriteString("  ")
		if ent.Index == commit {
			b.WriteString("| ")
		}
	}
	return strings.TrimRight(b.String(), " ")
}
