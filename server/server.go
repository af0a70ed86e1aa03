package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/client"
	"github.com/nats-lite/nats-lite/server/cluster"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/logging"
	"github.com/nats-lite/nats-lite/server/monitor"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/system"
)

// Server is one NATS server. Its methods may be called by several goroutines.
type Server struct {
	id, xkey string
	name     string
	clock    clock.Clock
	log      *logging.Logger
	listen   func(network, address string) (net.Listener, error)
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	counters client.Counters
	eventSeq atomic.Uint64
	monitor  *monitor.Monitor
	services *system.Service
	// population are all accounts, now and before.
	population *population
	// madeUpCluster is the name of a cluster that nobody has named.
	madeUpCluster string
	// cluster is nil if the server is to stay alone.
	cluster atomic.Pointer[cluster.Cluster]
	// jetStream is nil unless it runs.
	jetStream atomic.Pointer[jetStream]

	// These are replaced by a reload.
	opts     atomic.Pointer[options.Options]
	settings atomic.Pointer[client.Settings]
	authn    atomic.Pointer[auth.Authenticator]
	accounts atomic.Pointer[accounts]
	info     atomic.Pointer[proto.Info]

	// reloading is held by the one reload under way, refreshing by who makes info anew.
	reloading, refreshing sync.Mutex

	mu       sync.Mutex
	state    state
	start    time.Time
	loaded   time.Time
	listener net.Listener
	// clusterAddr is where other servers are listened to, nil before that.
	clusterAddr net.Addr
	web         []*monitor.Server
	httpAddr    net.Addr
	httpsAddr   net.Addr
	profAddr    net.Addr
	clients     map[uint64]*client.Client
	// opening are the clients that have not got to their first operation.
	opening   map[uint64]*client.Client
	lastID    uint64
	total     uint64
	gone      *closedRing
	portsFile string
	pidFile   string
	// running counts the goroutines of Start; stopped is closed when Shutdown
	// is done.
	running sync.WaitGroup
	stopped chan struct{}
	// cut is closed when a Shutdown begins.
	cut chan struct{}
}

// state is where a server is in its life.
type state int

const (
	created state = iota
	started
	lameDuck
	stopping
)

// Option changes what a server is made of, for tests.
type Option func(*Server)

// WithClock has the server tell the time by c.
func WithClock(c clock.Clock) Option { return func(s *Server) { s.clock = c } }

// WithListen has the server listen by f.
func WithListen(f func(network, address string) (net.Listener, error)) Option {
	return func(s *Server) { s.listen = f }
}

// WithDial has the server dial others by f.
func WithDial(f func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *Server) { s.dial = f }
}

// New makes a server. It checks what can be checked without opening anything
// but certificates. opts belongs to the server from now on.
func New(opts *options.Options, more ...Option) (*Server, error) {
	s := &Server{
		clock:   clock.Real(),
		listen:  net.Listen,
		dial:    new(net.Dialer).DialContext,
		clients: make(map[uint64]*client.Client),
		opening: make(map[uint64]*client.Client),
		stopped: make(chan struct{}),
		cut:     make(chan struct{}),
		gone:    newClosedRing(opts.MaxClosedClients),
	}
	for _, o := range more {
		o(s)
	}
	s.population, s.madeUpCluster = newPopulation(s.clock), nuid.Next()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := s.makeKeys(); err != nil {
		return nil, err
	}
	s.name = opts.ServerName
	if s.name == "" {
		s.name = s.id
	}
	p, err := s.prepare(opts)
	if err != nil {
		return nil, err
	}
	if s.log, err = logging.New(logConfig(opts), logging.Env{Now: s.clock.Now}); err != nil {
		return nil, err
	}
	s.adopt(opts, p)
	s.monitor = monitor.New(source{s}, monitor.Config{
		BasePath: opts.HTTPBasePath,
		Args:     processArgs(),
		Now:      s.clock.Now,

		JetStream: jetStreamView{s},
	})
	s.services = system.New(s, s.endpoints())
	return s, s.startServices()
}

// makeKeys makes the identity of this run of the server.
func (s *Server) makeKeys() error {
	for _, k := range []struct {
		make func() (nkeys.KeyPair, error)
		to   *string
	}{{nkeys.CreateServer, &s.id}, {nkeys.CreateCurveKeys, &s.xkey}} {
		pair, err := k.make()
		if err == nil {
			*k.to, err = pair.PublicKey()
		}
		if err != nil {
			return fmt.Errorf("server key: %w", err)
		}
	}
	return nil
}

// parts are what a configuration turns into, made before anything is changed,
// so that a bad one changes nothing.
type parts struct {
	settings *client.Settings
	authn    *auth.Authenticator
	accounts *accounts
	// routes are nil if there is no cluster.
	routes *cluster.Settings
}

// prepare makes the parts of opts, with what is to stay taken from those in
// force.
func (s *Server) prepare(opts *options.Options) (*parts, error) {
	settings, err := s.makeSettings(opts)
	if err != nil {
		return nil, err
	}
	authn, err := auth.New(authConfig(opts))
	if err != nil {
		return nil, err
	}
	accs, err := s.accounts.Load().configured(opts, s.sharing())
	if err != nil {
		return nil, err
	}
	p := &parts{settings: settings, authn: authn, accounts: accs}
	if opts.Cluster.Enabled() {
		p.routes, err = s.clusterSettings(opts)
	}
	return p, err
}

// adopt puts parts into force.
func (s *Server) adopt(opts *options.Options, p *parts) {
	s.opts.Store(opts)
	p.accounts.apply()
	s.accounts.Store(p.accounts)
	s.authn.Store(p.authn)
	s.settings.Store(p.settings)
	s.refreshInfo()
	now := s.clock.Now()
	s.mu.Lock()
	s.loaded = now
	s.mu.Unlock()
}

// refreshInfo makes the INFO that all clients share anew.
func (s *Server) refreshInfo() {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	opts := s.opts.Load()
	host, port := s.advertised(opts)
	i := &proto.Info{
		ServerID:   s.id,
		ServerName: s.name,
		Version:    Version,
		Proto:      1,
		GitCommit:  Commit(),
		GoVersion:  runtime.Version(),
		Host:       host,
		Port:       port,
		Headers:    !opts.NoHeaderSupport,
		MaxPayload: opts.MaxPayload,
		APILevel:   api.Level,
		XKey:       s.xkey,
		JetStream:  opts.JetStream.Enabled,
		Domain:     opts.JetStream.Domain,
	}
	if t := opts.TLS; t != nil {
		i.TLSRequired, i.TLSAvailable = !opts.AllowNonTLS, opts.AllowNonTLS
		i.TLSVerify = t.Verify || t.Map
	}
	s.mu.Lock()
	i.LameDuck = s.state >= lameDuck
	s.mu.Unlock()
	if old := s.info.Load(); old != nil && i.LameDuck {
		// There is no listener any more to ask for its port.
		i.Host, i.Port = old.Host, old.Port
	}
	i.Cluster, i.ClusterDynamic = s.clusterName()
	i.ConnectURLs = s.connectURLs(opts, i.LameDuck)
	s.info.Store(i)
}

// ErrNotRunning is returned for what only a running server can do.
var ErrNotRunning = errors.New("server is not running")

// ID is the server's public key, new with each run.
func (s *Server) ID() string { return s.id }

// Name is the configured name, or the ID.
func (s *Server) Name() string { return s.name }

// NumClients is the number of connections of clients.
func (s *Server) NumClients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// NumSubscriptions is the number of subscriptions in all accounts, the
// server's own included.
func (s *Server) NumSubscriptions() int {
	n := 0
	for _, a := range s.accounts.Load().byName {
		n += a.Interest().Len()
	}
	return n
}

var _ client.Host = (*Server)(nil)
