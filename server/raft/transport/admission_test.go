package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// knock shakes hands with node 2 and returns the connection and what was answered.
func knock(t *testing.T, n *tcpNetwork, h hello) (*memnet.Conn, reply) {
	t.Helper()
	conn, err := n.host(h.From).Dial("tcp", addrOf(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(h.encode()); err != nil {
		t.Fatal(err)
	}
	body, err := readHandshake(conn)
	if err != nil {
		t.Fatal(err)
	}
	r, err := decodeReply(body)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*memnet.Conn), r
}

func isOpen(conn net.Conn) bool {
	if err := conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return false
	}
	for {
		// Answers may be on their way.
		if _, err := conn.Read(make([]byte, 64)); err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// Of two processes that are the same server only one is let in, and which one does not
// change for as long as it lives.
func TestTwoServersOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got := newTCPNetwork(t, Limits{}), newInbox()
		two := n.start(2, got.receive)
		defer two.Stop()
		one := n.start(1, nobody).(*listening)
		defer one.Stop()
		insist(t, one, 2, host.Normal, []byte("first"))
		time.Sleep(time.Second)

		impostor := helloOf(1)
		renamed := helloOf(1)
		renamed.Name = "uno"
		for range 100 {
			for _, class := range classes {
				impostor.Class, renamed.Class = class, class
				if _, r := knock(t, n, impostor); r.Reason != RefusedDuplicate ||
					r.Text != "server n1 is connected as life-2: there are two of the name, or the one before has been dead for less than 5s" {
					t.Fatalf("a second server of the name is told %+v", r)
				}
				if _, r := knock(t, n, renamed); r.Reason != RefusedDuplicate ||
					r.Text != `servers "n1" and "uno" have names that make the same number, 1; one of them needs another name` {
					t.Fatalf("another server of the number is told %+v", r)
				}
			}
			time.Sleep(10 * time.Second) // in which nothing but pings comes from the first
		}
		if s := statsOf(one, 2).Out[host.Normal]; s.Connects != 1 || s.Connected.IsZero() {
			t.Errorf("the first one has lost its connection: %+v", s)
		}
		one.Stop()
		time.Sleep(10 * time.Millisecond)
		if _, r := knock(t, n, renamed); r.Reason != welcome {
			t.Errorf("when the first has gone, the other is told %+v", r)
		}
		wantFrames(t, "of the first", got.from(1, host.Normal), [][]byte{[]byte("first")})
	})
}

// A server that has died without a word is not taken for a second one for long, and is
// heard no more when it is replaced.
func TestSuccessorIsLetIn(t *testing.T) {
	for _, held := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n, got := newTCPNetwork(t, Limits{}), newInbox()
			two := n.start(2, got.receive).(*listening)
			defer two.Stop()
			bulk := helloOf(3)
			bulk.Class = host.Bulk
			olds := make([]net.Conn, 2)
			olds[0], _ = knock(t, n, helloOf(3))
			olds[1], _ = knock(t, n, bulk)
			if held {
				// Then it is not looked at whether it lives.
				got.block(host.Normal)
				got.block(host.Bulk)
				for _, conn := range olds {
					if _, err := conn.Write(stream([]byte("held"))); err != nil {
						t.Fatal(err)
					}
				}
			}
			begun := time.Now()
			successor := helloOf(3)
			successor.Instance = "successor"
			var conn net.Conn
			for {
				var r reply
				if conn, r = knock(t, n, successor); r.Reason == welcome {
					break
				}
				if r.Reason != RefusedDuplicate {
					t.Fatalf("it is told %+v", r)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if took := time.Since(begun); took < 4*time.Second || took > 6*time.Second {
				t.Errorf("it was let in after %v", took)
			}
			for i, old := range olds {
				if isOpen(old) {
					t.Errorf("connection %d of the predecessor is open", i)
				}
			}
			if held {
				got.unblock(host.Normal)
				got.unblock(host.Bulk)
			}
			time.Sleep(time.Second)
			got.clear()
			if _, err := conn.Write(stream([]byte("here I am"))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			wantFrames(t, "of the successor", got.from(3, host.Normal), [][]byte{[]byte("here I am")})
		})
	}
}

func TestCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got, log := newTCPNetwork(t, Limits{}), newInbox(), &journal{}
		password := "secret"
		c := n.config(2, got.receive)
		c.Authorize = func(u, p string) bool { return u == "route" && p == "secret" }
		two := n.startConfig(c)
		defer two.Stop()
		c = n.config(1, nobody)
		c.Logf = log.printf
		c.Credentials = func(Peer) (string, string) { return "route", password }
		one := n.startConfig(c)
		defer one.Stop()
		insist(t, one, 2, host.Normal, []byte("let in"))
		time.Sleep(time.Second)
		wantFrames(t, "with the right password", got.from(1, host.Normal), [][]byte{[]byte("let in")})

		password = "changed" // as by a reload
		insist(t, one, 2, host.Bulk, []byte("refused"))
		time.Sleep(time.Second)
		log.want(t, "cannot connect to server n2 (bulk)", "refused: server n2 wants another user or password")
		password = string(make([]byte, MaxName+1))
		for range 100 {
			one.Send(2, host.Bulk, []byte("too long"))
			time.Sleep(time.Second)
		}
		log.want(t, "cannot connect to server n2 (bulk)", "user or password for it has more than 255 bytes")
		wantFrames(t, "with a wrong password", got.from(1, host.Bulk), nil)
	})
}

// Nodes that have gone make room for others, as long as nothing of them is left.
func TestNodesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got := newTCPNetwork(t, Limits{MaxNodes: 2}), newInbox()
		two := n.start(2, got.receive).(*listening)
		defer two.Stop()
		three, r3 := knock(t, n, helloOf(3))
		four, r4 := knock(t, n, helloOf(4))
		if r3.Reason != welcome || r4.Reason != welcome {
			t.Fatalf("told %+v and %+v", r3, r4)
		}
		if _, r := knock(t, n, helloOf(5)); r.Reason != RefusedBusy {
			t.Errorf("the third is told %+v", r)
		}
		// One has gone, but is still in Receive.
		got.block(host.Normal)
		if _, err := four.Write(stream([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		four.Close()
		time.Sleep(time.Second)
		if _, r := knock(t, n, helloOf(5)); r.Reason != RefusedBusy {
			t.Errorf("the third is told %+v while the second is in Receive", r)
		}
		got.unblock(host.Normal)
		time.Sleep(time.Second)
		five, r := knock(t, n, helloOf(5))
		if r.Reason != welcome {
			t.Errorf("when the second has gone, the third is told %+v", r)
		}
		if _, err := five.Write(stream([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if len(got.from(5, host.Normal)) != 1 {
			t.Error("the third is not heard")
		}
		if !isOpen(three) {
			t.Error("the first has lost its connection")
		}
	})
}

// Whoever opens connections and says nothing cannot keep a server out.
func TestStrangersKeepNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got := newTCPNetwork(t, Limits{MaxHandshakes: 8}), newInbox()
		two := n.start(2, got.receive).(*listening)
		defer two.Stop()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				conn, err := n.host(9).Dial("tcp", addrOf(2))
				if err != nil {
					t.Error(err)
					return
				}
				wg.Go(func() {
					_, _ = io.Copy(io.Discard, conn) // until it is closed
					conn.Close()
				})
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
		time.Sleep(time.Second)
		one := n.start(1, nobody)
		defer one.Stop()
		insist(t, one, 2, host.Normal, []byte("let me in"))
		time.Sleep(time.Second)
		wantFrames(t, "among strangers", got.from(1, host.Normal), [][]byte{[]byte("let me in")})
		close(stop)
		time.Sleep(10 * time.Second)
		wg.Wait()
		if r := two.Refused(); r[RefusedBusy] < 250 || r[Unheard] != 8 || len(r) != 2 {
			t.Errorf("%v are refused", r)
		}
	})
}
