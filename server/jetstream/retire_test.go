package jetstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft"
)

// A server that is removed answers nobody any more, and is part of the cluster again when it is
// restarted with its disk, whether it was there when it was removed, or not, or was cut off.
func TestRemovedServerRetires(t *testing.T) {
	for _, where := range []string{"there", "gone", "cut off"} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newCity(t, 4, nil)
				defer w.close()
				w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
				h := w.bystander()
				apart := func(is bool) {
					for n := range raft.NodeID(4) {
						if n+1 != h.node {
							w.cut(h.node, n+1, is)
						}
					}
				}
				switch where {
				case "gone":
					h.close()
				case "cut off":
					apart(true)
				}
				time.Sleep(15 * time.Second)
				granted[api.SuccessResponse](w.leader(), subjectOf(api.OpServerRemove), &api.ServerRequest{Server: h.e.cfg.Name})
				time.Sleep(15 * time.Second)
				if where == "cut off" {
					apart(false)
					time.Sleep(30 * time.Second)
				}
				if where != "gone" {
					if err := h.e.meta.blamed(); !errors.Is(err, errRetired) {
						t.Errorf("it has not retired: %v", err)
					}
					if said := strings.Join(h.complained(), ";"); strings.Count(said, "was removed") != 1 {
						t.Errorf("it says %s", said)
					}
					if list := must[api.StreamNamesResponse](h.rig, subjectOf(api.OpStreamNames), nil).Streams; len(list) != 1 {
						t.Errorf("others answer %v", list)
					}
					if err := h.e.Serve(map[*account.Account]AccountLimits{h.acc: api.NoLimits}, nil); err != nil {
						t.Error(err)
					}
					h.close()
				}
				w.wait("three servers", func() bool { return w.leads() })
				w.wantGroup(3)
				w.open(h.node, h.disk)
				time.Sleep(time.Minute)
				w.wantGroup(4)
				again := w.houses[h.node]
				if err := again.e.meta.blamed(); err != nil {
					t.Error(err)
				}
				st := w.mustPlace(&api.StreamConfig{Name: "T", Subjects: []string{"t"}, Replicas: 4})
				w.wait("the leader of a stream", func() bool { return w.host(st) != nil })
				again.store("t", "hello")
				w.wait("all replicas", func() bool { return w.isOn(st, 1, 1, 2, 3, 4) })
			})
		})
	}
}
