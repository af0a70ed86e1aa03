package server

import (
	"io"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store/file"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// DebugWAL prints what the shared log in a directory holds, and verifies all of
// it. It changes nothing, and a server may have the log open. The error is
// wal.ErrDamaged if something that was synced is not what was written.
func DebugWAL(w io.Writer, dir string) error { return wal.Dump(w, vfs.OS(), dir, nil) }

// DebugStore prints what the file store of a stream in a directory holds, and
// verifies all of it. It changes nothing, and a server may have the store open.
// The error is file.ErrDamaged if it is not what was written.
func DebugStore(w io.Writer, dir string) error { return file.Dump(w, vfs.OS(), dir, nil) }
