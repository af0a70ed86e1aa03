package conn

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/internal/race"
)

// watched counts how many are in Write at a time. It has no descriptor.
type watched struct {
	net.Conn
	inside atomic.Int32
	worst  atomic.Int32
}

func (w *watched) Write(b []byte) (int, error) {
	if n := w.inside.Add(1); n > w.worst.Load() {
		w.worst.Store(n)
	}
	defer w.inside.Add(-1)
	return w.Conn.Write(b)
}

// Do bytes leave in the order in which they were accepted, each publisher's
// lines whole, with many publishers that flush when they like?
func TestWriteOrder(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		const publishers, lines = 8, 2000
		server, client := tr.pair(t)
		watch := &watched{Conn: server}
		if tr.virtual {
			server = watch
		}
		f := fixtureOver(t, server, client, nil)
		var wg sync.WaitGroup
		for p := range publishers {
			rng := rand.New(rand.NewPCG(uint64(p), 0))
			wg.Go(func() {
				for i := 0; i < lines; {
					switch rng.IntN(4) {
					case 0:
						f.Append(fmt.Appendf(nil, "%d %d\n", p, i))
						i++
					case 1:
						f.Flush()
					default:
						var l chunk.List
						for range min(1+rng.IntN(50), lines-i) {
							l.Append(fmt.Appendf(nil, "%d %d %*d\n", p, i, rng.IntN(200), 0))
							i++
						}
						f.Accept(&l, 1, 1)
						f.Flush()
					}
				}
				f.Flush()
			})
		}
		in := bufio.NewReader(client)
		next := map[int]int{}
		for range publishers * lines {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			var p, i int
			if n, err := fmt.Sscan(line, &p, &i); n != 2 {
				t.Fatalf("got %q: %v", line, err)
			}
			if i != next[p] {
				t.Fatalf("publisher %d: line %d comes when %d is due", p, i, next[p])
			}
			next[p]++
		}
		wg.Wait()
		waitFor(t, "nothing is pending", func() bool { return f.Pending() == 0 })
		if n := watch.worst.Load(); n > 1 {
			t.Errorf("there were %d writers at a time", n)
		}
	})
}

// Is a queue written that is larger than the connection takes at once, while
// the caller of Flush goes on?
func TestWriteMoreThanTheSocketTakes(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		sent := pattern(plenty)
		for b := range chunksOf(sent, 1<<20) {
			f.accept(b, 1)
		}
		f.Flush() // or it would block here
		if f.Pending() == 0 {
			t.Fatal("all was written without anybody reading")
		}
		if got := f.readN(t, len(sent)); !bytes.Equal(got, sent) {
			t.Error("what comes is not what was sent")
		}
		waitFor(t, "nothing is pending", func() bool { return f.Pending() == 0 })
		if f.Reason() != None {
			t.Errorf("it was closed for %q", f.Reason())
		}
	})
}

func chunksOf(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

// Is nothing written before Flush, and nothing lost of what comes while
// somebody writes?
func TestWriteOnlyByFlush(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		f.Append([]byte("a"))
		f.accept([]byte("b"), 1)
		if n := f.Pending(); n != 2 {
			t.Fatalf("%d bytes are pending, want 2", n)
		}
		f.Flush()
		f.Append([]byte("c"))
		f.Flush()
		f.Flush()
		if got := f.readN(t, 3); string(got) != "abc" {
			t.Errorf("got %q", got)
		}
	})
}

// Are messages and bytes counted as they are accepted?
func TestStats(t *testing.T) {
	server, client := net.Pipe()
	f := fixtureOver(t, server, client, func(c *Config) { c.MaxPending = 1000 })
	f.accept(make([]byte, 700), 7)
	f.Append(make([]byte, 100))
	if got, want := f.Stats(), (Stats{Pending: 800, Msgs: 7, Bytes: 700}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.accept(make([]byte, 50), 2)
	if got, want := f.Stats(), (Stats{Pending: 850, Msgs: 9, Bytes: 750, Stalls: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Is a connection closed exactly when its queue would exceed the limit,
// whoever adds to it?
func TestSlowConsumerPending(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		add := map[string]func(f *fixture, n int){
			"Accept": func(f *fixture, n int) { f.accept(make([]byte, n), 1) },
			"Append": func(f *fixture, n int) { f.Append(make([]byte, n)) },
		}
		for name, add := range add {
			f := newFixture(t, tr, func(c *Config) { c.MaxPending = 100_000 })
			add(f, 99_999)
			add(f, 1)
			if got := f.rec.closed(t); got != None {
				t.Errorf("%s: closed for %q with a full queue", name, got)
			}
			add(f, 1)
			if got := f.rec.closed(t); got != SlowConsumerPending || f.Reason() != got {
				t.Errorf("%s: closed for %q, want %q", name, got, SlowConsumerPending)
			}
			f.awaitDone(t)
			add(f, 1)
			f.Flush()
			if n := f.Pending(); n != 0 {
				t.Errorf("%s: %d bytes are pending in the end", name, n)
			}
			if got, err := io.ReadAll(f.client); len(got) > 0 {
				t.Errorf("%s: the client got %d bytes, %v", name, len(got), err)
			}
		}
	})
}

// Is a connection closed for its queue also while a write waits?
func TestSlowConsumerPendingWhileWriting(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, func(c *Config) { c.MaxPending = plenty })
		for range 1000 {
			f.accept(make([]byte, 1<<20), 1)
			f.Flush()
			if f.Reason() != None {
				break
			}
		}
		if got := f.rec.closed(t); got != SlowConsumerPending {
			t.Errorf("closed for %q, want %q", got, SlowConsumerPending)
		}
		f.awaitDone(t)
		waitFor(t, "the queue is dropped", func() bool { return f.Pending() == 0 })
	})
}

// Are publishers asked to wait from three quarters of the limit on, and let go
// when half is written?
func TestBehind(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		const limit = 2 * plenty
		f := newFixture(t, tr, func(c *Config) { c.MaxPending = limit })
		if ch := f.accept(make([]byte, limit/4*3), 1); ch != nil {
			t.Error("asked to wait by an empty queue")
		}
		if ch := f.accept(make([]byte, 1000), 1); ch != nil {
			t.Error("asked to wait at three quarters")
		}
		if ch := f.accept(make([]byte, 1000), 0); ch != nil {
			t.Error("asked to wait for what is no message")
		}
		if !f.Behind() {
			t.Error("not behind beyond three quarters")
		}
		behind := f.accept(make([]byte, 1000), 1)
		if behind == nil {
			t.Fatal("not asked to wait beyond three quarters")
		}
		if ch := f.accept(make([]byte, 1000), 1); ch != behind {
			t.Error("asked to wait for something else")
		}
		f.Flush()
		go io.CopyN(io.Discard, f.client, limit/2)
		<-behind
		if n := f.Pending(); n > limit/2 {
			t.Errorf("let go with %d bytes pending", n)
		}
		if ch := f.accept([]byte("x"), 1); ch != nil {
			t.Error("asked to wait although it was caught up")
		}
	})
}

// Are waiting publishers let go when the connection is closed?
func TestBehindUntilClose(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, func(c *Config) { c.MaxPending = 1000 })
		f.accept(make([]byte, 900), 1)
		behind := f.accept(make([]byte, 50), 1)
		f.Close(Kicked, 0)
		select {
		case <-behind:
		default:
			t.Error("still to wait")
		}
		if ch := f.accept(make([]byte, 50), 1); ch != nil {
			t.Error("asked to wait for a closed connection")
		}
	})
}

// Is a connection closed that takes nothing for as long as a write may last,
// and is it told what was left?
func TestWriteDeadline(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		limit := 50 * time.Millisecond
		if tr.virtual {
			limit = 10 * time.Second
		}
		f := newFixture(t, tr, func(c *Config) { c.WriteDeadline = limit })
		start := time.Now()
		f.accept(pattern(plenty), 1)
		f.Flush()
		f.awaitDone(t)
		if took := time.Since(start); took < limit || tr.virtual && took != limit {
			t.Errorf("gone after %v, want %v", took, limit)
		}
		if got := f.rec.closed(t); got != SlowConsumerDeadline {
			t.Errorf("closed for %q, want %q", got, SlowConsumerDeadline)
		}
		chunks, left := f.Late()
		if left <= 0 || left > plenty || chunks <= 0 || chunks > left {
			t.Errorf("%d chunks of %d bytes were left", chunks, left)
		}
	})
}

// Does a deadline that was met count for a later write?
func TestWriteDeadlineIsForOneWrite(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		// On a busy machine the deadline may be missed, which proves nothing.
		for limit := 100 * time.Millisecond; !writesAfterDeadline(t, tr, limit); limit *= 2 {
			if limit > 10*time.Second {
				t.Fatal("the deadline was missed again and again")
			}
		}
	})
}

// writesAfterDeadline tests the above, and returns false if already the first
// write took too long.
func writesAfterDeadline(t *testing.T, tr transport, limit time.Duration) bool {
	f := newFixture(t, tr, func(c *Config) { c.WriteDeadline = limit })
	start := time.Now()
	sent := pattern(plenty)
	f.accept(sent, 1)
	f.Flush()
	if _, err := io.ReadFull(f.client, make([]byte, len(sent))); err != nil {
		waitFor(t, "it is closed", func() bool { return f.rec.closed(t) == SlowConsumerDeadline })
		return false
	}
	waitFor(t, "nothing is pending", func() bool { return f.Pending() == 0 })
	waitFor(t, "the deadline has passed", func() bool { return time.Since(start) > limit })
	f.Append([]byte("later"))
	f.Flush()
	if got := f.readN(t, 5); string(got) != "later" {
		t.Errorf("got %q", got)
	}
	return true
}

// Is a client that takes a little within each deadline given more time, if that
// is wanted, and one that takes nothing is not?
func TestRetryWrites(t *testing.T) {
	for _, tr := range transports {
		if !tr.virtual || tr.tls {
			// How much a kernel takes when is not for a test to know; and TLS
			// cannot go on where it was interrupted.
			continue
		}
		for _, retry := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", tr.name, retry), func(t *testing.T) {
				overOne(t, tr, func(t *testing.T, _ func()) {
					const limit = 10 * time.Second
					f := newFixture(t, tr, func(c *Config) { c.WriteDeadline, c.RetryWrites = limit, retry })
					sent := pattern(200_000)
					f.accept(sent, 1)
					f.Flush()
					var got []byte
					// A little more often than necessary, for 200 seconds.
					for len(got) < len(sent) {
						time.Sleep(limit * 3 / 4)
						b := make([]byte, len(sent)/25)
						n, err := f.client.Read(b)
						got = append(got, b[:n]...)
						if err != nil {
							break
						}
					}
					if !retry {
						if reason := f.rec.closed(t); reason != SlowConsumerDeadline {
							t.Errorf("closed for %q, want %q", reason, SlowConsumerDeadline)
						}
						return
					}
					if !bytes.Equal(got, sent) {
						t.Fatalf("got %d of %d bytes, it was closed for %q", len(got), len(sent), f.Reason())
					}
					start := time.Now()
					f.accept(sent, 1)
					f.Flush()
					f.awaitDone(t)
					if reason := f.rec.closed(t); reason != SlowConsumerDeadline {
						t.Errorf("closed for %q, want %q", reason, SlowConsumerDeadline)
					}
					if took := time.Since(start); took > 2*limit {
						t.Errorf("gone after %v", took)
					}
				})
			})
		}
	}
}

// Does trying again end, too, over a real socket?
func TestRetryWritesEnds(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, func(c *Config) { c.WriteDeadline, c.RetryWrites = 20*time.Millisecond, true })
		f.accept(pattern(plenty), 1)
		f.Flush()
		f.awaitDone(t)
		if got := f.rec.closed(t); got != SlowConsumerDeadline {
			t.Errorf("closed for %q, want %q", got, SlowConsumerDeadline)
		}
	})
}

// Why is a connection closed that cannot be written to?
func TestWriteError(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		// It is not started: nobody reads, who would notice first.
		f := newFixture(t, tr, nil)
		f.client.Close()
		waitFor(t, "it is closed", func() bool {
			f.Append([]byte("x"))
			f.Flush()
			return f.rec.closed(t) != None
		})
		if got := f.rec.closed(t); got != WriteError {
			t.Errorf("closed for %q, want %q", got, WriteError)
		}
		f.awaitDone(t)
	})
}

// Does a message cost an allocation on its way to a socket?
func TestWriteDoesNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector empties pools at random")
	}
	server, client := tcpPair(t)
	f := fixtureOver(t, server, client, nil)
	if f.raw == nil {
		t.Skip("no descriptors here")
	}
	msg := []byte("MSG foo 1 5\r\nhello\r\n")
	buf := make([]byte, len(msg))
	n := testing.AllocsPerRun(1000, func() {
		var l chunk.List
		l.Append(msg)
		f.Accept(&l, 1, 5)
		f.Flush()
		if _, err := io.ReadFull(client, buf); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 {
		t.Errorf("%v allocations", n)
	}
}
