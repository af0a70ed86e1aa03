package transport

import (
	"maps"
	"slices"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// PeerStats is what has happened between this node and another. Counts are
// those since New; of what is sent, since the node has last been written down in the
// book if it was removed there.
type PeerStats struct {
	Node raft.NodeID
	// Name and Addr are those in the book; empty if the node only connects to us.
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
	// Incarnation is that of the peer's store, as the peer said last.
	Incarnation uint32
	// Connects counts the connections.
	Connects uint64
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
	// Incarnation is that of the peer's store, as the peer said last.
	Incarnation uint32
	// Connects counts the connections.
	Connects uint64
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
		for i := range src.inlets {
			s.In[i] = src.inlets[i].stats()
		}
		byNode[src.from] = s
	}
	stats := make([]PeerStats, 0, len(byNode))
	for _, id := range slices.Sorted(maps.Keys(byNode)) {
		stats = append(stats, byNode[id])
	}
	return stats
}

// Refused is the number of accepted connections that came to nothing.
func (t *TCP) Refused() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused
}

func (l *lane) stats() OutStats {
	s := OutStats{
		Connects: l.connects.Load(),
		Frames:   l.sentFrames.Load(), Bytes: l.sent.Load(), Writes: l.writes.Load(),
		RTT: time.Duration(l.rtt.Load()),
	}
	s.Queued, s.QueuedBytes, s.Dropped, s.DroppedBytes = l.queue.count()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Connected, s.Incarnation, s.Err = l.connected, l.incarnation, l.lastErr
	return s
}

func (in *inlet) stats() InStats {
	s := InStats{
		Connects: in.accepts.Load(),
		Frames:   in.receivedFrames.Load(), Bytes: in.received.Load(), Reads: in.reads.Load(),
		Damaged: in.damaged.Load(),
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	s.Incarnation, s.Err = in.incarnation, in.lastErr
	if in.current != nil {
		s.Connected, s.Err = in.since, nil
	}
	return s
}
