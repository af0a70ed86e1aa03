// Package transport carries frames between the servers that run raft groups. A
// frame is bytes that package host has encoded; nothing here looks inside.
//
// [TCP] does it over connections of any kind that streams bytes, TLS or not. [Mem]
// does it within one process, for tests and benchmarks. Both implement
// host.Transport and hand what arrives to a function of the receiver's.
//
// # Connections
//
// Every connection goes one way: the node that has something to send dials, and
// the node that accepted only receives. Between two nodes there are thus up to
// four, one for each direction and class; classes never share one, so that a
// snapshot (Bulk) cannot stand in the way of a heartbeat (Normal). With one way
// per connection there is no question of which of two crossing dials survives,
// and losing one says nothing about the other direction.
//
//	Send ──▶ queue ──▶ writer ══ frames ══▶ reader ──▶ Receive
//	         (lane)    watcher ◀── answers ── answerer
//
// The sending half of a connection is a lane: a bounded queue, and a goroutine that
// takes all that has gathered in it and writes it at once. The receiving half
// reads as many frames as there are, and hands them over one by one. What flows
// back are answers, a few bytes about once a second, from which the sender learns
// that the other end lives, and how far away it is.
//
// Where nodes are, a [Book] says, which is told by whoever hears of them. A node that is
// not in it costs nothing, and one that is costs nothing before there is something for
// it. One that moves is dialled anew.
//
// The bytes are drawn in docs/formats/raft-transport.md.
//
// # Being behind
//
// Heartbeats take the way of entries and do not overtake them, because they ask what has
// become of them. The way therefore is kept short: when a lane is behind, Send refuses
// Entries, and takes what else there is up to the bound of the queue. How much may wait is
// found out from how long it waits (200 ms), so that it is little on a slow network and
// much on a fast one. Small frames of entries may wait for twice as long, so that a group
// with little to say has its say beside those with much.
//
// # Promises
//
//   - Send never blocks, and says at once if a frame is dropped. Of what it has
//     accepted, some may be lost: all that is on its way when a connection ends.
//     Raft repeats what matters.
//   - What arrives is what was sent. A frame that fails its checksum ends the
//     connection; nothing behind it is looked at.
//   - Of one node and class, frames arrive in the order they were sent, each at
//     most once, and one at a time, across connections too: when a sender
//     connects anew, its older connection is closed and has ended before the newer
//     one is read.
//   - Receive may block. The sender is then held up by TCP itself, up to its
//     bounded queue, and knows that the receiver lives nevertheless.
//   - Nothing is kept in memory because a peer announced it: buffers grow with
//     the bytes that have arrived.
//   - After Stop there is neither goroutine nor call of Receive.
//
// # Who is who
//
// Who dials says which server it is, of which cluster, and whom it means to reach; user
// and password if the cluster has any. Who accepts says the same of itself. A server of
// another cluster or under another name than expected is refused by either end, as are
// two that have one name: whom they were both connected to keeps the one that it hears.
// A server is known by the number and the name that it says; to prove these to each
// other is for TLS, which comes before the handshake and is somebody else's.
package transport
