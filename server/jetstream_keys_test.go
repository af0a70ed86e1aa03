package server_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// untilRenewed waits until the log in a store directory has one key.
func untilRenewed(t *testing.T, dir, key string) {
	t.Helper()
	var out strings.Builder
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		out.Reset()
		// What is changed meanwhile may look like damage.
		err := server.DebugWAL(&out, filepath.Join(dir, "jetstream", "raft"), key)
		if err == nil && !strings.Contains(out.String(), "with another key") {
			return
		}
	}
	t.Fatalf("the log is not renewed:\n%s", &out)
}

// Does a server start with the keys that fit and with no others, and does it leave
// files alone that it cannot open?
func TestKeysOfJetStream(t *testing.T) {
	dir := t.TempDir()
	files := func() map[string]string {
		t.Helper()
		all := make(map[string]string)
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			all[path] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, step := range []struct {
		name, key, previous string
		cipher              options.Cipher
		want                string // in the error
	}{
		{"in clear", "", "", options.CipherChaCha, ""},
		{"turned on", "one", "", options.CipherChaCha, ""},
		{"again", "one", "", options.CipherChaCha, ""},
		{"without key", "", "", options.CipherChaCha, `are encrypted, and there is no "key"`},
		{"another key", "two", "", options.CipherChaCha, `are encrypted, by neither "key" nor "prev_key"`},
		{"two other keys", "two", "three", options.CipherAES, `are encrypted, by neither "key" nor "prev_key"`},
		{"a new key", "two", "one", options.CipherChaCha, ""},
		{"the new key alone", "two", "", options.CipherChaCha, ""},
		{"another cipher", "two", "", options.CipherAES, ""},
		{"the key before", "one", "", options.CipherAES, `are encrypted, by neither "key" nor "prev_key"`},
	} {
		before := files()
		opts := options.New()
		opts.Host, opts.Port, opts.Log.File = "127.0.0.1", -1, os.DevNull
		j := &opts.JetStream
		j.Enabled, j.StoreDir, j.Key, j.PrevKey, j.Cipher = true, dir, step.key, step.previous, step.cipher
		s, err := server.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Start()
		if step.previous != "" && err == nil {
			untilRenewed(t, dir, step.key)
		}
		s.Shutdown()
		switch {
		case step.want == "" && err != nil:
			t.Fatalf("%s: %v", step.name, err)
		case step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)):
			t.Fatalf("%s: %v", step.name, err)
		case step.want != "" && !maps.Equal(before, files()):
			t.Errorf("%s: files were changed", step.name)
		}
	}
}

// A server says so if its directory is another one's.
func TestStoreDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	start := func() (*server.Server, error) {
		opts := options.New()
		opts.Host, opts.Port, opts.Log.File = "127.0.0.1", -1, os.DevNull
		opts.JetStream.Enabled, opts.JetStream.StoreDir = true, dir
		s, err := server.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Shutdown)
		return s, s.Start()
	}
	if _, err := start(); err != nil {
		t.Fatal(err)
	}
	want := "another server uses the store directory " + filepath.Join(dir, "jetstream")
	if _, err := start(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
