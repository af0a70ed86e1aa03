package transport

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// PeerStats is what has happened between this node and another. Counts are
// those since New; of what is sent, since the node has last been written down in the
// book if it was removed there.
type PeerStats struct {
	Node raft.NodeID
	// Name is that of the server. Addr is where it is dialled; empty if the book does
	// not have it, and it only connects to us.
	Name, Addr string
	// Out and In are by class.
	Out [len(classes)]OutStats
	In  [len(classes)]InStats
}

// OutStats are about what is sent in a class.
type OutStats struct {
	// Connected is since when there is a connection; zero if there is none, and
	// Err then says why it ended or could not be made.
	Connected time.Time
	Err       error
	// Instance is the peer's process, Incarnation that of its store, as it said
	// last.
	Instance    string
	Incarnation uint32
	// Connects counts the connections, Failures the attempts that came to none.
	Connects, Failures uint64
	// Heard is when the peer was heard last on such a connection; zero if never.
	Heard time.Time
	// Frames have been written, with headers Bytes, by Writes calls.
	Frames, Bytes, Writes uint64
	// Dropped frames were refused by Send or thrown away later.
	Dropped, DroppedBytes uint64
	// Queued frames wait or are being written.
	Queued, QueuedBytes int
	// RTT is the time that the last ping took to be answered, including what it
	// waited behind frames; 0 if none has been.
	RTT time.Duration
}

// InStats are about what is received in a class.
type InStats struct {
	// Connected is since when there is a connection; zero if there is none, and
	// Err then says why it ended.
	Connected time.Time
	Err       error
	// Instance is the peer's process, Incarnation that of its store, as it said
	// last.
	Instance    string
	Incarnation uint32
	// Connects counts the connections.
	Connects uint64
	// Heard is when the peer was heard last on such a connection; zero if never.
	Heard time.Time
	// Frames have been handed over. With headers, Bytes have been read by Reads
	// calls.
	Frames, Bytes, Reads uint64
	// Damaged counts the connections that were closed because of a frame that
	// was damaged or too large.
	Damaged uint64
}

// Stats returns figures about every other node, in order of their numbers.
func (t *TCP) Stats() []PeerStats {
	byNode := make(map[raft.NodeID]PeerStats)
	peers := *t.peers.Load()
	for _, at := range t.config.Book.Peers() {
		if at.Node == t.config.Self {
			continue
		}
		s := PeerStats{Node: at.Node, Name: at.Name, Addr: at.Addr}
		if p := peers[at.Node]; p != nil {
			for i, l := range p.lanes {
				s.Out[i] = l.stats()
			}
		}
		byNode[at.Node] = s
	}
	for _, src := range t.sourcesByNode() {
		s := byNode[src.from]
		s.Node = src.from
		if s.Addr == "" {
			s.Name = t.nameOf(src)
		}
		for i := range src.inlets {
			s.In[i] = src.inlets[i].stats(t)
		}
		byNode[src.from] = s
	}
	stats := make([]PeerStats, 0, len(byNode))
	for _, id := range slices.Sorted(maps.Keys(byNode)) {
		stats = append(stats, byNode[id])
	}
	return stats
}

// Refused returns how many accepted connections came to nothing, by the reason.
func (t *TCP) Refused() map[Reason]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	refused := make(map[Reason]uint64)
	for reason, n := range t.refused {
		if n > 0 {
			refused[Reason(reason)] = n
		}
	}
	return refused
}

func (t *TCP) nameOf(s *source) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.name
}

// timeOf makes a time of one since the transport was made, the zero time of 0.
func (t *TCP) timeOf(since *atomic.Int64) time.Time {
	if d := since.Load(); d != 0 {
		return t.begun.Add(time.Duration(d))
	}
	return time.Time{}
}

func (l *lane) stats() OutStats {
	s := OutStats{
		Connects: l.connects.Load(), Failures: l.failures.Load(), Heard: l.t.timeOf(&l.heard),
		Frames: l.sentFrames.Load(), Bytes: l.sent.Load(), Writes: l.writes.Load(),
		RTT: time.Duration(l.rtt.Load()),
	}
	s.Queued, s.QueuedBytes, s.Dropped, s.DroppedBytes = l.queue.count()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Connected, s.Instance, s.Incarnation, s.Err = l.connected, l.instance, l.incarnation, l.lastErr
	return s
}

func (in *inlet) stats(t *TCP) InStats {
	s := InStats{
		Connects: in.accepts.Load(), Heard: t.timeOf(&in.heard),
		Frames: in.receivedFrames.Load(), Bytes: in.received.Load(), Reads: in.reads.Load(),
		Damaged: in.damaged.Load(),
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	s.Instance, s.Incarnation, s.Err = in.instance, in.incarnation, in.lastErr
	if in.current != nil {
		s.Connected, s.Err = in.since, nil
	}
	return s
}
