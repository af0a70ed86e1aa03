package vfs

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contents returns all files by path, and directories with a slash behind.
func contents(t *testing.T, m *Mem) map[string]string {
	t.Helper()
	all := make(map[string]string)
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := m.List(dir)
		must(t, err)
		for _, e := range entries {
			p := path.Join(dir, e.Name)
			if e.Dir {
				all[p+"/"] = ""
				walk(p)
				continue
			}
			b, err := ReadFile(m, p, 1<<30)
			must(t, err)
			all[p] = string(b)
		}
	}
	walk("/")
	return all
}

func put(t *testing.T, m *Mem, name, content string, sync bool) {
	t.Helper()
	f, err := m.OpenReadWrite(name)
	if err != nil {
		f, err = m.Create(name)
	}
	must(t, err)
	_, err = f.Write([]byte(content))
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

func TestWhatSurvivesAPowerCut(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, m *Mem)
		want map[string]string
		// killed is what survives the death of the process alone.
		killed map[string]string
	}{
		{
			name:   "file and directory synced",
			do:     func(t *testing.T, m *Mem) { put(t, m, "/f", "new", true); must(t, SyncDir(m, "/")) },
			want:   map[string]string{"/f": "new"},
			killed: map[string]string{"/f": "new"},
		},
		{
			name:   "only the file synced",
			do:     func(t *testing.T, m *Mem) { put(t, m, "/f", "new", true) },
			want:   map[string]string{},
			killed: map[string]string{"/f": "new"},
		},
		{
			name:   "only the directory synced",
			do:     func(t *testing.T, m *Mem) { put(t, m, "/f", "new", false); must(t, SyncDir(m, "/")) },
			want:   map[string]string{"/f": ""},
			killed: map[string]string{"/f": "new"},
		},
		{
			name: "overwritten and extended",
			do: func(t *testing.T, m *Mem) {
				put(t, m, "/f", "old", true)
				must(t, SyncDir(m, "/"))
				put(t, m, "/f", "newer", false)
			},
			want:   map[string]string{"/f": "old"},
			killed: map[string]string{"/f": "newer"},
		},
		{
			name: "created over a synced file",
			do: func(t *testing.T, m *Mem) {
				put(t, m, "/f", "old", true)
				must(t, SyncDir(m, "/"))
				f, err := m.Create("/f")
				must(t, err)
				_, err = f.Write([]byte("n"))
				must(t, err)
			},
			want:   map[string]string{"/f": "old"},
			killed: map[string]string{"/f": "n"},
		},
		{
			name: "cut and written again",
			do: func(t *testing.T, m *Mem) {
				put(t, m, "/f", "abcdef", true)
				must(t, SyncDir(m, "/"))
				f, err := m.OpenReadWrite("/f")
				must(t, err)
				must(t, f.Truncate(3))
				must(t, f.SyncData())
				must(t, f.Truncate(0))
				must(t, f.Truncate(5))
			},
			want:   map[string]string{"/f": "abc"},
			killed: map[string]string{"/f": "\x00\x00\x00\x00\x00"},
		},
		{
			name: "renamed over another, directory not synced",
			do: func(t *testing.T, m *Mem) {
				put(t, m, "/f", "old", true)
				put(t, m, "/g", "new", true)
				must(t, SyncDir(m, "/"))
				must(t, m.Rename("/g", "/f"))
			},
			want:   map[string]string{"/f": "old", "/g": "new"},
			killed: map[string]string{"/f": "new"},
		},
		{
			name: "removed, directory not synced",
			do: func(t *testing.T, m *Mem) {
				put(t, m, "/f", "old", true)
				must(t, SyncDir(m, "/"))
				must(t, m.RemoveAll("/f"))
			},
			want:   map[string]string{"/f": "old"},
			killed: map[string]string{},
		},
		{
			name: "directory's own name not synced",
			do: func(t *testing.T, m *Mem) {
				must(t, m.MkdirAll("/d"))
				put(t, m, "/d/f", "new", true)
				must(t, SyncDir(m, "/d"))
			},
			want:   map[string]string{},
			killed: map[string]string{"/d/": "", "/d/f": "new"},
		},
		{
			name: "moved to another directory, the new one synced",
			do: func(t *testing.T, m *Mem) {
				must(t, m.MkdirAll("/d"))
				must(t, SyncDir(m, "/"))
				put(t, m, "/f", "x", true)
				must(t, m.Rename("/f", "/d/f"))
				must(t, SyncDir(m, "/d"))
			},
			want:   map[string]string{"/d/": "", "/d/f": "x"},
			killed: map[string]string{"/d/": "", "/d/f": "x"},
		},
		{
			name: "removed below an open file",
			do: func(t *testing.T, m *Mem) {
				put(t, m, "/f", "x", true)
				must(t, SyncDir(m, "/"))
				f, err := m.OpenReadWrite("/f")
				must(t, err)
				must(t, m.Remove("/f"))
				must(t, SyncDir(m, "/"))
				must(t, f.Sync())
			},
			want:   map[string]string{},
			killed: map[string]string{},
		},
		{
			name:   "WriteFile",
			do:     func(t *testing.T, m *Mem) { must(t, WriteFile(m, "/f", []byte("new"))) },
			want:   map[string]string{"/f": "new"},
			killed: map[string]string{"/f": "new"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMem()
			tt.do(t, m)
			if got := contents(t, m.CrashClone(CrashOptions{})); !maps.Equal(got, tt.want) {
				t.Errorf("after a power cut: %q, want %q", got, tt.want)
			}
			if got := contents(t, m.CrashClone(Killed)); !maps.Equal(got, tt.killed) {
				t.Errorf("after a kill: %q, want %q", got, tt.killed)
			}
		})
	}
}

func TestFailedSyncLosesWhatLaterSyncsCannotSave(t *testing.T) {
	m := NewMem()
	put(t, m, "/f", strings.Repeat("o", 2*pageSize), true)
	must(t, SyncDir(m, "/"))
	f, err := m.OpenReadWrite("/f")
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte("n"), 2*pageSize), 0)
	must(t, err)
	must(t, f.(*memHandle).LoseUnsynced())
	must(t, f.Sync())
	if got := contents(t, m)["/f"]; got != strings.Repeat("n", 2*pageSize) {
		t.Error("the written bytes are not visible after a failed sync")
	}
	if got := contents(t, m.CrashClone(CrashOptions{}))["/f"]; got != strings.Repeat("o", 2*pageSize) {
		t.Error("a sync after a failed one made lost pages durable")
	}
	// Written again, the page is written back.
	_, err = f.WriteAt([]byte("x"), pageSize)
	must(t, err)
	must(t, f.Sync())
	want := strings.Repeat("o", pageSize) + "x" + strings.Repeat("n", pageSize-1)
	if got := contents(t, m.CrashClone(CrashOptions{}))["/f"]; got != want {
		t.Error("a page changed after a failed sync was not saved by the next")
	}
}

// fileModel is the slow version of a file: whole copies.
type fileModel struct{ live, durable []byte }

// treeModel is the slow version of a crashable file system of files in some
// directories. Syncing a directory copies all its names.
type treeModel struct {
	live, durable map[string]map[string]*fileModel
}

func newTreeModel(dirs []string) *treeModel {
	m := &treeModel{make(map[string]map[string]*fileModel), make(map[string]map[string]*fileModel)}
	for _, d := range dirs {
		m.live[d], m.durable[d] = make(map[string]*fileModel), make(map[string]*fileModel)
	}
	return m
}

func (m *treeModel) contents(names map[string]map[string]*fileModel, content func(*fileModel) []byte) map[string]string {
	all := make(map[string]string)
	for d, files := range names {
		if d != "/" {
			all[d+"/"] = ""
		}
		for name, f := range files {
			all[path.Join(d, name)] = string(content(f))
		}
	}
	return all
}

// history does random operations on a Mem and on the model.
type history struct {
	t     *testing.T
	rng   *rand.Rand
	mem   *Mem
	model *treeModel
	dirs  []string
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, rng: rand.New(rand.NewPCG(seed, 1)), mem: NewMem(), dirs: []string{"/", "/d", "/e"}}
	h.model = newTreeModel(h.dirs)
	must(t, h.mem.MkdirAll("/d"))
	must(t, h.mem.MkdirAll("/e"))
	must(t, SyncDir(h.mem, "/"))
	return h
}

func (h *history) step() {
	dir := h.dirs[h.rng.IntN(len(h.dirs))]
	files := h.model.live[dir]
	name := string(rune('f' + h.rng.IntN(4)))
	f, exists := files[name]
	p := path.Join(dir, name)
	switch op := h.rng.IntN(12); {
	case op == 0:
		must(h.t, SyncDir(h.mem, dir))
		h.model.durable[dir] = maps.Clone(files)
	case op == 1:
		to := string(rune('f' + h.rng.IntN(4)))
		if exists {
			must(h.t, h.mem.Rename(p, path.Join(dir, to)))
			delete(files, name)
			files[to] = f
		}
	case op == 2 && exists:
		must(h.t, h.mem.Remove(p))
		delete(files, name)
	case !exists || op == 3:
		file, err := h.mem.Create(p)
		must(h.t, err)
		must(h.t, file.Close())
		if !exists {
			files[name] = &fileModel{}
		} else {
			f.live = nil
		}
	default:
		file, err := h.mem.OpenReadWrite(p)
		must(h.t, err)
		h.fileStep(file, f)
		must(h.t, file.Close())
	}
}

func (h *history) fileStep(file File, f *fileModel) {
	off, n := h.rng.IntN(3*pageSize), h.rng.IntN(2*pageSize)
	resize := func(size int) {
		f.live = append(slices.Clone(f.live[:min(size, len(f.live))]), make([]byte, max(0, size-len(f.live)))...)
	}
	switch h.rng.IntN(6) {
	case 0:
		must(h.t, file.Truncate(int64(off)))
		resize(off)
	case 1:
		must(h.t, file.Preallocate(int64(off)))
		resize(max(off, len(f.live)))
	case 2:
		must(h.t, file.SyncData())
		f.durable = slices.Clone(f.live)
	default:
		b := byte('0' + h.rng.IntN(10))
		_, err := file.WriteAt(bytes.Repeat([]byte{b}, n), int64(off))
		must(h.t, err)
		if n > 0 {
			resize(max(off+n, len(f.live)))
			copy(f.live[off:], bytes.Repeat([]byte{b}, n))
		}
	}
}

func TestCrashCloneAgreesWithCopies(t *testing.T) {
	for seed := range uint64(25) {
		h := newHistory(t, seed)
		for step := range 80 {
			h.step()
			crashed := contents(t, h.mem.CrashClone(CrashOptions{}))
			want := h.model.contents(h.model.durable, func(f *fileModel) []byte { return f.durable })
			if !maps.Equal(crashed, want) {
				t.Fatalf("seed %d step %d: a power cut leaves %s, want %s", seed, step, brief(crashed), brief(want))
			}
			killed := contents(t, h.mem.CrashClone(Killed))
			want = h.model.contents(h.model.live, func(f *fileModel) []byte { return f.live })
			if !maps.Equal(killed, want) {
				t.Fatalf("seed %d step %d: a kill leaves %s, want %s", seed, step, brief(killed), brief(want))
			}
			if got := contents(t, h.mem); !maps.Equal(got, want) {
				t.Fatalf("seed %d step %d: cloning changed the original", seed, step)
			}
		}
	}
}

func brief(all map[string]string) string {
	var parts []string
	for name, content := range all {
		parts = append(parts, fmt.Sprintf("%s:%d", name, len(content)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// With chance, every sector that survives must be one that was on disk or one
// that was written, whole pages unless torn, and the source alone decides.
func TestRandomCrashKeepsOldOrNewSectors(t *testing.T) {
	var kept, dropped, torn, between int
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		m := NewMem()
		const pages = 6
		old := bytes.Repeat([]byte("o"), rng.IntN(pages*pageSize))
		put(t, m, "/f", string(old), true)
		must(t, SyncDir(m, "/"))
		now := bytes.Repeat([]byte("n"), rng.IntN(pages*pageSize))
		f, err := m.OpenReadWrite("/f")
		must(t, err)
		must(t, f.Truncate(int64(len(now))))
		_, err = f.WriteAt(now, 0)
		must(t, err)

		options := func() CrashOptions {
			return CrashOptions{Rand: rand.New(rand.NewPCG(seed, 3)), Page: 0.5, Torn: float64(seed%2) / 2}
		}
		clone := m.CrashClone(options())
		got := contents(t, clone)["/f"]
		extended, err := clone.OpenReadWrite("/f")
		must(t, err)
		must(t, extended.Truncate(int64(len(got)+2*pageSize)))
		if behind := contents(t, clone)["/f"][len(got):]; strings.Trim(behind, "\x00") != "" {
			t.Fatalf("seed %d: bytes that were cut off come back when the file is extended", seed)
		}
		if again := contents(t, m.CrashClone(options()))["/f"]; again != got {
			t.Fatalf("seed %d: two clones from one source differ", seed)
		}
		if n := len(got); n < min(len(old), len(now)) || n > max(len(old), len(now)) {
			t.Fatalf("seed %d: length %d is not between %d and %d", seed, n, len(old), len(now))
		} else if n != len(old) && n != len(now) {
			between++
		}
		old = append(old, make([]byte, pages*pageSize-len(old))...)
		now = append(now, make([]byte, pages*pageSize-len(now))...)
		for at := 0; at < len(got); at += pageSize {
			end := min(at+pageSize, len(got))
			switch page := []byte(got[at:end]); {
			case bytes.Equal(page, now[at:end]):
				kept++
			case bytes.Equal(page, old[at:end]):
				dropped++
			case seed%2 == 0:
				t.Fatalf("seed %d: page at %d is neither the old nor the new one", seed, at)
			default:
				torn++
				for s := at; s < end; s += sectorSize {
					e := min(s+sectorSize, end)
					if sector := []byte(got[s:e]); !bytes.Equal(sector, old[s:e]) && !bytes.Equal(sector, now[s:e]) {
						t.Fatalf("seed %d: sector at %d is neither the old nor the new one", seed, s)
					}
				}
			}
		}
	}
	if kept == 0 || dropped == 0 || torn == 0 || between == 0 {
		t.Errorf("kept %d, dropped %d, torn %d pages, %d lengths in between: not all seen", kept, dropped, torn, between)
	}
}

// names describes which file is where; the files of TestRandomCrashOfNames
// never change.
func names(all map[string]string) string {
	var parts []string
	for name, content := range all {
		parts = append(parts, name+"="+content)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func TestRandomCrashOfNames(t *testing.T) {
	outOfOrder := 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 4))
		m := NewMem()
		history := []string{names(contents(t, m))}
		note := func() { history = append(history, names(contents(t, m))) }
		for i := range 12 {
			from, to := "/"+string(rune('a'+rng.IntN(3))), "/"+string(rune('a'+rng.IntN(3)))
			if _, err := m.Stat(from); err != nil {
				f, err := m.Create(from)
				must(t, err)
				note() // the empty name
				_, err = fmt.Fprint(f, i)
				must(t, err)
				must(t, f.Sync())
				continue
			}
			if rng.IntN(4) == 0 {
				must(t, m.Remove(from))
			} else {
				must(t, m.Rename(from, to))
			}
			note()
		}
		note()
		// A file is synced after its creation, so that its number is there
		// whenever its name is.
		inHistory := func(got string) bool {
			return slices.ContainsFunc(history, func(h string) bool {
				return stripped(h, got) == got
			})
		}
		journal := names(contents(t, m.CrashClone(CrashOptions{Rand: rng, Name: 0.8, Journal: true})))
		if !inHistory(journal) {
			t.Errorf("seed %d: with a journal %q is left, which never was: %q", seed, journal, history)
		}
		clone := contents(t, m.CrashClone(CrashOptions{Rand: rng, Name: 0.7}))
		if !inHistory(names(clone)) {
			outOfOrder++
		}
		seen := make(map[string]string)
		for name, content := range clone {
			if other, ok := seen[content]; ok {
				t.Errorf("seed %d: file %s is at both %s and %s", seed, content, name, other)
			}
			seen[content] = name
		}
	}
	if outOfOrder == 0 {
		t.Error("without a journal no crash undid a change and kept a later one")
	}
}

// stripped fills the names that h knows as empty from got: a file is noted when
// it is created, and gets its number right after.
func stripped(h, got string) string {
	numbers := make(map[string]string)
	for _, part := range strings.Fields(got) {
		name, number, _ := strings.Cut(part, "=")
		numbers[name] = number
	}
	parts := strings.Fields(h)
	for i, part := range parts {
		if name, number, _ := strings.Cut(part, "="); number == "" {
			parts[i] = name + "=" + numbers[name]
		}
	}
	return strings.Join(parts, " ")
}

func TestCloneAndOriginalAreApart(t *testing.T) {
	m := NewMem()
	put(t, m, "/f", "before", true)
	must(t, SyncDir(m, "/"))
	lock, err := m.Lock("/LOCK")
	must(t, err)
	must(t, SyncDir(m, "/"))
	open, err := m.OpenReadWrite("/f")
	must(t, err)

	clone := m.CrashClone(CrashOptions{})
	_, err = open.WriteAt([]byte("ORIGINAL"), 0)
	must(t, err)
	killed := m.CrashClone(Killed)
	_, err = open.WriteAt([]byte("original"), 0)
	must(t, err)
	if got := contents(t, killed)["/f"]; got != "ORIGINAL" {
		t.Errorf("a later write changed a clone to %q", got)
	}
	put(t, clone, "/f", "clone!", false)
	if got := contents(t, clone)["/f"]; got != "clone!" {
		t.Errorf("the clone reads %q", got)
	}
	if got := contents(t, m)["/f"]; got != "original" {
		t.Errorf("the original reads %q", got)
	}
	if got := contents(t, clone.CrashClone(CrashOptions{}))["/f"]; got != "before" {
		t.Errorf("a crash of the clone leaves %q, want what the clone began with", got)
	}
	freed, err := clone.Lock("/LOCK")
	if err != nil {
		t.Errorf("the clone's lock is held: %v", err)
	} else {
		must(t, freed.Close())
	}
	must(t, lock.Close())
}

func BenchmarkMemAppendSync(b *testing.B) {
	b.ReportAllocs()
	f, err := NewMem().Create("/log")
	if err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 256)
	for b.Loop() {
		if _, err := f.Write(record); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCrashClone(b *testing.B) {
	b.ReportAllocs()
	m := NewMem()
	f, err := m.Create("/log")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 16<<20)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m.CrashClone(Killed)
	}
}
