package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a connection. Besides net.Conn it has CloseWrite, as a
// net.TCPConn does.
type Conn struct {
	net           *Network
	host          *Host
	local, remote Addr
	peer          *Conn
	// dialled says that the local port is to be given back.
	dialled bool

	// Guarded by net.mu. in.readable wakes those in Read, out.writable those
	// in Write; both wait for the end of the connection as well.
	in, out *pipe
	// closed is set by Close, broken by Network.Cut.
	closed, broken              bool
	readDeadline, writeDeadline time.Time
}

// newConnsLocked connects two hosts.
func (n *Network) newConnsLocked(from, to *Host, fromAddr, toAddr Addr) (near, far *Conn) {
	there, back := n.linkLocked(from, to), n.linkLocked(to, from)
	request, answer := n.newPipeLocked(there, back), n.newPipeLocked(back, there)
	request.twin, answer.twin = answer, request
	near = &Conn{net: n, host: from, local: fromAddr, remote: toAddr, in: answer, out: request}
	far = &Conn{net: n, host: to, local: toAddr, remote: fromAddr, in: request, out: answer}
	near.peer, far.peer = far, near
	from.ends[near], to.ends[far] = struct{}{}, struct{}{}
	return near, far
}

// LocalAddr returns an Addr.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns an Addr.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Read reads what has arrived, or waits for it.
func (c *Conn) Read(b []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		if err := c.usableLocked(c.readDeadline); err != nil {
			return 0, c.wrap("read", err)
		}
		if len(b) == 0 {
			return 0, nil
		}
		if n := c.in.takeLocked(b); n > 0 {
			return n, nil
		}
		switch err := c.in.endLocked(); {
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil:
			return 0, c.wrap("read", err)
		}
		c.net.waitLocked(c.in.readable, c.in.nextLocked(), c.readDeadline)
	}
}

// Write puts b on its way, and waits while the buffer is full.
func (c *Conn) Write(b []byte) (n int, err error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		if err := c.writableLocked(); err != nil {
			return n, c.wrap("write", err)
		}
		sent := min(len(b), c.out.roomLocked())
		c.out.sendLocked(b[:sent])
		n, b = n+sent, b[sent:]
		if len(b) == 0 {
			return n, nil
		}
		c.net.waitLocked(c.out.writable, c.in.reset, c.writeDeadline)
	}
}

func (c *Conn) usableLocked(deadline time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case !deadline.IsZero() && arrived(deadline):
		return os.ErrDeadlineExceeded
	case c.broken:
		return syscall.ECONNRESET
	}
	return nil
}

func (c *Conn) writableLocked() error {
	if err := c.usableLocked(c.writeDeadline); err != nil {
		return err
	}
	switch {
	case arrived(c.in.reset):
		return syscall.ECONNRESET
	case c.out.ended():
		return syscall.EPIPE
	}
	return nil
}

// CloseWrite ends the outbound half: the other end reads what was written and
// then io.EOF. Reading goes on.
func (c *Conn) CloseWrite() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.wrap("close", net.ErrClosed)
	}
	c.out.finishLocked()
	c.out.writable.Broadcast()
	return nil
}

// Close closes this end. What was written still arrives. As with TCP, the other
// end is reset rather than finished if bytes have arrived here that nobody
// read, and when it writes any more.
func (c *Conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.wrap("close", net.ErrClosed)
	}
	if c.in.hasArrivedLocked() {
		c.out.abortLocked()
	} else {
		c.out.finishLocked()
	}
	c.leaveLocked()
	return nil
}

// abortLocked is Close of a process that died.
func (c *Conn) abortLocked() {
	c.out.abortLocked()
	c.leaveLocked()
}

// leaveLocked forgets this end; how the other end learns of it has been
// arranged.
func (c *Conn) leaveLocked() {
	c.closed = true
	delete(c.host.ends, c)
	if c.dialled {
		delete(c.host.dialled, c.local.Port)
	}
	inFlight := c.in.size > 0
	c.in.abandonLocked()
	if c.peer.closed {
		c.in.removeLocked()
		c.out.removeLocked()
	} else if inFlight {
		c.in.bounceLocked()
	}
	c.wakeLocked()
}

// breakLocked resets this end, out of the blue.
func (c *Conn) breakLocked() {
	c.broken = true
	c.wakeLocked()
}

func (c *Conn) wakeLocked() {
	c.in.readable.Broadcast()
	c.out.writable.Broadcast()
}

// SetDeadline sets both deadlines; the zero time is none.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.setDeadlines(t, &c.readDeadline, &c.writeDeadline)
}

// SetReadDeadline sets when a Read fails that is waiting or called later.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.readDeadline) }

// SetWriteDeadline sets when a Write fails that is waiting or called later.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writeDeadline) }

func (c *Conn) setDeadlines(t time.Time, deadlines ...*time.Time) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.wrap("set", net.ErrClosed)
	}
	for _, d := range deadlines {
		*d = t
	}
	c.wakeLocked()
	return nil
}

func (c *Conn) wrap(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// waitLocked waits for a condition to be signalled, or for the first of some
// times; the zero time and never do not count.
func (n *Network) waitLocked(cond *sync.Cond, times ...time.Time) {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && !t.Equal(never) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if !first.IsZero() {
		defer n.wakeLocked(first, cond.Broadcast).Stop()
	}
	cond.Wait()
}
