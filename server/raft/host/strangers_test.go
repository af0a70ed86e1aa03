package host

import (
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A follower whose disk was put back to what it was, so that nothing tells of what
// came later, is found out by its leader.
func TestFollowerThatWasPutBackIsFoundOut(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	c.elect(1, 1)
	c.apply(1, "a")
	c.tick(2)
	nd := c.nodes[2]
	old := nd.group(1).Self()
	before := nd.fs.CrashClone(vfs.CrashOptions{})
	c.apply(1, "b")
	c.same(1)
	c.asleep()
	nd.crash()
	nd.fs = before
	nd.start()
	nd.open(1)
	c.until("it comes back as a stranger", 100, func() bool { return nd.group(1).Self() != old })
	c.voters(1, c.nodes[1].peer(), nd.group(1).Self(), c.nodes[3].peer())
	c.same(1)
}

// asks tells a host that a replica of group 1 on another node asks to be admitted,
// and lets it do what follows from that.
func (c *cluster) asks(of *node, p raft.PeerID) {
	from := c.nodes[p.Node()]
	of.host.Receive(from.id, Normal, appendNotice(appendFrameHead(nil, from.host.epoch), notice{kind: noticeRejoin, group: 1, inc: p.Incarnation()}))
	of.host.Poll()
}

// A replica is not replaced as long as those who are left could not go on without
// it: it may come back as it was, or the others may.
func TestReplicaIsNotReplacedWithoutAMajority(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.apply(1, "a")
	c.nodes[3].crash()
	c.until("node 3 is missed", 30, func() bool { return !nd.host.alive(3) })
	stranger := raft.MakePeerID(2, 4711)
	before := nd.group(1).Status().Conf
	c.asks(nd, stranger)
	if now := nd.group(1).Status().Conf; !nd.group(1).Leading() || !now.Equal(&before) {
		t.Errorf("it leads: %v, and %v became %v", nd.group(1).Leading(), before, now)
	}
	c.apply(1, "b")
	c.nodes[3].start()
	c.nodes[3].open(1)
	c.until("node 3 is back", 30, func() bool { return nd.host.alive(3) })
	c.asks(nd, stranger)
	if now := nd.group(1).Status().Conf; !now.Contains(stranger) {
		t.Errorf("with all there it is not admitted: %v", now)
	}
}

// A replica is told that it is admitted, and gives up what it has left, when that
// is committed and not before.
func TestAdmittedWhenCommitted(t *testing.T) {
	c := newCluster(t, 3)
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.apply(1, series("first-", 10)...)
	c.apply(1, series("second-", 10)...)
	c.asleep()
	damaged := c.nodes[2]
	damaged.crash()
	damaged.flip("first-3")
	c.nodes[3].stuck = true // nothing is committed without it
	damaged.start()
	old := damaged.peer()
	g := damaged.open(1)
	c.until("the leader has put it into the configuration", 30, func() bool {
		conf := nd.group(1).Status().Conf
		return conf.Contains(g.Self())
	})
	c.tick(30) // and it asks again
	if st := nd.group(1).Status(); st.ConfIndex <= st.Commit {
		t.Fatalf("the change is committed: %+v", st)
	}
	lg, _ := damaged.log.Group(1)
	if st := lg.State(); st.Replica.Self != old || len(st.Damage) == 0 || g.State() != Rejoining {
		t.Errorf("it has given up what it had: %+v", st)
	}
	c.nodes[3].stuck = false
	c.voters(1, nd.peer(), g.Self(), c.nodes[3].peer())
	c.same(1)
}

// A leader that finds its own log damaged while it runs leads no more, and comes
// back as a stranger.
func TestDamageThatIsFoundWhileRunning(t *testing.T) {
	c := newCluster(t, 3)
	c.cache = -1
	for _, nd := range c.up() {
		nd.crash()
		nd.wipe()
		nd.start()
	}
	c.create(1, nil)
	nd := c.elect(1, 1)
	c.tick(2)
	c.nodes[3].crash()
	c.apply(1, series("a", 10)...)
	c.apply(1, series("b", 10)...)
	old := nd.group(1).Self()
	nd.disk.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpReadAt), errorfs.Fault{Corrupt: func(read []byte) { read[len(read)-1] ^= 1 }}))
	c.nodes[3].start()
	c.nodes[3].open(1) // and needs what is in the log
	c.until("it comes back as a stranger", 60, func() bool { return nd.group(1).Self() != old })
	nd.disk.SetInjector(nil)
	if told := nd.told(EventDamage); len(told) != 1 {
		t.Errorf("events %+v", nd.events)
	}
	c.voters(1, nd.group(1).Self(), c.nodes[2].peer(), c.nodes[3].peer())
	c.same(1)
}

// A server that never had a part in a group is given one only if the group admits it, by
// its leader, for as long as it asks.
func TestAdmission(t *testing.T) {
	c := newCluster(t, 4)
	welcome := false
	c.create(1, func(cfg *GroupConfig) {
		cfg.Admits = func(p raft.PeerID, plea uint64) bool { return welcome && p.Node() == 4 && plea == 300 }
	}, 1, 2, 3)
	nd := c.elect(1, 1)
	c.apply(1, "a")
	plea := uint64(0)
	g := c.nodes[4].join(1, func(cfg *GroupConfig) {
		cfg.Contacts, cfg.Plea = []raft.NodeID{1, 2, 3}, func() uint64 { return plea }
	})
	c.tick(50)
	if conf := nd.group(1).Status().Conf; len(conf.Voters) != 3 || len(conf.Peers()) != 3 {
		t.Errorf("nobody is welcome, and they are %v", conf)
	}
	welcome = true
	c.tick(20)
	if conf := nd.group(1).Status().Conf; len(conf.Peers()) != 3 {
		t.Errorf("its plea is not heard, and they are %v", conf)
	}
	plea = 300
	c.voters(1, c.nodes[1].peer(), c.nodes[2].peer(), c.nodes[3].peer(), g.Self())
	c.apply(1, "b")
	c.same(1)
}
