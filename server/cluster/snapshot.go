package cluster

import (
	"cmp"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Status is what there is to tell of a route.
type Status struct {
	ID   mesh.LinkID
	Peer mesh.Server
	// Account is the one that the route is for, "" if it is one of the pool.
	Account string
	// Solicited tells that this server has dialled, Configured that the address is.
	Solicited, Configured bool
	// Addr is the other end's address.
	Addr                net.Addr
	Start, LastActivity time.Time
	Stats               Stats
	// Import and Export are the other end's, nil for everything.
	Import, Export *proto.SubjectPermission
	// Compression is what is done with what is sent.
	Compression Compression

	route *Route
}

// Routes are those that there are, by their numbers.
func (c *Cluster) Routes() []Status {
	c.mu.Lock()
	links := make([]link, 0, len(c.links))
	for _, l := range c.links {
		links = append(links, *l)
	}
	c.mu.Unlock()
	slices.SortFunc(links, func(a, b link) int { return cmp.Compare(a.route.id, b.route.id) })
	list := make([]Status, len(links))
	for i, l := range links {
		mode := CompressionOff
		if z := l.route.squeezed; z != nil {
			mode = z.mode
		}
		list[i] = Status{
			Compression: mode,
			ID:          l.route.id, Peer: l.route.peer, Account: l.route.slot.Account,
			Solicited: l.dial != nil, Configured: l.dial != nil && l.dial.Configured,
			Addr: l.addr, Start: l.start, LastActivity: l.route.lastActivity(l.start), Stats: l.route.Stats(),
			Import: l.info.Import, Export: l.info.Export, route: l.route,
		}
	}
	return list
}

// Subject is what another server has asked for.
type Subject struct{ Account, Subject, Queue string }

// Interest is what the other end of the route has asked for now, by account, subject and queue group.
func (s *Status) Interest() []Subject {
	r := s.route
	r.mu.Lock()
	list := make([]Subject, 0, len(r.theirs))
	for _, i := range r.theirs {
		list = append(list, Subject{i.account.Name(), i.Subject, i.Queue})
	}
	r.mu.Unlock()
	slices.SortFunc(list, func(a, b Subject) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Queue, b.Queue))
	})
	return list
}

// Totals are the counters of all routes that there have been.
type Totals struct {
	InMsgs, InBytes, OutMsgs, OutBytes int64
	// Delivered is to how many here messages went that came by routes, DeliveredBytes the
	// bytes in those.
	Delivered, DeliveredBytes int64
	// SlowConsumers and Stale are how many were closed for that.
	SlowConsumers, Stale int64
}

func (t *Totals) add(r *Route) {
	s := r.Stats()
	t.InMsgs += s.InMsgs
	t.InBytes += s.InBytes
	t.OutMsgs += s.Msgs
	t.OutBytes += s.Bytes
	t.Delivered += r.in.delivered.Load()
	t.DeliveredBytes += r.in.deliveredBytes.Load()
}

// ended adds a route that has ended.
func (t *Totals) ended(r *Route) {
	t.add(r)
	switch r.Reason() {
	case conn.SlowConsumerPending, conn.SlowConsumerDeadline:
		t.SlowConsumers++
	case conn.StaleConnection:
		t.Stale++
	}
}

// Totals returns the counters.
func (c *Cluster) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.totals
	for _, l := range c.links {
		t.add(l.route)
	}
	return t
}

// Certificates is the TLS configuration of accepted routes, nil if there is none.
func (c *Cluster) Certificates() *tls.Config {
	if t := c.inForce().TLS; t != nil {
		return t.Accept
	}
	return nil
}
