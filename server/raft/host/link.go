package host

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-lite/nats-lite/server/raft"
)

// link is what a host knows of another node. It stands in for all groups that have
// replicas on both: while they sleep, it is the link that notices the node's death.
type link struct {
	node raft.NodeID

	// up is whether the node was heard lately. Only ticks change it.
	up atomic.Bool
	// heard is the tick of the last frame.
	heard atomic.Uint64
	// refs counts the groups with a replica on the node.
	refs atomic.Int32
	// absents is how many messages to replicas that are not here may still be
	// answered in this tick.
	absents atomic.Int32

	mu sync.Mutex
	// epoch is that of the node's present life, 0 before it was heard; retired
	// are earlier ones, of which something may still be on its way.
	epoch   uint64
	retired []uint64
	// fresh is set when the epoch has changed since the last tick, leaving when
	// the node says that it goes.
	fresh, leaving bool
	incarnation    uint32
	// seq is the number of the last heartbeat sent, and sentAt when the last few
	// were; got and gotAt are those of the last one that came.
	seq    uint64
	sentAt [8]time.Time
	got    uint64
	gotAt  time.Time
	rtt    time.Duration
}

// maxRetired bounds the epochs that are remembered of a node.
const maxRetired = 8

// hear takes note of a sign of life, and reports whether the frame that it came
// with counts. Of an earlier life of the node none does, unless the node is not
// up, when it is unclear which of them is the present one.
func (l *link) hear(epoch, tick uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		if l.up.Load() && slices.Contains(l.retired, epoch) {
			return false
		}
		if l.epoch != 0 {
			l.retired = append(l.retired, l.epoch)
			l.retired = l.retired[max(0, len(l.retired)-maxRetired):]
			l.fresh = true
		}
		l.retired = slices.DeleteFunc(l.retired, func(e uint64) bool { return e == epoch })
		l.epoch, l.got, l.leaving = epoch, 0, false
	}
	l.heard.Store(tick)
	return true
}

func (l *link) heartbeat(b heartbeat, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.seq <= l.got {
		return
	}
	l.got, l.gotAt, l.incarnation, l.leaving = b.seq, now, b.incarnation, b.leaving
	if b.echo != 0 && b.echo <= l.seq && l.seq-b.echo < uint64(len(l.sentAt)) {
		l.rtt = max(0, now.Sub(l.sentAt[b.echo%uint64(len(l.sentAt))])-b.held)
	}
}

// next returns the next heartbeat to be sent.
func (l *link) next(incarnation uint32, now time.Time, leaving bool) heartbeat {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	l.sentAt[l.seq%uint64(len(l.sentAt))] = now
	b := heartbeat{incarnation: incarnation, leaving: leaving, seq: l.seq}
	if l.got != 0 {
		b.echo, b.held = l.got, max(0, now.Sub(l.gotAt))
	}
	return b
}

// check returns what has changed since the last tick.
func (l *link) check(tick uint64, silence int) (change nodeChange, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.up.Load()
	up := l.epoch != 0 && tick-l.heard.Load() <= uint64(silence) && !l.leaving
	fresh := l.fresh
	l.fresh = false
	l.up.Store(up)
	switch {
	case was && !up:
		return nodeDown, true
	case up && !was && !fresh:
		return nodeUp, true
	case up && fresh:
		return nodeNew, true
	}
	return 0, false
}

// linkTable has the links by node.
type linkTable struct {
	mu sync.Mutex
	// sorted is replaced when a link is added, and never changed.
	sorted atomic.Pointer[[]*link]
}

func (t *linkTable) all() []*link {
	if s := t.sorted.Load(); s != nil {
		return *s
	}
	return nil
}

func (t *linkTable) find(n raft.NodeID) *link {
	all := t.all()
	if at, ok := slices.BinarySearchFunc(all, n, byNode); ok {
		return all[at]
	}
	return nil
}

// get returns the link to a node, and makes it if need be.
func (t *linkTable) get(n raft.NodeID) *link {
	if l := t.find(n); l != nil {
		return l
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.all()
	at, ok := slices.BinarySearchFunc(all, n, byNode)
	if ok {
		return all[at]
	}
	l := &link{node: n}
	grown := slices.Insert(slices.Clone(all), at, l)
	t.sorted.Store(&grown)
	return l
}

func byNode(l *link, n raft.NodeID) int { return cmp.Compare(l.node, n) }

// alive reports whether a node is up. The own one always is.
func (h *Host) alive(n raft.NodeID) bool {
	if n == h.cfg.Node {
		return true
	}
	l := h.links.find(n)
	return l != nil && l.up.Load()
}

func (h *Host) aliveCheck() func(raft.PeerID) bool {
	return func(p raft.PeerID) bool { return h.alive(p.Node()) }
}

// quorumAlive reports whether the nodes that are up could make a decision.
func (h *Host) quorumAlive(c *raft.ConfState) bool {
	majority := func(peers []raft.PeerID) bool {
		n := 0
		for _, p := range peers {
			if h.alive(p.Node()) {
				n++
			}
		}
		return n > len(peers)/2
	}
	return majority(c.Voters) && (!c.Joint() || majority(c.Outgoing))
}

// missing reports whether the heartbeat of a node that is up is overdue.
func (h *Host) missing(tick uint64) bool {
	return slices.ContainsFunc(h.links.all(), func(l *link) bool {
		return l.up.Load() && tick > l.heard.Load()+2*uint64(h.cfg.HeartbeatTicks)
	})
}

// tickLinks sends heartbeats, and tells the groups of nodes that have come or
// gone.
func (h *Host) tickLinks(tick uint64) {
	var events []nodeEvent
	now := h.cfg.Clock.Now()
	for _, l := range h.links.all() {
		l.absents.Store(maxAbsents)
		if change, ok := l.check(tick, h.cfg.ElectionTicks); ok {
			events = append(events, nodeEvent{l.node, change})
			kind := EventNodeUp
			if change == nodeDown {
				kind = EventNodeDown
			}
			h.event(Event{Kind: kind, Node: l.node})
		}
		if tick%uint64(h.cfg.HeartbeatTicks) == 0 && (l.refs.Load() > 0 || l.up.Load()) {
			h.sendHeartbeat(l, now, false)
		}
	}
	if len(events) == 0 {
		return
	}
	for _, g := range h.Groups() {
		if m := g.open(); m != nil {
			m.nodes = append(m.nodes, events...)
			g.seal()
		}
	}
}

func (h *Host) sendHeartbeat(l *link, now time.Time, leaving bool) {
	h.sendRecord(l.node, Normal, 64, func(b []byte) []byte {
		return appendHeartbeat(b, l.next(h.log.Incarnation(), now, leaving))
	})
}

// sendLeaving tells all nodes not to wait for this one.
func (h *Host) sendLeaving() {
	now := h.cfg.Clock.Now()
	for _, l := range h.links.all() {
		h.sendHeartbeat(l, now, true)
	}
}

// maxAbsents bounds the answers to messages for replicas that are not here, per
// node and tick.
const maxAbsents = 256

// answerAbsent tells a node that it has asked for a replica that is not here.
func (h *Host) answerAbsent(l *link, g *Group, id raft.GroupID, asked raft.PeerID) {
	if l.absents.Add(-1) < 0 {
		return
	}
	n := notice{kind: noticeAbsent, group: id, inc: asked.Incarnation()}
	if g != nil {
		n.now = raft.PeerID(g.self.Load()).Incarnation()
	}
	h.sendRecord(l.node, Normal, 64, func(b []byte) []byte { return appendNotice(b, n) })
}

// sendRecord sends a frame with one record, for which there is room for size
// bytes.
func (h *Host) sendRecord(to raft.NodeID, class Class, size int, record func([]byte) []byte) bool {
	frame := appendFrameHead(newFrame(size+frameHead), h.epoch)
	return h.sendFrame(to, class, record(frame), 0)
}

// sendFrame sends a frame with a number of messages.
func (h *Host) sendFrame(to raft.NodeID, class Class, frame []byte, messages int) bool {
	if h.mute.Load() {
		return false
	}
	n := len(frame)
	if !h.cfg.Transport.Send(to, class, frame) {
		h.dropSend.Add(1)
		return false
	}
	h.framesOut.Add(1)
	h.bytesOut.Add(uint64(n))
	h.messagesOut.Add(uint64(messages))
	return true
}
