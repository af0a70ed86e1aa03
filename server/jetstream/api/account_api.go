package api

// AccountInfoResponse answers OpAccountInfo.
type AccountInfoResponse struct {
	Response
	*AccountStats
}

// AccountStats is what an account uses and may use.
type AccountStats struct {
	AccountUsage
	Domain string `json:"domain,omitempty"`
	API    Stats  `json:"api"`
	// Tiers, by name, are there if limits depend on the number of replicas. Then the
	// limits outside are zero.
	Tiers map[string]AccountUsage `json:"tiers,omitempty"`
}

// AccountUsage is what is used, in bytes over all replicas, and what may be.
type AccountUsage struct {
	Memory          uint64        `json:"memory"`
	Storage         uint64        `json:"storage"`
	ReservedMemory  uint64        `json:"reserved_memory"`
	ReservedStorage uint64        `json:"reserved_storage"`
	Streams         int           `json:"streams"`
	Consumers       int           `json:"consumers"`
	Limits          AccountLimits `json:"limits"`
}

// AccountLimits are what an account may use; -1 is no limit.
type AccountLimits struct {
	MaxMemory            int64 `json:"max_memory"`
	MaxStorage           int64 `json:"max_storage"`
	MaxStreams           int   `json:"max_streams"`
	MaxConsumers         int   `json:"max_consumers"`
	MaxAckPending        int   `json:"max_ack_pending"`
	MemoryMaxStreamBytes int64 `json:"memory_max_stream_bytes"`
	StoreMaxStreamBytes  int64 `json:"storage_max_stream_bytes"`
	MaxBytesRequired     bool  `json:"max_bytes_required"`
}

// NoLimits are the limits of an account that has none.
var NoLimits = AccountLimits{
	MaxMemory: -1, MaxStorage: -1, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1,
	MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1,
}

// Stats counts requests.
type Stats struct {
	Level    int    `json:"level"`
	Total    uint64 `json:"total"`
	Errors   uint64 `json:"errors"`
	Inflight uint64 `json:"inflight,omitempty"`
}

// AccountPurgeResponse answers OpAccountPurge.
type AccountPurgeResponse struct {
	Response
	Initiated bool `json:"initiated,omitempty"`
}
