package jetstream

import (
	"errors"
	"testing"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// What happens to a group is told in words, with the name of what it is for.
func TestEventsInWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant)
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C"})
		st := r.e.assigned("A", "S")
		why := errors.New("a reason")
		for _, tt := range []struct {
			kind  host.EventKind
			group uint64
			want  string
		}{
			{host.EventDamage, st.Group.ID, "JetStream: the log of stream S of account A is damaged: a reason"},
			{host.EventHalted, st.Consumer("C").Group.ID, "JetStream: consumer C of stream S, account A stands still: a reason"},
			{host.EventHalted, uint64(metaGroupID), "JetStream: the group of all streams and consumers stands still: a reason"},
			{host.EventUnreadable, 999, "JetStream: the log of group 999 cannot be read for now: a reason"},
			{host.EventPoisoned, 0, "JetStream: nothing is stored any more until the server is started anew: a reason"},
			{host.EventLeader, st.Group.ID, ""},
		} {
			before := len(r.complained())
			r.e.HostEvent(host.Event{Kind: tt.kind, Group: raft.GroupID(tt.group), Err: why})
			got := ""
			if all := r.complained(); len(all) > before {
				got = all[before]
			}
			if got != tt.want {
				t.Errorf("%v is told as %q, want %q", tt.kind, got, tt.want)
			}
		}
	})
}
