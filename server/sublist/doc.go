// Package sublist is the interest index of an account: it holds subscriptions
// by subject and finds those that a message goes to.
//
// A [List] holds values of any comparable type, in a server pointers to
// subscriptions. A value is inserted under a subject, which may have wildcards,
// and a queue, "" for a plain subscription. The same value may be inserted any
// number of times; each time counts and has to be removed again.
//
// [List.Match] fills a [Result] with the plain members, each of which gets the
// message, and the queue groups, of each of which one member gets it. Groups of
// the same name are one group, even if their members subscribed to different
// subjects. What order members are in means nothing.
//
// # Shape
//
//	literals   "foo.bar" ─▶ entry          one hash lookup, however many tokens
//	           "foo.baz" ─▶ entry
//	wild       foo ─┬─▶ * ─▶ bar ─▶ entry  "foo.*.bar"
//	                └─▶ tail: entry        "foo.>"
//
// Most subscriptions are literal, so those live in one hash table by their
// whole subject, and a message finds its own in one lookup. Only subjects with
// wildcards are taken apart into tokens, as paths of a trie. A message walks
// the trie along its tokens, at each node into the child of that token and into
// the child of "*". Where no wildcard subscription shares a message's first
// token, that walk ends at the root.
//
// Memory is kept small because servers hold many inboxes ("_INBOX.<id>.*") that
// have one subscription each: a node and an entry are 64 bytes, a node's first
// child and an entry's first member need no allocation of their own, and tokens
// share the memory of the subject they came with. Empty entries and nodes go
// away with their last member, and hash tables that have become too large for
// what they hold are made anew.
//
// # Concurrency
//
// One RWMutex guards the whole index. Matching is short, holds no other lock,
// calls nothing, and runs only when a connection's own cache has missed; the
// [List.Generation] that stamps those caches is read without the lock. The
// roads not taken: a lock for each part of the subject space makes every
// wildcard match take several of them; an immutable index behind an atomic
// pointer makes a subscription copy its path, and copying a hash table of a
// hundred thousand inboxes for each new one is not an option, while a
// persistent map in its place costs every match several times the lock.
//
// Invariants:
//   - Every entry has a member, every node but the root has an entry or a child.
//   - The generation changes with every insert and remove, before the lock is
//     released. Who reads it before matching can trust a cached result for as
//     long as it stays the same.
//   - No caller's code runs under the lock.
//
// The package does not choose a group's member, deliver, count matches, or
// cache results: callers have better places for those.
package sublist
