package jetstream

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// checked is a configuration as it would be in force.
func checked(t *testing.T, c *api.StreamConfig) *api.StreamConfig {
	t.Helper()
	cfg, err := api.CheckStreamCreate(c, api.StreamLimits{Clustered: true}, false)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// place has a stream be created by the leader of the assets.
func (w *town) place(c *api.StreamConfig) (*meta.Stream, *api.Error) {
	w.t.Helper()
	r, err := w.leader().e.createStream(w.t.Context(), &meta.CreateStream{
		Account: "A", Config: checked(w.t, c), Limits: meta.NoLimits,
	}, "C")
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Stream, r.Err
}

// replace has a stream get another configuration.
func (w *town) replace(name string, change func(*api.StreamConfig)) (*meta.Stream, *api.Error) {
	w.t.Helper()
	e := w.leader().e
	st := e.assigned("A", name)
	cfg := st.Config.Clone()
	change(cfg)
	r, err := e.updateStream(w.t.Context(), st, &meta.UpdateStream{Account: "A", Config: checked(w.t, cfg), Revision: st.Revision, Limits: meta.NoLimits})
	if err != nil || r.Stale {
		w.t.Fatal(err, r.Stale)
	}
	return r.Stream, r.Err
}

// Streams get servers that suit them, and if there are none their clients are told why.
func TestStreamsArePlaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 4, func(node raft.NodeID) []rigOption {
			return []rigOption{room(int64(node) * 1000), tagged([][]string{{"az:1", "ssd"}, {"az:1"}, {"az:2", "ssd"}, {"az:2", "old"}}[node-1]...)}
		})
		defer w.close()
		n := 0
		config := func(replicas int, change ...func(*api.StreamConfig)) *api.StreamConfig {
			n++
			c := &api.StreamConfig{Name: fmt.Sprint("S", n), Subjects: []string{fmt.Sprint("s.", n)}, Replicas: replicas}
			for _, f := range change {
				f(c)
			}
			return c
		}
		bytes := func(n int64) func(*api.StreamConfig) { return func(c *api.StreamConfig) { c.MaxBytes = n } }
		tags := func(list ...string) func(*api.StreamConfig) {
			return func(c *api.StreamConfig) { c.Placement = &api.Placement{Tags: list} }
		}
		for _, tc := range []struct {
			name   string
			config *api.StreamConfig
			nodes  []uint32
			err    string
		}{
			{"where there is room", config(1, bytes(3500)), []uint32{4}, ""},
			{"where there is room still", config(2, bytes(1500)), []uint32{2, 3}, ""},
			{"no room", config(3, bytes(1500)), nil, "no suitable peers for placement, insufficient storage"},
			{"by tags", config(2, tags("ssd")), []uint32{1, 3}, ""},
			{"without tags", config(3, tags("!old")), []uint32{1, 2, 3}, ""},
			{"tags that are missing", config(1, tags("gold")), nil, "no suitable peers for placement, tags not matched ['gold']"},
			{"too many", config(5), nil, "no suitable peers for placement"},
			{"another cluster", config(1, func(c *api.StreamConfig) { c.Placement = &api.Placement{Cluster: "D"} }), nil, "no suitable peers for placement, jetstream not enabled in cluster"},
		} {
			st, err := w.place(tc.config)
			switch {
			case err != nil && (err.ErrCode != api.ErrClusterNoPeers.ErrCode || err.Description != tc.err):
				t.Errorf("%s: %v", tc.name, err)
			case err == nil && (tc.err != "" || !slices.Equal(slices.Sorted(slices.Values(st.Group.Nodes)), tc.nodes) || !slices.Contains(tc.nodes, st.Group.Preferred)):
				t.Errorf("%s: %+v, want %v %q", tc.name, st.Group, tc.nodes, tc.err)
			}
		}

		// What is there already needs no servers, and is refused for what it is.
		for _, h := range w.all() {
			h.e.SetLimits(Limits{})
		}
		synctest.Wait()
		again := config(1, bytes(3500))
		again.Name, again.Subjects = "S1", []string{"s.1"}
		if st, err := w.place(again); err != nil || !slices.Equal(st.Group.Nodes, []uint32{4}) {
			t.Errorf("created again: %v", err)
		}
		again.Name = "T"
		if _, err := w.place(again); err == nil || !err.Is(api.ErrStreamSubjectOverlap) {
			t.Errorf("subjects that overlap: %v", err)
		}
	})
}

// No two replicas are on servers with one unique tag, and no server gets more of them than it may.
func TestUniqueTagAndMostAssets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 4, func(node raft.NodeID) []rigOption {
			return []rigOption{tagged([]string{"az:1", "az:1", "az:2", "az:2"}[node-1]), func(_ *rig, _ *wal.Config, _ *host.Config, c *Config) {
				c.UniqueTag, c.Limits.MaxAssets = "az:", 2
			}}
		})
		defer w.close()
		for i := range 4 {
			st, err := w.place(&api.StreamConfig{Name: fmt.Sprint("S", i), Replicas: 2})
			if err != nil || (st.Group.Nodes[0] < 3) == (st.Group.Nodes[1] < 3) {
				t.Fatalf("%v, %v", st, err)
			}
		}
		if _, err := w.place(&api.StreamConfig{Name: "T", Replicas: 3}); err == nil || err.Description != "no suitable peers for placement, miscellaneous issue" {
			t.Errorf("three racks: %v", err)
		}
		if _, err := w.place(&api.StreamConfig{Name: "T", Replicas: 1}); err != nil {
			t.Error(err)
		}
	})
}

// Leaders of streams with several replicas are spread over the servers.
func TestLeadersAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 3, nil)
		defer w.close()
		leads := make(map[uint32]int)
		for i := range 12 {
			st, err := w.place(&api.StreamConfig{Name: fmt.Sprint("S", i), Replicas: 3})
			if err != nil {
				t.Fatal(err)
			}
			leads[st.Group.Preferred]++
		}
		for node := uint32(1); node <= 3; node++ {
			if leads[node] != 4 {
				t.Errorf("%v", leads)
			}
		}
	})
}

// A stream whose replicas or placement change keeps what it can keep.
func TestUpdatesArePlaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newCity(t, 4, func(node raft.NodeID) []rigOption {
			return []rigOption{room(1000), tagged([]string{"a", "a", "b", "b"}[node-1])}
		})
		defer w.close()
		first, err := w.place(&api.StreamConfig{Name: "S", Replicas: 1, MaxBytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		own := first.Group.Nodes[0]
		st, err := w.replace("S", func(c *api.StreamConfig) { c.Replicas = 3 })
		if err != nil || len(st.Group.Nodes) != 3 || st.Group.Nodes[0] != own || st.Group.Preferred != own {
			t.Fatalf("scaled up: %+v, %v", st, err)
		}
		three := st.Group.Nodes
		w.arrives("S")
		if _, err := w.replace("S", func(c *api.StreamConfig) { c.Replicas = 5 }); err == nil || err.Description != "no suitable peers for placement" {
			t.Errorf("to more servers than there are: %v", err)
		}
		if _, err := w.replace("S", func(c *api.StreamConfig) { c.Replicas, c.Placement = 1, &api.Placement{Tags: []string{"a"}} }); err == nil || !err.Is(api.ErrStreamMoveAndScale) {
			t.Errorf("moved and scaled: %v", err)
		}
		if _, err := w.replace("S", func(c *api.StreamConfig) { c.MaxBytes = 1001 }); err == nil || !err.Is(api.ErrInsufficientResources) {
			t.Errorf("more than there is room for: %v", err)
		}
		if st, err := w.replace("S", func(c *api.StreamConfig) { c.MaxBytes = 1000 }); err != nil || st.Group.Change != nil {
			t.Errorf("all the room: %+v, %v", st, err)
		}
		st, err = w.replace("S", func(c *api.StreamConfig) { c.Replicas, c.MaxBytes = 1, 10 })
		if err != nil || len(st.Group.Nodes) != 1 || !slices.Contains(three, st.Group.Nodes[0]) {
			t.Fatalf("scaled down: %+v, %v", st, err)
		}
		w.arrives("S")
		own = st.Group.Nodes[0]
		tag := "a"
		if own <= 2 {
			tag = "b"
		}
		st, err = w.replace("S", func(c *api.StreamConfig) { c.Placement = &api.Placement{Tags: []string{tag}} })
		if err != nil || len(st.Group.Nodes) != 1 || (st.Group.Nodes[0] <= 2) == (own <= 2) {
			t.Fatalf("moved from %d: %+v, %v", own, st, err)
		}
		w.arrives("S")
		to := st.Group.Nodes
		st, err = w.replace("S", func(c *api.StreamConfig) { c.Placement = nil })
		if err != nil || st.Group.Change != nil || !slices.Equal(st.Group.Nodes, to) {
			t.Errorf("anywhere: %+v, %v", st, err)
		}
	})
}

// A server that has been alone takes no replicas for others.
func TestReplicasNeedACluster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		_, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "S"), &api.StreamConfig{Name: "S", Replicas: 3})
		if err == nil || !err.Is(api.ErrStreamReplicasNotSupported) {
			t.Errorf("%v", err)
		}
	})
}
