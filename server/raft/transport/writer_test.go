package transport

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// recorder is a connection that keeps what is written.
type recorder struct {
	net.Conn
	bytes.Buffer
	calls int
	// failAt fails the call of that number, from 1.
	failAt int
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.calls++; r.calls == r.failAt {
		return len(b) / 2, io.ErrClosedPipe
	}
	return r.Buffer.Write(b)
}

func (r *recorder) Read(b []byte) (int, error) { return r.Buffer.Read(b) }

func TestFrameWriterWritesTheStream(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, copied := range []int{copiedPlain, copiedVectored, 0} {
		for range 12 {
			var sent, writes atomic.Uint64
			conn := &recorder{}
			w := newFrameWriter(conn, &sent, &writes)
			w.copied = copied
			var want []byte
			for range rng.IntN(2000) {
				size := rng.IntN(64)
				if rng.IntN(20) == 0 {
					size = rng.IntN(2 * copiedPlain)
				}
				f := make([]byte, size)
				for i := range f {
					f[i] = byte(rng.Uint32())
				}
				if err := w.add(f); err != nil {
					t.Fatal(err)
				}
				want = append(want, stream(f)...)
				if rng.IntN(200) == 0 {
					if err := w.flush(); err != nil {
						t.Fatal(err)
					}
					if conn.Len() != len(want) {
						t.Fatalf("after flush %d bytes are written of %d", conn.Len(), len(want))
					}
				}
			}
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(conn.Bytes(), want) {
				t.Fatalf("%d bytes are written that are not the %d of the frames", conn.Len(), len(want))
			}
			if sent.Load() != uint64(len(want)) {
				t.Fatalf("%d bytes are counted, %d written", sent.Load(), len(want))
			}
		}
	}
}

func TestFrameWriterGathers(t *testing.T) {
	var sent, writes atomic.Uint64
	conn := &recorder{}
	w := newFrameWriter(conn, &sent, &writes)
	const frames, size = 1000, 200
	for range frames {
		if err := w.add(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if want := 1 + frames*(size+headerSize)/stageSize; conn.calls != want || writes.Load() != uint64(want) {
		t.Errorf("%d frames took %d writes (counted %d), want %d", frames, conn.calls, writes.Load(), want)
	}
	if err := w.flush(); err != nil || conn.calls != int(writes.Load()) {
		t.Errorf("flush of nothing: %v, %d writes", err, conn.calls)
	}
}

func TestFrameWriterVector(t *testing.T) {
	var sent, writes atomic.Uint64
	conn := &recorder{}
	w := newFrameWriter(conn, &sent, &writes)
	w.copied = 0
	for range 3000 {
		if err := w.add([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if len(w.vector) >= maxVector {
			t.Fatalf("the vector has %d elements, and one more is to come", len(w.vector))
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	for _, b := range w.vector[:cap(w.vector)] {
		if b != nil {
			t.Fatal("a frame is kept alive after it has been written")
		}
	}
}

func TestFrameWriterReportsErrors(t *testing.T) {
	for n := 1; ; n++ {
		var sent, writes atomic.Uint64
		conn := &recorder{failAt: n}
		w := newFrameWriter(conn, &sent, &writes)
		var err error
		for range 50 {
			if err = w.add(make([]byte, 10_000)); err != nil {
				break
			}
		}
		if err == nil {
			err = w.flush()
		}
		if conn.calls < n {
			if err != nil || n < 3 {
				t.Errorf("without a failing write: %v, at %d", err, n)
			}
			return
		}
		if err != io.ErrClosedPipe { //nolint:errorlint // it must come as it is
			t.Errorf("failing write %d: error %v", n, err)
		}
	}
}
