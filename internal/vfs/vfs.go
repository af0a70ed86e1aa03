package vfs

import (
	"errors"
	"io"
)

// FS is a file system. Its methods may be called from several goroutines.
type FS interface {
	// Create makes an empty file, or empties the existing one, and opens it for
	// reading and writing. The directory must exist.
	Create(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens an existing file for reading and writing, from its
	// start.
	OpenReadWrite(name string) (File, error)
	// OpenAppend opens a file for reading and appending, and makes it if it
	// does not exist.
	OpenAppend(name string) (File, error)
	// OpenDir opens an existing directory in order to sync it.
	OpenDir(name string) (Dir, error)

	// Rename moves a file or a directory, replacing a file at newName. To
	// replace a directory is an error.
	Rename(oldName, newName string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes name with everything below it, one name after the
	// other; it is not atomic. A name that does not exist is no error.
	RemoveAll(name string) error
	// MkdirAll makes a directory and those above it, where they do not exist.
	// None of the new names is durable before the directory above it is synced.
	MkdirAll(name string) error

	// List returns what is in a directory, sorted by name.
	List(name string) ([]Entry, error)
	// Stat describes a file or a directory.
	Stat(name string) (Info, error)
	// Space tells about the room on the volume that holds name.
	Space(name string) (Space, error)

	// Lock takes the lock that a file stands for, making the file if it does
	// not exist, without waiting. It returns an error that is ErrLocked while
	// anybody else, in this process or another, holds the lock. Close of the
	// result frees it, as does the end of the process; the file stays.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be used by several goroutines at
// once; Write only by one, for it moves the file's one write position. Any
// method after Close returns an error that is fs.ErrClosed.
type File interface {
	// Write writes at the write position, which is the start of the file for
	// Create and OpenReadWrite, and always the end for OpenAppend. ReadAt and
	// WriteAt leave the position alone. As with any io.Writer, an error may
	// come after a part was written.
	io.Writer
	io.ReaderAt
	// WriteAt writes at an offset, which may lie behind the end of the file;
	// the gap reads as zeros. It is an error on a file from OpenAppend.
	io.WriterAt
	io.Closer

	// Name returns the name that the file was opened by.
	Name() string
	// Size returns the length of the file in bytes.
	Size() (int64, error)
	// Truncate cuts the file, or extends it with zeros that take no room yet.
	Truncate(size int64) error
	// Preallocate makes the file at least size bytes long with zeros that have
	// their room reserved: writing below size later neither fails for want of
	// space nor changes the length, so a SyncData after it has less to write.
	// Existing bytes stay as they are. After an error the file may have grown
	// by a part.
	Preallocate(size int64) error

	// Sync makes the file's content and all its metadata durable.
	Sync() error
	// SyncData makes the content durable with as much metadata as it takes to
	// read it back, its length above all. It is what a log wants: for a
	// write inside a preallocated file it saves the update of the inode. Where
	// the system has no such call, it is Sync.
	SyncData() error
}

// Dir is an open directory.
type Dir interface {
	// Sync makes the names in the directory durable: those made, renamed (to
	// or from) and removed. It says nothing of the files' content, nor of the
	// directory's own name in the one above it.
	Sync() error
	Close() error
}

// Entry is one name in a directory.
type Entry struct {
	// Name is the last element of the path.
	Name string
	Dir  bool
}

// Info describes a file or a directory.
type Info struct {
	// Size is the length in bytes, 0 for a directory.
	Size int64
	Dir  bool
}

// Space is the room on a volume, in bytes.
type Space struct {
	Total uint64
	// Available is what this process may still use, which can be less than
	// what is free.
	Available uint64
}

// ErrLocked is returned by FS.Lock when the lock is taken.
var ErrLocked = errors.New("file is locked")
