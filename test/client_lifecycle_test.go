package test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/nats-lite/nats-lite/server/options"
)

// What a server has accepted when it is shut down, it delivers, to everybody who
// reads.
func TestShutdownDelivers(t *testing.T) {
	for _, test := range []struct {
		name string
		// busy subscribers send something themselves all the time.
		busy bool
		size int
	}{
		{"small messages", false, 100},
		{"large messages", false, 64 << 10},
		{"subscribers that publish", true, 100},
	} {
		t.Run(test.name, func(t *testing.T) { shutdownDelivers(t, test.busy, test.size) })
	}
}

func shutdownDelivers(t *testing.T, busy bool, size int) {
	const subscribers, bytes = 3, 4 << 20
	messages := bytes / size
	s := start(t, "")
	var subs []*wire
	for range subscribers {
		w := dial(t, s.Addr().String())
		w.login(t, "")
		w.send(t, "SUB last.> 1\r\nPING\r\n")
		w.expect(t, "PONG")
		if busy {
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				for {
					if _, err := io.WriteString(w, "PUB noise 4\r\nping\r\n"); err != nil {
						return
					}
				}
			}()
			t.Cleanup(func() { w.Close(); <-stop })
		}
		subs = append(subs, w)
	}
	results := make(chan error, subscribers)
	for _, w := range subs {
		go func() {
			results <- readNumbers(w.in, messages)
			w.Close()
		}()
	}
	publisher := s.connect(t, nats.NoReconnect())
	body := make([]byte, size)
	for i := range messages {
		copy(body, fmt.Sprintf("%9d", i))
		if err := publisher.Publish("last.words", body); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, publisher)
	s.Shutdown()
	for range subs {
		if err := receive(t, "end of a subscriber", results); err != nil {
			t.Error(err)
		}
	}
}

// readNumbers reads messages that begin with their number until the connection
// ends, and checks that these are all.
func readNumbers(r io.Reader, want int) error {
	text, err := io.ReadAll(r)
	got := 0
	for part := range strings.SplitSeq(string(text), "MSG last.words 1 ") {
		_, body, ok := strings.Cut(part, "\r\n")
		if !ok || len(body) < 9 {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(body[:9], "%d", &n); err != nil || n != got {
			return fmt.Errorf("message %d begins with %q", got, body[:9])
		}
		got++
	}
	if got != want {
		return errors.Join(fmt.Errorf("%d of %d messages arrived", got, want), err)
	}
	return nil
}

// In lame duck mode clients hear of it, and move to another server of their
// list with their subscriptions.
func TestLameDuck(t *testing.T) {
	fast := func(o *options.Options) {
		o.LameDuckGracePeriod, o.LameDuckDuration = 200*time.Millisecond, time.Second
	}
	first, second := start(t, "", fast), start(t, "")
	warned, moved := make(chan struct{}, 10), make(chan string, 10)
	opts := []nats.Option{
		nats.DontRandomize(), nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(-1),
		nats.LameDuckModeHandler(func(*nats.Conn) { warned <- struct{}{} }),
		nats.ReconnectHandler(func(nc *nats.Conn) { moved <- nc.ConnectedUrl() }),
	}
	both := first.ClientURL() + "," + second.ClientURL()
	const n = 5
	var clients []*nats.Conn
	for range n {
		nc := connect(t, both, opts...)
		if nc.ConnectedUrl() != first.ClientURL() {
			t.Fatalf("connected to %s", nc.ConnectedUrl())
		}
		if _, err := nc.Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
			t.Fatal(err)
		}
		flush(t, nc)
		clients = append(clients, nc)
	}
	down := make(chan struct{})
	go func() { first.LameDuckShutdown(); close(down) }()
	for range n {
		receive(t, "warning", warned)
	}
	if _, err := nats.Connect(first.ClientURL()); err == nil {
		t.Error("the lame duck takes new clients")
	}
	for range n {
		if url := receive(t, "move", moved); url != second.ClientURL() {
			t.Errorf("a client moved to %s", url)
		}
	}
	receive(t, "end of the lame duck", down)
	for _, nc := range clients {
		if m, err := nc.Request("echo", []byte("still here"), patience); err != nil || string(m.Data) != "still here" {
			t.Errorf("after the move: %v, %v", m, err)
		}
	}
	if got := second.varz(t).Connections; got != n {
		t.Errorf("%d clients at the second server, want %d", got, n)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(string(first.monitor), "http://")); err == nil {
		t.Error("the lame duck's monitoring port is still open")
	}
}

// Servers can be started and stopped at any time, by anybody.
func TestStartAndStop(t *testing.T) {
	s := prepare(t, "")
	s.Shutdown()
	if err := s.Start(); err == nil {
		t.Error("a server that was shut down starts")
	}
	s = start(t, "")
	if err := s.Start(); err == nil {
		t.Error("a server starts twice")
	}
	done := make(chan struct{})
	for range 3 {
		go func() { s.Shutdown(); done <- struct{}{} }()
	}
	for range 3 {
		receive(t, "shutdown", done)
	}
	s.WaitForShutdown()
	if err := s.Reload(); err == nil {
		t.Error("a server that was shut down reloads")
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a server that was shut down takes connections")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s = prepare(t, "", func(o *options.Options) { o.Port = taken.Addr().(*net.TCPAddr).Port })
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("starting on a port in use: %v", err)
	}
}

// The service framework of the client finds its services, spreads requests over
// them, and counts.
func TestServices(t *testing.T) {
	s := start(t, "")
	const instances, requests = 3, 150
	var services []micro.Service
	for range instances {
		svc, err := micro.AddService(s.connect(t), micro.Config{Name: "sums", Version: "1.0.0"})
		if err != nil {
			t.Fatal(err)
		}
		defer svc.Stop()
		err = svc.AddGroup("math").AddEndpoint("add", micro.HandlerFunc(func(r micro.Request) {
			var a, b int
			if _, err := fmt.Sscan(string(r.Data()), &a, &b); err != nil {
				_ = r.Error("400", "two numbers, please", nil) // the asker will tell if it was lost
				return
			}
			_ = r.Respond(fmt.Append(nil, a+b))
		}))
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, svc)
	}
	nc := s.connect(t)
	for range requests {
		a, b := rand.IntN(1000), rand.IntN(1000)
		m, err := nc.Request("math.add", fmt.Append(nil, a, b), patience)
		if err != nil || string(m.Data) != fmt.Sprint(a+b) {
			t.Fatalf("%d + %d is %v, %v", a, b, m, err)
		}
	}
	m, err := nc.Request("math.add", []byte("one two"), patience)
	if err != nil || m.Header.Get(micro.ErrorCodeHeader) != "400" {
		t.Errorf("a bad request: %v, %v", m, err)
	}
	replies := subscribe(t, nc, "replies")
	for _, verb := range []micro.Verb{micro.PingVerb, micro.InfoVerb, micro.StatsVerb} {
		subject, err := micro.ControlSubject(verb, "sums", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.PublishRequest(subject, "replies", nil); err != nil {
			t.Fatal(err)
		}
		var ids []string
		total := 0
		for range instances {
			stats := decode[micro.Stats](t, next(t, replies).Data)
			ids = append(ids, stats.ID)
			for _, e := range stats.Endpoints {
				total += e.NumRequests
			}
		}
		slices.Sort(ids)
		if ids = slices.Compact(ids); len(ids) != instances {
			t.Errorf("%s: answers of %d instances, want %d", verb, len(ids), instances)
		}
		if verb == micro.StatsVerb && total != requests+1 {
			t.Errorf("the services count %d requests, want %d", total, requests+1)
		}
	}
	for _, svc := range services[1:] {
		if err := svc.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if _, err := nc.Request("math.add", []byte("1 1"), patience); err != nil {
			t.Fatalf("with one service left: %v", err)
		}
	}
}
