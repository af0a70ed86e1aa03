package test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/options"
)

// next reads the next message of a synchronous subscription.
func next(t testing.TB, sub *nats.Subscription) *nats.Msg {
	t.Helper()
	m, err := sub.NextMsg(patience)
	if err != nil {
		t.Fatalf("%s: %v", sub.Subject, err)
	}
	return m
}

// subscribe makes a synchronous subscription that the server knows of.
func subscribe(t testing.TB, nc *nats.Conn, subject string) *nats.Subscription {
	t.Helper()
	sub, err := nc.SubscribeSync(subject)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
	return sub
}

func publish(t testing.TB, nc *nats.Conn, subject, text string) {
	t.Helper()
	if err := nc.Publish(subject, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	s := start(t, "")
	a, b := s.connect(t), s.connect(t)
	exact, star, rest, other := subscribe(t, b, "shop.order.new"), subscribe(t, b, "shop.*.new"), subscribe(t, b, "shop.>"), subscribe(t, b, "shop.order")
	publish(t, a, "shop.order.new", "1")
	publish(t, a, "shop.item.new", "2")
	publish(t, a, "shop.order.new.paid", "3")
	publish(t, a, "end", "")
	flush(t, a)
	flush(t, b)
	for _, want := range []struct {
		sub  *nats.Subscription
		data []string
	}{{exact, []string{"1"}}, {star, []string{"1", "2"}}, {rest, []string{"1", "2", "3"}}, {other, nil}} {
		for _, text := range want.data {
			if m := next(t, want.sub); string(m.Data) != text {
				t.Errorf("%s got %q on %s, want %q", want.sub.Subject, m.Data, m.Subject, text)
			}
		}
		if n, _, _ := want.sub.Pending(); n != 0 {
			t.Errorf("%s got %d messages too many", want.sub.Subject, n)
		}
	}
}

func TestRequestAndReply(t *testing.T) {
	s := start(t, "")
	for _, test := range []struct {
		name string
		opts []nats.Option
	}{{"one inbox for all", nil}, {"an inbox each", []nats.Option{nats.UseOldRequestStyle()}}} {
		t.Run(test.name, func(t *testing.T) {
			service, client := s.connect(t), s.connect(t, test.opts...)
			if _, err := client.Request("double", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("a request that nobody listens to ends with %v", err)
			}
			sub, err := service.Subscribe("double", func(m *nats.Msg) {
				n, _ := strconv.Atoi(string(m.Data))
				_ = m.Respond([]byte(strconv.Itoa(2 * n))) // the asker will miss it
			})
			if err != nil {
				t.Fatal(err)
			}
			flush(t, service)
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					for i := range 100 {
						n := 1000*worker + i
						m, err := client.Request("double", []byte(strconv.Itoa(n)), patience)
						if err != nil || string(m.Data) != strconv.Itoa(2*n) {
							t.Errorf("double %d is %v, %v", n, m, err)
							return
						}
					}
				})
			}
			wg.Wait()
			if err := sub.Unsubscribe(); err != nil {
				t.Fatal(err)
			}
			flush(t, service)
			if _, err := client.Request("double", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("a request after the service has gone ends with %v", err)
			}
		})
	}
}

func TestQueueGroups(t *testing.T) {
	s := start(t, "")
	const members, messages = 3, 300
	var got [messages]atomic.Int32
	var work [members]atomic.Int32
	done := make(chan struct{}, 2*messages)
	for i := range members {
		nc := s.connect(t)
		// Members of one group may ask for different subjects.
		_, err := nc.QueueSubscribe([]string{"job.*", "job.new", "job.>"}[i], "workers", func(m *nats.Msg) {
			n, _ := strconv.Atoi(string(m.Data))
			got[n].Add(1)
			work[i].Add(1)
			done <- struct{}{}
		})
		if err != nil {
			t.Fatal(err)
		}
		flush(t, nc)
	}
	audit := subscribe(t, s.connect(t), "job.new")
	publisher := s.connect(t)
	for i := range messages {
		publish(t, publisher, "job.new", strconv.Itoa(i))
	}
	for range messages {
		receive(t, "job", done)
	}
	for i := range messages {
		if n := got[i].Load(); n != 1 {
			t.Errorf("job %d was done %d times", i, n)
		}
		if m := next(t, audit); string(m.Data) != strconv.Itoa(i) {
			t.Fatalf("outside of the group %q arrives as message %d", m.Data, i)
		}
	}
	for i := range work {
		if n := work[i].Load(); n < messages/members/4 {
			t.Errorf("member %d did %d of %d jobs", i, n, messages)
		}
	}
}

func TestHeaders(t *testing.T) {
	s := start(t, "")
	nc := s.connect(t)
	sub := subscribe(t, nc, "letters")
	old := dial(t, s.Addr().String())
	old.send(t, `CONNECT {"verbose":false}`+"\r\nSUB letters 1\r\nPING\r\n")
	old.expect(t, "PONG")
	m := nats.NewMsg("letters")
	m.Header.Add("To", "alice")
	m.Header.Add("To", "bob")
	m.Header.Set("X-Empty", "")
	m.Data = []byte("hello\r\nworld")
	if err := nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	got := next(t, sub)
	if !bytes.Equal(got.Data, m.Data) || fmt.Sprint(got.Header) != fmt.Sprint(m.Header) {
		t.Errorf("received %v %q, want %v %q", got.Header, got.Data, m.Header, m.Data)
	}
	if line := old.line(t); line != "MSG letters 1 12" {
		t.Errorf("a client without headers gets %q", line)
	}
}

func TestEcho(t *testing.T) {
	s := start(t, "")
	quiet := s.connect(t, nats.NoEcho())
	own, queued := subscribe(t, quiet, "talk"), s.connect(t)
	if _, err := quiet.QueueSubscribeSync("talk", "group"); err != nil {
		t.Fatal(err)
	}
	flush(t, quiet)
	other, err := queued.QueueSubscribeSync("talk", "group")
	if err != nil {
		t.Fatal(err)
	}
	flush(t, queued)
	for range 20 {
		publish(t, quiet, "talk", "to others")
	}
	flush(t, quiet)
	for range 20 {
		next(t, other)
	}
	if n, _, _ := own.Pending(); n != 0 {
		t.Errorf("%d messages came back", n)
	}
}

func TestAutoUnsubscribe(t *testing.T) {
	s := start(t, "")
	nc, publisher := s.connect(t), s.connect(t)
	sub := subscribe(t, nc, "few")
	if err := sub.AutoUnsubscribe(7); err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
	for range 20 {
		publish(t, publisher, "few", "")
	}
	flush(t, publisher)
	for range 7 {
		next(t, sub)
	}
	if _, err := sub.NextMsg(patience); !errors.Is(err, nats.ErrMaxMessages) {
		t.Errorf("after seven messages: %v", err)
	}
	await(t, func() error {
		if n := s.subsz(t, "subs=1&test=few").Total; n != 0 {
			return fmt.Errorf("the server knows %d subscriptions", n)
		}
		return nil
	})
}

// Who drains gets everything that was under way, and nothing after it.
func TestDrain(t *testing.T) {
	s := start(t, "")
	publisher := s.connect(t)
	var got atomic.Int64
	closed := make(chan struct{})
	nc := s.connect(t, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	sub, err := nc.Subscribe("stream", func(*nats.Msg) { got.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	flush(t, nc)
	const n = 5000
	for range n {
		publish(t, publisher, "stream", "before")
	}
	flush(t, publisher)
	if err := sub.Drain(); err != nil {
		t.Fatal(err)
	}
	await(t, func() error {
		if sub.IsValid() {
			return fmt.Errorf("the subscription is still draining, after %d messages", got.Load())
		}
		return nil
	})
	if got.Load() != n {
		t.Errorf("%d messages arrived, want %d", got.Load(), n)
	}
	if err := nc.Drain(); err != nil {
		t.Fatal(err)
	}
	receive(t, "end of the connection", closed)
	await(t, func() error {
		if n := s.NumClients(); n != 1 {
			return fmt.Errorf("%d clients", n)
		}
		return nil
	})
}

// Workers of a queue group can be replaced under load: what a worker was given
// before it drains, it gets, and everything else goes to those who stay.
func TestDrainOfWorkers(t *testing.T) {
	s := start(t, "")
	const publishers, burst = 3, 200
	rounds := 60
	if race.Enabled {
		rounds = 20
	}
	var done atomic.Int64
	// hire makes a worker, and dismiss lets it finish what it was given.
	hire := func(nc *nats.Conn) *nats.Subscription {
		t.Helper()
		sub, err := nc.QueueSubscribe("work", "workers", func(*nats.Msg) { done.Add(1) })
		if err == nil {
			err = sub.SetPendingLimits(-1, -1)
		}
		if err != nil {
			t.Fatal(err)
		}
		flush(t, nc)
		return sub
	}
	dismiss := func(sub *nats.Subscription) {
		t.Helper()
		gone := make(chan string, 1)
		sub.SetClosedHandler(func(subject string) { gone <- subject })
		if err := sub.Drain(); err != nil {
			t.Fatal(err)
		}
		receive(t, "end of a worker", gone)
	}
	nc := s.connect(t)
	stays := hire(s.connect(t))
	stop := make(chan struct{})
	var published atomic.Int64
	var wg sync.WaitGroup
	for range publishers {
		nc := s.connect(t)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for range burst {
					if err := nc.Publish("work", []byte("something to do")); err != nil {
						t.Error(err)
						return
					}
				}
				published.Add(burst)
				if err := nc.FlushTimeout(patience); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range rounds {
		sub := hire(nc)
		await(t, func() error {
			n, err := sub.Delivered()
			if err == nil && n < burst {
				err = fmt.Errorf("the new worker got %d messages", n)
			}
			return err
		})
		dismiss(sub)
	}
	close(stop)
	wg.Wait()
	dismiss(stays)
	if got, want := done.Load(), published.Load(); got != want {
		t.Errorf("of %d messages %d were worked on", want, got)
	}
}

func TestLargePayloads(t *testing.T) {
	for _, max := range []int{1 << 20, 8 << 20} {
		t.Run(fmt.Sprintf("max_payload %d", max), func(t *testing.T) {
			s := start(t, fmt.Sprintf("max_payload: %d", max))
			nc := s.connect(t)
			if nc.MaxPayload() != int64(max) {
				t.Errorf("the client knows a maximum of %d", nc.MaxPayload())
			}
			sub := subscribe(t, s.connect(t), "large")
			body := make([]byte, max)
			random := rand.NewChaCha8([32]byte{2})
			random.Read(body)
			sizes := []int{0, 1, 4095, 64<<10 - 1, 64 << 10, 64<<10 + 1, max - 1, max}
			for _, size := range sizes {
				if err := nc.Publish("large", body[:size]); err != nil {
					t.Fatal(err)
				}
			}
			for _, size := range sizes {
				if m := next(t, sub); !bytes.Equal(m.Data, body[:size]) {
					t.Fatalf("%d bytes arrive as %d others", size, len(m.Data))
				}
			}
			if err := nc.Publish("large", append(body, 0)); !errors.Is(err, nats.ErrMaxPayload) {
				t.Errorf("one byte too many: %v", err)
			}
		})
	}
}

// Each of many subjects has its own subscription, and each gets its own
// messages.
func TestManySubjects(t *testing.T) {
	s := start(t, "")
	const n = 10_000
	nc, publisher := s.connect(t), s.connect(t)
	var wrong atomic.Int64
	got := make(chan struct{}, n)
	for i := range n {
		subject := fmt.Sprintf("sensor.%d.value.%d", i%100, i)
		_, err := nc.Subscribe(subject, func(m *nats.Msg) {
			if m.Subject != subject || string(m.Data) != subject {
				wrong.Add(1)
			}
			got <- struct{}{}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	flush(t, nc)
	order := rand.New(rand.NewPCG(3, 3)).Perm(n)
	for _, i := range order {
		subject := fmt.Sprintf("sensor.%d.value.%d", i%100, i)
		publish(t, publisher, subject, subject)
	}
	for range n {
		receive(t, "message", got)
	}
	flush(t, publisher)
	flush(t, nc)
	if wrong.Load() > 0 || len(got) > 0 {
		t.Errorf("%d messages were wrong, %d too many", wrong.Load(), len(got))
	}
	if subs := s.subsz(t, "acc=$G&subs=1&limit=20000"); subs.Total < n {
		t.Errorf("subsz lists %d subscriptions", subs.Total)
	}
}

// A program that has the server inside connects without a network.
func TestInProcess(t *testing.T) {
	s := prepare(t, "", func(o *options.Options) { o.DontListen = true })
	if _, err := nats.Connect("", nats.InProcessServer(s)); err == nil {
		t.Error("a server that was not started takes connections")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != nil || s.ClientURL() != "" {
		t.Errorf("the server listens at %v", s.Addr())
	}
	a, b := connect(t, "", nats.InProcessServer(s)), connect(t, "", nats.InProcessServer(s))
	sub := subscribe(t, a, "inside")
	body := bytes.Repeat([]byte("x"), 1<<20)
	for range 20 {
		if err := b.Publish("inside", body); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if m := next(t, sub); !bytes.Equal(m.Data, body) {
			t.Fatalf("%d bytes arrive", len(m.Data))
		}
	}
	s.Shutdown()
	await(t, func() error {
		if a.IsConnected() || b.IsConnected() {
			return errors.New("connections outlive the server")
		}
		return nil
	})
}

// Messages that a client publishes while its server is away arrive when it is
// back on the same port, at subscriptions that were made before.
func TestReconnect(t *testing.T) {
	s := start(t, "")
	_, port, err := splitPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	gone, back := make(chan struct{}, 10), make(chan struct{}, 10)
	opts := []nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { gone <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }),
	}
	publisher, subscriber := s.connect(t, opts...), s.connect(t, opts...)
	sub := subscribe(t, subscriber, "news")
	publish(t, publisher, "news", "before")
	if m := next(t, sub); string(m.Data) != "before" {
		t.Fatalf("received %q", m.Data)
	}
	s.Shutdown()
	for range 2 {
		receive(t, "disconnect", gone)
	}
	publish(t, publisher, "other", "while away")
	again := start(t, "", func(o *options.Options) { o.Port = port })
	for range 2 {
		receive(t, "reconnect", back)
	}
	flush(t, subscriber)
	flush(t, publisher)
	publish(t, publisher, "news", "after")
	if m := next(t, sub); string(m.Data) != "after" {
		t.Errorf("received %q", m.Data)
	}
	if got := again.varz(t); got.InMsgs != 2 || got.TotalConnections != 2 {
		t.Errorf("the new server counts %d messages of %d connections, want 2 of 2", got.InMsgs, got.TotalConnections)
	}
}
