package host

import "github.com/nats-lite/nats-lite/server/raft"

// outboxes gather what a worker's groups have to send in one pass, one frame for
// each node.
type outboxes struct {
	host  *Host
	boxes []*outbox // in the order in which nodes were first needed
}

type outbox struct {
	node     raft.NodeID
	frame    []byte
	messages int
	// appends are those who have entries in the frame, to be told if it is lost.
	appends []sentAppend
}

type sentAppend struct {
	group *Group
	to    raft.PeerID
}

// flushBytes is the length at which a frame leaves before the pass is over.
const flushBytes = 256 << 10

// message adds a message of a group.
func (o *outboxes) message(g *Group, m *raft.Message) {
	if obs := o.host.cfg.Observer; obs != nil {
		obs.Sent(g.id, m)
	}
	b := o.reserve(m.To.Node(), messageSize(m))
	b.frame = appendMessage(b.frame, g.id, m)
	b.messages++
	if len(m.Entries) > 0 {
		b.appends = append(b.appends, sentAppend{g, m.To})
	}
	if len(b.frame) >= flushBytes {
		o.send(b)
	}
}

// notice adds a notice about a replica.
func (o *outboxes) notice(to raft.NodeID, n notice) {
	b := o.reserve(to, 32)
	b.frame = appendNotice(b.frame, n)
}

// reserve returns the outbox for a node, with a frame that has room for size more
// bytes.
func (o *outboxes) reserve(node raft.NodeID, size int) *outbox {
	b := o.box(node)
	if len(b.frame)+size > MaxFrame {
		o.send(b)
	}
	switch need := len(b.frame) + size; {
	case b.frame == nil:
		b.frame = appendFrameHead(newFrame(size+frameHead), o.host.epoch)
	case need > cap(b.frame):
		grown := append(newFrame(max(need, 2*cap(b.frame))), b.frame...)
		Recycle(b.frame)
		b.frame = grown
	}
	return b
}

func (o *outboxes) box(node raft.NodeID) *outbox {
	for _, b := range o.boxes {
		if b.node == node {
			return b
		}
	}
	b := &outbox{node: node}
	o.boxes = append(o.boxes, b)
	return b
}

// flush sends all frames.
func (o *outboxes) flush() {
	for _, b := range o.boxes {
		if b.frame != nil {
			o.send(b)
		}
	}
}

// send sends one. The groups in it are still this worker's.
func (o *outboxes) send(b *outbox) {
	if !o.host.sendFrame(b.node, Normal, b.frame, b.messages) {
		for _, a := range b.appends {
			a.group.unreachable(a.to)
		}
	}
	clear(b.appends)
	b.frame, b.messages, b.appends = nil, 0, b.appends[:0]
}
