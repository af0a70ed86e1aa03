package host

import (
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// asleep waits until no group of any host that is up is awake.
func (c *cluster) asleep() {
	c.t.Helper()
	c.until("all sleep", 100, func() bool {
		for _, nd := range c.up() {
			if nd.host.Stats().Awake > 0 {
				return false
			}
		}
		return true
	})
}

// traffic returns how many messages of groups the hosts have sent.
func (c *cluster) traffic() (n uint64) {
	for _, nd := range c.up() {
		n += nd.host.Stats().MessagesOut
	}
	return n
}

// many makes some groups whose leaders are spread over the nodes.
func (c *cluster) many(n int) {
	c.t.Helper()
	for i := range n {
		id := raft.GroupID(i + 1)
		c.create(id, nil)
		c.nodes[c.ids[i%len(c.ids)]].group(id).Campaign()
		c.run()
		c.elected(id)
	}
	c.asleep()
}

func TestIdleGroupsSayNothing(t *testing.T) {
	c := newCluster(t, 3)
	c.many(30)
	groups := 0
	for _, nd := range c.up() {
		st := nd.host.Stats()
		groups += st.Quiescent
		if st.Leaders != 10 {
			t.Errorf("node %d leads %d of 30", nd.id, st.Leaders)
		}
	}
	if groups != 90 {
		t.Errorf("%d of 90 replicas sleep", groups)
	}
	before, frames := c.traffic(), c.sent[Normal]
	c.tick(100)
	if n := c.traffic() - before; n != 0 {
		t.Errorf("%d messages of groups that have nothing to do", n)
	}
	// Each of the six directions has a heartbeat each three ticks.
	if n := c.sent[Normal] - frames; n < 6*33 || n > 6*34 {
		t.Errorf("%d frames in 100 ticks", n)
	}
	for id := range raft.GroupID(30) {
		c.apply(id+1, "wake up")
	}
	c.asleep()
}

// A host whose groups all sleep wakes for heartbeats only, but for each tick as
// soon as something waits or a node is missed.
func TestSleepingHostSkipsTicks(t *testing.T) {
	c := newCluster(t, 3)
	c.many(3)
	h := c.nodes[1].host
	for n := h.ticks.Load(); n < h.ticks.Load()+6; n++ {
		if to := n + uint64(h.ticksAfter(n)); to <= n || to > n+3 || to%3 != 0 {
			t.Errorf("tick %d is followed by %d", n, to)
		}
	}
	even := h.ticks.Load() / 3 * 3
	leader, _ := c.nodes[1].host.Group(1)
	leader.Propose(Proposal{Data: []byte("wake up"), Done: func(Outcome) {}})
	c.run()
	if n := h.ticksAfter(even); n != 1 {
		t.Errorf("%d ticks at once while a group is awake", n)
	}
	c.asleep()
	c.nodes[3].crash()
	for c.tick(1); c.awakeNode(1) == 0; c.tick(1) {
		if l := h.links.find(3); h.ticks.Load() > l.heard.Load()+6 && l.up.Load() && h.ticksAfter(h.ticks.Load()) != 1 {
			t.Errorf("ticks are skipped while a node is missed for %d ticks", h.ticks.Load()-l.heard.Load())
		}
	}
}

// awakeNode is how many groups of a node do not sleep.
func (c *cluster) awakeNode(id raft.NodeID) int { return c.nodes[id].host.Stats().Awake }

func TestDeadNodeLeavesGroupsAsleep(t *testing.T) {
	c := newCluster(t, 3)
	c.many(30)
	c.nodes[3].crash()
	dead := c.clock.Now()
	c.until("all groups have a leader", 24, func() bool {
		return c.nodes[1].host.Stats().Leaders+c.nodes[2].host.Stats().Leaders == 30
	})
	t.Logf("new leaders after %v", c.clock.Now().Sub(dead))
	c.asleep()
	before := c.traffic()
	c.tick(100)
	if n := c.traffic() - before; n != 0 {
		t.Errorf("%d messages of groups with a dead member that have nothing to do", n)
	}
	for id := range raft.GroupID(30) {
		c.apply(id+1, "x")
	}
	c.asleep()

	// It comes back, and its replicas are brought up to date without anybody
	// asking for it.
	c.nodes[3].start()
	for id := range raft.GroupID(30) {
		c.nodes[3].open(id + 1)
	}
	for id := range raft.GroupID(30) {
		c.same(id + 1)
	}
	c.asleep()
}

func TestWithoutMajorityNobodyStands(t *testing.T) {
	c := newCluster(t, 3)
	c.many(12)
	c.nodes[2].crash()
	c.nodes[3].crash()
	c.tick(12)
	c.asleep()
	st := c.nodes[1].host.Stats()
	if st.Leaders != 0 {
		t.Errorf("it leads %d groups alone", st.Leaders)
	}
	c.tick(100)
	if now := c.nodes[1].host.Stats(); now.Elections != st.Elections || now.MessagesOut != st.MessagesOut {
		t.Errorf("%d elections and %d messages in vain", now.Elections-st.Elections, now.MessagesOut-st.MessagesOut)
	}
	c.nodes[2].start()
	for id := range raft.GroupID(12) {
		c.nodes[2].open(id + 1)
	}
	c.until("leaders again", 50, func() bool {
		return c.nodes[1].host.Stats().Leaders+c.nodes[2].host.Stats().Leaders == 12
	})
	for id := range raft.GroupID(12) {
		c.apply(id+1, "x")
	}
}

// A server that is back before anybody has missed it is noticed by its epoch.
func TestFastRestart(t *testing.T) {
	c := newCluster(t, 3)
	c.many(12)
	c.nodes[1].crash()
	c.nodes[1].start()
	for id := range raft.GroupID(12) {
		c.nodes[1].open(id + 1)
	}
	c.until("all groups have leaders", 40, func() bool {
		n := 0
		for _, nd := range c.up() {
			n += nd.host.Stats().Leaders
		}
		return n == 12
	})
	if got := c.nodes[2].told(EventNodeDown); len(got) != 0 {
		t.Errorf("it was missed: %+v", got)
	}
	for id := range raft.GroupID(12) {
		c.apply(id+1, "x")
		c.same(id + 1)
	}
	c.asleep()
}

func TestLeavingIsNoticedAtOnce(t *testing.T) {
	c := newCluster(t, 3)
	c.many(6)
	c.nodes[1].host.Stop()
	c.run()
	c.tick(1)
	if got := c.nodes[2].told(EventNodeDown); len(got) != 1 || got[0].Node != 1 {
		t.Errorf("events %+v", got)
	}
}

// Frames of an earlier life of a node that come late count for nothing.
func TestFramesOfAnEarlierLife(t *testing.T) {
	c := newCluster(t, 2)
	c.create(1, nil)
	c.tick(5)
	var late []packet
	c.lose = func(p packet) bool {
		if p.from == 1 {
			late = append(late, p)
		}
		return false
	}
	c.tick(2)
	c.lose = nil
	c.nodes[1].crash()
	c.nodes[1].start()
	c.nodes[1].open(1)
	c.tick(5)
	before := c.nodes[2].host.Stats()
	for _, p := range late {
		c.nodes[2].host.Receive(p.from, p.class, p.frame)
	}
	if now := c.nodes[2].host.Stats(); now.DroppedStale != before.DroppedStale+uint64(len(late)) || len(late) == 0 {
		t.Errorf("%d of %d late frames dropped", now.DroppedStale-before.DroppedStale, len(late))
	}
	c.tick(3)
	if got := c.nodes[2].told(EventNodeUp); len(got) != 2 { // the first time, and the new life
		t.Errorf("node 1 came up %d times", len(got))
	}
}

func TestRoundTripTime(t *testing.T) {
	c := newCluster(t, 2)
	c.create(1, nil)
	c.tick(10)
	st := c.nodes[1].host.Stats()
	if len(st.Nodes) != 1 || !st.Nodes[0].Up || st.Nodes[0].Groups != 1 || st.Nodes[0].RTT > testTick || st.Nodes[0].Incarnation != c.nodes[2].log.Incarnation() {
		t.Errorf("%+v", st.Nodes)
	}
}
