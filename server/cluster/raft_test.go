package cluster

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/testcert"
	"github.com/nats-lite/nats-lite/server/proto"
)

// What begins as a connection of raft goes to raft as it came, or nowhere.
func TestRaftShares(t *testing.T) {
	inWorld(t, "a b", func(w *world, ms []*member) {
		got := make(chan net.Conn, 1)
		var read string
		ms[0].raft = func(nc net.Conn, first []byte) { read = string(first); got <- nc }
		startAll(ms)
		const hello, more = "\x8eNLRAFT\n", " and more"
		nc := dialContext(w, "other", "a:6222")
		_, _ = io.WriteString(nc, hello)
		taken := <-got
		time.Sleep(10 * testTimeout) // which has no end any more
		_, _ = io.WriteString(nc, more)
		buf := make([]byte, len(more))
		if _, err := io.ReadFull(taken, buf); err != nil || read+string(buf) != hello+more {
			t.Errorf("raft reads %q, %q, %v", read, buf, err)
		}
		_, _ = taken.Close(), nc.Close()

		nc = dialContext(w, "other", "b:6222")
		_, _ = io.WriteString(nc, hello)
		if answer, _ := io.ReadAll(nc); len(answer) != 0 || !ms[1].hasLogged(ErrNoRaft.Error()) {
			t.Errorf("without raft the answer is %q", answer)
		}
		_ = nc.Close()
	})
}

// Raft shows the same certificates and passwords as routes do, also where it dials another
// address than the configured one, and those that are in force.
func TestRaftDials(t *testing.T) {
	ca := testcert.NewCA(t, "ours")
	certified := func(host string) *TLS {
		cert := ca.Server(t, host).TLS()
		return &TLS{
			Accept:  &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()},
			Dial:    &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: ca.Pool()},
			Timeout: testTimeout,
		}
	}
	inWorld(t, "a b", func(w *world, ms []*member) {
		took := make(chan net.Conn, 1)
		for _, m := range ms {
			m.settings.TLS = certified(m.self.Name)
			m.settings.Username, m.settings.Password = "u-"+m.self.Name, "p"
			m.raft = func(nc net.Conn, _ []byte) { took <- nc }
		}
		a, b := ms[0], ms[1]
		b.settings.Routes = nil
		a.settings.Routes = []Remote{{Addr: "c:6222"}, {Addr: "b:6222", Username: "u-b", Password: "p"}}
		startAll(ms)
		wantMesh(t, ms...)

		if user, password := a.cluster.RaftCredentials("b", "10.0.0.2:6222"); user != "u-b" || password != "p" {
			t.Errorf("it shows %q, %q", user, password)
		}
		if user, _ := a.cluster.RaftCredentials("c", "c:6222"); user != "u-a" {
			t.Errorf("to others it shows %q", user)
		}
		if name := a.cluster.certifiedAs(a.cluster.inForce(), "b", "10.0.0.2:6222"); name != "b" {
			t.Errorf("its certificate has to be for %s", name)
		}
		if !b.cluster.AdmitsRaft("u-b", "p") || b.cluster.AdmitsRaft("u-b", "q") || b.cluster.AdmitsRaft("", "") {
			t.Error("others are admitted than should be")
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
		defer cancel()
		nc, err := a.cluster.DialRaft(ctx, "b", "b:6222")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, "\x8e")
		taken := <-took
		_, _ = taken.Close(), nc.Close()
		if nc, err := a.cluster.DialRaft(ctx, "x", "other:6222"); err == nil {
			t.Error("somebody is there who is not")
			_ = nc.Close()
		}

		s := b.settings
		s.Username, s.Password = "new", "p"
		b.cluster.Reconfigure(&s)
		settle()
		if !b.cluster.AdmitsRaft("new", "p") || b.cluster.AdmitsRaft("u-b", "p") {
			t.Error("the password before is in force")
		}
	})
}

// It is known whether somebody is there at each configured address, and it is told when that
// changes.
func TestSight(t *testing.T) {
	inWorld(t, "a b c", func(_ *world, ms []*member) {
		for _, m := range ms {
			m.settings.Routes = nil
			for _, other := range ms {
				m.settings.Routes = append(m.settings.Routes, Remote{Addr: other.self.Addr}) // its own among them
			}
		}
		want := func(m *member, peers int, complete bool) {
			t.Helper()
			if list, ok := m.cluster.Sight(); len(list) != peers || ok != complete {
				t.Errorf("%s sees %v, complete: %v", m.self.Name, list, ok)
			}
		}
		ms[0].start()
		ms[1].start()
		time.Sleep(10 * time.Second)
		want(ms[0], 1, false)
		before := ms[0].changed()
		ms[2].start()
		time.Sleep(10 * time.Second)
		for _, m := range ms {
			want(m, 2, true)
		}
		if ms[0].changed() == before {
			t.Error("it is not told")
		}
		ms[2].stop()
		settle()
		want(ms[0], 1, false)
		ms[2].start()
		time.Sleep(10 * time.Second)
		want(ms[0], 2, true)

		s := ms[0].settings
		s.Routes = append(s.Routes, Remote{Addr: "d:6222"})
		before = ms[0].changed()
		ms[0].cluster.Reconfigure(&s)
		settle()
		want(ms[0], 2, false)
		if ms[0].changed() == before {
			t.Error("it is not told")
		}
	})
}

// A server tells which node it is, also if it becomes one while others are on their way to it.
func TestNodeIsTold(t *testing.T) {
	for wait := range 20 * time.Millisecond / half {
		inWorld(t, "a b", func(_ *world, ms []*member) {
			ms[0].start()
			ms[1].start()
			time.Sleep(wait * half)
			for i, m := range ms {
				m.info.RaftNode = uint32(7 + i)
				m.cluster.SetInfo(m.info)
			}
			time.Sleep(5 * time.Second)
			for i, m := range ms {
				if peers := m.cluster.Peers(); len(peers) != 1 || peers[0].Node != uint32(8-i) {
					t.Errorf("after %v %s sees %+v", wait*half, m.self.Name, peers)
				}
			}
			ms[0].cluster.SetInfo(proto.RouteInfo{})
			settle()
			if peers := ms[1].cluster.Peers(); len(peers) != 1 || peers[0].Node != 0 {
				t.Errorf("it is %+v still", peers)
			}
		})
	}
}

// half is that of the latency.
const half = time.Millisecond / 2

// Who raft does not hear is let go of before long, unless it shows that it is there.
func TestSuspect(t *testing.T) {
	inWorld(t, "a b c", func(w *world, ms []*member) {
		for i, m := range ms {
			m.info.RaftNode = uint32(i + 1)
		}
		startAll(ms)
		wantMesh(t, ms...)
		ms[0].cluster.Suspect(2)
		ms[0].cluster.Suspect(9) // whoever that is
		time.Sleep(2 * suspectTimeout)
		wantMesh(t, ms...)
		a, b := w.net.Host("a"), w.net.Host("b")
		w.net.Block(a, b)
		w.net.Block(b, a)
		ms[0].cluster.Suspect(2)
		time.Sleep(suspectTimeout + time.Second)
		ms[0].wantPeers("c")
		if routes := ms[0].cluster.Routes(); len(routes) != 4 {
			t.Errorf("%d routes are left", len(routes))
		}
		w.net.Heal()
		time.Sleep(2 * time.Minute)
		wantMesh(t, ms...)
	})
}
