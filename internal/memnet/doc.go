// Package memnet is a network in memory, for whole clusters in one test
// process.
//
// A [Network] has [Host]s with names. A host listens and dials; its
// connections are net.Conns that behave like TCP ones: ordered bytes, bounded
// buffers with back-pressure, deadlines, half close, resets. Each direction
// between two hosts is a link of its own, with latency, jitter and bandwidth,
// and can be blocked.
//
// # Virtual time
//
// The package is made for testing/synctest. It waits on condition variables
// and on timers of package time, both of which a bubble counts as durably
// blocked; its mutex is never held while waiting. It has no goroutines of its
// own: bytes in flight are bytes in a queue with a time of arrival, and the
// reader waits for that time. A Network and all that belongs to it must be made
// and used in one bubble, or outside of any, where it works on real time.
//
// # How faults look
//
//   - A blocked link ([Network.Block], [Network.Partition]) is silent. Writes
//     succeed until the buffer is full, dials wait. TCP repeats what was lost,
//     so once the link is open again everything in flight arrives, one latency
//     later. With one direction blocked, the other one still delivers, but its
//     sender gets no acknowledgements and stalls after one buffer.
//   - [Network.Cut] resets the connections between two hosts at once.
//   - [Host.Crash] is the death of the process: its listeners are gone,
//     connections are reset, and dialling it is refused.
//   - [Host.Pause] is a pulled cable, and what the others see of a machine
//     that stands still: silence. Crash behind it makes that a power cut: the
//     others hear of the lost connections when the host is resumed.
//
// # What it does not do
//
// There are no packets, hence neither loss nor duplication nor reordering: TCP
// hides them, as latency. A connection is in the accept queue when Dial
// returns, half a round trip earlier than on a real network. A blocked
// connection never times out by itself. Addresses are names with a port; there
// is no resolver, and a host has no other name than its own, "localhost" and
// the loopback addresses. (Some clients resolve names before they dial; hosts
// that are named by an IP address keep them from it.) Jitter is drawn from a source per link, seeded from
// Config.Seed; it repeats in a rerun as far as the goroutines of the test
// write in the same order.
package memnet
