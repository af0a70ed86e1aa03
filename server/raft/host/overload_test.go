package host

import (
	"errors"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

func TestBudgets(t *testing.T) {
	const each = 1000 + proposalOverhead
	for name, tt := range map[string]struct {
		edit func(*Config)
		want int
	}{
		"of the group": {func(c *Config) { c.MaxGroupBytes = 10 * each }, 10},
		"of the host":  {func(c *Config) { c.MaxHostBytes = 5 * each }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 1)
			c.create(1, nil)
			nd := c.nodes[1]
			tt.edit(&nd.host.cfg)
			nd.stuck = true
			n := 0
			var err error
			for ; err == nil && n < 100; n++ {
				err = nd.group(1).Propose(Proposal{Data: make([]byte, 1000)})
			}
			if n-1 != tt.want || !errors.Is(err, ErrOverloaded) {
				t.Errorf("%d taken, then %v", n-1, err)
			}
			nd.stuck = false
			c.run()
			c.apply(1, "x")
			if st := nd.host.Stats(); st.PendingBytes != 0 || st.Overloaded != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestProposalTooLarge(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	c.nodes[1].host.cfg.MaxProposalBytes = 100
	if err := c.nodes[1].group(1).Propose(Proposal{Data: make([]byte, 101)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	c.apply(1, string(make([]byte, 100)))
}

// While the log is behind, nothing new comes in, neither from clients nor from
// leaders, and the group keeps its leader.
func TestBusyLog(t *testing.T) {
	c := newCluster(t, 3)
	c.edit = func(cfg *Config) { cfg.MaxLogBytes = 20 << 10 }
	for _, nd := range c.up() {
		nd.crash()
		nd.wipe()
		nd.start()
	}
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(3)
	follower := c.nodes[3]
	follower.stuck = true
	for range 30 {
		c.apply(1, string(make([]byte, 10<<10)))
	}
	if n := follower.log.Pending(); n > 60<<10 {
		t.Errorf("%d bytes wait to be written", n)
	}
	if st := follower.host.Stats(); st.DroppedLogBusy == 0 {
		t.Errorf("%+v", st)
	}
	c.tick(50)
	if c.leader(1) != nd {
		t.Error("leadership has changed")
	}
	follower.stuck = false
	c.same(1)

	nd.stuck = true
	var err error
	for n := 0; err == nil && n < 10; n++ {
		err = nd.group(1).Propose(Proposal{Data: make([]byte, 10<<10)})
		nd.host.Poll()
	}
	if !errors.Is(err, ErrOverloaded) {
		t.Errorf("proposing to a busy log: %v", err)
	}
	nd.stuck = false
	c.same(1)
}

// What comes faster than the group takes it is bounded.
func TestInboxIsBounded(t *testing.T) {
	c := newCluster(t, 2)
	c.create(1, nil)
	c.elect(1, 1)
	nd := c.nodes[2]
	nd.host.cfg.MaxInboxBytes = 50 << 10
	m := raft.Message{
		Type: raft.MsgApp, From: c.nodes[1].peer(), To: nd.peer(), Term: 1, Index: 1, LogTerm: 1,
		Entries: []raft.Entry{{Index: 2, Term: 1, Data: make([]byte, 10<<10)}},
	}
	for range 100 {
		nd.host.Receive(1, Normal, appendMessage(appendFrameHead(nil, c.nodes[1].host.epoch), 1, &m))
	}
	if n := nd.group(1).box.mail.msgBytes; n > 60<<10 {
		t.Errorf("%d bytes in the mailbox", n)
	}
	if st := nd.host.Stats(); st.DroppedInbox < 90 {
		t.Errorf("%+v", st)
	}
	hb := raft.Message{Type: raft.MsgHeartbeat, From: m.From, To: m.To, Term: 1}
	nd.host.Receive(1, Normal, appendMessage(appendFrameHead(nil, c.nodes[1].host.epoch), 1, &hb))
	if got := nd.group(1).box.mail.msgs; got[len(got)-1].Type != raft.MsgHeartbeat {
		t.Error("a heartbeat was dropped")
	}
}

// While entries are on their way, proposals gather into few larger ones.
func TestProposalsGather(t *testing.T) {
	c := newCluster(t, 1)
	c.create(1, nil)
	nd := c.nodes[1]
	nd.stuck = true
	for range 1000 {
		nd.propose(1, "x")
		nd.host.Poll()
	}
	nd.stuck = false
	c.run()
	if m := nd.machines[1]; m.calls > 12 || len(m.items()) != 1000 {
		t.Errorf("%d entries for %d proposals", m.calls, len(m.items()))
	}
}

func TestLargeBacklogIsSplit(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	nd.host.cfg.MaxEntryBytes = 1000
	var data []string
	for range 100 {
		data = append(data, string(make([]byte, 90)))
	}
	data = append(data, string(make([]byte, 5000)), "y")
	before := nd.machines[1].calls
	c.apply(1, data...)
	if n := nd.machines[1].calls - before; n < 11 || n > 14 {
		t.Errorf("%d entries", n)
	}
	c.same(1)
}

// A server whose log has failed says that it goes, and nothing else ever.
func TestPoisonedLogStepsAside(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.apply(1, "a")
	c.asleep()
	out := nd.propose(1, "lost")
	nd.host.Poll()
	c.queue = nil
	nd.host.poison(errors.New("the disk is gone"))
	nd.stuck = true // and never answers
	c.run()
	if out[0].Fate != Unknown {
		t.Errorf("outcome %+v", *out[0])
	}
	before := nd.host.Stats().FramesOut
	c.tick(3)
	if got := c.nodes[2].told(EventNodeDown); len(got) != 1 {
		t.Errorf("events %+v", got)
	}
	c.until("another leader", 25, func() bool { l := c.leader(1); return l != nil && l != nd })
	if now := nd.host.Stats().FramesOut; now != before {
		t.Errorf("%d frames sent", now-before)
	}
	if st := nd.group(1).Status(); st.State != Halted || st.Err == nil {
		t.Errorf("%+v", st)
	}
	if err := nd.group(1).Propose(Proposal{}); !errors.Is(err, ErrHalted) {
		t.Errorf("proposing: %v", err)
	}
	if len(nd.told(EventPoisoned)) != 1 || len(nd.told(EventHalted)) != 1 {
		t.Errorf("events %+v", nd.events)
	}
	c.apply(1, "b")
	nd.stuck = false
	nd.crash()
	nd.start()
	nd.open(1)
	c.same(1)
}

// A machine that fails halts its replica, and the others elect another leader even
// though the server is well and they were asleep.
func TestFailingMachineHaltsItsReplica(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.create(2, nil)
	nd := c.elect(1, 1)
	c.elect(2, 1)
	c.apply(1, "a")
	c.asleep()
	nd.machines[1].refuse = errors.New("broken")
	out := nd.propose(1, "b")
	c.run()
	if out[0].Fate != Unknown {
		t.Errorf("outcome %+v", *out[0])
	}
	if st := nd.group(1).Status(); st.State != Halted || !errors.Is(st.Err, nd.machines[1].refuse) {
		t.Errorf("%+v", st)
	}
	c.until("another leader", 40, func() bool { l := c.leader(1); return l != nil && l != nd })
	c.apply(1, "c")
	if c.leader(2) != nd {
		t.Error("another group was touched")
	}
	c.same(1, 2, 3)
}
