package jetstream

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/reconcile"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// inert is a machine that keeps nothing.
type inert struct{ at host.Position }

func (m *inert) Applied() host.Position { return m.at }

func (m *inert) Apply(b *host.Batch) error {
	m.at.Base.Index, m.at.Base.Term, m.at.Time = b.Index, b.Term, b.Time
	return nil
}

func (m *inert) ApplyConf(i raft.Index, term raft.Term, conf *raft.ConfState) error {
	m.at.Base = raft.Base{Index: i, Term: term, Conf: conf.Clone()}
	return nil
}
func (m *inert) Snapshot() (host.Snapshot, error)        { return nil, errBehind }
func (m *inert) Restore(host.Position, host.Image) error { return errBehind }
func (m *inert) LeaderChanged(host.Leadership)           {}

// threeServers opens a town of three that have founded their group of assets.
func threeServers(t *testing.T) *town {
	t.Helper()
	w := newTown(t, 3)
	for n := range raft.NodeID(3) {
		w.open(n+1, vfs.NewMem())
	}
	time.Sleep(10 * time.Second)
	w.wantGroup(3)
	return w
}

// group starts a group of some servers' replicas that does nothing, and returns the leader, which is
// the first one.
func (w *town) group(id uint64, on ...raft.NodeID) *house {
	w.t.Helper()
	cfg := host.GroupConfig{ID: raft.GroupID(id), Contacts: on}
	for _, n := range on {
		cfg.Peers = append(cfg.Peers, w.houses[n].e.self())
	}
	for _, n := range on {
		cfg.Machine, cfg.Campaign = &inert{}, n == on[0]
		if _, err := w.houses[n].host.Create(cfg); err != nil {
			w.t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Second)
	leader := w.groupLeader(id)
	if leader.node == on[0] {
		return leader
	}
	g, _ := leader.host.Group(raft.GroupID(id))
	if err := g.Transfer(on[0]); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	return w.groupLeader(id)
}

func (w *town) groupLeader(id uint64) *house {
	w.t.Helper()
	synctest.Wait()
	for _, h := range w.all() {
		if g, ok := h.host.Group(raft.GroupID(id)); ok && g.Leading() {
			return h
		}
	}
	w.t.Fatal("nobody leads")
	return nil
}

// assignedTo returns a stream and its consumer as they are assigned to some servers, and then to
// others if there are any.
func assignedTo(t *testing.T, nodes []uint32, then ...uint32) (*meta.State, *meta.Stream, *meta.Consumer) {
	t.Helper()
	state := &meta.State{}
	apply := func(op *meta.Op) {
		if r := state.Apply(op, 7); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for n := range uint32(4) {
		apply(&meta.Op{AddServer: &meta.AddServer{Server: meta.Server{Node: n + 1, Name: "S", Incarnation: 1, Cluster: "C"}}})
	}
	cfg := &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: len(nodes)}
	apply(&meta.Op{CreateStream: &meta.CreateStream{Account: "A", Config: cfg, Nodes: nodes, Limits: meta.NoLimits}})
	st := state.Stream("A", "S")
	apply(&meta.Op{CreateConsumer: &meta.CreateConsumer{
		Account: "A", Stream: "S", Group: st.Group.ID, Config: &api.ConsumerConfig{Name: "D", Durable: "D"}, Max: -1,
	}})
	if len(then) > 0 {
		next := cfg.Clone()
		next.Replicas = len(then)
		apply(&meta.Op{UpdateStream: &meta.UpdateStream{
			Account: "A", Revision: st.Revision, Config: next, Nodes: then, Limits: meta.NoLimits,
		}})
	}
	st = state.Stream("A", "S")
	return state, st, st.Consumer("D")
}

// names are those of peers, with a star if they are current and a cross if they are offline.
func peerNames(list []*api.PeerInfo) string {
	var out []string
	for _, p := range list {
		name := p.Name
		if p.Current {
			name += "*"
		}
		if p.Offline {
			name += "!"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// A server that is alone says nothing of a cluster.
func TestAloneThereIsNoClusterInfo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		_, st, c := assignedTo(t, []uint32{1})
		if r.e.clusterInfo(st, c) != nil || r.e.Meta() != nil || r.e.MetaState() != MetaCurrent {
			t.Error("it tells of a cluster")
		}
	})
}

// The leader knows of all replicas how they do, the others who leads and how far they are.
func TestClusterInfo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := threeServers(t)
		defer w.close()
		_, st, _ := assignedTo(t, []uint32{1, 2, 3})
		leader := w.group(st.Group.ID, 1, 2, 3)
		if leader.node != 1 {
			t.Fatalf("server %d leads", leader.node)
		}
		for n, want := range map[raft.NodeID]string{1: "S2* S3*", 2: "S2* S3", 3: "S2 S3*"} {
			got := w.houses[n].e.clusterInfo(st, nil)
			if got.Name != "C" || got.Leader != "S1" || got.RaftGroup != "S-00000010" || got.LeaderSince == nil || got.TrafficAccount != "$SYS" {
				t.Errorf("server %d: %+v", n, got)
			}
			if got := peerNames(got.Replicas); got != want {
				t.Errorf("to server %d they are %s, want %s", n, got, want)
			}
			if got.Replicas[0].Peer != "00000002" || got.Desired != nil {
				t.Errorf("server %d: %+v, %+v", n, got.Replicas[0], got.Desired)
			}
		}

		// One of them falls behind, and comes back.
		w.cut(1, 3, true)
		w.cut(2, 3, true)
		g, _ := leader.host.Group(raft.GroupID(st.Group.ID))
		for range 10 {
			if err := g.Propose(host.Proposal{Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		got := leader.e.clusterInfo(st, nil)
		if peerNames(got.Replicas) != "S2* S3!" || got.Replicas[1].Lag != 10 || got.Replicas[1].Active < 9*time.Second {
			t.Errorf("cut off: %s, %+v", peerNames(got.Replicas), got.Replicas[1])
		}
		if far := w.houses[3].e.clusterInfo(st, nil); far.Leader != "" || peerNames(far.Replicas) != "S1! S2! S3" {
			t.Errorf("who is cut off: %+v, %s", far, peerNames(far.Replicas))
		}
		if err := w.houses[3].e.groupAilment(&st.Group); !errors.Is(err, errLeaderless) {
			t.Errorf("its ailment is %v", err)
		}
		w.cut(1, 3, false)
		w.cut(2, 3, false)
		time.Sleep(10 * time.Second)
		if got := leader.e.clusterInfo(st, nil); peerNames(got.Replicas) != "S2* S3*" {
			t.Errorf("back: %s", peerNames(got.Replicas))
		}
		if err := w.houses[3].e.groupAilment(&st.Group); err != nil {
			t.Errorf("its ailment is %v", err)
		}
	})
}

// Of one replica nobody is asked how it does.
func TestClusterInfoOfOneReplica(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := threeServers(t)
		defer w.close()
		_, st, c := assignedTo(t, []uint32{2})
		w.group(c.Group.ID, 2)
		got := w.houses[2].e.clusterInfo(st, c)
		if got.Leader != "S2" || got.Replicas != nil || got.RaftGroup != api.ConsumerGroupName(c.Group.ID) {
			t.Errorf("%+v", got)
		}
		if got := w.houses[1].e.clusterInfo(st, c); got.Leader != "" || peerNames(got.Replicas) != "S2" {
			t.Errorf("elsewhere: %+v, %s", got, peerNames(got.Replicas))
		}
	})
}

// A change of servers is shown with where it leads to, and what it waits for.
func TestDesiredServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := threeServers(t)
		defer w.close()
		state, st, c := assignedTo(t, []uint32{1}, 1, 2, 3)
		leader := w.group(st.Group.ID, 1)
		want := func(kind, says string) {
			t.Helper()
			d := leader.e.clusterInfo(st, nil).Desired
			if d == nil || d.Status == nil || d.Status.Type != kind || d.Status.Description != says {
				t.Fatalf("%+v, %+v", d, d.Status)
			}
			var servers []string
			for _, p := range d.Replicas {
				servers = append(servers, p.Name)
			}
			if !slices.Equal(servers, []string{"S1", "S2", "S3"}) || d.Name != "C" || d.Origin == nil || d.Origin.Replicas != 1 || d.Created.UnixNano() != 7 {
				t.Errorf("to %v of %s, from %+v", servers, d.Name, d.Origin)
			}
		}
		want(api.DesiredUnavailable, "waiting for S2")
		if got := leader.e.clusterInfo(st, nil); peerNames(got.Replicas) != "S2 S3" {
			t.Errorf("replicas %s", peerNames(got.Replicas))
		}
		g, _ := leader.host.Group(raft.GroupID(st.Group.ID))
		add := func(kind raft.ChangeType) {
			t.Helper()
			var changes []raft.Change
			for n := range raft.NodeID(2) {
				r, ok := w.houses[n+2].host.Group(g.ID())
				if !ok {
					t.Fatal("it has not asked yet")
				}
				changes = append(changes, raft.Change{Type: kind, Peer: r.Self()})
			}
			failed := make(chan error, 1)
			g.Change(changes, func(err error) { failed <- err })
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
		}
		for n := range raft.NodeID(2) {
			if _, err := w.houses[n+2].host.Join(host.GroupConfig{ID: g.ID(), Machine: &inert{}, Contacts: []raft.NodeID{1}}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		want(api.DesiredUnavailable, "waiting for S2")
		add(raft.AddLearner)
		time.Sleep(10 * time.Second)
		want(api.DesiredMembership, "changing the members of the group")
		add(raft.AddVoter)
		time.Sleep(10 * time.Second)
		want(api.DesiredBlocked, "waiting for the consumers to have gone first")
		if c.Group.Change == nil {
			t.Fatal("the consumer does not follow")
		}
		if r := state.Apply(&meta.Op{EndChange: &meta.EndChange{Account: "A", Stream: "S", Consumer: "D", Group: c.Group.ID, Change: c.Group.Change.ID}}, 8); r.Err != nil {
			t.Fatal(r.Err)
		}
		st = state.Stream("A", "S")
		want(api.DesiredMeta, "telling the meta leader that the change is over")
	})
}

// Each step that a leader may be at is explained.
func TestStepsAreExplained(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		for _, tc := range []struct {
			step reconcile.Step
			kind string
			says string
		}{
			{reconcile.Step{Kind: reconcile.Wait, Why: api.DesiredCatchup, Node: 1}, api.DesiredCatchup, "waiting for S1 to catch up"},
			{reconcile.Step{Kind: reconcile.Wait, Why: api.DesiredSnapshot, Node: 1}, api.DesiredSnapshot, "sending a snapshot to S1"},
			{reconcile.Step{Kind: reconcile.Wait, Why: api.DesiredUnavailable, Node: 9}, api.DesiredUnavailable, "waiting for Server name unknown at this time (peerID: 00000009)"},
			{reconcile.Step{Kind: reconcile.Wait, Why: api.DesiredMembership}, api.DesiredMembership, "waiting for a change of the members of the group"},
			{reconcile.Step{Kind: reconcile.Transfer, To: 2}, api.DesiredMembership, "changing the members of the group"},
			{reconcile.Step{Kind: reconcile.Rest}, api.DesiredMeta, "telling the meta leader that the change is over"},
		} {
			if got := r.e.explain(tc.step); got.Type != tc.kind || got.Description != tc.says {
				t.Errorf("%+v: %+v", tc.step, got)
			}
		}
	})
}

// The group of assets is told of by all, and its replicas by the leader, who knows.
func TestMetaFigures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		first := w.open(1, vfs.NewMem())
		time.Sleep(10 * time.Second)
		if f := first.e.Meta(); f == nil || f.Leader != "" || f.Size != 0 || first.e.MetaState() != MetaLeaderless {
			t.Errorf("before there is a group: %+v", f)
		}
		w.open(2, vfs.NewMem())
		w.open(3, vfs.NewMem())
		time.Sleep(10 * time.Second)
		leader := w.leader()
		for _, h := range w.all() {
			f := h.e.Meta()
			if f.Cluster != "C" || f.Leader != leader.e.cfg.Name || f.Peer != api.PeerID(uint32(leader.node)) || f.Size != 3 || f.Quorum != 2 || f.Leading != (h == leader) || h.e.MetaState() != MetaCurrent {
				t.Errorf("server %d: %+v", h.node, f)
			}
			if f.Entries == 0 || f.Bytes == 0 {
				t.Errorf("server %d: nothing behind the checkpoint: %+v", h.node, f)
			}
			want := ""
			if h == leader {
				want = strings.TrimSpace(strings.Replace("S1* S2* S3* ", leader.e.cfg.Name+"* ", "", 1))
			}
			if got := peerNames(f.Replicas); got != want {
				t.Errorf("server %d: replicas %q, want %q", h.node, got, want)
			}
		}
		w.houses[leader.node%3+1].close()
		time.Sleep(10 * time.Second)
		if got := peerNames(leader.e.Meta().Replicas); strings.Count(got, "!") != 1 || strings.Count(got, "*") != 1 {
			t.Errorf("one is gone: %s", got)
		}
		w.houses[(leader.node+1)%3+1].close()
		time.Sleep(10 * time.Second)
		if f := leader.e.Meta(); f.Leader != "" || f.Size != 3 || leader.e.MetaState() != MetaLeaderless {
			t.Errorf("two are gone: %+v", f)
		}
	})
}

// Every server that has a replica tells of it, and whether it can be relied on.
func TestReplicasAreShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
		c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
		w.houses[1].store("s", "x")
		time.Sleep(10 * time.Second)
		leader, cleader := w.host(st), w.server(st, c)
		look := func(h *house) (v StreamView, cv ConsumerView) {
			for v = range h.e.Streams("A", "S") {
				for cv = range v.Consumers {
				}
			}
			return v, cv
		}
		for _, h := range w.all() {
			v, cv := look(h)
			if v.Name != "S" || v.Group != groupName(st, nil) || v.Leading != (h == leader) || v.Trouble != nil || cv.Name != "C" || cv.Group != groupName(st, c) || cv.Trouble != nil {
				t.Errorf("server %d: %+v, %+v", h.node, v, cv)
			}
			if in := v.Info(); in.State.Msgs != 1 || in.Cluster.Leader != leader.e.cfg.Name || len(in.Cluster.Replicas) != 2 {
				t.Errorf("server %d: %+v, %+v", h.node, in, in.Cluster)
			}
			if in := cv.Info(); in.Cluster.Leader != cleader.e.cfg.Name || in.Cluster.RaftGroup != groupName(st, c) {
				t.Errorf("server %d: %+v, %+v", h.node, in, in.Cluster)
			}
			f := h.e.Figures()
			if f.Streams != 1 || f.Consumers != 1 || f.Replicated != 2 || f.Messages != 1 || (f.StreamsLed == 1) != (h == leader) || (f.ConsumersLed == 1) != (h == cleader) {
				t.Errorf("server %d: %+v", h.node, f)
			}
		}
		for _, h := range w.all() {
			if h != leader {
				h.close()
			}
		}
		time.Sleep(10 * time.Second)
		if v, cv := look(leader); !errors.Is(v.Trouble, errLeaderless) || !errors.Is(cv.Trouble, errLeaderless) || v.Leading {
			t.Errorf("alone: %+v, %+v", v, cv)
		}
	})
}
