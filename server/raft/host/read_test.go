package host

import (
	"errors"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// A read waits until the machine has come to its index.
func TestReadWaitsForTheMachine(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	c.apply(1, "a")
	g := c.nodes[1].group(1)
	next := g.Applied() + 1
	var seen raft.Index
	g.apply.post(task{reads: []read{{index: next, dones: []func(raft.Index, error){func(_ raft.Index, err error) {
		if seen = c.nodes[1].machines[1].state.At.Base.Index; err != nil {
			t.Error(err)
		}
	}}}}})
	c.run()
	if seen != 0 {
		t.Errorf("a read at %d was answered at %d", next, seen)
	}
	c.apply(1, "b")
	if seen < next {
		t.Errorf("a read at %d was answered at %d", next, seen)
	}
}

// A leader that has been replaced without knowing it does not answer reads.
func TestReadOfADeposedLeader(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	old := c.elect(1, 1)
	c.tick(2)
	for _, n := range []raft.NodeID{2, 3} {
		c.cut[[2]raft.NodeID{1, n}], c.cut[[2]raft.NodeID{n, 1}] = true, true
	}
	var errs []error
	old.group(1).ReadIndex(func(_ raft.Index, err error) { errs = append(errs, err) })
	c.until("another leader", 60, func() bool { return c.nodes[2].group(1).Leading() || c.nodes[3].group(1).Leading() })
	clear(c.cut)
	c.until("the read is answered", 60, func() bool { return len(errs) > 0 })
	if len(errs) != 1 || !errors.Is(errs[0], ErrReadLost) {
		t.Errorf("answered %v", errs)
	}
}
