package host

import "github.com/nats-lite/nats-lite/server/raft"

// Observer is told what replicas do, as they do it: a simulator checks it against
// what raft promises. It is called by the worker that runs the group, must not
// block, and must not change or keep what it is shown.
type Observer interface {
	// Started: the replica takes part from now on, as core. Its log begins at
	// base, and its machine has applied all up to applied.
	Started(id raft.GroupID, core *raft.Raft, base raft.Base, applied raft.Index)
	// Handed: core's Append was handed to the log. Stored: all up to the Append
	// with that number is durable, and core is going to be told so.
	Handed(id raft.GroupID, core *raft.Raft, a *raft.Append)
	Stored(id raft.GroupID, core *raft.Raft, seq uint64)
	// Sent: core has sent a message.
	Sent(id raft.GroupID, m *raft.Message)
}

// Raft returns the replica's core, nil if it does not take part. It is for those
// who drive a host that is not started.
func (g *Group) Raft() *raft.Raft { return g.core }
