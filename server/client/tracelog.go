package client

import (
	"bytes"

	"github.com/nats-lite/nats-lite/server/logging"
	"github.com/nats-lite/nats-lite/server/proto"
)

// These write the protocol to the log, when that is asked for.

// traceable tells whether the client's protocol is logged at all. It may be
// called by any goroutine.
func (c *Client) traceable() bool {
	acc := c.Account()
	return acc == nil || acc != c.host.SystemAccount() || c.host.Settings().Trace.System
}

// traceOp logs the operation that was read.
func (c *Client) traceOp() {
	if !c.traceable() {
		return
	}
	args := c.op.Args
	if c.op.Kind == proto.OpConnect {
		args = logging.RedactConnect(args)
	}
	if len(args) == 0 {
		c.log.Tracef("%s - <<- [%s]", c, c.op.Kind)
		return
	}
	c.log.Tracef("%s - <<- [%s %s]", c, c.op.Kind, args)
}

// tracePayload logs the message in c.op.
func (c *Client) tracePayload() {
	if !c.traceable() {
		return
	}
	t, msg := c.settings.Trace, c.op.Msg
	if t.HeadersOnly {
		msg = bytes.TrimSuffix(msg[:c.op.HeaderLen], []byte("\r\n\r\n"))
		if len(msg) == 0 {
			return
		}
	}
	if t.MaxLen > 0 && len(msg) > t.MaxLen {
		c.log.Tracef("%s - <<- MSG_PAYLOAD: [%q...]", c, msg[:t.MaxLen])
		return
	}
	c.log.Tracef("%s - <<- MSG_PAYLOAD: [%q]", c, msg)
}

// traceOut logs a line to the client.
func (c *Client) traceOut(line []byte) {
	if c.traceable() {
		c.log.Tracef("%s - ->> [%s]", c, bytes.TrimRight(line, "\r\n"))
	}
}
