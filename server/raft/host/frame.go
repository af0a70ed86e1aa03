package host

import "sync"

// Frames are taken from here, and come back from transports that are done with
// them.
var frames sync.Pool

const (
	minFrame = 4 << 10
	maxKept  = 1 << 20
)

// Recycle takes back a frame that Send was given and that nobody reads any more.
func Recycle(frame []byte) {
	if c := cap(frame); c < minFrame || c > maxKept {
		return
	}
	kept := frame // so that only what is kept escapes to the heap
	frames.Put(&kept)
}

// newFrame returns an empty frame with room for at least size bytes.
func newFrame(size int) []byte {
	if f, ok := frames.Get().(*[]byte); ok && cap(*f) >= size {
		return (*f)[:0]
	}
	return make([]byte, 0, max(size, minFrame))
}
