// Package conn is one connection: bytes in, bytes out, deadlines, and the rule
// for receivers that do not keep up. It knows no verbs; a Handler consumes what
// arrives.
//
// # Reading
//
// One goroutine per connection waits until there is something to read, and only
// then takes a buffer from a pool; an idle connection holds no buffer at all. A
// chunk is consumed in place as far as it has whole operations; the rest stays
// for the next read, in a buffer of its own size when nothing more comes. An
// operation larger than the usual buffer gets one that it fits in, as soon as
// the handler knows how long it will be.
//
// The goroutine that has handled something deep, as CONNECT's JSON, hands the
// connection over to a fresh one before it waits again, since a grown stack
// would otherwise stay with every idle connection until the garbage collector
// gets round to it.
//
// A connection without a descriptor of its own (TLS, in-process) cannot be asked
// whether there is something to read. It waits in a read into a small buffer
// that it keeps, and is not handed over.
//
// # Writing
//
// Receivers' bytes are accepted into a queue by whoever has them, and written by
// whoever calls Flush: one attempt that does not block, on the caller's
// goroutine, with no hand-over to another thread. Only when the socket is full
// is there a goroutine that waits for it, and it ends when the queue is empty.
// Connections without a descriptor write by that goroutine always.
//
// Invariants: at most one writer at a time; bytes leave in the order they were
// accepted; no lock is held across a system call or a call of the handler.
//
// # Slow consumers
//
// A connection whose queue would exceed MaxPending, or that does not take within
// WriteDeadline what was queued, is closed. From three quarters of MaxPending
// on, publishers are asked to wait a moment; Behind is for those who would rather
// leave the connection out.
//
// # Closing
//
//	open ──Close(r, 0), any error──────────────────────────────▶ closed
//	  │                                                            ▲
//	  └─Close(r, flush)─▶ writing out ─▶ lingering ─ end of input ─┤
//	                            └────────────┴── time is up ───────┘
//
// The handler is told at once, by Closed, and sees no input from then on, except
// for a Consume under way. A connection that is closed with time to flush has
// the queue written, ends its own half, and throws away what the client still
// sends until the client ends too: to close a socket with input unread resets
// the connection, and with it goes the error that the client was to read. Time,
// and how much is read for nothing, are bounded. Connections that cannot be half
// closed, as pipes, have no such trouble and are closed when the queue is
// written. A client that has ended its half gets what is queued, for a moment.
package conn
