// Package system answers the requests below $SYS.REQ: who am I, for everybody,
// and what is this server doing, for those in the system account.
//
// A Service subscribes in accounts with handlers that run on the requester's
// goroutine. Those that have to collect much do so on a goroutine of their own,
// of which there is a bounded number; requests beyond it are dropped, as
// requests to a busy service are.
//
// What the answers hold comes from endpoints that the server gives; this
// package knows subjects, filters, envelopes and compression.
package system
