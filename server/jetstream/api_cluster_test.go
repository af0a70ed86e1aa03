package jetstream

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/jetstream/placement"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// handled has a request be answered by a server itself, whoever else could.
func handled[R any](h *house, subject string, body any) (out R, _ *api.Error) {
	h.t.Helper()
	c, ok := api.Parse(subject)
	if !ok {
		h.t.Fatalf("%s is no request", subject)
	}
	t := h.e.system
	if !c.Op.IsSystem() {
		h.e.mu.RLock()
		t = h.e.accounts["A"]
		h.e.mu.RUnlock()
	}
	client := &rig{t: h.t, acc: t.account}
	inbox := client.newInbox()
	defer inbox.close()
	r := &request{Call: c, tenant: t, subject: subject, reply: inbox.sub.Subject}
	if body != nil {
		r.body = mustJSON(body)
	}
	r.serve()
	m, ok := inbox.next(h.patience)
	var head api.Response
	switch {
	case !ok:
		h.t.Fatalf("no answer to %s", subject)
	case json.Unmarshal([]byte(m.data), &head) != nil || head.Error == nil && json.Unmarshal([]byte(m.data), &out) != nil:
		h.t.Fatalf("answer to %s: %q", subject, m.data)
	}
	return out, head.Error
}

// granted is handled for what has to work.
func granted[R any](h *house, subject string, body any) R {
	h.t.Helper()
	out, err := handled[R](h, subject, body)
	if err != nil {
		h.t.Fatalf("%s %v: %v", subject, body, err)
	}
	return out
}

// refuses makes a request, which is to be refused.
func refuses(h *house, subject string, body any, want *api.Error) {
	h.t.Helper()
	if _, err := handled[api.SuccessResponse](h, subject, body); err == nil || *err != *want {
		h.t.Errorf("%s %v: %v, want %v", subject, body, err, want)
	}
}

func noPeers(text string) *api.Error { return api.ErrClusterNoPeers.With("err", text) }

type placed = api.StepdownRequest

// Who leads the assets hands over to whom the operator wants, and says so when that is done.
func TestMetaStepdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, func(node raft.NodeID) []rigOption { return []rigOption{tagged(fmt.Sprint("n:", node))} })
		defer w.close()
		subject := subjectOf(api.OpMetaStepdown)
		down := func(body any) *house {
			t.Helper()
			was := w.leader()
			granted[api.SuccessResponse](was, subject, body)
			if is := w.leader(); is == was {
				t.Fatalf("server %d leads still", is.node)
			}
			return w.leader()
		}
		down(nil)
		for n := range raft.NodeID(6) {
			leader := w.leader()
			to := w.houses[n%3+1]
			if to == leader {
				name := to.e.cfg.Name
				refuses(leader, subject, &placed{Placement: &api.Placement{Preferred: name}}, noPeers(fmt.Sprintf("preferred server %q is already leader", name)))
				refuses(leader, subject, &placed{Placement: &api.Placement{Tags: []string{fmt.Sprint("n:", to.node)}}}, noPeers("no replacement peer connected"))
				continue
			}
			body := &placed{Placement: &api.Placement{Preferred: to.e.cfg.Name}}
			switch n {
			case 3:
				body.Placement.Preferred = api.PeerID(uint32(to.node))
			case 4:
				body = &placed{Placement: &api.Placement{Tags: []string{fmt.Sprint("n:", to.node)}}}
			}
			if is := down(body); is != to {
				t.Errorf("server %d leads, and not %d", is.node, to.node)
			}
			time.Sleep(3 * time.Second) // the others hear of it
		}
		leader := w.leader()
		refuses(leader, subject, &placed{Placement: &api.Placement{Preferred: "X"}}, noPeers(`preferred server "X" not known`))
		refuses(leader, subject, &placed{Placement: &api.Placement{Cluster: "D"}}, noPeers("no replacement peer connected"))
		// Whoever is asked passes it on to who leads.
		granted[api.SuccessResponse](w.houses[leader.node%3+1], subject, nil)
		w.wait("another leader", func() bool { return w.leads() && w.leader() != leader })
		leader = w.leader()
		for _, h := range w.all() {
			if h != leader {
				h.close()
			}
		}
		time.Sleep(10 * time.Second)
		refuses(leader, subject, nil, api.ErrClusterNotAvail)
	})
}

func TestSuccessor(t *testing.T) {
	peer := func(node uint32) raft.PeerID { return raft.MakePeerID(raft.NodeID(node), 1) }
	type status = raft.PeerStatus
	follower := func(node uint32, match raft.Index, change ...func(*status)) status {
		s := status{ID: peer(node), Match: match, State: raft.Replicate, Active: true}
		for _, f := range change {
			f(&s)
		}
		return s
	}
	servers := []placement.Server{
		{Node: 1, Name: "one"},
		{Node: 2, Name: "two", Tags: []string{"x"}, Leads: 5},
		{Node: 3, Name: "three", Leads: 3},
		{Node: 4, Name: "four", Tags: []string{"x"}, Leads: 4},
		{Node: 5, Name: "five"},
		{Node: 6, Name: "six"},
	}
	for i := range servers {
		servers[i].JetStream, servers[i].Cluster, servers[i].Online = true, "C", servers[i].Node != 5
	}
	silent := func(s *status) { s.Active = false }
	forgot := func(s *status) { s.Forgot = true }
	image := func(s *status) { s.State = raft.Snapshot }
	all := []status{follower(2, 7), follower(3, 7), follower(4, 7), follower(5, 9)}
	for _, c := range []struct {
		name      string
		followers []status
		wishes    *api.Placement
		want      uint32
		err       string
	}{
		{"leads the fewest", all, nil, 3, ""},
		{"has the most", []status{follower(2, 8), follower(3, 7)}, nil, 2, ""},
		{"by tags", all, &api.Placement{Tags: []string{"x"}}, 4, ""},
		{"without tags", all, &api.Placement{Tags: []string{"!x"}}, 3, ""},
		{"by name", all, &api.Placement{Preferred: "two"}, 2, ""},
		{"by peer id", all, &api.Placement{Preferred: "00000002"}, 2, ""},
		{"offline", all, &api.Placement{Preferred: "five"}, 0, "no replacement peer connected"},
		{"leads", all, &api.Placement{Preferred: "one"}, 0, `preferred server "one" is already leader`},
		{"no replica", all, &api.Placement{Preferred: "six"}, 0, `preferred server "six" not known`},
		{"other cluster", all, &api.Placement{Cluster: "D"}, 0, "no replacement peer connected"},
		{"nobody keeps pace", []status{follower(2, 7, silent), follower(3, 7, forgot), follower(4, 1, image)}, nil, 0, "no replacement peer connected"},
	} {
		st := raft.Status{ID: peer(1), Peers: append([]status{follower(1, 9)}, c.followers...)}
		for _, f := range st.Peers {
			st.Conf.Voters = append(st.Conf.Voters, f.ID)
		}
		got, err := successor(servers, &st, c.wishes)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %d, %v, want %d %q", c.name, got, err, c.want, c.err)
		}
	}
}

// A server is removed by its name or its peer id, and whoever wants that is told when nobody
// counts on it any more.
func TestServerRemoveRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 4, nil)
		defer w.close()
		leader := w.leader()
		subject := subjectOf(api.OpServerRemove)
		removed := (&rig{t: t, acc: leader.system}).listen(api.EventServerRemoved)
		refuses(leader, subject, nil, api.ErrBadRequest)
		refuses(leader, subject, &api.ServerRequest{Server: "X"}, api.ErrClusterServerNotMember)
		refuses(leader, subject, &api.ServerRequest{Server: leader.e.cfg.Name, PeerID: "0000000f"}, api.ErrClusterServerNotMember)

		gone := w.houses[leader.node%4+1]
		gone.close()
		time.Sleep(10 * time.Second)
		for i, h := range []*house{gone, w.houses[(leader.node+1)%4+1]} {
			body := &api.ServerRequest{Server: h.e.cfg.Name}
			if i == 1 {
				body = &api.ServerRequest{PeerID: api.PeerID(uint32(h.node))}
			}
			granted[api.SuccessResponse](leader, subject, body)
			st := leader.e.meta.group.Status()
			if len(st.Conf.Voters) != 3-i || slices.ContainsFunc(st.Conf.Peers(), func(p raft.PeerID) bool { return p.Node() == h.node }) {
				t.Errorf("the group is %v", st.Conf)
			}
			leader.e.meta.view(func(s *meta.State) {
				if s.Removing() != 0 || s.Server(uint32(h.node)) != nil {
					t.Errorf("server %d is there, %d is being removed", h.node, s.Removing())
				}
			})
			if list := removed.all(); len(list) != 1 {
				t.Errorf("%v", list)
			}
			refuses(leader, subject, body, api.ErrClusterServerNotMember)
		}
		// Who is asked to remove itself hands over to somebody who can say when it is done.
		granted[api.SuccessResponse](leader, subject, &api.ServerRequest{Server: leader.e.cfg.Name})
		leader.close()
		next := w.leader()
		refuses(next, subject, &api.ServerRequest{Server: next.e.cfg.Name}, api.ErrPeerRemap)
	})
}

// assigned returns what is assigned to a name by the leader's copy.
func (w *town) assigned(stream string) *meta.Stream { return w.leader().e.assigned("A", stream) }

// arrives waits until a stream is where it is to be, with its consumers.
func (w *town) arrives(stream string) {
	w.t.Helper()
	w.wait("the end of the change of "+stream, func() bool {
		st, on := w.assigned(stream), false
		w.leader().e.meta.view(func(*meta.State) {
			on = st.Group.Change != nil
			for c := range st.Consumers() {
				on = on || c.Group.Change != nil
			}
		})
		return !on
	})
}

// stuck sends a stream to a server that is not there, so that it never arrives.
func (w *town) stuck(stream string, to ...uint32) {
	w.t.Helper()
	g := w.assigned(stream).Group
	r, err := w.leader().e.meta.propose(w.t.Context(), &meta.Op{ChangePeers: &meta.ChangePeers{Account: "A", Stream: stream, Group: g.ID, Was: g.Nodes, Nodes: to}})
	if err != nil || !r.Changed {
		w.t.Fatal(r, err)
	}
}

// bystander returns a server that neither leads the assets nor is one of some others.
func (w *town) bystander(others ...uint32) *house {
	w.t.Helper()
	leader := w.leader()
	for _, h := range w.all() {
		if h != leader && !slices.Contains(others, uint32(h.node)) {
			return h
		}
	}
	w.t.Fatal("there is none")
	return nil
}

// Servers are taken out of streams, which others take over, and that can be cancelled.
func TestPeersAreReplaced(t *testing.T) {
	for _, op := range []api.Op{api.OpStreamPeerRemove, api.OpStreamPeerEvacuate} {
		t.Run(op.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newCity(t, 5, nil)
				defer w.close()
				w.mustPlace(&api.StreamConfig{Name: "S", Replicas: 2})
				w.mustPlace(&api.StreamConfig{Name: "ALL", Replicas: 5})
				leader, subject := w.leader(), subjectOf(op, "S")
				name := func(node uint32) string { return fmt.Sprint("S", node) }
				refuses(leader, subject, nil, api.ErrBadRequest)
				refuses(leader, subject, &api.PeerRequest{Peer: "X"}, api.ErrClusterPeerNotMember)
				refuses(leader, subjectOf(op, "T"), &api.PeerRequest{Peer: "S1"}, api.ErrStreamNotFound)
				refuses(leader, subjectOf(op, "ALL"), &api.PeerRequest{Peer: "S1"}, api.ErrPeerRemap)
				before := w.assigned("S").Group.Nodes
				granted[api.SuccessResponse](leader, subject, &api.PeerRequest{Peer: name(before[1])})
				now := w.assigned("S").Group.Nodes
				if len(now) != 2 || now[0] != before[0] || now[1] == before[1] {
					t.Fatalf("%v became %v", before, now)
				}
				refuses(leader, subject, &api.PeerRequest{Peer: name(before[1])}, api.ErrClusterPeerNotMember)
				w.arrives("S")

				down := w.bystander(now...)
				down.close()
				time.Sleep(10 * time.Second)
				w.stuck("S", now[0], uint32(down.node))
				refuses(leader, subject, &api.PeerRequest{Peer: name(uint32(down.node))}, api.ErrStreamMoveInProgress)
				cancel := subjectOf(api.OpStreamCancelMove, "S")
				if in := granted[api.StreamUpdateResponse](leader, cancel, nil); in.StreamInfo == nil || in.Config.Name != "S" {
					t.Errorf("%+v", in)
				}
				if g := w.assigned("S").Group; !slices.Equal(g.Nodes, now) {
					t.Errorf("%v is back as %+v", now, g)
				}
				refuses(leader, cancel, nil, api.ErrStreamReconfigureNotInProgress)
				refuses(leader, subjectOf(api.OpStreamCancelMove, "T"), nil, api.ErrStreamNotFound)
				w.arrives("S")

				// Of one that is gone nobody waits for what only it has, if it is removed.
				gone := now[0]
				if raft.NodeID(gone) == leader.node {
					gone = now[1]
				}
				w.houses[raft.NodeID(gone)].close()
				time.Sleep(20 * time.Second)
				granted[api.SuccessResponse](w.leader(), subject, &api.PeerRequest{Peer: name(gone)})
				// The other one alone is no majority, so that it goes on.
				if g := w.assigned("S").Group; slices.Contains(g.Nodes, gone) || g.Change == nil || g.Change.Forced != (op == api.OpStreamPeerRemove) {
					t.Errorf("%+v, %+v", g, g.Change)
				}
			})
		})
	}
}

// A consumer goes to another server of its stream.
func TestPeersOfConsumersAreReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 4, nil)
		defer w.close()
		if _, err := w.place(&api.StreamConfig{Name: "S", Replicas: 3}); err != nil {
			t.Fatal(err)
		}
		leader, subject := w.leader(), subjectOf(api.OpConsumerPeerRemove, "S", "c")
		refuses(leader, subject, &api.PeerRequest{Peer: "S1"}, api.ErrConsumerNotFound)
		st := w.assigned("S")
		cfg := &api.ConsumerConfig{Name: "c", Durable: "c", Replicas: 1}
		all := &api.ConsumerConfig{Name: "all", Durable: "all"}
		for _, c := range []*api.ConsumerConfig{cfg, all} {
			r, err := leader.e.meta.propose(t.Context(), &meta.Op{CreateConsumer: &meta.CreateConsumer{Account: "A", Stream: "S", Group: st.Group.ID, Config: c, Max: -1}})
			if err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
		}
		of := func(name string) (g meta.Group) {
			leader.e.meta.view(func(s *meta.State) { g = s.Stream("A", "S").Consumer(name).Group })
			return g
		}
		was := of("c").Nodes[0]
		for _, n := range st.Group.Nodes {
			if n != was {
				refuses(leader, subject, &api.PeerRequest{Peer: fmt.Sprint("S", n)}, api.ErrClusterPeerNotMember)
			}
		}
		refuses(leader, subjectOf(api.OpConsumerPeerRemove, "S", "all"), &api.PeerRequest{Peer: fmt.Sprint("S", was)}, api.ErrPeerRemap)
		granted[api.SuccessResponse](leader, subject, &api.PeerRequest{Peer: api.PeerID(was)})
		if g := of("c"); g.Nodes[0] == was || !slices.Contains(st.Group.Nodes, g.Nodes[0]) {
			t.Errorf("%+v", g)
		}
		w.arrives("S")
		was = of("c").Nodes[0]
		granted[api.SuccessResponse](leader, subjectOf(api.OpConsumerPeerEvacuate, "S", "c"), &api.PeerRequest{Peer: fmt.Sprint("S", was)})
		if g := of("c"); g.Nodes[0] == was || !slices.Contains(st.Group.Nodes, g.Nodes[0]) {
			t.Errorf("%+v", g)
		}
	})
}

// Operators have streams of any account move, and cancel that, and have a server emptied.
func TestOperatorsMoveStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 4, func(node raft.NodeID) []rigOption { return []rigOption{tagged([]string{"a", "a", "b", "b"}[node-1])} })
		defer w.close()
		if _, err := w.place(&api.StreamConfig{Name: "S", Replicas: 2, Placement: &api.Placement{Tags: []string{"a"}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.place(&api.StreamConfig{Name: "T", Replicas: 2}); err != nil {
			t.Fatal(err)
		}
		leader := w.leader()
		move, cancel := subjectOf(api.OpAccountStreamMove, "A", "T"), subjectOf(api.OpAccountStreamCancelMove, "A", "T")
		refuses(leader, subjectOf(api.OpAccountStreamMove, "B", "T"), &api.MoveRequest{Server: "S1"}, api.ErrStreamNotFound)
		refuses(leader, move, &api.MoveRequest{Server: "X"}, api.ErrClusterPeerNotMember)
		refuses(leader, move, &api.MoveRequest{Cluster: "D"}, noPeers("no suitable peers for placement, jetstream not enabled in cluster"))
		refuses(leader, subjectOf(api.OpAccountStreamMove, "A", "S"), &api.MoveRequest{Server: "S1"}, noPeers("no suitable peers for placement, tags not matched ['a']"))
		refuses(leader, cancel, nil, api.ErrStreamReconfigureNotInProgress)

		before := w.assigned("T").Group.Nodes
		in := granted[api.StreamUpdateResponse](leader, move, &api.MoveRequest{Server: fmt.Sprint("S", before[0])})
		if in.StreamInfo == nil || in.Config.Name != "T" {
			t.Errorf("%+v", in)
		}
		if g := w.assigned("T").Group; slices.Contains(g.Nodes, before[0]) || !slices.Contains(g.Nodes, before[1]) {
			t.Errorf("%v became %+v", before, g)
		}
		w.arrives("T")
		granted[api.StreamUpdateResponse](leader, move, &api.MoveRequest{Tags: []string{"b"}})
		if g := w.assigned("T").Group; !slices.Equal(slices.Sorted(slices.Values(g.Nodes)), []uint32{3, 4}) {
			t.Errorf("%v became %+v", before, g)
		}
		w.arrives("T")

		evacuate := subjectOf(api.OpServerEvacuate)
		refuses(leader, evacuate, &api.ServerRequest{Server: "X"}, api.ErrClusterServerNotMember)
		granted[api.SuccessResponse](leader, evacuate, &api.ServerRequest{Server: "S3"})
		now := w.assigned("T").Group.Nodes
		if slices.Contains(now, 3) || len(now) != 2 {
			t.Errorf("it is on %v", now)
		}
		w.arrives("T")

		down := w.bystander(now...)
		down.close()
		time.Sleep(10 * time.Second)
		w.stuck("T", now[0], uint32(down.node))
		granted[api.StreamUpdateResponse](leader, cancel, nil)
		w.arrives("T")
		if g := w.assigned("T").Group; !slices.Equal(g.Nodes, now) {
			t.Errorf("%v is back as %+v", now, g)
		}
	})
}

// What has one replica has nobody to hand over to, which is no error.
func TestStepdownOfOneReplica(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		leader := w.leader()
		down := func(op api.Op, names ...string) string { return subjectOf(op, names...) }
		refuses(leader, down(api.OpStreamStepdown, "S"), nil, api.ErrStreamNotFound)
		st, err := w.place(&api.StreamConfig{Name: "S"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		on := w.houses[raft.NodeID(st.Group.Nodes[0])]
		granted[api.SuccessResponse](on, down(api.OpStreamStepdown, "S"), nil)
		refuses(on, down(api.OpConsumerStepdown, "S", "c"), nil, api.ErrConsumerNotFound)
	})
}

// A stream and its consumer are handed over to who is wanted, and stay there.
func TestLeadersStepDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
		c := w.consumer(st, &api.ConsumerConfig{Name: "c", Durable: "c", AckPolicy: api.AckExplicit})
		leads := map[string]func() *house{
			subjectOf(api.OpStreamStepdown, "S"):        func() *house { return w.host(st) },
			subjectOf(api.OpConsumerStepdown, "S", "c"): func() *house { return w.server(st, c) },
		}
		for subject, leader := range leads {
			w.wait("a leader", func() bool { return leader() != nil })
			was := leader()
			to := w.houses[was.node%3+1]
			granted[api.SuccessResponse](was, subject, &placed{Placement: &api.Placement{Preferred: to.e.cfg.Name}})
			w.wait("the other leader", func() bool { return leader() == to })
			granted[api.SuccessResponse](to, subject, nil)
			w.wait("any other leader", func() bool { return leader() != nil && leader() != to })
			now := leader()
			refuses(now, subject, &placed{Placement: &api.Placement{Preferred: now.e.cfg.Name}}, noPeers(fmt.Sprintf("preferred server %q is already leader", now.e.cfg.Name)))
			group := func() (g meta.Group) {
				w.leader().e.meta.view(func(s *meta.State) {
					g = s.Stream("A", "S").Group
					if strings.HasSuffix(subject, ".c") {
						g = s.Stream("A", "S").Consumer("c").Group
					}
				})
				return g
			}
			w.wait("the note of that", func() bool { return group().Preferred == uint32(now.node) })
		}
	})
}

// What takes several servers is refused by one that is alone.
func TestClusterIsRequired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		system := account.New("$SYS")
		r := newRig(t, vfs.NewMem(), func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) { c.System = system })
		defer r.stop()
		for _, op := range []api.Op{
			api.OpStreamStepdown, api.OpStreamPeerRemove, api.OpStreamPeerEvacuate, api.OpStreamCancelMove, api.OpConsumerStepdown, api.OpConsumerPeerRemove,
			api.OpConsumerPeerEvacuate, api.OpMetaStepdown, api.OpMetaRescue, api.OpServerRemove, api.OpServerEvacuate, api.OpAccountStreamMove, api.OpAccountStreamCancelMove,
		} {
			client := r
			if op.IsSystem() {
				client = &rig{t: t, acc: system, patience: r.patience}
			}
			for _, p := range op.Patterns() {
				if _, err := call[api.SuccessResponse](client, strings.ReplaceAll(p, "*", "x"), nil); err == nil || !err.Is(api.ErrClusterRequired) {
					t.Errorf("%v: %v", op, err)
				}
			}
		}
	})
}
