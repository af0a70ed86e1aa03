package host

import (
	"slices"
	"sync"

	"github.com/nats-lite/nats-lite/server/raft"
)

// An image of a machine goes from a leader to a follower that needs entries which
// the log no longer has:
//
//	 leader                                        follower
//	    │ offer(id, position, size)                    │
//	    ├─────────────────────────────────────────────▶│ is it of use? is there room?
//	    │                              accept(offset)  │
//	    │◀─────────────────────────────────────────────┤
//	    │ chunk … chunk, the last one with the digest  │
//	    ├─────────────────────────────────────────────▶│ into a file
//	    │                                ack(offset) … │
//	    │◀─────────────────────────────────────────────┤
//	    │                                              │ synced, read back, compared;
//	    │                                   installed  │ Restore; MsgSnap to the core
//	    │◀─────────────────────────────────────────────┤
//
// When answers stay away the leader offers the same image again, and goes on where
// the follower says. An offer names the image by a random number, and all its fields have to be
// the same: images never mix. Both ends are actors in the pool for slow things,
// and all of it goes by connections for bulk.

const (
	// windowChunks is how many chunks may be on their way and not acknowledged.
	windowChunks = 4
	// reofferTicks is after how long without an answer an image is offered again,
	// giveUpTicks after how long a transfer has failed. It may be tried again after
	// retryTicks, and twice as many each time that it fails once more, up to
	// maxRetryTicks.
	reofferTicks  = 20
	giveUpTicks   = 300
	retryTicks    = 10
	maxRetryTicks = 160
)

// transfers are the images on their way from and to this host.
type transfers struct {
	host *Host

	mu sync.Mutex
	// wishes wait for their turn, oldest first.
	wishes []wish
	// failed are transfers that are not to be tried again at once.
	failed   []wish
	sends    []*sender
	receives []*receiver
	// tokens are the bytes that may be sent in this tick.
	tokens int64
}

// wish is for an image to be sent to a peer.
type wish struct {
	group    *Group
	from, to raft.PeerID
	term     raft.Term
	// after is the tick before which its turn does not come, failures how often it
	// failed without a success in between.
	after    uint64
	failures int
}

// wishSnapshot is told by the core that a peer needs an image.
func (g *Group) wishSnapshot(to raft.PeerID) {
	t := &g.host.transfers
	w := wish{group: g, from: g.core.ID(), to: to, term: g.core.Term()}
	t.mu.Lock()
	for _, f := range t.failed {
		if f.group == g && f.to == to {
			w.after, w.failures = f.after, f.failures
		}
	}
	t.wishes = append(t.wishes, w)
	t.mu.Unlock()
	t.begin()
}

// begin begins the transfers whose turn it is. Those to nodes that are not up
// wait.
func (t *transfers) begin() {
	for {
		t.mu.Lock()
		var s *sender
		if len(t.sends) < t.host.cfg.SnapshotSends {
			for i, w := range t.wishes {
				if t.host.ticks.Load() >= w.after && t.host.alive(w.to.Node()) {
					t.wishes = slices.Delete(t.wishes, i, i+1)
					s = &sender{host: t.host, wish: w}
					t.sends = append(t.sends, s)
					break
				}
			}
		}
		t.mu.Unlock()
		if s == nil {
			return
		}
		if !s.group.apply.post(task{image: s}) {
			s.post(func(m *senderMail) { m.cancelled = true })
		}
	}
}

// busy reports whether ticks matter to any transfer.
func (t *transfers) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sends)+len(t.receives)+len(t.wishes)+len(t.failed) > 0
}

// tick is one tick for all transfers.
func (t *transfers) tick() {
	c := &t.host.cfg
	perTick := max(c.SnapshotChunkBytes, int64(float64(c.SnapshotBytesPerSecond)*c.Tick.Seconds()))
	t.mu.Lock()
	t.tokens = perTick
	sends, receives := slices.Clone(t.sends), slices.Clone(t.receives)
	waiting := len(t.wishes) > 0
	// The core wishes again soon after it may, if it still does.
	t.failed = slices.DeleteFunc(t.failed, func(f wish) bool { return f.after+retryTicks <= t.host.ticks.Load() })
	t.mu.Unlock()
	if n := len(sends); n > 0 {
		// Each is the first to take tokens in its turn.
		k := int(t.host.ticks.Load() % uint64(n))
		sends = slices.Concat(sends[k:], sends[:k])
	}
	for _, s := range sends {
		s.post(func(m *senderMail) { m.ticks++ })
	}
	for _, r := range receives {
		r.post(func(m *receiverMail) { m.ticks++ })
	}
	if waiting {
		t.begin()
	}
}

// take takes bytes from what may be sent in this tick.
func (t *transfers) take(n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tokens < n {
		return false
	}
	t.tokens -= n
	return true
}

// cancelSends ends what a group sends, to those peers for whom unwanted says so.
func (t *transfers) cancelSends(g *Group, unwanted func(raft.PeerID) bool) {
	t.mu.Lock()
	var dropped []raft.PeerID
	t.wishes = slices.DeleteFunc(t.wishes, func(w wish) bool {
		drop := w.group == g && unwanted(w.to)
		if drop {
			dropped = append(dropped, w.to)
		}
		return drop
	})
	var ended []*sender
	for _, s := range t.sends {
		if s.group == g && unwanted(s.to) {
			ended = append(ended, s)
		}
	}
	t.mu.Unlock()
	for _, s := range ended {
		s.post(func(m *senderMail) { m.cancelled = true })
	}
	if g.core != nil {
		for _, p := range dropped {
			g.core.SnapshotDone(p, 0, false)
		}
	}
}

func everyPeer(raft.PeerID) bool { return true }

// cancel ends all transfers of a group.
func (t *transfers) cancel(g *Group) {
	t.cancelSends(g, everyPeer)
	t.mu.Lock()
	r := t.receiverLocked(g)
	t.mu.Unlock()
	if r != nil {
		r.post(func(m *receiverMail) { m.cancelled = true })
	}
}

func (t *transfers) receiverLocked(g *Group) *receiver {
	for _, r := range t.receives {
		if r.group == g {
			return r
		}
	}
	return nil
}

// sent ends a transfer. One that has failed is not tried again before a while.
func (t *transfers) sent(s *sender, failed bool) {
	t.mu.Lock()
	t.failed = slices.DeleteFunc(t.failed, func(f wish) bool { return f.group == s.group && f.to == s.to })
	if failed {
		w := s.wish
		w.after = t.host.ticks.Load() + uint64(min(retryTicks<<w.failures, maxRetryTicks))
		w.failures = min(w.failures+1, 8)
		t.failed = append(t.failed, w)
	}
	t.sends = slices.DeleteFunc(t.sends, func(o *sender) bool { return o == s })
	t.mu.Unlock()
}

func (t *transfers) received(r *receiver) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.receives = slices.DeleteFunc(t.receives, func(o *receiver) bool { return o == r })
}

// offer begins to receive an image for a group that can use it, or goes on.
func (t *transfers) offer(g *Group, o *offer) {
	t.mu.Lock()
	r := t.receiverLocked(g)
	var ended *receiver
	switch {
	case r != nil && r.offer.equal(o):
	case r != nil && (o.term < r.offer.term || r.installing.Load()):
		r = nil
	case r == nil && len(t.receives) >= t.host.cfg.SnapshotReceives:
	default:
		ended = r
		t.receives = slices.DeleteFunc(t.receives, func(o *receiver) bool { return o == ended })
		r = &receiver{host: t.host, group: g, offer: *o}
		t.receives = append(t.receives, r)
	}
	t.mu.Unlock()
	if ended != nil {
		ended.post(func(m *receiverMail) { m.cancelled = true })
	}
	if r == nil {
		t.host.sendAnswer(o.from.Node(), answer{code: answerBusy, id: o.id})
		return
	}
	r.post(func(m *receiverMail) { m.offered = true })
}

// equal reports whether two offers are of the same transfer.
func (o *offer) equal(p *offer) bool {
	return o.group == p.group && o.from == p.from && o.to == p.to && o.id == p.id && o.term == p.term && o.size == p.size &&
		o.at.Time == p.at.Time && o.at.Base.Index == p.at.Base.Index && o.at.Base.Term == p.at.Base.Term &&
		o.at.Base.Conf.Equal(&p.at.Base.Conf)
}

// chunk gives a chunk to the transfer that it is of.
func (t *transfers) chunk(from raft.NodeID, c chunk) {
	t.mu.Lock()
	at := slices.IndexFunc(t.receives, func(r *receiver) bool { return r.offer.id == c.id && r.offer.from.Node() == from })
	var r *receiver
	if at >= 0 {
		r = t.receives[at]
	}
	t.mu.Unlock()
	if r == nil {
		t.host.dropStranger.Add(1)
		return
	}
	r.post(func(m *receiverMail) {
		if len(m.chunks) < maxChunks {
			m.chunks = append(m.chunks, c)
		}
	})
}

// maxChunks bounds the chunks that a receiver has not taken yet. Its sender
// does not send more than the window allows.
const maxChunks = 2 * windowChunks

// answer gives an answer to the transfer that it is of.
func (t *transfers) answer(from raft.NodeID, a answer) {
	t.mu.Lock()
	at := slices.IndexFunc(t.sends, func(s *sender) bool { return s.id.Load() == a.id && s.to.Node() == from })
	var s *sender
	if at >= 0 {
		s = t.sends[at]
	}
	t.mu.Unlock()
	if s == nil {
		return
	}
	s.post(func(m *senderMail) {
		if len(m.answers) < maxAnswers {
			m.answers = append(m.answers, a)
		}
	})
}

const maxAnswers = 64

func (h *Host) sendAnswer(to raft.NodeID, a answer) {
	h.sendRecord(to, Bulk, 32, func(b []byte) []byte { return appendAnswer(b, a) })
}

// offered is told that a leader has an image for this replica.
func (g *Group) offered(o *offer) {
	if g.core == nil || g.core.ID() != o.to {
		return // it is offered again
	}
	if o.term < g.core.Term() || o.at.Base.Index <= g.core.Committed() {
		g.host.sendAnswer(o.from.Node(), answer{code: answerStale, id: o.id, value: uint64(g.core.Committed())})
		return
	}
	g.host.transfers.offer(g, o)
}
