// Package client is a NATS client's connection: the verbs of the client
// protocol over a conn.Conn.
//
// A Client goes through
//
//	accepted ─▶ PROXY header, TLS ─▶ INFO ─▶ CONNECT: who is it? ─▶ in an account ─▶ closed
//
// and then publishes through a Fanout of its account. Everything it reads is
// worked off on one goroutine, a chunk at a time: each operation adds to the
// stages of the Fanout, and at the end of the chunk these are handed over and
// written.
//
// What it needs of the server is a Host; package server implements it. The
// Client decides nothing about other clients.
//
// Who may touch what: fields of Client above mu belong to the reading
// goroutine; those below it are guarded by mu, which is never held while calling
// out.
package client
