package transport

import (
	"fmt"
	"testing"
)

// cycle is a stream that never ends.
type cycle struct {
	data []byte
	at   int
}

func (c *cycle) Read(p []byte) (int, error) {
	n := copy(p, c.data[c.at:])
	c.at = (c.at + n) % len(c.data)
	return n, nil
}

// BenchmarkReadFrame is what taking a frame out of a stream costs, without the
// system calls.
func BenchmarkReadFrame(b *testing.B) {
	for _, size := range []int{64, 200, 1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			frame := make([]byte, size)
			stream := &cycle{}
			for len(stream.data) < 1<<20 {
				stream.data = append(appendHeader(stream.data, frame), frame...)
			}
			r := newFrameReader(stream, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
