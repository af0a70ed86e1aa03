package wal

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A sidecar that is another segment's, or another store's, says nothing, and what
// is sound stays so.
func TestForeignSidecars(t *testing.T) {
	d := makeSound(t, 1, true)
	other := makeSound(t, 2, true)
	numbers := slices.Sorted(maps.Keys(d.files))
	for _, n := range numbers {
		foreign := map[string][]byte{"another store's": content(t, other.fs, sidecarName(slices.Min(slices.Collect(maps.Keys(other.files)))))}
		for _, m := range numbers {
			if m != n {
				foreign[segmentName(m)+"'s"] = content(t, d.fs, sidecarName(m))
			}
		}
		for whose, b := range foreign {
			fs := d.clone()
			must(t, vfs.WriteFile(fs, "/wal/"+sidecarName(n), b))
			if err := d.check(fs, nil); err != nil {
				t.Errorf("%s is %s: %v", sidecarName(n), whose, err)
			}
		}
	}
}

// A catalog that misses a part is not believed: the groups that it does not tell
// of are there nevertheless.
func TestCatalogInParts(t *testing.T) {
	const store, segment = 7, 1
	catalog := func(id raft.GroupID) []byte {
		g := Group{id: id, exists: true, history: history{seq: uint64(id)}}
		return g.appendCatalogued(nil)
	}
	part := func(n uint16, flags uint8, id raft.GroupID) sideBlock {
		return sideBlock{kind: blockCatalog, part: n, flags: flags, from: segmentStart, to: segmentStart, content: catalog(id)}
	}
	rubbish := sideBlock{kind: blockItems, from: -1, content: make([]byte, 64)}
	whole := []sideBlock{part(0, 0, 1), part(1, 0, 2), part(2, blockLast, 3)}
	for _, tt := range []struct {
		name   string
		blocks []sideBlock
		want   []uint64
	}{
		{"whole", whole, []uint64{1, 2, 3}},
		{"in one part", []sideBlock{part(0, blockLast, 4)}, []uint64{4}},
		{"without its start", whole[1:], nil},
		{"without its middle", []sideBlock{whole[0], whole[2]}, nil},
		{"with a damaged middle", []sideBlock{whole[0], rubbish, whole[2]}, nil},
		{"with damage in it", []sideBlock{whole[0], rubbish, whole[1], whole[2]}, nil},
		{"without its end", whole[:2], nil},
		{"an older one, and one without its end", append(slices.Clone(whole), part(0, 0, 9)), []uint64{1, 2, 3}},
		{"begun twice", append(whole[:1:1], whole...), []uint64{1, 2, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := encodeSideHeader(store, segment, nil)
			for i := range tt.blocks {
				b = appendBlock(b, sideSeed(store, segment), int64(len(b)), &tt.blocks[i])
			}
			s := parseSidecar(b, store, segment)
			var got []uint64
			for _, c := range s.catalog {
				got = append(got, c.group)
			}
			if !reflect.DeepEqual(got, tt.want) || s.hasCatalog != (tt.want != nil) {
				t.Errorf("it tells of %v (%v), want %v", got, s.hasCatalog, tt.want)
			}
		})
	}
}

// A record of another past of the same log, of the same store, segment and place,
// has a checksum that fits. It does not follow what is in front of it, and a group
// that has nothing newer is told so.
func TestRecordOfAnotherPast(t *testing.T) {
	past := vfs.NewMem()
	cfg := testConfig(past, nil)
	l := open(t, cfg)
	must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
	must(t, l.Close())
	write := func(fs vfs.FS, data string) (segment uint64, at, end int64) {
		cfg.FS = fs
		l := open(t, cfg)
		for i := range raft.Index(2) {
			must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: i + 1, Term: 1, Data: []byte(data)}}}))
		}
		must(t, l.Flush())
		for range 2 { // so that it is known to be synced
			must(t, l.Append(Write{Group: 2, Replica: &Replica{Self: 1}}))
			must(t, l.Flush())
		}
		g, _ := l.Group(1)
		place := g.locs[1]
		return uint64(place.segment), place.offset(), place.offset() + place.length()
	}
	one, two := past.CrashClone(vfs.CrashOptions{}), past.CrashClone(vfs.CrashOptions{})
	n, at, end := write(one, "one")
	if m, other, _ := write(two, "two"); m != n || other != at {
		t.Fatalf("in %d at %d, and in %d at %d", n, at, m, other)
	}
	left := one.CrashClone(vfs.CrashOptions{})
	overwrite(t, left, segmentName(n), at, content(t, two, segmentName(n))[at:end])
	cfg.FS = left
	l = open(t, cfg)
	g, _ := l.Group(1)
	if d := g.State().Damage; len(d) == 0 {
		e, err := g.Entries(2, 3, 1<<20)
		t.Errorf("nothing is said, and entry 2 is %v, %v", e, err)
	}
	must(t, l.Close())
}
