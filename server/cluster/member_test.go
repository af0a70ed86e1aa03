package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/conn"
	"github.com/nats-lite/nats-lite/server/proto"
)

// world is a network with members of clusters in it, each on a host of its name.
type world struct {
	t       *testing.T
	net     *memnet.Network
	members []*member
	runs    int
}

// member is a server of a cluster.
type member struct {
	*node
	w        *world
	settings Settings
	info     proto.RouteInfo
	raft     func(net.Conn, []byte)
	cluster  *Cluster

	mu      sync.Mutex
	changes int
	logged  []string
}

// inWorld runs a test with servers that know the first of them, who knows nobody.
func inWorld(t *testing.T, names string, test func(w *world, ms []*member)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: memnet.New(memnet.Config{Link: memnet.Link{Latency: time.Millisecond}})}
		var ms []*member
		for name := range strings.FieldsSeq(names) {
			m := w.member(name)
			if len(ms) > 0 {
				m.settings.Routes = []Remote{{Addr: ms[0].self.Addr}}
			}
			ms = append(ms, m)
		}
		test(w, ms)
		for _, m := range w.members {
			m.stop()
		}
		time.Sleep(2 * lastWords)
		synctest.Wait()
		for _, m := range w.members {
			if !m.isClean() {
				t.Errorf("%s: something of a route is left", m.self.Name)
			}
			if n := w.net.Host(m.self.Name).Conns(); n != 0 {
				t.Errorf("%s has %d connections", m.self.Name, n)
			}
		}
	})
}

// member makes a server that is not started.
func (w *world) member(name string) *member {
	m := &member{node: newNode(w.t, name, "A", "B"), w: w}
	s := m.node.self
	s.PoolSize, s.Accounts = 3, []string{"B"}
	m.settings = Settings{
		Self: s, Timeout: testTimeout, ConnectReports: 10, ReconnectReports: 1,
		Conn:           &conn.Config{MaxPending: testPending, WriteDeadline: 10 * time.Second, Clock: clock.Real()},
		MaxControlLine: 4096, MaxPayload: 1 << 20, PingInterval: testPing, PingMax: testPings,
	}
	m.info.ConnectURLs = []string{name + ":4222"}
	w.members = append(w.members, m)
	return m
}

// Errorf keeps what is logged.
func (m *member) Errorf(format string, args ...any) {
	m.node.Errorf(format, args...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logged = append(m.logged, fmt.Sprintf(format, args...))
}

// errors are those that were logged.
func (m *member) errors() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.logged)
}

// hasLogged tells whether there was an error with a text in it.
func (m *member) hasLogged(text string) bool {
	return slices.ContainsFunc(m.errors(), func(line string) bool { return strings.Contains(line, text) })
}

// noteChange counts changes, and changed tells how many there were.
func (m *member) noteChange() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changes++
}

func (m *member) changed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changes
}

// start starts a server, or starts it anew as another process.
func (m *member) start() {
	m.t.Helper()
	m.w.runs++
	m.settings.Self.ID = fmt.Sprintf("ID-%s-%d", m.self.Name, m.w.runs)
	host := m.w.net.Host(m.self.Name)
	l, err := host.Listen("tcp", ":6222")
	if err != nil {
		m.t.Fatal(err)
	}
	s := m.settings
	m.cluster = New(Env{
		Accounts: m.node, Dial: host.DialContext, Raft: m.raft, Changed: m.noteChange, Clock: clock.Real(), Log: m,
		Rand: rand.New(rand.NewPCG(uint64(m.w.runs), 1)),
	}, &s, m.info)
	m.cluster.Start(l)
}

// stop stops it.
func (m *member) stop() {
	if m.cluster != nil {
		m.cluster.Close()
		m.cluster = nil
	}
}

func startAll(ms []*member) {
	for _, m := range ms {
		m.start()
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// peers are those that it is together with.
func (m *member) peers() string {
	var names []string
	for _, p := range m.cluster.Peers() {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// wantPeers are who it has to be together with.
func (m *member) wantPeers(names string) {
	m.t.Helper()
	if got := m.peers(); got != names {
		m.t.Errorf("%s is together with %q, want %q", m.self.Name, got, names)
	}
}

// wantMesh demands that all are together with all, by the right number of routes, and
// that what is published anywhere arrives everywhere once, in all accounts.
func wantMesh(t *testing.T, ms ...*member) {
	t.Helper()
	const routes = 3 + 1 // the pool, and that of B
	for _, m := range ms {
		var others []string
		for _, o := range ms {
			if o != m {
				others = append(others, o.self.Name)
			}
		}
		slices.Sort(others)
		m.wantPeers(strings.Join(others, " "))
		if n := len(m.cluster.Routes()); n != routes*len(others) {
			t.Errorf("%s has %d routes", m.self.Name, n)
		}
	}
	for _, acc := range []string{"A", "B", "C", "D", "E", "F"} {
		var subs []*subscriber
		for _, m := range ms {
			subs = append(subs, m.listen(acc, "x", ""))
		}
		settle()
		for _, m := range ms {
			m.publish(acc, "x", "", m.self.Name)
		}
		settle()
		for i, s := range subs {
			if got := s.take(); len(got) != len(ms) {
				t.Errorf("%s has got %q in %s", ms[i].self.Name, got, acc)
			}
			s.leave()
		}
	}
	settle()
}

// dialContext is a dial of a host from outside.
func dialContext(w *world, from, to string) net.Conn {
	w.t.Helper()
	nc, err := w.net.Host(from).DialContext(context.Background(), "tcp", to)
	if err != nil {
		w.t.Fatal(err)
	}
	return nc
}
