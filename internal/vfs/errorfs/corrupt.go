package errorfs

import (
	"errors"
	"fmt"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// FlipBit is a Fault.Corrupt that flips one bit of what was read; the bit is
// counted from the first byte read and wraps at the end.
func FlipBit(bit int) func([]byte) {
	return func(read []byte) {
		if len(read) > 0 {
			i := bit % (8 * len(read))
			read[i/8] ^= 1 << (i % 8)
		}
	}
}

// FlipStoredBit damages a file on disk, durably: it flips one bit, counted from
// the start of the file.
func FlipStoredBit(fs vfs.FS, name string, bit int64) (err error) {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var b [1]byte
	if _, err := f.ReadAt(b[:], bit/8); err != nil {
		return fmt.Errorf("bit %d of %s: %w", bit, name, err)
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := f.WriteAt(b[:], bit/8); err != nil {
		return err
	}
	return f.Sync()
}
