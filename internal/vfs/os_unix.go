//go:build linux || darwin || freebsd

package vfs

import (
	"errors"
	"os"
	"syscall"
)

const openDirFlags = os.O_RDONLY | syscall.O_DIRECTORY

func syncDir(f *os.File) error { return f.Sync() }

// lockFile uses flock, whose lock belongs to this opening of the file: a
// second opening by the same process does not share it.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	err = onFd(f, func(fd int) error {
		return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	})
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return nil, errors.Join(&os.PathError{Op: "lock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

func volumeSpace(name string) (Space, error) {
	var st syscall.Statfs_t
	err := retryInterrupted(func() error { return syscall.Statfs(name, &st) })
	if err != nil {
		return Space{}, err
	}
	block := uint64(st.Bsize)
	// Some systems count the room for ordinary users below zero when only the
	// reserve for root is left.
	return Space{Total: st.Blocks * block, Available: uint64(max(int64(st.Bavail), 0)) * block}, nil
}

// onFd runs a system call on a file's descriptor, which stays open meanwhile.
func onFd(f *os.File, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = raw.Control(func(fd uintptr) {
		callErr = retryInterrupted(func() error { return call(int(fd)) })
	})
	if err != nil {
		// Control fails for one reason only, a file that is closed, with an
		// error of its own that is not os.ErrClosed.
		return os.ErrClosed
	}
	return callErr
}

func retryInterrupted(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}
