package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store/image"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// taken is an image as another server has received it.
type taken struct {
	*bytes.Reader
	at host.Position
}

// takeImage reads the image of a machine to its end. Nothing may be under way.
func takeImage(t *testing.T, m host.StateMachine) taken {
	t.Helper()
	sn, err := m.Snapshot()
	if err != nil {
		panic(err) // this may be the apply stage, which has to return
	}
	b, err := io.ReadAll(io.NewSectionReader(sn, 0, sn.Size()))
	if err := errors.Join(err, sn.Close()); err != nil {
		panic(err)
	}
	return taken{bytes.NewReader(b), sn.Position()}
}

// inApply calls f on the apply stage of a group.
func inApply(t *testing.T, g *host.Group, f func()) {
	t.Helper()
	done := make(chan error, 1)
	g.ReadIndex(func(_ raft.Index, err error) {
		if err == nil {
			f()
		}
		done <- err
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// contentOf is what a stream has, as a text.
func contentOf(r *rig, name string) string {
	r.t.Helper()
	var b strings.Builder
	info := r.info(name)
	fmt.Fprintf(&b, "%d to %d, %d of %d bytes on %d subjects\n", info.State.FirstSeq, info.State.LastSeq, info.State.Msgs, info.State.Bytes, info.State.NumSubjects)
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
		if m, err := r.get(name, seq); err == nil {
			fmt.Fprintf(&b, "%d %s %s %q\n", seq, m.Time.Format(time.RFC3339Nano), m.Subject, m.Data)
		}
	}
	return b.String()
}

var imageConfig = api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, AllowMsgTTL: true}

// source returns the image of a stream, and the content of it. The entry that it is of is far
// behind that of any other stream of the tests.
func source(t *testing.T, storage api.Storage) (taken, string) {
	t.Helper()
	r := newRig(t, vfs.NewMem())
	defer r.stop()
	cfg := imageConfig
	cfg.Storage = storage
	r.create(&cfg)
	for i := range 60 {
		r.store(fmt.Sprintf("s.%d", i%7), fmt.Sprintf("new %d", i), api.HeaderMsgID, fmt.Sprint(i))
	}
	r.deleteMsg("S", 5)
	r.deleteMsg("S", 60)
	s := r.e.streamList()[0]
	var im taken
	inApply(t, s.group, func() { im = takeImage(t, s) })
	return im, contentOf(r, "S")
}

// old makes the stream that the image takes the place of.
func old(t *testing.T, disk *vfs.Mem, storage api.Storage, options ...rigOption) (*rig, string) {
	t.Helper()
	r := newRig(t, disk, options...)
	cfg := imageConfig
	cfg.Storage = storage
	r.create(&cfg)
	for i := range 20 {
		r.store(fmt.Sprintf("s.%d", i%3), fmt.Sprintf("old %d", i))
	}
	return r, contentOf(r, "S")
}

// A stream becomes what an image says, for readers and for what is decided about the
// messages to come; also after a restart.
func TestImageOfStream(t *testing.T) {
	for _, storage := range []api.Storage{api.FileStorage, api.MemoryStorage} {
		bubble(t, func(t *testing.T) {
			im, want := source(t, storage)
			r, _ := old(t, vfs.NewMem(), storage)
			s := r.e.streamList()[0]
			inApply(t, s.group, func() {
				if err := s.Restore(im.at, im); err != nil {
					t.Error(err)
				}
			})
			if got := contentOf(r, "S"); got != want {
				t.Errorf("the stream is\n%s\nwant\n%s", got, want)
			}
			inApply(t, s.group, func() {
				if again := takeImage(t, s); again.at.Base.Index != im.at.Base.Index || again.Size() != im.Size() {
					t.Errorf("its image is another one")
				}
			})
			if storage == api.MemoryStorage {
				r.stop()
				return
			}
			r = r.restart()
			defer r.stop()
			if got := contentOf(r, "S"); got != want {
				t.Errorf("after a restart the stream is\n%s\nwant\n%s", got, want)
			}
			if ack, ok := r.publish("s.1", "again", api.HeaderMsgID, "7"); !ok || !ack.Duplicate || ack.Sequence != 8 {
				t.Errorf("a duplicate is answered with %+v", ack)
			}
			if seq := r.store("s.1", "next"); seq != 61 {
				t.Errorf("the next message is %d", seq)
			}
		})
	}
}

// An image that is not of this stream's entry, is damaged, or does not lead to what it
// was made of leaves the stream as it was.
func TestRefusedImageOfStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		im, _ := source(t, api.FileStorage)
		good, err := io.ReadAll(im)
		if err != nil {
			t.Fatal(err)
		}
		r, before := old(t, vfs.NewMem(), api.FileStorage)
		defer r.stop()
		s := r.e.streamList()[0]
		var differs []byte
		inApply(t, s.group, func() {
			sn, err := s.store.Snapshot()
			if err != nil {
				t.Error(err)
				return
			}
			extra, _ := s.core.AppendState(pack.AppendBytes(appendPosition(nil, &im.at), make([]byte, 32)))
			w := image.New(sn, extra)
			differs, err = io.ReadAll(io.NewSectionReader(w, 0, w.Size()))
			if err := errors.Join(err, w.Close()); err != nil {
				t.Error(err)
			}
		})
		other := im.at
		other.Base.Index++
		for what, c := range map[string]struct {
			b  []byte
			at host.Position
		}{
			"of another entry": {good, other},
			"nothing":          {nil, im.at},
			"of what differs":  {differs, im.at},
			"cut":              {good[:len(good)-20], im.at},
			"damaged":          {append(append(bytes.Clone(good[:len(good)-300]), 1), good[len(good)-299:]...), im.at},
		} {
			inApply(t, s.group, func() {
				if err := s.Restore(c.at, bytes.NewReader(c.b)); err == nil {
					t.Errorf("%s: no error", what)
				}
			})
		}
		if got := contentOf(r, "S"); got != before {
			t.Errorf("the stream is\n%s\nwant\n%s", got, before)
		}
		r.store("s.1", "next")
	})
}

// Wherever the power is cut while an image takes the place of a stream, there is the
// stream of before or that of the image afterwards.
func TestPowerCutsWithAnImage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		im, want := source(t, api.FileStorage)
		disk := vfs.NewMem()
		r, before := old(t, disk, api.FileStorage)
		s := r.e.streamList()[0]
		rng := rand.New(rand.NewPCG(3, 4))
		var clones []*vfs.Mem
		var ops []errorfs.Op
		r.fs.SetInjector(errorfs.InjectorFunc(func(op errorfs.Op) errorfs.Fault {
			if op.Kind.Changes() {
				for _, o := range []vfs.CrashOptions{{}, vfs.Killed, {Rand: rng, Page: 0.5, Torn: 0.5, Name: 0.5}} {
					clones, ops = append(clones, disk.CrashClone(o)), append(ops, op)
				}
			}
			return errorfs.Fault{}
		}))
		inApply(t, s.group, func() {
			if err := s.Restore(im.at, im); err != nil {
				t.Error(err)
			}
		})
		r.fs.SetInjector(nil)
		r.stop()
		if len(clones) < 30 {
			t.Errorf("%d power cuts only", len(clones))
		}
		seen := map[string]int{}
		for i, left := range append(clones, disk) {
			next := newRig(t, left)
			switch got := contentOf(next, "S"); {
			case got == before && i < len(clones):
				seen["old"]++
			case got == want:
				seen["new"]++
			default:
				t.Fatalf("power cut at %v: the stream is\n%s\nwant\n%s\nor\n%s", ops[min(i, len(ops)-1)], got, before, want)
			}
			next.store("s.1", "next")
			next.stop()
		}
		if seen["old"] == 0 || seen["new"] == 0 {
			t.Errorf("there were %v", seen)
		}
	})
}

// Whichever operation fails while an image takes the place of a stream, it is the one or
// the other, here and after a restart.
func TestFailuresWithAnImage(t *testing.T) {
	for what, fault := range map[string]errorfs.Fault{
		"EIO": {Err: syscall.EIO}, "EIO after it happened": {Err: syscall.EIO, After: true}, "ENOSPC": {Err: syscall.ENOSPC},
	} {
		bubble(t, func(t *testing.T) {
			im, want := source(t, api.FileStorage)
			failed := false
			for n := uint64(1); ; n++ {
				disk := vfs.NewMem()
				r, before := old(t, disk, api.FileStorage, tolerant)
				s := r.e.streamList()[0]
				in := errorfs.FailNth(n, errorfs.Changes, fault)
				r.fs.SetInjector(in)
				var err error
				inApply(t, s.group, func() { err = s.Restore(im.at, im) })
				op, fired := in.Fired()
				r.fs.SetInjector(nil)
				wanted := want
				if err != nil {
					wanted, failed = before, true
				}
				if got := contentOf(r, "S"); got != wanted {
					t.Fatalf("%s: failing %v: %v, and the stream is\n%s\nwant\n%s", what, op, err, got, wanted)
				}
				r = r.restart(tolerant)
				if got := contentOf(r, "S"); got != wanted && (err == nil || got != want) {
					t.Fatalf("%s: failing %v: %v, and after a restart the stream is\n%s\nwant\n%s", what, op, err, got, wanted)
				}
				r.stop()
				if !fired {
					break
				}
			}
			if !failed {
				t.Errorf("%s: nothing failed", what)
			}
		})
	}
}
