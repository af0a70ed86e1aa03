// Package logging writes log lines in the format and at the destinations that
// NATS operators know.
//
// A line is
//
//	[pid] 2006/01/02 15:04:05.000000 [INF] message
//
// with one of the levels INF, DBG, WRN, ERR, FTL and TRC, which is coloured on a
// terminal. The destination is standard error, a file, or syslog on this or
// another machine; syslog gets the message alone, with a severity. A message
// that contains control characters is written with them escaped, so that what a
// client sends can neither forge a line nor talk to the operator's terminal.
//
// # One goroutine writes
//
// A Logger formats the message where it is called and puts it into a queue. One
// goroutine takes lines out, writes each with one call, and owns the
// destination; changing or reopening that is a command in the same queue, so
// that each line ends up at exactly one place, in order.
//
// # When the destination fails
//
// No call that logs ever waits for the destination, whatever state it is in.
//
//   - A destination that is slow or hangs lets the queue grow up to its bounds,
//     maxQueueLines and maxQueueBytes. Then lines are dropped, DBG and TRC from
//     half of the bounds on so that they do not displace the others. Their number
//     is logged as soon as there is room.
//   - A destination that returns errors (a full disk) loses the lines it was
//     given. Standard error is told, at most once a minute, and the destination
//     is told the number of lost lines when it works again. A log file that could
//     not be opened again is tried again with each line.
//   - Rotation that fails leaves the current file in use, and is tried again when
//     it has grown by its limit once more.
//   - Close waits for the queue at most closeTimeout, so that a hanging disk does
//     not keep the server from stopping.
//
// The price is that lines which are still queued are lost when the process is
// killed; the queue is empty a moment after each line, unless one of the above
// is the case. Whoever ends the process calls Close first: Fatalf only logs.
//
// # Secrets
//
// RedactConnect removes secrets from what is traced. Nothing else here looks
// at the content of messages.
package logging
