package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/raft/host"
)

// What was accepted gets to where it is to go although the transport stops, unless there is
// nobody who takes it.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, one, two, got, _ := pair(t, Limits{})
		defer two.Stop()
		got.clear()
		const frames = 2000
		for i := range uint64(frames) {
			if !one.Send(2, host.Normal, numbered(1, i, 1000)) {
				t.Fatalf("frame %d is dropped", i)
			}
		}
		begun := time.Now()
		one.Flush(time.Minute)
		one.Stop()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it takes %v", took)
		}
		time.Sleep(time.Second)
		if got := len(got.from(1, host.Normal)); got != frames {
			t.Errorf("%d of %d frames have arrived", got, frames)
		}

		three := n.start(3, got.receive).(*listening)
		defer three.Stop()
		three.Flush(time.Minute) // which has nobody to wait for
		n.host(2).Pause()
		begun = time.Now()
		three.Send(2, host.Normal, numbered(3, 0, 1000))
		three.Flush(time.Second / 2)
		if took := time.Since(begun); took != time.Second/2 {
			t.Errorf("somebody who is not there is waited for during %v", took)
		}
		n.host(2).Resume()
	})
}
