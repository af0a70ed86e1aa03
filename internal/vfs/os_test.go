package vfs

import (
	"path/filepath"
	"strings"
	"testing"
)

// Systems that cannot reserve room get zeros written, from the old end on.
func TestWriteZeros(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := openFile(name, createFlags)
	must(t, err)
	_, err = f.Write([]byte("data"))
	must(t, err)
	const size = 3<<20 + 5 // more than one write
	must(t, f.(osFile).writeZeros(4, size))
	must(t, f.Close())
	got, err := ReadFile(OS(), name, size)
	must(t, err)
	if len(got) != size || strings.TrimRight(string(got), "\x00") != "data" {
		t.Errorf("the file has %d bytes, want data and zeros up to %d", len(got), size)
	}
}
