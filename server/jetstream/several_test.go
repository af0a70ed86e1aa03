package jetstream

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// wait waits until something is the case, in virtual time.
func (w *town) wait(what string, is func() bool) {
	w.t.Helper()
	for range 600 {
		synctest.Wait()
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, h := range w.all() {
		for _, g := range h.host.Groups() {
			w.t.Logf("server %d: %+v", h.node, g.Status())
		}
		w.t.Logf("server %d: %+v %v", h.node, h.host.Stats(), h.complained())
	}
	w.t.Fatalf("waited in vain for %s", what)
}

// crash ends a server, and returns what is left of its disk. Nobody hears of it what it does behind
// that.
func (h *house) crash(o vfs.CrashOptions) *vfs.Mem {
	h.town.leave(h.node)
	h.net.Stop()
	left := h.disk.CrashClone(o)
	h.stop()
	return left
}

// mustPlace creates a stream.
func (w *town) mustPlace(cfg *api.StreamConfig) *meta.Stream {
	w.t.Helper()
	st, err := w.place(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// consumer makes a consumer of a stream.
func (w *town) consumer(st *meta.Stream, cfg *api.ConsumerConfig) *meta.Consumer {
	w.t.Helper()
	e := w.leader().e
	checked, err := api.CheckConsumer(cfg, st.Config, api.ConsumerRules{}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	checked.Name = cfg.Name
	r, perr := e.meta.propose(w.t.Context(), &meta.Op{CreateConsumer: &meta.CreateConsumer{
		Account: "A", Stream: st.Name(), Group: st.Group.ID, Config: checked, Max: -1,
	}})
	if perr != nil || r.Err != nil {
		w.t.Fatal(perr, r.Err)
	}
	return r.Consumer
}

// server returns the server that leads a consumer, nil if none does.
func (w *town) server(st *meta.Stream, of *meta.Consumer) *house {
	for _, h := range w.all() {
		if c := h.e.consumer(st, of); c != nil && c.serving.Load() && c.leading.Load() && c.group.Leading() {
			return h
		}
	}
	return nil
}

// host returns the server that leads a stream, nil if none does.
func (w *town) host(st *meta.Stream) *house {
	for _, h := range w.all() {
		if s := h.e.stream(st.Group.ID); s != nil && s.answers() && s.group.Leading() {
			return h
		}
	}
	return nil
}

// A stream of several replicas takes what is published anywhere, whoever of its servers fails.
func TestStreamOfSeveral(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3})
		stored := uint64(0)
		for round := range 4 {
			w.wait("a leader of the stream", func() bool { return w.host(st) != nil })
			for _, h := range w.all() {
				for i := range 5 {
					stored++
					if ack := h.store(fmt.Sprintf("s.%d", i), "hello"); ack != stored {
						t.Fatalf("message %d has got number %d", stored, ack)
					}
				}
			}
			leader := w.host(st)
			disk := leader.crash(vfs.CrashOptions{})
			w.wait("another leader", func() bool { return w.host(st) != nil })
			for _, h := range w.all() {
				stored++
				if ack := h.store("s.x", fmt.Sprint(round)); ack != stored {
					t.Fatalf("message %d has got number %d", stored, ack)
				}
			}
			w.open(leader.node, disk)
			w.wait("all replicas", func() bool {
				for _, h := range w.all() {
					if s := h.e.stream(st.Group.ID); s == nil || !s.isOpen() || uint64(s.store.State().Last) != stored {
						return false
					}
				}
				return true
			})
		}
	})
}

// Every message of a stream is delivered, and none again that was acknowledged and the
// acknowledgement confirmed, whoever fails, whether stream and consumer are led by the same server or
// not.
func TestConsumerOfSeveral(t *testing.T) {
	for _, retention := range []api.Retention{api.RetainLimits, api.RetainInterest, api.RetainWorkQueue} {
		t.Run(retention.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newCity(t, 3, nil)
				defer w.close()
				st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3, Retention: retention})
				c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Hour})
				acked := make(map[uint64]bool)
				stored := uint64(0)
				for round := range 6 {
					w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
					client := w.all()[round%3]
					for range 10 {
						stored++
						client.store("s.x", fmt.Sprint(stored))
					}
					for range 10 {
						m := w.next(client, "S", "C")
						if acked[m.StreamSeq] {
							t.Fatalf("message %d is delivered again", m.StreamSeq)
						}
						acked[m.StreamSeq] = true
						client.ackSync(m)
					}
					down := w.host(st)
					if round%2 == 1 {
						down = w.server(st, c)
					}
					disk := down.crash(vfs.CrashOptions{})
					w.wait("other leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
					w.open(down.node, disk)
				}
				if len(acked) != int(stored) {
					t.Errorf("%d of %d messages were delivered", len(acked), stored)
				}
				left := stored
				if retention != api.RetainLimits {
					left = 0
				}
				w.wait("nothing that is not needed", func() bool {
					for _, h := range w.all() {
						s := h.e.stream(st.Group.ID)
						if s == nil || !s.isOpen() || s.store.State().Messages != left || uint64(s.store.State().Last) != stored {
							return false
						}
					}
					return true
				})
			})
		})
	}
}

// next pulls a message.
func (w *town) next(client *house, stream, consumer string) *delivered {
	w.t.Helper()
	for range 20 {
		b := client.newInbox()
		client.send(subjectOf(api.OpConsumerNext, stream, consumer), b.sub.Subject, mustJSON(&api.PullRequest{Batch: 1, Expires: 5 * time.Second}))
		m, ok := b.next(6 * time.Second)
		b.close()
		if ok && len(m.header) < 12 || ok && m.header[:10] != "NATS/1.0 4" {
			d := asDelivered(w.t, m)
			return &d
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Fatal("nothing is delivered")
	return nil
}

// ackSync acknowledges a message and waits for the confirmation.
func (h *house) ackSync(m *delivered) {
	h.t.Helper()
	if _, ok := h.ask(m.reply, []byte("+ACK")); !ok {
		h.t.Fatalf("the acknowledgement of %d is not confirmed", m.StreamSeq)
	}
}

// isOn reports whether exactly these servers have a replica of a stream and of its consumers, with
// so many messages, and nobody is on the way.
func (w *town) isOn(st *meta.Stream, messages uint64, nodes ...uint32) bool {
	now := w.leader().e.assigned("A", st.Name())
	if now == nil || now.Group.Change != nil || len(now.Group.Nodes) != len(nodes) {
		return false
	}
	groups := []uint64{st.Group.ID}
	for c := range now.Consumers() {
		if c.Group.Change != nil {
			return false
		}
		groups = append(groups, c.Group.ID)
	}
	for _, h := range w.all() {
		want := slices.Contains(nodes, uint32(h.node))
		for _, id := range groups {
			_, logged := h.log.Group(raft.GroupID(id))
			if _, runs := h.host.Group(raft.GroupID(id)); runs != want || logged != want {
				return false
			}
		}
		s := h.e.stream(st.Group.ID)
		if (s != nil) != want || want && (!s.isOpen() || s.store.State().Messages != messages) {
			return false
		}
	}
	return true
}

// Streams go to more servers, to fewer and to others, with their consumers, while they are used;
// what they leave behind is removed.
func TestStreamIsScaledAndMoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 5, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 1})
		c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Hour})
		stored := uint64(0)
		client := w.houses[1]
		use := func(n int) {
			t.Helper()
			w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
			for range n {
				stored++
				if _, ok := client.publish("s.x", fmt.Sprint(stored)); !ok {
					t.Fatalf("message %d is not taken", stored)
				}
				m := w.next(client, "S", "C")
				if m.StreamSeq != stored {
					t.Fatalf("message %d is delivered, want %d", m.StreamSeq, stored)
				}
				client.ackSync(m)
			}
		}
		use(20)
		for _, replicas := range []int{3, 5, 1, 3} {
			now, err := w.replace("S", func(c *api.StreamConfig) { c.Replicas = replicas })
			if err != nil {
				t.Fatal(err)
			}
			use(5)
			w.wait(fmt.Sprint(replicas, " replicas"), func() bool { return w.isOn(st, stored, now.Group.Nodes...) })
			use(5)
		}
		was := w.leader().e.assigned("A", "S").Group.Nodes
		var others []uint32
		for n := range uint32(5) {
			if !slices.Contains(was, n+1) {
				others = append(others, n+1)
			}
		}
		others = append(others, was[0])
		r, err := w.leader().e.meta.propose(t.Context(), &meta.Op{ChangePeers: &meta.ChangePeers{Account: "A", Stream: "S", Group: st.Group.ID, Was: was, Nodes: others}})
		if err != nil || r.Err != nil || !r.Changed {
			t.Fatal(err, r)
		}
		use(5)
		w.wait("other servers", func() bool { return w.isOn(st, stored, others...) })
		use(5)
	})
}

// A server that comes back with an empty disk gets everything from the others, and counts for
// nothing before.
func TestServerLosesItsDisk(t *testing.T) {
	for _, storage := range []api.Storage{api.FileStorage, api.MemoryStorage} {
		t.Run(storage.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newCity(t, 3, nil)
				defer w.close()
				st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3, Storage: storage})
				c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Hour})
				stored := uint64(0)
				for node := range raft.NodeID(3) {
					w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
					for range 10 {
						stored++
						w.houses[node+1].store("s.x", fmt.Sprint(stored))
						m := w.next(w.houses[node+1], "S", "C")
						if m.StreamSeq != stored {
							t.Fatalf("message %d is delivered, want %d", m.StreamSeq, stored)
						}
						w.houses[node+1].ackSync(m)
					}
					w.houses[node+1].close()
					w.open(node+1, vfs.NewMem())
					w.wait("a filled disk", func() bool { return w.leads() && w.isOn(st, stored, 1, 2, 3) && w.areVoters(st, 3) })
				}
			})
		})
	}
}

// leads reports whether somebody leads the group of assets.
func (w *town) leads() bool {
	return slices.ContainsFunc(w.all(), func(h *house) bool {
		g, ok := h.host.Group(metaGroupID)
		return ok && g.Leading()
	})
}

// areVoters reports whether a stream's groups, as their leaders see them, have so many voters that
// are all up to date.
func (w *town) areVoters(st *meta.Stream, n int) bool {
	groups := []uint64{st.Group.ID}
	for c := range w.leader().e.assigned("A", st.Name()).Consumers() {
		groups = append(groups, c.Group.ID)
	}
	for _, id := range groups {
		ok := false
		for _, h := range w.all() {
			if g, runs := h.host.Group(raft.GroupID(id)); runs && g.Leading() {
				s := g.Status()
				ok = len(s.Conf.Voters) == n && !s.Conf.Joint() && len(s.Conf.Peers()) == n
				for _, p := range s.Peers {
					ok = ok && p.Match == s.Last
				}
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// What is deleted or moved while a server is away is gone from it when it is back, and nothing
// else is.
func TestServerWasAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		gone := w.mustPlace(&api.StreamConfig{Name: "GONE", Subjects: []string{"gone"}, Replicas: 3})
		stays := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3})
		c := w.consumer(stays, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		w.wait("leaders", func() bool { return w.host(gone) != nil && w.host(stays) != nil && w.server(stays, c) != nil })
		w.houses[1].store("gone", "x")
		w.houses[1].store("s.x", "x")
		var away *house
		for _, h := range w.all() {
			if h != w.leader() {
				away = h
			}
		}
		away.close()
		w.wait("a leader of assets", w.leads)
		for _, op := range []*meta.Op{
			{DeleteStream: &meta.DeleteStream{Account: "A", Stream: "GONE"}},
			{DeleteConsumer: &meta.DeleteConsumer{Account: "A", Stream: "S", Consumer: "C"}},
		} {
			if r, err := w.leader().e.meta.propose(t.Context(), op); err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
		}
		again := w.consumer(stays, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		back := w.open(away.node, away.disk)
		w.wait("what there is to be", func() bool { return w.leads() && w.isOn(stays, 1, 1, 2, 3) && w.areVoters(stays, 3) })
		for _, id := range []uint64{gone.Group.ID, c.Group.ID} {
			if _, there := back.log.Group(raft.GroupID(id)); there {
				t.Errorf("group %d is still there", id)
			}
		}
		if _, err := back.fs.Stat(back.e.streamDir(gone.Group.ID)); err == nil {
			t.Error("the deleted stream is still there")
		}
		if back.e.consumer(stays, again) == nil {
			t.Error("the new consumer is not there")
		}
	})
}

// A stream with mirrors names them.
func TestAlternates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		client := w.houses[2]
		client.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		if got := client.info("S").Alternates; got != nil {
			t.Errorf("alone: %v", got)
		}
		for _, name := range []string{"M", "N"} {
			client.create(&api.StreamConfig{Name: name, Mirror: &api.StreamSource{Name: "S"}})
		}
		client.create(&api.StreamConfig{Name: "O", Mirror: &api.StreamSource{Name: "M"}})
		want := []api.StreamAlternate{{Name: "S", Cluster: "C"}, {Name: "M", Cluster: "C"}, {Name: "N", Cluster: "C"}}
		if got := client.info("S").Alternates; !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		if got := client.info("N").Alternates; got != nil {
			t.Errorf("of a mirror: %v", got)
		}
	})
}

// A server that stops has others lead first, which takes no time to speak of.
func TestServerHandsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3})
		c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
		for range 3 {
			down := w.host(st)
			begin := time.Now()
			down.close()
			w.wait("other leaders", func() bool { return w.leads() && w.host(st) != nil && w.server(st, c) != nil })
			if took := time.Since(begin); took > 300*time.Millisecond {
				t.Errorf("it took %v until others led", took)
			}
			w.houses[down.node%3+1].store("s.x", "x")
			w.open(down.node, down.disk)
			w.wait("all replicas", func() bool { return w.areVoters(st, 3) })
		}
	})
}

// wantEqual waits until the replicas of a stream and of a consumer are as far as each other, and checks
// that they are the same.
func (w *town) wantEqual(when string, st *meta.Stream, c *meta.Consumer) {
	w.t.Helper()
	w.wait("replicas that are as far as each other, "+when, func() bool {
		for _, id := range []uint64{st.Group.ID, c.Group.ID} {
			var at []raft.Index
			for _, h := range w.all() {
				g, ok := h.host.Group(raft.GroupID(id))
				if !ok {
					return false
				}
				at = append(at, g.Applied())
			}
			if slices.Min(at) != slices.Max(at) {
				return false
			}
		}
		return true
	})
	var streams, consumers []string
	for _, h := range w.all() {
		s, c := h.e.stream(st.Group.ID), h.e.consumer(st, c)
		inApply(w.t, s.group, func() {
			d, err := s.core.Digest()
			streams = append(streams, fmt.Sprintf("%x %v at %d", d, err, s.at.Base.Index))
		})
		inApply(w.t, c.group, func() { consumers = append(consumers, fmt.Sprintf("%x at %d", c.state.Digest(), c.at.Base.Index)) })
	}
	for _, list := range [][]string{streams, consumers} {
		if list[0] != list[1] || list[0] != list[2] {
			w.t.Fatalf("%s the replicas differ: %v", when, list)
		}
	}
}

// A replica that has forgotten what it had acknowledged gets it again, as another one where the leader
// finds out, and what it counts for then it has on its disk.
func TestForgetfulReplicaCrashes(t *testing.T) {
	for _, storage := range []api.Storage{api.FileStorage, api.MemoryStorage} {
		t.Run(storage.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newCity(t, 3, nil)
				defer w.close()
				st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3, Storage: storage})
				c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
				use := func() {
					w.wait("leaders", func() bool { return w.leads() && w.host(st) != nil && w.server(st, c) != nil })
					client := w.host(st)
					for i := range 20 {
						client.store("s.x", fmt.Sprint(i))
						client.ackSync(w.next(client, "S", "C"))
					}
				}
				use()
				var node raft.NodeID
				for _, h := range w.all() {
					if h != w.host(st) && h != w.server(st, c) && h != w.leader() {
						node = h.node
					}
				}
				if node == 0 {
					t.Skip("every server leads something")
				}
				synctest.Wait()
				older := w.houses[node].disk.CrashClone(vfs.CrashOptions{})
				use()
				w.houses[node].close()
				h := w.open(node, older)
				w.wait("its admission", func() bool { return w.leads() && w.areVoters(st, 3) })
				w.open(node, h.crash(vfs.CrashOptions{}))
				w.wait("its admission", func() bool { return w.leads() && w.areVoters(st, 3) })
				w.wantEqual("after a crash", st, c)
				// It can take over.
				for n := range raft.NodeID(3) {
					if n+1 == node {
						continue
					}
					if g, ok := w.houses[n+1].host.Group(raft.GroupID(c.Group.ID)); ok && g.Leading() {
						if err := g.Transfer(node); err != nil {
							t.Fatal(err)
						}
					}
				}
				use()
				w.wantEqual("at the end", st, c)
			})
		})
	}
}

// A leader that is cut off, and does not know it yet, answers nothing by what it has: somebody else may
// lead by then, and have more.
func TestWhoIsCutOffAnswersNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 3})
		c := w.consumer(st, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		w.wait("leaders", func() bool { return w.host(st) != nil && w.server(st, c) != nil })
		w.houses[1].store("s.x", "x")
		for subject, of := range map[string]func() *house{
			subjectOf(api.OpStreamInfo, "S"):        func() *house { return w.host(st) },
			subjectOf(api.OpStreamMsgGet, "S"):      func() *house { return w.host(st) },
			subjectOf(api.OpConsumerInfo, "S", "C"): func() *house { return w.server(st, c) },
		} {
			w.wait("leaders", func() bool { return w.leads() && w.host(st) != nil && w.server(st, c) != nil })
			h := of()
			var body any
			if subject == subjectOf(api.OpStreamMsgGet, "S") {
				body = &api.MsgGetRequest{Seq: 1}
			}
			if _, err := call[api.Response](h.rig, subject, body); err != nil {
				t.Errorf("%s: %v", subject, err)
			}
			for n := range raft.NodeID(3) {
				if n+1 != h.node {
					w.cut(h.node, n+1, true)
				}
			}
			if out, err := call[api.Response](h.rig, subject, body); err == nil || !err.Is(api.ErrClusterNotAvail) {
				t.Errorf("%s: who is cut off says %+v, %v", subject, out, err)
			}
			for n := range raft.NodeID(3) {
				if n+1 != h.node {
					w.cut(h.node, n+1, false)
				}
			}
		}
	})
}

// Somebody who listens to all that servers say to each other is not taken for a leader.
func TestListenerIsNoLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		st := w.mustPlace(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Replicas: 1})
		w.wait("a leader", func() bool { return w.host(st) != nil })
		var client *house
		for _, h := range w.all() {
			if err := h.system.Subscribe(&account.Subscription{Subject: ">", Handler: func(*account.Message) {}}); err != nil {
				t.Fatal(err)
			}
			if h != w.host(st) {
				client = h
			}
		}
		client.info("S")
		w.host(st).close()
		begin := time.Now()
		if _, err := call[api.StreamInfoResponse](client.rig, subjectOf(api.OpStreamInfo, "S"), nil); err == nil {
			t.Error("somebody answers")
		}
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
