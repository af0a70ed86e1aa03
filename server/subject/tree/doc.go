// Package tree is an index of literal subjects, for stores that have ten million
// of them: an ordered map from a subject to a small value, which finds what a
// pattern matches without looking at the rest.
//
//	var t tree.Tree[Span]
//	v, isNew := t.Put([]byte("orders.17.paid"))
//	v.Last = 4711
//	for subject, v := range t.Match("orders.*.paid") { … }
//
// # Shape
//
// It is a radix tree over bytes. A record stands for what a number of subjects
// have in common: the prefix that all of them go on with, then a label for each
// byte that comes next, with a child behind it.
//
//	                ┌─────────────────────────┐
//	   root ──────▶ │ prefix "orders.", 1 2   │      orders.1
//	                └──────────────────┬─┬────┘      orders.17.new
//	             ┌─────────────────────┘ └─▶ value   orders.17.paid
//	             ▼                                   orders.2
//	┌─────────────────────────┐
//	│ prefix "", 7, own value │
//	└───────────┬─────────────┘
//	            ▼
//	┌─────────────────────────┐      ┌──────────────────────────┐
//	│ prefix ".", n p         ├─n──▶ │ prefix "ew", own value   │
//	└───────────┬─────────────┘      └──────────────────────────┘
//	            └────────────────p─▶ prefix "aid", own value
//
// A record without children is the rest of one subject, and where that rest is
// empty there is no record but only the value. So a subject costs, beside its
// value, 5 bytes in the record that it hangs from, and if it has a rest that it
// shares with no other, that rest and 7 bytes more. A million keys of a KV bucket
// that count up take 7 bytes each, tokens of 20 random letters 33.
//
// The bytes of a record:
//
//	┌────────────┬───────┬────────┬────────┬───────────────┬────────────┐
//	│ len prefix │ count │ prefix │ labels │ refs          │ value      │
//	│ 1          │ 2     │ 0–255  │ count  │ 4 × count     │ 4, or none │
//	└────────────┴───────┴────────┴────────┴───────────────┴────────────┘
//
// The highest bit of count says that there is a value, the lowest nine are the
// number of children, 0 to 256, whose labels are in order. A ref is the handle
// of a record, or with its highest bit set that of a value. Numbers are little
// endian. Records are never written to a disk or to another server.
//
// There is one kind of record, not several for few and many children as in the
// adaptive radix trees of the literature: the processor compares 32 labels at a
// time, which is faster than any table for so few bytes, and a record that is as
// long as its content leaves nothing empty.
//
// # Memory
//
// Records and values lie in slabs: pages of up to 256 slots of one size, which
// are named by handles of 31 bits. The garbage collector sees a few thousand
// pages where pointers would have it follow millions, and nothing at all in
// them if values have no pointers. A slot that is given back is the next to be
// used, and a page that has become empty goes back to the collector. The first
// pages are small: a tree with one subject takes half a kilobyte, one with ten
// about three.
//
// Handles can name two billion slots. To put more is a panic, as it is to run out
// of memory, which needs to be at least 60 GB then.
//
// # Invariants
//
//   - Every record has a value or a child. It has both, or two children, or is
//     the last of its subject, except where a text that many subjects have in
//     common is too long for one record.
//   - Each slot that is taken hangs from exactly one place.
//   - A value does not move as long as its subject is there.
//   - Reading changes nothing, so that any number of goroutines may.
//
// # Subjects
//
// The tree takes any bytes for a subject, the empty one too. What patterns match
// is what package subject says: those with an empty token are matched by none,
// and wildcards in a subject are bytes like others.
//
// The package has no locks, and no idea of what values mean.
package tree
