package consumer

import (
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// AdviceKind says what an advice is about.
type AdviceKind uint8

const (
	// Naked: a message was refused by its receiver.
	Naked AdviceKind = iota + 1
	// Terminated: a message is not delivered any more, for the Reason.
	Terminated
	// MaxDeliveries: a message was delivered as often as allowed.
	MaxDeliveries
	// Paused: delivery stops until Until; 0 says that it goes on.
	Paused
	// Pinned: the client with PinID is the one of Group that is served.
	Pinned
	// Unpinned: the client of Group is not served alone any more, for the Reason.
	Unpinned
	// Sampled: an acknowledgement was chosen to be measured.
	Sampled
)

// Reasons that the engine gives.
const (
	reasonRemoved      = "Message deleted by stream limits"
	reasonDeleted      = "Unacknowledged message was deleted"
	reasonPinTimeout   = "timeout"
	reasonPinByRequest = "admin"
)

// Advice is the content of an advisory or metric.
type Advice struct {
	Kind     AdviceKind
	Stream   store.Seq
	Consumer ConsumerSeq
	Count    uint32
	Reason   string
	Until    int64
	Group    string
	PinID    string
	// AckTime is how long the acknowledgement took since the last delivery.
	AckTime time.Duration
}

func about(kind AdviceKind, d *delivery) Advice {
	return Advice{Kind: kind, Stream: d.stream, Consumer: d.consumer, Count: d.count}
}
