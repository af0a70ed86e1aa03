package errorfs

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
)

// FS is a file system with faults. It may be used by several goroutines.
type FS struct {
	inner    vfs.FS
	clock    clock.Clock
	injector atomic.Pointer[Injector]
	ops      atomic.Uint64
	budget   budget
}

// Wrap returns inner with the faults of an injector; nil is none. Delays block
// the calling goroutine on a timer of clk. On a clock.Virtual nobody would be
// left to advance it, so a single-threaded simulation leaves Fault.Delay alone
// and lets its injector note how long the operation takes.
func Wrap(inner vfs.FS, clk clock.Clock, in Injector) *FS {
	fs := &FS{inner: inner, clock: clk}
	fs.SetInjector(in)
	return fs
}

// SetInjector replaces the injector, from the next operation on; nil is none.
func (fs *FS) SetInjector(in Injector) {
	if in == nil {
		fs.injector.Store(nil)
		return
	}
	fs.injector.Store(&in)
}

// Ops returns the number of operations so far.
func (fs *FS) Ops() uint64 { return fs.ops.Load() }

// ask counts an operation, asks the injector and waits out a delay.
func (fs *FS) ask(op Op) Fault {
	op.N = fs.ops.Add(1)
	in := fs.injector.Load()
	if in == nil {
		return Fault{}
	}
	fault := (*in).Inject(op)
	if fault.Delay > 0 {
		<-fs.clock.NewTimer(fault.Delay).C()
	}
	return fault
}

// do carries an operation out, unless its fault forbids it.
func (fs *FS) do(op Op, run func() error) error {
	fault := fs.ask(op)
	if fault.Err != nil && !fault.After {
		return pathError(op.Kind, op.Path, fault.Err)
	}
	if err := run(); err != nil {
		return err
	}
	if fault.Err != nil {
		return pathError(op.Kind, op.Path, fault.Err)
	}
	return nil
}

// get is do for an operation with a result.
func get[T any](fs *FS, op Op, run func() (T, error)) (result T, err error) {
	err = fs.do(op, func() (err error) {
		result, err = run()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}

// open is do for an operation that opens something: with a fault that comes
// after, what was opened is closed again.
func open[T io.Closer](fs *FS, op Op, run func() (T, error)) (opened T, err error) {
	done := false
	err = fs.do(op, func() (err error) {
		opened, err = run()
		done = err == nil
		return err
	})
	if err == nil {
		return opened, nil
	}
	if done {
		err = errors.Join(err, opened.Close())
	}
	var none T
	return none, err
}

func pathError(kind OpKind, path string, err error) error {
	return &fs.PathError{Op: kind.String(), Path: path, Err: err}
}

// Create implements [vfs.FS].
func (fs *FS) Create(name string) (vfs.File, error) {
	return fs.openFile(OpCreate, name, func() (f vfs.File, err error) {
		err = fs.budget.charge(lengthOf(fs.inner, name), func(int64) (err error) {
			f, err = fs.inner.Create(name)
			return err
		})
		return f, err
	})
}

// Open implements [vfs.FS].
func (fs *FS) Open(name string) (vfs.File, error) {
	return fs.openFile(OpOpen, name, func() (vfs.File, error) { return fs.inner.Open(name) })
}

// OpenReadWrite implements [vfs.FS].
func (fs *FS) OpenReadWrite(name string) (vfs.File, error) {
	return fs.openFile(OpOpenReadWrite, name, func() (vfs.File, error) { return fs.inner.OpenReadWrite(name) })
}

// OpenAppend implements [vfs.FS].
func (fs *FS) OpenAppend(name string) (vfs.File, error) {
	return fs.openFile(OpOpenAppend, name, func() (vfs.File, error) { return fs.inner.OpenAppend(name) })
}

func (fs *FS) openFile(kind OpKind, name string, run func() (vfs.File, error)) (vfs.File, error) {
	f, err := open(fs, Op{Kind: kind, Path: name}, run)
	if err != nil {
		return nil, err
	}
	return &file{fs: fs, inner: f, appends: kind == OpOpenAppend}, nil
}

// OpenDir implements [vfs.FS].
func (fs *FS) OpenDir(name string) (vfs.Dir, error) {
	d, err := open(fs, Op{Kind: OpOpenDir, Path: name}, func() (vfs.Dir, error) { return fs.inner.OpenDir(name) })
	if err != nil {
		return nil, err
	}
	return &dir{fs: fs, inner: d, name: name}, nil
}

// Rename implements [vfs.FS].
func (fs *FS) Rename(oldName, newName string) error {
	return fs.do(Op{Kind: OpRename, Path: oldName, NewPath: newName}, func() error {
		return fs.budget.charge(lengthOf(fs.inner, oldName, newName), func(int64) error {
			return fs.inner.Rename(oldName, newName)
		})
	})
}

// Remove implements [vfs.FS].
func (fs *FS) Remove(name string) error {
	return fs.do(Op{Kind: OpRemove, Path: name}, func() error {
		return fs.budget.charge(lengthOf(fs.inner, name), func(int64) error { return fs.inner.Remove(name) })
	})
}

// RemoveAll implements [vfs.FS].
func (fs *FS) RemoveAll(name string) error {
	return fs.do(Op{Kind: OpRemoveAll, Path: name}, func() error {
		return fs.budget.charge(lengthOf(fs.inner, name), func(int64) error { return fs.inner.RemoveAll(name) })
	})
}

// MkdirAll implements [vfs.FS].
func (fs *FS) MkdirAll(name string) error {
	return fs.do(Op{Kind: OpMkdirAll, Path: name}, func() error { return fs.inner.MkdirAll(name) })
}

// List implements [vfs.FS].
func (fs *FS) List(name string) ([]vfs.Entry, error) {
	return get(fs, Op{Kind: OpList, Path: name}, func() ([]vfs.Entry, error) { return fs.inner.List(name) })
}

// Stat implements [vfs.FS].
func (fs *FS) Stat(name string) (vfs.Info, error) {
	return get(fs, Op{Kind: OpStat, Path: name}, func() (vfs.Info, error) { return fs.inner.Stat(name) })
}

// Space implements [vfs.FS]. Under LimitSpace, what is available is what is
// left of the limit.
func (fs *FS) Space(name string) (vfs.Space, error) {
	space, err := get(fs, Op{Kind: OpSpace, Path: name}, func() (vfs.Space, error) { return fs.inner.Space(name) })
	if left, limited := fs.SpaceLeft(); err == nil && limited {
		space.Available = min(space.Available, uint64(max(left, 0)))
	}
	return space, err
}

// Lock implements [vfs.FS].
func (fs *FS) Lock(name string) (io.Closer, error) {
	return open(fs, Op{Kind: OpLock, Path: name}, func() (io.Closer, error) { return fs.inner.Lock(name) })
}

type dir struct {
	fs    *FS
	inner vfs.Dir
	name  string
}

// Sync leaves the names as they are, not durable, when it is failed; unlike
// the pages of a file they are not forgotten, for the file system's journal
// holds them.
func (d *dir) Sync() error  { return d.fs.do(Op{Kind: OpSyncDir, Path: d.name}, d.inner.Sync) }
func (d *dir) Close() error { return d.inner.Close() }
