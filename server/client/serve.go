package client

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
	"github.com/nats-lite/nats-lite/server/proxyproto"
)

// proxyTimeout is how long a proxy may take to say for whom it connects.
const proxyTimeout = 5 * time.Second

// Serve brings the connection up to the point where it reads operations, and
// returns; the rest happens on goroutines of its own. It must be called once.
func (c *Client) Serve() {
	pre, err := c.open()
	if err != nil {
		if !errors.Is(err, errRefused) {
			c.log.Debugf("%s - %v", c, err)
		}
		return
	}
	c.startAuthTimer()
	c.conn.Start(pre)
}

// errRefused is returned when the client was told already.
var errRefused = errors.New("refused")

// open does all that comes before the first operation. It returns bytes that
// were read and not used. On an error the connection is closed.
func (c *Client) open() (pre []byte, err error) {
	if err := c.host.Admit(c); err != nil {
		return nil, c.turnAway(err)
	}
	t, inside := c.settings.TLS, c.kind == auth.ConnInProcess
	// While silent, nothing is said to the client before TLS.
	silent := t != nil && t.First && !inside
	if silent && t.Fallback > 0 {
		if pre, silent, err = c.listen(pre, t.Fallback); err != nil {
			return nil, err
		}
	}
	if !silent {
		c.greet()
	}
	if c.settings.ProxyProtocol {
		// The header is optional: who connects directly may be waiting for
		// INFO, so that comes before it.
		if pre, err = c.readProxyHeader(pre); err != nil {
			return nil, c.misproxied(err)
		}
		if silent && t.Fallback > 0 {
			// What was heard may have been the proxy alone.
			if pre, silent, err = c.listen(pre, t.Fallback); err != nil {
				return nil, err
			}
			if !silent {
				c.greet()
			}
		}
	}
	if t == nil {
		return pre, nil
	}
	if !silent && (c.settings.AllowNonTLS || inside) {
		// A client that says nothing yet speaks first in clear.
		var spoke bool
		if pre, spoke, err = c.listen(pre, t.Timeout); err != nil || !spoke || pre[0] != tlsHandshake {
			return pre, err
		}
	}
	return nil, c.secure(pre, silent)
}

// turnAway ends the connection of a client that was not admitted.
func (c *Client) turnAway(why error) error {
	if !errors.Is(why, ErrMaxConnections) {
		c.conn.Close(conn.ServerShutdown, 0)
		return why
	}
	c.log.Errorf("%s - %v", c, why)
	c.conn.Append(c.greeting())
	c.conn.Append(proto.AppendErr(nil, why.Error()))
	c.conn.Close(conn.MaxConnections, lastWords)
	return errRefused
}

// tlsHandshake is the first byte of a client that speaks TLS.
const tlsHandshake = 0x16

// greet writes INFO at once.
func (c *Client) greet() {
	c.conn.Append(c.greeting())
	c.conn.Flush()
}

// listen waits up to d for bytes of the client, unless there are some in pre
// already, and tells whether there are.
func (c *Client) listen(pre []byte, d time.Duration) (heard []byte, ok bool, err error) {
	if len(pre) > 0 {
		return pre, true, nil
	}
	buf := make([]byte, 64)
	n, err := c.readWithin(buf, d)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.conn.Close(conn.ClientClosed, 0)
		return nil, false, err
	}
	return buf[:n], n > 0, nil
}

// readWithin reads once, for no longer than d.
func (c *Client) readWithin(buf []byte, d time.Duration) (int, error) {
	nc := c.conn.NetConn()
	if err := nc.SetReadDeadline(c.host.Clock().Now().Add(d)); err != nil {
		return 0, err
	}
	n, err := nc.Read(buf)
	return n, errors.Join(err, nc.SetReadDeadline(time.Time{}))
}

// readProxyHeader reads what a proxy says of the client, of which pre was read
// already, and returns what follows it.
func (c *Client) readProxyHeader(pre []byte) ([]byte, error) {
	until := c.host.Clock().Now().Add(proxyTimeout)
	buf := append(make([]byte, 0, 512), pre...)
	for {
		h, used, err := proxyproto.Parse(buf)
		switch {
		case err == nil:
			if h.Known {
				c.mu.Lock()
				c.addr = addr{h.Source.Addr().String(), int(h.Source.Port())}
				c.mu.Unlock()
			}
			return c.discard(buf[used:], h.Skip, until)
		case !errors.Is(err, proxyproto.ErrMore):
			return nil, err
		}
		buf = slices.Grow(buf, 64)
		n, err := c.readWithin(buf[len(buf):cap(buf)], until.Sub(c.host.Clock().Now()))
		buf = buf[:len(buf)+n]
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// misproxied ends the connection of a client that has no PROXY header to speak
// of. Who only looks whether the port is open is no error.
func (c *Client) misproxied(why error) error {
	switch {
	case errors.Is(why, proxyproto.ErrMalformed):
		c.log.Errorf("%s - %v", c, why)
		c.conn.Close(conn.ProtocolViolation, 0)
		return errRefused
	case errors.Is(why, io.EOF):
		c.conn.Close(conn.ClientClosed, 0)
	default:
		c.conn.Close(conn.ReadError, 0)
	}
	return why
}

// discard passes over the next n bytes, of which pre are the first, and returns
// what was read beyond them.
func (c *Client) discard(pre []byte, n int, until time.Time) ([]byte, error) {
	buf := make([]byte, 512)
	for len(pre) < n {
		n -= len(pre)
		k, err := c.readWithin(buf, until.Sub(c.host.Clock().Now()))
		if k == 0 && err != nil {
			return nil, err
		}
		pre = buf[:k]
	}
	return pre[n:], nil
}

// secure makes the connection speak TLS. first says that INFO has not been sent.
func (c *Client) secure(pre []byte, first bool) error {
	t := c.settings.TLS
	if t.Allow != nil && !t.Allow() {
		c.conn.Append(proto.AppendErr(nil, "Connection throttling is active. Please try again later."))
		c.conn.Close(conn.MaxConnections, lastWords)
		return errRefused
	}
	nc := c.conn.NetConn()
	plain := nc
	if len(pre) > 0 {
		nc = &prefixed{Conn: nc, pre: pre}
	}
	tc := tls.Server(nc, t.Config)
	err := plain.SetDeadline(c.host.Clock().Now().Add(t.Timeout))
	if err == nil {
		err = tc.Handshake()
	}
	if err == nil && t.Check != nil {
		err = t.Check(tc.ConnectionState())
	}
	if err == nil {
		err = plain.SetDeadline(time.Time{})
	}
	if err != nil {
		c.log.Errorf("%s - TLS handshake error: %v", c, err)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.conn.Append(proto.AppendErr(nil, "Secure Connection - TLS Required"))
		}
		c.conn.Close(conn.TLSHandshakeFailure, lastWords)
		return errRefused
	}
	state := tc.ConnectionState()
	c.mu.Lock()
	c.tls, c.tlsFirst = &state, first
	c.mu.Unlock()
	c.conn.Upgrade(tc)
	if first {
		c.greet()
	}
	return nil
}

// prefixed is a connection of which some bytes were read already.
type prefixed struct {
	net.Conn
	pre []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.pre) > 0 {
		n := copy(b, p.pre)
		p.pre = p.pre[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// startAuthTimer closes the connection if the client takes too long to say who
// it is, where that is asked.
func (c *Client) startAuthTimer() {
	if !c.host.Authenticator().RequiredFor(c.kind) {
		c.startPings(c.settings.PingInterval)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.timer = c.host.Clock().AfterFunc(c.settings.AuthTimeout, func() {
		c.mu.Lock()
		late := c.acc == nil && !c.closed
		c.mu.Unlock()
		if late {
			c.log.Errorf("%s - authentication timeout", c)
			c.Disconnect(conn.AuthenticationTimeout, "Authentication Timeout")
		}
	})
}
