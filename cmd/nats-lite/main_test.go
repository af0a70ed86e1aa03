//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-lite/nats-lite/server"
)

// mainVariable makes the test binary the command itself.
const mainVariable = "NATS_LITE_TEST_MAIN"

// command prepares a process of this command.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	// The race detector would have the process wait for a second at its end.
	cmd.Env = append(os.Environ(), mainVariable+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// writeFile makes a file and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandsThatEndAtOnce(t *testing.T) {
	good := writeFile(t, "good.conf", "port: 4222\n")
	bad := writeFile(t, "bad.conf", "port: 4222\nbogus_key: 1\n")
	streams := writeFile(t, "streams.conf", "jetstream { store_dir: streams, max_file: 10G }\naccounts { A { jetstream: enabled } }\n")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	quote := regexp.QuoteMeta
	for _, test := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr string // patterns of the whole output
	}{
		{"version", []string{"--version"}, 0, `nats-lite: v` + quote(server.Version) + `\n`, ``},
		{"help", []string{"help"}, 0, `(?s).*Usage: nats-lite .*--config.*`, ``},
		{"unknown flag", []string{"--bogus"}, 0, `(?s).*Usage: nats-lite .*`, `flag provided but not defined: -bogus\n`},
		{"unknown command", []string{"extra"}, 1, ``, `nats-lite: unrecognized command: "extra"\n`},
		{"good configuration", []string{"-t", "-c", good}, 0, ``, `nats-lite: configuration file ` + quote(good) + ` is valid \(sha256:[0-9a-f]{64}\)\n`},
		{"good configuration of JetStream", []string{"-t", "-c", streams, "-js"}, 0, ``, `nats-lite: configuration file ` + quote(streams) + ` is valid \(sha256:[0-9a-f]{64}\)\n`},
		{"bad configuration", []string{"-t", "-c", bad}, 1, ``, `nats-lite: ` + quote(bad) + `:2:1: unknown field "bogus_key"\n\n`},
		{"start with a bad configuration", []string{"-c", bad}, 1, ``, `nats-lite: ` + quote(bad) + `:2:1: unknown field "bogus_key"\n\n`},
		{"invalid options", []string{"-a", "127.0.0.1", "-n", "has blanks"}, 1, ``, `nats-lite: .+\n`},
		{"unknown signal", []string{"--signal", "bogus=1"}, 1, ``, `nats-lite: unknown signal "bogus"\n`},
		{"nobody to signal", []string{"--signal", "reload=2147483647"}, 1, ``, `nats-lite: cannot send signal "reload" to process 2147483647: no such process\n`},
		{"port in use", []string{"-a", "127.0.0.1", "-p", port}, 1, ``, `(?s).*nats-lite: .*address already in use\n`},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := command(t, test.args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != test.status {
				t.Errorf("exit status %d, want %d", got, test.status)
			}
			for _, output := range []struct{ name, got, want string }{
				{"standard output", stdout.String(), test.stdout},
				{"standard error", stderr.String(), test.stderr},
			} {
				if !regexp.MustCompile(`\A(?:` + output.want + `)\z`).MatchString(output.got) {
					t.Errorf("%s is %q, want a match of %q", output.name, output.got, output.want)
				}
			}
		})
	}
}

// step is a signal and what the log says then, in this order.
type step struct {
	sig  syscall.Signal
	says []string
}

// A running server does what signals ask for, says so in its log, and ends with
// status 0.
func TestSignalsToARunningServer(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"interrupt", []step{{syscall.SIGINT, []string{`Trapped "interrupt" signal`, "Initiating Shutdown...", "Server Exiting.."}}}},
		{"term", []step{{syscall.SIGTERM, []string{`Trapped "terminated" signal`, "Initiating Shutdown...", "Server Exiting.."}}}},
		{"lame duck without clients", []step{{syscall.SIGUSR2, []string{`Trapped "user defined signal 2" signal`, "Server Exiting.."}}}},
		{"reload without a file", []step{
			{syscall.SIGHUP, []string{
				`Trapped "hangup" signal`,
				"Failed to reload server configuration: can only reload config when a file is provided using -c or --config",
			}},
			{syscall.SIGTERM, []string{`Trapped "terminated" signal`, "Server Exiting.."}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := command(t, "-a", "127.0.0.1", "-p", "-1")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			log := bufio.NewScanner(stderr)
			wait := func(want string) {
				t.Helper()
				for log.Scan() {
					if strings.Contains(log.Text(), want) {
						return
					}
				}
				t.Fatalf("the server ended without logging %q", want)
			}
			wait("Server is ready")
			for _, step := range test.steps {
				if err := cmd.Process.Signal(step.sig); err != nil {
					t.Fatal(err)
				}
				for _, want := range step.says {
					wait(want)
				}
			}
			// Waiting closes the pipe, so what is left in it is read before.
			for log.Scan() {
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the server ended with %v", err)
			}
		})
	}
}
