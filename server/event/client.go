package event

import "time"

// RequestInfo is the header that tells a service in another account who asks.
const RequestInfo = "Nats-Request-Info"

// ClientInfo describes a connection. Of those in other accounts only Account,
// Service and RTT are told, unless the import shares the rest.
type ClientInfo struct {
	Start *time.Time `json:"start,omitempty"`
	Host  string     `json:"host,omitempty"`
	ID    uint64     `json:"id,omitempty"`
	// Account is that of the connection, Service the one whose import brought a
	// request here if that is another one.
	Account    string        `json:"acc,omitempty"`
	Service    string        `json:"svc,omitempty"`
	User       string        `json:"user,omitempty"`
	Name       string        `json:"name,omitempty"`
	Lang       string        `json:"lang,omitempty"`
	Version    string        `json:"ver,omitempty"`
	RTT        time.Duration `json:"rtt,omitempty"`
	Server     string        `json:"server,omitempty"`
	Cluster    string        `json:"cluster,omitempty"`
	Kind       string        `json:"kind,omitempty"`
	ClientType string        `json:"client_type,omitempty"`
}

// Brief is what those in other accounts are told as a rule.
func (c *ClientInfo) Brief() ClientInfo {
	return ClientInfo{Account: c.Account, Service: c.Service, RTT: c.RTT}
}
