// Package jetstream is the engine of JetStream on a server: it runs the streams and
// consumers that there are to be, connects them with subjects, and answers the
// JetStream API.
//
//	         client ─▶ $JS.API.> ─▶ api ──propose──▶ meta group
//	                                                     │ applied
//	                                                     ▼
//	                                   reconcile: start, change, stop assets
//	                                     │                      │
//	client ─▶ subjects ──▶ stream ──propose──▶ its group     consumer ──▶ its group
//	             ▲           │  actor     stream.Core           │  actor
//	             └──acks─────┘◀──applied─── + store.Store ──────┘ consumer.State
//	                                            └── stored, removed ──▶ consumer.Engine
//
// # Groups
//
// Every stream and every consumer is a raft group of its own, and so is the set
// of all of them (package meta). With one server they are groups of one: nothing
// is done in another way then. What a group decides it decides while an entry is
// applied, in a pure core; this package carries out what the leader's core wants
// done.
//
// # Actors
//
// An asset has two sides. The machine is called by the host of raft groups, on its
// apply stage. The driver exists where the asset leads; it is an actor, which is run
// by a few workers when something has come for it, and costs nothing while
// nothing does. Publishers, clients' requests and the machine put what they have
// into its inbox, and never wait for it.
//
// # Who answers
//
// Of several servers one takes a request, its front, and passes it on to who can answer: who leads
// the group of assets, a stream or a consumer. Leaders are found by interest: who leads a group listens
// for it in the system account, and nobody else (office). What creates or changes an asset has two
// halves: the leader of the assets decides, and the leader of the asset answers. One server alone
// does all of that itself.
//
// # Backups
//
// A backup is a snapshot of the store and the states of the consumers, sent as fast as
// a client takes it. A restore is a stream that is assigned apart from the others,
// is quiet, and is given its content through its group; then it is one like others, or is
// deleted. What goes over the wire is in package archive.
//
// # What is kept where
//
// Below the store directory:
//
//	raft/           the log of all groups (server/raft/wal)
//	images/         images of other servers' replicas while they come in
//	meta, meta.old  the checkpoint of the meta group, and the one before
//	streams/ID/     a stream's messages and checkpoint, by the ID of its group
//	lost/           what nobody knew what to do with
//
// With Config.Ring all of it is encrypted (docs/formats/encryption.md).
//
// A consumer has no file: from time to time it writes its whole state into its log,
// which begins there from then on.
package jetstream
