package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// testTime has a zone, so that UTC shows.
var testTime = time.Date(2026, 2, 3, 4, 5, 6, 7008000, time.FixedZone("", 3600))

// memFS holds files in memory. Before each operation it asks fault, which may
// block or return the error of the operation.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memData
	fault func(op, path string) error
	// writes counts calls of Write.
	writes int
}

type memData struct{ bytes.Buffer }

type memFile struct {
	fs   *memFS
	path string
	data *memData
	// short is how many bytes a write that fails still writes.
	closed bool
}

func newMemFS() *memFS { return &memFS{files: make(map[string]*memData)} }

func (m *memFS) check(op, path string) error {
	m.mu.Lock()
	fault := m.fault
	m.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(op, path)
}

func (m *memFS) setFault(fault func(op, path string) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = fault
}

func (m *memFS) OpenAppend(path string) (File, error) {
	if err := m.check("open", path); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[path] == nil {
		m.files[path] = new(memData)
	}
	return &memFile{fs: m, path: path, data: m.files[path]}, nil
}

func (m *memFS) Rename(from, to string) error {
	if err := m.check("rename", from); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[from] == nil || m.files[to] != nil {
		return fmt.Errorf("rename %s to %s", from, to)
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memFS) Remove(path string) error {
	if err := m.check("remove", path); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, path)
	return nil
}

func (m *memFS) Names(dir string) ([]string, error) {
	if err := m.check("names", dir); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for path := range m.files {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.fs.check("size", f.path); err != nil {
		return 0, err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(f.data.Len()), nil
}

// Write writes the first half of what fails.
func (f *memFile) Write(p []byte) (int, error) {
	err := f.fs.check("write", f.path)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.writes++
	if f.closed {
		return 0, fs.ErrClosed
	}
	if err != nil {
		p = p[:len(p)/2]
	}
	n, _ := f.data.Write(p) // A bytes.Buffer returns no errors.
	return n, err
}

func (f *memFile) Close() error {
	err := f.fs.check("close", f.path)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.closed = true
	return err
}

func (m *memFS) read(path string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[path] == nil {
		return "(no file)"
	}
	return m.files[path].String()
}

// lines returns the messages of all files together.
func (m *memFS) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, d := range m.files {
		for l := range strings.Lines(d.String()) {
			all = append(all, strings.TrimSuffix(l, "\n"))
		}
	}
	return all
}

// syncBuffer is a bytes.Buffer for two goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func testLogger(t *testing.T, cfg Config, env Env) *Logger {
	t.Helper()
	if env.Now == nil {
		env.Now = func() time.Time { return testTime }
	}
	if env.Stderr == nil {
		env.Stderr = new(syncBuffer)
	}
	env.PID = 42
	l, err := New(cfg, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func flush(t *testing.T, l *Logger) {
	t.Helper()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLineFormat(t *testing.T) {
	for _, tt := range []struct {
		name string
		form lineForm
		line line
		want string
	}{
		{"time", lineForm{pid: 42, time: true}, line{testTime, LevelInfo, "hello"}, "[42] 2026/02/03 04:05:06.007008 [INF] hello\n"},
		{"UTC", lineForm{pid: 42, time: true, utc: true}, line{testTime, LevelDebug, "hello"}, "[42] 2026/02/03 03:05:06.007008 [DBG] hello\n"},
		{"no time", lineForm{pid: 7}, line{testTime, LevelWarn, "hello"}, "[7] [WRN] hello\n"},
		{"error", lineForm{pid: 7}, line{testTime, LevelError, "hello"}, "[7] [ERR] hello\n"},
		{"fatal", lineForm{pid: 7}, line{testTime, LevelFatal, "hello"}, "[7] [FTL] hello\n"},
		{"trace", lineForm{pid: 7}, line{testTime, LevelTrace, "hello"}, "[7] [TRC] hello\n"},
		{"colour", lineForm{pid: 42, time: true, colour: true}, line{testTime, LevelInfo, "hello"}, "[42] 2026/02/03 04:05:06.007008 [\x1b[32mINF\x1b[0m] hello\n"},
		{"newline at the end", lineForm{pid: 7}, line{testTime, LevelInfo, "hello\n"}, "[7] [INF] hello\n"},
		{"forged line", lineForm{pid: 7}, line{testTime, LevelInfo, "x\r\n[7] [FTL] y"}, `[7] [INF] x\r\n[7] [FTL] y` + "\n"},
		{"escape sequences", lineForm{pid: 7}, line{testTime, LevelInfo, "\x1b[2J\a\x7f\u009b"}, `[7] [INF] \x1b[2J\x07\x7f\xc2\x9b` + "\n"},
		{"text in other scripts", lineForm{pid: 7}, line{testTime, LevelInfo, "größe\t€ 日本"}, "[7] [INF] größe\t€ 日本\n"},
		{"no text", lineForm{pid: 7}, line{testTime, LevelInfo, "a\xff\xfeb"}, `[7] [INF] a\xff\xfeb` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.form.appendLine(nil, tt.line)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	var out syncBuffer
	l := testLogger(t, Config{Debug: true}, Env{Stderr: &out})
	log := func() {
		l.Noticef("n%d", 1)
		l.Debugf("d%d", 2)
		l.Warnf("w%d", 3)
		l.Errorf("e%d", 4)
		l.Fatalf("f%d", 5)
		l.Tracef("t%d", 6)
	}
	log()
	if !l.DebugEnabled() || l.TraceEnabled() {
		t.Error("debug should be enabled, and trace not")
	}
	l.SetLevels(false, true)
	if l.DebugEnabled() || !l.TraceEnabled() {
		t.Error("trace should be enabled, and debug not")
	}
	log()
	flush(t, l)
	want := "[42] [INF] n1\n[42] [DBG] d2\n[42] [WRN] w3\n[42] [ERR] e4\n[42] [FTL] f5\n" +
		"[42] [INF] n1\n[42] [WRN] w3\n[42] [ERR] e4\n[42] [FTL] f5\n[42] [TRC] t6\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	m := newMemFS()
	l := testLogger(t, Config{File: "/log"}, Env{FS: m})
	for i := range 1000 {
		l.Noticef("%d", i)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(m.lines()); got != 1000 {
		t.Errorf("%d lines were written", got)
	}
	l.Noticef("too late")
	l.LimitedWarnf("k", "too late")
	if err := l.Flush(t.Context()); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
	if _, err := l.Reopen(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Reopen after Close: %v", err)
	}
	if err := l.Reconfigure(Config{File: "/other"}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Reconfigure after Close: %v", err)
	}
	if got := len(m.lines()); got != 1000 {
		t.Errorf("%d lines after Close", got-1000)
	}
}

// Each line is at exactly one destination while destinations change under many
// goroutines that log, in the order of each goroutine, and by one write call.
func TestReconfigureLosesNothing(t *testing.T) {
	const loggers, each, swaps = 4, 500, 20
	m := newMemFS()
	l := testLogger(t, Config{File: "/log0"}, Env{FS: m})
	var wg sync.WaitGroup
	for g := range loggers {
		wg.Go(func() {
			for i := range each {
				l.Noticef("%d-%04d", g, i)
			}
		})
	}
	wg.Go(func() {
		for i := range swaps {
			if err := l.Reconfigure(Config{File: fmt.Sprintf("/log%d", i%3)}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	flush(t, l)
	var want []string
	for g := range loggers {
		for i := range each {
			want = append(want, fmt.Sprintf("[42] [INF] %d-%04d", g, i))
		}
	}
	got := m.lines()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines of %d, or not the same", len(got), len(want))
	}
	if m.writes != len(want) {
		t.Errorf("%d write calls for %d lines", m.writes, len(want))
	}
}

func TestReconfigureToNothingChangesNothing(t *testing.T) {
	m := newMemFS()
	l := testLogger(t, Config{File: "/log"}, Env{FS: m})
	m.setFault(func(op, path string) error {
		if path == "/other" {
			return errors.New("no such directory")
		}
		return nil
	})
	err := l.Reconfigure(Config{File: "/other", Debug: true})
	if err == nil || err.Error() != "error opening file: no such directory" {
		t.Errorf("error is %v", err)
	}
	if l.DebugEnabled() {
		t.Error("levels changed")
	}
	l.Noticef("still here")
	flush(t, l)
	if got := m.read("/log"); got != "[42] [INF] still here\n" {
		t.Errorf("log is %q", got)
	}
}

// A destination that hangs holds up nobody. What does not fit is dropped, what
// matters least first, and counted.
func TestHangingDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		stuck := make(chan struct{})
		m.setFault(func(op, _ string) error {
			if op == "write" {
				<-stuck
			}
			return nil
		})
		l := testLogger(t, Config{File: "/log", Trace: true}, Env{FS: m, Now: time.Now})
		for range maxQueueLines {
			l.Tracef("trace")
		}
		synctest.Wait() // The writer has taken one line and hangs.
		inQueue := len(l.queue)
		if inQueue > maxQueueLines/2 {
			t.Errorf("%d traces are queued", inQueue)
		}
		for range maxQueueLines {
			l.Noticef("notice")
		}
		if got := len(l.queue); got != maxQueueLines {
			t.Errorf("%d lines are queued", got)
		}

		before := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Flush(ctx); err == nil {
			t.Error("Flush succeeded")
		}
		if err := l.Reconfigure(Config{File: "/other"}); err == nil {
			t.Error("Reconfigure succeeded")
		}
		if took := time.Since(before); took != time.Second+commandTimeout {
			t.Errorf("waited for %v", took)
		}

		close(stuck)
		flush(t, l)
		written := m.lines()
		dropped := 0
		for _, l := range written {
			var n int
			if _, err := fmt.Sscanf(l[strings.Index(l, "[WRN] ")+1:], "WRN] Log lines lost: %d,", &n); err == nil {
				dropped += n
			}
		}
		// One line in all of those is the report of what was dropped.
		if len(written)-1+dropped != 2*maxQueueLines {
			t.Errorf("%d lines written and %d dropped of %d", len(written)-1, dropped, 2*maxQueueLines)
		}
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		stuck := make(chan struct{})
		m.setFault(func(op, _ string) error {
			if op == "write" {
				<-stuck
			}
			return nil
		})
		l := testLogger(t, Config{File: "/log"}, Env{FS: m, Now: time.Now})
		large := strings.Repeat("x", 1<<20)
		for range 200 {
			l.Noticef("%s", large)
		}
		synctest.Wait()
		if got := len(l.queue); got == 0 || got > maxQueueBytes>>20 {
			t.Errorf("%d lines of 1 MiB are queued", got)
		}
		close(stuck)
		flush(t, l)
		if got := l.queued.Load(); got != 0 {
			t.Errorf("an empty queue is taken for %d bytes", got)
		}
	})
}

func TestCloseDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		stuck := make(chan struct{})
		m.setFault(func(op, _ string) error {
			if op == "write" {
				<-stuck
			}
			return nil
		})
		l, err := New(Config{File: "/log"}, Env{FS: m, Now: time.Now, Stderr: new(syncBuffer)})
		if err != nil {
			t.Fatal(err)
		}
		l.Noticef("x")
		before := time.Now()
		if err := l.Close(); err == nil {
			t.Error("Close succeeded")
		}
		if took := time.Since(before); took != closeTimeout {
			t.Errorf("Close took %v", took)
		}
		close(stuck) // The goroutine ends after all.
	})
}

func TestLoggingAllocatesLittle(t *testing.T) {
	l := testLogger(t, Config{}, Env{})
	if n := testing.AllocsPerRun(1000, func() { l.Debugf("off") }); n != 0 {
		t.Errorf("a line that is not logged costs %v allocations", n)
	}
}

func BenchmarkNoticef(b *testing.B) {
	l, err := New(Config{Time: true}, Env{Stderr: new(syncDiscard)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Noticef("client %d connected from %s", 17, "127.0.0.1:4222")
	}
}

type syncDiscard struct{}

func (*syncDiscard) Write(p []byte) (int, error) { return len(p), nil }
