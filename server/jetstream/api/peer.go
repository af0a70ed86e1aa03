package api

import (
	"fmt"
	"strconv"
)

// PeerID is what clients and tools call a server in place of its name: its node number as
// 8 hexadecimal digits. It stays the same when the server loses its disk.
func PeerID(node uint32) string { return fmt.Sprintf("%08x", node) }

// ParsePeerID returns the node that a PeerID stands for; false if it is none.
func ParsePeerID(id string) (node uint32, ok bool) {
	n, err := strconv.ParseUint(id, 16, 32)
	if err != nil || PeerID(uint32(n)) != id {
		return 0, false
	}
	return uint32(n), true
}

// The names of raft groups, as clients and tools see them.
const MetaGroupName = "_meta_"

// StreamGroupName and ConsumerGroupName name the group with that number. It is never used
// again for another one.
func StreamGroupName(group uint64) string { return fmt.Sprintf("S-%08x", group) }

// ConsumerGroupName is as StreamGroupName.
func ConsumerGroupName(group uint64) string { return fmt.Sprintf("C-%08x", group) }
