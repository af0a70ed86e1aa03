package wal

import (
	"github.com/nats-lite/nats-lite/server/raft"
)

// lostKinds are the kinds of damage to the records that are no entries.
var lostKinds = [...]DamageKind{metaReplica: DamagedReplica, metaHard: DamagedHard, metaBase: DamagedBase}

// listDamage works out what is lost: all that the group should have and that is
// nowhere. place tells where it was, given its number.
func (g *Group) listDamage(place func(seq uint64) Damage) {
	var list []Damage
	add := func(k DamageKind, seq uint64, i raft.Index) {
		d := place(seq)
		d.Group, d.Kind, d.First, d.Last = g.id, k, i, i
		if n := len(list); n > 0 && k == DamagedEntries && list[n-1].Kind == k && list[n-1].Last+1 == i &&
			list[n-1].Segment == d.Segment && list[n-1].Offset == d.Offset {
			list[n-1].Last = i
			return
		}
		list = append(list, d)
	}
	for m, kind := range lostKinds {
		if r := g.metas[m]; r.seq != 0 && r.loc.none() {
			add(kind, r.seq, 0)
		}
	}
	for n, at := range g.locs {
		if at.none() {
			i := g.base.Index + 1 + raft.Index(n)
			r := g.history.runs[g.history.runOf(uint64(i))]
			add(DamagedEntries, r.seq+uint64(i)-r.index, i)
		}
	}
	if g.history.unknown {
		add(DamagedUnknown, 0, 0)
	}
	g.damage = list
	g.pin(1)
}

// healLocked drops damage that newer records have made up for.
func (g *Group) healLocked() {
	g.pin(-1)
	var list []Damage
	for _, d := range g.damage {
		switch d.Kind {
		case DamagedUnknown:
			if g.history.unknown {
				list = append(list, d)
			}
		case DamagedEntries:
			list = append(list, g.stillLost(d)...)
		default:
			for m, kind := range lostKinds {
				if r := g.metas[m]; kind == d.Kind && r.seq != 0 && r.loc.none() {
					list = append(list, d)
				}
			}
		}
	}
	g.damage = list
	g.pin(1)
}

// stillLost returns the parts of a damaged range that are not made up for.
func (g *Group) stillLost(d Damage) (list []Damage) {
	first, last := max(d.First, g.base.Index+1), min(d.Last, g.lastLocked())
	for i := first; i <= last; i++ {
		if !g.locs[i-g.base.Index-1].none() {
			continue
		}
		if n := len(list); n > 0 && list[n-1].Last+1 == i {
			list[n-1].Last = i
			continue
		}
		part := d
		part.First, part.Last = i, i
		list = append(list, part)
	}
	return list
}

// pin keeps the segments of the damage, or lets go of them.
func (g *Group) pin(sign int32) {
	if g.log == nil {
		return
	}
	set := g.log.segs.Load()
	for _, d := range g.damage {
		if s := set.find(d.Segment); s != nil {
			s.pins.Add(sign)
		}
	}
}
