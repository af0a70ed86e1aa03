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
// Invariants:
//   - Equal ops lead to equal States, which encode to equal bytes.
//   - A group belongs to one asset at most, now and ever.
//   - A consumer exists only together with its stream.
//
// The package starts nothing and stores nothing: the engine compares what it runs
// with what a State says, and makes it so.
package meta
