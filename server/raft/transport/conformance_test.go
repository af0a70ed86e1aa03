package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/memnet"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// What every transport has to do, whatever is below it. Tests run in a bubble.

// network makes nodes, 1, 2 and 3, that can reach each other.
type network interface {
	start(id raft.NodeID, receive ReceiveFunc) node
	cut(a, b raft.NodeID)
	heal(a, b raft.NodeID)
	// latest is how long a node may take to be reachable again.
	latest() time.Duration
	// underway is how many bytes may be beyond the queue.
	underway() int
}

type node interface {
	host.Transport
	Stop()
}

// memNetwork is a Mem.
type memNetwork struct{ *Mem }

func (m memNetwork) start(id raft.NodeID, receive ReceiveFunc) node { return m.Attach(id, receive) }
func (m memNetwork) cut(a, b raft.NodeID)                           { m.Cut(a, b) }
func (m memNetwork) heal(a, b raft.NodeID)                          { m.Heal(a, b) }
func (m memNetwork) latest() time.Duration                          { return time.Second }
func (m memNetwork) underway() int                                  { return 0 }

// tcpNetwork is a TCP for each node, over a network in memory.
type tcpNetwork struct {
	t      *testing.T
	net    *memnet.Network
	limits Limits
	// book is that of all nodes.
	book *Book
	// lives counts the configurations made, each of which is a process of its own.
	lives int
}

// listening is a TCP with a listener that hands connections to it.
type listening struct {
	*TCP
	l net.Listener
}

func listen(tr *TCP, l net.Listener) *listening {
	tr.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tr.Accept(conn, nil)
		}
	})
	return &listening{tr, l}
}

func (l *listening) Stop() {
	l.l.Close()
	l.TCP.Stop()
}

func newTCPNetwork(t *testing.T, limits Limits) *tcpNetwork {
	return &tcpNetwork{
		t: t, limits: limits, book: bookOf(map[raft.NodeID]string{1: addrOf(1), 2: addrOf(2), 3: addrOf(3)}),
		net: memnet.New(memnet.Config{Seed: 1, Link: memnet.Link{Latency: 2 * time.Millisecond, Jitter: time.Millisecond}}),
	}
}

func nameOf(id raft.NodeID) string { return fmt.Sprintf("n%d", id) }

func (n *tcpNetwork) host(id raft.NodeID) *memnet.Host { return n.net.Host(nameOf(id)) }

func addrOf(id raft.NodeID) string { return nameOf(id) + ":6222" }

// bookOf returns a book with these nodes in it, under their names.
func bookOf(addrs map[raft.NodeID]string) *Book {
	b := NewBook()
	for id, addr := range addrs {
		put(b, id, addr)
	}
	return b
}

func put(b *Book, id raft.NodeID, addr string) {
	if err := b.Set(Peer{Node: id, Name: nameOf(id), Addr: addr}); err != nil {
		panic(err)
	}
}

// config is what node id is made with, unless a test changes it.
func (n *tcpNetwork) config(id raft.NodeID, receive ReceiveFunc) Config {
	n.lives++
	return Config{
		Self: id, Incarnation: 100 + uint32(id), Cluster: "east", Name: nameOf(id), Instance: fmt.Sprint("life-", n.lives),
		Receive: receive, Limits: n.limits, Seed: uint64(id),
		Book: n.book, Dial: n.host(id).DialContext,
		Logf: func(format string, args ...any) { n.t.Logf("%d: "+format, append([]any{id}, args...)...) },
	}
}

func (n *tcpNetwork) start(id raft.NodeID, receive ReceiveFunc) node {
	return n.startConfig(n.config(id, receive))
}

func (n *tcpNetwork) startConfig(c Config) *listening {
	n.t.Helper()
	tr, err := New(c)
	if err != nil {
		n.t.Fatal(err)
	}
	l, err := n.host(c.Self).Listen("tcp", ":6222")
	if err != nil {
		n.t.Fatal(err)
	}
	return listen(tr, l)
}

func (n *tcpNetwork) cut(a, b raft.NodeID) {
	n.net.Partition([]*memnet.Host{n.host(a)}, []*memnet.Host{n.host(b)})
}

func (n *tcpNetwork) heal(a, b raft.NodeID) {
	n.net.Unblock(n.host(a), n.host(b))
	n.net.Unblock(n.host(b), n.host(a))
}

func (n *tcpNetwork) latest() time.Duration { return 10 * time.Second }
func (n *tcpNetwork) underway() int         { return stageSize + maxReadBuffer + 64<<10 }

// everywhere runs a test on all transports.
func everywhere(t *testing.T, limits Limits, test func(t *testing.T, n network)) {
	t.Run("tcp", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, newTCPNetwork(t, limits)) })
	})
	t.Run("mem", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, memNetwork{NewMem(limits)}) })
	})
}

// inbox records what a node receives.
type inbox struct {
	mu     sync.Mutex
	frames map[inboxKey][][]byte
	inside map[inboxKey]int
	// blocked holds up Receive for a class, until it is closed.
	blocked [len(classes)]chan struct{}
}

func newInbox() *inbox {
	return &inbox{frames: make(map[inboxKey][][]byte), inside: make(map[inboxKey]int)}
}

func (b *inbox) receive(from raft.NodeID, class host.Class, frame []byte) {
	key := inboxKey{from, class}
	b.mu.Lock()
	b.inside[key]++
	if b.inside[key] > 1 {
		panic("two at a time")
	}
	blocked := b.blocked[class]
	b.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	b.mu.Lock()
	b.inside[key]--
	b.frames[key] = append(b.frames[key], frame)
	b.mu.Unlock()
}

func (b *inbox) block(class host.Class) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocked[class] = make(chan struct{})
}

func (b *inbox) unblock(class host.Class) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.blocked[class])
	b.blocked[class] = nil
}

func (b *inbox) from(id raft.NodeID, class host.Class) [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.frames[inboxKey{id, class}])
}

func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.frames)
}

// numbered makes a frame that tells its number and sender, of at least 12 bytes.
func numbered(sender uint32, number uint64, size int) []byte {
	f := make([]byte, max(size, 12))
	binary.LittleEndian.PutUint32(f, sender)
	binary.LittleEndian.PutUint64(f[4:], number)
	for i := 12; i < len(f); i++ {
		f[i] = byte(number) + byte(i)
	}
	return f
}

func numberOf(f []byte) (sender uint32, number uint64) {
	return binary.LittleEndian.Uint32(f), binary.LittleEndian.Uint64(f[4:])
}

// insist sends until it is accepted.
func insist(t *testing.T, from host.Transport, to raft.NodeID, class host.Class, frame []byte) {
	t.Helper()
	for range 100_000 {
		if from.Send(to, class, bytes.Clone(frame)) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("node %d cannot be sent to", to)
}

func TestFramesArriveWholeAndInOrderPerClass(t *testing.T) {
	everywhere(t, Limits{}, func(t *testing.T, n network) {
		got := newInbox()
		to := n.start(2, got.receive)
		defer to.Stop()
		rng := rand.New(rand.NewPCG(3, 4))
		want := make(map[inboxKey][][]byte)
		for _, id := range []raft.NodeID{1, 3} {
			from := n.start(id, nobody)
			defer from.Stop()
			for i := range uint64(400) {
				class := classes[rng.IntN(len(classes))]
				size := rng.IntN(300)
				if rng.IntN(10) == 0 {
					size = rng.IntN(300_000)
				}
				f := numbered(uint32(id), i, size)
				want[inboxKey{id, class}] = append(want[inboxKey{id, class}], f)
				insist(t, from, 2, class, f)
				if rng.IntN(50) == 0 {
					time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
				}
			}
		}
		time.Sleep(time.Minute)
		for key, frames := range want {
			wantFrames(t, fmt.Sprint(key), got.from(key.from, key.class), frames)
		}
	})
}

func wantFrames(t *testing.T, what string, got, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%s: got %d frames that are not the %d sent", what, len(got), len(want))
	}
}

func TestConcurrentSendersKeepTheirOrder(t *testing.T) {
	everywhere(t, Limits{}, func(t *testing.T, n network) {
		got := newInbox()
		to := n.start(2, got.receive)
		defer to.Stop()
		from := n.start(1, nobody)
		defer from.Stop()
		const senders, each = 8, 300
		var wg sync.WaitGroup
		for s := range uint32(senders) {
			wg.Go(func() {
				for i := range uint64(each) {
					if !from.Send(2, host.Normal, numbered(s, i, 100)) {
						t.Errorf("sender %d: frame %d is dropped", s, i)
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Minute)
		next := make(map[uint32]uint64)
		for _, f := range got.from(1, host.Normal) {
			sender, number := numberOf(f)
			if next[sender] != number {
				t.Fatalf("sender %d: frame %d instead of %d", sender, number, next[sender])
			}
			next[sender]++
		}
		if total := len(got.from(1, host.Normal)); total != senders*each {
			t.Errorf("%d frames arrived of %d", total, senders*each)
		}
	})
}

func TestSendSaysWhatItWillNotCarry(t *testing.T) {
	const limit = 1000
	everywhere(t, Limits{MaxFrame: limit}, func(t *testing.T, n network) {
		got := newInbox()
		to := n.start(2, got.receive)
		defer to.Stop()
		from := n.start(1, nobody)
		defer from.Stop()
		for _, tt := range []struct {
			name  string
			to    raft.NodeID
			class host.Class
			size  int
			want  bool
		}{
			{"largest", 2, host.Normal, limit, true},
			{"smallest", 2, host.Bulk, 1, true},
			{"too large", 2, host.Normal, limit + 1, false},
			{"empty", 2, host.Normal, 0, false},
			{"unknown class", 2, host.Entries + 1, 1, false},
			{"entries", 2, host.Entries, 2, true},
			{"unknown node", 9, host.Normal, 1, false},
			{"to itself", 1, host.Normal, 1, false},
			{"to nobody", 0, host.Normal, 1, false},
		} {
			if got := from.Send(tt.to, tt.class, make([]byte, tt.size)); got != tt.want {
				t.Errorf("%s: Send = %v", tt.name, got)
			}
		}
		time.Sleep(time.Minute)
		wantFrames(t, "normal", got.from(1, host.Normal), [][]byte{make([]byte, limit), make([]byte, 2)})
		wantFrames(t, "bulk", got.from(1, host.Bulk), [][]byte{make([]byte, 1)})
	})
}

func TestBigFrames(t *testing.T) {
	everywhere(t, Limits{}, func(t *testing.T, n network) {
		got := newInbox()
		to := n.start(2, got.receive)
		defer to.Stop()
		from := n.start(1, nobody)
		defer from.Stop()
		var want [][]byte
		for i, size := range []int{8 << 20, 100, 3 << 20, trusted, trusted + 1, maxReadBuffer, maxReadBuffer - headerSize} {
			want = append(want, numbered(1, uint64(i), size))
			insist(t, from, 2, host.Bulk, want[i])
		}
		time.Sleep(time.Minute)
		wantFrames(t, "big", got.from(1, host.Bulk), want)
	})
}

func TestFullQueueDropsAndTheOtherClassFlows(t *testing.T) {
	limits := Limits{QueueBytes: 300_000, QueueFrames: 500}
	for _, tt := range []struct {
		name string
		size int
		// fit is how many frames the queue takes.
		fit int
	}{
		{"bytes", 10_000, 300_000 / (10_000 + frameOverhead)},
		{"frames", 20, 500},
		{"one frame that is larger than the queue", 400_000, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			everywhere(t, limits, func(t *testing.T, n network) {
				got := newInbox()
				to := n.start(2, got.receive)
				defer to.Stop()
				from := n.start(1, nobody)
				defer from.Stop()

				got.block(host.Bulk)
				var want [][]byte
				for refused := 0; refused < 10; {
					f := numbered(1, uint64(len(want)), tt.size)
					if from.Send(2, host.Bulk, bytes.Clone(f)) {
						want = append(want, f)
						refused = 0
					} else {
						refused++
						time.Sleep(100 * time.Millisecond)
					}
					if len(want) > 100_000 {
						t.Fatal("the queue has no bound")
					}
				}
				// One more is in Receive.
				if most := tt.fit + 1 + n.underway()/tt.size; len(want) < tt.fit || len(want) > most {
					t.Errorf("%d frames are accepted, want %d to %d", len(want), tt.fit, most)
				}
				// Longer than any timeout: who is slow is not dead.
				time.Sleep(10 * time.Minute)
				for i := range uint64(100) {
					if !from.Send(2, host.Normal, numbered(1, i, 100)) {
						t.Fatalf("frame %d of the other class is dropped", i)
					}
				}
				time.Sleep(50 * time.Millisecond)
				if k := len(got.from(1, host.Normal)); k != 100 {
					t.Errorf("%d frames of the other class arrived within 50 ms, want 100", k)
				}
				if from.Send(2, host.Bulk, numbered(1, 0, tt.size)) {
					t.Error("a full queue accepted a frame")
				}
				got.unblock(host.Bulk)
				time.Sleep(time.Minute)
				wantFrames(t, "bulk", got.from(1, host.Bulk), want)
				if !from.Send(2, host.Bulk, numbered(1, 0, tt.size)) {
					t.Error("a frame is dropped although the queue is empty")
				}
			})
		})
	}
}

func TestNothingAfterStop(t *testing.T) {
	everywhere(t, Limits{}, func(t *testing.T, n network) {
		got := newInbox()
		to := n.start(2, got.receive)
		from := n.start(1, nobody)
		defer from.Stop()
		insist(t, from, 2, host.Normal, numbered(1, 0, 100))
		time.Sleep(time.Second)

		got.block(host.Normal)
		for i := range uint64(100) {
			insist(t, from, 2, host.Normal, numbered(1, 1+i, 100))
		}
		time.Sleep(time.Second)
		stopped := false
		go func() {
			to.Stop()
			stopped = true
		}()
		time.Sleep(time.Minute)
		if stopped {
			t.Error("Stop did not wait for Receive")
		}
		got.unblock(host.Normal)
		synctest.Wait()
		if !stopped {
			t.Error("Stop did not return when Receive did")
		}
		if k := len(got.from(1, host.Normal)); k != 2 {
			t.Errorf("%d frames were handed over, want 2: no new one after Stop was called", k)
		}
		for range 10 {
			from.Send(2, host.Normal, numbered(1, 0, 100))
			if to.Send(1, host.Normal, numbered(2, 0, 100)) {
				t.Error("Send = true after Stop")
			}
			time.Sleep(time.Second)
		}
		if k := len(got.from(1, host.Normal)); k != 2 {
			t.Errorf("%d frames were handed over after Stop", k-2)
		}
		to.Stop() // again, as by a defer
	})
}

func TestStopWhileSending(t *testing.T) {
	everywhere(t, Limits{QueueFrames: 100}, func(t *testing.T, n network) {
		to := n.start(2, nobody)
		from := n.start(1, nobody)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range uint64(1000) {
					from.Send(2, classes[i%2], numbered(1, i, 1000))
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		time.Sleep(30 * time.Millisecond)
		from.Stop()
		to.Stop()
		wg.Wait()
	})
}

func TestRestartedNode(t *testing.T) {
	everywhere(t, Limits{}, func(t *testing.T, n network) {
		got := newInbox()
		to := n.start(2, got.receive)
		from := n.start(1, got.receive)
		for round := range uint64(4) {
			// What is sent before the loss of a connection is noticed is lost.
			for range n.latest() / (100 * time.Millisecond) {
				from.Send(2, host.Normal, numbered(1, round, 100))
				to.Send(1, host.Normal, numbered(2, round, 100))
				time.Sleep(100 * time.Millisecond)
			}
			for _, sender := range []raft.NodeID{1, 2} {
				frames := got.from(sender, host.Normal)
				if len(frames) < 5 {
					t.Errorf("round %d: %d frames came from %d", round, len(frames), sender)
				}
				for _, f := range frames {
					if !bytes.Equal(f, numbered(uint32(sender), round, 100)) {
						t.Errorf("round %d: a frame came that was not sent in this life of node 2", round)
					}
				}
			}
			to.Stop()
			got.clear()
			if round%2 == 0 {
				time.Sleep(time.Hour)
			}
			to = n.start(2, got.receive)
		}
		to.Stop()
		from.Stop()
	})
}

func TestCutAndHealed(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 20 * time.Second, time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			everywhere(t, Limits{QueueFrames: 1000}, func(t *testing.T, n network) {
				got := newInbox()
				to := n.start(2, got.receive)
				defer to.Stop()
				from := n.start(1, nobody)
				defer from.Stop()
				var number uint64
				var last bool
				beat := func(d time.Duration) {
					for range d / (100 * time.Millisecond) {
						last = from.Send(2, host.Normal, numbered(1, number, 100))
						number++
						time.Sleep(100 * time.Millisecond)
					}
				}
				beat(time.Second)
				n.cut(1, 2)
				before := len(got.from(1, host.Normal))
				beat(length)
				if k := len(got.from(1, host.Normal)); k != before {
					t.Errorf("%d frames arrived although the network is cut", k-before)
				}
				n.heal(1, 2)
				beat(n.latest())
				if !last {
					t.Error("frames are dropped although the network is healed")
				}
				beat(time.Second)
				frames := got.from(1, host.Normal)
				if len(frames) < before+8 {
					t.Errorf("%d frames arrived after the network was healed", len(frames)-before)
				}
				var next uint64
				for _, f := range frames {
					_, number := numberOf(f)
					if number < next {
						t.Fatalf("frame %d arrived after %d", number, next-1)
					}
					next = number + 1
				}
			})
		})
	}
}
