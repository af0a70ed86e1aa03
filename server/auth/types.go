package auth

import "time"

// User is an identity that a configuration knows: a name with a password, or a
// public nkey. Exactly one of Username and NKey is set. A User is read-only
// once the server runs; a reload makes new ones.
type User struct {
	Username string
	// Password is plain text or a bcrypt hash.
	Password string
	// NKey is a public user nkey ("U…").
	NKey string
	// Account is the name of the account that the user belongs to.
	Account string
	// Permissions is nil for a user who may do everything.
	Permissions *Permissions
	// ConnectionTypes lists the transports that the user may come by; empty
	// means all.
	ConnectionTypes []ConnectionType
	// ProxyRequired demands that the connection came through a trusted proxy.
	ProxyRequired bool
}

// ConnectionType names a transport in allowed_connection_types.
type ConnectionType string

// The transports that NATS knows.
const (
	ConnStandard   ConnectionType = "STANDARD"
	ConnWebsocket  ConnectionType = "WEBSOCKET"
	ConnLeafnode   ConnectionType = "LEAFNODE"
	ConnLeafnodeWS ConnectionType = "LEAFNODE_WS"
	ConnMQTT       ConnectionType = "MQTT"
	ConnMQTTWS     ConnectionType = "MQTT_WS"
	ConnInProcess  ConnectionType = "IN_PROCESS"
)

// Permissions say what a user may publish and subscribe to. A nil part allows
// everything.
type Permissions struct {
	Publish   *SubjectPermission
	Subscribe *SubjectPermission
	// Responses allows publishing to reply subjects of received requests.
	Responses *ResponsePermission
}

// SubjectPermission is an allow and a deny list. Allow == nil means "no allow
// list", that is all subjects; an empty, non-nil Allow allows none. Entries of
// a subscribe permission may be "subject queue".
type SubjectPermission struct {
	Allow []string
	Deny  []string
}

// ResponsePermission bounds the replies to one received request.
type ResponsePermission struct {
	// MaxMsgs is the number of replies; negative means no bound.
	MaxMsgs int
	// Expires is how long after the request replies are taken; negative means
	// for ever.
	Expires time.Duration
}
