package errorfs

import (
	"errors"
	"io"
	"syscall"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// file is an open file with faults.
type file struct {
	fs      *FS
	inner   vfs.File
	appends bool
	// position is the write position of a file that does not append.
	position int64
}

func (f *file) Name() string { return f.inner.Name() }
func (f *file) Close() error { return f.inner.Close() }

func (f *file) do(op Op, run func() error) error {
	op.Path = f.Name()
	return f.fs.do(op, run)
}

func (f *file) Write(p []byte) (int, error) {
	return f.write(Op{Kind: OpWrite, Len: len(p)}, p, f.writePosition, func(p []byte) (int, error) {
		n, err := f.inner.Write(p)
		f.position += int64(n)
		return n, err
	})
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	return f.write(Op{Kind: OpWriteAt, Offset: off, Len: len(p)}, p, func() int64 { return off },
		func(p []byte) (int, error) { return f.inner.WriteAt(p, off) })
}

func (f *file) writePosition() int64 {
	if f.appends {
		return f.length()
	}
	return f.position
}

// write transfers the part of p that the fault and the room on the volume let
// through. position tells where p goes.
func (f *file) write(op Op, p []byte, position func() int64, transfer func([]byte) (int, error)) (n int, err error) {
	op.Path = f.Name()
	fault := f.fs.ask(op)
	part := p
	if fault.Err != nil && !fault.After {
		part = p[:min(max(fault.Part, 0), len(p))]
		if len(part) == 0 {
			return 0, pathError(op.Kind, op.Path, fault.Err)
		}
	}
	err = f.fs.budget.charge(f.length, func(left int64) error {
		fits := fitting(part, position(), f.length, left)
		if n, err = transfer(fits); err == nil && len(fits) < len(part) {
			err = pathError(op.Kind, op.Path, syscall.ENOSPC)
		}
		return err
	})
	if err == nil && fault.Err != nil {
		err = pathError(op.Kind, op.Path, fault.Err)
	}
	return n, err
}

// fitting returns the front of p that can be written at off when a file may
// grow by no more than left.
func fitting(p []byte, off int64, length func() int64, left int64) []byte {
	if left == unlimited {
		return p
	}
	end := max(length()+max(left, 0), off)
	return p[:min(int64(len(p)), end-off)]
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	op := Op{Kind: OpReadAt, Path: f.Name(), Offset: off, Len: len(p)}
	fault := f.fs.ask(op)
	part := p
	if fault.Err != nil && !fault.After {
		part = p[:min(max(fault.Part, 0), len(p))]
	}
	n, err := f.inner.ReadAt(part, off)
	if fault.Corrupt != nil {
		fault.Corrupt(part[:n])
	}
	if fault.Err != nil && (err == nil || errors.Is(err, io.EOF)) {
		err = pathError(op.Kind, op.Path, fault.Err)
	}
	return n, err
}

func (f *file) Size() (size int64, err error) {
	return get(f.fs, Op{Kind: OpSize, Path: f.Name()}, f.inner.Size)
}

// length is the length of the file for the budget, which does not count as an
// operation.
func (f *file) length() int64 {
	size, err := f.inner.Size()
	if err != nil {
		// Closed: the operation will tell.
		return 0
	}
	return size
}

func (f *file) Truncate(size int64) error {
	return f.do(Op{Kind: OpTruncate, Offset: size}, func() error {
		return f.resize(OpTruncate, size, f.inner.Truncate)
	})
}

func (f *file) Preallocate(size int64) error {
	return f.do(Op{Kind: OpPreallocate, Offset: size}, func() error {
		return f.resize(OpPreallocate, size, f.inner.Preallocate)
	})
}

func (f *file) resize(kind OpKind, size int64, run func(int64) error) error {
	return f.fs.budget.charge(f.length, func(left int64) error {
		if left != unlimited && size-f.length() > max(left, 0) {
			return pathError(kind, f.Name(), syscall.ENOSPC)
		}
		return run(size)
	})
}

func (f *file) Sync() error     { return f.sync(OpSync, f.inner.Sync) }
func (f *file) SyncData() error { return f.sync(OpSyncData, f.inner.SyncData) }

func (f *file) sync(kind OpKind, run func() error) error {
	fault := f.fs.ask(Op{Kind: kind, Path: f.Name()})
	if fault.Err != nil && !fault.After {
		return errors.Join(pathError(kind, f.Name(), fault.Err), f.LoseUnsynced())
	}
	if err := run(); err != nil {
		return err
	}
	if fault.Err != nil {
		return pathError(kind, f.Name(), fault.Err)
	}
	return nil
}

// loser is a file that can behave as after a failed sync, such as that of a
// vfs.Mem.
type loser interface{ LoseUnsynced() error }

// LoseUnsynced passes the loss on to the file below, if that can lose.
func (f *file) LoseUnsynced() error {
	if l, ok := f.inner.(loser); ok {
		return l.LoseUnsynced()
	}
	return nil
}
