//go:build unix

package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/nats-lite/nats-lite/test/chaos/check"
)

// consumerLoad is clients that share a consumer of the log, and have each acknowledgement
// confirmed.
type consumerLoad struct {
	workers, replicas int
	// through ends when nothing more is published.
	through context.Context

	mu      sync.Mutex
	history check.Consumption
}

const (
	consumerName = "work"
	ackWait      = 5 * time.Second
)

func (l *consumerLoad) clients() int { return l.workers }

func (l *consumerLoad) prepare(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateOrUpdateConsumer(ctx, logStream, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxAckPending: 1000, Replicas: l.replicas,
	})
	return err
}

// run works until nothing is left.
func (l *consumerLoad) run(ctx, _ context.Context, c *client) error {
	var left error
	for ctx.Err() == nil {
		through := l.through.Err() != nil
		consumer, err := c.js.Consumer(ctx, logStream, consumerName)
		if err == nil {
			info := consumer.CachedInfo()
			left = fmt.Errorf("%d messages are pending, %d to be acknowledged", info.NumPending, info.NumAckPending)
			if through && info.NumPending == 0 && info.NumAckPending == 0 {
				return nil
			}
			err = l.work(ctx, c, consumer)
		}
		if err != nil {
			c.tally.note(c.now(), err)
			pause(ctx, breather)
		}
	}
	return fmt.Errorf("the consumer is not through: %w", left)
}

// work takes messages for a while and acknowledges them.
func (l *consumerLoad) work(ctx context.Context, c *client, consumer jetstream.Consumer) error {
	batch, err := consumer.Fetch(100, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		publisher, number := parse(m.Data())
		seq := meta.Sequence.Stream
		l.mu.Lock()
		l.history.Deliveries = append(l.history.Deliveries, check.Delivery{Seq: seq, Publisher: publisher, Number: number, At: c.now()})
		l.mu.Unlock()
		if c.random.IntN(50) == 0 {
			continue // it is to come again
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, requestTimeout)
			defer cancel()
			err := m.DoubleAck(ctx)
			at := c.now()
			if c.tally.note(at, err); err == nil {
				l.mu.Lock()
				l.history.Confirmed = append(l.history.Confirmed, check.Confirmed{Seq: seq, At: at})
				l.mu.Unlock()
			}
		})
	}
	return batch.Error()
}
