package host

import (
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// Heard tells whether another node is up, and how long ago it was last heard; 0 if it
// never was. This node always is. It is cheap.
func (h *Host) Heard(n raft.NodeID) (up bool, silent time.Duration) {
	l := h.links.find(n)
	if n == h.cfg.Node || l == nil {
		return n == h.cfg.Node, 0
	}
	up, heard := l.up.Load(), l.heard.Load()
	if heard == 0 {
		return up, 0
	}
	// The tick may have been read before the frame came.
	return up, time.Duration(max(h.ticks.Load(), heard)-heard) * h.cfg.Tick
}

// LeaderSince returns when this replica heard of the leader that there is, or of the last
// one; the zero time if there never was one.
func (g *Group) LeaderSince() time.Time {
	if at := g.led.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}
