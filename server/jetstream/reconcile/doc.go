// Package reconcile decides what a server has to do so that replicas are where the
// assignments say: which of them it runs, what becomes of the others that it has, and, where
// it leads a group, the next step of a change of the group's members.
//
//	meta.State ──▶ Plan ──▶ Tasks: what is to run here
//	                   └──▶ Fate:  what becomes of something that is on disk
//
//	Goal, raft.Status ──▶ Next ──▶ Step: learners first, then one change, then the report
//
// # A change
//
//	voters 1 2 3          assigned: 1 2 4
//	voters 1 2 3  learner 4          4 gets the log, and counts for nothing
//	voters 1 2 4  outgoing 1 2 3     when 4 has it: both majorities, by raft's own rules
//	voters 1 2 4                     the leader reports the end, when 4 knows that it is one
//
// A stream keeps those that leave until its consumers have gone. The server of one that has left
// keeps the replica until the end is committed in the meta group, for the change may be cancelled.
//
// # What is old
//
// A server acts on its copy of the assignments, which may be behind. Nothing is removed by a state
// older than one that was acted on before (Fate). A leader takes no step by a state older than its
// reign (Fresh): whoever led before it may have carried out what it has not heard of, and it would
// undo that. What comes after its election cannot have been carried out by others. And a replica
// is admitted only if its server has heard of the change by which it is (Candidate): it may be
// left over from an earlier time, and be removed by a server that has only heard of the end of that.
//
// # Invariants
//
//   - A server begins a group only as one of its founders, on the disk that it had then.
//   - Nothing is removed that was not deleted, or moved elsewhere, by what is committed; what no
//     state knows is put aside.
//   - A voter goes only when all who are to come have what is committed.
//   - The end of a change is reported when it is committed, and who came knows of it.
//
// The package is pure. It knows raft's configurations, and calls nothing.
package reconcile
