package transport

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

func TestBook(t *testing.T) {
	b := NewBook()
	var told []raft.NodeID
	stop := b.watch(func(node raft.NodeID) {
		if p, ok := b.Find(node); ok != (node != 5) || p.Node != node && ok {
			t.Errorf("told of node %d, which is found as %+v, %v", node, p, ok)
		}
		told = append(told, node)
	})
	for _, tt := range []struct {
		peer Peer
		want string
	}{
		{Peer{7, "seven", "a:1"}, ""},
		{Peer{3, "three", "b:1"}, ""},
		{Peer{7, "seven", "a:1"}, ""},
		{Peer{7, "seven", "c:1"}, ""},
		{Peer{0, "zero", "a:1"}, "node 0"},
		{Peer{8, "", "a:1"}, `node 8: "" is not the name`},
		{Peer{8, "eight or so", "a:1"}, `node 8: "eight or so" is not the name`},
		{Peer{8, strings.Repeat("x", MaxName+1), "a:1"}, `x" is not the name`},
		{Peer{8, "eight", ""}, `server "eight" has no address`},
		{Peer{7, "sept", "d:1"}, `"seven" and "sept" have names that make the same number, 7`},
	} {
		err := b.Set(tt.peer)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Set(%+v): %v, want %q", tt.peer, err, tt.want)
		}
		if number := (*NumberError)(nil); errors.As(err, &number) != strings.Contains(tt.want, "number") {
			t.Errorf("Set(%+v): an error of type %T", tt.peer, err)
		}
	}
	b.Remove(5)
	stop()
	b.Remove(7)
	if err := b.Set(Peer{7, "sept", "d:1"}); err != nil {
		t.Errorf("a number cannot be given to another name: %v", err)
	}
	if want := []raft.NodeID{7, 3, 7, 5}; !slices.Equal(told, want) {
		t.Errorf("told of %d, want %d", told, want)
	}
	if got, want := b.Peers(), []Peer{{3, "three", "b:1"}, {7, "sept", "d:1"}}; !slices.Equal(got, want) {
		t.Errorf("the book has %+v, want %+v", got, want)
	}
	if _, ok := b.Find(8); ok {
		t.Error("a node is found that was refused")
	}
	for i := 1; ; i++ {
		err := b.Set(Peer{raft.NodeID(100 + i), fmt.Sprint("s", i), "a:1"})
		if err != nil {
			if i != MaxPeers-2+1 {
				t.Errorf("%d more: %v", i, err)
			}
			break
		}
	}
	if err := b.Set(Peer{3, "three", "e:1"}); err != nil {
		t.Errorf("a full book cannot be changed: %v", err)
	}
}

// A node that becomes known, is forgotten and comes back, while frames are sent to it all
// the time.
func TestNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got, log := newTCPNetwork(t, Limits{}), newInbox(), &journal{}
		n.book = NewBook()
		c := n.config(1, nobody)
		c.Logf = log.printf
		one := n.startConfig(c)
		defer one.Stop()
		two := n.start(2, got.receive)
		defer two.Stop()
		beat := func(want bool) {
			t.Helper()
			got.clear()
			sent := false
			for range 50 {
				sent = one.Send(2, host.Normal, []byte("x"))
				time.Sleep(100 * time.Millisecond)
			}
			if arrived := len(got.from(1, host.Normal)) > 0; sent != want || arrived != want {
				t.Errorf("sent: %v, arrived: %v, want %v", sent, arrived, want)
			}
		}
		beat(false)
		if len(*one.peers.Load()) > 0 || len(one.Stats()) > 0 || len(log.matching()) > 0 {
			t.Errorf("a node that is not known has cost something: %+v, %q", one.Stats(), log.matching())
		}
		put(n.book, 2, addrOf(2))
		put(n.book, 3, addrOf(3))
		beat(true)
		if _, ok := (*one.peers.Load())[3]; ok {
			t.Error("a node has lanes to which nothing was sent")
		}
		if s := statsOf(one, 3); s.Name != "n3" || s.Addr != addrOf(3) {
			t.Errorf("of a known node: %+v", s)
		}
		n.book.Remove(2)
		beat(false)
		put(n.book, 2, addrOf(2))
		beat(true)
		// Its old address is taken over by nobody, and it is found elsewhere.
		n.net.SetLink(n.host(1), n.host(2), memnet.Link{Latency: time.Hour})
		l, err := n.net.Host("moved").Listen("tcp", ":7000")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		listen(two.(*listening).TCP, l)
		put(n.book, 2, "moved:7000")
		beat(true)
	})
}

func TestSendToAnUnknownNodeAllocatesNothing(t *testing.T) {
	tr, err := New(Config{Self: 1, Cluster: "c", Name: "n1", Instance: "i", Receive: nobody, Book: NewBook(), Dial: newTCPNetwork(t, Limits{}).host(1).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Stop()
	frame := []byte("x")
	if allocs := testing.AllocsPerRun(100, func() { tr.Send(9, host.Normal, frame) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
