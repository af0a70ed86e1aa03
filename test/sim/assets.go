package sim

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-lite/nats-lite/server/jetstream/api"
	"github.com/nats-lite/nats-lite/server/jetstream/store"
	streamcore "github.com/nats-lite/nats-lite/server/jetstream/stream"
	"github.com/nats-lite/nats-lite/server/raft"
	"github.com/nats-lite/nats-lite/server/raft/host"
)

// assets are the groups of JetStream in a run, and those who use them.
type assets struct {
	sim     *Sim
	stopped bool
	values  int
}

// assetKinds are the groups: streams, the consumers of the first two, and that of assets.
var assetKinds = []groupKind{
	{size: 3, asset: true, content: streamOf(0)},
	{size: 3, asset: true, content: streamOf(1)},
	{size: 3, asset: true, memory: true, content: streamOf(2)},
	{size: 3, asset: true, content: newConsumer},
	{size: 3, asset: true, content: newConsumer},
	{size: 3, asset: true, content: newAssigned},
}

// connect has the consumers know their streams.
func (a *assets) connect(groups []*group) {
	for n := range 2 {
		st, c := groups[n], groups[3+n]
		st.consumer, c.stream = c, st
		c.readers = newReaders(a.sim, c)
	}
}

// begin has clients work.
func (a *assets) begin() {
	for _, g := range a.sim.groups {
		if g.readers != nil {
			g.readers.begin()
		}
	}
	for range clientCount {
		a.next(&publisher{})
	}
}

// lossy is true now and then, for what the simulated network does not carry.
func (a *assets) lossy() bool { return !a.stopped && a.sim.chance(0.05) }

// publisher is a client: the message id that it is to try once more, of a stream.
type publisher struct {
	retry map[*group]string
}

func (a *assets) next(p *publisher) {
	s := a.sim
	s.after(s.between(0, 250*time.Millisecond), func() {
		if a.stopped {
			return
		}
		over := false
		next := func() {
			if !over {
				over = true
				a.next(p)
			}
		}
		s.after(3*time.Second, next)
		g := pick(s, s.groups)
		r := g.leading(s)
		if r == nil {
			next()
			return
		}
		switch c := r.state.content.(type) {
		case *stream:
			a.useStream(p, g, c, next)
		case *assigned:
			a.order(g, r, c.change(s).Append(nil), func(any) {}, next)
		default:
			next()
			return
		}
		r.node.work()
	})
}

// post is a message that a client has published, and what it was told.
type post struct {
	begin, end int64
	value, id  string
	outcome    outcome
	seq        store.Seq
	duplicate  bool
}

// useStream does one thing to a stream that seems to lead.
func (a *assets) useStream(p *publisher, g *group, st *stream, next func()) {
	s := a.sim
	switch x := s.rnd.Float64(); {
	case x < 0.05:
		if last := uint64(st.store.State().Last); last > 0 {
			seq := store.Seq(1 + s.rnd.Uint64N(last))
			a.order(g, st.r, streamcore.AppendDelete(nil, seq, s.chance(0.3)), func(v any) {
				if v.(*verdict).result.Err == nil {
					g.gone = append(g.gone, gone{first: seq, last: seq})
				}
			}, next)
			return
		}
	case x < 0.065:
		subject := fmt.Sprintf("%s.%d", st.prefix(), s.rnd.IntN(3))
		a.order(g, st.r, streamcore.AppendPurge(nil, subject, 0, 0), func(v any) {
			if got := v.(*verdict); got.result.Err == nil {
				g.gone = append(g.gone, gone{1, got.last, subject})
			}
		}, next)
		return
	}
	if st.ingest == nil {
		next()
		return
	}
	a.publish(p, g, st, next)
}

// prefix is what the stream's subjects begin with.
func (s *stream) prefix() string { return strings.TrimSuffix(s.core.Config().Subjects[0], ".>") }

func (a *assets) publish(p *publisher, g *group, st *stream, next func()) {
	s := a.sim
	a.values++
	c := &post{begin: s.now(), value: fmt.Sprintf("v%d", a.values)}
	var headers []string
	if p.retry[g] != "" || s.chance(0.4) {
		if c.id = p.retry[g]; c.id == "" {
			c.id = fmt.Sprintf("id%d", a.values)
		}
		headers = append(headers, api.HeaderMsgID+": "+c.id)
	}
	if s.chance(0.1) {
		headers = append(headers, header(api.HeaderExpectedLastSeq, uint64(st.store.State().Last)))
	}
	if st.core.Config().AllowMsgTTL && s.chance(0.2) {
		headers = append(headers, header(api.HeaderTTL, uint64(1+s.rnd.IntN(10))))
	}
	if p.retry == nil {
		p.retry = make(map[*group]string)
	}
	p.retry[g] = c.id
	g.posts = append(g.posts, c)
	st.publish(message(fmt.Sprintf("%s.%d", st.prefix(), s.rnd.IntN(3)), c.value, "r."+c.value, headers...), func(ack *api.PubAck, dropped bool) {
		switch {
		case ack == nil && dropped, ack != nil && ack.Error != nil:
			c.outcome = never
		case ack != nil:
			c.outcome, c.seq, c.duplicate, c.end = done, store.Seq(ack.Sequence), ack.Duplicate, s.now()
			s.acked++
			if s.chance(0.7) {
				p.retry[g] = ""
			}
		}
		next()
	})
}

// gone are messages that a client was told to be removed.
type gone struct {
	first, last store.Seq
	subject     string
}

// order has an op proposed, and tells what came of it.
func (a *assets) order(g *group, r *replica, op []byte, applied func(any), next func()) {
	err := r.handle.Propose(host.Proposal{Data: op, Done: func(o host.Outcome) {
		if o.Fate == host.Applied && o.Result != nil {
			a.sim.acked++
			applied(o.Result)
			if text, ok := o.Result.(string); ok {
				g.told = append(g.told, told{o.Index, text})
			}
		}
		next()
	}})
	if err != nil {
		next()
	}
}

// told is what a client was told of an op in an entry.
type told struct {
	at   raft.Index
	text string
}

// settle lets the readers of consumers have what they were not given, and waits until
// all is quiet.
func (a *assets) settle() error {
	s := a.sim
	for _, g := range s.groups {
		if g.readers == nil || g.lost || g.stream.lost {
			continue
		}
		if !s.until(Patience, func() bool { s.calm(); return g.readers.busy() == "" }) && s.err == nil {
			return fmt.Errorf("group %d: its consumer is not done after %v: %s; %s", g.id, Patience, g.readers.busy(), s.describe(g))
		}
	}
	return nil
}

// errAssets is what is wrong with an asset in the end.
var errAssets = errors.New("assets")

// check looks at all assets after everything has been healed.
func (a *assets) check() error {
	for _, g := range a.sim.groups {
		if g.lost {
			continue
		}
		if err := a.checkGroup(g); err != nil {
			return fmt.Errorf("group %d: %w: %w", g.id, errAssets, err)
		}
	}
	return nil
}

// checkGroup compares the replicas with one that has never stopped, and has applied
// nothing but the entries.
func (a *assets) checkGroup(g *group) error {
	leader := g.leading(a.sim)
	if leader == nil {
		return errors.New("nobody leads any more")
	}
	ref, err := g.replay(leader.state.applied)
	if err != nil {
		return err
	}
	want, err := ref.content.image()
	if err != nil {
		return err
	}
	for _, p := range leader.core().Conf().Peers() {
		r := a.sim.node(p.Node()).replica(g)
		if r.state.applied != leader.state.applied {
			continue // an entry more has come meanwhile
		}
		got, err := r.state.content.image()
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("the content on node %d is not what its entries make", r.node.id)
		}
	}
	for _, t := range g.told {
		if t.at < raft.Index(len(ref.texts)) && !strings.Contains(ref.texts[t.at], "\n"+t.text+"\n") {
			return fmt.Errorf("a client was told %q of entry %d, which comes to %q", t.text, t.at, ref.texts[t.at])
		}
	}
	if st, ok := ref.content.(*stream); ok {
		return g.checkPosts(st, ref.stored)
	}
	return nil
}

// replayed is a state that was made of the entries alone.
type replayed struct {
	state
	// texts are what came of the entries.
	texts []string
	// stored are the messages that were stored, by number.
	stored map[store.Seq]stored
}

type stored struct {
	time      int64
	value, id string
}

// replay applies all entries up to one anew, and compares the state behind each.
func (g *group) replay(upTo raft.Index) (*replayed, error) {
	ref := &replayed{state: state{content: g.kind.content(nil)}, stored: make(map[store.Seq]stored)}
	for i := raft.Index(0); i <= upTo && i < raft.Index(len(g.entries)); i++ {
		e, text := &g.entries[i], "\n"
		if !e.there && i > 0 {
			return nil, fmt.Errorf("entry %d was never applied", i)
		}
		if e.conf {
			ref.hash ^= uint64(i)
		}
		ref.term = e.term
		for _, op := range e.ops {
			result, err := ref.apply(op, e.time)
			if err != nil {
				return nil, err
			}
			text += fmt.Sprint(result) + "\n"
			if st, ok := ref.content.(*stream); ok {
				ref.note(st, e.time)
			}
		}
		ref.texts = append(ref.texts, text)
		mark, err := ref.mark()
		if err != nil {
			return nil, err
		}
		if i > 0 && mark != g.chain[i] {
			return nil, fmt.Errorf("entry %d makes another state of the entries alone than of images and checkpoints", i)
		}
	}
	return ref, nil
}

// note keeps what the op that was applied last has stored.
func (ref *replayed) note(st *stream, now int64) {
	var m store.Message
	for _, added := range st.result.Added {
		if st.store.Load(added.Seq, &m) == nil {
			ref.stored[added.Seq] = stored{now, string(m.Data), headerValue(m.Header, api.HeaderMsgID)}
		}
	}
}

func headerValue(block []byte, name string) string {
	_, rest, ok := strings.Cut(string(block), name+": ")
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// checkPosts compares what publishers were told with what was stored.
func (g *group) checkPosts(st *stream, all map[store.Seq]stored) error {
	values, ids := make(map[string]store.Seq), make(map[string]stored)
	window := int64(st.core.Config().DuplicateWindow)
	for seq := store.Seq(1); seq <= st.store.State().Last; seq++ {
		m, ok := all[seq]
		if !ok {
			continue // it went at once
		}
		if before, twice := values[m.value]; twice {
			return fmt.Errorf("message %d is message %d once more", seq, before)
		}
		values[m.value] = seq
		if before, ok := ids[m.id]; ok && m.id != "" && m.time-before.time < window {
			return fmt.Errorf("message %d has id %s, which one has %v before", seq, m.id, time.Duration(m.time-before.time))
		}
		ids[m.id] = m
	}
	var newest *post // of those that were acknowledged, by number
	for _, p := range g.posts {
		seq, there := values[p.value]
		switch {
		case p.outcome == never && there:
			return fmt.Errorf("%s was refused and is message %d", p.value, seq)
		case p.outcome != done:
			continue
		case p.duplicate && all[p.seq].id != p.id:
			return fmt.Errorf("%s is said to be message %d, which has id %q and not %q", p.value, p.seq, all[p.seq].id, p.id)
		case p.duplicate:
			continue
		case all[p.seq].value != p.value:
			return fmt.Errorf("%s was acknowledged as message %d, which is %q", p.value, p.seq, all[p.seq].value)
		case newest != nil && newest.end < p.begin && newest.seq > p.seq:
			return fmt.Errorf("%s is message %d, and %s which was acknowledged before is message %d", p.value, p.seq, newest.value, newest.seq)
		}
		if newest == nil || p.seq > newest.seq {
			newest = p
		}
	}
	var m store.Message
	for _, x := range g.gone {
		for seq := x.first; seq <= x.last; seq++ {
			if st.store.Load(seq, &m) == nil && (x.subject == "" || string(m.Subject) == x.subject) {
				return fmt.Errorf("message %d was removed and is there", seq)
			}
		}
	}
	return nil
}
