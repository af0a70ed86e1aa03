package mem

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// block holds messages of neighbouring numbers.
//
// Invariants: slots are in the order of numbers and of offsets. A record ends
// where the next one begins, or with the data. live is the number of slots that
// are not dead, and at least 1 for a block in a store.
type block struct {
	// base is at most the number of the first slot; slots count from it.
	base  store.Seq
	slots []slot
	data  []byte
	// dead has a bit for each slot whose message is removed. Slots behind its
	// end are alive.
	dead []uint64
	live int
	// waste is how many bytes of data belong to dead slots.
	waste int
}

// slot is what a block has on one message besides its record.
type slot struct {
	time int64
	// prev and next are the neighbours on the same subject, 0 if there is none.
	// They mean nothing in a dead slot.
	prev, next store.Seq
	// delta is the number, counted from the block's base.
	delta uint32
	// offset is where the record begins.
	offset uint32
}

// slotBytes is the size of a slot in memory.
const slotBytes = 32

func (b *block) seq(i int) store.Seq { return b.base + store.Seq(b.slots[i].delta) }

// lastSeq is the number of the last slot.
func (b *block) lastSeq() store.Seq { return b.seq(len(b.slots) - 1) }

// search returns the index of the first slot with a number of at least seq, which
// must not be below base.
func (b *block) search(seq store.Seq) int {
	n := len(b.slots)
	if seq > b.lastSeq() {
		return n
	}
	// The slots below delta are at most delta, and fewer by no more than all the
	// numbers that are missing: without any, low and high meet.
	delta := uint32(seq - b.base)
	missing := int(b.slots[n-1].delta) + 1 - n
	low, high := max(0, int(delta)-missing), min(int(delta), n-1)
	for low < high {
		mid := int(uint(low+high) / 2)
		if b.slots[mid].delta < delta {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (b *block) isDead(i int) bool {
	return i>>6 < len(b.dead) && b.dead[i>>6]&(1<<(i&63)) != 0
}

// nextLive returns the first living slot at or behind i, len(b.slots) if there
// is none.
func (b *block) nextLive(i int) int {
	for i < len(b.slots) && i>>6 < len(b.dead) {
		if alive := ^b.dead[i>>6] >> (i & 63); alive != 0 {
			return min(i+bits.TrailingZeros64(alive), len(b.slots))
		}
		i = (i>>6 + 1) << 6
	}
	return min(i, len(b.slots))
}

// prevLive returns the last living slot at or in front of i, -1 if there is none.
func (b *block) prevLive(i int) int {
	for i >= 0 && i>>6 < len(b.dead) {
		if alive := ^b.dead[i>>6] << (63 - i&63); alive != 0 {
			return i - bits.LeadingZeros64(alive)
		}
		i = i>>6<<6 - 1
	}
	return i
}

// liveBefore counts the living slots in front of i.
func (b *block) liveBefore(i int) int {
	n := i
	for w, word := range b.dead {
		if w<<6 >= i {
			break
		}
		if rest := i - w<<6; rest < 64 {
			word &= 1<<rest - 1
		}
		n -= bits.OnesCount64(word)
	}
	return n
}

// kill marks a living slot as dead.
func (b *block) kill(i int) {
	for i>>6 >= len(b.dead) {
		b.dead = append(b.dead, 0)
	}
	b.dead[i>>6] |= 1 << (i & 63)
	b.live--
	b.waste += len(b.record(i))
}

// record returns the bytes of a record.
func (b *block) record(i int) []byte {
	end := len(b.data)
	if i+1 < len(b.slots) {
		end = int(b.slots[i+1].offset)
	}
	return b.data[b.slots[i].offset:end]
}

// subject returns the subject of a message, as a view of the block.
func (b *block) subject(i int) []byte {
	rest := b.data[b.slots[i].offset:]
	n, k := length(rest)
	_, l := length(rest[k:])
	return rest[k+l : k+l+n]
}

// message returns the parts of a message, as views of the block.
func (b *block) message(i int) (subject, header, data []byte) {
	rest := b.record(i)
	s, k := length(rest)
	h, l := length(rest[k:])
	rest = rest[k+l:]
	return rest[:s], rest[s : s+h], rest[s+h:]
}

// length reads a length, and how many bytes it takes. Nearly all take one.
func length(b []byte) (n, size int) {
	if b[0] < 0x80 {
		return int(b[0]), 1
	}
	v, size := binary.Uvarint(b)
	return int(v), size
}

func (b *block) fill(i int, m *store.Message) {
	subject, header, data := b.message(i)
	m.Fill(b.seq(i), b.slots[i].time, subject, header, data)
}

// size is what a message counts for.
func (b *block) size(i int) uint64 {
	subject, header, data := b.message(i)
	return store.MemorySize(len(subject), len(header), len(data))
}

// recordSize is at least what the record of a message takes.
func recordSize(m *store.Message) int {
	return 2*binary.MaxVarintLen32 + len(m.Subject) + len(m.Header) + len(m.Data)
}

// fits reports whether a message can be added to a block with messages.
func (b *block) fits(m *store.Message, t *tuning) bool {
	return len(b.slots) < t.blockSlots && len(b.data)+recordSize(m) <= t.blockBytes && m.Seq-b.base <= math.MaxUint32
}

// add adds a message behind all others.
func (b *block) add(m *store.Message, t *tuning) {
	b.slots = reserve(b.slots, 1, t.blockSlots)
	b.data = reserve(b.data, recordSize(m), t.blockBytes)
	b.slots = append(b.slots, slot{time: m.Time, delta: uint32(m.Seq - b.base), offset: uint32(len(b.data))})
	b.data = binary.AppendUvarint(b.data, uint64(len(m.Subject)))
	b.data = binary.AppendUvarint(b.data, uint64(len(m.Header)))
	b.data = append(b.data, m.Subject...)
	b.data = append(b.data, m.Header...)
	b.data = append(b.data, m.Data...)
	b.live++
}

// reserve makes room for n more elements. It doubles, as append does, but not
// beyond the limit that the block will not pass.
func reserve[E any](s []E, n, limit int) []E {
	if cap(s)-len(s) >= n {
		return s
	}
	grown := make([]E, len(s), max(min(2*cap(s)+32, limit), len(s)+n))
	copy(grown, s)
	return grown
}

// isLoose reports whether a block wastes as much as it holds.
func (b *block) isLoose() bool {
	return 2*b.live <= len(b.slots) || 2*b.waste >= len(b.data)
}

// isTight reports whether a block that is full has little room left.
func (b *block) isTight() bool {
	room := slotBytes*(cap(b.slots)-len(b.slots)) + cap(b.data) - len(b.data)
	return room <= (slotBytes*len(b.slots)+len(b.data))/8
}

// merge returns a block with the messages of some neighbours, and nothing else.
func merge(blocks ...*block) *block {
	var slots, bytes int
	for _, b := range blocks {
		slots += b.live
		bytes += len(b.data) - b.waste
	}
	m := &block{slots: make([]slot, 0, slots), data: make([]byte, 0, bytes), live: slots}
	for _, b := range blocks {
		for i := b.nextLive(0); i < len(b.slots); i = b.nextLive(i + 1) {
			s, seq := b.slots[i], b.seq(i)
			if len(m.slots) == 0 {
				m.base = seq
			}
			s.delta, s.offset = uint32(seq-m.base), uint32(len(m.data))
			m.slots = append(m.slots, s)
			m.data = append(m.data, b.record(i)...)
		}
	}
	return m
}

// isWhole reports whether a block has all messages from its base to its last.
func (b *block) isWhole() bool {
	return b.live == len(b.slots) && int(b.slots[len(b.slots)-1].delta)+1 == len(b.slots)
}
