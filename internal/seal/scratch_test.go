package seal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// memFile is a file in memory.
type memFile struct {
	b    []byte
	fail bool
}

func (m *memFile) WriteAt(p []byte, off int64) (int, error) {
	if m.fail {
		return 0, errors.New("a bad disk")
	}
	if need := int(off) + len(p); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

// A scratch file reads as what was written, from any place, and not from the file.
func TestScratch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []Cipher{AES, ChaCha} {
		for _, size := range []int{0, 1, scratchFrame - 1, scratchFrame, scratchFrame + 1, 3*scratchFrame + 77} {
			want := bytes.Repeat([]byte("marker"), size/6+1)[:size]
			f := &memFile{}
			s, err := NewScratch(c, f)
			if err != nil {
				t.Fatal(err)
			}
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(scratchFrame*3/2))
				if k, err := s.Write(rest[:n]); k != n || err != nil {
					t.Fatalf("wrote %d of %d: %v", k, n, err)
				}
				rest = rest[n:]
			}
			if _, err := s.ReadAt(make([]byte, 1), 0); err == nil {
				t.Error("read before the end")
			}
			if err := s.End(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write([]byte{1}); err == nil {
				t.Error("written behind the end")
			}
			if bytes.Contains(f.b, []byte("marker")) {
				t.Errorf("%v: the file can be read", c)
			}
			for range 50 {
				off := rng.IntN(size + 10)
				p := make([]byte, rng.IntN(size+10))
				n, err := s.ReadAt(p, int64(off))
				expect := want[min(off, size):min(off+len(p), size)]
				if !bytes.Equal(p[:n], expect) || (n < len(p)) != errors.Is(err, io.EOF) || n == len(p) && err != nil {
					t.Fatalf("%v, %d bytes: read %d at %d: %d, %v", c, size, len(p), off, n, err)
				}
			}
			for range min(size, 10) {
				at := rng.IntN(len(f.b))
				f.b[at] ^= 4
				if _, err := io.Copy(io.Discard, io.NewSectionReader(s, 0, int64(size))); err == nil {
					t.Errorf("%v, %d bytes: byte %d is changed, and nobody says so", c, size, at)
				}
				f.b[at] ^= 4
			}
			if size > 0 {
				f.b = f.b[:len(f.b)-1]
				if _, err := s.ReadAt(make([]byte, size), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%v, %d bytes: cut: %v", c, size, err)
				}
			}
		}
	}
}

// Equal parts of the content do not look alike, nor do equal files.
func TestScratchIsNeverTheSame(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 {
		f := &memFile{}
		s, err := NewScratch(AES, f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(make([]byte, 3*scratchFrame)); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(f.b); at += scratchFrame + Overhead {
			frame := string(f.b[at : at+scratchFrame])
			if seen[frame] {
				t.Errorf("the frame at %d has been there before", at)
			}
			seen[frame] = true
		}
	}
}

// After a failed write nothing is written any more: its frame would have the same
// nonce.
func TestScratchFails(t *testing.T) {
	f := &memFile{fail: true}
	s, err := NewScratch(AES, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(make([]byte, scratchFrame)); err == nil {
		t.Fatal("the write succeeds")
	}
	f.fail = false
	if _, err := s.Write(make([]byte, scratchFrame)); err == nil || len(f.b) > 0 {
		t.Errorf("%d bytes are written after it: %v", len(f.b), err)
	}
	if err := s.End(); err == nil {
		t.Error("it is ended")
	}
}
