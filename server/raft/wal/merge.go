package wal

import (
	"cmp"
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// event is something that was appended for a group: count entries in sequence,
// or one other record. The record itself may be lost.
type event struct{ item }

// merging is what is known of one group while it is put together.
type merging struct {
	id     uint64
	start  *catalogued // what the catalog says, if it knows the group
	events []event
	// proven is where the last record stands that is no copy.
	proven position
}

// merge replays what was appended for each group, and finds what of it is
// needed and there.
//
// A record is known by its group and number, wherever it stands: copies that
// housekeeping has moved forward are the same record. So the order of a group's
// history is that of the numbers, and the replay looks at names alone, from what
// the catalog tells on. Then each record that the group needs is looked for among
// those that are there.
func (a *analysis) merge() {
	groups := make(map[uint64]*merging)
	of := func(id uint64) *merging {
		m := groups[id]
		if m == nil {
			m = &merging{id: id}
			groups[id] = m
		}
		return m
	}
	if a.catalog != nil {
		for i := range a.catalog.catalog {
			c := &a.catalog.catalog[i]
			of(c.group).start = c
		}
	}
	for _, s := range a.states {
		if s.number >= a.since() {
			a.collect(s, of)
		} else if s.scan != nil {
			// Groups that were deleted earlier are only known by the record of it.
			for id, g := range s.scan.groups {
				for i := range g.metas {
					if r := &g.metas[i]; r.kind == kindDelete {
						m := of(id)
						m.events = append(m.events, event{r.item()})
					}
				}
			}
		}
	}
	ids := make([]uint64, 0, len(groups))
	for id := range groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		m := groups[id]
		g := &Group{id: raft.GroupID(id)}
		a.replay(g, m)
		a.fill(g)
		if g.exists {
			g.listDamage(func(seq uint64) Damage { return a.place(g, seq) })
		}
		if g.exists || g.metas[metaDelete].seq != 0 {
			a.groups = append(a.groups, g)
		}
	}
}

// collect gathers what was appended to a segment.
func (a *analysis) collect(s *segmentState, of func(uint64) *merging) {
	add := func(it item) {
		m := of(it.group)
		m.events = append(m.events, event{it})
	}
	if s.scan != nil {
		for id, g := range s.scan.groups {
			m := of(id)
			if g.last > 0 {
				m.proven = maxPosition(m.proven, position{s.number, g.last})
			}
			for i := range g.runs {
				r := &g.runs[i]
				m.events = append(m.events, event{item{
					kind: kindEntry, meta: r.meta, group: id, seq: r.seq, count: uint64(r.count), term: r.term, index: r.index,
				}})
			}
			for i := range g.metas {
				m.events = append(m.events, event{g.metas[i].item()})
			}
		}
		for i := range s.scan.damaged {
			if d := &s.scan.damaged[i]; d.at < s.end && d.kind.ofGroup() {
				r := scanRecord{record: d.record}
				add(r.item())
				if m := of(d.group); d.flags&flagRewrite == 0 {
					m.proven = maxPosition(m.proven, position{s.number, d.at})
				}
			}
		}
	}
	if len(s.bad) > 0 && s.side != nil {
		for _, it := range s.side.items {
			add(it)
		}
	}
}

// item describes the record. Of a base whose data is lost it is not known what
// followed it; the largest number stands for whatever did.
func (r *scanRecord) item() item {
	it := item{kind: r.kind, flags: r.flags, meta: r.meta, group: r.group, seq: r.seq, count: 1, term: r.term, index: r.index}
	if r.kind == kindBase {
		it.last = 1 << 62
		if _, last, err := decodeBase(r.data); err == nil {
			it.last = uint64(last)
		}
	}
	return it
}

// replay works out what the group's log consists of.
func (a *analysis) replay(g *Group, m *merging) {
	if c := m.start; c != nil {
		g.exists = true
		g.history = c.history
		g.history.runs = slices.Clone(c.history.runs)
		g.base = raft.Base{Index: raft.Index(c.base), Term: raft.Term(c.baseTerm)}
		g.locs = a.nowhere(c.last - c.base)
		for i, seq := range c.metas {
			g.metas[i].seq = seq
		}
	}
	// Of two that tell of the same record the one that tells more comes first.
	slices.SortStableFunc(m.events, func(x, y event) int {
		return cmp.Or(cmp.Compare(x.seq, y.seq), cmp.Compare(y.count, x.count), cmp.Compare(x.last, y.last))
	})
	p := player{g: g, gaps: len(a.holes) > 0}
	for i := range m.events {
		e := m.events[i].item
		if done := g.history.seq + 1; e.seq+e.count <= done {
			continue
		} else if e.seq < done {
			skip := done - e.seq
			e.seq, e.index, e.count = done, e.index+skip, e.count-skip
		}
		if p.gaps && e.seq > g.history.seq+1 {
			p.gap(&e, m.events[i:])
		}
		p.play(&e)
	}
	p.settle()
	for _, h := range a.holes {
		// Nothing proves that it had no record of the group.
		if g.exists && m.proven.before(position{h.segment, h.to}) {
			g.history.unknown = true
		}
	}
}

// nowhere returns the places of n entries that are not found yet.
func (a *analysis) nowhere(n uint64) []loc { return make([]loc, n) }

// player replays the history of a group by the names of its records.
type player struct {
	g *Group
	// gaps is set if numbers that are left out may stand for lost records; else
	// they are those of records that were not needed any more.
	gaps bool
	// base is what the newest record of one says, and whether there is any.
	base    raft.Base
	hasBase bool
}

func (p *player) play(e *item) {
	g := p.g
	g.history.seq, g.history.metas = e.seq+e.count-1, e.meta
	seq := e.seq
	switch e.kind {
	case kindReplica:
		g.resetLocked()
		g.exists = true
		g.metas[metaReplica].seq = seq
		p.base, p.hasBase = raft.Base{}, false
	case kindHard:
		g.metas[metaHard].seq = seq
	case kindBase:
		g.metas[metaBase].seq = seq
		p.base, p.hasBase = raft.Base{Index: raft.Index(e.index), Term: raft.Term(e.term)}, true
		drop := e.flags&flagDrop != 0
		if drop || p.base.Index >= g.base.Index {
			g.applyBaseLocked(p.base, drop, raft.Index(e.last))
		} else {
			g.cutFromLocked(raft.Index(e.last) + 1)
		}
	case kindDelete:
		g.resetLocked()
		g.metas[metaDelete].seq = seq
	default:
		p.entries(e.index, e.term, seq, e.count)
	}
}

// entries appends entries that are nowhere yet.
func (p *player) entries(index, term, seq, count uint64) {
	g := p.g
	first := raft.Index(index)
	if first > g.lastLocked()+1 || first <= g.base.Index {
		// Those in front are gone, for they were not needed; a base will say so.
		g.cutFromLocked(g.base.Index + 1)
		g.locs = nil
		g.base = raft.Base{Index: first - 1}
	}
	g.cutFromLocked(first)
	g.history.add(index, term, seq)
	g.locs = append(g.locs, make([]loc, count)...)
}

// gap takes account of numbers in front of e, the first of events, that no
// record has: records of which nothing is known. If they were all entries then it
// is known which, at most: in a log, an entry follows the one with the index
// before.
func (p *player) gap(e *item, events []event) {
	g := p.g
	lost := e.seq - g.history.seq - 1
	metas := uint64(e.meta - g.history.metas)
	if !e.kind.isEntry() {
		metas = uint64(e.meta - g.history.metas - 1)
	}
	if metas > 0 {
		g.history.unknown = true
		if !g.exists {
			g.exists = true
			g.metas[metaReplica].seq = g.history.seq + 1
		}
	}
	if metas >= lost {
		return
	}
	lost -= metas
	for i := range events {
		n := &events[i].item
		if n.kind == kindReplica || n.kind == kindDelete {
			break
		}
		if !n.kind.isEntry() || n.seq < e.seq {
			continue
		}
		first := uint64(1)
		if n.index > lost {
			first = n.index - lost
		}
		first = max(first, uint64(g.base.Index)+1)
		first = min(first, uint64(g.lastLocked())+1)
		if first < n.index {
			p.entries(first, 0, g.history.seq+1, n.index-first)
		}
		return
	}
	g.history.unknown = true
}

// settle makes the log begin behind its base.
func (p *player) settle() {
	g := p.g
	if !g.exists || g.metas[metaBase].seq != 0 && !p.hasBase {
		return // the catalog has told
	}
	if p.base.Index >= g.base.Index || !p.hasBase && g.base.Term != 0 {
		return
	}
	// What stands between them is needed, and lost.
	missing := int(g.base.Index - p.base.Index)
	g.history.runs = slices.Insert(g.history.runs, 0, run{index: uint64(p.base.Index) + 1})
	g.locs = slices.Concat(make([]loc, missing), g.locs)
	g.base = p.base
}

// fill finds the records that the group needs.
func (a *analysis) fill(g *Group) {
	for _, s := range a.states {
		found := s.found(g.id)
		if found == nil {
			continue
		}
		for i := range found.runs {
			g.fillRun(s.number, found, &found.runs[i])
		}
		for i := range found.metas {
			r := &found.metas[i]
			m := &g.metas[r.kind.meta()]
			if m.seq == r.seq && r.seq != 0 && g.take(r) {
				m.loc = makeLoc(s.number, r.at, int(r.size))
				if r.kind == kindDelete {
					g.cover = s.number
				}
			}
		}
		for i := range found.confs {
			g.takeConf(s.number, &found.confs[i])
		}
	}
}

// fillRun places the entries of a run that the group needs.
func (g *Group) fillRun(segment uint64, found *scanGroup, r *scanRun) {
	h := &g.history
	end := r.seq + uint64(r.count)
	n, _ := slices.BinarySearchFunc(h.runs, r.seq, func(x run, seq uint64) int { return cmp.Compare(x.seq, seq) })
	for n = max(n-1, 0); n < len(h.runs) && h.runs[n].seq < end; n++ {
		own := h.runs[n]
		last := uint64(g.lastLocked())
		if n+1 < len(h.runs) {
			last = h.runs[n+1].index - 1
		}
		from := max(own.seq, r.seq)
		to := min(own.seq+last-own.index+1, end) // seqs in [from, to)
		if from >= to || own.term != r.term || own.index+(from-own.seq) != r.index+(from-r.seq) {
			continue
		}
		at := own.index + (from - own.seq) - uint64(g.base.Index) - 1
		for i, p := range found.places[uint64(r.from)+from-r.seq : uint64(r.from)+to-r.seq] {
			g.locs[at+uint64(i)] = loc{uint32(segment), p.off8, p.size}
		}
	}
}

// take takes over what a record says, and reports whether it makes sense.
func (g *Group) take(r *scanRecord) bool {
	switch r.kind {
	case kindReplica:
		replica, err := decodeReplica(r.data)
		if err != nil {
			return false
		}
		g.replica = replica
	case kindHard:
		g.hard = raft.HardState{Term: raft.Term(r.term), Vote: raft.PeerID(r.index)}
	case kindBase:
		conf, _, err := decodeBase(r.data)
		if err != nil || raft.Index(r.index) != g.base.Index {
			return false
		}
		g.base.Term, g.base.Conf = raft.Term(r.term), conf
	}
	return true
}

// takeConf takes over a configuration that is in the group's log.
func (g *Group) takeConf(segment uint64, r *scanRecord) {
	i := raft.Index(r.index)
	if i <= g.base.Index || i > g.lastLocked() || g.locs[i-g.base.Index-1] != makeLoc(segment, r.at, int(r.size)) {
		return
	}
	e := raft.Entry{Index: i, Term: raft.Term(r.term), Type: raft.EntryConf, Data: r.data}
	n, found := slices.BinarySearchFunc(g.confs, i, func(c raft.Entry, i raft.Index) int { return cmp.Compare(c.Index, i) })
	if found {
		g.confs[n] = e
		return
	}
	g.confs = slices.Insert(g.confs, n, e)
}

// place says where a lost record of a group was, or, for number 0, records of
// which nothing is known.
func (a *analysis) place(g *Group, seq uint64) Damage {
	// The segment is known if a sidecar lists the record. Else the record
	// stands behind the one before it.
	var in uint64
	var after position
	if seq == 0 {
		// Where something was lost of which nothing is known. The store
		// remembers it when a catalog has made the place itself unimportant.
		p := maxPosition(a.newestHole(), a.store.loss)
		return Damage{Segment: p.segment, Offset: p.offset}
	}
	for _, s := range a.states {
		if len(s.bad) == 0 {
			continue
		}
		if s.side != nil {
			for _, it := range s.side.items {
				if it.group == uint64(g.id) && it.seq <= seq && seq < it.seq+it.count {
					in = s.number
				}
			}
		}
		if s.scan != nil {
			for _, d := range s.scan.damaged {
				if d.group == uint64(g.id) && d.seq == seq {
					return Damage{Segment: s.number, Offset: d.at, Length: d.length()}
				}
			}
		}
	}
	for _, s := range a.states {
		if in != 0 && s.number != in {
			continue
		}
		if found := s.found(g.id); found != nil {
			after = maxPosition(after, position{s.number, found.lastBefore(seq)})
		}
	}
	var first Damage
	for _, s := range a.states {
		for _, b := range s.bad {
			d := Damage{Segment: s.number, Offset: b.from, Length: b.to - b.from}
			if first.Segment == 0 {
				first = d
			}
			if (in == 0 || in == s.number) && !(position{s.number, b.to}).before(after) && b.to > b.from {
				return d
			}
		}
	}
	for _, s := range a.states {
		// Where a segment ends may have been told by one that is removed.
		if first.Segment == 0 && s.scan != nil && s.scan.headerErr != nil && s.scan.size > s.end {
			first = Damage{Segment: s.number, Offset: s.end, Length: s.scan.size - s.end}
		}
	}
	return first
}

// lastBefore returns the offset of the last record with a lower number.
func (g *scanGroup) lastBefore(seq uint64) (at int64) {
	for i := range g.runs {
		r := &g.runs[i]
		if r.seq < seq && !r.rewrite {
			n := min(uint64(r.count), seq-r.seq) - 1
			at = max(at, int64(g.places[uint64(r.from)+n].off8)*recordAlign)
		}
	}
	for i := range g.metas {
		if r := &g.metas[i]; r.seq < seq && r.flags&flagRewrite == 0 {
			at = max(at, r.at)
		}
	}
	return at
}
