// Package wal is the write-ahead log that all raft groups of a server share. One
// write and one sync make durable whatever all groups have to say at that
// moment, so that ten thousand groups cost no more syncs than one. It gives each
// group a raft.LogReader, keeps the place of each entry in memory and the entries
// on disk, and knows nothing of raft beyond terms and indexes.
//
//	Append ──▶ queue ──▶ flush: one write, one sync ──▶ groups ──▶ Done
//	                        │                              │
//	                        ▼                              ▼
//	           segments  …1.wal …2.wal …3.wal        LogReader: cache, or read
//	           sidecars  …1.idx …2.idx …3.idx ◀── housekeeping
//
// # Words
//
// A segment is a file of records; the last one is active, the others are closed.
// A record belongs to a group and has a number in it (seq), which names it for
// ever: a copy that was moved forward has the same name. A group's records are its
// entries, and its meta records: who the replica is, its hard state, the base of
// its log, its deletion. A record is live while the group needs it. A flush is
// what is written in one go. The mark is the place up to which the log is proven
// to have been synced. A sidecar tells the names of the records in a segment, and
// has a catalog, which tells the names of all that all groups need. Damage is what a
// group needs and what is not there.
//
// The format of the files is in docs/formats/raft-log.md, and why it is so in
// docs/decisions.
//
// # Invariants
//
//   - Done(nil) is called when a write is on disk (entries with
//     Config.SyncInterval: when it is written), in the order of Append, and never after a write or a sync has
//     failed: the log is poisoned then. No error but that of a full disk is tried
//     again.
//   - What is behind the mark is cut where it is torn, and written once more in
//     another segment before anybody is told of it; on a full disk, before anything
//     else is written. What is in front of the mark is never cut and never overwritten,
//     whatever it looks like.
//   - No place in a segment is written twice, but for zeros behind its end.
//   - A segment is removed when no record in it is live, what superseded them is
//     durable, and a list of segments without it is. A segment with damage that
//     concerns a group stays.
//   - What Open finds does not depend on the number of goroutines, and the same
//     operations write the same bytes, but for what is encrypted.
//   - Nothing is encrypted twice with the same key and nonce: the key of a segment is
//     drawn by the process that makes the segment, and no other one writes to it.
//
// # Who does what
//
// Whoever flushes (the goroutine of Start, who has queued something and calls Help, or
// the caller of Flush; one at a time) is the only one who writes to segments and who changes groups. Housekeeping writes sidecars,
// makes segments ready, and puts operations of its own into the queue: syncs, lists
// of segments, copies of records. Readers take a group's lock for as long as it
// takes to look up places. No lock is held during I/O.
//
// # What it does not do
//
// It does not repair: a group with damage is refilled by its leader, under a new
// identity (a Replica write), which makes up for all damage. It does not compress, does
// not hide how the log is made up (with Config.Keys it encrypts what entries hold, and
// nothing else; key.go), does not bound what is queued (Pending tells), and does not decide when
// a group is compacted.
package wal
