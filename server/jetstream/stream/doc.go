// Package stream is what a stream does with what happens to it: a pure state machine
// over a store of messages, the same on every replica.
//
//	published messages                               answers to publishers
//	      │                                                   ▲
//	┌─────▼─────┐  proposals   ┌ ─ ─ ─ ─ ─ ┐  entries   ┌─────┴─────┐
//	│  Ingest   ├─────────────▶  raft group  ──────────▶│   Core    ├──▶ Result
//	│ (leader)  │◀─────────────┤           │  ops+time  └─────┬─────┘
//	└───────────┘   results     ─ ─ ─ ─ ─ ─                  ▼
//	                                                    store.Store
//
//	op       what an entry of the log asks for: to store a message, to purge, to do
//	         what is due. AppendX encode them; docs/formats/stream.md has the bytes
//	Core     applies ops. It decides everything, from what it and the store have, and
//	         from the time of the entry
//	Result   what came of an op: for the publisher, for the consumers, for the leader
//	Ingest   what a leader does in front: it gathers atomic batches, watches the order of
//	         fast ones, and writes the answers
//	due      at a time that NextDue tells, the leader proposes an advance, in which
//	         messages expire and schedules fire
//	state    what the core keeps beside the store. It is kept with a checkpoint, so that
//	         store and core are always of one moment
//
// # What always holds
//
//   - After the same ops with the same times two cores are the same, and a core that was
//     restored is the one that never stopped: Digest tells. Neither clock, nor chance,
//     nor the order of a map shows in it. What depends on the leader's surroundings
//     (its time zones) is in the op: see Plan, AppendAdvance.
//   - A refused message changes nothing, and its number goes to the next one.
//   - A batch is judged as a whole against the stream as it is, and what the messages in
//     front of each would make of it; nothing of it is stored before all of it is judged.
//   - What is known of a message (its TTL, its schedule) goes with it. Where messages go
//     many at a time, it follows before it can pile up.
//   - Nothing here is as long as the stream, and nothing is done that is, but for a
//     change of limits or of interest, and for what a purge is asked to remove.
//
// # For those who use it
//
// Apply, NextDue, AppendAdvance, AppendState and the others of a Core are for one
// goroutine. The store may be read by any. An op may change the store several times:
// who must not see the middle of a batch or a rollup has to be kept away while Apply
// runs.
//
// An error of Apply means that the store has failed, or has lost what a decision
// depends on. The replica must stop there, for the others have gone on.
//
// What is not understood is skipped and counted. That keeps a replica from dying of an op
// of a later version; it does not make it right. A new kind or version of op may be
// proposed only when all replicas know it.
//
// Acks of consumers come as ops of the stream (AppendAcked). They count when a stream
// retains by interest or as a work queue, and may be repeated. A stream that begins to
// retain by interest has to be told anew what its consumers are done with.
//
// # What it does not do
//
// It does not deliver messages, check who may publish, count what an account uses, or
// copy from other streams: those who do, propose ops. Configurations are checked before
// they are proposed.
package stream
