package client

import "github.com/nats-lite/nats-lite/server/event"

// Info tells those in other accounts who asks them. It is account.Receiver's.
func (c *Client) Info() event.ClientInfo {
	start, server := c.start.UTC(), c.host.Info().ServerName
	c.mu.Lock()
	defer c.mu.Unlock()
	out := event.ClientInfo{
		Start:      &start,
		Host:       c.addr.ip,
		ID:         c.ID,
		User:       c.identity.Name,
		Name:       c.connect.Name,
		Lang:       c.connect.Lang,
		Version:    c.connect.Version,
		RTT:        c.pings.rtt,
		Server:     server,
		Kind:       "Client",
		ClientType: "nats",
	}
	if out.User == "" {
		out.User = c.connect.User
	}
	if c.acc != nil {
		out.Account = c.acc.Name()
	}
	return out
}
