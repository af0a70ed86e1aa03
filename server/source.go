package server

import (
	"iter"
	"net/http"
	"os"
	"slices"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/client"
	"github.com/nats-lite/nats-lite/server/monitor"
	"github.com/nats-lite/nats-lite/server/options"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// source shows the server to monitoring.
type source struct{ s *Server }

// Identity is monitor.Source's, as are the others.
func (m source) Identity() monitor.Identity {
	return monitor.Identity{ID: m.s.id, Name: m.s.name, Version: Version}
}

func (m source) Varz() *monitor.Varz {
	s := m.s
	opts, n := s.opts.Load(), &s.counters
	i := s.info.Load()
	v := &monitor.Varz{
		ID:                s.id,
		Name:              s.name,
		Version:           Version,
		Proto:             1,
		GitCommit:         Commit(),
		Host:              i.Host,
		Port:              i.Port,
		AuthRequired:      s.authn.Load().Required(),
		TLSRequired:       i.TLSRequired,
		TLSVerify:         i.TLSVerify,
		ClientConnectURLs: i.ConnectURLs,
		MaxConn:           opts.MaxConn,
		MaxSubs:           opts.MaxSubs,
		PingInterval:      opts.PingInterval,
		PingMax:           opts.PingMax,
		HTTPHost:          opts.HTTPHost,
		HTTPPort:          opts.HTTPPort,
		HTTPBasePath:      opts.HTTPBasePath,
		HTTPSPort:         opts.HTTPSPort,
		AuthTimeout:       opts.AuthTimeout().Seconds(),
		MaxControlLine:    opts.MaxControlLine,
		MaxPayload:        opts.MaxPayload,
		MaxPending:        opts.MaxPending,
		WriteDeadline:     opts.WriteDeadline,
		WriteTimeout:      opts.WriteTimeout.String(),
		InMsgs:            n.InMsgs.Load(),
		InBytes:           n.InBytes.Load(),
		OutMsgs:           n.OutMsgs.Load(),
		OutBytes:          n.OutBytes.Load(),
		SlowConsumers:     n.SlowConsumers.Load(),
		StaleConnections:  n.Stale.Load(),
		StalledClients:    n.Stalled.Load(),
		Subscriptions:     s.NumSubscriptions(),
		ConfigDigest:      opts.ConfigDigest,
		Tags:              opts.Tags,
		Metadata:          opts.Metadata,
		FeatureFlags:      opts.FeatureFlags,
	}
	v.InClientMsgs, v.InClientBytes = v.InMsgs, v.InBytes
	v.OutClientMsgs, v.OutClientBytes = v.OutMsgs, v.OutBytes
	v.SlowConsumerStats.Clients = uint64(v.SlowConsumers)
	v.StaleConnectionStats.Clients = uint64(v.StaleConnections)
	if acc := s.SystemAccount(); acc != nil {
		v.SystemAccount = acc.Name()
	}
	if t := opts.TLS; t != nil {
		v.TLSTimeout = t.Timeout.Seconds()
		v.TLSCertNotAfter = tlsconf.CertNotAfter(s.settings.Load().TLS.Config)
	}
	for _, key := range opts.TrustedProxies {
		if v.Proxies == nil {
			v.Proxies = new(monitor.Proxies)
		}
		v.Proxies.Trusted = append(v.Proxies.Trusted, monitor.Proxy{Key: key})
	}
	m.addCluster(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	v.Start, v.ConfigLoadTime = s.start, s.loaded
	v.Connections, v.TotalConnections = len(s.clients), s.total
	if s.httpAddr != nil {
		_, v.HTTPPort = hostPort(s.httpAddr)
	}
	if s.httpsAddr != nil {
		_, v.HTTPSPort = hostPort(s.httpsAddr)
	}
	return v
}

func (m source) Conns(f monitor.ConnFilter) []*monitor.Conn {
	var out []*monitor.Conn
	if f.State != monitor.ConnClosed {
		for _, c := range m.s.allClients() {
			if f.CID == 0 || c.ID == f.CID {
				out = append(out, connOf(c.Snapshot()))
			}
		}
	}
	if f.State != monitor.ConnOpen {
		m.s.mu.Lock()
		out = append(out, m.s.gone.all()...)
		m.s.mu.Unlock()
	}
	return out
}

// connOf puts a client's snapshot into monitoring's form.
func connOf(s client.Snapshot) *monitor.Conn {
	c := &monitor.Conn{
		CID:          s.ID,
		Kind:         monitor.KindClient,
		Transport:    monitor.TransportNATS,
		IP:           s.IP,
		Port:         s.Port,
		Start:        s.Start,
		LastActivity: s.LastActivity,
		Stop:         s.Stop,
		Reason:       s.Reason.String(),
		RTT:          s.RTT,
		PendingBytes: s.Out.Pending,
		InMsgs:       s.InMsgs,
		OutMsgs:      s.Out.Msgs,
		InBytes:      s.InBytes,
		OutBytes:     s.Out.Bytes,
		Stalls:       s.Stalls,
		NumSubs:      len(s.Subs),
		Name:         s.Connect.Name,
		Lang:         s.Connect.Lang,
		Version:      s.Connect.Version,
		TLS:          s.TLS,
		TLSFirst:     s.TLSFirst,
		User:         s.Identity.Name,
		Account:      accountName(s.Account),
		ProxyKey:     s.Identity.ProxyKey,
	}
	if c.User == "" {
		c.User = s.Connect.User
	}
	if subs := s.Subs; len(subs) > 0 {
		c.Subs = func() []monitor.Sub {
			list := make([]monitor.Sub, 0, len(subs))
			for _, sub := range subs {
				list = append(list, subOf(c.Account, sub))
			}
			return list
		}
	}
	return c
}

func accountName(a *account.Account) string {
	if a == nil {
		return ""
	}
	return a.Name()
}

func subOf(acc string, s *account.Subscription) monitor.Sub {
	subject := s.Subject
	s, in := s.Owner()
	if in != nil {
		acc = in.Name()
	}
	out := monitor.Sub{
		Account: acc,
		Subject: subject,
		Queue:   s.Queue,
		SID:     s.SID,
		Msgs:    s.Delivered(),
		Max:     s.Max(),
	}
	if s.Target != nil {
		out.CID = s.Target.ID
	}
	return out
}

func (m source) Accounts() monitor.Accounts {
	var all monitor.Accounts
	a := m.s.accounts.Load()
	for name := range a.byName {
		all.Names = append(all.Names, name)
	}
	if a.system != nil {
		all.System = a.system.Name()
	}
	return all
}

func (m source) Account(name string) (monitor.AccountDetail, bool) {
	all := m.s.accounts.Load()
	a := all.byName[name]
	if a == nil {
		return monitor.AccountDetail{}, false
	}
	m.s.mu.Lock()
	loaded := m.s.loaded
	m.s.mu.Unlock()
	return monitor.AccountDetail{
		Name: name, Updated: loaded, IsSystem: a == all.system, Complete: true, Clients: a.Connections(), Subscriptions: a.Interest().Len(),
	}, true
}

func (m source) SubStats(name string) monitor.SubStats {
	var sum monitor.SubStats
	var matching account.Matching
	for _, a := range m.accounts(name) {
		st := a.Interest().Stats()
		sum.NumSubs += st.NumSubs
		sum.NumInserts += st.NumInserts
		sum.NumRemoves += st.NumRemoves
		m := a.Matching()
		matching.Lookups += m.Lookups
		matching.Found += m.Found
		matching.Receivers += m.Receivers
		matching.MaxReceivers = max(matching.MaxReceivers, m.MaxReceivers)
	}
	sum.NumMatches = matching.Lookups
	sum.MaxFanout = int(matching.MaxReceivers)
	if matching.Found > 0 {
		sum.CacheHitRate = 1 - float64(matching.Found)/float64(matching.Lookups)
		sum.AvgFanout = float64(matching.Receivers) / float64(matching.Found)
	}
	return sum
}

func (m source) Subs(f monitor.SubFilter) iter.Seq[monitor.Sub] {
	return func(yield func(monitor.Sub) bool) {
		for _, a := range m.accounts(f.Account) {
			for _, s := range a.Subscriptions(f.Test) {
				if !yield(subOf(a.Name(), s)) {
					return
				}
			}
		}
	}
}

// accounts are the one of that name, or all in the order of their names.
func (m source) accounts(name string) []*account.Account {
	var out []*account.Account
	for n, a := range m.s.accounts.Load().byName {
		if name == "" || n == name {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *account.Account) int {
		if a.Name() < b.Name() {
			return -1
		}
		return 1
	})
	return out
}

func (m source) Health(monitor.HealthzOptions) []monitor.HealthProblem {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.s.listener != nil || m.s.opts.Load().DontListen {
		return nil
	}
	p := monitor.HealthProblem{
		Code:  http.StatusInternalServerError,
		Area:  monitor.HealthConnection,
		Error: "not accepting client connections",
	}
	if m.s.state == started && m.s.opts.Load().JetStream.Enabled {
		// Clients are taken when JetStream has recovered, or has had time to.
		p.Code = http.StatusServiceUnavailable
	}
	return []monitor.HealthProblem{p}
}

// closedRing keeps the newest closed connections.
type closedRing struct {
	records []*monitor.Conn
	next    int
}

func newClosedRing(n int) *closedRing {
	return &closedRing{records: make([]*monitor.Conn, 0, max(n, 0))}
}

func (r *closedRing) add(c *monitor.Conn) {
	switch {
	case cap(r.records) == 0:
	case len(r.records) < cap(r.records):
		r.records = append(r.records, c)
	default:
		r.records[r.next] = c
		r.next = (r.next + 1) % len(r.records)
	}
}

func (r *closedRing) all() []*monitor.Conn { return slices.Clone(r.records) }

// processArgs is the command line that monitoring may show, without secrets.
func processArgs() []string { return os.Args }

// advertised is what INFO gives as the server's address.
func (s *Server) advertised(opts *options.Options) (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	host, port := opts.Host, opts.Port
	if s.listener != nil {
		_, port = hostPort(s.listener.Addr())
	}
	// Validate has seen to it that there is no error.
	if h, p, err := opts.AdvertiseAddr(port); err == nil && h != "" {
		return h, p
	}
	return host, port
}

var _ monitor.Source = source{}
