package chunk

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
)

// Does a list behave like a plain byte slice, whatever is done to it?
func TestListAgreesWithSlice(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 10, 500, smallSize - 1, smallSize, smallSize + 1, midSize, largeSize, largeSize + 1, 200_000}
	fill := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	var l List
	var want []byte
	steps := 4000
	if race.Enabled {
		steps = 1000
	}
	for step := range steps {
		n := sizes[rng.IntN(len(sizes))]
		switch rng.IntN(8) {
		case 0, 1:
			b := fill(n)
			l.Append(b)
			want = append(want, b...)
		case 2:
			b := fill(n)
			l.AppendString(string(b))
			want = append(want, b...)
		case 3:
			b := fill(n)
			got := l.Reserve(len(b))
			if len(got) != 0 || cap(got) < n {
				t.Fatalf("Reserve(%d) gives %d of %d bytes", n, len(got), cap(got))
			}
			l.Commit(len(append(got, b...)))
			want = append(want, b...)
		case 4:
			var o List
			b := fill(n)
			o.Append(b)
			if cut := rng.IntN(len(b) + 1); cut > 0 {
				o.Consume(cut)
				b = b[cut:]
			}
			l.Concat(&o)
			want = append(want, b...)
			if o.Len() != 0 {
				t.Fatal("Concat left something behind")
			}
		case 5:
			var o List
			b := fill(n)
			o.Append(b)
			l.Prepend(&o)
			want = append(append([]byte{}, b...), want...)
		case 6:
			k := rng.IntN(len(want) + 1)
			l.Consume(k)
			want = want[k:]
		case 7:
			o := l.Take()
			if l.Len() != 0 {
				t.Fatal("Take left something behind")
			}
			l.Concat(&o)
		}
		if (l.Len() == 0) != (len(l.Vector(nil, 1)) == 0) {
			t.Fatalf("step %d: %d bytes, and %d in the vector", step, l.Len(), len(l.Vector(nil, 1)))
		}
		if l.Len() != len(want) {
			t.Fatalf("step %d: %d bytes, want %d", step, l.Len(), len(want))
		}
		if step%50 == 0 {
			if !bytes.Equal(l.Bytes(), want) {
				t.Fatalf("step %d: content differs", step)
			}
			if v := bytes.Join(l.Vector(nil, 1<<20), nil); !bytes.Equal(v, want) {
				t.Fatalf("step %d: vector differs", step)
			}
		}
		if len(want) > 1<<21 {
			l.Free()
			want = nil
		}
	}
}

// Is a vector as short as it was asked for, and appended to what was there?
func TestListVectorIsBounded(t *testing.T) {
	var l List
	l.Append(make([]byte, 10*largeSize))
	if n := len(l.Vector(nil, 3)); n != 3 {
		t.Errorf("%d buffers, want 3", n)
	}
	first := []byte("first")
	if v := l.Vector([][]byte{first}, 3); len(v) != 3 || string(v[0]) != "first" {
		t.Errorf("%d buffers, of which the first is %q", len(v), v[0])
	}
	if n := len(l.Vector(nil, 1000)); n != l.Chunks() {
		t.Errorf("%d buffers, want %d", n, l.Chunks())
	}
}

// Does a queue of many short messages, handed over one by one, lie in few
// buffers?
func TestListGathersSmallPieces(t *testing.T) {
	var q List
	const n, size = 10_000, 100
	for range n {
		var l List
		l.Append(make([]byte, size))
		q.Concat(&l)
	}
	if got, most := q.Chunks(), n*size/midSize; got > most {
		t.Errorf("%d bytes are in %d buffers, want at most %d", q.Len(), got, most)
	}
}

// Is memory given back with the last byte, or with all at once?
func TestListForgets(t *testing.T) {
	var l List
	l.Append(make([]byte, 3*largeSize))
	l.Consume(l.Len())
	if l != (List{}) {
		t.Errorf("%d chunks are left of a consumed list", l.Chunks())
	}
	l.Append(make([]byte, 3*largeSize))
	l.Free()
	if l != (List{}) {
		t.Errorf("%d chunks are left of a freed list", l.Chunks())
	}
}

// Does consuming more than there is show, instead of corrupting what follows?
func TestListConsumeTooMuch(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	var l List
	l.Append([]byte("abc"))
	l.Consume(4)
}

// Does a short message cost an allocation? It must not, once pools are warm.
func TestListDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector empties pools at random")
	}
	msg := bytes.Repeat([]byte("x"), 150)
	var dst [][]byte
	run := func() {
		var l, q List
		for range 500 {
			l.Append(msg)
		}
		q.Concat(&l)
		dst = q.Vector(dst[:0], 64)
		q.Consume(q.Len())
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0.5 {
		t.Errorf("%v allocations", n)
	}
}
