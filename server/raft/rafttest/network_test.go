package rafttest_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/transport"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// networked is three hosts on TCP transports over a network in memory.
type networked struct {
	t     *testing.T
	net   *memnet.Network
	nodes []*networkedNode
}

type networkedNode struct {
	id     raft.NodeID
	at     *memnet.Host
	log    *wal.Log
	host   *host.Host
	tcp    *transport.TCP
	groups map[raft.GroupID]*host.Group
	stop   func()
}

func newNetworked(t *testing.T, link memnet.Link) *networked {
	n := &networked{t: t, net: memnet.New(memnet.Config{Seed: 1, Link: link, Buffer: 256 << 10})}
	book := transport.NewBook()
	for id := raft.NodeID(1); id <= 3; id++ {
		name := fmt.Sprint("n", id)
		fs := vfs.NewMem()
		nd := &networkedNode{id: id, at: n.net.Host(name), groups: make(map[raft.GroupID]*host.Group)}
		n.nodes = append(n.nodes, nd)
		var err error
		if nd.log, err = wal.Open(wal.Config{FS: fs, Dir: "wal", Clock: clock.Real(), Incarnation: func() uint32 { return uint32(id) }}); err != nil {
			t.Fatal(err)
		}
		if err := book.Set(transport.Peer{Node: id, Name: name, Addr: name + ":6222"}); err != nil {
			t.Fatal(err)
		}
		nd.tcp, err = transport.New(transport.Config{
			Self: id, Incarnation: uint32(id), Cluster: "east", Name: name, Instance: "one", Book: book, Dial: nd.at.DialContext, Seed: uint64(id),
			Receive: func(from raft.NodeID, class host.Class, frame []byte) { nd.host.Receive(from, class, frame) },
		})
		if err != nil {
			t.Fatal(err)
		}
		nd.host, err = host.New(host.Config{
			Node: id, Log: nd.log, Transport: nd.tcp, Clock: clock.Real(), FS: fs, Dir: "images", Seed: uint64(id), Workers: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := nd.at.Listen("tcp", ":6222")
		if err != nil {
			t.Fatal(err)
		}
		nd.log.Start()
		nd.host.Start()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return // it is closed
				}
				nd.tcp.Accept(conn, nil)
			}
		}()
		nd.stop = func() {
			l.Close()
			nd.tcp.Stop()
			nd.host.Stop()
			if err := nd.log.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	return n
}

// create makes a group that the first node leads.
func (n *networked) create(id raft.GroupID) *host.Group {
	n.t.Helper()
	var peers []raft.PeerID
	for _, nd := range n.nodes {
		peers = append(peers, raft.MakePeerID(nd.id, nd.log.Incarnation()))
	}
	for _, nd := range n.nodes {
		g, err := nd.host.Create(host.GroupConfig{ID: id, Machine: &counter{}, Peers: peers, Campaign: nd.id == 1})
		if err != nil {
			n.t.Fatal(err)
		}
		nd.groups[id] = g
	}
	for range 100 {
		if g := n.nodes[0].groups[id]; g.Leading() {
			return g
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.t.Fatalf("node 1 does not lead group %d", id)
	return nil
}

func (n *networked) stop() {
	for _, nd := range n.nodes {
		nd.stop()
	}
}

// flood proposes to a group as much as it takes, until stop is closed, and waits for what
// becomes of it.
func flood(t *testing.T, g *host.Group, stop <-chan struct{}) {
	const window = 64
	free := make(chan struct{}, window)
	for {
		select {
		case <-stop:
			for range window {
				free <- struct{}{}
			}
			return
		case free <- struct{}{}:
		}
		err := g.Propose(host.Proposal{Data: make([]byte, 32<<10), Done: func(o host.Outcome) {
			if o.Fate != host.Applied {
				t.Errorf("group %d: a proposal has come to %v", g.ID(), o)
			}
			<-free
		}})
		if err != nil {
			<-free
			if !errors.Is(err, host.ErrOverloaded) {
				t.Errorf("group %d: %v", g.ID(), err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// ping proposes to a group for a time, one after the other, and returns how long the
// slowest took to be applied.
func (n *networked) ping(g *host.Group, length time.Duration) (worst time.Duration) {
	n.t.Helper()
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		begun, done := time.Now(), make(chan host.Outcome, 1)
		if err := g.Propose(host.Proposal{Data: []byte("x"), Done: func(o host.Outcome) { done <- o }}); err != nil {
			n.t.Fatal(err)
		}
		if o := <-done; o.Fate != host.Applied {
			n.t.Errorf("a proposal of group %d has come to %v", g.ID(), o)
		}
		worst = max(worst, time.Since(begun))
	}
	return worst
}

// Groups that have more to replicate than the network carries cost no group its leader,
// hold up a group with little to say for a short time only, and use what there is.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bandwidth, length = 2 << 20, 6 * time.Second
		n := newNetworked(t, memnet.Link{Latency: 500 * time.Microsecond, Bandwidth: bandwidth})
		defer n.stop()
		quiet := n.create(1)
		var floods []*host.Group
		for id := raft.GroupID(2); id <= 9; id++ {
			floods = append(floods, n.create(id))
		}
		time.Sleep(time.Second)
		var before []host.Stats
		for _, nd := range n.nodes {
			before = append(before, nd.host.Stats())
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for _, g := range floods {
			wg.Go(func() { flood(t, g, stop) })
		}
		if worst := n.ping(quiet, length); worst > 3*time.Second {
			t.Errorf("the quiet group waited for %v", worst)
		}
		for i, nd := range n.nodes {
			after := nd.host.Stats()
			if stood, changed := after.Elections-before[i].Elections, after.LeaderChanges-before[i].LeaderChanges; stood > 0 || changed > 0 {
				t.Errorf("node %d: %d elections, %d changes of leaders", nd.id, stood, changed)
			}
			if i == 0 {
				continue
			}
			if got, most := after.BytesIn-before[i].BytesIn, uint64(bandwidth*length/time.Second); got < most*8/10 {
				t.Errorf("node %d has received %d bytes, and could have received %d", nd.id, got, most)
			}
		}
		close(stop)
		wg.Wait()
	})
}

// A server that cannot be heard, or cannot hear, or neither, while there is much to
// replicate: the others do not notice but for its silence, what waits for it is bounded,
// and it has all soon after it is back.
func TestFloodWithoutOne(t *testing.T) {
	for name, cut := range map[string]func(n *memnet.Network, others [2]*memnet.Host, third *memnet.Host) (heal func()){
		"gone": func(_ *memnet.Network, _ [2]*memnet.Host, third *memnet.Host) func() {
			third.Pause()
			return third.Resume
		},
		"deaf": func(n *memnet.Network, others [2]*memnet.Host, third *memnet.Host) func() {
			n.Block(others[0], third)
			n.Block(others[1], third)
			return func() { n.Unblock(others[0], third); n.Unblock(others[1], third) }
		},
		"mute": func(n *memnet.Network, others [2]*memnet.Host, third *memnet.Host) func() {
			n.Block(third, others[0])
			n.Block(third, others[1])
			return func() { n.Unblock(third, others[0]); n.Unblock(third, others[1]) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetworked(t, memnet.Link{Latency: 500 * time.Microsecond, Bandwidth: 2 << 20})
				defer n.stop()
				quiet := n.create(1)
				var groups []*host.Group
				for id := raft.GroupID(2); id <= 5; id++ {
					groups = append(groups, n.create(id))
				}
				time.Sleep(time.Second)
				before := n.nodes[0].host.Stats()
				stop := make(chan struct{})
				var wg sync.WaitGroup
				for _, g := range groups {
					wg.Go(func() { flood(t, g, stop) })
				}
				n.ping(quiet, time.Second)
				heal := cut(n.net, [2]*memnet.Host{n.nodes[0].at, n.nodes[1].at}, n.nodes[2].at)
				most := 0
				for range 10 {
					if worst := n.ping(quiet, 500*time.Millisecond); worst > 3*time.Second {
						t.Errorf("the quiet group waited for %v", worst)
					}
					for _, s := range n.nodes[0].tcp.Stats() {
						if s.Node == 3 {
							most = max(most, s.Out[host.Normal].QueuedBytes)
						}
					}
				}
				if most > 8<<20 {
					t.Errorf("%d bytes wait for the one that is cut off", most)
				}
				close(stop)
				wg.Wait()
				heal()
				last := make(map[raft.GroupID]raft.Index)
				for id, g := range n.nodes[0].groups {
					last[id] = g.Applied()
				}
				begun := time.Now()
				for id, want := range last {
					for n.nodes[2].groups[id].Applied() < want {
						if time.Since(begun) > 30*time.Second {
							t.Fatalf("group %d is at %d of %d after half a minute", id, n.nodes[2].groups[id].Applied(), want)
						}
						time.Sleep(10 * time.Millisecond)
					}
				}
				after := n.nodes[0].host.Stats()
				if after.LeaderChanges > before.LeaderChanges || after.Elections > before.Elections {
					t.Errorf("%d changes of leaders, %d elections", after.LeaderChanges-before.LeaderChanges, after.Elections-before.Elections)
				}
				for id, g := range n.nodes[0].groups {
					if !g.Leading() {
						t.Errorf("group %d has another leader", id)
					}
				}
			})
		})
	}
}
