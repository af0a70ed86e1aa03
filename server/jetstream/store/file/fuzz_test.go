package file

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// FuzzRecord: what is decoded is what was encoded, or nothing.
func FuzzRecord(f *testing.F) {
	seed := seedOf(1, 2)
	for _, m := range []store.Message{{Seq: 1}, {Seq: 9, Time: 7, Subject: []byte("a.b"), Header: []byte("NATS/1.0\r\n\r\n"), Data: []byte("data")}} {
		b, _ := appendRecord(nil, seed, 64, 5, &m)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := decodeRecord(b, seed, 64)
		if !ok || len(b) < padded(r.rawLen()) {
			return
		}
		var m store.Message
		r.view(b, &m)
		again, crc := appendRecord(nil, seed, 64, int(r.ordinal), &m)
		if crc != r.crc || !bytes.Equal(again[8:r.rawLen()], b[8:r.rawLen()]) {
			t.Errorf("%x is encoded as %x", b, again)
		}
	})
}

// FuzzFrame: hostile frames are refused or opened, and nothing else.
func FuzzFrame(f *testing.F) {
	codecs := testCodecs(f)
	for _, c := range codecs {
		b, err := c.append(nil, place{1, 2, 64}, frameRecords, 64, bytes.Repeat([]byte("abc"), 50))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range codecs {
			if content, fr, err := c.open(b, place{1, 2, 64}, frameRecords); err == nil && len(content) != fr.raw {
				t.Errorf("%d bytes, the head says %d", len(content), fr.raw)
			}
		}
	})
}

// FuzzDirectory: a directory that is decoded can be searched, and is encoded as
// it was.
func FuzzDirectory(f *testing.F) {
	m := &memIndex{}
	for i := range 300 {
		name := []byte{'a', byte(i), '.', byte(i >> 4)}
		m.add(slot{seq: uint32(2 * i), at: uint32(8 + 6*i), size: 44, time: int64(i)}, name, hashSubject(name))
	}
	w := footerWriter{start: 1 << 20}
	if _, _, err := w.build(m, []frameRef{{at: blockHeader, off: 64, length: 100}}); err != nil {
		f.Fatal(err)
	}
	f.Add(w.dir.append(nil), 300)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 1 || n > maxOrdinal {
			return
		}
		d, err := decodeDirectory(b, n, 1<<20, 1<<30)
		if err != nil {
			return
		}
		if i := d.findSlotPage(77); i < 0 || i >= len(d.slots) {
			t.Errorf("slot page %d of %d", i, len(d.slots))
		}
		if i := d.findSubjectPage([]byte("a")); i >= len(d.subjects) {
			t.Errorf("subject page %d of %d", i, len(d.subjects))
		}
		if !bytes.Equal(d.append(nil), b) {
			t.Errorf("%x is encoded as %x", b, d.append(nil))
		}
	})
}

// FuzzSubjects: the pages of subjects give ordinals of the block, ascending, or an
// error.
func FuzzSubjects(f *testing.F) {
	page := appendSubject(nil, nil, []byte("orders.1"), []uint32{0, 5, 9})
	page = appendSubject(page, []byte("orders.1"), []byte("orders.2.x"), []uint32{1})
	f.Add(page)
	f.Fuzz(func(t *testing.T, b []byte) {
		const n = 10
		r := subjectReader{Reader: pack.NewReader(b), limit: n}
		for r.next() {
			ordinals := r.ordinals(nil)
			if r.Bad() {
				return
			}
			if len(ordinals) != r.count || len(r.name) > maxSubject {
				t.Errorf("%d ordinals, %d counted", len(ordinals), r.count)
			}
			for i, o := range ordinals {
				if o >= n || i > 0 && o <= ordinals[i-1] {
					t.Errorf("ordinals %d", ordinals)
				}
			}
		}
	})
}

// FuzzIndex: an index that is decoded is encoded so that it is decoded the same.
func FuzzIndex(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 5 {
		f.Add(randomBody(rng).append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := decodeIndexBody(b)
		if err != nil {
			return
		}
		again := x.append(nil)
		y, err := decodeIndexBody(again)
		if err != nil || !bytes.Equal(y.append(nil), again) {
			t.Errorf("%x is encoded as %x: %v", b, again, err)
		}
		if _, _, err := decodeIndexHead(b); err == nil && len(b) < indexHeader {
			t.Error("a head without its bytes")
		}
	})
}

// FuzzScan: whatever is in the file of a block, each of its records is found, or
// told to be lost.
func FuzzScan(f *testing.F) {
	const n = 12
	plain := goldenStore(f, Config{})
	framed := goldenStore(f, Config{Compression: true})
	f.Add(plain[blockName(1)], false)
	f.Add(framed[blockName(1)], true)
	id := (&lockedReader{r: rand.NewChaCha8([32]byte{1})})
	var b [8]byte
	if _, err := id.Read(b[:]); err != nil {
		f.Fatal(err)
	}
	s := &Store{id: binary.LittleEndian.Uint64(b[:]), cache: NewCache(0, 0), cfg: Config{Dir: "d"}}
	f.Fuzz(func(t *testing.T, raw []byte, framed bool) {
		mem := vfs.NewMem()
		s.cfg.FS = mem
		if err := mem.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		b := s.newBlock(1)
		b.framed = framed
		if err := vfs.WriteFile(mem, b.path, raw); err != nil {
			t.Fatal(err)
		}
		target := scanTarget{block: b, store: s.id, n: n, base: 1, last: 100, end: 4096, written: int64(len(raw))}
		found, err := s.scan(&target)
		if err != nil {
			t.Fatal(err)
		}
		s.cache.forget(b.serial)
		if len(found.mem.slots) != n {
			t.Fatalf("%d records", len(found.mem.slots))
		}
		lost := 0
		for i := range found.mem.slots {
			if found.mem.slots[i].lost() {
				lost++
			}
			if i > 0 && found.mem.slots[i].seq <= found.mem.slots[i-1].seq {
				t.Errorf("record %d has number %d behind %d", i, found.mem.slots[i].seq, found.mem.slots[i-1].seq)
			}
		}
		for _, bad := range found.bad {
			if bad.lost {
				lost--
			}
			if bad.seq < 1 || bad.last > 100 || bad.seq > bad.last {
				t.Errorf("bad record %+v", bad)
			}
		}
		if lost != 0 {
			t.Errorf("%d records are lost and not told, or the other way", lost)
		}
	})
}
