package errorfs_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, fs vfs.FS, name string) string {
	t.Helper()
	b, err := vfs.ReadFile(fs, name, 1<<20)
	must(t, err)
	return string(b)
}

// Every operation of the interface must come by the injector, under its own
// kind.
func TestEveryOperationCanFail(t *testing.T) {
	type env struct {
		fs   *errorfs.FS
		file vfs.File
		dir  vfs.Dir
	}
	ops := map[errorfs.OpKind]func(e *env) error{
		errorfs.OpCreate:        func(e *env) error { _, err := e.fs.Create("/new"); return err },
		errorfs.OpOpen:          func(e *env) error { _, err := e.fs.Open("/f"); return err },
		errorfs.OpOpenReadWrite: func(e *env) error { _, err := e.fs.OpenReadWrite("/f"); return err },
		errorfs.OpOpenAppend:    func(e *env) error { _, err := e.fs.OpenAppend("/f"); return err },
		errorfs.OpOpenDir:       func(e *env) error { _, err := e.fs.OpenDir("/"); return err },
		errorfs.OpRename:        func(e *env) error { return e.fs.Rename("/f", "/g") },
		errorfs.OpRemove:        func(e *env) error { return e.fs.Remove("/f") },
		errorfs.OpRemoveAll:     func(e *env) error { return e.fs.RemoveAll("/f") },
		errorfs.OpMkdirAll:      func(e *env) error { return e.fs.MkdirAll("/d") },
		errorfs.OpList:          func(e *env) error { _, err := e.fs.List("/"); return err },
		errorfs.OpStat:          func(e *env) error { _, err := e.fs.Stat("/f"); return err },
		errorfs.OpSpace:         func(e *env) error { _, err := e.fs.Space("/"); return err },
		errorfs.OpLock:          func(e *env) error { _, err := e.fs.Lock("/LOCK"); return err },
		errorfs.OpReadAt:        func(e *env) error { _, err := e.file.ReadAt(make([]byte, 2), 0); return err },
		errorfs.OpWrite:         func(e *env) error { _, err := e.file.Write([]byte("x")); return err },
		errorfs.OpWriteAt:       func(e *env) error { _, err := e.file.WriteAt([]byte("x"), 1); return err },
		errorfs.OpSize:          func(e *env) error { _, err := e.file.Size(); return err },
		errorfs.OpTruncate:      func(e *env) error { return e.file.Truncate(1) },
		errorfs.OpPreallocate:   func(e *env) error { return e.file.Preallocate(100) },
		errorfs.OpSync:          func(e *env) error { return e.file.Sync() },
		errorfs.OpSyncData:      func(e *env) error { return e.file.SyncData() },
		errorfs.OpSyncDir:       func(e *env) error { return e.dir.Sync() },
	}
	for kind := errorfs.OpCreate; kind <= errorfs.OpSyncDir; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			newEnv := func() (*vfs.Mem, *env) {
				m := vfs.NewMem()
				must(t, vfs.WriteFile(m, "/f", []byte("abc")))
				e := &env{fs: errorfs.Wrap(m, clock.Real(), nil)}
				var err error
				e.file, err = e.fs.OpenReadWrite("/f")
				must(t, err)
				e.dir, err = e.fs.OpenDir("/")
				must(t, err)
				return m, e
			}
			do := ops[kind]

			m, e := newEnv()
			before := describe(t, m)
			e.fs.SetInjector(errorfs.On(errorfs.Kinds(kind), errorfs.Fault{Err: syscall.EIO}))
			if err := do(e); !errors.Is(err, syscall.EIO) {
				t.Errorf("error %v, want EIO", err)
			}
			if after := describe(t, m); after != before {
				t.Errorf("a failed operation changed %q to %q", before, after)
			}

			// With After it happens all the same: as without a fault.
			m, e = newEnv()
			must(t, do(e))
			want := describe(t, m)
			m, e = newEnv()
			e.fs.SetInjector(errorfs.On(errorfs.Kinds(kind), errorfs.Fault{Err: syscall.EIO, After: true}))
			if err := do(e); !errors.Is(err, syscall.EIO) {
				t.Errorf("error %v, want EIO after the operation", err)
			}
			if got := describe(t, m); got != want {
				t.Errorf("with After the outcome is %q, want %q", got, want)
			}
		})
	}
}

func describe(t *testing.T, m *vfs.Mem) string {
	t.Helper()
	var s strings.Builder
	entries, err := m.List("/")
	must(t, err)
	for _, e := range entries {
		s.WriteString(e.Name + ":")
		if !e.Dir {
			s.WriteString(content(t, m, "/"+e.Name))
		}
		s.WriteString(" ")
	}
	return s.String()
}

// The use that the package is for: fail the first operation, then the second,
// and so on, and cut the power right behind each failure.
func TestFailNthReachesEveryOperation(t *testing.T) {
	for _, after := range []bool{false, true} {
		failed := make(map[errorfs.OpKind]bool)
		for n := uint64(1); ; n++ {
			m := vfs.NewMem()
			must(t, vfs.WriteFile(m, "/f", []byte("old")))
			in := errorfs.FailNth(n, errorfs.Every, errorfs.Fault{Err: syscall.EIO, After: after})
			fs := errorfs.Wrap(m, clock.Real(), in)
			err := vfs.WriteFile(fs, "/f", []byte("new"))
			op, fired := in.Fired()
			if fired != (err != nil) {
				t.Errorf("failed %v, WriteFile returned %v", op, err)
			}
			failed[op.Kind] = true
			for _, opts := range []vfs.CrashOptions{{}, vfs.Killed} {
				got := content(t, m.CrashClone(opts), "/f")
				if err == nil && got != "new" || got != "new" && got != "old" {
					t.Errorf("failed %v: a crash with %+v leaves %q", op, opts, got)
				}
			}
			if !fired {
				break
			}
		}
		for _, kind := range []errorfs.OpKind{
			errorfs.OpCreate, errorfs.OpWrite, errorfs.OpSync, errorfs.OpRename, errorfs.OpOpenDir, errorfs.OpSyncDir,
		} {
			if !failed[kind] {
				t.Errorf("no run failed %v", kind)
			}
		}
	}
}

// An injector may clone the disk at the moment of an operation.
func TestPowerCutAtEachOperation(t *testing.T) {
	m := vfs.NewMem()
	must(t, vfs.WriteFile(m, "/f", []byte("old")))
	var seen []string
	ops, syncs := uint64(0), 0
	rng := rand.New(rand.NewPCG(1, 2))
	fs := errorfs.Wrap(m, clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		ops++
		if op.Kind.Syncs() {
			syncs++
		}
		for range 20 {
			clone := m.CrashClone(vfs.CrashOptions{Rand: rng, Page: 0.5, Torn: 0.5, Name: 0.5})
			seen = append(seen, content(t, clone, "/f"))
		}
		return errorfs.Fault{}
	}))
	must(t, vfs.WriteFile(fs, "/f", []byte("new")))
	if fs.Ops() != ops || syncs != 2 {
		t.Errorf("the injector saw %d of %d operations and %d syncs, want all and that of the file and of the directory", ops, fs.Ops(), syncs)
	}
	slices.Sort(seen)
	if got := slices.Compact(seen); !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("power cuts during WriteFile leave %q, want the old content or the new", got)
	}
	if got := content(t, m.CrashClone(vfs.CrashOptions{}), "/f"); got != "new" {
		t.Errorf("a power cut after WriteFile leaves %q", got)
	}
}

func TestFailedSyncLosesData(t *testing.T) {
	m := vfs.NewMem()
	// Two layers: the loss has to get through.
	fs := errorfs.Wrap(errorfs.Wrap(m, clock.Real(), nil), clock.Real(), nil)
	f, err := fs.Create("/f")
	must(t, err)
	must(t, vfs.SyncDir(fs, "/"))
	_, err = f.Write([]byte("data"))
	must(t, err)
	fs.SetInjector(errorfs.FailNth(1, errorfs.Kinds(errorfs.OpSyncData), errorfs.Fault{Err: syscall.EIO}))
	if err := f.SyncData(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("SyncData: %v, want EIO", err)
	}
	must(t, f.SyncData())
	if got := content(t, fs, "/f"); got != "data" {
		t.Errorf("after the failed sync the file reads %q", got)
	}
	if got := content(t, m.CrashClone(vfs.CrashOptions{}), "/f"); got != "\x00\x00\x00\x00" {
		t.Errorf("after a crash the file reads %q, want lost zeros", got)
	}
}

func TestPartOfAWrite(t *testing.T) {
	m := vfs.NewMem()
	fs := errorfs.Wrap(m, clock.Real(), nil)
	f, err := fs.Create("/f")
	must(t, err)
	fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpWrite, errorfs.OpWriteAt, errorfs.OpReadAt),
		errorfs.Fault{Err: syscall.EIO, Part: 2}))
	if n, err := f.Write([]byte("abcd")); n != 2 || !errors.Is(err, syscall.EIO) {
		t.Errorf("Write = %d, %v; want 2, EIO", n, err)
	}
	if n, err := f.Write([]byte("ef")); n != 2 || !errors.Is(err, syscall.EIO) {
		t.Errorf("Write = %d, %v; want 2, EIO", n, err)
	}
	if n, err := f.WriteAt([]byte("XYZ"), 3); n != 2 || !errors.Is(err, syscall.EIO) {
		t.Errorf("WriteAt = %d, %v; want 2, EIO", n, err)
	}
	if got := content(t, m, "/f"); got != "abeXY" {
		t.Errorf("the file reads %q, want %q", got, "abeXY")
	}
	buf := make([]byte, 4)
	if n, err := f.ReadAt(buf, 0); n != 2 || !errors.Is(err, syscall.EIO) || string(buf[:n]) != "ab" {
		t.Errorf("ReadAt = %d, %v, %q; want 2, EIO, ab", n, err, buf[:n])
	}
}

func TestCorruptReads(t *testing.T) {
	m := vfs.NewMem()
	must(t, vfs.WriteFile(m, "/f", []byte("AAAA")))
	fs := errorfs.Wrap(m, clock.Real(), errorfs.FailNth(1, errorfs.Kinds(errorfs.OpReadAt),
		errorfs.Fault{Corrupt: errorfs.FlipBit(9)}))
	if got := content(t, fs, "/f"); got != "ACAA" {
		t.Errorf("read %q with bit 9 flipped, want ACAA", got)
	}
	if got := content(t, fs, "/f"); got != "AAAA" {
		t.Errorf("the next read gives %q: the fault should have passed", got)
	}

	must(t, errorfs.FlipStoredBit(m, "/f", 8))
	if got := content(t, m.CrashClone(vfs.CrashOptions{}), "/f"); got != "A@AA" {
		t.Errorf("with bit 8 flipped on disk the file reads %q, want A@AA", got)
	}
	if err := errorfs.FlipStoredBit(m, "/f", 99); !errors.Is(err, io.EOF) {
		t.Errorf("flipping a bit behind the end: %v, want EOF", err)
	}
}

func TestDelayTakesTheClocksTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := errorfs.Wrap(vfs.NewMem(), clock.Real(),
			errorfs.On(errorfs.Kinds(errorfs.OpSync), errorfs.Fault{Delay: 5 * time.Second}))
		f, err := fs.Create("/f")
		must(t, err)
		start := time.Now()
		must(t, f.Sync())
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("Sync took %v, want 5s", got)
		}
	})
}

func TestInjectors(t *testing.T) {
	write := errorfs.Op{Kind: errorfs.OpWrite, Path: "/d/000.blk"}
	read := errorfs.Op{Kind: errorfs.OpReadAt, Path: "/d/000.blk"}
	other := errorfs.Op{Kind: errorfs.OpWrite, Path: "/d/state"}
	eio := errorfs.Fault{Err: syscall.EIO}
	run := func(in errorfs.Injector, ops ...errorfs.Op) (failed []bool) {
		for _, op := range ops {
			failed = append(failed, in.Inject(op).Err != nil)
		}
		return failed
	}
	for _, tt := range []struct {
		name string
		in   errorfs.Injector
		ops  []errorfs.Op
		want []bool
	}{
		{"on a kind", errorfs.On(errorfs.Kinds(errorfs.OpWrite), eio), []errorfs.Op{write, read, other}, []bool{true, false, true}},
		{"on changes", errorfs.On(errorfs.Changes, eio), []errorfs.Op{write, read}, []bool{true, false}},
		{"on a pattern", errorfs.On(errorfs.Match(errorfs.Every).Base("*.blk"), eio), []errorfs.Op{write, read, other}, []bool{true, true, false}},
		{"nth", errorfs.FailNth(2, errorfs.Changes, eio), []errorfs.Op{write, read, write, write}, []bool{false, false, true, false}},
		{"from nth", errorfs.FailFrom(2, errorfs.Every, eio), []errorfs.Op{write, read, write}, []bool{false, true, true}},
		{"first of", errorfs.First(errorfs.FailNth(2, errorfs.Every, eio), errorfs.On(errorfs.Kinds(errorfs.OpReadAt), eio)), []errorfs.Op{read, write, write}, []bool{true, true, false}},
		{"never at random", errorfs.Randomly(rand.New(rand.NewPCG(1, 1)), 0, errorfs.Every, eio), []errorfs.Op{read, write}, []bool{false, false}},
		{"always at random", errorfs.Randomly(rand.New(rand.NewPCG(1, 1)), 1, errorfs.Changes, eio), []errorfs.Op{read, write}, []bool{false, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(tt.in, tt.ops...); !slices.Equal(got, tt.want) {
				t.Errorf("failed %v, want %v", got, tt.want)
			}
		})
	}
	defer func() {
		if recover() == nil {
			t.Error("a malformed pattern did not panic")
		}
	}()
	errorfs.Match(errorfs.Every).Base("[")
}

func TestSpaceRunsOutAndComesBack(t *testing.T) {
	m := vfs.NewMem()
	fs := errorfs.Wrap(m, clock.Real(), nil)
	fs.LimitSpace(10)
	f, err := fs.Create("/f")
	must(t, err)
	if n, err := f.Write([]byte("12345678")); n != 8 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if n, err := f.Write([]byte("abcd")); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write over the limit = %d, %v; want 2, ENOSPC", n, err)
	}
	if n, err := f.WriteAt([]byte("ABCD"), 0); n != 4 || err != nil {
		t.Errorf("overwriting on a full disk = %d, %v; want it done", n, err)
	}
	if err := f.Preallocate(11); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Preallocate on a full disk: %v, want ENOSPC", err)
	}
	if space, err := fs.Space("/"); err != nil || space.Available != 0 {
		t.Errorf("Space() = %+v, %v; want nothing available", space, err)
	}
	fs.LimitSpace(5)
	if n, err := f.Write([]byte("cdefghi")); n != 5 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write after freeing 5 bytes = %d, %v; want 5, ENOSPC", n, err)
	}
	fs.LimitSpace(-1)
	if n, err := f.Write([]byte("hi")); n != 2 || err != nil {
		t.Errorf("Write without a limit = %d, %v", n, err)
	}
	if got := content(t, m, "/f"); got != "ABCD5678abcdefghi" {
		t.Errorf("the file reads %q", got)
	}
}

// Whatever is done, the bytes of all files and the room left add up.
func TestSpaceAddsUp(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		m := vfs.NewMem()
		must(t, m.MkdirAll("/d"))
		fs := errorfs.Wrap(m, clock.Real(), errorfs.Randomly(rng, 0.1, errorfs.Changes, errorfs.Fault{Err: syscall.EIO, Part: 7}))
		const limit = 5000
		fs.LimitSpace(limit)
		full := false
		for step := range 300 {
			name := filepath.Join([]string{"/", "/d"}[rng.IntN(2)], string(rune('a'+rng.IntN(3))))
			to := filepath.Join([]string{"/", "/d"}[rng.IntN(2)], string(rune('a'+rng.IntN(3))))
			var f vfs.File
			var err error
			switch rng.IntN(7) {
			case 0:
				err = fs.Remove(name)
			case 1:
				err = fs.Rename(name, to)
			case 2:
				f, err = fs.Create(name)
			case 3:
				f, err = fs.OpenAppend(name)
			case 4:
				if rng.IntN(10) == 0 {
					err = errors.Join(fs.RemoveAll("/d"), m.MkdirAll("/d"))
				}
			default:
				f, err = fs.OpenReadWrite(name)
			}
			if f != nil && err == nil {
				n := rng.Int64N(3000)
				switch rng.IntN(4) {
				case 0:
					err = f.Truncate(n)
				case 1:
					err = f.Preallocate(n)
				case 2:
					_, err = f.WriteAt(make([]byte, n), rng.Int64N(1000))
				case 3:
					_, err = f.Write(make([]byte, n))
				}
				must(t, f.Close())
			}
			full = full || errors.Is(err, syscall.ENOSPC)
			left, _ := fs.SpaceLeft()
			space, err := m.Space("/")
			must(t, err)
			if used := int64(space.Total - space.Available); used+left != limit || left < 0 {
				t.Fatalf("seed %d step %d: %d bytes used and %d left of %d", seed, step, used, left, limit)
			}
		}
		if !full {
			t.Errorf("seed %d: the disk was never full", seed)
		}
	}
}

func TestOpString(t *testing.T) {
	for op, want := range map[errorfs.Op]string{
		{N: 3, Kind: errorfs.OpRename, Path: "/a", NewPath: "/b"}:        "#3 rename /a to /b",
		{N: 4, Kind: errorfs.OpWriteAt, Path: "/a", Offset: 5, Len: 6}:   "#4 write-at /a 6 bytes at 5",
		{N: 5, Kind: errorfs.OpWrite, Path: "/a", Len: 6}:                "#5 write /a 6 bytes",
		{N: 6, Kind: errorfs.OpTruncate, Path: "/a", Offset: 7}:          "#6 truncate /a to 7",
		{N: 7, Kind: errorfs.OpSyncDir, Path: "/"}:                       "#7 sync-dir /",
		{N: 8, Kind: errorfs.OpKind(99), Path: "/"}:                      "#8 op-99 /",
		{N: 9, Kind: errorfs.OpReadAt, Path: "/a", Offset: 1, Len: 1024}: "#9 read /a 1024 bytes at 1",
	} {
		if got := op.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
