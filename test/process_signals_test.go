//go:build unix

package test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Whatever ends a server, its clients have what was under way, its files are
// gone, and the exit status is 0.
func TestEndOfAProcess(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			p := launch(t, "")
			if pid, err := os.ReadFile(p.pidFile); err != nil || string(pid) != strconv.Itoa(p.cmd.Process.Pid) {
				t.Errorf("the pid file says %q, %v", pid, err)
			}
			// A client that tries to come back keeps what has arrived.
			subscriber := connect(t, p.url)
			sub := subscribe(t, subscriber, "last.words")
			publisher := connect(t, p.url)
			const n = 1000
			for range n {
				publish(t, publisher, "last.words", "good bye")
			}
			flush(t, publisher)
			p.signal(t, sig)
			for range n {
				next(t, sub)
			}
			if status := p.exit(t); status != 0 {
				t.Errorf("exit status %d", status)
			}
			p.logs(t, "Server Exiting..")
			for _, path := range []string{p.pidFile, p.portsFile} {
				if _, err := os.Stat(path); !os.IsNotExist(err) {
					t.Errorf("%s is left: %v", filepath.Base(path), err)
				}
			}
		})
	}
}

// SIGUSR2 sends clients to another server and then ends the process.
func TestLameDuckProcess(t *testing.T) {
	first, second := launch(t, `lame_duck_duration: "30s", lame_duck_grace_period: "100ms"`), launch(t, "")
	warned, moved := make(chan struct{}, 1), make(chan string, 1)
	nc := connect(t, first.url+","+second.url, nats.DontRandomize(),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.LameDuckModeHandler(func(*nats.Conn) { warned <- struct{}{} }),
		nats.ReconnectHandler(func(nc *nats.Conn) { moved <- nc.ConnectedUrl() }))
	flush(t, nc)
	first.signal(t, syscall.SIGUSR2)
	receive(t, "warning", warned)
	// A process manager that is impatient does not cut it short.
	first.signal(t, syscall.SIGTERM)
	if url := receive(t, "move", moved); url != second.url {
		t.Errorf("the client moved to %s", url)
	}
	if status := first.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	first.logs(t, "Entering lame duck mode, stop accepting new clients")
	flush(t, nc)

	// Without clients it ends at once, and SIGINT ends it at any time.
	nc.Close()
	await(t, func() error {
		if n := second.varz(t).Connections; n != 0 {
			return fmt.Errorf("%d connections", n)
		}
		return nil
	})
	second.signal(t, syscall.SIGUSR2)
	if status := second.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	third := launch(t, "")
	flush(t, connect(t, third.url, nats.NoReconnect()))
	third.signal(t, syscall.SIGUSR2)
	third.logs(t, "Entering lame duck mode")
	third.signal(t, syscall.SIGINT)
	if status := third.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// SIGHUP takes over a good configuration, and leaves things as they are if it
// is bad, with the place of the mistake in the log.
func TestReloadOfAProcess(t *testing.T) {
	p := launch(t, `authorization { users: [ {user: alice, password: a} ] }`)
	alice, bob := nats.UserInfo("alice", "a"), nats.UserInfo("bob", "b")
	nc := connect(t, p.url, alice)
	p.reconfigure(t, "authorization {\n  users: [ {user: bob, password: b} ]\n  tiemout: 3\n}")
	p.logs(t, `Failed to reload server configuration: `+filepath.Join(p.dir, "server.conf")+`:3:3: unknown field "tiemout"`)
	flush(t, nc)
	if _, err := nats.Connect(p.url, bob); err == nil {
		t.Error("a configuration with a mistake is in force")
	}
	p.reconfigure(t, `authorization { users: [ {user: alice, password: a}, {user: bob, password: b} ] }`)
	p.logs(t, "Reloaded server configuration (sha256:")
	flush(t, connect(t, p.url, bob))
	flush(t, nc)

	// The command itself can send the signal, to the process of a pid file.
	p.write(t, `authorization { users: [ {user: alice, password: a}, {user: carol, password: c} ] }`)
	if status, _, stderr := runs(t, "--signal", "reload="+p.pidFile); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	await(t, func() error {
		carol, err := nats.Connect(p.url, nats.UserInfo("carol", "c"))
		if err == nil {
			carol.Close()
		}
		return err
	})
	flush(t, nc)
	if status, _, stderr := runs(t, "--signal", "quit="+strconv.Itoa(p.cmd.Process.Pid)); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// SIGUSR1 begins a new log file when the old one was renamed; one that grows too
// large is renamed by the server itself.
func TestLogFiles(t *testing.T) {
	p := launch(t, "log_size_limit: 0")
	p.logs(t, "Server is ready")
	old := p.log + ".1"
	if err := os.Rename(p.log, old); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGUSR1)
	p.logs(t, "File log re-opened")
	p.signal(t, syscall.SIGTERM)
	if status := p.exit(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	p.logs(t, "Server Exiting..")
	text, err := os.ReadFile(old)
	if err != nil || !strings.Contains(string(text), "Server is ready") || strings.Contains(string(text), "Server Exiting..") {
		t.Errorf("the renamed log says %q, %v", text, err)
	}
	line := regexp.MustCompile(`^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[[A-Z]{3}\] .`)
	for l := range strings.Lines(string(text)) {
		if !line.MatchString(l) {
			t.Errorf("a line of the log is %q", l)
		}
	}

	p = launch(t, "log_size_limit: 2000, log_max_num: 3, trace: true")
	nc := connect(t, p.url)
	await(t, func() error {
		publish(t, nc, "chatter", strings.Repeat("x", 200))
		flush(t, nc)
		files, err := filepath.Glob(p.log + "*")
		if err == nil && len(files) != 3 {
			err = fmt.Errorf("log files %v", files)
		}
		return err
	})
	for range 50 {
		publish(t, nc, "chatter", strings.Repeat("x", 200))
	}
	flush(t, nc)
	await(t, func() error {
		// There is one more while the server puts a new one in place.
		files, err := filepath.Glob(p.log + "*")
		if err == nil && len(files) > 3 {
			err = fmt.Errorf("log files %v", files)
		}
		return err
	})
}

// A server that cannot start says why and has exit status 1.
func TestStartsThatFail(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	missing := filepath.Join(t.TempDir(), "missing", "file")
	for _, test := range []struct {
		name string
		args []string
		says string
	}{
		{"client port in use", []string{"-p", port}, "address already in use"},
		{"monitoring port in use", []string{"-p", "-1", "-m", port}, "address already in use"},
		{"pid file that cannot be written", []string{"-p", "-1", "-P", missing}, missing},
		{"log file that cannot be written", []string{"-p", "-1", "-l", missing}, missing},
		{"ports file that cannot be written", []string{"-p", "-1", "--ports_file_dir", missing}, missing},
		{"configuration that cannot be read", []string{"-p", "-1", "-c", missing}, missing},
		{"certificate that cannot be read", []string{"-p", "-1", "--tls", "--tlscert", missing, "--tlskey", missing}, missing},
		{"user and token", []string{"-p", "-1", "--user", "u", "--pass", "p", "--auth", "t"}, "Cannot have a user/pass and token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := runs(t, append([]string{"-a", "127.0.0.1"}, test.args...)...)
			if status != 1 || stdout != "" || !strings.Contains(stderr, test.says) {
				t.Errorf("status %d, output %q, errors %q; want status 1 and errors that say %q", status, stdout, stderr, test.says)
			}
		})
	}
}

// The ports file says what is open.
func TestPortsFile(t *testing.T) {
	p := launch(t, "", "--profile", "-1")
	text, err := os.ReadFile(p.portsFile)
	if err != nil {
		t.Fatal(err)
	}
	var open struct{ NATS, Monitoring, Profile []string }
	if err := json.Unmarshal(text, &open); err != nil || len(open.NATS) != 1 || len(open.Monitoring) != 1 || len(open.Profile) != 1 {
		t.Fatalf("the ports file says %s, %v", text, err)
	}
	flush(t, connect(t, open.NATS[0]))
	if status, _ := monitor(open.Monitoring[0]).text(t, "/varz"); status != http.StatusOK {
		t.Errorf("monitoring: status %d", status)
	}
	if status, _ := monitor(open.Profile[0]).text(t, "/debug/pprof/cmdline"); status != http.StatusOK {
		t.Errorf("profiling: status %d", status)
	}
}
