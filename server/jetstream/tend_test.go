package jetstream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
)

// Leaders that a restart has driven away go back, a few at a time, and where a user has sent
// one it stays.
func TestLeadersGoBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		var streams []*meta.Stream
		for i := range 3 * (handedAtOnce + 2) {
			streams = append(streams, w.mustPlace(&api.StreamConfig{Name: fmt.Sprint("S", i), Subjects: []string{fmt.Sprint("s.", i)}, Replicas: 3}))
		}
		// away counts those that are led elsewhere than they should be.
		away := func() (n int) {
			for _, st := range streams {
				is, should := w.host(st), w.leader().e.assigned("A", st.Name()).Group.Preferred
				if is == nil || uint32(is.node) != should {
					n++
				}
			}
			return n
		}
		w.wait("leaders", func() bool {
			return !slices.ContainsFunc(streams, func(st *meta.Stream) bool { return w.host(st) == nil })
		})
		for range 4 {
			if away() == 0 {
				break
			}
			time.Sleep(settled + tendEvery)
		}
		if n := away(); n > 0 {
			t.Fatalf("%d of %d streams are led elsewhere", n, len(streams))
		}

		down := w.houses[w.leader().node%3+1]
		disk := down.disk.CrashClone(vfs.CrashOptions{})
		down.close()
		time.Sleep(20 * time.Second)
		w.open(down.node, disk)
		time.Sleep(settled / 2)
		before := away()
		if before != len(streams)/3 {
			t.Errorf("%d of %d streams are led elsewhere", before, len(streams))
		}
		for n, rounds := before, 0; n > 0; rounds++ {
			time.Sleep(tendEvery)
			now := away()
			// Two servers have something to give back.
			if now > n || n-now > 2*handedAtOnce || rounds > 20 {
				t.Fatalf("%d streams were led elsewhere, %d are after round %d", n, now, rounds)
			}
			n = now
		}

		st := streams[0]
		was := w.host(st)
		to := w.houses[was.node%3+1]
		if _, err := w.leader().e.meta.propose(t.Context(), &meta.Op{PreferLeader: &meta.PreferLeader{
			Account: "A", Stream: st.Name(), Group: st.Group.ID, Node: uint32(to.node),
		}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * tendEvery)
		if is := w.host(st); is != to {
			t.Errorf("it is led by %d, and not by %d", is.node, to.node)
		}
	})
}

// A server that comes gets the replicas that lacked one.
func TestMissingReplicasArePlaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
		w.wait("a leader", func() bool { return w.host(st) != nil })
		w.leader().store("s", "hello")
		gone := w.houses[w.leader().node%3+1]
		gone.close()
		time.Sleep(10 * time.Second)
		granted[api.SuccessResponse](w.leader(), subjectOf(api.OpServerRemove), &api.ServerRequest{Server: gone.e.cfg.Name})
		var left []uint32
		for _, h := range w.all() {
			left = append(left, uint32(h.node))
		}
		w.wait("two replicas", func() bool { return w.isOn(st, 1, left...) })
		w.open(4, vfs.NewMem())
		w.wait("three replicas", func() bool { return w.isOn(st, 1, append(left, 4)...) && w.areVoters(st, 3) })
	})
}
