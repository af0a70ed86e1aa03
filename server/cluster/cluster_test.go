package cluster

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/auth"
)

// Does a full mesh come of servers that know one of them?
func TestMeshFromOneSeed(t *testing.T) {
	for _, names := range []string{"a b c", "e d c b a", "a"} {
		inWorld(t, names, func(_ *world, ms []*member) {
			startAll(ms)
			wantMesh(t, ms...)
		})
	}
}

// Does it come of servers whose seed is the last to be there, and of those that know all?
func TestMeshInAnyOrder(t *testing.T) {
	inWorld(t, "a b c", func(_ *world, ms []*member) {
		ms[1].start()
		ms[2].start()
		time.Sleep(30 * time.Second)
		ms[1].wantPeers("")
		if n := len(ms[1].errors()); n < 2 || n > 5 || !ms[1].hasLogged("Error trying to connect to route (attempt 10) at a:6222") {
			t.Errorf("half a minute of failures is %d lines in the log: %q", n, ms[1].errors())
		}
		ms[0].start()
		time.Sleep(5 * time.Second)
		wantMesh(t, ms...)
	})
	inWorld(t, "a b c", func(_ *world, ms []*member) {
		for _, m := range ms {
			m.settings.Routes = []Remote{{Addr: "a:6222"}, {Addr: "b:6222"}, {Addr: "c:6222"}}
		}
		startAll(ms)
		wantMesh(t, ms...)
	})
}

// Is a server that goes noticed by all, and one that comes back under its name let in again?
func TestMemberComesBack(t *testing.T) {
	inWorld(t, "a b c", func(w *world, ms []*member) {
		startAll(ms)
		s := ms[0].listen("A", "x", "")
		for _, m := range ms {
			m.stop()
			settle()
			for _, o := range ms {
				if o != m && strings.Contains(o.peers(), m.self.Name) {
					t.Errorf("%s does not notice that %s has gone", o.self.Name, m.self.Name)
				}
			}
			m.start()
			time.Sleep(5 * time.Second)
			wantMesh(t, ms...)
		}
		// The process dies, and its machine is silent until another one is there.
		w.net.Host("b").Pause()
		begin := time.Now()
		ms[1].stop()
		if took := time.Since(begin); took > 2*lastWords {
			t.Errorf("to take leave of those who do not answer took %v", took)
		}
		w.net.Host("b").Crash()
		w.net.Host("b").Resume()
		ms[1].start()
		time.Sleep(10 * time.Second)
		wantMesh(t, ms...)
		s.leave()
	})
}

// Do two halves that were apart find each other, however long it was?
func TestPartition(t *testing.T) {
	for _, long := range []time.Duration{time.Second, time.Minute, time.Hour} {
		inWorld(t, "a b c d e", func(w *world, ms []*member) {
			startAll(ms)
			host := func(i int) *memnet.Host { return w.net.Host(ms[i].self.Name) }
			w.net.Partition([]*memnet.Host{host(0), host(1)}, []*memnet.Host{host(2), host(3), host(4)})
			time.Sleep(long)
			if long > time.Second {
				ms[0].wantPeers("b")
				ms[2].wantPeers("d e")
			}
			w.net.Heal()
			time.Sleep(2 * time.Minute)
			wantMesh(t, ms...)
		})
	}
}

// Of two with the same name only one gets in, and both are told.
func TestSameName(t *testing.T) {
	inWorld(t, "a b x", func(_ *world, ms []*member) {
		ms[2].settings.Self.Name = "b"
		startAll(ms)
		ms[0].wantPeers("b")
		const text = `Remote server has a duplicate name: "b"`
		if !ms[0].hasLogged(text) || !ms[2].hasLogged(text) && !ms[1].hasLogged(text) {
			t.Error("nobody is told")
		}
	})
}

// Servers of different clusters do not come together; names that were made up give way.
func TestClusterNames(t *testing.T) {
	inWorld(t, "a b", func(_ *world, ms []*member) {
		ms[1].settings.Self.Cluster = "D"
		startAll(ms)
		ms[0].wantPeers("")
		ms[1].wantPeers("")
		if !ms[0].hasLogged(`Rejecting connection, cluster name "D" does not match "C"`) || !ms[1].hasLogged(`cluster name "C" does not match "D"`) {
			t.Errorf("they log %q and %q", ms[0].errors(), ms[1].errors())
		}
	})
	inWorld(t, "a b c d", func(_ *world, ms []*member) {
		for i, m := range ms {
			m.settings.Self.Cluster, m.settings.Self.Dynamic = strings.Repeat("x", i+1), i != 1
		}
		startAll(ms)
		wantMesh(t, ms...)
		for _, m := range ms {
			if name, dynamic := m.cluster.Name(); name != "xx" || dynamic {
				t.Errorf("%s is in %q, made up: %v", m.self.Name, name, dynamic)
			}
		}
	})
}

// Who does not belong there is told so, even if he waits to be spoken to.
func TestStrangers(t *testing.T) {
	for _, tc := range []struct{ what, says, answer string }{
		{"a client", `CONNECT {"lang":"go","verbose":false}` + "\r\nPING\r\n", "attempted to connect to route port"},
		{
			"a stock server", `CONNECT {"name":"N","cluster":"C","headers":true}` + "\r\n" + `INFO {"server_id":"N","server_name":"n","cluster":"C"}` + "\r\n",
			"routes are for nats-lite servers only",
		},
	} {
		for _, waits := range []bool{false, true} {
			inWorld(t, "a", func(w *world, ms []*member) {
				startAll(ms)
				nc := dialContext(w, "other", "a:6222")
				var greeting string
				if waits {
					buf := make([]byte, 4096)
					n, err := nc.Read(buf)
					if greeting = string(buf[:n]); err != nil || !strings.HasPrefix(greeting, "INFO {") || strings.Contains(greeting, "nats_lite") {
						t.Errorf("%s: greeted with %q, %v", tc.what, greeting, err)
					}
				}
				_, _ = io.WriteString(nc, tc.says)
				answer, _ := io.ReadAll(nc)
				_ = nc.Close()
				settle()
				if string(answer) != "-ERR '"+tc.answer+"'\r\n" || !ms[0].hasLogged(tc.answer) {
					t.Errorf("%s: answered with %q, logged %q", tc.what, answer, ms[0].errors())
				}
			})
		}
	}
}

// A stock server that is dialled is told, and it is logged what is wrong.
func TestDialsStockServer(t *testing.T) {
	inWorld(t, "a", func(w *world, ms []*member) {
		l, err := w.net.Host("stock").Listen("tcp", ":6222")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
				_, _ = io.WriteString(nc, `INFO {"server_id":"N","server_name":"n","cluster":"C"}`+"\r\n")
				_, _ = io.Copy(io.Discard, nc)
				_ = nc.Close()
			}
		}()
		ms[0].settings.Routes = []Remote{{Addr: "stock:6222"}}
		startAll(ms)
		if !ms[0].hasLogged("at stock:6222: routes are for nats-lite servers only") {
			t.Errorf("logged %q", ms[0].errors())
		}
		_ = l.Close()
	})
}

// Routes need what is configured: in the address, or else what the server itself asks for.
func TestCredentials(t *testing.T) {
	inWorld(t, "a b c d", func(_ *world, ms []*member) {
		for _, m := range ms {
			m.settings.Username, m.settings.Password = "u", "p"
		}
		ms[2].settings.Routes[0].Username, ms[2].settings.Routes[0].Password = "u", "p"
		ms[3].settings.Routes[0].Username, ms[3].settings.Routes[0].Password = "u", "wrong"
		startAll(ms)
		wantMesh(t, ms[:3]...)
		ms[3].wantPeers("")
		if !ms[0].hasLogged("Authorization Violation") || !ms[3].hasLogged("refused by the other server: Authorization Violation") {
			t.Errorf("they log %q and %q", ms[0].errors(), ms[3].errors())
		}
	})
}

// Two servers whose pools differ use the smaller one, and accounts have a connection of their
// own only if both say so.
func TestPools(t *testing.T) {
	inWorld(t, "a b", func(_ *world, ms []*member) {
		ms[1].settings.Self.PoolSize, ms[1].settings.Self.Accounts = 2, []string{"A"}
		startAll(ms)
		for _, m := range ms {
			if list := m.cluster.Routes(); len(list) != 2 {
				t.Errorf("%s has %d routes: %+v", m.self.Name, len(list), list)
			}
		}
		s := ms[0].listen("B", "x", "")
		settle()
		ms[1].publish("B", "x", "", "hi")
		settle()
		if got := s.take(); len(got) != 1 {
			t.Errorf("got %q", got)
		}
		s.leave()
	})
}

// A server that can not be dialled at the address that it listens at is dialled where it came from.
func TestAddressFromConnection(t *testing.T) {
	inWorld(t, "a b c", func(_ *world, ms []*member) {
		for _, m := range ms {
			m.settings.Self.Addr, m.info.Port = "", 6222
		}
		startAll(ms)
		wantMesh(t, ms...)
	})
}

// What a server says of itself gets to the others, and what it was is forgotten when it goes.
func TestConnectURLs(t *testing.T) {
	inWorld(t, "a b c", func(_ *world, ms []*member) {
		want := func(m *member, urls string) {
			t.Helper()
			settle()
			if got := strings.Join(m.cluster.ConnectURLs(), " "); got != urls {
				t.Errorf("%s knows %q, want %q", m.self.Name, got, urls)
			}
		}
		startAll(ms)
		want(ms[0], "b:4222 c:4222")
		want(ms[2], "a:4222 b:4222")
		before := ms[0].changed()
		info := ms[1].info
		info.ConnectURLs = []string{"B:1", "B:2"}
		ms[1].cluster.SetInfo(info)
		want(ms[0], "B:1 B:2 c:4222")
		if ms[0].changed() == before {
			t.Error("nobody was told")
		}
		info.LameDuck = true
		ms[1].cluster.SetInfo(info)
		want(ms[2], "a:4222")
		ms[1].wantPeers("a c")
		ms[2].stop()
		want(ms[0], "")
	})
}

// Do other settings come into force, without an end to routes that need none?
func TestReconfigure(t *testing.T) {
	inWorld(t, "a b c d", func(_ *world, ms []*member) {
		startAll(ms[:3])
		id := ms[0].cluster.Routes()[0].ID

		// One more to dial.
		ms[3].settings.Routes = nil
		ms[3].start()
		settle()
		s := ms[0].settings
		s.Routes = []Remote{{Addr: "d:6222"}}
		ms[0].cluster.Reconfigure(&s)
		time.Sleep(5 * time.Second)
		wantMesh(t, ms...)
		if got := ms[0].cluster.Routes()[0].ID; got != id {
			t.Errorf("the first route was %d and is %d", id, got)
		}

		// One that is dialled no longer stays.
		s.Routes = nil
		ms[0].cluster.Reconfigure(&s)
		time.Sleep(5 * time.Second)
		wantMesh(t, ms...)

		// Another pool: all is made anew, and the others come back.
		s.Self.PoolSize = 3
		s.Self.Accounts = []string{"B", "C"}
		ms[0].cluster.Reconfigure(&s)
		time.Sleep(40 * time.Second)
		wantMesh(t, ms...)

		// Another password, which only it asks for at first.
		s.Username, s.Password = "u", "p"
		ms[0].cluster.Reconfigure(&s)
		for _, m := range ms[1:] {
			m.settings.Username, m.settings.Password = "u", "p"
			next := m.settings
			m.cluster.Reconfigure(&next)
		}
		time.Sleep(2 * time.Minute)
		wantMesh(t, ms...)
	})
}

// A server that is closed while others come and go leaves nothing, whenever that is.
func TestCloseAtAnyTime(t *testing.T) {
	for i := range 40 {
		inWorld(t, "a b c", func(w *world, ms []*member) {
			for _, m := range ms {
				m.start()
			}
			nc := dialContext(w, "other", "a:6222")
			time.Sleep(time.Duration(i) * 300 * time.Microsecond)
			for _, m := range ms {
				m.stop()
			}
			_ = nc.Close()
		})
	}
}

// Too many that say nothing do not cost more than they may.
func TestTooManyStrangers(t *testing.T) {
	inWorld(t, "a b", func(w *world, ms []*member) {
		ms[0].start()
		for range maxStrangers + 10 {
			nc := dialContext(w, "other", "a:6222")
			defer func() { _ = nc.Close() }()
		}
		settle()
		if n := w.net.Host("a").Conns(); n != maxStrangers {
			t.Errorf("there are %d connections", n)
		}
		time.Sleep(5 * testTimeout)
		ms[1].start()
		time.Sleep(5 * time.Second)
		wantMesh(t, ms...)
	})
}

// Does only pass between servers what both let pass, and what is answered?
func TestPermissions(t *testing.T) {
	gate := func(p *auth.SubjectPermission) *Gate {
		g, err := NewGate(p)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	inWorld(t, "a b", func(_ *world, ms []*member) {
		ms[0].settings.Import = gate(&auth.SubjectPermission{Allow: []string{"in.>", "both"}, Deny: []string{"in.secret", "in.deep.>"}})
		ms[0].settings.Export = gate(&auth.SubjectPermission{Deny: []string{"own.*"}})
		startAll(ms)
		for _, tc := range []struct {
			by                      int // who listens
			listens, queue, publish string
			arrives                 bool
		}{
			{0, "in.a", "", "in.a", true},
			{0, "in.>", "", "in.a", true},
			{0, "in.>", "q", "in.a", true},
			{0, "in.>", "", "in.secret", false},
			{0, "in.>", "q", "in.deep.x", false},
			{0, "in.secret", "", "in.secret", false},
			{0, ">", "", "in.a", false},
			{0, "other", "", "other", false},
			{0, "_R_.x.y", "", "_R_.x.y", true},
			{1, ">", "", "other", true},
			{1, ">", "", "own.a", false},
			{1, ">", "q", "own.a", false},
			{1, ">", "q", "own.a.b", true},
			{1, "own.*", "", "own.a", false},
		} {
			s := ms[tc.by].listen("A", tc.listens, tc.queue)
			settle()
			n := ms[1-tc.by].publish("A", tc.publish, "", "hi")
			settle()
			if got := s.take(); (len(got) == 1) != tc.arrives || tc.by == 1 && (n == 1) != tc.arrives {
				t.Errorf("%+v: %q has arrived, of %d sent", tc, got, n)
			}
			s.leave()
			settle()
		}
		in := ms[1].cluster.Routes()[0]
		if in.Import == nil || len(in.Import.Allow) != 2 || in.Export == nil || len(in.Export.Deny) != 1 {
			t.Errorf("the other end is known to have %+v, %+v", in.Import, in.Export)
		}
	})
}
