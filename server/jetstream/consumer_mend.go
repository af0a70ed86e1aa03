package jetstream

import (
	"errors"
	"fmt"
	"iter"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	consumercore "github.com/nats-lite/nats-lite/server/jetstream/consumer"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// errDelivered says what it means that a part of a consumer's log is lost.
var errDelivered = errors.New("acknowledgements may be lost, and these messages are delivered again")

// Mend implements host.Mender: the consumer goes on from what is left of its log. Whoever
// looks after the server is told until the next start, which is an ordinary one.
func (c *consumer) Mend(lost error, left iter.Seq2[bool, *host.Batch]) ([]byte, error) {
	v, err := consumercore.NewSalvage(c.state.Clone(), c.origin())
	if err != nil {
		return nil, err
	}
	for missing, b := range left {
		if missing {
			v.Lost()
		}
		for _, frame := range b.Proposals() {
			v.Apply(frame)
		}
	}
	state, doubtful, err := v.Finish()
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%w: %w", errDelivered, lost)
	c.blame(err)
	at := state.Delivered()
	c.complain(fmt.Sprintf("it goes on behind message %d and delivery %d, with %d messages of which it is not known whether they were acknowledged",
		at.Stream, at.Consumer, doubtful), err)
	return state.AppendFull(nil), nil
}

// anew returns the state to begin with if nothing is left of the log.
func (c *consumer) anew() (*consumercore.State, error) {
	v, err := consumercore.NewSalvage(&consumercore.State{}, c.origin())
	if err != nil {
		return nil, err
	}
	s, _, err := v.Finish()
	return s, err
}

// origin is what is known of the consumer without its log.
func (c *consumer) origin() consumercore.Origin {
	assigned := c.assigned.Load()
	return consumercore.Origin{
		Store: c.stream.store, Config: assigned.Config, Created: assigned.Created,
		Retains: c.stream.assigned.Load().Config.Retention != api.RetainLimits,
	}
}
