package host

import (
	"fmt"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// A group has a leader as soon as a majority of its founders is there, whoever of them is there first:
// no time has to pass.
func TestFoundersElectAtOnce(t *testing.T) {
	for _, order := range [][]raft.NodeID{{1, 2, 3}, {2, 1, 3}, {2, 3, 1}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			c := newCluster(t, 3)
			var peers []raft.PeerID
			for _, n := range c.ids {
				peers = append(peers, c.nodes[n].peer())
			}
			there := 0
			for _, n := range order {
				cfg := c.nodes[n].config(1)
				cfg.Peers, cfg.Campaign = peers, n == 1
				if _, err := c.nodes[n].host.Create(cfg); err != nil {
					t.Fatal(err)
				}
				c.run()
				there++
				_, stands := c.nodes[1].host.Group(1)
				if want := stands && there >= 2; (c.leader(1) == c.nodes[1]) != want {
					t.Fatalf("with %v there, leads: %v", order[:there], !want)
				}
			}
			c.apply(1, "a")
			c.same(1)
		})
	}
}
