package client

import (
	"time"

	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// firstPing is when a client is first asked for a PONG, to measure the round
// trip; up to a fifth is added, so that clients that came together do not all
// answer together.
const firstPing = 2 * time.Second

// maxRTTAge is when the round trip is measured again even of a busy client.
const maxRTTAge = time.Hour

// pings is the state of asking whether the client is still there.
type pings struct {
	// out is the number of PINGs without an answer, sent when the last of them
	// was.
	out  int
	sent time.Time
	// rtt is the last round trip, measured at rttAt.
	rtt   time.Duration
	rttAt time.Time
}

// ping answers a PING. The first answer is followed by INFO about the
// connection.
func (c *Client) ping() {
	if c.left {
		// After the PONG nothing may come for a subscription that is over: the
		// client would drop it, although it counts as delivered.
		c.left = false
		c.fan.Flush()
		c.target.Await()
	}
	c.send(proto.Pong)
	if c.pinged || !c.admitted {
		return
	}
	c.pinged = true
	c.mu.Lock()
	modern := c.connect.Protocol >= 1
	c.async = modern
	c.mu.Unlock()
	if modern {
		c.send(string(c.connectInfo()))
	}
}

// pong notes that the client is there.
func (c *Client) pong() {
	now := c.host.Clock().Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pings.out > 0 {
		c.pings.rtt = max(now.Sub(c.pings.sent), 1)
		c.pings.rttAt = now
	}
	c.pings.out = 0
}

// startPings replaces the timer that runs, for authentication or for PINGs, by
// one for PINGs that sends the first one then.
func (c *Client) startPings(in time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.closed {
		return
	}
	c.timer = c.host.Clock().AfterFunc(min(in, c.settings.PingInterval), c.pingTick)
}

// pingTick sends a PING if nothing was heard of the client for a while, and
// closes the connection if too many were not answered.
func (c *Client) pingTick() {
	s := c.host.Settings()
	now := c.host.Clock().Now()
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	heard := now.Sub(time.Unix(0, c.lastHeard.Load())) < s.PingInterval
	due := !heard || c.pings.rttAt.IsZero() || now.Sub(c.pings.rttAt) > maxRTTAge
	if due && c.pings.out >= s.PingMax {
		c.mu.Unlock()
		c.host.Counters().Stale.Add(1)
		c.log.Debugf("%s - stale: no answer to %d PINGs", c, s.PingMax)
		c.Disconnect(conn.StaleConnection, "Stale Connection")
		return
	}
	if due {
		c.pings.out++
		c.pings.sent = now
	}
	c.timer.Reset(s.PingInterval)
	c.mu.Unlock()
	if due {
		if c.log.TraceEnabled() {
			c.traceOut([]byte(proto.Ping))
		}
		c.conn.Append([]byte(proto.Ping))
		c.conn.Flush()
	}
}
