package server_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// Does a server that cannot start, because another one has its port, leave that
// one's files alone?
func TestFailedStartLeavesFilesOfOthers(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	newServer := func(port int) *server.Server {
		opts := options.New()
		opts.Host, opts.Port = "127.0.0.1", port
		opts.PidFile = pid
		opts.Log.File = os.DevNull
		s, err := server.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Shutdown)
		return s
	}
	first := newServer(-1)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := newServer(first.Info().Port).Start(); err == nil {
		t.Fatal("two servers on one port")
	}
	if after, err := os.ReadFile(pid); err != nil || string(after) != string(before) {
		t.Errorf("the pid file is %q, %v", after, err)
	}
	first.Shutdown()
	if _, err := os.Stat(pid); !os.IsNotExist(err) {
		t.Errorf("the pid file is still there: %v", err)
	}
}
