package monitor

import (
	"math"
	"runtime"
	"runtime/debug"
	"time"
)

// Varz is what a server is, how it is configured, and what it has counted since
// its start.
//
// A Source leaves Go, Now, Uptime, Mem, Cores, MaxProcs, MemLimit, CPU,
// HTTPReqStats and JetStream alone: Monitor fills them.
type Varz struct {
	ID        string `json:"server_id"`
	Name      string `json:"server_name"`
	Version   string `json:"version"`
	Proto     int    `json:"proto"`
	GitCommit string `json:"git_commit,omitempty"`
	Go        string `json:"go"`

	Host                 string            `json:"host"`
	Port                 int               `json:"port"`
	AuthRequired         bool              `json:"auth_required,omitempty"`
	TLSRequired          bool              `json:"tls_required,omitempty"`
	TLSVerify            bool              `json:"tls_verify,omitempty"`
	IP                   string            `json:"ip,omitempty"`
	ClientConnectURLs    []string          `json:"connect_urls,omitempty"`
	MaxConn              int               `json:"max_connections"`
	MaxSubs              int               `json:"max_subscriptions,omitempty"`
	PingInterval         time.Duration     `json:"ping_interval"`
	PingMax              int               `json:"ping_max"`
	HTTPHost             string            `json:"http_host"`
	HTTPPort             int               `json:"http_port"`
	HTTPBasePath         string            `json:"http_base_path"`
	HTTPSPort            int               `json:"https_port"`
	AuthTimeout          float64           `json:"auth_timeout"` // seconds
	MaxControlLine       int               `json:"max_control_line"`
	MaxPayload           int               `json:"max_payload"`
	MaxPending           int64             `json:"max_pending"`
	Cluster              ClusterVarz       `json:"cluster"`
	Gateway              NoFeature         `json:"gateway"`
	LeafNode             NoFeature         `json:"leaf"`
	MQTT                 NoFeature         `json:"mqtt"`
	Websocket            NoFeature         `json:"websocket"`
	JetStream            JetStreamVarz     `json:"jetstream"`
	TLSTimeout           float64           `json:"tls_timeout"` // seconds
	WriteDeadline        time.Duration     `json:"write_deadline"`
	WriteTimeout         string            `json:"write_timeout,omitempty"`
	Start                time.Time         `json:"start"`
	Now                  time.Time         `json:"now"`
	Uptime               string            `json:"uptime"`
	Mem                  int64             `json:"mem"` // resident bytes
	Cores                int               `json:"cores"`
	MaxProcs             int               `json:"gomaxprocs"`
	MemLimit             int64             `json:"gomemlimit,omitempty"`
	CPU                  float64           `json:"cpu"` // percent of one core
	Connections          int               `json:"connections"`
	TotalConnections     uint64            `json:"total_connections"`
	Routes               int               `json:"routes"`
	Remotes              int               `json:"remotes"`
	Leafs                int               `json:"leafnodes"`
	InMsgs               int64             `json:"in_msgs"`
	InBytes              int64             `json:"in_bytes"`
	InClientMsgs         int64             `json:"in_client_msgs"`
	InClientBytes        int64             `json:"in_client_bytes"`
	OutMsgs              int64             `json:"out_msgs"`
	OutBytes             int64             `json:"out_bytes"`
	OutClientMsgs        int64             `json:"out_client_msgs"`
	OutClientBytes       int64             `json:"out_client_bytes"`
	SlowConsumers        int64             `json:"slow_consumers"`
	StaleConnections     int64             `json:"stale_connections"`
	StalledClients       int64             `json:"stalled_clients"`
	Subscriptions        int               `json:"subscriptions"`
	HTTPReqStats         map[string]uint64 `json:"http_req_stats"`
	ConfigLoadTime       time.Time         `json:"config_load_time"`
	ConfigDigest         string            `json:"config_digest"`
	Tags                 []string          `json:"tags,omitempty"`
	Metadata             map[string]string `json:"metadata,omitempty"`
	FeatureFlags         map[string]bool   `json:"feature_flags,omitempty"`
	SystemAccount        string            `json:"system_account,omitempty"`
	SlowConsumerStats    KindCounts        `json:"slow_consumer_stats"`
	StaleConnectionStats KindCounts        `json:"stale_connection_stats"`
	DiskIOWaitStats      DiskIOWaits       `json:"disk_io_wait_stats"`
	Proxies              *Proxies          `json:"proxies,omitempty"`
	TLSCertNotAfter      time.Time         `json:"tls_cert_not_after,omitzero"`
}

// ClusterVarz is how the server is part of a cluster; an empty one says that it is not.
type ClusterVarz struct {
	Name            string        `json:"name,omitempty"`
	Addr            string        `json:"addr,omitempty"`
	Port            int           `json:"cluster_port,omitempty"`
	AuthTimeout     float64       `json:"auth_timeout,omitempty"` // seconds
	URLs            []string      `json:"urls,omitempty"`
	TLSTimeout      float64       `json:"tls_timeout,omitempty"` // seconds
	TLSRequired     bool          `json:"tls_required,omitempty"`
	TLSVerify       bool          `json:"tls_verify,omitempty"`
	PoolSize        int           `json:"pool_size,omitempty"`
	WriteDeadline   time.Duration `json:"write_deadline,omitempty"`
	WriteTimeout    string        `json:"write_timeout,omitempty"`
	TLSCertNotAfter time.Time     `json:"tls_cert_not_after,omitzero"`
}

// NoFeature stands for the block of a feature that the server does not have:
// readers expect an object, and an empty one says that the feature is off.
type NoFeature struct{}

// KindCounts counts connections by what is at their other end.
type KindCounts struct {
	Clients  uint64 `json:"clients"`
	Routes   uint64 `json:"routes"`
	Gateways uint64 `json:"gateways"`
	Leafs    uint64 `json:"leafs"`
}

// DiskIOWaits tells how much goroutines waited for their turn at the disk. It is
// all zero in a server that stores nothing.
type DiskIOWaits struct {
	Waiters     int64         `json:"waiters"`
	Waits       uint64        `json:"waits"`
	WaitTime    time.Duration `json:"wait_time"`
	MaxWaitTime time.Duration `json:"max_wait_time"`
}

// Proxies lists the proxies that the server trusts.
type Proxies struct {
	Trusted []Proxy `json:"trusted,omitempty"`
}

// Proxy names a proxy by its public nkey.
type Proxy struct {
	Key string `json:"key"`
}

// Varz tells what the server is and what it has counted.
func (m *Monitor) Varz() *Varz {
	v := m.src.Varz()
	usage := m.usage.Sample()
	now := m.now()

	v.Go = runtime.Version()
	v.Start = v.Start.UTC()
	v.ConfigLoadTime = v.ConfigLoadTime.UTC()
	v.TLSCertNotAfter = v.TLSCertNotAfter.UTC()
	v.Cluster.TLSCertNotAfter = v.Cluster.TLSCertNotAfter.UTC()
	v.Now = now.UTC()
	v.Uptime = formatUptime(now.Sub(v.Start))
	v.Mem = usage.Mem
	v.CPU = usage.CPU
	v.Cores = runtime.NumCPU()
	v.MaxProcs = runtime.GOMAXPROCS(0)
	// A negative limit asks for the current one without setting it.
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		v.MemLimit = limit
	}
	v.HTTPReqStats = m.requestCounts()
	v.JetStream, _ = m.jetStreamVarz()
	return v
}
