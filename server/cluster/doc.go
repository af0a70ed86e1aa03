// Package cluster joins servers: a route is a connection between two of them, by which
// each tells what its clients listen to, and sends what the other's listen to.
//
//	listener ─▶ welcome ─▶ TLS, Accept ─┐            ┌─▶ Route: interest, messages, pings
//	dialer ───▶ dial ────▶ TLS, Dial ───┴▶ Cluster ──┤
//	                                        │ ▲      └─▶ who is there, under which name
//	                                        ▼ │
//	                                     mesh.Mesh: who stays, who is dialled, who is told
//
// docs/formats/route.md has the bytes. What begins like a connection of raft is
// handed over to somebody else.
//
// # A route
//
//	dialler                              acceptor
//	CONNECT {…}, INFO {…}  ───────────▶
//	                       ◀───────────  INFO {…}          Dial and Accept: a Meeting
//	RS+ A orders.* …       ◀──────────▶  RS+ A _INBOX.>    Route
//	RMSG A orders.1 …      ◀──────────▶  RMSG A _INBOX.1 …
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
//
// # All routes
//
// A Cluster has one goroutine that owns the mesh: arrivals, ends, failures, what others say and
// the passing of time are events that it works off one after the other. It never
// waits for a network or for anybody who posts events to it, so that they may wait for it. What others
// may ask is kept beside it, under a lock.
//
// Invariants:
//   - Each route that was made is in the Cluster's links until its Ended.
//   - When Close returns there is no goroutine and no connection left, but those that raft has.
package cluster
