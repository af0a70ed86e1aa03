//go:build unix

package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// ErrNoNetwork tells that servers can not be cut off from each other here.
var ErrNoNetwork = errors.New("servers have no networks of their own")

// Network is a network namespace for each server, and a bridge that joins them.
type Network struct {
	id     int // of this process; it is part of all names
	prefix string
	size   int

	mu   sync.Mutex
	cuts map[[2]int]bool
}

const (
	namePrefix = "chaos-"
	// nobody is a hardware address that no interface has.
	nobody = "02:00:00:c4:05:00"
)

// Possible says why there can be no Network here, nil if there can: it tries.
func Possible() error {
	n, err := NewNetwork(1)
	if err != nil {
		return err
	}
	return n.Close()
}

// NewNetwork makes a network for servers. One process has one of them at a time.
func NewNetwork(servers int) (*Network, error) {
	switch {
	case runtime.GOOS != "linux":
		return nil, fmt.Errorf("%w: they need Linux", ErrNoNetwork)
	case os.Geteuid() != 0:
		return nil, fmt.Errorf("%w: they need root", ErrNoNetwork)
	}
	id := os.Getpid()
	n := &Network{id: id, prefix: fmt.Sprintf("10.%d.%d.", 64+id/250%190, id%250), size: servers, cuts: make(map[[2]int]bool)}
	sweep()
	steps := [][]string{
		{"link", "add", n.bridge(), "type", "bridge"},
		{"addr", "add", n.prefix + "254/24", "dev", n.bridge()},
		{"link", "set", n.bridge(), "up"},
	}
	for i := range servers {
		ns, link := n.namespace(i), n.link(i)
		steps = append(
			steps,
			[]string{"netns", "add", ns},
			[]string{"link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", ns},
			[]string{"link", "set", link, "master", n.bridge(), "up"},
			[]string{"-n", ns, "addr", "add", n.address(i) + "/24", "dev", "eth0"},
			[]string{"-n", ns, "link", "set", "eth0", "up"},
			[]string{"-n", ns, "link", "set", "lo", "up"},
		)
	}
	for _, step := range steps {
		if err := ip(step...); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoNetwork, errors.Join(err, n.Close()))
		}
	}
	return n, nil
}

func (n *Network) bridge() string         { return fmt.Sprintf("chb%d", n.id) }
func (n *Network) link(i int) string      { return fmt.Sprintf("ch%d-%d", n.id, i) }
func (n *Network) namespace(i int) string { return fmt.Sprintf("%s%d-%d", namePrefix, n.id, i) }
func (n *Network) address(i int) string   { return n.prefix + strconv.Itoa(i+1) }

// enter is what the command of a server begins with: it becomes that command.
func (n *Network) enter(i int) []string { return []string{"ip", "netns", "exec", n.namespace(i)} }

// ip runs the command of that name.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// cut loses what one server sends to another.
func (n *Network) cut(from, to int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]int{from, to}] = true
	return ip("-n", n.namespace(from), "neigh", "replace", n.address(to), "lladdr", nobody, "nud", "permanent", "dev", "eth0")
}

// mend has everything arrive again.
func (n *Network) mend() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for c := range n.cuts {
		errs = append(errs, ip("-n", n.namespace(c[0]), "neigh", "del", n.address(c[1]), "dev", "eth0"))
	}
	clear(n.cuts)
	return errors.Join(errs...)
}

// Close removes everything. No server may run on it any more.
func (n *Network) Close() error { return remove(n.id, n.size) }

// remove removes the network of a process, as far as it is there.
func remove(id, size int) error {
	n := &Network{id: id}
	list, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return err
	}
	var errs []error
	for i := range size {
		if strings.Contains(string(list), n.namespace(i)) {
			errs = append(errs, ip("netns", "del", n.namespace(i))) // the link goes with it
		}
	}
	if ip("link", "show", n.bridge()) == nil {
		errs = append(errs, ip("link", "del", n.bridge()))
	}
	return errors.Join(errs...)
}

// sweep removes the networks of processes that are no more. What can not be removed is left
// to whoever looks for it.
func sweep() {
	list, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		return
	}
	for line := range strings.Lines(string(list)) {
		name, ok := strings.CutPrefix(line, namePrefix)
		text, _, _ := strings.Cut(name, "-")
		id, err := strconv.Atoi(text)
		if !ok || err != nil {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", id)); errors.Is(err, os.ErrNotExist) {
			_ = remove(id, 254) // see above
		}
	}
}
