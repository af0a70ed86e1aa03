// Package consumer is the delivery core of a JetStream consumer: which message
// goes to whom, when it comes again, and what its acknowledgement means. It is
// pure: no clock, goroutine, I/O, lock or global randomness. A driver gives it
// the time, carries out what it decides, and tells it what came of it.
//
// A consumer is a raft group of its own, and has two parts.
//
//	pulls, acks, interest, time ──▶ Engine ──▶ effects: deliver, status, advisory
//	                                  │
//	                                  ▼ Propose: frames of operations
//	                              log of the group
//	                                  │
//	              every replica:   State.Apply
//
// The [State] is what the replicas agree on: it is made of operations alone, and
// they carry all that they depend on, the time included. The [Engine] exists on
// the leader only. It is made from a State, decides, and works ahead of the log:
// it keeps a State of its own, which has what it proposed as soon as it decided
// it. When the leadership ends it is thrown away, and with it all that was not
// committed. What replicas do with an operation and what the engine does with it
// is the same code.
//
// # Words
//
//	stream seq     the number of a message in its stream (store.Seq)
//	consumer seq   counts deliveries, also repeated ones (ConsumerSeq)
//	delivered      the highest of both numbers
//	ack floor      all at or below is acknowledged, or given up
//	pending        delivered and not acknowledged; each has the number of its
//	               deliveries, the time of the last, and when it is due again
//	due            the moment from which on a pending message is redelivered
//	ready          due, and waiting for somebody to take it
//	request        a pull request that waits for messages
//	frame          operations that are proposed together; they share one time
//	mark           a number that counts proposals, to know what is committed
//
// # What always holds
//
// Pending messages are in the order of their stream seqs, which is also that of
// the consumer seqs of their first deliveries. The ack floor is below them all,
// and moves only when the lowest is settled. Nothing that is at or below the
// delivered stream seq is delivered for the first time.
//
// A consumer that awaits commits (replicated, with acknowledgements and without
// flow control) lets nothing out that was not committed: neither a message nor
// what has to come behind it. All others send at once and propose beside it, so
// that a crash may repeat deliveries but does not lose any. Acknowledgements are
// answered when they are committed, always.
//
// # What it does not do
//
// It does not know subjects of JetStream, accounts or connections: acknowledgement
// subjects, JSON and the sending are the driver's. It does not remove messages
// from streams; it tells which ones it is done with (Result.Finished). A pinned client,
// a flow control window and waiting requests do not outlive the leader; whoever waits
// is told by the next one to ask again.
package consumer
