package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Route is a connection to another server, once each knows who the other one is.
type Route struct {
	cfg  *Config
	id   mesh.LinkID
	peer mesh.Server
	slot mesh.Slot
	rest []byte

	conn   *conn.Conn
	target account.Target
	// squeezed is nil if nothing is compressed.
	squeezed *squeezed
	in       inbound
	out      outbound
	pings    pings
	// ended is closed when the connection is.
	ended chan struct{}

	mu sync.Mutex
	// gone is set when nothing may be added any more to what follows.
	gone      bool
	theirs    map[interestKey]*interest
	followers []*follower
}

// Config is what routes have in common. It does not change.
type Config struct {
	Conn     *conn.Config
	Accounts Accounts
	Owner    Owner
	// Self is this server, as it has introduced itself.
	Self mesh.Server
	// Import is what this server asks the other end for and takes of it, Export what that may
	// ask for and is sent.
	Import, Export *Gate
	// MaxControlLine is the one of clients; routes may have PeerControlLine times as much.
	// MaxPayload bounds header and payload of a message together, if it is not negative.
	MaxControlLine, MaxPayload int
	// The other end is asked for a sign of life each PingInterval, and PingMax times at the
	// most without one.
	PingInterval time.Duration
	PingMax      int
	Clock        clock.Clock
	Log          Logger
}

// Accounts are those of the server. Its methods may be called by many goroutines.
type Accounts interface {
	// Account finds an account by its name, or makes it; nil if there may be none.
	Account(name string) *account.Account
	// Watch calls added with each account that there is, and with those that come later
	// until stop is called, and perhaps once while it returns.
	Watch(added func(*account.Account)) (stop func())
}

// Owner is who has the route. Its methods must not block.
type Owner interface {
	// Heard is called with what the other end tells of itself or of a third server, on
	// the route's reading goroutine.
	Heard(*Route, *proto.RouteInfo)
	// Ended is called once, when the route is closed and nothing of it is left in the accounts.
	Ended(*Route)
}

// Logger takes log lines.
type Logger interface {
	Errorf(format string, args ...any)
	Noticef(format string, args ...any)
	Debugf(format string, args ...any)
}

// NewRoute returns a route over the connection on which the two servers have met, which belongs to
// it from now on. Start has to be called, also if it is to be closed.
func NewRoute(nc net.Conn, id mesh.LinkID, m *Meeting, cfg *Config) *Route {
	r := &Route{
		cfg: cfg, id: id, peer: m.Peer, slot: m.Slot, rest: m.Rest,
		ended:  make(chan struct{}),
		theirs: make(map[interestKey]*interest),
	}
	r.conn = conn.New(nc, r, cfg.Conn)
	r.squeezed, _ = nc.(*squeezed)
	r.target.ID, r.target.Receiver, r.target.Encoder = uint64(id), r, r
	r.in.parser = proto.PeerParser{
		MaxControlLine: cfg.MaxControlLine * proto.PeerControlLine,
		MaxPayload:     cfg.MaxPayload,
	}
	if r.slot.Account != "" {
		r.in.parser.Link = proto.LinkAccountRoute
	}
	r.in.seed = rand.Uint64()
	r.out.news = make(chan struct{}, 1)
	return r
}

// Start tells the other end of what is listened to here, and begins to read.
func (r *Route) Start() {
	stop := r.cfg.Accounts.Watch(r.follow)
	r.startPings()
	go r.run(stop)
	r.conn.Start(r.rest)
	r.rest = nil
}

// ID is the number of the link, Peer who is at the other end, and Slot the place that the route has.
func (r *Route) ID() mesh.LinkID   { return r.id }
func (r *Route) Peer() mesh.Server { return r.peer }
func (r *Route) Slot() mesh.Slot   { return r.slot }

// String names the route in the log.
func (r *Route) String() string { return fmt.Sprintf("route %d to %q", r.id, r.peer.Name) }

// Tell sends an INFO, about this server or another one.
func (r *Route) Tell(info *proto.RouteInfo) {
	r.conn.Append(info.Append(nil))
	r.conn.Flush()
}

// Close closes the route, and tells the other end why unless the text is "".
func (r *Route) Close(why conn.Reason, text string) {
	if text != "" {
		r.conn.Append(proto.AppendErr(nil, text))
	}
	r.conn.Close(why, lastWords)
}

// Reason tells why the route was closed; conn.None if it is not.
func (r *Route) Reason() conn.Reason { return r.conn.Reason() }

// Closed is conn.Handler's. It is called by anybody who sends, so that what takes time is
// left to run.
func (r *Route) Closed(conn.Reason) {
	r.target.Close()
	r.stopPings()
	close(r.ended)
}

// run tells of interest when no message takes it along, and cleans up at the end.
func (r *Route) run(stop func()) {
	defer r.cfg.Owner.Ended(r)
	defer r.clear()
	defer stop()
	for {
		select {
		case <-r.ended:
			return
		case <-r.out.news:
		}
		if !r.waitForRoom() {
			return
		}
		r.tellInterest()
		r.conn.Flush()
	}
}

// retryInterval is how often one looks whether a slow route has caught up.
const retryInterval = 10 * time.Millisecond

// waitForRoom waits while so much is queued that more should not be, unless somebody has
// a message for the route. It is false if the route has ended.
func (r *Route) waitForRoom() bool {
	for r.conn.Behind() {
		timer := r.cfg.Clock.NewTimer(retryInterval)
		select {
		case <-r.ended:
			timer.Stop()
			return false
		case <-timer.C():
		}
	}
	return true
}

// clear takes all that is the route's out of the accounts.
func (r *Route) clear() {
	r.mu.Lock()
	r.gone = true
	theirs, followers := r.theirs, r.followers
	r.theirs, r.followers = nil, nil
	r.mu.Unlock()
	for _, f := range followers {
		f.Stop()
	}
	subs := make(map[*account.Account][]*account.Subscription)
	for _, i := range theirs {
		subs[i.account] = append(subs[i.account], &i.Subscription)
	}
	for acc, list := range subs {
		acc.UnsubscribeAll(list)
	}
}

// inbound is the reading side. But for the counters it belongs to the reading goroutine.
type inbound struct {
	parser proto.PeerParser
	op     proto.PeerOp
	msg    account.Message
	queues [][]byte
	// fan takes messages to subscriptions, errands are what they bring about. fan is nil
	// before there is a message.
	fan     *account.Fanout
	seed    uint64
	errands account.Errands
	// account is the one of the last operation, within a chunk.
	account *account.Account
	stopped bool
	// heard counts how often something was read, at is when it was last, in nanoseconds.
	heard, at   atomic.Int64
	msgs, bytes atomic.Int64
	// delivered counts to how many here messages went, and deliveredBytes the bytes in those.
	delivered, deliveredBytes atomic.Int64
}

// Stats are a route's counters.
type Stats struct {
	conn.Stats
	// InMsgs and InBytes are the messages that came, and the bytes in them.
	InMsgs, InBytes int64
	// RTT is the last round trip, 0 if there was none yet.
	RTT time.Duration
	// Theirs is how many subscriptions the other end has.
	Theirs int
}

// lastActivity is when something was last read, and start if nothing was.
func (r *Route) lastActivity(start time.Time) time.Time {
	if at := r.in.at.Load(); at > 0 {
		return time.Unix(0, at)
	}
	return start
}

// Stats returns the counters.
func (r *Route) Stats() Stats {
	r.mu.Lock()
	n := len(r.theirs)
	r.mu.Unlock()
	return Stats{r.conn.Stats(), r.in.msgs.Load(), r.in.bytes.Load(), r.pings.roundTrip(), n}
}
