package host

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/raft"
)

// outboxes gather what a worker's groups have to send in one pass, two frames for
// each node: one with the messages that have entries, and one with all others. The
// first one leaves first, for what is said in the other one may be about it.
type outboxes struct {
	host  *Host
	boxes []*outbox // in the order in which nodes were first needed
}

type outbox struct {
	node            raft.NodeID
	entries, others parcel
	// appends are those who have entries in the frame, to be told if it is lost.
	appends []sentAppend
}

type parcel struct {
	frame    []byte
	messages int
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
	b := o.box(m.To.Node())
	p := &b.others
	if len(m.Entries) > 0 {
		if slices.Contains(g.lost, m.To) {
			return // it is of no use without those before it
		}
		p = &b.entries
	}
	o.reserve(b, p, messageSize(m))
	p.frame = appendMessage(p.frame, g.id, m)
	p.messages++
	if len(m.Entries) > 0 {
		b.appends = append(b.appends, sentAppend{g, m.To})
	}
	if len(p.frame) >= flushBytes {
		o.send(b)
	}
}

// notice adds a notice about a replica.
func (o *outboxes) notice(to raft.NodeID, n notice) {
	b := o.box(to)
	o.reserve(b, &b.others, 32)
	b.others.frame = appendNotice(b.others.frame, n)
}

// reserve makes room for size more bytes in a frame.
func (o *outboxes) reserve(b *outbox, p *parcel, size int) {
	if len(p.frame)+size > MaxFrame {
		o.send(b)
	}
	switch need := len(p.frame) + size; {
	case p.frame == nil:
		p.frame = appendFrameHead(newFrame(size+frameHead), o.host.epoch)
	case need > cap(p.frame):
		grown := append(newFrame(max(need, 2*cap(p.frame))), p.frame...)
		Recycle(p.frame)
		p.frame = grown
	}
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
		o.send(b)
	}
}

// send sends what there is for a node. The groups in it are still this worker's.
func (o *outboxes) send(b *outbox) {
	if p := &b.entries; p.frame != nil {
		if !o.host.sendFrame(b.node, Entries, p.frame, p.messages) {
			for _, a := range b.appends {
				a.group.unreachable(a.to)
			}
		}
		clear(b.appends)
		*p, b.appends = parcel{}, b.appends[:0]
	}
	if p := &b.others; p.frame != nil {
		o.host.sendFrame(b.node, Normal, p.frame, p.messages)
		*p = parcel{}
	}
}
