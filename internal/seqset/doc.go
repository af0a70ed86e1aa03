// Package seqset is a set of numbers for streams: compressed, because what is
// missing from a stream of ten billion messages may be one long range, every
// other number, or a million in no order.
//
//	var s seqset.Set
//	s.AddRange(1, 1_000_000)
//	s.Remove(4711)
//	for first, last := range s.Ranges() { … }   // 1 4710, 4712 1000000
//
// # Shape
//
// The numbers are cut into chunks of 65,536. Of those only the ones that have a
// member exist, each in the form that takes less memory:
//
//	runs     first and last of each run of members, 4 bytes together
//	bitmap   8 KiB, for chunks of more than 2,048 runs
//
// Chunks in which nothing is missing are no chunks at all but one span, however
// many follow on each other. So a range costs the same whatever its length, and
// no set more than a bit for each number between its first and last, and about 60
// bytes for each chunk.
//
//	0        65536     131072                        655360    720896
//	├─────────┼─────────┼─────────────────────────────┼─────────┤
//	│ runs    │ bitmap  │ span of 8 chunks            │ runs    │
//	│ 3–9 40  │ 0101010…│ all members                 │ 0–0     │
//
// A bitmap goes back to runs when it has half as many as would need one, so that
// a chunk at the border does not go to and fro.
//
// # Encoding
//
// [Set.Append] writes, and [Decode] reads, a version and then the chunks in
// order, each behind a head of eight bytes. Numbers are little endian.
//
//	┌─────────┐┌─────────────────────────────┬───────────┐┌───
//	│ version ││ head: number of chunk << 16 │ content   ││ head …
//	│ 1       ││       + kind                │           ││
//	└─────────┘└─────────────────────────────┴───────────┘└───
//
//	kind 0        a span; 8: number of its last chunk
//	kind 1–2048   so many runs; each 2: first, 2: last
//	kind 65535    a bitmap of more runs; 8192: bit i of byte j is number 8j+i
//
// A set has one encoding: runs have a gap between them, spans do not touch, and
// what could be a span is one. Decode takes nothing else. A set takes about ten
// times the memory of its encoding at most, and nothing is allocated for what is
// not there. There is no checksum: whoever stores the bytes has one.
//
// # Limits
//
// All numbers may be members. Counts are modulo 1<<64, which matters to the set
// of all of them only.
//
// The package has no locks: many goroutines may read a set, or one change it.
package seqset
