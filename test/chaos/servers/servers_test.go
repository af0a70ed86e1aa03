//go:build unix

package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// stand is the environment variable that makes this test's binary stand in for a server: it
// then says that it is well, where its configuration says, and dials all routes when asked.
const stand = "CHAOS_STAND_IN"

func TestMain(m *testing.M) {
	if os.Getenv(stand) == "" {
		os.Exit(m.Run())
	}
	if err := standIn(os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func standIn(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if strings.Contains(string(text), "refuse: true") {
		return errors.New("this configuration is refused")
	}
	between := func(from, to string) string {
		_, rest, _ := strings.Cut(string(text), from)
		is, _, _ := strings.Cut(rest, to)
		return is
	}
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") })
	// It tells which of the addresses in the query answers it.
	http.HandleFunc("/reach", func(w http.ResponseWriter, r *http.Request) {
		reached := []string{}
		for _, addr := range r.URL.Query()["addr"] {
			nc, err := net.DialTimeout("tcp", addr, 500*time.Millisecond)
			if err == nil {
				nc.Close()
				reached = append(reached, addr)
			}
		}
		_ = json.NewEncoder(w).Encode(reached) // whoever asked is gone
	})
	return http.ListenAndServe(between("http: \"", "\""), nil)
}

// begin starts a cluster of stand-ins.
func begin(t *testing.T, o Options) *Cluster {
	t.Helper()
	t.Setenv(stand, "yes")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Binary, o.Dir, o.Servers = self, t.TempDir(), 3
	c, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range c.Servers() {
		if err := c.Start(i); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// whole waits for a cluster, for so long at most.
func whole(t *testing.T, c *Cluster, most time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	return c.Whole(ctx)
}

const patience = 30 * time.Second

func TestLife(t *testing.T) {
	c := begin(t, Options{})
	if err := whole(t, c, patience); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(0); err == nil {
		t.Error("started twice")
	}
	if err := errors.Join(c.Kill(1), c.Kill(1)); err != nil {
		t.Fatal(err)
	}
	if err := whole(t, c, 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "s1") {
		t.Errorf("without server 1: %v", err)
	}
	if err := c.Pause(1); err == nil {
		t.Error("paused though it does not run")
	}
	if err := errors.Join(c.Start(1), whole(t, c, patience), c.Pause(2)); err != nil {
		t.Fatal(err)
	}
	if err := whole(t, c, 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "s2") {
		t.Errorf("with server 2 paused: %v", err)
	}
	if err := errors.Join(c.Resume(2), whole(t, c, patience)); err != nil {
		t.Fatal(err)
	}
	if err := c.Cut(0, 1); !errors.Is(err, ErrNoNetwork) {
		t.Errorf("cut off: %v", err)
	}
	// A paused server can be killed, too.
	if err := errors.Join(c.Pause(0), c.Close(), c.Died()); err != nil {
		t.Error(err)
	}
}

// A server that ends by itself is told of, with what it has printed.
func TestDied(t *testing.T) {
	c := begin(t, Options{Extra: "refuse: true"})
	err := whole(t, c, patience)
	if err == nil || !strings.Contains(err.Error(), "ended by itself: exit status 1") {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(c.Store(0)), "printed"))
	if err != nil || !strings.Contains(string(text), "is refused") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestNetwork(t *testing.T) {
	n, err := NewNetwork(3)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if list, err := exec.Command("ip", "netns", "list").Output(); err != nil || strings.Contains(string(list), n.namespace(0)) {
			t.Errorf("left: %s, %v", list, err)
		}
	})
	c := begin(t, Options{Network: n})
	if err := whole(t, c, patience); err != nil {
		t.Fatal(err)
	}
	addr := func(i int) string { return strings.TrimPrefix(c.Monitor(i), "http://") }
	// reaches lists the servers that one can connect to. Connecting needs both directions.
	reaches := func(from int) (reached []int) {
		answer, err := http.Get(fmt.Sprintf("%s/reach?addr=%s&addr=%s&addr=%s", c.Monitor(from), addr(0), addr(1), addr(2)))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var list []string
		if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		for i := range c.Servers() {
			if slices.Contains(list, addr(i)) {
				reached = append(reached, i)
			}
		}
		return reached
	}
	check := func(when string, want ...[]int) {
		t.Helper()
		for from, to := range want {
			if got := reaches(from); !slices.Equal(got, to) {
				t.Errorf("%s server %d reaches %v, want %v", when, from, got, to)
			}
		}
	}
	all := []int{0, 1, 2}
	check("in peace", all, all, all)
	if err := c.Cut(0, 1); err != nil {
		t.Fatal(err)
	}
	check("cut off", []int{0, 2}, []int{1, 2}, all)
	if err := c.Mend(); err != nil {
		t.Fatal(err)
	}
	check("mended", all, all, all)
}
