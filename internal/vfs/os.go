package vfs

import (
	"errors"
	"io"
	"os"
)

const (
	filePerm = 0o640
	dirPerm  = 0o750

	createFlags = os.O_RDWR | os.O_CREATE | os.O_TRUNC
)

// OS returns the machine's file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) Create(name string) (File, error) {
	return openFile(name, createFlags)
}

func (osFS) Open(name string) (File, error) {
	return openFile(name, os.O_RDONLY)
}

func (osFS) OpenReadWrite(name string) (File, error) {
	return openFile(name, os.O_RDWR)
}

func (osFS) OpenAppend(name string) (File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND)
}

func (osFS) OpenDir(name string) (Dir, error) {
	f, err := os.OpenFile(name, openDirFlags, 0)
	if err != nil {
		return nil, err
	}
	return osDir{f}, nil
}

func (osFS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }
func (osFS) Remove(name string) error             { return os.Remove(name) }
func (osFS) RemoveAll(name string) error          { return os.RemoveAll(name) }
func (osFS) MkdirAll(name string) error           { return os.MkdirAll(name, dirPerm) }

func (osFS) List(name string) ([]Entry, error) {
	// ReadDir sorts by name.
	found, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(found))
	for i, e := range found {
		entries[i] = Entry{Name: e.Name(), Dir: e.IsDir()}
	}
	return entries, nil
}

func (osFS) Stat(name string) (Info, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	if fi.IsDir() {
		return Info{Dir: true}, nil
	}
	return Info{Size: fi.Size()}, nil
}

func (osFS) Space(name string) (Space, error) {
	space, err := volumeSpace(name)
	if err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	return space, nil
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := lockFile(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func openFile(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, filePerm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// osFile takes Name, Write, ReadAt, WriteAt, Truncate, Sync and Close from
// os.File as they are. Go's Sync retries after signals, and asks Darwin to
// flush the drive's own cache.
type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (f osFile) SyncData() error {
	if err := syncData(f.File); err != nil {
		return f.wrap("fdatasync", err)
	}
	return nil
}

func (f osFile) Preallocate(size int64) error {
	old, err := f.Size()
	if err != nil || size <= old {
		return err
	}
	switch err := reserve(f.File, old, size); {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return f.writeZeros(old, size)
	default:
		return f.wrap("fallocate", err)
	}
}

// writeZeros reserves room on systems that have no call for it.
func (f osFile) writeZeros(from, to int64) error {
	zeros := make([]byte, min(to-from, 1<<20))
	for off := from; off < to; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), to-off)], off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func (f osFile) wrap(op string, err error) error {
	var already *os.PathError
	if errors.As(err, &already) {
		return err
	}
	return &os.PathError{Op: op, Path: f.Name(), Err: err}
}

type osDir struct{ f *os.File }

func (d osDir) Sync() error  { return syncDir(d.f) }
func (d osDir) Close() error { return d.f.Close() }
