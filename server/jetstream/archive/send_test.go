package archive

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

const second = int64(time.Second)

// Does a backup unfold as told? A step is at a time in seconds: something happens,
// and then the flow says what is to be done.
func TestSendFlow(t *testing.T) {
	// interest and gone tell of listeners, send is one full chunk, ack N acknowledges
	// the chunk of that number; each says what is asked of Ready and Deadline then.
	type step struct {
		at   float64
		do   string
		want string
	}
	for _, c := range []struct {
		name          string
		chunk, window int
		steps         []step
	}{
		{"nobody listens", 1024, 4096, []step{
			{0, "", "wait until 2"}, {1.9, "", "wait until 2"}, {2, "", "no interest"}, {3, "interest", "no interest"},
		}},
		{"somebody listens late", 1024, 4096, []step{
			{0, "gone", "wait until 2"}, {1.9, "interest", "ready"}, {60, "", "ready"},
		}},
		{"the window is full", 1024, 2048, []step{
			{0, "interest", "ready"},
			{1, "send", "ready"},
			{2, "send", "wait until 7"},
			{6.9, "", "wait until 7"},
			{7, "", "no flow response"},
			{8, "ack 1", "no flow response"},
		}},
		{"acknowledgements make room", 1024, 2048, []step{
			{0, "interest", "ready"},
			{1, "send", "ready"},
			{1, "send", "wait until 6"},
			{5, "ack 1", "ready"},
			{60, "", "ready"},
			{61, "send", "wait until 66"},
			{62, "ack 3", "ready"},
			{62, "ack 2", "ready"},
			{63, "send", "ready"},
			{63, "send", "wait until 68"},
		}},
		{"each chunk is acknowledged once", 1024, 2048, []step{
			{0, "interest", "ready"},
			{0, "send", "ready"},
			{0, "send", "wait until 5"},
			{1, "ack 2", "ready"},
			{1, "send", "wait until 6"},
			{2, "not 2", "wait until 6"},
			{3, "not 4", "wait until 6"},
			{3, "not 0", "wait until 6"},
			{3, "not x", "wait until 6"},
			{3, "not -1", "wait until 6"},
			{6, "", "no flow response"},
		}},
		{"part of a chunk does not fit into a window", 1024, 2560, []step{
			{0, "interest", "ready"}, {0, "send", "ready"}, {0, "send", "wait until 5"},
		}},
		{"a window of less than a chunk", 4096, 1024, []step{
			{0, "interest", "ready"}, {0, "send", "wait until 5"}, {1, "ack 1", "ready"},
		}},
		{"nobody listens any more", 1024, 4096, []step{
			{0, "interest", "ready"}, {1, "send", "ready"}, {2, "gone", "no interest"}, {2, "interest", "no interest"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewSendFlow("S", "ID", c.chunk, c.window, 0)
			sent := 0
			for i, s := range c.steps {
				now := int64(s.at * float64(second))
				what, arg, _ := strings.Cut(s.do, " ")
				subject := fmt.Sprintf("$JS.SNAPSHOT.ACK.S.ID.%d.%s", c.chunk, arg)
				switch what {
				case "interest", "gone":
					f.Interest(what == "interest")
				case "send":
					sent++
					if got, want := f.Sent(now, c.chunk), fmt.Sprintf("$JS.SNAPSHOT.ACK.S.ID.%d.%d", c.chunk, sent); got != want {
						t.Fatalf("step %d: reply %s, want %s", i, got, want)
					}
				case "ack", "not":
					if got := f.Ack(subject); got != (what == "ack") {
						t.Fatalf("step %d: acknowledged %v", i, got)
					}
				}
				if got := readiness(f, now); got != s.want {
					t.Fatalf("step %d, %q at %v: got %q, want %q", i, s.do, s.at, got, s.want)
				}
			}
		})
	}
}

func readiness(f *SendFlow, now int64) string {
	ready, err := f.Ready(now)
	at, timed := f.Deadline()
	switch {
	case err != nil && (ready || timed):
		return "over and not over"
	case err != nil:
		return err.Error()
	case ready && !timed:
		return "ready"
	case !ready && timed:
		return fmt.Sprintf("wait until %d", at/second)
	default:
		return "stuck"
	}
}

// Which subjects stand for acknowledgements?
func TestAckSubjects(t *testing.T) {
	f := NewSendFlow("S", "ID", 1024, 4096, 0)
	if got := f.AckSubject(); got != "$JS.SNAPSHOT.ACK.S.ID.*.*" {
		t.Error(got)
	}
	f.Interest(true)
	f.Sent(0, 1024)
	for _, s := range []string{
		"", "$JS.SNAPSHOT.ACK.S.ID.1024", "$JS.SNAPSHOT.ACK.S.ID.1024.", "$JS.SNAPSHOT.ACK.S.ID.1025.1", "$JS.SNAPSHOT.ACK.S.OTHER.1024.1",
		"$JS.SNAPSHOT.ACK.T.ID.1024.1", "$JS.SNAPSHOT.ACK.S.ID.1024.1.1", "$JS.SNAPSHOT.ACK.S.ID.1024.18446744073709551617",
	} {
		if f.Ack(s) {
			t.Errorf("%q acknowledges", s)
		}
	}
	if !f.Ack("$JS.SNAPSHOT.ACK.S.ID.1024.1") {
		t.Error("the right one does not")
	}
	if reply := f.Sent(0, 1023); reply != "" {
		t.Errorf("the last chunk has reply %s", reply)
	}
}

// Does a backup get through to any client that acknowledges, in whatever order and
// with whatever pauses, and is the window never overrun?
func TestSendFlowToRandomClients(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 3))
		window := 1 + rng.IntN(8)
		f := NewSendFlow("S", "ID", 1024, window*1024, 0)
		f.Interest(true)
		var out []string
		now := int64(0)
		for left := rng.IntN(100); left > 0; {
			ready, err := f.Ready(now)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if ready != (len(out) < window) {
				t.Fatalf("seed %d: ready is %v with %d of %d chunks out", seed, ready, len(out), window)
			}
			if ready && rng.IntN(3) > 0 {
				out = append(out, f.Sent(now, 1024))
				left--
				continue
			}
			now += rng.Int64N(4 * second)
			if len(out) == 0 {
				continue
			}
			i := rng.IntN(len(out))
			if !f.Ack(out[i]) {
				t.Fatalf("seed %d: %s is not taken", seed, out[i])
			}
			out = slices.Delete(out, i, i+1)
			now += rng.Int64N(4 * second)
		}
	}
}

// Which status ends a backup?
func TestEndStatus(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "NATS/1.0 204\r\n\r\n"},
		{ErrNoInterest, "NATS/1.0 408 No Interest\r\n\r\n"},
		{fmt.Errorf("sending: %w", ErrNoFlowResponse), "NATS/1.0 408 No Flow Response\r\n\r\n"},
		{errors.New("disk on fire"), "NATS/1.0 500 disk on fire\r\n\r\n"},
		{errors.New("two\r\nlines"), "NATS/1.0 500 two  lines\r\n\r\n"},
	} {
		if got := string(EndStatus(c.err).AppendBlock(nil)); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}

// Are chunks full but for the last, whatever the writes are like?
func TestChunkWriter(t *testing.T) {
	for _, c := range []struct {
		writes []int
		want   []int
	}{
		{nil, nil},
		{[]int{0}, nil},
		{[]int{3}, []int{3}},
		{[]int{10}, []int{10}},
		{[]int{9, 1, 1}, []int{10, 1}},
		{[]int{35}, []int{10, 10, 10, 5}},
		{[]int{5, 25}, []int{10, 10, 10}},
		{[]int{1, 2, 3, 4, 5, 6}, []int{10, 10, 1}},
	} {
		var sizes []int
		var got, want []byte
		w := NewChunkWriter(10, func(chunk []byte) error {
			sizes = append(sizes, len(chunk))
			got = append(got, chunk...)
			return nil
		})
		for i, n := range c.writes {
			p := bytes.Repeat([]byte{byte(i)}, n)
			want = append(want, p...)
			if wrote, err := w.Write(p); wrote != n || err != nil {
				t.Fatalf("%v: wrote %d, %v", c.writes, wrote, err)
			}
		}
		if err := w.Close(); err != nil || !slices.Equal(sizes, c.want) || !bytes.Equal(got, want) {
			t.Errorf("%v: chunks of %v, %v; want %v", c.writes, sizes, err, c.want)
		}
	}
	calls := 0
	w := NewChunkWriter(10, func([]byte) error { calls++; return ErrNoInterest })
	if n, err := w.Write(make([]byte, 25)); n != 10 || !errors.Is(err, ErrNoInterest) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := w.Write([]byte{1}); n != 0 || !errors.Is(err, ErrNoInterest) || !errors.Is(w.Close(), err) || calls != 1 {
		t.Errorf("wrote %d, %v after %d calls", n, err, calls)
	}
}

// Do the sizes that a request may ask for make a flow?
func TestSendFlowOfRequests(t *testing.T) {
	for _, r := range []api.StreamSnapshotRequest{
		{}, {ChunkSize: 1}, {WindowSize: 1}, {ChunkSize: 1 << 30, WindowSize: 1}, {ChunkSize: 1, WindowSize: 1 << 30},
	} {
		r.DeliverSubject = "d"
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
		f := NewSendFlow("S", "ID", r.ChunkSize, r.WindowSize, 0)
		f.Interest(true)
		n := 0
		for ready, _ := f.Ready(0); ready; ready, _ = f.Ready(0) {
			f.Sent(0, r.ChunkSize)
			n++
		}
		if n == 0 || n*r.ChunkSize > max(r.WindowSize, r.ChunkSize) || (n+1)*r.ChunkSize <= r.WindowSize {
			t.Errorf("%+v: %d chunks", r, n)
		}
	}
}
