package jetstream

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/meta"
)

// What runs becomes what an image of the group of all assets says, at once and after a
// restart; what is in none of it any more is deleted.
func TestImageOfAssets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		for _, name := range []string{"GOES", "STAYS", "CHANGES"} {
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name}})
			r.consume(name, &api.ConsumerConfig{Name: "GOES", Durable: "GOES", AckPolicy: api.AckExplicit})
			r.consume(name, &api.ConsumerConfig{Name: "STAYS", Durable: "STAYS", AckPolicy: api.AckExplicit})
			r.store(name, "one")
		}
		// What another server has come to.
		later, err := meta.Decode(r.e.meta.state.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		apply := func(op *meta.Op) *meta.Result {
			res := later.Apply(op, time.Now().UnixNano())
			if res.Err != nil || !res.Changed {
				t.Fatalf("%+v: %+v", op, res)
			}
			return &res
		}
		apply(&meta.Op{DeleteStream: &meta.DeleteStream{Account: "A", Stream: "GOES"}})
		cfg := *later.Stream("A", "CHANGES").Config
		cfg.Subjects = []string{"CHANGES", "MORE"}
		apply(&meta.Op{UpdateStream: &meta.UpdateStream{
			Account: "A", Config: &cfg, Revision: later.Stream("A", "CHANGES").Revision, Limits: meta.NoLimits,
		}})
		apply(&meta.Op{DeleteConsumer: &meta.DeleteConsumer{Account: "A", Stream: "STAYS", Consumer: "GOES"}})
		added := *later.Stream("A", "STAYS").Config
		added.Name, added.Subjects = "COMES", []string{"COMES"}
		apply(&meta.Op{CreateStream: &meta.CreateStream{Account: "A", Config: &added, Nodes: []uint32{1}, Limits: meta.NoLimits}})

		m := r.e.meta
		at := m.position()
		at.Base.Index += 1000
		inApply(t, m.group, func() {
			if err := m.Restore(at, bytes.NewReader([]byte("nothing of the kind"))); err == nil {
				t.Error("what is no image is taken")
			}
			if err := m.Restore(at, bytes.NewReader(later.Append(nil))); err != nil {
				t.Error(err)
			}
			if m.state.Digest() != later.Digest() {
				t.Error("the state is another one")
			}
		})
		check := func(when string) {
			t.Helper()
			synctest.Wait()
			names := must[api.StreamNamesResponse](r, subjectOf(api.OpStreamNames), nil).Streams
			if want := []string{"CHANGES", "COMES", "STAYS"}; !slices.Equal(names, want) {
				t.Errorf("%s: streams %q, want %q", when, names, want)
			}
			names = must[api.ConsumerNamesResponse](r, subjectOf(api.OpConsumerNames, "STAYS"), nil).Consumers
			if want := []string{"STAYS"}; !slices.Equal(names, want) {
				t.Errorf("%s: consumers %q, want %q", when, names, want)
			}
			if r.send("GOES", "", nil) {
				t.Errorf("%s: somebody listens for the stream that is deleted", when)
			}
			r.store("MORE", "to the changed one")
			r.store("COMES", "to the new one")
			if got := len(r.fetch("STAYS", "STAYS", 1)); got != 1 {
				t.Errorf("%s: %d messages were delivered", when, got)
			}
		}
		// If the one is damaged the other one is as good: the log does not reach back any more.
		newest, err := vfs.ReadFile(r.disk, "js/meta", 1<<20)
		older, olderErr := vfs.ReadFile(r.disk, "js/meta.old", 1<<20)
		if err != nil || olderErr != nil || !bytes.Equal(newest, older) {
			t.Errorf("the checkpoints differ, or are not there: %v, %v", err, olderErr)
		}
		check("at once")
		r = r.restart()
		defer r.stop()
		time.Sleep(time.Minute) // what was delivered comes again
		check("after a restart")
	})
}

// What goes on meanwhile goes on: a stream that is being restored stays, and a consumer that
// was changed is as it was changed to.
func TestImageOfAssetsLeavesTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer func() { r.stop() }()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"S"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Minute})
		m := r.e.meta
		cfg := *m.state.Stream("A", "S").Config
		cfg.Name, cfg.Subjects = "RESTORED", []string{"RESTORED"}
		got, err := m.propose(t.Context(), &meta.Op{CreateStream: &meta.CreateStream{
			Account: "A", Config: &cfg, Nodes: []uint32{1}, Limits: meta.NoLimits, Restore: &meta.Restore{ID: "one", Node: uint32(r.e.cfg.Node)},
		}})
		if err != nil || !got.Changed {
			t.Fatalf("%+v, %v", got, err)
		}
		synctest.Wait()
		restored := r.e.stream(got.Stream.Group.ID)

		later, err := meta.Decode(m.state.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		c := later.Stream("A", "S").Consumer("C")
		changed := *c.Config
		changed.AckWait = 7 * time.Second
		op := &meta.Op{UpdateConsumer: &meta.UpdateConsumer{Account: "A", Stream: "S", Config: &changed, Revision: c.Revision}}
		if res := later.Apply(op, time.Now().UnixNano()); res.Err != nil || !res.Changed {
			t.Fatalf("%+v", res)
		}
		at := m.position()
		at.Base.Index += 1000
		inApply(t, m.group, func() {
			if err := m.Restore(at, bytes.NewReader(later.Append(nil))); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if restored == nil || restored != r.e.stream(got.Stream.Group.ID) || restored.removed.Load() {
			t.Error("the stream that is being restored is gone")
		}
		running := r.e.consumer(later.Stream("A", "S"), later.Stream("A", "S").Consumer("C"))
		if wait := running.assigned.Load().Config.AckWait; wait != changed.AckWait {
			t.Errorf("the consumer is to wait %v for an acknowledgement, want %v", wait, changed.AckWait)
		}
	})
}
