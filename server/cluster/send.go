package cluster

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/nats-lite/nats-lite/internal/chunk"
	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/cluster/mesh"
	"github.com/nats-lite/nats-lite/server/event"
	"github.com/nats-lite/nats-lite/server/proto"
)

// outbound is what the other end is to be told of the interest here.
//
// Somebody who has subscribed and then sends must not overtake the interest that somebody else is just
// taking along. So who takes interest does that and queues it under one lock, and only
// then says how far he has got: as long as told is not what woken was, others come to the lock.
type outbound struct {
	// woken counts what followers have called for, told is how much of that is queued.
	woken, told atomic.Uint64
	// news has the route's own goroutine look after it.
	news chan struct{}

	// telling guards told's changes, items and lines, and is held while followers are asked.
	telling sync.Mutex
	items   []account.Interest
	lines   []byte

	// noting guards dirty and the followers' marks.
	noting sync.Mutex
	// dirty are the followers that have something.
	dirty []*follower
}

// follower is told of the interest in an account.
type follower struct {
	*account.Follower
	name  string
	dirty bool
}

// follow begins to tell of an account if it belongs to the route.
func (r *Route) follow(acc *account.Account) {
	if mesh.SlotFor(&r.cfg.Self, &r.peer, acc.Name()) != r.slot {
		return
	}
	f := &follower{}
	if r.slot.Account == "" {
		f.name = acc.Name()
	}
	r.out.telling.Lock() // wake may be called before there is something to ask
	f.Follower = acc.Follow(func() { r.wake(f) })
	r.out.telling.Unlock()

	r.mu.Lock()
	gone := r.gone
	if !gone {
		r.followers = append(r.followers, f)
	}
	r.mu.Unlock()
	if gone {
		f.Stop()
		return
	}
	r.wake(f)
}

// wake takes note that a follower has something to tell.
func (r *Route) wake(f *follower) {
	o := &r.out
	o.noting.Lock()
	if !f.dirty {
		f.dirty = true
		o.dirty = append(o.dirty, f)
	}
	o.noting.Unlock()
	o.woken.Add(1)
	select {
	case o.news <- struct{}{}:
	default: // it will be looked after
	}
}

// interestBatch is how many items are taken at a time.
const interestBatch = 256

// tellInterest queues all that the other end has to know. When it returns, all is queued of
// which somebody was woken before it was called.
func (r *Route) tellInterest() {
	o := &r.out
	if o.told.Load() == o.woken.Load() {
		return
	}
	o.telling.Lock()
	defer o.telling.Unlock()
	woken := o.woken.Load()
	for f := o.next(); f != nil; f = o.next() {
		for {
			o.items = f.Take(o.items[:0], interestBatch)
			if len(o.items) == 0 {
				break
			}
			o.lines = o.lines[:0]
			for i := range o.items {
				if item := &o.items[i]; r.cfg.Import.interest(item.Subject) {
					o.lines = appendInterest(o.lines, f.name, item)
				}
			}
			r.conn.Append(o.lines)
		}
	}
	clear(o.items[:cap(o.items)])
	o.told.Store(woken)
}

// next returns a follower that has something, nil if there is none.
func (o *outbound) next() *follower {
	o.noting.Lock()
	defer o.noting.Unlock()
	n := len(o.dirty)
	if n == 0 {
		return nil
	}
	f := o.dirty[n-1]
	o.dirty[n-1] = nil
	o.dirty = o.dirty[:n-1]
	f.dirty = false
	return f
}

func appendInterest(dst []byte, account string, i *account.Interest) []byte {
	line := proto.Interest{Account: account, Subject: i.Subject, Queue: i.Queue, Weight: i.Members}
	if i.Members == 0 {
		return line.Append(dst, proto.OpRUnsub)
	}
	return line.Append(dst, proto.OpRSub)
}

// AppendHead is account.Encoder's.
func (r *Route) AppendHead(dst []byte, h *account.Head) []byte {
	letter, name := byte('R'), h.Account
	if h.HeaderLen > 0 {
		letter = 'H'
	}
	if r.slot.Account != "" {
		name = ""
	}
	dst = proto.AppendPeerMsgPrefix(append(dst, letter), "", name, h.To)
	reply := h.Reply
	if needsSubject(h) {
		reply = appendSubjectReply(make([]byte, 0, 128), h.Subject, h.Reply)
	}
	dst = proto.AppendReplyQueues(dst, reply, h.Queues)
	if h.HeaderLen > 0 {
		return proto.AppendHMsgTail(dst, nil, h.HeaderLen, h.Size)
	}
	return proto.AppendMsgTail(dst, nil, h.Size)
}

// needsSubject tells whether the reply has to say which subject the message has: that is
// another one, or the reply looks as if it did.
func needsSubject(h *account.Head) bool {
	return len(h.Reply) > 0 && h.Reply[0] == subjectMark || !bytes.Equal(h.To, h.Subject)
}

// Accept is account.Receiver's: interest goes first.
func (r *Route) Accept(l *chunk.List, msgs, bytes int64) (behind <-chan struct{}) {
	r.tellInterest()
	return r.conn.Accept(l, msgs, bytes)
}

// Flush is account.Receiver's, as are the following.
func (r *Route) Flush() { r.conn.Flush() }

// Exhausted has nothing to do: what the other end listens to has no maximum here.
func (r *Route) Exhausted(*account.Subscription) {}

// Behind tells whether much is queued.
func (r *Route) Behind() bool { return r.conn.Behind() }

// Name is the other server's.
func (r *Route) Name() string { return r.peer.Name }

// Info tells who is at the other end.
func (r *Route) Info() event.ClientInfo {
	return event.ClientInfo{ID: uint64(r.id), Name: r.peer.Name, Cluster: r.peer.Cluster, Kind: "Router"}
}

// TrackReply has nothing to do: permissions are those of clients.
func (r *Route) TrackReply([]byte) {}
