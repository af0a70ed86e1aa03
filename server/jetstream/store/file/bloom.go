package file

import "hash/maphash"

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
type bloom []uint64

func newBloom(subjects int) bloom { return make(bloom, (subjects*bloomBits+63)/64) }

func (b bloom) add(hash uint64) {
	step := hash>>32 | 1
	for range bloomProbes {
		i := b.index(hash)
		b[i>>6] |= 1 << (i & 63)
		hash += step * 0x9e3779b97f4a7c15
	}
}

func (b bloom) mayHave(hash uint64) bool {
	if len(b) == 0 {
		return true
	}
	step := hash>>32 | 1
	for range bloomProbes {
		i := b.index(hash)
		if b[i>>6]&(1<<(i&63)) == 0 {
			return false
		}
		hash += step * 0x9e3779b97f4a7c15
	}
	return true
}

// index maps a hash to a bit, by its high bits.
func (b bloom) index(hash uint64) uint64 {
	return (hash >> 32) * uint64(len(b)*64) >> 32
}
