package conn

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/internal/clock"
)

func benchTransports(b *testing.B, f func(b *testing.B, tr transport)) {
	for _, tr := range transports {
		if !tr.virtual {
			b.Run(tr.name, func(b *testing.B) { f(b, tr) })
		}
	}
}

// fixed is a Handler for operations of one size, which it answers by answer.
type fixed struct {
	size   int
	ops    atomic.Int64
	answer func()
}

func (h *fixed) Consume(buf []byte) (n, need int, deep bool) {
	k := len(buf) / h.size
	h.ops.Add(int64(k))
	if k > 0 && h.answer != nil {
		h.answer()
	}
	return k * h.size, h.size, false
}

func (h *fixed) Closed(Reason) {}

func benchConn(b *testing.B, tr transport, h *fixed) (*Conn, io.ReadWriteCloser) {
	server, client := tr.pair(b)
	c := New(server, h, &Config{MaxPending: 64 << 20, Clock: clock.Real()})
	b.Cleanup(func() {
		client.Close()
		c.Close(ServerShutdown, 0)
	})
	return c, client
}

// How fast do operations come in, besides what the handler does?
func BenchmarkRead(b *testing.B) {
	benchTransports(b, func(b *testing.B, tr transport) {
		for _, bm := range []struct {
			name string
			size int
		}{{"128", 128}, {"16K", 16 << 10}, {"1M", 1<<20 + 20}} {
			b.Run(bm.name, func(b *testing.B) {
				h := &fixed{size: bm.size}
				c, client := benchConn(b, tr, h)
				c.Start(nil)
				block := make([]byte, max(64<<10/bm.size, 1)*bm.size)
				b.SetBytes(int64(len(block)))
				b.ReportAllocs()
				n := int64(0)
				for b.Loop() {
					if _, err := client.Write(block); err != nil {
						b.Fatal(err)
					}
					n += int64(len(block) / bm.size)
				}
				waitFor(b, "all was read", func() bool { return h.ops.Load() == n })
			})
		}
	})
}

// What does a message cost from Accept to the socket, with a client that keeps
// up?
func BenchmarkWrite(b *testing.B) {
	benchTransports(b, func(b *testing.B, tr transport) {
		for _, bm := range []struct {
			name string
			msgs int
		}{{"one", 1}, {"hundred", 100}} {
			b.Run(bm.name, func(b *testing.B) {
				c, client := benchConn(b, tr, &fixed{size: 1})
				go io.Copy(io.Discard, client)
				msg := bytes.Repeat([]byte("x"), 150)
				b.SetBytes(int64(bm.msgs * len(msg)))
				b.ReportAllocs()
				for b.Loop() {
					var l chunk.List
					for range bm.msgs {
						l.Append(msg)
					}
					if behind := c.Accept(&l, int64(bm.msgs), int64(bm.msgs*len(msg))); behind != nil {
						<-behind
					}
					c.Flush()
				}
			})
		}
	})
}

// How long does an answer take that the handler gives at once?
func BenchmarkRoundTrip(b *testing.B) {
	benchTransports(b, func(b *testing.B, tr transport) {
		h := &fixed{size: 6}
		c, client := benchConn(b, tr, h)
		pong := []byte("PONG\r\n")
		h.answer = func() {
			c.Append(pong)
			c.Flush()
		}
		c.Start(nil)
		ping, buf := []byte("PING\r\n"), make([]byte, 6)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.Write(ping); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(client, buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
