package conn

// Reason tells why a connection was closed. Its String is what monitoring
// shows.
type Reason uint8

// The reasons that connections have.
const (
	None Reason = iota
	ClientClosed
	AuthenticationTimeout
	AuthenticationFailure
	TLSHandshakeFailure
	SlowConsumerPending
	SlowConsumerDeadline
	WriteError
	ReadError
	ParseError
	StaleConnection
	ProtocolViolation
	BadProtocolVersion
	IncorrectPort
	MaxConnections
	MaxAccountConnections
	MaxPayload
	MaxControlLine
	MaxSubscriptions
	ServerShutdown
	AuthenticationExpired
	MissingAccount
	CredentialsRevoked
	HeaderViolation
	NoRespondersRequiresHeaders
	Kicked
	ProxyNotTrusted
	ProxyRequired

	// Those of routes only.
	DuplicateRoute
	RouteRemoved
	ClusterNameConflict
	DuplicateServerName
)

var reasonNames = [...]string{
	None:                        "",
	ClientClosed:                "Client Closed",
	AuthenticationTimeout:       "Authentication Timeout",
	AuthenticationFailure:       "Authentication Failure",
	TLSHandshakeFailure:         "TLS Handshake Failure",
	SlowConsumerPending:         "Slow Consumer (Pending Bytes)",
	SlowConsumerDeadline:        "Slow Consumer (Write Deadline)",
	WriteError:                  "Write Error",
	ReadError:                   "Read Error",
	ParseError:                  "Parse Error",
	StaleConnection:             "Stale Connection",
	ProtocolViolation:           "Protocol Violation",
	BadProtocolVersion:          "Bad Client Protocol Version",
	IncorrectPort:               "Incorrect Port",
	MaxConnections:              "Maximum Connections Exceeded",
	MaxAccountConnections:       "Maximum Account Connections Exceeded",
	MaxPayload:                  "Maximum Message Payload Exceeded",
	MaxControlLine:              "Maximum Control Line Exceeded",
	MaxSubscriptions:            "Maximum Subscriptions Exceeded",
	ServerShutdown:              "Server Shutdown",
	AuthenticationExpired:       "Authentication Expired",
	MissingAccount:              "Missing Account",
	CredentialsRevoked:          "Credentials Revoked",
	HeaderViolation:             "Message Header Violation",
	NoRespondersRequiresHeaders: "No Responders Requires Headers",
	Kicked:                      "Kicked",
	ProxyNotTrusted:             "Proxy Not Trusted",
	ProxyRequired:               "Proxy Required",
	DuplicateRoute:              "Duplicate Route",
	RouteRemoved:                "Route Removed",
	ClusterNameConflict:         "Cluster Name Conflict",
	DuplicateServerName:         "Duplicate Server Name",
}

func (r Reason) String() string { return reasonNames[r] }
