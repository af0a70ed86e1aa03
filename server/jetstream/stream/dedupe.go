package stream

import (
	"hash/maphash"
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// dedupe knows the message ids of a window of time, and what number each message
// got. Ids come in by the order of time and leave by it, so they are a queue: the
// bytes in a ring, the entries in another, and a hash table of places in the
// latter. There is no pointer in it per id, nor an allocation once the rings have
// their size.
//
// The hash is seeded by chance, so that nobody can choose ids that collide.
// Nothing that shows depends on it.
//
// The zero dedupe is empty.
type dedupe struct {
	// entries is a ring of a power of two; head is the number of the oldest entry,
	// next that of the one to come. Entry number n is at n modulo len(entries).
	entries    []known
	head, next uint64
	// text is a ring of a power of two with the ids, textHead and textNext like
	// head and next.
	text               []byte
	textHead, textNext uint64
	// table finds entries: 1 + the place in entries, 0 for free. Collisions go to
	// the next free slot. It has at least twice the slots of what is in it.
	table []uint32
	seed  maphash.Seed
}

// known is an id that was seen.
type known struct {
	time int64
	seq  store.Seq
	at   uint64 // of the id's first byte, counted like textNext
	size uint32
	hash uint32
}

const (
	minKnown = 16
	minText  = 512
)

func (d *dedupe) len() int { return int(d.next - d.head) }

// find returns the number of the message that had an id.
func (d *dedupe) find(id []byte) (store.Seq, bool) {
	if d.len() == 0 {
		return 0, false
	}
	slot, found := d.slot(id, d.hash(id))
	if !found {
		return 0, false
	}
	return d.entries[d.table[slot]-1].seq, true
}

// add takes in an id that is not known. Time must not go back from one to the next.
func (d *dedupe) add(id []byte, seq store.Seq, time int64) {
	if len(d.entries) == 0 {
		d.seed = maphash.MakeSeed()
		d.resize(minKnown)
		d.text = make([]byte, minText)
	}
	if d.len() == len(d.entries) {
		d.resize(2 * len(d.entries))
	}
	for int(d.textNext-d.textHead)+len(id) > len(d.text) {
		d.resizeText(2 * len(d.text))
	}
	hash := d.hash(id)
	e := known{time: time, seq: seq, at: d.textNext, size: uint32(len(id)), hash: hash}
	from := int(d.textNext) & (len(d.text) - 1)
	n := copy(d.text[from:], id)
	copy(d.text, id[n:])
	d.textNext += uint64(len(id))
	place := int(d.next) & (len(d.entries) - 1)
	d.entries[place] = e
	d.next++
	slot, _ := d.slot(id, hash)
	d.table[slot] = uint32(place + 1)
}

// expire forgets the ids whose time is not above a time.
func (d *dedupe) expire(time int64) {
	for d.head != d.next {
		e := &d.entries[int(d.head)&(len(d.entries)-1)]
		if e.time > time {
			break
		}
		d.unlink(e)
		d.textHead += uint64(e.size)
		d.head++
	}
	d.shrink()
}

// newest returns the time of the newest id.
func (d *dedupe) newest() (int64, bool) {
	if d.len() == 0 {
		return 0, false
	}
	return d.entries[int(d.next-1)&(len(d.entries)-1)].time, true
}

// all goes over what is known, the oldest first. The id is valid for the round.
func (d *dedupe) all() iter.Seq2[[]byte, known] {
	return func(yield func([]byte, known) bool) {
		var id []byte
		for n := d.head; n != d.next; n++ {
			e := d.entries[int(n)&(len(d.entries)-1)]
			id = d.appendID(id[:0], &e)
			if !yield(id, e) {
				return
			}
		}
	}
}

func (d *dedupe) hash(id []byte) uint32 { return uint32(maphash.Bytes(d.seed, id)) }

// slot returns where an id is in the table, or where it would go.
func (d *dedupe) slot(id []byte, hash uint32) (slot int, found bool) {
	mask := len(d.table) - 1
	for slot = int(hash) & mask; d.table[slot] != 0; slot = (slot + 1) & mask {
		e := &d.entries[d.table[slot]-1]
		if e.hash == hash && d.equal(e, id) {
			return slot, true
		}
	}
	return slot, false
}

func (d *dedupe) equal(e *known, id []byte) bool {
	if int(e.size) != len(id) {
		return false
	}
	from := int(e.at) & (len(d.text) - 1)
	n := min(len(id), len(d.text)-from)
	return string(d.text[from:from+n]) == string(id[:n]) && string(d.text[:len(id)-n]) == string(id[n:])
}

func (d *dedupe) appendID(dst []byte, e *known) []byte {
	from := int(e.at) & (len(d.text) - 1)
	n := min(int(e.size), len(d.text)-from)
	dst = append(dst, d.text[from:from+n]...)
	return append(dst, d.text[:int(e.size)-n]...)
}

// unlink frees the slot of the oldest entry, and moves those behind that would not be
// found any more.
func (d *dedupe) unlink(e *known) {
	mask := len(d.table) - 1
	place := uint32(int(d.head)&(len(d.entries)-1)) + 1
	free := int(e.hash) & mask
	for d.table[free] != place {
		free = (free + 1) & mask
	}
	for i := (free + 1) & mask; d.table[i] != 0; i = (i + 1) & mask {
		home := int(d.entries[d.table[i]-1].hash) & mask
		// It may move if free is between its home and where it is.
		if (i-home)&mask >= (i-free)&mask {
			d.table[free] = d.table[i]
			free = i
		}
	}
	d.table[free] = 0
}

// resize gives the ring of entries a size, and makes the table anew.
func (d *dedupe) resize(size int) {
	entries := make([]known, size)
	for n := d.head; n != d.next; n++ {
		entries[int(n)&(size-1)] = d.entries[int(n)&(len(d.entries)-1)]
	}
	d.entries = entries
	d.table = make([]uint32, 2*size)
	mask := len(d.table) - 1
	for n := d.head; n != d.next; n++ {
		place := int(n) & (size - 1)
		slot := int(entries[place].hash) & mask
		for d.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		d.table[slot] = uint32(place + 1)
	}
}

func (d *dedupe) resizeText(size int) {
	text := make([]byte, size)
	for n := d.textHead; n != d.textNext; n++ {
		text[int(n)&(size-1)] = d.text[int(n)&(len(d.text)-1)]
	}
	d.text = text
}

// shrink gives memory back when little of it is in use.
func (d *dedupe) shrink() {
	if d.len() == 0 && len(d.entries) > minKnown {
		*d = dedupe{}
		return
	}
	if len(d.entries) > 1024 && d.len() < len(d.entries)/8 {
		d.resize(len(d.entries) / 4)
	}
	if used := int(d.textNext - d.textHead); len(d.text) > 1<<16 && used < len(d.text)/8 {
		d.resizeText(len(d.text) / 4)
	}
}
