// Package mem holds the messages of a stream in memory. It is the engine of
// streams with storage "memory", and nothing of it is left when the process ends.
//
// Messages lie in blocks, in the order of their numbers. A block is two pieces of
// memory without pointers, so that the garbage collector sees few and large
// objects, and an append into a block allocates nothing:
//
//	blocks    [0]        [1]        [2]
//	           │
//	           ├ slots    time  prev  next  number  offset ┐   32 bytes a message
//	           │          time  prev  next  number  offset │
//	           │                                           ▼
//	           ├ data     len(subject) len(header) subject header payload │ …
//	           └ dead     a bit for each slot
//
// A number leads to its block by a guess from how numbers are spread over the
// blocks, and in the block to its slot by arithmetic: in a stream without holes
// both hit at once. With holes a binary search follows.
//
// The tree of subjects has the first and last number and the count of each
// subject, always exact. The messages of one subject are a list, by prev and next
// of their slots. What is removed is cut out of its list, so the oldest message of
// a subject is found and replaced without any search.
//
// # Searches
//
// There are two ways to answer a query with a filter: to walk messages in order,
// and to walk the subjects that the filter selects, and their lists. Either may be
// a million times longer than the other, and which it is depends on where the
// messages lie. A search therefore does both in turn, and ends with the one that
// ends first; a count gives up the one when it has cost as much as the other can.
//
// # Memory
//
// A removed message becomes a bit in its block. A block without messages goes at
// once. One that is mostly holes is written anew, together with a neighbour if
// both are small, so that what the store takes stays in proportion to what it
// holds. The first block and the last are left alone: the one will soon be empty
// if messages are removed in order, the other is being filled.
//
// # Locking
//
// One lock: the writer takes it for each change, readers share it. A snapshot
// takes a copy of the list of blocks, not of their content, and needs no lock
// afterwards. This works because of what never changes in place while a snapshot
// is open: bytes of data, and all of a slot but prev and next, which snapshots do
// not look at. Blocks grow behind what a snapshot has of them.
package mem
