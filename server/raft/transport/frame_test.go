package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/nats-lite/nats-lite/internal/race"
)

// stream encodes frames one by one.
func stream(frames ...[]byte) (b []byte) {
	for _, f := range frames {
		b = append(appendHeader(b, f), f...)
	}
	return b
}

// readSlowly is the frame reader as one would write it first.
func readSlowly(src io.Reader, maxFrame int) (frames [][]byte, err error) {
	for {
		var header [8]byte
		if _, err := io.ReadFull(src, header[:]); err != nil {
			return frames, err
		}
		size := binary.LittleEndian.Uint32(header[:])
		if uint64(size) > uint64(maxFrame) {
			return frames, &TooLargeError{uint64(size), uint64(maxFrame)}
		}
		data, err := io.ReadAll(io.LimitReader(src, int64(size)))
		if err != nil {
			return frames, err
		}
		if len(data) < int(size) {
			return frames, io.ErrUnexpectedEOF
		}
		if crc32.Checksum(append(header[:4:4], data...), castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
			return frames, ErrDamaged
		}
		frames = append(frames, data)
	}
}

func readAll(src io.Reader, maxFrame int) (frames [][]byte, err error) {
	r := newFrameReader(src, maxFrame)
	for {
		f, err := r.next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

func TestFrameReaderAgreesWithTheSlowOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sources := map[string]func(io.Reader) io.Reader{
		"whole":     func(r io.Reader) io.Reader { return r },
		"one byte":  iotest.OneByteReader,
		"half":      iotest.HalfReader,
		"data, err": iotest.DataErrReader,
		"random":    func(r io.Reader) io.Reader { return &raggedReader{r, rng} },
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			for range 30 {
				var frames [][]byte
				for range rng.IntN(20) {
					size := rng.IntN(100)
					switch rng.IntN(8) {
					case 0:
						size = rng.IntN(2 * maxReadBuffer)
					case 1:
						size = minReadBuffer - 2*headerSize + rng.IntN(3*headerSize)
					}
					f := make([]byte, size)
					for i := range f {
						f[i] = byte(rng.Uint32())
					}
					frames = append(frames, f)
				}
				b := stream(frames...)
				switch rng.IntN(3) {
				case 0:
					b = b[:rng.IntN(len(b)+1)]
				case 1:
					if len(b) > 0 {
						b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
					}
				}
				got, gotErr := readAll(source(bytes.NewReader(b)), maxReadBuffer)
				want, wantErr := readSlowly(bytes.NewReader(b), maxReadBuffer)
				if !slices.EqualFunc(got, want, bytes.Equal) || gotErr.Error() != wantErr.Error() {
					t.Fatalf("%d frames, %v; the slow reader says %d, %v", len(got), gotErr, len(want), wantErr)
				}
				for _, f := range got {
					if cap(f) != len(f) {
						t.Fatalf("a frame of %d bytes has capacity %d: it would keep more alive", len(f), cap(f))
					}
				}
			}
		})
	}
}

// raggedReader returns a random part of what could be read.
type raggedReader struct {
	io.Reader
	rng *rand.Rand
}

func (r *raggedReader) Read(p []byte) (int, error) {
	return r.Reader.Read(p[:min(len(p), 1+r.rng.IntN(9000))])
}

func TestFrameReaderErrors(t *testing.T) {
	whole := stream([]byte("hello"), nil, bytes.Repeat([]byte("x"), 5000))
	damaged := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x10
		return b
	}
	for _, tt := range []struct {
		name   string
		bytes  []byte
		frames int
		want   error
	}{
		{"whole", whole, 3, io.EOF},
		{"nothing", nil, 0, io.EOF},
		{"end in a header", whole[:3], 0, io.ErrUnexpectedEOF},
		{"end behind a header", whole[:8], 0, io.ErrUnexpectedEOF},
		{"end in a frame", whole[:10], 0, io.ErrUnexpectedEOF},
		{"end in a large frame", whole[:len(whole)-1], 2, io.ErrUnexpectedEOF},
		{"length", damaged(0), 0, ErrDamaged},
		{"checksum", damaged(5), 0, ErrDamaged},
		{"data", damaged(8), 0, ErrDamaged},
		{"length of a ping", damaged(13), 1, ErrDamaged},
		{"last byte", damaged(len(whole) - 1), 2, ErrDamaged},
		{"zeros", make([]byte, 100), 0, ErrDamaged},
		{"too large", damaged(3), 0, &TooLargeError{Size: 5 + 0x10<<24, Max: 6000}},
		{"text", []byte("INFO {\"server_id\":\"x\"}\r\n"), 0, &TooLargeError{Size: 0x4f464e49, Max: 6000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frames, err := readAll(bytes.NewReader(tt.bytes), 6000)
			if len(frames) != tt.frames || err.Error() != tt.want.Error() {
				t.Errorf("%d frames, %v; want %d, %v", len(frames), err, tt.frames, tt.want)
			}
		})
	}
}

// Memory follows what arrives, not what is announced.
func TestFrameReaderDoesNotTrustLengths(t *testing.T) {
	b := binary.LittleEndian.AppendUint32(nil, 64<<20)
	b = append(b, make([]byte, 4+1000)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := newFrameReader(bytes.NewReader(b), 64<<20).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 2*trusted {
		t.Errorf("%d bytes were allocated for 1000 that came", got)
	}
}

func TestReadBufferFollowsWhatThereIsToRead(t *testing.T) {
	frame := make([]byte, 100)
	busy := newFrameReader(bytes.NewReader(bytes.Repeat(stream(frame), 20_000)), 100)
	quiet := newFrameReader(iotest.OneByteReader(bytes.NewReader(bytes.Repeat(stream(frame), 200))), 100)
	for _, tt := range []struct {
		name string
		r    *frameReader
		want int
	}{{"busy", busy, maxReadBuffer}, {"quiet", quiet, minReadBuffer}} {
		for {
			if _, err := tt.r.next(); err != nil {
				break
			}
		}
		if len(tt.r.buf) != tt.want {
			t.Errorf("a %s connection has a buffer of %d bytes, want %d", tt.name, len(tt.r.buf), tt.want)
		}
	}
}

func TestAllocsOfAFrame(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, size := range []int{1, 200, 16 << 10} {
		data := stream(bytes.Repeat([]byte("x"), size))
		r := newFrameReader(&cycle{data: bytes.Repeat(data, 1+(1<<20)/len(data))}, size)
		for range 1000 { // until the buffer has grown
			r.next()
		}
		if n := testing.AllocsPerRun(1000, func() { r.next() }); n != 1 {
			t.Errorf("reading a frame of %d bytes allocates %v times, want once", size, n)
		}
	}
	q := newQueue(Limits{}.withDefaults(), noTime)
	frame := make([]byte, 100)
	var frames [][]byte
	if n := testing.AllocsPerRun(100, func() {
		for range 100 {
			q.put(frame, false)
		}
		frames, _ = q.take(frames)
		q.done(frames, true)
	}); n != 0 {
		t.Errorf("passing frames through a queue allocates %v times", n)
	}
}

func TestAnswer(t *testing.T) {
	for _, n := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		a := makeAnswer(n)
		if got, err := parseAnswer(a); got != n || err != nil {
			t.Errorf("answer %d is read as %d, %v", n, got, err)
		}
		for i := range a {
			b := a
			b[i] ^= 0x40
			if _, err := parseAnswer(b); !errors.Is(err, ErrDamaged) {
				t.Errorf("answer with byte %d changed: %v", i, err)
			}
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(stream([]byte("hello"), nil, []byte("world")))
	f.Add(stream(make([]byte, 9000)))
	f.Add(stream([]byte("cut"))[:9])
	f.Add([]byte("INFO {}\r\n"))
	f.Add(make([]byte, 64))
	f.Add(append(stream([]byte("x")), 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 20_000
		got, gotErr := readAll(iotest.HalfReader(bytes.NewReader(b)), limit)
		want, wantErr := readSlowly(bytes.NewReader(b), limit)
		if !slices.EqualFunc(got, want, bytes.Equal) || gotErr.Error() != wantErr.Error() {
			t.Fatalf("%d frames, %v; the slow reader says %d, %v", len(got), gotErr, len(want), wantErr)
		}
		if again := stream(got...); !bytes.HasPrefix(b, again) {
			t.Fatal("frames encode to something else than they came from")
		}
	})
}
