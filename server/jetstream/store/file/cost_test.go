package file

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/seal"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// In the steady state a message that is appended, read, or removed as the oldest
// of its subject costs no allocation, or next to none.
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	s := benchStore(t, Config{BlockBytes: 1 << 20})
	m := store.Message{Subject: []byte("orders.eu"), Data: make([]byte, 128)}
	add := func() {
		m.Seq++
		m.Time++
		if err := s.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	for range 20_000 {
		add()
	}
	maintain(t, s)
	var got store.Message
	sealed, unsealed := store.Seq(1), s.active.base
	f := store.NewFilter("orders.*")
	for _, tt := range []struct {
		name string
		max  float64
		fn   func()
	}{
		{"Append", 0.1, add},
		{"Load from the active block", 0.1, func() {
			if err := s.Load(unsealed, &got); err != nil {
				t.Fatal(err)
			}
		}},
		{"Load from a sealed block", 1.1, func() {
			if err := s.Load(sealed, &got); err != nil {
				t.Fatal(err)
			}
			sealed++
		}},
		{"Next with a filter", 2.1, func() {
			if err := s.Next(f, sealed, &got); err != nil {
				t.Fatal(err)
			}
			sealed = got.Seq + 1
		}},
		{"RemoveOldest", 1.1, func() {
			if _, err := s.RemoveOldest("orders.eu"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		if n := testing.AllocsPerRun(1000, tt.fn); n > tt.max {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

// A million keys take little memory, written or opened.
func TestMemoryOfKeys(t *testing.T) {
	if race.Enabled {
		t.Skip("it takes too long")
	}
	const n, limit = 200_000, 70
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(dst []byte, i int) []byte { return fmt.Appendf(dst, "$KV.b.%016x", rng.Uint64()) }
	for name, key := range map[string]func([]byte, int) []byte{"in order": key, "random": random} {
		before := heap()
		s := benchStore(t, Config{})
		fill(t, s, n, 50, key)
		commit(t, s, nil)
		if per := float64(heap()-before) / n; per > limit {
			t.Errorf("%s: %.1f bytes for each key", name, per)
		}
		cfg := s.cfg
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before = heap()
		s, _, err := Open(cfg) // the one before is garbage now
		if err != nil {
			t.Fatal(err)
		}
		if per := float64(heap()-before) / n; per > limit {
			t.Errorf("%s, opened: %.1f bytes for each key", name, per)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Updates of keys, of which each removes the message before, grow neither the
// files nor the number of blocks, however long they go on.
func TestUpdatesDoNotGrow(t *testing.T) {
	for name, cfg := range map[string]Config{"plain": {BlockBytes: 16 << 10}, "compressed": {BlockBytes: 16 << 10, Compression: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewMem()
			s, _ := mustOpen(t, cfg, mem)
			const keys = 500
			rng := rand.New(rand.NewPCG(3, 3))
			m := store.Message{Data: make([]byte, 100)}
			live := make(map[string]bool)
			most := int64(0)
			for i := range 30_000 {
				m.Seq++
				name := fmt.Sprintf("k.%d", rng.IntN(keys))
				m.Subject = append(m.Subject[:0], name...)
				if err := s.Append(&m); err != nil {
					t.Fatal(err)
				}
				if live[name] {
					if _, err := s.RemoveOldest(name); err != nil {
						t.Fatal(err)
					}
				}
				live[name] = true
				if i%500 == 0 {
					maintain(t, s)
					commit(t, s, nil)
					size := int64(0)
					for _, content := range readFiles(t, mem) {
						size += int64(len(content))
					}
					most = max(most, size)
				}
			}
			// 500 messages of 150 bytes are 75 KB; what was updated between three
			// checkpoints is as much again, each.
			if most > 600<<10 || len(s.blocks) > 40 {
				t.Errorf("%d KB in files, %d blocks", most>>10, len(s.blocks))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Ten messages of a subject are found without reading blocks that have none of
// them.
func TestRareSubject(t *testing.T) {
	reads := 0
	fs := errorfs.Wrap(vfs.NewMem(), clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if op.Kind == errorfs.OpReadAt {
			reads++
		}
		return errorfs.Fault{}
	}))
	const n = 30_000
	cfg := Config{BlockBytes: 32 << 10, Workers: 1}
	s, _ := mustOpen(t, cfg, fs)
	fill(t, s, n, 10, func(dst []byte, i int) []byte {
		if i%(n/10) == n/20 {
			return append(dst, "rare.one"...)
		}
		return fmt.Appendf(dst, "orders.%d", i%700)
	})
	commit(t, s, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = mustOpen(t, cfg, fs)
	if len(s.blocks) < 50 {
		t.Fatalf("%d blocks", len(s.blocks))
	}
	// Some other blocks may be taken for one that has it, by a chance that is another one
	// in each process.
	mistaken := -10
	for _, b := range s.blocks {
		if b.bloom.mayHave(hashString("rare.one")) {
			mistaken++
		}
	}
	for _, pattern := range []string{"rare.one", "rare.*", "*.one"} {
		s.cache = NewCache(0, 0)
		reads = 0
		f := store.NewFilter(pattern)
		var m store.Message
		found := 0
		for ; s.Next(f, m.Seq+1, &m) == nil; found++ {
		}
		// Directory, subjects, slots and record of ten blocks; directory and subjects
		// of those in which they might have been.
		if found != 10 || reads > 40+2*mistaken {
			t.Errorf("%s: %d found, %d reads, %d blocks mistaken", pattern, found, reads, mistaken)
		}
		reads = 0
		if got := s.Count(f, n/2, false); got != 5 || reads > 30+2*mistaken {
			t.Errorf("%s: %d counted, %d reads", pattern, got, reads)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Messages that are read in order are read from the file many at a time, single ones
// one at a time; what comes out is the same.
func TestReadsInOrder(t *testing.T) {
	reads, bytes := 0, 0
	fs := errorfs.Wrap(vfs.NewMem(), clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
		if op.Kind == errorfs.OpReadAt {
			reads++
			bytes += op.Len
		}
		return errorfs.Fault{}
	}))
	const n = 10_000
	s, _ := mustOpen(t, Config{BlockBytes: 300 << 10, Workers: 1}, fs)
	fill(t, s, n, 100, func(dst []byte, i int) []byte { return fmt.Appendf(dst, "a.%d", i) })
	commit(t, s, nil)
	var m store.Message
	check := func(want int) {
		t.Helper()
		if string(m.Subject) != fmt.Sprintf("a.%d", want-1) || m.Seq != store.Seq(want) {
			t.Fatalf("message %d of %s, want %d", m.Seq, m.Subject, want)
		}
	}
	rng := rand.New(rand.NewPCG(8, 8))
	s.cache, reads, bytes = NewCache(0, 0), 0, 0
	for range 100 {
		seq := 1 + rng.IntN(n)
		if err := s.Load(store.Seq(seq), &m); err != nil {
			t.Fatal(err)
		}
		check(seq)
	}
	// The pages of indexes that are needed for that are read, too.
	if reads > 300 || bytes > 300<<10 {
		t.Errorf("%d reads of %d bytes for 100 messages here and there", reads, bytes)
	}
	s.cache, reads = NewCache(0, 0), 0
	for seq := 1; seq <= n; seq++ {
		if err := s.Next(nil, store.Seq(seq), &m); err != nil {
			t.Fatal(err)
		}
		check(seq)
	}
	// About 25 windows, and the pages of indexes.
	if reads > n/80 {
		t.Errorf("%d reads for %d messages in their order", reads, n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A snapshot is read with few reads, and leaves the cache to others.
func TestSnapshotLeavesCache(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		reads := 0
		fs := errorfs.Wrap(vfs.NewMem(), clock.Real(), errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			if op.Kind == errorfs.OpReadAt {
				reads++
			}
			return errorfs.Fault{}
		}))
		const n = 10_000
		s, _ := mustOpen(t, Config{BlockBytes: 300 << 10, Workers: 1, Compression: compressed}, fs)
		fill(t, s, n, 100, func(dst []byte, i int) []byte { return fmt.Appendf(dst, "a.%d", i) })
		commit(t, s, nil)
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		s.cache, reads = NewCache(0, 0), 0
		got := 0
		for m, err := range sn.Messages(0) {
			if err != nil {
				t.Fatal(err)
			}
			if got++; m.Seq != store.Seq(got) {
				t.Fatalf("message %d, want %d", m.Seq, got)
			}
		}
		kinds := map[cacheKind]int{}
		for key := range s.cache.entries {
			kinds[key.kind]++
		}
		if got != n || reads > n/80 || kinds[cacheWindow]+kinds[cacheRecords] > 0 {
			t.Errorf("%d messages with %d reads, kept are %v", got, reads, kinds)
		}
		if err := errors.Join(sn.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// The cache and the number of open files stay within their bounds.
func TestCacheIsBounded(t *testing.T) {
	const maxBytes, maxFiles = 64 << 10, 8
	cfg := Config{BlockBytes: 4 << 10, Cache: NewCache(maxBytes, maxFiles)}
	s, _ := mustOpen(t, cfg, vfs.NewMem())
	fill(t, s, 5000, 20, func(dst []byte, i int) []byte { return fmt.Appendf(dst, "a.%d", i%50) })
	var m store.Message
	rng := rand.New(rand.NewPCG(4, 4))
	for range 3000 {
		if err := s.Load(store.Seq(rng.IntN(5000)+1), &m); err != nil {
			t.Fatal(err)
		}
		if c := cfg.Cache; c.bytes > maxBytes || len(c.files) > maxFiles+1 {
			t.Fatalf("%d bytes, %d files", c.bytes, len(c.files))
		}
	}
	sum, count := 0, 0
	for e := cfg.Cache.recent.next; e != &cfg.Cache.recent; e = e.next {
		sum += e.size
		count++
	}
	if sum != cfg.Cache.bytes || count != len(cfg.Cache.entries) || count < 20 {
		t.Errorf("%d entries of %d bytes, counted %d of %d", count, sum, len(cfg.Cache.entries), cfg.Cache.bytes)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Cache.files) > 0 {
		t.Errorf("%d files are open after Close", len(cfg.Cache.files))
	}
}

// A writer, maintenance, checkpoints, scrubbing and readers do not get into each
// other's way: every key has its newest value at any time.
func TestAllAtOnce(t *testing.T) {
	for name, cfg := range map[string]Config{"plain": {BlockBytes: 4 << 10}, "compressed": {BlockBytes: 4 << 10, Compression: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := mustOpen(t, cfg, vfs.NewMem())
			const keys = 20
			rounds := 3000
			if race.Enabled {
				rounds = 300
			}
			done := make(chan struct{})
			var wg sync.WaitGroup
			beside := func(fn func() error) {
				wg.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						if err := fn(); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			value := func(seq store.Seq) string { return fmt.Sprintf("value %d", seq) }
			m := store.Message{}
			write := func(i int) string {
				m.Seq++
				name := fmt.Sprintf("k.%d", i*7%keys)
				m.Subject, m.Data = []byte(name), []byte(value(m.Seq))
				if err := s.Append(&m); err != nil {
					t.Fatal(err)
				}
				return name
			}
			for i := range keys {
				write(i)
			}
			beside(func() error { _, err := s.Maintain(); return err })
			beside(func() error { _, err := s.Scrub(); return err })
			beside(func() error {
				c, err := s.Checkpoint(nil)
				if err == nil {
					err = c.Commit()
				}
				return err
			})
			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(5, 5))
			pick := func() string {
				mu.Lock()
				defer mu.Unlock()
				return fmt.Sprintf("k.%d", rng.IntN(keys))
			}
			check := func(m *store.Message, want string) error {
				if string(m.Data) != value(m.Seq) || want != "" && string(m.Subject) != want {
					return fmt.Errorf("read %d %s %s, want one on %s", m.Seq, m.Subject, m.Data, want)
				}
				return nil
			}
			var a, b, c store.Message
			beside(func() error {
				k := pick()
				if err := s.Last(store.NewFilter(k), 0, &a); err != nil {
					return fmt.Errorf("Last(%s): %w", k, err)
				}
				return check(&a, k)
			})
			beside(func() error {
				k := pick()
				if err := s.Next(store.NewFilter(k, "none"), 0, &b); err != nil {
					return fmt.Errorf("Next(%s): %w", k, err)
				}
				return check(&b, k)
			})
			beside(func() error {
				if err := s.Load(s.State().First, &c); err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				} else if err == nil {
					return check(&c, "")
				}
				return nil
			})
			beside(func() error {
				seqs, err := s.LastOf(store.NewFilter("k.*"), 0, 100, nil)
				if err == nil && len(seqs) != keys {
					err = fmt.Errorf("LastOf gave %d of %d keys", len(seqs), keys)
				}
				return err
			})
			for i := range rounds {
				if _, err := s.RemoveOldest(write(i)); err != nil {
					t.Fatal(err)
				}
			}
			close(done)
			wg.Wait()
			if lost := s.Lost(); len(lost) > 0 {
				t.Errorf("lost %+v", lost)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDump(t *testing.T) {
	for name, cfg := range storyConfigs(t) {
		t.Run(name, func(t *testing.T) {
			d := makeSound(t, cfg, 1)
			var out strings.Builder
			dump := func(keys *seal.Keys, want ...string) {
				t.Helper()
				out.Reset()
				if err := Dump(&out, d.fs, "stream", keys); err != nil {
					t.Fatalf("%v:\n%s", err, &out)
				}
				for _, w := range append(want, "the store is sound", "store ") {
					if !strings.Contains(out.String(), w) {
						t.Errorf("%q is not in\n%s", w, &out)
					}
				}
			}
			dump(cfg.Keys, fmt.Sprintf("messages %d,", len(d.messages)), "sealed", "open")
			if cfg.Cipher != seal.Plain {
				dump(cfg.Keys, "encrypted by chacha")
				dump(nil, "encrypted by chacha", "frames, valid up to")
				dump(mustKeys(t, seal.AES, "another"), "encrypted by chacha", "frames, valid up to")
			}
			// Nothing is changed, and damage is told.
			if err := sameFiles(d.fs, d.fs.CrashClone(vfs.CrashOptions{})); err != nil {
				t.Error(err)
			}
			p := d.places[0]
			b := d.files[p.file]
			b[p.from+50] ^= 1
			fs := d.put(t, p.file, b)
			out.Reset()
			err := Dump(&out, fs, "stream", cfg.Keys)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(out.String(), "DAMAGE: ") {
				t.Errorf("%v:\n%s", err, &out)
			}
			if err := Dump(&out, fs, filepath.Join("stream", "none"), nil); err == nil {
				t.Error("no error without a directory")
			}
		})
	}
}
