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
// Faults are unlimited in kind and number but for one rule: the disks of a majority
// of a group's voters are not destroyed at the same time, for what only they
// knew would rightly be gone.
package sim
