//go:build unix

package test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// The servers of conf/cluster become one system with one group of assets, as they stand but for ports and
// places of files, and are again when one of them was killed and is started anew.
func TestSampleCluster(t *testing.T) {
	var changes []string
	own := []string{"4222", "4223", "4224", "6222", "6223", "6224", "8222", "8223", "8224"}
	for i, addr := range freeAddrs(t, len(own)) {
		changes = append(changes, "127.0.0.1:"+own[i], addr)
	}
	ports := strings.NewReplacer(append(changes, `"data/cluster/`, `"`+t.TempDir()+"/")...)
	dir := t.TempDir()
	config := func(name string) string {
		text, err := os.ReadFile(filepath.Join("../conf/cluster", name))
		if err != nil {
			t.Fatal(err)
		}
		return writeFile(t, dir, name, ports.Replace(string(text)))
	}
	config("users.conf")
	run := make(map[string]func() *exec.Cmd)
	for _, name := range []string{"a", "b", "c"} {
		path := config(name + ".conf")
		run[name] = func() *exec.Cmd {
			cmd := command(t, "-c", path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill() // it may have ended
				_ = cmd.Wait()
			})
			return cmd
		}
	}
	well := func() {
		t.Helper()
		for _, port := range []string{"8222", "8223", "8224"} {
			await(t, func() error {
				answer, err := http.Get("http://" + ports.Replace("127.0.0.1:"+port) + "/healthz")
				if err != nil {
					return err
				}
				defer answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					return fmt.Errorf("server at %s: %s", port, answer.Status)
				}
				return nil
			})
		}
	}
	run["a"]()
	run["c"]()
	second := run["b"]()
	well()
	nc := connect(t, "nats://"+ports.Replace("127.0.0.1:4223"))
	if name := nc.ConnectedClusterName(); name != "local" {
		t.Errorf("the cluster is called %q", name)
	}
	connect(t, "nats://"+ports.Replace("127.0.0.1:4222"), nats.UserInfo("sys", "sys"))
	nc.Close()
	if err := second.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = second.Wait() // which says that it was killed
	run["b"]()
	well()
}

// freeAddrs are where nobody listens. They are below those that the system gives to connections,
// one of which might take that of a server that is down.
func freeAddrs(t testing.TB, n int) (addrs []string) {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err != nil {
			continue
		}
		defer l.Close() // not before all are found, so that they differ
		if addrs = append(addrs, l.Addr().String()); len(addrs) == n {
			return addrs
		}
	}
	t.Fatal("no free ports")
	return nil
}
