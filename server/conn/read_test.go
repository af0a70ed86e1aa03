package conn

import (
	"bytes"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-lite/nats-lite/internal/race"
)

// Does the handler get the operations that were sent, wherever the network
// cuts them apart, and however large they are?
func TestReadOperations(t *testing.T) {
	for _, tc := range []struct {
		name string
		// ops gives the size of each operation, pieces of each write.
		ops, pieces func(*rand.Rand) int
		total       int
	}{
		{"small ones, many at once", upTo(300), upTo(20_000), 1 << 20},
		{"small ones, byte by byte", upTo(100), upTo(1), 5_000},
		{"around the size of the buffer", around(readSize), upTo(100_000), 2 << 20},
		{"around what is kept", around(keepSize), around(keepSize), 1 << 20},
		{"around the buffer of the quiet", around(quietSize), around(quietSize), 200_000},
		{"larger than the buffer", upTo(3 << 20), upTo(200_000), 8 << 20},
		{"larger than any that is kept", upTo(20 << 20), upTo(1 << 20), 20 << 20},
		{"large ones that trickle", upTo(200_000), upTo(900), 600_000},
		{"anything", anything, anything, 4 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overAll(t, func(t *testing.T, tr transport) {
				rng := rand.New(rand.NewPCG(1, 2))
				f := newFixture(t, tr, nil)
				f.Start(nil)
				var want []string
				var bytes []byte
				total := tc.total
				if race.Enabled {
					total /= 4
				}
				for len(bytes) < total {
					from := rng.IntN(1 << 20)
					op := string(patterns()[from:][:tc.ops(rng)])
					want = append(want, op)
					bytes = append(bytes, frame(op)...)
				}
				for len(bytes) > 0 {
					n := min(max(tc.pieces(rng), 1), len(bytes))
					f.write(t, bytes[:n])
					bytes = bytes[n:]
				}
				waitFor(t, "all operations were read", func() bool { return len(f.rec.seen()) >= len(want) })
				if !slices.Equal(f.rec.seen(), want) {
					t.Error("operations differ from what was sent")
				}
			})
		})
	}
}

func upTo(n int) func(*rand.Rand) int {
	return func(rng *rand.Rand) int { return 1 + rng.IntN(n) }
}

func around(n int) func(*rand.Rand) int {
	return func(rng *rand.Rand) int { return n - 10 + rng.IntN(20) }
}

// anything is as likely to be below ten as between a hundred thousand and a
// million.
func anything(rng *rand.Rand) int {
	n := 1
	for range rng.IntN(6) {
		n *= 10
	}
	return rng.IntN(10 * n)
}

// Are bytes that were read before Start the first that the handler sees?
func TestReadBeforeStart(t *testing.T) {
	large := string(pattern(readSize + 10))
	for _, tc := range []struct {
		name      string
		pre, then []byte
		want      []string
	}{
		{"whole operations", slices.Concat(frame("a"), frame("b")), frame("c"), []string{"a", "b", "c"}},
		{"half an operation", frame("a")[:3], append(frame("a")[3:], frame("b")...), []string{"a", "b"}},
		{"more than a buffer", frame(large), frame("a"), []string{large, "a"}},
		{"more than a buffer, not whole", frame(large)[:readSize+5], frame(large)[readSize+5:], []string{large}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overAll(t, func(t *testing.T, tr transport) {
				f := newFixture(t, tr, nil)
				pre := bytes.Clone(tc.pre)
				f.Start(pre)
				clear(pre) // which is the caller's again
				f.write(t, tc.then)
				waitFor(t, "all operations were read", func() bool { return len(f.rec.seen()) >= len(tc.want) })
				if got := f.rec.seen(); !slices.Equal(got, tc.want) {
					t.Errorf("got %.20q, want %.20q", got, tc.want)
				}
			})
		})
	}
}

// Are bytes that were read before Start handled without waiting for more?
func TestReadBeforeStartIsEnough(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		f.Start(frame("a"))
		waitFor(t, "the operation was read", func() bool { return len(f.rec.seen()) == 1 })
	})
}

// Why is a connection closed of which there is nothing more to read?
func TestReadEnd(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, f *fixture)
		want Reason
	}{
		{"closed", func(t *testing.T, f *fixture) { f.client.Close() }, ClientClosed},
		{"half closed", func(t *testing.T, f *fixture) { closeWrite(t, f.client) }, ClientClosed},
		{"within an operation", func(t *testing.T, f *fixture) {
			f.write(t, frame("a")[:3])
			f.client.Close()
		}, ClientClosed},
		{"reset", func(t *testing.T, f *fixture) { reset(t, f.client) }, ReadError},
		{"deadline set by somebody else", func(t *testing.T, f *fixture) {
			f.NetConn().SetReadDeadline(time.Now().Add(-time.Second))
		}, ReadError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overAll(t, func(t *testing.T, tr transport) {
				f := newFixture(t, tr, nil)
				f.Start(nil)
				tc.end(t, f)
				f.awaitDone(t)
				if got := f.rec.closed(t); got != tc.want || f.Reason() != tc.want {
					t.Errorf("handler was told %q, reason is %q, want %q", got, f.Reason(), tc.want)
				}
			})
		})
	}
}

// closeWrite ends what a client sends.
func closeWrite(t testing.TB, nc net.Conn) {
	t.Helper()
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok {
		t.Skip("cannot be half closed")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// reset closes a client's connection in the rudest way.
func reset(t testing.TB, nc net.Conn) {
	t.Helper()
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		t.Skip("cannot be reset at will")
	}
	if err := tcp.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	tcp.Close()
}

// Does a client that has finished sending still get the answers?
func TestReadEndFlushesAnswers(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		answer := pattern(300_000)
		f.rec.on = func([]byte) {
			f.Append(answer)
			f.Flush()
		}
		f.Start(nil)
		f.write(t, frame("a"))
		closeWrite(t, f.client)
		if got := f.readAll(t); !bytes.Equal(got, answer) {
			t.Errorf("got %d bytes, want %d", len(got), len(answer))
		}
		f.awaitDone(t)
		if got := f.rec.closed(t); got != ClientClosed {
			t.Errorf("closed for %q", got)
		}
	})
}

// Does a client that takes nothing any more hold what was queued for it only
// for a moment?
func TestReadEndIsBounded(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		if !tr.virtual {
			t.Skip("takes a second")
		}
		f := newFixture(t, tr, nil)
		f.Append(pattern(plenty))
		f.Flush()
		f.Start(nil)
		start := time.Now()
		closeWrite(t, f.client)
		f.awaitDone(t)
		if took := time.Since(start); took != endedFlush {
			t.Errorf("gone after %v, want %v", took, endedFlush)
		}
		waitFor(t, "the queue is dropped", func() bool { return f.Pending() == 0 })
	})
}

// Is nothing shown to the handler once the connection was closed?
func TestReadNothingAfterClose(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		f := newFixture(t, tr, nil)
		f.rec.on = func(op []byte) {
			if string(op) == "last" {
				f.Close(ProtocolViolation, time.Minute)
			}
		}
		f.Start(nil)
		f.write(t, frame("last"))
		waitFor(t, "it is closed", func() bool { return f.rec.closed(t) != None })
		chunks := f.rec.consumed()
		f.client.Write(frame("one more")) // fails if it is closed for good
		f.client.Close()
		f.awaitDone(t)
		if n := f.rec.consumed(); n != chunks {
			t.Errorf("%d chunks were consumed after the close", n-chunks)
		}
	})
}

// Does a connection that is closed before Start stay silent?
func TestStartAfterClose(t *testing.T) {
	overAll(t, func(t *testing.T, tr transport) {
		for _, flush := range []time.Duration{0, time.Minute} {
			f := newFixture(t, tr, nil)
			f.Close(TLSHandshakeFailure, flush)
			f.Start(frame("a"))
			f.client.Close()
			f.awaitDone(t)
			if n := f.rec.consumed(); n != 0 {
				t.Errorf("%d chunks were consumed", n)
			}
			if got := f.rec.closed(t); got != TLSHandshakeFailure {
				t.Errorf("closed for %q", got)
			}
		}
	})
}

// Does a connection without a descriptor hold no large buffer while it waits?
func TestIdlePlain(t *testing.T) {
	for _, tr := range transports {
		if !tr.virtual {
			continue
		}
		t.Run(tr.name, func(t *testing.T) {
			for _, tc := range []struct {
				name string
				sent []byte
				// rest is how much of it stays.
				rest int
			}{
				{"nothing", nil, 0},
				{"an operation", frame("a"), 0},
				{"large operations", slices.Concat(frame(string(pattern(readSize))), frame(string(pattern(2<<20)))), 0},
				{"part of an operation", frame(string(pattern(1000)))[:300], 300},
				{"a little of a large one", frame(string(pattern(1 << 20)))[:300], 300},
				{"an operation and part of one", append(frame("a"), frame("b")[:3]...), 3},
			} {
				t.Run(tc.name, func(t *testing.T) {
					overOne(t, tr, func(t *testing.T, settle func()) {
						f := newFixture(t, tr, nil)
						f.Start(nil)
						f.write(t, tc.sent)
						settle()
						in := &f.in
						if in.buf != nil {
							t.Errorf("it holds a buffer of %d bytes", len(*in.buf))
						}
						if in.n != tc.rest || len(in.rest) != tc.rest {
							t.Errorf("%d bytes are unfinished, and %d kept, want %d", in.n, len(in.rest), tc.rest)
						}
						if len(in.quiet) != quietSize {
							t.Errorf("it waits with %d bytes, want %d", len(in.quiet), quietSize)
						}
					})
				})
			}
		})
	}
}

// Is a large buffer used again, and an odd one not?
func TestBufferSizes(t *testing.T) {
	for _, tc := range []struct{ n, size int }{
		{0, readSize},
		{readSize, readSize},
		{readSize + 1, 2*readSize + lineRoom},
		{1<<20 + 100, 1<<20 + lineRoom},
		{8<<20 + lineRoom, 8<<20 + lineRoom},
		{8<<20 + lineRoom + 1, 9 << 20},
		{64<<20 + 1, 65 << 20},
	} {
		b := getBuffer(tc.n)
		if len(*b) != tc.size {
			t.Errorf("getBuffer(%d) has %d bytes, want %d", tc.n, len(*b), tc.size)
		}
		putBuffer(b)
		if again := getBuffer(tc.n); len(*again) != tc.size {
			t.Errorf("getBuffer(%d) has %d bytes the next time, want %d", tc.n, len(*again), tc.size)
		}
	}
}

// Does the goroutine whose stack has grown give way to another before it waits,
// and only that?
func TestReadHandsOverDeepStack(t *testing.T) {
	server, client := tcpPair(t)
	f := fixtureOver(t, server, client, nil)
	if f.raw == nil {
		t.Skip("no descriptors here")
	}
	var mu sync.Mutex
	ids := map[string]string{}
	f.rec.on = func(op []byte) {
		mu.Lock()
		defer mu.Unlock()
		ids[string(op)] = goroutineID()
	}
	f.Start(nil)
	for i, op := range []string{"a", "b", "deep 1", "c", "deep 2", "d", "e"} {
		f.write(t, frame(op))
		waitFor(t, op+" was read", func() bool { return len(f.rec.seen()) == i+1 })
		if strings.HasPrefix(op, "deep") {
			mu.Lock()
			id := ids[op]
			mu.Unlock()
			waitFor(t, "the goroutine that has read "+op+" is gone", func() bool {
				return !strings.Contains(allStacks(), "goroutine "+id+" [")
			})
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if ids["a"] != ids["b"] || ids["b"] != ids["deep 1"] || ids["c"] != ids["deep 2"] || ids["d"] != ids["e"] {
		t.Errorf("goroutines changed without need: %v", ids)
	}
}

func goroutineID() string {
	buf := make([]byte, 64)
	fields := strings.Fields(string(buf[:runtime.Stack(buf, false)]))
	return fields[1]
}

// Does TLS begin on a connection on which something was written in clear?
func TestUpgrade(t *testing.T) {
	server, client := tcpPair(t)
	sc, cc := tlsConfigs(t)
	f := fixtureOver(t, server, client, nil)
	f.Append([]byte("INFO"))
	f.Flush()
	if got := f.readN(t, 4); string(got) != "INFO" {
		t.Fatalf("got %q in clear", got)
	}
	s, c := tlsOver(t, server, client, sc, cc)
	f.Upgrade(s)
	f.client = c
	if f.NetConn() != net.Conn(s) {
		t.Error("NetConn is not the one upgraded to")
	}
	f.Start(nil)
	f.write(t, frame("a"))
	waitFor(t, "the operation was read", func() bool { return len(f.rec.seen()) == 1 })
	f.Append([]byte("+OK"))
	f.Flush()
	if got := f.readN(t, 3); string(got) != "+OK" {
		t.Errorf("got %q", got)
	}
}
