package server_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server"
	"github.com/nats-lite/nats-lite/server/options"
)

// The tests in mesh_*_test.go are scripts as those in protocol_*_test.go, with several servers.

// town is some servers that are to be one system.
type town struct {
	t       *testing.T
	network *memnet.Network
	sites   []*site
}

// mesh runs f with servers of the same configuration, in which INDEX is the number of
// each and STORE a directory of its own, that are together. Their hosts are 10.0.1.1, 10.0.1.2 and so on; the first is known to all.
func mesh(t *testing.T, servers int, config string, f func(tw *town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tw := &town{t: t, network: memnet.New(memnet.Config{})}
		for i := range servers {
			tw.sites = append(tw.sites, tw.prepare(i, config))
		}
		for _, s := range tw.sites {
			s.start()
		}
		defer tw.close()
		tw.settle()
		f(tw)
	})
}

// close ends all connections and stops the servers.
func (tw *town) close() {
	for _, s := range tw.sites {
		for _, p := range s.peers {
			p.nc.Close()
		}
	}
	synctest.Wait()
	for _, s := range tw.sites {
		if !s.down {
			s.shutdown()
		}
	}
	for _, s := range tw.sites {
		s.close()
	}
}

// prepare makes the place of a server.
func (tw *town) prepare(i int, config string) *site {
	s := &site{t: tw.t, dir: tw.t.TempDir(), name: fmt.Sprintf("s%d", i+1)}
	s.host, s.away = tw.network.Host(fmt.Sprintf("10.0.1.%d", i+1)), tw.network.Host("10.0.9.9")
	s.configure(strings.NewReplacer("INDEX", fmt.Sprint(i+1), "STORE", s.path("store")).Replace(config))
	return s
}

// routed is the part of a cluster block that all have.
const routed = `port: 6222, routes: ["nats-route://10.0.1.1:6222"]`

// named is a cluster block with more in it.
func named(more string) string { return "cluster { name: C, " + routed + "\n" + more + " }\n" }

// start starts the server, or starts it anew.
func (s *site) start() {
	s.t.Helper()
	opts, _, err := options.FromFile(s.path("conf"), func(o *options.Options) {
		o.Host, o.Cluster.Host = s.host.Name(), s.host.Name()
		o.Log.File = s.path("log")
		o.Log.Time = false
		o.Log.Debug = true
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.srv, err = server.New(opts, server.WithListen(s.host.Listen), server.WithDial(s.host.DialContext), server.WithClock(clock.Real()))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.srv.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.down = false
}

// settle lets pass what time it takes until all is as it should be.
func (tw *town) settle() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}
