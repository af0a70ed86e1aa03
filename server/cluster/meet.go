package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/cluster/mesh"
)

// TLS is how routes are encrypted. Both ends show certificates.
type TLS struct {
	// Accept and Dial are for the two ends. Dial gets the name of the other one.
	Accept, Dial *tls.Config
	Timeout      time.Duration
}

const (
	minAcceptPause = 10 * time.Millisecond
	maxAcceptPause = time.Second
)

// accept takes connections until the listener is closed.
func (c *Cluster) accept(l net.Listener) {
	pause := minAcceptPause
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = minAcceptPause
			c.welcome(nc)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			c.env.Log.Errorf("Temporary accept error of routes: %v; trying again in %v", err, pause)
			timer := c.env.Clock.NewTimer(pause)
			select {
			case <-c.ctx.Done():
			case <-timer.C():
			}
			timer.Stop()
			pause = min(2*pause, maxAcceptPause)
		}
	}
}

// welcome makes a route of a connection that somebody has made, or leaves it to raft.
func (c *Cluster) welcome(nc net.Conn) {
	select {
	case c.strangers <- struct{}{}:
	default:
		c.env.Log.Errorf("Route connection from %s refused: too many have not said who they are", nc.RemoteAddr())
		_ = nc.Close() // nothing was said
		return
	}
	c.work.Go(func() {
		defer func() { <-c.strangers }()
		s := c.inForce()
		switch err := c.meet(s, nc); {
		case err == nil || c.ctx.Err() != nil:
		case errors.Is(err, io.EOF):
			// Somebody has looked whether the port is open.
			c.env.Log.Debugf("Route connection from %s: %v", nc.RemoteAddr(), err)
		default:
			c.env.Log.Errorf("Route connection from %s: %v", nc.RemoteAddr(), err)
		}
	})
}

func (c *Cluster) inForce() *Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings
}

// meet brings an accepted connection to the point where each end knows the other.
func (c *Cluster) meet(s *Settings, nc net.Conn) error {
	opened, err := c.open(c.ctx, s, nc, func(t *TLS) *tls.Conn { return tls.Server(nc, t.Accept) })
	if err != nil {
		return err
	}
	defer c.opened(nc)
	h := c.handshake()
	first, err := c.listen(opened, h)
	if err == nil && len(first) > 0 && first[0] == raftMagic {
		return c.handOver(opened, first)
	}
	m, err := h.Accept(opened, first)
	if err != nil {
		return err
	}
	c.arrived(s, nc, opened, m)
	return nil
}

// listen waits for the first bytes of who has come. If none come for a while it is one
// who waits to be greeted, as clients and other kinds of servers do, and is greeted so that he
// says who he is and can be told that he is wrong. h gets what is left of the time.
func (c *Cluster) listen(nc net.Conn, h *Handshake) (first []byte, err error) {
	buf := make([]byte, 512)
	end := c.env.Clock.Now().Add(h.Timeout)
	n, err := readUntil(nc, buf, end.Add(-h.Timeout/2))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		greeting := h.Info
		greeting.ServerID, greeting.ServerName, greeting.Cluster = h.Self.ID, h.Self.Name, h.Self.Cluster
		if err := h.say(nc, greeting.Append(nil)); err != nil {
			return nil, err
		}
		n, err = readUntil(nc, buf, end)
	}
	h.Timeout = max(end.Sub(c.env.Clock.Now()), 1)
	return buf[:n], err
}

func readUntil(nc net.Conn, buf []byte, end time.Time) (int, error) {
	if err := nc.SetReadDeadline(end); err != nil {
		return 0, err
	}
	n, err := nc.Read(buf)
	if n > 0 {
		err = nil // it comes again
	}
	return n, err
}

// open does what comes before the first word. The connection is closed if it fails, and if
// the cluster is closed before opened is called for it.
func (c *Cluster) open(ctx context.Context, s *Settings, nc net.Conn, secure func(*TLS) *tls.Conn) (net.Conn, error) {
	c.mu.Lock()
	err := c.ctx.Err()
	if err == nil {
		c.opening[nc] = struct{}{}
	}
	c.mu.Unlock()
	if err != nil {
		_ = nc.Close() // nothing was said
		return nil, err
	}
	if s.TLS == nil {
		return nc, nil
	}
	tc := secure(s.TLS)
	err = nc.SetDeadline(c.env.Clock.Now().Add(s.TLS.Timeout))
	if err == nil {
		err = tc.HandshakeContext(ctx)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		c.opened(nc)
		_ = nc.Close() // nothing else is to be said
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return tc, nil
}

func (c *Cluster) opened(nc net.Conn) {
	c.mu.Lock()
	delete(c.opening, nc)
	c.mu.Unlock()
}

// arrived makes a route of a connection on which two have met. nc is what is below conn.
func (c *Cluster) arrived(s *Settings, nc, conn net.Conn, m *Meeting) {
	if host, _, err := net.SplitHostPort(nc.RemoteAddr().String()); m.Peer.Addr == "" && m.Info.Port > 0 && err == nil {
		// It listens everywhere, so where it has come from will do.
		m.Peer.Addr = net.JoinHostPort(host, strconv.Itoa(m.Info.Port))
	}
	c.post(func() { c.admit(s, conn, m) })
}

// dial carries out a dial.
func (c *Cluster) dial(s *Settings, d *mesh.Dial) {
	nc, conn, m, err := c.reach(s, d)
	if err != nil {
		c.post(func() { c.failed(s, d, err) })
		return
	}
	defer c.opened(nc)
	c.arrived(s, nc, conn, m)
}

// reach dials a server and introduces this one to it.
func (c *Cluster) reach(s *Settings, d *mesh.Dial) (nc, opened net.Conn, m *Meeting, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	if nc, err = c.env.Dial(ctx, "tcp", d.Addr); err != nil {
		return nil, nil, nil, err
	}
	opened, err = c.open(c.ctx, s, nc, func(t *TLS) *tls.Conn { return t.client(nc, s.nameAt(d.Addr)) })
	if err != nil {
		return nil, nil, nil, err
	}
	user, password := s.credentials(d.Addr)
	if m, err = c.handshake().Dial(opened, d, user, password); err != nil {
		c.opened(nc)
		return nil, nil, nil, err
	}
	return nc, opened, m, nil
}

// client is the dialling end of a connection to a server whose certificate has the name.
func (t *TLS) client(nc net.Conn, name string) *tls.Conn {
	cfg := t.Dial.Clone()
	cfg.ServerName = name
	return tls.Client(nc, cfg)
}

// credentials are what to show to the server at an address.
func (s *Settings) credentials(addr string) (user, password string) {
	for _, r := range s.Routes {
		if r.Addr == addr && (r.Username != "" || r.Password != "") {
			return r.Username, r.Password
		}
	}
	return s.Username, s.Password
}

// nameAt is the name that the certificate of the server at an address has to have. Servers that
// others tell of are named by their addresses, which certificates seldom have: then it is the
// name of the first that is configured by one.
func (s *Settings) nameAt(addr string) string {
	host := hostOf(addr)
	if net.ParseIP(host) == nil {
		return host
	}
	for _, r := range s.Routes {
		if r.Addr == addr {
			return host
		}
	}
	for _, r := range s.Routes {
		if name := hostOf(r.Addr); net.ParseIP(name) == nil {
			return name
		}
	}
	return host
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}
