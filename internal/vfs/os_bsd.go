//go:build darwin || freebsd

package vfs

import (
	"errors"
	"os"
)

func syncData(f *os.File) error { return f.Sync() }

// reserve leaves the work to Preallocate, which writes zeros.
func reserve(*os.File, int64, int64) error { return errors.ErrUnsupported }
