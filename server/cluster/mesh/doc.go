// Package mesh decides which connections there are between the servers of a cluster. It
// opens none: whoever uses it tells what has come about, and is told what to do.
//
//	dialled, accepted ─▶ Arrived ─┐              ┌─▶ Dials, each to become a link
//	ended ─────────────▶ Left     │   ┌──────┐   ├─▶ Closes
//	a server was named ▶ Heard    ├──▶│ Mesh │──▶┤
//	a dial has failed ─▶ Failed   │   └──────┘   ├─▶ Tells: who else there is
//	time has passed ───▶ Poll ────┘              └─▶ Joined, Gone, Renamed
//
// # Words
//
// A link is a connection between two servers. Between two there is one for each slot: as
// many as the pool has places, and one for each account that has a connection of its own.
// The first place is the main link: while it is up the servers are together. A target is an
// address to be dialled, because it was configured or because somebody named a server
// that is reached there.
//
// # Rules
//
//   - Everybody is told of everybody, and dials those whom it does not know.
//   - Of two links for one slot that cross, the one stays that was dialled by the server
//     with the smaller ID; of two that were dialled by the same server, the one that was
//     dialled later. Both ends come to the same result, whatever arrives first.
//   - Who has dialled the main link dials all others.
//   - A configured address is dialled for ever, unless this server itself listens
//     there; one that was heard of for a number of times.
//   - All servers have the name of the cluster. A configured name wins over one that a
//     server has made up, of two of these the larger.
//   - No two servers have the same name.
//
// The package is pure: time and chance come from the caller, and the same calls have the
// same effects.
package mesh
