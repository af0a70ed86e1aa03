package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Connections of raft come to the port of routes, and are made, by the same means: TLS, user and
// password are those that are in force for routes at the time. A server is known by its name here,
// because raft dials where it said that it can be dialled, which need not be as it is configured.

// raftMagic is the first byte of a connection of raft, which no text begins with.
const raftMagic = 0x8e

// ErrNoRaft: a raft node has come where there is no raft.
var ErrNoRaft = errors.New("a connection of raft, which this server does not take")

// handOver gives a connection to raft, with what was read of it.
func (c *Cluster) handOver(nc net.Conn, first []byte) error {
	if c.env.Raft == nil || c.ctx.Err() != nil {
		_ = nc.Close() // nothing was said
		return ErrNoRaft
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		_ = nc.Close() // it is broken
		return err
	}
	c.env.Raft(nc, first)
	return nil
}

// DialRaft connects to the cluster port of another server, up to where raft says its first word.
func (c *Cluster) DialRaft(ctx context.Context, name, addr string) (net.Conn, error) {
	s := c.inForce()
	nc, err := c.env.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	opened, err := c.open(ctx, s, nc, func(t *TLS) *tls.Conn { return t.client(nc, c.certifiedAs(s, name, addr)) })
	if err != nil {
		return nil, err
	}
	c.opened(nc)
	return opened, nil
}

// certifiedAs is the name that the certificate of a server at an address has to have.
func (c *Cluster) certifiedAs(s *Settings, name, addr string) string {
	if r := c.configuredAs(s, name); r != nil && net.ParseIP(hostOf(addr)) != nil {
		return hostOf(r.Addr)
	}
	return s.nameAt(addr)
}

// RaftCredentials are what to show to a server at an address.
func (c *Cluster) RaftCredentials(name, addr string) (user, password string) {
	s := c.inForce()
	if r := c.configuredAs(s, name); r != nil {
		addr = r.Addr
	}
	return s.credentials(addr)
}

// configuredAs returns the configured address where a server was met last, nil if there is none.
func (c *Cluster) configuredAs(s *Settings, name string) *Remote {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range s.Routes {
		if c.met[s.Routes[i].Addr] == name {
			return &s.Routes[i]
		}
	}
	return nil
}

// AdmitsRaft reports whether user and password are those that others have to show. The time
// that it takes does not tell how much of them was right.
func (c *Cluster) AdmitsRaft(user, password string) bool {
	s := c.inForce()
	return (&Handshake{Username: s.Username, Password: s.Password}).knows(user, password)
}

// Suspect has a server show that it is there, because raft does not hear it any more: if nothing comes on
// one of its routes soon, that is closed, so that messages go to others which would be lost there.
func (c *Cluster) Suspect(node uint32) {
	c.post(func() {
		for _, l := range c.links {
			if p, ok := c.mesh.Peer(l.route.peer.ID); ok && p.Node == node {
				l.route.Probe(suspectTimeout)
			}
		}
	})
}
