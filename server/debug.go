package server

import (
	"io"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// DebugWAL prints what the shared log in a directory holds, and verifies all of
// it. It changes nothing, and a server may have the log open. The error is
// wal.ErrDamaged if something that was synced is not what was written.
func DebugWAL(w io.Writer, dir string) error { return wal.Dump(w, vfs.OS(), dir) }
