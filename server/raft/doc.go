// Package raft is consensus as a pure function: messages, ticks, proposals and
// storage completions in, a Ready out. One Raft is one replica of one group. It
// has no clock, goroutine, lock, file or socket; package host gives it those,
// and a simulator gives it others.
//
//	           Propose, ProposeConf, ReadIndex, Transfer
//	                            │
//	Step(Message) ──▶  ┌────────▼────────┐ ──▶ Ready.Append     to the durable log
//	Tick(now)     ──▶  │      Raft       │ ──▶ Ready.Messages   to other replicas
//	Stored(seq)   ──▶  │                 │ ──▶ Ready.Committed  to the state machine
//	AppliedTo(i)  ──▶  └─────────────────┘ ──▶ Ready.Reads, Snapshots, Soft
//
// The caller takes a Ready, hands its parts on in any order, and calls Advance.
// It need not wait for any of it: when an Append is durable it calls Stored, when
// entries have been applied it calls AppliedTo. Several Appends may be on
// their way at once, and become durable in the order of their Seq.
//
// # Promises
//
// What is sent before the disk has it may be taken back by a crash. Messages that
// must not be taken back (granted votes, requests for votes, acknowledged
// entries) are held inside until the Append that they rest on is stored. All
// that a Ready holds may leave at once. A leader sends its entries to the
// followers while its own disk still writes; its own acknowledgement counts as
// one of the quorum's when it is stored, like anybody's.
//
// # What it is made of
//
// Elections ask first whether they could be won (PreVote, thesis 9.6), a leader
// without a majority steps down (CheckQuorum), and nobody votes while its leader
// lives (thesis 4.2.3). Appends are pipelined up to a number of messages and
// bytes, and a conflict is found by term and not by entry. A configuration rules
// from the moment that it is in the log (section 6): see conf.go. Reads take a round of
// heartbeats, or a lease (read.go). An idle group is quiescent (quiesce.go).
// Commit and applied indexes are volatile, as in the paper: a restarted replica
// learns from its leader what is committed.
//
// # Invariants
//
// Checked here and by the tests: a term has one leader; applied <= applying <=
// committed <= last; term and commit never go back within a life; nothing at
// or below the commit index is ever replaced (a message that wants to is refused
// with an InvariantError).
//
// References are to "In Search of an Understandable Consensus Algorithm" (Raft)
// and to Diego Ongaro's dissertation (thesis).
package raft
