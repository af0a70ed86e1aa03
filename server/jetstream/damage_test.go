package jetstream

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// filesBelow returns the paths of all files below a directory.
func filesBelow(fs vfs.FS, dir string) (list []string, err error) {
	entries, err := fs.List(dir)
	for _, e := range entries {
		p := path.Join(dir, e.Name)
		if !e.Dir {
			list = append(list, p)
			continue
		}
		below, berr := filesBelow(fs, p)
		list, err = append(list, below...), errors.Join(err, berr)
	}
	return list, err
}

// harm is a way to damage a file. older is what the disk had some time before.
type harm struct {
	name string
	do   func(disk, older *vfs.Mem, file string, at int64) error
}

const page = 4096

func overwrite(disk *vfs.Mem, file string, at int64, with []byte) error {
	f, err := disk.OpenReadWrite(file)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(with, at)
	return errors.Join(err, f.Sync(), f.Close())
}

var harms = []harm{
	{"bit flip", func(disk, _ *vfs.Mem, file string, at int64) error {
		return errorfs.FlipStoredBit(disk, file, at*8+5)
	}},
	{"truncation", func(disk, _ *vfs.Mem, file string, at int64) error {
		f, err := disk.OpenReadWrite(file)
		if err != nil {
			return err
		}
		return errors.Join(f.Truncate(at), f.Sync(), f.Close())
	}},
	{"zeroed page", func(disk, _ *vfs.Mem, file string, at int64) error {
		return zeroPage(disk, file, at)
	}},
	{"old page", func(disk, older *vfs.Mem, file string, at int64) error {
		old, err := vfs.ReadFile(older, file, 1<<30)
		from := at &^ (page - 1)
		if err != nil || int64(len(old)) <= from {
			return zeroPage(disk, file, at)
		}
		return overwrite(disk, file, from, old[from:min(int64(len(old)), from+page)])
	}},
	{"missing", func(disk, _ *vfs.Mem, file string, _ int64) error {
		return errors.Join(disk.Remove(file), vfs.SyncDir(disk, path.Dir(file)))
	}},
}

func zeroPage(disk *vfs.Mem, file string, at int64) error {
	info, err := disk.Stat(file)
	if err != nil {
		return err
	}
	from := at &^ (page - 1)
	return overwrite(disk, file, from, make([]byte, min(info.Size-from, page)))
}

// What becomes of a server of which a file is damaged: whatever and wherever it is, no
// message is another one than was stored, none is missing without being told of, and
// the streams that are not concerned go on.
func TestDamage(t *testing.T) {
	setting := func(r *rig, lc *wal.Config, _ *host.Config, _ *Config) {
		r.tolerant = true
		r.every = intervals{streamBytes: 4000, consumerFrames: 20, metaOps: 4, blockBytes: 2048}
		lc.SegmentBytes = 16 << 10
	}
	var older, disk *vfs.Mem
	var files []string
	contents, waiting := map[string]map[uint64]string{}, map[string]int{}
	names := []string{"A", "B", "C", "D"}
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), setting)
		for _, name := range append(names, "gone") {
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name + ".>"}, DuplicateWindow: time.Minute})
			r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		}
		r.remove("gone")
		fill := func(n int) {
			for i := range n {
				for _, name := range names {
					r.store(fmt.Sprintf("%s.%d", name, i%3), fmt.Sprintf("%s-%d-%s", name, i, strings.Repeat("x", i*13%300)))
				}
			}
			for _, name := range names {
				list := r.fetch(name, "C", n)
				for i := range list {
					if i%2 == 0 {
						r.ack(&list[i], "+ACK")
					}
				}
			}
			time.Sleep(time.Second) // what housekeeping does is done
		}
		fill(20)
		synctest.Wait()
		older = r.disk.CrashClone(vfs.Killed)
		for _, name := range names {
			r.deleteMsg(name, 3)
		}
		fill(30)
		for _, name := range names {
			contents[name], waiting[name] = r.contents(name), r.consumerInfo(name, "C").NumAckPending
		}
		synctest.Wait()
		disk = r.disk.CrashClone(vfs.Killed)
		r.stop()
		var err error
		if files, err = filesBelow(disk, "js"); err != nil {
			t.Fatal(err)
		}
	})
	step := int64(701)
	switch {
	case race.Enabled:
		step = 9973
	case !*powerAll:
		step = 4001
	}
	outcomes := map[string]int{}
	for _, file := range files {
		info, err := disk.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size == 0 {
			continue
		}
		for _, h := range harms {
			for at := int64(0); at < info.Size; at += step {
				damaged := disk.CrashClone(vfs.Killed)
				if err := h.do(damaged, older, file, at); err != nil {
					t.Fatalf("%s of %s at %d: %v", h.name, file, at, err)
				}
				bubble(t, func(t *testing.T) {
					outcomes[tryDamaged(t, fmt.Sprintf("%s of %s at %d", h.name, file, at), damaged, contents, waiting, setting)]++
				})
				if h.name == "missing" {
					break
				}
			}
		}
	}
	t.Logf("%d files: %v", len(files), outcomes)
	for _, want := range []string{"all is there", "some is missing"} {
		if outcomes[want] == 0 {
			t.Errorf("it never comes to this: %s", want)
		}
	}
}

// tryDamaged starts a server on a damaged disk and says what became of it.
func tryDamaged(t *testing.T, what string, disk *vfs.Mem, contents map[string]map[uint64]string, waiting map[string]int, setting rigOption) string {
	r, err := startRig(t, disk, setting)
	if err != nil {
		// That is loud enough.
		return "it does not start"
	}
	defer r.stop()
	outcome := "all is there"
	served := 0
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		want := contents[name]
		view := r.viewOf(name)
		if view == nil {
			t.Errorf("%s: stream %s is gone", what, name)
			continue
		}
		in, apiErr := call[api.StreamInfoResponse](r, subjectOf(api.OpStreamInfo, name), nil)
		if apiErr != nil {
			if view.Trouble == nil {
				t.Errorf("%s: stream %s does not serve (%v), and nobody is told", what, name, apiErr)
			}
			outcome = "some is missing"
			continue
		}
		served++
		lost := map[uint64]bool{}
		if in.State.Lost != nil {
			for _, seq := range in.State.Lost.Msgs {
				lost[seq] = true
			}
		}
		missing := 0
		for seq := uint64(1); seq <= 50; seq++ {
			m, apiErr := r.get(name, seq)
			switch {
			case apiErr == nil && string(m.Data) != want[seq]:
				t.Errorf("%s: message %d of %s is %.20q, want %.20q", what, seq, name, m.Data, want[seq])
			case apiErr != nil && want[seq] != "":
				missing++
				if !lost[seq] && view.Trouble == nil && apiErr.Is(api.ErrNoMessageFound) {
					t.Errorf("%s: message %d of %s is missing, and nobody is told", what, seq, name)
				}
			}
		}
		if missing > 0 {
			outcome = "some is missing"
		}
		r.mu.Lock()
		told := len(r.complaints) > 0
		r.mu.Unlock()
		if (missing > 0 || view.Trouble != nil) && !told {
			t.Errorf("%s: %d messages of %s are missing (%v), and the log has nothing", what, missing, name, view.Trouble)
		}
		if view.Trouble == nil {
			seq := r.store(name+".1", "more")
			if want[seq] != "" {
				t.Errorf("%s: number %d of %s is used again", what, seq, name)
			}
			for c := range view.Consumers {
				// It has a log of its own.
				in, apiErr := call[api.ConsumerInfoResponse](r, subjectOf(api.OpConsumerInfo, name, c.Name), nil)
				switch {
				case apiErr != nil:
					t.Errorf("%s: the consumer of %s does not serve (%v), trouble %v", what, name, apiErr, c.Trouble)
				case c.Trouble != nil:
					// What is delivered anew comes as well.
					if n := in.NumAckPending + int(in.NumPending); n < waiting[name] && missing == 0 {
						t.Errorf("%s: %d messages of %s wait for the consumer, want at least %d", what, n, name, waiting[name])
					}
				case in.NumAckPending != waiting[name] && missing == 0:
					t.Errorf("%s: %d messages of %s wait for the consumer, want %d", what, in.NumAckPending, name, waiting[name])
				}
			}
		} else if ack, ok := r.publish(name+".1", "more"); ok && ack.Error == nil && want[ack.Sequence] != "" {
			t.Errorf("%s: number %d of %s is used again, trouble %v", what, ack.Sequence, name, view.Trouble)
		}
	}
	if r.viewOf("gone") != nil && r.e.meta.blamed() == nil {
		t.Errorf("%s: a stream that was deleted is back", what)
	}
	if strings.Contains(what, "/streams/") && served < len(contents)-1 {
		t.Errorf("%s: %d of %d streams serve", what, served, len(contents))
	}
	return outcome
}

// viewOf returns what monitoring sees of a stream, or nil.
func (r *rig) viewOf(name string) *StreamView {
	for v := range r.e.Streams(r.acc.Name(), name) {
		return &v
	}
	return nil
}

// When the whole log is gone, checkpoints are what is left, and say what they lack.
func TestLogGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		often := func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
			r.tolerant = true
			r.every = intervals{streamBytes: 100, consumerFrames: 10, metaOps: 1}
		}
		r := newRig(t, vfs.NewMem(), often)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for i := range 10 {
			r.store("s", fmt.Sprint("message ", i, strings.Repeat("x", 50)))
			synctest.Wait() // for the checkpoint: while one is written no other is begun
		}
		disk := r.disk.CrashClone(vfs.Killed)
		r.stop()
		if err := disk.RemoveAll("js/raft"); err != nil {
			t.Fatal(err)
		}
		r = newRig(t, disk, often)
		defer r.stop()
		st := r.info("S").State
		if st.Msgs < 8 {
			t.Errorf("%+v", st)
		}
		if v := r.viewOf("S"); v.Trouble == nil {
			t.Error("nobody is told")
		}
		if seq := r.store("s", "more"); seq <= 10 {
			t.Errorf("number %d is used again", seq)
		}
		if _, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "T"), &api.StreamConfig{Name: "T", Subjects: []string{"t"}}); err == nil {
			t.Error("a stream is created beside others that nobody knows of")
		}
	})
}

// As long as there is no checkpoint, all is in the log: whatever happens to other files,
// nothing is missing.
func TestDamageBeforeCheckpoints(t *testing.T) {
	var disk *vfs.Mem
	want := map[string]map[uint64]string{}
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) { r.every.blockBytes = 2048 })
		for _, name := range []string{"A", "B"} {
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
			for i := range 30 { // some of them are in blocks
				r.store(name+".x", strings.Repeat(fmt.Sprint(i), 100))
			}
			want[name] = r.contents(name)
		}
		synctest.Wait()
		disk = r.disk.CrashClone(vfs.Killed)
		r.stop()
	})
	files, err := filesBelow(disk, "js/streams")
	if err != nil || len(files) < 6 {
		t.Fatalf("files %v, %v", files, err)
	}
	files = append(files, "js/meta", "js/meta.old")
	for _, file := range files {
		for _, how := range []string{"emptied", "rubbish", "missing"} {
			bubble(t, func(t *testing.T) {
				damaged := disk.CrashClone(vfs.Killed)
				err := vfs.WriteFile(damaged, file, map[string][]byte{"rubbish": []byte("rubbish")}[how])
				if err == nil && how == "missing" {
					err = errors.Join(damaged.Remove(file), vfs.SyncDir(damaged, path.Dir(file)))
				}
				if err != nil {
					t.Fatal(err)
				}
				r, err := startRig(t, damaged, tolerant)
				if err != nil {
					t.Errorf("%s %s: %v", file, how, err)
					return
				}
				defer r.stop()
				for name, messages := range want {
					if v := r.viewOf(name); v == nil || v.Trouble != nil {
						t.Errorf("%s %s: stream %s: %+v", file, how, name, v)
						continue
					}
					if got := r.contents(name); !maps.Equal(got, messages) {
						t.Errorf("%s %s: %d messages of %s, want %d", file, how, len(got), name, len(messages))
					}
				}
			})
		}
	}
}

// Either checkpoint of the assets will do, and without both nothing is made up.
func TestMetaCheckpoints(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) { r.every.metaOps = 3 })
		for i := range 10 {
			r.create(&api.StreamConfig{Name: fmt.Sprint("S", i), Subjects: []string{fmt.Sprint("s", i)}})
		}
		synctest.Wait()
		sound := r.disk.CrashClone(vfs.Killed)
		r.stop()
		for _, files := range [][]string{{"meta"}, {"meta.old"}, {"meta", "meta.old"}} {
			for _, how := range []string{"missing", "bit flip"} {
				disk := sound.CrashClone(vfs.Killed)
				for _, f := range files {
					i := slices.IndexFunc(harms, func(h harm) bool { return h.name == how })
					if err := harms[i].do(disk, nil, "js/"+f, 99); err != nil {
						t.Fatal(err)
					}
				}
				r, err := startRig(t, disk, tolerant)
				if (err != nil) != (len(files) == 2) {
					t.Errorf("%s of %v: %v", how, files, err)
				}
				if err != nil {
					continue
				}
				if n := len(must[api.StreamListResponse](r, subjectOf(api.OpStreamList), nil).Streams); n != 10 {
					t.Errorf("%s of %v: %d streams", how, files, n)
				}
				r.remove("S3")
				r.stop()
			}
		}
	})
}
