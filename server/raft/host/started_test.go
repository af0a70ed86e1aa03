package host

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// started is some hosts with goroutines of their own.
type started struct {
	t     testing.TB
	nodes []*startedNode
}

type startedNode struct {
	id       raft.NodeID
	of       *started
	fs       vfs.FS
	log      *wal.Log
	host     *Host
	inbox    chan packet
	machines map[raft.GroupID]*machine
	wg       sync.WaitGroup
}

func newStarted(t testing.TB, n int, disk vfs.FS, edit func(*Config)) *started {
	s := &started{t: t}
	for i := range n {
		fs := disk
		if fs == nil {
			fs = vfs.NewMem()
		}
		s.nodes = append(s.nodes, &startedNode{
			id: raft.NodeID(i + 1), of: s, fs: fs, inbox: make(chan packet, 4096), machines: make(map[raft.GroupID]*machine),
		})
	}
	for _, nd := range s.nodes {
		var err error
		nd.log, err = wal.Open(wal.Config{FS: nd.fs, Dir: "wal", Clock: clock.Real(), Incarnation: func() uint32 { return uint32(nd.id) * 7 }})
		if err != nil {
			t.Fatal(err)
		}
		cfg := Config{
			Node: nd.id, Log: nd.log, Transport: nd, Clock: clock.Real(), FS: nd.fs, Dir: "images", Seed: uint64(nd.id),
			Tick: 20 * time.Millisecond, Workers: 2,
		}
		if edit != nil {
			edit(&cfg)
		}
		if nd.host, err = New(cfg); err != nil {
			t.Fatal(err)
		}
		nd.wg.Go(func() {
			for p := range nd.inbox {
				nd.host.Receive(p.from, p.class, p.frame)
			}
		})
		nd.log.Start()
		nd.host.Start()
	}
	return s
}

// Send implements Transport.
func (nd *startedNode) Send(to raft.NodeID, class Class, frame []byte) bool {
	select {
	case nd.of.nodes[to-1].inbox <- packet{nd.id, to, class, frame}:
		return true
	default:
		return false
	}
}

func (s *started) create(id raft.GroupID) {
	s.t.Helper()
	var peers []raft.PeerID
	for _, nd := range s.nodes {
		peers = append(peers, raft.MakePeerID(nd.id, nd.log.Incarnation()))
	}
	for i, nd := range s.nodes {
		m := newMachine(&saved{})
		nd.machines[id] = m
		if _, err := nd.host.Create(GroupConfig{ID: id, Machine: m, Peers: peers, Campaign: i == int(id)%len(s.nodes)}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// leader waits until a group has a leader.
func (s *started) leader(id raft.GroupID) *Group {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		for _, nd := range s.nodes {
			if g, ok := nd.host.Group(id); ok && g.Leading() {
				return g
			}
		}
		time.Sleep(time.Millisecond)
	}
	s.t.Fatalf("group %d has no leader", id)
	return nil
}

func (s *started) stop() {
	s.t.Helper()
	for _, nd := range s.nodes {
		nd.host.Stop()
	}
	for _, nd := range s.nodes {
		close(nd.inbox)
		nd.wg.Wait()
		if err := nd.log.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// With goroutines of their own the hosts do the same: each proposal has one
// outcome, what is applied is applied everywhere in one order, and nothing is left
// running.
func TestStarted(t *testing.T) {
	before := runtime.NumGoroutine()
	s := newStarted(t, 3, nil, nil)
	const groups, proposers, each = 20, 4, 50
	for id := range raft.GroupID(groups) {
		s.create(id + 1)
	}
	for id := range raft.GroupID(groups) {
		s.leader(id + 1)
	}
	var applied, other atomic.Int64
	var wg sync.WaitGroup
	for p := range proposers {
		wg.Go(func() {
			for n := range each * groups {
				id := raft.GroupID(n%groups + 1)
				done := make(chan Outcome, 1)
				err := s.leader(id).Propose(Proposal{
					Data: fmt.Appendf(nil, "%d-%d", p, n), Done: func(o Outcome) { done <- o },
				})
				if err != nil {
					other.Add(1)
					continue
				}
				if o := <-done; o.Fate == Applied {
					applied.Add(1)
				} else {
					other.Add(1)
				}
			}
		})
	}
	wg.Go(func() {
		for n := range 50 {
			id := raft.GroupID(n%groups + 1)
			nd := s.nodes[n%3]
			g, _ := nd.host.Group(id)
			if st := g.Status(); st.Group != id {
				t.Errorf("status of group %d, asked for %d", st.Group, id)
			}
			read := make(chan error, 1)
			g.ReadIndex(func(_ raft.Index, err error) { read <- err })
			<-read
			g.Checkpointed(g.Applied())
			nd.host.Stats()
		}
	})
	wg.Wait()
	if n := applied.Load(); n < each*groups*proposers/2 {
		t.Errorf("%d of %d applied, %d not", n, each*groups*proposers, other.Load())
	}
	for id := range raft.GroupID(groups) {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			a, b, c := s.nodes[0].machines[id+1], s.nodes[1].machines[id+1], s.nodes[2].machines[id+1]
			if a.equal(b) && b.equal(c) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("group %d: the machines differ", id+1)
			}
		}
	}
	total := 0
	for id := range raft.GroupID(groups) {
		items := s.nodes[0].machines[id+1].items()
		total += len(items)
		slices.Sort(items)
		if len(slices.Compact(items)) != len(s.nodes[0].machines[id+1].items()) {
			t.Errorf("group %d has a proposal twice", id+1)
		}
	}
	if total < int(applied.Load()) {
		t.Errorf("%d applied, %d there", applied.Load(), total)
	}
	s.stop()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("goroutines are left:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
}

// The number of goroutines does not depend on the number of groups.
func TestGoroutines(t *testing.T) {
	s := newStarted(t, 1, nil, nil)
	s.create(1)
	s.leader(1)
	few := runtime.NumGoroutine()
	for id := range raft.GroupID(200) {
		s.create(id + 2)
	}
	s.leader(201)
	if many := runtime.NumGoroutine(); many > few+2 {
		t.Errorf("%d goroutines with one group, %d with 201", few, many)
	}
	s.stop()
}

// alone is a started host of one, with a group that leads, and what came of proposals.
func alone(t *testing.T, fs vfs.FS) (s *started, g *Group, outcomes *atomic.Int64) {
	s = newStarted(t, 1, fs, func(c *Config) { c.Tick = time.Hour }) // nobody is woken by the clock
	nd := s.nodes[0]
	nd.machines[1] = newMachine(&saved{})
	_, err := nd.host.Create(GroupConfig{
		ID: 1, Machine: nd.machines[1], Peers: []raft.PeerID{raft.MakePeerID(1, nd.log.Incarnation())}, Campaign: true, Sole: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	g, _ = nd.host.Group(1)
	if !g.Leading() {
		t.Fatal("no leader")
	}
	return s, g, new(atomic.Int64)
}

func proposeQuietly(t *testing.T, g *Group, outcomes *atomic.Int64) {
	t.Helper()
	err := g.ProposeQuietly(Proposal{Data: []byte("x"), Done: func(o Outcome) {
		if o.Fate != Applied {
			t.Errorf("outcome %v", o)
		}
		outcomes.Add(1)
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// A quiet proposal wakes nobody. Who assists has done all of it himself.
func TestAssist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g, outcomes := alone(t, vfs.NewMem())
		defer s.stop()
		for i := range int64(3) {
			proposeQuietly(t, g, outcomes)
			synctest.Wait()
			if got := outcomes.Load(); got != i {
				t.Fatalf("%d outcomes before anybody assisted, want %d", got, i)
			}
			s.nodes[0].host.Assist()
			if got := outcomes.Load(); got != i+1 {
				t.Fatalf("%d outcomes, want %d", got, i+1)
			}
		}
		proposeQuietly(t, g, outcomes)
		s.nodes[0].host.Nudge()
		synctest.Wait()
		if got := outcomes.Load(); got != 4 {
			t.Errorf("%d outcomes after a nudge, want 4", got)
		}
		s.nodes[0].host.Assist() // there is nothing to do
	})
}

// While one who assists waits for the disk, others do not, and what they have proposed
// needs nobody's help any more.
func TestAssistOnSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := errorfs.Wrap(vfs.NewMem(), clock.Real(), nil)
		s, g, outcomes := alone(t, fs)
		defer s.stop()
		fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: 10 * time.Second}))
		begun := time.Now()
		host := s.nodes[0].host
		first := make(chan time.Duration)
		proposeQuietly(t, g, outcomes)
		go func() {
			host.Assist()
			first <- time.Since(begun)
		}()
		synctest.Wait()
		for range 5 {
			proposeQuietly(t, g, outcomes)
			host.Assist()
		}
		read := false
		g.ReadIndex(func(_ raft.Index, err error) { read = err == nil })
		synctest.Wait()
		if took := time.Since(begun); took != 0 || !read {
			t.Errorf("others waited %v, a read was answered: %v", took, read)
		}
		if took := <-first; took < 10*time.Second || outcomes.Load() == 0 {
			t.Errorf("the first one waited %v, %d outcomes", took, outcomes.Load())
		}
		time.Sleep(time.Minute)
		if got := outcomes.Load(); got != 6 {
			t.Errorf("%d outcomes, want 6", got)
		}
		fs.SetInjector(nil)
	})
}

// One who assists becomes a worker if there is none up, and only then: those that sleep
// or wait for the disk do not count.
func TestJoin(t *testing.T) {
	for _, tc := range []struct {
		workers, parked, away int
		closed, joins         bool
	}{
		{workers: 2, parked: 2, joins: true},
		{workers: 2, away: 2, joins: true},
		{workers: 3, parked: 2, away: 1, joins: true},
		{workers: 2, parked: 1},
		{workers: 3, parked: 1, away: 1},
		{workers: 2, parked: 2, closed: true},
	} {
		p := newPool(nil, 1, 1)
		p.workers, p.parked, p.away, p.closed = tc.workers, tc.parked, tc.away, tc.closed
		if got := p.join(); got != tc.joins {
			t.Errorf("%+v: %v", tc, got)
		} else if got && p.workers != tc.workers+1 {
			t.Errorf("%+v: not counted", tc)
		}
	}
}

// A host that stops waits for those who assist, and loses nothing that they have taken
// on.
func TestStopWhileAssisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := errorfs.Wrap(vfs.NewMem(), clock.Real(), nil)
		s, g, outcomes := alone(t, fs)
		fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: time.Second}))
		var wg sync.WaitGroup
		for range 4 {
			err := g.ProposeQuietly(Proposal{Data: []byte("x"), Done: func(Outcome) { outcomes.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(s.nodes[0].host.Assist)
			synctest.Wait()
		}
		s.stop()
		wg.Wait()
		if got := outcomes.Load(); got != 4 {
			t.Errorf("%d of 4 proposals have an outcome", got)
		}
	})
}

// slowMachine takes as long to restore an image as its test wants.
type slowMachine struct {
	*machine
	begun *atomic.Int32
	end   chan struct{}
}

func (m slowMachine) Restore(Position, Image) error {
	m.begun.Add(1)
	<-m.end
	return errors.New("no")
}

// errand is an actor of one run.
type errand struct{ done atomic.Bool }

func (e *errand) run(*worker)    { e.done.Store(true) }
func (e *errand) release() *pool { return nil }

// Machines that take long to restore images, as many as there may be at once, hold up
// no other transfer.
func TestSlowRestoresHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStarted(t, 1, nil, nil)
		h := s.nodes[0].host
		var begun atomic.Int32
		end := make(chan struct{})
		for id := range raft.GroupID(h.cfg.SnapshotReceives) {
			self := raft.MakePeerID(1, s.nodes[0].log.Incarnation())
			g, err := h.Create(GroupConfig{ID: id + 1, Machine: slowMachine{newMachine(&saved{}), &begun, end}, Peers: []raft.PeerID{self}})
			if err != nil {
				t.Fatal(err)
			}
			r := &receiver{host: h, group: g, offer: offer{from: self, at: Position{Base: raft.Base{Index: 1000}}}}
			g.apply.post(task{restore: r})
		}
		synctest.Wait()
		e := &errand{}
		h.bulkPool.push(e)
		synctest.Wait()
		if n := int(begun.Load()); n != h.cfg.SnapshotReceives || !e.done.Load() {
			t.Errorf("%d of %d are being restored, and others run: %v", n, h.cfg.SnapshotReceives, e.done.Load())
		}
		close(end)
		synctest.Wait()
		s.stop()
	})
}
