package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// place of a record in a log whose every record is known.
type written struct {
	segment uint64
	at, end int64
	group   raft.GroupID
	kind    kind
	index   raft.Index
	seq     uint64
	// needed is whether the log is not whole without it.
	needed bool
}

// sound is a log that was written and closed, and all that is known of it.
type sound struct {
	cfg     Config
	fs      *vfs.Mem
	model   model
	records []written
	// files has the content of the segments.
	files map[uint64][]byte
}

// makeSound writes a log of some segments. If tidy is set there is housekeeping
// and it is closed; else the process ends with nothing in the sidecars.
func makeSound(t *testing.T, seed uint64, tidy bool) *sound {
	mem := vfs.NewMem()
	s := newStory(t, mem, seed)
	s.cfg.SegmentBytes = 16 << 10
	s.gen.maxData = 500
	s.log = open(t, s.cfg)
	for i := range 60 {
		must(t, s.append())
		if i%3 == 2 {
			must(t, s.log.Flush())
		}
		if tidy && i%10 == 9 {
			must(t, s.log.Housekeep())
		}
	}
	must(t, s.log.Flush())
	if tidy {
		must(t, s.log.Close())
	}
	d := &sound{cfg: s.cfg, fs: mem.CrashClone(vfs.Killed), model: s.last(), files: make(map[uint64][]byte)}
	a, err := analyze(d.fs, "/wal", 1)
	must(t, err)
	for _, st := range a.states {
		if st.scan == nil {
			t.Fatalf("segment %d is missing", st.number)
		}
		d.read(t, a, st)
	}
	if len(a.states) < 2 || len(a.groups) < 4 {
		t.Fatalf("%d segments, %d groups", len(a.states), len(a.groups))
	}
	return d
}

func (d *sound) read(t *testing.T, a *analysis, st *segmentState) {
	t.Helper()
	b, err := vfs.ReadFile(d.fs, "/wal/"+segmentName(st.number), 1<<20)
	must(t, err)
	d.files[st.number] = b
	seed := seedOf(a.store.id, st.number)
	for at := int64(segmentStart); at < st.end; {
		r, ok := decodeRecord(b[at:], seed, at)
		if !ok {
			t.Fatalf("no record at %d of %d", at, st.number)
		}
		w := written{segment: st.number, at: at, end: at + r.length(), group: raft.GroupID(r.group), kind: r.kind, index: raft.Index(r.index), seq: r.seq}
		for _, g := range a.groups {
			if g.id == w.group {
				w.needed = g.exists && g.liveAtLocked(&r, makeLoc(st.number, at, int(r.size)))
			}
		}
		d.records = append(d.records, w)
		at = w.end
	}
}

// loss is what damage to parts of a segment takes.
func (d *sound) loss(segment uint64, parts ...span) map[raft.GroupID][]Damage {
	lost := make(map[raft.GroupID][]Damage)
	hit := func(w written) bool {
		return slices.ContainsFunc(parts, func(p span) bool { return w.segment == segment && p.from < w.end && p.to > w.at })
	}
	for _, w := range d.records {
		// It may have been moved forward, and the older copy still be there.
		another := func(o written) bool { return o.group == w.group && o.seq == w.seq && !hit(o) }
		if !hit(w) || !w.needed || slices.ContainsFunc(d.records, another) {
			continue
		}
		k := DamagedEntries
		if !w.kind.isEntry() {
			k = lostKinds[w.kind.meta()]
			w.index = 0
		}
		lost[w.group] = append(lost[w.group], Damage{Group: w.group, Kind: k, First: w.index, Last: w.index})
	}
	for id, list := range lost {
		lost[id] = normal(list)
	}
	return lost
}

// normal is damage without places, in ranges as large as can be.
func normal(list []Damage) (out []Damage) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Damage) int {
		return int(a.Kind)<<20 + int(a.First) - int(b.Kind)<<20 - int(b.First)
	})
	for _, d := range list {
		d = Damage{Group: d.Group, Kind: d.Kind, First: d.First, Last: d.Last}
		if n := len(out); n > 0 && d.Kind == DamagedEntries && out[n-1].Kind == d.Kind && out[n-1].Last+1 == d.First {
			out[n-1].Last = d.Last
			continue
		}
		out = append(out, d)
	}
	return out
}

func (d *sound) clone() *vfs.Mem { return d.fs.CrashClone(vfs.Killed) }

// overwrite puts bytes into a file, durably.
func overwrite(t testing.TB, fs vfs.FS, name string, at int64, b []byte) {
	t.Helper()
	f, err := fs.OpenReadWrite("/wal/" + name)
	must(t, err)
	_, err = f.WriteAt(b, at)
	must(t, err)
	must(t, f.Sync())
	must(t, f.Close())
}

// check opens a damaged copy twice. All that is lost has to be reported, and
// nothing else; what is not lost has to be there.
func (d *sound) check(fs *vfs.Mem, want map[raft.GroupID][]Damage) error {
	cfg := d.cfg
	cfg.FS = fs
	before, err := segmentsOf(fs)
	if err != nil {
		return err
	}
	var first []GroupState
	for round := range 3 {
		cfg.OnError = func(error) {}
		l, err := Open(cfg)
		if err != nil {
			return fmt.Errorf("open %d: %w", round, err)
		}
		states := l.Groups()
		if err := d.compare(l, states, want); err != nil {
			return fmt.Errorf("open %d: %w", round, err)
		}
		if round == 0 {
			first = states
		} else if !reflect.DeepEqual(states, first) {
			return fmt.Errorf("open %d: %+v, first it was %+v", round, states, first)
		}
		// Other groups go on, and housekeeping does its worst.
		if round == 1 {
			w := Write{Group: 99, Replica: &Replica{Self: 7}}
			if err := l.Append(w); err != nil {
				return err
			}
			for i := range raft.Index(60) {
				e := raft.Entry{Index: i + 1, Term: 1, Data: make([]byte, 900)}
				w := Write{Group: 99, Entries: []raft.Entry{e}}
				if i%8 == 7 {
					w.Base = &raft.Base{Index: i, Term: 1}
				}
				if err := l.Append(w); err != nil {
					return err
				}
				if err := l.Flush(); err != nil {
					return err
				}
				if err := l.Housekeep(); err != nil {
					return err
				}
			}
			if err := l.Append(Write{Group: 99, Delete: true}); err != nil {
				return err
			}
			if err := l.Flush(); err != nil {
				return err
			}
			if err := d.compare(l, l.Groups(), want); err != nil {
				return fmt.Errorf("after more writes: %w", err)
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
		// What is damaged is left alone.
		after, err := segmentsOf(fs)
		if err != nil {
			return err
		}
		for _, s := range first {
			for _, dmg := range s.Damage {
				if n := dmg.Segment; !bytes.HasPrefix(before[n], after[n]) || len(after[n]) == 0 && len(before[n]) > 0 {
					return fmt.Errorf("open %d: segment %d was changed", round, n)
				}
			}
		}
	}
	return nil
}

func segmentsOf(fs vfs.FS) (map[uint64][]byte, error) {
	files := make(map[uint64][]byte)
	entries, err := fs.List("/wal")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var n uint64
		if strings.HasSuffix(e.Name, ".wal") {
			if _, err := fmt.Sscanf(e.Name, "%x.wal", &n); err != nil {
				return nil, err
			}
			if files[n], err = vfs.ReadFile(fs, "/wal/"+e.Name, 1<<20); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

func (d *sound) compare(l *Log, states []GroupState, want map[raft.GroupID][]Damage) error {
	ids := slices.Collect(maps.Keys(d.model))
	for _, s := range states {
		if s.ID == 99 {
			continue
		}
		m, ok := d.model[s.ID]
		if !ok {
			return fmt.Errorf("group %d should not be there", s.ID)
		}
		ids = slices.DeleteFunc(ids, func(id raft.GroupID) bool { return id == s.ID })
		if got := normal(s.Damage); !reflect.DeepEqual(got, want[s.ID]) {
			return fmt.Errorf("group %d: damage %v, want %v", s.ID, got, want[s.ID])
		}
		if len(s.Damage) == 0 {
			if err := m.check(l, &s); err != nil {
				return fmt.Errorf("group %d: %w", s.ID, err)
			}
			continue
		}
		if s.Last != m.last() || s.Base.Index != m.base.Index {
			return fmt.Errorf("group %d: %d to %d, want %d to %d", s.ID, s.Base.Index, s.Last, m.base.Index, m.last())
		}
		for _, dmg := range s.Damage {
			if dmg.Segment == 0 || dmg.Offset < segmentStart {
				return fmt.Errorf("group %d: damage without a place: %v", s.ID, dmg)
			}
		}
		if err := m.checkRest(l, &s); err != nil {
			return fmt.Errorf("group %d: %w", s.ID, err)
		}
	}
	if len(ids) > 0 {
		return fmt.Errorf("groups %v are gone", ids)
	}
	return nil
}

// checkRest reads all entries one by one: those that are not damaged are what
// they were.
func (m *modelGroup) checkRest(l *Log, s *GroupState) error {
	g, _ := l.Group(s.ID)
	for _, e := range m.entries {
		lost := slices.ContainsFunc(s.Damage, func(d Damage) bool {
			return d.Kind == DamagedEntries && d.First <= e.Index && e.Index <= d.Last
		})
		got, err := g.Entries(e.Index, e.Index+1, 0)
		switch {
		case lost && err == nil:
			return fmt.Errorf("entry %d is damaged and was read", e.Index)
		case !lost && err != nil:
			return fmt.Errorf("entry %d: %w", e.Index, err)
		case !lost && !sameEntry(got[0], e):
			return fmt.Errorf("entry %d is %v, want %v", e.Index, got[0], e)
		}
	}
	return nil
}

// Every record, damaged in every way.
func TestDamageIsToldExactly(t *testing.T) {
	withoutRace(t)
	for seed := range uint64(2) {
		d := makeSound(t, seed, true)
		if err := d.check(d.clone(), nil); err != nil {
			t.Fatalf("seed %d: not damaged: %v", seed, err)
		}
		for _, w := range d.records {
			name, file := segmentName(w.segment), d.files[w.segment]
			try := func(what string, at int64, b []byte, parts ...span) {
				t.Helper()
				fs := d.clone()
				overwrite(t, fs, name, at, b)
				if err := d.check(fs, d.loss(w.segment, parts...)); err != nil {
					t.Fatalf("seed %d: %v of group %d at %d of %s: %s: %v", seed, w.kind, w.group, w.at, name, what, err)
				}
			}
			flip := func(at int64, bit int) []byte { return []byte{file[at] ^ 1<<bit} }
			for _, at := range []int64{w.at, w.at + 8, w.at + 20, w.at + 30, w.at + recordHeader - 1} {
				try(fmt.Sprintf("bit in byte %d of the header", at-w.at), at, flip(at, int(at)%8), span{w.at, w.end})
			}
			if w.end > w.at+recordHeader {
				try("bit in the data", w.end-1, flip(w.end-1, 3), span{w.at, w.end})
				try("bit in the data", w.at+recordHeader, flip(w.at+recordHeader, 0), span{w.at, w.end})
			}
			try("zeros", w.at, make([]byte, w.end-w.at), span{w.at, w.end})
			page := w.at &^ (pageSize - 1)
			end := min(page+pageSize, int64(len(file)))
			try("page of zeros", page, make([]byte, end-page), span{page, end})
			old := make([]byte, end-w.at)
			try("page as it was", w.at, old, span{w.at, end})
			other := file[segmentStart:min(segmentStart+pageSize, int64(len(file)))]
			if page > segmentStart {
				b := other[:min(int64(len(other)), end-page)]
				try("page of another place", page, b, span{page, end})
			}
		}
	}
}

// Files that are cut, gone, or without their sidecar.
func TestDamagedFiles(t *testing.T) {
	withoutRace(t)
	for seed := range uint64(3) {
		d := makeSound(t, seed, true)
		try := func(what string, damage func(fs *vfs.Mem), want map[raft.GroupID][]Damage) {
			t.Helper()
			fs := d.clone()
			damage(fs)
			if err := d.check(fs, want); err != nil {
				t.Errorf("seed %d: %s: %v", seed, what, err)
			}
		}
		for _, n := range slices.Sorted(maps.Keys(d.files)) {
			file := d.files[n]
			name, size := segmentName(n), int64(len(file))
			for _, cut := range []int64{0, 100, segmentStart, segmentStart + 1000, size - 1, size - 200} {
				try(fmt.Sprintf("%s cut at %d", name, cut), func(fs *vfs.Mem) {
					f, err := fs.OpenReadWrite("/wal/" + name)
					must(t, err)
					must(t, f.Truncate(cut))
					must(t, f.Sync())
					must(t, f.Close())
				}, d.loss(n, span{cut, size}))
			}
			try(name+" missing", func(fs *vfs.Mem) { must(t, fs.Remove("/wal/"+name)) }, d.loss(n, span{0, size}))
			try(name+" without header", func(fs *vfs.Mem) { overwrite(t, fs, name, 0, make([]byte, segmentStart)) }, nil)
			try(sidecarName(n)+" missing", func(fs *vfs.Mem) { must(t, fs.Remove("/wal/"+sidecarName(n))) }, nil)
			info, err := d.fs.Stat("/wal/" + sidecarName(n))
			must(t, err)
			for at := int64(0); at < info.Size; at += 13 {
				try(fmt.Sprintf("%s with a zero at %d", sidecarName(n), at), func(fs *vfs.Mem) {
					overwrite(t, fs, sidecarName(n), at, []byte{0xa5, 0, 0x5a})
				}, nil)
			}
		}
		try("all sidecars missing", func(fs *vfs.Mem) {
			for n := range d.files {
				must(t, fs.Remove("/wal/"+sidecarName(n)))
			}
		}, nil)
		try("STORE missing", func(fs *vfs.Mem) { must(t, fs.Remove("/wal/STORE")) }, nil)
		try("STORE damaged", func(fs *vfs.Mem) { overwrite(t, fs, "STORE", 20, []byte{1, 2, 3}) }, nil)
	}
}

// Without sidecars damage is told of all that it may concern, and what is told
// to be sound is.
func TestDamageWithoutSidecars(t *testing.T) {
	withoutRace(t)
	exact, unknown := 0, 0
	for seed := range uint64(6) {
		d := makeSound(t, seed, false)
		rng := rand.New(rand.NewPCG(seed, 3))
		last := slices.Max(slices.Collect(maps.Keys(d.files)))
		for _, w := range d.records {
			// What is behind the last mark may be torn for all that is known.
			if w.segment == last || rng.IntN(2) == 0 {
				continue
			}
			from, to := w.at, w.end
			if rng.IntN(3) == 0 {
				from = w.at &^ (pageSize - 1)
				to = min(from+pageSize, int64(len(d.files[w.segment])))
			}
			fs := d.clone()
			overwrite(t, fs, segmentName(w.segment), from, make([]byte, to-from))
			want := d.loss(w.segment, span{from, to})
			cfg := d.cfg
			cfg.FS = fs
			l := open(t, cfg)
			for _, s := range l.Groups() {
				isUnknown := slices.ContainsFunc(s.Damage, func(d Damage) bool { return d.Kind == DamagedUnknown })
				switch got := normal(s.Damage); {
				case isUnknown:
					unknown++
				case len(got) == 0 && len(want[s.ID]) == 0:
					exact++
					if err := d.model[s.ID].check(l, &s); err != nil {
						t.Fatalf("seed %d: zeros in [%d, %d) of %d: group %d: %v", seed, from, to, w.segment, s.ID, err)
					}
				case len(got) == 0:
					t.Fatalf("seed %d: zeros in [%d, %d) of %d: group %d lost %v, and nothing was said", seed, from, to, w.segment, s.ID, want[s.ID])
				default:
					exact++
					// It may be told that more is lost than is.
					if err := d.model[s.ID].checkRest(l, &s); err != nil {
						t.Fatalf("seed %d: zeros in [%d, %d) of %d: group %d: damage %v: %v", seed, from, to, w.segment, s.ID, got, err)
					}
				}
			}
			must(t, l.Close())
		}
	}
	t.Logf("%d groups were told exactly, %d not", exact, unknown)
	if exact == 0 || unknown == 0 {
		t.Error("not both were seen")
	}
}

// A lost record that cut the log must not leave a log of two halves.
func TestLostTruncation(t *testing.T) {
	for _, sidecar := range []bool{true, false} {
		fs := vfs.NewMem()
		cfg := testConfig(fs, nil)
		l := open(t, cfg)
		var ents []raft.Entry
		for i := range raft.Index(8) {
			ents = append(ents, raft.Entry{Index: i + 1, Term: 1, Data: []byte("old")})
		}
		must(t, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}, Entries: ents}))
		must(t, l.Flush())
		must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 6, Term: 2, Data: []byte("new")}, {Index: 7, Term: 2, Data: []byte("new")}}}))
		must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 8, Term: 2, Data: []byte("new")}}}))
		must(t, l.Flush())
		if sidecar {
			must(t, l.Housekeep())
		}
		g, _ := l.Group(1)
		from, to := g.locs[5].offset(), g.locs[7].offset()
		// So that it is known to be synced.
		must(t, l.Append(Write{Group: 2, Replica: &Replica{Self: 1}}))
		must(t, l.Flush())
		crashed := fs.CrashClone(vfs.CrashOptions{})
		overwrite(t, crashed, segmentName(1), from, make([]byte, to-from))
		cfg.FS = crashed
		l = open(t, cfg)
		got := normal(l.Groups()[0].Damage)
		if want := []Damage{{Group: 1, Kind: DamagedEntries, First: 6, Last: 7}}; !reflect.DeepEqual(got, want) {
			t.Errorf("sidecar %v: damage %v, want %v", sidecar, got, want)
		}
		g, _ = l.Group(1)
		if e, err := g.Entries(8, 9, 0); err != nil || e[0].Term != 2 {
			t.Errorf("sidecar %v: entry 8 is %v, %v", sidecar, e, err)
		}
		must(t, l.Close())
	}
}

// A new incarnation makes up for all damage, and the segment can go.
func TestReplicaHeals(t *testing.T) {
	d := makeSound(t, 1, true)
	for _, w := range d.records {
		if !w.needed {
			continue
		}
		fs := d.clone()
		overwrite(t, fs, segmentName(w.segment), w.at, make([]byte, w.end-w.at))
		cfg := d.cfg
		cfg.FS = fs
		l := open(t, cfg)
		must(t, l.Append(Write{Group: w.group, Replica: &Replica{Self: raft.MakePeerID(1, 77)}}))
		must(t, l.Flush())
		for _, s := range l.Groups() {
			if len(s.Damage) > 0 {
				t.Fatalf("%v is still damaged", s)
			}
		}
		for _, s := range l.segs.Load().list {
			if s.pins.Load() != 0 {
				t.Fatalf("segment %d is still pinned", s.number)
			}
		}
		must(t, l.Close())
		l = open(t, cfg)
		for _, s := range l.Groups() {
			if len(s.Damage) > 0 {
				t.Fatalf("%v is damaged again", s)
			}
		}
		must(t, l.Close())
	}
}

func TestDumpTellsDamage(t *testing.T) {
	d := makeSound(t, 1, true)
	if err := Dump(io.Discard, d.fs, "/wal", d.cfg.Keys); err != nil {
		t.Fatal(err)
	}
	for _, w := range d.records {
		fs := d.clone()
		overwrite(t, fs, segmentName(w.segment), w.at, make([]byte, w.end-w.at))
		before := fs.CrashClone(vfs.Killed)
		var out strings.Builder
		if err := Dump(&out, fs, "/wal", d.cfg.Keys); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%v", err)
		}
		if w.needed && !strings.Contains(out.String(), fmt.Sprintf("DAMAGE: group %d: ", w.group)) {
			t.Errorf("damage to %+v is not told by\n%s", w, out.String())
		}
		x, err := segmentsOf(before)
		must(t, err)
		y, err := segmentsOf(fs)
		must(t, err)
		if !reflect.DeepEqual(x, y) {
			t.Fatal("Dump changed the log")
		}
	}
}

// When the last segment is gone with its sidecar, the one before still says that
// there was one.
func TestLastSegmentVanished(t *testing.T) {
	for seed := range uint64(6) {
		d := makeSound(t, seed, true)
		last := slices.Max(slices.Collect(maps.Keys(d.files)))
		want := d.loss(last, span{0, maxSegment})
		for _, wiped := range []bool{false, true} {
			fs := d.clone()
			must(t, fs.Remove("/wal/"+sidecarName(last)))
			if wiped {
				overwrite(t, fs, segmentName(last), 0, make([]byte, len(d.files[last])))
			} else {
				must(t, fs.Remove("/wal/"+segmentName(last)))
			}
			var first []GroupState
			var incarnation uint32
			for round := range 3 {
				cfg := d.cfg
				cfg.FS = fs
				l := open(t, cfg)
				states := l.Groups()
				if round == 0 {
					first, incarnation = states, l.Incarnation()
				} else if !reflect.DeepEqual(first, states) || incarnation != l.Incarnation() {
					t.Fatalf("seed %d: open %d: %v, first it was %v", seed, round, states, first)
				}
				if l.Incarnation() == 3 {
					t.Errorf("seed %d: groups may be lost, and the store is still the same", seed)
				}
				for _, s := range states {
					if len(want[s.ID]) > 0 && len(s.Damage) == 0 {
						t.Errorf("seed %d: group %d has lost %v, and nothing is said", seed, s.ID, want[s.ID])
					}
				}
				must(t, l.Append(Write{Group: 99, Replica: &Replica{Self: 3}}))
				must(t, l.Flush())
				must(t, l.Append(Write{Group: 99, Delete: true}))
				must(t, l.Flush())
				must(t, l.Housekeep())
				must(t, l.Close())
			}
		}
	}
}
