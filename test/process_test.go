//go:build unix

package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program builds the command, once in a run.
var program = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(runDir, "nats-lite")
	cmd := exec.Command("go", "build", "-o", path, "../cmd/nats-lite")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// command prepares a run of the built command.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, args...)
}

// process is a server that runs as a process of its own.
type process struct {
	cmd *exec.Cmd
	// dir holds the files below.
	dir, log, pidFile, portsFile string
	// url and addr are where clients connect.
	url, addr string
	monitor
	ended chan struct{}
}

// ports is what a ports file says.
type ports struct {
	NATS       []string `json:"nats"`
	Monitoring []string `json:"monitoring"`
}

// launch runs a server with a configuration text, "" for none, and more
// arguments. It listens on free ports of the loopback interface whatever those
// say, and has all its files in a directory of the test. It is killed with the
// test, if it has not ended by itself.
func launch(t testing.TB, config string, args ...string) *process {
	t.Helper()
	p := spawn(t, config, args...)
	p.ready(t)
	return p
}

// spawn is launch without waiting until clients can connect.
func spawn(t testing.TB, config string, args ...string) *process {
	t.Helper()
	return spawnBy(t, nil, config, args...)
}

// spawnBy is spawn by a command that replaces itself by the one that its arguments
// end with.
func spawnBy(t testing.TB, by []string, config string, args ...string) *process {
	t.Helper()
	dir := t.TempDir()
	if config != "" {
		args = append([]string{"-c", writeFile(t, dir, "server.conf", config)}, args...)
	}
	p := &process{dir: dir, log: filepath.Join(dir, "log"), pidFile: filepath.Join(dir, "pid"), ended: make(chan struct{})}
	p.cmd = command(t, append([]string{
		"-a", "127.0.0.1", "-p", "-1", "-m", "-1",
		"-l", p.log, "-P", p.pidFile, "--ports_file_dir", dir,
	}, args...)...)
	if len(by) > 0 {
		p.cmd = exec.Command(by[0], append(by[1:], p.cmd.Args...)...)
	}
	var complaints strings.Builder
	p.cmd.Stdout, p.cmd.Stderr = &complaints, &complaints
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // what came of it is in the process state
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended already
		<-p.ended
		if t.Failed() {
			t.Logf("the server printed %q", complaints.String())
			showLog(t, p.log)
		}
	})
	p.portsFile = filepath.Join(dir, fmt.Sprintf("nats-lite_%d.ports", p.cmd.Process.Pid))
	return p
}

// ready waits until clients can connect.
func (p *process) ready(t testing.TB) {
	t.Helper()
	var open ports
	await(t, func() error {
		select {
		case <-p.ended:
			t.Fatalf("the server ended with %v", p.cmd.ProcessState)
		default:
		}
		text, err := os.ReadFile(p.portsFile)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &open)
	})
	if len(open.NATS) != 1 || len(open.Monitoring) != 1 {
		t.Fatalf("the ports file says %+v", open)
	}
	p.url, p.monitor = open.NATS[0], monitor(open.Monitoring[0])
	_, p.addr, _ = strings.Cut(p.url, "://")
}

// write replaces the configuration file that the server was launched with.
func (p *process) write(t testing.TB, config string) {
	t.Helper()
	writeFile(t, p.dir, "server.conf", config)
}

// reconfigure has the server take over another configuration. That takes a
// moment.
func (p *process) reconfigure(t testing.TB, config string) {
	t.Helper()
	p.write(t, config)
	p.signal(t, syscall.SIGHUP)
}

func (p *process) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the end of the process and returns its exit status.
func (p *process) exit(t testing.TB) int {
	t.Helper()
	receive(t, "end of the process", p.ended)
	return p.cmd.ProcessState.ExitCode()
}

// logs waits until the log says something.
func (p *process) logs(t testing.TB, text string) {
	t.Helper()
	await(t, func() error {
		log, err := os.ReadFile(p.log)
		if err == nil && !strings.Contains(string(log), text) {
			err = fmt.Errorf("the log does not say %q", text)
		}
		return err
	})
}

// memory is the resident memory of the process in bytes; false if the system
// does not tell.
func (p *process) memory(t testing.TB) (bytes int64, known bool) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0, false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 2 || fields[1] != "kB" {
		t.Fatalf("no VmRSS in %q", text)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10, true
}

// grewBy checks that the process has not grown by more than that much for each
// of n connections since it had before bytes.
func (p *process) grewBy(t testing.TB, before int64, n int, each int64) {
	t.Helper()
	now, known := p.memory(t)
	if !known {
		return
	}
	t.Logf("%d connections cost %d bytes of memory each", n, (now-before)/int64(n))
	if now-before > each*int64(n) {
		t.Errorf("%d connections made the server grow by %d MiB, from %d MiB", n, (now-before)>>20, before>>20)
	}
}

// descriptors is how many connections a test may hold at a time, but no more
// than wanted: the system bounds the descriptors of a process, which keeps some
// for itself.
func descriptors(t testing.TB, wanted int) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// The runtime has raised the soft limit, and that of the server likewise.
	return max(1, min(wanted, int(limit.Cur)-500))
}

// runs runs the command to its end.
func runs(t testing.TB, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := command(t, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tooLong := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may just have ended
	defer tooLong.Stop()
	err := cmd.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
