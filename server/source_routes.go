package server

import (
	"net"
	"slices"
	"strconv"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/cluster"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/monitor"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// Routes is monitor.Source's.
func (m source) Routes() *monitor.Routes {
	out := new(monitor.Routes)
	if p := m.s.opts.Load().Cluster.Permissions; p != nil {
		out.Import, out.Export = permission(p.Import), permission(p.Export)
	}
	c := m.s.cluster.Load()
	if c == nil {
		return out
	}
	for _, r := range c.Routes() {
		out.List = append(out.List, routeOf(&r))
	}
	return out
}

func permission(p *auth.SubjectPermission) *monitor.SubjectPermission {
	if p == nil {
		return nil
	}
	return &monitor.SubjectPermission{Allow: p.Allow, Deny: p.Deny}
}

func theirs(p *proto.SubjectPermission) *monitor.SubjectPermission {
	if p == nil {
		return nil
	}
	return &monitor.SubjectPermission{Allow: p.Allow, Deny: p.Deny}
}

// routeOf puts what there is to tell of a route into monitoring's form.
func routeOf(r *cluster.Status) *monitor.Route {
	out := &monitor.Route{
		RID: uint64(r.ID), RemoteID: r.Peer.ID, RemoteName: r.Peer.Name, Solicited: r.Solicited, Configured: r.Configured,
		Start: r.Start, LastActivity: r.LastActivity, RTT: r.Stats.RTT,
		Import: theirs(r.Import), Export: theirs(r.Export), PendingBytes: r.Stats.Pending,
		InMsgs: r.Stats.InMsgs, InBytes: r.Stats.InBytes, OutMsgs: r.Stats.Msgs, OutBytes: r.Stats.Bytes,
		NumSubs: r.Stats.Theirs, Account: r.Account, Compression: string(r.Compression),
	}
	if host, port, err := net.SplitHostPort(r.Addr.String()); err == nil {
		out.IP = host
		out.Port, _ = strconv.Atoi(port) // addresses of connections have numbers
	}
	out.Subs = func() []monitor.Sub {
		list := r.Interest()
		subs := make([]monitor.Sub, len(list))
		for i, s := range list {
			subs[i] = monitor.Sub{Account: s.Account, Subject: s.Subject, Queue: s.Queue, CID: uint64(r.ID)}
		}
		return subs
	}
	return out
}

// addCluster completes varz with what is about other servers.
func (m source) addCluster(v *monitor.Varz) {
	s := m.s
	c := s.cluster.Load()
	if c == nil {
		return
	}
	opts := s.opts.Load()
	o := &opts.Cluster
	name, _ := c.Name()
	_, port := s.routeHostPort(opts)
	v.Cluster = monitor.ClusterVarz{
		Name: name, Addr: o.Host, Port: port, AuthTimeout: o.AuthTimeout().Seconds(), PoolSize: o.PoolSize,
		WriteDeadline: opts.RouteWriteDeadline(), WriteTimeout: o.WriteTimeout.String(),
	}
	for _, r := range o.Routes {
		v.Cluster.URLs = append(v.Cluster.URLs, r.Addr())
	}
	slices.Sort(v.Cluster.URLs)
	if o.TLS != nil {
		v.Cluster.TLSRequired, v.Cluster.TLSVerify, v.Cluster.TLSTimeout = true, true, o.TLS.Timeout.Seconds()
		v.Cluster.TLSCertNotAfter = tlsconf.CertNotAfter(c.Certificates())
	}
	v.Routes, v.Remotes = len(c.Routes()), len(c.Peers())
	t := c.Totals()
	v.InMsgs += t.InMsgs
	v.InBytes += t.InBytes
	v.OutClientMsgs += t.Delivered
	v.OutClientBytes += t.DeliveredBytes
	v.OutMsgs = v.OutClientMsgs + t.OutMsgs
	v.OutBytes = v.OutClientBytes + t.OutBytes
	v.SlowConsumers += t.SlowConsumers
	v.SlowConsumerStats.Routes = uint64(t.SlowConsumers)
	v.StaleConnections += t.Stale
	v.StaleConnectionStats.Routes = uint64(t.Stale)
}

// addRouteStats completes statsz with what is about other servers.
func (s *Server) addRouteStats(out *event.Statsz) {
	sent, received := out.Sent, out.Received
	out.SentToClients, out.ReceivedFromClient = &sent, &received
	c := s.cluster.Load()
	if c == nil {
		return
	}
	t := c.Totals()
	sent.Msgs += t.Delivered
	sent.Bytes += t.DeliveredBytes
	out.Sent = event.DataStats{Msgs: sent.Msgs + t.OutMsgs, Bytes: sent.Bytes + t.OutBytes}
	out.Received = event.DataStats{Msgs: received.Msgs + t.InMsgs, Bytes: received.Bytes + t.InBytes}
	out.SlowConsumers += t.SlowConsumers
	out.StaleConnections += t.Stale
	for _, r := range c.Routes() {
		out.Routes = append(out.Routes, event.RouteStats{
			ID: uint64(r.ID), Name: r.Peer.Name, Pending: r.Stats.Pending,
			Sent:     event.DataStats{Msgs: r.Stats.Msgs, Bytes: r.Stats.Bytes},
			Received: event.DataStats{Msgs: r.Stats.InMsgs, Bytes: r.Stats.InBytes},
		})
	}
}
