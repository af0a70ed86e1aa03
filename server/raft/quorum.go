package raft

import "slices"

// quorumValue returns the highest value that a majority of the voters has
// reached, in a joint configuration a majority of each half. Voters that value
// knows nothing of have reached 0. Of no voters at all nothing is required.
func quorumValue[V ~uint64 | ~int64](c *ConfState, value func(PeerID) V) V {
	v := majorityValue(c.Voters, value)
	if c.Joint() {
		v = min(v, majorityValue(c.Outgoing, value))
	}
	return v
}

func majorityValue[V ~uint64 | ~int64](voters []PeerID, value func(PeerID) V) V {
	if len(voters) == 0 {
		return 0
	}
	var few [8]V
	vals := few[:0]
	for _, p := range voters {
		vals = append(vals, value(p))
	}
	slices.Sort(vals)
	return vals[(len(vals)-1)/2]
}

// quorumOf reports whether yes holds for a majority of the voters, in a joint
// configuration for one of each half.
func quorumOf(c *ConfState, yes func(PeerID) bool) bool {
	return quorumValue(c, func(p PeerID) uint64 {
		if yes(p) {
			return 1
		}
		return 0
	}) == 1
}
