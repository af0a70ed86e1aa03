package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/internal/vfs/errorfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// A message is acknowledged when the log is synced and not before.
func TestAckAfterSync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		synctest.Wait()
		const slow = 3 * time.Second
		r.fs.SetInjector(errorfs.On(errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Delay: slow}))
		start := time.Now()
		r.store("s", "x")
		if took := time.Since(start); took < slow {
			t.Errorf("acknowledged after %v, the sync takes %v", took, slow)
		}
		r.fs.SetInjector(nil)
		r = r.crash(vfs.CrashOptions{})
		defer r.stop()
		if n := r.info("S").State.Msgs; n != 1 {
			t.Errorf("%d messages", n)
		}
	})
}

// What could not be synced is not acknowledged, and neither is anything after it.
func TestFailedSync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem(), tolerant)
		r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
		r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
		r.store("s", "1")
		list := r.fetch("S", "C", 1)
		synctest.Wait()
		r.fs.SetInjector(errorfs.FailNth(1, errorfs.Kinds(errorfs.OpSync, errorfs.OpSyncData), errorfs.Fault{Err: errors.New("a bad disk")}))
		for i := range 5 {
			if ack, ok := r.publish("s", "x"); ok && ack.Error == nil {
				t.Errorf("message %d is acknowledged: %+v", i, ack)
			}
		}
		if _, ok := r.ask(list[0].reply, []byte("+ACK")); ok {
			t.Error("an acknowledgement is answered")
		}
		if out, err := call[api.StreamCreateResponse](r, subjectOf(api.OpStreamCreate, "T"), &api.StreamConfig{Name: "T", Subjects: []string{"t"}}); err == nil {
			t.Errorf("a stream is created: %+v", out)
		}
		r = r.crash(vfs.CrashOptions{})
		defer r.stop()
		if st := r.info("S").State; st.Msgs != 1 || st.LastSeq != 1 {
			t.Errorf("%+v", st)
		}
		if in := r.consumerInfo("S", "C"); in.NumAckPending != 1 {
			t.Errorf("%+v", in)
		}
	})
}

// While the disk is full messages are refused, and when there is space again they
// are taken. Nothing that was acknowledged is lost.
func TestFullDisk(t *testing.T) {
	for _, room := range []int64{0, 1 << 16, 1 << 18, 3 << 20} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, vfs.NewMem(), tolerant)
				r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
				r.consume("S", &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit, MaxAckPending: -1})
				r.store("s", "first")
				synctest.Wait()
				r.fs.LimitSpace(room)
				acked := map[uint64]bool{}
				var mu sync.Mutex
				refused := 0
				publish := func(n int) {
					var wg sync.WaitGroup
					for range n {
						wg.Go(func() {
							ack, ok := r.publish("s", strings.Repeat("x", 50_000))
							mu.Lock()
							defer mu.Unlock()
							switch {
							case !ok:
							case ack.Error == nil:
								if acked[ack.Sequence] {
									t.Errorf("number %d is given twice", ack.Sequence)
								}
								acked[ack.Sequence] = true
							case ack.Error.Is(api.ErrInsufficientResources):
								refused++
							default:
								t.Errorf("refused: %v", ack.Error)
							}
						})
					}
					wg.Wait()
				}
				for range 10 {
					publish(10)
				}
				if refused == 0 {
					t.Errorf("nothing is refused, %d are taken", len(acked))
				}
				// Nobody tries all the time.
				runs := r.e.stage.runs.Load()
				time.Sleep(10 * time.Second)
				if runs = r.e.stage.runs.Load() - runs; runs > 200 {
					t.Errorf("%d runs in 10 seconds with nothing to do", runs)
				}
				r.fs.LimitSpace(-1)
				time.Sleep(20 * time.Second)
				refused = 0
				n := len(acked)
				publish(10)
				if len(acked) != n+10 || refused > 0 {
					t.Errorf("with space again %d of 10 are taken", len(acked)-n)
				}
				check := func(r *rig) {
					for seq := range acked {
						if _, err := r.get("S", seq); err != nil {
							t.Errorf("message %d: %v", seq, err)
						}
					}
				}
				check(r)
				total := len(r.fetch("S", "C", 1000))
				if want := int(r.info("S").State.Msgs); total != want {
					t.Errorf("%d of %d messages are delivered", total, want)
				}
				r = r.crash(vfs.CrashOptions{})
				check(r)
				r.stop()
			})
		})
	}
}

// An error at any moment leads to no lie: what was acknowledged is there after a
// restart.
func TestEveryError(t *testing.T) {
	bad := errors.New("a bad disk")
	for n := uint64(1); n < 400; n += 7 {
		done := false
		bubble(t, func(t *testing.T) {
			r := newRig(t, vfs.NewMem(), tolerant)
			r.create(&api.StreamConfig{Name: "S", Subjects: []string{"s"}})
			in := errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: bad})
			if n%2 == 0 {
				in = errorfs.FailNth(n, errorfs.Changes, errorfs.Fault{Err: syscall.EIO, After: true})
			}
			r.fs.SetInjector(in)
			acked := map[uint64]string{}
			for i := range 12 {
				data := fmt.Sprint(i)
				if ack, ok := r.publish("s", data); ok && ack.Error == nil {
					acked[ack.Sequence] = data
				}
				if i%4 == 3 {
					_, _ = r.ask(subjectOf(api.OpStreamCreate, "T"), &api.StreamConfig{Name: "T", Subjects: []string{"t"}})
					_, _ = r.ask(subjectOf(api.OpStreamDelete, "T"), nil)
				}
			}
			r.fs.SetInjector(nil)
			_, fired := in.Fired()
			done = !fired
			r = r.crash(vfs.CrashOptions{}, tolerant)
			defer r.stop()
			for seq, data := range acked {
				if m, err := r.get("S", seq); err != nil || string(m.Data) != data {
					t.Errorf("error %d: message %d: %v", n, seq, err)
				}
			}
			r.store("s", "next")
		})
		if done {
			break
		}
	}
}
