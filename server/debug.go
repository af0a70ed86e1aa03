package server

import (
	"io"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store/file"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// DebugWAL prints what the shared log in a directory holds, and verifies all of
// it. It changes nothing, and a server may have the log open. Key is the one that is
// configured for JetStream, or ""; without the one that fits less can be verified. The
// error is wal.ErrDamaged if something that was synced is not what was written.
func DebugWAL(w io.Writer, dir, key string) error {
	keys, err := debugKeys(key, wal.Purpose)
	if err != nil {
		return err
	}
	return wal.Dump(w, vfs.OS(), dir, keys)
}

// DebugStore prints what the file store of a stream in a directory holds, and
// verifies all of it. It changes nothing, and a server may have the store open.
// Key is as for DebugWAL. The error is file.ErrDamaged if it is not what was written.
func DebugStore(w io.Writer, dir, key string) error {
	keys, err := debugKeys(key, file.Purpose)
	if err != nil {
		return err
	}
	return file.Dump(w, vfs.OS(), dir, keys)
}

// debugKeys returns the keys of a secret, whichever cipher is configured.
func debugKeys(key, purpose string) (*seal.Keys, error) {
	if key == "" {
		return nil, nil
	}
	ring, err := seal.NewRing(seal.ChaCha, []byte(key))
	if err != nil {
		return nil, err
	}
	return ring.Keys(purpose)
}
