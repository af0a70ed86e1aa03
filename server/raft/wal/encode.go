package wal

import (
	"fmt"

	"github.com/nats-lite/nats-lite/server/raft"
)

// ahead is what a group will be like when the flush is through.
type ahead struct {
	g          *Group
	exists     bool
	seq        uint64
	metas      uint16
	base, last raft.Index
	baseTerm   raft.Term
	// runs are of entries in this flush, which reach up to last.
	runs []run
}

// put encodes a record at the end of the buffer.
func (l *Log) put(chain uint32, r *record, data []byte) uint32 {
	r.prev = chain
	l.buf = appendRecord(l.buf, l.active.seed, l.active.end+int64(len(l.buf)), r, data, l.active.key)
	return r.crc
}

// look returns what the group of a request will be like.
func (l *Log) look(g *Group) *ahead {
	if g.ahead != nil {
		return g.ahead
	}
	n := len(l.ahead)
	if n == cap(l.ahead) {
		l.ahead = append(l.ahead, nil)
	}
	l.ahead = l.ahead[:n+1]
	if l.ahead[n] == nil {
		l.ahead[n] = new(ahead)
	}
	a := l.ahead[n]
	g.mu.Lock()
	defer g.mu.Unlock()
	*a = ahead{
		g: g, exists: g.exists, seq: g.history.seq, metas: g.history.metas, base: g.base.Index, baseTerm: g.base.Term,
		last: g.lastLocked(), runs: a.runs[:0],
	}
	g.ahead = a
	return a
}

// forget drops what groups would have been like.
func (l *Log) forget() {
	for _, a := range l.ahead {
		a.g.ahead, a.g = nil, nil
	}
	// What is behind the length is used again.
	l.ahead = l.ahead[:0]
}

// term returns the term of an entry.
func (a *ahead) term(i raft.Index) (raft.Term, bool) {
	switch {
	case i == a.base:
		return a.baseTerm, true
	case i < a.base || i > a.last:
		return 0, false
	}
	for n := len(a.runs) - 1; n >= 0; n-- {
		if a.runs[n].index <= uint64(i) {
			return raft.Term(a.runs[n].term), true
		}
	}
	a.g.mu.Lock()
	defer a.g.mu.Unlock()
	return a.g.termLocked(i)
}

// check says what is wrong with a write, if something is.
func (a *ahead) check(w *Write) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: group %d: %s", ErrInvalid, w.Group, fmt.Sprintf(format, args...))
	}
	exists, base, last := a.exists, a.base, a.last
	if w.Replica != nil {
		exists, base, last = true, 0, 0
	}
	if !exists && (w.Base != nil || w.Hard != nil || len(w.Entries) > 0) {
		return invalid("there is no such group")
	}
	if b := w.Base; b != nil {
		if b.Index < base {
			return invalid("base %d is before base %d", b.Index, base)
		}
		if base = b.Index; w.Replica != nil || a.drops(b) {
			last = base
		}
	}
	if len(w.Entries) > 0 {
		if i := w.Entries[0].Index; i <= base || i > last+1 {
			return invalid("entry %d does not follow %d to %d", i, base, last)
		}
	}
	return nil
}

// drops reports whether no entry follows a base.
func (a *ahead) drops(b *raft.Base) bool {
	t, ok := a.term(b.Index)
	return !ok || t != b.Term
}

// encode puts the records of a request into the buffer.
func (l *Log) encode(r *request, chain uint32) uint32 {
	r.off = l.active.end + int64(len(l.buf))
	if r.op != nil {
		return l.encodeOperation(r.op, chain)
	}
	a := l.look(r.g)
	if r.err = a.check(&r.Write); r.err != nil {
		return chain
	}
	r.seq, r.meta = a.seq, a.metas
	left := len(r.Entries)
	for _, has := range []bool{r.Replica != nil, r.Base != nil, r.Hard != nil, r.Delete} {
		if has {
			left++
		}
	}
	put := func(rec record, data []byte) {
		a.seq++
		if !rec.kind.isEntry() {
			a.metas++
		}
		if left--; left > 0 {
			rec.flags |= flagMore
		}
		rec.group, rec.seq, rec.meta = uint64(r.Group), a.seq, a.metas
		chain = l.put(chain, &rec, data)
	}
	if r.Replica != nil {
		a.replace(0, 0)
		a.exists = true
		l.data = r.Replica.append(l.data[:0])
		put(record{kind: kindReplica}, l.data)
	}
	if b := r.Base; b != nil {
		rec := record{kind: kindBase, term: uint64(b.Term), index: uint64(b.Index)}
		if r.drop = a.drops(b); r.drop {
			rec.flags |= flagDrop
			a.replace(b.Index, b.Term)
		}
		a.base, a.baseTerm, r.last = b.Index, b.Term, a.last
		l.data = appendBase(l.data[:0], b, a.last)
		put(rec, l.data)
	}
	if h := r.Hard; h != nil {
		put(record{kind: kindHard, term: uint64(h.Term), index: uint64(h.Vote)}, nil)
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if i == 0 || e.Term != r.Entries[i-1].Term {
			a.extend(e.Index, e.Term)
		}
		put(record{kind: entryKind(e.Type), term: uint64(e.Term), index: uint64(e.Index)}, e.Data)
	}
	if n := len(r.Entries); n > 0 {
		a.last = r.Entries[n-1].Index
	}
	if r.Delete {
		a.replace(0, 0)
		a.exists = false
		put(record{kind: kindDelete}, nil)
	}
	return chain
}

// replace drops all entries.
func (a *ahead) replace(base raft.Index, term raft.Term) {
	a.base, a.baseTerm, a.last, a.runs = base, term, base, a.runs[:0]
}

// extend takes note of entries from an index on, which all have one term.
func (a *ahead) extend(i raft.Index, t raft.Term) {
	n := len(a.runs)
	for n > 0 && a.runs[n-1].index >= uint64(i) {
		n--
	}
	a.runs = append(a.runs[:n], run{index: uint64(i), term: uint64(t)})
}

func (r *request) recordCount() (n uint64) {
	for _, has := range []bool{r.Replica != nil, r.Base != nil, r.Hard != nil, r.Delete} {
		if has {
			n++
		}
	}
	return n + uint64(len(r.Entries))
}

// apply makes a write part of what the group knows to be durable.
func (l *Log) apply(r *request) {
	g, s, off := r.g, l.active, r.off
	place := func(data int) loc {
		at := makeLoc(s.number, off, data)
		s.live.Add(at.length())
		off += at.length()
		return at
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	h := &g.history
	h.seq, h.metas = r.seq, r.meta
	next := func(m meta, data int) {
		h.seq++
		h.metas++
		g.putLocked(m, h.seq, place(data))
	}
	if r.Replica != nil {
		g.resetLocked()
		g.exists, g.replica = true, *r.Replica
		next(metaReplica, 12+4*len(r.Replica.Contacts))
	}
	if r.Base != nil {
		g.applyBaseLocked(*r.Base, r.drop, r.last)
		l.data = appendBase(l.data[:0], r.Base, r.last)
		next(metaBase, len(l.data))
	}
	if r.Hard != nil {
		g.hard = *r.Hard
		next(metaHard, 0)
	}
	if len(r.Entries) > 0 {
		g.cutFromLocked(r.Entries[0].Index)
		for i := range r.Entries {
			e := &r.Entries[i]
			h.seq++
			h.add(uint64(e.Index), uint64(e.Term), h.seq)
			g.locs = append(g.locs, place(s.key.stored(entryKind(e.Type), len(e.Data))))
			if e.Type == raft.EntryConf {
				g.confs = append(g.confs, *e)
			}
		}
		g.cacheLocked(r.Entries)
	}
	if r.Delete {
		g.resetLocked()
		next(metaDelete, 0)
		g.cover = s.number
	}
	if len(g.damage) > 0 {
		g.healLocked()
	}
}
