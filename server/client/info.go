package client

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// nonceBytes is how many random bytes a challenge is made of.
const nonceBytes = 11

// info is INFO for this client.
func (c *Client) info() proto.Info {
	i := c.host.Info()
	i.ClientID = c.ID
	i.AuthRequired = c.host.Authenticator().RequiredFor(c.kind)
	c.mu.Lock()
	acc := c.acc
	i.ClientIP = c.addr.ip
	c.mu.Unlock()
	i.MaxPayload = maxPayload(i.MaxPayload, acc)
	if c.kind == auth.ConnInProcess {
		// Nobody listens in there, so TLS is up to the client.
		i.ClientIP = ""
		i.TLSRequired, i.TLSAvailable = false, i.TLSRequired || i.TLSAvailable
	}
	return i
}

// greeting is the INFO that a client is met with. It holds a challenge where
// that is of use.
func (c *Client) greeting() []byte {
	i := c.info()
	if c.host.Authenticator().NonceRequired() {
		var b [nonceBytes]byte
		rand.Read(b[:]) // never fails
		i.Nonce = base64.RawURLEncoding.EncodeToString(b[:])
		c.mu.Lock()
		c.nonce = i.Nonce
		c.mu.Unlock()
	}
	if c.settings.ProxyProtocol {
		i.ClientIP = ""
	}
	return i.Append(nil)
}

// connectInfo is the INFO that follows the answer to the first PING.
func (c *Client) connectInfo() []byte {
	i := c.info()
	i.ConnectInfo = true
	i.RemoteAccount = c.fan.Account().Name()
	i.IsSystem = c.fan.Account() == c.host.SystemAccount()
	return i.Append(nil)
}

// SendInfo sends the client a new INFO, if it is one that expects it.
// Others are left alone; it reports whether it was sent.
func (c *Client) SendInfo() bool {
	c.mu.Lock()
	async := c.async && !c.closed
	c.mu.Unlock()
	if !async {
		return false
	}
	i := c.info()
	c.conn.Append(i.Append(nil))
	c.conn.Flush()
	return true
}

var _ conn.Handler = (*Client)(nil)
