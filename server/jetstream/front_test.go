package jetstream

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
)

// placeOn creates a stream on one server.
func (w *town) placeOn(node raft.NodeID, c *api.StreamConfig) *meta.Stream {
	w.t.Helper()
	cfg, err := api.CheckStreamCreate(c, api.StreamLimits{}, false)
	if err != nil {
		w.t.Fatal(err)
	}
	r, perr := w.leader().e.meta.propose(w.t.Context(), &meta.Op{CreateStream: &meta.CreateStream{
		Account: "A", Config: cfg, Nodes: []uint32{uint32(node)}, Limits: meta.NoLimits,
	}})
	if perr != nil || r.Err != nil || !r.Changed {
		w.t.Fatal(perr, r)
	}
	time.Sleep(time.Second)
	return r.Stream
}

// follower returns a server that does not lead the group of assets, other than those given.
func (w *town) follower(except ...*house) *house {
	w.t.Helper()
	for _, h := range w.all() {
		if g, ok := h.host.Group(metaGroupID); ok && !g.Leading() && !slices.Contains(except, h) {
			return h
		}
	}
	w.t.Fatal("nobody follows")
	return nil
}

// audited keeps the subjects of requests that were answered, as an operator hears of them.
func (h *house) audited() *inbox { return h.listen(api.EventAPI) }

// Whatever server a client asks, it gets the one answer of who is to give it: of the leader
// of the assets, of the stream, or of the consumer, each of which may be another one.
func TestAnyServerTakesRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		where := w.follower()
		for _, h := range w.all() {
			w.placeOn(where.node, &api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Storage: api.FileStorage})
			audit := w.houses[h.node%3+1].audited()
			time.Sleep(time.Second)
			r := h.rig
			asked := 0
			ask := func(f func()) {
				t.Helper()
				f()
				asked++
			}
			ask(func() {
				c := &api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Storage: api.FileStorage}
				if out := must[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "S"), c); out.DidCreate || out.Config.Name != "S" {
					t.Errorf("created %+v", out)
				}
			})
			for n := range uint64(5) {
				if seq := r.store("s.a", "hello"); seq != n+1 {
					t.Errorf("stored as %d", seq)
				}
			}
			ask(func() {
				if in := r.info("S"); in.State.Msgs != 5 {
					t.Errorf("%+v", in.State)
				}
			})
			ask(func() {
				in := r.update(&api.StreamConfig{Name: "S", Subjects: []string{"s.*", "t"}, Storage: api.FileStorage})
				if len(in.Config.Subjects) != 2 {
					t.Errorf("updated to %+v", in.Config)
				}
			})
			r.store("t", "hello")
			ask(func() { r.deleteMsg("S", 2) })
			ask(func() {
				if m, err := r.get("S", 6); err != nil || m.Subject != "t" {
					t.Errorf("message 6 is %+v, %v", m, err)
				}
			})
			ask(func() {
				if c := r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit}); c.NumPending != 5 {
					t.Errorf("consumer %+v", c)
				}
			})
			ask(func() {
				r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, MaxAckPending: 7})
			})
			var name string
			ask(func() {
				// The leader of the assets makes up a name.
				subject := strings.TrimSuffix(subjectOf(api.OpConsumerCreate, "S"), ".")
				out := must[api.ConsumerInfoResponse](r, subject, &api.CreateConsumerRequest{Stream: "S", Config: api.ConsumerConfig{AckPolicy: api.AckExplicit}})
				name = out.Name
			})
			ask(func() {
				if c := r.consumerInfo("S", "C"); c.Config.MaxAckPending != 7 {
					t.Errorf("consumer %+v", c.Config)
				}
			})
			if list := r.fetch("S", "C", 3); len(list) != 3 {
				t.Errorf("fetched %d", len(list))
			}
			asked++ // fetch asks how the consumer is
			ask(func() {
				out := must[api.ConsumerPauseResponse](r, subjectOf(api.OpConsumerPause, "S", "C"), map[string]any{"pause_until": time.Now().Add(time.Hour)})
				if !out.Paused {
					t.Errorf("paused %+v", out)
				}
			})
			ask(func() {
				out := must[api.ConsumerNamesResponse](r, subjectOf(api.OpConsumerNames, "S"), nil)
				if want := []string{"C", name}; len(out.Consumers) != 2 || !slices.Contains(out.Consumers, name) {
					t.Errorf("consumers %v, want %v", out.Consumers, want)
				}
			})
			ask(func() {
				out := must[api.ConsumerListResponse](r, subjectOf(api.OpConsumerList, "S"), nil)
				if len(out.Consumers) != 2 || len(out.Missing) != 0 {
					t.Errorf("consumers %+v", out)
				}
			})
			ask(func() {
				out := must[api.StreamNamesResponse](r, subjectOf(api.OpStreamNames), nil)
				if !slices.Equal(out.Streams, []string{"S"}) {
					t.Errorf("streams %v", out.Streams)
				}
			})
			ask(func() {
				out := must[api.StreamListResponse](r, subjectOf(api.OpStreamList), nil)
				if len(out.Streams) != 1 || out.Streams[0].State.Msgs != 5 || len(out.Missing) != 0 {
					t.Errorf("streams %+v", out)
				}
			})
			ask(func() {
				out := must[api.AccountInfoResponse](r, subjectOf(api.OpAccountInfo), nil)
				if out.Streams != 1 || out.Consumers != 2 || out.Storage == 0 || out.API.Total < uint64(asked) || out.API.Inflight != 0 {
					t.Errorf("account %+v", out.AccountStats)
				}
			})
			ask(func() {
				must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "S", "C"), nil)
			})
			ask(func() { r.purge("S") })
			ask(func() { r.remove("S") })
			time.Sleep(time.Second)
			// Reading a message is not told.
			if got := len(audit.all()); got != asked-1 {
				t.Errorf("%d requests at server %d were told %d times", asked-1, h.node, got)
			}
			audit.close()
		}
	})
}

// Who asks for what is not there is told, and so is who asks for what cannot be, whatever
// server that is.
func TestAnyServerRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		w.placeOn(w.follower().node, &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage})
		for _, h := range w.all() {
			for _, tc := range []struct {
				subject string
				body    any
				want    *api.Error
			}{
				{subjectOf(api.OpStreamInfo, "NO"), nil, api.ErrStreamNotFound},
				{subjectOf(api.OpStreamDelete, "NO"), nil, api.ErrStreamNotFound},
				{subjectOf(api.OpStreamPurge, "NO"), nil, api.ErrStreamNotFound},
				{subjectOf(api.OpConsumerInfo, "NO", "C"), nil, api.ErrStreamNotFound},
				{subjectOf(api.OpConsumerInfo, "S", "C"), nil, api.ErrConsumerNotFound},
				{subjectOf(api.OpConsumerDelete, "S", "C"), nil, api.ErrConsumerNotFound},
				{subjectOf(api.OpConsumerNames, "NO"), nil, api.ErrStreamNotFound},
				{subjectOf(api.OpStreamCreate, "S"), &api.StreamConfig{Name: "S", Subjects: []string{"other"}, Storage: api.FileStorage}, api.ErrStreamNameExist},
				{subjectOf(api.OpStreamCreate, "T"), &api.StreamConfig{Name: "T", Subjects: []string{"s"}, Storage: api.FileStorage}, api.ErrStreamSubjectOverlap},
				{subjectOf(api.OpStreamMsgGet, "S"), &api.MsgGetRequest{Seq: 9}, api.ErrNoMessageFound},
				{subjectOf(api.OpStreamUpdate, "S"), []byte("{"), api.ErrInvalidJSON},
			} {
				before := time.Now()
				_, err := call[api.SuccessResponse](h.rig, tc.subject, tc.body)
				if err == nil || !err.Is(tc.want) {
					t.Errorf("%s at server %d: %v", tc.subject, h.node, err)
				}
				if d := time.Since(before); d > time.Second {
					t.Errorf("%s at server %d: after %v", tc.subject, h.node, d)
				}
			}
		}
		time.Sleep(time.Second) // until who has passed something on has counted it
		out := must[api.AccountInfoResponse](w.all()[0].rig, subjectOf(api.OpAccountInfo), nil)
		if out.API.Total != 33 || out.API.Errors != 33 {
			t.Errorf("counted %+v", out.API)
		}
	})
}

// With one of three servers nobody decides on assets, which it says in time. What is there
// goes on, and what is not cannot be told.
func TestNobodyDecides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		last := w.follower()
		w.placeOn(last.node, &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage})
		lost := w.follower(last)
		w.placeOn(lost.node, &api.StreamConfig{Name: "T", Subjects: []string{"t"}, Storage: api.FileStorage})
		for _, h := range w.all() {
			if h != last {
				h.close()
			}
		}
		time.Sleep(10 * time.Second)
		for subject, body := range map[string]any{
			subjectOf(api.OpStreamCreate, "U"):       &api.StreamConfig{Name: "U", Subjects: []string{"u"}, Storage: api.FileStorage},
			subjectOf(api.OpStreamDelete, "S"):       nil,
			subjectOf(api.OpStreamNames):             nil,
			subjectOf(api.OpStreamList):              nil,
			subjectOf(api.OpAccountInfo):             nil,
			subjectOf(api.OpStreamInfo, "NO"):        nil,
			subjectOf(api.OpStreamInfo, "T"):         nil,
			subjectOf(api.OpConsumerNames, "S"):      nil,
			subjectOf(api.OpConsumerInfo, "S", "NO"): nil,
		} {
			before := time.Now()
			_, err := call[api.SuccessResponse](last.rig, subject, body)
			if d := time.Since(before); err == nil || !err.Is(api.ErrClusterNotAvail) || d > leaderWait+time.Second {
				t.Errorf("%s: %v after %v", subject, err, d)
			}
		}
		last.store("s", "hello")
		if in := last.info("S"); in.State.Msgs != 1 {
			t.Errorf("%+v", in.State)
		}
	})
}

// Of an asset whose servers are gone clients are told that it is offline, and lists name it.
func TestLostServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		lost := w.follower()
		w.placeOn(lost.node, &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage})
		w.placeOn(w.leader().node, &api.StreamConfig{Name: "T", Subjects: []string{"t"}, Storage: api.FileStorage})
		w.leader().consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		lost.close()
		time.Sleep(10 * time.Second)
		for _, h := range w.all() {
			before := time.Now()
			if _, err := call[api.StreamInfoResponse](h.rig, subjectOf(api.OpStreamInfo, "S"), nil); err == nil || !err.Is(api.ErrStreamOffline) {
				t.Errorf("the stream: %v", err)
			}
			if _, err := call[api.ConsumerInfoResponse](h.rig, subjectOf(api.OpConsumerInfo, "S", "C"), nil); err == nil || !err.Is(api.ErrConsumerOffline) {
				t.Errorf("the consumer: %v", err)
			}
			if d := time.Since(before); d > 3*time.Second {
				t.Errorf("after %v", d)
			}
			before = time.Now()
			out := must[api.StreamListResponse](h.rig, subjectOf(api.OpStreamList), nil)
			if len(out.Streams) != 1 || out.Streams[0].Config.Name != "T" || !slices.Equal(out.Missing, []string{"S"}) {
				t.Errorf("listed %+v", out)
			}
			list := must[api.ConsumerListResponse](h.rig, subjectOf(api.OpConsumerList, "S"), nil)
			if len(list.Consumers) != 0 || !slices.Equal(list.Missing, []string{"C"}) {
				t.Errorf("listed %+v", list)
			}
			if d := time.Since(before); d > time.Second {
				t.Errorf("after %v", d)
			}
		}
		// Nobody leads for a moment: that is waited for.
		w.open(lost.node, lost.disk)
		for _, h := range w.all() {
			h.info("S")
		}
	})
}

// Lists are the same whoever answers, and as those of a server that has it all.
func TestListsAreTheSame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		for i, name := range []string{"A", "B", "C", "D"} {
			w.placeOn(raft.NodeID(i%3+1), &api.StreamConfig{Name: name, Subjects: []string{name}, Storage: api.FileStorage, Metadata: map[string]string{"a": "b"}})
			w.leader().store(name, "hello")
			w.leader().consume(name, &api.ConsumerConfig{Name: "X", Durable: "X", AckPolicy: api.AckExplicit, BackOff: []time.Duration{time.Second}, MaxDeliver: 3})
			if got := w.leader().fetch(name, "X", 1); len(got) != 1 {
				t.Fatal("nothing fetched")
			}
		}
		var first string
		for _, h := range w.all() {
			var all []any
			out := must[api.StreamListResponse](h.rig, subjectOf(api.OpStreamList), nil)
			for _, s := range out.Streams {
				s.Time = time.Time{}
				all = append(all, s)
				list := must[api.ConsumerListResponse](h.rig, subjectOf(api.OpConsumerList, s.Config.Name), nil)
				for _, c := range list.Consumers {
					c.Time = time.Time{}
					all = append(all, c)
				}
			}
			if len(all) != 8 {
				t.Errorf("%d are listed", len(all))
			}
			if now := string(mustJSON(all)); first == "" {
				first = now
			} else if now != first {
				t.Errorf("server %d lists\n%s\nand another one\n%s", h.node, now, first)
			}
		}
	})
}

// What is there by the time of a request is in its answer, although the server that was
// asked may not have heard of it before.
func TestNamesAreCurrent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		for i := range 20 {
			name := string(rune('A' + i))
			at, other := w.all()[i%3], w.all()[(i+1)%3]
			at.create(&api.StreamConfig{Name: name, Subjects: []string{name}, Storage: api.FileStorage})
			out := must[api.StreamNamesResponse](other.rig, subjectOf(api.OpStreamNames), nil)
			if !slices.Contains(out.Streams, name) {
				t.Errorf("%s is not among %v", name, out.Streams)
			}
			other.info(name)
			at.remove(name)
			if _, err := call[api.StreamInfoResponse](other.rig, subjectOf(api.OpStreamInfo, name), nil); err == nil || !err.Is(api.ErrStreamNotFound) {
				t.Errorf("%s is gone: %v", name, err)
			}
		}
	})
}

// Any server proposes: who does not lead hands over to who does, and sees what has come of
// it.
func TestAnyServerProposes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		for i, h := range w.all() {
			cfg, err := api.CheckStreamCreate(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage}, api.StreamLimits{}, false)
			if err != nil {
				t.Fatal(err)
			}
			create := &meta.Op{CreateStream: &meta.CreateStream{Account: "A", Config: cfg, Nodes: []uint32{uint32(h.node)}, Limits: meta.NoLimits}}
			r, perr := h.e.meta.propose(t.Context(), create)
			if perr != nil || r.Err != nil || r.Changed != (i == 0) || r.Stream == nil || r.Stream != h.e.assigned("A", "S") {
				t.Errorf("server %d: %+v, %v", h.node, r, perr)
			}
			r, perr = h.e.meta.propose(t.Context(), &meta.Op{UpdateStream: &meta.UpdateStream{Account: "A", Config: cfg, Revision: 99, Limits: meta.NoLimits}})
			if perr != nil || !r.Stale {
				t.Errorf("server %d: stale %+v, %v", h.node, r, perr)
			}
			r, perr = h.e.meta.propose(t.Context(), &meta.Op{DeleteStream: &meta.DeleteStream{Account: "A", Stream: "NO"}})
			if perr != nil || r.Err == nil || !r.Err.Is(api.ErrStreamNotFound) {
				t.Errorf("server %d: not found %+v, %v", h.node, r, perr)
			}
		}
		for _, h := range w.all() {
			r, err := h.e.meta.propose(t.Context(), &meta.Op{DeleteStream: &meta.DeleteStream{Account: "A", Stream: "S"}})
			if h == w.all()[0] && (err != nil || !r.Changed || r.Stream == nil || h.e.assigned("A", "S") != nil) {
				t.Errorf("deleting: %+v, %v", r, err)
			}
		}
	})
}

// However leadership changes, what was proposed is done once, and who has proposed it knows: what it was
// told has happened, and what it was told has not has not.
func TestProposingInTurmoil(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(700 * time.Millisecond):
				}
				for _, h := range w.all() {
					if g, ok := h.host.Group(metaGroupID); ok && g.Leading() {
						if err := g.Transfer(h.node%3 + 1); err != nil {
							t.Log(err)
						}
						break
					}
				}
			}
		}()
		outcomes := 0
		for i := range 60 {
			h := w.all()[i%3]
			name := "S" + string(rune('0'+i/10)) + string(rune('0'+i%10))
			cfg, err := api.CheckStreamCreate(&api.StreamConfig{Name: name, Subjects: []string{name}, Storage: api.FileStorage}, api.StreamLimits{}, false)
			if err != nil {
				t.Fatal(err)
			}
			r, perr := h.e.meta.propose(t.Context(), &meta.Op{CreateStream: &meta.CreateStream{
				Account: "A", Config: cfg, Nodes: []uint32{uint32(h.node)}, Limits: meta.NoLimits, New: true,
			}})
			there := h.e.assigned("A", name) != nil
			switch {
			case perr == nil && r.Err != nil:
				t.Errorf("%s was made twice: %v", name, r.Err)
			case perr == nil && (!r.Changed || !there):
				t.Errorf("%s: %+v, there: %t", name, r, there)
			case errors.Is(perr, errDropped) && there:
				t.Errorf("%s is there: %v", name, perr)
			case perr == nil:
				outcomes++
			default:
				t.Log(name, perr)
			}
			time.Sleep(100 * time.Millisecond)
		}
		close(stop)
		<-done
		if outcomes < 50 {
			t.Errorf("only %d of 60 had an outcome", outcomes)
		}
	})
}

// A request that comes to a server which leads no more goes on to who does.
func TestRequestsFollowLeaders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		for i := range 10 {
			leader := w.leader()
			h := w.all()[i%3]
			if err := leader.e.meta.group.Transfer(leader.node%3 + 1); err != nil {
				t.Fatal(err)
			}
			name := string(rune('A' + i))
			h.create(&api.StreamConfig{Name: name, Subjects: []string{name}, Storage: api.FileStorage})
			time.Sleep(time.Second)
		}
	})
}

// Who leads nothing listens to nothing, and what is deleted is led by nobody.
func TestInterestIsLeadership(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		late := false // whether to see those who listen to what comes late
		listeners := func() (list []string) {
			synctest.Wait()
			for _, h := range w.all() {
				for _, s := range h.system.Subscriptions("") {
					if s.Target == nil && (!s.Local || late) && (strings.HasPrefix(s.Subject, "$JSL.G.") || s.Subject == "$JSL.META") {
						list = append(list, h.e.cfg.Name+" "+s.Subject)
					}
				}
			}
			slices.Sort(list)
			return list
		}
		own := w.leader().e.cfg.Name + " $JSL.META"
		if got := listeners(); !slices.Equal(got, []string{own}) {
			t.Errorf("at first %v", got)
		}
		where := w.follower()
		st := w.placeOn(where.node, &api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.FileStorage})
		where.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		want := []string{own, where.e.cfg.Name + " " + subjectOfLeader(raft.GroupID(st.Group.ID)), where.e.cfg.Name + " " + subjectOfLeader(raft.GroupID(st.Group.ID+1))}
		slices.Sort(want)
		if got := listeners(); !slices.Equal(got, want) {
			t.Errorf("with a stream %v, want %v", got, want)
		}
		where.remove("S")
		time.Sleep(time.Second)
		if got := listeners(); !slices.Equal(got, []string{own}) {
			t.Errorf("without it %v", got)
		}
		time.Sleep(lateFor)
		late = true
		if got := listeners(); !slices.Equal(got, []string{own}) {
			t.Errorf("in the end %v", got)
		}
	})
}

// Nobody but one answers for an account that may not use JetStream, and requests by the name of the
// domain are taken once.
func TestOneServerAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		for n := range raft.NodeID(3) {
			w.open(n+1, vfs.NewMem(), with(func(c *Config) { c.Domain = "D" }))
		}
		time.Sleep(10 * time.Second)
		w.wantGroup(3)
		for _, h := range w.all() {
			audit := h.audited()
			time.Sleep(time.Second)
			b := h.newInbox()
			h.send(api.DomainPrefix("D")+".INFO", b.sub.Subject, nil)
			time.Sleep(5 * time.Second)
			if got := b.all(); len(got) != 1 || !strings.Contains(got[0].data, `"domain":"D"`) {
				t.Errorf("server %d: %v", h.node, got)
			}
			if got := audit.all(); len(got) != 1 {
				t.Errorf("told %d times", len(got))
			}
			b.close()
			audit.close()
		}
		for _, h := range w.all() {
			if err := h.e.Serve(nil, []*account.Account{h.acc}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		for _, h := range w.all() {
			b := h.newInbox()
			h.send(subjectOf(api.OpAccountInfo), b.sub.Subject, nil)
			time.Sleep(time.Second)
			var head api.Response
			got := b.all()
			if len(got) != 1 || json.Unmarshal([]byte(got[0].data), &head) != nil || !reflect.DeepEqual(head.Error, api.ErrNotEnabledForAccount) {
				t.Errorf("server %d: %v", h.node, got)
			}
			b.close()
		}
	})
}

// The requests of operators get to who answers them, although users of the system account are told
// that it has no JetStream.
func TestSystemAccountIsRefusedAndServed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		for _, h := range w.all() {
			if err := h.e.Serve(map[*account.Account]AccountLimits{h.acc: api.NoLimits}, []*account.Account{h.system}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		for i := range 30 {
			operator := &rig{t: t, acc: w.houses[raft.NodeID(i%3+1)].system, patience: 5 * time.Second}
			if _, err := call[api.SuccessResponse](operator, subjectOf(api.OpServerEvacuate), &api.ServerRequest{Server: "nobody"}); err == nil || !err.Is(api.ErrClusterServerNotMember) {
				t.Fatalf("%v", err)
			}
			if _, err := call[api.StreamNamesResponse](operator, subjectOf(api.OpStreamNames), nil); err == nil || !err.Is(api.ErrNotEnabledForAccount) {
				t.Fatalf("%v", err)
			}
		}
	})
}
