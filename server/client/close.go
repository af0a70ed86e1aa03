package client

import (
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Accept queues protocol lines for the client; see conn.Conn. Where publishers
// are not to wait for a client that is far behind, it is left out instead.
func (c *Client) Accept(l *chunk.List, msgs, bytes int64) (behind <-chan struct{}) {
	behind = c.conn.Accept(l, msgs, bytes)
	if !c.host.Settings().NoStall {
		return behind
	}
	if c.conn.Behind() {
		c.target.SetSlow()
	}
	return nil
}

// Behind tells whether far too much is queued.
func (c *Client) Behind() bool { return c.conn.Behind() }

// Flush writes what is queued.
func (c *Client) Flush() { c.conn.Flush() }

// Disconnect ends the connection, with an error to the client unless text is
// "". It may be called by any goroutine. What the reading goroutine has staged
// for the client itself is lost; fail is for that.
func (c *Client) Disconnect(r conn.Reason, text string) {
	if text != "" {
		c.conn.Append(proto.AppendErr(nil, text))
	}
	c.conn.Close(r, lastWords)
}

// Shutdown ends the connection because the server stops; the client has as long
// as flush to take what is queued.
func (c *Client) Shutdown(flush time.Duration) { c.conn.Close(conn.ServerShutdown, flush) }

// Done returns a channel that is closed when the connection is gone.
func (c *Client) Done() <-chan struct{} { return c.conn.Done() }

// Closed is conn.Handler's.
func (c *Client) Closed(r conn.Reason) {
	c.target.Close()
	c.mu.Lock()
	c.closed = true
	c.reason = r
	c.stop = c.host.Clock().Now()
	if c.timer != nil {
		c.timer.Stop()
	}
	acc, subs := c.acc, c.subs.all()
	c.mu.Unlock()
	switch r {
	case conn.SlowConsumerPending:
		c.host.Counters().SlowConsumers.Add(1)
		c.log.Noticef("%s - Slow Consumer Detected: MaxPending of %d Exceeded", c, c.host.Settings().Conn.MaxPending)
	case conn.SlowConsumerDeadline:
		c.host.Counters().SlowConsumers.Add(1)
		chunks, bytes := c.conn.Late()
		c.log.Noticef("%s - Slow Consumer Detected: WriteDeadline of %v exceeded with %d chunks of %d total bytes.",
			c, c.host.Settings().Conn.WriteDeadline, chunks, bytes)
	}
	c.host.Gone(c)
	if acc != nil {
		acc.UnsubscribeAll(subs)
		acc.Leave()
	}
	c.log.Debugf("%s - Client connection closed: %s", c, r)
}
