package rafttest_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/transport"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// These benchmarks run three hosts in one process, over loopback TCP, with logs
// that are synced. Run each once:
//
//	go test ./server/raft/rafttest -run XXX -bench Commit -benchtime 5s
//	go test ./server/raft/rafttest -run XXX -bench Idle -benchtime 1x
//	go test ./server/raft/rafttest -run XXX -bench Restart -benchtime 1x

// counter is a machine that counts, and keeps nothing.
type counter struct {
	at      host.Position
	applied *atomic.Int64
}

func (c *counter) Applied() host.Position { return c.at }

func (c *counter) Apply(b *host.Batch) error {
	c.at.Base.Index, c.at.Base.Term, c.at.Time = b.Index, b.Term, b.Time
	if c.applied != nil {
		c.applied.Add(int64(b.Len()))
	}
	return nil
}

func (c *counter) ApplyConf(i raft.Index, t raft.Term, conf *raft.ConfState) error {
	c.at.Base = raft.Base{Index: i, Term: t, Conf: conf.Clone()}
	return nil
}

func (c *counter) Snapshot() (host.Snapshot, error) { return nil, fmt.Errorf("no snapshots here") }

func (c *counter) Restore(host.Position, host.Image) error { return fmt.Errorf("no snapshots here") }
func (c *counter) LeaderChanged(host.Leadership)           {}

// server is one of three.
type server struct {
	id     raft.NodeID
	dir    string
	log    *wal.Log
	host   *host.Host
	tcp    *transport.TCP
	l      net.Listener
	groups []*host.Group
}

func openLog(b *testing.B, dir string) *wal.Log {
	b.Helper()
	log, err := wal.Open(wal.Config{FS: vfs.OS(), Dir: filepath.Join(dir, "wal"), Clock: clock.Real(), OnError: func(err error) { b.Error(err) }})
	if err != nil {
		b.Fatal(err)
	}
	return log
}

// newServer makes a server that the book says where to find.
func newServer(b *testing.B, id raft.NodeID, book *transport.Book, dir string) *server {
	b.Helper()
	s := &server{id: id, dir: dir, log: openLog(b, dir)}
	var err error
	s.l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if err := book.Set(transport.Peer{Node: id, Name: fmt.Sprint(id), Addr: s.l.Addr().String()}); err != nil {
		b.Fatal(err)
	}
	s.tcp, err = transport.New(transport.Config{
		Self: id, Incarnation: s.log.Incarnation(), Cluster: "bench", Name: fmt.Sprint(id), Instance: "one", Book: book, Dial: new(net.Dialer).DialContext,
		Receive: func(from raft.NodeID, class host.Class, frame []byte) { s.host.Receive(from, class, frame) },
	})
	if err != nil {
		b.Fatal(err)
	}
	s.host, err = host.New(host.Config{
		Node: id, Log: s.log, Transport: s.tcp, Clock: clock.Real(), FS: vfs.OS(), Dir: filepath.Join(dir, "snap"),
		Seed: uint64(id), MaxHostBytes: 1 << 30, MaxGroupBytes: 256 << 20,
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *server) start() {
	s.log.Start()
	s.host.Start()
	go func() {
		for {
			conn, err := s.l.Accept()
			if err != nil {
				return // the listener is closed
			}
			s.tcp.Accept(conn, nil)
		}
	}()
}

// silence takes the server off the network without a word.
func (s *server) silence() {
	s.l.Close()
	s.tcp.Stop()
}

func (s *server) stop() {
	s.silence()
	s.host.Stop()
	_ = s.log.Close() // it is thrown away
}

// trio starts three servers with groups that have all of them as voters.
func trio(b *testing.B, groups int, applied *atomic.Int64) []*server {
	b.Helper()
	root := b.TempDir()
	var servers []*server
	book := transport.NewBook()
	var peers []raft.PeerID
	for id := raft.NodeID(1); id <= 3; id++ {
		s := newServer(b, id, book, filepath.Join(root, fmt.Sprint(id)))
		servers = append(servers, s)
		peers = append(peers, raft.MakePeerID(id, s.log.Incarnation()))
	}
	for _, s := range servers {
		s.start()
	}
	for g := range groups {
		for _, s := range servers {
			c := &counter{}
			if s.id == 1 {
				c.applied = applied
			}
			grp, err := s.host.Create(host.GroupConfig{ID: raft.GroupID(g + 1), Peers: peers, Machine: c, Campaign: g%3 == int(s.id)-1})
			if err != nil {
				b.Fatal(err)
			}
			s.groups = append(s.groups, grp)
		}
	}
	await(b, time.Minute, func() bool { return leaders(servers, groups) == groups })
	return servers
}

// leaders counts the groups that have a leader among the servers.
func leaders(servers []*server, groups int) int {
	n := 0
	for g := range groups {
		for _, s := range servers {
			if s.groups[g].Leading() {
				n++
				break
			}
		}
	}
	return n
}

func await(b *testing.B, limit time.Duration, done func() bool) time.Duration {
	b.Helper()
	start := time.Now()
	for !done() {
		if time.Since(start) > limit {
			b.Fatalf("not done after %v", limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

// BenchmarkCommit measures proposals of 128 bytes that are committed and applied
// where they were proposed. So many are under way at a time that nobody waits.
func BenchmarkCommit(b *testing.B) {
	for _, groups := range []int{1, 64, 1000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			servers := trio(b, groups, nil)
			defer func() {
				for _, s := range servers {
					s.stop()
				}
			}()
			var leaders []*host.Group
			for g := range groups {
				for _, s := range servers {
					if s.groups[g].Leading() {
						leaders = append(leaders, s.groups[g])
						break
					}
				}
			}
			data := make([]byte, 128)
			const window = 32 << 10
			free := make(chan struct{}, window)
			var wg sync.WaitGroup
			var bad atomic.Int64
			before := servers[0].log.Stats()
			b.SetBytes(128)
			b.ResetTimer()
			for i := range b.N {
				free <- struct{}{}
				wg.Add(1)
				done := func(o host.Outcome) {
					if o.Fate != host.Applied {
						bad.Add(1)
					}
					<-free
					wg.Done()
				}
				for {
					err := leaders[i%len(leaders)].Propose(host.Proposal{Data: data, Done: done})
					if err == nil {
						break
					}
					if !errors.Is(err, host.ErrOverloaded) {
						b.Fatal(err)
					}
					time.Sleep(time.Millisecond)
				}
			}
			wg.Wait()
			b.StopTimer()
			after := servers[0].log.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "proposals/s")
			b.ReportMetric(float64(after.Entries-before.Entries)/float64(max(after.Syncs-before.Syncs, 1)), "entries/sync")
			b.ReportMetric(float64(bad.Load()), "lost")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdle measures what 10,000 groups of three cost while nothing happens,
// with all servers, and with one dead; and how long it takes until all groups of
// the dead one have a leader again.
func BenchmarkIdle(b *testing.B) {
	const groups = 10_000
	for range b.N {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		servers := trio(b, groups, nil)
		quiet := func(servers []*server) func() bool {
			return func() bool {
				for _, s := range servers {
					if s.host.Stats().Awake > 0 {
						return false
					}
				}
				return true
			}
		}
		await(b, time.Minute, quiet(servers))
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/(3*groups), "bytes/replica")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines), "goroutines")

		idle := func(unit string) {
			begin := cpu()
			const period = 10 * time.Second
			time.Sleep(period)
			b.ReportMetric(100*float64(cpu()-begin)/float64(period), unit)
		}
		idle("%core")

		var orphans []int
		for g := range groups {
			if servers[2].groups[g].Leading() {
				orphans = append(orphans, g)
			}
		}
		dead := servers[2]
		dead.silence()
		took := await(b, time.Minute, func() bool {
			n := 0
			for _, g := range orphans {
				if servers[0].groups[g].Leading() || servers[1].groups[g].Leading() {
					n++
				}
			}
			return n == len(orphans)
		})
		b.ReportMetric(took.Seconds(), "s/reelection")
		b.ReportMetric(float64(len(orphans)), "orphans")
		dead.host.Stop()
		await(b, time.Minute, quiet(servers[:2]))
		idle("%core-one-dead")
		servers[0].stop()
		servers[1].stop()
		_ = dead.log.Close() // it is thrown away
	}
}

// BenchmarkRestart measures how long a server takes that has 10,000 groups and a
// log of 1 GiB, from the opening of the log until all groups are there.
func BenchmarkRestart(b *testing.B) {
	const (
		groups = 10_000
		total  = 1 << 30
		size   = 16 << 10
	)
	dir := b.TempDir()
	log := openLog(b, dir)
	self := raft.MakePeerID(1, log.Incarnation())
	log.Start()
	var wg sync.WaitGroup
	write := func(w wal.Write) {
		wg.Add(1)
		w.Done = func(err error) {
			if err != nil {
				b.Error(err)
			}
			wg.Done()
		}
		if err := log.Append(w); err != nil {
			b.Fatal(err)
		}
	}
	data := make([]byte, size)
	for g := range groups {
		write(wal.Write{
			Group: raft.GroupID(g + 1), Replica: &wal.Replica{Self: self}, Base: &raft.Base{Conf: raft.ConfState{Voters: []raft.PeerID{self}}}, Hard: &raft.HardState{Term: 1, Vote: self},
		})
	}
	for n := range total / size {
		if n%256 == 0 {
			wg.Wait()
		}
		write(wal.Write{Group: raft.GroupID(n%groups + 1), Entries: []raft.Entry{{Index: raft.Index(n/groups + 1), Term: 1, Data: data}}})
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		s := newServer(b, 1, transport.NewBook(), dir)
		opened := time.Since(start)
		for g := range groups {
			grp, err := s.host.Open(host.GroupConfig{ID: raft.GroupID(g + 1), Machine: &counter{}})
			if err != nil {
				b.Fatal(err)
			}
			s.groups = append(s.groups, grp)
		}
		s.start()
		b.ReportMetric(time.Since(start).Seconds(), "s/started")
		await(b, time.Minute, func() bool { return leaders([]*server{s}, groups) == groups })
		b.ReportMetric(opened.Seconds(), "s/log-open")
		b.ReportMetric(time.Since(start).Seconds(), "s/all-leading")
		s.stop()
	}
}
