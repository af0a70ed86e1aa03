package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// instance is a server in this process, with a configuration file.
type instance struct {
	*server.Server
	// path is the configuration file, log the file that the log is written to.
	path, log string
	monitor
}

// start runs a server with a configuration. It listens on free ports of the
// loopback interface whatever that says, and is shut down with the test. The
// overrides win over the configuration.
func start(t testing.TB, config string, overrides ...func(*options.Options)) *instance {
	t.Helper()
	s := prepare(t, config, overrides...)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.monitor = monitor("http://" + s.MonitorAddr().String())
	return s
}

// prepare makes a server without starting it.
func prepare(t testing.TB, config string, overrides ...func(*options.Options)) *instance {
	t.Helper()
	dir := t.TempDir()
	s := &instance{path: filepath.Join(dir, "server.conf"), log: filepath.Join(dir, "server.log")}
	s.write(t, config)
	overrides = append([]func(*options.Options){func(o *options.Options) {
		o.Host, o.Port, o.HTTPPort = "127.0.0.1", -1, -1
		o.Log.File = s.log
	}}, overrides...)
	opts, warnings, err := options.FromFile(s.path, overrides...)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) > 0 {
		t.Fatal(warnings)
	}
	if s.Server, err = server.New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Shutdown()
		if t.Failed() {
			showLog(t, s.log)
		}
	})
	return s
}

// write replaces the configuration file. A file must not be empty, so it says
// something that is the default anyway.
func (s *instance) write(t testing.TB, config string) {
	t.Helper()
	if err := os.WriteFile(s.path, []byte("logtime: true\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reconfigure replaces the configuration and has the server take it over.
func (s *instance) reconfigure(t testing.TB, config string) {
	t.Helper()
	s.write(t, config)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
}

// connect connects a client to the server.
func (s *instance) connect(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	return connect(t, s.ClientURL(), opts...)
}

// connect connects a client that is closed with the test.
func connect(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append([]nats.Option{nats.Timeout(patience), silent}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// silent keeps the client from printing errors that a test provokes.
var silent = nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})

// flush makes sure that the server has worked off what the client sent.
func flush(t testing.TB, nc *nats.Conn) {
	t.Helper()
	if err := nc.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
}

// showLog prints the end of a server's log.
func showLog(t testing.TB, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Log(err)
		return
	}
	lines := strings.SplitAfter(string(text[max(0, len(text)-64<<10):]), "\n")
	var end strings.Builder
	for _, line := range lines[max(0, len(lines)-40):] {
		fmt.Fprintf(&end, "%.200s\n", strings.TrimRight(line, "\n"))
	}
	t.Logf("the end of the server's log:\n%s", end.String())
}

// splitPort takes an address apart.
func splitPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	return host, port, err
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
