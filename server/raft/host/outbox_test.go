package host

import (
	"slices"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// gate is a transport in front of another one that has room for some frames only.
type gate struct {
	Transport
	// shut, if set, says which frames there is no room for.
	shut func(to raft.NodeID, class Class) bool
	// tried are the frames that were to be sent.
	tried []packet
}

func (g *gate) Send(to raft.NodeID, class Class, frame []byte) bool {
	g.tried = append(g.tried, packet{to: to, class: class, frame: frame})
	return (g.shut == nil || !g.shut(to, class)) && g.Transport.Send(to, class, frame)
}

func (g *gate) count(to raft.NodeID, class Class) (n int) {
	for _, p := range g.tried {
		if p.to == to && p.class == class {
			n++
		}
	}
	return n
}

// gated puts a gate in front of a node.
func gated(nd *node) *gate {
	g := &gate{Transport: nd.host.cfg.Transport}
	nd.host.cfg.Transport = g
	return g
}

// What is about entries leaves behind them, in whatever order it was said.
func TestEntriesLeaveFirst(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	g := nd.group(1)
	entries := raft.Message{
		Type: raft.MsgApp, From: nd.peer(), To: c.nodes[2].peer(), Term: 1, Index: 1, LogTerm: 1,
		Entries: []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, 1000)}},
	}
	heartbeat := raft.Message{Type: raft.MsgHeartbeat, From: nd.peer(), To: c.nodes[2].peer(), Term: 1}
	other := heartbeat
	other.To = c.nodes[3].peer()
	for name, tt := range map[string]struct {
		size int
		want []Class // of those to node 2
	}{
		"in a pass":        {1000, []Class{Entries, Normal}},
		"in several frame": {flushBytes / 2, []Class{Entries, Normal, Entries, Normal}},
	} {
		out := gated(nd)
		o := outboxes{host: nd.host}
		for range len(tt.want) / 2 {
			m := entries
			m.Entries = []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, tt.size)}}
			for _, m := range []*raft.Message{&heartbeat, &other, &m, &heartbeat, &m} {
				o.message(g, m)
			}
		}
		o.flush()
		var got []Class
		for _, p := range out.tried {
			if p.to == 2 {
				got = append(got, p.class)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v left, want %v", name, got, tt.want)
		}
		if out.count(3, Normal) != 1 || out.count(3, Entries) != 0 {
			t.Errorf("%s: to another node there are %d and %d frames", name, out.count(3, Normal), out.count(3, Entries))
		}
		nd.host.cfg.Transport = out.Transport
	}
	if len(g.lost) > 0 {
		t.Errorf("%v are said to be lost", g.lost)
	}
}

// A node that there is little room for is not sent what it could not use, costs nobody the
// leader, and gets all there is in the end.
func TestLittleRoomForEntries(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	out, room := gated(nd), 0
	out.shut = func(to raft.NodeID, class Class) bool {
		if to != 3 || class != Entries {
			return false
		}
		room--
		return room < 0
	}
	const total = 10 << 20
	for range total >> 20 {
		for range 10 {
			if err := nd.group(1).Propose(Proposal{Data: make([]byte, 100<<10)}); err != nil {
				t.Fatal(err)
			}
		}
		c.run()
	}
	if nd.group(1).Applied() < 10 {
		t.Error("the others do not go on")
	}
	ticks := 0
	for ; c.nodes[3].group(1).Applied() < nd.group(1).Applied() && ticks < 1000; ticks++ {
		room = 1
		c.tick(1)
	}
	// With room for a frame of 256 KiB a tick it takes some 40.
	if ticks < 20 || ticks > 200 {
		t.Errorf("it has caught up after %d ticks", ticks)
	}
	if n := out.count(3, Entries); n > 4*ticks {
		t.Errorf("%d frames within %d ticks, with room for one in each", n, ticks)
	}
	if c.leader(1) != nd {
		t.Error("leadership has changed")
	}
	c.same(1)
}
