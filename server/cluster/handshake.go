package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/proto"
)

// ProtocolVersion is that of what is said on routes. Two servers use the smaller of theirs.
const ProtocolVersion = 1

// Handshake is how a server introduces itself to others. Its methods may be called by many
// goroutines at once.
type Handshake struct {
	// Self is this server.
	Self mesh.Server
	// Info is what else there is to say of it. What Self and the route say themselves
	// is not taken from here.
	Info proto.RouteInfo
	// Username and Password are what others have to show, anything if both are "". The
	// password is plain or a bcrypt hash.
	Username, Password string
	// Timeout is how long the other end may take in all.
	Timeout time.Duration
	// MaxControlLine is the one of clients, in bytes: the bound to what is read of a
	// server that has not proved who it is. Others may say PeerControlLine times as much.
	MaxControlLine int
	// Clock gives the time that the deadline is counted from.
	Clock clock.Clock
	// edition tells what Info was.
	edition int
}

// Meeting is what two servers have learned of each other.
type Meeting struct {
	// Arrival is for the mesh. Whoever gets it has to number the link.
	mesh.Arrival
	// Info is all that the other end said of itself.
	Info proto.RouteInfo
	// Rest was read already, and is the beginning of what follows.
	Rest []byte
	// edition tells what this end said of itself.
	edition int
}

// Why there is no meeting. The other end is told the text.
var (
	// ErrClient: a client has come to the port of routes.
	ErrClient = errors.New("attempted to connect to route port")
	// ErrGateway: so has a gateway.
	ErrGateway = errors.New("attempted to connect to wrong port")
	// ErrForeign: the other end is not a nats-lite server.
	ErrForeign = errors.New("routes are for nats-lite servers only")
	// ErrCredentials: it has shown the wrong ones.
	ErrCredentials = errors.New("Authorization Violation")
	// ErrTimeout: it has taken too long.
	ErrTimeout = errors.New("Authentication Timeout")
	// ErrProtocol: it has said something else than it should.
	ErrProtocol = errors.New("Unknown Protocol Operation")
	// ErrIntroduction: it has not said properly who it is.
	ErrIntroduction = errors.New("Invalid Route Introduction")
)

// reproaches are those that the other end is told.
var reproaches = []error{ErrClient, ErrGateway, ErrForeign, ErrCredentials, ErrTimeout, ErrProtocol, ErrIntroduction}

// RefusedError says that the other end does not want us.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return "refused by the other server: " + e.Text }

// Dial introduces this server to the one that it has dialled, with the credentials that that one
// wants. If it fails the connection is closed.
func (h *Handshake) Dial(nc net.Conn, d *mesh.Dial, username, password string) (*Meeting, error) {
	m := &Meeting{Arrival: mesh.Arrival{Slot: d.Slot, Dialled: d, Call: d.Call}}
	return h.run(nc, m, func(l *listener) error {
		hello := h.connect(username, password).Append(nil)
		if err := h.say(nc, h.info(m).Append(hello)); err != nil {
			return err
		}
		// Who was dialled may say more than who has come: what it knows of others.
		l.parser.MaxControlLine = h.MaxControlLine * proto.PeerControlLine
		return h.hear(l, m)
	})
}

// Accept has a server introduce itself that has dialled this one. pre was read of it already. If it fails
// the connection is closed.
func (h *Handshake) Accept(nc net.Conn, pre []byte) (*Meeting, error) {
	m := &Meeting{}
	return h.run(nc, m, func(l *listener) error {
		l.buf = append(l.buf, pre...)
		l.parser.MaxControlLine = h.MaxControlLine
		if err := h.admit(l); err != nil {
			return err
		}
		l.parser.MaxControlLine = h.MaxControlLine * proto.PeerControlLine
		if err := h.hear(l, m); err != nil {
			return err
		}
		m.Slot = mesh.Slot{Index: m.Info.RoutePoolIdx, Account: m.Info.RouteAccount}
		m.Call = m.Info.RouteCall
		return h.say(nc, h.info(m).Append(nil))
	})
}

// run does the steps of one end within the time there is.
func (h *Handshake) run(nc net.Conn, m *Meeting, steps func(*listener) error) (*Meeting, error) {
	l := &listener{nc: nc}
	m.edition = h.edition
	err := nc.SetDeadline(h.Clock.Now().Add(h.Timeout))
	if err == nil {
		err = steps(l)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err == nil {
		m.Rest = l.buf[l.used:]
		return m, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrTimeout
	}
	h.refuse(nc, err)
	return nil, err
}

// admit reads CONNECT and decides whether who sent it may come in.
func (h *Handshake) admit(l *listener) error {
	if err := l.next(); err != nil {
		return err
	}
	if l.op.Kind != proto.OpConnect {
		return ErrProtocol
	}
	c, err := proto.ParseRouteConnect(l.op.Args)
	switch {
	case err != nil:
		return ErrIntroduction
	case c.Lang != "":
		return ErrClient
	case c.Gateway != "":
		return ErrGateway
	case !h.knows(c.User, c.Pass):
		return ErrCredentials
	case c.NatsLite < 1:
		return ErrForeign
	}
	return nil
}

// knows checks credentials. Whether the name is right can not be told from the time that
// it takes.
func (h *Handshake) knows(username, password string) bool {
	if h.Username == "" && h.Password == "" {
		return true
	}
	name := auth.Matches(h.Username, username)
	return auth.Matches(h.Password, password) && name
}

// hear reads INFO of the other end.
func (h *Handshake) hear(l *listener, m *Meeting) error {
	if err := l.next(); err != nil {
		return err
	}
	if l.op.Kind != proto.OpInfo {
		return ErrProtocol
	}
	info, err := proto.ParseRouteInfo(l.op.Args)
	switch {
	case err != nil:
		return ErrIntroduction
	case info.NatsLite < 1:
		return ErrForeign
	}
	m.Info = info
	m.Peer, err = ServerOf(&info)
	return err
}

// ServerOf returns the server that an INFO is about, its sender or another one. The error is
// ErrIntroduction.
func ServerOf(info *proto.RouteInfo) (mesh.Server, error) {
	s := mesh.Server{
		ID: info.ServerID, Name: info.ServerName, Cluster: info.Cluster, Dynamic: info.ClusterDynamic,
		PoolSize: max(info.RoutePoolSize, 1), Accounts: info.RouteAccounts, Node: info.RaftNode,
	}
	for _, word := range []string{s.ID, s.Name, s.Cluster} {
		if word == "" || strings.ContainsFunc(word, unicode.IsSpace) {
			return mesh.Server{}, ErrIntroduction
		}
	}
	if info.IP != "" {
		u, err := url.Parse(info.IP)
		if err != nil || u.Hostname() == "" || u.Port() == "" {
			return mesh.Server{}, ErrIntroduction
		}
		s.Addr = u.Host
	}
	return s, nil
}

// InfoOf returns the INFO that tells others of a server.
func InfoOf(s *mesh.Server) proto.RouteInfo {
	var i proto.RouteInfo
	introduce(&i, s)
	i.RaftNode = s.Node
	return i
}

// introduce says who a server is. Its node is told by InfoOf, as its Info may have another one by now.
func introduce(i *proto.RouteInfo, s *mesh.Server) {
	i.ServerID, i.ServerName = s.ID, s.Name
	i.Cluster, i.ClusterDynamic = s.Cluster, s.Dynamic
	i.RoutePoolSize, i.RouteAccounts = s.PoolSize, s.Accounts
	i.IP = ""
	if s.Addr != "" {
		i.IP = "nats-route://" + s.Addr
	}
	i.NatsLite = ProtocolVersion
}

// info is that of this server for a route.
func (h *Handshake) info(m *Meeting) *proto.RouteInfo {
	i := h.Info
	introduce(&i, &h.Self)
	i.RoutePoolIdx, i.RouteAccount, i.RouteCall = m.Slot.Index, m.Slot.Account, m.Call
	return &i
}

func (h *Handshake) connect(username, password string) *proto.RouteConnect {
	return &proto.RouteConnect{
		User: username, Pass: password, TLSRequired: h.Info.TLSRequired, Headers: h.Info.Headers,
		Name: h.Self.ID, Cluster: h.Self.Cluster, ClusterDynamic: h.Self.Dynamic, NatsLite: ProtocolVersion,
	}
}

func (h *Handshake) say(nc net.Conn, line []byte) error {
	_, err := nc.Write(line)
	return err
}

const (
	// lastWords is how long a closing connection has to take what is queued.
	lastWords = 2 * time.Second
	// maxIgnored is how much is read of a server that was refused.
	maxIgnored = 1 << 20
)

// refuse closes the connection, and says why if it is the other end that has to know.
func (h *Handshake) refuse(nc net.Conn, why error) {
	defer func() { _ = nc.Close() }() // a failed close leaves nothing to be done
	if !slices.Contains(reproaches, why) {
		return // it has gone, or said itself that it does not want us
	}
	if nc.SetDeadline(h.Clock.Now().Add(lastWords)) != nil || h.say(nc, proto.AppendErr(nil, why.Error())) != nil {
		return
	}
	// To close with input unread could take from it what it was told.
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	buf := make([]byte, 512)
	for total := 0; total < maxIgnored; {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		total += n
	}
}

// listener reads single operations.
type listener struct {
	nc     net.Conn
	parser proto.PeerParser
	op     proto.PeerOp
	// buf has what was read, of which used bytes are done with.
	buf  []byte
	used int
}

// next reads an operation, which is valid until the next one.
func (l *listener) next() error {
	for {
		n, _, err := l.parser.Next(l.buf[l.used:], &l.op)
		l.used += n
		switch {
		case err != nil:
			return ErrProtocol
		case n == 0:
			if err := l.read(); err != nil {
				return err
			}
		case l.op.Kind == proto.OpErr:
			return &RefusedError{strings.Trim(string(l.op.Args), "' ")}
		default:
			return nil
		}
	}
}

// read reads some more. What there is of an operation is bounded by the parser.
func (l *listener) read() error {
	l.buf = append(l.buf[:0], l.buf[l.used:]...)
	l.used = 0
	var chunk [1024]byte
	n, err := l.nc.Read(chunk[:])
	l.buf = append(l.buf, chunk[:n]...)
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("no introduction: %w", err)
}
