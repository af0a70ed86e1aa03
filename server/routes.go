package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/nats-lite/nats-lite/server/cluster"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/proto"
)

const (
	// routePayload is the largest message, with its headers, that other servers may send, if
	// max_payload is not more: theirs may be more, and it is they who have seen to it.
	routePayload = 64 << 20
	// routePending is how many times as much may wait for another server as for a client.
	routePending = 4
)

// openCluster listens to other servers and begins to look for them. It returns when that is under way.
func (s *Server) openCluster(opts *options.Options) error {
	if !opts.Cluster.Enabled() {
		return nil
	}
	at := net.JoinHostPort(opts.Cluster.Host, strconv.Itoa(listenPort(opts.Cluster.Port)))
	l, err := s.listen("tcp", at)
	if err != nil {
		return fmt.Errorf("error listening on router port: %s: %w", at, err)
	}
	s.mu.Lock()
	s.clusterAddr = l.Addr()
	s.mu.Unlock()
	settings, err := s.clusterSettings(opts)
	if err != nil {
		_ = l.Close() // nobody has come yet
		return err
	}
	c := cluster.New(cluster.Env{
		Accounts: s.population, Dial: s.dial, Raft: s.acceptRaft, Changed: s.clusterChanged, Clock: s.clock, Log: s.log,
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}, settings, s.routeInfo())
	c.Start(l)
	s.cluster.Store(c)
	s.refreshInfo()
	s.meetNeighbours()
	if s.isStopping() {
		c.Close() // nobody else may have known of it
	}
	s.log.Noticef("Cluster name is %s", settings.Self.Cluster)
	s.log.Noticef("Listening for route connections on %s", l.Addr())
	return nil
}

// clusterSettings turns options into what routes go by.
func (s *Server) clusterSettings(opts *options.Options) (*cluster.Settings, error) {
	c := &opts.Cluster
	ping, unanswered := opts.RoutePing()
	out := &cluster.Settings{
		Self: mesh.Server{
			ID: s.id, Name: s.name, Cluster: c.Name, PoolSize: max(c.PoolSize, 1), Addr: s.routeAddr(opts),
		},
		Username: c.Auth.Username, Password: c.Auth.Password, Timeout: c.AuthTimeout(),
		Retries: c.ConnectRetries, Backoff: c.ConnectBackoff,
		ConnectReports: opts.ConnectErrorReports, ReconnectReports: opts.ReconnectErrorReports,
		Conn: &conn.Config{
			MaxPending:    routePending * opts.MaxPending,
			WriteDeadline: opts.RouteWriteDeadline(),
			RetryWrites:   c.WriteTimeout == options.WriteTimeoutRetry,
			Clock:         s.clock,
		},
		Compression: cluster.Compression(c.Compression.Mode.String()), Thresholds: c.Compression.RTTThresholds,
		MaxControlLine: opts.MaxControlLine, MaxPayload: max(opts.MaxPayload, routePayload),
		PingInterval: ping, PingMax: unanswered,
	}
	if c.Name == "" {
		out.Self.Cluster, out.Self.Dynamic = s.madeUpCluster, true
	}
	if c.PoolSize > 0 {
		out.Self.Accounts = slices.Clone(c.Accounts)
		if name := opts.SystemAccountName(); name != "" && !slices.Contains(out.Self.Accounts, name) {
			out.Self.Accounts = append(out.Self.Accounts, name)
		}
	}
	for _, r := range c.Routes {
		out.Routes = append(out.Routes, cluster.Remote{Addr: r.Addr(), Username: r.Username, Password: r.Password})
	}
	if p := c.Permissions; p != nil {
		var err error
		if out.Import, err = cluster.NewGate(p.Import); err != nil {
			return nil, err
		}
		if out.Export, err = cluster.NewGate(p.Export); err != nil {
			return nil, err
		}
	}
	t, err := clusterTLS(c)
	out.TLS = t
	return out, err
}

// clusterTLS is how routes are encrypted, nil if they are not.
func clusterTLS(c *options.Cluster) (*cluster.TLS, error) {
	if c.TLS == nil {
		return nil, nil
	}
	var hosts []string
	for _, r := range c.Routes {
		hosts = append(hosts, r.Host)
	}
	accept, dial, err := c.TLS.PeerConfigs(os.ReadFile, hosts)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return &cluster.TLS{Accept: accept, Dial: dial, Timeout: c.TLS.Timeout}, nil
}

// routeAddr is where others may dial this server, "" if they have to see for themselves because it
// listens everywhere.
func (s *Server) routeAddr(opts *options.Options) string {
	host, port := s.routeHostPort(opts)
	if host == "" {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func (s *Server) routeHostPort(opts *options.Options) (host string, port int) {
	s.mu.Lock()
	addr := s.clusterAddr
	s.mu.Unlock()
	if addr == nil {
		return opts.Cluster.Host, opts.Cluster.Port
	}
	host, port = hostPort(addr)
	// Validate has seen to it that there is no error.
	if h, p, err := opts.Cluster.AdvertiseAddr(port); err == nil && h != "" {
		return h, p
	}
	return host, port
}

// routeInfo is what other servers are told of this one.
func (s *Server) routeInfo() proto.RouteInfo {
	opts := s.opts.Load()
	out := proto.RouteInfo{Info: *s.info.Load()}
	out.Host, out.Port = s.routeHostPort(opts)
	out.ConnectURLs = nil
	if !opts.Cluster.NoAdvertise {
		out.ConnectURLs = s.clientURLs(opts)
	}
	out.TLSRequired, out.TLSAvailable, out.TLSVerify = opts.Cluster.TLS != nil, false, opts.Cluster.TLS != nil
	out.Cluster, out.ClusterDynamic = "", false // which are said by others
	out.RaftNode = s.raftNode()
	return out
}

// clientURLs are where clients reach this server, host and port.
func (s *Server) clientURLs(opts *options.Options) []string {
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	host, port := hostPort(l.Addr())
	if h, p, err := opts.AdvertiseAddr(port); err == nil && h != "" {
		host, port = h, p
	}
	hosts := []string{host}
	if host == "" {
		hosts = interfaces()
	}
	for i, h := range hosts {
		hosts[i] = net.JoinHostPort(h, strconv.Itoa(port))
	}
	return hosts
}

// connectURLs are what clients are told: where they reach this server, unless it is about
// to go, and all others.
func (s *Server) connectURLs(opts *options.Options, leaving bool) (urls []string) {
	c := s.cluster.Load()
	if c == nil || opts.Cluster.NoAdvertise {
		return nil
	}
	if !leaving {
		urls = s.clientURLs(opts)
	}
	return append(urls, c.ConnectURLs()...)
}

// clusterChanged tells clients and JetStream of servers that have come or gone. It is called by the
// cluster, which waits for it.
func (s *Server) clusterChanged() {
	s.meetNeighbours()
	before := s.info.Load()
	s.refreshInfo()
	if after := s.info.Load(); !slices.Equal(before.ConnectURLs, after.ConnectURLs) {
		for _, c := range s.allClients() {
			c.SendInfo()
		}
	}
}

// reloadCluster puts other options into force for routes.
func (s *Server) reloadCluster(settings *cluster.Settings) {
	if c := s.cluster.Load(); c != nil {
		c.Reconfigure(settings)
		c.SetInfo(s.routeInfo())
	}
}

// clusterName is the name of the cluster, "" if there is none.
func (s *Server) clusterName() (name string, dynamic bool) {
	if c := s.cluster.Load(); c != nil {
		return c.Name()
	}
	return "", false
}

// numPeers is the number of other servers in the cluster.
func (s *Server) numPeers() int {
	if c := s.cluster.Load(); c != nil {
		return len(c.Peers())
	}
	return 0
}

// closeCluster takes leave of other servers.
func (s *Server) closeCluster() {
	if c := s.cluster.Load(); c != nil {
		c.Close()
	}
}

var _ cluster.Accounts = (*population)(nil)
