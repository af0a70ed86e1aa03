package cluster

import (
	"errors"
	"net"

	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// The functions here are called by the goroutine of run alone.

// admit has the mesh decide about a connection on which two have met.
func (c *Cluster) admit(s *Settings, nc net.Conn, m *Meeting) {
	if c.closing || !sameTerms(s, c.settings) {
		_ = nc.Close() // what they have said does not hold any more
		return
	}
	addr := nc.RemoteAddr()
	if mode := agree(s.Compression, Compression(m.Info.Compression)); mode != CompressionOff {
		nc, m.Rest = squeeze(nc, mode, s.Thresholds, m.Rest), nil
	}
	c.lastLink++
	m.Link = c.lastLink
	l := &link{
		route: NewRoute(nc, m.Link, m, s.routeConfig(c)), dial: m.Dialled, start: c.env.Clock.Now(), addr: addr, info: m.Info,
	}
	c.mu.Lock()
	c.links[m.Link] = l
	if m.Dialled != nil {
		c.met[m.Dialled.Addr] = m.Peer.Name
	}
	stale := m.edition != c.edition
	c.mu.Unlock()
	e := c.mesh.Arrived(&m.Arrival, c.now())
	c.apply(&e)
	if m.Slot == (mesh.Slot{}) && len(e.Joined) == 0 {
		c.changed() // what it says may be newer than what the link before said
	}
	if l.route.Reason() == conn.None {
		c.env.Log.Debugf("%s is up, %s", l.route, describe(l))
	}
	if stale && m.Slot == (mesh.Slot{}) {
		// There were news of this server while the two met.
		l.route.Tell(c.handshake().info(&Meeting{}))
	}
	l.route.Start()
}

func describe(l *link) string {
	if l.dial != nil {
		return "dialled at " + l.dial.Addr
	}
	return "accepted from " + l.addr.String()
}

// routeConfig is what the routes made by these settings have in common.
func (s *Settings) routeConfig(c *Cluster) *Config {
	return &Config{
		Conn: s.Conn, Accounts: c.env.Accounts, Owner: owner{c}, Self: c.mesh.Self(), Import: s.Import, Export: s.Export,
		MaxControlLine: s.MaxControlLine, MaxPayload: s.MaxPayload,
		PingInterval: s.PingInterval, PingMax: s.PingMax, Clock: c.env.Clock, Log: c.env.Log,
	}
}

// failed takes note of a dial that came to nothing.
func (c *Cluster) failed(s *Settings, d *mesh.Dial, why error) {
	if c.closing || !sameTerms(s, c.settings) {
		return
	}
	every := s.ConnectReports
	if c.met[d.Addr] != "" {
		every = s.ReconnectReports
	}
	if d.Attempt == 1 || every > 0 && d.Attempt%every == 0 {
		c.env.Log.Errorf("Error trying to connect to route (attempt %d) at %s: %v", d.Attempt, d.Addr, why)
	}
	c.mesh.Failed(d, c.now())
}

// apply does what the mesh says.
func (c *Cluster) apply(e *mesh.Effects) {
	for _, x := range e.Closes {
		if l := c.links[x.Link]; l != nil {
			c.close(l, x.Why)
		}
	}
	for _, id := range e.Suspects {
		if l := c.links[id]; l != nil {
			l.route.Probe(suspectTimeout)
		}
	}
	if len(e.Gone)+len(e.Joined) > 0 || e.Renamed != "" {
		c.changed()
	}
	if e.Renamed != "" {
		c.env.Log.Noticef("The name of the cluster is %q now", e.Renamed)
		c.tellOfSelf()
	}
	for i := range e.Gone {
		c.env.Log.Noticef("Server %q is not connected any more", e.Gone[i].Name)
	}
	for i := range e.Joined {
		c.env.Log.Noticef("Server %q is connected", e.Joined[i].Name)
	}
	for i := range e.Tells {
		if l := c.links[e.Tells[i].Link]; l != nil {
			info := InfoOf(&e.Tells[i].About)
			l.route.Tell(&info)
		}
	}
	for i := range e.Dials {
		s, d := c.settings, &e.Dials[i]
		c.work.Go(func() { c.dial(s, d) })
	}
}

// close closes a link for a reason that the mesh has given.
func (c *Cluster) close(l *link, why error) {
	var cluster *mesh.NameError
	var name *mesh.DuplicateNameError
	reason, text := conn.DuplicateRoute, ""
	switch {
	case errors.Is(why, mesh.ErrDuplicate), errors.Is(why, mesh.ErrSelf):
		// Nothing is wrong.
		c.env.Log.Debugf("%s is closed: %v", l.route, why)
		l.route.Close(reason, "")
		return
	case errors.As(why, &cluster):
		reason, text = conn.ClusterNameConflict, why.Error()
	case errors.As(why, &name):
		reason, text = conn.DuplicateServerName, why.Error()
	default:
		reason = conn.RouteRemoved
	}
	c.env.Log.Errorf("%s is closed: %v", l.route, why)
	l.route.Close(reason, text)
}

// owner is the cluster as its routes see it.
type owner struct{ c *Cluster }

// Heard is Owner's, as is Ended.
func (o owner) Heard(r *Route, info *proto.RouteInfo) {
	o.c.post(func() { o.c.heard(r, info) })
}

func (o owner) Ended(r *Route) {
	o.c.post(func() { o.c.ended(r) })
}

func (c *Cluster) heard(r *Route, info *proto.RouteInfo) {
	l := c.links[r.id]
	if l == nil || c.closing || r.Reason() != conn.None {
		return
	}
	s, err := ServerOf(info)
	if err != nil {
		r.Close(conn.ProtocolViolation, err.Error())
		return
	}
	if s.ID != r.peer.ID {
		c.mesh.Heard(&s)
		return
	}
	if s.Addr == "" {
		s.Addr = r.peer.Addr
	}
	c.mu.Lock()
	l.info = *info
	c.mu.Unlock()
	e := c.mesh.Changed(r.id, &s)
	c.apply(&e)
	c.changed()
}

func (c *Cluster) ended(r *Route) {
	c.mu.Lock()
	delete(c.links, r.id)
	c.totals.ended(r)
	c.mu.Unlock()
	c.env.Log.Debugf("%s has ended: %s", r, r.Reason())
	if !c.closing {
		e := c.mesh.Left(r.id, c.now())
		c.apply(&e)
	}
}
