package host

import "github.com/nats-lite/nats-lite/server/raft"

// Class tells frames apart that must not wait for each other.
type Class uint8

const (
	// Normal frames are small and urgent: heartbeats, votes and answers.
	Normal Class = iota
	// Bulk frames are big and can wait: snapshots. A Transport has a connection of
	// its own for them, or the like.
	Bulk
	// Entries frames have what is to be replicated. They share the way of Normal
	// ones, and their order, for a heartbeat asks what has become of the entries
	// before it. So that it does not ask too late, a Transport that is behind
	// refuses Entries, and takes Normal frames.
	Entries
)

func (c Class) String() string { return [...]string{"normal", "bulk", "entries"}[c] }

// MaxFrame bounds the length of a frame in bytes, so that a transport can refuse
// a longer one before it takes memory for it.
const MaxFrame = 72 << 20

// Transport carries frames to other nodes. It may lose, repeat and reorder them;
// one that does so seldom makes for a faster raft. What it delivers is whole, and
// comes from the node that it says it comes from.
type Transport interface {
	// Send takes over frame and returns at once. False says that the frame is
	// lost: there is no connection, or its queue is full. True promises nothing.
	// A transport that has written the frame to a socket, and has not kept any
	// part of it, may hand the memory back by Recycle.
	Send(to raft.NodeID, class Class, frame []byte) bool
}

// Receiver takes the frames that a transport has received. A Host is one.
type Receiver interface {
	// Receive takes over frame, which is never written to again. class is not
	// Entries: how those came they are Normal. It may be
	// called by several goroutines at once, and does not wait: what there is no
	// room for is dropped. Bulk is bounded by the receiver's acknowledgements.
	Receive(from raft.NodeID, class Class, frame []byte)
}
