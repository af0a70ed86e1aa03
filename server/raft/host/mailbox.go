package host

import (
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// mailbox is where a group's mail waits until a worker takes all of it at once.
// While there is none it costs a few words.
//
// Invariant: the group is scheduled (in its pool's queue, or being run) if there
// is mail.
type mailbox struct {
	mu        sync.Mutex
	mail      *mail
	scheduled bool
	// closed is set when the group has ended: nobody will take mail any more.
	closed bool
	// ended is made when the group is to be stopped, and closed when neither it
	// nor its apply stage is run any more.
	ended chan struct{}
	// applied is how far the machine is. It is no mail by itself unless the group
	// waits for it, having told so by wantAbove: the index above which it does.
	applied   raft.Index
	waiting   bool
	wantAbove raft.Index
}

// mail is what has come for a group since it was last run.
type mail struct {
	// written counts the writes to the log that have become durable; writeErr is
	// the error of one that has not.
	written  int
	writeErr error
	nodes    []nodeEvent
	msgs     []raft.Message
	msgBytes int
	notices  []peerNotice
	controls []func(*worker)
	reads    []func(raft.Index, error)
	props    []Proposal
	// propBytes is what props count in the budgets.
	propBytes int
	tick      bool
}

// peerNotice is a notice that has come from a node.
type peerNotice struct {
	notice
	from raft.NodeID
}

// nodeEvent is a change in the life of a node.
type nodeEvent struct {
	node raft.NodeID
	kind nodeChange
}

type nodeChange uint8

const (
	nodeDown nodeChange = iota + 1
	nodeUp
	// nodeNew: the node has been started anew, maybe without having been missed.
	nodeNew
)

var mails = sync.Pool{New: func() any { return new(mail) }}

// The room that mail keeps when it goes back to the pool.
const (
	maxKeptMsgs  = 256
	maxKeptProps = 4096
)

// recycle gives the mail back.
func (m *mail) recycle() {
	clear(m.msgs)
	clear(m.notices)
	clear(m.controls)
	clear(m.reads)
	clear(m.props)
	kept := mail{
		nodes: m.nodes[:0], msgs: m.msgs[:0], notices: m.notices[:0],
		controls: m.controls[:0], reads: m.reads[:0], props: m.props[:0],
	}
	if cap(kept.msgs) > maxKeptMsgs {
		kept.msgs = nil
	}
	if cap(kept.props) > maxKeptProps {
		kept.props = nil
	}
	*m = kept
	mails.Put(m)
}

// post puts something into the mail by put, which must not block, and reports
// whether the group takes mail at all.
func (g *Group) post(put func(*mail)) bool {
	m := g.open()
	if m == nil {
		return false
	}
	put(m)
	g.seal()
	return true
}

// open locks the mailbox and returns the mail to be added to, or nil if the group
// has ended. If it is not nil, seal has to follow. Together they are post without
// a closure, for what comes often.
func (g *Group) open() *mail {
	b := &g.box
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	if b.mail == nil {
		b.mail = mails.Get().(*mail)
	}
	return b.mail
}

func (g *Group) seal() {
	if g.schedule() {
		g.host.groupPool.push(g)
	}
}

// schedule is seal for who queues the group by himself, if it returns true.
func (g *Group) schedule() bool {
	fresh := !g.box.scheduled
	g.box.scheduled = true
	g.box.mu.Unlock()
	return fresh
}

// postWritten is told by the log what became of a write.
func (g *Group) postWritten(err error) {
	m := g.open()
	if m == nil {
		return
	}
	if err != nil {
		m.writeErr = err
	} else {
		m.written++
	}
	g.seal()
}

// postApplied is told by the apply stage how far the machine is.
func (g *Group) postApplied(i raft.Index) {
	b := &g.box
	b.mu.Lock()
	b.applied = max(b.applied, i)
	wake := b.waiting && b.applied > b.wantAbove && !b.closed && !b.scheduled
	b.scheduled = b.scheduled || wake
	b.mu.Unlock()
	if wake {
		g.host.groupPool.push(g)
	}
}

// setApplied notes how far a machine is that has gone back.
func (b *mailbox) setApplied(i raft.Index) {
	b.mu.Lock()
	b.applied = i
	b.mu.Unlock()
}

// take returns all mail, nil if there is none, and how far the machine is.
func (b *mailbox) take() (*mail, raft.Index) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.mail
	b.mail, b.waiting = nil, false
	return m, b.applied
}

// wait tells that the group has something to do once the machine is past an index.
func (b *mailbox) wait(above raft.Index) {
	b.mu.Lock()
	b.waiting, b.wantAbove = true, above
	b.mu.Unlock()
}

// release implements actor.
func (g *Group) release() *pool {
	b := &g.box
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mail != nil || b.waiting && b.applied > b.wantAbove {
		return g.host.groupPool
	}
	b.scheduled = false
	return nil
}

// end returns the channel that is closed at the end.
func (b *mailbox) end() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended == nil {
		b.ended = make(chan struct{})
	}
	return b.ended
}

// close ends the mailbox and returns what was still in it.
func (b *mailbox) close() *mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.mail
	b.mail, b.closed, b.waiting = nil, true, false
	return m
}
