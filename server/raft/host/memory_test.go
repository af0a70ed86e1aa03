package host

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// The log in memory agrees with a map, and what it has returned does not change.
func TestMemoryLogAgreesWithAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	l := newMemoryLog(raft.Base{})
	base, last := raft.Base{}, raft.Index(0)
	plain := make(map[raft.Index]raft.Entry)
	type given struct{ ents, copied []raft.Entry }
	var returned []given
	term := raft.Term(1)
	for range 5000 {
		switch rnd.IntN(10) {
		case 0: // compaction
			if last > base.Index {
				i := base.Index + 1 + raft.Index(rnd.Uint64N(uint64(last-base.Index)))
				base = raft.Base{Index: i, Term: plain[i].Term}
				l.compact(base)
			}
		case 1: // an image
			if rnd.IntN(5) == 0 {
				base = raft.Base{Index: last + 3, Term: term}
				last = base.Index
				clear(plain)
				l.reset(base)
			}
		case 2:
			term++
			fallthrough
		default:
			first := base.Index + 1 + raft.Index(rnd.Uint64N(uint64(last-base.Index)+1))
			if rnd.IntN(4) > 0 {
				first = last + 1
			}
			frame := make([]byte, 100)
			var ents []raft.Entry
			for i := range rnd.IntN(5) + 1 {
				for k := range frame {
					frame[k] = byte(rnd.Uint32())
				}
				ents = append(ents, raft.Entry{Index: first + raft.Index(i), Term: term, Data: bytes.Clone(frame[:rnd.IntN(20)])})
			}
			l.append(ents)
			for i := range ents {
				e := ents[i]
				e.Data = bytes.Clone(e.Data)
				plain[e.Index] = e
				clear(ents[i].Data) // the frame is used for something else
			}
			for i := ents[len(ents)-1].Index + 1; i <= last; i++ {
				delete(plain, i)
			}
			last = ents[len(ents)-1].Index
		}
		if l.First() != base.Index+1 || l.Last() != last {
			t.Fatalf("it goes from %d to %d, want %d to %d", l.First(), l.Last(), base.Index+1, last)
		}
		if last > base.Index {
			lo := base.Index + 1 + raft.Index(rnd.Uint64N(uint64(last-base.Index)))
			got, err := l.Entries(lo, last+1, 100)
			if err != nil || len(got) == 0 {
				t.Fatalf("entries from %d: %d, %v", lo, len(got), err)
			}
			size := 0
			for i := range got {
				want := plain[lo+raft.Index(i)]
				if got[i].Index != want.Index || got[i].Term != want.Term || !bytes.Equal(got[i].Data, want.Data) {
					t.Fatalf("entry %d is %+v, want %+v", lo+raft.Index(i), got[i], want)
				}
				if size += got[i].Size(); size > 100 && i > 0 {
					t.Fatalf("%d bytes for at most 100", size)
				}
			}
			if len(returned) < 50 {
				returned = append(returned, given{got, append([]raft.Entry(nil), got...)})
			}
		}
		for i, want := range map[raft.Index]error{base.Index: nil, last: nil, last + 1: raft.ErrUnavailable} {
			if _, err := l.Term(i); !errors.Is(err, want) {
				t.Fatalf("term of %d: %v", i, err)
			}
		}
		if _, err := l.Entries(base.Index, last+1, 1); !errors.Is(err, raft.ErrCompacted) {
			t.Fatalf("entries from the base on: %v", err)
		}
	}
	for _, r := range returned {
		for i := range r.ents {
			if r.ents[i].Index != r.copied[i].Index || r.ents[i].Term != r.copied[i].Term {
				t.Fatal("what was returned has changed")
			}
		}
	}
}

func TestRingAgreesWithASlice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r ring[int]
	var plain []int
	for n := range 10_000 {
		if rnd.IntN(5) < 3 {
			r.push(n)
			plain = append(plain, n)
		} else if len(plain) > 0 {
			if got := r.pop(); got != plain[0] {
				t.Fatalf("%d comes first, want %d", got, plain[0])
			}
			plain = plain[1:]
		}
		if rnd.IntN(100) == 0 {
			for len(plain) > 0 {
				r.pop()
				plain = plain[1:]
			}
			r.shrink()
		}
		if r.len() != len(plain) {
			t.Fatalf("%d in it, want %d", r.len(), len(plain))
		}
		for i := range min(3, len(plain)) {
			if *r.at(i) != plain[i] {
				t.Fatalf("%d is at %d, want %d", *r.at(i), i, plain[i])
			}
		}
	}
}
