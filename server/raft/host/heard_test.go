package host

import "testing"

// A host tells who is up, and for how long it has not heard the others.
func TestHeardNodes(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, "x")
	h := c.nodes[1].host
	if up, silent := h.Heard(1); !up || silent != 0 {
		t.Errorf("of itself it says %v, %v", up, silent)
	}
	if up, silent := h.Heard(9); up || silent != 0 {
		t.Errorf("of a stranger it says %v, %v", up, silent)
	}
	if up, silent := h.Heard(2); !up || silent > 20*testTick {
		t.Errorf("of a node that is up it says %v, %v", up, silent)
	}
	c.nodes[2].crash()
	c.tick(50)
	if up, silent := h.Heard(2); up || silent < 49*testTick || silent > 80*testTick {
		t.Errorf("of a node that is down it says %v, %v", up, silent)
	}
}

// Whoever asks learns at any time how far a group is, and how far the replica.
func TestToldIndex(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.apply(1, "x")
	c.tick(10)
	for _, nd := range c.up() {
		g := nd.group(1)
		if g.Told() == 0 || g.Told() != g.Applied() || g.Told() != g.Status().Told {
			t.Errorf("node %d knows of %d and has applied %d: %+v", nd.id, g.Told(), g.Applied(), g.Status())
		}
	}
}

// A replica tells since when there is the leader that there is, also after it is lost.
func TestLeaderSince(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	if at := c.nodes[1].group(1).LeaderSince(); !at.IsZero() {
		t.Errorf("there was a leader at %v", at)
	}
	c.elect(1, 1)
	c.tick(1)
	first := c.nodes[2].group(1).Status().LeaderSince
	if first.IsZero() || c.clock.Now().Sub(first) > 20*testTick {
		t.Errorf("it leads since %v, now is %v", first, c.clock.Now())
	}
	c.tick(30)
	if at := c.nodes[2].group(1).Status().LeaderSince; !at.Equal(first) {
		t.Errorf("since %v, and before %v", at, first)
	}
	c.nodes[1].crash()
	c.nodes[3].crash()
	c.until("nobody leads", 200, func() bool { leader, _ := c.nodes[2].group(1).Leader(); return leader == 0 })
	if st := c.nodes[2].group(1).Status(); !st.LeaderSince.Equal(first) || st.Leader != 0 {
		t.Errorf("%v since %v", st.Leader, st.LeaderSince)
	}
}
