package vfs_test

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/internal/vfs/vfstest"
)

func newOS(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() }

func newMem(t *testing.T) (vfs.FS, string) {
	const root = "/data/store"
	m := vfs.NewMem()
	if err := m.MkdirAll(root); err != nil {
		t.Fatal(err)
	}
	return m, root
}

func newErrorFS(t *testing.T) (vfs.FS, string) {
	m, root := newMem(t)
	fs := errorfs.Wrap(m, clock.Real(), nil)
	fs.LimitSpace(1 << 30)
	return fs, root
}

func TestConformance(t *testing.T) {
	t.Run("os", func(t *testing.T) { vfstest.Run(t, newOS) })
	t.Run("mem", func(t *testing.T) { vfstest.Run(t, newMem) })
	t.Run("errorfs", func(t *testing.T) { vfstest.Run(t, newErrorFS) })
}

func TestMemAgreesWithOS(t *testing.T)     { vfstest.RunAgainst(t, newMem, newOS, 20, 200) }
func TestErrorFSAgreesWithOS(t *testing.T) { vfstest.RunAgainst(t, newErrorFS, newOS, 10, 200) }
