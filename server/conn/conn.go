package conn

import (
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/internal/clock"
)

// Handler consumes what a connection reads. Its methods are called by the
// connection's reading goroutine only, except Closed.
type Handler interface {
	// Consume works off the operations at the start of buf and returns how
	// many bytes those were. need is how many bytes the unfinished operation
	// behind them will have in all, as far as is known; 0 if there is none.
	// buf is valid until Consume returns. deep says that the handler did
	// something that may have grown the stack. A handler that wants the
	// connection closed calls Close and returns.
	Consume(buf []byte) (n, need int, deep bool)
	// Closed is called once, when the connection is closed for the reason. It
	// is called by whoever closes, or by the goroutine that met an error.
	Closed(Reason)
}

// Config is what connections have in common.
type Config struct {
	// MaxPending is the number of queued bytes at which a connection is closed
	// as a slow consumer.
	MaxPending int64
	// WriteDeadline is how long it may take to write what is queued at one
	// moment; 0 is for ever.
	WriteDeadline time.Duration
	// RetryWrites goes on after a missed deadline if anything was written,
	// instead of closing.
	RetryWrites bool
	// Clock gives the time that deadlines are counted from.
	Clock clock.Clock
}

// Conn is one connection. Accept, Append, Flush, Close and the counters are safe
// for concurrent use.
type Conn struct {
	handler Handler
	cfg     *Config

	// in belongs to the reading goroutine, out to whoever writes.
	in  inbound
	out outbound

	mu sync.Mutex
	nc net.Conn
	// raw gives access to the descriptor; nil if the connection has none or
	// encrypts.
	raw syscall.RawConn
	// queue holds what waits to be written; what the writer has taken out is
	// in pending still.
	queue   chunk.List
	pending int64
	// writing is true while somebody is in a write. Invariant: a connection
	// that is closing and not closed either is being written or lingers.
	writing bool
	input   inputState
	// closing is set when no more is accepted, closed when nothing more is
	// written either, gone when the socket is closed, told when the handler
	// knows.
	closing, closed, gone, told bool
	reason                      Reason
	// cut closes a connection that takes too long to take leave.
	cut clock.Timer
	// behind is closed when the queue has shrunk again.
	behind chan struct{}
	msgs   int64
	bytes  int64
	stalls int64
	// done is closed when the connection is gone and the handler told; nil
	// unless somebody asked for it.
	done chan struct{}
	// lateChunks and lateBytes were left when a deadline was missed.
	lateChunks, lateBytes int
}

// New returns a connection over nc that does nothing before Start but write.
// Closing nc is its business from now on.
func New(nc net.Conn, h Handler, cfg *Config) *Conn {
	return &Conn{handler: h, cfg: cfg, nc: nc, raw: rawConn(nc)}
}

// Upgrade replaces the network connection, as TLS does. It must be called
// before Start, with nothing queued.
func (c *Conn) Upgrade(nc net.Conn) {
	c.mu.Lock()
	c.nc = nc
	c.raw = rawConn(nc)
	c.mu.Unlock()
}

// NetConn is the network connection.
func (c *Conn) NetConn() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc
}

// Start begins to read. pre are bytes that were read already. It does nothing
// if the connection was closed meanwhile.
func (c *Conn) Start(pre []byte) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.input = inputOpen
	c.mu.Unlock()
	c.in.unread(pre)
	go c.readLoop()
}

// Stats are a connection's counters.
type Stats struct {
	// Pending is the number of bytes that wait to be written.
	Pending int64
	// Msgs and Bytes are those accepted for the connection.
	Msgs, Bytes int64
	// Stalls is how often a publisher was asked to wait.
	Stalls int64
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{c.pending, c.msgs, c.bytes, c.stalls}
}

// Late is what waited to be written when a write deadline was missed.
func (c *Conn) Late() (chunks, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lateChunks, c.lateBytes
}

// Reason is why the connection was closed; None if it is open.
func (c *Conn) Reason() Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Done returns a channel that is closed when the connection is gone, and the
// handler has been told.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		c.doneLocked()
	}
	return c.done
}
