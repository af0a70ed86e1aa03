package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/server/raft/host"
)

func TestCrashAndReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, one, two, got, log := pair(t, Limits{})
		defer one.Stop()
		time.Sleep(time.Second)
		n.host(2).Crash()
		two.Stop()
		time.Sleep(10 * time.Millisecond)
		log.want(t, "lost the connection to server n2 (normal) at n2:6222", "connection reset")
		if !one.Send(2, host.Normal, []byte("x")) {
			t.Error("the first frame after a long connection is dropped unseen")
		}
		time.Sleep(20 * time.Millisecond)
		if one.Send(2, host.Normal, []byte("x")) {
			t.Error("a frame is queued for a node that refuses connections")
		}
		log.want(t, "cannot connect", "refused")
		two = n.start(2, got.receive).(*listening)
		defer two.Stop()
		got.clear()
		time.Sleep(100 * time.Millisecond)
		if !one.Send(2, host.Normal, []byte("again")) {
			t.Error("dropped although the pause is over")
		}
		time.Sleep(20 * time.Millisecond)
		wantFrames(t, "after the restart", got.from(1, host.Normal), [][]byte{[]byte("again")})
	})
}

// What waits for a connection that is lost is not sent over the next.
func TestWaitingFramesGoWithTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, one, two, got, log := pair(t, Limits{QueueFrames: 100})
		defer one.Stop()
		defer two.Stop()
		got.block(host.Normal)
		var number uint64
		for ; one.Send(2, host.Normal, numbered(1, number, 10_000)); number++ {
			time.Sleep(time.Millisecond)
		}
		n.net.Cut(n.host(1), n.host(2))
		time.Sleep(10 * time.Millisecond)
		if s := statsOf(one, 2).Out[host.Normal]; s.Queued != 0 || s.Dropped < 90 {
			t.Errorf("after the loss: %+v", s)
		}
		got.unblock(host.Normal)
		got.clear()
		for last := number + 10; number < last; number++ {
			if !one.Send(2, host.Normal, numbered(1, number, 100)) {
				t.Fatalf("frame %d is dropped", number)
			}
			time.Sleep(time.Second)
		}
		frames := got.from(1, host.Normal)
		// The first are those that had been on their way when Receive blocked.
		if len(frames) < 10 || len(frames) > 12 {
			t.Fatalf("%d frames arrived, want 10 and one that was in Receive", len(frames))
		}
		for i, f := range frames[len(frames)-10:] {
			if _, got := numberOf(f); got != number-10+uint64(i) {
				t.Errorf("frame %d arrived instead of %d", got, number-10+uint64(i))
			}
		}
		if len(log.matching("lost the connection to server n2", "waiting frames are dropped")) != 1 {
			t.Errorf("log %q", log.matching("lost"))
		}
	})
}

// What is taken from the queue in the moment that the session ends.
func TestFramesTakenTooLateCountAsDropped(t *testing.T) {
	tr, err := New(Config{Self: 1, Cluster: "c", Name: "n1", Instance: "i", Receive: nobody, Book: NewBook(), Dial: new(net.Dialer).DialContext})
	if err != nil {
		t.Fatal(err)
	}
	l := newLane(tr, Peer{Node: 2, Addr: "nowhere"}, host.Normal)
	s := newSession(l, &recorder{}, 1000)
	l.queue.put([]byte("late"), false)
	s.ended.Store(true)
	if err := s.write(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if frames, _, dropped, _ := l.queue.count(); frames != 0 || dropped != 1 {
		t.Errorf("%d frames in the queue, %d dropped", frames, dropped)
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTCPNetwork(t, Limits{})
		var dials []time.Time
		c := n.config(1, nobody)
		c.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials = append(dials, time.Now())
			return nil, errors.New("no route")
		}
		tr := n.startConfig(c)
		defer tr.Stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(dials) > 0 {
			t.Error("dialled without demand")
		}
		demand := time.Now()
		for range 6000 {
			tr.Send(2, host.Normal, []byte("x"))
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if dials[0] != demand {
			t.Errorf("dialled %v after the first demand", dials[0].Sub(demand))
		}
		if len(dials) < 60 || len(dials) > 140 {
			t.Errorf("%d attempts in a minute", len(dials))
		}
		distinct := make(map[time.Duration]bool)
		for i, least := 1, 25*time.Millisecond; i < len(dials); i++ {
			pause := dials[i].Sub(dials[i-1])
			// Frames come every 10 ms, and one of them makes it try.
			if pause < least || pause > 2*least+11*time.Millisecond {
				t.Errorf("attempt %d came after %v, want %v to %v", i, pause, least, 2*least)
			}
			least = min(2*least, 500*time.Millisecond)
			distinct[pause] = true
		}
		if len(distinct) < 10 {
			t.Errorf("the pauses are not random: %v", distinct)
		}
		// A new address is tried at once, and with new courage.
		time.Sleep(time.Hour)
		for _, addr := range []string{addrOf(2), "n9:1"} {
			put(c.Book, 2, addr)
			time.Sleep(time.Millisecond)
			tr.Send(2, host.Normal, []byte("x"))
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		moved := len(dials)
		for range 20 {
			tr.Send(2, host.Normal, []byte("x"))
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if pause := dials[moved-1].Sub(dials[moved-2]); pause != 2*time.Millisecond {
			t.Errorf("a new address was tried after %v, want at once", pause)
		}
		if pause := dials[moved].Sub(dials[moved-1]); pause > 60*time.Millisecond {
			t.Errorf("a new address was tried again after %v", pause)
		}
		time.Sleep(time.Hour)
		before := len(dials)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(dials) > before {
			t.Error("dialled without demand")
		}
	})
}

func TestAnswersThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers [][answerSize]byte
	}{
		{"damaged", [][answerSize]byte{{1, 2, 3}}},
		{"more than was sent", [][answerSize]byte{makeAnswer(1 << 40)}},
		{"less than before", [][answerSize]byte{makeAnswer(5), makeAnswer(4)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, log := newTCPNetwork(t, Limits{}), &journal{}
				c := n.config(1, nobody)
				c.Logf = log.printf
				one := n.startConfig(c)
				defer one.Stop()
				l, err := n.host(2).Listen("tcp", ":6222")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				one.Send(2, host.Normal, []byte("x"))
				conn, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := readHandshake(conn); err != nil {
					t.Fatal(err)
				}
				r := reply{Node: 2, MaxFrame: 1000, Cluster: "east", Name: "n2", Instance: "x"}
				if _, err := conn.Write(r.encode()); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, make([]byte, headerSize+1)); err != nil {
					t.Fatal(err)
				}
				for _, a := range tt.answers {
					if _, err := conn.Write(a[:]); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				log.want(t, "lost the connection to server n2", "answer of the peer: damaged frame")
			})
		})
	}
}

func TestPeersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, one, two, got, log := pair(t, Limits{})
		defer one.Stop()
		defer two.Stop()

		// Node 2 is found under another address.
		l, err := n.net.Host("moved").Listen("tcp", ":7000")
		if err != nil {
			t.Fatal(err)
		}
		listen(two.TCP, l)
		defer l.Close()
		put(n.book, 1, "self")
		put(n.book, 2, "moved:7000")
		time.Sleep(50 * time.Millisecond)
		log.want(t, "lost the connection to server n2 (normal)", "no longer its address")
		if !one.Send(2, host.Normal, []byte("moved")) {
			t.Error("dropped at first demand")
		}
		time.Sleep(50 * time.Millisecond)
		wantFrames(t, "moved", got.from(1, host.Normal), [][]byte{[]byte("first"), []byte("moved")})
		log.want(t, "connected to server n2 (normal) at moved:7000")

		// The same again is no reason to connect anew.
		put(n.book, 2, "moved:7000")
		time.Sleep(time.Second)
		if s := statsOf(one, 2).Out[host.Normal]; s.Connects != 2 || s.Connected.IsZero() {
			t.Errorf("stats %+v", s)
		}

		// An attempt under way at a wrong address is given up at once.
		n.host(1).Pause()
		one.Send(3, host.Normal, []byte("x"))
		time.Sleep(time.Second)
		n.host(1).Resume()
		put(n.book, 3, "moved:7000")
		time.Sleep(50 * time.Millisecond)
		one.Send(3, host.Normal, []byte("x"))
		time.Sleep(50 * time.Millisecond)
		log.want(t, "cannot connect to server n3 (normal) at moved:7000", `this is server n2, node 2, not "n3", node 3`)

		// Node 2 is not known any more, but may send.
		n.book.Remove(2)
		if one.Send(2, host.Normal, []byte("x")) {
			t.Error("a frame is accepted for a node that is not known")
		}
		put(n.book, 1, addrOf(1))
		if !two.Send(1, host.Normal, []byte("still here")) {
			t.Error("dropped")
		}
		time.Sleep(time.Second)
		wantFrames(t, "from 2", got.from(2, host.Normal), [][]byte{[]byte("still here")})
		if s := statsOf(one, 2); s.Addr != "" || s.Out[host.Normal].Connects != 0 || s.In[host.Normal].Frames != 1 {
			t.Errorf("stats of one that is not known: %+v", s)
		}
	})
}

func TestPeerWithALowerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, got, log := newTCPNetwork(t, Limits{}), newInbox(), &journal{}
		c := n.config(2, got.receive)
		c.Limits.MaxFrame = 1000
		two := n.startConfig(c)
		defer two.Stop()
		c = n.config(1, nobody)
		c.Logf = log.printf
		one := n.startConfig(c)
		defer one.Stop()
		var want [][]byte
		for i, size := range []int{100, 1000, 1001, 50_000, 200} {
			f := numbered(1, uint64(i), size)
			if !one.Send(2, host.Normal, f) {
				t.Errorf("frame of %d bytes is dropped at once", size)
			}
			if size <= 1000 {
				want = append(want, f)
			}
		}
		time.Sleep(time.Second)
		wantFrames(t, "small ones", got.from(1, host.Normal), want)
		log.want(t, "dropped what server n2 (normal) does not accept: frame of 1001 bytes exceeds the limit of 1000")
		if s := statsOf(one, 2).Out[host.Normal]; s.Dropped != 2 || s.Queued != 0 || s.Connects != 1 || s.Frames != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}
