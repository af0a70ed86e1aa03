package host

import (
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// Status is a replica's state for people and tests to look at. That of the core is
// its last one if the replica does not take part.
type Status struct {
	raft.Status
	Group  raft.GroupID
	State  State
	Memory bool
	// Applied is the index up to which the machine has applied; in Peers, what a
	// peer lags is Last less its Match.
	Applied raft.Index
	// LeaderSince is when this replica heard of the Leader, or of the last one if there is
	// none now; it is zero if there never was one.
	LeaderSince time.Time
	// PendingBytes count the proposals that have no outcome yet.
	PendingBytes int64
	// Err is why the replica is halted, or had to take a new identity, and Damage
	// what of its log was found to be lost at the start.
	Err    error
	Damage []wal.Damage
}

// Status returns the state of the replica. It must not be called by Config.Events.
func (g *Group) Status() Status {
	h := g.host
	if !h.started.Load() {
		return g.status()
	}
	got := make(chan Status, 1)
	if g.control(func(*worker) { got <- g.status() }) {
		return <-got
	}
	<-g.box.end()
	return g.status()
}

func (g *Group) status() Status {
	s := Status{
		Group: g.id, State: g.State(), Memory: g.memory,
		PendingBytes: g.pending.Load(),
	}
	if t := g.trouble; t != nil {
		s.Err, s.Damage = t.err, t.damage
	}
	switch {
	case g.core != nil:
		s.Status = g.core.Status()
	case g.trouble != nil && g.trouble.last != nil:
		s.Status = *g.trouble.last
	default:
		s.Conf = g.conf.Clone()
	}
	s.Status.ID = g.Self()
	s.Applied, s.LeaderSince = g.Applied(), g.LeaderSince()
	return s
}

// counters are what a host counts.
type counters struct {
	groupCount, quiescent, leaders, halted   atomic.Int64
	proposals, overloaded, entries           atomic.Uint64
	messagesIn, messagesOut                  atomic.Uint64
	framesIn, framesOut, bytesIn, bytesOut   atomic.Uint64
	elections, leaderChanges, rejoins        atomic.Uint64
	snapshotsIn, snapshotsOut, snapshotBytes atomic.Uint64

	badFrames, refused                                        atomic.Uint64
	dropStale, dropStranger, dropLogBusy, dropInbox, dropSend atomic.Uint64
}

// Stats are figures of a host. Counters are since its start.
type Stats struct {
	// Groups are those that are not stopped: Awake of them get ticks, Quiescent
	// ones take part and do not, Leaders lead, Halted ones do not take part.
	Groups, Quiescent, Awake, Leaders, Halted int
	// PendingBytes count the proposals that have no outcome yet.
	PendingBytes int64

	// Proposals were accepted, and Overloaded ones were not; Entries were given
	// to the log.
	Proposals, Overloaded, Entries uint64
	MessagesIn, MessagesOut        uint64
	FramesIn, FramesOut            uint64
	BytesIn, BytesOut              uint64
	// Elections counts how often a replica stood, LeaderChanges how often one
	// learned of a new leader, or of having none; Rejoins how often one had to ask
	// for admission.
	Elections, LeaderChanges, Rejoins uint64
	// SnapshotsIn were installed, SnapshotsOut installed elsewhere, with
	// SnapshotBytes sent for them and for those that failed.
	SnapshotsIn, SnapshotsOut, SnapshotBytes uint64

	// What was refused: frames that are malformed, messages against the rules.
	BadFrames, Refused uint64
	// What was dropped: frames of earlier lives of a node, messages for replicas
	// that are not here, entries while the log was busy, messages for full
	// mailboxes, frames that the transport did not take.
	DroppedStale, DroppedStranger, DroppedLogBusy, DroppedInbox, DroppedSend uint64

	// Nodes are the others, by ID.
	Nodes []NodeStats
}

// NodeStats says what a host knows of another node.
type NodeStats struct {
	Node raft.NodeID
	Up   bool
	// Incarnation is that of its log, 0 if it was not heard yet.
	Incarnation uint32
	// Groups have replicas here and there.
	Groups int
	// SilentTicks is how long ago it was last heard.
	SilentTicks uint64
	// RTT is the time of the last heartbeat there and back.
	RTT time.Duration
}

// Stats returns figures of the host.
func (h *Host) Stats() Stats {
	s := Stats{
		Groups: int(h.groupCount.Load()), Quiescent: int(h.quiescent.Load()), Awake: h.awake.len(),
		Leaders: int(h.leaders.Load()), Halted: int(h.halted.Load()), PendingBytes: h.pending.Load(),
		Proposals: h.proposals.Load(), Overloaded: h.overloaded.Load(), Entries: h.entries.Load(),
		MessagesIn: h.messagesIn.Load(), MessagesOut: h.messagesOut.Load(),
		FramesIn: h.framesIn.Load(), FramesOut: h.framesOut.Load(), BytesIn: h.bytesIn.Load(), BytesOut: h.bytesOut.Load(),
		Elections: h.elections.Load(), LeaderChanges: h.leaderChanges.Load(), Rejoins: h.rejoins.Load(),
		SnapshotsIn: h.snapshotsIn.Load(), SnapshotsOut: h.snapshotsOut.Load(), SnapshotBytes: h.snapshotBytes.Load(),
		BadFrames: h.badFrames.Load(), Refused: h.refused.Load(),
		DroppedStale: h.dropStale.Load(), DroppedStranger: h.dropStranger.Load(), DroppedLogBusy: h.dropLogBusy.Load(),
		DroppedInbox: h.dropInbox.Load(), DroppedSend: h.dropSend.Load(),
	}
	tick := h.ticks.Load()
	for _, l := range h.links.all() {
		l.mu.Lock()
		n := NodeStats{Node: l.node, Incarnation: l.incarnation, RTT: l.rtt}
		l.mu.Unlock()
		n.Up, n.Groups, n.SilentTicks = l.up.Load(), int(l.refs.Load()), tick-l.heard.Load()
		s.Nodes = append(s.Nodes, n)
	}
	return s
}
