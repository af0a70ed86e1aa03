package wal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/vfs"
)

// A sidecar says what is in a segment, apart from it, so that damage to the
// segment can be told exactly. It consists of blocks, each with the part of the
// segment that it describes, which is synced before the block is written.
//
// The file begins with
//
//	 0  8 bytes  "NLRAFTIX"
//	 8  u32      CRC32C of the bytes 12 to 64
//	12  u32      version, 1
//	16  u64      store
//	24  u64      segment
//	32           zeros up to 64
//
// or, if the segment has a key, with
//
//	 8  u32      CRC32C of the bytes 12 to 96
//	12  u32      version, 2
//	32           the key, as segmentKey, up to 96
//
// and then has blocks
//
//	 0  u32  CRC32C of the seed and the bytes from 4 to the end, with padding
//	 4  u32  size of the content
//	 8  u32  offset of the block / 8
//	12  u8   kind: 1 items, 2 catalog
//	13  u8   flags: 1 the last part of the catalog, 2 the segment ends at "to",
//	         4 another segment with something synced in it follows
//	14  u16  number of the part of the catalog, from 0
//	16  u64  from   the block describes this part
//	24  u64  to     of the segment
//	32       content, padded with zeros to a multiple of 8
type sideBlock struct {
	kind     uint8
	flags    uint8
	part     uint16
	from, to int64
	content  []byte
}

const (
	sideHeader  = 64
	keyedHeader = sideKeyAt + keyBytes
	sideKeyAt   = 32
	blockHeader = 32

	blockItems   = 1
	blockCatalog = 2

	blockLast = 1
	blockSeal = 2
	blockMore = 4

	// maxPart is about how much goes into one part of a catalog.
	maxPart = 1 << 20
	// maxSidecar bounds what is read.
	maxSidecar = 1 << 30
)

var sideMagic = []byte("NLRAFTIX")

func sideSeed(store, segment uint64) uint32 {
	return crc32.Update(seedOf(store, segment), castagnoli, sideMagic)
}

func encodeSideHeader(store, segment uint64, key *segmentKey) []byte {
	b := make([]byte, sideHeader, keyedHeader)
	version := uint32(formatVersion)
	if key != nil {
		b, version = b[:keyedHeader], keyedVersion
		key.encode(b[sideKeyAt:])
	}
	copy(b, sideMagic)
	le := binary.LittleEndian
	le.PutUint32(b[12:], version)
	le.PutUint64(b[16:], store)
	le.PutUint64(b[24:], segment)
	le.PutUint32(b[8:], crc32.Checksum(b[12:], castagnoli))
	return b
}

// decodeSideHeader returns the key in a header, if it has one, and where blocks
// begin.
func decodeSideHeader(b []byte, store, segment uint64) (key *segmentKey, size int64, err error) {
	le := binary.LittleEndian
	size = sideHeader
	valid := func() bool {
		return int64(len(b)) >= size && le.Uint32(b[8:]) == crc32.Checksum(b[12:size], castagnoli)
	}
	if len(b) < sideHeader || !bytes.Equal(b[:8], sideMagic) {
		return nil, sideHeader, errors.New("no valid header")
	}
	v := le.Uint32(b[12:])
	if v == keyedVersion {
		size = keyedHeader
	}
	switch {
	case !valid():
		return nil, sideHeader, errors.New("no valid header")
	case v != formatVersion && v != keyedVersion:
		return nil, sideHeader, fmt.Errorf("format %d: %w", v, errVersion)
	case le.Uint64(b[16:]) != store || le.Uint64(b[24:]) != segment:
		return nil, sideHeader, errors.New("of another segment")
	case v == keyedVersion:
		if key, err = decodeSegmentKey(b[sideKeyAt:]); err != nil {
			return nil, sideHeader, err
		}
	}
	return key, size, nil
}

// appendBlock encodes a block that will stand at an offset of the sidecar.
func appendBlock(dst []byte, seed uint32, at int64, k *sideBlock) []byte {
	start := len(dst)
	var h [blockHeader]byte
	le := binary.LittleEndian
	le.PutUint32(h[4:], uint32(len(k.content)))
	le.PutUint32(h[8:], uint32(at/recordAlign))
	h[12], h[13] = k.kind, k.flags
	le.PutUint16(h[14:], k.part)
	le.PutUint64(h[16:], uint64(k.from))
	le.PutUint64(h[24:], uint64(k.to))
	dst = append(dst, h[:]...)
	dst = append(dst, k.content...)
	dst = append(dst, padding[:padded(len(k.content))-int64(len(k.content))]...)
	le.PutUint32(dst[start:], crc32.Update(seed, castagnoli, dst[start+4:]))
	return dst
}

// decodeBlock decodes the block at the start of b, which stands at an offset.
func decodeBlock(b []byte, seed uint32, at int64) (k sideBlock, size int64, ok bool) {
	le := binary.LittleEndian
	if len(b) < blockHeader || le.Uint32(b[8:]) != uint32(at/recordAlign) {
		return k, 0, false
	}
	n := le.Uint32(b[4:])
	size = blockHeader + padded(int(n))
	if size > int64(len(b)) || crc32.Update(seed, castagnoli, b[4:size]) != le.Uint32(b) {
		return k, 0, false
	}
	k = sideBlock{
		kind: b[12], flags: b[13], part: le.Uint16(b[14:]),
		from: int64(le.Uint64(b[16:])), to: int64(le.Uint64(b[24:])), content: b[blockHeader : blockHeader+n],
	}
	return k, size, k.from >= 0 && k.from <= k.to && k.to <= maxSegment
}

// item says that a segment has records of a group: count entries in sequence, or
// one record of another kind. last is for a base, the last entry that follows it.
type item struct {
	kind  kind
	flags uint8
	meta  uint16
	group uint64
	seq   uint64
	count uint64
	term  uint64
	index uint64
	last  uint64
}

// sideItems are the items of a part of a segment that are on their way to its
// sidecar.
type sideItems struct {
	number   uint64 // never used again, not 0
	segment  uint64
	items    []item
	from, to int64
	sealed   bool // the segment ends at to
	followed bool // by another one, which has something in it
}

// itemsLocked takes note of a request that is written.
func (l *Log) itemsLocked(r *request) {
	if len(l.side) == 0 || r.err != nil {
		return
	}
	s := l.side[len(l.side)-1]
	if r.op != nil {
		for i := range r.op.copies {
			if c := &r.op.copies[i]; !c.to.none() {
				s.items = append(s.items, c.item())
			}
		}
		return
	}
	base := item{group: uint64(r.Group), seq: r.seq, meta: r.meta, count: 1}
	add := func(k kind) *item {
		base.seq++
		base.meta++
		it := base
		it.kind = k
		s.items = append(s.items, it)
		r.g.itemOf = 0
		return &s.items[len(s.items)-1]
	}
	if r.Replica != nil {
		add(kindReplica)
	}
	if r.Base != nil {
		it := add(kindBase)
		it.term, it.index, it.last = uint64(r.Base.Term), uint64(r.Base.Index), uint64(r.last)
		if r.drop {
			it.flags = flagDrop
		}
	}
	if r.Hard != nil {
		it := add(kindHard)
		it.term, it.index = uint64(r.Hard.Term), uint64(r.Hard.Vote)
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		base.seq++
		k, term := entryKind(e.Type), uint64(e.Term)
		if r.g.itemOf == s.number {
			if it := &s.items[r.g.itemAt]; it.kind == k && it.term == term && it.seq+it.count == base.seq && it.index+it.count == uint64(e.Index) {
				it.count++
				continue
			}
		}
		it := base
		it.kind, it.term, it.index = k, term, uint64(e.Index)
		r.g.itemOf, r.g.itemAt = s.number, len(s.items)
		s.items = append(s.items, it)
	}
	if r.Delete {
		add(kindDelete)
	}
}

// appendItems encodes items in the order of groups.
func appendItems(dst []byte, items []item) []byte {
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.seq, b.seq))
	})
	group := uint64(0)
	for i := range items {
		it := &items[i]
		dst = append(dst, byte(it.kind), it.flags)
		dst = binary.LittleEndian.AppendUint16(dst, it.meta)
		dst = pack.AppendUvarints(dst, it.group-group, it.seq, it.count, it.term, it.index, it.last)
		group = it.group
	}
	return dst
}

func decodeItems(b []byte) (items []item, err error) {
	group := uint64(0)
	for d := pack.NewReader(b); d.Len() > 0; {
		it := item{kind: kind(d.Byte()), flags: d.Byte(), meta: d.Uint16()}
		it.group = group + d.Uvarint()
		it.seq, it.count, it.term, it.index, it.last = d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint()
		if d.Bad() {
			return items, errShort
		}
		r := record{kind: it.kind, seq: it.seq, index: it.index}
		if !it.kind.valid() || !it.kind.ofGroup() || it.group < group || it.count == 0 || it.count > maxSegment/recordHeader || !r.indexFits() || it.last >= 1<<62 {
			return items, errors.New("invalid item")
		}
		group = it.group
		items = append(items, it)
	}
	return items, nil
}

// catalogued is what a catalog says of a group.
type catalogued struct {
	group      uint64
	history    history
	metas      [metaCount]uint64 // seqs
	base, last uint64
	baseTerm   uint64
}

// appendCatalogued encodes what a catalog says of the group.
func (g *Group) appendCatalogued(dst []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.exists {
		return dst
	}
	h := &g.history
	dst = pack.AppendBool(dst, h.unknown)
	dst = binary.LittleEndian.AppendUint16(dst, h.metas)
	dst = pack.AppendUvarints(dst,
		uint64(g.id), h.seq, g.metas[metaReplica].seq, g.metas[metaHard].seq, g.metas[metaBase].seq,
		uint64(g.base.Index), uint64(g.base.Term), uint64(g.lastLocked()), uint64(len(h.runs)))
	for _, r := range h.runs {
		dst = pack.AppendUvarints(dst, r.index, r.term, r.seq)
	}
	return dst
}

func decodeCatalog(b []byte) (groups []catalogued, err error) {
	for d := pack.NewReader(b); d.Len() > 0; {
		c := catalogued{}
		c.history.unknown, c.history.metas = d.Byte() != 0, d.Uint16()
		c.group, c.history.seq = d.Uvarint(), d.Uvarint()
		c.metas[metaReplica], c.metas[metaHard], c.metas[metaBase] = d.Uvarint(), d.Uvarint(), d.Uvarint()
		c.base, c.baseTerm, c.last = d.Uvarint(), d.Uvarint(), d.Uvarint()
		n := d.Count(3)
		if d.Bad() {
			return groups, errShort
		}
		if c.group == 0 || c.last < c.base || c.last >= 1<<62 || c.last-c.base > maxEntries || c.history.seq >= 1<<62 {
			return groups, errors.New("invalid group")
		}
		next := c.base + 1
		for range n {
			r := run{d.Uvarint(), d.Uvarint(), d.Uvarint()}
			if d.Bad() {
				return groups, errShort
			}
			if first := len(c.history.runs) == 0; first && r.index != next || !first && r.index < next || r.index > c.last || r.seq >= 1<<62 {
				return groups, errors.New("invalid run")
			}
			next = r.index + 1
			c.history.runs = append(c.history.runs, r)
		}
		if (n == 0) != (c.last == c.base) {
			return groups, errors.New("runs and entries do not agree")
		}
		groups = append(groups, c)
	}
	return groups, nil
}

// maxEntries bounds the entries that a catalog may say a group has.
const maxEntries = 1 << 32

var errShort = errors.New("cut off in a value")

// sidecar is what could be read of one.
type sidecar struct {
	segment uint64
	// key is that of the segment, if the header is valid and has it.
	key   *segmentKey
	items []item
	// covered are the parts of the segment that items describe, in order.
	covered []span
	// to is up to where the segment is known to have been synced, 0 if it is
	// not; sealed says that it ends there, followed that another one follows, which
	// had something in it.
	to               int64
	sealed, followed bool
	// catalog is the newest that is whole, taken at catalogAt.
	catalog    []catalogued
	hasCatalog bool
	catalogAt  int64
	// err says what is wrong with it.
	err error
}

// span is a part of a file.
type span struct{ from, to int64 }

// covers reports whether items describe all of a part of the segment.
func (s *sidecar) covers(p span) bool {
	if s == nil {
		return false
	}
	at := p.from
	for _, c := range s.covered {
		if c.from <= at && at < c.to {
			at = c.to
		}
	}
	return at >= p.to
}

// keyed reports whether the sidecar has the key of its segment.
func (s *sidecar) keyed() bool { return s != nil && s.key != nil }

// readSidecar reads what it can. An error is one of the file system, or says
// that there is none.
func readSidecar(fs vfs.FS, path string, store, number uint64) (*sidecar, error) {
	b, err := vfs.ReadFile(fs, path, maxSidecar)
	if err != nil {
		return nil, err
	}
	return parseSidecar(b, store, number), nil
}

func parseSidecar(b []byte, store, number uint64) *sidecar {
	s := &sidecar{segment: number}
	// What is wrong at the end, with nothing behind it, may be torn.
	var pending error
	bad := func(at int64, err error) {
		if pending == nil {
			pending = fmt.Errorf("%s at %d: %w", sidecarName(number), at, err)
		}
	}
	key, start, err := decodeSideHeader(b, store, number)
	if err != nil {
		// The blocks speak for themselves.
		bad(0, err)
	}
	s.key = key
	seed := sideSeed(store, number)
	var catalog []catalogued
	part := 0
	var size int64
	for at := start; at+blockHeader <= int64(len(b)); at += size {
		k, n, ok := decodeBlock(b[at:], seed, at)
		if size = n; !ok {
			bad(at, errors.New("no valid block"))
			size = recordAlign
			part = -1
			continue
		}
		if s.err == nil {
			s.err = pending
		}
		s.to = max(s.to, k.to)
		s.sealed = s.sealed || k.flags&blockSeal != 0
		s.followed = s.followed || k.flags&blockMore != 0
		switch k.kind {
		case blockItems:
			items, err := decodeItems(k.content)
			if err != nil {
				bad(at, err)
				continue
			}
			s.items = append(s.items, items...)
			s.covered = append(s.covered, span{k.from, k.to})
		case blockCatalog:
			if k.part == 0 {
				catalog, part = nil, 0
			}
			groups, err := decodeCatalog(k.content)
			if err != nil || part != int(k.part) {
				part = -1
				if err != nil {
					bad(at, err)
				}
				continue
			}
			part++
			catalog = append(catalog, groups...)
			if k.flags&blockLast != 0 {
				s.catalog, s.hasCatalog, s.catalogAt = catalog, true, k.from
			}
		}
	}
	return s
}

// sideWriter writes the sidecar of a segment. It belongs to housekeeping.
type sideWriter struct {
	segment uint64
	f       vfs.File
	end     int64
	seed    uint32
	catalog bool // it has one
}

func (l *Log) createSidecar(number uint64) (_ *sideWriter, err error) {
	path := l.sidecarPath(number)
	f, err := l.cfg.FS.Create(path)
	if err != nil {
		return nil, err
	}
	w := &sideWriter{segment: number, f: f, seed: sideSeed(l.store.id, number)}
	var key *segmentKey
	if s := l.segs.Load().find(number); s != nil {
		key = s.key
	}
	if err = w.append(encodeSideHeader(l.store.id, number, key)); err == nil {
		err = l.syncDir()
	}
	if err != nil {
		err = errors.Join(err, f.Close())
		// One that has only a header says nothing.
		_ = l.cfg.FS.Remove(path)
		return nil, err
	}
	return w, nil
}

// append writes behind the end. After an error the end is where it was: what is
// behind it is written over by the next, and is no block until that is whole.
func (w *sideWriter) append(b []byte) error {
	if _, err := w.f.WriteAt(b, w.end); err != nil {
		return err
	}
	if err := w.f.SyncData(); err != nil {
		return err
	}
	w.end += int64(len(b))
	return nil
}

// writeItems writes a block of items.
func (w *sideWriter) writeItems(s *sideItems) error {
	k := sideBlock{kind: blockItems, from: s.from, to: s.to, content: appendItems(nil, s.items)}
	if s.sealed {
		k.flags = blockSeal
	}
	if s.followed {
		k.flags |= blockMore
	}
	return w.append(appendBlock(nil, w.seed, w.end, &k))
}

// catalogParts encodes what a catalog says of groups.
func catalogParts(groups []*Group) (parts [][]byte) {
	var part []byte
	for _, g := range groups {
		if len(part) > maxPart {
			parts, part = append(parts, part), nil
		}
		part = g.appendCatalogued(part)
	}
	return append(parts, part)
}

// writeCatalog writes what catalogParts has made, which holds as of an offset
// of the segment or later.
func (w *sideWriter) writeCatalog(parts [][]byte, at int64) error {
	var blocks []byte
	for i, part := range parts {
		k := sideBlock{kind: blockCatalog, part: uint16(i), from: at, to: at, content: part}
		if i == len(parts)-1 {
			k.flags = blockLast
		}
		blocks = appendBlock(blocks, w.seed, w.end+int64(len(blocks)), &k)
	}
	if err := w.append(blocks); err != nil {
		return err
	}
	w.catalog = true
	return nil
}
