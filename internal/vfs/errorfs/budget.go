package errorfs

import (
	"path/filepath"
	"sync"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// budget is the room left on the volume. What is charged is the growth of
// files; a file that is removed, replaced or cut gives its bytes back at once,
// even while it is open.
//
// The mutex covers an operation together with the looks at the lengths before
// and after it, so that two writers cannot both take the last bytes. That is
// I/O under a lock, and accepted here: operations that change lengths take
// turns while a limit is set.
type budget struct {
	mu      sync.Mutex
	limited bool
	left    int64
}

// LimitSpace leaves room for n more bytes on the volume: a write that needs
// more fails with ENOSPC after the part that fits. Calling it again with more
// is freeing the disk; a negative n lifts the limit.
func (fs *FS) LimitSpace(n int64) {
	fs.budget.mu.Lock()
	defer fs.budget.mu.Unlock()
	fs.budget.limited, fs.budget.left = n >= 0, n
}

// SpaceLeft returns the room left under LimitSpace; ok is false if there is no
// limit.
func (fs *FS) SpaceLeft() (n int64, ok bool) {
	fs.budget.mu.Lock()
	defer fs.budget.mu.Unlock()
	return fs.budget.left, fs.budget.limited
}

const unlimited = 1<<63 - 1

// charge runs an operation, tells it how many bytes are left, and takes from
// them what the measured length has grown.
func (b *budget) charge(measure func() int64, op func(left int64) error) error {
	b.mu.Lock()
	if !b.limited {
		b.mu.Unlock()
		return op(unlimited)
	}
	defer b.mu.Unlock()
	before := measure()
	err := op(b.left)
	b.left -= measure() - before
	return err
}

// lengthOf measures the files at and below paths. What cannot be measured
// counts as nothing: the operation that is charged will tell the error.
func lengthOf(fs vfs.FS, paths ...string) func() int64 {
	return func() int64 {
		var sum int64
		for _, p := range paths {
			sum += treeLength(fs, p)
		}
		return sum
	}
}

func treeLength(fs vfs.FS, path string) int64 {
	info, err := fs.Stat(path)
	if err != nil || !info.Dir {
		return info.Size
	}
	entries, err := fs.List(path)
	if err != nil {
		return 0
	}
	var sum int64
	for _, e := range entries {
		sum += treeLength(fs, filepath.Join(path, e.Name))
	}
	return sum
}
