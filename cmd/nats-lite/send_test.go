//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// childVariable makes the test binary a process to send signals to.
const childVariable = "NATS_LITE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childVariable) != "":
		echoSignals()
	case os.Getenv(mainVariable) != "":
		main()
	default:
		os.Exit(m.Run())
	}
}

// echoSignals prints "ready" and then the name of each signal until the test
// closes the standard input.
func echoSignals() {
	received := make(chan os.Signal, 16)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	fmt.Println("ready")
	go func() {
		for sig := range received {
			fmt.Println(sig)
		}
	}()
	// Whatever ends the input, an error as well, ends the child.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// child is a running copy of the test binary.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// startChild runs the test binary as a process of that name.
func startChild(t *testing.T, name string) *child {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(binary, path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	c := &child{cmd: cmd, lines: bufio.NewScanner(out)}
	c.wants(t, "ready")
	return c
}

func (c *child) pid() string { return strconv.Itoa(c.cmd.Process.Pid) }

// wants waits for the next line that the child prints.
func (c *child) wants(t *testing.T, line string) {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("the child ended, wanted it to print %q", line)
	}
	if got := c.lines.Text(); got != line {
		t.Fatalf("the child printed %q, wanted %q", got, line)
	}
}

// uniqueName is a process name that no other process has; the system cuts names
// after 15 characters.
func uniqueName(prefix string) string { return fmt.Sprintf("%s%d", prefix, os.Getpid()) }

func TestSendByPid(t *testing.T) {
	c := startChild(t, uniqueName("nl-a-"))
	for _, test := range []struct{ name, printed string }{
		{"quit", "interrupt"},
		{"term", "terminated"},
		{"reload", "hangup"},
		{"reopen", "user defined signal 1"},
		{"ldm", "user defined signal 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := newSender().send(test.name + "=" + c.pid()); err != nil {
				t.Fatal(err)
			}
			c.wants(t, test.printed)
		})
	}
	t.Run("stop", func(t *testing.T) {
		if err := newSender().send("stop=" + c.pid()); err != nil {
			t.Fatal(err)
		}
		err := c.cmd.Wait()
		status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Errorf("the child ended with %v, wanted a kill", err)
		}
	})
}

func TestSendByPidFile(t *testing.T) {
	c := startChild(t, uniqueName("nl-b-"))
	file := filepath.Join(t.TempDir(), "server.pid")
	if err := os.WriteFile(file, []byte(c.pid()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newSender().send("reload=" + file); err != nil {
		t.Fatal(err)
	}
	c.wants(t, "hangup")
}

// Processes are found by their name, and the sender does not send to itself.
func TestSendByName(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("finds processes in /proc")
	}
	s := newSender()
	s.program = uniqueName("nl-c-")
	wantError := func(command, want string) {
		t.Helper()
		if err := s.send(command); err == nil || err.Error() != want {
			t.Errorf("%s: got error %v, wanted %s", command, err, want)
		}
	}
	none := "no " + s.program + " processes running"
	wantError("reload", none)
	wantError("reload=*", none)

	a := startChild(t, s.program)
	for _, command := range []string{"reload", "reload=", "reload=*", "reload=" + a.pid() + "*"} {
		if err := s.send(command); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		a.wants(t, "hangup")
	}
	wantError("reload=0*", none)

	b := startChild(t, s.program)
	pids := []int{a.cmd.Process.Pid, b.cmd.Process.Pid}
	slices.Sort(pids)
	wantError("reload", fmt.Sprintf("multiple %s processes running:\n%d\n%d", s.program, pids[0], pids[1]))
	if err := s.send("ldm=*"); err != nil {
		t.Fatal(err)
	}
	a.wants(t, "user defined signal 2")
	b.wants(t, "user defined signal 2")

	s.self = b.cmd.Process.Pid
	if err := s.send("reopen"); err != nil {
		t.Fatal(err)
	}
	a.wants(t, "user defined signal 1")
}

func TestSendErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.pid")
	if err := os.WriteFile(garbage, []byte("-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, command, want string }{
		{"unknown signal", "bogus=1", `unknown signal "bogus"`},
		{"empty", "", `unknown signal ""`},
		{"names are exact", "RELOAD=1", `unknown signal "RELOAD"`},
		{"no process of that id", "reload=2147483647", `cannot send signal "reload" to process 2147483647: no such process`},
		{"id beyond the system's", "reload=4194304999", `invalid process id "4194304999"`},
		{"id beyond any number", "reload=18446744073709551615", `invalid process id "18446744073709551615"`},
		{"zero means a group", "reload=0", `invalid process id "0"`},
		{"missing file", "reload=" + dir + "/none.pid", "open " + dir + "/none.pid: no such file or directory"},
		{"file without an id", "reload=" + garbage, garbage + `: invalid process id "-1"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := newSender().send(test.command); err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestRunningReadsProc(t *testing.T) {
	stat := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	s := sender{program: "nats-lite", self: 40, proc: fstest.MapFS{
		"meminfo":     stat("MemTotal: 1 kB\n"),
		"1/stat":      stat("1 (init) S 0 1 1"),
		"200/stat":    stat("200 (nats-lite) R 1 1 1"),
		"30/stat":     stat("30 (nats-lite) S 1 1 1"),
		"40/stat":     stat("40 (nats-lite) R 1 1 1"),
		"50/stat":     stat("50 (nats-lite) Z 1 1 1"),
		"60/stat":     stat("60 (nats-lite-2) S 1 1 1"),
		"70/stat":     stat("70 (a) (nats-lite) S 1 1 1"),
		"80/stat":     stat(""),
		"90/stat":     stat("90 (nats-lite) "),
		"100/cmdline": stat("gone"),
	}}
	got, err := s.running()
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{30, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRunningWithoutProc(t *testing.T) {
	s := sender{program: "nats-lite", proc: os.DirFS(filepath.Join(t.TempDir(), "none"))}
	if err := s.send("reload"); err == nil || !strings.HasPrefix(err.Error(), "cannot list processes, name one by its id: ") {
		t.Errorf("got error %v", err)
	}
}
