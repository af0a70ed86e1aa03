package errorfs

import (
	"fmt"
	"time"
)

// Op is one operation that is about to happen.
type Op struct {
	Kind OpKind
	// Path is the file or directory, NewPath the new name of an OpRename.
	Path, NewPath string
	// Offset is where an OpReadAt or OpWriteAt starts, and the new size of an
	// OpTruncate or OpPreallocate. Len is the number of bytes to read or write.
	Offset int64
	Len    int
	// N counts the operations of the FS from 1.
	N uint64
}

// String describes the operation for the message of a failed test.
func (op Op) String() string {
	s := fmt.Sprintf("#%d %s %s", op.N, op.Kind, op.Path)
	switch op.Kind {
	case OpRename:
		s += " to " + op.NewPath
	case OpReadAt, OpWriteAt:
		s += fmt.Sprintf(" %d bytes at %d", op.Len, op.Offset)
	case OpWrite:
		s += fmt.Sprintf(" %d bytes", op.Len)
	case OpTruncate, OpPreallocate:
		s += fmt.Sprintf(" to %d", op.Offset)
	}
	return s
}

// OpKind says what an operation does.
type OpKind uint8

// The operations of vfs.FS, vfs.File and vfs.Dir. Closing is never failed and
// not counted, nor are File.Name and the freeing of a lock.
const (
	OpCreate OpKind = iota + 1
	OpOpen
	OpOpenReadWrite
	OpOpenAppend
	OpOpenDir
	OpRename
	OpRemove
	OpRemoveAll
	OpMkdirAll
	OpList
	OpStat
	OpSpace
	OpLock
	OpReadAt
	OpWrite
	OpWriteAt
	OpSize
	OpTruncate
	OpPreallocate
	OpSync
	OpSyncData
	OpSyncDir
)

var kindNames = [...]string{
	OpCreate: "create", OpOpen: "open", OpOpenReadWrite: "open-rw", OpOpenAppend: "open-append",
	OpOpenDir: "open-dir", OpRename: "rename", OpRemove: "remove", OpRemoveAll: "remove-all",
	OpMkdirAll: "mkdir", OpList: "list", OpStat: "stat", OpSpace: "space", OpLock: "lock",
	OpReadAt: "read", OpWrite: "write", OpWriteAt: "write-at", OpSize: "size",
	OpTruncate: "truncate", OpPreallocate: "preallocate",
	OpSync: "sync", OpSyncData: "sync-data", OpSyncDir: "sync-dir",
}

// String returns a word for the kind.
func (k OpKind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("op-%d", uint8(k))
}

// Changes reports whether the operation changes what is on disk or makes it
// durable, as opposed to those that only look.
func (k OpKind) Changes() bool {
	switch k {
	case OpOpen, OpOpenReadWrite, OpOpenDir, OpList, OpStat, OpSpace, OpReadAt, OpSize:
		return false
	default:
		return true
	}
}

// Syncs reports whether the operation makes something durable.
func (k OpKind) Syncs() bool { return k == OpSync || k == OpSyncData || k == OpSyncDir }

// Fault is what goes wrong with an operation. The zero value is nothing.
type Fault struct {
	// Err is returned by the operation, wrapped with its path. Unless After is
	// set, the operation is not carried out, but for Part.
	Err error
	// Part is, with Err, the number of bytes that an OpWrite, OpWriteAt or
	// OpReadAt transfers before it fails.
	Part int
	// After carries the operation out and returns Err all the same, as when
	// the answer of a disk is lost.
	After bool
	// Delay is waited for, on the FS's clock, before anything else happens.
	Delay time.Duration
	// Corrupt changes the bytes that an OpReadAt has read, before the caller
	// sees them.
	Corrupt func(read []byte)
}

func (f *Fault) none() bool {
	return f.Err == nil && f.Delay == 0 && f.Corrupt == nil
}
