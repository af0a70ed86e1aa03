package api

import "time"

// CreateConsumerRequest goes with OpConsumerCreate and OpConsumerDurableCreate.
type CreateConsumerRequest struct {
	Stream   string         `json:"stream_name"`
	Config   ConsumerConfig `json:"config"`
	Action   Action         `json:"action"`
	Pedantic bool           `json:"pedantic,omitempty"`
}

// Settle checks the request against the subject it came on, and puts into its
// configuration what that says.
func (r *CreateConsumerRequest) Settle(c Call) *Error {
	cfg := &r.Config
	switch {
	case r.Stream != c.Stream:
		return ErrStreamMismatch
	case HasPathSeparator(c.Consumer), HasPathSeparator(cfg.Name), HasPathSeparator(cfg.Durable):
		return ErrConsumerNameContainsPathSeparators
	case c.Op == OpConsumerDurableCreate && cfg.Durable == "":
		return ErrConsumerDurableNameNotSet
	case c.Consumer == "" && cfg.Durable != "":
		return ErrConsumerEphemeralWithDurableName
	case c.Consumer != "" && cfg.Durable != "" && cfg.Durable != c.Consumer:
		return ErrConsumerDurableNameNotMatchSubject
	case c.Filter != "" && len(cfg.FilterSubjects) > 0:
		return ErrConsumerMultipleFiltersNotAllowed
	case c.Filter != "" && cfg.FilterSubject != c.Filter:
		return ErrConsumerCreateFilterSubjectMismatch
	}
	if c.Consumer != "" {
		cfg.Name = c.Consumer
	}
	return nil
}

// ConsumerInfoResponse answers what creates a consumer or asks about it.
type ConsumerInfoResponse struct {
	Response
	*ConsumerInfo
}

// ConsumerInfo is a consumer as clients see it.
type ConsumerInfo struct {
	Stream         string               `json:"stream_name"`
	Name           string               `json:"name"`
	Created        time.Time            `json:"created"`
	Config         *ConsumerConfig      `json:"config,omitempty"`
	Delivered      SequenceInfo         `json:"delivered"`
	AckFloor       SequenceInfo         `json:"ack_floor"`
	NumAckPending  int                  `json:"num_ack_pending"`
	NumRedelivered int                  `json:"num_redelivered"`
	NumWaiting     int                  `json:"num_waiting"`
	NumPending     uint64               `json:"num_pending"`
	Cluster        *ClusterInfo         `json:"cluster,omitempty"`
	PushBound      bool                 `json:"push_bound,omitempty"`
	Paused         bool                 `json:"paused,omitempty"`
	PauseRemaining time.Duration        `json:"pause_remaining,omitempty"`
	Time           time.Time            `json:"ts"`
	PriorityGroups []PriorityGroupState `json:"priority_groups,omitempty"`
}

// SequenceInfo is a place in a stream, counted by the consumer and by the stream.
type SequenceInfo struct {
	Consumer uint64     `json:"consumer_seq"`
	Stream   uint64     `json:"stream_seq"`
	Last     *time.Time `json:"last_active,omitempty"`
}

// PriorityGroupState is the client that a group is pinned to, if any.
type PriorityGroupState struct {
	Group          string    `json:"group"`
	PinnedClientID string    `json:"pinned_client_id,omitempty"`
	PinnedTS       time.Time `json:"pinned_ts"`
}

// ConsumersRequest goes with OpConsumerNames and OpConsumerList.
type ConsumersRequest struct {
	Offset int `json:"offset,omitempty"`
}

// ConsumerNamesResponse answers OpConsumerNames. Consumers is not nil.
type ConsumerNamesResponse struct {
	Response
	Page
	Consumers []string `json:"consumers"`
}

func (r *ConsumerNamesResponse) init() { r.Consumers = []string{} }

// ConsumerListResponse answers OpConsumerList. Consumers is not nil.
type ConsumerListResponse struct {
	Response
	Page
	Consumers []*ConsumerInfo `json:"consumers"`
	// Missing are consumers that nobody answered for in time.
	Missing []string `json:"missing,omitempty"`
	// Offline says why consumers can not be served.
	Offline map[string]string `json:"offline,omitempty"`
}

func (r *ConsumerListResponse) init() { r.Consumers = []*ConsumerInfo{} }

// ConsumerPauseRequest goes with OpConsumerPause. A time that is past, or none, ends
// the pause.
type ConsumerPauseRequest struct {
	PauseUntil time.Time `json:"pause_until,omitzero"`
}

// ConsumerPauseResponse answers OpConsumerPause.
type ConsumerPauseResponse struct {
	Response
	Paused         bool          `json:"paused"`
	PauseUntil     time.Time     `json:"pause_until"`
	PauseRemaining time.Duration `json:"pause_remaining,omitempty"`
}

// ConsumerUnpinRequest goes with OpConsumerUnpin.
type ConsumerUnpinRequest struct {
	Group string `json:"group"`
}

// Check checks that a group is named. Whether there is one is the consumer's to say.
func (r *ConsumerUnpinRequest) Check() *Error {
	if r.Group == "" {
		return ErrInvalidJSON.With("err", "consumer group not specified")
	}
	return CheckGroup(r.Group)
}

// ConsumerUnpinResponse answers OpConsumerUnpin.
type ConsumerUnpinResponse struct {
	Response
}

// ConsumerResetRequest goes with OpConsumerReset. 0 is behind the ack floor.
type ConsumerResetRequest struct {
	Seq uint64 `json:"seq,omitempty"`
}

// ConsumerResetResponse answers OpConsumerReset.
type ConsumerResetResponse struct {
	Response
	*ConsumerInfo
	ResetSeq uint64 `json:"reset_seq"`
}
