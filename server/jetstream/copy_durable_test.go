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
)

// data returns what is in a stream, in order.
func (r *rig) data(stream string) (list []string) {
	r.t.Helper()
	for _, seq := range r.left(stream) {
		if m, err := r.get(stream, seq); err == nil {
			list = append(list, string(m.Data))
		}
	}
	return list
}

func (r *rig) consumers(stream string) []*api.ConsumerInfo {
	r.t.Helper()
	return must[api.ConsumerListResponse](r, subjectOf(api.OpConsumerList, stream), nil).Consumers
}

// What is copied from a stream that removes what was acknowledged is removed there when
// the copy is certain, and not before: nothing is lost, or there twice, wherever a
// server stops.
func TestCopyOfWhatIsRemoved(t *testing.T) {
	for _, retention := range []api.Retention{api.RetainWorkQueue, api.RetainInterest} {
		for _, mirror := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v mirror %v", retention, mirror), func(t *testing.T) {
				eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
					r := newRig(t, vfs.NewMem())
					defer func() { r.stop() }()
					r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o.>"}, Retention: retention})
					cfg := &api.StreamConfig{Name: "C", Sources: []*api.StreamSource{{Name: "O"}}}
					if mirror {
						cfg = &api.StreamConfig{Name: "C", Mirror: &api.StreamSource{Name: "O"}}
					}
					r.create(cfg)
					time.Sleep(time.Second)
					var want []string
					for round := range 5 {
						for i := range 7 {
							data := fmt.Sprint(round, ".", i)
							want = append(want, data)
							r.store("o.x", data)
						}
						switch round {
						case 1:
							// Some are on their way, or not acknowledged yet.
							r = again(r)
						case 3:
							time.Sleep(3 * time.Second)
							r = again(r)
						}
					}
					time.Sleep(30 * time.Second)
					if got := r.data("C"); !slices.Equal(got, want) {
						t.Errorf("the copy has %v, want %v", got, want)
					}
					r.wantLeft("all is copied", "O")
					list := r.consumers("O")
					if len(list) != 1 {
						t.Fatalf("%d consumers", len(list))
					}
					c := list[0].Config
					if c.Durable != c.Name || c.AckPolicy != api.AckFlowControl || !c.Sourcing || c.Direct {
						t.Errorf("%+v", c)
					}
					r.remove("C")
					time.Sleep(time.Second)
					if list := r.consumers("O"); len(list) != 0 {
						t.Errorf("%d consumers are left when nobody copies", len(list))
					}
				})
			})
		}
	}
}

// A copy that can not be made now has the origin keep the messages.
func TestCopyWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o"}, Retention: api.RetainWorkQueue})
		for i := range 10 {
			r.store("o", fmt.Sprint(i))
		}
		r.create(&api.StreamConfig{Name: "C", Sources: []*api.StreamSource{{Name: "O"}}, MaxMsgs: 4, Discard: api.DiscardNew})
		time.Sleep(time.Minute)
		if got := r.data("C"); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("%v are in the copy", got)
		}
		r.wantLeft("there is no room", "O", 5, 6, 7, 8, 9, 10)
		if in := r.info("C"); in.Sources[0].Error == nil {
			t.Error("nobody is told")
		}
		r.purge("C")
		time.Sleep(5 * time.Minute)
		if got := r.data("C"); !slices.Equal(got, []string{"4", "5", "6", "7"}) {
			t.Errorf("%v are in the copy", got)
		}
		r.wantLeft("there was room again", "O", 9, 10)
	})
}

// A consumer that somebody has made is used as it is.
func TestCopyByNamedConsumer(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		defer func() { r.stop() }()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o.>"}})
		for i := range 4 {
			r.store("o.x", fmt.Sprint("old", i))
		}
		for _, c := range []api.ConsumerConfig{
			{Name: "all"},
			{Name: "some", FilterSubject: "o.x"},
			{Name: "late", DeliverPolicy: api.DeliverNew},
		} {
			c.Durable, c.AckPolicy, c.DeliverSubject, c.Sourcing = c.Name, api.AckFlowControl, "to."+c.Name, true
			r.consume("O", &c)
		}
		by := func(name string) *api.StreamSource {
			return &api.StreamSource{Name: "O", Consumer: &api.SourceConsumer{Name: name, DeliverSubject: "to." + name}}
		}
		r.create(&api.StreamConfig{Name: "M", Mirror: by("all")})
		r.create(&api.StreamConfig{Name: "S", Sources: []*api.StreamSource{by("some")}})
		r.create(&api.StreamConfig{Name: "L", Sources: []*api.StreamSource{by("late")}})
		time.Sleep(10 * time.Second)
		r.store("o.y", "y")
		r.store("o.x", "new")
		time.Sleep(10 * time.Second)
		r = again(r)
		r.store("o.x", "newer")
		time.Sleep(30 * time.Second)
		for name, want := range map[string]string{
			"M": "old0 old1 old2 old3 y new newer",
			"S": "old0 old1 old2 old3 new newer",
			"L": "y new newer",
		} {
			if got := strings.Join(r.data(name), " "); got != want {
				t.Errorf("%s has %s, want %s", name, got, want)
			}
		}
		for _, c := range r.consumers("O") {
			if c.AckFloor.Stream != 7 && c.Name != "late" || c.NumAckPending != 0 || !c.PushBound {
				t.Errorf("%+v", c)
			}
		}
		r.remove("S")
		time.Sleep(time.Second)
		if n := len(r.consumers("O")); n != 3 {
			t.Errorf("%d consumers are left, want all", n)
		}
	})
}

// What is wrong with the consumer is told in the info of the stream.
func TestCopyByAWrongConsumer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "O", Subjects: []string{"o"}})
		r.store("o", "x")
		r.consume("O", &api.ConsumerConfig{Name: "explicit", Durable: "explicit", AckPolicy: api.AckExplicit, DeliverSubject: "to"})
		source := func(name string) *api.StreamSource {
			return &api.StreamSource{Name: "O", Consumer: &api.SourceConsumer{Name: name, DeliverSubject: "to"}}
		}
		for _, c := range []struct {
			name string
			cfg  api.StreamConfig
			want *api.Error
		}{
			{"source", api.StreamConfig{Sources: []*api.StreamSource{source("explicit")}}, api.ErrSourceConsumerRequiresAckFC},
			{"mirror", api.StreamConfig{Mirror: source("explicit")}, api.ErrMirrorConsumerRequiresAckFC},
			{"missing", api.StreamConfig{Sources: []*api.StreamSource{source("missing")}}, api.ErrConsumerNotFound},
		} {
			c.cfg.Name = "C"
			r.create(&c.cfg)
			time.Sleep(5 * time.Second)
			in := r.info("C")
			shown := in.Mirror
			if len(in.Sources) > 0 {
				shown = in.Sources[0]
			}
			if shown.Error == nil || *shown.Error != *c.want || in.State.Msgs != 0 {
				t.Errorf("%s: %+v, %d messages", c.name, shown, in.State.Msgs)
			}
			r.remove("C")
		}
		synctest.Wait()
		if in := r.consumerInfo("O", "explicit"); in.Delivered.Consumer != 0 || in.NumPending != 1 {
			t.Errorf("the consumer is no more what it was: %+v", in)
		}
	})
}
