// Package system answers the requests below $SYS.REQ: who am I, for everybody,
// and what is this server doing, as a whole or for one account, for those in the
// system account; others learn only of the connections of their own account.
//
// A Service subscribes in accounts with handlers that run on the requester's
// goroutine, which must not be held up: a request is copied and put into a
// queue, from which a few goroutines take it. They exist only while there is
// something to do. The queue has a line for each account, of bounded length, and
// the lines take turns, so that an account that asks too much keeps itself
// waiting and nobody else. What does not fit into a line is answered at once,
// with an error: a requester that hears nothing would wait for its timeout, and
// ask again.
//
// What the answers hold comes from endpoints that the server gives; this
// package knows subjects, filters, envelopes and compression.
package system
