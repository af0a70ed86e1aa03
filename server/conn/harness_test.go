package conn

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/internal/clock"
	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/internal/testcert"
)

// A transport is a kind of network connection. All of them go through the same
// tests, since a Conn promises the same over each.
type transport struct {
	name string
	// virtual transports work on the time of a synctest bubble.
	virtual bool
	// halves can be closed one by one.
	halves bool
	tls    bool
	pair   func(t testing.TB) (server, client net.Conn)
}

var transports = []transport{
	{name: "memnet", virtual: true, halves: true, pair: memPair},
	{name: "tls-memnet", virtual: true, halves: true, tls: true, pair: func(t testing.TB) (server, client net.Conn) { return tlsPair(t, memPair) }},
	{name: "pipe", virtual: true, pair: func(testing.TB) (server, client net.Conn) { return net.Pipe() }},
	{name: "tcp", halves: true, pair: tcpPair},
	{name: "unix", halves: true, pair: unixPair},
	{name: "tls", halves: true, tls: true, pair: func(t testing.TB) (server, client net.Conn) { return tlsPair(t, tcpPair) }},
}

// overAll runs a test over each transport, and checks that no goroutine of a
// connection is left.
func overAll(t *testing.T, test func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			if tr.virtual {
				// A bubble fails by itself if goroutines are left.
				synctest.Test(t, func(t *testing.T) { test(t, tr) })
				return
			}
			// Runs after what the test has for cleanup.
			t.Cleanup(func() { waitFor(t, "all goroutines have ended", noGoroutines) })
			test(t, tr)
		})
	}
}

// overOne runs a test over a transport of virtual time. settle waits until
// nothing moves any more; what a connection's goroutines have done is then
// visible to the test.
func overOne(t *testing.T, tr transport, test func(t *testing.T, settle func())) {
	synctest.Test(t, func(t *testing.T) { test(t, synctest.Wait) })
}

// noGoroutines reports whether no goroutine runs a method of a Conn.
func noGoroutines() bool {
	return !strings.Contains(allStacks(), "conn.(*Conn).")
}

func allStacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func memPair(t testing.TB) (server, client net.Conn) {
	network := memnet.New(memnet.Config{})
	l, err := network.Host("server").Listen("tcp", ":4222")
	if err != nil {
		t.Fatal(err)
	}
	return accepted(t, l, func() (net.Conn, error) { return network.Host("client").Dial("tcp", "server:4222") })
}

func tcpPair(t testing.TB) (server, client net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return accepted(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
}

func unixPair(t testing.TB) (server, client net.Conn) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Skip("no unix sockets here: ", err)
	}
	return accepted(t, l, func() (net.Conn, error) { return net.Dial("unix", l.Addr().String()) })
}

func tlsPair(t testing.TB, over func(testing.TB) (server, client net.Conn)) (server, client net.Conn) {
	plain, plainClient := over(t)
	sc, cc := tlsConfigs(t)
	return tlsOver(t, plain, plainClient, sc, cc)
}

// tlsOver makes a TLS connection of a plain one.
func tlsOver(t testing.TB, server, client net.Conn, sc, cc *tls.Config) (*tls.Conn, *tls.Conn) {
	s, c := tls.Server(server, sc), tls.Client(client, cc)
	var hs sync.WaitGroup
	hs.Go(func() {
		if err := s.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	hs.Wait()
	return s, c
}

func tlsConfigs(t testing.TB) (server, client *tls.Config) {
	ca := testcert.NewCA(t, "test authority")
	cert := ca.Server(t, "localhost")
	return &tls.Config{Certificates: []tls.Certificate{cert.TLS()}},
		&tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}
}

// accepted returns both ends of a connection to l.
func accepted(t testing.TB, l net.Listener, dial func() (net.Conn, error)) (server, client net.Conn) {
	defer l.Close()
	client, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is not so that %s", what)
		}
	}
}

// recorder is a Handler for operations that are a length in four bytes and as
// many bytes. Those that start with "deep" are deep.
type recorder struct {
	// on is called with each operation, if it is set.
	on func(op []byte)

	mu      sync.Mutex
	ops     []string
	chunks  int
	reasons []Reason
}

func (r *recorder) Consume(buf []byte) (n, need int, deep bool) {
	r.mu.Lock()
	r.chunks++
	r.mu.Unlock()
	for {
		rest := buf[n:]
		if len(rest) < 4 {
			return n, 0, deep
		}
		size := 4 + int(binary.BigEndian.Uint32(rest))
		if len(rest) < size {
			return n, size, deep
		}
		op := rest[4:size]
		deep = deep || bytes.HasPrefix(op, []byte("deep"))
		r.mu.Lock()
		r.ops = append(r.ops, string(op))
		r.mu.Unlock()
		if r.on != nil {
			r.on(op)
		}
		n += size
	}
}

func (r *recorder) Closed(reason Reason) {
	r.mu.Lock()
	r.reasons = append(r.reasons, reason)
	r.mu.Unlock()
}

// seen returns the operations so far.
func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ops[:len(r.ops):len(r.ops)]
}

func (r *recorder) consumed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.chunks
}

// closed returns the reason that the handler was told, None if it was not, and
// fails if it was told more than once.
func (r *recorder) closed(t testing.TB) Reason {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch len(r.reasons) {
	case 0:
		return None
	case 1:
		return r.reasons[0]
	}
	t.Fatalf("Closed was called %d times: %v", len(r.reasons), r.reasons)
	return None
}

// frame is an operation as the recorder reads them.
func frame(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// fixture is a connection under test, and its client.
type fixture struct {
	*Conn
	rec    *recorder
	client net.Conn
}

// newFixture makes a connection that is not started. It is closed, and its end
// awaited, when the test ends.
func newFixture(t testing.TB, tr transport, change func(*Config)) *fixture {
	server, client := tr.pair(t)
	return fixtureOver(t, server, client, change)
}

func fixtureOver(t testing.TB, server, client net.Conn, change func(*Config)) *fixture {
	cfg := &Config{MaxPending: 64 << 20, Clock: clock.Real()}
	if change != nil {
		change(cfg)
	}
	f := &fixture{rec: &recorder{}, client: client}
	f.Conn = New(server, f.rec, cfg)
	t.Cleanup(func() {
		client.Close()
		f.Close(ServerShutdown, 0)
		f.awaitDone(t)
	})
	return f
}

// awaitDone waits until the connection is gone.
func (f *fixture) awaitDone(t testing.TB) {
	t.Helper()
	select {
	case <-f.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the connection is not gone")
	}
}

// accept queues bytes as messages.
func (f *fixture) accept(b []byte, msgs int64) (behind <-chan struct{}) {
	var l chunk.List
	l.Append(b)
	return f.Accept(&l, msgs, int64(len(b)))
}

// readAll reads what the client gets until its end.
func (f *fixture) readAll(t testing.TB) []byte {
	t.Helper()
	b, err := io.ReadAll(f.client)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(b), err)
	}
	return b
}

// readN reads n bytes at the client.
func (f *fixture) readN(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if k, err := io.ReadFull(f.client, b); err != nil {
		t.Fatalf("after %d of %d bytes: %v", k, n, err)
	}
	return b
}

// write writes at the client.
func (f *fixture) write(t testing.TB, b []byte) {
	t.Helper()
	if _, err := f.client.Write(b); err != nil {
		t.Fatal(err)
	}
}

// plenty is more than any connection takes with nobody reading.
const plenty = 16 << 20

// pattern is n bytes of which no two stretches are alike.
func pattern(n int) []byte { return patterns()[:n:n] }

var patterns = sync.OnceValue(func() []byte {
	b := make([]byte, 0, 32<<20)
	for i := uint64(0); len(b) < cap(b); i++ {
		b = binary.BigEndian.AppendUint64(b, i*0x9E3779B97F4A7C15)
	}
	return b
})
