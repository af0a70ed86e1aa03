package consumer

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// never is a time that does not come.
const never = math.MaxInt64

// settings are a configuration as the engine needs it.
type settings struct {
	api.ConsumerConfig
	filter *store.Filter
	// maxPending bounds the pending messages, maxDeliver the deliveries of each.
	maxPending int
	maxDeliver uint32
	maxWaiting int
	// sample is the percentage of acknowledgements that are measured.
	sample int
}

// decodeSettings reads the configuration of a state.
func decodeSettings(config []byte) (*settings, error) {
	c := &settings{}
	if err := json.Unmarshal(config, &c.ConsumerConfig); err != nil {
		return nil, fmt.Errorf("consumer: configuration: %w", err)
	}
	c.filter = store.NewFilter(c.Filters()...)
	c.maxPending = limit(c.MaxAckPending, math.MaxInt)
	c.maxDeliver = uint32(min(limit(c.MaxDeliver, math.MaxUint32), math.MaxUint32))
	c.maxWaiting = limit(c.MaxWaiting, math.MaxInt)
	sample, err := api.ParseSampling(c.SampleFrequency)
	if err != nil {
		return nil, fmt.Errorf("consumer: configuration: %w", err)
	}
	c.sample = sample
	return c, nil
}

// limit is a limit of a configuration, in which numbers below 1 mean that there
// is none.
func limit(configured, none int) int {
	if configured < 1 {
		return none
	}
	return configured
}

// flags returns what a state depends on.
func (c *settings) flags(retains bool) (f Flags) {
	if c.AckPolicy != api.AckNone {
		f |= Tracked
	}
	if retains {
		f |= Retains
	}
	return f
}

// redelivers reports whether messages that are not acknowledged are due again
// some time.
func (c *settings) redelivers() bool {
	return c.AckPolicy == api.AckExplicit || c.AckPolicy == api.AckAll
}

// AckWait is how long, in nanoseconds, the acknowledgement of a message is waited for
// that was delivered so many times, at least once.
func AckWait(c *api.ConsumerConfig, deliveries uint32) int64 {
	if n := len(c.BackOff); n > 0 {
		return int64(c.BackOff[min(int(deliveries), n)-1])
	}
	return int64(c.AckWait)
}

// ackWait is how long an acknowledgement is waited for after a delivery.
func (c *settings) ackWait(deliveries uint32) int64 { return AckWait(&c.ConsumerConfig, deliveries) }

// due is when a message is to be delivered again.
func (c *settings) due(d *delivery) int64 {
	switch {
	case !c.redelivers():
		return never
	case d.due != 0:
		return d.due
	default:
		return d.time + c.ackWait(d.count)
	}
}
