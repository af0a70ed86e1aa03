package memnet

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Config is what a Network is made with.
type Config struct {
	// Seed makes the jitter of links.
	Seed uint64
	// Link is what every link between two hosts is at first.
	Link Link
	// Buffer is the number of bytes that a direction of a connection holds,
	// in flight and unread, before writing blocks; 0 means 64 KiB.
	Buffer int
}

const defaultBuffer = 64 << 10

// Link is the quality of one direction between two hosts. The zero value
// delivers at once.
type Link struct {
	// Latency is the time that a byte takes; Jitter adds a random time below
	// it, anew for each write. Bytes of a connection stay in order.
	Latency, Jitter time.Duration
	// Bandwidth is the number of bytes per second that all connections of
	// the link share; 0 is no limit.
	Bandwidth int
}

// Network is a set of hosts that can reach each other. All methods of it, its
// hosts and its connections may be called from several goroutines.
type Network struct {
	config Config

	mu sync.Mutex
	// changed tells dials and accepts that anything but bytes has changed.
	changed *sync.Cond
	hosts   map[string]*Host
	links   map[hostPair]*link
	// pipes counts the directions of connections made so far.
	pipes uint64
}

type hostPair struct{ from, to *Host }

// link is one direction between two hosts; the network's mutex guards it.
type link struct {
	pair    hostPair
	quality Link
	rng     *rand.Rand
	// cut says that the link was blocked by itself, blocked that it is so,
	// by itself or because a host is paused.
	cut     bool
	blocked bool
	// busy is when the link has sent all that was written so far.
	busy time.Time
	// pipes are the directions of connections that run over the link.
	pipes map[*pipe]struct{}
}

// New returns a network without hosts.
func New(config Config) *Network {
	if config.Buffer <= 0 {
		config.Buffer = defaultBuffer
	}
	n := &Network{config: config, hosts: make(map[string]*Host), links: make(map[hostPair]*link)}
	n.changed = sync.NewCond(&n.mu)
	return n
}

// Host returns the host with a name, which is made if there is none. A name
// may also be an IP address. It panics on a name that cannot be part of an
// address, or that every host calls itself by.
func (n *Network) Host(name string) *Host {
	if !validHostName(name) {
		panic(fmt.Sprintf("memnet: %q cannot be the name of a host", name))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	h, ok := n.hosts[name]
	if !ok {
		h = newHost(n, name)
		n.hosts[name] = h
		n.changed.Broadcast()
	}
	return h
}

// SetLink changes the link from one host to another, for what is written from
// now on. What is under way arrives as before, and nothing overtakes it.
func (n *Network) SetLink(from, to *Host, quality Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.linkLocked(from, to).quality = quality
}

// Block makes the link from one host to another silent; the way back stays as
// it is.
func (n *Network) Block(from, to *Host) { n.setCut(from, to, true) }

// Unblock undoes Block.
func (n *Network) Unblock(from, to *Host) { n.setCut(from, to, false) }

// Partition blocks all links between hosts of different groups, both ways. It
// leaves links within a group, and those of hosts in no group, as they are.
func (n *Network) Partition(groups ...[]*Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, group := range groups {
		for _, other := range groups[i+1:] {
			for _, a := range group {
				for _, b := range other {
					n.setCutLocked(a, b, true)
					n.setCutLocked(b, a, true)
				}
			}
		}
	}
}

// Heal unblocks all links. Paused hosts stay so.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.cut = false
		n.refreshLocked(l)
	}
}

// Cut resets all connections between two hosts, on both ends at once, whatever
// the state of the links.
func (n *Network) Cut(a, b *Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range a.ends {
		if c.peer.host == b {
			c.breakLocked()
			c.peer.breakLocked()
		}
	}
}

func (n *Network) setCut(from, to *Host, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setCutLocked(from, to, cut)
}

func (n *Network) setCutLocked(from, to *Host, cut bool) {
	l := n.linkLocked(from, to)
	l.cut = cut
	n.refreshLocked(l)
}

// refreshLocked works out whether a link is blocked. A paused host still
// reaches itself.
func (n *Network) refreshLocked(l *link) {
	from, to := l.pair.from, l.pair.to
	blocked := l.cut || from != to && (from.paused || to.paused)
	if blocked == l.blocked {
		return
	}
	l.blocked = blocked
	if blocked {
		for _, p := range l.inOrder() {
			p.holdLocked()
		}
	} else {
		for _, p := range l.inOrder() {
			p.repeatLocked()
		}
		// The bytes of these are acknowledged over this link.
		for _, p := range n.linkLocked(to, from).inOrder() {
			p.acknowledgeLocked()
		}
	}
	n.changed.Broadcast()
}

// linkLocked returns the link between two hosts, making it on first use. A
// host's link to itself delivers at once.
func (n *Network) linkLocked(from, to *Host) *link {
	pair := hostPair{from, to}
	l, ok := n.links[pair]
	if !ok {
		l = &link{pair: pair, rng: rand.New(rand.NewPCG(n.config.Seed, linkSeed(pair))), pipes: make(map[*pipe]struct{})}
		if from != to {
			l.quality = n.config.Link
		}
		n.links[pair] = l
		n.refreshLocked(l)
	}
	return l
}

// linkSeed depends on nothing but the names of the hosts, so that what happens
// on one link does not change what is drawn on another.
func linkSeed(pair hostPair) uint64 {
	h := fnv.New64a()
	// A hash takes all bytes and returns no error.
	_, _ = h.Write([]byte(pair.from.name + "\x00" + pair.to.name))
	return h.Sum64()
}

// inOrder returns the pipes of a link, oldest first, so that each draws the
// same jitter in a rerun.
func (l *link) inOrder() []*pipe {
	return slices.SortedFunc(maps.Keys(l.pipes), func(a, b *pipe) int { return cmp.Compare(a.id, b.id) })
}

// delay draws how long bytes written now take.
func (l *link) delay() time.Duration {
	d := l.quality.Latency
	if l.quality.Jitter > 0 {
		d += time.Duration(l.rng.Int64N(int64(l.quality.Jitter)))
	}
	return d
}

// arrival is when n bytes written now have come over the link.
func (l *link) arrival(n int) time.Time {
	sent := time.Now()
	if l.quality.Bandwidth > 0 {
		if l.busy.After(sent) {
			sent = l.busy
		}
		sent = sent.Add(time.Duration(float64(n) / float64(l.quality.Bandwidth) * float64(time.Second)))
		l.busy = sent
	}
	return sent.Add(l.delay())
}

// Addr is the address of a listener or of an end of a connection.
type Addr struct {
	Host string
	Port int
}

// Network returns "tcp".
func (Addr) Network() string { return "tcp" }

// String returns host:port.
func (a Addr) String() string {
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}
