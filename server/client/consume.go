package client

import (
	"bytes"
	"errors"
	"time"

	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Consume works off what has been read. It is conn.Handler's.
func (c *Client) Consume(buf []byte) (n, need int, deep bool) {
	c.begin()
	for !c.stopped {
		if !c.admitted && n < len(buf) && !c.enter(buf[n]) {
			break
		}
		k, more, err := c.parser.Next(buf[n:], &c.op)
		if err != nil {
			c.unparsable(err, buf[n:])
			break
		}
		if k == 0 {
			need = more
			break
		}
		n += k
		switch c.op.Kind {
		case proto.OpPub, proto.OpHPub:
			c.heard = true
			c.publish()
		case proto.OpPing:
			c.heard = true
			c.do()
		case proto.OpPong:
			c.do()
		default:
			c.heard = true
			deep = true
			c.do()
		}
	}
	c.end()
	// They point into buf, and an idle client must not hold on to that.
	c.op = proto.Op{}
	c.msg.Subject, c.msg.Reply, c.msg.Body = nil, nil, nil
	return n, need, deep
}

// begin prepares for a chunk.
func (c *Client) begin() {
	if s := c.host.Settings(); s != c.settings {
		c.settings = s
		c.limit()
	}
	if c.admitted && c.refresh.Load() {
		c.refresh.Store(false)
		c.newFanout()
	}
	c.lastIn.Store(c.host.Clock().Now().UnixNano())
}

// maxStall is how long receivers that are behind may hold up one chunk.
const maxStall = 10 * time.Millisecond

// end hands over and writes what the chunk has brought about.
func (c *Client) end() {
	if c.heard {
		c.heard = false
		c.lastHeard.Store(c.lastIn.Load())
	}
	if n := c.counts; n.msgs > 0 {
		c.inMsgs.Add(n.msgs)
		c.inBytes.Add(n.bytes)
		if c.fan != nil {
			msgs, bytes := c.fan.Away() // which routes count
			n.outMsgs -= msgs
			n.outBytes -= bytes
		}
		total := c.host.Counters()
		total.InMsgs.Add(n.msgs)
		total.InBytes.Add(n.bytes)
		total.OutMsgs.Add(n.outMsgs)
		total.OutBytes.Add(n.outBytes)
		c.counts = chunkCounts{}
	}
	if c.fan == nil {
		c.conn.Flush()
		return
	}
	behind := c.fan.Flush()
	c.errands.Run()
	if behind != nil && !c.stopped {
		c.stall(behind)
	}
}

// stall waits a moment for a receiver that is far behind.
func (c *Client) stall(behind <-chan struct{}) {
	c.stalls.Add(1)
	c.host.Counters().Stalled.Add(1)
	timer := c.host.Clock().NewTimer(maxStall)
	defer timer.Stop()
	select {
	case <-behind:
	case <-timer.C():
	}
}

// flushEarly writes what is staged before the chunk is worked off, when one
// chunk fans out to more than should wait in memory.
const flushEarly = 8 << 20

// send queues a line for the client itself, behind the messages that its own
// publishing brought it.
func (c *Client) send(line string) {
	if c.log.TraceEnabled() {
		c.traceOut([]byte(line))
	}
	if c.fan != nil {
		c.fan.OwnString(line)
		return
	}
	c.conn.Append([]byte(line))
}

// sendErr queues an error; the connection stays open.
func (c *Client) sendErr(text string) {
	c.log.Debugf("%s - -ERR %s", c, text)
	c.send(string(proto.AppendErr(nil, text)))
}

// ok confirms an operation to a verbose client.
func (c *Client) ok() {
	if c.verbose {
		c.send(proto.OK)
	}
}

// lastWords is how long a closing connection has to take what is queued.
const lastWords = 2 * time.Second

// fail ends the connection, with an error to the client unless text is "". It
// is for the reading goroutine.
func (c *Client) fail(r conn.Reason, text string) {
	c.stopped = true
	if text != "" {
		c.sendErr(text)
	}
	if c.fan != nil {
		c.fan.Flush()
	}
	c.conn.Close(r, lastWords)
}

// unparsable ends the connection for input that is no operation.
func (c *Client) unparsable(err error, buf []byte) {
	switch {
	case errors.Is(err, proto.ErrMaxPayload):
		c.log.Errorf("%s - maximum message payload exceeded: limit is %d", c, c.parser.MaxPayload)
		c.fail(conn.MaxPayload, "Maximum Payload Violation")
	case errors.Is(err, proto.ErrMaxControlLine):
		c.log.Errorf("%s - maximum control line exceeded: limit is %d", c, c.parser.MaxControlLine)
		c.fail(conn.MaxControlLine, "maximum control line exceeded")
	case errors.Is(err, proto.ErrBadArgs):
		c.log.Errorf("%s - malformed arguments near %q", c, firstWord(buf))
		c.fail(conn.ProtocolViolation, "")
	default:
		c.log.Errorf("%s - unknown protocol operation near %q", c, firstWord(buf))
		c.fail(conn.ParseError, "Unknown Protocol Operation")
	}
}

// firstWord is what unparsable input begins with, for the log. Of what follows
// nobody knows what it is: it may be a secret of a CONNECT with a mistake in it.
func firstWord(b []byte) []byte {
	b = b[:min(len(b), 32)]
	if i := bytes.IndexAny(b, " \t\r\n{"); i >= 0 {
		b = b[:i]
	}
	return b
}
