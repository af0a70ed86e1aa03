package client

import (
	"crypto/tls"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Snapshot is what is known of a client at one moment. It shares nothing that
// changes.
type Snapshot struct {
	ID    uint64
	Kind  auth.ConnectionType
	IP    string
	Port  int
	Start time.Time
	// LastActivity is when something was last read.
	LastActivity time.Time
	// Stop is zero while the connection is open.
	Stop   time.Time
	Reason conn.Reason
	// RTT is 0 until it was measured.
	RTT time.Duration

	InMsgs, InBytes int64
	Out             conn.Stats
	// Stalls is how often the client was held back as a fast producer.
	Stalls int64

	Connect  proto.Connect
	Identity auth.Identity
	// Account is nil before the client is in one.
	Account  *account.Account
	TLS      *tls.ConnectionState
	TLSFirst bool
	// Subs is in no order.
	Subs []*account.Subscription
}

// Snapshot describes the client. The credentials are left out.
func (c *Client) Snapshot() Snapshot {
	out := c.conn.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Snapshot{
		ID:           c.ID,
		Kind:         c.kind,
		IP:           c.addr.ip,
		Port:         c.addr.port,
		Start:        c.start,
		LastActivity: time.Unix(0, c.lastIn.Load()),
		Stop:         c.stop,
		Reason:       c.reason,
		RTT:          c.pings.rtt,
		InMsgs:       c.inMsgs.Load(),
		InBytes:      c.inBytes.Load(),
		Out:          out,
		Stalls:       c.stalls.Load(),
		Connect:      c.connect,
		Identity:     c.identity,
		Account:      c.acc,
		TLS:          c.tls,
		TLSFirst:     c.tlsFirst,
		Subs:         c.subs.all(),
	}
	k := &s.Connect
	k.Pass, k.Token, k.Sig, k.JWT, k.ProxySig = "", "", "", "", ""
	return s
}
