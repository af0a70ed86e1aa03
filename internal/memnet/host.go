package memnet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Host is one machine on a Network. It has what net.Dialer has, so that it can
// stand in for one, as well as Listen.
type Host struct {
	net  *Network
	name string

	// Guarded by net.mu.
	paused    bool
	listeners map[int]*Listener
	// ends are the ends of connections at this host that are not closed.
	ends map[*Conn]struct{}
	// dialled are the ports of connections that this host has dialled.
	dialled  map[int]struct{}
	nextPort int
}

const (
	firstEphemeral = 49152
	lastPort       = 65535
	// backlog is the number of connections that wait for Accept before
	// further dials wait.
	backlog = 128
)

func newHost(n *Network, name string) *Host {
	return &Host{
		net:       n,
		name:      name,
		listeners: make(map[int]*Listener),
		ends:      make(map[*Conn]struct{}),
		dialled:   make(map[int]struct{}),
		nextPort:  firstEphemeral,
	}
}

// Name returns the name of the host.
func (h *Host) Name() string { return h.name }

// Listen opens a listener. The network is "tcp", "tcp4" or "tcp6". The host
// part of the address is empty, the host's own name, an unspecified address,
// or a loopback name, by which only the host itself can reach the listener;
// port 0 picks a free one.
func (h *Host) Listen(network, address string) (net.Listener, error) {
	l, err := h.listen(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: rawAddr(address), Err: err}
	}
	return l, nil
}

func (h *Host) listen(network, address string) (*Listener, error) {
	name, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	local := isLoopback(name)
	if !local && !isUnspecified(name) && name != h.name {
		return nil, syscall.EADDRNOTAVAIL
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if port == 0 {
		if port, err = h.freePortLocked(); err != nil {
			return nil, err
		}
	} else if h.listeners[port] != nil {
		return nil, syscall.EADDRINUSE
	}
	addr := Addr{h.name, port}
	if local {
		addr.Host = name
	}
	l := &Listener{host: h, addr: addr, local: local}
	h.listeners[port] = l
	h.net.changed.Broadcast()
	return l, nil
}

// Dial is DialContext without a context.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// DialContext connects to a listener, which takes a round trip. It waits while
// a link is blocked or the listener's queue is full, until the context ends.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := h.dial(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: rawAddr(address), Err: err}
	}
	return c, nil
}

func (h *Host) dial(ctx context.Context, network, address string) (*Conn, error) {
	name, port, err := splitAddress(network, address)
	if err != nil {
		return nil, err
	}
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.changed.Broadcast()
	})
	defer stop()

	local := isLoopback(name) || isUnspecified(name)
	target := h
	if !local && name != h.name {
		if target = n.hosts[name]; target == nil {
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
	}
	for {
		if err := n.travelLocked(ctx, h, target); err != nil {
			return nil, err
		}
		l := target.listeners[port]
		if err := n.travelLocked(ctx, target, h); err != nil {
			return nil, err
		}
		if l == nil || l.closed || l.local && target != h {
			return nil, syscall.ECONNREFUSED
		}
		if len(l.queue) < backlog {
			remote := Addr{target.name, port}
			if local {
				remote.Host = name
			}
			return n.connectLocked(h, l, remote)
		}
		// What does not fit into the queue is dropped by the system, and the
		// dialler tries again.
		n.changed.Wait()
	}
}

// travelLocked waits for as long as a packet takes, longer while the link is
// blocked. The network is unlocked meanwhile.
func (n *Network) travelLocked(ctx context.Context, from, to *Host) error {
	l := n.linkLocked(from, to)
	at := time.Now().Add(l.delay())
	for {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case l.blocked:
			n.changed.Wait()
			if !l.blocked {
				at = time.Now().Add(l.delay())
			}
		case !at.After(time.Now()):
			return nil
		default:
			wake := n.wakeLocked(at, n.changed.Broadcast)
			n.changed.Wait()
			wake.Stop()
		}
	}
}

// wakeLocked calls f at a time, with the network locked.
func (n *Network) wakeLocked(at time.Time, f func()) *time.Timer {
	return time.AfterFunc(time.Until(at), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		f()
	})
}

func (n *Network) connectLocked(from *Host, l *Listener, remote Addr) (*Conn, error) {
	port, err := from.freePortLocked()
	if err != nil {
		return nil, err
	}
	local := Addr{from.name, port}
	if isLoopback(remote.Host) {
		local.Host = remote.Host
	}
	near, far := n.newConnsLocked(from, l.host, local, remote)
	near.dialled = true
	from.dialled[port] = struct{}{}
	l.queue = append(l.queue, far)
	n.changed.Broadcast()
	return near, nil
}

// freePortLocked hands out ports in turn, so that a port is not soon used again
// and a rerun sees the same ones.
func (h *Host) freePortLocked() (int, error) {
	for range lastPort - firstEphemeral + 1 {
		port := h.nextPort
		if h.nextPort++; h.nextPort > lastPort {
			h.nextPort = firstEphemeral
		}
		if _, dialled := h.dialled[port]; !dialled && h.listeners[port] == nil {
			return port, nil
		}
	}
	return 0, syscall.EADDRNOTAVAIL
}

// Pause makes the host silent, as if its cable were pulled: nothing that it
// sends gets out, and nothing gets in. What runs on the host goes on, and
// reaches itself.
func (h *Host) Pause() { h.setPaused(true) }

// Resume undoes Pause.
func (h *Host) Resume() { h.setPaused(false) }

func (h *Host) setPaused(paused bool) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.paused = paused
	for pair, l := range h.net.links {
		if pair.from == h || pair.to == h {
			h.net.refreshLocked(l)
		}
	}
}

// Crash ends everything that the host has on the network, as when its process
// is killed: listeners close, connections fail here at once, and the other ends
// are reset when that has travelled there. The host may then be used again, as
// after a restart.
func (h *Host) Crash() {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for _, l := range h.listeners {
		l.closeLocked()
	}
	// In order, so that each draws the same jitter in a rerun.
	ends := slices.SortedFunc(maps.Keys(h.ends), func(a, b *Conn) int { return cmp.Compare(a.out.id, b.out.id) })
	for _, c := range ends {
		c.abortLocked()
	}
}

// Conns returns the number of connections that end at this host and have not
// been closed here.
func (h *Host) Conns() int {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return len(h.ends)
}

// Listener is an open port of a host.
type Listener struct {
	host *Host
	addr Addr
	// local listeners are reached from their own host only.
	local bool

	// Guarded by host.net.mu. queue holds what Accept has not fetched.
	queue  []*Conn
	closed bool
}

// Addr returns the address, with the port that was picked.
func (l *Listener) Addr() net.Addr { return l.addr }

// Accept waits for the next connection. After Close it returns an error that is
// net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	n := l.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		n.changed.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	c := l.queue[0]
	l.queue = slices.Delete(l.queue, 0, 1)
	n.changed.Broadcast()
	return c, nil
}

// Close stops listening and resets the connections that nobody has accepted.
func (l *Listener) Close() error {
	n := l.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.addr, Err: net.ErrClosed}
	}
	l.closeLocked()
	return nil
}

func (l *Listener) closeLocked() {
	l.closed = true
	delete(l.host.listeners, l.addr.Port)
	for _, c := range l.queue {
		c.abortLocked()
	}
	l.queue = nil
	l.host.net.changed.Broadcast()
}

// splitAddress takes an address apart.
func splitAddress(network, address string) (host string, port int, err error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return "", 0, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(service)
	if err != nil || port < 0 || port > lastPort {
		return "", 0, &net.AddrError{Err: fmt.Sprintf("invalid port %q", service), Addr: address}
	}
	return host, port, nil
}

func isUnspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func validHostName(name string) bool {
	if isUnspecified(name) || isLoopback(name) {
		return false
	}
	return net.ParseIP(name) != nil || !strings.ContainsAny(name, ":[] /%")
}

// rawAddr is an address as it was given, for errors.
type rawAddr string

func (rawAddr) Network() string  { return "tcp" }
func (a rawAddr) String() string { return string(a) }
