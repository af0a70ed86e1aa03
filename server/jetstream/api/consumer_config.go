package api

import (
	"maps"
	"slices"
	"time"
)

// ConsumerConfig says what a consumer is like. Members stand in their order on the
// wire.
type ConsumerConfig struct {
	Durable            string            `json:"durable_name,omitempty"`
	Name               string            `json:"name,omitempty"`
	Description        string            `json:"description,omitempty"`
	DeliverPolicy      DeliverPolicy     `json:"deliver_policy"`
	OptStartSeq        uint64            `json:"opt_start_seq,omitempty"`
	OptStartTime       *time.Time        `json:"opt_start_time,omitempty"`
	AckPolicy          AckPolicy         `json:"ack_policy"`
	AckWait            time.Duration     `json:"ack_wait,omitempty"`
	MaxDeliver         int               `json:"max_deliver,omitempty"` // -1: no limit
	BackOff            []time.Duration   `json:"backoff,omitempty"`
	FilterSubject      string            `json:"filter_subject,omitempty"`
	FilterSubjects     []string          `json:"filter_subjects,omitempty"`
	ReplayPolicy       ReplayPolicy      `json:"replay_policy"`
	RateLimit          uint64            `json:"rate_limit_bps,omitempty"` // bits per second
	SampleFrequency    string            `json:"sample_freq,omitempty"`
	MaxWaiting         int               `json:"max_waiting,omitempty"`
	MaxAckPending      int               `json:"max_ack_pending,omitempty"` // -1: no limit
	FlowControl        bool              `json:"flow_control,omitempty"`
	HeadersOnly        bool              `json:"headers_only,omitempty"`
	MaxRequestBatch    int               `json:"max_batch,omitempty"`
	MaxRequestExpires  time.Duration     `json:"max_expires,omitempty"`
	MaxRequestMaxBytes int               `json:"max_bytes,omitempty"`
	DeliverSubject     string            `json:"deliver_subject,omitempty"`
	DeliverGroup       string            `json:"deliver_group,omitempty"`
	Heartbeat          time.Duration     `json:"idle_heartbeat,omitempty"`
	InactiveThreshold  time.Duration     `json:"inactive_threshold,omitempty"` // 0: never removed
	Replicas           int               `json:"num_replicas"`                 // 0: see ReplicasOn
	MemoryStorage      bool              `json:"mem_storage,omitempty"`
	Direct             bool              `json:"direct,omitempty"`
	Sourcing           bool              `json:"sourcing,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
	PauseUntil         *time.Time        `json:"pause_until,omitempty"`
	PriorityGroups     []string          `json:"priority_groups,omitempty"` // only the first is used
	PriorityPolicy     PriorityPolicy    `json:"priority_policy,omitempty"`
	PriorityTimeout    time.Duration     `json:"priority_timeout,omitempty"`
}

// IsPush reports whether messages are sent without being asked for.
func (c *ConsumerConfig) IsPush() bool { return c.DeliverSubject != "" }

// Filters returns the patterns of the messages that the consumer is about; none
// means all. The slice is c's own if it has one.
func (c *ConsumerConfig) Filters() []string {
	if c.FilterSubject != "" {
		return []string{c.FilterSubject}
	}
	return c.FilterSubjects
}

// ReplicasOn is how many replicas a consumer of such a stream has.
func (c *ConsumerConfig) ReplicasOn(s *StreamConfig) int {
	switch {
	case c.Replicas > 0 && c.Replicas <= s.Replicas:
		return c.Replicas
	case c.Durable == "" && s.Retention == RetainLimits:
		return 1
	default:
		return s.Replicas
	}
}

// StorageOn is where the state of a consumer of such a stream is kept.
func (c *ConsumerConfig) StorageOn(s *StreamConfig) Storage {
	if c.MemoryStorage {
		return MemoryStorage
	}
	return s.Storage
}

// Clone returns a copy that shares nothing with c.
func (c *ConsumerConfig) Clone() *ConsumerConfig {
	d := *c
	d.OptStartTime = clonePointer(c.OptStartTime)
	d.BackOff = slices.Clone(c.BackOff)
	d.FilterSubjects = slices.Clone(c.FilterSubjects)
	d.Metadata = maps.Clone(c.Metadata)
	d.PauseUntil = clonePointer(c.PauseUntil)
	d.PriorityGroups = slices.Clone(c.PriorityGroups)
	return &d
}

// Equal reports whether c and d, which have been checked, ask for the same
// consumer. What servers write into metadata does not count.
func (c *ConsumerConfig) Equal(d *ConsumerConfig) bool {
	a, b := *c, *d
	a.Metadata, b.Metadata = withoutLevels(c.Metadata), withoutLevels(d.Metadata)
	return sameJSON(&a, &b)
}
