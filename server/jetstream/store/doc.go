// Package store says what it is to hold the messages of a stream: the interface
// [Store], the types it speaks in, and the [Filter] of its reads and purges.
// The engines are in the packages below: mem keeps messages in memory, file in
// blocks on disk; storetest holds the tests that every engine has to pass.
//
//	number    counts the messages of a stream, from 1, and is never used again.
//	          Numbers grow, and may leave gaps: what was skipped or removed
//	subject   a literal subject; the stream has checked that it is valid
//	size      what a message counts for in limits and in State.Bytes; it follows
//	          a formula (FileSize, MemorySize), not the room it really takes
//	filter    a set of patterns that selects messages by their subject
//
// # What always holds
//
// A store is a materialisation of the stream's log. Nothing in it depends on the
// replica's clock, on chance, or on when something was read: after the same calls
// two stores of one kind give the same answers. An engine therefore never
// decides anything by itself; limits, deduplication and expiry are the work of
// the stream, which calls Remove and its kin.
//
//	Bytes    the sum of the sizes of the messages that are there
//	First    the lowest number that is there; Last+1 if there is none
//	Last     never goes down but by Reset
//	Deleted  Last-First+1-Messages, as long as there are messages
//	Time     never goes back from one message to the next; At relies on it
//
// # Durability
//
// Calls that change a store promise nothing about the disk. Checkpoint and Commit
// do: what Open finds after a crash is the newest state that was committed,
// whole, and nothing of what was done behind it. The log is applied again from
// there. The opaque extra travels with the state, so that what the stream's core
// keeps can never be of another moment than the messages.
//
// Prepare and Commit put another content in the place of all that there is, likewise
// whole: that of an image (package image) of another replica's store.
//
// # What it does not do
//
// There is no search by content, no order but that of numbers, and no
// transaction over several calls: readers see a store between two calls.
package store
