package jetstream

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// A thousand assets need no goroutine each, and while nobody uses them nothing of the
// engine runs but what is due.
func TestIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, vfs.NewMem())
		synctest.Wait()
		few := runtime.NumGoroutine()
		const n = 500
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				name := fmt.Sprintf("S%d", i)
				r.create(&api.StreamConfig{Name: name, Subjects: []string{name}})
				r.consume(name, &api.ConsumerConfig{Name: "C", Durable: "C", AckPolicy: api.AckExplicit})
				r.store(name, "x")
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if many := runtime.NumGoroutine(); many > few+4 {
			t.Errorf("%d goroutines without assets, %d with %d streams and consumers", few, many, n)
		}
		// One of them has a message that goes away.
		r.create(&api.StreamConfig{Name: "D", Subjects: []string{"D"}, MaxAge: 30 * time.Minute})
		r.store("D", "x")
		time.Sleep(time.Second)
		alarms := func() int {
			r.e.stage.alarms.mu.Lock()
			defer r.e.stage.alarms.mu.Unlock()
			return len(r.e.stage.alarms.heap)
		}
		if got := alarms(); got != 1 {
			t.Errorf("%d alarms are set, want 1", got)
		}
		runs := r.e.stage.runs.Load()
		time.Sleep(29 * time.Minute)
		if got := r.e.stage.runs.Load() - runs; got != 0 {
			t.Errorf("%d runs of idle actors", got)
		}
		time.Sleep(31 * time.Minute)
		if got := r.e.stage.runs.Load() - runs; got == 0 || got > 10 {
			t.Errorf("%d runs to remove one message", got)
		}
		if got := r.info("D").State.Msgs; got != 0 || alarms() != 0 {
			t.Errorf("%d messages and %d alarms are left", got, alarms())
		}
		r = r.crash(vfs.CrashOptions{})
		defer r.stop()
		for i := range n {
			name := fmt.Sprintf("S%d", i)
			if list := r.fetch(name, "C", 2); len(list) != 1 {
				t.Fatalf("stream %s has %d messages", name, len(list))
			}
		}
	})
}
