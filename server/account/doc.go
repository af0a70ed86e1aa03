// Package account is a space of subjects: who listens in it, and how a message
// published in it reaches them.
//
// An Account holds the interest (a sublist of Subscriptions) and the limits of
// one tenant. Nothing crosses from one account to another but by an import. A
// Subscription belongs to a Target, which is the receiving end of a connection, or
// has a Handler inside the server. A Target with an Encoder is a route to another server.
//
// # Fan-out
//
// Every connection that publishes owns a Fanout. For each message it looks up
// the routes of the subject, and appends the encoded message to a stage per
// target: a list of buffers that nobody else touches. When the connection has
// worked off what it had read, Flush hands each stage over to its target, with
// one lock per target and batch rather than per message, and then has each
// target write once.
//
//	        Fanout of publisher P                          Target T
//	PUB a ─▶ routes(a) ─▶ stage[T] ▓▓▓▓  ─── Flush ───▶  queue ▓▓▓▓▓▓▓▓ ─▶ socket
//	PUB b ─▶ routes(b) ─┘ stage[U] ▓▓
//
// Invariants:
//   - Messages of one publisher reach a target in the order of publishing,
//     because there is one stage for each target and it is handed over whole.
//   - All stages are handed over before any target writes. A PONG goes through
//     the publisher's own stage, so when a client sees it, everything it had
//     published before is in its receivers' queues.
//   - Publishing allocates nothing once the routes of a subject are known, nor
//     for subjects that are used once, as those of replies.
//   - Of a queue group one member gets a message, drawn at random from those who
//     can take it. Another server is drawn only if no member here can.
//   - A subscription counts what it got when the publisher flushes, and from the
//     moment that it has a maximum with each message. No publisher goes beyond a
//     maximum that it can see.
//
// # Imports
//
// A subscription of an account that imports a stream has a shadow in the
// exporting account, which publishers there find like any subscription. A service
// import is a subscription that takes requests into another account:
//
//	importer B                              exporter A
//	SUB from.x ◀─── the same target ─────── shadow of it at "x"  ◀── PUB x
//	PUB ask r  ──▶ ServiceImport ─────────▶ svc, reply _R_.p.t ──▶ SUB svc
//	SUB r      ◀─────────────── responses ◀── PUB _R_.p.t
//
// Where the answer to a request goes is in a record, of which there is a bounded
// number for each import, and which lives for a bounded time. Fanouts for the other
// accounts hang on that of the publisher and share its stages.
//
// Invariants:
//   - A subscription has a shadow for each stream import of its account that
//     overlaps it, from when Subscribe or Import returns until it is closed.
//   - A message that came out of another account goes to no shadow.
//   - A record is in its table and its queue, or in neither.
//
// # Other servers
//
// What another server is interested in are subscriptions with the route to it as their
// target, which in a queue group weigh as much as it has members there. It gets one copy of
// a message for all of them, with the names of the groups that it was drawn for:
//
//	 server 1                                     server 2
//	PUB x ─▶ routes(x) ─▶ stage[client] ▓▓
//	              └─────▶ stage[route]  ▓▓ ─▶  "A x q1" ─▶ Arrive: plain ones, one of q1
//
// Imports are crossed where a message is published. A subscription of another server has a
// shadow in the exporting account like any other, and that server gets the message in
// the importing account. What arrives goes to no shadow and through no service import;
// an answer goes to who waits for it, on whatever server that is.
//
// Invariants:
//   - What another server has sent is sent to no other.
//   - Of a queue group one server is drawn, and that one draws the member.
//   - For each account, import and server there is one copy of a message.
//
// # What others are told
//
// Who follows an account, as a route to another server does, is told of its subjects and
// queue groups when the first listener comes and when the last one goes, and of every
// change in the size of a group. A Follower takes what changed when it has time to send
// it: it is told what holds then, and not of what was over before.
//
// Told are subscriptions of connections and handlers here, unless they are Local. Imports
// are crossed where a message is published, by every server for itself, so that shadows and
// service imports are nobody else's business; but the account listens for
// answers under a prefix of this server's own, and others are told of that.
//
// Invariants:
//   - When Subscribe returns, followers have been woken and can take the subscription.
//   - A follower holds an item for each subject and group of which it knows something else
//     than what is, and no other.
//
// # What a Fanout remembers
//
// Routes are kept for subjects that were published to more than once. They are
// stamped with the generation of the interest and looked up again when that has
// changed; if nothing changed for this subject, they stay as they are. Kept
// routes and stages refer to connections, so a Fanout must not remember them for
// ever: it forgets those that are closed while it goes on publishing, and
// everything after a few flushes with nothing published in between, as the PONGs
// of an idle client bring about.
package account
