package file

import (
	"hash/maphash"
	"math/rand/v2"
)

// hashSeed is that of the hashes of subjects, which are in memory only.
var hashSeed = maphash.MakeSeed()

func hashSubject(subject []byte) uint64 { return maphash.Bytes(hashSeed, subject) }

func hashString(subject string) uint64 { return maphash.String(hashSeed, subject) }

const (
	// With 10 bits for each subject and 6 of them looked at, one subject in a
	// hundred is taken for one that may be there.
	bloomBits   = 10
	bloomProbes = 6
)

// bloom tells of most subjects that a block has none of them. An empty one says
// of no subject that it is not there.
type bloom struct {
	// salt is another one in each, so that a subject which is mistaken for others in one
	// block is not in all that have the same.
	salt uint64
	bits []uint64
}

func newBloom(subjects int) bloom {
	return bloom{rand.Uint64(), make([]uint64, (subjects*bloomBits+63)/64)}
}

// start returns where to look first, and how far to go from there.
func (b *bloom) start(hash uint64) (at, step uint64) {
	at = (hash ^ b.salt) * 0xbf58476d1ce4e5b9
	at ^= at >> 32
	at *= 0x94d049bb133111eb
	at ^= at >> 29
	return at, (at>>32 | 1) * 0x9e3779b97f4a7c15
}

func (b *bloom) add(hash uint64) {
	at, step := b.start(hash)
	for range bloomProbes {
		i := b.index(at)
		b.bits[i>>6] |= 1 << (i & 63)
		at += step
	}
}

func (b *bloom) mayHave(hash uint64) bool {
	if len(b.bits) == 0 {
		return true
	}
	at, step := b.start(hash)
	for range bloomProbes {
		i := b.index(at)
		if b.bits[i>>6]&(1<<(i&63)) == 0 {
			return false
		}
		at += step
	}
	return true
}

// index maps a hash to a bit, by its high bits.
func (b *bloom) index(hash uint64) uint64 {
	return (hash >> 32) * uint64(len(b.bits)*64) >> 32
}
