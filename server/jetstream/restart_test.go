package jetstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/raft/host"
	"github.com/nats-lite/nats-lite/server/raft/wal"
)

// eachEnd runs a test for each way in which a server may end.
func eachEnd(t *testing.T, f func(t *testing.T, again func(*rig) *rig)) {
	t.Helper()
	for name, again := range map[string]func(*rig) *rig{
		"stopped":   func(r *rig) *rig { return r.restart() },
		"killed":    func(r *rig) *rig { return r.crash(vfs.Killed) },
		"power cut": func(r *rig) *rig { return r.crash(vfs.CrashOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, again) })
		})
	}
}

// What is due after a restart is done, although nothing comes.
func TestAgeAfterRestart(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxAge: time.Hour})
		r.store("s", "x")
		r = again(r.restart())
		defer r.stop()
		time.Sleep(30 * time.Minute)
		if n := r.info("S").State.Msgs; n != 1 {
			t.Fatalf("%d messages after half of their time", n)
		}
		time.Sleep(31 * time.Minute)
		if n := r.info("S").State.Msgs; n != 0 {
			t.Errorf("%d messages after their time", n)
		}
	})
}

// What a stream took under a configuration it takes again under that, when its log is
// applied anew.
func TestReplayUnderOldConfig(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		c := api.StreamConfig{Name: "S", Subjects: []string{"s"}, DuplicateWindow: time.Minute}
		r.create(&c)
		r.store("s", strings.Repeat("x", 1000))
		r.store("s", "2", api.HeaderMsgID, "id")
		c.MaxMsgSize, c.DuplicateWindow = 100, 0
		r.update(&c)
		r.store("s", "3")
		c.DuplicateWindow = time.Minute
		r.update(&c)
		r = again(r)
		defer r.stop()
		if m, err := r.get("S", 1); err != nil || len(m.Data) != 1000 {
			t.Errorf("message 1: %v", err)
		}
		if m, err := r.get("S", 3); err != nil || string(m.Data) != "3" {
			t.Errorf("message 3: %v", err)
		}
		if ack, _ := r.publish("s", strings.Repeat("x", 1000)); ack.Error == nil {
			t.Errorf("the new limit is not in force: %+v", ack)
		}
	})
}

func TestMemoryStreamRestart(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.MemoryStorage})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		r.store("s", "x")
		r = again(r)
		defer r.stop()
		if n := r.info("S").State.Msgs; n != 0 {
			t.Errorf("%d messages", n)
		}
		r.store("s", "y")
		if list := r.fetch("S", "C", 2); len(list) != 1 || list[0].data != "y" {
			t.Errorf("got %v", list)
		}
		r.remove("S")
	})
}

func TestMemoryConsumerRestart(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, MemoryStorage: true})
		r.store("s", "x")
		r.fetch("S", "C", 1)
		r = again(r)
		defer r.stop()
		if list := r.fetch("S", "C", 2); len(list) != 1 || list[0].data != "x" {
			t.Errorf("got %v", list)
		}
	})
}

// A consumer that has written its whole state into its log begins with that.
func TestConsumerCompaction(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem(), func(r *rig, _ *wal.Config, _ *host.Config, _ *Config) { r.every.consumerFrames = 64 })
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		const n = 200
		for range n {
			r.send("s", "", []byte("x"))
		}
		r.store("s", "last")
		for range n {
			list := r.fetch("S", "C", 1)
			if len(list) != 1 {
				t.Fatal("no message")
			}
			r.send(list[0].reply, "", []byte("+ACK"))
		}
		before := r.consumerInfo("S", "C")
		r = again(r)
		defer r.stop()
		after := r.consumerInfo("S", "C")
		if before.AckFloor.Stream != after.AckFloor.Stream || before.Delivered.Consumer != after.Delivered.Consumer {
			t.Errorf("before %+v\nafter %+v", before, after)
		}
		if list := r.fetch("S", "C", 2); len(list) != 1 || list[0].data != "last" {
			t.Errorf("got %v", list)
		}
	})
}

// Counts of deliveries, and what is pending, outlive the server.
func TestConsumerRestart(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, AckWait: time.Minute})
		for i := range 5 {
			r.store("s", fmt.Sprint(i+1))
		}
		list := r.fetch("S", "C", 4)
		r.ack(&list[1], "+ACK")
		r.ack(&list[2], "-NAK")
		if l := r.fetch("S", "C", 1); len(l) != 1 || l[0].StreamSeq != 3 || l[0].Deliveries != 2 {
			t.Fatalf("got %+v", l)
		}
		r.ack(&list[0], "+ACK")
		r = again(r)
		defer r.stop()
		if in := r.consumerInfo("S", "C"); in.AckFloor.Stream != 2 || in.NumAckPending != 2 || in.NumRedelivered != 1 || in.NumPending != 1 {
			t.Errorf("%+v", in)
		}
		time.Sleep(2 * time.Minute)
		want := map[uint64]uint64{3: 3, 4: 2, 5: 1}
		for _, d := range r.fetch("S", "C", 10) {
			if want[d.StreamSeq] != d.Deliveries {
				t.Errorf("message %d is delivered for the %d. time, want the %d.", d.StreamSeq, d.Deliveries, want[d.StreamSeq])
			}
			delete(want, d.StreamSeq)
		}
		if len(want) > 0 {
			t.Errorf("not delivered: %v", want)
		}
	})
}

// The log of a stream in memory does not keep what the stream has let go of.
func TestMemoryStreamForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), often)
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: api.MemoryStorage, MaxMsgs: 5})
		for range 300 {
			r.store("s", strings.Repeat("x", 100))
		}
		st := r.e.stream(r.e.assigned("A", "S").Group.ID).group.Status()
		if n := st.Last + 1 - st.First; st.Last < 300 || n > 50 {
			t.Errorf("the log has %d entries of %d", n, st.Last)
		}
	})
}
