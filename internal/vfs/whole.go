package vfs

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// SyncDir opens a directory, syncs it and closes it. See [Dir] for what that
// makes durable.
func SyncDir(fs FS, name string) error {
	d, err := fs.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadFile returns the whole content of a file. A file longer than limit bytes
// is an error, and is not read: a file is hostile until it is parsed.
func ReadFile(fs FS, name string, limit int64) (content []byte, err error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d expected at most", name, size, limit)
	}
	content = make([]byte, size)
	if n, err := f.ReadAt(content, 0); err != nil && !(errors.Is(err, io.EOF) && n == len(content)) {
		return nil, err
	}
	return content, nil
}

// TempSuffix ends the names of the files that WriteFile works on. One that is
// found at start was left by a crash; it was never in effect and may be
// removed.
const TempSuffix = ".tmp"

// WriteFile puts content into the file name so that, whatever happens, the
// name holds either its old content or all of the new one; when it returns nil
// the new content is durable. The new content is written to name + TempSuffix,
// hence two calls for one name must not overlap. After an error the name may
// hold either content.
func WriteFile(fs FS, name string, content []byte) error {
	temp := name + TempSuffix
	if err := writeSynced(fs, temp, content); err != nil {
		// The error that matters is the first one; a temporary file that
		// cannot be removed is overwritten by the next call.
		_ = fs.Remove(temp)
		return err
	}
	if err := fs.Rename(temp, name); err != nil {
		_ = fs.Remove(temp) // as above
		return err
	}
	return SyncDir(fs, filepath.Dir(name))
}

func writeSynced(fs FS, name string, content []byte) error {
	f, err := fs.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}
