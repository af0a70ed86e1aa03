package file

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
)

// Purpose is what the keys of a Config are for (seal.Ring.Keys), and the purpose of
// data keys.
const Purpose = "store"

// wrapContext is what a data key is sealed for.
func wrapContext(store uint64) string { return fmt.Sprintf("data key of store %016x", store) }

// CheckKey looks whether keys open the store in a directory, if it is encrypted: the
// error is seal.ErrKey if they do not. Stale is whether it is in clear, or has an
// earlier key, which Open would see to. It changes nothing, and says nothing of damage.
func CheckKey(fsys vfs.FS, dir string, keys *seal.Keys) (stale bool, err error) {
	o := &opener{Store: &Store{cfg: Config{FS: fsys, Dir: dir}}}
	if err := o.list(); err != nil || len(o.indexes) == 0 {
		return false, err
	}
	content, err := vfs.ReadFile(fsys, o.indexPath(o.indexes[0]), maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h, _, err := decodeIndexHead(content)
	if err != nil {
		return false, nil //nolint:nilerr // Open tells what is wrong with it
	}
	if len(h.wrapped) == 0 {
		return keys != nil, nil
	}
	if _, stale, err = keys.Open(h.wrapped, wrapContext(h.store)); err != nil {
		return false, fmt.Errorf("store: %s: %w", filepath.Clean(dir), err)
	}
	return stale, nil
}
