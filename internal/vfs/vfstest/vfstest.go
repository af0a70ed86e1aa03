package vfstest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// Factory returns a file system and an existing, empty directory in it.
type Factory func(t *testing.T) (fsys vfs.FS, root string)

// env is one test's file system.
type env struct {
	*testing.T
	vfs.FS
	root string
}

func (e *env) path(elem ...string) string {
	return filepath.Join(append([]string{e.root}, elem...)...)
}

// must stops the test if an operation that the test only builds on fails.
func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) wantErr(what string, err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// write makes a file with content.
func (e *env) write(name, content string) {
	e.Helper()
	f, err := e.Create(e.path(name))
	e.must(err)
	_, err = f.Write([]byte(content))
	e.must(err)
	e.must(f.Close())
}

func (e *env) wantContent(name, want string) {
	e.Helper()
	got, err := vfs.ReadFile(e.FS, e.path(name), 1<<20)
	if err != nil {
		e.Errorf("content of %s: %v", name, err)
	} else if string(got) != want {
		e.Errorf("content of %s is %.80q, want %.80q", name, got, want)
	}
}

func (e *env) wantNames(dir string, want ...string) {
	e.Helper()
	entries, err := e.List(e.path(dir))
	if err != nil {
		e.Errorf("list %s: %v", dir, err)
		return
	}
	got := make([]string, len(entries))
	for i, entry := range entries {
		got[i] = entry.Name
		if entry.Dir {
			got[i] += "/"
		}
	}
	if !slices.Equal(got, want) {
		e.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// Run tests a file system.
func Run(t *testing.T, newFS Factory) {
	for _, tt := range []struct {
		name string
		test func(*env)
	}{
		{"create and read back", testCreate},
		{"write position", testWritePosition},
		{"append", testAppend},
		{"read at the edges", testReadAtEdges},
		{"write behind the end", testWriteBehindEnd},
		{"truncate", testTruncate},
		{"preallocate", testPreallocate},
		{"sync", testSync},
		{"open mode is enforced", testOpenMode},
		{"closed", testClosed},
		{"missing and misplaced names", testMissing},
		{"rename", testRename},
		{"rename directories", testRenameDir},
		{"remove", testRemove},
		{"open file survives its name", testUnlinkedOpen},
		{"list and stat", testList},
		{"lock", testLock},
		{"space", testSpace},
		{"write file", testWriteFile},
		{"read file limit", testReadFileLimit},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
			fsys, root := newFS(t)
			tt.test(&env{t, fsys, root})
		})
	}
}

func testCreate(e *env) {
	e.write("a", "first")
	e.wantContent("a", "first")
	e.write("a", "2nd")
	e.wantContent("a", "2nd")
	f, err := e.Create(e.path("b"))
	e.must(err)
	if f.Name() != e.path("b") {
		e.Errorf("Name() = %q, want %q", f.Name(), e.path("b"))
	}
	_, err = f.WriteAt([]byte("xyz"), 0)
	e.must(err)
	got := make([]byte, 3)
	if n, err := f.ReadAt(got, 0); n != 3 || string(got) != "xyz" {
		e.Errorf("ReadAt on a created file: %d, %v, %q", n, err, got)
	}
	e.must(f.Close())
}

func testWritePosition(e *env) {
	e.write("a", "0123456789")
	f, err := e.OpenReadWrite(e.path("a"))
	e.must(err)
	for _, s := range []string{"ab", "cd"} {
		_, err = f.Write([]byte(s))
		e.must(err)
		_, err = f.WriteAt([]byte("XY"), 8)
		e.must(err)
		_, err = f.ReadAt(make([]byte, 3), 6)
		e.must(err)
	}
	e.must(f.Close())
	e.wantContent("a", "abcd4567XY")
}

func testAppend(e *env) {
	for _, s := range []string{"one ", "two "} {
		f, err := e.OpenAppend(e.path("log"))
		e.must(err)
		_, err = f.Write([]byte(s))
		e.must(err)
		if _, err := f.WriteAt([]byte("x"), 0); err == nil {
			e.Error("WriteAt succeeded on a file open for appending")
		}
		b := make([]byte, 3)
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != "one" {
			e.Errorf("ReadAt on a file open for appending: %q, %v", b, err)
		}
		e.must(f.Close())
	}
	a, err := e.OpenAppend(e.path("log"))
	e.must(err)
	b, err := e.OpenAppend(e.path("log"))
	e.must(err)
	for _, f := range []vfs.File{a, b, a} {
		_, err := f.Write([]byte("."))
		e.must(err)
	}
	e.must(a.Truncate(3))
	_, err = a.Write([]byte("!"))
	e.must(err)
	e.must(a.Close())
	e.must(b.Close())
	e.wantContent("log", "one!")
}

func testReadAtEdges(e *env) {
	e.write("a", "hello")
	f, err := e.Open(e.path("a"))
	e.must(err)
	defer func() { e.must(f.Close()) }()
	for _, tt := range []struct {
		off, len int
		want     string
		err      error
	}{
		{0, 5, "hello", nil},
		{1, 3, "ell", nil},
		{3, 5, "lo", io.EOF},
		{5, 1, "", io.EOF},
		{9, 1, "", io.EOF},
		{9, 0, "", nil},
	} {
		buf := make([]byte, tt.len)
		n, err := f.ReadAt(buf, int64(tt.off))
		//nolint:errorlint // io.ReaderAt promises io.EOF itself, and its users compare with ==.
		if string(buf[:n]) != tt.want || err != tt.err {
			e.Errorf("ReadAt(%d bytes, %d) = %q, %v; want %q, %v", tt.len, tt.off, buf[:n], err, tt.want, tt.err)
		}
	}
	if _, err := f.ReadAt(make([]byte, 1), -1); err == nil || errors.Is(err, io.EOF) {
		e.Errorf("ReadAt(-1) gives %v, want an error", err)
	}
}

func testWriteBehindEnd(e *env) {
	f, err := e.Create(e.path("a"))
	e.must(err)
	_, err = f.WriteAt([]byte("end"), 10_000)
	e.must(err)
	size, err := f.Size()
	if err != nil || size != 10_003 {
		e.Errorf("Size() = %d, %v; want 10003", size, err)
	}
	_, err = f.WriteAt(nil, 20_000)
	e.must(err)
	if _, err := f.WriteAt([]byte("x"), -1); err == nil {
		e.Error("WriteAt(-1) succeeded")
	}
	e.must(f.Close())
	e.wantContent("a", strings.Repeat("\x00", 10_000)+"end")
}

func testTruncate(e *env) {
	e.write("a", strings.Repeat("x", 10_000))
	f, err := e.OpenReadWrite(e.path("a"))
	e.must(err)
	e.must(f.Truncate(5000))
	e.must(f.Truncate(9000))
	e.wantContent("a", strings.Repeat("x", 5000)+strings.Repeat("\x00", 4000))
	e.must(f.Truncate(0))
	e.must(f.Truncate(3))
	e.wantContent("a", "\x00\x00\x00")
	if err := f.Truncate(-1); err == nil {
		e.Error("Truncate(-1) succeeded")
	}
	e.must(f.Close())
}

func testPreallocate(e *env) {
	f, err := e.Create(e.path("a"))
	e.must(err)
	_, err = f.Write([]byte("data"))
	e.must(err)
	e.must(f.Preallocate(9000))
	e.must(f.Preallocate(100)) // shorter: nothing to do
	e.wantContent("a", "data"+strings.Repeat("\x00", 8996))
	_, err = f.WriteAt([]byte("more"), 5000)
	e.must(err)
	if size, err := f.Size(); err != nil || size != 9000 {
		e.Errorf("Size() after a write inside = %d, %v; want 9000", size, err)
	}
	e.must(f.SyncData())
	e.must(f.Close())
}

func testSync(e *env) {
	f, err := e.Create(e.path("a"))
	e.must(err)
	_, err = f.Write([]byte("x"))
	e.must(err)
	e.must(f.SyncData())
	e.must(f.Sync())
	e.must(f.Close())
	e.must(vfs.SyncDir(e.FS, e.root))
	r, err := e.Open(e.path("a"))
	e.must(err)
	e.must(r.Sync())
	e.must(r.Close())
}

func testOpenMode(e *env) {
	e.write("a", "abc")
	f, err := e.Open(e.path("a"))
	e.must(err)
	_, writeErr := f.Write([]byte("x"))
	_, writeAtErr := f.WriteAt([]byte("x"), 0)
	for op, err := range map[string]error{
		"Write": writeErr, "WriteAt": writeAtErr, "Truncate": f.Truncate(0), "Preallocate": f.Preallocate(100),
	} {
		if err == nil {
			e.Errorf("%s succeeded on a file open for reading", op)
		}
	}
	e.must(f.Close())
	e.wantContent("a", "abc")
}

func testClosed(e *env) {
	f, err := e.Create(e.path("a"))
	e.must(err)
	e.must(f.Close())
	_, writeErr := f.Write([]byte("x"))
	_, writeAtErr := f.WriteAt([]byte("x"), 0)
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	_, sizeErr := f.Size()
	for op, err := range map[string]error{
		"Write": writeErr, "WriteAt": writeAtErr, "ReadAt": readErr, "Size": sizeErr,
		"Truncate": f.Truncate(0), "Preallocate": f.Preallocate(10),
		"Sync": f.Sync(), "SyncData": f.SyncData(), "Close": f.Close(),
	} {
		e.wantErr(op+" after Close", err, fs.ErrClosed)
	}
	d, err := e.OpenDir(e.root)
	e.must(err)
	e.must(d.Close())
	e.wantErr("Sync of a closed directory", d.Sync(), fs.ErrClosed)
	e.wantErr("Close of a closed directory", d.Close(), fs.ErrClosed)
}

func testMissing(e *env) {
	e.write("file", "")
	e.must(e.MkdirAll(e.path("dir")))
	for _, tt := range []struct {
		at   string
		want error
	}{
		{"none", fs.ErrNotExist},
		{"none/deep", fs.ErrNotExist},
		{"file/deep", syscall.ENOTDIR},
	} {
		p := e.path(filepath.FromSlash(tt.at))
		_, openErr := e.Open(p)
		_, rwErr := e.OpenReadWrite(p)
		_, statErr := e.Stat(p)
		_, listErr := e.List(p)
		_, dirErr := e.OpenDir(p)
		for op, err := range map[string]error{
			"Open": openErr, "OpenReadWrite": rwErr, "Stat": statErr, "List": listErr, "OpenDir": dirErr,
			"Remove": e.Remove(p), "Rename from": e.Rename(p, e.path("x")),
		} {
			e.wantErr(op+" "+tt.at, err, tt.want)
		}
		if tt.at == "none" {
			continue
		}
		_, createErr := e.Create(p)
		_, appendErr := e.OpenAppend(p)
		_, lockErr := e.Lock(p)
		for op, err := range map[string]error{
			"Create": createErr, "OpenAppend": appendErr, "Lock": lockErr, "Rename to": e.Rename(e.path("file"), p),
		} {
			e.wantErr(op+" "+tt.at, err, tt.want)
		}
	}
	_, createErr := e.Create(e.path("dir"))
	e.wantErr("Create of a directory", createErr, syscall.EISDIR)
	_, listErr := e.List(e.path("file"))
	e.wantErr("List of a file", listErr, syscall.ENOTDIR)
	_, dirErr := e.OpenDir(e.path("file"))
	e.wantErr("OpenDir of a file", dirErr, syscall.ENOTDIR)
	e.wantErr("MkdirAll over a file", e.MkdirAll(e.path("file")), syscall.ENOTDIR)
	e.wantErr("MkdirAll under a file", e.MkdirAll(e.path("file", "x")), syscall.ENOTDIR)
	e.wantNames(".", "dir/", "file")
}

func testRename(e *env) {
	e.write("a", "A")
	e.write("b", "B")
	e.must(e.MkdirAll(e.path("d")))
	e.must(e.Rename(e.path("a"), e.path("b")))
	e.wantContent("b", "A")
	e.must(e.Rename(e.path("b"), e.path("d", "c")))
	e.must(e.Rename(e.path("d", "c"), e.path("d", "c")))
	e.wantContent("d/c", "A")
	e.wantNames(".", "d/")
	e.wantErr("file over directory", e.Rename(e.path("d", "c"), e.path("d")), fs.ErrExist)
}

func testRenameDir(e *env) {
	e.must(e.MkdirAll(e.path("a", "sub")))
	e.write("a/sub/file", "x")
	e.must(e.Rename(e.path("a"), e.path("b")))
	e.wantContent("b/sub/file", "x")
	e.must(e.MkdirAll(e.path("c")))
	e.wantErr("directory over directory", e.Rename(e.path("b"), e.path("c")), fs.ErrExist)
	e.wantErr("directory over file", e.Rename(e.path("c"), e.path("b", "sub", "file")), syscall.ENOTDIR)
	e.wantErr("directory into itself", e.Rename(e.path("b"), e.path("b", "sub", "b")), syscall.EINVAL)
	e.must(e.Rename(e.path("b", "sub"), e.path("sub2")))
	e.wantNames(".", "b/", "c/", "sub2/")
}

func testRemove(e *env) {
	e.must(e.MkdirAll(e.path("d", "e", "f")))
	e.write("d/e/file", "x")
	e.wantErr("Remove of a full directory", e.Remove(e.path("d")), syscall.ENOTEMPTY)
	e.must(e.Remove(e.path("d", "e", "file")))
	e.must(e.Remove(e.path("d", "e", "f")))
	e.wantNames("d", "e/")
	e.write("d/e/file", "x")
	e.must(e.RemoveAll(e.path("d")))
	e.must(e.RemoveAll(e.path("d")))
	e.must(e.RemoveAll(e.path("d", "e")))
	e.wantNames(".")
}

func testUnlinkedOpen(e *env) {
	f, err := e.Create(e.path("a"))
	e.must(err)
	e.must(e.Remove(e.path("a")))
	e.write("a", "new")
	_, err = f.WriteAt([]byte("old"), 0)
	e.must(err)
	got := make([]byte, 3)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, []byte("old")) {
		e.Errorf("a removed file reads %q, %v; want what was written to it", got, err)
	}
	e.must(f.Sync())
	e.must(f.Close())
	e.wantContent("a", "new")
}

func testList(e *env) {
	e.write("b", "1234")
	e.must(e.MkdirAll(e.path("c", "d")))
	e.must(e.MkdirAll(e.path("c")))
	e.write("a", "")
	e.wantNames(".", "a", "b", "c/")
	e.wantNames("c/d")
	for name, want := range map[string]vfs.Info{"a": {}, "b": {Size: 4}, "c": {Dir: true}} {
		if got, err := e.Stat(e.path(name)); err != nil || got != want {
			e.Errorf("Stat(%s) = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func testLock(e *env) {
	first, err := e.Lock(e.path("LOCK"))
	e.must(err)
	_, err = e.Lock(e.path("LOCK"))
	e.wantErr("second Lock", err, vfs.ErrLocked)
	other, err := e.Lock(e.path("OTHER"))
	e.must(err)
	e.must(other.Close())
	e.must(first.Close())
	e.wantErr("second Close", first.Close(), fs.ErrClosed)
	again, err := e.Lock(e.path("LOCK"))
	e.must(err)
	e.must(again.Close())
	e.wantNames(".", "LOCK", "OTHER")
}

func testSpace(e *env) {
	got, err := e.Space(e.root)
	e.must(err)
	if got.Total == 0 || got.Available > got.Total {
		e.Errorf("Space() = %+v", got)
	}
	_, err = e.Space(e.path("none"))
	e.wantErr("Space of a missing name", err, fs.ErrNotExist)
}

func testWriteFile(e *env) {
	e.must(vfs.WriteFile(e.FS, e.path("state"), []byte("one")))
	e.must(vfs.WriteFile(e.FS, e.path("state"), []byte("two")))
	e.wantContent("state", "two")
	e.wantNames(".", "state")
	err := vfs.WriteFile(e.FS, e.path("none", "state"), nil)
	e.wantErr("WriteFile into a missing directory", err, fs.ErrNotExist)
}

func testReadFileLimit(e *env) {
	e.write("a", "12345")
	if _, err := vfs.ReadFile(e.FS, e.path("a"), 4); err == nil {
		e.Error("ReadFile read more than its limit")
	}
	if got, err := vfs.ReadFile(e.FS, e.path("a"), 5); err != nil || string(got) != "12345" {
		e.Errorf("ReadFile at its limit: %q, %v", got, err)
	}
}
