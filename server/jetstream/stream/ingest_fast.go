package stream

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/proto"
)

// fastFlow is what a leader knows about a fast batch.
type fastFlow struct {
	// received is the highest number that has come in, acked the highest that the
	// publisher was told of.
	received, acked uint64
	gaps            bool
	// flow is after how many messages the publisher is told, limit the most it wants.
	flow, limit int
	activity    int64
}

// Bounds of the flow of fast batches.
const (
	// maxFlow is after how many messages at most a publisher is told, if there is one
	// batch; several have to share.
	maxFlow = 500
	// defaultFlow is that of a batch of which nothing has come in yet.
	defaultFlow = 10
)

// publishFast takes a message that belongs to a fast batch.
func (g *Ingest) publishFast(p *Publication, m *Message, now int64, out *Output) {
	f, bad := api.ParseFastBatch(p.Reply)
	b := g.fast[string(f.ID)]
	switch {
	case !g.stream.AllowBatched:
		g.refuse(p.Reply, api.ErrBatchPublishDisabled, out)
		return
	case bad != nil:
		g.refuse(p.Reply, bad, out)
		return
	case b == nil && f.Seq != 1, b == nil && f.Op == api.FastPing:
		g.refuse(p.Reply, api.ErrBatchPublishUnknownBatchID, out)
		return
	}
	if e := api.CheckLevel(proto.HeaderValue(m.Header, api.HeaderRequiredLevel)); len(m.Header) > 0 && e != nil {
		g.refuse(p.Reply, e, out)
		return
	}
	if b == nil {
		if b = g.openFast(&f); b == nil {
			g.refuse(p.Reply, api.ErrBatchPublishTooManyInflight, out)
			return
		}
		if f.Op == api.FastStart {
			g.flowAck(b, p.Reply, out)
		}
	} else if !g.inOrder(b, &f, p.Reply, out) {
		g.endFast(string(f.ID), b.received, p.Reply, out)
		return
	}
	b.activity, b.limit = g.active(now), f.Flow
	switch f.Op {
	case api.FastPing:
		g.flowAck(b, p.Reply, out)
		return
	case api.FastCommitEnd:
		g.endFast(string(f.ID), f.Seq-1, p.Reply, out)
		return
	}
	start := b.received == 0
	b.received = f.Seq
	if len(m.Header) > 0 && proto.HeaderValue(m.Header, api.HeaderRequiredLevel) != nil {
		m.Header = dropHeaders(nil, m.Header, func(name []byte) bool { return string(name) == api.HeaderRequiredLevel })
	}
	g.plan(m, now)
	info := FastInfo{ID: f.ID, Seq: f.Seq, Start: start, Commit: f.Op == api.FastCommit, GapOK: b.gaps}
	from := len(out.Buf)
	out.Buf = AppendFast(out.Buf, &info, m)
	out.propose(from, Ticket{Reply: p.Reply, kind: fastTicket, id: string(f.ID), seq: f.Seq, commit: info.Commit})
	if info.Commit {
		g.closeFast(string(f.ID))
	}
}

// inOrder tells the publisher if a message is not the one that was expected, and
// reports whether the batch goes on.
func (g *Ingest) inOrder(b *fastFlow, f *api.FastBatch, reply []byte, out *Output) bool {
	seq, expected := f.Seq, b.received+1
	if f.Op == api.FastPing {
		// It has the number of the newest message.
		if seq <= b.received {
			return true
		}
		seq++
	}
	if seq == expected {
		return true
	}
	g.flowGap(expected, seq, reply, out)
	if seq < expected || !b.gaps {
		return false
	}
	b.received = seq - 1
	return true
}

func (g *Ingest) flowGap(expected, seq uint64, reply []byte, out *Output) {
	from := len(out.Buf)
	out.Buf = api.AppendFastGap(out.Buf, expected, seq)
	out.reply(reply, out.since(from))
}

// flowAck tells the publisher how far its batch is stored.
func (g *Ingest) flowAck(b *fastFlow, reply []byte, out *Output) {
	from := len(out.Buf)
	out.Buf = api.AppendFastAck(out.Buf, b.acked, b.flow)
	out.reply(reply, out.since(from))
}

// openFast opens a batch, nil if there are too many.
func (g *Ingest) openFast(f *api.FastBatch) *fastFlow {
	if len(g.fast) >= g.cfg.MaxFastBatches || g.cfg.FastQuota != nil && !g.cfg.FastQuota.Take() {
		return nil
	}
	b := &fastFlow{gaps: f.GapOK, limit: f.Flow, flow: 1}
	g.fast[string(f.ID)] = b
	if len(g.fast) == 1 {
		b.flow = min(maxFlow, f.Flow)
	}
	return b
}

// resumeFast goes on with a batch that another leader has begun.
func (g *Ingest) resumeFast(b *FastBatch, now int64) {
	if g.cfg.FastQuota != nil && !g.cfg.FastQuota.Take() {
		// It is one of a server that has too many now: the publisher will be told
		// that it is not known.
		return
	}
	g.fast[b.ID] = &fastFlow{
		received: b.Last, acked: b.Last, gaps: b.GapOK, flow: 1, limit: defaultFlow, activity: g.active(now),
	}
}

func (g *Ingest) closeFast(id string) {
	if g.fast[id] == nil {
		return
	}
	delete(g.fast, id)
	if g.cfg.FastQuota != nil {
		g.cfg.FastQuota.Return()
	}
}

// endFast ends a batch of which last is the highest number that counts. The publisher
// is told when all that came before is applied.
func (g *Ingest) endFast(id string, last uint64, reply []byte, out *Output) {
	g.closeFast(id)
	from := len(out.Buf)
	out.Buf = AppendFastEnd(out.Buf, []byte(id), last)
	out.propose(from, Ticket{Reply: reply, kind: fastEndTicket, id: id})
}

// doneFast tells the publisher what came of a message of a fast batch.
func (g *Ingest) doneFast(t *Ticket, r *Result, now int64, out *Output) {
	b := g.fast[t.id]
	if r.Skipped {
		g.refuse(t.Reply, api.ErrBadRequest, out)
		return
	}
	switch {
	case r.Err != nil && r.Fast.Ended && (t.seq == 1 || r.Fast.Last == 0):
		// Nothing of the batch is stored, or it was not known any more.
		g.closeFast(t.id)
		g.refuse(t.Reply, r.Err, out)
		return
	case r.Fast.Gap:
		g.flowGap(r.Fast.Last+1, t.seq, t.Reply, out)
	case r.Err != nil:
		from := len(out.Buf)
		out.Buf = api.AppendFastError(out.Buf, t.seq, r.Err)
		out.reply(t.Reply, out.since(from))
	}
	if r.Fast.Ended {
		g.closeFast(t.id)
		g.fastAck(t, r, out)
		return
	}
	if b == nil {
		return
	}
	// A publisher that waits for this is not idle.
	b.activity = g.active(now)
	if t.seq-b.acked < uint64(b.flow) {
		return
	}
	b.acked = t.seq
	b.adjust(len(g.fast))
	g.flowAck(b, t.Reply, out)
}

// adjust brings the flow closer to a fair share.
func (b *fastFlow) adjust(batches int) {
	fair := max(1, min(maxFlow/batches, b.limit))
	switch {
	case b.flow < fair:
		b.flow = min(2*b.flow, fair)
	case b.flow > fair:
		b.flow = max(b.flow/2, fair)
	}
}

// doneFastEnd tells the publisher that a batch has ended, unless it was told before.
func (g *Ingest) doneFastEnd(t *Ticket, r *Result, out *Output) {
	if r.Err == nil && !r.Skipped {
		g.fastAck(t, r, out)
	}
}

// fastAck is the last answer of a fast batch.
func (g *Ingest) fastAck(t *Ticket, r *Result, out *Output) {
	ack := api.PubAck{Sequence: uint64(r.Fast.Seq), BatchID: t.id, BatchSize: int(r.Fast.Last)}
	if t.seq == 1 {
		// A batch of one is answered like any other message.
		ack.Duplicate, ack.Value = r.Duplicate, string(r.Value)
	}
	g.answer(t.Reply, ack, out)
}

// droppedFast has the next message of the batch show the gap.
func (g *Ingest) droppedFast(t *Ticket) {
	if b := g.fast[t.id]; b != nil {
		b.received = min(b.received, t.seq-1)
	}
}

func (g *Ingest) tickFast(now int64, out *Output) {
	g.ids = g.ids[:0]
	for id, b := range g.fast {
		if now-b.activity >= g.cfg.Timeout {
			g.ids = append(g.ids, id)
		} else {
			g.active(b.activity)
		}
	}
	slices.Sort(g.ids)
	for _, id := range g.ids {
		g.endFast(id, 0, nil, out)
	}
}
