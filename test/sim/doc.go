// Package sim runs a cluster of raft hosts in one goroutine, from a seed: the real
// hosts, cores and logs, on disks in memory that crash, a network that loses,
// repeats, delays and reorders, and clocks that drift. Time is virtual, so a
// minute takes a fraction of a second, and a seed gives the same history each
// time, down to the last byte (Report.Trace).
//
// Five groups (of three, five and one replicas, one of them in memory only) are
// changed and read by clients while faults of all kinds (faultKinds) are
// injected. Checked are:
//
//   - at each step what raft promises, by a rafttest.Checker for each group: one
//     leader a term, matching logs, complete leaders, one history for all machines,
//     nothing promised before it is durable, nothing that goes back;
//   - at each start that a disk has what was stored on it, and of what was being
//     written a prefix (checker.booted);
//   - after each entry that all machines have the same state (replica.moved);
//   - when faults end and a majority is well, that each group goes on; when
//     everything is well, that all members are there and equal;
//   - at the end that nothing acknowledged is missing, nothing refused is there,
//     and the clients' history of a register and of a log is linearizable.
//
// With Config.JetStream the groups are what JetStream has: three streams (stream.Core on
// store/mem; one group keeps its log in memory), the consumers of two of them, and the
// assignments (meta.State). Their leaders work as in production, as far as that is pure:
// stream.Ingest in front of a stream, and an advance when something is due; consumer.Engine
// over the stream as it is on the same server, whose finished messages are told to the
// stream's leader over a network that fails. Images and checkpoints of streams are those
// of store/image with the core's state and digest, those of consumers are a full frame.
// Clients publish with ids, expectations and TTL, try again, delete and purge; readers
// pull, acknowledge, refuse, put off, or say nothing. Beside what raft promises are checked:
//
//   - after each entry that digests are the same, and so is what came of each op;
//   - with each delivery that it is committed, that its number is a new one, and that its
//     message is none whose acknowledgement was confirmed;
//   - in the end that all messages are delivered and settled; that the replicas hold, byte
//     for byte, what a replica holds that has applied the entries alone and has met neither
//     image nor checkpoint; that what was acknowledged is stored under its number, in order,
//     and once within the window of its id; that nothing refused was stored, and nothing
//     removed is back.
//
// Not part of it are store/file, whose faults server/jetstream (TestLives) looks for, and what a
// server does to have its assets where they are assigned (server/jetstream/reconcile, TestModel).
// Consumers do not move with their streams here: one that leads where its stream is not rests.
//
// Faults are unlimited in kind and number but for one rule: the disks of a majority
// of a group's voters are not destroyed at the same time, for what only they
// knew would rightly be gone.
package sim
