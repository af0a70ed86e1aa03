package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/internal/testcert"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// journal keeps what is logged.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) printf(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// matching returns the lines that contain all of the texts.
func (j *journal) matching(texts ...string) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (j *journal) want(t *testing.T, texts ...string) {
	t.Helper()
	if len(j.matching(texts...)) != 1 {
		t.Errorf("no line, or several, have all of %q:\n%s", texts, strings.Join(j.matching(), "\n"))
	}
}

// pair starts nodes 1 and 2 and has them connected, with one frame sent.
func pair(t *testing.T, limits Limits) (n *tcpNetwork, one, two *listening, got *inbox, log *journal) {
	n, got, log = newTCPNetwork(t, limits), newInbox(), &journal{}
	c := n.config(1, got.receive)
	c.Logf = log.printf
	one = n.startConfig(c)
	c = n.config(2, got.receive)
	c.Logf = log.printf
	two = n.startConfig(c)
	if !one.Send(2, host.Normal, []byte("first")) {
		t.Fatal("the first frame is dropped")
	}
	time.Sleep(time.Second)
	wantFrames(t, "first", got.from(1, host.Normal), [][]byte{[]byte("first")})
	return n, one, two, got, log
}

func statsOf(tr interface{ Stats() []PeerStats }, id raft.NodeID) PeerStats {
	for _, s := range tr.Stats() {
		if s.Node == id {
			return s
		}
	}
	return PeerStats{}
}

// helloOf is what a node says to node 2.
func helloOf(from raft.NodeID) hello {
	return hello{From: from, Incarnation: 9, To: 2, Cluster: "east", Name: nameOf(from), Instance: "process-" + nameOf(from), ToName: "n2"}
}

// greeted connects as node from to node 2 and shakes hands.
func greeted(t *testing.T, n *tcpNetwork, from raft.NodeID, class host.Class) *memnet.Conn {
	t.Helper()
	conn, err := n.host(from).Dial("tcp", addrOf(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	h := helloOf(from)
	h.Class = class
	if _, err := conn.Write(h.encode()); err != nil {
		t.Fatal(err)
	}
	body, err := readHandshake(conn)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := decodeReply(body); err != nil || r.Reason != welcome || r.Node != 2 {
		t.Fatalf("reply %+v, %v", r, err)
	}
	return conn.(*memnet.Conn)
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, _, _ := pair(t, Limits{})
		defer one.Stop()
		defer two.Stop()
		frame := make([]byte, 1000)
		for range 10 {
			one.Send(2, host.Normal, bytes.Clone(frame))
		}
		time.Sleep(500 * time.Millisecond)
		out, in := statsOf(one, 2), statsOf(two, 1)
		if out.Addr != "n2:6222" || out.In != [2]InStats{} {
			t.Errorf("of node 2: %+v", out)
		}
		o, i := out.Out[host.Normal], in.In[host.Normal]
		if o.Connects != 1 || o.Connected.IsZero() || o.Incarnation != 102 || o.Frames != 11 || o.Err != nil ||
			o.Queued != 0 || o.QueuedBytes != 0 || o.Dropped != 0 || o.Writes == 0 || o.Writes > 6 {
			t.Errorf("out: %+v", o)
		}
		if o.RTT < 4*time.Millisecond || o.RTT > 8*time.Millisecond {
			t.Errorf("round trip of %v over links of 2 to 3 ms", o.RTT)
		}
		if i.Connects != 1 || i.Connected.IsZero() || i.Incarnation != 101 || i.Frames != 11 || i.Err != nil ||
			i.Bytes != o.Bytes || i.Bytes < 10_000 || i.Reads == 0 || i.Damaged != 0 {
			t.Errorf("in: %+v", i)
		}
		now := time.Now()
		if out.Name != "n2" || o.Instance != "life-2" || o.Failures != 0 || now.Sub(o.Heard) > 2*time.Second || o.Heard.After(now) {
			t.Errorf("out: %+v", out)
		}
		if in.Name != "n1" || i.Instance != "life-1" || now.Sub(i.Heard) > 2*time.Second || i.Heard.After(now) || !in.In[host.Bulk].Heard.IsZero() {
			t.Errorf("in: %+v", in)
		}
		if out.Out[host.Bulk].Connects != 0 || !out.Out[host.Bulk].Connected.IsZero() {
			t.Errorf("nothing was sent in the other class: %+v", out.Out[host.Bulk])
		}
	})
}

func TestIdleConnectionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, one, two, _, log := pair(t, Limits{})
		defer one.Stop()
		defer two.Stop()
		time.Sleep(2 * time.Hour)
		if lost := log.matching("lost"); len(lost) > 0 {
			t.Errorf("connections were lost: %q", lost)
		}
		s := statsOf(one, 2).Out[host.Normal]
		if perHour := s.Bytes / 2; s.Connects != 1 || perHour > 3600*headerSize {
			t.Errorf("an idle connection sends %d bytes per hour; %d connects", perHour, s.Connects)
		}
	})
}

// A network that takes no time at all is no reason to ask and answer without end.
func TestPingsWithoutLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got := newTCPNetwork(t, Limits{}), newInbox()
		n.net = memnet.New(memnet.Config{})
		one, two := n.start(1, got.receive).(*listening), n.start(2, got.receive)
		defer one.Stop()
		defer two.Stop()
		one.Send(2, host.Normal, []byte("first"))
		time.Sleep(time.Minute)
		if s := statsOf(one, 2).Out[host.Normal]; s.Connects != 1 || s.Bytes > 100*headerSize {
			t.Errorf("%d bytes and %d connections within a minute", s.Bytes, s.Connects)
		}
	})
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, one, two, got, log := pair(t, Limits{QueueFrames: 50})
		defer one.Stop()
		defer two.Stop()
		n.host(2).Pause()
		begun := time.Now()
		refused := time.Duration(0)
		for i := range uint64(600) {
			if !one.Send(2, host.Normal, numbered(1, i, 10_000)) && refused == 0 {
				refused = time.Since(begun)
			}
			time.Sleep(100 * time.Millisecond)
		}
		log.want(t, "lost the connection to server n2 (normal)", "the peer has been silent for")
		log.want(t, "connection from server n1 (normal)", "has ended: the peer has been silent for")
		if attempts := log.matching("cannot connect to server n2 (normal)"); len(attempts) != 1 {
			t.Errorf("of many failed attempts %d are logged", len(attempts))
		}
		if s := statsOf(one, 2).Out[host.Normal]; s.Dropped < 400 || !s.Connected.IsZero() || s.Queued > 50 {
			t.Errorf("stats after a minute of silence: %+v", s)
		}
		got.clear()
		n.host(2).Resume()
		for i := range uint64(60) {
			one.Send(2, host.Normal, numbered(1, 1000+i, 100))
			time.Sleep(100 * time.Millisecond)
		}
		frames := got.from(1, host.Normal)
		if len(frames) < 20 {
			t.Fatalf("%d frames arrived within 6 s after the pause", len(frames))
		}
		if _, number := numberOf(frames[0]); number < 400 {
			t.Errorf("frame %d arrived, which is stale", number)
		}
	})
}

// A network that carries answers in one direction only.
func TestHalfOpenConnection(t *testing.T) {
	for _, direction := range []string{"there", "back"} {
		t.Run(direction, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, one, two, got, log := pair(t, Limits{})
				defer one.Stop()
				defer two.Stop()
				from, to := n.host(1), n.host(2)
				if direction == "back" {
					from, to = to, from
				}
				n.net.Block(from, to)
				for range 100 {
					one.Send(2, host.Normal, make([]byte, 100))
					time.Sleep(100 * time.Millisecond)
				}
				log.want(t, "lost the connection to server n2 (normal)")
				log.want(t, "the peer has been silent for")
				n.net.Unblock(from, to)
				got.clear()
				for range 50 {
					one.Send(2, host.Normal, make([]byte, 100))
					time.Sleep(100 * time.Millisecond)
				}
				if k := len(got.from(1, host.Normal)); k < 10 {
					t.Errorf("%d frames arrived within 5 s after the link was restored", k)
				}
			})
		})
	}
}

func TestSlowLinkIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, one, two, got, log := pair(t, Limits{})
		defer one.Stop()
		defer two.Stop()
		n.net.SetLink(n.host(1), n.host(2), memnet.Link{Latency: 100 * time.Millisecond, Bandwidth: 100 << 10})
		big := numbered(1, 1, 6<<20) // for a minute
		if !one.Send(2, host.Bulk, bytes.Clone(big)) {
			t.Fatal("dropped")
		}
		time.Sleep(2 * time.Minute)
		wantFrames(t, "big", got.from(1, host.Bulk), [][]byte{big})
		if lost := log.matching("lost"); len(lost) > 0 {
			t.Errorf("connections were lost: %q", lost)
		}
	})
}

func TestNewestConnectionWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTCPNetwork(t, Limits{})
		got, log := newInbox(), &journal{}
		c := n.config(2, got.receive)
		c.Logf = log.printf
		two := n.startConfig(c)
		defer two.Stop()

		got.block(host.Normal)
		conns := make([]*memnet.Conn, 4)
		for i := range conns {
			conns[i] = greeted(t, n, 3, host.Normal)
			// The second of each is read ahead, and is not handed over.
			for j := range uint64(2) {
				if _, err := conns[i].Write(stream(numbered(uint32(i), j, 100))); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		for i, conn := range conns[:3] {
			if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("connection %d is open: %v", i, err)
			}
		}
		if k := len(got.from(3, host.Normal)); k != 0 {
			t.Errorf("%d frames were handed over while one is in Receive", k)
		}
		time.Sleep(time.Minute) // who waits for its turn is not silent
		got.unblock(host.Normal)
		time.Sleep(time.Second)
		wantFrames(t, "normal", got.from(3, host.Normal), [][]byte{
			numbered(0, 0, 100), numbered(3, 0, 100), numbered(3, 1, 100),
		})
		other := greeted(t, n, 3, host.Bulk) // which is another matter
		if _, err := other.Write(stream([]byte("bulk"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		wantFrames(t, "bulk", got.from(3, host.Bulk), [][]byte{[]byte("bulk")})
		if s := statsOf(two, 3).In; s[host.Normal].Connects != 4 || s[host.Bulk].Connects != 1 || s[host.Normal].Connected.IsZero() {
			t.Errorf("stats %+v", s)
		}
		if lines := log.matching("has ended: the peer has connected anew"); len(lines) != 3 {
			t.Errorf("%d connections are logged as replaced", len(lines))
		}
	})
}

func TestBadInputEndsTheConnection(t *testing.T) {
	damaged := stream([]byte("good"), []byte("damaged"), []byte("never seen"))
	damaged[headerSize+4+headerSize] ^= 1
	for _, tt := range []struct {
		name   string
		send   []byte
		hangUp bool
		frames int
		logged string
		counts uint64
	}{
		{"damaged frame", damaged, false, 1, "has ended: damaged frame", 1},
		{"too large", append(stream([]byte("good")), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), false, 1, "frame of 4294967295 bytes exceeds the limit of", 1},
		{"text", []byte("PUB foo 5\r\nhello\r\n"), false, 0, "exceeds the limit", 1},
		{"zeros", make([]byte, 1000), false, 0, "damaged frame", 1},
		{"cut off in a frame", damaged[:headerSize+2], true, 0, "has ended: unexpected EOF", 0},
		{"cut off in a header", damaged[:3], true, 0, "has ended: unexpected EOF", 0},
		{"end between frames", damaged[:headerSize+4], true, 1, "has ended: EOF", 0},
		{"silence in a frame", damaged[:headerSize+2], false, 0, "has ended: the peer has been silent for", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTCPNetwork(t, Limits{})
				got, log := newInbox(), &journal{}
				c := n.config(2, got.receive)
				c.Logf = log.printf
				two := n.startConfig(c)
				defer two.Stop()
				conn := greeted(t, n, 3, host.Normal)
				one := n.start(1, nobody)
				defer one.Stop()
				insist(t, one, 2, host.Normal, []byte("before"))
				if _, err := conn.Write(tt.send); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if tt.hangUp {
					// To close it would reset it, as there are answers to be read.
					if err := conn.CloseWrite(); err != nil {
						t.Fatal(err)
					}
				} else {
					time.Sleep(10 * time.Second)
				}
				time.Sleep(time.Second)
				if k := len(got.from(3, host.Normal)); k != tt.frames {
					t.Errorf("%d frames are handed over, want %d", k, tt.frames)
				}
				log.want(t, "connection from server n3 (normal) at n3:", tt.logged)
				s := statsOf(two, 3).In[host.Normal]
				if s.Damaged != tt.counts || s.Err == nil || !s.Connected.IsZero() {
					t.Errorf("stats %+v", s)
				}
				// Others are not affected, nor is the next connection.
				conn = greeted(t, n, 3, host.Normal)
				if _, err := conn.Write(stream([]byte("fine"))); err != nil {
					t.Fatal(err)
				}
				insist(t, one, 2, host.Normal, []byte("after"))
				time.Sleep(time.Second)
				if k := len(got.from(3, host.Normal)); k != tt.frames+1 {
					t.Errorf("%d frames came over the next connection", k-tt.frames)
				}
				wantFrames(t, "bystander", got.from(1, host.Normal), [][]byte{[]byte("before"), []byte("after")})
				if c := statsOf(two, 1).In[host.Normal].Connects; c != 1 {
					t.Errorf("the bystander connected %d times", c)
				}
			})
		})
	}
}

func TestBoundsOnStrangersAndNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTCPNetwork(t, Limits{MaxHandshakes: 3, MaxNodes: 2})
		two := n.start(2, nobody).(*listening)
		defer two.Stop()
		var silent []net.Conn
		for range 5 {
			conn, err := n.host(9).Dial("tcp", addrOf(2))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			silent = append(silent, conn)
			time.Sleep(100 * time.Millisecond)
		}
		for i, conn := range silent {
			if got, want := isOpen(conn), i >= 2; got != want {
				t.Errorf("connection %d of 5 is open: %v, with room for 3", i, got)
			}
		}
		time.Sleep(time.Minute)
		if r := two.Refused(); r[RefusedBusy] != 2 || r[Unheard] != 3 {
			t.Errorf("%v count as refused", r)
		}
		greeted(t, n, 3, host.Normal)
		greeted(t, n, 4, host.Normal)
		greeted(t, n, 3, host.Bulk)
		conn, err := n.host(5).Dial("tcp", addrOf(2))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		h := helloOf(5)
		if _, err := conn.Write(h.encode()); err != nil {
			t.Fatal(err)
		}
		body, err := readHandshake(conn)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := decodeReply(body); err != nil || r.Reason != RefusedBusy {
			t.Errorf("the third node is told %+v, %v", r, err)
		}
	})
}

// Whoever shares the port has read something already, and perhaps more than the
// hello.
func TestAcceptWithWhatWasRead(t *testing.T) {
	h := helloOf(3)
	sent := append(h.encode(), stream([]byte("first"), []byte("second"))...)
	for _, read := range []int{0, 1, len(Magic), len(h.encode()) - 1, len(h.encode()), len(h.encode()) + 5, len(sent)} {
		synctest.Test(t, func(t *testing.T) {
			got := newInbox()
			tr, err := New(newTCPNetwork(t, Limits{}).config(2, got.receive))
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Stop()
			near, far := net.Pipe()
			defer far.Close()
			go func() { _, _ = io.Copy(io.Discard, far) }() // the welcome and answers
			tr.Accept(near, sent[:read:read])
			if _, err := far.Write(sent[read:]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			wantFrames(t, fmt.Sprintf("%d bytes read", read), got.from(3, host.Normal), [][]byte{[]byte("first"), []byte("second")})
			if in := statsOf(tr, 3).In[host.Normal]; in.Bytes != uint64(len(sent)-len(h.encode())) {
				t.Errorf("%d bytes count as received", in.Bytes)
			}
		})
	}
	if FirstByte != Magic[0] || FirstByte != sent[0] {
		t.Error("the first byte is another one")
	}
}

func TestNothingBeginsAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, err := New(newTCPNetwork(t, Limits{}).config(2, nobody))
		if err != nil {
			t.Fatal(err)
		}
		tr.Stop()
		conn, far := net.Pipe()
		tr.Accept(conn, nil)
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Error("Accept after Stop left the connection open")
		}
		if tr.Send(1, host.Normal, []byte("x")) {
			t.Error("Send after Stop")
		}
	})
}

// Servers that speak TLS with each other, and one that cannot show a certificate.
func TestOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got, log := newTCPNetwork(t, Limits{}), newInbox(), &journal{}
		ca := testcert.NewCA(t, "cluster")
		secured := func(id raft.NodeID, certs ...tls.Certificate) *listening {
			config := &tls.Config{
				Certificates: certs, RootCAs: ca.Pool(), ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert,
			}
			c := n.config(id, got.receive)
			c.Logf = log.printf
			c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := n.host(id).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				name, _, _ := net.SplitHostPort(addr)
				dialled := config.Clone()
				dialled.ServerName = name
				secured := tls.Client(conn, dialled)
				if err := secured.HandshakeContext(ctx); err != nil {
					conn.Close()
					return nil, err
				}
				return secured, nil
			}
			tr, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			l, err := n.host(id).Listen("tcp", ":6222")
			if err != nil {
				t.Fatal(err)
			}
			return listen(tr, tls.NewListener(l, config))
		}
		one, two := secured(1, ca.Server(t, "n1").TLS()), secured(2, ca.Server(t, "n2").TLS())
		defer one.Stop()
		defer two.Stop()
		stranger := secured(3)
		defer stranger.Stop()

		var want [][]byte
		for i, size := range []int{10, 1000, 20_000, 3 << 20, 100} {
			want = append(want, numbered(1, uint64(i), size))
			insist(t, one, 2, host.Bulk, want[i])
		}
		stranger.Send(2, host.Normal, []byte("let me in"))
		time.Sleep(time.Hour) // in which nothing but pings flows
		wantFrames(t, "over TLS", got.from(1, host.Bulk), want)
		if out := statsOf(one, 2).Out[host.Bulk]; out.Connects != 1 || out.Connected.IsZero() {
			t.Errorf("an idle connection does not stay: %+v", out)
		}
		if len(got.from(3, host.Normal)) > 0 || two.Refused()[Unheard] != 1 {
			t.Errorf("who shows no certificate is heard; %v are refused", two.Refused())
		}
	})
}

// Who reads nothing cannot hold up the end of its connection.
func TestHangUpDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := testcert.NewCA(t, "cluster")
		near, far := net.Pipe() // which has no room for anything
		defer far.Close()
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{ca.Server(t, "n2").TLS()}, SessionTicketsDisabled: true})
		go func() { _ = server.Handshake() }() // the other end tells how it went
		client := tls.Client(near, &tls.Config{RootCAs: ca.Pool(), ServerName: "n2"})
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		hangUp(client)
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %v", took)
		}
		if _, err := near.Write([]byte("x")); err == nil {
			t.Error("the connection is open")
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"node 0", func(c *Config) { c.Self = 0 }, "node 0"},
		{"no receiver", func(c *Config) { c.Receive = nil }, "nobody receives"},
		{"no book", func(c *Config) { c.Book = nil }, "nobody says where nodes are"},
		{"no dialler", func(c *Config) { c.Dial = nil }, "nobody dials"},
		{"long name", func(c *Config) { c.Cluster = strings.Repeat("x", 256) }, `x" is not the name`},
		{"no name", func(c *Config) { c.Name = "" }, `"" is not the name`},
		{"no process", func(c *Config) { c.Instance = "" }, `"" is not the name`},
		{"huge frames", func(c *Config) { c.Limits.MaxFrame = 2 << 30 }, "frames of"},
		{"negative frames", func(c *Config) { c.Limits.MaxFrame = -1 }, "frames of"},
	} {
		c := Config{Self: 1, Cluster: "c", Name: "s", Instance: "i", Receive: nobody, Book: NewBook(), Dial: new(net.Dialer).DialContext}
		tt.change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
}

// Over real sockets, which have vectored writes, with everything at once; it is
// for the race detector.
func TestLoopback(t *testing.T) {
	const nodes, each = 3, 600
	var (
		trs  [nodes]*TCP
		got  [nodes]*inbox
		book = NewBook()
	)
	for i := range trs {
		id := raft.NodeID(i + 1)
		got[i] = newInbox()
		trs[i] = newLoopback(t, id, book, got[i].receive)
	}
	want := func(from, to raft.NodeID, class host.Class, number uint64) []byte {
		size := 50 + int(number*7919%500)
		if number%40 == 0 {
			size = 400 * int(number%300)
		}
		return numbered(uint32(from)<<16|uint32(to)<<8|uint32(class), number, size)
	}
	var wg sync.WaitGroup
	for i, tr := range trs {
		from := raft.NodeID(i + 1)
		for to := raft.NodeID(1); to <= nodes; to++ {
			for _, class := range classes {
				if to == from {
					continue
				}
				wg.Go(func() {
					for k := range uint64(each) {
						for !tr.Send(to, class, want(from, to, class, k)) {
							time.Sleep(time.Millisecond)
						}
						if k%100 == 0 {
							tr.Stats()
							same := book.Peers()[k%nodes]
							put(book, same.Node, same.Addr)
						}
					}
				})
			}
		}
	}
	wg.Wait()
	for from := raft.NodeID(1); from <= nodes; from++ {
		for to := raft.NodeID(1); to <= nodes; to++ {
			for _, class := range classes {
				if to == from {
					continue
				}
				for end := time.Now().Add(time.Minute); len(got[to-1].from(from, class)) < each && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
				frames := got[to-1].from(from, class)
				if len(frames) != each {
					t.Errorf("%d to %d, %v: %d frames of %d", from, to, class, len(frames), each)
				}
				for k, f := range frames {
					if !bytes.Equal(f, want(from, to, class, uint64(k))) {
						t.Fatalf("%d to %d, %v: frame %d is another", from, to, class, k)
					}
				}
			}
		}
	}
}
