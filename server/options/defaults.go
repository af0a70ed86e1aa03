package options

import (
	"math"
	"time"
)

// The defaults of settings that have one other than zero.
const (
	DefaultHost             = "0.0.0.0"
	DefaultPort             = 4222
	DefaultMaxConn          = 64 * 1024
	DefaultMaxControlLine   = 4 * 1024
	DefaultMaxPayload       = 1024 * 1024
	DefaultMaxPending       = 64 * 1024 * 1024
	DefaultMaxClosedClients = 10_000

	DefaultPingInterval  = 2 * time.Minute
	DefaultPingMax       = 2
	DefaultWriteDeadline = 10 * time.Second

	DefaultLameDuckDuration    = 2 * time.Minute
	DefaultLameDuckGracePeriod = 10 * time.Second

	DefaultAuthTimeout = 2 * time.Second
	DefaultTLSTimeout  = 2 * time.Second

	// DefaultSystemAccount exists without being configured.
	DefaultSystemAccount = "$SYS"

	// DefaultHandshakeFirstFallback is what handshake_first: auto waits for.
	DefaultHandshakeFirstFallback = 50 * time.Millisecond
	// DefaultResponseMax and DefaultResponseExpires bound allow_responses.
	DefaultResponseMax     = 1
	DefaultResponseExpires = 2 * time.Minute
	// DefaultTraceSampling traces every message that asks for it.
	DefaultTraceSampling = 100

	// DefaultPoolSize is the number of connections between two servers that the
	// accounts share.
	DefaultPoolSize = 3
	// DefaultConnectErrorReports and DefaultReconnectErrorReports are after how
	// many tries again a failure to connect to another server is logged.
	DefaultConnectErrorReports   = 3600
	DefaultReconnectErrorReports = 1

	// DefaultRequestQueueLimit bounds API requests of JetStream that wait.
	DefaultRequestQueueLimit = 10_000
	// DefaultMaxConcurrentIO bounds disk operations of JetStream at once.
	DefaultMaxConcurrentIO = 4096
	// DefaultMaxConsumers bounds the consumers of a stream.
	DefaultMaxConsumers = 1000
)

const (
	minLameDuckDuration = 30 * time.Second
	maxSubTokensLimit   = 255
	// maxSizeLimit is the largest max_payload and max_control_line: clients may
	// count in 32 bits.
	maxSizeLimit = math.MaxInt32

	minConcurrentIO = 4
	maxConcurrentIO = 8192

	// maxRoutePing is often enough to find out about a server that is gone before
	// its clients do.
	maxRoutePing = 30 * time.Second
)

var defaultRTTThresholds = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}

// New returns the options of a server that was told nothing.
func New() *Options {
	return &Options{
		Host: DefaultHost,
		Port: DefaultPort,

		Log: Log{Time: true},

		MaxConn:          DefaultMaxConn,
		MaxControlLine:   DefaultMaxControlLine,
		MaxPayload:       DefaultMaxPayload,
		MaxPending:       DefaultMaxPending,
		MaxClosedClients: DefaultMaxClosedClients,

		PingInterval:  DefaultPingInterval,
		PingMax:       DefaultPingMax,
		WriteDeadline: DefaultWriteDeadline,

		LameDuckDuration:    DefaultLameDuckDuration,
		LameDuckGracePeriod: DefaultLameDuckGracePeriod,

		Cluster:               newCluster(),
		ConnectErrorReports:   DefaultConnectErrorReports,
		ReconnectErrorReports: DefaultReconnectErrorReports,

		JetStream: newJetStream(),
	}
}

func newJetStream() JetStream {
	return JetStream{
		MaxMemory:         -1,
		MaxStore:          -1,
		Strict:            true,
		RequestQueueLimit: DefaultRequestQueueLimit,
		InfoQueueLimit:    DefaultRequestQueueLimit,
		MaxConcurrentIO:   DefaultMaxConcurrentIO,
		Limits:            JetStreamLimits{DefaultMaxConsumers: DefaultMaxConsumers},
	}
}

// finish fills in, after file and flags, what depends on several settings, and
// the defaults of settings that were set to zero: to operators of NATS servers
// "0" in a file means "I have no opinion" for these.
func (o *Options) finish() {
	orDefault(&o.Host, DefaultHost)
	orDefault(&o.HTTPHost, o.Host)
	// Verbose and headers say what to trace, so they ask for tracing.
	o.Log.Trace = o.Log.Trace || o.Log.TraceVerbose || o.Log.TraceHeaders

	orDefault(&o.MaxControlLine, DefaultMaxControlLine)
	orDefault(&o.MaxPayload, DefaultMaxPayload)
	orDefault(&o.MaxPending, DefaultMaxPending)
	orDefault(&o.MaxClosedClients, DefaultMaxClosedClients)
	orDefault(&o.PingInterval, DefaultPingInterval)
	orDefault(&o.PingMax, DefaultPingMax)
	orDefault(&o.WriteDeadline, DefaultWriteDeadline)
	orDefault(&o.LameDuckGracePeriod, DefaultLameDuckGracePeriod)
	orDefault(&o.ConnectErrorReports, DefaultConnectErrorReports)
	orDefault(&o.ReconnectErrorReports, DefaultReconnectErrorReports)
	if o.MaxPayload < 0 {
		// No bound was asked for. A message that does not fit into the queue of
		// any client could not be delivered, so that is the bound.
		o.MaxPayload = int(min(max(o.MaxPending, 0), maxSizeLimit))
	}
	o.MaxSubs = max(o.MaxSubs, 0)
	if o.TLS != nil && o.TLS.Timeout <= 0 {
		o.TLS.Timeout = DefaultTLSTimeout
	}
	o.Cluster.finish()
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
