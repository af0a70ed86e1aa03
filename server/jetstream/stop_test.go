package jetstream

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// goroutines describes all that there are. Their number alone would count some that are
// just about to end.
func goroutines() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// A server that stops amid everything leaves nothing running, and has lost nothing that
// it has acknowledged.
func TestStopAmidTraffic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before := goroutines()
		r := newRig(t, vfs.NewMem(), often)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.create(&api.StreamConfig{Name: "M", Mirror: &api.StreamSource{Name: "S"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, MaxAckPending: -1})
		r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: time.Millisecond}))
		acked := map[uint64]string{}
		settled := map[uint64]bool{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		stop := make(chan struct{})
		loop := func(f func(i int)) {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						f(i)
						time.Sleep(time.Microsecond)
					}
				}
			})
		}
		for p := range 4 {
			loop(func(i int) {
				data := fmt.Sprint(p, "-", i)
				ack, ok := r.publish("s", data)
				if ok && ack.Error == nil {
					mu.Lock()
					acked[ack.Sequence] = data
					mu.Unlock()
				}
			})
			loop(func(i int) {
				name := fmt.Sprintf("T%d", p)
				_, _ = r.ask(subjectOf(api.OpStreamCreate, name), &api.StreamConfig{Name: name, Subjects: []string{name}})
				_, _ = r.ask(subjectOf(api.OpConsumerCreate, name, "C"), &api.CreateConsumerRequest{Stream: name, Config: api.ConsumerConfig{Name: "C", AckPolicy: api.AckExplicit}})
				_, _ = r.publish(name, "x")
				_, _ = r.ask(subjectOf(api.OpStreamDelete, name), nil)
			})
		}
		inbox := r.listen("pulled.*")
		loop(func(i int) {
			r.send(subjectOf(api.OpConsumerNext, "S", "C"), fmt.Sprintf("pulled.%d", i), mustJSON(&api.PullRequest{Batch: 5, Expires: time.Minute}))
			m, ok := inbox.next(time.Second)
			if !ok || strings.HasPrefix(m.header, "NATS/1.0 4") {
				return
			}
			if _, ok := r.ask(m.reply, []byte("+ACK")); ok {
				mu.Lock()
				settled[asDelivered(t, m).StreamSeq] = true
				mu.Unlock()
			}
		})
		time.Sleep(200 * time.Millisecond)
		r.stop()
		close(stop)
		wg.Wait()
		synctest.Wait()
		if after := goroutines(); strings.Count(after, "\ngoroutine ") > strings.Count(before, "\ngoroutine ") {
			t.Errorf("goroutines before:\n%s\n\nafter:\n%s", before, after)
		}
		if len(acked) < 100 || len(settled) < 20 {
			t.Errorf("only %d messages and %d acknowledgements", len(acked), len(settled))
		}
		r = r.restart()
		defer r.stop()
		for seq, data := range acked {
			if m, err := r.get("S", seq); err != nil || string(m.Data) != data {
				t.Fatalf("message %d: %v", seq, err)
			}
		}
		time.Sleep(time.Minute)
		for _, d := range r.fetch("S", "C", 100_000) {
			if settled[d.StreamSeq] {
				t.Fatalf("message %d comes again", d.StreamSeq)
			}
		}
		r.wantCopy("the mirror", "S", "M")
	})
}

// Whoever waits for messages is told when the consumer goes, or the server.
func TestWaitersAreTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*rig)
		want string
	}{
		{"stop", func(r *rig) { r.stop() }, "NATS/1.0 409 Server Shutdown"},
		{"consumer deleted", func(r *rig) { must[api.SuccessResponse](r, subjectOf(api.OpConsumerDelete, "S", "C"), nil) }, "NATS/1.0 409 Consumer Deleted"},
		{"stream deleted", func(r *rig) { r.remove("S") }, "NATS/1.0 409 Consumer Deleted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem())
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
				r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
				b := r.newInbox()
				r.send(subjectOf(api.OpConsumerNext, "S", "C"), b.sub.Subject, mustJSON(&api.PullRequest{Batch: 5, Expires: time.Hour}))
				synctest.Wait()
				tt.end(r)
				if m, ok := b.next(time.Second); !ok || !strings.HasPrefix(m.header, tt.want) {
					t.Errorf("told %q, want %q", m.header, tt.want)
				}
				r.stop()
			})
		})
	}
}

// Acknowledgements that have come when the server stops in order are not forgotten.
func TestStopKeepsAcks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for range 50 {
			r.store("s", "x")
		}
		list := r.fetch("S", "C", 50)
		r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: 10 * time.Millisecond}))
		for i := range list {
			r.send(list[i].reply, "", []byte("+ACK"))
		}
		r = r.restart()
		defer r.stop()
		if in := r.consumerInfo("S", "C"); in.NumAckPending != 0 || in.AckFloor.Stream != 50 {
			t.Errorf("%+v", in)
		}
	})
}

// A request about an asset that never comes to lead is answered, and does not keep
// others from being answered, nor the server from stopping.
func TestAssetThatNeverLeads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant, often)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.create(&api.StreamConfig{Name: "T", Subjects: []string{"t"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		for range 60 { // until the log begins at a checkpoint
			r.store("s", strings.Repeat("x", 100))
			synctest.Wait()
		}
		st := r.e.assigned("A", "S")
		left := r.disk.CrashClone(vfs.Killed)
		r.stop()
		// Its index is damaged.
		dir := fmt.Sprintf("js/streams/%016x", st.Group.ID)
		list, err := left.List(dir)
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		for _, f := range list {
			if err := errorfs.FlipStoredBit(left, dir+"/"+f.Name, 100); err != nil {
				t.Fatal(err)
			}
		}
		r = newRig(t, left, tolerant)
		for _, q := range []string{
			subjectOf(api.OpStreamInfo, "S"), subjectOf(api.OpConsumerInfo, "S", "C"), subjectOf(api.OpStreamPurge, "S"),
			subjectOf(api.OpStreamMsgGet, "S"), subjectOf(api.OpConsumerPause, "S", "C"),
		} {
			m, ok := r.ask(q, nil)
			var answer api.Response
			if !ok || json.Unmarshal([]byte(m.data), &answer) != nil || answer.Error == nil {
				t.Errorf("answer to %s: %s", q, m.data)
			}
		}
		r.store("t", "x")
		r.remove("S")
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		if seq := r.store("s", "x"); seq != 1 {
			t.Errorf("number %d", seq)
		}
		r = r.restart(tolerant)
		if groups := len(r.log.Groups()); groups != 3 {
			t.Errorf("%d groups in the log, want 3", groups)
		}
		r.stop()
	})
}

// Clients that ask right after a start are served.
func TestStartServes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		for i := range 30 {
			name := fmt.Sprintf("S%d", i)
			r.create(&api.StreamConfig{Name: name, Subjects: []string{name}})
			r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		}
		r = r.crash(vfs.CrashOptions{}, oneAtATime)
		defer r.stop()
		for i := range 30 {
			name := fmt.Sprintf("S%d", i)
			if !r.acc.Interest().HasInterest([]byte(name)) || !r.acc.Interest().HasInterest([]byte(subjectOf(api.OpConsumerNext, name, "C"))) {
				t.Errorf("nobody listens for %s", name)
			}
		}
	})
}

// A client of a push consumer that does not read does not hold up others, nor memory
// without bound.
func TestSlowClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		for range 200 {
			r.store("s", strings.Repeat("x", 10_000))
		}
		slow := r.listen("deliver.slow")
		r.consume("S", &api.ConsumerConfig{
			Name: "Slow", Durable: "Slow", DeliverSubject: "deliver.slow", AckPolicy: api.AckExplicit, FlowControl: true, Heartbeat: time.Second, MaxAckPending: 20,
		})
		quick := r.listen("deliver.quick")
		r.consume("S", &api.ConsumerConfig{Name: "Quick", DeliverSubject: "deliver.quick", AckPolicy: api.AckNone})
		time.Sleep(5 * time.Second)
		messages := 0
		for _, m := range slow.all() {
			if !strings.HasPrefix(m.header, "NATS/1.0 100") {
				messages++
			}
		}
		if messages != 20 {
			t.Errorf("%d messages to who does not acknowledge any, want 20", messages)
		}
		if n := len(quick.all()); n != 200 {
			t.Errorf("%d messages to the quick one", n)
		}
		// Nobody listens any more: nothing is sent, and it goes on when somebody does.
		slow.close()
		r.store("s", "last")
		time.Sleep(time.Minute)
		again := r.listen("deliver.slow")
		time.Sleep(2 * time.Minute)
		if n := len(again.all()); n == 0 {
			t.Error("nothing comes to who listens again")
		}
	})
}

// The answers of direct gets are those of the API.
func TestDirectGet(t *testing.T) {
	eachEnd(t, func(t *testing.T, again func(*rig) *rig) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s.>"}, AllowDirect: true})
		for i := range 20 {
			r.store(fmt.Sprintf("s.%d", i%4), fmt.Sprint(i), "K", fmt.Sprint("v", i))
		}
		r.deleteMsg("S", 7)
		r = again(r)
		defer r.stop()
		for _, q := range []api.MsgGetRequest{
			{Seq: 1},
			{Seq: 7},
			{Seq: 20},
			{Seq: 21},
			{LastFor: "s.1"},
			{LastFor: "s.9"},
			{LastFor: "s.*"},
			{Seq: 5, NextFor: "s.3"},
			{Seq: 7, NextFor: "s.2"},
			{NextFor: "s.>"},
			{Seq: 21, NextFor: "s.1"},
		} {
			want, err := call[api.StreamMsgGetResponse](r, subjectOf(api.OpStreamMsgGet, "S"), &q)
			got, ok := r.ask(subjectOf(api.OpDirectGet, "S"), &q)
			if !ok {
				t.Fatalf("%+v: no answer", q)
			}
			if err != nil {
				if !strings.HasPrefix(got.header, "NATS/1.0 404") {
					t.Errorf("%+v: %q, the API says %v", q, got.header, err)
				}
				continue
			}
			m := want.Message
			if got.data != string(m.Data) || !strings.Contains(got.header, fmt.Sprintf("%s: %d\r\n", api.HeaderSequence, m.Sequence)) ||
				!strings.Contains(got.header, api.HeaderSubject+": "+m.Subject+"\r\n") || !strings.Contains(got.header, "K: v") {
				t.Errorf("%+v: got %q %q, want %+v", q, got.header, got.data, m)
			}
		}
		if m, ok := r.ask(subjectOf(api.OpDirectGet, "S")+".s.2", nil); !ok || m.data != "18" {
			t.Errorf("by subject: %+v", m)
		}
	})
}

// Advisories may be kept by the very stream that they are about.
func TestStreamOfAdvisories(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		defer r.stop()
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s", "$JS.EVENT.ADVISORY.>"}, AllowAtomic: true})
		m := account.NewMessage("s", []byte("1"), api.HeaderBatchID, "b", api.HeaderBatchSeq, "1")
		m.Reply = []byte("_INBOX.x")
		r.acc.Publish(m)
		time.Sleep(time.Minute) // the batch is given up
		if n := r.info("S").State.Msgs; n == 0 {
			t.Error("no advisory")
		}
		r.store("s", "x")
	})
}
