package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDebug(t *testing.T) {
	empty := t.TempDir()
	strange := t.TempDir()
	if err := os.WriteFile(filepath.Join(strange, "0000000000000001.wal"), []byte("no log"), 0o600); err != nil {
		t.Fatal(err)
	}
	lone := t.TempDir()
	if err := os.WriteFile(filepath.Join(lone, "0000000000000001.blk"), []byte("no block"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name           string
		args           []string
		status         int
		stdout, stderr string // what is in the output
	}{
		{"no log", []string{"debug", "wal", empty}, 0, empty + " holds no log", ""},
		{"nothing left of it", []string{"debug", "wal", strange}, 1, "DAMAGE: ", "nats-lite: the log is damaged"},
		{"no store", []string{"debug", "store", empty}, 0, empty + " holds no store", ""},
		{"a block without index", []string{"debug", "store", lone}, 1, "DAMAGE: ", "nats-lite: the store is damaged"},
		{"no directory of a store", []string{"debug", "store", filepath.Join(empty, "none")}, 1, "", "no such file or directory"},
		{"no store given", []string{"debug", "store"}, 1, "", "nats-lite debug store DIR"},
		{"no such directory", []string{"debug", "wal", filepath.Join(empty, "none")}, 1, "", "no such file or directory"},
		{"no directory given", []string{"debug", "wal"}, 1, "", "usage: nats-lite debug wal DIR"},
		{"nothing given", []string{"debug"}, 1, "", "usage: nats-lite debug wal DIR"},
		{"something else", []string{"debug", "log", empty}, 1, "", `unrecognized command: "debug log `},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if got := run(test.args, &stdout, &stderr); got != test.status {
				t.Errorf("exit status %d, want %d", got, test.status)
			}
			if !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("output %q and %q", stdout.String(), stderr.String())
			}
			if files, err := os.ReadDir(empty); err != nil || len(files) != 0 {
				t.Errorf("it left %v, %v", files, err)
			}
		})
	}
}
