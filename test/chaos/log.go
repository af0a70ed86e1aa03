//go:build unix

package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/nats-lite/nats-lite/test/chaos/check"
)

// logLoad is publishers into a stream that keeps everything. Each repeats a message until it is
// acknowledged.
type logLoad struct {
	publishers, replicas int
	pace                 time.Duration

	mu   sync.Mutex
	sent []check.Sent
}

const logStream = "LOG"

func (l *logLoad) clients() int { return l.publishers }

func (l *logLoad) prepare(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: logStream, Subjects: []string{"log.*"}, Replicas: l.replicas, AllowDirect: true,
		Duplicates: 24 * time.Hour, // longer than any run
	})
	return err
}

func (l *logLoad) run(ctx, stop context.Context, c *client) error {
	publisher := fmt.Sprintf("p%d", c.number)
	for n := 1; stop.Err() == nil; n++ {
		s := check.Sent{Publisher: publisher, Number: n, Begun: c.now()}
		err := retry(ctx, func(ctx context.Context) (err error) {
			s.Tries++
			m := nats.NewMsg("log." + publisher)
			m.Data = text(publisher, n)
			m.Header.Set(jetstream.MsgIDHeader, fmt.Sprintf("%s/%d", publisher, n))
			s.Seq, err = c.publish(ctx, m)
			c.tally.note(c.now(), err)
			return err
		})
		if err == nil {
			s.Acked = c.now()
		}
		l.mu.Lock()
		l.sent = append(l.sent, s)
		l.mu.Unlock()
		if err != nil {
			return fmt.Errorf("%s/%d is not acknowledged, after %d attempts since %v: %w", publisher, n, s.Tries, s.Begun, err)
		}
		pause(stop, l.pace)
	}
	return nil
}
