package conn

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
)

// Accept queues protocol lines with the given number of messages and of bytes
// in those messages, and leaves l empty. It returns a channel if the connection
// is far behind; the publisher should wait for it a moment. It does not write:
// Flush does.
func (c *Conn) Accept(l *chunk.List, msgs, bytes int64) (behind <-chan struct{}) {
	n := int64(l.Len())
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		l.Free()
		return nil
	}
	if c.pending+n > c.cfg.MaxPending {
		c.mu.Unlock()
		l.Free()
		c.Close(SlowConsumerPending, 0)
		return nil
	}
	if msgs > 0 && c.pending > c.cfg.MaxPending/4*3 {
		if c.behind == nil {
			c.behind = make(chan struct{})
		}
		behind = c.behind
		c.stalls++
	}
	c.queue.Concat(l)
	c.pending += n
	c.msgs += msgs
	c.bytes += bytes
	c.mu.Unlock()
	return behind
}

// Behind tells whether so much is queued that publishers should do something
// about it.
func (c *Conn) Behind() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending > c.cfg.MaxPending/4*3
}

// Append queues bytes that are no message.
func (c *Conn) Append(b []byte) {
	n := int64(len(b))
	c.mu.Lock()
	full := !c.closing && c.pending+n > c.cfg.MaxPending
	if !c.closing && !full {
		c.queue.Append(b)
		c.pending += n
	}
	c.mu.Unlock()
	if full {
		c.Close(SlowConsumerPending, 0)
	}
}

// Pending is the number of bytes that wait to be written.
func (c *Conn) Pending() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending
}

// maxInline is how often Flush writes what others queued meanwhile before it
// leaves the rest to a goroutine: it works for the caller, not for them.
const maxInline = 4

// Flush writes what is queued as far as the connection takes it without
// waiting, and has a goroutine write the rest.
func (c *Conn) Flush() {
	c.mu.Lock()
	if c.writing || c.closing || c.queue.Len() == 0 {
		c.mu.Unlock()
		return
	}
	c.writing = true
	c.writeLocked()
}

// writeLocked writes the queue, the rest of it on another goroutine. The caller
// has set c.writing, and c.mu is unlocked on return.
func (c *Conn) writeLocked() {
	raw := c.raw
	for i := 0; raw != nil && i < maxInline; i++ {
		batch := c.queue.Take()
		c.mu.Unlock()
		n, err := c.out.writeRaw(raw, &batch)
		blocked := batch.Len() > 0
		c.mu.Lock()
		c.settleLocked(n)
		if c.wroteLocked(n > 0, &batch, err) {
			return
		}
		if blocked {
			break
		}
	}
	c.mu.Unlock()
	go c.writeLoop()
}

// writeLoop writes until the queue is empty. c.writing is true and this
// goroutine's.
func (c *Conn) writeLoop() {
	c.mu.Lock()
	for {
		batch := c.queue.Take()
		nc, raw := c.nc, c.raw
		c.mu.Unlock()
		progress, err := c.writeWithin(nc, raw, &batch)
		c.mu.Lock()
		if c.wroteLocked(progress, &batch, err) {
			return
		}
	}
}

// writeWithin writes the list, for as long as the write deadline allows, and
// reports whether it has written anything.
func (c *Conn) writeWithin(nc net.Conn, raw syscall.RawConn, l *chunk.List) (progress bool, err error) {
	limit := c.cfg.WriteDeadline
	if limit > 0 {
		if err := nc.SetWriteDeadline(c.cfg.Clock.Now().Add(limit)); err != nil {
			return false, err
		}
	}
	for l.Len() > 0 && err == nil {
		var n int
		if raw != nil {
			n, err = c.out.waitRaw(raw, l)
		} else {
			n, err = writePlain(nc, l)
		}
		progress = progress || n > 0
		// At once, since it is pending no more: others may be adding.
		c.mu.Lock()
		c.settleLocked(n)
		c.mu.Unlock()
	}
	if limit > 0 && err == nil {
		// Whoever writes next does not want to meet an old deadline.
		err = nc.SetWriteDeadline(time.Time{})
	}
	return progress, err
}

// writePlain writes the first part of the list to a connection that can only
// block.
func writePlain(nc net.Conn, l *chunk.List) (n int, err error) {
	var vec [1][]byte
	n, err = nc.Write(l.Vector(vec[:0], 1)[0])
	l.Consume(n)
	return n, err
}

// settleLocked takes note that n bytes were written.
func (c *Conn) settleLocked(n int) {
	c.pending -= int64(n)
	if c.pending <= c.cfg.MaxPending/2 {
		c.release()
	}
}

// wroteLocked settles a write of which batch is left. If there is nothing more
// to write, now or ever, it gives up writing, unlocks, and returns true.
func (c *Conn) wroteLocked(progress bool, batch *chunk.List, err error) (done bool) {
	c.queue.Prepend(batch)
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late && progress && c.cfg.RetryWrites && !c.closing {
		err, late = nil, false
	}
	if err == nil && c.queue.Len() > 0 && !c.closed {
		return false
	}
	c.writing = false
	closing, closed := c.closing, c.closed
	if late && !closing {
		c.lateChunks, c.lateBytes = c.queue.Chunks(), c.queue.Len()
	}
	if closed {
		c.dropQueueLocked()
	}
	c.mu.Unlock()
	switch {
	case closed:
	case closing && err == nil:
		c.linger()
	case closing:
		c.end()
	case late:
		c.Close(SlowConsumerDeadline, 0)
	case err != nil:
		c.Close(WriteError, 0)
	}
	return true
}
