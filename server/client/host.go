package client

import (
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Host is the server as its clients see it. All methods may be called by many
// goroutines at once.
type Host interface {
	// Settings are those in force; a reload replaces the whole value.
	Settings() *Settings
	// Authenticator decides who a client is.
	Authenticator() *auth.Authenticator
	// Account finds an account by name, nil if there is none.
	Account(name string) *account.Account
	// SystemAccount is the system account, nil if there is none.
	SystemAccount() *account.Account
	// ServerInfo names the server in events.
	ServerInfo() event.ServerInfo
	// Info is INFO without what is particular to a client.
	Info() proto.Info
	// Admit registers a new client or refuses it, with ErrMaxConnections if
	// it is to be told. Gone is called once for every client, admitted or not,
	// when it is closed.
	Admit(*Client) error
	Gone(*Client)
	// Counters are the server's.
	Counters() *Counters
	Log() Logger
	Clock() clock.Clock
}

// ErrMaxConnections refuses a client because there are too many.
var ErrMaxConnections = errors.New("maximum connections exceeded")

// Logger takes log lines.
type Logger interface {
	Errorf(format string, args ...any)
	Warnf(format string, args ...any)
	Noticef(format string, args ...any)
	Debugf(format string, args ...any)
	Tracef(format string, args ...any)
	DebugEnabled() bool
	TraceEnabled() bool
}

// Settings are what the configuration says about clients. They do not change;
// a reload makes new ones.
type Settings struct {
	Conn *conn.Config

	MaxPayload     int
	MaxControlLine int
	// MaxSubs and MaxSubTokens are 0 for no bound.
	MaxSubs      int
	MaxSubTokens int
	Headers      bool
	// NoStall leaves clients that are far behind out, where otherwise publishers
	// wait a moment for them.
	NoStall bool
	NoCache bool

	PingInterval time.Duration
	PingMax      int
	AuthTimeout  time.Duration

	TLS           *TLS
	AllowNonTLS   bool
	ProxyProtocol bool

	Trace TraceLog
}

// TLS says how clients get encrypted.
type TLS struct {
	Config  *tls.Config
	Timeout time.Duration
	// First starts TLS before INFO; with a Fallback only if the client sends
	// something within that time.
	First    bool
	Fallback time.Duration
	// Check decides about a finished handshake (pinned certificates).
	Check func(tls.ConnectionState) error
	// Allow is asked before each handshake (connection rate).
	Allow func() bool
}

// TraceLog says what of the protocol is logged.
type TraceLog struct {
	// System also logs the connections of the system account.
	System bool
	// HeadersOnly leaves payloads out, MaxLen bounds what is shown; 0 is all.
	HeadersOnly bool
	MaxLen      int
}

// Counters are a server's totals over all clients, those that are gone
// included. Out are those to clients and inside the server, not to other servers.
type Counters struct {
	InMsgs, InBytes   atomic.Int64
	OutMsgs, OutBytes atomic.Int64
	SlowConsumers     atomic.Int64
	Stale             atomic.Int64
	Stalled           atomic.Int64
}
