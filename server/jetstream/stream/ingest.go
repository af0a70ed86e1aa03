package stream

import (
	"bytes"
	"math"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/proto"
)

// Ingest makes ops of what is published, while a replica leads: it puts the messages of
// atomic batches together, keeps an eye on the order of fast ones, and writes the
// answers. It is made when leadership begins, and thrown away when it ends; then open
// atomic batches are lost, and fast ones go on elsewhere.
//
// One goroutine may use it. It waits for nothing: Publish says what to propose, Done is
// told what came of it, Tick what time it is.
type Ingest struct {
	cfg    IngestConfig
	stream *api.StreamConfig
	atomic map[string]*atomicBatch
	// staged is how many bytes the open atomic batches have.
	staged int
	fast   map[string]*fastFlow
	// deadline is when Tick may have something to do, at the earliest.
	deadline int64
	// ids is scratch.
	ids []string
}

// IngestConfig are the bounds of an Ingest. A bound of 0 is that of DefaultIngest.
type IngestConfig struct {
	// Domain is the JetStream domain of the server, which acks show.
	Domain string
	// MaxBatchMessages bounds the messages of an atomic batch, MaxBatchBytes what its
	// op takes, MaxBatches how many are open, and MaxStagedBytes what they have together.
	MaxBatchMessages, MaxBatchBytes, MaxBatches, MaxStagedBytes int
	// MaxFastBatches bounds how many fast batches there are.
	MaxFastBatches int
	// Timeout, in nanoseconds, is for how long a batch may have no traffic.
	Timeout int64
	// AtomicQuota and FastQuota, if set, bound the batches of all streams of the server.
	AtomicQuota, FastQuota Quota
	// Zones finds the time zones of schedules.
	Zones Zones
}

// Quota bounds something that several streams have. Take reports whether there is
// one more to be had, Return gives it back.
type Quota interface {
	Take() bool
	Return()
}

// DefaultIngest are the bounds that clients know.
var DefaultIngest = IngestConfig{
	MaxBatchMessages: 1000, MaxBatchBytes: 8 << 20, MaxBatches: 50, MaxStagedBytes: 64 << 20,
	MaxFastBatches: maxFastBatches, Timeout: 10_000_000_000,
}

// Publication is a message as it comes from a publisher.
type Publication struct {
	Subject, Reply, Header, Data []byte
}

// Output gathers what an Ingest wants done. The caller empties it by Reset.
type Output struct {
	// Replies are to be sent at once.
	Replies []Reply
	// Proposals are to be proposed, in their order.
	Proposals []Proposal
	// Abandoned are the batches of which an advisory is to tell.
	Abandoned []Abandoned

	// Buf is what ops and answers are appended to. The caller may replace it any time;
	// what was made before stays where it is.
	Buf []byte
}

// Reply is a message for a publisher. Header is empty but for a status.
type Reply struct{ Subject, Header, Data []byte }

// Proposal is an op to be proposed. Ticket is to be handed to Done with the op's
// result, or to Dropped.
type Proposal struct {
	Op     []byte
	Ticket Ticket
}

// Abandoned is a batch that was given up.
type Abandoned struct {
	Batch string
	// Reason is one of api.ReasonBatch.
	Reason string
}

// Ticket says whom to tell what came of an op. Reply is a part of the publication,
// which must stay as it is until then.
type Ticket struct {
	Reply []byte
	kind  ticketKind
	// id is that of a batch, seq the message's number in a fast one.
	id     string
	seq    uint64
	commit bool
}

type ticketKind uint8

const (
	plainTicket ticketKind = iota
	atomicTicket
	fastTicket
	fastEndTicket
)

// Reset empties the output, and keeps its memory.
func (o *Output) Reset() {
	clear(o.Replies)
	clear(o.Proposals)
	clear(o.Abandoned)
	o.Replies, o.Proposals, o.Abandoned = o.Replies[:0], o.Proposals[:0], o.Abandoned[:0]
}

func (o *Output) reply(subject, data []byte) {
	o.Replies = append(o.Replies, Reply{Subject: subject, Data: data})
}

func (o *Output) propose(from int, t Ticket) {
	o.Proposals = append(o.Proposals, Proposal{Op: o.Buf[from:len(o.Buf):len(o.Buf)], Ticket: t})
}

// since returns what was appended to Buf behind an offset.
func (o *Output) since(from int) []byte { return o.Buf[from:len(o.Buf):len(o.Buf)] }

// NewIngest returns the Ingest of a stream that a replica begins to lead. All that
// was committed before has been applied to the core.
func NewIngest(core *Core, cfg IngestConfig, now int64) *Ingest {
	g := &Ingest{
		cfg: cfg.withDefaults(), deadline: math.MaxInt64,
		atomic: make(map[string]*atomicBatch), fast: make(map[string]*fastFlow),
	}
	g.Configure(core.Config())
	for _, b := range core.FastBatches() {
		g.resumeFast(&b, now)
	}
	return g
}

func (cfg IngestConfig) withDefaults() IngestConfig {
	for _, bound := range []struct {
		of    *int
		value int
	}{
		{&cfg.MaxBatchMessages, DefaultIngest.MaxBatchMessages},
		{&cfg.MaxBatchBytes, DefaultIngest.MaxBatchBytes},
		{&cfg.MaxBatches, DefaultIngest.MaxBatches},
		{&cfg.MaxStagedBytes, DefaultIngest.MaxStagedBytes},
		{&cfg.MaxFastBatches, DefaultIngest.MaxFastBatches},
	} {
		if *bound.of == 0 {
			*bound.of = bound.value
		}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultIngest.Timeout
	}
	return cfg
}

// Bound puts other bounds into force. Batches that are open may stay above them.
func (g *Ingest) Bound(cfg IngestConfig) { g.cfg = cfg.withDefaults() }

// Configure puts another configuration of the stream in force.
func (g *Ingest) Configure(cfg *api.StreamConfig) { g.stream = cfg }

// Close gives back what was taken of quotas.
func (g *Ingest) Close() {
	for id := range g.atomic {
		g.closeAtomic(id)
	}
	for id := range g.fast {
		g.closeFast(id)
	}
}

// Publish takes a message from a publisher.
func (g *Ingest) Publish(p *Publication, now int64, out *Output) {
	m := Message{Subject: p.Subject, Header: normalHeader(p.Header), Data: p.Data}
	if g.stream.NoAck {
		p.Reply = nil
	}
	if api.IsFastBatch(p.Reply) {
		g.publishFast(p, &m, now, out)
		return
	}
	if len(m.Header) > 0 {
		if id := proto.HeaderValue(m.Header, api.HeaderBatchID); len(id) > 0 {
			g.publishAtomic(p, &m, id, now, out)
			return
		}
	}
	g.plan(&m, now)
	from := len(out.Buf)
	out.Buf = AppendStore(out.Buf, &m)
	out.propose(from, Ticket{Reply: p.Reply})
}

// plan finds out about the schedule of a message.
func (g *Ingest) plan(m *Message, now int64) {
	if len(m.Header) > 0 && bytes.Contains(m.Header, scheduleName) {
		m.Plan = PlanSchedule(m.Header, now, g.cfg.Zones)
	}
}

var scheduleName = []byte(api.HeaderSchedule)

// Done tells the publisher what came of an op, if it was applied.
func (g *Ingest) Done(t *Ticket, r *Result, now int64, out *Output) {
	switch t.kind {
	case fastTicket:
		g.doneFast(t, r, now, out)
		return
	case fastEndTicket:
		g.doneFastEnd(t, r, out)
		return
	}
	switch {
	case len(t.Reply) == 0:
	case r.Err != nil:
		g.refuse(t.Reply, r.Err, out)
	case r.Skipped:
		g.refuse(t.Reply, api.ErrBadRequest, out)
	default:
		ack := api.PubAck{Sequence: uint64(r.Seq), Duplicate: r.Duplicate, Value: string(r.Value)}
		if t.kind == atomicTicket {
			ack.BatchID, ack.BatchSize = t.id, int(r.Count)
		}
		g.answer(t.Reply, ack, out)
	}
}

// Dropped tells the publisher that an op was not proposed, or will never be
// committed. Without a reason nothing is said, as when leadership has ended.
func (g *Ingest) Dropped(t *Ticket, reason *api.Error, out *Output) {
	if t.kind == fastTicket {
		g.droppedFast(t)
	}
	if reason != nil && t.kind != fastEndTicket {
		g.refuse(t.Reply, reason, out)
	}
}

// Deadline returns when Tick may have something to do.
func (g *Ingest) Deadline() (at int64, ok bool) {
	return g.deadline, len(g.atomic)+len(g.fast) > 0
}

// Tick gives up the batches that have had no traffic for too long.
func (g *Ingest) Tick(now int64, out *Output) {
	if now < g.deadline {
		return
	}
	g.deadline = math.MaxInt64
	g.tickAtomic(now, out)
	g.tickFast(now, out)
}

// active notes that a batch has had traffic.
func (g *Ingest) active(now int64) int64 {
	g.deadline = min(g.deadline, now+g.cfg.Timeout)
	return now
}

// answer tells a publisher what became of its message, unless the stream never does.
// Stream and domain are filled in.
func (g *Ingest) answer(reply []byte, a api.PubAck, out *Output) {
	if len(reply) == 0 || g.stream.NoAck {
		return
	}
	a.Stream, a.Domain = g.stream.Name, g.cfg.Domain
	from := len(out.Buf)
	out.Buf = a.AppendJSON(out.Buf)
	out.reply(reply, out.since(from))
}

func (g *Ingest) refuse(reply []byte, e *api.Error, out *Output) {
	sent := len(out.Replies)
	g.answer(reply, api.PubAck{Error: e}, out)
	if e == api.ErrStreamTooManyRequests && len(out.Replies) > sent {
		// By the status clients tell that they may come again from what is wrong with
		// their message.
		out.Replies[sent].Header = tooManyRequests
	}
}

var tooManyRequests = api.StatusTooManyRequests.AppendBlock(nil)

// normalHeader returns a header block without what is on the way only: a status in its
// first line, and who has sent it.
func normalHeader(block []byte) []byte {
	if len(block) == 0 {
		return nil
	}
	if bytes.HasPrefix(block, headerLine) && !bytes.Contains(block, requestInfo) {
		if len(block) == len(proto.HeaderLine)+len(proto.CRLF) {
			return nil
		}
		return block
	}
	return dropHeaders(nil, block, func(name []byte) bool { return bytes.Equal(name, requestInfo) })
}

var (
	headerLine  = []byte(proto.HeaderLine)
	requestInfo = []byte(api.HeaderRequestInfo)
)
