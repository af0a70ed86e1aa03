package jetstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/internal/vfs"
	"github.com/nats-lite/nats-lite/server/account"
	clientevent "github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/raft"
)

// bus is the routes of a town: servers that see each other tell each other of the interest in
// their accounts, and get what is published there, as with routes between real ones.
type bus struct {
	mu sync.Mutex
	// links lead from the first house of a pair to the second.
	links map[[2]*house]*link
}

// link is one direction of a route: what a house has sent and the other not yet read.
type link struct {
	account.Target
	from, to  *house
	back      *link
	followers map[string]*account.Follower // by account
	// telling keeps interest and messages in order.
	telling sync.Mutex

	mu     sync.Mutex
	filled sync.Cond
	sent   []byte
	woken  bool
	closed bool

	// The rest belongs to run. theirs is what is listened to on from, as the accounts of to
	// have it.
	theirs map[string]*account.Subscription
	in     *account.Fanout
}

// frame is what a link carries, as a line of JSON. Headers and payload of a message follow it.
type frame struct {
	Account            string
	Interest           *account.Interest
	To, Subject, Reply string
	Queues             []string
	HeaderLen, Size    int
}

func (f *frame) append(dst []byte) []byte { return append(append(dst, mustJSON(f)...), '\n') }

// accounts are those that a house shares with the others.
func (h *house) accounts() []*account.Account { return []*account.Account{h.system, h.acc} }

func (h *house) account(name string) *account.Account {
	for _, a := range h.accounts() {
		if a.Name() == name {
			return a
		}
	}
	panic(fmt.Sprintf("there is no account %q", name))
}

// connect links those who see each other, and nobody else.
func (b *bus) connect(w *town) {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := make(map[[2]*house]bool)
	for _, h := range w.all() {
		for _, other := range w.visible(h.node) {
			seen[[2]*house{h, other}] = true
		}
	}
	for pair, l := range b.links {
		if !seen[pair] {
			l.close()
			delete(b.links, pair)
		}
	}
	for pair := range seen {
		if b.links[pair] != nil {
			continue
		}
		l, back := newLink(pair[0], pair[1]), newLink(pair[1], pair[0])
		l.back, back.back = back, l
		b.links[pair], b.links[[2]*house{pair[1], pair[0]}] = l, back
		l.start()
		back.start()
	}
}

func newLink(from, to *house) *link {
	l := &link{from: from, to: to, theirs: make(map[string]*account.Subscription), followers: make(map[string]*account.Follower)}
	l.filled.L = &l.mu
	l.ID, l.Receiver, l.Encoder = uint64(to.node), l, l
	l.SetHeaders(true)
	return l
}

func (l *link) start() {
	l.telling.Lock()
	for _, a := range l.from.accounts() {
		l.followers[a.Name()] = a.Follow(l.wake)
	}
	l.telling.Unlock()
	l.in = l.to.system.NewFanout(account.Config{NoCache: true, Seed: uint64(l.from.node)})
	l.wake()
	go l.run()
}

func (l *link) wake() {
	l.mu.Lock()
	l.woken = true
	l.mu.Unlock()
	l.filled.Signal()
}

// close ends it. What was not read is lost.
func (l *link) close() {
	l.Close()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.filled.Signal()
}

// tell sends what the other end has to know of interest.
func (l *link) tell() {
	for name, f := range l.followers {
		for _, i := range f.Take(nil, 1000) {
			l.send((&frame{Account: name, Interest: &i}).append(nil))
		}
	}
}

func (l *link) send(b []byte) {
	l.mu.Lock()
	l.sent = append(l.sent, b...)
	l.mu.Unlock()
	l.filled.Signal()
}

// AppendHead implements account.Encoder.
func (l *link) AppendHead(dst []byte, h *account.Head) []byte {
	f := frame{
		Account: h.Account, To: string(h.To), Subject: string(h.Subject), Reply: string(h.Reply), Queues: h.Queues,
		HeaderLen: h.HeaderLen, Size: h.Size,
	}
	return f.append(dst)
}

// Accept implements account.Receiver, as do the following: interest goes first.
func (l *link) Accept(list *chunk.List, _, _ int64) <-chan struct{} {
	l.telling.Lock()
	defer l.telling.Unlock()
	l.tell()
	l.send(list.Bytes())
	list.Free()
	return nil
}

func (l *link) Flush()                          {}
func (l *link) Exhausted(*account.Subscription) {}
func (l *link) Behind() bool                    { return false }
func (l *link) Name() string                    { return l.from.e.cfg.Name }
func (l *link) Info() clientevent.ClientInfo    { return clientevent.ClientInfo{Kind: "Router"} }
func (l *link) TrackReply([]byte)               {}

// run has the other end read what is sent, until the link is closed.
func (l *link) run() {
	for {
		l.mu.Lock()
		for !l.closed && !l.woken && len(l.sent) == 0 {
			l.filled.Wait()
		}
		closed, woken, got := l.closed, l.woken, l.sent
		l.woken, l.sent = false, nil
		l.mu.Unlock()
		if closed {
			break
		}
		if woken {
			l.telling.Lock()
			l.tell()
			l.telling.Unlock()
		}
		l.read(bytes.NewBuffer(got))
	}
	for _, f := range l.followers {
		f.Stop()
	}
	for key, s := range l.theirs {
		var f frame
		if err := json.Unmarshal([]byte(key), &f); err != nil {
			panic(err)
		}
		l.to.account(f.Account).Unsubscribe(s)
	}
}

func (l *link) read(b *bytes.Buffer) {
	for b.Len() > 0 {
		line, err := b.ReadBytes('\n')
		var f frame
		if err == nil {
			err = json.Unmarshal(line, &f)
		}
		if err != nil {
			panic(fmt.Sprintf("%q: %v", line, err))
		}
		acc := l.to.account(f.Account)
		if f.Interest != nil {
			l.interest(acc, f.Interest)
			continue
		}
		m := &account.Message{Subject: []byte(f.Subject), Reply: []byte(f.Reply), HeaderLen: f.HeaderLen}
		m.Body = bytes.Clone(b.Next(f.Size + 2))
		var queues [][]byte
		for _, q := range f.Queues {
			queues = append(queues, []byte(q))
		}
		in := l.in.In(acc)
		in.Arrive(in.Routes([]byte(f.To)), m, queues, f.To != f.Subject)
		l.in.Flush()
	}
}

// interest takes note of what the sender listens to.
func (l *link) interest(acc *account.Account, i *account.Interest) {
	key := string(mustJSON(&frame{Account: acc.Name(), Subject: i.Subject, Queues: []string{i.Queue}}))
	s := l.theirs[key]
	switch {
	case i.Members == 0 && s == nil:
		panic(key + " ends that never was")
	case i.Members == 0:
		acc.Unsubscribe(s)
		delete(l.theirs, key)
	case s != nil:
		s.SetWeight(i.Members)
	default:
		s = &account.Subscription{Subject: i.Subject, Queue: i.Queue, Target: &l.back.Target}
		s.SetWeight(i.Members)
		l.theirs[key] = s
		if err := acc.Subscribe(s); err != nil {
			panic(err)
		}
	}
}

// Do houses get what they listen to, one member of each group, and only while they see each
// other?
func TestBus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTown(t, 3)
		defer w.close()
		for n := range raft.NodeID(3) {
			w.open(n+1, vfs.NewMem())
		}
		var plain, group [3]atomic.Int32
		for n := range raft.NodeID(3) {
			a := w.houses[n+1].acc
			for _, s := range []*account.Subscription{
				{Subject: "x.*", Handler: func(*account.Message) { plain[n].Add(1) }},
				{Subject: "x.>", Queue: "q", Handler: func(*account.Message) { group[n].Add(1) }},
			} {
				if err := a.Subscribe(s); err != nil {
					t.Fatal(err)
				}
				if n == 2 && s.Queue != "" {
					a.Unsubscribe(s)
				}
			}
		}
		w.cut(1, 3, true)
		time.Sleep(time.Second)
		for range 10 {
			for n := range raft.NodeID(3) {
				w.houses[n+1].acc.Publish(account.NewMessage("x.y", []byte("hello")))
			}
		}
		synctest.Wait()
		// Server 3 does not see 1, and is no member of the group.
		for n, want := range [3][2]int32{{20, 10}, {30, 20}, {20, 0}} {
			if got := [2]int32{plain[n].Load(), group[n].Load()}; got != want {
				t.Errorf("server %d got %v, want %v", n+1, got, want)
			}
		}
	})
}
