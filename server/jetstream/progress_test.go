package jetstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// A stream whose files are slow to read holds up nobody else for long: the others
// serve, and how far it all is can be seen and is logged.
func TestSlowStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		for _, name := range []string{"fast", "slow"} {
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name}})
			r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
			for range 3 {
				r.store(name, "x")
			}
		}
		slow := fmt.Sprintf("js/streams/%016x", r.e.assigned("A", "slow").Group.ID)
		r.stop()

		const delay = 24 * time.Second
		begin := time.Now()
		r = newRig(t, r.disk, tolerant, func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
			r.fs.SetInjector(errorfs.On(func(op errorfs.Op) bool {
				return op.Kind == errorfs.OpList && strings.HasPrefix(op.Path, slow)
			}, errorfs.Fault{Delay: delay}))
		})
		defer r.stop()
		if took := time.Since(begin); took != startTimeout {
			t.Errorf("the start took %v", took)
		}
		troubles := func() (out []string) {
			for s := range r.e.Streams("A", "") {
				if s.Trouble != nil {
					out = append(out, s.Name+" "+s.Trouble.Error())
				}
				for c := range s.Consumers {
					if c.Trouble != nil {
						out = append(out, s.Name+" > "+c.Name+" "+c.Trouble.Error())
					}
				}
			}
			return out
		}
		if got, want := troubles(), []string{"slow is not open yet", "slow > C is not open yet"}; !slices.Equal(got, want) {
			t.Errorf("after the start: %q, want %q", got, want)
		}
		time.Sleep(time.Second)
		r.store("fast", "y")
		if list := r.fetch("fast", "C", 10); len(list) != 4 {
			t.Errorf("%d messages of the fast stream", len(list))
		}
		if ack, ok := r.publish("slow", "y"); ok {
			t.Errorf("the slow stream answers %+v before it is open", ack)
		}
		names := must[api.StreamNamesResponse](r, subjectOf(api.OpStreamNames), nil).Streams
		if !slices.Equal(names, []string{"fast", "slow"}) {
			t.Errorf("the streams are %v", names)
		}
		time.Sleep(5 * time.Second)
		// Who asks for it waits until it is there, though not for ever.
		if n := r.info("slow").State.Msgs; n != 3 {
			t.Errorf("the slow stream has %d messages", n)
		}
		if took := time.Since(begin); took < delay {
			t.Errorf("it was open after %v", took)
		}
		time.Sleep(2 * progressRarely)
		if got := troubles(); len(got) > 0 {
			t.Errorf("in the end: %q", got)
		}
		want := []string{
			"JetStream: recovering since 5s: 1 of 2 streams and 1 of 2 consumers serve, with 3 messages of 105 bytes",
			"JetStream: recovering since 10s: 1 of 2 streams and 1 of 2 consumers serve, with 3 messages of 105 bytes",
			"JetStream: recovering since 20s: 1 of 2 streams and 1 of 2 consumers serve, with 4 messages of 140 bytes",
			"JetStream: recovered in 24s: 2 of 2 streams and 2 of 2 consumers serve, with 7 messages of 245 bytes",
		}
		if got := r.notices(); !slices.Equal(got, want) {
			t.Errorf("logged:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// A server can be stopped while it recovers.
func TestStopWhileRecovering(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		r.store("s", "x")
		r.stop()
		r = newRig(t, r.disk, tolerant, func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) {
			r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpList), errorfs.Fault{Delay: 30 * time.Second}))
		})
		r.stop()
		r = newRig(t, r.disk)
		defer r.stop()
		if n := r.info("S").State.Msgs; n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}
