package conn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// inputState tells who reads.
type inputState uint8

const (
	// inputNone: nobody yet.
	inputNone inputState = iota
	// inputOpen: a goroutine, for the handler or to throw it away.
	inputOpen
	// inputEnded: nobody any more, there is nothing to come.
	inputEnded
)

const (
	// maxDiscard is how much a closing connection reads and throws away before
	// it is cut off: more than any message that servers are configured for.
	maxDiscard = 16 << 20
	// endedFlush is how long a client that has finished sending has to take
	// what is queued. It may have closed its half of the connection only.
	endedFlush = time.Second
)

// Close closes the connection for a reason; the first one counts. What is
// queued is lost, unless flush is positive: then it is written as far as the
// connection takes it within that time, and the connection is closed in a way
// that lets the client read it. Close does not wait.
func (c *Conn) Close(r Reason, flush time.Duration) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.closing = true
	c.reason = r
	c.release()
	if flush <= 0 || c.input == inputEnded && c.pending == 0 {
		c.mu.Unlock()
		c.end()
		c.tell(r)
		return
	}
	start := !c.writing
	c.writing = true
	nc := c.nc
	c.mu.Unlock()

	cut := c.cfg.Clock.AfterFunc(flush, c.end)
	// Old deadlines must not spoil it. It fails on a broken socket, as the
	// next write will.
	_ = nc.SetDeadline(time.Time{})
	c.tell(r)

	c.mu.Lock()
	c.cut = cut
	if c.closed {
		cut.Stop()
	}
	if start {
		c.writeLocked()
	} else {
		c.mu.Unlock()
	}
}

// tell tells the handler.
func (c *Conn) tell(r Reason) {
	c.handler.Closed(r)
	c.mu.Lock()
	c.told = true
	c.doneLocked()
	c.mu.Unlock()
}

// linger takes leave of the client, when all that was queued is written: it is
// told that nothing more comes, and the reading goroutine throws away what the
// client still sends until that has ended, too. Closing at once, with input
// unread, would make the kernel reset the connection, and the client might lose
// the error that it is to read.
func (c *Conn) linger() {
	nc, _ := c.transport()
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.end()
		return
	}
	c.mu.Lock()
	ended := c.input == inputEnded
	start := c.input == inputNone
	if start {
		c.input = inputOpen
	}
	c.mu.Unlock()
	switch {
	case ended:
		c.end()
	case start:
		go c.discard()
	}
}

// discard reads until the client stops sending, and then closes.
func (c *Conn) discard() {
	c.in.forget()
	nc, raw := c.transport()
	for total := 0; total <= maxDiscard; total += c.in.got {
		c.in.n = 0
		if err := c.read(nc, raw); err != nil {
			c.inputEnded(err)
			return
		}
	}
	c.inputEnded(errTooMuch)
}

var errTooMuch = errors.New("conn: client sends on after the end")

// inputEnded settles that there is nothing more to read, for the reason that
// err gives. It is the last that the reading goroutine does.
func (c *Conn) inputEnded(err error) {
	c.in.forget()
	eof := errors.Is(err, io.EOF)
	c.mu.Lock()
	c.input = inputEnded
	closing, writing := c.closing, c.writing
	c.mu.Unlock()
	switch {
	case !closing && eof:
		c.Close(ClientClosed, endedFlush)
	case !closing:
		c.Close(ReadError, 0)
	case !eof || !writing:
		c.end()
	}
}

// end closes the socket, whatever is left to be written.
func (c *Conn) end() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	if !c.writing {
		c.dropQueueLocked()
	}
	nc, raw, cut := c.nc, c.raw, c.cut
	c.mu.Unlock()
	if cut != nil {
		cut.Stop()
	}
	if raw != nil {
		c.shut(nc)
	} else {
		go c.shut(nc) // which may be anything, and may have to wait
	}
}

func (c *Conn) shut(nc net.Conn) {
	if tc, ok := nc.(*tls.Conn); ok {
		// Closing it would write, and wait seconds for a client that does
		// not read. Who is to be told that it is over was told by linger.
		nc = tc.NetConn()
	}
	_ = nc.Close() // a failed close leaves nothing to be done
	c.mu.Lock()
	c.gone = true
	c.doneLocked()
	c.mu.Unlock()
}

// doneLocked closes c.done when it is time to.
func (c *Conn) doneLocked() {
	if c.gone && c.told && c.done != nil {
		close(c.done)
	}
}

// dropQueueLocked forgets what will not be written.
func (c *Conn) dropQueueLocked() {
	c.queue.Free()
	c.pending = 0
}

// release lets waiting publishers go on.
func (c *Conn) release() {
	if c.behind != nil {
		close(c.behind)
		c.behind = nil
	}
}
