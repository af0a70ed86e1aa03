// Package founding decides which servers found the meta group of a cluster, so that it
// is founded once. It is what comes before raft: raft needs to know who its first members
// are, and a configuration file names addresses of some.
//
//	See ────▶ ┌──────────┐ ──▶ Save: to be durable first
//	Hear ───▶ │ Founding │ ──▶ Announce, to all whom this server sees
//	Created ▶ └──────────┘ ──▶ Create, or Join
//
// # How
//
// Each server announces whom it sees, itself included: a proposal. A proposal may be
// replaced by a later attempt. A server that hears the same members proposed by each of
// them locks that: by the members and the attempts at which they proposed it, durably. A
// server that hears from all members that they have locked the same creates the
// group with those as its first configuration.
//
// A lock is given up only when a member says that it is past the attempt in it, and has not
// locked it: then it never will, so that nobody can have created the group. That is
// why two groups of which one server would be part are never founded. That all groups have
// a server in common is up to the configuration: a server only proposes when it sees
// somebody at each address that it has been told (Complete), and so do all others.
//
// Who hears that the group was founded, without itself, joins: it asks its leader to be
// admitted. Who has lost its disk has another incarnation, and joins as well.
//
// # Limits
//
// While a server is missing that was configured, nothing is founded; Waiting says who. A
// member that locks, and then loses its disk, is never heard of again: the others
// give up their locks when they see another incarnation of it. Should it have created the
// group before, together with members that nobody of the others sees nor was told of, that
// group has no majority without one of the others.
//
// The package is pure: what is heard decides, whatever the order, and as often as it comes.
package founding
