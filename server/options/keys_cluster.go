package options

import (
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/conf"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

var clusterBlock = newBlock("cluster", unknownField, []row[Cluster]{
	{"name", setClusterName},
	{"listen", address(
		func(c *Cluster) *string { return &c.Host },
		func(c *Cluster) *int { return &c.Port })},
	{"host net", text(func(c *Cluster) *string { return &c.Host })},
	{"port", number(func(c *Cluster) *int { return &c.Port })},
	{"cluster_advertise advertise", text(func(c *Cluster) *string { return &c.Advertise })},
	{"no_advertise", toggle(func(c *Cluster) *bool { return &c.NoAdvertise })},

	{"authorization", setClusterAuthorization},
	{"permissions", routePermissions(func(c *Cluster) **RoutePermissions { return &c.Permissions })},
	{"tls", peerTLSBlock(func(c *Cluster) **tlsconf.Config { return &c.TLS })},

	{"routes", setRoutes},
	{"connect_retries", number(func(c *Cluster) *int { return &c.ConnectRetries })},
	{"connect_backoff", toggle(func(c *Cluster) *bool { return &c.ConnectBackoff })},

	{"pool_size", number(func(c *Cluster) *int { return &c.PoolSize })},
	{"accounts", setClusterAccounts},
	{"compression", compression(CompressionFast, func(c *Cluster) *Compression { return &c.Compression })},

	{"ping_interval", setRoutePing},
	{"ping_max", number(func(c *Cluster) *int { return &c.PingMax })},
	{"write_deadline", period(func(c *Cluster) *time.Duration { return &c.WriteDeadline })},
	{"write_timeout", writeTimeout(func(c *Cluster) *WriteTimeoutPolicy { return &c.WriteTimeout })},
})

func setCluster(d *decoder, e *conf.Entry, o *Options) {
	if e.Value.Kind != conf.KindMap {
		d.fail(e.Pos, "Expected map to define cluster, got %v", e.Value.Kind)
		return
	}
	o.Cluster = newCluster()
	clusterBlock.decode(d, e.Value.Map, &o.Cluster)
}

func setClusterName(d *decoder, e *conf.Entry, c *Cluster) {
	if !d.is(e.Value, conf.KindString) {
		return
	}
	if err := checkClusterName(e.Value.Str); err != nil {
		d.fail(e.Pos, "%v", err)
		return
	}
	c.Name = e.Value.Str
}

// clusterAuthorization is the block inside the block, which once was the place
// for permissions.
type clusterAuthorization struct {
	ClusterAuth
	permissions *RoutePermissions
}

var clusterAuthorizationBlock = newBlock("cluster authorization", unknownField, []row[clusterAuthorization]{
	{"user username", text(func(a *clusterAuthorization) *string { return &a.Username })},
	{"password pass", text(func(a *clusterAuthorization) *string { return &a.Password })},
	{"timeout", loginTimeout(func(a *clusterAuthorization) *time.Duration { return &a.Timeout })},
	{"permissions default_permissions default_permission", oldRoutePermissions},
	{"token", refused[clusterAuthorization]("Cluster authorization does not support tokens")},
	{"users", refused[clusterAuthorization]("Cluster authorization does not allow multiple users")},
})

func setClusterAuthorization(d *decoder, e *conf.Entry, c *Cluster) {
	if !d.is(e.Value, conf.KindMap) {
		return
	}
	var a clusterAuthorization
	clusterAuthorizationBlock.decode(d, e.Value.Map, &a)
	c.Auth = a.ClusterAuth
	if c.Permissions == nil {
		c.Permissions = a.permissions
	}
}

func oldRoutePermissions(d *decoder, e *conf.Entry, a *clusterAuthorization) {
	d.warn(e, `setting "permissions" within cluster authorization block is deprecated`)
	routePermissions(func(a *clusterAuthorization) **RoutePermissions { return &a.permissions })(d, e, a)
}

// refused is for a key that makes sense in blocks of the same kind, but not in
// this one.
func refused[T any](why string) setter[T] {
	return func(d *decoder, e *conf.Entry, _ *T) { d.fail(e.Pos, "%s", why) }
}

// Unlike those of users, exported subjects have no queue groups: a server asks
// for all of a subject or for nothing.
var routePermissionsBlock = newBlock("route permissions", unknownPermission, []row[RoutePermissions]{
	{"import publish pub", subjects(checkPublishSubject,
		func(p *RoutePermissions) **auth.SubjectPermission { return &p.Import })},
	{"export subscribe sub", subjects(checkPublishSubject,
		func(p *RoutePermissions) **auth.SubjectPermission { return &p.Export })},
	{"allow_responses publish_allow_responses", refuseResponses},
})

func routePermissions[T any](field func(*T) **RoutePermissions) setter[T] {
	return func(d *decoder, e *conf.Entry, t *T) {
		if e.Value.Kind != conf.KindMap {
			d.fail(e.Pos, "Expected permissions to be a map/struct, got %s", show(e.Value))
			return
		}
		p := new(RoutePermissions)
		routePermissionsBlock.decode(d, e.Value.Map, p)
		*field(t) = p
	}
}

func refuseResponses(d *decoder, e *conf.Entry, _ *RoutePermissions) {
	if !isFalse(e.Value) {
		d.fail(e.Pos, "Cluster permissions do not support dynamic responses")
	}
}

func setRoutes(d *decoder, e *conf.Entry, c *Cluster) {
	if !d.is(e.Value, conf.KindArray) {
		return
	}
	var routes []Route
	for _, v := range e.Value.List {
		if !d.is(v, conf.KindString) {
			continue
		}
		r, err := parseRoute(v.Str)
		switch {
		case err != nil:
			d.fail(v.Pos, "%v", err)
		case slices.Contains(routes, r):
			d.warnAt(v.Pos, r.String(), "Duplicate route entry detected")
		default:
			routes = append(routes, r)
		}
	}
	c.Routes = routes
}

// setClusterAccounts takes one name or an array of them. Whether they exist shows
// only when all is read.
func setClusterAccounts(d *decoder, e *conf.Entry, c *Cluster) {
	list := []*conf.Value{e.Value}
	switch e.Value.Kind {
	case conf.KindString:
	case conf.KindArray:
		list = e.Value.List
	default:
		d.fail(e.Pos, "error parsing accounts: unsupported type %v", e.Value.Kind)
		return
	}
	var names []string
	for _, v := range list {
		if v.Kind != conf.KindString {
			d.fail(v.Pos, "error parsing accounts: unsupported type in array %v", v.Kind)
			continue
		}
		names = append(names, v.Str)
	}
	c.Accounts = names
}

func setRoutePing(d *decoder, e *conf.Entry, c *Cluster) {
	period(func(c *Cluster) *time.Duration { return &c.PingInterval })(d, e, c)
	if c.PingInterval > maxRoutePing {
		d.warn(e, "Cluster 'ping_interval' will reset to %v which is the max for routes", maxRoutePing)
	}
}
