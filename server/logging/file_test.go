package logging

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFileOnDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := testLogger(t, Config{File: path, SizeLimit: 60, MaxFiles: 2}, Env{})
	l.Noticef("one")
	flush(t, l)
	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	l.Noticef("two")
	if isFile, err := l.Reopen(); !isFile || err != nil {
		t.Errorf("Reopen: %v, %v", isFile, err)
	}
	l.Noticef("three %s", strings.Repeat("x", 60))
	flush(t, l)

	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got, want := read(path+".moved"), "before\n[42] [INF] one\n[42] [INF] two\n"; got != want {
		t.Errorf("moved file has %q, want %q", got, want)
	}
	backup := path + ".2026.02.03.04.05.06.007008000"
	if got := read(backup); !strings.HasPrefix(got, "[42] [INF] three") {
		t.Errorf("backup has %q", got)
	}
	if got, want := read(path), fmt.Sprintf("[42] [INF] Rotated log, backup saved as %q\n", backup); !strings.HasPrefix(got, want) {
		t.Errorf("file has %q, want %q", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("others may read the log: %v, %v", info.Mode(), err)
	}
}

func TestFileThatCannotBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "n.log")
	_, err := New(Config{File: path}, Env{})
	want := fmt.Sprintf("error opening file: open %s: no such file or directory", path)
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestReopenOfNoFile(t *testing.T) {
	l := testLogger(t, Config{}, Env{})
	if isFile, err := l.Reopen(); isFile || err != nil {
		t.Errorf("Reopen: %v, %v", isFile, err)
	}
}

// ticking returns a clock that is a second later each time.
func ticking() func() time.Time {
	var mu sync.Mutex
	now := testTime
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func TestRotationKeepsMaxFiles(t *testing.T) {
	for _, tt := range []struct{ maxFiles, want int }{{0, 11}, {1, 1}, {2, 2}, {5, 5}, {20, 11}} {
		m := newMemFS()
		// Files that only look a little like backups are not ours to remove.
		others := []string{"/d/n.log.gz", "/d/n.log.2026", "/d/n.log.2026.02.03.04.05.06.00700800x", "/d/other.log.2026.02.03.04.05.06.007008000"}
		for _, o := range others {
			m.files[o] = new(memData)
		}
		l := testLogger(t, Config{File: "/d/n.log", SizeLimit: 300, MaxFiles: tt.maxFiles}, Env{FS: m, Now: ticking()})
		for i := range 10 {
			l.Noticef("%d %s", i, strings.Repeat("x", 300))
		}
		flush(t, l)
		names, err := m.Names("/d")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		if got := len(names) - len(others); got != tt.want {
			t.Errorf("MaxFiles %d keeps %d files, want %d: %q", tt.maxFiles, got, tt.want, names)
		}
		for _, o := range others {
			if m.files[o] == nil {
				t.Errorf("MaxFiles %d removed %s", tt.maxFiles, o)
			}
		}
		for i := 10 - (tt.want - 1); i < 10; i++ {
			if !slices.ContainsFunc(m.lines(), func(l string) bool { return strings.HasPrefix(l, fmt.Sprintf("[42] [INF] %d x", i)) }) {
				t.Errorf("MaxFiles %d lost line %d, which is among the newest", tt.maxFiles, i)
			}
		}
	}
}

func TestRotationWhileTheClockStands(t *testing.T) {
	m := newMemFS()
	l := testLogger(t, Config{File: "/n.log", SizeLimit: 100}, Env{FS: m})
	for range 5 {
		l.Noticef("%s", strings.Repeat("x", 100))
	}
	flush(t, l)
	if got := len(m.files); got != 6 {
		t.Errorf("%d files, want 6", got)
	}
}

// A full disk loses lines, says so where it can, and is forgiven when it has
// room again.
func TestFullDisk(t *testing.T) {
	m := newMemFS()
	var stderr syncBuffer
	now := testTime
	l := testLogger(t, Config{File: "/log"}, Env{FS: m, Stderr: &stderr, Now: func() time.Time { return now }})
	l.Noticef("first")
	flush(t, l)
	m.setFault(func(op, _ string) error {
		if op == "write" {
			return errors.New("no space left")
		}
		return nil
	})
	for range 3 {
		l.Noticef("lost")
	}
	flush(t, l)
	now = now.Add(time.Hour)
	l.Noticef("lost")
	flush(t, l)
	m.setFault(nil)
	l.Noticef("last")
	flush(t, l)

	if got, want := m.read("/log"), "[42] [INF] first\n[42] [IN\n[42] [I\n[42] [I\n[42] [I\n[42] [INF] last\n[42] [WRN] Log lines lost: 4, they could not be written: no space left\n"; got != want {
		t.Errorf("log is\n%swant\n%s", got, want)
	}
	told := "[ERR] Log lines are being lost: no space left\n"
	if got, want := stderr.String(), "[42] 2026/02/03 04:05:06.007008 "+told+"[42] 2026/02/03 05:05:06.007008 "+told; got != want {
		t.Errorf("standard error is\n%swant\n%s", got, want)
	}
}

// Whatever operation fails, each line is either in a file or counted as lost,
// and once nothing fails any more, lines are written again.
func TestEachOperationFails(t *testing.T) {
	const lines = 30
	for fail := 1; ; fail++ {
		m := newMemFS()
		l := testLogger(t, Config{File: "/n.log", SizeLimit: 200, MaxFiles: 3}, Env{FS: m, Now: ticking()})
		n, failed := 0, ""
		m.setFault(func(op, path string) error {
			if n++; n == fail {
				failed = op + " " + path
				return errors.New("injected")
			}
			return nil
		})
		// Old files are removed on the way, so look after each line.
		seen := map[string]bool{}
		look := func() {
			for _, text := range m.lines() {
				seen[text] = true
			}
		}
		for i := range lines {
			l.Noticef("line %02d", i)
			flush(t, l)
			look()
		}
		m.setFault(nil)
		l.Noticef("line %02d", lines)
		flush(t, l)
		look()
		if failed == "" {
			if fail < 40 {
				t.Errorf("there were only %d operations", fail)
			}
			return
		}

		var missing []int
		for i := range lines + 1 {
			if !seen[fmt.Sprintf("[42] [INF] line %02d", i)] {
				missing = append(missing, i)
			}
		}
		reported := seen["[42] [WRN] Log lines lost: 1, they could not be written: injected"]
		// The line that is reported may also be one about rotation.
		if len(missing) > 1 || len(missing) == 1 && !reported || slices.Contains(missing, lines) || reported && !strings.HasPrefix(failed, "write") {
			t.Errorf("%s failed: lines %d are missing, reported %v", failed, missing, reported)
		}
		if got := len(m.files); got > 4 {
			t.Errorf("%s failed: %d files are kept", failed, got)
		}
	}
}
