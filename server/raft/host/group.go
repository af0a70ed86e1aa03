package host

import (
	"fmt"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// State is what a replica is doing as a whole.
type State uint32

const (
	// Starting: its first write to the log is on its way.
	Starting State = iota
	// Running: it takes part.
	Running
	// Rejoining: it may have forgotten, or is new, and asks to be admitted.
	Rejoining
	// Halted: it does not take part. Its log stays as it is.
	Halted
	// Stopped: it has been stopped here.
	Stopped
)

func (s State) String() string {
	return [...]string{"starting", "running", "rejoining", "halted", "stopped"}[s]
}

// Group is the replica of one group on this host. It is an actor: all that is
// below its mailbox belongs to the worker that runs it. Its apply stage is
// another (see applier).
type Group struct {
	host   *Host
	id     raft.GroupID
	memory bool
	// sole, contacts, admits and plea are from the caller.
	sole     bool
	contacts []raft.NodeID
	admits   func(raft.PeerID, uint64) bool
	plea     func() uint64

	// What others may see at any time. self is the identity under which the
	// replica takes messages.
	self    atomic.Uint64
	state   atomic.Uint32
	leader  atomic.Uint64
	term    atomic.Uint64
	leading atomic.Bool
	// led is when the newest leader was heard of, in nanoseconds since the epoch; 0 if there
	// was none yet.
	led atomic.Int64
	// known is up to where all is known to be committed.
	known atomic.Uint64
	// pending counts the bytes of proposals without an outcome.
	pending atomic.Int64

	box   mailbox
	apply applier
	// paceAt is the place in the list of its pace, and belongs to that.
	paceAt  int
	onWrite func(error) // postWritten, bound once

	// core is nil while the replica does not take part.
	core *raft.Raft
	// conf is a copy of the core's configuration, confIndex where it stands, nodes
	// those of it but the own.
	conf      raft.ConfState
	confIndex raft.Index
	nodes     []raft.NodeID
	// reader is the durable part of the log, entries that of a group in memory.
	reader  raft.LogReader
	entries *memoryLog
	// writes are on their way to the log, oldest first.
	writes ring[write]
	// waits are for entries that were proposed here, by index and term.
	waits ring[wait]
	// backlog is what could not be proposed yet, but for the first taken.
	backlog []Proposal
	taken   int
	// mayWait is set if there is something in what is to be appended next that wins no
	// space back.
	mayWait bool
	reads   []pendingRead
	readSeq uint64
	// lost are peers to whom messages could not be sent.
	lost []raft.PeerID

	// told is what the machine was told last about who leads.
	told Leadership
	// lastTime is at least that of any entry in the log, once tailRead.
	lastTime int64
	tailRead bool
	// handed is the index up to which entries were given to the apply stage.
	handed raft.Index
	// appliedTo is how far the machine was when the run began.
	appliedTo raft.Index
	// checkpoint is how far the machine is durable, compactedTo the base that was
	// last written.
	checkpoint, compactedTo raft.Index
	appended                struct{ entries, bytes uint64 }

	pace   pace
	age    int // in ticks, since the core was made
	idle   int // in ticks
	busy   bool
	asleep bool // as counted in the host's figures
	lostAt int  // the age at which leadership was lost
	// orphan is a leader that is gone; in lostIn ticks the core is told, unless
	// there is another one by then.
	orphan   raft.PeerID
	lostIn   int
	joining  bool // not in any configuration yet
	campaign bool
	founds   bool // until the others were told that it is there
	trouble  *trouble
	// rebirth is the identity under which a replica asks to be admitted whose log
	// does not know of it yet.
	rebirth raft.PeerID
	// blind is set while the replica does not take part because its log cannot be
	// read.
	blind bool
}

// trouble is what is to be told of a replica that was not well. Most have none.
type trouble struct {
	// damage is what of the log was lost at the start.
	damage []wal.Damage
	// err is why the replica is halted, or had to take a new identity.
	err error
	// last is the last state of a core that is gone.
	last *raft.Status
}

func (g *Group) troubles() *trouble {
	if g.trouble == nil {
		g.trouble = new(trouble)
	}
	return g.trouble
}

// ID returns the group's ID.
func (g *Group) ID() raft.GroupID { return g.id }

// Self returns the identity of the replica, which changes if it may have
// forgotten what it has promised.
func (g *Group) Self() raft.PeerID { return raft.PeerID(g.self.Load()) }

// Leader returns who leads, raft.None if it is not known, and in which term.
func (g *Group) Leader() (raft.PeerID, raft.Term) {
	return raft.PeerID(g.leader.Load()), raft.Term(g.term.Load())
}

// Leading reports whether this replica leads. A leader that has just been elected
// may not have applied yet all that is committed.
func (g *Group) Leading() bool { return g.leading.Load() }

// Applied returns the index up to which the machine has applied.
func (g *Group) Applied() raft.Index { return raft.Index(g.apply.applied.Load()) }

// Told returns the index up to which all is known to be committed, by what leaders have told.
// It is behind by what has come since the last run, and cheap to ask for.
func (g *Group) Told() raft.Index { return raft.Index(g.known.Load()) }

// State returns what the replica is doing.
func (g *Group) State() State { return State(g.state.Load()) }

// available says why the group takes no requests, if it does not.
func (g *Group) available() error {
	switch g.State() {
	case Stopped:
		return ErrStopped
	case Halted:
		return ErrHalted
	}
	return nil
}

// control has f run by a worker as part of the actor. It reports whether the
// group takes mail.
func (g *Group) control(f func(*worker)) bool {
	return g.post(func(m *mail) { m.controls = append(m.controls, f) })
}

// ReadIndex calls done once the machine shows all that was committed when
// ReadIndex was called, on the apply stage, with the index that it took. The
// replica need not lead. Where there is no answer done gets an error. It must
// not block.
func (g *Group) ReadIndex(done func(raft.Index, error)) {
	if err := g.available(); err != nil {
		done(0, err)
		return
	}
	m := g.open()
	if m == nil {
		done(0, ErrStopped)
		return
	}
	full := len(m.reads) >= maxReads
	if !full {
		m.reads = append(m.reads, done)
	}
	g.seal()
	if full {
		done(0, ErrOverloaded)
	}
}

// maxReads bounds the reads in a mailbox.
const maxReads = 1 << 16

// Change changes the configuration, and calls done when the new one is committed,
// or cannot be. That is before a voter that was added has caught up, and before a
// joint configuration is left, which both come about by themselves. Only a leader
// can do it, and only one change at a time: see raft.Raft.ProposeConf. done must not
// block; it may be nil.
func (g *Group) Change(changes []raft.Change, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	if err := g.available(); err != nil {
		done(err)
		return
	}
	f := func(*worker) {
		if g.core == nil {
			done(ErrHalted)
			return
		}
		g.busy = true
		index, term, err := g.core.ProposeConf(changes...)
		if err != nil {
			done(err)
			return
		}
		g.waits.push(wait{index: index, term: term, conf: done})
	}
	if !g.control(f) {
		done(ErrStopped)
	}
}

// Transfer begins to hand leadership to the voter on another node. Whether it
// comes about is told by LeaderChanged. Proposals are dropped meanwhile.
func (g *Group) Transfer(to raft.NodeID) error {
	if err := g.available(); err != nil {
		return err
	}
	if !g.Leading() {
		return ErrNotLeader
	}
	f := func(*worker) {
		if g.core == nil {
			return
		}
		for _, p := range g.conf.Voters {
			if p.Node() != to {
				continue
			}
			g.busy = true
			if err := g.core.Transfer(p); err != nil {
				g.host.event(Event{Kind: EventRefused, Group: g.id, Peer: p, Err: fmt.Errorf("transfer: %w", err)})
			}
		}
	}
	if !g.control(f) {
		return ErrStopped
	}
	return nil
}

// Campaign has the replica stand for election now, if it does not lead. It has no
// effect while the others hear a leader.
func (g *Group) Campaign() {
	g.control(func(*worker) {
		if g.core != nil && (g.core.Leader() == raft.None || g.host.cfg.Lease == 0) {
			g.core.Campaign()
		}
	})
}

// Checkpointed tells that the machine holds all up to an index durably, so that the
// log need not have it any more.
func (g *Group) Checkpointed(i raft.Index) {
	g.control(func(*worker) {
		g.checkpoint = max(g.checkpoint, i)
		g.compact()
	})
}

// Stop stops the replica, and waits until its machine is no longer called. Its
// log stays. It must not be called by anything that the host calls.
func (g *Group) Stop() {
	g.stop()
	g.waitStopped()
}

// Delete stops the replica like Stop and removes it from the log. It does not
// wait until that is durable. That the group, or its replica here, is no longer
// wanted has to be certain: this is the only way in which entries are lost.
func (g *Group) Delete() error {
	g.stop()
	g.waitStopped()
	if err := g.host.log.Append(wal.Write{Group: g.id, Delete: true}); err != nil {
		return fmt.Errorf("raft/host: deleting group %d: %w", g.id, err)
	}
	return nil
}
