package event

import "time"

// Statsz is what a server counts, in brief.
type Statsz struct {
	Start              time.Time  `json:"start"`
	Mem                int64      `json:"mem"`
	Cores              int        `json:"cores"`
	CPU                float64    `json:"cpu"`
	Connections        int        `json:"connections"`
	TotalConnections   uint64     `json:"total_connections"`
	ActiveAccounts     int        `json:"active_accounts"`
	Subscriptions      int        `json:"subscriptions"`
	Sent               DataStats  `json:"sent"`
	SentToClients      *DataStats `json:"sent_to_clients,omitempty"`
	Received           DataStats  `json:"received"`
	ReceivedFromClient *DataStats `json:"received_from_clients,omitempty"`
	SlowConsumers      int64      `json:"slow_consumers"`
	StaleConnections   int64      `json:"stale_connections,omitempty"`
	StalledClients     int64      `json:"stalled_clients,omitempty"`
	// Routes are the connections to other servers of the cluster.
	Routes []RouteStats `json:"routes,omitempty"`
	// ActiveServers is the number of servers known, this one included.
	ActiveServers int `json:"active_servers"`
	// JetStream is what monitoring tells of it, nil if there is none.
	JetStream any   `json:"jetstream,omitempty"`
	MemLimit  int64 `json:"gomemlimit,omitempty"`
	MaxProcs  int   `json:"gomaxprocs,omitempty"`
}

// RouteStats is what is counted of a connection to another server.
type RouteStats struct {
	ID       uint64    `json:"rid"`
	Name     string    `json:"name,omitempty"`
	Sent     DataStats `json:"sent"`
	Received DataStats `json:"received"`
	Pending  int64     `json:"pending"`
}

// DataStats counts messages and their bytes.
type DataStats struct {
	Msgs  int64 `json:"msgs"`
	Bytes int64 `json:"bytes"`
}
