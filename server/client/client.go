package client

import (
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Client is the connection of one client.
type Client struct {
	host Host
	conn *conn.Conn
	log  Logger
	kind auth.ConnectionType
	// ID is the connection's number, unique in a server's life.
	ID    uint64
	start time.Time

	// The fields from here to mu belong to the reading goroutine.
	parser   proto.Parser
	op       proto.Op
	msg      account.Message
	errands  account.Errands
	settings *Settings
	fan      *account.Fanout
	verbose  bool
	pedantic bool
	headers  bool
	// admitted is set once the client is in an account.
	admitted     bool
	noResponders bool
	// pinged is set once a PING of the client was answered.
	pinged bool
	// left is set when a subscription was ended since the last PONG.
	left bool
	// stopped is set when nothing more of the chunk is to be worked off.
	stopped bool
	// heard is set when the chunk has an operation that is more than a PONG.
	heard bool
	// maxSubs is negative for no bound.
	maxSubs int
	// mapped holds the subject of the current message after mapping, line a
	// line for the client itself; they are kept for their memory.
	mapped, line []byte
	counts       chunkCounts

	// These may be used by any goroutine.
	target    account.Target
	perms     atomic.Pointer[auth.Compiled]
	responses atomic.Pointer[auth.Responses]
	// refresh is set when the answers of perms may have changed.
	refresh         atomic.Bool
	inMsgs, inBytes atomic.Int64
	stalls          atomic.Int64
	lastIn          atomic.Int64 // UnixNano of the last chunk
	lastHeard       atomic.Int64 // of the last with more than a PONG in it

	mu       sync.Mutex
	addr     addr
	connect  proto.Connect
	nonce    string
	tls      *tls.ConnectionState
	tlsFirst bool
	identity auth.Identity
	acc      *account.Account
	// session is another one with each login and logout.
	session uint64
	subs    subTable
	// making is the subscription in subs that is not in the account yet.
	making *account.Subscription
	timer  clock.Timer
	pings  pings
	// async is set when the client may be sent INFO at any time.
	async  bool
	closed bool
	reason conn.Reason
	stop   time.Time
}

// chunkCounts are counted while a chunk is worked off.
type chunkCounts struct {
	msgs, bytes       int64
	outMsgs, outBytes int64
}

// addr is where the client comes from.
type addr struct {
	ip   string
	port int
}

func addrOf(a net.Addr) addr {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return addr{ip: a.String()}
	}
	n, _ := strconv.Atoi(port) // a name instead of a number counts as none
	return addr{host, n}
}

// New takes over a connection of the given kind. Nothing happens before Serve.
func New(host Host, id uint64, nc net.Conn, kind auth.ConnectionType) *Client {
	s := host.Settings()
	c := &Client{
		host:     host,
		log:      host.Log(),
		kind:     kind,
		ID:       id,
		start:    host.Clock().Now(),
		settings: s,
		connect:  proto.DefaultConnect,
		verbose:  proto.DefaultConnect.Verbose,
		pedantic: proto.DefaultConnect.Pedantic,
		addr:     addrOf(nc.RemoteAddr()),
	}
	c.target.ID = id
	c.target.Receiver = c
	c.msg.From, c.msg.Errands = &c.target, &c.errands
	c.conn = conn.New(nc, c, s.Conn)
	c.lastIn.Store(c.start.UnixNano())
	c.lastHeard.Store(c.start.UnixNano())
	c.limit()
	return c
}

// limit takes over the settings and the account's limits.
func (c *Client) limit() {
	acc := c.Account()
	c.parser = proto.Parser{
		MaxControlLine: c.settings.MaxControlLine,
		MaxPayload:     maxPayload(c.settings.MaxPayload, acc),
	}
	c.maxSubs = -1
	if n := c.settings.MaxSubs; n > 0 {
		c.maxSubs = n
	}
	if acc == nil {
		return
	}
	if n := acc.Limits().MaxSubs; n >= 0 && (c.maxSubs < 0 || n < c.maxSubs) {
		c.maxSubs = n
	}
}

// maxPayload is the server's limit or that of the account, whichever is less;
// acc may be nil.
func maxPayload(server int, acc *account.Account) int {
	if acc != nil {
		if n := acc.Limits().MaxPayload; n >= 0 {
			return min(server, n)
		}
	}
	return server
}

// Identity is who the client is.
func (c *Client) Identity() auth.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identity
}

// Account is the account that the client is in, nil before it is known.
func (c *Client) Account() *account.Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acc
}

// String names the client in log lines.
func (c *Client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return net.JoinHostPort(c.addr.ip, strconv.Itoa(c.addr.port)) + " - cid:" + strconv.FormatUint(c.ID, 10)
}
