package cluster

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

const (
	testPing    = 10 * time.Second
	testPings   = 2
	testPending = 8 << 20
)

// node is a server as far as routes see it.
type node struct {
	t    testing.TB
	self mesh.Server
	cfg  Config

	mu       sync.Mutex
	accounts map[string]*account.Account
	watchers map[int]func(*account.Account)
	watched  int
	routes   map[*Route]string // to whom
	heard    []string
}

func newNode(t testing.TB, name string, accounts ...string) *node {
	nd := &node{
		t: t, self: server(name), accounts: make(map[string]*account.Account),
		watchers: make(map[int]func(*account.Account)), routes: make(map[*Route]string),
	}
	nd.self.PoolSize, nd.self.Accounts = 1, nil
	nd.cfg = Config{
		Conn:     &conn.Config{MaxPending: testPending, WriteDeadline: 10 * time.Second, Clock: clock.Real()},
		Accounts: nd, Owner: nd, Self: nd.self, MaxControlLine: 4096, MaxPayload: 1 << 20,
		PingInterval: testPing, PingMax: testPings, Clock: clock.Real(), Log: nd,
	}
	for _, name := range accounts {
		nd.add(name)
	}
	return nd
}

func (nd *node) Errorf(format string, args ...any) { nd.t.Logf(nd.self.Name+": "+format, args...) }
func (nd *node) Noticef(format string, args ...any) {
	nd.t.Logf(nd.self.Name+": "+format, args...)
}
func (nd *node) Debugf(format string, args ...any) { nd.t.Logf(nd.self.Name+": "+format, args...) }

// Account makes accounts whose names begin with a capital.
func (nd *node) Account(name string) *account.Account {
	nd.mu.Lock()
	acc := nd.accounts[name]
	nd.mu.Unlock()
	if acc == nil && name[0] >= 'A' && name[0] <= 'Z' {
		return nd.add(name)
	}
	return acc
}

func (nd *node) add(name string) *account.Account {
	acc := account.New(name)
	nd.mu.Lock()
	nd.accounts[name] = acc
	var watchers []func(*account.Account)
	for _, w := range nd.watchers {
		watchers = append(watchers, w)
	}
	nd.mu.Unlock()
	for _, w := range watchers {
		w(acc)
	}
	return acc
}

func (nd *node) Watch(added func(*account.Account)) (stop func()) {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	id := nd.watched
	nd.watched++
	nd.watchers[id] = added
	for _, acc := range nd.accounts {
		added(acc)
	}
	return func() {
		nd.mu.Lock()
		defer nd.mu.Unlock()
		delete(nd.watchers, id)
	}
}

func (nd *node) Heard(_ *Route, info *proto.RouteInfo) {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	nd.heard = append(nd.heard, info.ServerName)
}

func (nd *node) Ended(r *Route) {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	delete(nd.routes, r)
}

// begin makes a route of a connection on which two have met.
func (nd *node) begin(nc net.Conn, m *Meeting) *Route {
	cfg := nd.cfg
	r := NewRoute(nc, 1, m, &cfg)
	nd.mu.Lock()
	nd.routes[r] = m.Peer.Name
	nd.mu.Unlock()
	r.Start()
	return r
}

// join connects a server with another one, for a slot.
func join(t testing.TB, n *memnet.Network, from, to *node, slot mesh.Slot) (near, far *Route) {
	t.Helper()
	nearConn, farConn := connect(t, n, from.self.Name, to.self.Name)
	met := make(chan *Meeting)
	go func() {
		h := &Handshake{Self: to.self, Timeout: testTimeout, MaxControlLine: 4096, Clock: clock.Real()}
		m, err := h.Accept(farConn, nil)
		if err != nil {
			t.Error(err)
		}
		met <- m
	}()
	h := &Handshake{Self: from.self, Timeout: testTimeout, MaxControlLine: 4096, Clock: clock.Real()}
	m, err := h.Dial(nearConn, &mesh.Dial{Slot: slot}, "", "")
	theirs := <-met
	if err != nil || theirs == nil {
		t.Fatal(err)
	}
	return from.begin(nearConn, m), to.begin(farConn, theirs)
}

// open are the routes there are.
func (nd *node) open() []*Route {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	return slices.Collect(maps.Keys(nd.routes))
}

// leave closes all routes.
func (nd *node) leave() {
	for _, r := range nd.open() {
		r.Close(conn.ServerShutdown, "")
	}
}

// isClean tells whether nothing of a route is left.
func (nd *node) isClean() bool {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	for _, acc := range nd.accounts {
		if len(remotes(acc)) > 0 {
			return false
		}
	}
	return len(nd.routes) == 0 && len(nd.watchers) == 0
}

// remotes are the subscriptions of other servers, "subject queue".
func remotes(acc *account.Account) (list []string) {
	for _, s := range acc.Subscriptions("") {
		if s.Target != nil {
			list = append(list, s.Subject+" "+s.Queue)
		}
	}
	slices.Sort(list)
	return list
}

// inBubble runs a test with nodes that are joined with each other, or none if there is
// one name. At the end all leave.
func inBubble(t *testing.T, latency time.Duration, names []string, test func(n *memnet.Network, nodes []*node)) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Link: memnet.Link{Latency: latency}})
		var nodes []*node
		for _, name := range names {
			nd := newNode(t, name, "A", "B")
			for _, other := range nodes {
				join(t, n, nd, other, mesh.Slot{})
			}
			nodes = append(nodes, nd)
		}
		settle()
		test(n, nodes)
		for _, nd := range nodes {
			nd.leave()
		}
		time.Sleep(2 * lastWords)
		synctest.Wait()
		for _, nd := range nodes {
			if !nd.isClean() {
				t.Errorf("%s: something of a route is left", nd.self.Name)
			}
		}
	})
}

// settle lets pass what time it takes until everything has arrived.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// subscriber is a handler that keeps what it gets.
type subscriber struct {
	*account.Subscription
	acc *account.Account
	mu  sync.Mutex
	got []string
}

func (nd *node) listen(acc, subject, queue string) *subscriber {
	nd.t.Helper()
	s := &subscriber{acc: nd.Account(acc)}
	s.Subscription = &account.Subscription{Subject: subject, Queue: queue, Handler: func(m *account.Message) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.got = append(s.got, fmt.Sprintf("%s %s %s%s", m.Subject, m.Reply, m.Header(), m.Payload()))
	}}
	if err := s.acc.Subscribe(s.Subscription); err != nil {
		nd.t.Fatal(err)
	}
	return s
}

func (s *subscriber) leave() { s.acc.Unsubscribe(s.Subscription) }

// take returns what came since it was last called.
func (s *subscriber) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

// publish publishes a message and returns to how many it went.
func (nd *node) publish(acc, subject, reply, payload string, headers ...string) int {
	m := account.NewMessage(subject, []byte(payload), headers...)
	m.Reply = []byte(reply)
	return nd.Account(acc).Publish(m)
}
