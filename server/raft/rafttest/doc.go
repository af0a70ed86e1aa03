// Package rafttest runs a few replicas of one raft group in one goroutine, with
// nothing left to chance: what the network delivers, when a disk finishes and who
// hears its clock tick is told step by step, by a script or by a random source.
// After every step a [Checker] asks whether raft's promises still hold.
//
//	Env      replicas (a raft.Raft, a disk, a state machine) and what is on its
//	         way between them
//	Checker  the invariants, over a plain View of each replica, for any harness
//	Script   a text file of commands with their recorded output
//
// # Scripts
//
// testdata holds one scenario a file, to be read from top to bottom. A line that
// begins with "> " is a command, the lines up to the next empty one are what it
// put out, and all else is prose:
//
//	Three replicas that have never heard of each other's term.
//
//	> group 1 2 3
//	> campaign 1
//	1 asks whether it could win term 1
//
//	> deliver
//	1→2 t1 PreVote, log ends at 0/0
//	...
//
// "go test ./server/raft/rafttest -rewrite" records the output anew; the diff is
// for reading. The commands are listed in commands.go. In the output an entry is index/term
// and its data, "·" being the mark of a leader at the start of its term; a message
// is from→to, its term, its type. What a message brings about stands below it,
// indented; messages are shown when they arrive and not when they are sent ("net" shows
// those on their way). A replica's host takes over each Ready at once; disks write
// and messages arrive when they are told to.
//
// Replicas are named by their node: 3 is its first incarnation, 3b the one that
// came after its disk was wiped.
//
// # Random runs
//
// TestRandom draws the steps from a seed instead, thousands for each, and then
// heals everything and expects the group to get together again. A seed that fails
// is printed with the end of its story and the command that plays it once more;
// -seeds N plays N of them, from -first-seed on.
//
// The package holds no consensus code, no real log and no real time: hosts, logs and
// their faults are the simulator's.
package rafttest
