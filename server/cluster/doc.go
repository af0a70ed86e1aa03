// Package cluster joins servers: a route is a connection between two of them, by which
// each tells what its clients listen to, and sends what the other's listen to.
//
//	dialler                              acceptor
//	CONNECT {…}, INFO {…}  ───────────▶
//	                       ◀───────────  INFO {…}          Dial and Accept: a Meeting
//	RS+ A orders.* …       ◀──────────▶  RS+ A _INBOX.>    Route
//	RMSG A orders.1 …      ◀──────────▶  RMSG A _INBOX.1 …
//
// docs/formats/route.md has the bytes. Which routes there are is for package mesh to decide; TLS comes
// before the handshake and is somebody else's.
//
// # A route
//
// What the other end is interested in are subscriptions in the accounts here, with the
// route as their target. What is listened to here the route learns by following each
// account that it carries. It takes what is pending before it accepts messages:
//
//	SUB _INBOX.1 ─▶ Follower ─ wake ─▶ dirty ─┐
//	PUB ask      ─▶ stage[route] ─▶ Accept ───┴▶ RS+ A _INBOX.1 │ RMSG A ask _INBOX.1 …
//
// Invariants:
//   - A message that a client publishes after it has subscribed does not overtake the
//     interest in its answer.
//   - When a route has ended, none of its subscriptions are left, and no follower.
//   - Nothing that a route has read goes to another route.
package cluster
