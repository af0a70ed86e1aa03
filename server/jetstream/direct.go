package jetstream

import (
	"errors"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/server/account"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/proto"
)

// directGroup is the queue group in which all replicas of a stream answer direct gets.
const directGroup = "_sys_"

// directSubjects are what to subscribe to for the direct gets of a stream.
func directSubjects(stream string) []string {
	one := api.OpDirectGet.Subject(api.Prefix, stream)
	return []string{one, one + ".>"}
}

// directGet answers a direct get, on the goroutine of whoever asks: it reads memory, or
// files that are in memory as a rule.
func (s *stream) directGet(m *account.Message) {
	call, ok := api.Parse(string(m.Subject))
	if !ok || len(m.Reply) == 0 {
		return
	}
	g := &directGet{s: s, reply: string(m.Reply), out: s.tenant.account.NewFanout(account.Config{NoCache: true})}
	if api.CheckLevel(proto.HeaderValue(m.Header(), api.HeaderRequiredLevel)) != nil {
		g.status(api.StatusRequiredLevel)
	} else if q, bad := api.ParseDirectGet(call.Filter, m.Payload()); bad != nil {
		g.status(bad)
	} else {
		g.answer(q)
	}
	g.out.Flush()
}

// directGet is a direct get while it is answered.
type directGet struct {
	s     *stream
	reply string
	out   *account.Fanout
	m     store.Message
	sent  int // bytes
}

const (
	// maxDirectBytes bounds what a batch sends that does not say.
	maxDirectBytes = 64 << 20
	// maxDirectBatch bounds the messages of a batch.
	maxDirectBatch = 1 << 20
)

func (g *directGet) answer(q *api.MsgGetRequest) {
	switch {
	case len(q.MultiLastFor) > 0:
		g.s.look(func(st store.Reader) { g.multi(st, q) })
	case q.Batch > 0:
		g.s.look(func(st store.Reader) { g.batch(st, q) })
	default:
		switch err := g.s.get(q, &g.m); {
		case err == nil:
			g.message(q, 0, 0, false)
		case errors.Is(err, store.ErrNotFound):
			g.status(api.StatusMessageNotFound)
		default:
			g.status(api.StatusInternal(err))
		}
	}
}

// batch sends messages in order, from one on.
func (g *directGet) batch(st store.Reader, q *api.MsgGetRequest) {
	var f *store.Filter
	if q.NextFor != "" {
		f = store.NewFilter(q.NextFor)
	}
	from := max(store.Seq(q.Seq), 1)
	if q.StartTime != nil {
		from = st.At(q.StartTime.UnixNano())
	}
	left := st.Count(f, from, false)
	last, n := store.Seq(0), 0
	for ; n < min(q.Batch, maxDirectBatch) && !g.full(q); n++ {
		err := st.Next(f, from, &g.m)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			g.status(api.StatusInternal(err))
			return
		}
		if left > 0 {
			left--
		}
		g.message(q, left, last, true)
		last, from = g.m.Seq, g.m.Seq+1
	}
	if n == 0 {
		g.status(api.StatusMessageNotFound)
		return
	}
	g.end(left, last, 0)
}

// multi sends the newest messages of several subjects.
func (g *directGet) multi(st store.Reader, q *api.MsgGetRequest) {
	upTo := store.Seq(q.UpToSeq)
	switch {
	case q.UpToTime != nil:
		if upTo = st.At(q.UpToTime.UnixNano()) - 1; upTo == 0 {
			g.status(api.StatusNoResults)
			return
		}
	case upTo == 0:
		upTo = st.State().Last
	}
	list, err := st.LastOf(store.NewFilter(q.MultiLastFor...), upTo, api.MaxMultiLast, nil)
	for len(list) > 0 && list[0] < store.Seq(q.Seq) {
		list = list[1:]
	}
	switch {
	case errors.Is(err, store.ErrTooMany):
		g.status(api.StatusTooManyResults)
		return
	case err != nil:
		g.status(api.StatusInternal(err))
		return
	case len(list) == 0 || upTo == 0:
		g.status(api.StatusNoResults)
		return
	}
	last, left := store.Seq(0), uint64(len(list))
	for n, seq := range list {
		if q.Batch > 0 && n >= q.Batch || g.full(q) {
			break
		}
		left--
		if st.Load(seq, &g.m) != nil {
			continue // it has gone meanwhile
		}
		g.message(q, left, last, true)
		last = seq
	}
	g.end(left, last, upTo)
}

// full reports whether as much was sent as was asked for.
func (g *directGet) full(q *api.MsgGetRequest) bool {
	limit := q.MaxBytes
	if limit <= 0 {
		limit = maxDirectBytes
	}
	return g.sent >= limit
}

// message sends the message. Of a batch it tells how many follow, and which was sent
// before.
func (g *directGet) message(q *api.MsgGetRequest, left uint64, last store.Seq, batch bool) {
	m := &g.m
	var h []byte
	if !q.NoHeaders || batch {
		if n := len(m.Header) - len(proto.CRLF); n > 0 && !q.NoHeaders {
			h = append(h, m.Header[:n]...)
		} else {
			h = append(h, proto.HeaderLine...)
		}
		h = appendHeader(h, api.HeaderStream, g.s.assigned.Load().Name())
		h = appendHeader(h, api.HeaderSubject, string(m.Subject))
		h = appendHeader(h, api.HeaderSequence, strconv.FormatUint(uint64(m.Seq), 10))
		h = appendHeader(h, api.HeaderTimestamp, moment(m.Time).Format(time.RFC3339Nano))
		if batch {
			h = appendHeader(h, api.HeaderNumPending, strconv.FormatUint(left, 10))
			h = appendHeader(h, api.HeaderLastSeq, strconv.FormatUint(uint64(last), 10))
		}
		h = append(h, proto.CRLF...)
	}
	g.send(h, m.Data)
}

// end tells that a batch is over.
func (g *directGet) end(left uint64, last, upTo store.Seq) {
	h := api.StatusEndOfBatch.AppendLine(nil)
	h = appendHeader(h, api.HeaderNumPending, strconv.FormatUint(left, 10))
	h = appendHeader(h, api.HeaderLastSeq, strconv.FormatUint(uint64(last), 10))
	if upTo > 0 {
		h = appendHeader(h, api.HeaderUpToSeq, strconv.FormatUint(uint64(upTo), 10))
	}
	g.send(append(h, proto.CRLF...), nil)
}

func (g *directGet) status(st *api.Status) {
	g.send(append(st.AppendLine(nil), proto.CRLF...), nil)
}

func (g *directGet) send(header, data []byte) {
	body := append(append(append([]byte(nil), header...), data...), proto.CRLF...)
	m := &account.Message{Subject: []byte(g.reply), Body: body, HeaderLen: len(header)}
	g.sent += m.Size()
	g.out.Deliver(g.out.Routes(m.Subject), m)
}

func appendHeader(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), proto.CRLF...)
}
