package stream

import (
	"slices"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
)

// messageOverhead is more than what a message takes in the op of a batch beside its
// parts, with the header that the last one gets.
const messageOverhead = 64

// atomicBatch is an atomic batch that is open.
type atomicBatch struct {
	batch Batch
	// next is the number of the message to come.
	next     uint64
	activity int64
}

// publishAtomic takes a message that belongs to an atomic batch.
func (g *Ingest) publishAtomic(p *Publication, m *Message, id []byte, now int64, out *Output) {
	if !g.stream.AllowAtomic {
		g.refuse(p.Reply, api.ErrAtomicPublishDisabled, out)
		return
	}
	if len(id) > api.MaxBatchIDLength {
		g.refuse(p.Reply, api.ErrAtomicPublishInvalidBatchID, out)
		return
	}
	var h headers
	h.scan(m.Header)
	b := g.atomic[string(id)]
	apiErr, reason := g.checkAtomic(b, &h)
	if apiErr == nil {
		if b == nil {
			if b = g.openAtomic(string(id)); b == nil {
				g.refuse(p.Reply, api.ErrAtomicPublishTooManyInflight, out)
				return
			}
		}
		apiErr, reason = g.stage(b, m, &h, now)
	}
	if apiErr != nil {
		if b != nil || reason == api.ReasonBatchUnsupported {
			g.abandon(string(id), reason, out)
		}
		g.refuse(p.Reply, apiErr, out)
		return
	}
	b.activity = g.active(now)
	if len(h.batchCommit) == 0 {
		if len(p.Reply) > 0 {
			out.reply(p.Reply, nil)
		}
		return
	}
	from := len(out.Buf)
	out.Buf = b.batch.AppendOp(out.Buf)
	out.propose(from, Ticket{Reply: p.Reply, kind: atomicTicket, id: string(id)})
	g.closeAtomic(string(id))
}

// checkAtomic checks the headers of a message of a batch, which may not be open yet. It
// also says why the batch is given up if they are wrong.
func (g *Ingest) checkAtomic(b *atomicBatch, h *headers) (e *api.Error, reason string) {
	if e := api.CheckLevel(h.level); e != nil {
		return e, api.ReasonBatchUnsupported
	}
	seq, ok := parseSeq(h.batchSeq)
	commit := string(h.batchCommit)
	next := uint64(1)
	if b != nil {
		next = b.next
	}
	switch {
	case !ok || seq == 0:
		return api.ErrAtomicPublishMissingSeq, api.ReasonBatchIncomplete
	case commit != "" && commit != api.BatchCommit && commit != api.BatchCommitEnd:
		return api.ErrAtomicPublishInvalidBatchCommit, api.ReasonBatchIncomplete
	case uint64(seq) != next, seq == 1 && commit == api.BatchCommitEnd:
		return api.ErrAtomicPublishIncompleteBatch, api.ReasonBatchIncomplete
	case commit != api.BatchCommitEnd && uint64(seq) > uint64(g.cfg.MaxBatchMessages):
		return api.ErrAtomicPublishTooLargeBatch.With("size", g.cfg.MaxBatchMessages), api.ReasonBatchLarge
	case len(h.lastMsgID) > 0:
		return api.ErrAtomicPublishUnsupportedHeaderBatch.With("header", api.HeaderExpectedLastMsgID), api.ReasonBatchIncomplete
	}
	return nil, ""
}

// stage adds a message to a batch.
func (g *Ingest) stage(b *atomicBatch, m *Message, h *headers, now int64) (e *api.Error, reason string) {
	b.next++
	if string(h.batchCommit) == api.BatchCommitEnd {
		before := b.batch.Size()
		b.batch.seal()
		g.staged += b.batch.Size() - before
		return nil, ""
	}
	if h.level != nil {
		m.Header = dropHeaders(nil, m.Header, func(name []byte) bool { return string(name) == api.HeaderRequiredLevel })
	}
	size := messageOverhead + len(m.Subject) + len(m.Header) + len(m.Data)
	if b.batch.Size()+size > g.cfg.MaxBatchBytes || g.staged+size > g.cfg.MaxStagedBytes {
		return api.ErrAtomicPublishTooLargeBatch.With("size", b.batch.Count()+1), api.ReasonBatchLarge
	}
	g.plan(m, now)
	before := b.batch.Size()
	b.batch.Add(m)
	g.staged += b.batch.Size() - before
	return nil, ""
}

// openAtomic opens a batch, nil if there are too many.
func (g *Ingest) openAtomic(id string) *atomicBatch {
	if len(g.atomic) >= g.cfg.MaxBatches || g.cfg.AtomicQuota != nil && !g.cfg.AtomicQuota.Take() {
		return nil
	}
	b := &atomicBatch{next: 1}
	g.staged += b.batch.Size()
	g.atomic[id] = b
	return b
}

func (g *Ingest) closeAtomic(id string) {
	b := g.atomic[id]
	if b == nil {
		return
	}
	g.staged -= b.batch.Size()
	delete(g.atomic, id)
	if g.cfg.AtomicQuota != nil {
		g.cfg.AtomicQuota.Return()
	}
}

// abandon gives a batch up.
func (g *Ingest) abandon(id, reason string, out *Output) {
	g.closeAtomic(id)
	out.Abandoned = append(out.Abandoned, Abandoned{Batch: id, Reason: reason})
}

func (g *Ingest) tickAtomic(now int64, out *Output) {
	g.ids = g.ids[:0]
	for id, b := range g.atomic {
		if now-b.activity >= g.cfg.Timeout {
			g.ids = append(g.ids, id)
		} else {
			g.active(b.activity)
		}
	}
	slices.Sort(g.ids)
	for _, id := range g.ids {
		g.abandon(id, api.ReasonBatchTimeout, out)
	}
}
