package file

import (
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// slot is what is known of a record without reading it.
type slot struct {
	time int64
	// seq is the number less the block's base, at the place in the block's
	// sequence of records / 8.
	seq, at uint32
	// size is the record's length without padding, with headerBit if it has a
	// header; 0 if nothing is left of the record.
	size uint32
	// subject is the number of the subject in the block.
	subject uint32
}

const (
	headerBit = 1 << 31
	// noSubject is that of a record of which nothing is left.
	noSubject = math.MaxUint32
)

func newSlot(seq uint32, time, at int64, r *record) slot {
	size := uint32(r.rawLen())
	if r.header > 0 {
		size |= headerBit
	}
	return slot{time: time, seq: seq, at: uint32(at / recordAlign), size: size}
}

// rawLen is the length of the record without padding.
func (s *slot) rawLen() int { return int(s.size &^ headerBit) }

// place is where the record begins in the block's sequence of records.
func (s *slot) place() int64 { return int64(s.at) * recordAlign }

// lost reports whether nothing is left of the record but that it was there.
func (s *slot) lost() bool { return s.size == 0 }

// messageSize is what the message counts for.
func (s *slot) messageSize() uint64 {
	switch {
	case s.lost():
		return 0
	case s.size&headerBit != 0:
		return store.FileSize(s.rawLen()-recordHead-1, 1, 0)
	default:
		return store.FileSize(s.rawLen()-recordHead, 0, 0)
	}
}

// memIndex is the index of a block whose footer is not written yet: of the one
// that is appended to, of those that are full, and of those whose footer cannot
// be read.
//
// A copy of it is a view of what was there when it was made, and may be used
// without a lock, except for its table. Existing elements never change.
type memIndex struct {
	slots []slot
	// names are the subjects one after the other; subject i ends at ends[i].
	names  []byte
	ends   []uint32
	hashes []uint64
	// table finds subjects by their hash: open addressing, number + 1.
	table []uint32
}

// name returns a subject; nil is that of a record that is lost.
func (m *memIndex) name(i uint32) []byte {
	if i >= uint32(len(m.ends)) {
		return nil
	}
	from := uint32(0)
	if i > 0 {
		from = m.ends[i-1]
	}
	return m.names[from:m.ends[i]:m.ends[i]]
}

// find returns the number of a subject.
func (m *memIndex) find(subject []byte, hash uint64) (i uint32, ok bool) {
	if len(m.table) == 0 {
		return 0, false
	}
	mask := uint64(len(m.table) - 1)
	for at := hash & mask; m.table[at] != 0; at = (at + 1) & mask {
		i := m.table[at] - 1
		if m.hashes[i] == hash && string(m.name(i)) == string(subject) {
			return i, true
		}
	}
	return 0, false
}

// add adds a record behind the last one.
func (m *memIndex) add(s slot, subject []byte, hash uint64) {
	i, ok := m.find(subject, hash)
	if !ok {
		i = uint32(len(m.ends))
		m.names = append(m.names, subject...)
		m.ends = append(m.ends, uint32(len(m.names)))
		m.hashes = append(m.hashes, hash)
		if 4*len(m.ends) > 3*len(m.table) {
			m.growTable()
		}
		m.enter(i, hash)
	}
	s.subject = i
	m.slots = append(m.slots, s)
}

func (m *memIndex) enter(i uint32, hash uint64) {
	mask := uint64(len(m.table) - 1)
	at := hash & mask
	for m.table[at] != 0 {
		at = (at + 1) & mask
	}
	m.table[at] = i + 1
}

// growTable doubles the table. Its last subject is not in it yet.
func (m *memIndex) growTable() {
	m.table = make([]uint32, max(8, 2*len(m.table)))
	for i, h := range m.hashes[:len(m.hashes)-1] {
		m.enter(uint32(i), h)
	}
}

// addLost adds a record of which nothing is left.
func (m *memIndex) addLost(seq uint32, time int64) {
	m.slots = append(m.slots, slot{seq: seq, time: time, subject: noSubject})
}

// groups returns the records of each subject: those of i are ordinals[starts[i]:starts[i+1]],
// ascending.
func (m *memIndex) groups() (starts, ordinals []uint32) {
	starts = make([]uint32, len(m.ends)+1)
	found := 0
	for i := range m.slots {
		if s := m.slots[i].subject; s != noSubject {
			starts[s+1]++
			found++
		}
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	ordinals = make([]uint32, found)
	next := append([]uint32(nil), starts...)
	for i := range m.slots {
		if s := m.slots[i].subject; s != noSubject {
			ordinals[next[s]] = uint32(i)
			next[s]++
		}
	}
	return starts, ordinals
}

// The methods of index, on a view.

func (m *memIndex) slot(ordinal int) (slot, error) { return m.slots[ordinal], nil }

func (m *memIndex) search(seq uint32) (ordinal int, err error) {
	lo, hi := 0, len(m.slots)
	for lo < hi {
		mid := (lo + hi) / 2
		if m.slots[mid].seq < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

func (m *memIndex) searchTime(time int64) (ordinal int, err error) {
	lo, hi := 0, len(m.slots)
	for lo < hi {
		mid := (lo + hi) / 2
		if m.slots[mid].time < time {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

func (m *memIndex) subject(ordinal int, dst []byte) ([]byte, error) {
	return append(dst, m.name(m.slots[ordinal].subject)...), nil
}

// number finds a subject without the table.
func (m *memIndex) number(subject []byte) uint32 {
	hash := hashSubject(subject)
	for i, h := range m.hashes[:len(m.ends)] {
		if h == hash && string(m.name(uint32(i))) == string(subject) {
			return uint32(i)
		}
	}
	return noSubject
}

func (m *memIndex) nextOn(subject []byte, from int) (ordinal int, err error) {
	if number := m.number(subject); number != noSubject {
		for i := from; i < len(m.slots); i++ {
			if m.slots[i].subject == number {
				return i, nil
			}
		}
	}
	return len(m.slots), nil
}

func (m *memIndex) lastOn(subject []byte, upTo int) (ordinal int, err error) {
	if number := m.number(subject); number != noSubject {
		for i := min(upTo, len(m.slots)-1); i >= 0; i-- {
			if m.slots[i].subject == number {
				return i, nil
			}
		}
	}
	return -1, nil
}

func (m *memIndex) selection(f *store.Filter, _ *prune) (*bitmap, error) {
	matches := make([]bool, len(m.ends))
	for i := range matches {
		matches[i] = f.Matches(m.name(uint32(i)))
	}
	set := &bitmap{words: make([]uint64, (len(m.slots)+63)/64)}
	for i := range m.slots {
		if s := m.slots[i].subject; s != noSubject && matches[s] {
			set.set(i)
		}
	}
	return set, nil
}

func (m *memIndex) postings(visit func(subject []byte, ordinals []uint32) bool) error {
	starts, ordinals := m.groups()
	for i := range m.ends {
		if group := ordinals[starts[i]:starts[i+1]]; len(group) > 0 && !visit(m.name(uint32(i)), group) {
			break
		}
	}
	return nil
}
