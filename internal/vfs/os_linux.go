package vfs

import (
	"os"
	"syscall"
)

func syncData(f *os.File) error {
	return onFd(f, syscall.Fdatasync)
}

// reserve extends a file from old to size bytes with reserved zeros.
func reserve(f *os.File, old, size int64) error {
	return onFd(f, func(fd int) error {
		return syscall.Fallocate(fd, 0, old, size-old)
	})
}
