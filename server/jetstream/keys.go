package jetstream

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store/file"
)

// CheckKeys looks whether a ring opens what is in a directory, but for the log, before
// anything of it is touched: the error is seal.ErrKey if not. Stale is how many of
// the stores and files have an earlier key, or are in clear and should not be; New and
// Start see to them.
func CheckKeys(fsys vfs.FS, dir string, ring *seal.Ring) (stale int, err error) {
	metaKeys, err := ring.Keys(metaPurpose)
	if err != nil {
		return 0, err
	}
	storeKeys, err := ring.Keys(file.Purpose)
	if err != nil {
		return 0, err
	}
	for _, name := range []string{metaName, oldMetaName} {
		path := filepath.Join(dir, name)
		b, err := vfs.ReadFile(fsys, path, maxMetaBytes)
		switch {
		case err == nil:
			_, old, err := openCheckpoint(b, metaKeys)
			if errors.Is(err, seal.ErrKey) {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			if old {
				stale++
			}
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	streams := filepath.Join(dir, streamsName)
	entries, err := fsys.List(streams)
	if errors.Is(err, fs.ErrNotExist) {
		return stale, nil
	}
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.Dir {
			continue
		}
		old, err := file.CheckKey(fsys, filepath.Join(streams, e.Name), storeKeys)
		if err != nil {
			return 0, err
		}
		if old {
			stale++
		}
	}
	return stale, nil
}
