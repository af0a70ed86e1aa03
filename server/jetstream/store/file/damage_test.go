package file

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
)

// sound is a store that was closed behind a checkpoint, and all that is known of
// it.
type sound struct {
	cfg Config
	fs  *vfs.Mem
	// messages are those that are live, older the content at the checkpoint before.
	messages map[store.Seq]string
	older    string
	extra    string
	places   []recordPlace
	// files are all files, early those of some checkpoints before.
	files, early map[string][]byte
	newest       string
}

// recordPlace is where the bytes of a live message are: its record, or the frame
// around it.
type recordPlace struct {
	seq      store.Seq
	file     string
	from, to int64
}

func readFiles(t testing.TB, fs vfs.FS) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	entries, err := fs.List("stream")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Dir {
			b, err := vfs.ReadFile(fs, filepath.Join("stream", e.Name), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name] = b
		}
	}
	return files
}

func makeSound(t testing.TB, cfg Config, seed uint64) *sound {
	st := newStory(t, cfg, seed)
	mem := vfs.NewMem()
	if err := st.open(mem); err != nil {
		t.Fatal(err)
	}
	d := &sound{cfg: st.cfg}
	for i := range 200 {
		if err := st.change(); err != nil {
			t.Fatal(err)
		}
		if i == 120 {
			d.early = readFiles(t, mem)
		}
	}
	// Some that is sealed, and some that is not.
	for len(st.s.blocks) < 4 {
		if err := st.append(); err != nil {
			t.Fatal(err)
		}
	}
	maintain(t, st.s)
	for range 6 {
		if err := st.append(); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.commit(); err != nil {
		t.Fatal(err)
	}
	d.older, d.extra = st.saved[len(st.saved)-1], fmt.Sprint(len(st.saved)-1)
	// The older index needs what the newer one does not.
	for range len(st.messages) / 3 {
		removed, err := st.s.RemoveOldest("")
		if err != nil {
			t.Fatal(err)
		}
		delete(st.messages, removed.Seq)
	}
	maintain(t, st.s)
	if err := st.commit(); err != nil {
		t.Fatal(err)
	}
	d.messages = st.messages
	d.places = placesOf(t, st.s)
	if err := st.s.Close(); err != nil {
		t.Fatal(err)
	}
	d.fs = mem.CrashClone(vfs.Killed)
	d.files = readFiles(t, d.fs)
	for name := range d.files {
		if strings.HasSuffix(name, indexSuffix) && name > d.newest {
			d.newest = name
		}
	}
	return d
}

func placesOf(t testing.TB, s *Store) (places []recordPlace) {
	for _, b := range s.blocks {
		v := b.viewLocked(false)
		err := s.use(&v, func(x index) error {
			frames := v.frames
			if sealed, ok := x.(*sealedIndex); ok {
				frames = sealed.dir.frames
			}
			for at := nextWithout(nil, b.dead, 0, b.n); at < b.n; at = nextWithout(nil, b.dead, at+1, b.n) {
				sl, err := x.slot(at)
				if err != nil {
					return err
				}
				p := recordPlace{b.base + store.Seq(sl.seq), filepath.Base(b.path), sl.place(), sl.place() + int64(padded(sl.rawLen()))}
				for _, f := range frames {
					if f.at <= sl.place() {
						p.from, p.to = f.off, f.off+int64(f.length)
					}
				}
				places = append(places, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return places
}

// check opens a damaged store and reads everything. Only messages whose bytes are
// in [from, to) of the file may be lost, and what is lost is told.
func (d *sound) check(fs *vfs.Mem, file string, from, to int64) error {
	cfg := d.cfg
	cfg.FS = fs
	for round := range 2 {
		s, rec, err := Open(cfg)
		if err != nil {
			return err
		}
		if err := d.checkRead(s, file, from, to); err != nil {
			return errors.Join(err, s.Close())
		}
		for more := true; more; {
			if more, err = s.Scrub(); err != nil {
				return err
			}
		}
		// After reading all of it, twice, the losses are exact.
		lost := s.Lost()
		for _, p := range d.places {
			told := slices.ContainsFunc(lost, func(l store.Loss) bool { return l.First <= p.seq && p.seq <= l.Last })
			hit := p.file == file && from < p.to && to > p.from
			if told && !hit {
				return fmt.Errorf("message %d is told to be lost: %+v", p.seq, lost)
			}
		}
		if len(rec.PutAside) > 0 || len(rec.Unknown) > 0 {
			return fmt.Errorf("opened with %+v", rec)
		}
		// It goes on, and the damage stays known.
		if _, err := s.Maintain(); err != nil {
			return err
		}
		if err := s.Append(&store.Message{Seq: s.State().Last + 1, Time: 1 << 30, Subject: []byte("new")}); err != nil {
			return err
		}
		c, err := s.Checkpoint([]byte("x"))
		if err == nil {
			err = c.Commit()
		}
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

func (d *sound) checkRead(s *Store, file string, from, to int64) error {
	var m store.Message
	for _, p := range d.places {
		err := s.Load(p.seq, &m)
		hit := p.file == file && from < p.to && to > p.from
		switch {
		case err == nil && short(&m) != d.messages[p.seq]:
			return fmt.Errorf("message %d is %s, want %s", p.seq, short(&m), d.messages[p.seq])
		case err == nil:
		case !hit:
			return fmt.Errorf("message %d is not damaged: %w", p.seq, err)
		case !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("message %d: %w", p.seq, err)
		case !slices.ContainsFunc(s.Lost(), func(l store.Loss) bool { return l.First <= p.seq && p.seq <= l.Last }):
			return fmt.Errorf("message %d: %w, and Lost is %+v", p.seq, err, s.Lost())
		}
	}
	for seq := store.Seq(1); seq <= s.State().Last; seq++ {
		if _, ok := d.messages[seq]; !ok && s.Load(seq, &m) == nil && string(m.Subject) != "new" {
			return fmt.Errorf("message %d is back: %s", seq, short(&m))
		}
	}
	return nil
}

// damaged is what was done to a file.
type damaged struct {
	what     string
	from, to int64
	// content is nil if the file is missing.
	content []byte
}

func (d *sound) damages(name string, rng *rand.Rand) (all []damaged) {
	b := d.files[name]
	n := int64(len(b))
	for range 25 {
		at := rng.Int64N(n)
		c := slices.Clone(b)
		c[at] ^= 1 << rng.IntN(8)
		all = append(all, damaged{fmt.Sprintf("bit flipped at %d", at), at, at + 1, c})
	}
	for _, at := range []int64{0, 1, 63, 64, n / 3, n / 2, n - 65, n - 1} {
		if at >= 0 && at < n {
			all = append(all, damaged{fmt.Sprintf("cut at %d", at), at, n, b[:at:at]})
		}
	}
	all = append(all, damaged{"more behind the end", n, n + 8, append(slices.Clone(b), make([]byte, 8)...)})
	for from := int64(0); from < n; from += 512 {
		c := slices.Clone(b)
		to := min(from+512, n)
		clear(c[from:to])
		if !slices.Equal(c, b) {
			all = append(all, damaged{fmt.Sprintf("zeros from %d to %d", from, to), from, to, c})
		}
		if old := d.early[name]; int64(len(old)) >= to && !slices.Equal(old[from:to], b[from:to]) {
			c := slices.Clone(b)
			copy(c[from:to], old[from:to])
			all = append(all, damaged{fmt.Sprintf("old page from %d to %d", from, to), from, to, c})
		}
	}
	for other, content := range d.files {
		if other != name && filepath.Ext(other) == filepath.Ext(name) {
			all = append(all, damaged{"content of " + other, 0, max(n, int64(len(content))), content})
		}
	}
	return append(all, damaged{"missing", 0, n, nil})
}

func (d *sound) put(t testing.TB, name string, b []byte) *vfs.Mem {
	t.Helper()
	fs := d.fs.CrashClone(vfs.Killed)
	path := filepath.Join("stream", name)
	var err error
	if b == nil {
		err = fs.Remove(path)
	} else {
		err = vfs.WriteFile(fs, path, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// Every file is damaged in every way. What cannot be read any more is told, and
// the rest is as it was.
func TestDamage(t *testing.T) {
	if race.Enabled {
		t.Skip("it takes too long")
	}
	for name, seeds := range map[string]uint64{"plain": 4, "both, tiny blocks": 1} {
		cfg := configs(t)[name]
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/seed %d", name, seed), func(t *testing.T) {
				t.Parallel()
				d := makeSound(t, cfg, seed)
				rng := rand.New(rand.NewPCG(seed, 9))
				sealed, open := 0, 0
				names := make([]string, 0, len(d.files))
				for file := range d.files {
					names = append(names, file)
				}
				slices.Sort(names)
				for _, file := range names {
					for _, x := range d.damages(file, rng) {
						if err := d.damage(t, file, x); err != nil {
							t.Fatalf("%s: %s: %v", file, x.what, err)
						}
					}
					if strings.HasSuffix(file, blockSuffix) {
						sealed++
					} else {
						open++
					}
				}
				if sealed < 3 || open != 2 {
					t.Errorf("%d blocks, %d indexes", sealed, open)
				}
			})
		}
	}
}

func (d *sound) damage(t testing.TB, file string, x damaged) error {
	fs := d.put(t, file, x.content)
	if file != d.newest {
		return d.check(fs, file, x.from, x.to)
	}
	if x.content == nil {
		return nil // an older state of the directory, which nobody can tell
	}
	return d.checkOlder(fs)
}

// checkOlder opens a store whose newest index is damaged.
func (d *sound) checkOlder(fs *vfs.Mem) error {
	cfg := d.cfg
	cfg.FS = fs
	before := fs.CrashClone(vfs.Killed)
	var damage *IndexError
	if _, _, err := Open(cfg); !errors.As(err, &damage) || !errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("opened with error %w", err)
	}
	if damage.Older == 0 || string(damage.Extra) != d.extra {
		return fmt.Errorf("the older one is told as %x with %q, want extra %q", damage.Older, damage.Extra, d.extra)
	}
	if err := sameFiles(before, fs); err != nil {
		return err
	}
	cfg.CanReplay = func(extra []byte) bool { return string(extra) == d.extra }
	s, rec, err := Open(cfg)
	if err != nil {
		return err
	}
	got, err := contentOf(s)
	if err != nil || got != d.older || !rec.Older || len(rec.Losses) > 0 || len(rec.PutAside) == 0 {
		return fmt.Errorf("opened as %+v with\n%s\nwant\n%s (%w)", rec, got, d.older, err)
	}
	c, err := s.Checkpoint([]byte("y"))
	if err == nil {
		err = c.Commit()
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	cfg.CanReplay = nil
	s, rec, err = Open(cfg)
	if err != nil || string(rec.Extra) != "y" || rec.Older {
		return fmt.Errorf("opened again as %+v: %w", rec, err)
	}
	return s.Close()
}

func sameFiles(a, b vfs.FS) error {
	list, err := a.List("stream")
	if err != nil {
		return err
	}
	other, err := b.List("stream")
	if err != nil {
		return err
	}
	if !slices.Equal(list, other) {
		return fmt.Errorf("files are %v, were %v", other, list)
	}
	for _, e := range list {
		if e.Dir {
			continue
		}
		x, err := vfs.ReadFile(a, filepath.Join("stream", e.Name), 1<<20)
		if err != nil {
			return err
		}
		if y, err := vfs.ReadFile(b, filepath.Join("stream", e.Name), 1<<20); err != nil || !slices.Equal(x, y) {
			return fmt.Errorf("%s was changed (%w)", e.Name, err)
		}
	}
	return nil
}

// Blocks without an index are not taken for a new store, nor removed. Set aside
// they make room for one.
func TestNoIndex(t *testing.T) {
	d := makeSound(t, configs(t)["plain"], 1)
	cfg := d.cfg
	cfg.FS = d.fs
	for name := range d.files {
		if strings.HasSuffix(name, indexSuffix) {
			if err := d.fs.Remove(filepath.Join("stream", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := d.fs.CrashClone(vfs.Killed)
	var damage *IndexError
	if _, _, err := Open(cfg); !errors.As(err, &damage) || damage.Older != 0 {
		t.Fatalf("opened with error %v", err)
	}
	if err := sameFiles(before, d.fs); err != nil {
		t.Fatal(err)
	}
	if err := SetAside(cfg.FS, cfg.Dir); err != nil {
		t.Fatal(err)
	}
	s, rec, err := Open(cfg)
	if err != nil || rec.Extra != nil || s.State().Last != 0 {
		t.Fatalf("opened as %+v: %v", rec, err)
	}
	for name, content := range d.files {
		if !strings.HasSuffix(name, blockSuffix) {
			continue
		}
		if kept, err := vfs.ReadFile(cfg.FS, filepath.Join("stream", lostDir, name), 1<<20); err != nil || !slices.Equal(kept, content) {
			t.Errorf("%s was not kept: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Damage that comes while the store is open is found by reading, or by Scrub, and
// a footer is made anew.
func TestDamageWhileOpen(t *testing.T) {
	d := makeSound(t, configs(t)["plain"], 2)
	for name, b := range d.files {
		if !strings.HasSuffix(name, blockSuffix) {
			continue
		}
		for at := int64(len(b)) - 1; at > 0; at -= 97 {
			cfg := d.cfg
			mem := d.fs.CrashClone(vfs.Killed)
			cfg.FS = mem
			s, _, err := Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			f, err := mem.OpenReadWrite(filepath.Join("stream", name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt([]byte{^b[at]}, at); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if err := d.checkRead(s, name, at, at+1); err != nil {
				t.Fatalf("%s: byte %d: %v", name, at, err)
			}
			for more := true; more; {
				if more, err = s.Scrub(); err != nil {
					t.Fatal(err)
				}
			}
			hit := slices.IndexFunc(d.places, func(p recordPlace) bool { return p.file == name && p.from <= at && at < p.to })
			open := d.unscrubbed(s, name)
			if lost := s.Lost(); (hit >= 0) != (len(lost) > 0) && !open {
				t.Fatalf("%s: byte %d: lost %+v, hit %v", name, at, lost, hit >= 0)
			}
			maintain(t, s)
			commit(t, s, nil)
			if err := d.checkRead(s, name, at, at+1); err != nil {
				t.Fatalf("%s: byte %d, maintained: %v", name, at, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			// What was healed is sound.
			s, rec, err := Open(cfg)
			if err != nil || hit < 0 && !open && len(rec.Losses)+len(rec.Repaired) > 0 {
				t.Fatalf("%s: byte %d, opened again as %+v: %v", name, at, rec, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// unscrubbed reports whether a file is that of the block that is appended to,
// which Scrub leaves alone.
func (d *sound) unscrubbed(s *Store, name string) bool {
	return s.active != nil && filepath.Base(s.active.path) == name
}

// A loss is kept by checkpoints, until what was lost would not be there anyway.
func TestLossIsRemembered(t *testing.T) {
	d := makeSound(t, configs(t)["plain"], 3)
	cfg := d.cfg
	p := d.places[len(d.places)/2]
	cfg.FS = d.put(t, p.file, nil)
	s, rec, err := Open(cfg)
	if err != nil || len(rec.Losses) == 0 {
		t.Fatalf("opened as %+v: %v", rec, err)
	}
	if slices.ContainsFunc(s.blocks, func(b *block) bool { return b.live == 0 }) {
		t.Error("a block is kept of which nothing is left")
	}
	want := s.Lost()
	for range 3 {
		commit(t, s, nil)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, rec, err = Open(cfg); err != nil || len(rec.Losses) != len(want) || rec.Losses[0].Range != want[0].Range || !errors.Is(rec.Losses[0].Err, store.ErrDamaged) {
		t.Fatalf("opened again as %+v, lost was %+v: %v", rec, want, err)
	}
	if _, err := s.Compact(want[len(want)-1].Last + 1); err != nil {
		t.Fatal(err)
	}
	if lost := s.Lost(); len(lost) > 0 {
		t.Errorf("compacted, and still lost: %+v", lost)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.FS.Stat(filepath.Join("stream", p.file)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the missing file is there: %v", err)
	}
}

// A block that is known to be damaged is left as it is, whatever little is live in
// it.
func TestDamagedBlocksStay(t *testing.T) {
	for _, whole := range []bool{false, true} {
		cfg := Config{BlockBytes: 2 << 10}
		mem := vfs.NewMem()
		s, _ := mustOpen(t, cfg, mem)
		fill(t, s, 60, 100, func(dst []byte, i int) []byte { return append(dst, "a"...) })
		commit(t, s, nil)
		b := s.blocks[1]
		l, err := s.locate(b.base + 3)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := vfs.ReadFile(mem, b.path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		raw[l.slot.place()+20] ^= 1
		if whole {
			// The footer as well: the message is lost when the store is opened.
			clear(raw[b.foot.start:])
		}
		if err := vfs.WriteFile(mem, b.path, raw); err != nil {
			t.Fatal(err)
		}
		s, rec := mustOpen(t, cfg, mem)
		var m store.Message
		if err := s.Load(b.base+3, &m); err == nil || whole != (len(rec.Losses) > 0) {
			t.Fatalf("opened as %+v, message read with error %v", rec, err)
		}
		for seq := b.base; seq <= b.last; seq++ {
			if seq != b.base+3 && seq != b.base+5 {
				if _, err := s.Remove(seq, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 4 {
			maintain(t, s)
			commit(t, s, nil)
		}
		if kept, err := vfs.ReadFile(mem, b.path, 1<<20); err != nil || !slices.Equal(kept, raw) {
			t.Errorf("the block was changed: %v", err)
		}
		if err := s.Load(b.base+5, &m); err != nil {
			t.Error(err)
		}
		if lost := s.Lost(); len(lost) != 1 || lost[0].First != b.base+3 || lost[0].Last != b.base+3 || lost[0].Bytes == 0 {
			t.Errorf("lost %+v, want %d", lost, b.base+3)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Content that was valid in its place once, or might have been, and is not what
// was written last, is not taken for it.
func TestOlderContentIsNotTaken(t *testing.T) {
	overwrite := func(fs vfs.FS, path string, at int64, b []byte) {
		t.Helper()
		raw, err := vfs.ReadFile(fs, path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		copy(raw[at:], b)
		if err := vfs.WriteFile(fs, path, raw); err != nil {
			t.Fatal(err)
		}
	}
	write := func(sealed bool) (*vfs.Mem, *Store) {
		mem := vfs.NewMem()
		cfg := Config{}
		if sealed {
			cfg.BlockBytes = 1 << 10
		}
		s, _ := mustOpen(t, cfg, mem)
		numbered(t, s, 40)
		maintain(t, s)
		commit(t, s, nil)
		return mem, s
	}

	mem, s := write(false)
	b := s.blocks[0]
	l, err := s.locate(5)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := appendRecord(nil, b.seed, l.slot.place(), l.ordinal, &store.Message{Seq: 5, Subject: []byte("a.9"), Data: []byte("this is message 5.")})
	if len(other) != padded(l.slot.rawLen()) {
		t.Fatalf("%d bytes", len(other))
	}
	overwrite(mem, b.path, l.slot.place(), other)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, rec := mustOpen(t, Config{}, mem)
	if len(rec.Losses) != 1 || rec.Losses[0].Range != (store.Range{First: 1, Last: 40}) || !errors.Is(rec.Losses[0].Err, errOlder) {
		t.Errorf("another record in its place: opened as %+v", rec)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	mem, s = write(true)
	b = s.blocks[0]
	x, err := s.sealed(b, b.n, b.foot, b.end)
	if err != nil {
		t.Fatal(err)
	}
	dir := *x.dir
	dir.slots = slices.Clone(dir.slots)
	dir.slots[0].time++
	frame, err := (&codec{}).append(nil, place{s.id, b.id, b.foot.dir}, frameDirectory, 0, dir.append(nil))
	if err != nil || len(frame) != b.foot.length {
		t.Fatalf("%d bytes: %v", len(frame), err)
	}
	overwrite(mem, b.path, b.foot.dir, frame)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, rec = mustOpen(t, Config{}, mem)
	if len(rec.Losses) > 0 || len(rec.Repaired) != 1 || s.State().Messages != 40 {
		t.Errorf("another footer in its place: opened as %+v", rec)
	}
	maintain(t, s)
	commit(t, s, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, rec = mustOpen(t, Config{}, mem); len(rec.Losses) > 0 || len(rec.Repaired) > 0 || s.State().Messages != 40 {
		t.Errorf("the footer was not made anew: opened as %+v", rec)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
