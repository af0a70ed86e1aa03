package server_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/internal/testcert"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/transport"
)

// replicated is a configuration with JetStream where all know all, with more in the cluster block.
func replicated(servers int, more string) string {
	var routes []string
	for i := range servers {
		routes = append(routes, fmt.Sprintf("nats-route://10.0.1.%d:6222", i+1))
	}
	return fmt.Sprintf("jetstream { store_dir: STORE }\ncluster { name: C, port: 6222, routes: [%s]\n%s }\n", strings.Join(routes, ", "), more)
}

// add brings in another server.
func (tw *town) add(config string) *site {
	tw.t.Helper()
	s := tw.prepare(len(tw.sites), config)
	tw.sites = append(tw.sites, s)
	s.start()
	return s
}

// wantGroup checks that the servers that are up, and nobody else, are voters of one group of assets, with
// one leader. It returns that.
func (tw *town) wantGroup() (leader *site) {
	tw.t.Helper()
	synctest.Wait()
	up, leads := 0, raft.None
	var conf *raft.ConfState
	for _, s := range tw.sites {
		if s.down {
			continue
		}
		up++
		self, by, own, ok := s.srv.MetaGroup()
		switch {
		case !ok:
			tw.t.Fatalf("%s has no group of assets; it logs\n%s", s.name, s.log())
		case conf == nil:
			conf, leads = &own, by
		}
		if !own.Equal(conf) || by != leads || by == raft.None {
			tw.t.Errorf("%s (%v) follows %v among %+v, another one %v among %+v", s.name, self, by, own, leads, conf)
		}
		if self == by {
			leader = s
		}
	}
	if len(conf.Voters) != up || len(conf.Peers()) != up || leader == nil {
		tw.t.Fatalf("the group is %+v with %v as leader", conf, leader)
	}
	return leader
}

func (tw *town) rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Do servers that are started found one group, and are they the same one when all are started anew?
func TestMeshFoundsAGroup(t *testing.T) {
	for _, servers := range []int{3, 5} {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			mesh(t, servers, replicated(servers, ""), func(tw *town) {
				tw.rest(10 * time.Second)
				tw.wantGroup()
				_, _, before, _ := tw.sites[0].srv.MetaGroup()
				for _, s := range tw.sites {
					s.shutdown()
				}
				for _, s := range tw.sites {
					s.start()
				}
				tw.rest(15 * time.Second)
				tw.wantGroup()
				if _, _, now, _ := tw.sites[0].srv.MetaGroup(); !now.Equal(&before) {
					t.Errorf("%+v became %+v", before, now)
				}
				if log := tw.sites[0].log(); strings.Contains(log, "[ERR]") && strings.Contains(log, "same number") {
					t.Errorf("it complains: %s", log)
				}
			})
		})
	}
}

// Does nobody begin before all are there who are configured, and do others come later, with and without
// what they had?
func TestMeshGrows(t *testing.T) {
	mesh(t, 2, replicated(3, ""), func(tw *town) {
		tw.rest(time.Minute)
		for _, s := range tw.sites {
			if _, _, _, ok := s.srv.MetaGroup(); ok {
				t.Errorf("%s has a group of assets", s.name)
			}
		}
		tw.add(replicated(3, ""))
		tw.rest(15 * time.Second)
		tw.wantGroup()

		fourth := tw.add("jetstream { store_dir: STORE }\n" + named(""))
		tw.rest(30 * time.Second)
		tw.wantGroup()

		// The others are told that the leader goes, and do not wait until it is silent for a while.
		leader := tw.wantGroup()
		gone, _, _, _ := leader.srv.MetaGroup()
		leader.shutdown()
		tw.rest(1500 * time.Millisecond)
		for _, s := range tw.sites {
			if self, by, _, _ := s.srv.MetaGroup(); !s.down && (by == raft.None || by == gone) {
				t.Errorf("%v follows %v", self, by)
			}
		}
		leader.start()
		tw.rest(15 * time.Second)
		tw.wantGroup()

		// Somebody else comes back where the disk is lost.
		was, _, _, _ := fourth.srv.MetaGroup()
		fourth.shutdown()
		if err := os.RemoveAll(fourth.path("store")); err != nil {
			t.Fatal(err)
		}
		fourth.start()
		tw.rest(30 * time.Second)
		tw.wantGroup()
		if now, _, _, _ := fourth.srv.MetaGroup(); now == was || now.Node() != was.Node() {
			t.Errorf("%v became %v", was, now)
		}
	})
}

// Is a server the same node under another name?
func TestMeshRename(t *testing.T) {
	mesh(t, 3, replicated(3, ""), func(tw *town) {
		tw.rest(10 * time.Second)
		third := tw.sites[2]
		was, _, _, _ := third.srv.MetaGroup()
		third.shutdown()
		tw.rest(10 * time.Second)
		third.name = "renamed"
		third.configure(strings.ReplaceAll(replicated(3, ""), "STORE", third.path("store")))
		third.start()
		tw.rest(20 * time.Second)
		leader := tw.wantGroup()
		if now, _, _, _ := third.srv.MetaGroup(); now != was {
			t.Errorf("%v became %v", was, now)
		}
		if log := leader.log(); !strings.Contains(log, "server renamed may have streams") {
			t.Errorf("the leader does not know it: %s", log)
		}
		for _, s := range tw.sites {
			if strings.Contains(s.log(), "same number") {
				t.Errorf("%s takes it for two: %s", s.name, s.log())
			}
		}
	})
}

// A copy of a server's directory is not taken for that server, and an operator is told, once.
func TestMeshCopiedServer(t *testing.T) {
	mesh(t, 3, replicated(3, ""), func(tw *town) {
		tw.rest(10 * time.Second)
		second := tw.sites[1]
		second.shutdown()
		fourth := tw.prepare(3, replicated(3, ""))
		if err := os.CopyFS(fourth.path("store"), os.DirFS(second.path("store"))); err != nil {
			t.Fatal(err)
		}
		second.start()
		tw.rest(10 * time.Second)
		tw.wantGroup()
		fourth.start()
		defer fourth.close()
		tw.rest(time.Minute)
		tw.wantGroup()
		for _, s := range []*site{tw.sites[0], tw.sites[2]} {
			if n := strings.Count(s.log(), `servers "s2" and "s4" have the same number`); n != 1 {
				t.Errorf("%s says so %d times: %s", s.name, n, s.log())
			}
		}
		if !strings.Contains(fourth.log(), `have the same number`) {
			t.Errorf("the copy does not say so: %s", fourth.log())
		}
	})
}

// Raft is encrypted if routes are.
func TestMeshRaftTLS(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "ours")
	cert := ca.Server(t, "10.0.1.1", "10.0.1.2", "10.0.1.3")
	certFile, keyFile := cert.WriteFiles(t, dir)
	block := fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q }", certFile, keyFile, ca.WriteFile(t, dir))
	mesh(t, 3, replicated(3, block), func(tw *town) {
		tw.rest(15 * time.Second)
		tw.wantGroup()
		if err := tw.sites[0].srv.Reload(); err != nil {
			t.Error(err)
		}
		tw.sites[1].shutdown()
		tw.rest(5 * time.Second)
		tw.sites[1].start()
		tw.rest(15 * time.Second)
		tw.wantGroup()
	})
}

// call has a node that is none of the servers connect to the first one, and returns what comes of it.
func (tw *town) call(user, password string) error {
	tw.t.Helper()
	self, _, _, _ := tw.sites[0].srv.MetaGroup()
	book := transport.NewBook()
	if err := book.Set(transport.Peer{Node: self.Node(), Name: "s1", Addr: "10.0.1.1:6222"}); err != nil {
		tw.t.Fatal(err)
	}
	caller, err := transport.New(transport.Config{
		Self: 99, Incarnation: 1, Cluster: "C", Name: "caller", Instance: "I", Book: book, Receive: func(raft.NodeID, host.Class, []byte) {},
		Credentials: func(transport.Peer) (string, string) { return user, password },
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return tw.network.Host("10.0.9.9").DialContext(ctx, network, addr)
		},
	})
	if err != nil {
		tw.t.Fatal(err)
	}
	defer caller.Stop()
	caller.Send(self.Node(), host.Normal, []byte("no frame"))
	tw.rest(time.Second)
	return caller.Stats()[0].Out[host.Normal].Err
}

// Raft takes the passwords that routes take, and those that are in force.
func TestMeshRaftPassword(t *testing.T) {
	auth := func(password string) string {
		return replicated(3, fmt.Sprintf("authorization { user: u, password: %s }", password))
	}
	mesh(t, 3, auth("p"), func(tw *town) {
		tw.rest(10 * time.Second)
		tw.wantGroup()
		stranger := tw.prepare(3, auth("q"))
		stranger.start()
		defer stranger.close()
		tw.rest(30 * time.Second)
		tw.wantGroup()
		if _, _, _, ok := stranger.srv.MetaGroup(); ok {
			t.Error("a server with another password has a group of assets")
		}
		if err := tw.call("u", "p"); err != nil {
			t.Errorf("with the password: %v", err)
		}
		if err := tw.call("u", "q"); err == nil || !strings.Contains(err.Error(), "wants another user or password") {
			t.Errorf("with another one: %v", err)
		}

		for _, s := range tw.sites {
			s.reload(strings.ReplaceAll(auth("new"), "STORE", s.path("store")))
		}
		tw.rest(10 * time.Second)
		if err := tw.call("u", "p"); err == nil {
			t.Error("the password before is in force")
		}
		tw.sites[0].shutdown()
		tw.rest(5 * time.Second)
		tw.sites[0].start()
		tw.rest(15 * time.Second)
		tw.wantGroup()
	})
}

// JetStream can be switched on, and off again, where there is a cluster already.
func TestMeshSwitchesJetStreamOn(t *testing.T) {
	const without = "cluster { name: C, " + routed + " }\n"
	mesh(t, 2, without, func(tw *town) {
		with := func(s *site) string {
			return fmt.Sprintf("jetstream { store_dir: %q }\n%s", filepath.Join(s.dir, "store"), without)
		}
		for _, s := range tw.sites {
			s.reload(with(s))
		}
		tw.rest(15 * time.Second)
		tw.wantGroup()
		second := tw.sites[1]
		second.reload(without)
		tw.rest(15 * time.Second)
		if _, _, _, ok := second.srv.MetaGroup(); ok {
			t.Error("it is still on")
		}
		second.reload(with(second))
		tw.rest(15 * time.Second)
		tw.wantGroup()
	})
}

// Is there one group only where it is switched on everywhere at once?
func TestMeshSwitchesJetStreamOnEverywhere(t *testing.T) {
	const without = "cluster { name: C, " + routed + " }\n"
	mesh(t, 3, without, func(tw *town) {
		for _, a := range tw.sites {
			for _, b := range tw.sites {
				if a != b {
					tw.network.SetLink(a.host, b.host, memnet.Link{Latency: 50 * time.Millisecond})
				}
			}
		}
		var wg sync.WaitGroup
		for _, s := range tw.sites {
			s.configure(fmt.Sprintf("jetstream { store_dir: %q }\n%s", s.path("store"), without))
			wg.Go(func() {
				if err := s.srv.Reload(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		tw.rest(30 * time.Second)
		tw.wantGroup()
	})
}
