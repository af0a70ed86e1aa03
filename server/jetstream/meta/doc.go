// Package meta is what all JetStream servers agree on: which streams and consumers
// there are, how they are configured, and which raft group each of them is.
//
// A State is changed by ops, which one raft group of all servers puts in order.
// Whoever leads that group checks a request as far as it concerns one asset
// (package api), and proposes an op; what concerns several assets (is the name
// free, do subjects overlap, is there room in the account) is decided when the op
// is applied, by the State alone, and so the same everywhere. An update is checked
// against the configuration that it replaces, and says which revision that was: if
// somebody else was faster it comes back with Stale set, and is checked once more.
//
// An asset that is deleted and created again is another one: it has another
// Group.ID, which is never used twice. Files, logs and replicas go by that.
//
// A stream that is restored from a backup is there from the start, for its name and
// its subjects are taken, but apart from the others: with EndRestore it becomes one of
// them, consumers and all, or goes.
//
// # Servers
//
// In a cluster each group has servers that are to hold its replicas. Who proposes chooses them
// (package placement), for who can be reached and has room is not agreed on; the State
// checks that they are there. A Change sends a group elsewhere: to more servers, fewer or others. It goes on
// until the group's leader reports its end, by the Change's ID, so that a report of something else
// ends nothing. Consumers are where their stream is, and go where it goes; the stream leaves
// when all of them have.
//
// A server that is removed hands its replicas to others, as far as somebody is left who has
// what they hold. What it alone has stays assigned to it: it may come back, and what is not
// there cannot be begun anew without losing it for good.
//
// Invariants:
//   - Equal ops lead to equal States, which encode to equal bytes.
//   - A group belongs to one asset at most, now and ever.
//   - A consumer exists only together with its stream, and no group of one whose data is there
//     is on a server that its stream is not to be on.
//   - What is refused changes nothing.
//   - Who may have a replica of a group is named by it until an EndChange, or until its asset
//     is deleted.
//
// The package starts nothing and stores nothing: the engine compares what it runs
// with what a State says, and makes it so.
package meta
