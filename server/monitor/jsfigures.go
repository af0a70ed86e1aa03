package monitor

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// JSConfig is how JetStream is configured on a server.
type JSConfig struct {
	MaxMemory    int64         `json:"max_memory"`  // bytes
	MaxStorage   int64         `json:"max_storage"` // bytes
	StoreDir     string        `json:"store_dir,omitempty"`
	SyncInterval time.Duration `json:"sync_interval,omitempty"`
	SyncAlways   bool          `json:"sync_always,omitempty"`
	Domain       string        `json:"domain,omitempty"`
	CompressOK   bool          `json:"compress_ok,omitempty"`
	UniqueTag    string        `json:"unique_tag,omitempty"`
	Strict       bool          `json:"strict,omitempty"`
}

// JSLimits bound what clients can ask for, on top of the limits of their accounts;
// 0 is no bound.
type JSLimits struct {
	MaxRequestBatch           int           `json:"max_request_batch,omitempty"`
	MaxAckPending             int           `json:"max_ack_pending,omitempty"`
	MaxHAAssets               int           `json:"max_ha_assets,omitempty"`
	DuplicateWindow           time.Duration `json:"max_duplicate_window,omitempty"`
	MaxBatchInflightPerStream int           `json:"max_batch_inflight_per_stream,omitempty"`
	MaxBatchInflightTotal     int           `json:"max_batch_inflight_total,omitempty"`
	MaxBatchSize              int           `json:"max_batch_size,omitempty"`
	MaxBatchTimeout           time.Duration `json:"max_batch_timeout,omitempty"`
	DefaultMaxConsumers       int           `json:"default_max_consumers,omitempty"`
}

// JSStats are figures of a server or, with another meaning of what is reserved, of
// an account (see JSAccountDetail).
type JSStats struct {
	Memory  uint64 `json:"memory"`  // bytes
	Storage uint64 `json:"storage"` // bytes
	// ReservedMemory and ReservedStorage sum up what streams may grow to, of
	// those that have a limit.
	ReservedMemory  uint64 `json:"reserved_memory"`
	ReservedStorage uint64 `json:"reserved_storage"`
	Accounts        int    `json:"accounts"`
	// HAAssets are those with replicas on other servers, too.
	HAAssets int       `json:"ha_assets"`
	API      api.Stats `json:"api"`
}

// JSMeta is the group that decides about assets, as one of its servers sees it.
type JSMeta struct {
	// Name is that of the cluster.
	Name   string `json:"name,omitempty"`
	Leader string `json:"leader,omitempty"`
	// Peer is the leader's raft ID.
	Peer string `json:"peer,omitempty"`
	// Replicas are the servers but for the leader.
	Replicas []*api.PeerInfo `json:"replicas,omitempty"`
	Size     int             `json:"cluster_size"`
	Quorum   int             `json:"quorum_needed"`
	// Pending are API requests that wait on this server: PendingRequests and PendingInfos,
	// which only ask for information.
	Pending         int            `json:"pending"`
	PendingRequests int            `json:"pending_requests"`
	PendingInfos    int            `json:"pending_infos"`
	Snapshot        JSMetaSnapshot `json:"snapshot"`
}

// JSMetaSnapshot tells of the newest snapshot of a JSMeta and the log behind it.
type JSMetaSnapshot struct {
	PendingEntries uint64        `json:"pending_entries"`
	PendingSize    uint64        `json:"pending_size"` // bytes
	LastTime       time.Time     `json:"last_time"`
	LastDuration   time.Duration `json:"last_duration,omitempty"`
}

// JetStreamVarz is what varz has of JetStream: nothing if the server has none, and
// its settings alone if it does not run.
type JetStreamVarz struct {
	Config *JSConfig `json:"config,omitempty"`
	Stats  *JSStats  `json:"stats,omitempty"`
	Meta   *JSMeta   `json:"meta,omitempty"`
	Limits *JSLimits `json:"limits,omitempty"`
}

// JetStreamStatsz is the JetStreamVarz that goes into statsz, which is published
// to whoever listens in the system account: it names no directory, and the
// servers of a cluster only where they are known best, on the leader. It is nil if
// the server has no JetStream.
func (m *Monitor) JetStreamStatsz() *JetStreamVarz {
	v, leading := m.jetStreamVarz()
	if v.Config == nil {
		return nil
	}
	v.Config.StoreDir = ""
	if v.Meta != nil && !leading {
		meta := *v.Meta
		meta.Replicas = nil
		v.Meta = &meta
	}
	return &v
}

func (m *Monitor) jetStreamVarz() (v JetStreamVarz, leading bool) {
	state := m.jsState()
	if state == JSNone {
		return v, false
	}
	config, limits := m.js.Settings()
	v.Config, v.Limits = &config, &limits
	if !state.runs() {
		return v, false
	}
	now := m.js.Overview()
	v.Stats, v.Meta = &now.Stats, now.Meta.inUTC()
	return v, now.Leading
}

// inUTC returns a copy with its times in UTC.
func (meta *JSMeta) inUTC() *JSMeta {
	if meta == nil {
		return nil
	}
	c := *meta
	c.Snapshot.LastTime = c.Snapshot.LastTime.UTC()
	return &c
}
