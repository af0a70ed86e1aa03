package jetstream

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// A consumer whose log is damaged goes on, wherever that is: what was not acknowledged
// comes, no number of a delivery comes twice, operators are told, and the next start is
// an ordinary one.
func TestDamagedConsumer(t *testing.T) {
	for _, tt := range []struct {
		name      string
		retention api.Retention
		consumer  api.ConsumerConfig
		acked     func(n int) bool
	}{
		{"explicit", api.RetainLimits, api.ConsumerConfig{AckPolicy: api.AckExplicit, FilterSubject: "s.a"}, func(n int) bool { return n%3 > 0 }},
		{"all", api.RetainLimits, api.ConsumerConfig{AckPolicy: api.AckAll}, func(n int) bool { return n%7 == 6 }},
		{"work queue", api.RetainWorkQueue, api.ConsumerConfig{AckPolicy: api.AckExplicit}, func(n int) bool { return n%3 > 0 }},
		{"interest, new messages", api.RetainInterest, api.ConsumerConfig{AckPolicy: api.AckExplicit, DeliverPolicy: api.DeliverNew}, func(n int) bool { return n%2 == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) { testDamagedConsumer(t, tt.retention, tt.consumer, tt.acked) })
	}
}

func testDamagedConsumer(t *testing.T, retention api.Retention, cfg api.ConsumerConfig, acked func(int) bool) {
	cfg.Name, cfg.Durable = "C", "C"
	var disk *vfs.Mem
	due, last := map[uint64]bool{}, uint64(0)
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.*"}, Retention: retention})
		r.store("s.a", "before")
		r.consume("S", &cfg)
		due[1] = cfg.DeliverPolicy != api.DeliverNew && retention != api.RetainInterest
		n := 0
		for range 6 {
			for i := range 5 {
				subject := []string{"s.a", "s.a", "s.b"}[i%3]
				due[r.store(subject, "x")] = cfg.FilterSubject == "" || subject == cfg.FilterSubject
			}
			list := r.fetch("S", "C", 4)
			for i := range list {
				last = max(last, list[i].ConsumerSeq)
				if n++; !acked(n) {
					continue
				}
				r.ack(&list[i], "+ACK")
				for seq := range list[i].StreamSeq {
					if seq++; cfg.AckPolicy == api.AckAll || seq == list[i].StreamSeq {
						due[seq] = false
					}
				}
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		disk = r.disk.CrashClone(vfs.Killed)
		r.stop()
	})
	files, err := filesBelow(disk, "js/raft")
	if err != nil {
		t.Fatal(err)
	}
	step := int64(131)
	if race.Enabled {
		step = 1999
	}
	mended := 0
	for _, file := range files {
		content, err := vfs.ReadFile(disk, file, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, ".wal") {
			continue
		}
		for at := int64(0); at < int64(len(bytes.TrimRight(content, "\x00"))); at += step {
			bubble(t, func(t *testing.T) {
				what := fmt.Sprintf("damage of %s at %d", file, at)
				damaged := disk.CrashClone(vfs.Killed)
				if err := errorfs.FlipStoredBit(damaged, file, at*8+5); err != nil {
					t.Fatal(err)
				}
				r := newRig(t, damaged, tolerant)
				defer func() { r.stop() }()
				synctest.Wait()
				v := r.viewOf("S")
				if v == nil || v.Trouble != nil {
					return // it is about the stream
				}
				if len(consumersOf(v)) != 1 {
					t.Fatalf("%s: no consumer", what)
				}
				if consumersOf(v)[0].Trouble != nil {
					mended++
					if len(r.complained()) == 0 {
						t.Errorf("%s: the log has nothing of it", what)
					}
				}
				more := r.store("s.a", "more")
				time.Sleep(time.Minute) // what is pending is due
				list := r.fetch("S", "C", 1000)
				came := map[uint64]bool{}
				for i := range list {
					came[list[i].StreamSeq] = true
					if list[i].ConsumerSeq <= last {
						t.Errorf("%s: delivery %d comes again", what, list[i].ConsumerSeq)
					}
				}
				for seq, due := range due {
					if due && !came[seq] {
						t.Errorf("%s: message %d does not come, %v do", what, seq, seqs(list))
					}
				}
				if !came[more] {
					t.Errorf("%s: the new message does not come, %v do", what, seqs(list))
				}
				for i := range list {
					r.ack(&list[i], "+ACK")
				}
				r = r.restart(tolerant)
				if in := r.consumerInfo("S", "C"); in.NumAckPending != 0 || in.NumPending != 0 {
					t.Errorf("%s: then %+v", what, in)
				}
				synctest.Wait()
				if v := r.viewOf("S"); v.Trouble != nil || consumersOf(v)[0].Trouble != nil {
					t.Errorf("%s: then %v, %v", what, v.Trouble, consumersOf(v)[0].Trouble)
				}
			})
		}
	}
	if mended == 0 && !race.Enabled { // which looks at few places
		t.Error("no consumer was damaged")
	}
	t.Logf("mended %d times", mended)
}

func consumersOf(v *StreamView) []ConsumerView { return slices.Collect(v.Consumers) }

// complained is what was complained of so far.
func (r *rig) complained() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.complaints)
}

// When the whole log is gone a consumer begins where it once began, with other numbers.
func TestConsumerOfLostLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.store("s", "before")
		time.Sleep(time.Second)
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, DeliverPolicy: api.DeliverNew})
		for range 10 {
			r.store("s", strings.Repeat("x", 100))
		}
		last := r.fetch("S", "C", 4)[3].ConsumerSeq
		r.stop()
		if err := r.disk.RemoveAll("js/raft"); err != nil {
			t.Fatal(err)
		}
		r = newRig(t, r.disk, tolerant)
		defer r.stop()
		synctest.Wait()
		if v := r.viewOf("S"); consumersOf(v)[0].Trouble == nil {
			t.Error("nobody is told")
		}
		list := r.fetch("S", "C", 100)
		if got := seqs(list); len(got) != 10 || got[0] != 2 {
			t.Errorf("it has delivered %v", got)
		}
		if first := list[0].ConsumerSeq; first <= last {
			t.Errorf("number %d is given again", first)
		}
	})
}
