package api

import (
	"encoding/json"
	"time"
)

// Event is what advisories and metrics begin with. Their subjects, types and members
// are what operators' tools listen for.
type Event struct {
	Type string    `json:"type"`
	ID   string    `json:"id"`
	Time time.Time `json:"timestamp"`
}

// NewEvent returns the beginning of an event. The id is unique; the time is made UTC.
func NewEvent(kind, id string, now time.Time) Event {
	return Event{Type: kind, ID: id, Time: now.UTC()}
}

// The types of events.
const (
	TypeAPIAudit              = "io.nats.jetstream.advisory.v1.api_audit"
	TypeAPILimitReached       = "io.nats.jetstream.advisory.v1.api_limit_reached"
	TypeStreamAction          = "io.nats.jetstream.advisory.v1.stream_action"
	TypeConsumerAction        = "io.nats.jetstream.advisory.v1.consumer_action"
	TypeConsumerPause         = "io.nats.jetstream.advisory.v1.consumer_pause"
	TypeConsumerGroupPinned   = "io.nats.jetstream.advisory.v1.consumer_group_pinned"
	TypeConsumerGroupUnpinned = "io.nats.jetstream.advisory.v1.consumer_group_unpinned"
	TypeMaxDeliver            = "io.nats.jetstream.advisory.v1.max_deliver"
	TypeNak                   = "io.nats.jetstream.advisory.v1.nak"
	TypeTerminated            = "io.nats.jetstream.advisory.v1.terminated"
	TypeSnapshotCreate        = "io.nats.jetstream.advisory.v1.snapshot_create"
	TypeSnapshotComplete      = "io.nats.jetstream.advisory.v1.snapshot_complete"
	TypeRestoreCreate         = "io.nats.jetstream.advisory.v1.restore_create"
	TypeRestoreComplete       = "io.nats.jetstream.advisory.v1.restore_complete"
	TypeDomainLeaderElected   = "io.nats.jetstream.advisory.v1.domain_leader_elected"
	TypeStreamLeaderElected   = "io.nats.jetstream.advisory.v1.stream_leader_elected"
	TypeStreamQuorumLost      = "io.nats.jetstream.advisory.v1.stream_quorum_lost"
	TypeStreamBatchAbandoned  = "io.nats.jetstream.advisory.v1.stream_batch_abandoned"
	TypeConsumerLeaderElected = "io.nats.jetstream.advisory.v1.consumer_leader_elected"
	TypeConsumerQuorumLost    = "io.nats.jetstream.advisory.v1.consumer_quorum_lost"
	TypeServerOutOfSpace      = "io.nats.jetstream.advisory.v1.server_out_of_space"
	TypeServerRemoved         = "io.nats.jetstream.advisory.v1.server_removed"
	TypeMetaRescue            = "io.nats.jetstream.advisory.v1.meta_rescue"
	TypeConsumerAck           = "io.nats.jetstream.metric.v1.consumer_ack"
)

// Where events go. Those that end in a dot are completed by the name of the stream,
// or those of stream and consumer with a dot between: see EventSubject.
const (
	EventAPI                   = "$JS.EVENT.ADVISORY.API"
	EventAPILimitReached       = "$JS.EVENT.ADVISORY.API.LIMIT_REACHED"
	EventStreamCreated         = "$JS.EVENT.ADVISORY.STREAM.CREATED."
	EventStreamUpdated         = "$JS.EVENT.ADVISORY.STREAM.UPDATED."
	EventStreamDeleted         = "$JS.EVENT.ADVISORY.STREAM.DELETED."
	EventConsumerCreated       = "$JS.EVENT.ADVISORY.CONSUMER.CREATED."
	EventConsumerDeleted       = "$JS.EVENT.ADVISORY.CONSUMER.DELETED."
	EventConsumerPause         = "$JS.EVENT.ADVISORY.CONSUMER.PAUSE."
	EventConsumerPinned        = "$JS.EVENT.ADVISORY.CONSUMER.PINNED."
	EventConsumerUnpinned      = "$JS.EVENT.ADVISORY.CONSUMER.UNPINNED."
	EventMaxDeliveries         = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES."
	EventNaked                 = "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED."
	EventTerminated            = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED."
	EventSnapshotCreate        = "$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_CREATE."
	EventSnapshotComplete      = "$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE."
	EventRestoreCreate         = "$JS.EVENT.ADVISORY.STREAM.RESTORE_CREATE."
	EventRestoreComplete       = "$JS.EVENT.ADVISORY.STREAM.RESTORE_COMPLETE."
	EventDomainLeaderElected   = "$JS.EVENT.ADVISORY.DOMAIN.LEADER_ELECTED"
	EventStreamLeaderElected   = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."
	EventStreamQuorumLost      = "$JS.EVENT.ADVISORY.STREAM.QUORUM_LOST."
	EventStreamBatchAbandoned  = "$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED."
	EventConsumerLeaderElected = "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED."
	EventConsumerQuorumLost    = "$JS.EVENT.ADVISORY.CONSUMER.QUORUM_LOST."
	EventServerOutOfStorage    = "$JS.EVENT.ADVISORY.SERVER.OUT_OF_STORAGE"
	EventServerRemoved         = "$JS.EVENT.ADVISORY.SERVER.REMOVED"
	EventMetaRescue            = "$JS.EVENT.ADVISORY.SERVER.META_RESCUE"
	EventConsumerAck           = "$JS.EVENT.METRIC.CONSUMER.ACK."
)

// EventSubject completes one of the Event subjects that end in a dot. The consumer is
// empty for events of streams.
func EventSubject(event, stream, consumer string) string {
	if consumer == "" {
		return event + stream
	}
	return event + stream + "." + consumer
}

// What an action event tells of.
const (
	ActionEventCreate = "create"
	ActionEventModify = "modify"
	ActionEventDelete = "delete"
)

// Reasons in events.
const (
	ReasonUnpinAdmin       = "admin"
	ReasonUnpinTimeout     = "timeout"
	ReasonBatchTimeout     = "timeout"
	ReasonBatchLarge       = "large"
	ReasonBatchIncomplete  = "incomplete"
	ReasonBatchUnsupported = "unsupported"
	ReasonDeletedByLimits  = "Message deleted by stream limits"
	ReasonDeletedUnacked   = "Unacknowledged message was deleted"
)

// APIAudit tells of a request and its response.
type APIAudit struct {
	Event
	Server string `json:"server"`
	// Client is who asked, as the server that it is connected to describes it.
	Client   json.RawMessage `json:"client,omitempty"`
	Subject  string          `json:"subject"`
	Request  string          `json:"request,omitempty"`
	Response string          `json:"response"`
	Domain   string          `json:"domain,omitempty"`
}

// APILimitReached tells of requests that were dropped.
type APILimitReached struct {
	Event
	Server  string `json:"server"`
	Domain  string `json:"domain,omitempty"`
	Dropped int64  `json:"dropped"`
}

// StreamActionEvent tells of a stream that was made, changed or deleted.
type StreamActionEvent struct {
	Event
	Stream string `json:"stream"`
	Action string `json:"action"`
	Domain string `json:"domain,omitempty"`
}

// ConsumerActionEvent tells of a consumer that was made or deleted.
type ConsumerActionEvent struct {
	Event
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Action   string `json:"action"`
	Domain   string `json:"domain,omitempty"`
}

// ConsumerPauseEvent tells of the beginning or the end of a pause.
type ConsumerPauseEvent struct {
	Event
	Stream     string    `json:"stream"`
	Consumer   string    `json:"consumer"`
	Paused     bool      `json:"paused"`
	PauseUntil time.Time `json:"pause_until"`
	Domain     string    `json:"domain,omitempty"`
}

// ConsumerGroupPinned tells that a group is one client's now.
type ConsumerGroupPinned struct {
	Event
	Account  string `json:"account,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Group    string `json:"group"`
	PinnedID string `json:"pinned_id"`
}

// ConsumerGroupUnpinned tells that it is not any more.
type ConsumerGroupUnpinned struct {
	Event
	Account  string `json:"account,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Stream   string `json:"stream"`
	Consumer string `json:"consumer"`
	Group    string `json:"group"`
	Reason   string `json:"reason"`
}

// DeliveryExceeded tells of a message that is not delivered any more.
type DeliveryExceeded struct {
	Event
	Stream     string `json:"stream"`
	Consumer   string `json:"consumer"`
	StreamSeq  uint64 `json:"stream_seq"`
	Deliveries uint64 `json:"deliveries"`
	Domain     string `json:"domain,omitempty"`
}

// DeliveryNaked tells of a message that a client wants again.
type DeliveryNaked struct {
	Event
	Stream      string `json:"stream"`
	Consumer    string `json:"consumer"`
	ConsumerSeq uint64 `json:"consumer_seq"`
	StreamSeq   uint64 `json:"stream_seq"`
	Deliveries  uint64 `json:"deliveries"`
	Domain      string `json:"domain,omitempty"`
}

// DeliveryTerminated tells of a message that must not, or can not, come again.
type DeliveryTerminated struct {
	Event
	Stream      string `json:"stream"`
	Consumer    string `json:"consumer"`
	ConsumerSeq uint64 `json:"consumer_seq"`
	StreamSeq   uint64 `json:"stream_seq"`
	Deliveries  uint64 `json:"deliveries"`
	Reason      string `json:"reason,omitempty"`
	Domain      string `json:"domain,omitempty"`
}

// ConsumerAckMetric tells how long a message took from delivery to ack.
type ConsumerAckMetric struct {
	Event
	Stream      string        `json:"stream"`
	Consumer    string        `json:"consumer"`
	ConsumerSeq uint64        `json:"consumer_seq"`
	StreamSeq   uint64        `json:"stream_seq"`
	Delay       time.Duration `json:"ack_time"`
	Deliveries  uint64        `json:"deliveries"`
	Domain      string        `json:"domain,omitempty"`
}

// SnapshotCreate tells that a snapshot begins.
type SnapshotCreate struct {
	Event
	Stream string          `json:"stream"`
	State  StreamState     `json:"state"`
	Client json.RawMessage `json:"client,omitempty"`
	Domain string          `json:"domain,omitempty"`
}

// SnapshotComplete tells that it is over.
type SnapshotComplete struct {
	Event
	Stream string          `json:"stream"`
	Start  time.Time       `json:"start"`
	End    time.Time       `json:"end"`
	Client json.RawMessage `json:"client,omitempty"`
	Domain string          `json:"domain,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// RestoreCreate tells that a stream is being restored.
type RestoreCreate struct {
	Event
	Stream string          `json:"stream"`
	Client json.RawMessage `json:"client,omitempty"`
	Domain string          `json:"domain,omitempty"`
}

// RestoreComplete tells that it is restored, or that nothing came of it for an error.
// Bytes have come.
type RestoreComplete struct {
	Event
	Stream string          `json:"stream"`
	Start  time.Time       `json:"start"`
	End    time.Time       `json:"end"`
	Bytes  int64           `json:"bytes"`
	Client json.RawMessage `json:"client,omitempty"`
	Domain string          `json:"domain,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// LeaderElected tells of a new leader: of the domain, a stream, or a consumer. Account
// is there in the copy for the system account. Replicas are all, the leader among them.
type LeaderElected struct {
	Event
	Account  string      `json:"account,omitempty"`
	Stream   string      `json:"stream,omitempty"`
	Consumer string      `json:"consumer,omitempty"`
	Leader   string      `json:"leader"`
	Replicas []*PeerInfo `json:"replicas"`
	Cluster  string      `json:"cluster,omitempty"`
	Domain   string      `json:"domain,omitempty"`
}

// QuorumLost tells of a stream or a consumer that is short of replicas.
type QuorumLost struct {
	Event
	Account  string      `json:"account,omitempty"`
	Stream   string      `json:"stream"`
	Consumer string      `json:"consumer,omitempty"`
	Replicas []*PeerInfo `json:"replicas"`
	Domain   string      `json:"domain,omitempty"`
}

// BatchAbandoned tells of an atomic batch that will not be committed.
type BatchAbandoned struct {
	Event
	Account string `json:"account,omitempty"`
	Domain  string `json:"domain,omitempty"`
	Stream  string `json:"stream"`
	Batch   string `json:"batch"`
	Reason  string `json:"reason"`
}

// ServerOutOfSpace tells that a server can not store more.
type ServerOutOfSpace struct {
	Event
	Server   string `json:"server"`
	ServerID string `json:"server_id"`
	Stream   string `json:"stream,omitempty"`
	Cluster  string `json:"cluster"`
	Domain   string `json:"domain,omitempty"`
}

// ServerRemoved tells that a server is no longer one of those that hold assets.
type ServerRemoved struct {
	Event
	Server   string `json:"server"`
	ServerID string `json:"server_id"`
	Cluster  string `json:"cluster"`
	Domain   string `json:"domain,omitempty"`
}

// MetaRescueEvent tells that the quorum was lowered by hand.
type MetaRescueEvent struct {
	Event
	Server     string `json:"server"`
	ServerID   string `json:"server_id"`
	PrevQuorum int    `json:"prev_quorum"`
	NewQuorum  int    `json:"new_quorum"`
	Cluster    string `json:"cluster"`
	Domain     string `json:"domain,omitempty"`
}
