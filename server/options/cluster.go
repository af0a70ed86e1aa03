package options

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// Cluster is the cluster {} block: how this server and others become one system.
type Cluster struct {
	// Name is what all servers of the cluster have to agree on; "" lets them find
	// a name, which then may change.
	Name string
	Host string
	// Port takes the connections of other servers; 0 is no cluster at all, -1
	// picks a free port.
	Port int
	// Advertise is told to other servers in place of host and port (see
	// AdvertiseAddr). NoAdvertise keeps them from telling their clients of this
	// one.
	Advertise   string
	NoAdvertise bool

	Auth ClusterAuth
	// Permissions is nil if everything may pass.
	Permissions *RoutePermissions
	// TLS is nil when servers do not speak TLS with each other. Both sides show a
	// certificate, so Verify is always set. HandshakeFirst and RateLimit are about
	// clients and mean nothing here.
	TLS *tlsconf.Config

	// Routes are the servers to connect to, without duplicates, until they
	// answer. Others, which one hears of, are tried ConnectRetries times more than
	// once. With ConnectBackoff the time between tries grows.
	Routes         []Route
	ConnectRetries int
	ConnectBackoff bool

	// PoolSize is the number of connections that the accounts share between two
	// servers; -1 is one connection for everything, as servers had it once.
	PoolSize int
	// Accounts have a connection of their own. That of the system has one without
	// being listed, unless there is no pool.
	Accounts    []string
	Compression Compression

	// PingInterval, PingMax and WriteDeadline are 0 if they are those of clients
	// (see Options.RoutePing and Options.RouteWriteDeadline).
	PingInterval  time.Duration
	PingMax       int
	WriteDeadline time.Duration
	// WriteTimeout is WriteTimeoutRetry or WriteTimeoutClose.
	WriteTimeout WriteTimeoutPolicy
}

// ClusterAuth is what servers that connect have to show, and what this one shows
// to those it learns of.
type ClusterAuth struct {
	Username, Password string
	// Timeout is how long a server may take to show it; 0 is the default (see
	// Cluster.AuthTimeout).
	Timeout time.Duration
}

// RoutePermissions say which subjects pass between servers: Import those that
// this server asks others for, Export those that others may ask it for. nil is
// all of them.
type RoutePermissions struct {
	Import, Export *auth.SubjectPermission
}

func newCluster() Cluster {
	return Cluster{
		Host:         DefaultHost,
		PoolSize:     DefaultPoolSize,
		WriteTimeout: WriteTimeoutRetry,
	}
}

// finish fills in the defaults of what was set to "no opinion".
func (c *Cluster) finish() {
	orDefault(&c.Host, DefaultHost)
	orDefault(&c.PoolSize, DefaultPoolSize)
	orDefault(&c.WriteTimeout, WriteTimeoutRetry)
	c.PoolSize = max(c.PoolSize, -1)
	c.ConnectRetries = max(c.ConnectRetries, 0)
	if c.TLS != nil && c.TLS.Timeout <= 0 {
		c.TLS.Timeout = DefaultTLSTimeout
	}
}

// Enabled reports whether the server is part of a cluster.
func (c *Cluster) Enabled() bool { return c.Port != 0 }

// AdvertiseAddr splits Advertise as Options.AdvertiseAddr does for clients.
func (c *Cluster) AdvertiseAddr(port int) (host string, advertisedPort int, err error) {
	return advertised("cluster_advertise", c.Advertise, port)
}

// AuthTimeout returns how long a server that connects may take to say who it is.
// With TLS it gets the time of the handshake on top.
func (c *Cluster) AuthTimeout() time.Duration { return authTimeout(c.Auth.Timeout, c.TLS) }

// RoutePing returns how often other servers are pinged, and how many pings may
// be without an answer.
func (o *Options) RoutePing() (interval time.Duration, unanswered int) {
	interval, unanswered = o.Cluster.PingInterval, o.Cluster.PingMax
	orDefault(&interval, o.PingInterval)
	orDefault(&unanswered, o.PingMax)
	return min(interval, maxRoutePing), unanswered
}

// RouteWriteDeadline is how long a write to another server may take.
func (o *Options) RouteWriteDeadline() time.Duration {
	deadline := o.Cluster.WriteDeadline
	orDefault(&deadline, o.WriteDeadline)
	return deadline
}

var (
	errRoutesAlone     = errors.New("solicited routes require cluster capabilities, e.g. --cluster")
	errClusterPassword = errors.New("expected cluster password to be set")
)

func checkCluster(o *Options) error {
	c := &o.Cluster
	if len(c.Routes) > 0 && !c.Enabled() {
		return errRoutesAlone
	}
	for _, r := range c.Routes {
		if err := r.check(); err != nil {
			return err
		}
	}
	for _, check := range []func(*Cluster) error{
		func(c *Cluster) error { return checkClusterName(c.Name) },
		checkClusterAdvertise,
		checkClusterTLS,
		checkClusterPermissions,
		checkClusterTimes,
		func(c *Cluster) error { return c.Compression.check() },
	} {
		if err := check(c); err != nil {
			return err
		}
	}
	return checkClusterAccounts(o)
}

// checkClusterName keeps names apart from what stands for "no name" in the
// protocol of leafnodes, and to one word of it.
func checkClusterName(name string) error {
	switch {
	case strings.ContainsFunc(name, unicode.IsSpace):
		return errors.New("cluster name cannot contain spaces")
	case name == "_":
		return errors.New(`cluster name "_" is reserved`)
	}
	return nil
}

func checkClusterAdvertise(c *Cluster) error {
	_, _, err := c.AdvertiseAddr(c.Port)
	return err
}

func checkClusterTLS(c *Cluster) error {
	if c.TLS == nil {
		return nil
	}
	if !hasCertificate(c.TLS) {
		return errors.New("cluster: TLS Server certificate must be present and valid")
	}
	if err := checkTLS(c.TLS); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

func checkClusterPermissions(c *Cluster) error {
	if c.Permissions == nil {
		return nil
	}
	for _, p := range []*auth.SubjectPermission{c.Permissions.Import, c.Permissions.Export} {
		if _, err := auth.Compile(&auth.Permissions{Publish: p}); err != nil {
			return fmt.Errorf("permissions of the cluster: %w", err)
		}
	}
	return nil
}

func checkClusterTimes(c *Cluster) error {
	switch {
	case c.PingInterval < 0:
		return fmt.Errorf("cluster ping_interval (%v) can not be negative", c.PingInterval)
	case c.PingMax < 0:
		return fmt.Errorf("cluster ping_max (%d) can not be negative", c.PingMax)
	case c.WriteDeadline < 0:
		return fmt.Errorf("cluster write_deadline (%v) can not be negative", c.WriteDeadline)
	}
	return nil
}

func checkClusterAccounts(o *Options) error {
	list := o.Cluster.Accounts
	if len(list) > 0 && o.Cluster.PoolSize < 0 {
		return errors.New("pool_size cannot be negative if pinned accounts are specified")
	}
	for i, name := range list {
		if slices.Contains(list[:i], name) {
			return fmt.Errorf("found duplicate account name %q in pinned accounts list %q", name, list)
		}
		if !o.hasAccount(name) {
			return fmt.Errorf("unable to add account %q to the list of dedicated routes: account missing", name)
		}
	}
	return nil
}

// hasAccount reports whether there is an account of the name, configured or not.
func (o *Options) hasAccount(name string) bool {
	return name == auth.GlobalAccount || name != "" && name == o.SystemAccountName() || accountIndex(o.Accounts, name) >= 0
}
