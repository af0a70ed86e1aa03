package cluster

import (
	"context"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Cluster has all routes of a server: it accepts and dials them, and does what the mesh
// decides. Its methods may be called by many goroutines.
//
// One goroutine owns the mesh, and everything that happens is an event that it works off.
// It waits for nobody.
type Cluster struct {
	env    Env
	born   time.Time
	events chan func()
	// ctx ends when the cluster is closed, done when nothing is left of it.
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	// work counts what may still become a route.
	work sync.WaitGroup
	// strangers has room for those that have come and have not said who they are.
	strangers chan struct{}

	// These belong to the goroutine of run.
	mesh     *mesh.Mesh
	lastLink mesh.LinkID
	closing  bool

	mu       sync.Mutex
	listener net.Listener
	settings *Settings
	// self is the mesh's, info what else there is to tell of this server.
	self  mesh.Server
	info  proto.RouteInfo
	links map[mesh.LinkID]*link
	// peers and complete are the mesh's.
	peers    []mesh.Server
	complete bool
	// edition counts what info was. met has, by the addresses that were dialled, the name of whom was met there last.
	edition int
	met     map[string]string
	// opening are connections that are no routes yet.
	opening map[net.Conn]struct{}
	// totals are those of the routes that have ended, leaving their connections at the end.
	totals  Totals
	leaving []<-chan struct{}
}

// Env is what a Cluster has to do with. It does not change.
type Env struct {
	Accounts Accounts
	// Dial connects to an address, as net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Raft takes over a connection of a raft node that has come to the port of routes, of which
	// some was read. It must not block. It is nil if there is nobody to take it.
	Raft func(nc net.Conn, read []byte)
	// Changed is called when other servers have come or gone or said something new of themselves,
	// all are there or some are not any more, or the cluster has another name. It must not block.
	Changed func()
	Clock   clock.Clock
	Log     Logger
	Rand    *rand.Rand
}

// Settings are what the configuration says. They do not change; Reconfigure has others.
type Settings struct {
	// Self is this server, with the name of its cluster at first.
	Self mesh.Server
	// Username and Password are what others have to show, and what this server shows to
	// those of whom Routes says nothing else.
	Username, Password string
	// Timeout is how long another server may take to say who it is. TLS has a time of its own.
	Timeout time.Duration
	// Import is what this server asks others for, Export what they may ask it for.
	Import, Export *Gate
	// Compression is what this server says of it. Thresholds are the round trips up to which
	// CompressionAuto does nothing, is fast, and better; beyond them it is best.
	Compression Compression
	Thresholds  []time.Duration
	// TLS is nil if there is none.
	TLS *TLS
	// Routes are dialled until they answer, others Retries times more than once, with
	// pauses that grow if there is Backoff.
	Routes  []Remote
	Retries int
	Backoff bool
	// Every so many failures to dial one is logged, besides the first: of a server that
	// was never reached, and of one that was.
	ConnectReports, ReconnectReports int

	// The others are those of Config.
	Conn                       *conn.Config
	MaxControlLine, MaxPayload int
	PingInterval               time.Duration
	PingMax                    int
}

// Remote is a server that is configured, and what to show it; "" is what others have to show here.
type Remote struct{ Addr, Username, Password string }

const (
	// dialInterval is the time between two attempts to dial, or the first of them.
	dialInterval = time.Second
	// dialTimeout is how long it may take until there is a connection.
	dialTimeout = 2 * time.Second
	// suspectTimeout is how long a server has for a sign of life when another one has
	// come with its name, or raft does not hear it any more.
	suspectTimeout = 2 * time.Second
	// maxStrangers bounds the connections whose other ends have not said who they are.
	maxStrangers = 256
)

// link is a route with what its other end says of itself.
type link struct {
	route *Route
	dial  *mesh.Dial
	start time.Time
	addr  net.Addr
	info  proto.RouteInfo
}

// New returns the cluster of a server that is alone. info is what there is to tell of it besides
// the settings.
func New(env Env, s *Settings, info proto.RouteInfo) *Cluster {
	c := &Cluster{
		env: env, born: env.Clock.Now(),
		events: make(chan func()), done: make(chan struct{}),
		strangers: make(chan struct{}, maxStrangers),
		settings:  s, info: info, met: make(map[string]string),
		links: make(map[mesh.LinkID]*link), opening: make(map[net.Conn]struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.mesh = mesh.New(c.meshConfig(s))
	c.self = c.mesh.Self()
	return c
}

func (c *Cluster) meshConfig(s *Settings) mesh.Config {
	cfg := mesh.Config{
		Self: s.Self, Retries: s.Retries, Interval: int64(dialInterval), Backoff: s.Backoff, Rand: c.env.Rand,
	}
	for _, r := range s.Routes {
		cfg.Routes = append(cfg.Routes, r.Addr)
	}
	return cfg
}

// Start dials, and accepts what comes to the listener, which it closes at the end. It has to
// be called once.
func (c *Cluster) Start(l net.Listener) {
	c.mu.Lock()
	c.listener = l
	c.mu.Unlock()
	c.work.Go(func() { c.accept(l) })
	go c.run()
}

// run works off events until the cluster is closed and nothing is left of it.
func (c *Cluster) run() {
	defer close(c.done)
	timer := c.env.Clock.NewTimer(0)
	defer timer.Stop()
	var idle chan struct{}
	for settled := false; !settled || len(c.links) > 0; {
		select {
		case f := <-c.events:
			f()
		case <-timer.C():
		case <-idle:
			settled, idle = true, nil
		}
		switch {
		case !c.closing:
			e, next := c.mesh.Poll(c.now())
			c.apply(&e)
			if c.mesh.Complete() != c.complete {
				c.changed()
			}
			if next > 0 {
				timer.Reset(time.Duration(max(next-c.now(), 0)))
			}
		case idle == nil && !settled:
			idle = make(chan struct{})
			go func() { c.work.Wait(); close(idle) }()
		}
	}
}

// now is the time as the mesh counts it.
func (c *Cluster) now() int64 { return int64(c.env.Clock.Now().Sub(c.born)) + 1 }

// post has f done by the goroutine of run, unless that has ended.
func (c *Cluster) post(f func()) {
	select {
	case c.events <- f:
	case <-c.done:
	}
}

// Close ends all routes and returns when nothing is left of them.
func (c *Cluster) Close() {
	c.cancel()
	c.mu.Lock()
	l := c.listener
	for nc := range c.opening {
		_ = nc.Close() // nothing was said on it that matters
	}
	c.mu.Unlock()
	_ = l.Close() // there is nothing to be done about it
	c.post(func() {
		c.closing = true
		for _, l := range c.links {
			l.route.Close(conn.ServerShutdown, "")
			c.leaving = append(c.leaving, l.route.conn.Done())
		}
	})
	<-c.done
	for _, gone := range c.leaving {
		<-gone // what was queued is written, or there was no time
	}
}

// Reconfigure puts other settings into force. Routes stay, unless the other ends would have to know
// of the difference; what else is new of a connection is so for later ones.
func (c *Cluster) Reconfigure(s *Settings) {
	c.post(func() {
		old := c.settings
		c.mu.Lock()
		c.settings = s
		c.mu.Unlock()
		if c.closing {
			return
		}
		if !sameTerms(old, s) {
			e := c.mesh.Reconfigure(c.meshConfig(s), c.now())
			c.apply(&e)
			c.changed()
			return
		}
		c.mesh.Retry(s.Retries, s.Backoff)
		c.mesh.Configure(c.meshConfig(s).Routes)
	})
}

// sameTerms tells whether the ends of a route can rely on the same with either of the settings.
func sameTerms(a, b *Settings) bool {
	return reflect.DeepEqual(a.Self, b.Self) && a.Compression == b.Compression && reflect.DeepEqual(a.Thresholds, b.Thresholds) && a.Username == b.Username && a.Password == b.Password && (a.TLS == nil) == (b.TLS == nil) &&
		reflect.DeepEqual(a.Import.permission(), b.Import.permission()) && reflect.DeepEqual(a.Export.permission(), b.Export.permission())
}

// SetInfo says something else of this server, and tells the others.
func (c *Cluster) SetInfo(info proto.RouteInfo) {
	c.mu.Lock()
	c.info = info
	c.edition++
	c.mu.Unlock()
	c.post(c.tellOfSelf)
}

// tellOfSelf tells all others what there is to tell of this server.
func (c *Cluster) tellOfSelf() {
	h := c.handshake()
	for _, l := range c.links {
		if l.route.slot == (mesh.Slot{}) {
			l.route.Tell(h.info(&Meeting{}))
		}
	}
}

// handshake is how this server introduces itself now.
func (c *Cluster) handshake() *Handshake {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := c.info
	info.Compression = string(c.settings.Compression)
	info.Import, info.Export = c.settings.Import.permission(), c.settings.Export.permission()
	return &Handshake{
		edition: c.edition,
		Self:    c.self, Info: info, Username: c.settings.Username, Password: c.settings.Password,
		Timeout: c.settings.Timeout, MaxControlLine: c.settings.MaxControlLine, Clock: c.env.Clock,
	}
}

// changed takes note of what the mesh has come to, and says so.
func (c *Cluster) changed() {
	c.mu.Lock()
	c.self = c.mesh.Self()
	c.peers, c.complete = c.mesh.Peers(), c.mesh.Complete()
	c.mu.Unlock()
	c.env.Changed()
}

// Name is the name of the cluster, and whether it was made up.
func (c *Cluster) Name() (name string, dynamic bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.self.Cluster, c.self.Dynamic
}

// Peers are the other servers that there is a main link to, by name.
func (c *Cluster) Peers() []mesh.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.peers)
}

// Sight is Peers, and whether somebody is there at each address that is configured, but for those
// where this server itself listens.
func (c *Cluster) Sight() (peers []mesh.Server, complete bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.peers), c.complete
}

// ConnectURLs are where clients reach the other servers, but for those that are about to go.
func (c *Cluster) ConnectURLs() (urls []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := make(map[string]*proto.RouteInfo)
	for _, l := range c.links {
		if l.route.slot == (mesh.Slot{}) {
			said[l.route.peer.ID] = &l.info
		}
	}
	for i := range c.peers {
		if info := said[c.peers[i].ID]; info != nil && !info.LameDuck {
			urls = append(urls, info.ConnectURLs...)
		}
	}
	return urls
}
