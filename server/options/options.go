package options

import (
	"time"

	"github.com/nats-lite/nats-lite/server/auth"
	"github.com/nats-lite/nats-lite/server/subject"
	"github.com/nats-lite/nats-lite/server/tlsconf"
)

// Options is everything a server can be told. The zero value is not valid: New
// gives the defaults, FromFile and ParseArgs change them, Validate checks what
// only shows across options. A running server treats its Options as read-only; a
// reload makes a new value (see Reparse) and compares (see Diff).
type Options struct {
	// ConfigFile is the path of the file that was read, "" if none was;
	// ConfigDigest is "sha256:…" of its content.
	ConfigFile   string
	ConfigDigest string

	// overrides are applied after the file, also on a reload: what the command
	// line or an embedding program says wins over the file.
	overrides []func(*Options)

	Host string
	// Port is the client port; -1 picks a free one.
	Port            int
	ClientAdvertise string
	// DontListen serves in-process connections only (embedding).
	DontListen bool

	ServerName string
	// Tags are in lower case.
	Tags     []string
	Metadata map[string]string
	// FeatureFlags holds what was configured only (see Features and HasFeature).
	FeatureFlags map[string]bool

	Log Log

	PidFile      string
	PortsFileDir string

	// ProfPort serves pprof; 0 is off, -1 picks a free port.
	ProfPort      int
	ProfBlockRate int

	// HTTPPort and HTTPSPort serve monitoring; 0 is off, -1 picks a free port.
	// HTTPHost is that of the clients unless it is configured.
	HTTPHost     string
	HTTPPort     int
	HTTPSPort    int
	HTTPBasePath string

	// MaxConn bounds client connections; 0 or less admits none.
	MaxConn int
	// MaxSubs bounds subscriptions per connection; 0 is no bound.
	MaxSubs int
	// MaxSubTokens bounds the tokens of a subscription's subject; 0 is no bound.
	MaxSubTokens   int
	MaxControlLine int
	MaxPayload     int
	// MaxPending is the number of outbound bytes at which a client is a slow
	// consumer.
	MaxPending       int64
	MaxClosedClients int

	PingInterval        time.Duration
	PingMax             int
	WriteDeadline       time.Duration
	WriteTimeout        WriteTimeoutPolicy
	NoFastProducerStall bool

	LameDuckDuration    time.Duration
	LameDuckGracePeriod time.Duration

	NoSublistCache  bool
	NoHeaderSupport bool
	ProxyProtocol   bool
	AllowNonTLS     bool

	// TLS is nil when clients do not speak TLS.
	TLS *tlsconf.Config

	Auth     Authorization
	Accounts []*Account
	// NoAuthUser is the name or nkey of the user of clients that bring no
	// credentials.
	NoAuthUser string
	// SystemAccount is "" if none was named (see SystemAccountName).
	SystemAccount   string
	NoSystemAccount bool
	// Mappings are those of the global account.
	Mappings []Mapping
	// TrustedProxies are public nkeys.
	TrustedProxies []string

	Cluster Cluster
	// ConnectErrorReports is at which failures to connect to another server, apart
	// from the first, there is a line in the log: every so many.
	// ReconnectErrorReports is the same for one that was connected before.
	ConnectErrorReports, ReconnectErrorReports int

	JetStream JetStream
}

// Log says what is logged and where.
type Log struct {
	Debug, Trace bool
	// TraceVerbose also traces the system account.
	TraceVerbose bool
	// TraceHeaders limits traced messages to their headers.
	TraceHeaders bool
	// Time prefixes lines with the time; UTC instead of local time.
	Time, UTC bool
	// File is "" for standard error.
	File string
	// SizeLimit is the size in bytes at which File is rotated; 0 is never.
	// MaxFiles bounds the number of files including the current one; 0 is all.
	SizeLimit int64
	MaxFiles  int
	// Syslog logs to the system's log, RemoteSyslog to the one at a URL.
	Syslog       bool
	RemoteSyslog string
	// MaxTracedMsgLen bounds the traced bytes of a message; 0 is no bound.
	MaxTracedMsgLen int
}

// WriteTimeoutPolicy says what a missed write deadline does to a connection.
type WriteTimeoutPolicy uint8

// The policies; the default closes clients.
const (
	WriteTimeoutDefault WriteTimeoutPolicy = iota
	WriteTimeoutClose
	WriteTimeoutRetry
)

// String returns the policy as the configuration spells it.
func (p WriteTimeoutPolicy) String() string {
	switch p {
	case WriteTimeoutClose:
		return "close"
	case WriteTimeoutRetry:
		return "retry"
	}
	return "default"
}

// Authorization is the authorization {} block. Username/Password, Token and
// Users exclude each other.
type Authorization struct {
	// Defined says that there is such a block, or flags instead of it, even if
	// it asks for nothing: with it the server no longer admits anybody by itself
	// (see Options.ImplicitNoAuth).
	Defined            bool
	Username, Password string
	Token              string
	// Timeout is how long a client may take to authenticate; 0 means the
	// default, which depends on TLS (see Options.AuthTimeout).
	Timeout time.Duration
	// Users are the users of the global account, from this block.
	Users []*auth.User
	// DefaultPermissions is what users without their own got.
	DefaultPermissions *auth.Permissions
	ProxyRequired      bool
}

// Account is an entry of the accounts {} block.
type Account struct {
	Name string
	NKey string
	// Users have their Account field set to Name.
	Users              []*auth.User
	DefaultPermissions *auth.Permissions
	Limits             AccountLimits
	Mappings           []Mapping
	// TraceDest is where messages with a sampled traceparent header are traced
	// to; "" is nowhere. TraceSampling is in percent, 1 to 100.
	TraceDest     string
	TraceSampling int
	Exports       []*Export
	Imports       []*Import
	// JetStream is nil if the account may not use it (see
	// Options.JetStreamAccounts for the global account).
	JetStream *AccountJetStream
}

// AccountLimits bound an account; -1 is no bound.
type AccountLimits struct {
	MaxConn    int
	MaxSubs    int
	MaxPayload int
	MaxLeafs   int
}

// Mapping sends messages published to a subject elsewhere. A list of mappings is
// in the order of the configuration.
type (
	Mapping        = subject.Mapping
	MapDestination = subject.MapDestination
)
