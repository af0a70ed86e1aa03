package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// filesOf returns the content of all files of a log.
func filesOf(t *testing.T, fs vfs.FS) map[string][]byte {
	t.Helper()
	entries, err := fs.List("/wal")
	must(t, err)
	files := make(map[string][]byte)
	for _, e := range entries {
		files[e.Name] = content(t, fs, e.Name)
	}
	return files
}

const marker = "the marker that nobody may read"

// marked writes entries that can be found in a file.
type marked struct {
	t    *testing.T
	cfg  Config
	log  *Log
	last raft.Index
}

func newMarked(t *testing.T, fs *vfs.Mem, keys *seal.Keys) *marked {
	t.Helper()
	m := &marked{t: t, cfg: testConfig(fs, nil)}
	m.cfg.Keys = keys
	m.cfg.OnError = func(err error) { t.Errorf("told %v", err) }
	m.log = open(t, m.cfg)
	must(t, m.log.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
	return m
}

func (m *marked) write(n int) {
	m.t.Helper()
	for range n {
		m.last++
		e := raft.Entry{Index: m.last, Term: 1, Data: fmt.Appendf(nil, "%s %d %s", marker, m.last, bytes.Repeat([]byte("."), int(m.last)%300))}
		must(m.t, m.log.Append(Write{Group: 1, Entries: []raft.Entry{e}}))
		must(m.t, m.log.Flush())
	}
}

// check reads all, and says which files have the marker.
func (m *marked) check(fs vfs.FS) (clear []string) {
	m.t.Helper()
	g, _ := m.log.Group(1)
	ents, err := readAll(g, 1000)
	must(m.t, err)
	for i, e := range ents {
		if want := fmt.Sprintf("%s %d ", marker, int(g.First())+i); !bytes.HasPrefix(e.Data, []byte(want)) {
			m.t.Fatalf("entry %d is %q", e.Index, e.Data)
		}
	}
	if g.Last() != m.last || len(ents) != int(g.Last()+1-g.First()) {
		m.t.Fatalf("the log has %d entries from %d, want up to %d", len(ents), g.First(), m.last)
	}
	files := filesOf(m.t, fs)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if bytes.Contains(files[name], []byte(marker)) {
			clear = append(clear, name)
		}
	}
	return clear
}

// renew keeps house until nothing is left to be moved.
func (m *marked) renew() {
	m.t.Helper()
	for range 200 {
		must(m.t, m.log.Housekeep())
		if m.log.Stats().Stale == 0 {
			return
		}
	}
	m.t.Fatalf("%d segments are stale", m.log.Stats().Stale)
}

// reopen goes on with other keys.
func (m *marked) reopen(keys *seal.Keys) {
	m.t.Helper()
	must(m.t, m.log.Close())
	m.cfg.Keys = keys
	m.log = open(m.t, m.cfg)
}

// Nothing of an entry is in clear in any file, whatever the log does.
func TestNothingToReadInTheLog(t *testing.T) {
	fs := vfs.NewMem()
	m := newMarked(t, fs, testKeys(t, "one"))
	check := func(when string, fs vfs.FS) {
		t.Helper()
		if clear := m.check(fs); len(clear) > 0 {
			t.Errorf("%s: %v can be read", when, clear)
		}
	}
	m.write(20)
	check("written", fs)
	m.write(100)
	must(t, m.log.Housekeep())
	check("kept house", fs)
	must(t, m.log.Append(Write{Group: 1, Base: &raft.Base{Index: 40, Term: 1}}))
	must(t, m.log.Flush())
	for range 20 {
		m.write(5)
		must(t, m.log.Housekeep())
	}
	check("compacted", fs)
	left := fs.CrashClone(vfs.Killed)
	must(t, m.log.Close())
	m.cfg.FS, fs = left, left
	m.log = open(t, m.cfg)
	check("written once more after a crash", fs)
	m.write(3)
	m.reopen(testKeys(t, "two", "one"))
	m.write(3)
	m.renew()
	check("with another key", fs)
	must(t, m.log.Close())
}

// The key is changed, or encryption turned on. When housekeeping is done the key
// before is of no use, and nothing is in clear.
func TestKeysChange(t *testing.T) {
	for _, before := range []*seal.Keys{nil, testKeys(t, "one")} {
		fs := vfs.NewMem()
		m := newMarked(t, fs, before)
		m.write(100)
		renewed := 0
		m.cfg.OnRenewed = func() { renewed++ }
		m.reopen(testKeys(t, "two", "one"))
		if m.log.Stats().Stale == 0 {
			t.Fatal("nothing is to be renewed")
		}
		m.check(fs)
		m.renew()
		if renewed != 1 {
			t.Errorf("told %d times that all is renewed", renewed)
		}
		if clear := m.check(fs); len(clear) > 0 {
			t.Errorf("%v can be read", clear)
		}
		m.write(10)
		m.reopen(testKeys(t, "two"))
		m.check(fs)
		if n := m.log.Stats().Stale; n != 0 {
			t.Errorf("%d segments are stale after that", n)
		}
		must(t, m.log.Close())
		for _, wrong := range []*seal.Keys{testKeys(t, "one"), nil} {
			cfg := m.cfg
			cfg.Keys = wrong
			if l, err := Open(cfg); !errors.Is(err, seal.ErrKey) {
				t.Errorf("opened with %v: %v, %v", wrong, l, err)
			}
		}
	}
}

// A log with nothing to do is renewed, too.
func TestIdleLogIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		m := newMarked(t, fs, nil)
		m.write(100)
		m.cfg.Clock = clock.Real()
		m.reopen(testKeys(t, "one"))
		m.log.Start()
		time.Sleep(time.Minute)
		if n := m.log.Stats().Stale; n != 0 {
			t.Errorf("%d segments are stale after a minute", n)
		}
		if clear := m.check(fs); len(clear) > 0 {
			t.Errorf("%v can be read", clear)
		}
		must(t, m.log.Close())
	})
}

// A log that cannot be opened for its key is left as it is, also where there would
// be something to repair.
func TestWrongKeyTouchesNothing(t *testing.T) {
	fs := vfs.NewMem()
	m := newMarked(t, fs, testKeys(t, "one"))
	m.write(80)
	must(t, m.log.Housekeep())
	m.write(3) // a tail that would be written once more
	left := fs.CrashClone(vfs.Killed)
	must(t, m.log.Close())
	before := filesOf(t, left)
	for _, keys := range []*seal.Keys{nil, testKeys(t, "two"), testKeys(t, "two", "three")} {
		cfg := m.cfg
		cfg.FS, cfg.Keys = left, keys
		if l, err := Open(cfg); !errors.Is(err, seal.ErrKey) {
			t.Fatalf("opened: %v, %v", l, err)
		}
		if after := filesOf(t, left); !maps.EqualFunc(before, after, bytes.Equal) {
			t.Fatal("files were changed")
		}
	}
	m.cfg.FS = left
	m.log = open(t, m.cfg)
	m.check(left)
	must(t, m.log.Close())
}

// A leftover of a segment that was removed needs no key: the one it has is gone.
func TestLeftoverNeedsNoKey(t *testing.T) {
	fs := vfs.NewMem()
	m := newMarked(t, fs, testKeys(t, "one"))
	m.write(10)
	m.reopen(testKeys(t, "two", "one"))
	names := m.log.segs.Load().list[0].number
	old := content(t, fs, segmentName(names))
	m.renew()
	m.reopen(testKeys(t, "two"))
	m.write(1)
	must(t, m.log.Close())
	must(t, vfs.WriteFile(fs, "/wal/"+segmentName(names), old))
	m.log = open(t, m.cfg)
	m.check(fs)
	if _, err := fs.Stat("/wal/" + segmentName(names)); err == nil {
		t.Error("the leftover is still there")
	}
	must(t, m.log.Close())
}

// A segment that is lost does not need its key either, which its sidecar still has.
func TestMissingSegmentNeedsNoKey(t *testing.T) {
	fs := vfs.NewMem()
	m := newMarked(t, fs, testKeys(t, "one"))
	m.write(100)
	for range 5 {
		must(t, m.log.Housekeep())
	}
	lost := m.log.segs.Load().list[1].number
	must(t, m.log.Close())
	must(t, errors.Join(fs.Remove("/wal/"+segmentName(lost)), vfs.SyncDir(fs, "/wal")))
	m.cfg.OnError = nil
	for _, keys := range []*seal.Keys{testKeys(t, "two", "one"), testKeys(t, "two")} {
		m.cfg.Keys = keys
		m.log = open(t, m.cfg)
		g, _ := m.log.Group(1)
		if len(g.State().Damage) == 0 {
			t.Error("nothing is said of what is lost")
		}
		m.renew()
		must(t, m.log.Close())
	}
}

// What is encrypted and not what was written is not handed out, also if somebody has
// made the checksums fit.
func TestForgedEntries(t *testing.T) {
	fs := vfs.NewMem()
	m := newMarked(t, fs, testKeys(t, "one"))
	m.cfg.CacheBytes = -1
	m.reopen(m.cfg.Keys)
	m.write(4)
	must(t, m.log.Close())
	sound := fs.CrashClone(vfs.CrashOptions{})
	l := open(t, m.cfg)
	g, _ := l.Group(1)
	at, other := g.locs[1], g.locs[2]
	seed, name := seedOf(l.store.id, uint64(at.segment)), segmentName(uint64(at.segment))
	must(t, l.Close())
	file := content(t, sound, name)
	record := func() []byte { return slices.Clone(file[at.offset() : at.offset()+at.length()]) }
	for _, tt := range []struct {
		name  string
		forge func() []byte
	}{
		{"nothing", record},
		{"a bit of the content", func() []byte { b := record(); b[recordHeader+3] ^= 1; return b }},
		{"a bit of the tag", func() []byte { b := record(); b[recordHeader+int(at.size)-1] ^= 1; return b }},
		{"the term", func() []byte { b := record(); b[40]++; return b }},
		{"a flag that means nothing to readers", func() []byte { b := record(); b[21] |= flagRewrite; return b }},
		{"content of another record", func() []byte {
			b := record()
			n := min(at.size, other.size)
			copy(b[recordHeader:], file[other.offset()+recordHeader:][:n])
			return b
		}},
		{"in clear", func() []byte { b := record(); b[21] &^= flagSealed; return b }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.forge()
			le := binary.LittleEndian
			le.PutUint32(b[4:], crc32.Checksum(b[recordHeader:], castagnoli))
			le.PutUint32(b, crc32.Update(seed, castagnoli, b[4:recordHeader]))
			cfg := m.cfg
			mem := sound.CrashClone(vfs.CrashOptions{})
			overwrite(t, mem, name, at.offset(), b)
			told := false
			cfg.FS, cfg.OnError = mem, func(error) { told = true }
			l := open(t, cfg)
			g, _ := l.Group(1)
			ents, err := g.Entries(2, 3, 1<<20)
			must(t, l.Close())
			dump := Dump(new(bytes.Buffer), mem, "/wal", cfg.Keys)
			if tt.name == "nothing" {
				if err != nil || dump != nil {
					t.Errorf("%+v, %v, %v", ents, err, dump)
				}
				return
			}
			corrupt := (*CorruptionError)(nil)
			if !errors.As(err, &corrupt) || !told || !errors.Is(dump, ErrDamaged) {
				t.Errorf("entry %+v, error %v, told %v, dump %v", ents, err, told, dump)
			}
		})
	}
}

// When two processes write to the same place of the same segment, as after an old
// copy of the directory was put back, or a crash, they do it with different keys.
func TestSamePlaceHasAnotherKey(t *testing.T) {
	past := vfs.NewMem()
	m := newMarked(t, past, testKeys(t, "one"))
	m.write(1)
	must(t, m.log.Close())
	const size = 200
	plain := [2][]byte{bytes.Repeat([]byte{1}, size), bytes.Repeat([]byte{2}, size)}
	var stored [2][]byte
	var places [2]loc
	var keys [2]segmentKey
	for i := range plain {
		cfg := m.cfg
		cfg.FS = past.CrashClone(vfs.CrashOptions{})
		l := open(t, cfg)
		must(t, l.Append(Write{Group: 1, Entries: []raft.Entry{{Index: 2, Term: 1, Data: plain[i]}}}))
		must(t, l.Flush())
		g, _ := l.Group(1)
		places[i] = g.locs[1]
		keys[i] = *l.active.key
		b := content(t, cfg.FS, segmentName(uint64(places[i].segment)))
		stored[i] = b[places[i].offset()+recordHeader:][:size]
		must(t, l.Close())
	}
	if places[0] != places[1] {
		t.Fatalf("the places are %+v", places)
	}
	if keys[0].sealed == keys[1].sealed {
		t.Error("the segments have the same key")
	}
	for i := range size {
		if stored[0][i]^stored[1][i] != plain[0][i]^plain[1][i] {
			return
		}
	}
	t.Error("both are encrypted by the same stream of bytes")
}

// Equal entries of one segment are not stored equally.
func TestEachPlaceHasItsNonce(t *testing.T) {
	fs := vfs.NewMem()
	m := newMarked(t, fs, testKeys(t, "one"))
	data := bytes.Repeat([]byte("same"), 50)
	for i := range raft.Index(2) {
		must(t, m.log.Append(Write{Group: 1, Entries: []raft.Entry{{Index: i + 1, Term: 1, Data: data}}}))
	}
	must(t, m.log.Flush())
	g, _ := m.log.Group(1)
	b := content(t, fs, segmentName(uint64(g.locs[0].segment)))
	stored := func(i int) []byte { return b[g.locs[i].offset()+recordHeader:][:len(data)] }
	if bytes.Equal(stored(0), stored(1)) {
		t.Error("they are")
	}
	must(t, m.log.Close())
}

// The same place is not encrypted twice by one process.
func TestSamePlaceTwicePanics(t *testing.T) {
	key, err := newSegmentKey(testKeys(t, "one"), 1, 1)
	must(t, err)
	r := record{kind: kindEntry, group: 1, seq: 1, term: 1, index: 1}
	appendRecord(nil, 0, 4096, &r, []byte("one"), key)
	appendRecord(nil, 0, 4096+80, &r, []byte("two"), key)
	defer func() {
		if recover() == nil {
			t.Error("it is")
		}
	}()
	appendRecord(nil, 0, 4096+80, &r, []byte("three"), key)
}

// Two faults at once: if a segment's header and its sidecar are gone, so is its key,
// and that is told of each entry.
func TestLostKey(t *testing.T) {
	d := makeSound(t, 1, true)
	numbers := slices.Sorted(maps.Keys(d.files))
	n := numbers[len(numbers)/2]
	fs := d.clone()
	overwrite(t, fs, segmentName(n), 0, make([]byte, segmentStart))
	must(t, fs.Remove("/wal/"+sidecarName(n)))
	var sealed []span
	for _, w := range d.records {
		if b := d.files[n]; w.segment == n && b[w.at+21]&flagSealed != 0 {
			sealed = append(sealed, span{w.at, w.end})
		}
	}
	want := d.loss(n, sealed...)
	if len(want) == 0 {
		t.Fatal("nothing is needed of the segment")
	}
	if err := d.check(fs, want); err != nil {
		t.Error(err)
	}
}
