// Package placement decides which servers get the replicas of an asset, and who of them
// should lead it.
//
//	servers ─┐               ┌─▶ Choice: nodes, and who begins to lead
//	         ├─▶ Choose ─────┤
//	Wish ────┘   Replace     └─▶ NoPeers: why there is none, in the words of clients
//
//	groups, who leads them ──▶ Spread ──▶ a few Transfers
//
// # Rules
//
// A candidate is in the cluster that is wished for, has JetStream, all of the tags and none
// of the excluded ones, has room, and is not to be avoided. With a unique tag no two
// replicas are on servers with the same one, and none is on a server without.
//
// Candidates are ranked: who can be reached; then, of an asset with several replicas, who
// has the fewest of these; of one with a single replica and a reservation, who has the most
// room, and without, who has the fewest streams. What is equal still is told apart by a hash,
// so that assets spread. The best are taken. A server that cannot be reached is taken if
// nobody else is left, it has not been away for long, and a majority can be reached.
//
// Of the servers of an asset that begins the one that is to lead the fewest leads it. One that
// goes elsewhere is led by who had a replica before.
//
// # Invariants
//
//   - The order of the servers makes no difference, and there is no chance.
//   - One more server never makes a choice worse, by that ranking.
//   - Who is to be kept is kept, whatever it is like.
//
// The package is pure. Figures that change from moment to moment (who can be reached, how
// much room there is) come from the caller.
package placement
