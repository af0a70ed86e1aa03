package conn

import "sync"

const (
	// readSize is the size of the buffers that connections read into.
	readSize = 64 << 10
	// Larger ones are taken for a single operation that does not fit. Each
	// class is twice the one before, and has lineRoom on top so that a payload
	// of a round size goes into the class of that size.
	largestClass = 7
	lineRoom     = 8 << 10
	// beyond is what larger buffers are rounded up to; they are not kept.
	beyond = 1 << 20
)

// readBuffers holds buffers by class.
var readBuffers [largestClass + 1]sync.Pool

func classSize(class int) int {
	if class == 0 {
		return readSize
	}
	return readSize<<class + lineRoom
}

// getBuffer returns a buffer of at least n bytes, with anything in it.
func getBuffer(n int) *[]byte {
	for class := range readBuffers {
		size := classSize(class)
		if n > size {
			continue
		}
		if b, ok := readBuffers[class].Get().(*[]byte); ok {
			return b
		}
		b := make([]byte, size)
		return &b
	}
	b := make([]byte, (n+beyond-1)/beyond*beyond)
	return &b
}

// putBuffer gives a buffer back.
func putBuffer(b *[]byte) {
	for class := range readBuffers {
		if len(*b) == classSize(class) {
			readBuffers[class].Put(b)
			return
		}
	}
}
