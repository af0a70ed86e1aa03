package event

import "time"

// ServerInfo names the server that an event or a reply comes from.
type ServerInfo struct {
	Name         string            `json:"name"`
	Host         string            `json:"host"`
	ID           string            `json:"id"`
	Cluster      string            `json:"cluster,omitempty"`
	Domain       string            `json:"domain,omitempty"`
	Version      string            `json:"ver"`
	Tags         []string          `json:"tags,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	FeatureFlags map[string]bool   `json:"feature_flags,omitempty"`
	JetStream    bool              `json:"jetstream"`
	Flags        uint64            `json:"flags"`
	// Seq numbers what the server has sent of this kind.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
}

// FlagJetStream is the bit of ServerInfo.Flags for a server that runs JetStream.
const FlagJetStream = 1

// ServerID is the shortest answer to who a server is.
type ServerID struct {
	Name string `json:"name"`
	Host string `json:"host"`
	ID   string `json:"id"`
}

// Reply is the envelope of an answer to a system request.
type Reply struct {
	Server *ServerInfo `json:"server"`
	Data   any         `json:"data,omitempty"`
	Error  *Error      `json:"error,omitempty"`
}

// Error is why a system request could not be answered.
type Error struct {
	Code        int    `json:"code"`
	Description string `json:"description"`
}
