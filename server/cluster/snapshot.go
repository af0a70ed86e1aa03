package cluster

import (
	"cmp"
	"net"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/cluster/mesh"
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
		list[i] = Status{
			ID: l.route.id, Peer: l.route.peer, Account: l.route.slot.Account,
			Solicited: l.dial != nil, Configured: l.dial != nil && l.dial.Configured,
			Addr: l.addr, Start: l.start, LastActivity: l.route.lastActivity(l.start), Stats: l.route.Stats(),
			Import: l.info.Import, Export: l.info.Export,
		}
	}
	return list
}
