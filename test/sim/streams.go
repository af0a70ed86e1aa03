package sim

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-lite/nats-lite/internal/pack"
	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	"github.com/nats-lite/nats-lite/server/jetstream/store/image"
	"github.com/nats-lite/nats-lite/server/jetstream/store/mem"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// stream is the content of a group that is a stream: its core on a store, and what its
// leader does in front of it.
type stream struct {
	r      *replica // nil if it is the one that all are compared with
	store  *mem.Store
	core   *streamcore.Core
	result streamcore.Result

	// term is that in which it leads, 0 if it does not.
	term      raft.Term
	ingest    *streamcore.Ingest
	out       streamcore.Output
	answers   map[string]func(*api.PubAck, bool)
	advancing bool
}

// streamConfigs are what the streams of a run are like.
var streamConfigs = []api.StreamConfig{
	{
		Name: "LIMITS", Subjects: []string{"a.>"}, MaxMsgs: 60, MaxMsgsPerSubject: 25, MaxAge: 25 * time.Second, AllowMsgTTL: true,
		DuplicateWindow: 8 * time.Second,
	},
	{Name: "WORK", Subjects: []string{"b.>"}, Retention: api.RetainWorkQueue, DuplicateWindow: 20 * time.Second},
	{
		Name: "NEW", Subjects: []string{"c.>"}, MaxMsgs: 50, Discard: api.DiscardNew, MaxMsgsPerSubject: 20, DiscardNewPerSubject: true,
		DuplicateWindow: 15 * time.Second, Storage: api.MemoryStorage,
	},
}

// streamOf returns the content of the streams of a kind.
func streamOf(n int) func(*replica) content {
	return func(r *replica) content {
		cfg := streamConfigs[n]
		checked, refused := api.CheckStreamCreate(&cfg, api.StreamLimits{}, false)
		if refused != nil {
			panic(fmt.Sprintf("sim: stream %s: %v", cfg.Name, refused))
		}
		st := mem.New()
		core, err := streamcore.New(checked, st)
		must(err)
		return &stream{r: r, store: st, core: core}
	}
}

// verdict is what came of an op, as far as clients are told.
type verdict struct {
	result streamcore.Result
	// last is the number of the last message then.
	last store.Seq
}

// apply implements content.
func (s *stream) apply(op []byte, now int64) (any, []byte, error) {
	r := &s.result
	r.Effects, r.Followed = s.term != 0, true
	if err := s.core.Apply(op, now, r); err != nil {
		return nil, nil, err
	}
	if r.Skipped {
		return nil, nil, fmt.Errorf("an op of kind %d was not understood", r.Kind)
	}
	code := uint64(0)
	if r.Err != nil {
		code = uint64(r.Err.ErrCode)
	}
	var b []byte
	for _, v := range []uint64{uint64(r.Kind), uint64(r.Seq), code, r.Count, uint64(r.Stored.First), uint64(r.Stored.Last), uint64(len(r.Removed)), r.Swept} {
		b = binary.AppendUvarint(b, v)
	}
	s.tellConsumers()
	return &verdict{streamcore.Result{Kind: r.Kind, Duplicate: r.Duplicate, Seq: r.Seq, Count: r.Count, Err: r.Err}, s.store.State().Last}, b, nil
}

// digest implements content.
func (s *stream) digest() (uint64, error) {
	d, err := s.core.Digest()
	return binary.LittleEndian.Uint64(d[:]), err
}

// image implements content: it is made as the engine makes it.
func (s *stream) image() ([]byte, error) {
	digest, err := s.core.Digest()
	if err != nil {
		return nil, err
	}
	extra, err := s.core.AppendState(pack.AppendBytes(nil, digest[:]))
	if err != nil {
		return nil, err
	}
	sn, err := s.store.Snapshot()
	if err != nil {
		return nil, err
	}
	w := image.New(sn, extra)
	b, err := readAll(w, w.Size())
	return b, errors.Join(err, w.Close())
}

// prepare implements content.
func (s *stream) prepare(b []byte) (func(), error) {
	c, err := image.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	in := pack.NewReader(c.Extra())
	digest := in.Bytes()
	core, err := streamcore.Restore(in.Rest(), s.store)
	if err != nil {
		return nil, err
	}
	next, err := s.store.Prepare(c)
	if err != nil {
		return nil, err
	}
	got, err := core.DigestWith(next.State())
	if err == nil && !bytes.Equal(got[:], digest) {
		err = fmt.Errorf("what is made of an image has the digest %.8x, and not %.8x", got, digest)
	}
	if err != nil {
		return nil, errors.Join(err, next.Discard())
	}
	return func() {
		must(next.Commit(nil))
		s.core = core
		s.result = streamcore.Result{Swept: 1}
		s.tellConsumers()
	}, nil
}

// leads implements leads.
func (s *stream) leads(l host.Leadership) {
	if s.ingest != nil {
		s.ingest.Close()
	}
	s.term, s.ingest, s.out, s.advancing = 0, nil, streamcore.Output{}, false
	if l.Leading {
		s.term, s.answers = l.Term, make(map[string]func(*api.PubAck, bool))
		s.ingest = streamcore.NewIngest(s.core, streamcore.DefaultIngest, s.r.node.now())
	}
}

// publish takes a message. answer is told the answer, or that there is none and whether
// the message may be there.
func (s *stream) publish(p *streamcore.Publication, answer func(ack *api.PubAck, dropped bool)) {
	s.answers[string(p.Reply)] = answer
	s.ingest.Publish(p, s.r.node.now(), &s.out)
	s.carryOut()
}

// carryOut proposes what the ingest wants proposed, and sends its answers.
func (s *stream) carryOut() {
	term := s.term
	proposals := slices.Clone(s.out.Proposals)
	s.out.Proposals = nil
	for _, p := range proposals {
		ticket := p.Ticket
		done := func(o host.Outcome) {
			v, _ := o.Result.(*verdict)
			switch {
			case s.term != term:
				if f := s.answers[string(ticket.Reply)]; f != nil {
					f(nil, o.Fate == host.Dropped)
				}
				return
			case o.Fate == host.Applied && v != nil:
				s.ingest.Done(&ticket, &v.result, s.r.node.now(), &s.out)
			default:
				f := s.answers[string(ticket.Reply)]
				delete(s.answers, string(ticket.Reply))
				if f != nil {
					f(nil, o.Fate == host.Dropped)
				}
				s.ingest.Dropped(&ticket, nil, &s.out)
			}
			s.carryOut()
		}
		if err := s.r.handle.Propose(host.Proposal{Data: p.Op, Term: term, Done: done}); err != nil {
			done(host.Outcome{Fate: host.Dropped, Err: err})
		}
	}
	replies := slices.Clone(s.out.Replies)
	s.out.Reset()
	for _, reply := range replies {
		var ack api.PubAck
		if err := json.Unmarshal(reply.Data, &ack); err != nil {
			s.r.node.sim.failf("group %d: an answer that is none: %q", s.r.g.id, reply.Data)
		}
		if f := s.answers[string(reply.Subject)]; f != nil {
			delete(s.answers, string(reply.Subject))
			f(&ack, false)
		}
	}
}

// drive has the leader do what is due.
func (s *stream) drive() {
	due, ok := s.core.NextDue()
	if s.term == 0 || s.advancing || !ok || due > s.r.node.now() {
		return
	}
	term := s.term
	s.advancing = true
	over := func() {
		if s.term == term {
			s.advancing = false
		}
	}
	s.r.handle.ReadIndex(func(_ raft.Index, err error) {
		if err != nil || s.term != term {
			over()
			return
		}
		op, err := s.core.AppendAdvance(nil, s.r.node.now(), nil)
		if err == nil {
			err = s.r.handle.Propose(host.Proposal{Data: op, Term: term, Done: func(host.Outcome) { over() }})
		}
		if err != nil {
			over()
		}
	})
}

// tellConsumers tells the consumers on the same server what has become of messages.
func (s *stream) tellConsumers() {
	if s.r == nil || s.r.g.consumer == nil {
		return
	}
	r := s.r.node.replica(s.r.g.consumer)
	if r == nil {
		return
	}
	c := r.state.content.(*consumer)
	if c.engine == nil {
		return
	}
	for _, m := range s.result.Added {
		c.news = append(c.news, event{seq: m.Seq, subject: m.Subject})
	}
	for _, m := range s.result.Removed {
		c.news = append(c.news, event{seq: m.Seq, subject: m.Subject, removed: true})
	}
	if s.result.Swept > 0 {
		c.news = append(c.news, event{})
	}
}

// now is the time of day on a server, in nanoseconds.
func (n *node) now() int64 { return n.timeOfDay().UnixNano() }

// message makes what a client publishes.
func message(subject, value, reply string, headers ...string) *streamcore.Publication {
	p := &streamcore.Publication{Subject: []byte(subject), Reply: []byte(reply), Data: []byte(value)}
	if len(headers) > 0 {
		p.Header = []byte("NATS/1.0\r\n")
		for _, h := range headers {
			p.Header = append(append(p.Header, h...), "\r\n"...)
		}
		p.Header = append(p.Header, "\r\n"...)
	}
	return p
}

func header(name string, value uint64) string { return name + ": " + strconv.FormatUint(value, 10) }
