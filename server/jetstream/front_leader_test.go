package jetstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// operator is a user of the system account on a server.
func (h *house) operator() *rig { return &rig{t: h.t, acc: h.system, patience: h.patience} }

// While leadership of streams and consumers is handed over again and again, who asks any server gets an
// answer, from who leads by then.
func TestRequestsWhileLeadersChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3})
		c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
		handOver := func(id uint64) {
			for _, h := range w.all() {
				if g, ok := h.host.Group(raft.GroupID(id)); ok && g.Leading() {
					if err := g.Transfer(h.node%3 + 1); err != nil {
						t.Log(err)
					}
				}
			}
		}
		for round := range 12 {
			handOver(st.Group.ID)
			handOver(c.Group.ID)
			time.Sleep(time.Duration(round*round) * time.Millisecond)
			h := w.all()[round%3]
			h.info("S")
			seq := uint64(0)
			for seq == 0 {
				// What is published while leadership changes may be lost, which is another matter.
				if ack, ok := h.publish("s.x", "hello"); ok && ack.Error == nil {
					seq = ack.Sequence
				}
			}
			if m, err := h.get("S", seq); err != nil || string(m.Data) != "hello" {
				t.Errorf("message %d is %+v, %v", seq, m, err)
			}
			h.deleteMsg("S", seq)
			h.purge("S")
			if in := h.info("S"); in.State.LastSeq < seq || in.State.Msgs != 0 {
				t.Errorf("at last %+v", in.State)
			}
			h.consumerInfo("S", "C")
			h.update(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3, MaxMsgs: int64(1000 + round)})
			h.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, MaxAckPending: 1000 + round})
		}
	})
}

// Operators ask any server, too, and one answers: also what the leader of the assets decides, about
// streams of which it has nothing.
func TestAnyServerTakesRequestsOfOperators(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		w.placeOn(w.follower().node, &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage})
		for _, h := range w.all() {
			op := h.operator()
			if _, err := call[api.SuccessResponse](op, subjectOf(api.OpServerEvacuate), &api.ServerRequest{Server: "X"}); err == nil || !err.Is(api.ErrClusterServerNotMember) {
				t.Errorf("evacuating: %v", err)
			}
			st := w.leader().e.assigned("A", "S")
			from := w.houses[raft.NodeID(st.Group.Nodes[0])]
			out := must[api.StreamUpdateResponse](op, subjectOf(api.OpAccountStreamMove, "A", "S"), &api.MoveRequest{Server: from.e.cfg.Name})
			if out.StreamInfo == nil || out.Config.Name != "S" {
				t.Errorf("moved %+v", out)
			}
			w.wait("the stream elsewhere", func() bool {
				now := w.leader().e.assigned("A", "S")
				return now.Group.Change == nil && !slices.Equal(now.Group.Nodes, st.Group.Nodes) && w.host(now) != nil
			})
			b := op.newInbox()
			op.send(subjectOf(api.OpMetaStepdown), b.sub.Subject, nil)
			time.Sleep(5 * time.Second)
			if got := b.all(); len(got) != 1 {
				t.Errorf("server %d: %v", h.node, got)
			}
			b.close()
		}
	})
}

// What cannot be opened is said to be offline at once, as nobody else has it.
func TestBrokenIsOffline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		where := w.follower()
		st := w.placeOn(where.node, &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage})
		where.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		disk := where.disk.CrashClone(vfs.CrashOptions{})
		where.close()
		dir := fmt.Sprintf("%016x", st.Group.ID)
		w.open(where.node, disk, failing(dir))
		time.Sleep(5 * time.Second)
		for _, h := range w.all() {
			before := time.Now()
			for subject, want := range map[string]*api.Error{
				subjectOf(api.OpStreamInfo, "S"):        api.ErrStreamOffline,
				subjectOf(api.OpStreamPurge, "S"):       api.ErrStreamOffline,
				subjectOf(api.OpConsumerInfo, "S", "C"): api.ErrConsumerOffline,
			} {
				if _, err := call[api.SuccessResponse](h.rig, subject, nil); err == nil || !err.Is(want) {
					t.Errorf("%s: %v", subject, err)
				}
			}
			if d := time.Since(before); d > time.Second {
				t.Errorf("after %v", d)
			}
		}
		w.leader().remove("S")
	})
}

// Whoever fails while assets are proposed, by whatever server: what was told to have happened has, what was told
// not to have had an effect has not, and nothing happens twice.
func TestProposingWhileLeadersFail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		made := make(map[string]bool)
		for i := range 8 {
			leader := w.leader()
			other := w.follower()
			done := make(chan string) // the names of those of which it is known that they are there
			for n := range 10 {
				name := fmt.Sprintf("S%d-%d", i, n)
				go func() {
					time.Sleep(time.Duration(n) * time.Millisecond)
					r, err := other.e.meta.propose(t.Context(), &meta.Op{CreateStream: &meta.CreateStream{
						Account: "A", Config: checked(t, &api.StreamConfig{Name: name, Subjects: []string{name}, Storage: api.FileStorage}),
						Nodes: []uint32{uint32(other.node)}, Limits: meta.NoLimits, New: true,
					}})
					there := other.e.assigned("A", name) != nil
					switch {
					case err == nil && (r.Err != nil || !r.Changed || !there):
						t.Errorf("%s: %+v, there: %t", name, r, there)
					case errors.Is(err, errDropped) && there:
						t.Errorf("%s is there: %v", name, err)
					}
					if err != nil {
						name = ""
					}
					done <- name
				}()
			}
			time.Sleep(time.Duration(i) * time.Millisecond)
			disk := leader.disk.CrashClone(vfs.CrashOptions{})
			w.cut(leader.node, leader.node%3+1, true)
			w.cut(leader.node, (leader.node+1)%3+1, true)
			for range 10 {
				if name := <-done; name != "" {
					made[name] = true
				}
			}
			leader.close()
			w.cut(leader.node, leader.node%3+1, false)
			w.cut(leader.node, (leader.node+1)%3+1, false)
			w.open(leader.node, disk)
			time.Sleep(10 * time.Second)
		}
		for name := range made {
			if w.leader().e.assigned("A", name) == nil {
				t.Errorf("%s is not there", name)
			}
		}
		if len(made) < 40 {
			t.Errorf("of 80 only %d are known to be there", len(made))
		}
	})
}

// failing has nothing be read or written in a directory.
func failing(dir string) rigOption {
	return func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
		r.fs.SetInjector(errorfs.InjectorFunc(func(op errorfs.Op) (f errorfs.Fault) {
			if strings.Contains(op.Path, dir) {
				f.Err = errors.New("a bad disk")
			}
			return f
		}))
	}
}
