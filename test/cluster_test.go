package test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nats-lite/nats-lite/server/options"
)

// cluster are servers that are one system.
type cluster []*instance

// together starts servers of the same configuration, which know the first of them.
func together(t testing.TB, n int, config string) cluster {
	t.Helper()
	var c cluster
	for i := range n {
		c = append(c, c.join(t, i, config))
	}
	c.settle(t)
	return c
}

// join starts another server.
func (c cluster) join(t testing.TB, i int, config string) *instance {
	t.Helper()
	return start(t, fmt.Sprintf("server_name: s%d\n%s", i+1, config), func(o *options.Options) {
		o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "C", "127.0.0.1", -1
		if len(c) > 0 {
			host, port, err := splitPort(c[0].ClusterAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			o.Cluster.Routes = []options.Route{{Host: host, Port: port}}
		}
	})
}

// routez is what tests look at of /routez.
type routez struct {
	Routes []struct {
		Name string   `json:"remote_name"`
		Subs []string `json:"subscriptions_list"`
	} `json:"routes"`
}

// settle waits until all are connected with all, by all connections.
func (c cluster) settle(t testing.TB) {
	t.Helper()
	const routes = options.DefaultPoolSize + 1
	await(t, func() error {
		for _, s := range c {
			if n := len(ask[routez](t, s.monitor, "/routez").Routes); n != routes*(len(c)-1) {
				return fmt.Errorf("a server has %d routes", n)
			}
		}
		return nil
	})
}

// known waits until a server knows of so many others with interest in a subject.
func (s *instance) known(t testing.TB, subject string, n int) {
	t.Helper()
	await(t, func() error {
		found := 0
		for _, r := range ask[routez](t, s.monitor, "/routez?subs=1").Routes {
			if slices.Contains(r.Subs, subject) {
				found++
			}
		}
		if found != n {
			return fmt.Errorf("%d others have interest in %q, want %d", found, subject, n)
		}
		return nil
	})
}

// Do clients of all servers get what clients of all publish, in order?
func TestClusterPublish(t *testing.T) {
	c := together(t, 3, "")
	const n = 1000
	var subs []*nats.Subscription
	for _, s := range c {
		nc := s.connect(t)
		sub, err := nc.SubscribeSync("orders.*")
		if err != nil {
			t.Fatal(err)
		}
		flush(t, nc)
		subs = append(subs, sub)
	}
	for i, s := range c {
		s.known(t, "orders.*", 2)
		nc := s.connect(t)
		for k := range n {
			if err := nc.Publish(fmt.Sprintf("orders.%d", i), fmt.Append(nil, k)); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, nc)
	}
	for i, sub := range subs {
		var next [3]int
		for range n * len(c) {
			m, err := sub.NextMsg(patience)
			if err != nil {
				t.Fatalf("server %d: after %v: %v", i+1, next, err)
			}
			from := m.Subject[len("orders.")] - '0'
			if string(m.Data) != fmt.Sprint(next[from]) {
				t.Fatalf("server %d: got %s of %s, want %d", i+1, m.Data, m.Subject, next[from])
			}
			next[from]++
		}
	}
}

// Are requests answered from any server, by one member of a group each, also while members
// drain and leave: none is lost?
func TestClusterRequestsWhileMembersDrain(t *testing.T) {
	c := together(t, 3, "")
	var served [3]atomic.Int64
	join := func(i int) *nats.Conn {
		nc := c[i].connect(t)
		if _, err := nc.QueueSubscribe("svc", "workers", func(m *nats.Msg) {
			served[i].Add(1)
			if err := m.Respond(m.Data); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		flush(t, nc)
		return nc
	}
	workers := []*nats.Conn{join(1), join(2)}
	c[0].known(t, "svc", 2)
	nc := c[0].connect(t)
	for i := range 300 {
		if i%100 == 50 {
			// One comes before the other one leaves.
			k := i / 100 % 2
			old := workers[k]
			workers[k] = join(k + 1)
			if err := old.Drain(); err != nil {
				t.Fatal(err)
			}
		}
		text := fmt.Sprint(i)
		m, err := nc.Request("svc", []byte(text), patience)
		if err != nil || string(m.Data) != text {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	for i := range served[1:] {
		if served[i+1].Load() < 30 {
			t.Errorf("server %d has served %d requests", i+2, served[i+1].Load())
		}
	}
	for _, w := range workers {
		w.Close()
	}
	c[0].known(t, "svc", 0)
	if _, err := nc.Request("svc", nil, patience); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("with nobody there: %v", err)
	}
}

// Does a client learn of the other servers, go to one of them when its own is stopped, and get
// there what it is subscribed to?
func TestClusterReconnect(t *testing.T) {
	for name, stop := range map[string]func(*instance){
		"shutdown":  func(s *instance) { s.Shutdown() },
		"lame duck": func(s *instance) { s.LameDuckShutdown() },
	} {
		t.Run(name, func(t *testing.T) {
			c := together(t, 3, "")
			back := make(chan string, 1)
			ldm := make(chan struct{}, 1)
			nc := c[0].connect(t, nats.ReconnectWait(10*time.Millisecond),
				nats.ReconnectHandler(func(nc *nats.Conn) { back <- nc.ConnectedServerName() }),
				nats.LameDuckModeHandler(func(nc *nats.Conn) {
					ldm <- struct{}{}
				}))
			if n := len(nc.Servers()); n != 3 {
				t.Fatalf("the client knows %v", nc.Servers())
			}
			sub, err := nc.SubscribeSync("x")
			if err != nil {
				t.Fatal(err)
			}
			flush(t, nc)
			done := make(chan struct{})
			go func() { defer close(done); stop(c[0]) }()
			if name == "lame duck" {
				receive(t, "the announcement", ldm)
				// Others go on without it, and the client does not wait for the end.
				if err := nc.ForceReconnect(); err != nil {
					t.Fatal(err)
				}
			}
			at := receive(t, "a new connection", back)
			if at != "s2" && at != "s3" {
				t.Fatalf("the client is at %q", at)
			}
			flush(t, nc)
			other := c[1]
			if at == "s2" {
				other = c[2]
			}
			other.known(t, "x", 1)
			pub := other.connect(t)
			if err := pub.Publish("x", []byte("hi")); err != nil {
				t.Fatal(err)
			}
			if m, err := sub.NextMsg(patience); err != nil || string(m.Data) != "hi" {
				t.Errorf("got %v, %v", m, err)
			}
			c[0].Shutdown()
			<-done
		})
	}
}

// Do imports and exports work between clients of different servers?
func TestClusterImports(t *testing.T) {
	c := together(t, 2, `accounts {
		A { users: [{user: a, password: a}], exports: [{stream: "events.>"}, {service: "add"}] }
		B { users: [{user: b, password: b}], imports: [{stream: {account: A, subject: "events.>"}}, {service: {account: A, subject: add}}] }
	}`)
	a, b := c[0].connect(t, nats.UserInfo("a", "a")), c[1].connect(t, nats.UserInfo("b", "b"))
	sub, err := b.SubscribeSync("events.>")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Subscribe("add", func(m *nats.Msg) {
		if err := m.Respond(append([]byte("re: "), m.Data...)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	flush(t, a)
	flush(t, b)
	c[0].known(t, "events.>", 1)
	c[1].known(t, "add", 1)
	if err := a.Publish("events.new", []byte("hi")); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(patience); err != nil || string(m.Data) != "hi" {
		t.Errorf("got %v, %v", m, err)
	}
	for range 10 {
		if m, err := b.Request("add", []byte("1"), patience); err != nil || string(m.Data) != "re: 1" {
			t.Errorf("answered %v, %v", m, err)
		}
	}
}
