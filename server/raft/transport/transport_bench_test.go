package transport

import (
	"fmt"
	"net"
	"testing"

	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// newLoopback returns a transport of node id that listens on the loopback
// interface, as the book then says.
func newLoopback(t testing.TB, id raft.NodeID, book *Book, receive ReceiveFunc) *TCP {
	t.Helper()
	tr, err := New(Config{Self: id, Cluster: "c", Name: nameOf(id), Instance: "i", Receive: receive, Book: book, Dial: new(net.Dialer).DialContext, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(listen(tr, l).Stop)
	put(book, id, l.Addr().String())
	return tr
}

func nobody(raft.NodeID, host.Class, []byte) {}

// BenchmarkSend sends frames from one node to another as fast as they are
// taken. Sender and receiver share the processors.
func BenchmarkSend(b *testing.B) {
	for _, size := range []int{200, 1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("tcp/%d", size), func(b *testing.B) {
			w := newWindow(size)
			book := NewBook()
			to, from := newLoopback(b, 2, book, w.receive), newLoopback(b, 1, book, nobody)
			w.run(b, from)
			out, in := from.Stats()[0].Out[host.Normal], to.Stats()[0].In[host.Normal]
			b.ReportMetric(float64(out.Writes)/float64(out.Frames), "writes/frame")
			b.ReportMetric(float64(in.Reads)/float64(in.Frames), "reads/frame")
		})
		b.Run(fmt.Sprintf("mem/%d", size), func(b *testing.B) {
			w := newWindow(size)
			m := NewMem(Limits{})
			to, from := m.Attach(2, w.receive), m.Attach(1, nobody)
			defer to.Stop()
			defer from.Stop()
			w.run(b, from)
		})
	}
}

// window bounds what is under way, as raft does, without waking the sender for
// each frame.
type window struct {
	size, quarter int
	received      int
	credit        chan struct{}
}

func newWindow(size int) *window {
	w := &window{size: size, quarter: max(1, (1<<20)/size), credit: make(chan struct{}, 8)}
	for range 4 {
		w.credit <- struct{}{}
	}
	return w
}

func (w *window) receive(raft.NodeID, host.Class, []byte) {
	if w.received++; w.received%w.quarter == 0 {
		w.credit <- struct{}{}
	}
}

func (w *window) run(b *testing.B, from host.Transport) {
	frame := make([]byte, w.size) // never changed, hence it may be sent again and again
	b.SetBytes(int64(w.size))
	b.ReportAllocs()
	sent := 0
	for b.Loop() {
		if sent%w.quarter == 0 {
			<-w.credit
		}
		sent++
		if !from.Send(2, host.Normal, frame) {
			b.Fatal("dropped")
		}
	}
}

// BenchmarkRoundTrip sends one frame there and one back, one after the other.
func BenchmarkRoundTrip(b *testing.B) {
	back := make(chan struct{}, 1)
	frame := make([]byte, 200)
	book := NewBook()
	var two *TCP
	two = newLoopback(b, 2, book, func(from raft.NodeID, class host.Class, f []byte) { two.Send(from, class, f) })
	one := newLoopback(b, 1, book, func(raft.NodeID, host.Class, []byte) { back <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		if !one.Send(2, host.Normal, frame) {
			b.Fatal("dropped")
		}
		<-back
	}
}
