package vfs

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

const openDirFlags = os.O_RDONLY

// syncDir does nothing: Windows flushes no directories on request, and NTFS
// journals changes of names in order.
func syncDir(*os.File) error { return nil }

func syncData(f *os.File) error { return f.Sync() }

// reserve leaves the work to Preallocate, which writes zeros.
func reserve(*os.File, int64, int64) error { return errors.ErrUnsupported }

// errSharingViolation is what Windows calls a file that somebody has opened
// without sharing it.
const errSharingViolation = syscall.Errno(32)

// lockFile opens the file without sharing it, which keeps everybody else from
// opening it until it is closed.
func lockFile(name string) (*os.File, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	const shareNothing = 0
	h, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareNothing,
		nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errSharingViolation) {
		err = ErrLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

var getDiskFreeSpaceEx = syscall.NewLazyDLL("kernel32.dll").NewProc("GetDiskFreeSpaceExW")

func volumeSpace(name string) (Space, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return Space{}, err
	}
	var s Space
	ok, _, err := getDiskFreeSpaceEx.Call(uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&s.Available)), uintptr(unsafe.Pointer(&s.Total)), 0)
	if ok == 0 {
		return Space{}, err
	}
	return s, nil
}
