package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

func TestRecord(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    record
		data string
	}{
		{"flush", record{kind: kindFlush, seq: 9, term: 3, index: 1 << 33}, ""},
		{"segments", record{kind: kindSegments}, "12345678"},
		{"vote", record{kind: kindHard, group: 1<<64 - 1, seq: 5, meta: 65535, term: 1<<64 - 1, index: 1<<64 - 1}, ""},
		{"entry", record{kind: kindEntry, flags: flagMore | flagRewrite, group: 7, seq: 1, term: 2, index: 3}, "data"},
		{"entry that needs no padding", record{kind: kindEntry, group: 7, seq: 1, term: 2, index: 3, prev: 77}, "datadata"},
		{"configuration", record{kind: kindConf, group: 7, seq: 1, term: 2, index: 3}, "d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const at = 4096 + 64
			seed := seedOf(11, 22)
			b := appendRecord([]byte("in front"), seed, at, &tt.r, []byte(tt.data), nil)[8:]
			if int64(len(b)) != recordSize(len(tt.data)) || tt.r.length() != int64(len(b)) {
				t.Fatalf("%d bytes, want %d", len(b), recordSize(len(tt.data)))
			}
			got, ok := decodeRecord(b, seed, at)
			if !ok || got != tt.r || !got.checkData(b[recordHeader:]) || string(b[recordHeader:recordHeader+got.size]) != tt.data {
				t.Fatalf("decoded as %+v, %v, want %+v", got, ok, tt.r)
			}
			// No bit can change, and it is valid nowhere else.
			for bit := range 8 * len(b) {
				b[bit/8] ^= 1 << (bit % 8)
				if got, ok := decodeRecord(b, seed, at); ok && got.checkData(b[recordHeader:]) {
					t.Errorf("valid with bit %d flipped", bit)
				}
				b[bit/8] ^= 1 << (bit % 8)
			}
			if _, ok := decodeRecord(b, seed, at+8); ok {
				t.Error("valid in another place")
			}
			for _, other := range []uint32{seedOf(11, 23), seedOf(12, 22), sideSeed(11, 22)} {
				if _, ok := decodeRecord(b, other, at); ok {
					t.Error("valid in another file")
				}
			}
			for n := range recordHeader {
				if _, ok := decodeRecord(b[:n], seed, at); ok {
					t.Errorf("valid with %d bytes", n)
				}
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	h := segmentHeader{store: 1, segment: 2, incarnation: 3, prev: position{1, 9999}, chain: 4}
	b := h.encode()
	if got, err := decodeSegmentHeader(b); err != nil || got != h {
		t.Errorf("%+v, %v", got, err)
	}
	s := storeFile{id: 1, incarnation: 2, loss: position{3, 4}, mark: position{5, 6}}
	c := s.encode()
	if got, err := decodeStore(c); err != nil || got != s {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range b {
		b[i] ^= 4
		if _, err := decodeSegmentHeader(b); err == nil {
			t.Errorf("header valid with byte %d changed", i)
		}
		b[i] ^= 4
	}
	for i := range c {
		c[i] ^= 4
		if _, err := decodeStore(c); err == nil {
			t.Errorf("store valid with byte %d changed", i)
		}
		c[i] ^= 4
	}
}

func TestSidecarContents(t *testing.T) {
	items := []item{
		{kind: kindEntry, meta: 3, group: 1, seq: 4, count: 100, term: 2, index: 7},
		{kind: kindBase, flags: flagDrop, meta: 65535, group: 1, seq: 104, count: 1, term: 1<<64 - 1, index: 99, last: 120},
		{kind: kindHard, group: 1<<64 - 1, seq: 1, count: 1, term: 3, index: 1<<64 - 1},
	}
	if got, err := decodeItems(appendItems(nil, slices.Clone(items))); err != nil || !reflect.DeepEqual(got, items) {
		t.Errorf("items %+v, %v", got, err)
	}
	g := Group{id: 5, exists: true, base: raft.Base{Index: 10, Term: 3}, locs: make([]loc, 6)}
	g.history = history{seq: 40, metas: 12, unknown: true, runs: []run{{11, 3, 20}, {14, 4, 31}}}
	g.metas = [metaCount]metaRecord{metaReplica: {seq: 1}, metaHard: {seq: 30}, metaBase: {seq: 29}}
	want := []catalogued{{
		group: 5, history: g.history, metas: [metaCount]uint64{metaReplica: 1, metaHard: 30, metaBase: 29}, base: 10, baseTerm: 3, last: 16,
	}}
	if got, err := decodeCatalog(g.appendCatalogued(nil)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("catalog %+v, %v, want %+v", got, err, want)
	}
}

// The same operations give the same bytes, whatever order maps have, unless they are
// encrypted.
func TestFilesAreDeterministic(t *testing.T) {
	run := func() map[string][]byte {
		mem := vfs.NewMem()
		s := newStory(t, mem, 6)
		s.log = open(t, s.cfg)
		for i := range 400 {
			must(t, s.step())
			if i%90 == 89 {
				s.log = nil
				mem = mem.CrashClone(vfs.CrashOptions{Rand: s.rng, Page: 0.5, Torn: 0.2, Name: 0.5})
				s.cfg.FS = mem
				s.cfg.Workers = 1 + i%3
				l, n, err := s.reopen(mem, s.done, len(s.states)-1)
				must(t, err)
				must(t, l.Close())
				s.restart(s.states[n])
				s.log = open(t, s.cfg)
			}
		}
		must(t, s.log.Close())
		files := make(map[string][]byte)
		entries, err := mem.List("/wal")
		must(t, err)
		for _, e := range entries {
			files[e.Name], err = vfs.ReadFile(mem, "/wal/"+e.Name, 1<<20)
			must(t, err)
		}
		return files
	}
	first := run()
	for range 3 {
		if again := run(); !maps.EqualFunc(first, again, bytes.Equal) {
			t.Fatal("two runs differ")
		}
	}
}

func FuzzRecord(f *testing.F) {
	seed := seedOf(1, 1)
	f.Add(appendRecord(nil, seed, 4096, &record{kind: kindEntry, group: 1, seq: 1, term: 1, index: 1}, []byte("data"), nil))
	f.Add(appendRecord(nil, seed, 4096, &record{kind: kindFlush, term: 1, index: 4096}, nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= recordHeader {
			// With a checksum that fits, so that it gets past that.
			h := slices.Clone(b)
			binary.LittleEndian.PutUint32(h[16:], 4096/recordAlign)
			binary.LittleEndian.PutUint32(h, crc32.Update(seed, castagnoli, h[4:recordHeader]))
			if r, ok := decodeRecord(h, seed, 4096); ok && r.size == 0 && r.dcrc == 0 && r.flags&flagSealed == 0 {
				if again := appendRecord(nil, seed, 4096, &r, nil, nil); !bytes.Equal(again, h[:recordHeader]) {
					t.Errorf("%x is decoded as %+v and encoded as %x", h, r, again)
				}
			}
		}
		if r, err := decodeReplica(b); err == nil && !bytes.Equal(r.append(nil), b) {
			t.Errorf("replica %x is %+v", b, r)
		}
		if conf, last, err := decodeBase(b); err == nil {
			base := raft.Base{Conf: conf}
			if again, _, err := decodeBase(appendBase(nil, &base, last)); err != nil || !reflect.DeepEqual(again, conf) {
				t.Errorf("base %x is %+v, then %+v, %v", b, conf, again, err)
			}
		}
		if n, err := decodeSegments(b); err == nil && !bytes.Equal(appendSegments(nil, n), b) {
			t.Errorf("segments %x are %v", b, n)
		}
	})
}

// FuzzSidecar puts content behind headers and checksums that fit, so that it gets
// to the decoders.
func FuzzSidecar(f *testing.F) {
	items := appendItems(nil, []item{{kind: kindEntry, group: 1, seq: 1, count: 3, term: 1, index: 1}, {kind: kindHard, group: 2, seq: 9, count: 1}})
	g := Group{id: 5, exists: true, locs: make([]loc, 2), history: history{seq: 3, runs: []run{{1, 1, 2}}}}
	f.Add(items, g.appendCatalogued(nil), uint8(0), uint16(0), false)
	f.Add(items, g.appendCatalogued(nil), uint8(0), uint16(0), true)
	keys := testKeys(f, "secret")
	f.Fuzz(func(t *testing.T, items, catalog []byte, flags uint8, part uint16, keyed bool) {
		var key *segmentKey
		if keyed {
			var err error
			key, err = newSegmentKey(keys, 1, 1)
			must(t, err)
		}
		b := encodeSideHeader(1, 1, key)
		b = appendBlock(b, sideSeed(1, 1), int64(len(b)), &sideBlock{kind: blockItems, flags: flags, from: 4096, to: 8192, content: items})
		b = appendBlock(b, sideSeed(1, 1), int64(len(b)), &sideBlock{kind: blockCatalog, part: part, flags: blockLast, from: 8192, to: 8192, content: catalog})
		s := parseSidecar(b, 1, 1)
		if s.to != 8192 {
			t.Fatalf("synced up to %d", s.to)
		}
		if s.keyed() != keyed || keyed && s.key.open(keys, 1, 1) != nil {
			t.Fatalf("its key is %+v", s.key)
		}
		if got, err := decodeItems(items); err == nil && len(got) > 0 {
			if again, err := decodeItems(appendItems(nil, slices.Clone(got))); err != nil || len(again) != len(got) {
				t.Errorf("items %+v became %+v, %v", got, again, err)
			}
		}
		// The file as it may be, without checksums that fit.
		parseSidecar(items, 1, 1)
		parseSidecar(append(encodeSideHeader(1, 1, key), catalog...), 1, 1)
	})
}

// FuzzSegmentHeader puts content into a page whose checksum fits.
func FuzzSegmentHeader(f *testing.F) {
	keys := testKeys(f, "secret")
	key, err := newSegmentKey(keys, 7, 8)
	must(f, err)
	for _, h := range []segmentHeader{
		{store: 7, segment: 8, incarnation: 1, prev: position{3, 4096}, chain: 5}, {store: 7, segment: 8, incarnation: 1, key: key},
	} {
		f.Add(h.encode()[12:128])
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		b := make([]byte, segmentStart)
		copy(b, segmentMagic)
		copy(b[12:], content[:min(len(content), 128)])
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
		h, err := decodeSegmentHeader(b)
		if err != nil {
			return
		}
		again, err := decodeSegmentHeader(h.encode())
		if err != nil || !reflect.DeepEqual(again, h) {
			t.Errorf("%+v is encoded and decoded as %+v, %v", h, again, err)
		}
		if h.key == nil {
			return
		}
		if err := h.key.open(keys, h.store, h.segment); err != nil && !errors.Is(err, seal.ErrKey) {
			t.Errorf("the key is not opened: %v", err)
		}
	})
}

// FuzzOpen changes bytes of a log, which must be opened all the same, and must
// not give a wrong entry.
func FuzzOpen(f *testing.F) {
	f.Add(uint64(1), uint32(4200), []byte{1}, uint8(0))
	f.Add(uint64(2), uint32(5000), make([]byte, 3000), uint8(1))
	f.Add(uint64(2), uint32(90), []byte{7}, uint8(2))
	f.Add(uint64(5), uint32(70), []byte{1}, uint8(2))
	var logs [8]*sound
	f.Fuzz(func(t *testing.T, which uint64, at uint32, change []byte, file uint8) {
		which %= uint64(len(logs))
		if logs[which] == nil {
			logs[which] = makeSound(t, which, which%4 < 2)
		}
		d := logs[which]
		fs := d.clone()
		entries, err := fs.List("/wal")
		must(t, err)
		name := entries[int(file)%len(entries)].Name
		overwrite(t, fs, name, int64(at%(1<<15)), change[:min(len(change), 1<<14)])
		cfg := d.cfg
		cfg.FS = fs
		cfg.OnError = nil
		l := open(t, cfg)
		if l.Created() && len(l.Groups()) > 0 {
			t.Error("a new store with groups")
		}
		for _, s := range l.Groups() {
			m := d.model[s.ID]
			if m == nil {
				continue
			}
			g, _ := l.Group(s.ID)
			for i := g.First(); i <= g.Last(); i++ {
				e, err := g.Entries(i, i+1, 0)
				if err != nil {
					continue
				}
				// It may be one that was replaced later, if that is torn; never
				// one that was not written.
				if n := int(i - m.base.Index - 1); n >= 0 && n < len(m.entries) && m.entries[n].Term == e[0].Term && !sameEntry(m.entries[n], e[0]) {
					t.Errorf("group %d: entry %d is %v, want %v", s.ID, i, e[0], m.entries[n])
				}
			}
		}
		goOn(t, l)
		must(t, l.Close())
	})
}

// The runs of a history agree with a plain list.
func TestHistoryAgreesWithList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var h history
		type one struct{ index, term, seq uint64 }
		var list []one
		base, seq, term := uint64(0), uint64(0), uint64(1)
		for range 60 {
			last := base + uint64(len(list))
			switch rng.IntN(6) {
			case 0:
				i := base + 1 + rng.Uint64N(uint64(len(list))+1)
				h.cutFrom(i)
				list = list[:i-base-1]
			case 1:
				i := base + rng.Uint64N(uint64(len(list))+1)
				h.cutTo(i, last)
				list = list[i-base:]
				base = i
			case 2:
				term++
			case 3:
				seq++
			default:
				for range 1 + rng.IntN(3) {
					last++
					seq++
					h.add(last, term, seq)
					list = append(list, one{last, term, seq})
				}
			}
			for _, want := range list {
				r := h.runs[h.runOf(want.index)]
				if r.term != want.term || r.seq+want.index-r.index != want.seq {
					t.Fatalf("entry %+v is in run %+v of %+v", want, r, h.runs)
				}
			}
			if len(list) == 0 && len(h.runs) != 0 {
				t.Fatalf("runs %+v of nothing", h.runs)
			}
		}
	}
}
