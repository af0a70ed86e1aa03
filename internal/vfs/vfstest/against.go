package vfstest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
)

// RunAgainst does the same random operations on two file systems and compares
// every answer, and in the end the whole tree.
func RunAgainst(t *testing.T, newFS, newReference Factory, seeds, steps int) {
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			r := &random{rng: rand.New(rand.NewPCG(seed, 0))}
			r.fs, r.root = newFS(t)
			r.ref, r.refRoot = newReference(t)
			for step := range steps {
				what, got, want := r.step()
				if got != want {
					t.Fatalf("step %d: %s\n got %s\nwant %s", step, what, got, want)
				}
			}
			got, want := tree(r.fs, r.root, "."), tree(r.ref, r.refRoot, ".")
			if got != want {
				t.Errorf("trees differ\n got %s\nwant %s", got, want)
			}
			for i := range r.files {
				if err := errors.Join(r.files[i].Close(), r.refFiles[i].Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

type random struct {
	rng              *rand.Rand
	fs, ref          vfs.FS
	root, refRoot    string
	files, refFiles  []vfs.File
	appends, writing []bool
}

// step does one operation on both and returns what each answered.
func (r *random) step() (what, got, want string) {
	switch r.rng.IntN(12) {
	case 0, 1:
		name, kind := r.name(), r.rng.IntN(4)
		return r.open(name, kind)
	case 2:
		from, to := r.name(), r.name()
		return r.both("rename "+from+" "+to, func(fs vfs.FS, root string) string {
			return outcome(fs.Rename(filepath.Join(root, from), filepath.Join(root, to)))
		})
	case 3:
		name, all := r.name(), r.rng.IntN(4) == 0
		return r.both(fmt.Sprintf("remove %s all=%v", name, all), func(fs vfs.FS, root string) string {
			if all {
				return outcome(fs.RemoveAll(filepath.Join(root, name)))
			}
			return outcome(fs.Remove(filepath.Join(root, name)))
		})
	case 4:
		name := r.name()
		return r.both("mkdir "+name, func(fs vfs.FS, root string) string {
			return outcome(fs.MkdirAll(filepath.Join(root, name)))
		})
	case 5:
		name := r.name()
		return r.both("tree "+name, func(fs vfs.FS, root string) string { return tree(fs, root, name) })
	default:
		return r.fileStep()
	}
}

// name is a path out of few, so that operations meet.
func (r *random) name() string {
	name := string(rune('a' + r.rng.IntN(3)))
	for range r.rng.IntN(3) {
		name = filepath.Join(name, string(rune('a'+r.rng.IntN(3))))
	}
	return name
}

func (r *random) both(what string, do func(vfs.FS, string) string) (string, string, string) {
	return what, do(r.fs, r.root), do(r.ref, r.refRoot)
}

func (r *random) open(name string, kind int) (what, got, want string) {
	open := func(fs vfs.FS, root string) (vfs.File, error) {
		path := filepath.Join(root, name)
		// Whether a directory can be opened for reading is not laid down.
		if info, err := fs.Stat(path); err == nil && info.Dir {
			return nil, syscall.EISDIR
		}
		switch kind {
		case 0:
			return fs.Create(path)
		case 1:
			return fs.Open(path)
		case 2:
			return fs.OpenReadWrite(path)
		default:
			return fs.OpenAppend(path)
		}
	}
	f, err := open(r.fs, r.root)
	ref, refErr := open(r.ref, r.refRoot)
	if err == nil && refErr == nil {
		r.files, r.refFiles = append(r.files, f), append(r.refFiles, ref)
		r.appends, r.writing = append(r.appends, kind == 3), append(r.writing, kind != 1)
	}
	return fmt.Sprintf("open %s kind %d", name, kind), outcome(err), outcome(refErr)
}

func (r *random) fileStep() (what, got, want string) {
	if len(r.files) == 0 {
		return "nothing", "", ""
	}
	i := r.rng.IntN(len(r.files))
	off, n := r.rng.Int64N(20_000), r.rng.IntN(9000)
	kind := r.rng.IntN(6)
	if kind != 0 && !r.writing[i] {
		kind = 0
	}
	fill := byte('0' + r.rng.IntN(10))
	do := func(f vfs.File) string {
		switch kind {
		case 0:
			p := make([]byte, n)
			m, err := f.ReadAt(p, off)
			return fmt.Sprintf("%d %v %x", m, err, crc32.ChecksumIEEE(p[:m]))
		case 1, 2:
			m, err := f.Write(bytes.Repeat([]byte{fill}, n))
			return fmt.Sprint(m, outcome(err))
		case 3:
			if r.appends[i] {
				return ""
			}
			m, err := f.WriteAt(bytes.Repeat([]byte{fill}, n), off)
			return fmt.Sprint(m, outcome(err))
		case 4:
			return outcome(f.Truncate(off))
		default:
			err := f.Preallocate(off)
			size, sizeErr := f.Size()
			return fmt.Sprint(outcome(err), size, outcome(sizeErr))
		}
	}
	return fmt.Sprintf("file %d kind %d off %d len %d", i, kind, off, n), do(r.files[i]), do(r.refFiles[i])
}

// outcome is the class of an error, by which two file systems are compared.
func outcome(err error) string {
	for _, known := range []error{
		fs.ErrNotExist, fs.ErrClosed, syscall.ENOTDIR, syscall.EISDIR, syscall.ENOTEMPTY, fs.ErrExist, syscall.EINVAL,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}

// tree describes all that is at and below a name.
func tree(fsys vfs.FS, root, name string) string {
	path := filepath.Join(root, name)
	info, err := fsys.Stat(path)
	if err != nil {
		return name + ": " + outcome(err) + "\n"
	}
	if !info.Dir {
		content, err := vfs.ReadFile(fsys, path, 1<<30)
		return fmt.Sprintf("%s: %d %x %s\n", name, info.Size, crc32.ChecksumIEEE(content), outcome(err))
	}
	entries, err := fsys.List(path)
	s := name + "/ " + outcome(err) + "\n"
	for _, e := range entries {
		s += tree(fsys, root, filepath.Join(name, e.Name))
	}
	return s
}
