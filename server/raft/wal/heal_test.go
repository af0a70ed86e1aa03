package wal

import (
	"maps"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Damage stays until what was lost is replaced: a write of something else makes up
// for nothing.
func TestOnlyWhatReplacesHeals(t *testing.T) {
	kinds := make(map[DamageKind]int)
	for _, tidy := range []bool{true, false} {
		d := makeSound(t, 0, tidy)
		last := slices.Max(slices.Collect(maps.Keys(d.files)))
		for _, w := range d.records {
			if w.segment == last && !tidy {
				continue // it may be torn
			}
			fs := d.clone()
			overwrite(t, fs, segmentName(w.segment), w.at, make([]byte, w.end-w.at))
			cfg := d.cfg
			cfg.FS = fs
			l := open(t, cfg)
			for _, s := range l.Groups() {
				if len(s.Damage) == 0 || slices.ContainsFunc(s.Damage, func(d Damage) bool { return d.Kind == DamagedHard }) {
					continue
				}
				for _, dmg := range s.Damage {
					kinds[dmg.Kind]++
				}
				must(t, l.Append(Write{Group: s.ID, Hard: &raft.HardState{Term: 1 << 40}, Entries: []raft.Entry{{Index: s.Last + 1, Term: 1 << 40}}}))
				must(t, l.Flush())
				g, _ := l.Group(s.ID)
				if now := g.State().Damage; !slices.Equal(now, s.Damage) {
					t.Fatalf("%v was damaged, and after a write of something else it is %v", s.Damage, now)
				}
			}
			must(t, l.Close())
		}
	}
	for _, k := range []DamageKind{DamagedEntries, DamagedBase, DamagedReplica, DamagedUnknown} {
		if kinds[k] == 0 {
			t.Errorf("no damage of kind %v: %v", k, kinds)
		}
	}
}
