package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// node is a server: a disk that outlives its processes, and the process that runs
// at the moment, if any.
type node struct {
	sim *Sim
	id  raft.NodeID
	// disk is what the machine has; fs is the same with faults.
	disk *vfs.Mem
	fs   *errorfs.FS
	// clock drifts and never goes back, as a machine's monotonic clock; wall is
	// by how much the time of day is off.
	clock *clock.Skewed
	wall  time.Duration
	// incarnation is that of the disk.
	incarnation uint32

	// life counts processes. What was meant for an earlier one is dropped.
	life   int
	up     bool
	paused bool
	// backlog is what waits for a paused process.
	backlog  []func()
	log      *wal.Log
	host     *host.Host
	replicas []*replica // in order of their group
	// syncing is whether a flush is on its way.
	syncing bool
	// slow multiplies how long the disk takes.
	slow int
	// power, if set, is a disk as a power cut in the middle of a write has left it.
	power *vfs.Mem
	// old is the disk as it was some time ago, for pages that come back.
	old *vfs.Mem
	// started is when the process was.
	started time.Time
	// unreadable, if set, makes a read fail that is yet to come.
	unreadable *errorfs.Countdown
	// starting is the replica that is being started.
	starting *replica
	broken   error // why the process has to be started again
}

func newNode(s *Sim, id raft.NodeID) *node {
	return &node{sim: s, id: id, disk: vfs.NewMem(), clock: clock.NewSkewed(s.clock, s.between(0, time.Hour), int64(s.rnd.IntN(40_000)-20_000)), slow: 1}
}

// peer is who a replica is that was never damaged.
func (n *node) peer() raft.PeerID { return raft.MakePeerID(n.id, n.incarnation) }

// boot starts a process on the disk.
func (n *node) boot() {
	s := n.sim
	n.life++
	n.up, n.paused, n.syncing, n.power, n.broken = true, false, false, nil, nil
	n.backlog, n.replicas, n.unreadable = nil, nil, nil
	n.started = s.clock.Now()
	n.fs = errorfs.Wrap(n.disk, s.clock, nil)
	life := n.life
	log, err := wal.Open(wal.Config{
		FS: n.fs, Dir: "wal", Clock: n.clock, SegmentBytes: 64 << 10, CacheBytes: 16 << 10, Workers: 1,
		SyncInterval: s.interval,
		Incarnation:  func() uint32 { return s.rnd.Uint32() | 1 },
		OnError: func(err error) {
			if n.life == life {
				s.logf("node %d: log: %v", n.id, err)
			}
		},
	})
	if err != nil {
		s.failf("node %d: the log does not open: %w", n.id, err)
		return
	}
	n.log = log
	n.incarnation = log.Incarnation()
	s.check.booted(n)
	n.host, err = host.New(host.Config{
		Node: n.id, Log: log, Transport: port{n, life}, Clock: n.clock, Wall: n.timeOfDay, FS: n.fs, Dir: "snapshots", Seed: s.rnd.Uint64(),
		Tick: Tick, MaxEntryBytes: 2 << 10, KeepEntries: 20, SnapshotChunkBytes: 256, Observer: observer{n},
		Events: func(e host.Event) {
			if n.life == life {
				s.logf("node %d: %v", n.id, e)
				if e.Kind == host.EventDamage {
					// Whatever the reason, it cannot be counted on.
					s.faults.harmed[shadowName{n.id, e.Group}] = e.Peer
				}
			}
		},
	})
	if err != nil {
		s.failf("node %d: the host does not start: %w", n.id, err)
		return
	}
	s.logf("node %d: starts, incarnation %x", n.id, n.incarnation)
	for _, g := range s.groups {
		if g.hosted[n.id] {
			n.open(g)
		}
	}
	n.every(Tick, func() time.Duration { return s.between(0, Tick/5) }, func() { n.host.Tick() })
	n.every(50*time.Millisecond, nil, n.housekeep)
	if s.cfg.JetStream {
		n.every(20*time.Millisecond, nil, n.drive)
	}
	n.work()
}

// timeOfDay is what the server takes for it. Where it is asked when something is due it is
// wrong by no more than clocks are that were set once.
func (n *node) timeOfDay() time.Time {
	if n.sim.cfg.JetStream {
		return n.sim.clock.Now().Add(n.wall)
	}
	return n.clock.Now().Add(n.wall)
}

// drive has those who lead do what is due.
func (n *node) drive() {
	for _, r := range n.replicas {
		if c, ok := r.state.content.(interface{ drive() }); ok && r.handle != nil {
			c.drive()
		}
	}
}

// every calls f on a period, for as long as the process lives.
func (n *node) every(d time.Duration, jitter func() time.Duration, f func()) {
	life := n.life
	var again func()
	again = func() {
		wait := d
		if jitter != nil {
			wait += jitter() - d/10
		}
		n.sim.after(wait, func() {
			if n.life != life || !n.up {
				return
			}
			again()
			if n.paused {
				return // a timer that fired late fires once, and that is the next one
			}
			f()
			n.work()
		})
	}
	again()
}

// open starts a replica.
func (n *node) open(g *group) {
	s := n.sim
	r := &replica{node: n, life: n.life, g: g}
	r.state.content = g.kind.content(r)
	if !g.kind.memory {
		if err := r.load(); err != nil {
			s.failf("node %d, group %d: %w", n.id, g.id, err)
			return
		}
	}
	g.hosted[n.id] = true
	var contacts []raft.NodeID
	for _, o := range s.nodes {
		if o != n {
			contacts = append(contacts, o.id)
		}
	}
	cfg := host.GroupConfig{ID: g.id, Machine: r, Memory: g.kind.memory, Peers: g.peers, Contacts: contacts, Sole: g.sole(n)}
	var start func(host.GroupConfig) (*host.Group, error)
	if lg, known := n.log.Group(g.id); known {
		start, r.self = n.host.Open, lg.State().Replica.Self
	} else if s.founding {
		start, r.self = n.host.Create, n.peer()
	} else {
		start = n.host.Join
		if old, ok := g.memories[n.id]; ok {
			g.check.Forgotten(old.self)
		}
	}
	n.starting = r
	var err error
	r.handle, err = start(cfg)
	n.starting = nil
	if err != nil {
		s.failf("node %d, group %d does not start: %w", n.id, g.id, err)
		return
	}
	n.replicas = append(n.replicas, r)
	slices.SortFunc(n.replicas, func(a, b *replica) int { return cmp.Compare(a.g.id, b.g.id) })
}

func (n *node) replica(g *group) *replica {
	for _, r := range n.replicas {
		if r.g == g {
			return r
		}
	}
	return nil
}

// receive gives a frame to the process.
func (n *node) receive(from raft.NodeID, class host.Class, frame []byte) {
	n.host.Receive(from, class, frame)
	n.work()
}

// work runs the process until it waits, and begins to write what it wants to
// have on disk.
func (n *node) work() {
	if !n.up || n.sim.err != nil {
		return
	}
	n.host.Poll()
	n.sim.check.step(n)
	if n.log.Pending() > 0 && !n.syncing {
		n.syncing = true
		life := n.life
		n.sim.after(n.sim.between(100*time.Microsecond, 2*time.Millisecond)*time.Duration(n.slow), func() {
			if n.life == life && n.up {
				n.flush()
			}
		})
	}
}

// flush writes and syncs what waits. A pause stops a process, not its disk.
func (n *node) flush() {
	n.syncing = false
	if err := n.log.Flush(); err != nil && !errors.Is(err, wal.ErrFull) {
		n.breakDown(fmt.Errorf("flush: %w", err))
	}
	n.afterWrite()
}

func (n *node) housekeep() {
	if err := n.log.Housekeep(); err != nil && !errors.Is(err, wal.ErrFull) {
		n.breakDown(fmt.Errorf("housekeeping: %w", err))
	}
	n.afterWrite()
}

// afterWrite goes on after a write, unless the power was cut in the middle of it.
func (n *node) afterWrite() {
	if n.power != nil {
		disk := n.power
		n.stop("power cut in a write")
		n.disk = disk
		n.sim.faults.restartSoon(n)
		return
	}
	if n.paused {
		n.backlog = append(n.backlog, n.work)
		return
	}
	n.work()
}

// breakDown has a process started again whose log has failed, as an operator or
// a supervisor would.
func (n *node) breakDown(err error) {
	if n.broken != nil || n.power != nil {
		return
	}
	n.broken = err
	n.sim.logf("node %d: %v", n.id, err)
	life := n.life
	n.sim.after(n.sim.between(time.Second, 5*time.Second), func() {
		if n.life == life && n.up {
			n.sim.faults.restart(n, "log has failed")
		}
	})
}

// unsure reports whether the disk is going to fail a read.
func (n *node) unsure() bool {
	if n.unreadable == nil {
		return false
	}
	_, fired := n.unreadable.Fired()
	return !fired
}

// stop ends the process.
func (n *node) stop(why string) {
	n.sim.logf("node %d: stops: %s", n.id, why)
	n.up = false
	n.life++
	for _, r := range n.replicas {
		r.remember()
	}
	n.sim.check.stopped(n)
	n.log, n.host, n.replicas, n.backlog = nil, nil, nil, nil
}

// pause and resume stand for SIGSTOP and SIGCONT.
func (n *node) pause() { n.paused = true }

func (n *node) resume() {
	n.paused = false
	backlog := n.backlog
	n.backlog = nil
	for _, f := range backlog {
		if !n.up {
			return
		}
		f()
	}
}
