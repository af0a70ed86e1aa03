package api

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// StreamConfig says what a stream is like. Members stand in their order on the
// wire. A count or size of -1 means no limit.
type StreamConfig struct {
	Name                   string            `json:"name"`
	Description            string            `json:"description,omitempty"`
	Subjects               []string          `json:"subjects,omitempty"`
	Retention              Retention         `json:"retention"`
	MaxConsumers           int               `json:"max_consumers"`
	MaxMsgs                int64             `json:"max_msgs"`
	MaxBytes               int64             `json:"max_bytes"`
	MaxAge                 time.Duration     `json:"max_age"`
	MaxMsgsPerSubject      int64             `json:"max_msgs_per_subject"`
	MaxMsgSize             int32             `json:"max_msg_size"` // of headers and payload
	Discard                Discard           `json:"discard"`
	Storage                Storage           `json:"storage"`
	Replicas               int               `json:"num_replicas"`
	NoAck                  bool              `json:"no_ack,omitempty"`
	DuplicateWindow        time.Duration     `json:"duplicate_window,omitempty"` // 0: no deduplication
	Placement              *Placement        `json:"placement,omitempty"`
	Mirror                 *StreamSource     `json:"mirror,omitempty"`
	Sources                []*StreamSource   `json:"sources,omitempty"`
	Compression            Compression       `json:"compression"`
	FirstSeq               uint64            `json:"first_seq,omitempty"`
	SubjectTransform       *SubjectTransform `json:"subject_transform,omitempty"`
	RePublish              *RePublish        `json:"republish,omitempty"`
	AllowDirect            bool              `json:"allow_direct"`
	MirrorDirect           bool              `json:"mirror_direct"`
	DiscardNewPerSubject   bool              `json:"discard_new_per_subject,omitempty"`
	Sealed                 bool              `json:"sealed"`
	DenyDelete             bool              `json:"deny_delete"`
	DenyPurge              bool              `json:"deny_purge"`
	AllowRollup            bool              `json:"allow_rollup_hdrs"`
	ConsumerLimits         ConsumerLimits    `json:"consumer_limits"`
	AllowMsgTTL            bool              `json:"allow_msg_ttl"`
	SubjectDeleteMarkerTTL time.Duration     `json:"subject_delete_marker_ttl,omitempty"`
	AllowMsgCounter        bool              `json:"allow_msg_counter,omitempty"`
	AllowAtomic            bool              `json:"allow_atomic,omitempty"`
	AllowMsgSchedules      bool              `json:"allow_msg_schedules,omitempty"`
	PersistMode            PersistMode       `json:"persist_mode,omitempty"`
	AllowBatched           bool              `json:"allow_batched,omitempty"`
	Metadata               map[string]string `json:"metadata,omitempty"`
}

// ConsumerLimits are what consumers of a stream get that do not say what they
// want, and more than which they do not get. 0 is none.
type ConsumerLimits struct {
	InactiveThreshold time.Duration `json:"inactive_threshold,omitempty"`
	MaxAckPending     int           `json:"max_ack_pending,omitempty"`
}

// Placement says which servers may hold an asset or, in requests to step down,
// lead it.
type Placement struct {
	Cluster string `json:"cluster,omitempty"`
	// Tags are those that a server must have, or with "!" in front must not have.
	Tags []string `json:"tags,omitempty"`
	// Preferred is a server's name, for stepping down only.
	Preferred string `json:"preferred,omitempty"`
}

// SubjectTransform rewrites subjects. An empty source is ">"; an empty destination
// leaves subjects as they are.
type SubjectTransform struct {
	Source      string `json:"src"`
	Destination string `json:"dest"`
}

// RePublish says what is published again once it is stored.
type RePublish struct {
	Source      string `json:"src,omitempty"`
	Destination string `json:"dest"`
	HeadersOnly bool   `json:"headers_only,omitempty"`
}

// StreamSource is a stream that another one copies.
type StreamSource struct {
	Name              string             `json:"name"`
	OptStartSeq       uint64             `json:"opt_start_seq,omitempty"`
	OptStartTime      *time.Time         `json:"opt_start_time,omitempty"`
	FilterSubject     string             `json:"filter_subject,omitempty"`
	SubjectTransforms []SubjectTransform `json:"subject_transforms,omitempty"`
	External          *ExternalStream    `json:"external,omitempty"`
	// Consumer, if set, is one that exists already and is to be used.
	Consumer *SourceConsumer `json:"consumer,omitempty"`
}

// ExternalStream says how to reach a stream of another account or domain.
type ExternalStream struct {
	APIPrefix     string `json:"api"`
	DeliverPrefix string `json:"deliver"`
}

// SourceConsumer names a consumer that was made for copying.
type SourceConsumer struct {
	Name           string `json:"name"`
	DeliverSubject string `json:"deliver_subject"`
}

// Clone returns a copy that shares nothing with c.
func (c *StreamConfig) Clone() *StreamConfig {
	d := *c
	d.Subjects = slices.Clone(c.Subjects)
	d.Placement = c.Placement.Clone()
	d.Mirror = c.Mirror.Clone()
	d.Sources = slices.Clone(c.Sources)
	for i, s := range d.Sources {
		d.Sources[i] = s.Clone()
	}
	d.SubjectTransform = clonePointer(c.SubjectTransform)
	d.RePublish = clonePointer(c.RePublish)
	d.Metadata = maps.Clone(c.Metadata)
	return &d
}

// Clone returns a copy that shares nothing with p, which may be nil.
func (p *Placement) Clone() *Placement {
	q := clonePointer(p)
	if q != nil {
		q.Tags = slices.Clone(p.Tags)
	}
	return q
}

// Clone returns a copy that shares nothing with s, which may be nil.
func (s *StreamSource) Clone() *StreamSource {
	t := clonePointer(s)
	if t != nil {
		t.OptStartTime = clonePointer(s.OptStartTime)
		t.SubjectTransforms = slices.Clone(s.SubjectTransforms)
		t.External = clonePointer(s.External)
		t.Consumer = clonePointer(s.Consumer)
	}
	return t
}

// Equal reports whether a and b, which have been checked, ask for the same
// stream. What servers write into metadata does not count.
func (c *StreamConfig) Equal(d *StreamConfig) bool {
	a, b := *c, *d
	a.Metadata, b.Metadata = withoutLevels(c.Metadata), withoutLevels(d.Metadata)
	return sameJSON(&a, &b)
}

// Equal reports whether s and t, either of which may be nil, copy the same.
func (s *StreamSource) Equal(t *StreamSource) bool { return sameJSON(s, t) }

// sameJSON compares what is seen on the wire, where nothing and an empty list are
// the same. It is slow, but right for each new member too, and configurations are
// seldom compared.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
