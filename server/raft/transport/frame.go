package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A frame on a connection is its length, a CRC32C of length and bytes, and the
// bytes. One of length 0 is not for the receiver of frames: it is a ping, and
// asks for an answer.
const headerSize = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged says that bytes have changed on their way, or that the other end
// does not speak this protocol.
var ErrDamaged = errors.New("damaged frame")

// TooLargeError says that a frame was announced that is above the limit.
type TooLargeError struct {
	Size, Max uint64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("frame of %d bytes exceeds the limit of %d", e.Size, e.Max)
}

// appendHeader appends what precedes the frame's bytes.
func appendHeader(dst, frame []byte) []byte {
	n := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(frame)))
	crc := crc32.Update(crc32.Update(0, castagnoli, dst[n:]), castagnoli, frame)
	return binary.LittleEndian.AppendUint32(dst, crc)
}

// Sizes of the buffer that a frameReader reads into. It grows while reads fill
// it, so that only connections with much to read have a large one.
const (
	minReadBuffer = 4 << 10
	maxReadBuffer = 128 << 10
	// trusted is how much is allocated for a frame on its announcement alone.
	trusted = 256 << 10
)

// frameReader takes frames out of a stream. One goroutine uses it.
type frameReader struct {
	src io.Reader
	max int // of a frame

	buf  []byte
	r, w int // buf[r:w] has been read and not been taken
}

func newFrameReader(src io.Reader, maxFrame int) *frameReader {
	return &frameReader{src: src, max: maxFrame, buf: make([]byte, minReadBuffer)}
}

// next returns the next frame, which is the caller's: it has a slice of its own,
// of exactly its size, because what is decoded from it may live on in caches,
// and a piece of a shared buffer would keep all of that alive. A ping is an
// empty frame. The error is io.EOF only between frames.
func (f *frameReader) next() ([]byte, error) {
	for f.w-f.r < headerSize {
		if err := f.fill(); err != nil {
			if errors.Is(err, io.EOF) && f.r < f.w {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	header := f.buf[f.r : f.r+headerSize]
	size, want := binary.LittleEndian.Uint32(header), binary.LittleEndian.Uint32(header[4:])
	crc := crc32.Update(0, castagnoli, header[:4])
	f.r += headerSize
	if uint64(size) > uint64(f.max) {
		return nil, &TooLargeError{Size: uint64(size), Max: uint64(f.max)}
	}
	frame, err := f.take(int(size))
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	if crc32.Update(crc, castagnoli, frame) != want {
		return nil, ErrDamaged
	}
	return frame, nil
}

// take returns the next n bytes in a slice of that size.
func (f *frameReader) take(n int) ([]byte, error) {
	if n > len(f.buf) {
		return f.takeLarge(n)
	}
	for f.w-f.r < n {
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
	b := make([]byte, n)
	copy(b, f.buf[f.r:])
	f.r += n
	return b, nil
}

// takeLarge reads what is missing right into the slice, which it enlarges as the
// bytes arrive.
func (f *frameReader) takeLarge(n int) ([]byte, error) {
	b := make([]byte, min(n, trusted))
	have := copy(b, f.buf[f.r:f.w])
	f.r += have
	for {
		k, err := io.ReadFull(f.src, b[have:])
		if have += k; have == n {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		grown := make([]byte, min(n, 2*len(b)))
		copy(grown, b)
		b = grown
	}
}

// fill reads once, as much as there is.
func (f *frameReader) fill() error {
	if f.r > 0 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	n, err := f.src.Read(f.buf[f.w:])
	if f.w += n; f.w == len(f.buf) && len(f.buf) < maxReadBuffer {
		grown := make([]byte, 2*len(f.buf))
		copy(grown, f.buf)
		f.buf = grown
	}
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// An answer flows from the receiver to the sender: how many bytes of frames have
// been read from the connection so far, and a CRC32C of that.
const answerSize = 12

func makeAnswer(received uint64) (a [answerSize]byte) {
	binary.LittleEndian.PutUint64(a[:], received)
	binary.LittleEndian.PutUint32(a[8:], crc32.Checksum(a[:8], castagnoli))
	return a
}

func parseAnswer(a [answerSize]byte) (received uint64, err error) {
	if crc32.Checksum(a[:8], castagnoli) != binary.LittleEndian.Uint32(a[8:]) {
		return 0, ErrDamaged
	}
	return binary.LittleEndian.Uint64(a[:]), nil
}
