package cluster

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/conn"
)

var three = []string{"a", "b", "c"}

// Does a message reach all who listen, on whatever server, once, and as it was published?
func TestPublish(t *testing.T) {
	inBubble(t, time.Millisecond, three, func(_ *memnet.Network, nodes []*node) {
		var subs []*subscriber
		for _, nd := range nodes {
			subs = append(subs, nd.listen("A", "x.*", ""), nd.listen("A", "x.>", ""))
		}
		other := nodes[1].listen("B", "x.*", "")
		settle()
		for i, nd := range nodes {
			if n := nd.publish("A", "x.1", "r", "hello", "K", "v"); n != 4 {
				t.Errorf("from %d it goes to %d", i, n)
			}
			nd.publish("A", "y.1", "", "for nobody")
			settle()
			nd.publish("A", "x.2", "", "")
			settle()
			for k, s := range subs {
				if got, want := s.take(), []string{"x.1 r NATS/1.0\r\nK: v\r\n\r\nhello", "x.2  "}; !slices.Equal(got, want) {
					t.Errorf("from %d: %d got %q", i, k, got)
				}
			}
			if got := other.take(); got != nil {
				t.Errorf("another account got %q", got)
			}
		}
		for _, r := range nodes[0].open() {
			if s := r.Stats(); s.InMsgs != 2 || s.InBytes != 23 || s.Msgs != 2 || s.Theirs == 0 {
				t.Errorf("%s counts %+v", r, s)
			}
		}
	})
}

// Of a queue group one member gets a message: one on the publisher's server if there is
// one, and else anybody in proportion.
func TestQueueGroups(t *testing.T) {
	inBubble(t, time.Millisecond, three, func(_ *memnet.Network, nodes []*node) {
		onB := nodes[1].listen("A", "jobs", "q")
		onC := []*subscriber{nodes[2].listen("A", "jobs", "q"), nodes[2].listen("A", "jobs", "q"), nodes[2].listen("A", "jobs", "q")}
		second := nodes[1].listen("A", "jobs", "other")
		settle()
		const n = 400
		for range n {
			if got := nodes[0].publish("A", "jobs", "", "x"); got < 1 || got > 2 {
				t.Fatalf("goes to %d servers", got)
			}
		}
		settle()
		b, c := len(onB.take()), len(onC[0].take())+len(onC[1].take())+len(onC[2].take())
		if b+c != n || b < n/8 || b > n*3/8 || len(second.take()) != n {
			t.Errorf("%d and %d of %d", b, c, n)
		}
		onC[0].leave()
		onC[1].leave()
		onC[2].leave()
		settle()
		nodes[0].publish("A", "jobs", "", "x")
		settle()
		if len(onB.take()) != 1 {
			t.Error("those who have left are drawn")
		}
		onA := nodes[0].listen("A", "jobs", "q")
		for range 10 {
			nodes[0].publish("A", "jobs", "", "x")
		}
		settle()
		if len(onA.take()) != 10 || len(onB.take()) != 0 {
			t.Error("a member of the same server is not preferred")
		}
	})
}

// Does an answer find who has subscribed only just before the request, whoever sends by the
// same route at that time?
func TestRequest(t *testing.T) {
	inBubble(t, time.Millisecond, three, func(_ *memnet.Network, nodes []*node) {
		for _, nd := range nodes[1:] {
			acc := nd.Account("A")
			svc := &account.Subscription{Subject: "svc", Queue: "q", Handler: func(m *account.Message) {
				acc.Publish(account.NewMessage(string(m.Reply), []byte("yes")))
			}}
			if err := acc.Subscribe(svc); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				for k := range 50 {
					inbox := fmt.Sprintf("_INBOX.%d.%d", i, k)
					s := nodes[0].listen("A", inbox, "")
					if n := nodes[0].publish("A", "svc", inbox, "?"); n != 1 {
						t.Errorf("the request goes to %d", n)
					}
					time.Sleep(10 * time.Millisecond)
					if got := s.take(); len(got) != 1 {
						t.Errorf("%s got %q", inbox, got)
					}
					s.leave()
				}
			})
		}
		group.Wait()
		settle()
		if left := remotes(nodes[1].Account("A")); !slices.Equal(left, []string{"svc q"}) {
			t.Errorf("left over: %q", left)
		}
	})
}

// Interest that comes and goes is known to the others, and an account that comes later is
// too.
func TestInterest(t *testing.T) {
	inBubble(t, time.Millisecond, three[:2], func(_ *memnet.Network, nodes []*node) {
		a, b := nodes[0], nodes[1]
		want := func(what, acc string, want ...string) {
			t.Helper()
			settle()
			if got := remotes(b.Account(acc)); !slices.Equal(got, want) {
				t.Errorf("%s: %q", what, got)
			}
		}
		first, second := a.listen("A", "x", ""), a.listen("A", "x", "")
		q := a.listen("A", "x", "q")
		want("three", "A", "x ", "x q")
		first.leave()
		want("one less", "A", "x ", "x q")
		second.leave()
		q.leave()
		want("none", "A")
		for range 100 {
			a.listen("A", "y", "").leave()
		}
		want("come and gone", "A")
		a.listen("New", "z", "")
		want("a new account", "New", "z ")
		b.listen("A", "here", "")
		want("what is here already", "A")
		for i := range 1000 {
			a.listen("B", fmt.Sprint("many.", i), "")
		}
		settle()
		if n := len(remotes(b.Account("B"))); n != 1000 {
			t.Errorf("%d of many", n)
		}
	})
}

// Does each account go by its own route if there are several?
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{})
		names := []string{"A", "B", "C", "D", "E", "F"}
		a, b := newNode(t, "a", names...), newNode(t, "b", names...)
		for _, nd := range []*node{a, b} {
			nd.self.PoolSize, nd.self.Accounts = 2, []string{"F"}
			nd.cfg.Self = nd.self
		}
		var near [3]*Route
		for i, slot := range []mesh.Slot{{Index: 0}, {Index: 1}, {Account: "F"}} {
			near[i], _ = join(t, n, a, b, slot)
		}
		subs := make(map[string]*subscriber)
		for _, name := range names {
			subs[name] = b.listen(name, "x", "")
			b.listen(name, "x", "q")
		}
		settle()
		for i, theirs := range []int{near[0].Stats().Theirs, near[1].Stats().Theirs, near[2].Stats().Theirs} {
			if theirs == 0 || i == 2 && theirs != 2 {
				t.Errorf("route %d has %d", i, theirs)
			}
		}
		for _, name := range names {
			if n := a.publish(name, "x", "r", "to "+name); n != 1 {
				t.Errorf("%q goes to %d", name, n)
			}
			settle()
			if got := subs[name].take(); !slices.Equal(got, []string{"x r to " + name}) {
				t.Errorf("%q got %q", name, got)
			}
		}
		a.leave()
		settle()
		if !a.isClean() || !b.isClean() {
			t.Error("something of a route is left")
		}
	})
}

// A message that is forwarded goes to the listeners of one subject, and shows another.
func TestForward(t *testing.T) {
	inBubble(t, 0, three[:2], func(_ *memnet.Network, nodes []*node) {
		s := nodes[1].listen("A", "inbox", "")
		settle()
		for _, tc := range []struct{ to, subject, reply, want string }{
			{"inbox", "stored", "$JS.ACK.S@1.c", "stored $JS.ACK.S@1.c hi"},
			{"inbox", "user@host", "", "user@host  hi"},
			{"inbox", "inbox", "@5@xx", "inbox @5@xx hi"},
			{"inbox", "inbox", "@", "inbox @ hi"},
			{"inbox", "inbox", "+", "inbox + hi"},
		} {
			f := nodes[0].Account("A").NewFanout(account.Config{})
			m := account.NewMessage(tc.subject, []byte("hi"))
			m.Reply = []byte(tc.reply)
			f.Forward(f.Routes([]byte(tc.to)), m)
			f.Flush()
			settle()
			if got := s.take(); !slices.Equal(got, []string{tc.want}) {
				t.Errorf("%q for %q: %q", tc.subject, tc.to, got)
			}
		}
	})
}

// A request to a service of another account, and its answer, cross the accounts on the
// requestor's server.
func TestServiceOverRoute(t *testing.T) {
	inBubble(t, time.Millisecond, three[:2], func(_ *memnet.Network, nodes []*node) {
		for _, nd := range nodes {
			im, err := account.NewServiceImport(nd.Account("A"), "svc", "ask")
			if err != nil {
				t.Fatal(err)
			}
			nd.Account("B").Import(account.Imports{Services: []*account.ServiceImport{im}})
		}
		acc := nodes[1].Account("A")
		svc := &account.Subscription{Subject: "svc", Handler: func(m *account.Message) {
			acc.Publish(account.NewMessage(string(m.Reply), []byte("yes")))
		}}
		if err := acc.Subscribe(svc); err != nil {
			t.Fatal(err)
		}
		settle()
		s := nodes[0].listen("B", "_INBOX.1", "")
		if n := nodes[0].publish("B", "ask", "_INBOX.1", "?"); n != 1 {
			t.Errorf("the request goes to %d", n)
		}
		settle()
		if got := s.take(); !slices.Equal(got, []string{"_INBOX.1  yes"}) {
			t.Errorf("answered with %q", got)
		}
	})
}

// A route that has ended is not woken any more.
func TestNothingFollowsOn(t *testing.T) {
	inBubble(t, 0, three[:2], func(_ *memnet.Network, nodes []*node) {
		for _, r := range nodes[0].open() {
			r.Close(conn.ServerShutdown, "")
			settle()
			before := r.out.woken.Load()
			nodes[0].listen("A", "x", "")
			if r.out.woken.Load() != before {
				t.Error("it follows the account still")
			}
		}
	})
}

// Does encoding a message allocate nothing?
func TestAppendHeadAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	r := &Route{}
	dst := make([]byte, 0, 512)
	for _, h := range []*account.Head{
		{Account: "A", To: []byte("x"), Subject: []byte("x"), Reply: []byte("r"), Queues: []string{"q"}, Size: 5},
		{Account: "A", To: []byte("inbox"), Subject: []byte("x"), Reply: []byte("r"), HeaderLen: 2, Size: 5},
	} {
		if n := testing.AllocsPerRun(100, func() { dst = r.AppendHead(dst[:0], h) }); n != 0 {
			t.Errorf("%q: %v allocations", dst, n)
		}
	}
}

// When a route dies messages go elsewhere, and when it is back everything is as before.
func TestRouteDies(t *testing.T) {
	inBubble(t, time.Millisecond, three, func(n *memnet.Network, nodes []*node) {
		b, c := nodes[1].listen("A", "x", "q"), nodes[2].listen("A", "x", "q")
		plain := nodes[1].listen("A", "x", "")
		settle()
		n.Cut(n.Host("a"), n.Host("b"))
		settle()
		for range 20 {
			nodes[0].publish("A", "x", "", "")
		}
		settle()
		if len(b.take()) != 0 || len(c.take()) != 20 || len(plain.take()) != 0 {
			t.Error("messages are lost with the route")
		}
		if nodes[0].reaches("b") || nodes[1].reaches("a") {
			t.Error("the route is there still")
		}
		join(t, n, nodes[0], nodes[1], mesh.Slot{})
		settle()
		nodes[0].publish("A", "x", "", "")
		settle()
		if len(plain.take()) != 1 {
			t.Error("the new route does not work")
		}
	})
}

// reaches tells whether there is a route to another server.
func (nd *node) reaches(to string) bool {
	nd.mu.Lock()
	defer nd.mu.Unlock()
	for _, name := range nd.routes {
		if name == to {
			return true
		}
	}
	return false
}

// A peer that is silent is noticed, one that answers stays, and one that is suspected has to
// answer soon.
func TestPings(t *testing.T) {
	inBubble(t, time.Millisecond, three[:2], func(n *memnet.Network, nodes []*node) {
		time.Sleep(10 * testPing)
		if !nodes[0].reaches("b") {
			t.Fatal("a route that is quiet is closed")
		}
		for _, r := range nodes[0].open() {
			if rtt := r.Stats().RTT; rtt != 2*time.Millisecond {
				t.Errorf("the round trip is %v", rtt)
			}
			r.Probe(time.Second)
			time.Sleep(2 * time.Second)
			if r.Reason() != conn.None {
				t.Error("one that answers a probe is closed")
			}
		}
		n.Host("b").Pause()
		start := time.Now()
		for nodes[0].reaches("b") {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < testPings*testPing || took > (testPings+1)*testPing+2*lastWords {
			t.Errorf("silence was noticed after %v", took)
		}
		n.Host("b").Resume()
		settle()
		near, _ := join(t, n, nodes[0], nodes[1], mesh.Slot{})
		n.Host("b").Pause()
		near.Probe(time.Second)
		time.Sleep(1500 * time.Millisecond)
		if near.Reason() != conn.StaleConnection {
			t.Error("one that does not answer a probe stays")
		}
		n.Host("b").Resume()
	})
}

// raw is a route to one who can say what he likes.
func raw(t testing.TB, nd *node, slot mesh.Slot) (*Route, net.Conn) {
	t.Helper()
	near, far := connect(t, memnet.New(memnet.Config{}), "raw", nd.self.Name)
	return nd.begin(far, &Meeting{Arrival: mesh.Arrival{Peer: server("raw"), Slot: slot}}), near
}

// What a peer says that is no operation ends the route with a reason, and leaves nothing
// behind.
func TestRubbish(t *testing.T) {
	for _, tc := range []struct {
		says, answer string
		reason       conn.Reason
	}{
		{"rubbish\r\n", "Unknown Protocol Operation", conn.ParseError},
		{"PUB a 0\r\n\r\n", "Unknown Protocol Operation", conn.ParseError},
		{"CONNECT {}\r\n", "Unknown Protocol Operation", conn.ParseError},
		{"LS+ o A x\r\n", "Unknown Protocol Operation", conn.ParseError},
		{"A+ A\r\n", "Unknown Protocol Operation", conn.ParseError},
		{"LMSG o A x 0 0\r\n\r\n", "Unknown Protocol Operation", conn.ParseError},
		{"RS+ A\r\n", "Malformed Arguments", conn.ProtocolViolation},
		{"RS+ A a..b\r\n", "Invalid Subject", conn.ProtocolViolation},
		{"RS+ A a.>.b q 2\r\n", "Invalid Subject", conn.ProtocolViolation},
		{"INFO {]\r\n", "Malformed Arguments", conn.ProtocolViolation},
		{"RMSG A x 2000000\r\n", "Maximum Payload Violation", conn.MaxPayload},
		{"RMSG A x @ 0\r\n\r\n", "Malformed Arguments", conn.ProtocolViolation},
		{"RMSG A x @0@y 0\r\n\r\n", "Malformed Arguments", conn.ProtocolViolation},
		{"RMSG A x @9@y 0\r\n\r\n", "Malformed Arguments", conn.ProtocolViolation},
		{"RMSG A x @-1@y 0\r\n\r\n", "Malformed Arguments", conn.ProtocolViolation},
		{"RS+ A " + strings.Repeat("x", 16*4096) + "\r\n", "maximum control line exceeded", conn.MaxControlLine},
	} {
		inBubble(t, 0, three[:1], func(_ *memnet.Network, nodes []*node) {
			r, peer := raw(t, nodes[0], mesh.Slot{})
			go func() { _, _ = io.WriteString(peer, "RS+ A good\r\nRS+ none x\r\n+OK\r\n-ERR 'x'\r\n"+tc.says) }()
			got, err := io.ReadAll(peer)
			if want := "-ERR '" + tc.answer + "'\r\n"; err != nil || !strings.HasSuffix(string(got), want) {
				t.Errorf("%.40q: %q, %v", tc.says, got, err)
			}
			_ = peer.Close()
			settle()
			if r.Reason() != tc.reason || !nodes[0].isClean() {
				t.Errorf("%.40q: closed for %q", tc.says, r.Reason())
			}
		})
	}
}

// What is said twice, or ends without having begun, does no harm; what is said of servers is
// handed on.
func TestLenience(t *testing.T) {
	inBubble(t, 0, three[:1], func(_ *memnet.Network, nodes []*node) {
		nd := nodes[0]
		r, peer := raw(t, nd, mesh.Slot{})
		_, _ = io.WriteString(peer, "RS- A x\r\nRS+ A x\r\nRS+ A x\r\nRS+ A x q 2\r\nRS+ A x q 0\r\nRS- A y q\r\n"+
			"RMSG none x 0\r\n\r\nINFO {\"server_name\":\"third\"}\r\nPING\r\n")
		settle()
		if got := remotes(nd.Account("A")); !slices.Equal(got, []string{"x ", "x q"}) || r.Reason() != conn.None {
			t.Errorf("%q, %q", got, r.Reason())
		}
		if !slices.Equal(nd.heard, []string{"third"}) {
			t.Errorf("heard of %q", nd.heard)
		}
		nd.publish("A", "x", "r", "hi")
		third := server("third")
		info := InfoOf(&third)
		r.Tell(&info)
		want := "PONG\r\nRMSG A x + r q 2\r\nhi\r\nINFO {\"server_id\":\"ID-third\""
		buf := make([]byte, len(want))
		if _, err := io.ReadFull(peer, buf); err != nil || string(buf) != want {
			t.Errorf("%q, %v", buf, err)
		}
		_ = peer.Close()
	})
}

// Who does not read is cut off, and interest that comes and goes meanwhile costs nothing.
func TestSlowRoute(t *testing.T) {
	inBubble(t, 0, three[:1], func(_ *memnet.Network, nodes []*node) {
		nd := nodes[0]
		r, peer := raw(t, nd, mesh.Slot{})
		_, _ = io.WriteString(peer, "RS+ A x\r\n")
		settle()
		payload := strings.Repeat("x", 1<<20)
		for !r.Behind() {
			nd.publish("A", "x", "", payload)
		}
		before := r.Stats().Pending
		for i := range 1000 {
			nd.listen("A", fmt.Sprint("y.", i), "").leave()
		}
		synctest.Wait()
		if after := r.Stats().Pending; after > before {
			t.Errorf("%d bytes of interest that is over", after-before)
		}
		time.Sleep(20 * time.Second)
		if r.Reason() != conn.SlowConsumerDeadline || !nd.isClean() {
			t.Errorf("closed for %q", r.Reason())
		}
		_ = peer.Close()
	})
}

// FuzzRoute feeds a route with bytes: whatever they are, nothing is left when it has ended.
func FuzzRoute(f *testing.F) {
	for _, s := range []string{
		"RS+ A x\r\nRS+ A x q 3\r\nRMSG A x 2\r\nhi\r\nRS- A x\r\n",
		"HMSG A x | q 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPING\r\n", "RMSG A x + @1@yr q 0\r\n\r\n",
		"INFO {\"server_id\":\"N\"}\r\n", "RS+ x\r\nRMSG a..b 0\r\n\r\n", "RMSG > 0\r\n\r\nRMSG * 0\r\n\r\n", "-ERR 'x'\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, pinned bool) {
		synctest.Test(t, func(t *testing.T) {
			nd := newNode(t, "a", "A", "B")
			nd.cfg.MaxControlLine = 64
			nd.listen("A", ">", "")
			nd.listen("A", "x", "q")
			slot := mesh.Slot{}
			if pinned {
				slot.Account = "A"
			}
			_, peer := raw(t, nd, slot)
			go func() {
				_, _ = peer.Write(in)
				time.Sleep(time.Second)
				_ = peer.Close()
			}()
			_, _ = io.Copy(io.Discard, peer)
			settle()
			settle()
			settle()
			if !nd.isClean() {
				t.Errorf("%q: something of the route is left", in)
			}
		})
	})
}
