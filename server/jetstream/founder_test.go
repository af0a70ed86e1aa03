package jetstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/transport"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// town is servers that hear of each other, in a bubble of virtual time.
type town struct {
	t   *testing.T
	net *transport.Mem
	bus bus

	mu sync.Mutex
	// houses are the servers that are up, configured is how many each was told of.
	houses     map[raft.NodeID]*house
	configured int
	// apart are pairs that do not see each other, lower node first.
	apart map[[2]raft.NodeID]bool
	lives uint32
}

// house is a server of a town. It is the server's Neighbours.
type house struct {
	*rig
	town   *town
	node   raft.NodeID
	system *account.Account
	net    *transport.MemNode
	up     atomic.Bool

	mu       sync.Mutex
	watchers map[int]func()
	watched  int
}

func newTown(t *testing.T, configured int) *town {
	return &town{t: t, net: transport.NewMem(transport.Limits{}), houses: make(map[raft.NodeID]*house), configured: configured, apart: make(map[[2]raft.NodeID]bool), bus: bus{links: make(map[[2]*house]*link)}}
}

// open starts a server on a disk.
func (w *town) open(node raft.NodeID, disk *vfs.Mem, options ...rigOption) *house {
	w.t.Helper()
	h := &house{town: w, node: node, system: account.New("$SYS"), watchers: make(map[int]func())}
	options = append([]rigOption{func(r *rig, lc *wal.Config, hc *host.Config, c *Config) {
		w.lives++
		life := w.lives
		lc.Incarnation = func() uint32 { return life }
		h.net = w.net.Attach(node, func(from raft.NodeID, class host.Class, frame []byte) {
			if h.up.Load() {
				r.host.Receive(from, class, frame)
			}
		})
		hc.Node, hc.Transport, hc.Seed = node, h.net, uint64(life)<<8|uint64(node)
		c.Node, c.Name, c.System, c.Neighbours, c.Cluster = node, fmt.Sprintf("S%d", node), h.system, h, "C"
		c.ServerID = fmt.Sprintf("ID%d-%d", node, life)
		// Nobody leads all groups: what a server does with assets comes later.
		r.tolerant = true
	}}, options...)
	r, err := startRig(w.t, disk, options...)
	if err != nil {
		w.t.Fatal(err)
	}
	h.rig = r
	h.up.Store(true)
	w.mu.Lock()
	w.houses[node] = h
	w.mu.Unlock()
	w.changed()
	return h
}

// close stops a server.
func (h *house) close() {
	h.town.leave(h.node)
	h.stop()
	h.net.Stop()
}

// leave has nobody hear of a server any more.
func (w *town) leave(node raft.NodeID) {
	w.mu.Lock()
	delete(w.houses, node)
	w.mu.Unlock()
	w.changed()
}

// cut has two servers not hear of each other, or again.
func (w *town) cut(a, b raft.NodeID, apart bool) {
	w.mu.Lock()
	w.apart[[2]raft.NodeID{min(a, b), max(a, b)}] = apart
	w.mu.Unlock()
	if apart {
		w.net.Cut(a, b)
	} else {
		w.net.Heal(a, b)
	}
	w.changed()
}

func (w *town) changed() {
	w.bus.connect(w)
	for _, h := range w.all() {
		h.mu.Lock()
		for _, f := range h.watchers {
			f()
		}
		h.mu.Unlock()
	}
}

// all returns the servers that are up, in order.
func (w *town) all() (list []*house) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.houses {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *house) int { return int(a.node) - int(b.node) })
	return list
}

// visible returns whom a server sees.
func (w *town) visible(node raft.NodeID) (list []*house) {
	for _, h := range w.all() {
		w.mu.Lock()
		apart := w.apart[[2]raft.NodeID{min(node, h.node), max(node, h.node)}]
		w.mu.Unlock()
		if h.node != node && !apart {
			list = append(list, h)
		}
	}
	return list
}

// Seen implements Neighbours.
func (h *house) Seen() (nodes []raft.NodeID, complete bool) {
	h.town.mu.Lock()
	up := h.town.houses[h.node] == h
	h.town.mu.Unlock()
	if !up {
		return nil, false // nothing is connected yet
	}
	known := 1
	for _, other := range h.town.visible(h.node) {
		nodes = append(nodes, other.node)
		known++
	}
	return nodes, known >= h.town.configured
}

// Watch implements Neighbours.
func (h *house) Watch(changed func()) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watched++
	n := h.watched
	h.watchers[n] = changed
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, n)
	}
}

// wantGroup checks that all servers are voters of one group with one leader, and know what it
// has decided.
func (w *town) wantGroup(voters int) {
	w.t.Helper()
	synctest.Wait()
	var conf raft.ConfState
	leaders := 0
	for i, h := range w.all() {
		g, ok := h.host.Group(metaGroupID)
		if !ok {
			w.t.Fatalf("server %d has no group of assets", h.node)
		}
		st := g.Status()
		if i == 0 {
			conf = st.Conf
		}
		if !st.Conf.Equal(&conf) || len(st.Conf.Voters) != voters || len(st.Conf.Peers()) != voters || !slices.Contains(st.Conf.Voters, g.Self()) {
			w.t.Errorf("server %d is %v among %v; server 1 has %v", h.node, g.Self(), st.Conf, conf)
		}
		if g.Leading() {
			leaders++
		}
		select {
		case <-h.e.meta.ready:
		default:
			w.t.Errorf("server %d does not know what there is to be", h.node)
		}
		known := 0
		h.e.meta.view(func(s *meta.State) {
			for sv := range s.Servers() {
				known++
				if other := w.houses[raft.NodeID(sv.Node)]; other == nil || sv.Name != other.e.cfg.Name || sv.Incarnation != other.log.Incarnation() || sv.Cluster != "C" {
					w.t.Errorf("to server %d another one is %+v", h.node, sv)
				}
			}
		})
		if known != voters {
			w.t.Errorf("server %d knows %d servers", h.node, known)
		}
	}
	if leaders != 1 {
		w.t.Errorf("%d leaders", leaders)
	}
}

// wantNone checks that nobody has a group.
func (w *town) wantNone() {
	w.t.Helper()
	synctest.Wait()
	for _, h := range w.all() {
		if _, ok := h.host.Group(metaGroupID); ok {
			w.t.Errorf("server %d has a group of assets", h.node)
		}
	}
}

// complained returns what the server has complained about.
func (h *house) complained() []string {
	h.rig.mu.Lock()
	defer h.rig.mu.Unlock()
	return slices.Clone(h.complaints)
}

func (w *town) close() {
	for _, h := range w.all() {
		h.close()
	}
}

// Servers that see each other found their group together, as soon as all are there that
// they were told of, and go on as that after a restart.
func TestServersFoundTheirGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		disks := map[raft.NodeID]*vfs.Mem{1: vfs.NewMem(), 2: vfs.NewMem(), 3: vfs.NewMem()}
		w.open(1, disks[1])
		w.open(2, disks[2])
		time.Sleep(time.Minute)
		w.wantNone()
		w.open(3, disks[3])
		time.Sleep(10 * time.Second)
		w.wantGroup(3)
		before := w.houses[1].host.Groups()[0].Status().Conf
		w.close()
		for n := range raft.NodeID(3) {
			w.open(n+1, disks[n+1])
		}
		time.Sleep(10 * time.Second)
		w.wantGroup(3)
		if now := w.houses[1].host.Groups()[0].Status().Conf; !now.Equal(&before) {
			t.Errorf("%v became %v", before, now)
		}
	})
}

// Who comes later joins the group that there is, and so does one that has lost its disk,
// as somebody else.
func TestNewcomersJoin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		for n := range raft.NodeID(3) {
			w.open(n+1, vfs.NewMem())
		}
		time.Sleep(10 * time.Second)
		w.wantGroup(3)
		fourth := vfs.NewMem()
		w.open(4, fourth)
		time.Sleep(30 * time.Second)
		w.wantGroup(4)

		old := w.houses[2].host.Groups()[0].Self()
		w.houses[2].close()
		w.open(2, vfs.NewMem())
		time.Sleep(30 * time.Second)
		w.wantGroup(4)
		if now := w.houses[2].host.Groups()[0].Self(); now == old {
			t.Errorf("it is %v as before", now)
		}

		// That is remembered.
		w.houses[4].close()
		w.open(4, fourth)
		time.Sleep(30 * time.Second)
		w.wantGroup(4)
	})
}

// A server whose log begins behind a checkpoint that it does not have asks the others for what there
// is to be, as one that has forgotten.
func TestLostCheckpointOfAssets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		for n := range raft.NodeID(3) {
			w.open(n+1, vfs.NewMem(), often)
		}
		time.Sleep(10 * time.Second)
		w.wantGroup(3)
		for i := range 30 {
			if r, err := w.leader().e.meta.propose(t.Context(), &meta.Op{AddServer: &meta.AddServer{Server: meta.Server{
				Node: 3, Name: "S3", Incarnation: w.houses[3].log.Incarnation(), Cluster: "C", Tags: []string{fmt.Sprint(i)},
			}}}); err != nil || r.Err != nil {
				t.Fatal(err, r.Err)
			}
		}
		time.Sleep(10 * time.Second)
		h := w.houses[2]
		g, _ := h.log.Group(metaGroupID)
		old := h.host.Groups()[0].Self()
		h.close()
		if g.State().Base.Index == 0 {
			t.Fatal("its log has everything")
		}
		for _, name := range []string{metaName, oldMetaName} {
			if err := h.disk.Remove(h.e.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		w.open(2, h.disk)
		time.Sleep(time.Minute)
		w.wantGroup(3)
		if now := w.houses[2].host.Groups()[0].Self(); now == old {
			t.Errorf("it is %v as before", now)
		}
	})
}

// A server that was alone brings along what it has.
func TestLoneServerIsJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := vfs.NewMem()
		newRig(t, disk).stop()
		w := newTown(t, 3)
		defer w.close()
		w.open(1, disk)
		w.open(2, vfs.NewMem())
		time.Sleep(10 * time.Second)
		w.open(3, vfs.NewMem())
		time.Sleep(time.Minute)
		w.wantGroup(3)
	})
}

// Two servers that were alone cannot become one, which is said once.
func TestTwoGroupsStayApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two := vfs.NewMem(), vfs.NewMem()
		newRig(t, one).stop()
		newRig(t, two, func(_ *rig, lc *wal.Config, hc *host.Config, c *Config) {
			lc.Incarnation = func() uint32 { return 8 }
			hc.Node, c.Node = 2, 2
		}).stop()
		w := newTown(t, 2)
		defer w.close()
		w.open(1, one)
		w.open(2, two)
		w.open(3, vfs.NewMem())
		time.Sleep(time.Minute)
		for n := range raft.NodeID(2) {
			said := 0
			for _, c := range w.houses[n+1].complained() {
				if strings.Contains(c, "another group of assets") {
					said++
				}
			}
			if said == 0 || said > 2 {
				t.Errorf("server %d has said so %d times", n+1, said)
			}
		}
	})
}

// Wherever in its input and output a server crashes that founds a group with others,
// there is one group in the end, with all of them.
func TestCrashWhileFounding(t *testing.T) {
	for at := 1; ; at++ {
		crashed := false
		if !t.Run(fmt.Sprint(at), func(t *testing.T) { bubble(t, func(t *testing.T) { crashed = crashFounding(t, at) }) }) {
			return
		}
		if !crashed {
			if at < 10 {
				t.Errorf("only %d operations", at)
			}
			return
		}
	}
}

// crashFounding crashes server 2 at the nth operation of its disk. It returns false if
// there are not so many.
func crashFounding(t *testing.T, nth int) (crashed bool) {
	w := newTown(t, 3)
	defer w.close()
	disk := vfs.NewMem()
	var left atomic.Pointer[vfs.Mem]
	var ops atomic.Int64
	w.open(1, vfs.NewMem())
	h := w.open(2, disk)
	h.fs.SetInjector(errorfs.InjectorFunc(func(errorfs.Op) errorfs.Fault {
		if ops.Add(1) == int64(nth) {
			w.cut(1, 2, true)
			w.cut(2, 3, true)
			left.Store(disk.CrashClone(vfs.CrashOptions{}))
		}
		return errorfs.Fault{}
	}))
	w.open(3, vfs.NewMem())
	time.Sleep(10 * time.Second)
	if left.Load() != nil {
		h.close()
		w.cut(1, 2, false)
		w.cut(2, 3, false)
		w.open(2, left.Load())
		time.Sleep(time.Minute)
	}
	w.wantGroup(3)
	return left.Load() != nil
}

// Whatever happens to servers and between them while they found their group, in whatever
// order, they have one group when it is over.
func TestFoundingInTurmoil(t *testing.T) {
	seeds := uint64(30)
	if race.Enabled {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 26))
				w := newTown(t, 3)
				defer w.close()
				disks := make(map[raft.NodeID]*vfs.Mem)
				for n := range raft.NodeID(3) {
					disks[n+1] = vfs.NewMem()
					w.open(n+1, disks[n+1])
				}
				lost := false
				for range 20 {
					time.Sleep(time.Duration(rng.Int64N(int64(1500 * time.Millisecond))))
					node := raft.NodeID(1 + rng.IntN(3))
					switch p := rng.IntN(10); {
					case p < 4:
						w.cut(node, node%3+1, rng.IntN(2) == 0)
					case p < 9 || lost:
						disks[node] = w.houses[node].crash(vfs.CrashOptions{})
						w.open(node, disks[node])
					default:
						lost = true
						w.houses[node].close()
						disks[node] = vfs.NewMem()
						w.open(node, disks[node])
					}
				}
				for n := range raft.NodeID(3) {
					w.cut(n+1, (n+1)%3+1, false)
				}
				time.Sleep(2 * time.Minute)
				w.wantGroup(3)
			})
		})
	}
}

// A server that is removed goes from the group of assets as well, whether it is there or not,
// and it may be the one that leads. That is over when the group has agreed on it.
func TestServerIsRemoved(t *testing.T) {
	for _, tc := range []struct {
		name  string
		leads bool
		gone  bool
	}{{"there", false, false}, {"gone", false, true}, {"the leader", true, false}} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newTown(t, 3)
				defer w.close()
				for n := range raft.NodeID(3) {
					w.open(n+1, vfs.NewMem())
				}
				time.Sleep(10 * time.Second)
				w.wantGroup(3)
				leader := w.leader()
				victim := leader
				if !tc.leads {
					victim = w.houses[leader.node%3+1]
				}
				if tc.gone {
					victim.close()
					time.Sleep(10 * time.Second)
				}
				r, err := leader.e.meta.propose(t.Context(), &meta.Op{RemoveServer: &meta.RemoveServer{Node: uint32(victim.node)}})
				if err != nil || r.Err != nil {
					t.Fatal(err, r.Err)
				}
				time.Sleep(20 * time.Second)
				if !tc.gone {
					victim.close()
				}
				time.Sleep(10 * time.Second)
				w.wantGroup(2)
				w.leader().e.meta.view(func(s *meta.State) {
					if s.Removing() != 0 {
						t.Error("it is not over")
					}
				})
			})
		})
	}
}

// leader returns the server that leads the group of assets.
func (w *town) leader() *house {
	w.t.Helper()
	for _, h := range w.all() {
		if g, ok := h.host.Group(metaGroupID); ok && g.Leading() {
			return h
		}
	}
	w.t.Fatal("nobody leads")
	return nil
}
