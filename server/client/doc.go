// Package client is a NATS client's connection: the verbs of the client
// protocol over a conn.Conn.
//
// A Client goes through
//
//	accepted ─▶ INFO, PROXY header, TLS ─▶ CONNECT: who is it? ─▶ in an account ─▶ closed
//
// and then publishes through a Fanout of its account. Everything it reads is
// worked off on one goroutine, a chunk at a time: each operation adds to the
// stages of the Fanout, and at the end of the chunk these are handed over and
// written.
//
// What it needs of the server is a Host; package server implements it. The
// Client decides nothing about other clients.
//
// A reload rechecks clients from another goroutine, while they go on. Whoever
// comes in, or subscribes, by what is no longer in force finds that out
// afterwards: what a client ends up with is always of the newest configuration.
// A Client may be closed by anybody at any moment, and leaves nothing in its
// account, whatever it was doing.
//
// Who may touch what: fields of Client above mu belong to the reading
// goroutine; those below it are guarded by mu, which is never held while calling
// an account, the connection or, but for its clock, the host.
package client
