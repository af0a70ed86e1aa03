package server

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// encryption returns the keys that are configured, nil if files are in clear.
func encryption(o *options.JetStream) (*seal.Ring, error) {
	if o.Key == "" {
		return nil, nil
	}
	var previous [][]byte
	if o.PrevKey != "" {
		previous = append(previous, []byte(o.PrevKey))
	}
	return seal.NewRing(ciphers[o.Cipher], []byte(o.Key), previous...)
}

var ciphers = map[options.Cipher]seal.Cipher{options.CipherChaCha: seal.ChaCha, options.CipherAES: seal.AES}

// openLog opens the log, if the keys fit all that is in the store directory. If they
// do not nothing is touched.
func (s *Server) openLog(fs vfs.FS, dir string, opts *options.Options, ring *seal.Ring) (*wal.Log, error) {
	o, cache := &opts.JetStream, int64(logCache)
	if opts.Cluster.Enabled() {
		cache = sharedLogCache
	}
	keys, err := ring.Keys(wal.Purpose)
	if err != nil {
		return nil, err
	}
	stale := 0
	if ring != nil {
		// Without keys the log alone is asked: nothing is encrypted if that is not.
		if stale, err = jetstream.CheckKeys(fs, dir, ring); err != nil {
			return nil, keyError(err, dir, ring)
		}
	}
	log, err := wal.Open(wal.Config{
		FS: fs, Dir: filepath.Join(dir, "raft"), Clock: s.clock, SyncInterval: o.SyncInterval, CacheBytes: cache, Keys: keys,
		OnError:   func(err error) { s.log.Errorf("JetStream log: %v", err) },
		OnRenewed: func() { s.log.Noticef("JetStream: the log is encrypted by \"key\" throughout") },
	})
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("another server uses the store directory %s: %w", dir, err)
	}
	if err != nil {
		return nil, keyError(err, dir, ring)
	}
	if ring == nil {
		return log, nil
	}
	s.log.Noticef("JetStream: files are encrypted by %v", ring.Cipher())
	segments := log.Stats().Stale
	switch {
	case stale+segments > 0:
		s.log.Noticef("JetStream: %d stores and checkpoints and %d segments of the log are in clear or have an earlier key, and are being encrypted by \"key\"", stale, segments)
	case o.PrevKey != "":
		s.log.Noticef("JetStream: \"prev_key\" opens nothing any more, and can be left out")
	}
	return log, nil
}

// keyError says what an operator can do about keys that do not fit.
func keyError(err error, dir string, ring *seal.Ring) error {
	switch {
	case !errors.Is(err, seal.ErrKey):
		return err
	case ring == nil:
		return fmt.Errorf("the files in %s are encrypted, and there is no \"key\": %w", dir, err)
	default:
		return fmt.Errorf("the files in %s are encrypted, by neither \"key\" nor \"prev_key\": %w", dir, err)
	}
}
