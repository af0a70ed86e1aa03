package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

const (
	slotSize = 24
	// slotsPerPage is how many slots are read and verified at once, subjectPage
	// about how many bytes of subjects.
	slotsPerPage = 128
	subjectPage  = 4096
)

// directory says where the pages of a footer are. It is what a footer ends with.
type directory struct {
	n        int
	slots    []slotPageRef
	subjects []subjectPageRef
	frames   []frameRef
}

type slotPageRef struct {
	frameRef
	// seq and time are those of the first slot.
	seq  uint32
	time int64
}

type subjectPageRef struct {
	frameRef
	// first is the number of the first subject, name the subject.
	first uint32
	name  []byte
}

// memBytes estimates what a directory takes.
func (d *directory) memBytes() int {
	n := 100 + 48*len(d.slots) + 64*len(d.subjects) + 24*len(d.frames)
	for i := range d.subjects {
		n += len(d.subjects[i].name)
	}
	return n
}

// errFooter is that of a footer whose checksums fit and which makes no sense.
var errFooter = errors.New("footer is not valid")

// footerWriter makes the footer of a block.
type footerWriter struct {
	codec
	store, block uint64
	// start is where the footer will begin in the file.
	start int64
	out   []byte
	dir   directory
}

// frame adds a frame and returns where it will be.
func (w *footerWriter) frame(kind frameKind, content []byte) (frameRef, error) {
	off := w.start + int64(len(w.out))
	before := len(w.out)
	var err error
	w.out, err = w.append(w.out, place{w.store, w.block, off}, kind, 0, content)
	return frameRef{off: off, length: len(w.out) - before}, err
}

// build returns the footer of a block with an index, and where it will be.
func (w *footerWriter) build(m *memIndex, frames []frameRef) (content []byte, f footer, err error) {
	order, rank := m.sorted()
	w.dir = directory{n: len(m.slots), frames: frames}
	if err := w.writeSlots(m, rank); err != nil {
		return nil, f, err
	}
	if err := w.writeSubjects(m, order); err != nil {
		return nil, f, err
	}
	ref, err := w.frame(frameDirectory, w.dir.append(nil))
	if err != nil {
		return nil, f, err
	}
	f = footer{start: w.start, dir: ref.off, length: ref.length}
	f.crc = binary.LittleEndian.Uint32(w.out[ref.off-w.start:])
	return w.out, f, nil
}

// sorted returns the numbers of the subjects in byte order, and the place of each
// in that order.
func (m *memIndex) sorted() (order, rank []uint32) {
	order = make([]uint32, len(m.ends))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return bytes.Compare(m.name(a), m.name(b)) })
	rank = make([]uint32, len(order))
	for i, s := range order {
		rank[s] = uint32(i)
	}
	return order, rank
}

func (w *footerWriter) writeSlots(m *memIndex, rank []uint32) error {
	page := make([]byte, 0, slotsPerPage*slotSize)
	for from := 0; from < len(m.slots); from += slotsPerPage {
		page = page[:0]
		for _, s := range m.slots[from:min(from+slotsPerPage, len(m.slots))] {
			if s.subject != noSubject {
				s.subject = rank[s.subject]
			}
			page = appendSlot(page, &s)
		}
		ref, err := w.frame(frameSlots, page)
		if err != nil {
			return err
		}
		w.dir.slots = append(w.dir.slots, slotPageRef{ref, m.slots[from].seq, m.slots[from].time})
	}
	return nil
}

func (w *footerWriter) writeSubjects(m *memIndex, order []uint32) error {
	starts, ordinals := m.groups()
	var page, last []byte
	first := 0
	flush := func(next int) error {
		if next == first {
			return nil
		}
		ref, err := w.frame(frameSubjects, page)
		w.dir.subjects = append(w.dir.subjects, subjectPageRef{ref, uint32(first), m.name(order[first])})
		page, last, first = page[:0], nil, next
		return err
	}
	for i, s := range order {
		name := m.name(s)
		page = appendSubject(page, last, name, ordinals[starts[s]:starts[s+1]])
		last = name
		if len(page) >= subjectPage {
			if err := flush(i + 1); err != nil {
				return err
			}
		}
	}
	return flush(len(order))
}

func appendSlot(dst []byte, s *slot) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, uint64(s.time))
	dst = le.AppendUint32(dst, s.seq)
	dst = le.AppendUint32(dst, s.at)
	dst = le.AppendUint32(dst, s.size)
	return le.AppendUint32(dst, s.subject)
}

func decodeSlot(page []byte, i int) slot {
	le := binary.LittleEndian
	b := page[i*slotSize : (i+1)*slotSize]
	return slot{time: int64(le.Uint64(b)), seq: le.Uint32(b[8:]), at: le.Uint32(b[12:]), size: le.Uint32(b[16:]), subject: le.Uint32(b[20:])}
}

// appendSubject encodes a subject that follows last in a page: how many bytes
// they have in common, the others, and the ordinals as differences.
func appendSubject(dst, last, name []byte, ordinals []uint32) []byte {
	same := 0
	for same < len(last) && same < len(name) && last[same] == name[same] {
		same++
	}
	dst = binary.AppendUvarint(dst, uint64(same))
	dst = pack.AppendBytes(dst, name[same:])
	dst = binary.AppendUvarint(dst, uint64(len(ordinals)))
	before := uint32(0)
	for _, o := range ordinals {
		dst = binary.AppendUvarint(dst, uint64(o-before))
		before = o
	}
	return dst
}

// subjectReader goes over the subjects of a page. It is bad if one of them is not
// valid.
type subjectReader struct {
	pack.Reader
	// limit is the number of records in the block.
	limit int
	// name is the subject, valid until the next one; count is how many ordinals it
	// has, which list begins with.
	name  []byte
	count int
	list  pack.Reader
}

// next goes to the next subject, if there is one.
func (r *subjectReader) next() bool {
	if r.Len() == 0 {
		return false
	}
	same, size := r.UpTo(uint64(len(r.name))), r.UpTo(maxSubject)
	if same+size > maxSubject {
		r.Fail()
	}
	r.name = append(r.name[:same], r.Take(size)...)
	if r.count = r.Count(1); r.count > r.limit {
		r.Fail()
	}
	r.list = r.Reader
	for range r.count {
		r.Uvarint()
	}
	return !r.Bad()
}

// ordinals appends the ordinals of the subject.
func (r *subjectReader) ordinals(dst []uint32) []uint32 {
	list, limit, at := r.list, uint64(r.limit), uint64(0)
	for i := range r.count {
		v := list.Uvarint() // which is there: next was behind it
		if v >= limit || at+v >= limit || i > 0 && v == 0 {
			r.Fail()
			return dst
		}
		at += v
		dst = append(dst, uint32(at))
	}
	return dst
}

// append encodes a directory.
func (d *directory) append(dst []byte) []byte {
	le := binary.LittleEndian
	u32 := func(v uint32) { dst = le.AppendUint32(dst, v) }
	ref := func(f *frameRef) { u32(uint32(f.off / recordAlign)); u32(uint32(f.length)) }
	u32(uint32(d.n))
	u32(uint32(len(d.slots)))
	u32(uint32(len(d.subjects)))
	u32(uint32(len(d.frames)))
	for i := range d.slots {
		ref(&d.slots[i].frameRef)
		u32(d.slots[i].seq)
		dst = le.AppendUint64(dst, uint64(d.slots[i].time))
	}
	for i := range d.frames {
		ref(&d.frames[i])
		u32(uint32(d.frames[i].at / recordAlign))
	}
	for i := range d.subjects {
		ref(&d.subjects[i].frameRef)
		u32(d.subjects[i].first)
		u32(uint32(len(d.subjects[i].name)))
		dst = append(dst, d.subjects[i].name...)
	}
	return dst
}

// decodeDirectory decodes the directory of a block with n records, whose
// footer is in [start, end) of the file.
func decodeDirectory(b []byte, n int, start, end int64) (*directory, error) {
	in := pack.NewReader(b)
	records, slots, subjects, frames := int(in.Uint32()), int(in.Uint32()), int(in.Uint32()), int(in.Uint32())
	if in.Bad() || records != n || slots != (n+slotsPerPage-1)/slotsPerPage || subjects > n ||
		uint64(in.Len()) < 20*uint64(slots)+16*uint64(subjects)+12*uint64(frames) {
		return nil, fmt.Errorf("%w: %d records, %d and %d pages, %d frames", errFooter, records, slots, subjects, frames)
	}
	d := &directory{n: n, slots: make([]slotPageRef, slots), subjects: make([]subjectPageRef, subjects), frames: make([]frameRef, frames)}
	ref := func() frameRef { return frameRef{off: int64(in.Uint32()) * recordAlign, length: int(in.Uint32())} }
	inside := func(f frameRef, from, to int64) bool {
		return f.off >= from && f.length >= frameHead && f.off+int64(f.length) <= to
	}
	for i := range d.slots {
		s := &d.slots[i]
		s.frameRef = ref()
		s.seq, s.time = in.Uint32(), int64(in.Uint64())
		if !inside(s.frameRef, start, end) || i > 0 && s.seq <= d.slots[i-1].seq {
			return nil, errFooter
		}
	}
	for i := range d.frames {
		f := &d.frames[i]
		*f = ref()
		f.at = int64(in.Uint32()) * recordAlign
		if !inside(*f, blockHeader, start) || i > 0 && f.at <= d.frames[i-1].at || i == 0 && f.at != blockHeader {
			return nil, errFooter
		}
	}
	for i := range d.subjects {
		p := &d.subjects[i]
		p.frameRef = ref()
		p.first = in.Uint32()
		p.name = in.Take(uint64(in.Uint32()))
		if !inside(p.frameRef, start, end) ||
			i == 0 && p.first != 0 || i > 0 && p.first <= d.subjects[i-1].first || uint64(p.first) >= uint64(n) {
			return nil, errFooter
		}
	}
	if !in.End() {
		return nil, errFooter
	}
	return d, nil
}

// findSlotPage returns the page that the first slot at or behind seq is in, or the
// one in front of it.
func (d *directory) findSlotPage(seq uint32) int {
	i, ok := slices.BinarySearchFunc(d.slots, seq, func(p slotPageRef, seq uint32) int {
		return int(int64(p.seq) - int64(seq))
	})
	if !ok && i > 0 {
		i--
	}
	return i
}

// findSubjectPage returns the page that a subject is in, if it is there.
func (d *directory) findSubjectPage(name []byte) int {
	i, ok := slices.BinarySearchFunc(d.subjects, name, func(p subjectPageRef, name []byte) int { return bytes.Compare(p.name, name) })
	if !ok {
		i--
	}
	return i
}

// searchSlots returns the first slot of a page at or behind seq.
func searchSlots(page []byte, seq uint32) int {
	lo, hi := 0, len(page)/slotSize
	for lo < hi {
		mid := (lo + hi) / 2
		if binary.LittleEndian.Uint32(page[mid*slotSize+8:]) < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// index is where the records of a block are, and which subjects they have. The
// two kinds are memIndex and sealedIndex. An error is one of the disk, or that
// of a footer that is damaged.
type index interface {
	// slot returns what is known of a record.
	slot(ordinal int) (slot, error)
	// search returns the first ordinal with that number or a higher one, n if
	// there is none.
	search(seq uint32) (ordinal int, err error)
	// searchTime is search by time.
	searchTime(time int64) (ordinal int, err error)
	// subject appends the subject of a record.
	subject(ordinal int, dst []byte) ([]byte, error)
	// nextOn returns the first record of a subject from an ordinal on, n if there
	// is none, lastOn the last one up to an ordinal, -1 if there is none.
	nextOn(subject []byte, from int) (ordinal int, err error)
	lastOn(subject []byte, upTo int) (ordinal int, err error)
	// selection returns the records that a filter selects. If p knows the
	// subjects that are there by name, others need not be looked at.
	selection(f *store.Filter, p *prune) (*bitmap, error)
	// postings goes over the subjects and their records.
	postings(visit func(subject []byte, ordinals []uint32) bool) error
}
