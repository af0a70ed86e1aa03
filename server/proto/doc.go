// Package proto is the wire grammar of NATS: what a client sends, parsed in
// place, and what a server sends, encoded into the caller's buffer.
//
// A Parser looks at bytes that the caller holds and gives one operation at a
// time, whose fields point into those bytes:
//
//	"PUB foo _INBOX.1 5\r\nhello\r\nPI"
//	     └┬┘ └──┬───┘     └─┬─┘     └┬┘
//	  Subject  Reply       Msg       not complete: the caller reads more
//
// It keeps no state between operations, so there is none to get wrong when a
// message is split across reads: an incomplete operation is parsed again once
// there are more bytes, and a payload is never scanned, only skipped. It
// allocates nothing.
//
// It is as lenient as clients have come to expect: verbs in any case, runs of
// spaces and tabs, bare line feeds behind control lines, anything behind PING,
// PONG and +OK, and a count of UNSUB that is none. What frames the bytes is
// strict: sizes, and the CR LF behind a payload.
//
// Limits are applied as early as the bytes allow: a control line before it is
// complete, a payload from the size in its control line.
//
// The package does not check what operations mean: subjects, permissions and
// CONNECT's JSON are the caller's.
package proto
