package jetstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// contents returns the data of the messages of a stream, by number.
func (r *rig) contents(stream string) map[uint64]string {
	r.t.Helper()
	list := make(map[uint64]string)
	for _, seq := range r.left(stream) {
		if m, err := r.get(stream, seq); err == nil {
			list[seq] = string(m.Data)
		}
	}
	return list
}

// wantCopy compares a mirror with its origin, after a while.
func (r *rig) wantCopy(why, origin, mirror string) {
	r.t.Helper()
	time.Sleep(15 * time.Second)
	o, m := r.contents(origin), r.contents(mirror)
	for seq, data := range o {
		if m[seq] != data {
			r.t.Errorf("%s: message %d is %.20q in the mirror, want %.20q (%d of %d are there)", why, seq, m[seq], data, len(m), len(o))
			return
		}
	}
}

// A mirror answers direct gets for its origin, once it is not far behind and if it has
// the same messages.
func TestMirrorDirect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o.>"}, AllowDirect: true})
		for i := range 20 {
			r.store("o.a", fmt.Sprint(i))
		}
		in := r.create(&api.StreamConfig{Name: "M", Mirror: &api.StreamSource{Name: "O"}})
		r.create(&api.StreamConfig{Name: "F", Mirror: &api.StreamSource{Name: "O", FilterSubject: "o.b"}})
		r.create(&api.StreamConfig{Name: "N", Mirror: &api.StreamSource{Name: "P"}, MirrorDirect: true})
		if !in.Config.MirrorDirect {
			t.Error("the mirror does not follow its origin")
		}
		r.wantCopy("made", "O", "M")
		of := make(map[string]int)
		for range 100 {
			m, ok := r.ask("$JS.API.DIRECT.GET.O", map[string]any{"last_by_subj": "o.a"})
			if !ok || m.data != "19" {
				t.Fatalf("got %q", m.data)
			}
			_, stream, _ := strings.Cut(m.header, "Nats-Stream: ")
			of[stream[:1]]++
		}
		if len(of) != 2 || of["O"] == 0 || of["M"] == 0 {
			t.Errorf("answers of %v", of)
		}
		// There is nothing to be near to.
		if m, ok := r.ask("$JS.API.DIRECT.GET.P", map[string]any{"seq": 1}); ok {
			t.Errorf("an answer for a stream that is not there: %q", m.data)
		}
	})
}

func TestMirror(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o.>"}})
		for i := range 20 {
			r.store(fmt.Sprintf("o.%d", i%3), fmt.Sprint(i))
		}
		r.deleteMsg("O", 3)
		r.create(&api.StreamConfig{Name: "M", Mirror: &api.StreamSource{Name: "O"}})
		r.wantCopy("made", "O", "M")
		if in := r.info("M"); in.Mirror == nil || in.Mirror.Lag != 0 || in.Mirror.Error != nil || in.State.LastSeq != 20 {
			t.Errorf("%+v %+v", in.Mirror, in.State)
		}
		if _, err := r.get("M", 3); err == nil {
			t.Error("a deleted message is copied")
		}
		for i := range 20 {
			r.store("o.a", fmt.Sprint("more ", i))
		}
		r.wantCopy("more", "O", "M")
		r = again(r)
		for i := range 20 {
			r.store("o.a", fmt.Sprint("after ", i))
		}
		r.wantCopy("after a restart", "O", "M")
		if n := len(r.contents("M")); n != 59 {
			t.Errorf("%d messages in the mirror", n)
		}
		// What leaves the origin stays in the mirror, which goes on behind a gap.
		r.purge("O")
		r.store("o.b", "behind")
		r.wantCopy("purged", "O", "M")
		if n := len(r.contents("M")); n != 60 {
			t.Errorf("%d messages in the mirror", n)
		}
		r.stop()
	})
}

// The consumer of a copier is lost now and then: it makes another one, and nothing is
// missed or there twice.
func TestCopierLosesConsumer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o"}})
		r.create(&api.StreamConfig{Name: "M", Mirror: &api.StreamSource{Name: "O"}})
		r.create(&api.StreamConfig{Name: "S", Sources: []*api.StreamSource{{Name: "O"}}})
		for round := range 4 {
			time.Sleep(time.Second)
			synctest.Wait()
			for i := range 5 {
				r.store("o", fmt.Sprint(round, i))
			}
			if round%2 == 0 {
				r.e.mu.RLock()
				var consumers []string
				for _, s := range r.e.streams {
					for _, c := range s.consumerList() {
						consumers = append(consumers, c.assigned.Load().Name())
					}
				}
				r.e.mu.RUnlock()
				if len(consumers) != 2 {
					t.Fatalf("consumers: %v", consumers)
				}
				for _, c := range consumers {
					must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "O", c), nil)
				}
			}
			for i := range 5 {
				r.store("o", fmt.Sprint(round, 5+i))
			}
			time.Sleep(15 * time.Second)
		}
		want := r.contents("O")
		for _, name := range []string{"M", "S"} {
			if got := r.contents(name); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s has %v, want %v", name, got, want)
			}
		}
	})
}

func TestSources(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		for _, o := range []string{"A", "B"} {
			r.create(&api.StreamConfig{Name: o, Subjects: []string{o + ".>"}})
		}
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"S"}, Sources: []*api.StreamSource{
			{Name: "A", FilterSubject: "A.yes"},
			{Name: "B", SubjectTransforms: []api.SubjectTransform{{Source: "B.*", Destination: "was.{{wildcard(1)}}"}}},
		}})
		var want []string
		for i := range 10 {
			r.store("A.yes", fmt.Sprint("A", i))
			r.store("A.no", "no")
			r.store("B.x", fmt.Sprint("B", i))
			r.store("S", fmt.Sprint("S", i))
			want = append(want, fmt.Sprint("A", i), fmt.Sprint("B", i), fmt.Sprint("S", i))
			if i == 4 {
				time.Sleep(5 * time.Second)
				r = again(r)
			}
		}
		time.Sleep(20 * time.Second)
		var got []string
		for seq := range r.contents("S") {
			m, _ := r.get("S", seq)
			got = append(got, string(m.Data))
			if m.Data[0] == 'B' && m.Subject != "was.x" {
				t.Errorf("subject %s", m.Subject)
			}
			if m.Data[0] != 'S' && !strings.Contains(string(m.Header), api.HeaderStreamSource) {
				t.Errorf("no header that says where %q is from", m.Data)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
		r.stop()
	})
}

// An origin that is deleted and made again has other messages under the same numbers.
func TestOriginMadeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o"}})
		r.create(&api.StreamConfig{Name: "S", Sources: []*api.StreamSource{{Name: "O"}}})
		for i := range 5 {
			r.store("o", fmt.Sprint("old", i))
		}
		time.Sleep(5 * time.Second)
		r.remove("O")
		time.Sleep(time.Minute)
		if in := r.info("S"); len(in.Sources) != 1 || in.Sources[0].Error == nil {
			t.Errorf("without an origin: %+v", in.Sources)
		}
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o"}})
		for i := range 3 {
			r.store("o", fmt.Sprint("new", i))
		}
		time.Sleep(5 * time.Minute)
		got := r.contents("S")
		for i := range 3 {
			if got[uint64(6+i)] != fmt.Sprint("new", i) {
				t.Errorf("the source has %v", got)
				break
			}
		}
	})
}

// A stream that can take little at a time has the origin wait, and gets everything.
func TestCopierIsHeldUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), func(_ *rig, _ *wal.Config, c *host.Config, _ *Config) { c.MaxGroupBytes = 32 << 10 })
		defer r.stop()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o"}})
		for i := range 60 {
			r.store("o", fmt.Sprint(i, strings.Repeat("x", 5_000)))
		}
		b := r.listen("$JS.API.CONSUMER.CREATE.>")
		r.create(&api.StreamConfig{Name: "M", Mirror: &api.StreamSource{Name: "O"}})
		r.create(&api.StreamConfig{Name: "S", Sources: []*api.StreamSource{{Name: "O"}}})
		time.Sleep(time.Minute)
		r.wantCopy("mirror", "O", "M")
		r.wantCopy("source", "O", "S")
		if n := len(b.all()); n != 2 {
			t.Errorf("%d consumers were made, want 2", n)
		}
		if n := r.info("S").State.Msgs; n != 60 {
			t.Errorf("%d messages", n)
		}
	})
}
