package test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// bystander is a pair of well-behaved clients, one of which asks the other
// something all the time. What others do to the server must not hurt them.
type bystander struct {
	trips   atomic.Int64
	slowest atomic.Int64
	failed  chan error
	stop    chan struct{}
	done    sync.WaitGroup
}

const (
	// bystanderPace keeps the bystander from being the load itself.
	bystanderPace = time.Millisecond
	// slowTrip is when a round trip counts as lost: one that takes that long on
	// the loopback interface was held up by somebody.
	slowTrip = 5 * time.Second
)

// watch starts a bystander. It is stopped with the test, which fails if the
// bystander was hurt.
func watch(t testing.TB, url string, opts ...nats.Option) *bystander {
	t.Helper()
	b := &bystander{failed: make(chan error, 1), stop: make(chan struct{})}
	opts = append([]nats.Option{
		nats.NoReconnect(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.fail(fmt.Errorf("disconnected: %w", err))
			}
		}),
	}, opts...)
	answers, asks := connect(t, url, opts...), connect(t, url, opts...)
	_, err := answers.Subscribe("bystander.echo", func(m *nats.Msg) {
		if m.Reply == "" {
			return // no question of ours
		}
		if err := m.Respond(append([]byte("re: "), m.Data...)); err != nil {
			b.fail(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	flush(t, answers)
	b.done.Go(func() { b.ask(asks) })
	t.Cleanup(func() { b.check(t) })
	b.goesOn(t)
	return b
}

// ask asks until it is stopped, or goes wrong.
func (b *bystander) ask(nc *nats.Conn) {
	pace := time.NewTicker(bystanderPace)
	defer pace.Stop()
	for i := 0; ; i++ {
		select {
		case <-b.stop:
			return
		case <-pace.C:
		}
		question := fmt.Sprintf("question %d", i)
		begin := time.Now()
		m, err := nc.Request("bystander.echo", []byte(question), slowTrip)
		switch {
		case err != nil:
			b.fail(fmt.Errorf("round trip %d: %w", i, err))
			return
		case string(m.Data) != "re: "+question:
			b.fail(fmt.Errorf("the answer to %q is %q", question, m.Data))
			return
		}
		b.slowest.Store(max(b.slowest.Load(), int64(time.Since(begin))))
		b.trips.Add(1)
	}
}

// fail keeps the first failure.
func (b *bystander) fail(err error) {
	select {
	case b.failed <- err:
	default:
	}
}

// goesOn waits until the bystander has done some more round trips.
func (b *bystander) goesOn(t testing.TB) {
	t.Helper()
	goal := b.trips.Load() + 20
	await(t, func() error {
		select {
		case err := <-b.failed:
			t.Fatalf("the bystander was hurt: %v", err)
		default:
		}
		if n := b.trips.Load(); n < goal {
			return fmt.Errorf("%d round trips missing", goal-n)
		}
		return nil
	})
}

// check stops the bystander.
func (b *bystander) check(t testing.TB) {
	t.Helper()
	close(b.stop)
	b.done.Wait()
	select {
	case err := <-b.failed:
		t.Errorf("the bystander was hurt: %v", err)
	default:
	}
	t.Logf("the bystander did %d round trips, the slowest in %v",
		b.trips.Load(), time.Duration(b.slowest.Load()).Round(time.Millisecond/10))
}
