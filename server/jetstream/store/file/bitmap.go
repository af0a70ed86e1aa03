package file

import (
	"encoding/binary"
	"math/bits"

	"github.com/nats-lite/nats-lite/internal/pack"
)

// bitmap is a set of ordinals, those of records in a block. Its zero value and
// nil are empty. Ordinals behind its end are not in it.
type bitmap struct {
	words []uint64
}

func (b *bitmap) has(i int) bool {
	return b != nil && i>>6 < len(b.words) && b.words[i>>6]&(1<<(i&63)) != 0
}

func (b *bitmap) set(i int) {
	for i>>6 >= len(b.words) {
		b.words = append(b.words, 0)
	}
	b.words[i>>6] |= 1 << (i & 63)
}

func (b *bitmap) clone() *bitmap {
	if b == nil {
		return &bitmap{}
	}
	return &bitmap{words: append([]uint64(nil), b.words...)}
}

// word returns 64 ordinals; w may lie behind the end.
func (b *bitmap) word(w int) uint64 {
	if b == nil || w >= len(b.words) {
		return 0
	}
	return b.words[w]
}

// count returns how many of the ordinals in [from, to) are in the set.
func (b *bitmap) count(from, to int) (n int) {
	if b == nil {
		return 0
	}
	to = min(to, len(b.words)<<6)
	for from < to {
		w := b.words[from>>6] & (^uint64(0) << (from & 63))
		if next := (from | 63) + 1; next > to {
			w &= 1<<(to&63) - 1
		}
		n += bits.OnesCount64(w)
		from = (from | 63) + 1
	}
	return n
}

// nextWithout returns the first ordinal in [from, n) that is in a (nil: all are)
// and not in b, n if there is none.
func nextWithout(a, b *bitmap, from, n int) int {
	for w := from >> 6; w<<6 < n; w++ {
		word := ^b.word(w)
		if a != nil {
			word &= a.word(w)
		}
		if w == from>>6 {
			word &= ^uint64(0) << (from & 63)
		}
		if word != 0 {
			return min(w<<6+bits.TrailingZeros64(word), n)
		}
	}
	return n
}

// lastWithout returns the last ordinal in [0, n) that is in a (nil: all are) and
// not in b, -1 if there is none.
func lastWithout(a, b *bitmap, n int) int {
	for w := (n - 1) >> 6; w >= 0; w-- {
		word := ^b.word(w)
		if a != nil {
			word &= a.word(w)
		}
		if (w+1)<<6 > n {
			word &= 1<<(n&63) - 1
		}
		if word != 0 {
			return w<<6 + 63 - bits.LeadingZeros64(word)
		}
	}
	return -1
}

// countWithout returns how many ordinals in [from, n) are in a (nil: all are) and
// not in b.
func countWithout(a, b *bitmap, from, n int) (count int) {
	for w := from >> 6; w<<6 < n; w++ {
		word := ^b.word(w)
		if a != nil {
			word &= a.word(w)
		}
		if w == from>>6 {
			word &= ^uint64(0) << (from & 63)
		}
		if (w+1)<<6 > n {
			word &= 1<<(n&63) - 1
		}
		count += bits.OnesCount64(word)
	}
	return count
}

// The forms in which a bitmap is stored.
const (
	bitmapEmpty = iota
	// bitmapRuns is a count of runs and, for each, varints of how many are out
	// and then how many are in.
	bitmapRuns
	// bitmapWords is the words.
	bitmapWords
)

// append encodes the ordinals below n in the shorter form.
func (b *bitmap) append(dst []byte, n int) []byte {
	if b == nil || b.count(0, n) == 0 {
		return append(dst, bitmapEmpty)
	}
	words := (n + 63) / 64
	start := len(dst)
	dst = append(dst, bitmapRuns)
	runs := 0
	at := 0
	for at < n {
		first := nextWithout(b, nil, at, n)
		if first == n {
			break
		}
		end := nextWithout(nil, b, first, n)
		dst = binary.AppendUvarint(dst, uint64(first-at))
		dst = binary.AppendUvarint(dst, uint64(end-first))
		at = end
		if runs++; len(dst)-start > 8*words {
			break
		}
	}
	if len(dst)-start <= 8*words {
		// The end of the list is a run of nothing.
		return append(dst, 0, 0)
	}
	dst = append(dst[:start], bitmapWords)
	for w := range words {
		word := b.word(w)
		if w == words-1 && n&63 != 0 {
			word &= 1<<(n&63) - 1
		}
		dst = binary.LittleEndian.AppendUint64(dst, word)
	}
	return dst
}

// decodeBitmap decodes a set of ordinals below n.
func decodeBitmap(in *pack.Reader, n int) *bitmap {
	words := (n + 63) / 64
	switch in.Byte() {
	case bitmapEmpty:
		return nil
	case bitmapWords:
		if in.Len() < 8*words {
			break
		}
		b := &bitmap{words: make([]uint64, words)}
		for w := range b.words {
			b.words[w] = in.Uint64()
		}
		if n&63 != 0 && b.words[words-1]>>(n&63) != 0 {
			break
		}
		return b
	case bitmapRuns:
		b := &bitmap{words: make([]uint64, words)}
		for at := 0; ; {
			out, members := in.Uvarint(), in.Uvarint()
			if out == 0 && members == 0 {
				return b
			}
			left := uint64(n - at)
			if members == 0 || out > left || members > left-out {
				in.Fail()
				return nil
			}
			b.setRange(at+int(out), at+int(out+members))
			at += int(out + members)
		}
	}
	in.Fail()
	return nil
}

// setRange adds [from, to).
func (b *bitmap) setRange(from, to int) {
	if from >= to {
		return
	}
	for (to-1)>>6 >= len(b.words) {
		b.words = append(b.words, 0)
	}
	for from < to {
		next := min((from|63)+1, to)
		mask := ^uint64(0) << (from & 63)
		if next&63 != 0 {
			mask &= 1<<(next&63) - 1
		}
		b.words[from>>6] |= mask
		from = next
	}
}
