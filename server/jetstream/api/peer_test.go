package api

import "testing"

func TestPeerID(t *testing.T) {
	for node, id := range map[uint32]string{0: "00000000", 1: "00000001", 0xcafe0123: "cafe0123", 1<<32 - 1: "ffffffff"} {
		if got := PeerID(node); got != id {
			t.Errorf("%d is %q, want %q", node, got, id)
		}
		if got, ok := ParsePeerID(id); !ok || got != node {
			t.Errorf("%q is %d, %v", id, got, ok)
		}
	}
	for _, id := range []string{"", "n1", "1", "CAFE0123", "+cafe012", "0cafe0123", "100000000", "cafe 123"} {
		if node, ok := ParsePeerID(id); ok {
			t.Errorf("%q is %d", id, node)
		}
	}
}
