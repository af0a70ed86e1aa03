package wal

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/raft"
)

// onDisk is a log in a directory of the machine's file system.
func onDisk(b testing.TB) Config {
	return Config{FS: vfs.OS(), Dir: b.TempDir(), Clock: clock.Real(), OnError: func(err error) { b.Error(err) }}
}

// Each of many groups proposes one entry after the other; what they share is
// the sync.
func BenchmarkGroupCommit(b *testing.B) {
	for _, groups := range []int{1, 64, 1000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) {
			l := open(b, onDisk(b))
			l.Start()
			data := make([]byte, 128)
			for g := range groups {
				must(b, l.Append(Write{Group: raft.GroupID(g + 1), Replica: &Replica{Self: 1}}))
			}
			before := l.Stats()
			b.SetBytes(128)
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for g := range groups {
				wg.Go(func() {
					done := make(chan error, 1)
					note := func(err error) { done <- err }
					ents := make([]raft.Entry, 0, 1)
					for i := g; i < b.N; i += groups {
						ents = append(ents[:0], raft.Entry{Index: raft.Index(i/groups + 1), Term: 1, Data: data})
						if err := l.Append(Write{Group: raft.GroupID(g + 1), Entries: ents, Done: note}); err != nil {
							b.Error(err)
							return
						}
						if err := <-done; err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			s := l.Stats()
			b.ReportMetric(float64(s.Entries-before.Entries)/float64(s.Syncs-before.Syncs), "entries/sync")
			must(b, l.Close())
		})
	}
}

// Entries of several sizes through Append and Flush, with and without a disk, and
// encrypted.
func BenchmarkAppend(b *testing.B) {
	for _, where := range []string{"disk", "memory", "encrypted"} {
		for _, size := range []int{128, 4 << 10, 128 << 10} {
			b.Run(fmt.Sprintf("%s/data=%d", where, size), func(b *testing.B) {
				cfg := onDisk(b)
				if where != "disk" {
					cfg.FS, cfg.Dir = sink{vfs.NewMem()}, "/wal"
				}
				if where == "encrypted" {
					cfg.Keys = testKeys(b, "secret")
				}
				l := open(b, cfg)
				must(b, l.Append(Write{Group: 1, Replica: &Replica{Self: 1}}))
				must(b, l.Flush())
				batch := max(1, 4<<20/size)
				data := make([]byte, size)
				ents := make([]raft.Entry, batch)
				i := raft.Index(0)
				b.SetBytes(int64(size * batch))
				b.ReportAllocs()
				for b.Loop() {
					for n := range ents {
						ents[n] = raft.Entry{Index: i + raft.Index(n) + 1, Term: 1, Data: data}
					}
					i += raft.Index(batch)
					must(b, l.Append(Write{Group: 1, Entries: ents, Base: &raft.Base{Index: i - raft.Index(batch), Term: 1}}))
					must(b, l.Flush())
					must(b, l.Housekeep())
				}
				must(b, l.Close())
			})
		}
	}
}

// sink is a file system whose segments take writes and keep nothing.
type sink struct{ vfs.FS }

func (s sink) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	return sinkFile{f}, err
}

type sinkFile struct{ vfs.File }

func (f sinkFile) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }

// fillLog writes a log of about size bytes for a number of groups.
func fillLog(b testing.TB, cfg Config, groups int, size int64, data int) {
	cfg.SyncInterval = time.Hour
	l := open(b, cfg)
	conf := raft.ConfState{Voters: []raft.PeerID{1, 2, 3}}
	for g := range groups {
		must(b, l.Append(Write{
			Group: raft.GroupID(g + 1), Replica: &Replica{Self: 1}, Base: &raft.Base{Conf: conf}, Hard: &raft.HardState{Term: 1, Vote: 1},
		}))
	}
	payload := make([]byte, data)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	written := int64(0)
	for i := raft.Index(1); written < size; i++ {
		for g := range groups {
			must(b, l.Append(Write{Group: raft.GroupID(g + 1), Entries: []raft.Entry{{Index: i, Term: 1, Data: payload}}}))
			if written += recordSize(data); written >= size {
				break
			}
		}
		must(b, l.Flush())
		must(b, l.Housekeep())
	}
	must(b, l.Close())
}

func BenchmarkOpen(b *testing.B) {
	for _, bench := range []struct{ groups, data int }{{64, 1 << 10}, {10_000, 1 << 10}, {10_000, 128}} {
		b.Run(fmt.Sprintf("groups=%d/data=%d", bench.groups, bench.data), func(b *testing.B) {
			const size = 1 << 30
			cfg := onDisk(b)
			fillLog(b, cfg, bench.groups, size, bench.data)
			b.SetBytes(size)
			for b.Loop() {
				l := open(b, cfg)
				b.StopTimer()
				must(b, l.Close())
				b.StartTimer()
			}
		})
	}
}

func BenchmarkReadBack(b *testing.B) {
	cfg := onDisk(b)
	fillLog(b, cfg, 4, 64<<20, 1<<10)
	l := open(b, cfg)
	g, _ := l.Group(1)
	n := int64(g.Last())
	b.SetBytes(n << 10)
	for b.Loop() {
		if _, err := readAll(g, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
	must(b, l.Close())
}

// idleBytes is what a group costs that has one entry and a configuration of
// three.
func idleBytes(t testing.TB) int64 {
	const groups = 10_000
	cfg := testConfig(vfs.NewMem(), nil)
	cfg.SegmentBytes, cfg.CacheBytes = 64<<20, -1
	l := open(t, cfg)
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for g := range groups {
		conf := raft.ConfState{Voters: []raft.PeerID{1, 2, raft.PeerID(g + 3)}}
		must(t, l.Append(Write{
			Group: raft.GroupID(g + 1), Replica: &Replica{Self: 1}, Base: &raft.Base{Conf: conf}, Hard: &raft.HardState{Term: 1, Vote: 1},
			Entries: []raft.Entry{{Index: 1, Term: 1}},
		}))
	}
	must(t, l.Flush())
	must(t, l.Housekeep())
	must(t, l.Close())
	// What is on the disk in memory, and the buffer of the log, do not count.
	l.cfg.FS, l.lock, l.buf = nil, nil, nil
	l.segs.Store(&segments{})
	after := heap()
	runtime.KeepAlive(l)
	return (after - before) / groups
}

func BenchmarkIdleGroup(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(float64(idleBytes(b)), "bytes/group")
	}
}

func TestIdleGroupIsSmall(t *testing.T) {
	if n := idleBytes(t); n > 800 {
		t.Errorf("an idle group takes %d bytes", n)
	}
}
