package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

const testTick = 100 * time.Millisecond

// cluster is some hosts that are driven by hand, on one virtual clock, with disks
// and a network in memory.
type cluster struct {
	t     testing.TB
	clock *clock.Virtual
	nodes map[raft.NodeID]*node
	ids   []raft.NodeID
	queue []packet
	// cut are the pairs, from and to, between which nothing passes.
	cut map[[2]raft.NodeID]bool
	// lose, if set, says which frames are lost.
	lose func(packet) bool
	// sent counts the frames by class.
	sent map[Class]int
	// dir, if set, is where the logs are on a real disk.
	dir string
	// cache is wal.Config.CacheBytes.
	cache int64
	// edit changes the configuration of hosts before they start.
	edit func(*Config)
}

type packet struct {
	from, to raft.NodeID
	class    Class
	frame    []byte
}

// node is a server that can be stopped hard and started again.
type node struct {
	*cluster
	id    raft.NodeID
	fs    *vfs.Mem
	disk  *errorfs.FS // fs, with faults, for the log
	log   *wal.Log
	host  *Host // nil while it is down
	lives uint64
	// stuck keeps the log from being flushed.
	stuck    bool
	machines map[raft.GroupID]*machine
	saved    map[raft.GroupID]*saved
	events   []Event
}

func newCluster(t testing.TB, n int) *cluster { return newClusterOn(t, n, "") }

func newClusterOn(t testing.TB, n int, dir string) *cluster {
	c := &cluster{
		dir: dir,
		t:   t, clock: clock.NewVirtual(time.Unix(1_700_000_000, 0)),
		nodes: make(map[raft.NodeID]*node), cut: make(map[[2]raft.NodeID]bool), sent: make(map[Class]int),
	}
	for i := range n {
		c.add(raft.NodeID(i + 1))
	}
	return c
}

func (c *cluster) add(id raft.NodeID) *node {
	nd := &node{cluster: c, id: id, fs: vfs.NewMem(), saved: make(map[raft.GroupID]*saved)}
	c.nodes[id] = nd
	c.ids = append(c.ids, id)
	nd.start()
	return nd
}

// Send implements Transport.
func (nd *node) Send(to raft.NodeID, class Class, frame []byte) bool {
	nd.sent[class]++
	p := packet{nd.id, to, class, frame}
	target := nd.nodes[to]
	if target == nil || target.host == nil || nd.cut[[2]raft.NodeID{nd.id, to}] {
		return false
	}
	if nd.lose == nil || !nd.lose(p) {
		nd.queue = append(nd.queue, p)
	}
	return true
}

// start starts the server without groups.
func (nd *node) start() {
	nd.t.Helper()
	nd.lives++
	var err error
	nd.disk = errorfs.Wrap(nd.fs, nd.clock, nil)
	dir := "wal"
	if nd.dir != "" {
		nd.disk = errorfs.Wrap(vfs.OS(), nd.clock, nil)
		dir = filepath.Join(nd.dir, fmt.Sprint(nd.id))
	}
	nd.log, err = wal.Open(wal.Config{
		FS: nd.disk, Dir: dir, Clock: nd.clock, SegmentBytes: 1 << 20, CacheBytes: nd.cache,
		Incarnation: func() uint32 { return uint32(nd.id)*1000 + uint32(nd.lives) },
	})
	if err != nil {
		nd.t.Fatal(err)
	}
	cfg := Config{
		Node: nd.id, Log: nd.log, Transport: nd, Clock: nd.clock, FS: nd.fs, Dir: "images",
		// Some encrypt images, one does not.
		Cipher: seal.Cipher((nd.id + 1) % 3),
		Seed:   uint64(nd.id)<<32 | nd.lives, Tick: testTick, Events: func(e Event) { nd.events = append(nd.events, e) },
	}
	if nd.edit != nil {
		nd.edit(&cfg)
	}
	nd.host, err = New(cfg)
	if err != nil {
		nd.t.Fatal(err)
	}
	nd.machines = make(map[raft.GroupID]*machine)
}

// crash stops the server as a power cut does.
func (nd *node) crash() {
	nd.t.Helper()
	nd.host = nil
	nd.fs = nd.fs.CrashClone(vfs.CrashOptions{})
	if err := nd.log.Close(); err != nil {
		nd.t.Logf("closing the log of a crashed node: %v", err)
	}
}

// breakDisk makes operations of the log fail.
func (nd *node) breakDisk(which errorfs.Match, err error) {
	nd.disk.SetInjector(errorfs.On(which, errorfs.Fault{Err: err}))
}

// wipe replaces the disk of a server that is down.
func (nd *node) wipe() {
	nd.fs = vfs.NewMem()
	nd.saved = make(map[raft.GroupID]*saved)
}

func (nd *node) peer() raft.PeerID { return raft.MakePeerID(nd.id, nd.log.Incarnation()) }

func (nd *node) config(id raft.GroupID) GroupConfig {
	if nd.saved[id] == nil {
		nd.saved[id] = &saved{}
	}
	m := newMachine(nd.saved[id])
	nd.machines[id] = m
	return GroupConfig{ID: id, Machine: m}
}

func (nd *node) group(id raft.GroupID) *Group {
	nd.t.Helper()
	g, ok := nd.host.Group(id)
	if !ok {
		nd.t.Fatalf("node %d has no group %d", nd.id, id)
	}
	return g
}

func (nd *node) open(id raft.GroupID, edit ...func(*GroupConfig)) *Group {
	nd.t.Helper()
	return nd.begin(id, nd.host.Open, edit)
}

func (nd *node) join(id raft.GroupID, edit ...func(*GroupConfig)) *Group {
	nd.t.Helper()
	return nd.begin(id, nd.host.Join, edit)
}

func (nd *node) begin(id raft.GroupID, how func(GroupConfig) (*Group, error), edit []func(*GroupConfig)) *Group {
	nd.t.Helper()
	cfg := nd.config(id)
	for _, f := range edit {
		f(&cfg)
	}
	g, err := how(cfg)
	if err != nil {
		nd.t.Fatal(err)
	}
	return g
}

// told returns the events of a kind.
func (nd *node) told(k EventKind) (events []Event) {
	for _, e := range nd.events {
		if e.Kind == k {
			events = append(events, e)
		}
	}
	return events
}

// create makes a group on some nodes, by default on all.
func (c *cluster) create(id raft.GroupID, edit func(*GroupConfig), on ...raft.NodeID) {
	c.t.Helper()
	if len(on) == 0 {
		on = c.ids
	}
	var peers []raft.PeerID
	for _, n := range on {
		peers = append(peers, c.nodes[n].peer())
	}
	for _, n := range on {
		cfg := c.nodes[n].config(id)
		cfg.Peers = peers
		if edit != nil {
			edit(&cfg)
		}
		if _, err := c.nodes[n].host.Create(cfg); err != nil {
			c.t.Fatal(err)
		}
	}
	c.run()
}

// up returns the nodes that are not down.
func (c *cluster) up() (up []*node) {
	for _, id := range c.ids {
		if c.nodes[id].host != nil {
			up = append(up, c.nodes[id])
		}
	}
	return up
}

// run lets everything happen that takes no time.
func (c *cluster) run() {
	c.t.Helper()
	for range 10_000 {
		for _, nd := range c.up() {
			nd.host.Poll()
			if !nd.stuck {
				// What has failed is told to those who wait for it.
				if err := nd.log.Flush(); err != nil && nd.fs != nil {
					nd.host.Poll()
				}
			}
			nd.host.Poll()
		}
		if len(c.queue) == 0 && !c.busy() {
			return
		}
		queue := c.queue
		c.queue = nil
		for _, p := range queue {
			if to := c.nodes[p.to]; to.host != nil && !c.cut[[2]raft.NodeID{p.from, p.to}] {
				to.host.Receive(p.from, p.class, p.frame)
			}
		}
	}
	c.t.Fatal("the hosts do not come to rest")
}

func (c *cluster) busy() bool {
	for _, nd := range c.up() {
		if !nd.stuck && nd.log.Pending() > 0 && !nd.log.Full() {
			return true
		}
		for _, p := range []*pool{nd.host.groupPool, nd.host.applyPool, nd.host.bulkPool} {
			if !p.idle() {
				return true
			}
		}
	}
	return false
}

// tick lets some ticks pass.
func (c *cluster) tick(n int) {
	c.t.Helper()
	for range n {
		c.clock.Advance(testTick)
		for _, nd := range c.up() {
			nd.host.Tick()
		}
		c.run()
	}
}

// until ticks until a condition holds.
func (c *cluster) until(what string, ticks int, ok func() bool) {
	c.t.Helper()
	for range ticks {
		if ok() {
			return
		}
		c.tick(1)
	}
	if !ok() {
		c.t.Fatalf("within %d ticks: not %s\n%s", ticks, what, c.dump())
	}
}

func (c *cluster) dump() (s string) {
	for _, nd := range c.up() {
		for _, g := range nd.host.Groups() {
			st := g.Status()
			s += fmt.Sprintf("node %d group %d: %v as %v, %v of %v in term %d, commit %d of %d, applied %d, %v, quiescent %v, err %v\n",
				nd.id, g.ID(), st.State, st.ID, st.Role, st.Leader, st.Term, st.Commit, st.Last, st.Applied, st.Conf, st.Quiescent, st.Err)
		}
	}
	return s
}

// leader returns the node that leads a group and is known to by all that are up
// and take part, or nil.
func (c *cluster) leader(id raft.GroupID) *node {
	var leader *node
	for _, nd := range c.up() {
		g, ok := nd.host.Group(id)
		if !ok {
			continue
		}
		if g.Leading() {
			if leader != nil {
				return nil
			}
			leader = nd
		}
	}
	return leader
}

// elected waits for a leader.
func (c *cluster) elected(id raft.GroupID) *node {
	c.t.Helper()
	c.until("a leader", 60, func() bool { return c.leader(id) != nil })
	return c.leader(id)
}

// elect makes a node the leader.
func (c *cluster) elect(id raft.GroupID, n raft.NodeID) *node {
	c.t.Helper()
	leader := c.elected(id)
	if leader.id != n {
		c.tick(15) // until all have it
		if err := c.leader(id).group(id).Transfer(n); err != nil {
			c.t.Fatal(err)
		}
		c.until(fmt.Sprintf("node %d leads", n), 60, func() bool { l := c.leader(id); return l != nil && l.id == n })
	}
	return c.nodes[n]
}

// propose proposes each of data and returns where the outcomes will be.
func (nd *node) propose(id raft.GroupID, data ...string) []*Outcome {
	nd.t.Helper()
	var outs []*Outcome
	for _, d := range data {
		out := &Outcome{}
		err := nd.group(id).Propose(Proposal{Data: []byte(d), Done: func(o Outcome) {
			if out.Fate != 0 {
				nd.t.Errorf("%q has a second outcome: %+v after %+v", d, o, *out)
			}
			*out = o
		}})
		if err != nil {
			nd.t.Fatalf("proposing %q: %v", d, err)
		}
		outs = append(outs, out)
	}
	return outs
}

// apply proposes to the leader, and expects all to be applied.
func (c *cluster) apply(id raft.GroupID, data ...string) {
	c.t.Helper()
	nd := c.elected(id)
	outs := nd.propose(id, data...)
	c.run()
	c.until("all applied", 30, func() bool {
		return !slices.ContainsFunc(outs, func(o *Outcome) bool { return o.Fate == 0 })
	})
	for i, o := range outs {
		if o.Fate != Applied || o.Result != len(data[i]) {
			c.t.Fatalf("%q: %+v", data[i], *o)
		}
	}
}

// same waits until all machines of a group, or those of some nodes, are equal.
func (c *cluster) same(id raft.GroupID, on ...raft.NodeID) {
	c.t.Helper()
	if len(on) == 0 {
		on = c.ids
	}
	c.until("the machines are equal", 100, func() bool {
		first := c.nodes[on[0]].machines[id]
		for _, n := range on[1:] {
			if m := c.nodes[n].machines[id]; m == nil || !m.equal(first) {
				return false
			}
		}
		return true
	})
}

func series(prefix string, n int) (s []string) {
	for i := range n {
		s = append(s, fmt.Sprintf("%s%d", prefix, i))
	}
	return s
}
