package host

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
)

// BenchmarkProposals is what three hosts in one process do without a network or a
// disk in the way: 128-byte proposals, as many as the budgets let through.
func BenchmarkProposals(b *testing.B) {
	for name, groups := range map[string]int{"groups=1": 1, "groups=1000": 1000} {
		b.Run(name, func(b *testing.B) {
			s := newStarted(b, 3, nil, nil)
			defer s.stop()
			for id := range raft.GroupID(groups) {
				var peers []raft.PeerID
				for _, nd := range s.nodes {
					peers = append(peers, raft.MakePeerID(nd.id, nd.log.Incarnation()))
				}
				for i, nd := range s.nodes {
					_, err := nd.host.Create(GroupConfig{ID: id + 1, Machine: &nothing{}, Peers: peers, Campaign: i == int(id)%3})
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			leaders := make([]*Group, groups)
			for i := range leaders {
				leaders[i] = s.leader(raft.GroupID(i + 1))
			}
			var applied, lost atomic.Int64
			data := make([]byte, 128)
			done := func(o Outcome) {
				if o.Fate == Applied {
					applied.Add(1)
				} else {
					lost.Add(1)
				}
			}
			b.SetBytes(128)
			b.ReportAllocs()
			b.ResetTimer()
			for n := range b.N {
				for {
					err := leaders[n%groups].Propose(Proposal{Data: data, Done: done})
					if err == nil {
						break
					}
					if !errors.Is(err, ErrOverloaded) {
						leaders[n%groups] = s.leader(raft.GroupID(n%groups + 1))
					}
					runtime.Gosched()
				}
				if n%16 == 0 && int64(n)-applied.Load()-lost.Load() > 20_000 {
					for int64(n)-applied.Load()-lost.Load() > 10_000 {
						runtime.Gosched()
					}
				}
			}
			for applied.Load()+lost.Load() < int64(b.N) {
				runtime.Gosched()
			}
			b.StopTimer()
			b.ReportMetric(float64(applied.Load())/b.Elapsed().Seconds(), "applied/s")
			if n := lost.Load(); n > 0 {
				b.Logf("%d of %d lost", n, b.N)
			}
		})
	}
}
