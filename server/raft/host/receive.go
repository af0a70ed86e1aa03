package host

import (
	"github.com/nats-lite/nats-lite/server/raft"
)

// Receive implements Receiver.
func (h *Host) Receive(from raft.NodeID, class Class, frame []byte) {
	h.framesIn.Add(1)
	h.bytesIn.Add(uint64(len(frame)))
	if from == h.cfg.Node || from == 0 {
		h.badFrames.Add(1)
		return
	}
	r := openFrame(from, h.cfg.Node, frame)
	if r.Bad() {
		h.badFrames.Add(1)
		return
	}
	l := h.links.get(from)
	if !l.hear(r.epoch, h.ticks.Load()) {
		h.dropStale.Add(1)
		return
	}
	messages := uint64(0)
	for {
		kind, ok := r.next()
		if !ok {
			break
		}
		switch kind {
		case recordMessage:
			if id, m := r.message(); !r.Bad() {
				messages++
				h.receiveMessage(l, id, m)
			}
		case recordHeartbeat:
			if b := r.heartbeat(); !r.Bad() {
				l.heartbeat(b, h.cfg.Clock.Now())
			}
		case recordNotice:
			if n := r.notice(); !r.Bad() {
				h.receiveNotice(from, n)
			}
		case recordOffer:
			if o := r.offer(); !r.Bad() {
				h.receiveOffer(o)
			}
		case recordChunk:
			if c := r.chunk(); !r.Bad() {
				h.transfers.chunk(from, c)
			}
		case recordAnswer:
			if a := r.answer(); !r.Bad() {
				h.transfers.answer(from, a)
			}
		}
	}
	h.messagesIn.Add(messages)
	if r.Bad() {
		h.badFrames.Add(1)
	}
}

// receiveMessage puts a message into the mailbox that it is for.
func (h *Host) receiveMessage(l *link, id raft.GroupID, m raft.Message) {
	g := h.group(id)
	if g == nil || raft.PeerID(g.self.Load()) != m.To {
		h.dropStranger.Add(1)
		h.answerAbsent(l, g, id, m.To)
		return
	}
	size := messageOverhead
	for i := range m.Entries {
		size += m.Entries[i].Size()
	}
	if len(m.Entries) > 0 && h.logBusy.Load() {
		// The leader sends it again when it hears from us, or not. Heartbeats
		// and votes go on.
		h.dropLogBusy.Add(1)
		return
	}
	box := g.open()
	if box == nil {
		return
	}
	full := box.msgBytes+size > h.cfg.MaxInboxBytes && len(box.msgs) > 0
	if full && (len(m.Entries) > 0 || len(box.msgs) >= maxInboxMessages) {
		h.dropInbox.Add(1)
	} else {
		box.msgs = append(box.msgs, m)
		box.msgBytes += size
	}
	g.seal()
}

const (
	messageOverhead = 128
	// maxInboxMessages bounds the messages without entries, too, in an inbox
	// that is full.
	maxInboxMessages = 64 << 10
)

func (h *Host) receiveNotice(from raft.NodeID, n notice) {
	if g := h.group(n.group); g != nil {
		g.post(func(m *mail) {
			if len(m.notices) < maxNotices {
				m.notices = append(m.notices, peerNotice{n, from})
			}
		})
	}
}

// maxNotices bounds the notices in a mailbox, and what offers may come to.
// Both are repeated.
const maxNotices = 64

func (h *Host) receiveOffer(o offer) {
	g := h.group(o.group)
	if g == nil || raft.PeerID(g.self.Load()) != o.to {
		h.dropStranger.Add(1)
		h.answerAbsent(h.links.get(o.from.Node()), g, o.group, o.to)
		return
	}
	g.post(func(m *mail) {
		if len(m.controls) < maxNotices {
			m.controls = append(m.controls, func(*worker) { g.offered(&o) })
		}
	})
}
