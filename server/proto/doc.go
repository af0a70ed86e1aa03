// Package proto is the wire grammar of NATS: what clients and other servers send,
// parsed in place, and what a server sends, encoded into the caller's buffer.
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
// A PeerParser does the same for what other servers say on routes and leafnode
// links (docs/formats/route.md):
//
//	"RMSG ORDERS foo + _INBOX.1 q1 q2 5\r\nhello\r\n"
//	      └─┬──┘ └┬┘   └──┬───┘ └─┬─┘     └─┬─┘
//	   Account Subject  Reply  Queues      Msg
//
// Both are as lenient as clients have come to expect: verbs in any case, runs of
// spaces and tabs, bare line feeds behind control lines, anything behind PING,
// PONG and +OK, a count of UNSUB and a weight of a queue group that are none. What
// frames the bytes is strict: sizes, and the CR LF behind a payload.
//
// Limits are applied as early as the bytes allow: a control line before it is
// complete, a payload from the size in its control line.
//
// The package does not check what operations mean: subjects, permissions and what
// is in the JSON of CONNECT and INFO are the caller's.
package proto
