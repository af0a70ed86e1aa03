package sim

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// faults injects what goes wrong.
type faults struct {
	sim *Sim
	off bool
	// harmed are replicas whose disk was damaged or lost, by who they were, until
	// they are found to be unharmed or are voters again as somebody else.
	harmed map[shadowName]raft.PeerID
	// pace is the mean time between two faults.
	pace time.Duration
}

// shadowName is a group on a node.
type shadowName struct {
	node  raft.NodeID
	group raft.GroupID
}

func newFaults(s *Sim) *faults {
	return &faults{sim: s, harmed: make(map[shadowName]raft.PeerID)}
}

func (f *faults) begin() {
	s := f.sim
	f.pace = pick(s, []time.Duration{300 * time.Millisecond, time.Second, 3 * time.Second})
	f.next()
	for _, n := range s.nodes {
		f.keepCheckpoints(n)
		f.keepOld(n)
	}
}

func (f *faults) next() {
	f.sim.after(f.sim.between(0, 2*f.pace), func() {
		if !f.off {
			f.inject(pick(f.sim, faultKinds))
			f.next()
		}
	})
}

// keepCheckpoints has the machines of a node make their state durable now and
// then, so that logs are shortened.
func (f *faults) keepCheckpoints(n *node) {
	f.sim.after(f.sim.between(500*time.Millisecond, 8*time.Second), func() {
		if n.up && !n.paused && len(n.replicas) > 0 {
			pick(f.sim, n.replicas).checkpoint()
			n.work()
		}
		f.keepCheckpoints(n)
	})
}

// keepOld remembers what a disk looked like.
func (f *faults) keepOld(n *node) {
	f.sim.after(f.sim.between(2*time.Second, 20*time.Second), func() {
		n.old = n.disk.CrashClone(vfs.Killed)
		f.keepOld(n)
	})
}

// upNode returns a random node that runs, or nil.
func (f *faults) upNode() *node {
	n := pick(f.sim, f.sim.nodes)
	if !n.up || n.paused {
		return nil
	}
	return n
}

// inject does one thing, if it is possible at the moment.
func (f *faults) inject(kind string) {
	s := f.sim
	n := f.upNode()
	switch kind {
	case "loss", "duplication", "reordering", "delay":
		f.disturb(kind)
		return
	case "partition", "one-way partition":
		f.partition(kind)
		return
	}
	if n == nil || n.host == nil {
		return
	}
	if f.endsProcess(kind) && !f.memoriesSurvive(n) && s.chance(0.9) {
		return // a group in memory is gone soon enough
	}
	switch kind {
	case "crash losing all unsynced", "crash keeping some unsynced", "crash in a write":
		if s.interval > 0 {
			return // who asks for an interval may lose it to a power cut
		}
	}
	switch kind {
	case "crash losing all unsynced":
		f.crash(n, kind, vfs.CrashOptions{Rand: s.rnd})
	case "crash keeping some unsynced":
		f.crash(n, kind, vfs.CrashOptions{Rand: s.rnd, Page: s.rnd.Float64(), Torn: s.rnd.Float64(), Name: s.rnd.Float64(), Journal: s.chance(0.5)})
	case "kill":
		f.crash(n, kind, vfs.Killed)
	case "crash in a write":
		s.cover.met(kind, s)
		f.cutPower(n)
	case "pause":
		s.cover.met(kind, s)
		s.logf("node %d: pauses", n.id)
		n.pause()
		life := n.life
		s.after(s.between(100*time.Millisecond, 15*time.Second), func() {
			if n.life == life {
				s.logf("node %d: goes on", n.id)
				n.resume()
			}
		})
	case "clock drift":
		s.cover.met(kind, s)
		n.clock.SetDrift(int64(s.rnd.IntN(100_000) - 50_000))
	case "clock step":
		s.cover.met(kind, s)
		n.wall += s.between(0, time.Minute) - 30*time.Second
	case "write error", "sync error", "read error":
		if kind == "read error" && !f.mayLose(n) {
			return // what cannot be read is as good as gone
		}
		s.cover.met(kind, s)
		f.failOnce(n, kind)
	case "full disk":
		s.cover.met(kind, s)
		n.fs.LimitSpace(int64(s.rnd.IntN(100_000)))
		fs := n.fs
		s.after(s.between(time.Second, 15*time.Second), func() { fs.LimitSpace(-1) })
	case "slow disk":
		s.cover.met(kind, s)
		n.slow = 1 + s.rnd.IntN(300)
		s.after(s.between(time.Second, 10*time.Second), func() { n.slow = 1 })
	case "bit flip", "page zeroed", "old page back", "page misplaced", "file cut", "file lost", "state file damaged":
		f.harmDisk(n, kind)
	case "wiped disk":
		f.wipe(n)
	case "add member", "remove member", "replace members", "leader transfer":
		f.change(kind)
	case "compaction":
		if len(n.replicas) > 0 {
			s.cover.met(kind, s)
			pick(s, n.replicas).checkpoint()
			n.work()
		}
	}
}

func (f *faults) disturb(kind string) {
	s := f.sim
	s.cover.met(kind, s)
	from, to := pick(s, s.nodes), pick(s, s.nodes)
	all := s.chance(0.3)
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			if !all && (a != from || b != to) {
				continue
			}
			l := s.net.link(a.id, b.id)
			switch kind {
			case "loss":
				l.loss = s.rnd.Float64() * 0.5
			case "duplication":
				l.dup = s.rnd.Float64() * 0.5
			case "reordering":
				l.reorder = s.rnd.Float64() * 0.3
			case "delay":
				l.min, l.extra = s.between(0, 100*time.Millisecond), s.between(0, 2*time.Second)
			}
		}
	}
	f.healLater()
}

func (f *faults) partition(kind string) {
	s := f.sim
	s.cover.met(kind, s)
	side := make([]bool, len(s.nodes))
	for i := range side {
		side[i] = s.chance(0.5)
	}
	for i, a := range s.nodes {
		for j, b := range s.nodes {
			if side[i] && !side[j] {
				s.net.link(a.id, b.id).blocked = true
				if kind == "partition" {
					s.net.link(b.id, a.id).blocked = true
				}
			}
		}
	}
	f.healLater()
}

// healLater makes the network good again after a while.
func (f *faults) healLater() {
	s := f.sim
	s.after(s.between(500*time.Millisecond, 15*time.Second), func() { s.net.heal() })
}

// crash cuts a server's power, or kills its process.
func (f *faults) crash(n *node, kind string, opts vfs.CrashOptions) {
	f.sim.cover.met(kind, f.sim)
	f.loseMemory(n)
	n.stop(kind)
	n.disk = n.disk.CrashClone(opts)
	f.restartSoon(n)
}

// cutPower cuts the power in the middle of one of the next writes.
func (f *faults) cutPower(n *node) {
	s := f.sim
	match, nth := f.aim(errorfs.Changes, 12)
	left := nth
	disk, life := n.disk, n.life
	opts := vfs.CrashOptions{Rand: s.rnd, Page: s.rnd.Float64(), Torn: s.rnd.Float64(), Name: s.rnd.Float64(), Journal: s.chance(0.5)}
	n.fs.SetInjector(errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if !match(op) || n.life != life {
			return errorfs.Fault{}
		}
		left--
		if left >= 0 {
			s.cover.saw(op, "crash in a write", left == 0)
		}
		if left == 0 {
			f.loseMemory(n)
			n.power = disk.CrashClone(opts)
		}
		if left > 0 {
			return errorfs.Fault{}
		}
		return errorfs.Fault{Err: syscall.EIO}
	}))
}

// seldom are operations that are few among all others.
var seldom = []errorfs.OpKind{
	errorfs.OpCreate, errorfs.OpPreallocate, errorfs.OpRemove, errorfs.OpRename, errorfs.OpTruncate, errorfs.OpSync, errorfs.OpSyncDir,
}

// aim says which of the operations that match is hit, one of the next n, or the
// next one of a kind that there are few of.
func (f *faults) aim(match errorfs.Match, n int) (errorfs.Match, int) {
	s := f.sim
	kind := pick(s, seldom)
	if s.chance(0.6) || !match(errorfs.Op{Kind: kind}) {
		return match, 1 + s.rnd.IntN(n)
	}
	return errorfs.Kinds(kind), 1
}

// failOnce fails one of the next operations of a node's disk.
func (f *faults) failOnce(n *node, kind string) {
	match := errorfs.Match(func(op errorfs.Op) bool { return op.Kind.Changes() && !op.Kind.Syncs() })
	switch kind {
	case "sync error":
		match = func(op errorfs.Op) bool { return op.Kind.Syncs() }
	case "read error":
		match = errorfs.Kinds(errorfs.OpReadAt)
	}
	match, nth := f.aim(match, 10)
	c := errorfs.FailNth(uint64(nth), match, errorfs.Fault{Err: syscall.EIO})
	n.fs.SetInjector(f.sim.cover.watch(kind, c))
	if n.unreadable = nil; kind == "read error" {
		n.unreadable = c
	}
}

func (f *faults) restartSoon(n *node) {
	life := n.life
	f.sim.after(f.sim.between(100*time.Millisecond, 12*time.Second), func() {
		if n.life == life && !n.up {
			n.boot()
		}
	})
}

// restart ends a process and starts another on what it has left behind.
func (f *faults) restart(n *node, why string) {
	f.loseMemory(n)
	n.stop(why)
	// After a failed sync the machine's memory holds what its disk does not
	// have, until it is started anew.
	opts := vfs.Killed
	if f.sim.chance(0.5) && f.sim.interval == 0 {
		opts = vfs.CrashOptions{}
	}
	n.disk = n.disk.CrashClone(opts)
	n.boot()
}

// harmDisk changes bytes of a server's disk while it is down.
func (f *faults) harmDisk(n *node, kind string) {
	s := f.sim
	if s.interval > 0 {
		return // what was written within the interval may be a torn tail
	}
	if !f.mayLose(n) || n.log.Housekeep() != nil || n.log.Flush() != nil || n.power != nil {
		return
	}
	f.loseMemory(n)
	n.stop(kind)
	n.disk = n.disk.CrashClone(vfs.Killed)
	if n.old == nil {
		n.old = n.disk
	}
	if where, ok := s.damage(kind, n.disk, n.old); ok {
		s.cover.met(kind, s)
		s.logf("node %d: %s in %s", n.id, kind, where)
		f.harmAll(n)
	}
	f.restartSoon(n)
}

// wipe gives a server a new disk.
func (f *faults) wipe(n *node) {
	if !f.mayLose(n) {
		return
	}
	f.sim.cover.met("wiped disk", f.sim)
	f.harmAll(n)
	n.stop("wiped disk")
	n.disk, n.old = vfs.NewMem(), nil
	f.restartSoon(n)
}

func (f *faults) harmAll(n *node) {
	for _, g := range f.sim.groups {
		if g.hosted[n.id] {
			f.harm(n, g)
		}
	}
}

// loseMemory takes note that a process ends, and with it the replicas of groups
// that are kept in memory.
func (f *faults) loseMemory(n *node) {
	for _, g := range f.sim.groups {
		if g.kind.memory && g.hosted[n.id] && !g.lost {
			if !f.survives(g, n) {
				f.sim.logf("group %d: its majority is gone", g.id)
				g.lost = true
			}
			f.harm(n, g)
		}
	}
}

// harm takes note that a replica may not know what it has promised.
func (f *faults) harm(n *node, g *group) {
	name := shadowName{n.id, g.id}
	if _, ok := f.harmed[name]; !ok {
		f.harmed[name] = g.self(n)
	}
}

func (f *faults) endsProcess(kind string) bool {
	switch kind {
	case "crash losing all unsynced", "crash keeping some unsynced", "kill", "crash in a write", "write error", "sync error":
		return true
	}
	return false
}

// memoriesSurvive reports whether the groups that are kept in memory do without a
// node.
func (f *faults) memoriesSurvive(n *node) bool {
	f.recovered()
	for _, g := range f.sim.groups {
		if g.kind.memory && g.hosted[n.id] && !g.lost && !f.survives(g, n) {
			return false
		}
	}
	return true
}

// damaged reports whether a group's state on a node may have been harmed.
func (f *faults) damaged(n *node, g *group) bool {
	_, ok := f.harmed[shadowName{n.id, g.id}]
	return ok
}

// recovered looks at who is well again.
func (f *faults) recovered() {
	for _, n := range f.sim.nodes {
		if n.power != nil {
			continue // it does not know yet that its power was cut
		}
		for _, r := range n.replicas {
			name := shadowName{n.id, r.g.id}
			was, ok := f.harmed[name]
			core := r.core()
			if !ok || core == nil {
				continue
			}
			// Opened as what it was, it has been found unharmed: the checker makes
			// sure that it is. Otherwise it has to be a voter again.
			if st := core.Status(); r.self == was || st.Conf.IsVoter(r.self) && st.ConfIndex <= st.Commit {
				delete(f.harmed, name)
			}
		}
	}
}

// mayLose reports whether a node's disk may be harmed without the loss of what
// was acknowledged.
func (f *faults) mayLose(n *node) bool {
	f.recovered()
	for _, g := range f.sim.groups {
		if g.hosted[n.id] && !g.lost && !f.survives(g, n) {
			return false
		}
	}
	return true
}

// survives reports whether, without a node, every configuration that may rule
// has a majority of voters that know all they have promised.
func (f *faults) survives(g *group, without *node) bool {
	confs := g.confs(f.sim)
	if len(confs) == 0 {
		return false
	}
	for _, conf := range confs {
		// A peer that joins is made a voter as soon as it has caught up, perhaps
		// while this is decided.
		for _, p := range conf.Joining {
			next := conf.Clone()
			next.Voters = append(next.Voters, p)
			confs = append(confs, raft.ConfState{Voters: next.Voters, Outgoing: next.Outgoing})
		}
	}
	for _, conf := range confs {
		for _, half := range [][]raft.PeerID{conf.Voters, conf.Outgoing} {
			good := 0
			for _, p := range half {
				n := f.sim.node(p.Node())
				if n != nil && n != without && !f.damaged(n, g) && !n.unsure() && g.self(n) == p {
					good++
				}
			}
			if len(half) > 0 && good <= len(half)/2 {
				return false
			}
		}
	}
	return true
}

// change changes a group's members, or asks its leader to go.
func (f *faults) change(kind string) {
	s := f.sim
	g := pick(s, s.groups)
	r := g.leading(s)
	if r == nil {
		return
	}
	conf := r.handle.Raft().Conf().Clone()
	var changes []raft.Change
	switch kind {
	case "leader transfer":
		s.cover.met(kind, s)
		to := pick(s, conf.Voters).Node()
		s.logf("group %d: leadership from %d to %d", g.id, r.node.id, to)
		if err := r.handle.Transfer(to); err != nil {
			s.logf("group %d: %v", g.id, err)
		}
		r.node.work()
		// It takes some milliseconds, in which hardly anything else would happen.
		for range 2 {
			s.after(s.between(0, 5*time.Millisecond), func() {
				if !f.off {
					f.inject(pick(s, faultKinds))
				}
			})
		}
		return
	case "add member":
		for _, n := range s.nodes {
			if len(changes) == 0 && n.up && !n.paused && !slices.ContainsFunc(conf.Peers(), func(p raft.PeerID) bool { return p.Node() == n.id }) {
				if n.replica(g) == nil {
					n.open(g)
					n.work()
				}
				changes = append(changes, raft.Change{Type: pick(s, []raft.ChangeType{raft.AddVoter, raft.AddLearner}), Peer: n.replica(g).handle.Self()})
			}
		}
	case "remove member":
		p := pick(s, conf.Peers())
		if len(conf.Voters) > 1 && f.mayRemove(g, &conf, p) {
			changes = append(changes, raft.Change{Type: raft.RemovePeer, Peer: p})
		}
	case "replace members":
		// All learners become voters, and as many voters go.
		for i, p := range conf.Learners {
			changes = append(changes, raft.Change{Type: raft.AddVoter, Peer: p})
			if i < len(conf.Voters) && f.mayRemove(g, &conf, conf.Voters[i]) {
				changes = append(changes, raft.Change{Type: raft.RemovePeer, Peer: conf.Voters[i]})
			}
		}
	}
	if len(changes) == 0 {
		return
	}
	s.cover.met(kind, s)
	s.logf("group %d: %v in %v", g.id, changes, conf)
	r.handle.Change(changes, func(err error) {
		s.logf("group %d: %v: %s", g.id, changes, result(err))
		if err == nil {
			// What was removed by a committed change may be deleted.
			for _, ch := range changes {
				if ch.Type == raft.RemovePeer {
					s.after(0, func() { g.drop(s, ch.Peer) })
				}
			}
		}
	})
	r.node.work()
}

func result(err error) string {
	if err != nil {
		return fmt.Sprint(err)
	}
	return "done"
}

// mayRemove reports whether the voters that are left would be a majority that
// knows what it has promised.
func (f *faults) mayRemove(g *group, conf *raft.ConfState, p raft.PeerID) bool {
	f.recovered()
	left, good := 0, 0
	for _, q := range conf.Voters {
		if q == p {
			continue
		}
		left++
		if n := f.sim.node(q.Node()); !f.damaged(n, g) && !n.unsure() && g.self(n) == q {
			good++
		}
	}
	return good > left/2 && !conf.Joint()
}
