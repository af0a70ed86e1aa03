package logging

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FS is what a log file needs of the file system.
type FS interface {
	// OpenAppend opens a file to write at its end, and creates it if need be.
	OpenAppend(path string) (File, error)
	Rename(from, to string) error
	Remove(path string) error
	// Names returns the names of the files in a directory, in any order.
	Names(dir string) ([]string, error)
}

// File is an open log file.
type File interface {
	io.WriteCloser
	Size() (int64, error)
}

type osFS struct{}

type osFile struct{ *os.File }

func (osFS) OpenAppend(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(path string) error { return os.Remove(path) }

func (osFS) Names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// logFile is a log in a file, with its older parts beside it.
type logFile struct {
	env      Env
	form     lineForm
	path     string
	limit    int64
	maxFiles int

	// f is nil after it could not be opened again.
	f File
	// size is that of f, and rotateAbove the one above which it is rotated.
	size, rotateAbove int64
	// torn says that the last line was written in part.
	torn bool
	buf  []byte
}

func openFile(cfg Config, env Env, form lineForm) (destination, error) {
	d := &logFile{env: env, form: form, path: cfg.File, limit: cfg.SizeLimit, maxFiles: cfg.MaxFiles}
	if err := d.reopen(); err != nil {
		return nil, fmt.Errorf("error opening file: %w", err)
	}
	return d, nil
}

// reopen opens what is at the path, then closes what was open.
func (d *logFile) reopen() error {
	f, err := d.env.FS.OpenAppend(d.path)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	old := d.f
	d.f, d.size, d.rotateAbove, d.torn = f, size, d.limit, false
	if old != nil {
		return old.Close()
	}
	return nil
}

func (d *logFile) close() error {
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}

func (d *logFile) write(ln line) error {
	if d.f == nil {
		if err := d.reopen(); err != nil {
			return err
		}
	}
	if err := d.put(ln); err != nil {
		return err
	}
	if d.limit <= 0 || d.size <= d.rotateAbove {
		return nil
	}
	notices := d.rotate()
	if d.f == nil {
		// This line is written. The next one tries to open the file, and says
		// why it cannot.
		return nil
	}
	for _, ln := range notices {
		if err := d.put(ln); err != nil {
			return err
		}
	}
	return nil
}

// put writes a line to f, which is open.
func (d *logFile) put(ln line) error {
	d.buf = d.buf[:0]
	if d.torn {
		d.buf = append(d.buf, '\n')
	}
	d.buf = d.form.appendLine(d.buf, ln)
	n, err := d.f.Write(d.buf)
	d.size += int64(n)
	if err != nil {
		d.torn = d.torn || n > 0
	} else {
		d.torn = false
	}
	d.buf = trimBuffer(d.buf)
	return err
}

// rotate gives the file another name and starts a new one. It returns what there
// is to say about it. Afterwards f is nil if there is no file.
func (d *logFile) rotate() []line {
	backup, err := d.backupName()
	if err != nil {
		d.rotateAbove = d.size + d.limit
		return []line{d.line(LevelError, "Rotating the log: %v", err)}
	}
	// Closed first, because some systems do not rename open files.
	err = d.f.Close()
	d.f = nil
	renameErr := d.env.FS.Rename(d.path, backup)
	err = errors.Join(err, renameErr, d.reopen())

	var lines []line
	if err != nil {
		lines = append(lines, d.line(LevelError, "Rotating the log: %v", err))
	}
	if renameErr != nil {
		d.rotateAbove = d.size + d.limit
		return lines
	}
	lines = append(lines, d.line(LevelInfo, "Rotated log, backup saved as %q", backup))
	return append(lines, d.purge()...)
}

func (d *logFile) line(level Level, format string, args ...any) line {
	return line{at: d.env.Now(), level: level, message: fmt.Sprintf(format, args...)}
}

// backupLayout is the time in the names of older parts.
const backupLayout = "2006.01.02.15.04.05.000000000"

// backupName returns the path that the current file gets, which does not exist.
func (d *logFile) backupName() (string, error) {
	backups, err := d.backups()
	if err != nil {
		return "", err
	}
	for at := d.env.Now(); ; at = at.Add(1) {
		name := filepath.Base(d.path) + "." + at.Format(backupLayout)
		if !slices.Contains(backups, name) {
			return filepath.Join(filepath.Dir(d.path), name), nil
		}
	}
}

// backups returns the names of the older parts, oldest first.
func (d *logFile) backups() ([]string, error) {
	names, err := d.env.FS.Names(filepath.Dir(d.path))
	if err != nil {
		return nil, err
	}
	prefix := filepath.Base(d.path) + "."
	names = slices.DeleteFunc(names, func(name string) bool {
		suffix, ok := strings.CutPrefix(name, prefix)
		if !ok || len(suffix) != len(backupLayout) {
			return true
		}
		_, err := time.Parse(backupLayout, suffix)
		return err != nil
	})
	slices.Sort(names)
	return names, nil
}

// purge removes the oldest parts beyond maxFiles.
func (d *logFile) purge() []line {
	if d.maxFiles <= 0 {
		return nil
	}
	names, err := d.backups()
	if err != nil {
		return []line{d.line(LevelError, "Purging log files: %v", err)}
	}
	var lines []line
	// The current file is one of maxFiles.
	for _, name := range names[:max(0, len(names)-(d.maxFiles-1))] {
		if err := d.env.FS.Remove(filepath.Join(filepath.Dir(d.path), name)); err != nil {
			lines = append(lines, d.line(LevelError, "Purging log files: %v", err))
			continue
		}
		lines = append(lines, d.line(LevelInfo, "Purged log file %q", name))
	}
	return lines
}
