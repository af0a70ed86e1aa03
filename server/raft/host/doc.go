// Package host runs the replicas of thousands of raft groups on one server: it
// gives the cores of package raft their clock, disk, network and goroutines.
//
//	 Propose  ReadIndex  Change      Receive(frame)       log: written     Tick
//	     │        │        │              │ decoded            │            │
//	     ▼        ▼        ▼              ▼                    ▼            ▼
//	┌──────────────────────── mailbox of the group ──────────────────────────────┐
//	└──────────────────────────────────┬─────────────────────────────────────────┘
//	                     group pool    │  all mail at once
//	                           ┌───────▼────────┐      ┌────────────┐
//	                           │ Group: core    │─────▶│ shared log │──▶ written
//	                           └─┬────┬─────┬───┘      └────────────┘
//	                 committed,  │    │     │ messages
//	                 reads, who  │    │     ▼
//	                 leads       │    │   outboxes of the worker ──▶ Transport, one
//	                             │    │                              frame a node
//	               apply pool    ▼    │ wanted images
//	                      ┌─────────┐ ▼
//	                      │ applier │ senders, receivers   (bulk pool)
//	                      └──┬──────┘
//	                         ▼
//	                  StateMachine, Outcomes
//
// # Actors
//
// A Group is an actor: a mailbox, and a state that belongs to whichever worker
// runs it. A group with mail is in the queue of the group pool exactly once; a
// worker takes it, hands all of its mail to the core, and carries out what the
// core wants until it wants nothing more. That is where batches come from: all
// proposals that have gathered become one entry, all messages of a pass one frame
// for each node, all writes that have gathered one flush of the log. Nothing is
// locked meanwhile, and nothing waits.
//
// What a group sends leaves at the end of the pass, before the group is released,
// so that no other worker's messages of the same group can overtake.
//
// The apply stage of a group is an actor of its own, in a pool of its own, for a
// machine may take its time. It calls the machine, in the order of the log,
// and tells the outcomes. What takes long (making an image, restoring one) it does
// in the bulk pool, where transfers run as well, so that a slow group holds up
// neither consensus nor the applying of others.
//
// A worker that has stepped groups writes to the log what they have, unless somebody
// else is at it, and is not counted as up meanwhile. While the server has little to do
// an entry is thus proposed, written, committed and applied by one goroutine: to wake
// another takes longer than all of that but the sync. It may even be the proposer's own
// (Assist).
//
// # Time
//
// One tick drives everything that waits. It visits groups that are awake only.
// Idle groups are quiescent, and then the link between two nodes stands in for
// them: nodes exchange a heartbeat each few ticks, whatever the number of groups, and
// when a node falls silent, comes back, or turns out to have been started
// anew (each process has a random epoch), the groups concerned are told. Groups
// without a leader whose live nodes are no majority are not ticked
// either. None of that bears on safety, which is the core's alone.
//
// # Bounds
//
// Proposals without an outcome are bounded in bytes, by group and in total, as is
// what waits for the log; beyond that Propose returns ErrOverloaded. While the log
// is behind, entries from leaders are dropped before they are looked at, and
// heartbeats and votes are not; the leader probes again. Mailboxes are bounded.
// Entries that a transport has no room for are lost, and the core is told; what else is
// said leaves in frames of its own, for which there is room for longer, so that no flood
// of entries costs a group its leader. Images go by a window and a rate.
//
// # Replicas that may have forgotten
//
// See rejoin.go, and decision 7. A replica whose log is damaged, or was in
// memory, or is gone, comes back under a new identity and has to be admitted. What
// is left of its log is not touched before that. A replica that nobody can stand
// in for is halted, and its Status says why.
//
// # Invariants
//
//   - A group is run by one worker at a time, and so is its applier.
//   - A proposal that was accepted has one Outcome. Dropped means that it is not in
//     any replica's state, and never will be.
//   - The machine sees each index once, in order, in the life of a process;
//     an image takes the place of those before it.
//   - The core hears of writes in the order in which it made them.
//   - An identity is never taken up again once its replica may have forgotten.
//   - A log that has failed is never written to again: the host says that it
//     leaves, and is silent from then on.
//   - Driven by hand (Poll, Tick, Receive, and the log's Flush, on one goroutine) a
//     host does the same for the same seed and the same calls.
//
// What goes over the network is in docs/formats/raft-wire.md, what entries
// contain in docs/formats/raft-entry.md.
//
// The package knows nothing of what groups are for, opens no connections, and does
// not decide which groups there are.
package host
